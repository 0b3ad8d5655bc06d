//! Groups whose keys are not public: sealed together with their numbers, spelled as bytes until a threshold lets them through.

use datafusion::arrow::array::{Array, AsArray};
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
            groups.push((spell(&key), numbers.collect()));
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

/// Whether every value of a type can be spelled and read back.
pub(crate) fn can_spell(kind: &DataType) -> bool {
    kind.is_integer()
        || matches!(
            kind,
            DataType::Boolean
                | DataType::Utf8
                | DataType::LargeUtf8
                | DataType::Utf8View
                | DataType::Decimal128(..)
                | DataType::Date32
        )
}

/// The values of a key as JSON: text of each, or null.
///
/// # Guarantee
/// There is no value that fails: a failure would tell that a group with enough persons has it. So dates are days and decimals mantissas, which no
/// calendar and no precision can refuse.
fn spell(key: &[ScalarValue]) -> Vec<u8> {
    let texts: Vec<Option<String>> = key
        .iter()
        .map(|value| match value {
            ScalarValue::Boolean(Some(x)) => Some(x.to_string()),
            ScalarValue::Utf8(text)
            | ScalarValue::LargeUtf8(text)
            | ScalarValue::Utf8View(text) => text.clone(),
            ScalarValue::Decimal128(mantissa, ..) => mantissa.map(|x| x.to_string()),
            ScalarValue::Date32(days) => days.map(|x| x.to_string()),
            integer if integer.data_type().is_integer() && !integer.is_null() => {
                Some(integer.to_string())
            }
            _ => None,
        })
        .collect();
    serde_json::to_vec(&texts).unwrap_or_default()
}

/// The values of a key in the types that the answer has; what cannot be read is NULL.
pub(crate) fn read(key: &[u8], types: &[DataType]) -> Result<Vec<ScalarValue>> {
    let texts: Vec<Option<String>> = serde_json::from_slice(key).unwrap_or_default();
    let texts = texts.into_iter().chain(std::iter::repeat(None));
    types
        .iter()
        .zip(texts)
        .map(|(kind, text)| {
            let number = || text.as_ref()?.parse::<i128>().ok();
            Ok(match kind {
                DataType::Decimal128(precision, scale) => {
                    ScalarValue::Decimal128(number(), *precision, *scale)
                }
                DataType::Date32 => {
                    ScalarValue::Date32(number().and_then(|days| i32::try_from(days).ok()))
                }
                other => match ScalarValue::Utf8(text).cast_to(other) {
                    Ok(value) => value,
                    Err(_) => ScalarValue::try_from(other)?,
                },
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::datatypes::TimeUnit;

    use super::*;

    #[test]
    fn every_value_of_a_key_is_spelled_and_read_back() {
        let key = vec![
            ScalarValue::Date32(Some(i32::MAX)),
            ScalarValue::Date32(Some(i32::MIN)),
            ScalarValue::Date32(None),
            ScalarValue::Decimal128(Some(i128::MIN), 38, 2),
            ScalarValue::Int64(Some(i64::MIN)),
            ScalarValue::UInt64(Some(u64::MAX)),
            ScalarValue::Int8(None),
            ScalarValue::Boolean(Some(true)),
            ScalarValue::Utf8View(Some("Jane\u{0} \"Doe\"".into())),
            ScalarValue::Utf8(None),
        ];
        let types: Vec<DataType> = key.iter().map(ScalarValue::data_type).collect();
        assert!(types.iter().all(can_spell));
        assert_eq!(read(&spell(&key), &types).unwrap(), key);
        for kind in [DataType::Float64, DataType::Duration(TimeUnit::Second)] {
            assert!(!can_spell(&kind));
        }
    }
}
