//! How much a person counts in each of her groups.

use crate::Rational;
use dashu::{base::SquareRoot, integer::UBig};

/// Largest weight of a group, most: 2^20.
const MOST_UNIT: u64 = 1 << 20;

/// Groups of a person that are weighed, most.
const MOST_GROUPS: u64 = 1 << 10;

/// The weight of each group of a person who is in n of them: the whole part of unit · min(1, √(groups / n)).
///
/// # Guarantee
/// n · weight(n)² ≤ groups · unit² for every n: whoever brings at most c to each of n ≤ `most` groups, times its weight, moves the vector over all
/// groups by at most √groups · unit · c in the L2 norm, as if she were in `groups` groups with weight `unit`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Weights {
    unit: u64,
    groups: u64,
    most: u64,
}

impl Weights {
    /// Everybody is in at most so many groups, and counts whole in each.
    pub fn even(groups: u64) -> Self {
        Self {
            unit: 1,
            groups,
            most: groups,
        }
    }

    /// Everybody is in at most `most` groups, and from the first after `groups` on counts less in each the more they are.
    ///
    /// `None` unless 1 ≤ unit ≤ 2^20 and 1 ≤ groups ≤ most ≤ 2^10.
    pub fn new(unit: u64, groups: u64, most: u64) -> Option<Self> {
        let fits = (1..=MOST_UNIT).contains(&unit) && (1..=most).contains(&groups);
        (fits && most <= MOST_GROUPS).then_some(Self { unit, groups, most })
    }

    /// The weight of a group that is a person's only one.
    pub fn unit(&self) -> u64 {
        self.unit
    }

    /// Groups of a person that count, most.
    pub fn most(&self) -> u64 {
        self.most
    }

    /// What each group of a person in `n` groups weighs.
    pub fn of(&self, n: u64) -> u64 {
        if n <= self.groups {
            return self.unit;
        }
        // The root of a whole number rounded down twice is that of the fraction rounded down.
        let unit = UBig::from(self.unit);
        let square = Rational::new(unit.sqr() * self.groups, UBig::from(n));
        let root = square.map_or(UBig::ZERO, |square| square.floor().sqrt());
        u64::try_from(&root).unwrap_or(0)
    }

    /// Each number of groups at which a person may be noticed by a threshold: fewer than `groups` weigh the same and are fewer.
    pub(crate) fn reaches(&self) -> impl Iterator<Item = u64> + use<> {
        self.groups..=self.most
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_never_bring_more_than_the_groups_they_stand_for() {
        for unit in [1, 7, 1 << 16, MOST_UNIT] {
            for groups in [1, 3, 8] {
                let weights = Weights::new(unit, groups, MOST_GROUPS).unwrap();
                let most = u128::from(groups) * u128::from(unit).pow(2);
                for n in 1..=MOST_GROUPS {
                    let weight = u128::from(weights.of(n));
                    let all = u128::from(n) * weight * weight;
                    assert!(all <= most, "{unit} {groups} {n}");
                    // One more would be too much.
                    let more = u128::from(n.max(groups)) * (weight + 1).pow(2);
                    assert!(more > most, "{unit} {groups} {n}");
                }
                assert_eq!(weights.of(1), unit);
            }
        }
        assert_eq!(Weights::even(8).of(8), 1);
    }

    #[test]
    fn weights_that_cannot_be_meant_are_none() {
        for (unit, groups, most) in [
            (0, 1, 1),
            (1, 0, 1),
            (1, 3, 2),
            (1, 1, 1 << 11),
            (1 << 21, 1, 1),
        ] {
            assert_eq!(Weights::new(unit, groups, most), None);
        }
    }
}
