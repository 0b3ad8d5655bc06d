//! The log, looked up by what its entries cite.

use std::collections::BTreeMap;

use salus_accounting::{Delta, Epsilon, Loss, epsilon_of, total_delta};
use salus_ledger::entry::{Genesis, Release, Reserve};
use salus_ledger::{Body, EntryIndex, StoredEntry};

/// A log under the positions of its entries. It may be a part of one: what is not there is not known.
#[derive(Debug, Clone)]
pub(crate) struct Books<'l> {
    entries: &'l [StoredEntry],
    places: BTreeMap<u64, usize>,
    genesis: Option<&'l Genesis>,
}

impl<'l> Books<'l> {
    pub(crate) fn of(entries: &'l [StoredEntry]) -> Self {
        let places = entries.iter().enumerate();
        let genesis = entries.iter().find_map(|stored| match &stored.entry.body {
            Body::Genesis(genesis) => Some(genesis),
            _ => None,
        });
        Self {
            entries,
            places: places
                .map(|(place, stored)| (stored.index.0, place))
                .collect(),
            genesis,
        }
    }

    pub(crate) fn entries(&self) -> &'l [StoredEntry] {
        self.entries
    }

    pub(crate) fn genesis(&self) -> Option<&'l Genesis> {
        self.genesis
    }

    /// The delta at which rho is shown as epsilon. Without a genesis it is zero, at which no finite epsilon holds: nothing looks better than it is.
    pub(crate) fn conversion(&self) -> Delta {
        self.genesis
            .map_or(Delta::ZERO, |genesis| genesis.conversion_delta)
    }

    pub(crate) fn entry(&self, index: EntryIndex) -> Option<&'l StoredEntry> {
        self.entries.get(*self.places.get(&index.0)?)
    }

    pub(crate) fn reserve(&self, index: EntryIndex) -> Option<&'l Reserve> {
        match &self.entry(index)?.entry.body {
            Body::Reserve(reserve) => Some(reserve),
            _ => None,
        }
    }

    pub(crate) fn release(&self, index: EntryIndex) -> Option<&'l Release> {
        match &self.entry(index)?.entry.body {
            Body::Release(release) => Some(release),
            _ => None,
        }
    }

    /// Name of the dataset that a question is about.
    pub(crate) fn dataset(&self, reserve: &Reserve) -> Option<&'l str> {
        self.entry(reserve.certificate.dataset)?
            .entry
            .body
            .dataset()
    }

    /// The parts of it that count the question at `index` as well, by name.
    pub(crate) fn parts(&self, index: EntryIndex, reserve: &Reserve) -> Vec<&'l str> {
        let mut parts = BTreeMap::new();
        let before = self
            .entries
            .iter()
            .take_while(|stored| stored.index < index);
        for stored in before {
            if let Body::Dataset(dataset) = &stored.entry.body
                && let Some(tables) = &dataset.tables
            {
                parts.insert(dataset.dataset.as_str(), tables);
            }
        }
        let steps = &reserve.certificate.steps;
        let reads = |tables: &Vec<String>| {
            let mut read = steps.iter().filter_map(|step| step.table.as_ref());
            read.any(|table| tables.contains(table))
        };
        parts.retain(|_, tables| reads(tables));
        parts.into_keys().collect()
    }

    /// Number of the snapshot that a question reads.
    pub(crate) fn snapshot(&self, reserve: &Reserve) -> Option<u64> {
        match &self.entry(reserve.certificate.snapshot)?.entry.body {
            Body::Snapshot(snapshot) => Some(snapshot.snapshot),
            _ => None,
        }
    }
}

/// The epsilon that a loss is shown as: zero where nothing was given away, whatever the conversion delta.
pub fn shown_epsilon(loss: Loss, conversion: Delta) -> Epsilon {
    epsilon_of(loss.rho, conversion)
}

/// The delta that a loss is shown with, that of the conversion included: zero where nothing was given away.
pub fn shown_delta(loss: Loss, conversion: Delta) -> Delta {
    if loss == Loss::ZERO {
        Delta::ZERO
    } else {
        total_delta(loss.delta, conversion)
    }
}

/// Epsilons by loss: many questions have the same price, and the conversion is the dear part of a long list.
#[derive(Debug)]
pub(crate) struct Shown {
    pub(crate) conversion: Delta,
    known: BTreeMap<u64, Epsilon>,
}

impl Shown {
    pub(crate) fn new(conversion: Delta) -> Self {
        Self {
            conversion,
            known: BTreeMap::new(),
        }
    }

    pub(crate) fn epsilon(&mut self, loss: Loss) -> Epsilon {
        let known = self.known.entry(loss.rho.units());
        known
            .or_insert_with(|| shown_epsilon(loss, self.conversion))
            .clone()
    }
}

/// The sum; where it cannot be written down, the first of the two, which no log that holds comes near.
pub(crate) fn plus(sum: Loss, loss: Loss) -> Loss {
    sum.checked_add(loss).unwrap_or(sum)
}

/// What is left of a cap, coordinate by coordinate; zero where more was spent, as only an incident can.
pub(crate) fn left(cap: Loss, spent: Loss) -> Loss {
    Loss {
        rho: cap.rho.checked_sub(spent.rho).unwrap_or_default(),
        delta: cap.delta.checked_sub(spent.delta).unwrap_or_default(),
    }
}

/// Bytes in lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
