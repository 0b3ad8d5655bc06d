//! CSV (RFC 4180), in UTF-8, with a line of names.
//!
//! Nothing is an empty field, the empty string is `""`; a collection is a JSON array. Other text is
//! in quotes only where it must be.

use std::fmt;
use std::io::Write;

use arrow::datatypes::Schema;
use arrow::record_batch::RecordBatch;

use super::ndjson::Cell;
use super::{Sink, failed};
use crate::columns::{Layout, schema};
use crate::definition::View;
use crate::run::RunError;

/// Writes CSV.
pub struct CsvSink<W> {
    out: W,
    schema: Schema,
    begun: bool,
}

impl<W> fmt::Debug for CsvSink<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CsvSink").finish_non_exhaustive()
    }
}

impl<W: Write> CsvSink<W> {
    /// Writes the rows of `view` to `out`.
    pub fn new(view: &View, out: W) -> Self {
        Self {
            out,
            schema: schema(view, Layout::Text),
            begun: false,
        }
    }

    /// The names stand first, even where there is no row.
    fn begin(&mut self, into: &mut String) {
        if !self.begun {
            self.begun = true;
            let names: Vec<&str> = self
                .schema
                .fields()
                .iter()
                .map(|f| f.name().as_str())
                .collect();
            into.push_str(&names.join(","));
            into.push_str("\r\n");
        }
    }

    fn put(&mut self, text: &str) -> Result<(), RunError> {
        let written = self.out.write_all(text.as_bytes());
        written.map_err(|error| failed("CSV")(error.into()))
    }
}

impl<W: Write> Sink for CsvSink<W> {
    fn layout(&self) -> Layout {
        Layout::Text
    }

    fn write(&mut self, batch: &RecordBatch) -> Result<(), RunError> {
        let mut text = String::new();
        self.begin(&mut text);
        let cells: Vec<Cell<'_>> = batch
            .columns()
            .iter()
            .map(|column| Cell::new(column, false))
            .collect();
        let mut field = String::new();
        for row in 0..batch.num_rows() {
            for (at, cell) in cells.iter().enumerate() {
                if at > 0 {
                    text.push(',');
                }
                field.clear();
                if cell.plain(row, &mut field)? {
                    quoted(&field, &mut text);
                }
            }
            text.push_str("\r\n");
        }
        self.put(&text)
    }

    fn finish(&mut self) -> Result<(), RunError> {
        let mut text = String::new();
        self.begin(&mut text);
        self.put(&text)?;
        let flushed = self.out.flush();
        flushed.map_err(|error| failed("CSV")(error.into()))
    }
}

fn quoted(field: &str, into: &mut String) {
    let plain = !field.is_empty() && !field.contains(['"', ',', '\r', '\n']);
    if plain {
        into.push_str(field);
        return;
    }
    into.push('"');
    into.push_str(&field.replace('"', "\"\""));
    into.push('"');
}
