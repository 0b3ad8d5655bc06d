//! Which resource ids may occur more than once in an export.
//!
//! A first pass over the export notes a hash of every resource's type and id in a table of two
//! bits per slot: seen, and seen again. Rows whose id was seen once can go straight to the lake;
//! the others wait until all versions of the resource are known. Two ids that meet in a slot only
//! make a line wait in vain, so the table may be small whatever the size of the export.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicU64, Ordering};

/// Slots in a word.
const SLOTS: u64 = 32;
/// 256 MiB, for exports of some hundred million lines.
const MOST_SLOTS: u64 = 1 << 30;
const LEAST_SLOTS: u64 = 1 << 16;

/// The table. Shared by all workers.
#[derive(Debug)]
pub(crate) struct Census {
    words: Vec<AtomicU64>,
    hasher: RandomState,
}

impl Census {
    /// A table for about `lines` lines: one in thirty or fewer will wait in vain.
    pub(crate) fn for_lines(lines: u64) -> Self {
        let slots = lines.saturating_mul(SLOTS).clamp(LEAST_SLOTS, MOST_SLOTS);
        let words = slots.next_power_of_two() / SLOTS;
        Self {
            words: (0..words).map(|_| AtomicU64::new(0)).collect(),
            hasher: RandomState::new(),
        }
    }

    /// Notes one occurrence.
    pub(crate) fn note(&self, kind: &str, id: &str) {
        let (word, seen) = self.slot(kind, id);
        if word.fetch_or(seen, Ordering::Relaxed) & seen != 0 {
            word.fetch_or(seen << 1, Ordering::Relaxed);
        }
    }

    /// Whether the id may have occurred more than once.
    pub(crate) fn repeated(&self, kind: &str, id: &str) -> bool {
        let (word, seen) = self.slot(kind, id);
        word.load(Ordering::Relaxed) & (seen << 1) != 0
    }

    fn slot(&self, kind: &str, id: &str) -> (&AtomicU64, u64) {
        let hash = self.hasher.hash_one((kind, id));
        let words = self.words.len() as u64;
        // The number of words is a power of two.
        let word = usize::try_from((hash / SLOTS) & (words - 1)).unwrap_or(0);
        (&self.words[word], 1 << (2 * (hash % SLOTS)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_repetition_is_noticed_and_few_others() {
        let census = Census::for_lines(10_000);
        for n in 0..10_000 {
            census.note("Observation", &n.to_string());
        }
        for n in 0..100 {
            census.note("Observation", &n.to_string());
        }
        let repeated = |n: &u32| census.repeated("Observation", &n.to_string());
        assert_eq!((0..100).filter(repeated).count(), 100);
        let others = (100..10_000).filter(repeated).count();
        assert!(others < 1_000, "{others} lines would wait in vain");
    }
}
