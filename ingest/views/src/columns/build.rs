//! Rows into record batches.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryBuilder, BooleanBuilder, Date32Builder, Decimal128Builder, Float64Builder,
    Int32Builder, Int64Builder, ListArray, StringBuilder, Time64MicrosecondBuilder,
    TimestampMicrosecondBuilder,
};
use arrow::buffer::{NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::datatypes::{DataType, Field, SchemaRef};
use arrow::error::ArrowError;
use arrow::record_batch::{RecordBatch, RecordBatchOptions};

use super::{Cells, Layout, Value, schema};
use crate::definition::View;

/// Takes the rows of one view.
#[derive(Debug)]
pub(crate) struct Builder {
    schema: SchemaRef,
    columns: Vec<Column>,
    rows: usize,
}

#[derive(Debug)]
enum Column {
    Flat(Flat),
    List {
        values: Flat,
        ends: Vec<i32>,
        known: Vec<bool>,
    },
}

#[derive(Debug)]
enum Flat {
    Boolean(BooleanBuilder),
    Int32(Int32Builder),
    Int64(Int64Builder),
    Decimal(Decimal128Builder),
    Float64(Float64Builder),
    Text(StringBuilder),
    Binary(BinaryBuilder),
    Date(Date32Builder),
    Time(Time64MicrosecondBuilder),
    Timestamp(TimestampMicrosecondBuilder),
}

impl Builder {
    pub(crate) fn new(view: &View, layout: Layout) -> Self {
        let columns = view.columns().iter().map(|column| {
            let values = Flat::new(Cells::of(column, layout));
            if column.collection {
                Column::List {
                    values,
                    ends: Vec::new(),
                    known: Vec::new(),
                }
            } else {
                Column::Flat(values)
            }
        });
        Self {
            columns: columns.collect(),
            schema: Arc::new(schema(view, layout)),
            rows: 0,
        }
    }

    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    pub(crate) fn append(&mut self, row: &[Value<'_>]) {
        for (column, value) in self.columns.iter_mut().zip(row) {
            match column {
                Column::Flat(flat) => flat.append(value),
                Column::List {
                    values,
                    ends,
                    known,
                } => {
                    let mut end = ends.last().copied().unwrap_or(0);
                    if let Value::List(items) = value {
                        for item in items.iter() {
                            values.append(item);
                            end += 1;
                        }
                    }
                    ends.push(end);
                    known.push(matches!(value, Value::List(_)));
                }
            }
        }
        self.rows += 1;
    }

    /// What has come together; the builder begins anew.
    pub(crate) fn finish(&mut self) -> Result<RecordBatch, ArrowError> {
        let mut arrays = Vec::with_capacity(self.columns.len());
        for (column, field) in self.columns.iter_mut().zip(self.schema.fields()) {
            arrays.push(column.finish(field)?);
        }
        let options = RecordBatchOptions::new().with_row_count(Some(self.rows));
        self.rows = 0;
        RecordBatch::try_new_with_options(Arc::clone(&self.schema), arrays, &options)
    }
}

impl Column {
    fn finish(&mut self, field: &Field) -> Result<ArrayRef, ArrowError> {
        let (values, ends, known) = match self {
            Self::Flat(flat) => return Ok(flat.finish()),
            Self::List {
                values,
                ends,
                known,
            } => (values, std::mem::take(ends), std::mem::take(known)),
        };
        let DataType::List(inner) = field.data_type() else {
            return Err(ArrowError::SchemaError("a list column is no list".into()));
        };
        let offsets: ScalarBuffer<i32> = std::iter::once(0).chain(ends).collect::<Vec<_>>().into();
        Ok(Arc::new(ListArray::try_new(
            Arc::clone(inner),
            OffsetBuffer::new(offsets),
            values.finish(),
            Some(NullBuffer::from(known)),
        )?))
    }
}

impl Flat {
    fn new(cells: Cells) -> Self {
        match cells {
            Cells::Boolean => Self::Boolean(BooleanBuilder::new()),
            Cells::Int32 => Self::Int32(Int32Builder::new()),
            Cells::Int64 => Self::Int64(Int64Builder::new()),
            Cells::Decimal { precision, scale } => {
                let data_type = DataType::Decimal128(precision, scale);
                Self::Decimal(Decimal128Builder::new().with_data_type(data_type))
            }
            Cells::Float64 => Self::Float64(Float64Builder::new()),
            Cells::Text(_) | Cells::Json { .. } => Self::Text(StringBuilder::new()),
            Cells::Binary => Self::Binary(BinaryBuilder::new()),
            Cells::Date => Self::Date(Date32Builder::new()),
            Cells::Time => Self::Time(Time64MicrosecondBuilder::new()),
            Cells::Timestamp { utc } => {
                let builder = TimestampMicrosecondBuilder::new();
                Self::Timestamp(builder.with_timezone_opt(utc.then_some("UTC")))
            }
        }
    }

    fn append(&mut self, value: &Value<'_>) {
        match (self, value) {
            (Self::Boolean(builder), Value::Boolean(value)) => builder.append_value(*value),
            (Self::Int32(builder), Value::Int(value)) => {
                builder.append_option(i32::try_from(*value).ok());
            }
            (Self::Int64(builder), Value::Int(value)) => builder.append_value(*value),
            (Self::Decimal(builder), Value::Decimal(value)) => builder.append_value(*value),
            (Self::Float64(builder), Value::Float(value)) => builder.append_value(*value),
            (Self::Text(builder), Value::Text(text)) => builder.append_value(text),
            (Self::Text(builder), Value::Shared(text)) => builder.append_value(text),
            (Self::Binary(builder), Value::Binary(bytes)) => builder.append_value(bytes),
            (Self::Date(builder), Value::Int(value)) => {
                builder.append_option(i32::try_from(*value).ok());
            }
            (Self::Time(builder), Value::Int(value)) => builder.append_value(*value),
            (Self::Timestamp(builder), Value::Int(value)) => builder.append_value(*value),
            (flat, _) => flat.append_null(),
        }
    }

    fn append_null(&mut self) {
        match self {
            Self::Boolean(builder) => builder.append_null(),
            Self::Int32(builder) => builder.append_null(),
            Self::Int64(builder) => builder.append_null(),
            Self::Decimal(builder) => builder.append_null(),
            Self::Float64(builder) => builder.append_null(),
            Self::Text(builder) => builder.append_null(),
            Self::Binary(builder) => builder.append_null(),
            Self::Date(builder) => builder.append_null(),
            Self::Time(builder) => builder.append_null(),
            Self::Timestamp(builder) => builder.append_null(),
        }
    }

    fn finish(&mut self) -> ArrayRef {
        match self {
            Self::Boolean(builder) => Arc::new(builder.finish()),
            Self::Int32(builder) => Arc::new(builder.finish()),
            Self::Int64(builder) => Arc::new(builder.finish()),
            Self::Decimal(builder) => Arc::new(builder.finish()),
            Self::Float64(builder) => Arc::new(builder.finish()),
            Self::Text(builder) => Arc::new(builder.finish()),
            Self::Binary(builder) => Arc::new(builder.finish()),
            Self::Date(builder) => Arc::new(builder.finish()),
            Self::Time(builder) => Arc::new(builder.finish()),
            Self::Timestamp(builder) => Arc::new(builder.finish()),
        }
    }
}
