//! Groups whose keys are not public: sealed together with their numbers, spelled as bytes until a threshold lets them through.

use datafusion::arrow::array::{Array, AsArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Decimal128Type};
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::common::{DataFusionError, ScalarValue};
use datafusion::error::Result;
use salus_ledger::Groups;

use crate::execute::wide;

/// Numbers of the groups, one column for each mechanism, and the groups themselves, in the order of their keys.
///
/// Groups below the minimum are left out: no threshold would let them through, and their numbers need no noise.
pub(crate) fn sums(
    rows: &[RecordBatch],
    mechanisms: usize,
    minimum: u64,
    deciding: usize,
) -> Result<(Vec<Vec<i128>>, Option<Groups>)> {
    let mut groups: Vec<(Vec<u8>, Vec<i128>)> = Vec::new();
    for batch in rows {
        let sums = batch
            .schema()
            .fields()
            .iter()
            .zip(batch.columns())
            .filter(|(field, _)| crate::release::is_sum(field.name()))
            .map(|(_, column)| wide(column))
            .collect::<Result<Vec<_>>>()?;
        let keys = batch.num_columns() - sums.len();
        let persons = sums
            .get(deciding)
            .ok_or_else(|| DataFusionError::Internal("nobody is counted".into()))?;
        let persons = persons.as_primitive::<Decimal128Type>();
        for row in 0..batch.num_rows() {
            if !persons.is_valid(row) || persons.value(row) < i128::from(minimum) {
                continue;
            }
            let key = (0..keys)
                .map(|i| ScalarValue::try_from_array(batch.column(i), row))
                .collect::<Result<Vec<_>>>()?;
            let numbers = sums.iter().map(|sums| {
                let sums = sums.as_primitive::<Decimal128Type>();
                if sums.is_valid(row) {
                    sums.value(row)
                } else {
                    0
                }
            });
            groups.push((spell(&key)?, numbers.collect()));
        }
    }
    groups.sort_unstable();
    let columns = (0..mechanisms)
        .map(|j| {
            groups
                .iter()
                .filter_map(|(_, n)| n.get(j).copied())
                .collect()
        })
        .collect::<Vec<Vec<i128>>>();
    let persons = columns.get(deciding).map(|column| {
        column
            .iter()
            .map(|n| u64::try_from(*n).unwrap_or(0))
            .collect()
    });
    let groups = Groups {
        keys: groups.into_iter().map(|(key, _)| key).collect(),
        persons: persons.unwrap_or_default(),
    };
    Ok((columns, Some(groups)))
}

/// The values of a key as JSON: text of each, or null.
fn spell(key: &[ScalarValue]) -> Result<Vec<u8>> {
    let texts = key
        .iter()
        .map(|value| {
            let text = cast(&value.to_array()?, &DataType::Utf8)?;
            let text = text.as_string::<i32>();
            Ok(text.is_valid(0).then(|| text.value(0).to_owned()))
        })
        .collect::<Result<Vec<_>>>()?;
    serde_json::to_vec(&texts).map_err(|e| DataFusionError::External(Box::new(e)))
}

/// The values of a key in the types that the answer has.
pub(crate) fn read(key: &[u8], types: &[DataType]) -> Result<Vec<ScalarValue>> {
    let texts: Vec<Option<String>> =
        serde_json::from_slice(key).map_err(|e| DataFusionError::External(Box::new(e)))?;
    texts
        .into_iter()
        .zip(types)
        .map(|(text, kind)| ScalarValue::Utf8(text).cast_to(kind))
        .collect()
}
