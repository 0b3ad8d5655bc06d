//! Which groups are answered where the keys are not public: those that enough persons are in, by a true and by a noisy count.

use salus_certificate::{Certificate, Mechanism, Threshold};

use crate::gate::{AnswerFailed, Groups, Released};

/// Lets go of the groups that no threshold keeps, with their keys and all their numbers.
///
/// # Guarantee
/// A group is kept if its true number of persons is at least the minimum and its noisy number is **above** tau, strictly: that is the event whose
/// probability [`salus_accounting::threshold_delta`] bounds for a group at the minimum.
pub(crate) fn apply(
    columns: Vec<Vec<i128>>,
    groups: Vec<Option<Groups>>,
    certificate: &Certificate,
) -> Result<Released, AnswerFailed> {
    let mut released = Released {
        columns,
        keys: Vec::new(),
    };
    for (release, groups) in (0..).zip(groups) {
        let Some(groups) = groups else {
            released.keys.push(None);
            continue;
        };
        let kept = kept(&released.columns, &groups, certificate, release).ok_or(AnswerFailed)?;
        for (column, mechanism) in released.columns.iter_mut().zip(&certificate.mechanisms) {
            if mechanism.release == release {
                let values = usize::try_from(mechanism.values).map_err(|_| AnswerFailed)?;
                *column = keep(column.chunks(values.max(1)), &kept)
                    .flatten()
                    .copied()
                    .collect();
            }
        }
        released
            .keys
            .push(Some(keep(groups.keys.into_iter(), &kept).collect()));
    }
    Ok(released)
}

/// For each group whether it is answered.
fn kept(
    columns: &[Vec<i128>],
    groups: &Groups,
    certificate: &Certificate,
    release: u64,
) -> Option<Vec<bool>> {
    let decides = |mechanism: &Mechanism| mechanism.release == release;
    let mut mechanisms = certificate.mechanisms.iter().zip(columns);
    let (threshold, noisy) = mechanisms.find_map(|(mechanism, column)| {
        let threshold = mechanism.threshold.filter(|_| decides(mechanism))?;
        Some((threshold, column))
    })?;
    let Threshold { minimum, tau } = threshold;
    let passes = groups
        .persons
        .iter()
        .zip(noisy)
        .map(|(persons, noisy)| *persons >= minimum && *noisy > i128::from(tau));
    Some(passes.collect())
}

fn keep<'k, T>(
    items: impl Iterator<Item = T> + 'k,
    kept: &'k [bool],
) -> impl Iterator<Item = T> + 'k {
    items
        .zip(kept)
        .filter_map(|(item, kept)| kept.then_some(item))
}
