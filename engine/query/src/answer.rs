//! From released integers to the answer: numbers in their own units, each with its interval.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, UInt64Array, new_empty_array};
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
use crate::interval::{self, CONFIDENCE, Interval, Spread};
use crate::post::{Origin, Repetitions, released_schema};
use crate::question::Question;
use crate::release::{Output, Release, Tree};
use crate::unknown;
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
    /// In the shape of `rows`: standard deviation of the noise in each released number, null for keys and where it is not known.
    pub standard_errors: Vec<Vec<Option<f64>>>,
    /// Probability with which an interval holds the number that a noiseless answer would have had under the same bounds.
    pub confidence: f64,
}

/// Turns released integers into the answer.
pub(crate) async fn answer(
    released: &Released,
    question: &Question,
    mechanisms: &[Mechanism],
    context: &SessionContext,
) -> Result<Answer> {
    let spreads = question.spreads(mechanisms);
    let columns = question.whole_units(&released.columns);
    let keys = shown_keys(released, question)?;
    let tables = |columns: &[Vec<i128>]| tables(question, columns, &keys, &spreads);
    let post = &question.post;
    let numbers = tables(&columns)?;
    let rows = post.answer(context, numbers.clone()).await?;
    let samples = if post.computes() {
        let repetitions = Repetitions::draw(&columns, &spreads, tables)?;
        let samples = post.repeat(context, numbers, &repetitions, &rows).await?;
        Some((samples, repetitions.count()))
    } else {
        None
    };
    let names = post.columns.iter().map(|column| column.name.clone());
    let mut answer = Answer {
        columns: names.collect(),
        rows: Vec::with_capacity(rows.len()),
        intervals: Vec::with_capacity(rows.len()),
        standard_errors: Vec::with_capacity(rows.len()),
        confidence: CONFIDENCE,
    };
    for (i, row) in rows.iter().enumerate() {
        let bars = post
            .columns
            .iter()
            .enumerate()
            .map(|(j, column)| match column.origin {
                Origin::Public => None,
                Origin::Released {
                    identity,
                    release,
                    column,
                } => {
                    let part = question.mechanisms_of(release);
                    let release = &question.releases.get(release)?.release;
                    let output = column.checked_sub(release.cells.keys.len())?;
                    let output = release.outputs.get(output)?;
                    let numbers = Numbers {
                        release,
                        columns: columns.get(part.clone())?,
                        spreads: spreads.get(part)?,
                    };
                    let cell = row.cell(identity)?;
                    Some((numbers.bar(output, cell), numbers.deviation(output, cell)))
                }
                Origin::Derived => {
                    let (samples, count) = samples.as_ref()?;
                    let samples = samples.get(i)?.get(j)?;
                    let interval = interval::of_samples(samples, *count)?;
                    Some((interval, interval::deviation(samples)))
                }
            });
        let bars: Vec<Option<(Interval, Option<f64>)>> = bars.collect();
        let intervals = bars
            .iter()
            .map(|bar| bar.map(|((low, high), _)| [low, high]));
        answer.intervals.push(intervals.collect());
        let deviations = bars
            .iter()
            .map(|bar| bar.and_then(|(_, deviation)| deviation));
        answer.standard_errors.push(deviations.collect());
        answer.rows.push(row.values.iter().map(json).collect());
    }
    Ok(answer)
}

/// The table of each release: for each of its cells the keys, the outputs, and which cell it is.
pub(crate) fn tables(
    question: &Question,
    columns: &[Vec<i128>],
    keys: &[Vec<Vec<ScalarValue>>],
    spreads: &[Spread],
) -> Result<Vec<RecordBatch>> {
    let parts = question.releases.iter().enumerate();
    parts
        .map(|(i, part)| {
            let own = question.mechanisms_of(i);
            let numbers = Numbers {
                release: &part.release,
                columns: columns.get(own.clone()).unwrap_or_default(),
                spreads: spreads.get(own).unwrap_or_default(),
            };
            numbers.table(keys.get(i).map(Vec::as_slice).unwrap_or_default())
        })
        .collect()
}

/// For each release the keys of its answered cells.
fn shown_keys(released: &Released, question: &Question) -> Result<Vec<Vec<Vec<ScalarValue>>>> {
    let parts = question.releases.iter().enumerate();
    parts
        .map(|(i, part)| {
            let cells = &part.release.cells;
            match released.keys.get(i).and_then(Option::as_ref) {
                Some(keys) => keys
                    .iter()
                    .map(|key| unknown::read(key, cells.types()))
                    .collect(),
                None => Ok((0..cells.len()).map(|cell| cells.values_at(cell)).collect()),
            }
        })
        .collect()
}

/// The noisy numbers of a release, one column for each of its mechanisms.
pub(crate) struct Numbers<'a> {
    pub release: &'a Release,
    pub columns: &'a [Vec<i128>],
    pub spreads: &'a [Spread],
}

impl Numbers<'_> {
    /// One row for each cell: its keys, its outputs, and which cell it is.
    fn table(&self, cells: &[Vec<ScalarValue>]) -> Result<RecordBatch> {
        let keys = self.release.cells.keys.len();
        let columns = self.release.schema.fields().len();
        let mut values: Vec<Vec<ScalarValue>> = vec![Vec::with_capacity(cells.len()); columns];
        for (cell, key) in cells.iter().enumerate() {
            for (column, value) in values.iter_mut().zip(key) {
                column.push(value.clone());
            }
            for (output, column) in self
                .release
                .outputs
                .iter()
                .zip(values.iter_mut().skip(keys))
            {
                column.push(self.number(output, cell));
            }
        }
        batch(values, &self.release.schema)
    }

    fn noisy(&self, mechanism: usize, cell: usize) -> i128 {
        self.columns[mechanism][cell]
    }

    #[allow(clippy::cast_precision_loss)] // For show only: the ledger keeps no float.
    fn real(&self, mechanism: usize, cell: usize) -> f64 {
        self.noisy(mechanism, cell) as f64
    }

    /// The nodes of a cell's tree.
    fn nodes(&self, tree: &Tree, mechanism: usize, cell: usize) -> &[i128] {
        &self.columns[mechanism][cell * tree.nodes()..(cell + 1) * tree.nodes()]
    }

    /// The value of an output in a cell.
    #[allow(clippy::cast_precision_loss)] // For show only.
    fn number(&self, output: &Output, cell: usize) -> ScalarValue {
        let real = |mechanism: usize| self.real(mechanism, cell);
        match *output {
            Output::Count { count } => {
                let noisy = self.noisy(count, cell);
                let most = if noisy < 0 { i64::MIN } else { i64::MAX };
                ScalarValue::Int64(Some(i64::try_from(noisy).unwrap_or(most)))
            }
            Output::Sum { sum, grid } => decimal(self.noisy(sum, cell), grid),
            Output::Average { count, sum, grid } => {
                let (n, s) = (real(count), real(sum));
                let width = grid.width() as f64;
                let mean = (s / n).clamp(-width, width) / 2.0 + centre(grid);
                ScalarValue::Float64((n > 0.0).then(|| grid.show(mean)))
            }
            Output::Spread {
                count,
                sum,
                square,
                grid,
                sample,
                root,
            } => {
                let (n, s, q) = (real(count), real(sum), real(square));
                let freedom = if sample { n - 1.0 } else { n };
                // A variance lies between 0 and a quarter of the squared width; noise may not.
                let width = grid.width() as f64;
                let of_twice = ((q - s * s / n) / freedom).clamp(0.0, width * width);
                let variance = grid.show(grid.show(of_twice / 4.0));
                let shown = if root { variance.sqrt() } else { variance };
                ScalarValue::Float64((n > 1.0 && freedom > 0.0).then_some(shown))
            }
            Output::Quantile { tree, place } => self
                .release
                .tree(tree)
                .and_then(|counts| {
                    let nodes = self.nodes(counts, tree, cell);
                    let value = counts.quantile(nodes, place, self.spreads[tree].continuous())?;
                    Some(decimal(value.into(), counts.grid()))
                })
                .unwrap_or(ScalarValue::Null),
        }
    }

    /// The interval of an output in a cell.
    #[allow(clippy::cast_precision_loss)] // For show only.
    pub(crate) fn bar(&self, output: &Output, cell: usize) -> Interval {
        let real = |mechanism: usize| self.real(mechanism, cell);
        let shown = |(low, high): Interval, grid: Grid| (grid.show(low), grid.show(high));
        let unknown = (f64::NEG_INFINITY, f64::INFINITY);
        match *output {
            Output::Count { count } => interval::count(real(count), self.spreads[count]),
            Output::Sum { sum, grid } => {
                let (low, high) = interval::sum(real(sum), self.spreads[sum]);
                // What nobody's rows can bring below or above zero is not there in sum.
                let least = if grid.low >= 0 {
                    0.0
                } else {
                    f64::NEG_INFINITY
                };
                let most = if grid.high <= 0 { 0.0 } else { f64::INFINITY };
                shown((low.clamp(least, most), high.clamp(least, most)), grid)
            }
            Output::Average { count, sum, grid } => {
                let width = grid.width() as f64;
                let (of_sum, of_n) = (self.spreads[sum], self.spreads[count]);
                let (low, high) = interval::ratio(real(sum), of_sum, real(count), of_n, width);
                shown((low / 2.0 + centre(grid), high / 2.0 + centre(grid)), grid)
            }
            // Resampled instead: see `Release::numbers`.
            Output::Spread { .. } => unknown,
            Output::Quantile { tree, place } => self.release.tree(tree).map_or(unknown, |counts| {
                let nodes = self.nodes(counts, tree, cell);
                let (low, high) =
                    counts.quantile_interval(nodes, place, self.spreads[tree].continuous());
                shown((low as f64, high as f64), counts.grid())
            }),
        }
    }
}

impl Numbers<'_> {
    /// Standard deviation of the noise in an output, at the released value; `None` where the noise may be all there is.
    #[allow(clippy::cast_precision_loss)] // For show only.
    fn deviation(&self, output: &Output, cell: usize) -> Option<f64> {
        let deviation = |mechanism: usize| self.spreads.get(mechanism).map(|s| s.deviation());
        match *output {
            Output::Count { count } => Some(deviation(count)?),
            Output::Sum { sum, grid } => Some(grid.show(deviation(sum)?)),
            // To first order: d(S / 2n) = (dS − (S / n) dn) / 2n.
            Output::Average { count, sum, grid } => {
                let (n, s) = (self.real(count, cell), self.real(sum, cell));
                let (of_n, of_s) = (deviation(count)?, deviation(sum)?);
                let deviation = of_s.hypot(s / n * of_n) / (2.0 * n);
                (n > interval::Z * of_n).then(|| grid.show(deviation))
            }
            Output::Spread { .. } => None,
            // That of a normal distribution with the same interval.
            Output::Quantile { .. } => {
                let (low, high) = self.bar(output, cell);
                let deviation = (high - low) / (2.0 * interval::Z);
                deviation.is_finite().then_some(deviation)
            }
        }
    }
}

/// A number of grid units as a decimal.
fn decimal(units: i128, grid: Grid) -> ScalarValue {
    ScalarValue::Decimal128(Some(units), 38, i8::try_from(grid.scale).unwrap_or(i8::MAX))
}

#[allow(clippy::cast_precision_loss)] // For show only.
fn centre(grid: Grid) -> f64 {
    f64::midpoint(grid.low as f64, grid.high as f64)
}

fn batch(columns: Vec<Vec<ScalarValue>>, schema: &DFSchemaRef) -> Result<RecordBatch> {
    let cells = columns.first().map_or(0, Vec::len) as u64;
    let released = Arc::new(released_schema(schema));
    let mut arrays: Vec<ArrayRef> = Vec::with_capacity(columns.len() + 1);
    for (column, field) in columns.into_iter().zip(schema.fields()) {
        let kind = field.data_type();
        if column.is_empty() {
            arrays.push(new_empty_array(kind));
            continue;
        }
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
        // What no calendar has cannot be shown, and must not stop the answer.
        other => match other.cast_to(&DataType::Utf8) {
            Ok(ScalarValue::Utf8(Some(text))) => Json::from(text),
            _ => Json::Null,
        },
    }
}
