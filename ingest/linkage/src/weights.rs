//! The weights of Fellegi and Sunter: how much each level of agreement speaks for one person.
//!
//! `m` is the probability of a level among pairs of one person, `u` among pairs of two. `u` comes from random pairs, of which
//! nearly all are two persons; `m` from expectation and maximisation over the candidates of each blocking pass, for the fields
//! that the pass does not rest on (Winkler 1990; as Splink does). Both start from a prior worth a few hundred pairs, so that
//! small data do not run wild.

use std::collections::BTreeMap;

use crate::compare::{
    BIRTH, FAMILY, FIELDS, GIVEN, IDENTIFIER, LEVELS, LINE, MOST_LEVELS, POSTAL, Pattern, SEX,
    TELECOM,
};

/// Pairs that the prior of `m` is worth.
const PRIOR_M: f64 = 50.0;
/// Pairs that the prior of `u` is worth.
const PRIOR_U: f64 = 50.0;
/// Rounds of expectation and maximisation at most.
const ROUNDS: usize = 100;
/// Change of the share of matches below which the rounds end.
const STILL: f64 = 1e-9;

/// Probabilities by field and level.
pub(crate) type Table = [[f64; MOST_LEVELS]; FIELDS.len()];

/// What the scores rest on.
#[derive(Debug, Clone, PartialEq)]
pub struct Weights {
    pub(crate) m: Table,
    pub(crate) u: Table,
    /// Share of matches among all pairs across sources.
    pub(crate) prior: f64,
}

impl Weights {
    /// Of published linkages of hospital records: only a start, which data soon outweigh.
    pub(crate) fn start() -> Self {
        let mut weights = Self {
            m: [[0.0; MOST_LEVELS]; FIELDS.len()],
            u: [[0.0; MOST_LEVELS]; FIELDS.len()],
            prior: 1e-4,
        };
        let mut set = |field: usize, m: &[f64], u: &[f64]| {
            for (level, (m, u)) in m.iter().zip(u).enumerate() {
                weights.m[field][level] = *m;
                weights.u[field][level] = *u;
            }
        };
        set(
            FAMILY,
            &[0.05, 0.02, 0.05, 0.88],
            &[0.985, 0.007, 0.003, 0.005],
        );
        set(
            GIVEN,
            &[0.05, 0.02, 0.05, 0.88],
            &[0.98, 0.007, 0.003, 0.01],
        );
        set(
            BIRTH,
            &[0.02, 0.02, 0.01, 0.95],
            &[0.9979, 0.0015, 0.0005, 0.0001],
        );
        set(SEX, &[0.01, 0.99], &[0.5, 0.5]);
        set(POSTAL, &[0.15, 0.1, 0.75], &[0.9, 0.08, 0.02]);
        set(LINE, &[0.3, 0.1, 0.6], &[0.99, 0.009, 0.001]);
        set(TELECOM, &[0.3, 0.7], &[0.9995, 0.0005]);
        set(IDENTIFIER, &[0.05, 0.95], &[0.9999, 0.0001]);
        weights
    }

    /// `m` of each level of `field`, and its `u`: from disagreement to equality.
    pub fn of(&self, field: usize) -> Option<(&[f64], &[f64])> {
        let levels = *LEVELS.get(field)?;
        Some((
            self.m.get(field)?.get(..levels)?,
            self.u.get(field)?.get(..levels)?,
        ))
    }

    /// The weights with both probabilities exchanged: what speaks for one person then speaks against. For trials of whether a
    /// result rests on the weights at all.
    #[must_use]
    pub fn exchanged(&self) -> Self {
        Self {
            m: self.u,
            u: self.m,
            prior: self.prior,
        }
    }

    /// The logarithm to base 2 of the odds that a pair with these levels is one person.
    pub(crate) fn bits(&self, pattern: &Pattern) -> f64 {
        let prior = (self.prior / (1.0 - self.prior)).log2();
        let levels = pattern.iter().enumerate();
        levels.fold(prior, |sum, (field, level)| match level {
            Some(level) => {
                let level = usize::from(*level);
                sum + (self.m[field][level] / self.u[field][level]).log2()
            }
            None => sum,
        })
    }

    /// Sets `u` by what random pairs show.
    pub(crate) fn learn_u(&mut self, counts: &BTreeMap<Pattern, u64>) {
        let start = Self::start().u;
        for (field, start) in start.iter().enumerate() {
            let seen = tally(
                field,
                counts.iter().map(|(pattern, n)| (pattern, count(*n))),
            );
            self.u[field] = smoothed(field, &seen, start, PRIOR_U);
        }
    }

    /// What the pairs of one pass show about the fields outside `fixed`: sums by level, and how many are one person.
    pub(crate) fn learn_pass(
        &self,
        counts: &BTreeMap<Pattern, u64>,
        fixed: &[usize],
    ) -> (Table, f64) {
        let free = |pattern: &Pattern| {
            let mut pattern = *pattern;
            for field in fixed {
                pattern[*field] = None;
            }
            pattern
        };
        let mut pairs: BTreeMap<Pattern, f64> = BTreeMap::new();
        for (pattern, n) in counts {
            *pairs.entry(free(pattern)).or_default() += count(*n);
        }
        let total: f64 = pairs.values().sum();
        let mut now = Self {
            prior: 0.2,
            ..self.clone()
        };
        let mut sums = [[0.0; MOST_LEVELS]; FIELDS.len()];
        let mut matches = 0.0;
        for _ in 0..ROUNDS {
            let weighted: Vec<(&Pattern, f64)> = pairs
                .iter()
                .map(|(pattern, n)| (pattern, n * probability(now.bits(pattern))))
                .collect();
            matches = weighted.iter().map(|(_, n)| n).sum();
            let start = Self::start().m;
            for field in (0..FIELDS.len()).filter(|field| !fixed.contains(field)) {
                sums[field] = tally(field, weighted.iter().copied());
                now.m[field] = smoothed(field, &sums[field], &start[field], PRIOR_M);
            }
            // One pair on either side keeps the share away from certainty.
            let share = (matches + 0.5) / (total + 1.0);
            let moved = (share - now.prior).abs();
            now.prior = share;
            if moved < STILL {
                break;
            }
        }
        (sums, matches)
    }

    /// Sets `m` by the sums over all passes.
    pub(crate) fn learn_m(&mut self, sums: &Table) {
        let start = Self::start().m;
        for (field, start) in start.iter().enumerate() {
            self.m[field] = smoothed(field, &sums[field], start, PRIOR_M);
        }
    }
}

/// The probability with these odds.
pub(crate) fn probability(bits: f64) -> f64 {
    1.0 / (1.0 + (-bits).exp2())
}

fn tally<'p>(field: usize, pairs: impl Iterator<Item = (&'p Pattern, f64)>) -> [f64; MOST_LEVELS] {
    let mut seen = [0.0; MOST_LEVELS];
    for (pattern, n) in pairs {
        if let Some(level) = pattern[field] {
            seen[usize::from(level)] += n;
        }
    }
    seen
}

fn smoothed(
    field: usize,
    seen: &[f64; MOST_LEVELS],
    start: &[f64; MOST_LEVELS],
    worth: f64,
) -> [f64; MOST_LEVELS] {
    let total: f64 = seen.iter().sum();
    let mut shares = [0.0; MOST_LEVELS];
    for level in 0..LEVELS[field] {
        shares[level] = (seen[level] + worth * start[level]) / (total + worth);
    }
    shares
}

#[expect(
    clippy::cast_precision_loss,
    reason = "counts of pairs stay far below 2^53"
)]
fn count(n: u64) -> f64 {
    n as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expectation_and_maximisation_finds_what_was_put_in() {
        // 1,000 pairs of one person whose postal code agrees in 60 % and 9,000 of two; the family is what the pass rests on.
        let mut counts = BTreeMap::new();
        let mut put = |birth: u8, postal: u8, sex: u8, n: u64| {
            let mut pattern: Pattern = [None; FIELDS.len()];
            (pattern[BIRTH], pattern[POSTAL], pattern[SEX]) =
                (Some(birth), Some(postal), Some(sex));
            *counts.entry(pattern).or_default() += n;
        };
        for (birth, share) in [(3, 95), (0, 5)] {
            put(birth, 2, 1, 6 * share);
            put(birth, 0, 1, 4 * share);
        }
        for (postal, n) in [(2, 180), (0, 8820)] {
            put(0, postal, 0, n / 2);
            put(0, postal, 1, n / 2);
        }
        let (sums, matches) = Weights::start().learn_pass(&counts, &[FAMILY]);
        assert!((900.0..1100.0).contains(&matches), "{matches}");
        let share = sums[POSTAL][2] / sums[POSTAL].iter().sum::<f64>();
        assert!((0.55..0.68).contains(&share), "{share}");
        assert!(sums[FAMILY].iter().all(|sum| *sum == 0.0));
    }

    #[test]
    fn weights_are_probabilities() {
        let mut weights = Weights::start();
        weights.learn_u(&BTreeMap::from([([Some(0); FIELDS.len()], 10_000)]));
        for field in 0..FIELDS.len() {
            let (m, u) = weights.of(field).expect("a field");
            assert!(
                (m.iter().sum::<f64>() - 1.0).abs() < 1e-9
                    && (u.iter().sum::<f64>() - 1.0).abs() < 1e-9
            );
            assert!(
                m.iter().chain(u).all(|p| *p > 0.0),
                "no level is impossible"
            );
        }
        assert!(weights.bits(&[Some(0); FIELDS.len()]) < weights.bits(&[None; FIELDS.len()]));
    }
}
