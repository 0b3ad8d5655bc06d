//! Rows of one table on their way into Arrow.

use arrow::array::{
    ArrayRef, BooleanBuilder, Date32Builder, Decimal128Builder, Int32Builder, Int64Builder,
    RecordBatch, StringBuilder, TimestampMicrosecondBuilder,
};
use arrow::datatypes::{DataType, SchemaRef, TimeUnit};
use arrow::error::ArrowError;

use std::sync::Arc;

use crate::date::Moment;

/// Builders for the columns of one table, in the order of its schema, and for what the lake keeps beside them: when the source
/// changed the resource of a row.
#[derive(Debug)]
pub(crate) struct Columns {
    schema: SchemaRef,
    /// With the column of versions, where the table has one.
    whole: SchemaRef,
    builders: Vec<Builder>,
    versions: Int64Builder,
    rows: usize,
    text_bytes: usize,
}

#[derive(Debug)]
enum Builder {
    Int64(Int64Builder),
    Int32(Int32Builder),
    Text(StringBuilder),
    Date(Date32Builder),
    Instant(TimestampMicrosecondBuilder),
    Decimal(Decimal128Builder),
    Boolean(BooleanBuilder),
}

/// The cells of one row, written in the order of the schema. Every setter names its column, which
/// is checked in debug builds, so that the calls read as the mapping that they are.
#[derive(Debug)]
pub(crate) struct Row<'c> {
    columns: &'c mut Columns,
    next: usize,
}

impl Columns {
    /// # Errors
    /// When the schema has a column of a type that no row here has.
    pub(crate) fn new(table: &str, schema: SchemaRef) -> Result<Self, ArrowError> {
        let builders = schema
            .fields()
            .iter()
            .map(|field| Builder::of(field.data_type()));
        Ok(Self {
            builders: builders.collect::<Result<_, _>>()?,
            whole: salus_lake::versioned(table, &schema),
            versions: Int64Builder::new(),
            schema,
            rows: 0,
            text_bytes: 0,
        })
    }

    /// Begins a row of a resource that its source changed last at `version`.
    pub(crate) fn row(&mut self, person_id: i64, version: Option<i64>) -> Row<'_> {
        self.rows += 1;
        self.versions.append_option(version);
        Row {
            columns: self,
            next: 0,
        }
        .int("person_id", Some(person_id))
    }

    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// Bytes of text so far: what makes some tables larger than others.
    pub(crate) fn text_bytes(&self) -> usize {
        self.text_bytes
    }

    /// The rows so far; the builders are empty afterwards.
    pub(crate) fn finish(&mut self) -> Result<RecordBatch, ArrowError> {
        self.rows = 0;
        self.text_bytes = 0;
        let mut arrays: Vec<_> = self.builders.iter_mut().map(Builder::finish).collect();
        let versions = self.versions.finish();
        if self.whole.fields().len() > arrays.len() {
            arrays.push(Arc::new(versions));
        }
        RecordBatch::try_new(self.whole.clone(), arrays)
    }
}

/// Longest text of a table, in bytes.
pub(crate) const LONGEST_TEXT: usize = 256;

impl Row<'_> {
    pub(crate) fn int(self, name: &str, value: Option<i64>) -> Self {
        self.set(name, |builder| match builder {
            Builder::Int64(builder) => builder.append_option(value),
            other => other.wrong(),
        })
    }

    pub(crate) fn small_int(self, name: &str, value: Option<i32>) -> Self {
        self.set(name, |builder| match builder {
            Builder::Int32(builder) => builder.append_option(value),
            other => other.wrong(),
        })
    }

    /// A text of at most [`LONGEST_TEXT`] bytes. What is longer is no code, unit or place and is left out: questions rely on short texts.
    pub(crate) fn text(mut self, name: &str, value: Option<&str>) -> Self {
        let value = value.filter(|text| text.len() <= LONGEST_TEXT);
        self.columns.text_bytes += value.map_or(0, str::len);
        self = self.set(name, |builder| match builder {
            Builder::Text(builder) => builder.append_option(value),
            other => other.wrong(),
        });
        self
    }

    pub(crate) fn date(self, name: &str, value: Option<Moment>) -> Self {
        self.set(name, |builder| match builder {
            Builder::Date(builder) => builder.append_option(value.map(|moment| moment.day)),
            other => other.wrong(),
        })
    }

    pub(crate) fn instant(self, name: &str, value: Option<Moment>) -> Self {
        self.set(name, |builder| match builder {
            Builder::Instant(builder) => builder.append_option(value.and_then(|moment| moment.at)),
            other => other.wrong(),
        })
    }

    pub(crate) fn decimal(self, name: &str, millionths: Option<i128>) -> Self {
        self.set(name, |builder| match builder {
            Builder::Decimal(builder) => builder.append_option(millionths),
            other => other.wrong(),
        })
    }

    pub(crate) fn boolean(self, name: &str, value: Option<bool>) -> Self {
        self.set(name, |builder| match builder {
            Builder::Boolean(builder) => builder.append_option(value),
            other => other.wrong(),
        })
    }

    fn set(mut self, name: &str, append: impl FnOnce(&mut Builder)) -> Self {
        debug_assert_eq!(self.columns.schema.field(self.next).name(), name);
        append(&mut self.columns.builders[self.next]);
        self.next += 1;
        self
    }
}

impl Drop for Row<'_> {
    fn drop(&mut self) {
        debug_assert!(
            self.next == self.columns.builders.len() || std::thread::panicking(),
            "a row must fill every column"
        );
    }
}

impl Builder {
    fn of(kind: &DataType) -> Result<Self, ArrowError> {
        Ok(match kind {
            DataType::Int64 => Self::Int64(Int64Builder::new()),
            DataType::Int32 => Self::Int32(Int32Builder::new()),
            DataType::Utf8 => Self::Text(StringBuilder::new()),
            DataType::Date32 => Self::Date(Date32Builder::new()),
            DataType::Timestamp(TimeUnit::Microsecond, zone) => {
                Self::Instant(TimestampMicrosecondBuilder::new().with_timezone_opt(zone.clone()))
            }
            DataType::Decimal128(precision, scale) => {
                let builder = Decimal128Builder::new();
                Self::Decimal(builder.with_precision_and_scale(*precision, *scale)?)
            }
            DataType::Boolean => Self::Boolean(BooleanBuilder::new()),
            other => {
                let what = format!("no FHIR element becomes {other}");
                return Err(ArrowError::SchemaError(what));
            }
        })
    }

    /// A setter met a column of another type. The column comes out short, so the batch is refused
    /// as a whole; the tests of every mapping would show it first.
    fn wrong(&mut self) {
        debug_assert!(false, "the column has another type: {self:?}");
    }

    fn finish(&mut self) -> ArrayRef {
        match self {
            Self::Int64(builder) => Arc::new(builder.finish()),
            Self::Int32(builder) => Arc::new(builder.finish()),
            Self::Text(builder) => Arc::new(builder.finish()),
            Self::Date(builder) => Arc::new(builder.finish()),
            Self::Instant(builder) => Arc::new(builder.finish()),
            Self::Decimal(builder) => Arc::new(builder.finish()),
            Self::Boolean(builder) => Arc::new(builder.finish()),
        }
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{Array as _, AsArray as _};
    use arrow::datatypes::{Field, Schema};

    use super::*;

    #[test]
    fn texts_that_are_too_long_for_a_table_are_left_out() {
        let schema = Schema::new(vec![
            Field::new("person_id", DataType::Int64, false),
            Field::new("state", DataType::Utf8, true),
        ]);
        let mut columns = Columns::new("patient", Arc::new(schema)).unwrap();
        for length in [LONGEST_TEXT, LONGEST_TEXT + 1] {
            let text = "x".repeat(length);
            columns.row(1, None).text("state", Some(&text));
        }
        let rows = columns.finish().unwrap();
        let states = rows.column(1).as_string::<i32>();
        assert!(states.is_valid(0) && states.is_null(1));
        assert_eq!(states.value(0).len(), LONGEST_TEXT);
    }
}
