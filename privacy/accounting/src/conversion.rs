//! Between rho and epsilon: the tight conversion of Canonne, Kamath and Steinke 2020 ("The Discrete Gaussian for Differential
//! Privacy", proposition 12 and corollary 13).
//!
//! A rho-zCDP mechanism is (epsilon, delta)-DP for **every** alpha > 1 with
//!
//! ```text
//! epsilon(alpha) = alpha·rho + ln(1/(alpha·delta))/(alpha − 1) + ln(1 − 1/alpha)
//! ```
//!
//! so alpha may be searched for in any way; only the last evaluation is rounded with care, upwards. With beta = alpha − 1 and
//! L = ln(1/delta) the derivative is rho − (L − ln(1+beta))/beta², so the best beta is the only root of the increasing function
//! `g(beta) = rho·beta² + ln(1+beta) − L`.

use crate::{
    Delta, Epsilon, Rational, Rho,
    fixed::{BITS, LN_SLACK, div_ceil, div_floor, ln},
};
use dashu::{
    base::{BitTest, Sign, SquareRoot},
    integer::{IBig, UBig},
};

/// Bits behind the point of an epsilon that [`epsilon_of`] answers: far finer than what one unit of rho changes (at least 2^-40).
const EPSILON_BITS: usize = 64;

/// Smallest known epsilon at which `rho`-zCDP implies (epsilon, `conversion_delta`)-DP, rounded up.
///
/// Zero for a rho of zero or a delta of one, [`Epsilon::UNBOUNDED`] for a positive rho at delta zero.
/// Strictly increasing in rho wherever it is not zero.
///
/// # Guarantee
/// Never below the true infimum over alpha (or below zero); above it by less than 2^-60.
pub fn epsilon_of(rho: Rho, conversion_delta: Delta) -> Epsilon {
    if rho == Rho::ZERO || conversion_delta == Delta::ONE {
        return Epsilon::ZERO;
    }
    match Conversion::at(conversion_delta) {
        Some(conversion) => conversion.epsilon(rho),
        None => Epsilon::UNBOUNDED,
    }
}

/// The largest rho whose [`epsilon_of`] is at most `epsilon`.
///
/// # Guarantee
/// `epsilon_of(answer) <= epsilon`, and one unit more exceeds it (unless the answer is [`Rho::MAX`]).
pub fn rho_for_epsilon(epsilon: &Epsilon, conversion_delta: Delta) -> Rho {
    let fits = |rho: Rho| epsilon_of(rho, conversion_delta) <= *epsilon;
    if fits(Rho::MAX) {
        return Rho::MAX;
    }
    // Not even Rho::MAX at this epsilon: so it is finite, and delta is below one.
    match (Conversion::at(conversion_delta), epsilon.rational()) {
        (Some(conversion), Some(target)) => conversion.largest_rho(target),
        _ => Rho::ZERO,
    }
}

/// The conversion at one delta strictly between zero and one.
struct Conversion {
    /// Upper bound on L = ln(1/delta), in fixed-point units; positive.
    ln_inverse_delta: UBig,
}

/// epsilon(alpha) at the best alpha, in fixed-point units.
struct Point {
    /// Rounded up; negative where zero is the answer.
    epsilon: IBig,
    alpha: UBig,
}

impl Conversion {
    fn at(delta: Delta) -> Option<Self> {
        if delta == Delta::ZERO || delta >= Delta::ONE {
            return None;
        }
        let upper = IBig::from(LN_SLACK) - ln(&delta.units().into(), Delta::UNIT_BITS as usize);
        Some(Self {
            ln_inverse_delta: upper.into_parts().1,
        })
    }

    fn epsilon(&self, rho: Rho) -> Epsilon {
        if rho == Rho::ZERO {
            return Epsilon::ZERO;
        }
        let (sign, magnitude) = self.point(rho).epsilon.into_parts();
        if sign == Sign::Negative {
            return Epsilon::ZERO;
        }
        let step = UBig::ONE << BITS.saturating_sub(EPSILON_BITS);
        let (_, units) = div_ceil(magnitude.into(), &step).into_parts();
        Epsilon::from_rational(
            Rational::new(units, UBig::ONE << EPSILON_BITS).unwrap_or(Rational::ZERO),
        )
    }

    /// The bound at the best alpha, for rho > 0.
    fn point(&self, rho: Rho) -> Point {
        let beta = self.best_beta(rho);
        Point {
            epsilon: self.bound(rho, &beta),
            alpha: (UBig::ONE << BITS) + beta,
        }
    }

    /// epsilon(1 + beta) rounded up, for any beta of at least one fixed-point unit.
    fn bound(&self, rho: Rho, beta: &UBig) -> IBig {
        let alpha = (UBig::ONE << BITS) + beta;
        let slack = IBig::from(LN_SLACK);
        let ln_alpha_low = ln(&alpha, BITS) - &slack;
        let ln_beta_high = ln(beta, BITS) + &slack;

        let rho_one = UBig::ONE << Rho::UNIT_BITS as usize;
        let first = div_ceil(IBig::from(alpha * UBig::from(rho.units())), &rho_one);
        let second = div_ceil(
            (IBig::from(self.ln_inverse_delta.clone()) - &ln_alpha_low) << BITS,
            beta,
        );
        // ln(1 − 1/alpha) = ln beta − ln alpha.
        first + second + ln_beta_high - ln_alpha_low
    }

    /// The root of g, from above, up to a relative error of 2^-58; always at least one fixed-point unit.
    ///
    /// Newton's method in ln beta, where g is convex and increasing: started above the root it falls towards it and stays above.
    /// The step factor exp(−g/(beta·g')) is replaced by the larger 1/(1 + g/(beta·g')), which keeps both properties.
    fn best_beta(&self, rho: Rho) -> UBig {
        let rho = UBig::from(rho.units());
        let unit = Rho::UNIT_BITS as usize;
        // sqrt(L/rho) is above the root, because ln(1+beta) > 0.
        let mut beta =
            ((&self.ln_inverse_delta << BITS.saturating_add(unit)) / &rho).sqrt() + UBig::ONE;
        for _ in 0..128 {
            let alpha = (UBig::ONE << BITS) + &beta;
            let quadratic = (&rho * beta.sqr()) >> BITS.saturating_add(unit);
            let g = IBig::from(quadratic.clone()) + ln(&alpha, BITS)
                - IBig::from(self.ln_inverse_delta.clone());
            let (Sign::Positive, g) = g.into_parts() else {
                break;
            };
            let slope = (quadratic << 1) + (&beta << BITS) / alpha + UBig::ONE;
            let next = (&beta * &slope) / (slope + g);
            let fall = IBig::from(beta.clone()) - IBig::from(next.clone());
            let done = fall.into_parts().1.bit_len().saturating_add(60) < beta.bit_len();
            beta = if next.is_zero() { UBig::ONE } else { next };
            if done {
                break;
            }
        }
        beta
    }

    /// The largest rho at most at `target`, given that [`Rho::MAX`] is above it.
    ///
    /// epsilon is concave and increasing in rho with derivative alpha, so Newton's method from below converges fast. Its answer is
    /// only a guess: what is returned has been checked on both sides.
    fn largest_rho(&self, target: &Rational) -> Rho {
        let fits = |units: u64| {
            self.epsilon(Rho::from_units(units))
                .rational()
                .is_some_and(|e| e <= target)
        };
        let guess = self.guess_rho(target);
        // Invariant from here on: `low` fits and `high` does not. Zero fits always.
        let (mut low, mut high) = (0u64, u64::MAX);
        let mut stride = 1u64;
        if fits(guess) {
            low = guess;
            while let Some(next) = low.checked_add(stride).filter(|next| *next < high) {
                if !fits(next) {
                    high = next;
                    break;
                }
                low = next;
                stride = stride.saturating_mul(2);
            }
        } else {
            high = guess;
            while let Some(next) = high.checked_sub(stride).filter(|next| *next > low) {
                if fits(next) {
                    low = next;
                    break;
                }
                high = next;
                stride = stride.saturating_mul(2);
            }
        }
        while high.saturating_sub(low) > 1 {
            let middle = low.midpoint(high);
            if fits(middle) {
                low = middle;
            } else {
                high = middle;
            }
        }
        Rho::from_units(low)
    }

    fn guess_rho(&self, target: &Rational) -> u64 {
        let target = target.times(&(UBig::ONE << BITS)).floor();
        // The root of rho + 2·sqrt(rho·L) = target, an older and weaker conversion: (target / (sqrt(L + target) + sqrt(L)))².
        let root = |x: &UBig| (x << BITS).sqrt();
        let both = root(&(&self.ln_inverse_delta + &target)) + root(&self.ln_inverse_delta);
        let ratio = (&target << BITS) / both;
        let to_units = BITS.saturating_sub(Rho::UNIT_BITS as usize);
        let start = ratio.sqr() >> BITS.saturating_add(to_units);
        let mut rho = u64::try_from(&start).unwrap_or(u64::MAX).max(1);
        for _ in 0..64 {
            let point = self.point(Rho::from_units(rho));
            let missing = IBig::from(target.clone()) - point.epsilon;
            let step = div_floor(missing << Rho::UNIT_BITS as usize, &point.alpha);
            let Ok(step) = i64::try_from(&step) else {
                break;
            };
            let next = rho.saturating_add_signed(step).max(1);
            let near = next.abs_diff(rho) <= 1;
            rho = next;
            if near {
                break;
            }
        }
        rho
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every alpha gives a valid bound, so this is a test of tightness: none gives a smaller one than the alpha that was found.
    #[test]
    fn no_other_alpha_is_better() {
        for delta in ["1e-20", "1e-9", "1e-6", "0.01", "0.9"] {
            let conversion = Conversion::at(Delta::parse_floor(delta).unwrap()).unwrap();
            for units in [1, 1 << 10, 5_497_558_138, 1 << 40, 1 << 50, u64::MAX] {
                let rho = Rho::from_units(units);
                let beta = conversion.best_beta(rho);
                let best = conversion.bound(rho, &beta);
                // 2^-80 of tolerance: far above the slack of ln, far below what is answered.
                let tolerance = IBig::ONE << (BITS - 80);
                for shift in [1, 2, 5, 10, 20, 30] {
                    let step = (&beta >> shift) + UBig::ONE;
                    let right = conversion.bound(rho, &(&beta + &step));
                    let left = conversion.bound(rho, &(&beta - &step));
                    assert!(
                        best <= &right + &tolerance,
                        "delta {delta}, units {units}, right, {shift}"
                    );
                    assert!(
                        best <= &left + &tolerance,
                        "delta {delta}, units {units}, left, {shift}"
                    );
                }
                // The search does depend on where it looks: twice and half the beta are visibly worse.
                let visible = IBig::ONE << (BITS - 64);
                assert!(conversion.bound(rho, &(&beta << 1)) > &best + &visible);
                assert!(conversion.bound(rho, &(&beta >> 1)) > &best + &visible);
            }
        }
    }

    #[test]
    fn guess_is_so_near_that_few_evaluations_follow() {
        for delta in ["1e-20", "1e-6", "0.3"] {
            let conversion = Conversion::at(Delta::parse_floor(delta).unwrap()).unwrap();
            for target in ["0.00001", "0.1", "1", "12.5", "3000", "1e6"] {
                let target = Rational::parse(target).unwrap();
                let (guess, found) = (
                    conversion.guess_rho(&target),
                    conversion.largest_rho(&target).units(),
                );
                assert!(
                    guess.abs_diff(found) <= 2,
                    "delta {delta}, target {target:?}: {guess}, {found}"
                );
            }
        }
    }
}
