//! Which groups are answered where the keys are not public: those that enough persons are in, by a true and by a noisy count.

use salus_certificate::{Certificate, Mechanism, Threshold};

use crate::gate::{AnswerFailed, Column, Groups};

/// The keys of the answered groups of each release, `None` where all are public.
type Keys = Vec<Option<Vec<Vec<u8>>>>;

/// Lets go of the groups that no threshold keeps, with their keys and all their numbers. Returns the numbers of the others, and their keys.
///
/// # Guarantee
/// A group is kept if its true number of persons is at least the minimum and its noisy number is **above** tau, strictly: that is the event whose
/// probability [`salus_accounting::threshold_delta`] bounds for a group at the minimum. Where persons are weighted the noisy number counts parts of
/// the unit, and so does tau. The columns of the mechanisms that decide must be noisy.
pub(crate) fn apply(
    columns: Vec<Column>,
    groups: Vec<Option<Groups>>,
    certificate: &Certificate,
) -> Result<(Vec<Vec<i128>>, Keys), AnswerFailed> {
    let mechanisms = &certificate.mechanisms;
    let decided = (0..).zip(&groups).map(|(release, groups)| {
        let decide = |groups| kept(&columns, groups, certificate, release).ok_or(AnswerFailed);
        groups.as_ref().map(decide).transpose()
    });
    let decided = decided.collect::<Result<Vec<_>, _>>()?;
    let of = |mechanism: &Mechanism| {
        decided
            .get(usize::try_from(mechanism.release).ok()?)?
            .as_ref()
    };
    let columns = columns
        .into_iter()
        .zip(mechanisms)
        .map(|(column, mechanism)| {
            let values = usize::try_from(mechanism.values).ok()?;
            match (of(mechanism), column) {
                (Some(kept), column) => column.keep(kept, values),
                (None, Column::Dense(numbers)) => Some(numbers),
                (None, Column::Sparse(_)) => None,
            }
        });
    let columns = columns.collect::<Option<_>>().ok_or(AnswerFailed)?;
    let keys = groups.into_iter().zip(&decided).map(|(groups, kept)| {
        let keys = groups?.keys.into_iter().zip(kept.as_ref()?);
        Some(keys.filter_map(|(key, kept)| kept.then_some(key)).collect())
    });
    Ok((columns, keys.collect()))
}

/// For each group whether it is answered.
fn kept(
    columns: &[Column],
    groups: &Groups,
    certificate: &Certificate,
    release: u64,
) -> Option<Vec<bool>> {
    let bounds = certificate.releases.get(usize::try_from(release).ok()?)?;
    let unit = bounds.weights()?.unit();
    let mut mechanisms = certificate.mechanisms.iter().zip(columns);
    let (Threshold { minimum, tau }, noisy) = mechanisms.find_map(|(mechanism, column)| {
        let threshold = mechanism.threshold;
        let threshold = threshold.filter(|_| mechanism.release == release)?;
        match column {
            Column::Dense(noisy) => Some((threshold, noisy)),
            Column::Sparse(_) => None,
        }
    })?;
    let tau = i128::from(tau).checked_mul(i128::from(unit))?;
    let groups = groups.persons.iter().zip(noisy);
    let passes = groups.map(|(persons, noisy)| passes(*persons, *noisy, minimum, tau));
    Some(passes.collect())
}

/// Above tau and not at it: the price is that of being above.
fn passes(persons: u64, noisy: i128, minimum: u64, tau: i128) -> bool {
    persons >= minimum && (noisy > tau || noisy == tau && answers_at_tau())
}

/// A fault that the replay plants. Outside of tests none can be planted.
#[cfg(not(test))]
const fn answers_at_tau() -> bool {
    false
}

#[cfg(test)]
mod replay;
#[cfg(test)]
use replay::answers_at_tau;

#[cfg(test)]
mod tests {
    use super::passes;
    use salus_accounting::{Noise, Rational, Weights, threshold_delta};

    /// What is booked covers the groups above tau; those at tau would cost more than is booked.
    #[test]
    fn the_price_is_that_of_being_above() {
        assert!(passes(5, 106, 5, 105));
        assert!(!passes(5, 105, 5, 105), "opendp#2922");
        assert!(!passes(4, 1_000, 5, 105));
        // P[Z > 99] and P[Z >= 99], Z a Gaussian of sigma 20.
        let one = Weights::even(1);
        let delta = |above| {
            threshold_delta(Noise::DiscreteGaussian, &Rational::from(20), above, &one).unwrap()
        };
        let weight = |k: f64| (-k * k / 800.0).exp();
        let from = |first: i32| (first..400).map(|k| weight(k.into())).sum::<f64>();
        let all = 1.0 + 2.0 * from(1);
        #[expect(clippy::cast_precision_loss, reason = "compared with tolerance")]
        let booked = delta(99).units() as f64 / 2_f64.powi(80);
        assert!(from(100) / all <= booked && booked < from(99) / all);
    }
}
