//! Rule P4 where keys are not public: what a threshold must at least cost in delta, in exact naturals.

use num_bigint::BigUint;

use crate::certificate::{Noise, Release};
use crate::quantity::Rational;

/// Bits behind the point.
const BITS: u32 = 320;

/// D of `docs/ledger-format.md`, in units of 2^-80 rounded down: the largest over n from L0 to the groups of a person that count, of n times the
/// bound on P[Z > above · unit + unit − w(n)], Z noise of parameter `sigma`. Without weights n is L0, and unit and w(n) are 1. `None` for sigma 0.
#[expect(
    clippy::arithmetic_side_effects,
    reason = "naturals of any size do not overflow"
)]
pub(crate) fn least_delta(
    noise: Noise,
    sigma: &Rational,
    above: u64,
    release: &Release,
) -> Option<BigUint> {
    let certain = BigUint::from(1_u32) << 80_u32;
    let groups = release.groups_per_person;
    let (unit, most) = release
        .weighted
        .as_ref()
        .map_or((1, groups), |weighted| (weighted.unit, weighted.groups));
    let mut least = BigUint::ZERO;
    for n in groups..=most {
        // w(n) = unit · min(1, sqrt(L0 / n)), rounded down.
        let weight = (BigUint::from(unit) * unit * groups / n).sqrt();
        let above = (BigUint::from(above) + 1_u32) * unit - weight;
        let (num, den) = match noise {
            Noise::Gaussian => gaussian(sigma, &above)?,
            Noise::Laplace => laplace(sigma, &above)?,
        };
        least = least.max(((num * n) << 80_u32) / den);
    }
    Some(least.min(certain))
}

/// `e^(−x²/2σ²) / ((1 − e^(−(2x+1)/2σ²)) · max(1, σ·√(2π)))` with `x = above + 1`, as a fraction.
#[expect(
    clippy::arithmetic_side_effects,
    reason = "naturals of any size do not overflow; the divisors are checked"
)]
fn gaussian(sigma: &Rational, above: &BigUint) -> Option<(BigUint, BigUint)> {
    let one = BigUint::from(1_u32) << BITS;
    if sigma.num == BigUint::ZERO {
        return None;
    }
    let x = above + 1_u32;
    // 1 / (2 sigma²) = den² / (2 num²)
    let scaled =
        |n: BigUint| ((n * &sigma.den * &sigma.den) << BITS) / (&sigma.num * &sigma.num * 2_u32);
    let tail = exp_of_minus(&scaled(&x * &x));
    let ratio = exp_of_minus(&scaled(&x * 2_u32 + 1_u32));
    if ratio >= one {
        return Some((one.clone(), one));
    }
    // sqrt(2 pi) rounded down at ten digits, as the format says.
    let width = ((&sigma.num * 25_066_282_746_u64) << BITS) / (&sigma.den * 10_000_000_000_u64);
    let below = (&one - ratio) * width.max(one);
    Some((tail << BITS, below))
}

/// `e^(−x/b) / (1 + max(0, 1 − 1/b))` with `x = above + 1` and b = sigma, as a fraction.
#[expect(
    clippy::arithmetic_side_effects,
    reason = "naturals of any size do not overflow; the divisors are checked"
)]
fn laplace(scale: &Rational, above: &BigUint) -> Option<(BigUint, BigUint)> {
    if scale.num == BigUint::ZERO {
        return None;
    }
    let x = above + 1_u32;
    let tail = exp_of_minus(&(((x * &scale.den) << BITS) / &scale.num));
    let rest = if scale.num > scale.den {
        &scale.num - &scale.den
    } else {
        BigUint::ZERO
    };
    Some((tail * &scale.num, (&scale.num + rest) << BITS))
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
    use crate::certificate::{Noise, Release, Weighted};
    use crate::quantity::Rational;
    use num_bigint::BigUint;

    fn sigma(num: u32) -> Rational {
        Rational {
            num: num.into(),
            den: 1_u32.into(),
        }
    }

    fn release(groups: u64, weighted: Option<(u64, u64)>) -> Release {
        Release {
            step: 0,
            rows_per_person: 1,
            groups_per_person: groups,
            cells: 0,
            weighted: weighted.map(|(unit, groups)| Weighted { unit, groups }),
        }
    }

    fn units(of: Option<BigUint>) -> u128 {
        u128::try_from(of.unwrap()).unwrap()
    }

    #[test]
    fn five_sigma_cost_what_the_tables_of_the_normal_distribution_say() {
        let least = least_delta(Noise::Gaussian, &sigma(100), 499, &release(1, None));
        // Q(5) = 2.8665e-7, times 2^50; the lattice and the bound add 6 %.
        let exact = 322_742_000_u128;
        let least = units(least) >> 30;
        assert!(least > exact && least < exact * 108 / 100, "{least}");
    }

    #[test]
    fn laplace_costs_what_its_formula_says() {
        // e^(−200/10) / 1.9 = 1.0848e-9, times 2^50, for three groups.
        let least = least_delta(Noise::Laplace, &sigma(10), 199, &release(3, None));
        let least = units(least) >> 30;
        assert!((3_664_000..3_665_000).contains(&least), "{least}");
    }

    #[test]
    fn more_groups_cost_more_though_they_weigh_less() {
        let of = |weighted| {
            let release = release(8, weighted);
            units(least_delta(Noise::Gaussian, &sigma(1_300), 70, &release))
        };
        let (few, many) = (of(Some((100, 8))), of(Some((100, 64))));
        // 64 groups instead of 8, each with 65 of 100 less to go: (7000 + 65) / 1300 is 5.43 sigma after 5.38.
        assert!(many > 5 * few && many < 8 * few, "{few} {many}");
    }

    #[test]
    fn nothing_is_free_of_a_bound() {
        for noise in [Noise::Gaussian, Noise::Laplace] {
            let of =
                |num, above, groups| least_delta(noise, &sigma(num), above, &release(groups, None));
            assert_eq!(of(0, 9, 1), None);
            let certain = BigUint::from(1_u32) << 80_u32;
            assert_eq!(of(1000, 0, 1000), Some(certain));
            assert_eq!(of(1, 1 << 40, 1), Some(BigUint::ZERO));
        }
    }
}
