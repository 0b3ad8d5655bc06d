//! Which groups are answered where the keys are not public: those that enough persons are in, by a true and by a noisy count.

use salus_certificate::{Mechanism, Threshold};

use crate::gate::{AnswerFailed, Groups};

/// Lets go of the groups that no threshold keeps, with their keys and all their numbers. Returns the keys of the others, for each release.
///
/// # Guarantee
/// A group is kept if its true number of persons is at least the minimum and its noisy number is **above** tau, strictly: that is the event whose
/// probability [`salus_accounting::threshold_delta`] bounds for a group at the minimum. The columns of the mechanisms that decide must be noisy.
pub(crate) fn apply(
    columns: &mut [Vec<i128>],
    groups: Vec<Option<Groups>>,
    mechanisms: &[Mechanism],
) -> Result<Vec<Option<Vec<Vec<u8>>>>, AnswerFailed> {
    let mut keys = Vec::with_capacity(groups.len());
    for (release, groups) in (0..).zip(groups) {
        let Some(groups) = groups else {
            keys.push(None);
            continue;
        };
        let kept = kept(columns, &groups, mechanisms, release).ok_or(AnswerFailed)?;
        for (column, mechanism) in columns.iter_mut().zip(mechanisms) {
            if mechanism.release == release {
                let values = usize::try_from(mechanism.values).map_err(|_| AnswerFailed)?;
                *column = keep(column.chunks(values.max(1)), &kept)
                    .flatten()
                    .copied()
                    .collect();
            }
        }
        keys.push(Some(keep(groups.keys.into_iter(), &kept).collect()));
    }
    Ok(keys)
}

/// For each group whether it is answered.
fn kept(
    columns: &[Vec<i128>],
    groups: &Groups,
    mechanisms: &[Mechanism],
    release: u64,
) -> Option<Vec<bool>> {
    let mut mechanisms = mechanisms.iter().zip(columns);
    let (Threshold { minimum, tau }, noisy) = mechanisms.find_map(|(mechanism, column)| {
        let threshold = mechanism.threshold;
        let threshold = threshold.filter(|_| mechanism.release == release)?;
        Some((threshold, column))
    })?;
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
