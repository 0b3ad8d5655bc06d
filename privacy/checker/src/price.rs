//! Rules P3 to P5: sensitivity, loss of each mechanism, and their sum, in exact rationals rounded up.

use num_bigint::BigUint;

use crate::certificate::{Aggregate, Certificate, Mechanism, Noise, Release};
use crate::entry::Reserve;
use crate::quantity::{Loss, RHO_BITS, Rational};
use crate::report::Finding;
use crate::threshold;

/// All but what the policy says.
pub(crate) fn check(index: u64, reserve: &Reserve, findings: &mut Vec<Finding>) {
    let certificate = &reserve.certificate;
    for (position, mechanism) in certificate.mechanisms.iter().enumerate() {
        let mut fail = |rule, what: &str| {
            findings.push(Finding::at(
                index,
                rule,
                format!("mechanism {position}: {what}"),
            ));
        };
        let release = release_of(certificate, mechanism);
        match release {
            None => fail("P3", "no such release"),
            Some(release) => {
                if let Err(what) = sensitivity(release, mechanism) {
                    fail("P3", what);
                }
            }
        }
        match rho(&mechanism.sensitivity2, &mechanism.sigma) {
            None => fail("P4", "sigma is zero"),
            Some(rho) if rho != BigUint::from(mechanism.rho) => {
                fail("P4", &format!("rho is {}, recomputed {rho}", mechanism.rho));
            }
            Some(_) => {}
        }
        match (&mechanism.threshold, release) {
            (None, _) if mechanism.delta != 0 => {
                fail("P4", "noise without threshold has no delta");
            }
            (Some(threshold), Some(release)) => {
                let above = threshold.tau.saturating_sub(threshold.minimum);
                let least =
                    threshold::least_delta(mechanism.noise, &mechanism.sigma, above, release);
                if least.is_none_or(|least| BigUint::from(mechanism.delta) < least) {
                    fail("P4", "delta is below that of the threshold");
                }
            }
            _ => {}
        }
    }
    for (position, release) in (0..).zip(&certificate.releases) {
        if !is_decided(certificate, position, release) {
            let what = format!(
                "release {position}: one count of persons has a threshold where the keys are not public, none elsewhere"
            );
            findings.push(Finding::at(index, "P3", what));
        }
    }
    let mut fail = |what: String| findings.push(Finding::at(index, "P5", what));
    let sum = certificate
        .mechanisms
        .iter()
        .try_fold(Loss::default(), |sum, mechanism| {
            let (rho, delta) = (mechanism.rho, mechanism.delta);
            sum.plus(Loss { rho, delta })
        });
    if sum != Some(reserve.loss) {
        fail("the loss is not the sum of the mechanisms".to_owned());
    }
    if reserve.loss.rho == 0 {
        fail("the loss has rho 0".to_owned());
    }
}

/// P5 against the `query_rho` of the cited policy, where it could be read.
pub(crate) fn check_allowed(
    index: u64,
    reserve: &Reserve,
    query_rho: Option<u64>,
    findings: &mut Vec<Finding>,
) {
    let rho = reserve.loss.rho;
    if let Some(most) = query_rho.filter(|most| rho > *most) {
        let what = format!("the loss has rho {rho}, the policy allows {most}");
        findings.push(Finding::at(index, "P5", what));
    }
}

fn release_of<'c>(certificate: &'c Certificate, mechanism: &Mechanism) -> Option<&'c Release> {
    certificate
        .releases
        .get(usize::try_from(mechanism.release).ok()?)
}

/// P3: who decides which groups are answered.
fn is_decided(certificate: &Certificate, position: u64, release: &Release) -> bool {
    let deciding: Vec<_> = certificate
        .mechanisms
        .iter()
        .filter(|mechanism| mechanism.release == position && mechanism.threshold.is_some())
        .collect();
    match deciding.as_slice() {
        [] => release.cells != 0,
        [one] => release.cells == 0 && one.aggregate == Aggregate::Persons,
        _ => false,
    }
}

/// P3, in the L2 norm: `(k · bound · unit)² · L0`, k being 1 where each person counts once per group; `k² · bound · L0` for a tree of `bound`
/// levels. In the L1 norm: `(k · bound · L0)²`.
#[expect(
    clippy::arithmetic_side_effects,
    reason = "naturals of any size do not overflow"
)]
fn sensitivity(release: &Release, mechanism: &Mechanism) -> Result<(), &'static str> {
    let square = |n: BigUint| &n * &n;
    let aggregate = mechanism.aggregate;
    let groups = BigUint::from(release.groups_per_person);
    let rows = match aggregate {
        Aggregate::Persons => BigUint::from(1_u32),
        _ => BigUint::from(release.rows_per_person),
    };
    let bound = BigUint::from(mechanism.bound);
    let expected = match (mechanism.noise, &release.weighted) {
        (Noise::Laplace, None) => square(rows * bound * groups),
        (Noise::Laplace, Some(_)) => return Err("weights do not bound the L1 norm"),
        (Noise::Gaussian, None) if aggregate == Aggregate::Tree => square(rows) * bound * groups,
        (Noise::Gaussian, None) => square(rows * bound) * groups,
        (Noise::Gaussian, Some(_)) if matches!(aggregate, Aggregate::Tree | Aggregate::Values) => {
            return Err("weights are for persons, rows and sums");
        }
        (Noise::Gaussian, Some(weighted)) => square(rows * bound * weighted.unit) * groups,
    };
    if mechanism.values != 1 && mechanism.aggregate != Aggregate::Tree {
        return Err("several values for each group, but no tree");
    }
    let counts = matches!(
        mechanism.aggregate,
        Aggregate::Persons | Aggregate::Rows | Aggregate::Values
    );
    if counts && mechanism.bound != 1 {
        return Err("a count has a bound other than 1");
    }
    let den = BigUint::from(1_u32);
    if mechanism.sensitivity2 != (Rational { num: expected, den }) {
        return Err("sensitivity2 is not what the bounds give");
    }
    Ok(())
}

/// P4: `ceil(2^40 · sensitivity2 / (2 · sigma²))`; `None` for sigma 0.
///
/// Source: rho of a discrete Gaussian is sensitivity² / (2 sigma²) (Canonne, Kamath, Steinke 2020, Theorem 4); discrete Laplace noise of scale
/// sigma has epsilon = sensitivity / sigma, hence rho = epsilon² / 2 (Bun, Steinke 2016, Proposition 1.4).
#[expect(
    clippy::arithmetic_side_effects,
    reason = "naturals of any size do not overflow, and the divisor is checked"
)]
fn rho(sensitivity2: &Rational, sigma: &Rational) -> Option<BigUint> {
    let above = ((&sensitivity2.num * &sigma.den * &sigma.den) << RHO_BITS) >> 1_u32;
    let below = &sensitivity2.den * &sigma.num * &sigma.num;
    if below == BigUint::ZERO {
        return None;
    }
    let rounded_up = above + (&below - 1_u32);
    Some(rounded_up / below)
}

#[cfg(test)]
mod tests {
    use super::rho;
    use crate::quantity::Rational;
    use num_bigint::BigUint;

    fn q(num: u128, den: u128) -> Rational {
        let (num, den) = (num.into(), den.into());
        Rational { num, den }
    }

    #[test]
    fn rho_is_exact_where_it_can_be_and_rounds_up_elsewhere() {
        let unit = 1_u128 << 40;
        let of = |s, sigma| rho(&s, &sigma).unwrap();
        assert_eq!(of(q(1, 1), q(1, 1)), BigUint::from(unit / 2));
        assert_eq!(of(q(4, 1), q(2, 1)), BigUint::from(unit / 2));
        // 2^39 / 9 = 61 083 979 320.9 recurring
        assert_eq!(of(q(1, 1), q(3, 1)), BigUint::from(61_083_979_321_u64));
        assert_eq!(of(q(1, 1), q(3, 2)), BigUint::from(244_335_917_284_u64));
        // However little, a spent loss is never booked as nothing.
        assert_eq!(of(q(1, 1), q(u128::MAX, 1)), BigUint::from(1_u32));
        assert_eq!(of(q(0, 1), q(5, 1)), BigUint::ZERO);
        assert_eq!(rho(&q(1, 1), &q(0, 1)), None);
    }

    #[test]
    fn rho_beyond_every_integer_type_is_computed() {
        let wide = rho(&q(u128::MAX, 1), &q(1, u128::MAX)).unwrap();
        assert_eq!(wide.bits(), 128 * 3 + 39);
    }
}
