//! Delta of a threshold: the probability that noise lifts a group above it which is there because of one person.

use crate::{Delta, Noise, Rational, Weights};
use dashu::integer::UBig;

/// A bound on the delta of answering a group only when its noisy count of persons is more than `above` over a minimum which the true count
/// must reach, rounded up. The noise has parameter `scale`, in the unit of the weights.
///
/// `None` for a scale of zero.
///
/// # Guarantee
/// Somebody who is in n groups and weighs w(n) of a unit u in each decides only over groups that reach the minimum m with her alone. The others in
/// such a group are m − 1 and weigh at most u each, so it is answered with probability P[Z > (m + above)·u − (m − 1)·u − w(n)] = P[Z > above·u + u − w(n)]
/// at most; her groups are added up (union bound), and the largest sum over n ≤ `weights.most()` is taken. Source of the rule: Korolova, Kenthapadi,
/// Mishra, Ntoulas (2009) for the threshold; the tails are bounded as [`Noise`] says.
pub fn threshold_delta(
    noise: Noise,
    scale: &Rational,
    above: u64,
    weights: &Weights,
) -> Option<Delta> {
    largest(noise, scale, above, weights, weights.reaches())
}

/// The largest of the bounds for persons of so many groups each.
fn largest(
    noise: Noise,
    scale: &Rational,
    above: u64,
    weights: &Weights,
    mut groups: impl Iterator<Item = u64>,
) -> Option<Delta> {
    let unit = weights.unit();
    groups.try_fold(Delta::ZERO, |most, n| {
        let lighter = unit.saturating_sub(weights.of(n));
        let above = above.checked_mul(unit)?.checked_add(lighter)?;
        let all = noise.tail(scale, above)?.times(&UBig::from(n));
        let units = all.times(&(UBig::ONE << Delta::UNIT_BITS as usize)).ceil();
        let units = u128::try_from(&units).ok().and_then(Delta::from_units);
        Some(most.max(units.unwrap_or(Delta::ONE)))
    })
}

/// The least `above` whose [`threshold_delta`] is at most `delta`; `None` if there is none below 2^40.
pub fn threshold_above(
    noise: Noise,
    scale: &Rational,
    delta: Delta,
    weights: &Weights,
) -> Option<u64> {
    // The largest bound is that for the fewest or the most groups but for rounding: they are tried first, the rest afterwards.
    let ends = || weights.reaches().take(1).chain([weights.most()]);
    let fits = |above: u64| {
        largest(noise, scale, above, weights, ends()).is_some_and(|least| least <= delta)
    };
    let (mut low, mut high) = (0_u64, 1_u64);
    while !fits(high) {
        low = high;
        high = high.checked_mul(2).filter(|high| *high < 1 << 40)?;
    }
    if low == 0 && fits(0) {
        high = 0;
    }
    while high.saturating_sub(low) > 1 {
        let middle = low.midpoint(high);
        if fits(middle) {
            high = middle;
        } else {
            low = middle;
        }
    }
    (high..high.saturating_add(64))
        .find(|above| threshold_delta(noise, scale, *above, weights).is_some_and(|d| d <= delta))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GAUSS: Noise = Noise::DiscreteGaussian;

    /// The tail summed up term by term, in floats: good to twelve digits or so.
    fn tail(sigma: f64, above: u64) -> f64 {
        let weight = |k: f64| (-k * k / (2.0 * sigma * sigma)).exp();
        #[expect(clippy::cast_precision_loss, reason = "small")]
        let x = above as f64 + 1.0;
        let terms = |from: f64| {
            (0..4000)
                .map(move |j| weight(from + f64::from(j)))
                .sum::<f64>()
        };
        terms(x) / (1.0 + 2.0 * terms(1.0))
    }

    #[expect(clippy::cast_precision_loss, reason = "compared with tolerance")]
    fn value(delta: Delta) -> f64 {
        delta.units() as f64 / 2_f64.powi(80)
    }

    #[test]
    fn never_below_the_tail_and_hardly_above() {
        for (num, den) in [(1, 5), (1, 1), (7, 2), (20, 1), (300, 1)] {
            let sigma = Rational::from_ratio(num, den).unwrap();
            #[expect(clippy::cast_precision_loss, reason = "small")]
            let s = num as f64 / den as f64;
            for factor in [0.5, 1.0, 3.0, 4.75, 6.0] {
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "small and positive"
                )]
                let above = (s * factor) as u64;
                let exact = tail(s, above);
                let bound =
                    value(threshold_delta(GAUSS, &sigma, above, &Weights::even(1)).unwrap());
                assert!(
                    bound >= exact * (1.0 - 1e-9),
                    "{s} {above}: {bound} {exact}"
                );
                if factor > 4.0 && s >= 1.0 {
                    assert!(bound < exact * 1.08 + 1e-20, "{s} {above}: {bound} {exact}");
                }
                let eight =
                    value(threshold_delta(GAUSS, &sigma, above, &Weights::even(8)).unwrap());
                assert!(eight >= (8.0 * exact).min(1.0) * (1.0 - 1e-9));
            }
        }
    }

    #[test]
    fn the_threshold_is_the_least_that_fits() {
        let delta = Delta::parse_floor("1e-6").unwrap();
        for (sigma, groups) in [(1, 1), (10, 8), (1000, 64)] {
            let sigma = Rational::from(sigma);
            for noise in [GAUSS, Noise::DiscreteLaplace] {
                for weights in [
                    Weights::even(groups),
                    Weights::new(1, groups, 8 * groups).unwrap(),
                    Weights::new(100, groups, 8 * groups).unwrap(),
                ] {
                    let delta_at = |above| threshold_delta(noise, &sigma, above, &weights).unwrap();
                    let above = threshold_above(noise, &sigma, delta, &weights).unwrap();
                    assert!(delta_at(above) <= delta);
                    assert!(above == 0 || delta_at(above - 1) > delta);
                }
            }
        }
        let even = Weights::even(1);
        assert_eq!(threshold_delta(GAUSS, &Rational::ZERO, 1, &even), None);
        let three = Rational::from(3);
        assert_eq!(threshold_above(GAUSS, &three, Delta::ZERO, &even), None);
    }

    #[test]
    fn far_tails_cost_a_unit_and_wide_noise_is_certain_to_pass() {
        let sigma = Rational::from(1);
        for noise in [GAUSS, Noise::DiscreteLaplace] {
            let all = Weights::even(u64::MAX);
            let far = threshold_delta(noise, &sigma, 1 << 39, &all).unwrap();
            assert_eq!(far, Delta::from_units(1).unwrap());
        }
        let wide = Rational::from(u128::MAX);
        let even = Weights::even(1);
        assert_eq!(threshold_delta(GAUSS, &wide, 5, &even), Some(Delta::ONE));
        let two = Weights::even(2);
        let laplace = threshold_delta(Noise::DiscreteLaplace, &wide, 5, &two);
        assert_eq!(laplace, Some(Delta::ONE));
    }

    #[test]
    fn laplace_is_never_below_its_tail_and_hardly_above() {
        for (num, den) in [(1, 3), (1, 1), (7, 2), (20, 1), (300, 1)] {
            let scale = Rational::from_ratio(num, den).unwrap();
            #[expect(clippy::cast_precision_loss, reason = "small")]
            let b = num as f64 / den as f64;
            for above in [0_u32, 1, 5, 40, 400] {
                let q = (-1.0 / b).exp();
                let exact = (-(f64::from(above) + 1.0) / b).exp() / (1.0 + q);
                let even = Weights::even(1);
                let bound = threshold_delta(Noise::DiscreteLaplace, &scale, above.into(), &even);
                let bound = value(bound.unwrap());
                assert!(
                    bound >= exact * (1.0 - 1e-9),
                    "{b} {above}: {bound} {exact}"
                );
                assert!(
                    bound <= exact * (1.0 + q) * (1.0 + 1e-9) + 1e-20,
                    "{b} {above}"
                );
            }
        }
    }

    /// What the rule promises, by brute force: the sum over a person's groups of the probability that each is answered because of her.
    #[test]
    fn weights_cost_what_the_heaviest_spread_does() {
        let weights = Weights::new(16, 3, 40).unwrap();
        let sigma = 4.0 * 16.0;
        let scale = Rational::from(64);
        for above in [16_u64, 20, 30] {
            let told = (1..=40_u64).map(|n| {
                #[expect(clippy::cast_precision_loss, reason = "small")]
                let n_real = n as f64;
                n_real * tail(sigma, above * 16 + 16 - weights.of(n))
            });
            let most = told.fold(0.0, f64::max);
            let bound = value(threshold_delta(GAUSS, &scale, above, &weights).unwrap());
            assert!(bound >= most * (1.0 - 1e-9), "{above}: {bound} {most}");
            assert!(bound <= most * 1.6, "{above}: {bound} {most}");
        }
    }
}
