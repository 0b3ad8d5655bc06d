//! Arrow columns of the lake's tables, filled cell by cell.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanBuilder, Date32Builder, Decimal128Builder, Int32Builder, Int64Builder,
    RecordBatch, StringBuilder, TimestampMicrosecondBuilder,
};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use arrow::error::ArrowError;

/// Precision and scale of a measurement.
pub(crate) const DECIMAL: (u8, i8) = (18, 6);

/// One value on its way into a column.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Cell<'a> {
    Null,
    Long(i64),
    Int(i32),
    /// Days since 1970-01-01.
    Date(i32),
    /// Microseconds since 1970-01-01T00:00:00Z.
    At(i64),
    Text(&'a str),
    /// Millionths.
    Decimal(i128),
    Flag(bool),
}

impl<'a> From<Option<&'a str>> for Cell<'a> {
    fn from(text: Option<&'a str>) -> Self {
        text.map_or(Self::Null, Self::Text)
    }
}

enum Column {
    Long(Int64Builder),
    Int(Int32Builder),
    Date(Date32Builder),
    At(TimestampMicrosecondBuilder),
    Text(StringBuilder),
    Decimal(Decimal128Builder),
    Flag(BooleanBuilder),
}

impl Column {
    fn of(kind: &DataType) -> Self {
        match kind {
            DataType::Int64 => Self::Long(Int64Builder::new()),
            DataType::Int32 => Self::Int(Int32Builder::new()),
            DataType::Date32 => Self::Date(Date32Builder::new()),
            DataType::Timestamp(..) => {
                Self::At(TimestampMicrosecondBuilder::new().with_timezone("UTC"))
            }
            DataType::Decimal128(..) => {
                Self::Decimal(Decimal128Builder::new().with_data_type(kind.clone()))
            }
            DataType::Boolean => Self::Flag(BooleanBuilder::new()),
            _ => Self::Text(StringBuilder::new()),
        }
    }

    /// A cell of another type than the column becomes null; the tests of `tables` see that none
    /// does.
    fn push(&mut self, cell: Cell<'_>) {
        match (self, cell) {
            (Self::Long(column), Cell::Long(value)) => column.append_value(value),
            (Self::Int(column), Cell::Int(value)) => column.append_value(value),
            (Self::Date(column), Cell::Date(value)) => column.append_value(value),
            (Self::At(column), Cell::At(value)) => column.append_value(value),
            (Self::Text(column), Cell::Text(value)) => column.append_value(value),
            (Self::Decimal(column), Cell::Decimal(value)) => column.append_value(value),
            (Self::Flag(column), Cell::Flag(value)) => column.append_value(value),
            (column, _) => column.push_null(),
        }
    }

    fn push_null(&mut self) {
        match self {
            Self::Long(column) => column.append_null(),
            Self::Int(column) => column.append_null(),
            Self::Date(column) => column.append_null(),
            Self::At(column) => column.append_null(),
            Self::Text(column) => column.append_null(),
            Self::Decimal(column) => column.append_null(),
            Self::Flag(column) => column.append_null(),
        }
    }

    fn finish(&mut self) -> ArrayRef {
        match self {
            Self::Long(column) => Arc::new(column.finish()),
            Self::Int(column) => Arc::new(column.finish()),
            Self::Date(column) => Arc::new(column.finish()),
            Self::At(column) => Arc::new(column.finish()),
            Self::Text(column) => Arc::new(column.finish()),
            Self::Decimal(column) => Arc::new(column.finish()),
            Self::Flag(column) => Arc::new(column.finish()),
        }
    }
}

/// One table being filled.
pub(crate) struct Table {
    schema: SchemaRef,
    columns: Vec<Column>,
    rows: u64,
}

impl Table {
    pub(crate) fn new(schema: SchemaRef) -> Self {
        let columns = schema
            .fields()
            .iter()
            .map(|field| Column::of(field.data_type()))
            .collect();
        Self {
            schema,
            columns,
            rows: 0,
        }
    }

    /// Adds a row; a cell for each column, in order.
    pub(crate) fn push(&mut self, row: &[Cell<'_>]) {
        debug_assert_eq!(row.len(), self.columns.len());
        for (column, cell) in self.columns.iter_mut().zip(row) {
            column.push(*cell);
        }
        self.rows += 1;
    }

    pub(crate) fn rows(&self) -> u64 {
        self.rows
    }

    pub(crate) fn finish(mut self) -> Result<RecordBatch, ArrowError> {
        let arrays = self.columns.iter_mut().map(Column::finish).collect();
        RecordBatch::try_new(self.schema, arrays)
    }
}

/// `name:type` for each column after `person_id`; `!` marks one that is never null.
pub(crate) fn schema(columns: &str) -> SchemaRef {
    let mut fields = vec![Field::new("person_id", DataType::Int64, false)];
    for column in columns.split_whitespace() {
        let (name, kind) = column.split_once(':').unwrap_or((column, "text"));
        let (kind, nullable) = kind
            .strip_suffix('!')
            .map_or((kind, true), |kind| (kind, false));
        let kind = match kind {
            "long" => DataType::Int64,
            "int" => DataType::Int32,
            "date" => DataType::Date32,
            "at" => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            "decimal" => DataType::Decimal128(DECIMAL.0, DECIMAL.1),
            "flag" => DataType::Boolean,
            _ => DataType::Utf8,
        };
        fields.push(Field::new(name, kind, nullable));
    }
    Arc::new(Schema::new(fields))
}
