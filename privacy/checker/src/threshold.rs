//! Rule P4 where keys are not public: what a threshold must at least cost in delta, in exact naturals.

use num_bigint::BigUint;

use crate::quantity::Rational;

/// Bits behind the point.
const BITS: u32 = 320;

/// `floor(2^80 · L0 · p)` with p the bound of `docs/ledger-format.md` on P[Z > above], Z a discrete Gaussian of parameter `sigma`:
///
/// `p = e^(−x²/2σ²) / ((1 − e^(−(2x+1)/2σ²)) · max(1, σ·√(2π)))`, `x = above + 1`. `None` for sigma 0.
#[expect(
    clippy::arithmetic_side_effects,
    reason = "naturals of any size do not overflow; the divisors are checked"
)]
pub(crate) fn least_delta(sigma: &Rational, above: u64, groups: u64) -> Option<BigUint> {
    let one = BigUint::from(1_u32) << BITS;
    let zero = BigUint::ZERO;
    if sigma.num == zero {
        return None;
    }
    let x = BigUint::from(above) + 1_u32;
    // 1 / (2 sigma²) = den² / (2 num²)
    let scaled =
        |n: BigUint| ((n * &sigma.den * &sigma.den) << BITS) / (&sigma.num * &sigma.num * 2_u32);
    let tail = exp_of_minus(&scaled(&x * &x));
    let ratio = exp_of_minus(&scaled(&x * 2_u32 + 1_u32));
    let certain = BigUint::from(1_u32) << 80_u32;
    if ratio >= one {
        return Some(certain);
    }
    // sqrt(2 pi) rounded down at ten digits, as the format says.
    let width = ((&sigma.num * 25_066_282_746_u64) << BITS) / (&sigma.den * 10_000_000_000_u64);
    let below = (&one - ratio) * width.max(one);
    let least = ((tail * groups) << (80 + BITS)) / below;
    Some(least.min(certain))
}

/// e^(−a), both with [`BITS`] bits, by the series of e^a, whose terms are rounded down; a is cut at 120.
#[expect(
    clippy::arithmetic_side_effects,
    reason = "naturals of any size do not overflow; the sum is at least one"
)]
fn exp_of_minus(a: &BigUint) -> BigUint {
    let a = a.min(&(BigUint::from(120_u32) << BITS)).clone();
    let mut sum = BigUint::ZERO;
    let mut term = BigUint::from(1_u32) << BITS;
    for n in 1_u32.. {
        if term == BigUint::ZERO {
            break;
        }
        sum += &term;
        term = ((term * &a) >> BITS) / n;
    }
    let square = BigUint::from(1_u32) << (2 * BITS);
    (square + &sum - 1_u32) / sum
}

#[cfg(test)]
mod tests {
    use super::least_delta;
    use crate::quantity::Rational;
    use num_bigint::BigUint;

    #[test]
    fn five_sigma_cost_what_the_tables_of_the_normal_distribution_say() {
        let sigma = Rational {
            num: 100_u32.into(),
            den: 1_u32.into(),
        };
        let least = least_delta(&sigma, 499, 1).unwrap();
        let units = u128::try_from(least).unwrap() >> 30;
        // Q(5) = 2.8665e-7, times 2^50; the lattice and the bound add 6 %.
        let exact = 322_742_000_u128;
        assert!(units > exact && units < exact * 108 / 100, "{units}");
    }

    #[test]
    fn nothing_is_free_of_a_bound() {
        let sigma = |num: u32| Rational {
            num: num.into(),
            den: 1_u32.into(),
        };
        assert_eq!(least_delta(&sigma(0), 9, 1), None);
        let certain = BigUint::from(1_u32) << 80_u32;
        assert_eq!(least_delta(&sigma(1000), 0, 1000), Some(certain));
        assert_eq!(least_delta(&sigma(1), 1 << 40, 1), Some(BigUint::ZERO));
    }
}
