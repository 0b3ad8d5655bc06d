//! Rules N2 and N3: the restricted log, where the auditor is given it, is whole, has the first log's keys, and holds all that the first log has
//! anchored.

mod entry;

use std::collections::{BTreeMap, BTreeSet};

use crate::align::align;
use crate::audit::Evidence;
use crate::checkpoints::{self, Signed};
use crate::entry::Entry as FirstEntry;
use crate::keys::Keys;
use crate::note::{Checkpoint, Note};
use crate::receipt::commitment;
use crate::references::References;
use crate::report::Finding;
use crate::tree::{Hash, roots_at};
use crate::vkey::VerifierKey;
use entry::Entry;

/// The restricted log of a ledger, and what opens the first log's anchors.
#[derive(Debug, Clone, Default)]
pub struct Restricted {
    /// Its entries, leaf hashes, checkpoints and verifier key.
    pub log: Evidence,
    /// By index of the anchor in the first log: its salt, 32 bytes, and the checkpoint that it commits to.
    pub anchors: BTreeMap<u64, Vec<u8>>,
}

/// What an audit found in the restricted log.
#[derive(Debug, Clone, Default)]
pub struct RestrictedReport {
    /// Failures, by entry of the restricted log.
    pub findings: Vec<Finding>,
    /// Number of entries.
    pub entries: u64,
    /// Number of entries of each kind.
    pub kinds: BTreeMap<&'static str, u64>,
    /// Anchors of the first log that open to a checkpoint of this log.
    pub anchors: u64,
    /// Size and root of the newest checkpoint whose signature is good.
    pub head: Option<(u64, Hash)>,
    /// Break-glass accesses that no follow-up has closed.
    pub open: Vec<u64>,
}

/// What the first log says.
pub(crate) struct First<'f> {
    pub(crate) log: &'f References,
    /// Whether its genesis has a restricted log.
    pub(crate) has_one: bool,
    /// Index and commitment of its anchors.
    pub(crate) anchors: &'f [(u64, Hash)],
}

/// Audits the restricted log by itself, and then against the first log, whose own `findings` name the anchors that fail.
pub(crate) fn check(
    restricted: &Restricted,
    first: &First<'_>,
    findings: &mut Vec<Finding>,
) -> RestrictedReport {
    let evidence = &restricted.log;
    let mut report = RestrictedReport {
        entries: u64::try_from(evidence.entries.len()).unwrap_or(u64::MAX),
        ..RestrictedReport::default()
    };
    if !first.has_one {
        let what = "the first log's genesis has no restricted log";
        report.findings.push(Finding::whole("N3", what));
    }
    let claimed = checkpoints::claimed_size(&evidence.checkpoints);
    let leaves = evidence.leaves.as_deref();
    let aligned = align(&evidence.entries, leaves, claimed, &mut report.findings);
    let mut fold = Fold {
        origin: format!(
            "{}/restricted",
            first.log.origin.as_deref().unwrap_or_default()
        ),
        log: first.log.origin.clone().unwrap_or_default(),
        first: first.log.keys(),
        ..Fold::default()
    };
    for (index, bytes) in (0_u64..).zip(&aligned.slots) {
        fold.entry(index, *bytes, &mut report);
    }
    fold.close(&mut report);
    let log = References::of_keys(&fold.origin, fold.keys);
    let signed = Signed {
        checkpoints: &evidence.checkpoints,
        vkey: &evidence.vkey,
    };
    report.head = checkpoints::check(&signed, &log, &aligned, &mut report.findings).newest;
    report
        .findings
        .sort_by_key(|finding| (finding.index.is_none(), finding.index, finding.rule));
    report.anchors = anchors(restricted, first, &log, &aligned.hashes, findings);
    report
}

#[derive(Default)]
struct Fold {
    /// What the log must be called, and which it belongs to.
    origin: String,
    log: String,
    /// The first log's keys.
    first: Vec<[u8; 32]>,
    keys: Vec<(u64, [u8; 32])>,
    endorsed: Keys,
    broken: BTreeSet<u64>,
    unreadable: BTreeSet<u64>,
}

impl Fold {
    fn entry(&mut self, index: u64, bytes: Option<&[u8]>, report: &mut RestrictedReport) {
        let findings = &mut report.findings;
        let decoded = match bytes.map(Entry::decode) {
            Some(Ok(entry)) => Ok(entry),
            Some(Err(malformed)) => Err(malformed.0),
            None => Err("no bytes".to_owned()),
        };
        let origin = self.origin.as_str();
        let mut fail = |what: &str| findings.push(Finding::at(index, "N3", what));
        let kind = match decoded {
            Err(what) => {
                findings.push(Finding::at(index, "F1", what));
                self.endorsed.check(index, None, Some(origin), findings);
                self.unreadable.insert(index);
                "unreadable"
            }
            Ok(entry) => {
                match (index, &entry) {
                    (0, Entry::Opening { origin, log })
                        if *origin == self.origin && *log == self.log => {}
                    (0, Entry::Opening { .. }) => fail("it is the restricted log of another"),
                    (0, _) => fail("not the opening"),
                    (_, Entry::Opening { .. }) => fail("a second opening"),
                    (1, Entry::Key(_)) => {}
                    (1, _) => fail("not a key"),
                    _ => {}
                }
                let kind = entry.kind();
                match entry {
                    Entry::BreakGlass => {
                        self.broken.insert(index);
                        report.open.push(index);
                    }
                    Entry::FollowUp { breakglass, closes } => {
                        let known = [&self.broken, &self.unreadable];
                        if !known.iter().any(|known| known.contains(&breakglass)) {
                            fail("what it follows up is no earlier break-glass access");
                        }
                        report.open.retain(|open| *open != breakglass);
                        if !closes && self.broken.contains(&breakglass) {
                            report.open.push(breakglass);
                        }
                    }
                    Entry::Key(key) => {
                        if self.first.get(self.keys.len()) != Some(&key.public) {
                            fail("not the key that the first log puts in force next");
                        }
                        self.keys.push((index, key.public));
                        let key = FirstEntry::Key(key);
                        self.endorsed
                            .check(index, Some(&key), Some(origin), findings);
                    }
                    _ => {}
                }
                kind
            }
        };
        let count = report.kinds.entry(kind).or_default();
        *count = count.saturating_add(1);
    }

    fn close(&self, report: &mut RestrictedReport) {
        if self.keys.len() < self.first.len() && self.unreadable.is_empty() {
            let what = "a key of the first log is missing";
            report.findings.push(Finding::whole("N3", what));
        }
        report.open.sort_unstable();
    }
}

/// Rule N2. Gives the number of anchors that hold.
fn anchors(
    restricted: &Restricted,
    first: &First<'_>,
    log: &References,
    hashes: &[Option<Hash>],
    findings: &mut Vec<Finding>,
) -> u64 {
    let mut opened: Vec<(u64, Checkpoint)> = Vec::new();
    for (index, committed) in first.anchors {
        match open(restricted.anchors.get(index), committed, log) {
            Ok(checkpoint) => opened.push((*index, checkpoint)),
            Err(what) => findings.push(Finding::at(*index, "N2", what)),
        }
    }
    let known: BTreeSet<u64> = first.anchors.iter().map(|(index, _)| *index).collect();
    for index in restricted.anchors.keys() {
        if !known.contains(index) {
            let what = "it is no anchor, and something is given that opens it";
            findings.push(Finding::at(*index, "N2", what));
        }
    }
    // Roots are worked out in order of size; that sizes never fall is looked at in the order of the anchors.
    let mut largest = 0;
    for (index, checkpoint) in &opened {
        if checkpoint.size < largest {
            let what = format!(
                "it is of {} entries of the restricted log, an earlier anchor of {largest}",
                checkpoint.size
            );
            findings.push(Finding::at(*index, "N2", what));
        }
        largest = largest.max(checkpoint.size);
    }
    opened.sort_by_key(|(_, checkpoint)| checkpoint.size);
    let sizes = opened.iter().map(|(_, checkpoint)| checkpoint.size);
    let roots = roots_at(sizes, hashes.iter().copied());
    let here = hashes.len();
    let mut good: u64 = 0;
    for ((index, checkpoint), root) in opened.iter().zip(roots) {
        let size = checkpoint.size;
        let what = match root {
            Some(root) if root == checkpoint.root => {
                good = good.saturating_add(1);
                continue;
            }
            Some(_) => format!(
                "the first {size} entries of the restricted log are not those that were anchored"
            ),
            None => format!(
                "{size} entries of the restricted log were anchored, and {here} are there or can be read"
            ),
        };
        findings.push(Finding::at(*index, "N2", what));
    }
    good
}

/// The checkpoint behind an anchor, signed by the key in force.
fn open(
    content: Option<&Vec<u8>>,
    committed: &Hash,
    log: &References,
) -> Result<Checkpoint, String> {
    let content = content.ok_or("what opens it is missing")?;
    let (salt, bytes) = content
        .split_first_chunk::<32>()
        .ok_or("what opens it has no salt")?;
    if commitment(salt, bytes) != *committed {
        return Err("what opens it opens another commitment".to_owned());
    }
    let note = Note::parse(bytes).map_err(|error| error.to_string())?;
    let checkpoint = Checkpoint::parse(note.text()).map_err(|error| error.to_string())?;
    if Some(&checkpoint.origin) != log.origin.as_ref() {
        return Err("the checkpoint is of another log".to_owned());
    }
    let (_, public) = log
        .key_in_force(checkpoint.size)
        .ok_or("no key of the restricted log is in force there")?;
    note.verify(&VerifierKey::new(&checkpoint.origin, public))
        .map_err(|error| error.to_string())?;
    Ok(checkpoint)
}
