//! Delta of a threshold: the probability that noise lifts a group above it which is there because of one person.

use crate::{Delta, Rational};
use dashu::integer::UBig;

/// Fractional bits.
const BITS: usize = 256;

/// Exponents are cut here: e^-120 is below 2^-173, so that even 2^64 groups stay below one unit.
const MOST: u32 = 120;

/// sqrt(2 pi) rounded down, times 10^10.
const SQRT_TWO_PI: u64 = 25_066_282_746;

/// A bound on the delta of answering a group only when its noisy count of persons is more than `above` over a minimum which the true count
/// must reach, rounded up: at most `groups` groups of a person have just that minimum, and each is answered with probability `P[Z > above]`.
///
/// `None` for a sigma of zero.
///
/// # Guarantee
/// With x = `above` + 1 and Z a discrete Gaussian of parameter `sigma`, `P[Z ≥ x]` = Σ_{k≥x} e^(−k²/2σ²) / Σ_k e^(−k²/2σ²). The numerator is at most
/// e^(−x²/2σ²) / (1 − e^(−(2x+1)/2σ²)), because (x+j)² ≥ x² + (2x+1)·j for whole j ≥ 0; the denominator is at least max(1, σ·√(2π)) (Poisson
/// summation; Canonne, Kamath, Steinke 2020, fact 18). The groups are added up (union bound).
pub fn threshold_delta(sigma: &Rational, above: u64, groups: u64) -> Option<Delta> {
    if sigma.is_zero() {
        return None;
    }
    let one = UBig::ONE << BITS;
    let x = UBig::from(above) + UBig::ONE;
    let (v_num, v_den) = sigma.square().num_den();
    let over_two_sigma2 = |n: UBig| Rational::new(n * &v_den, &v_num << 1);
    let tail = inverse_exp_above(&over_two_sigma2(x.sqr())?);
    let ratio = inverse_exp_above(&over_two_sigma2((x << 1) + UBig::ONE)?);
    if ratio >= one {
        return Some(Delta::ONE);
    }
    let width = sigma
        .times(&(UBig::from(SQRT_TWO_PI) << BITS))
        .over(&UBig::from(10_000_000_000_u64))
        .floor();
    let norm = width.max(one.clone());
    let below = (&one - ratio) * norm;
    let probability = Rational::new((tail << BITS) * UBig::from(groups), below)?;
    let units = probability
        .times(&(UBig::ONE << Delta::UNIT_BITS as usize))
        .ceil();
    let units = u128::try_from(&units).ok().and_then(Delta::from_units);
    Some(units.unwrap_or(Delta::ONE))
}

/// The least `above` whose [`threshold_delta`] is at most `delta`; `None` if there is none below 2^40.
pub fn threshold_above(sigma: &Rational, delta: Delta, groups: u64) -> Option<u64> {
    let fits = |above: u64| threshold_delta(sigma, above, groups).is_some_and(|d| d <= delta);
    let (mut low, mut high) = (0_u64, 1_u64);
    while !fits(high) {
        low = high;
        high = high.checked_mul(2).filter(|high| *high < 1 << 40)?;
    }
    if fits(0) {
        return Some(0);
    }
    while high.saturating_sub(low) > 1 {
        let middle = low.midpoint(high);
        if fits(middle) {
            high = middle;
        } else {
            low = middle;
        }
    }
    Some(high)
}

/// e^−a in fixed point, rounded up.
fn inverse_exp_above(a: &Rational) -> UBig {
    let a = a.times(&(UBig::ONE << BITS)).floor();
    let a = a.min(UBig::from(MOST) << BITS);
    // A lower bound on e^a: every term of its series is rounded down.
    let mut sum = UBig::ZERO;
    let mut term = UBig::ONE << BITS;
    let mut n = 0_u32;
    while !term.is_zero() {
        sum += &term;
        n = n.saturating_add(1);
        term = ((term * &a) >> BITS) / n;
    }
    ((UBig::ONE << BITS.saturating_mul(2)) + (&sum - UBig::ONE)) / sum
}

#[cfg(test)]
mod tests {
    use super::*;

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
                let bound = value(threshold_delta(&sigma, above, 1).unwrap());
                assert!(
                    bound >= exact * (1.0 - 1e-9),
                    "{s} {above}: {bound} {exact}"
                );
                if factor > 4.0 && s >= 1.0 {
                    assert!(bound < exact * 1.08 + 1e-20, "{s} {above}: {bound} {exact}");
                }
                let eight = value(threshold_delta(&sigma, above, 8).unwrap());
                assert!(eight >= (8.0 * exact).min(1.0) * (1.0 - 1e-9));
            }
        }
    }

    #[test]
    fn the_threshold_is_the_least_that_fits() {
        let delta = Delta::parse_floor("1e-6").unwrap();
        for (sigma, groups) in [(1, 1), (10, 8), (1000, 64)] {
            let sigma = Rational::from(sigma);
            let above = threshold_above(&sigma, delta, groups).unwrap();
            assert!(threshold_delta(&sigma, above, groups).unwrap() <= delta);
            assert!(threshold_delta(&sigma, above - 1, groups).unwrap() > delta);
        }
        assert_eq!(threshold_delta(&Rational::ZERO, 1, 1), None);
        assert_eq!(threshold_above(&Rational::from(3), Delta::ZERO, 1), None);
    }

    #[test]
    fn far_tails_cost_a_unit_and_wide_noise_is_certain_to_pass() {
        let sigma = Rational::from(1);
        let far = threshold_delta(&sigma, 1 << 39, u64::MAX).unwrap();
        assert_eq!(far, Delta::from_units(1).unwrap());
        let wide = Rational::from(u128::MAX);
        assert_eq!(threshold_delta(&wide, 5, 1), Some(Delta::ONE));
    }
}
