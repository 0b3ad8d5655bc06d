//! NDJSON: one object for each row, with a member for each column, `null` where there is nothing.

use std::fmt::{self, Write as _};
use std::io::Write;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, ListArray, StringArray};
use arrow::datatypes::{DataType, Int32Type, Int64Type};
use arrow::record_batch::RecordBatch;

use super::{Sink, failed};
use crate::columns::{Layout, RAW};
use crate::definition::View;
use crate::run::RunError;

/// Writes NDJSON.
pub struct NdjsonSink<W> {
    out: W,
}

impl<W> fmt::Debug for NdjsonSink<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NdjsonSink").finish_non_exhaustive()
    }
}

impl<W: Write> NdjsonSink<W> {
    /// Writes the rows of `view` to `out`. The names are those of the batches.
    pub fn new(_view: &View, out: W) -> Self {
        Self { out }
    }
}

impl<W: Write> Sink for NdjsonSink<W> {
    fn layout(&self) -> Layout {
        Layout::Json
    }

    fn write(&mut self, batch: &RecordBatch) -> Result<(), RunError> {
        let schema = batch.schema();
        let columns = schema.fields().iter().zip(batch.columns());
        let cells: Vec<(String, Cell<'_>)> = columns
            .map(|(field, column)| {
                let raw = field.metadata().contains_key(RAW);
                // A column's name needs no escape.
                (format!("\"{}\":", field.name()), Cell::new(column, raw))
            })
            .collect();
        let mut text = String::new();
        for row in 0..batch.num_rows() {
            text.push('{');
            for (at, (name, cell)) in cells.iter().enumerate() {
                if at > 0 {
                    text.push(',');
                }
                text.push_str(name);
                cell.json(row, &mut text)?;
            }
            text.push_str("}\n");
        }
        let written = self.out.write_all(text.as_bytes());
        written.map_err(|error| failed("NDJSON")(error.into()))
    }

    fn finish(&mut self) -> Result<(), RunError> {
        let flushed = self.out.flush();
        flushed.map_err(|error| failed("NDJSON")(error.into()))
    }
}

/// The cells of one column, in the types that text layouts have.
pub(super) struct Cell<'b> {
    values: Values<'b>,
    /// Text is JSON as it stands.
    raw: bool,
}

enum Values<'b> {
    Boolean(&'b BooleanArray),
    Int32(&'b arrow::array::Int32Array),
    Int64(&'b arrow::array::Int64Array),
    Text(&'b StringArray),
    List(&'b ListArray, Box<Cell<'b>>),
    Other(&'b DataType),
}

impl<'b> Cell<'b> {
    pub(super) fn new(column: &'b ArrayRef, raw: bool) -> Self {
        let values = match column.data_type() {
            DataType::Boolean => Values::Boolean(column.as_boolean()),
            DataType::Int32 => Values::Int32(column.as_primitive::<Int32Type>()),
            DataType::Int64 => Values::Int64(column.as_primitive::<Int64Type>()),
            DataType::Utf8 => Values::Text(column.as_string()),
            DataType::List(_) => {
                let list = column.as_list();
                Values::List(list, Box::new(Cell::new(list.values(), raw)))
            }
            other => Values::Other(other),
        };
        Self { values, raw }
    }

    fn is_null(&self, row: usize) -> bool {
        match &self.values {
            Values::Boolean(values) => values.is_null(row),
            Values::Int32(values) => values.is_null(row),
            Values::Int64(values) => values.is_null(row),
            Values::Text(values) => values.is_null(row),
            Values::List(values, _) => values.is_null(row),
            Values::Other(_) => false,
        }
    }

    /// Writes a cell without quotes, collections as JSON; false when there is nothing.
    pub(super) fn plain(&self, row: usize, into: &mut String) -> Result<bool, RunError> {
        if self.is_null(row) {
            return Ok(false);
        }
        match &self.values {
            Values::Text(values) => into.push_str(values.value(row)),
            _ => self.json(row, into)?,
        }
        Ok(true)
    }

    /// Writes a cell as JSON.
    pub(super) fn json(&self, row: usize, into: &mut String) -> Result<(), RunError> {
        if self.is_null(row) {
            into.push_str("null");
            return Ok(());
        }
        match &self.values {
            Values::Boolean(values) => drop(write!(into, "{}", values.value(row))),
            Values::Int32(values) => drop(write!(into, "{}", values.value(row))),
            Values::Int64(values) => drop(write!(into, "{}", values.value(row))),
            Values::Text(values) if self.raw => into.push_str(values.value(row)),
            Values::Text(values) => string(values.value(row), into),
            Values::List(list, cell) => {
                let offsets = list.value_offsets();
                into.push('[');
                for at in offsets[row]..offsets[row + 1] {
                    if at > offsets[row] {
                        into.push(',');
                    }
                    cell.json(usize::try_from(at).unwrap_or(0), into)?;
                }
                into.push(']');
            }
            Values::Other(data_type) => {
                return Err(RunError::Bug(format!("{data_type} is no type of text")));
            }
        }
        Ok(())
    }
}

/// A JSON string. Most need no escape.
fn string(text: &str, into: &mut String) {
    if text.bytes().any(|b| b < 0x20 || matches!(b, b'"' | b'\\')) {
        into.push_str(&serde_json::Value::from(text).to_string());
    } else {
        into.push('"');
        into.push_str(text);
        into.push('"');
    }
}
