//! Rules F2 and F3: how a log begins, and that what an entry cites stands earlier and fits together.

use std::collections::BTreeMap;

use crate::certificate::Certificate;
use crate::entry::{Entry, Genesis};
use crate::report::Finding;

/// What later rules need of an earlier entry.
enum Known {
    /// Rule F1 has failed there: what cites it is not blamed for it.
    Unreadable,
    Dataset(String),
    Catalog(String),
    Policy(u64),
    Snapshot(String),
    Reserve,
    Release,
    Other,
}

/// All that earlier entries have established.
#[derive(Default)]
pub(crate) struct References {
    known: Vec<Known>,
    /// Every key entry, with its index.
    keys: Vec<(u64, [u8; 32])>,
    /// Of entry 0.
    pub(crate) origin: Option<String>,
    space: Option<String>,
    /// By dataset.
    newest_catalog: BTreeMap<String, u64>,
    newest_policy: Option<u64>,
}

impl References {
    /// Checks what the entry cites, then remembers it.
    pub(crate) fn check(&mut self, index: u64, entry: Option<&Entry>, findings: &mut Vec<Finding>) {
        let Some(entry) = entry else {
            self.known.push(Known::Unreadable);
            return;
        };
        match (index, entry.kind()) {
            (0, "genesis") | (1, "key") => {}
            (0, kind) => findings.push(Finding::at(0, "F2", format!("{kind}, not the genesis"))),
            (_, "genesis") => findings.push(Finding::at(index, "F2", "a second genesis")),
            (1, kind) => findings.push(Finding::at(1, "F2", format!("{kind}, not a key"))),
            _ => {}
        }
        let known = match entry {
            Entry::Genesis(genesis) => {
                check_genesis(index, genesis, findings);
                if index == 0 {
                    self.origin = Some(genesis.origin.clone());
                    self.space = Some(genesis.space.clone());
                }
                Known::Other
            }
            Entry::Key(key) => {
                self.keys.push((index, key.public));
                Known::Other
            }
            Entry::Dataset {
                dataset,
                space,
                tables,
            } => {
                if self.space.as_ref().is_some_and(|genesis| genesis != space) {
                    findings.push(Finding::at(
                        index,
                        "F3",
                        "not the identity space of the genesis",
                    ));
                }
                match tables {
                    None => Known::Dataset(dataset.clone()),
                    // A part is charged beside its whole, never in its place.
                    Some(_) => Known::Other,
                }
            }
            Entry::Catalog { dataset } => {
                self.newest_catalog.insert(dataset.clone(), index);
                Known::Catalog(dataset.clone())
            }
            Entry::Policy { query_rho, .. } => {
                self.newest_policy = Some(index);
                Known::Policy(*query_rho)
            }
            Entry::Snapshot { dataset } => Known::Snapshot(dataset.clone()),
            Entry::Reserve(reserve) => {
                self.certificate(index, &reserve.certificate, findings);
                Known::Reserve
            }
            Entry::Release { reserve, .. } | Entry::Abort { reserve } => {
                self.ends_or_blames(index, *reserve, findings);
                match entry {
                    Entry::Release { .. } => Known::Release,
                    _ => Known::Other,
                }
            }
            Entry::Reuse(reuse) => {
                let release = reuse.release;
                if !matches!(self.at(release), Some(Known::Release | Known::Unreadable)) {
                    let what = format!("entry {release} is not an earlier release");
                    findings.push(Finding::at(index, "F3", what));
                }
                Known::Other
            }
            Entry::Review(review) => {
                for cited in [review.from, review.to] {
                    if cited >= index {
                        let what = format!("entry {cited} is not earlier");
                        findings.push(Finding::at(index, "F3", what));
                    }
                }
                Known::Other
            }
            Entry::Incident(incident) => {
                self.ends_or_blames(index, incident.reserve, findings);
                Known::Other
            }
            Entry::Refuse
            | Entry::Officer(_)
            | Entry::Grant(_)
            | Entry::Anchor { .. }
            | Entry::Seal(_) => Known::Other,
        };
        self.known.push(known);
    }

    /// Those of another log, of which its name and its keys are known.
    pub(crate) fn of_keys(origin: &str, keys: Vec<(u64, [u8; 32])>) -> Self {
        References {
            origin: Some(origin.to_owned()),
            keys,
            ..References::default()
        }
    }

    /// The keys, in the order of their entries.
    pub(crate) fn keys(&self) -> Vec<[u8; 32]> {
        self.keys.iter().map(|(_, public)| *public).collect()
    }

    /// The last `key` entry below `size`, with its index.
    pub(crate) fn key_in_force(&self, size: u64) -> Option<(u64, [u8; 32])> {
        let below = self.keys.partition_point(|(index, _)| *index < size);
        self.keys.get(below.checked_sub(1)?).copied()
    }

    /// What ends a reserve, or finds its price too low, cites one.
    fn ends_or_blames(&self, index: u64, reserve: u64, findings: &mut Vec<Finding>) {
        if !matches!(self.at(reserve), Some(Known::Reserve | Known::Unreadable)) {
            let what = format!("entry {reserve} is not an earlier reserve");
            findings.push(Finding::at(index, "F3", what));
        }
    }

    /// The most that one query may cost by this policy entry, if it is one.
    pub(crate) fn query_rho(&self, policy: u64) -> Option<u64> {
        match self.at(policy) {
            Some(Known::Policy(query_rho)) => Some(*query_rho),
            _ => None,
        }
    }

    fn at(&self, index: u64) -> Option<&Known> {
        self.known.get(usize::try_from(index).ok()?)
    }

    fn certificate(&self, index: u64, cites: &Certificate, findings: &mut Vec<Finding>) {
        let mut fail = |what: String| findings.push(Finding::at(index, "F3", what));
        let not = |cited: u64, kind: &str| format!("entry {cited} is not an earlier {kind}");
        let dataset = match self.at(cites.dataset) {
            Some(Known::Dataset(dataset)) => Some(dataset),
            Some(Known::Unreadable) => None,
            _ => {
                fail(not(cites.dataset, "dataset"));
                None
            }
        };
        let foreign = |of: &String| dataset.is_some_and(|dataset| dataset != of);
        match self.at(cites.snapshot) {
            Some(Known::Snapshot(of)) if foreign(of) => {
                fail(format!("snapshot {} is of another dataset", cites.snapshot));
            }
            Some(Known::Snapshot(_) | Known::Unreadable) => {}
            _ => fail(not(cites.snapshot, "snapshot")),
        }
        match self.at(cites.catalog) {
            Some(Known::Catalog(of)) if foreign(of) => {
                fail(format!("catalog {} is of another dataset", cites.catalog));
            }
            Some(Known::Catalog(of)) if self.newest_catalog.get(of) != Some(&cites.catalog) => {
                fail(format!(
                    "catalog {} is not its dataset's newest",
                    cites.catalog
                ));
            }
            Some(Known::Catalog(_) | Known::Unreadable) => {}
            _ => fail(not(cites.catalog, "catalog")),
        }
        match self.at(cites.policy) {
            Some(Known::Policy(_)) if self.newest_policy != Some(cites.policy) => {
                fail(format!("policy {} is not the newest", cites.policy));
            }
            Some(Known::Policy(_) | Known::Unreadable) => {}
            _ => fail(not(cites.policy, "policy")),
        }
    }
}

fn check_genesis(index: u64, genesis: &Genesis, findings: &mut Vec<Finding>) {
    let mut fail = |what: String| findings.push(Finding::at(index, "F2", what));
    if genesis.adjacency != "one-person" {
        fail(format!("adjacency {:?}", genesis.adjacency));
    }
    if !genesis.cap.within(genesis.ceiling) {
        fail("the cap is above the ceiling".to_owned());
    }
    if genesis.ceiling.delta >= crate::quantity::DELTA_ONE {
        fail("a ceiling of delta 1 promises nothing".to_owned());
    }
}
