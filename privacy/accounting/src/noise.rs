//! The two noises that the books know, and how far out their tails reach.

use crate::{Epsilon, Rational, Rho, fixed_exp};
use dashu::integer::UBig;

/// sqrt(2 pi) rounded down, times 10^10.
const SQRT_TWO_PI: u64 = 25_066_282_746;

/// A distribution of whole numbers around zero with one parameter, its scale.
///
/// Whatever the noise, the loss is sensitivity² / (2 scale²) ([`rho_of`](crate::rho_of)), with the sensitivity in the norm that the noise calls for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Noise {
    /// P[Z = k] ∝ e^(−k²/2σ²), the scale being σ; priced by the L2 norm (Canonne, Kamath, Steinke 2020).
    #[default]
    DiscreteGaussian,
    /// P[Z = k] ∝ e^(−|k|/b), the scale being b; priced by the L1 norm Δ. It is (Δ/b)-differentially private without any delta
    /// (Ghosh, Roughgarden, Sundararajan 2012), and so ½(Δ/b)²-zCDP (Bun, Steinke 2016, proposition 1.4).
    DiscreteLaplace,
}

impl Noise {
    /// The name in the ledger's format.
    pub fn name(self) -> &'static str {
        match self {
            Self::DiscreteGaussian => "discrete_gaussian",
            Self::DiscreteLaplace => "discrete_laplace",
        }
    }

    /// The noise that the ledger's format calls so.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::DiscreteGaussian, Self::DiscreteLaplace]
            .into_iter()
            .find(|noise| noise.name() == name)
    }

    /// A bound on P[Z > `above`] from above; it may pass one. `None` for a scale of zero.
    ///
    /// # Guarantee
    /// With x = `above` + 1:
    /// * Gaussian: Σ_{k≥x} e^(−k²/2σ²) is at most e^(−x²/2σ²) / (1 − e^(−(2x+1)/2σ²)), because (x+j)² ≥ x² + (2x+1)·j for whole j ≥ 0; the sum over
    ///   all k is at least max(1, σ·√(2π)) (Poisson summation; Canonne, Kamath, Steinke 2020, fact 18).
    /// * Laplace: with q = e^(−1/b) the sum over k ≥ x is q^x / (1 − q) and that over all k is (1 + q) / (1 − q), so P[Z ≥ x] = q^x / (1 + q); and
    ///   q ≥ max(0, 1 − 1/b).
    pub(crate) fn tail(self, scale: &Rational, above: u64) -> Option<Rational> {
        let x = UBig::from(above) + UBig::ONE;
        match self {
            Self::DiscreteGaussian => gaussian_tail(scale, &x),
            Self::DiscreteLaplace => laplace_tail(scale, x),
        }
    }
}

/// What may be booked for `mechanisms` Laplace mechanisms that are together `epsilon`-differentially private, without any delta, and share it evenly:
/// epsilon² / (2 · mechanisms), rounded down to whole units. The largest there is where it does not fit.
pub fn rho_of_pure(epsilon: &Epsilon, mechanisms: usize) -> Rho {
    let twice = UBig::from(mechanisms.max(1)) << 1;
    let units = epsilon.rational().map_or(UBig::ZERO, |epsilon| {
        let square = epsilon.square().times(&(UBig::ONE << 40));
        square.over(&twice).floor()
    });
    u64::try_from(&units).map_or(Rho::MAX, Rho::from_units)
}

fn gaussian_tail(sigma: &Rational, x: &UBig) -> Option<Rational> {
    let one = fixed_exp::one();
    let (v_num, v_den) = sigma.square().num_den();
    let over_two_sigma2 = |n: UBig| Rational::new(n * &v_den, &v_num << 1);
    let tail = fixed_exp::of_minus_above(&over_two_sigma2(x.sqr())?);
    let ratio = fixed_exp::of_minus_above(&over_two_sigma2((x << 1) + UBig::ONE)?);
    if ratio >= one {
        return Some(Rational::from(1));
    }
    let width = sigma
        .times(&(UBig::from(SQRT_TWO_PI) << fixed_exp::BITS))
        .over(&UBig::from(10_000_000_000_u64))
        .floor();
    let norm = width.max(one.clone());
    Rational::new(tail << fixed_exp::BITS, (&one - ratio) * norm)
}

fn laplace_tail(scale: &Rational, x: UBig) -> Option<Rational> {
    let (num, den) = scale.num_den();
    let tail = fixed_exp::of_minus_above(&Rational::new(x * &den, num.clone())?);
    // 1 + max(0, 1 − 1/b), as a fraction over the numerator of b.
    let rest = if num > den { &num - &den } else { UBig::ZERO };
    let below = Rational::new(&num + rest, num)?;
    let (num, den) = below.num_den();
    Rational::new(tail * den, num << fixed_exp::BITS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pure_losses_add_up_to_what_was_named() {
        let one = Epsilon::parse("1").unwrap();
        assert_eq!(rho_of_pure(&one, 1), Rho::parse_floor("0.5").unwrap());
        // Two of epsilon 1/2 each.
        assert_eq!(rho_of_pure(&one, 2), Rho::parse_floor("0.25").unwrap());
        let huge = Epsilon::parse("100000").unwrap();
        assert_eq!(rho_of_pure(&huge, 1), Rho::MAX);
    }

    #[test]
    fn names_are_read_back() {
        for noise in [Noise::DiscreteGaussian, Noise::DiscreteLaplace] {
            assert_eq!(Noise::from_name(noise.name()), Some(noise));
            assert_eq!(noise.tail(&Rational::ZERO, 3), None);
        }
        assert_eq!(Noise::from_name("laplace"), None);
    }
}
