//! Evaluates views on lines and gathers their rows.

use std::collections::BTreeMap;

use arrow::array::RecordBatch;
use arrow::error::ArrowError;
use salus_lake::{ColumnType, Lake, NO_ROWS, Transaction};
use salus_views::{Cell, Evaluator, Limits, View};

use super::bind::{Bound, bind};
use crate::columns::{Columns, Row};
use crate::date::Moment;
use crate::decimal::millionths;
use crate::error::IngestError;
use crate::key::Keys;
use crate::options::ViewSummary;
use crate::tables::{BATCH_ROWS, BATCH_TEXT, Place};

/// What one view may take for one resource: in the order of a second, and memory for so many rows.
const LIMITS: Limits = Limits {
    rows: 4_096,
    steps: 5_000_000,
};
/// Lines that are longer give views no rows: their tree would take several times as much.
const LONGEST_LINE: usize = 16 << 20;

/// The views that fill tables of a lake.
#[derive(Debug, Default)]
pub(crate) struct Views {
    all: Vec<Filled>,
}

#[derive(Debug)]
struct Filled {
    table: String,
    view: View,
    columns: Vec<Bound>,
    schema: arrow::datatypes::SchemaRef,
    /// Whether rows of an earlier ingest may have to go.
    has_rows: bool,
}

impl Views {
    /// Compiles the views that the lake's catalog names.
    ///
    /// # Errors
    /// When a definition is gone, or is not what the catalog declares.
    pub(crate) fn open(lake: &Lake, transaction: &Transaction) -> Result<Self, IngestError> {
        let mut all = Vec::new();
        for (table, facts, source) in lake.catalog().views() {
            let other = |what: &str| IngestError::View {
                table: table.clone(),
                what: format!("{what}; add it again with `salus view add --replace`"),
            };
            let definition = lake.view_definition(table)?;
            let view =
                View::parse(&definition).map_err(|_| other("cannot be read by this version"))?;
            let binding =
                bind(&view).map_err(|_| other("does not pass the rules of this version"))?;
            let declared = source
                .columns
                .iter()
                .filter_map(|name| Some((name, facts.columns.get(name)?.kind)));
            let same = binding
                .columns
                .iter()
                .map(|bound| (&bound.name, bound.kind))
                .eq(declared);
            let schema = lake.schema(table).filter(|_| same);
            all.push(Filled {
                schema: schema.ok_or_else(|| other("has other columns than the catalog"))?,
                table: table.clone(),
                view,
                columns: binding.columns,
                has_rows: transaction.has_rows(table)?,
            });
        }
        Ok(Self { all })
    }

    /// Whether any view is about this type.
    pub(crate) fn take(&self, kind: &str) -> bool {
        self.tables_of(kind).next().is_some()
    }

    /// The tables that views fill from this type.
    pub(crate) fn tables_of<'v>(&'v self, kind: &'v str) -> impl Iterator<Item = &'v str> {
        let of = self
            .all
            .iter()
            .filter(move |filled| filled.view.resource() == kind);
        of.map(|filled| filled.table.as_str())
    }

    /// A summary of each view that has nothing in it.
    pub(crate) fn summaries(&self) -> BTreeMap<String, ViewSummary> {
        let none = |filled: &Filled| (filled.table.clone(), ViewSummary::default());
        self.all.iter().map(none).collect()
    }
}

/// One worker's rows of all views.
#[derive(Debug)]
pub(crate) struct Feed<'v> {
    views: &'v Views,
    evaluator: Evaluator<'v>,
    columns: Vec<Columns>,
    /// The cells of one resource, row after row.
    cells: Vec<Value>,
    full: Vec<(&'v str, RecordBatch)>,
    pub(crate) tally: BTreeMap<String, ViewSummary>,
}

/// A value of the lake.
#[derive(Debug, Clone, PartialEq)]
enum Value {
    Null,
    Boolean(bool),
    Integer(i32),
    BigInt(i64),
    Decimal(i128),
    Moment(Moment),
    Text(String),
}

impl<'v> Feed<'v> {
    pub(crate) fn new(views: &'v Views) -> Result<Self, ArrowError> {
        let columns = views
            .all
            .iter()
            .map(|filled| Columns::new(&filled.table, filled.schema.clone()));
        Ok(Self {
            evaluator: Evaluator::new(views.all.iter().map(|filled| &filled.view), LIMITS),
            columns: columns.collect::<Result<_, _>>()?,
            cells: Vec::new(),
            full: Vec::new(),
            tally: views.summaries(),
            views,
        })
    }

    /// Adds the rows that all views of its type make of a resource. Answers why one made none although it should, if so: its
    /// rows are none then, and earlier ones of the resource go.
    ///
    /// # Errors
    /// When a full batch does not fit its schema, which would be a bug of this module.
    pub(crate) fn add(
        &mut self,
        place: Place<'_>,
        keys: &Keys,
        line: &[u8],
    ) -> Result<Option<String>, ArrowError> {
        if !self.views.take(place.kind) {
            return Ok(None);
        }
        let line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
        let resource = if line.len() > LONGEST_LINE {
            Err("the line is longer than 16 MiB".to_owned())
        } else {
            self.evaluator.read(line)
        };
        let resource_id = keys.row(place.kind, place.id);
        let mut failed = None;
        for (at, filled) in self.views.all.iter().enumerate() {
            if filled.view.resource() != place.kind {
                continue;
            }
            self.cells.clear();
            let cells = &mut self.cells;
            let rows = match &resource {
                Ok(resource) => rows(resource, at, &filled.columns, keys, cells),
                Err(what) => Err(what.clone()),
            };
            let summary = self.tally.entry(filled.table.clone()).or_default();
            summary.resources += 1;
            let rows = rows.unwrap_or_else(|what| {
                summary.failed += 1;
                let what = format!("view {}: {what}", filled.table);
                summary.failure.get_or_insert_with(|| what.clone());
                failed.get_or_insert(what);
                0
            });
            summary.rows += rows as u64;
            let Some(columns) = self.columns.get_mut(at) else {
                continue;
            };
            let width = filled.columns.len();
            for (number, cells) in (0..).zip(self.cells.chunks(width).take(rows)) {
                let row = columns
                    .row(place.person, place.version)
                    .int("resource_id", Some(resource_id))
                    .int("row", Some(number));
                fill(row, &filled.columns, cells);
            }
            if rows == 0 && filled.has_rows {
                let row = columns
                    .row(place.person, place.version)
                    .int("resource_id", Some(resource_id))
                    .int("row", Some(NO_ROWS));
                fill(row, &filled.columns, &[]);
            }
            if columns.rows() >= BATCH_ROWS || columns.text_bytes() >= BATCH_TEXT {
                self.full.push((&filled.table, columns.finish()?));
            }
        }
        Ok(failed)
    }

    /// Batches that have filled up.
    pub(crate) fn take_full(&mut self) -> Vec<(&'v str, RecordBatch)> {
        std::mem::take(&mut self.full)
    }

    /// Everything that is left.
    pub(crate) fn take_rest(&mut self) -> Result<Vec<(&'v str, RecordBatch)>, ArrowError> {
        for (filled, columns) in self.views.all.iter().zip(&mut self.columns) {
            if columns.rows() > 0 {
                self.full.push((&filled.table, columns.finish()?));
            }
        }
        Ok(self.take_full())
    }
}

/// The cells of all rows that one view makes, and how many rows they are.
fn rows(
    resource: &salus_views::Resource<'_>,
    view: usize,
    columns: &[Bound],
    keys: &Keys,
    cells: &mut Vec<Value>,
) -> Result<usize, String> {
    let mut wrong = None;
    let rows = resource.rows(view, |row| {
        for bound in columns {
            let cell = row.get(bound.place).copied().unwrap_or(Cell::Null);
            cells.push(value(bound, cell, keys).unwrap_or_else(|what| {
                wrong.get_or_insert_with(|| format!("column {}: {what}", bound.name));
                Value::Null
            }));
        }
    })?;
    match wrong {
        Some(what) => Err(what),
        None => Ok(rows),
    }
}

/// The value of the lake for a cell. Dates follow the rules of the tables that ship: what is no date is nothing, a part of a
/// date is its first day, and a moment needs a time with its zone. So do numbers: they are rounded half to even at the sixth
/// digit after the point.
fn value(bound: &Bound, cell: Cell<'_>, keys: &Keys) -> Result<Value, String> {
    if let Some(kind) = &bound.key_of {
        return Ok(match cell {
            Cell::Text(id) => Value::BigInt(keys.row(kind, id)),
            _ => Value::Null,
        });
    }
    let shown = |cell: Cell<'_>| match cell {
        Cell::Text(text) => text.to_owned(),
        Cell::Integer(value) => value.to_string(),
        Cell::Boolean(value) => value.to_string(),
        Cell::Null => String::new(),
    };
    if cell == Cell::Null {
        return Ok(Value::Null);
    }
    let moment = || Moment::parse(&shown(cell)).map_or(Value::Null, Value::Moment);
    let wanted = match bound.kind {
        ColumnType::Text => return Ok(Value::Text(shown(cell))),
        ColumnType::Date | ColumnType::Timestamp => return Ok(moment()),
        ColumnType::Boolean => match shown(cell).parse() {
            Ok(value) => return Ok(Value::Boolean(value)),
            Err(_) => "true or false",
        },
        ColumnType::Integer => match shown(cell).parse() {
            Ok(value) => return Ok(Value::Integer(value)),
            Err(_) => "an integer of 32 bits",
        },
        ColumnType::BigInt => match shown(cell).parse() {
            Ok(value) => return Ok(Value::BigInt(value)),
            Err(_) => "an integer of 64 bits",
        },
        ColumnType::Decimal => {
            let text = shown(cell);
            match is_number(&text).then(|| millionths(&text)) {
                Some(Ok(value)) => return Ok(Value::Decimal(value)),
                _ => "a number of at most twelve digits before the point",
            }
        }
    };
    Err(format!("a value is not {wanted}"))
}

/// Whether the text is a number as JSON writes it.
fn is_number(text: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let text = text.strip_prefix('-').unwrap_or(text);
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, "0"));
    let exponent = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
    digits(whole) && digits(fraction) && digits(exponent)
}

/// Writes the cells of one row; what there is none of is NULL.
fn fill(row: Row<'_>, columns: &[Bound], cells: &[Value]) {
    let mut row = row;
    for (at, bound) in columns.iter().enumerate() {
        let (name, value) = (bound.name.as_str(), cells.get(at).unwrap_or(&Value::Null));
        let moment = match value {
            Value::Moment(moment) => Some(*moment),
            _ => None,
        };
        row = match (bound.kind, value) {
            (ColumnType::Text, Value::Text(text)) => row.text(name, Some(text)),
            (ColumnType::Text, _) => row.text(name, None),
            (ColumnType::Boolean, Value::Boolean(value)) => row.boolean(name, Some(*value)),
            (ColumnType::Boolean, _) => row.boolean(name, None),
            (ColumnType::Integer, Value::Integer(value)) => row.small_int(name, Some(*value)),
            (ColumnType::Integer, _) => row.small_int(name, None),
            (ColumnType::BigInt, Value::BigInt(value)) => row.int(name, Some(*value)),
            (ColumnType::BigInt, _) => row.int(name, None),
            (ColumnType::Decimal, Value::Decimal(value)) => row.decimal(name, Some(*value)),
            (ColumnType::Decimal, _) => row.decimal(name, None),
            (ColumnType::Date, _) => row.date(name, moment),
            (ColumnType::Timestamp, _) => row.instant(name, moment),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_numbers_are_read_as_numbers() {
        for number in ["0", "-1.50", "1e3", "12.5E-2", "00"] {
            assert!(is_number(number), "{number}");
        }
        for other in ["", "-", "1.", ".5", "1e", "abc", "1,5", "0x1", "--1", "1 "] {
            assert!(!is_number(other), "{other}");
        }
    }
}
