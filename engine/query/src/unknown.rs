//! Groups whose keys are not public: sealed together with their numbers, spelled as bytes until a threshold lets them through.

use std::collections::{BTreeMap, HashMap};

use datafusion::arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::error::Result;
use salus_ledger::{Column, Groups};

use crate::execute::{Filling, Rows};
use crate::release::Release;

/// Numbers of the groups, one column for each mechanism, and the groups themselves, in the order of their keys.
///
/// Groups below the minimum are left out: no threshold would let them through, and their numbers need no noise.
pub(crate) fn sums(
    release: &Release,
    plans: &[Filling<'_>],
    minimum: u64,
) -> Result<(Vec<Column>, Option<Groups>)> {
    let keys = release.cells.keys.len();
    let mut persons: BTreeMap<Vec<u8>, i128> = BTreeMap::new();
    for (bounded, rows) in plans {
        let Some(counted) = bounded.persons else {
            continue;
        };
        for batch in rows {
            for row in Rows::of(batch, keys, bounded.numbers())?.iter() {
                let (key, _, numbers) = row?;
                let number = numbers.get(counted).copied().unwrap_or(0);
                if number >= i128::from(minimum) {
                    persons.insert(spell(&key), number);
                }
            }
        }
    }
    let places = persons.keys().enumerate();
    let places: HashMap<&[u8], usize> = places.map(|(i, key)| (key.as_slice(), i)).collect();
    // Quantiles have many numbers for each group, and few of the groups may be answered.
    let columns = release.contributions.iter().map(|c| match c.values() {
        1 => Column::Dense(vec![0; places.len()]),
        _ => Column::Sparse(Vec::new()),
    });
    let mut columns: Vec<_> = columns.collect();
    for (bounded, rows) in plans {
        for batch in rows {
            for row in Rows::of(batch, keys, bounded.numbers())?.iter() {
                let (key, leaf, numbers) = row?;
                let Some(group) = places.get(spell(&key).as_slice()) else {
                    continue;
                };
                for (mechanism, number) in bounded.fills.iter().zip(numbers) {
                    let add = |place| match &mut columns[*mechanism] {
                        Column::Dense(sums) => sums[place] += number,
                        Column::Sparse(sums) => sums.push((place, number)),
                    };
                    release.places(*mechanism, *group, leaf).for_each(add);
                }
            }
        }
    }
    let counts = persons.values().map(|n| u64::try_from(*n).unwrap_or(0));
    let groups = Groups {
        persons: counts.collect(),
        keys: persons.into_keys().collect(),
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
