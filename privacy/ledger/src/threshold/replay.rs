//! Record and replay of the threshold: of two lakes that differ in one person, how often the same noise shows groups of the one alone.
//!
//! Each case draws a minimum, a noise, a scale, a price in delta and the groups of a person, and sizes the threshold as a question does. Then every value
//! that the noise can take is frozen in turn and the groups that reach the minimum with her alone are decided on. The probabilities of the values that
//! show one, summed up, must not pass the delta that is booked.

use std::cell::Cell;

use salus_accounting::{Delta, Noise, Rational, threshold_above};
use salus_certificate::{Aggregate, Bounds, Certificate, EntryIndex, Mechanism, Weighted};

use super::{Threshold, apply};
use crate::gate::{Column, Groups};

thread_local! {
    static AT_TAU: Cell<bool> = const { Cell::new(false) };
}

/// Whether this thread has the fault planted that groups at tau are answered as well (opendp#2922).
pub(super) fn answers_at_tau() -> bool {
    AT_TAU.get()
}

/// `SplitMix64`.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % n
    }
}

/// A release whose groups are decided on, and its one mechanism.
#[derive(Debug)]
struct Case {
    bounds: Bounds,
    mechanism: Mechanism,
    threshold: Threshold,
}

impl Case {
    fn any(dice: &mut Dice) -> Option<Self> {
        let groups = 1 + dice.below(4);
        let noise =
            [Noise::DiscreteGaussian, Noise::DiscreteLaplace][usize::from(dice.below(2) == 0)];
        let weighted = (noise == Noise::DiscreteGaussian && dice.below(2) == 0).then(|| Weighted {
            unit: 16,
            groups: groups * (1 + dice.below(4)),
        });
        let bounds = Bounds {
            step: 0,
            rows_per_person: 1,
            groups_per_person: groups,
            cells: 0,
            weighted,
        };
        let sigma = Rational::from_ratio(4 + u128::from(dice.below(60)), 4)?;
        let mechanism = Mechanism::new(noise, Aggregate::Persons, 1, &bounds, sigma).ok()?;
        let price = ["1e-6", "1e-3", "0.02", "0.2"][usize::try_from(dice.below(4)).ok()?];
        let above = threshold_above(
            noise,
            &mechanism.sigma,
            Delta::parse_floor(price).ok()?,
            &bounds.weights()?,
        )?;
        let minimum = 1 + dice.below(12);
        let threshold = Threshold {
            minimum,
            tau: minimum + above,
        };
        let delta = threshold.delta(noise, &mechanism.sigma, &bounds)?;
        let mechanism = Mechanism {
            delta,
            threshold: Some(threshold),
            ..mechanism
        };
        Some(Self {
            bounds,
            mechanism,
            threshold,
        })
    }

    /// The probability that a group of hers is shown which has one person too few without her, if she is in as many as makes it largest.
    fn told(&self) -> f64 {
        let Some(weights) = self.bounds.weights() else {
            return f64::NAN;
        };
        let certificate = Certificate {
            dataset: EntryIndex(1),
            snapshot: EntryIndex(2),
            catalog: EntryIndex(3),
            policy: EntryIndex(4),
            unit: "person_id".to_owned(),
            steps: vec![],
            releases: vec![self.bounds.clone()],
            keys: [0; 32],
            mechanisms: vec![self.mechanism.clone()],
        };
        let others = self.threshold.minimum - 1;
        let in_groups = |n: u64| {
            let count = i128::from(others * weights.unit() + weights.of(n));
            let shown = self.noise().into_iter().filter(|(z, _)| {
                let decided = |persons, count| {
                    let groups = Groups {
                        keys: vec![b"rare".to_vec()],
                        persons: vec![persons],
                    };
                    let noisy = vec![Column::Dense(vec![count + z])];
                    apply(noisy, vec![Some(groups)], &certificate).unwrap().1
                };
                let with = decided(self.threshold.minimum, count);
                with != decided(others, i128::from(others * weights.unit()))
            });
            let probability: f64 = shown.map(|(_, p)| p).sum();
            #[expect(clippy::cast_precision_loss, reason = "a few groups")]
            let groups = n as f64;
            groups * probability
        };
        let most = (1..=weights.most()).map(in_groups);
        most.fold(0.0, f64::max)
    }

    /// The values of the noise and their probabilities; what lies beyond has less than 1e-17 together.
    fn noise(&self) -> Vec<(i128, f64)> {
        let scale: f64 = self.mechanism.sigma.to_decimal_string(9).parse().unwrap();
        let weight = |z: i32| match self.mechanism.kind {
            Noise::DiscreteGaussian => (-f64::from(z).powi(2) / (2.0 * scale * scale)).exp(),
            Noise::DiscreteLaplace => (-f64::from(z.abs()) / scale).exp(),
        };
        #[expect(clippy::cast_possible_truncation, reason = "a few thousand")]
        let reach = (scale * 45.0).ceil() as i32;
        let all: f64 = (-reach..=reach).map(weight).sum();
        let values = -reach..=reach;
        values.map(|z| (z.into(), weight(z) / all)).collect()
    }
}

/// How many of so many cases show more than is booked, and how many nearly as much.
fn play(seed: u64, cases: u32) -> (u32, u32) {
    let mut dice = Dice(seed);
    let (mut above, mut near) = (0, 0);
    for _ in 0..cases {
        let Some(case) = Case::any(&mut dice) else {
            continue;
        };
        let told = case.told();
        #[expect(clippy::cast_precision_loss, reason = "compared with tolerance")]
        let booked = case.mechanism.delta.units() as f64 / 2_f64.powi(80);
        above += u32::from(told > booked * (1.0 + 1e-9) + 1e-16);
        near += u32::from(told > booked * 0.8);
    }
    (above, near)
}

#[test]
fn no_noise_shows_more_than_is_booked() {
    let (above, near) = play(1, 300);
    assert_eq!(above, 0);
    // The bound is nearly reached, so that one that is too small would show.
    assert!(near > 100, "{near}");
}

#[test]
fn an_answer_at_the_threshold_is_found() {
    AT_TAU.set(true);
    let (above, _) = play(1, 30);
    AT_TAU.set(false);
    assert!(above > 0);
}
