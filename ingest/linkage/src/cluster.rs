//! From pairs to persons, under what must not be joined.

use std::collections::{BTreeMap, BTreeSet};

/// Disjoint sets with their members.
#[derive(Debug)]
pub(crate) struct Sets {
    of: Vec<usize>,
    members: BTreeMap<usize, Vec<usize>>,
}

impl Sets {
    pub(crate) fn new(count: usize) -> Self {
        Self {
            of: (0..count).collect(),
            members: BTreeMap::new(),
        }
    }

    pub(crate) fn of(&self, record: usize) -> usize {
        self.of.get(record).copied().unwrap_or(record)
    }

    pub(crate) fn same(&self, a: usize, b: usize) -> bool {
        self.of(a) == self.of(b)
    }

    fn members(&self, set: usize) -> Vec<usize> {
        self.members.get(&set).cloned().unwrap_or_else(|| vec![set])
    }

    /// Joins two sets; the smaller name stays.
    pub(crate) fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (self.of(a), self.of(b));
        if a == b {
            return;
        }
        let (stays, goes) = (a.min(b), a.max(b));
        let mut all = self.members(stays);
        let moved = self.members(goes);
        for member in &moved {
            if let Some(of) = self.of.get_mut(*member) {
                *of = stays;
            }
        }
        all.extend(moved);
        self.members.remove(&goes);
        self.members.insert(stays, all);
    }

    /// Whether `allowed` holds for every pair that joining would bring together.
    pub(crate) fn may_join(
        &self,
        a: usize,
        b: usize,
        allowed: impl Fn(usize, usize) -> bool,
    ) -> bool {
        let (left, right) = (self.members(self.of(a)), self.members(self.of(b)));
        left.iter().all(|a| right.iter().all(|b| allowed(*a, *b)))
    }
}

/// Bits, the record whose match it is, and the match.
type Rival = (f64, usize, usize);

/// Pairs of which either record has another match in the other's source that is nearly as good: nobody but a person can choose.
/// `margin` is in bits.
pub(crate) fn contested(
    pairs: &[(usize, usize, f64)],
    source: impl Fn(usize) -> usize,
    same: impl Fn(usize, usize) -> bool,
    margin: f64,
) -> BTreeSet<(usize, usize)> {
    let mut by_end: BTreeMap<(usize, usize), Vec<Rival>> = BTreeMap::new();
    for (a, b, bits) in pairs {
        for (end, other) in [(*a, *b), (*b, *a)] {
            let rivals = by_end.entry((end, source(other))).or_default();
            rivals.push((*bits, end, other));
        }
    }
    let mut found = BTreeSet::new();
    for rivals in by_end.values_mut() {
        rivals.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.2.cmp(&b.2)));
        let Some((best, _, chosen)) = rivals.first().copied() else {
            continue;
        };
        let near = |(bits, _, other): &&(f64, usize, usize)| {
            best - bits < margin && chosen != *other && !same(chosen, *other)
        };
        if rivals.iter().any(|rival| near(&rival)) {
            for (bits, end, other) in rivals.iter() {
                if best - bits < margin {
                    found.insert((*end.min(other), *end.max(other)));
                }
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_join_and_know_their_members() {
        let mut sets = Sets::new(5);
        sets.join(3, 1);
        sets.join(3, 4);
        assert!(sets.same(1, 4) && !sets.same(0, 1));
        assert!(sets.may_join(0, 1, |a, b| (a, b) != (4, 4)));
        assert!(!sets.may_join(1, 0, |a, b| (a, b) != (4, 0)));
    }

    #[test]
    fn two_good_matches_in_one_source_are_contested() {
        let source = |record: usize| record / 10;
        let pairs = [
            (0, 10, 30.0),
            (0, 11, 25.0),
            (1, 12, 30.0),
            (1, 13, 5.0),
            (2, 14, 30.0),
        ];
        let found = contested(&pairs, source, |_, _| false, 10.0);
        assert_eq!(found, [(0, 10), (0, 11)].into());
        assert!(contested(&pairs, source, |a, b| a + b == 21, 10.0).is_empty());
    }
}
