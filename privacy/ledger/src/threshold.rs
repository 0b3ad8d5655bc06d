//! Which groups are answered where the keys are not public: those that enough persons are in, by a true and by a noisy count.

use salus_certificate::{Mechanism, Threshold};

use crate::gate::{AnswerFailed, Column, Groups};

/// The keys of the answered groups of each release, `None` where all are public.
type Keys = Vec<Option<Vec<Vec<u8>>>>;

/// Lets go of the groups that no threshold keeps, with their keys and all their numbers. Returns the numbers of the others, and their keys.
///
/// # Guarantee
/// A group is kept if its true number of persons is at least the minimum and its noisy number is **above** tau, strictly: that is the event whose
/// probability [`salus_accounting::threshold_delta`] bounds for a group at the minimum. The columns of the mechanisms that decide must be noisy.
pub(crate) fn apply(
    columns: Vec<Column>,
    groups: Vec<Option<Groups>>,
    mechanisms: &[Mechanism],
) -> Result<(Vec<Vec<i128>>, Keys), AnswerFailed> {
    let decided = (0..).zip(&groups).map(|(release, groups)| {
        let decide = |groups| kept(&columns, groups, mechanisms, release).ok_or(AnswerFailed);
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
    mechanisms: &[Mechanism],
    release: u64,
) -> Option<Vec<bool>> {
    let mut mechanisms = mechanisms.iter().zip(columns);
    let (Threshold { minimum, tau }, noisy) = mechanisms.find_map(|(mechanism, column)| {
        let threshold = mechanism.threshold;
        let threshold = threshold.filter(|_| mechanism.release == release)?;
        match column {
            Column::Dense(noisy) => Some((threshold, noisy)),
            Column::Sparse(_) => None,
        }
    })?;
    let passes = groups
        .persons
        .iter()
        .zip(noisy)
        .map(|(persons, noisy)| *persons >= minimum && *noisy > i128::from(tau));
    Some(passes.collect())
}
