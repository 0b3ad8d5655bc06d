//! From released integers to the answer: numbers in their own units, each with its interval.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, UInt64Array};
use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::common::{DFSchemaRef, ScalarValue};
use datafusion::error::Result;
use salus_accounting::Rational;
use salus_certificate::Mechanism;
use salus_ledger::Released;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::functions::grid::Grid;
use crate::interval::{self, CONFIDENCE, Interval};
use crate::post::{PostProcessing, released_schema};
use crate::release::{Output, Release};
use datafusion::prelude::SessionContext;

/// What an analyst sees of an answer; its JSON bytes are what the ledger commits to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// Names of the columns.
    pub columns: Vec<String>,
    /// One row per answered cell, one value per column.
    pub rows: Vec<Vec<Json>>,
    /// In the shape of `rows`: `[low, high]` for released numbers, null for keys.
    pub intervals: Vec<Vec<Option<[f64; 2]>>>,
    /// Probability with which an interval holds the number that a noiseless answer would have had under the same bounds.
    pub confidence: f64,
}

/// A number and its interval.
struct Number {
    value: ScalarValue,
    interval: Interval,
}

/// Turns released integers into the answer.
pub(crate) async fn answer(
    released: &Released,
    release: &Release,
    mechanisms: &[Mechanism],
    schema: &DFSchemaRef,
    post: &PostProcessing,
    context: &SessionContext,
) -> Result<Answer> {
    let sigmas: Vec<f64> = mechanisms
        .iter()
        .map(|mechanism| approximate(&mechanism.sigma))
        .collect();
    let keys = release.cells.keys.len();
    let mut columns: Vec<Vec<ScalarValue>> =
        vec![Vec::with_capacity(release.cells.len()); schema.fields().len()];
    let mut intervals: Vec<Vec<Interval>> = Vec::with_capacity(release.cells.len());
    for cell in 0..release.cells.len() {
        for (column, value) in columns.iter_mut().zip(release.cells.values_at(cell)) {
            column.push(value);
        }
        let mut cell_intervals = Vec::with_capacity(release.outputs.len());
        for (output, column) in release.outputs.iter().zip(columns.iter_mut().skip(keys)) {
            let number = number(output, released, cell, &sigmas);
            column.push(number.value);
            cell_intervals.push(number.interval);
        }
        intervals.push(cell_intervals);
    }
    let batch = batch(columns, schema)?;
    let mut answer = Answer {
        columns: post
            .columns
            .iter()
            .map(|column| column.name.clone())
            .collect(),
        rows: Vec::new(),
        intervals: Vec::new(),
        confidence: CONFIDENCE,
    };
    for (batch, cells) in post.run(context, batch).await? {
        for (row, cell) in cells.into_iter().enumerate() {
            let cell = usize::try_from(cell).unwrap_or(usize::MAX);
            let values = (0..batch.num_columns()).map(|column| {
                Ok(json(&ScalarValue::try_from_array(
                    batch.column(column),
                    row,
                )?))
            });
            answer.rows.push(values.collect::<Result<_>>()?);
            let bars = post.columns.iter().map(|column| {
                let output = column.origin.checked_sub(keys)?;
                let (low, high) = *intervals.get(cell)?.get(output)?;
                Some([low, high])
            });
            answer.intervals.push(bars.collect());
        }
    }
    Ok(answer)
}

#[allow(clippy::cast_precision_loss)] // For show only: the ledger keeps no float.
fn number(output: &Output, released: &Released, cell: usize, sigmas: &[f64]) -> Number {
    let noisy = |mechanism: usize| released.columns[mechanism][cell];
    match *output {
        Output::Count { count } => Number {
            value: ScalarValue::Int64(Some(
                i64::try_from(noisy(count)).unwrap_or(if noisy(count) < 0 {
                    i64::MIN
                } else {
                    i64::MAX
                }),
            )),
            interval: interval::count(noisy(count) as f64, sigmas[count]),
        },
        Output::Sum { sum, grid } => {
            let (low, high) = interval::sum(noisy(sum) as f64, sigmas[sum]);
            Number {
                value: ScalarValue::Decimal128(
                    Some(noisy(sum)),
                    38,
                    i8::try_from(grid.scale).unwrap_or(i8::MAX),
                ),
                interval: (ungrid(low, grid), ungrid(high, grid)),
            }
        }
        Output::Average { count, sum, grid } => {
            let (n, s) = (noisy(count) as f64, noisy(sum) as f64);
            let width = grid.width() as f64;
            let centre = f64::midpoint(grid.low as f64, grid.high as f64);
            let (low, high) = interval::ratio(s, sigmas[sum], n, sigmas[count], width);
            let mean = (n > 0.0).then(|| ungrid((s / n).clamp(-width, width) / 2.0 + centre, grid));
            Number {
                value: ScalarValue::Float64(mean),
                interval: (
                    ungrid(low / 2.0 + centre, grid),
                    ungrid(high / 2.0 + centre, grid),
                ),
            }
        }
    }
}

fn ungrid(units: f64, grid: Grid) -> f64 {
    units / 10_f64.powi(i32::try_from(grid.scale).unwrap_or(i32::MAX))
}

fn batch(columns: Vec<Vec<ScalarValue>>, schema: &DFSchemaRef) -> Result<RecordBatch> {
    let cells = columns.first().map_or(0, Vec::len) as u64;
    let released = Arc::new(released_schema(schema));
    let mut arrays: Vec<ArrayRef> = Vec::with_capacity(columns.len() + 1);
    for (column, field) in columns.into_iter().zip(schema.fields()) {
        let kind = field.data_type();
        let values = column.into_iter().map(|value| fit(&value, kind));
        arrays.push(ScalarValue::iter_to_array(
            values.collect::<Result<Vec<_>>>()?,
        )?);
    }
    arrays.push(Arc::new(UInt64Array::from_iter_values(0..cells)));
    Ok(RecordBatch::try_new(released, arrays)?)
}

/// A number as the type that the operators above expect; what does not fit is NULL.
fn fit(value: &ScalarValue, kind: &DataType) -> Result<ScalarValue> {
    match value.cast_to(kind) {
        Ok(value) => Ok(value),
        Err(_) => ScalarValue::try_from(kind),
    }
}

/// A rational as the nearest float, for show.
pub(crate) fn approximate(value: &Rational) -> f64 {
    value.to_decimal_string(12).parse().unwrap_or(f64::INFINITY)
}

fn json(value: &ScalarValue) -> Json {
    if value.is_null() {
        return Json::Null;
    }
    match value {
        ScalarValue::Boolean(Some(x)) => Json::from(*x),
        ScalarValue::Int64(Some(x)) => Json::from(*x),
        ScalarValue::Utf8(Some(text))
        | ScalarValue::LargeUtf8(Some(text))
        | ScalarValue::Utf8View(Some(text)) => Json::from(text.as_str()),
        other if other.data_type().is_integer() => other
            .to_string()
            .parse::<i64>()
            .map_or_else(|_| Json::from(other.to_string()), Json::from),
        other if other.data_type().is_numeric() => other
            .to_string()
            .parse::<f64>()
            .map_or_else(|_| Json::from(other.to_string()), Json::from),
        other => Json::from(other.to_string()),
    }
}
