//! Arrow columns of a view.
//!
//! # Types
//!
//! | FHIR type of the column | [`Layout::Typed`] | [`Layout::Text`], [`Layout::Json`] |
//! |---|---|---|
//! | `boolean` | `Boolean` | `Boolean` |
//! | `integer`, `positiveInt`, `unsignedInt` | `Int32` | `Int32` |
//! | `integer64` | `Int64` | `Int64` |
//! | `decimal` | `Utf8`, the digits as written | the same |
//! | `instant` | `Timestamp(µs, UTC)` | `Utf8` as written |
//! | `base64Binary` | `Binary`, decoded | `Utf8` as written |
//! | `date`, `dateTime`, `time` | `Utf8` as written: they may be partial | the same |
//! | other primitive types | `Utf8` | `Utf8` |
//! | complex types (`Coding`, `Observation.component`) | `Utf8`, JSON | the same |
//! | none, and the path does not tell | `Utf8`, any primitive value | `Utf8`; in `Json` as JSON |
//!
//! These are the default mappings of the specification
//! (<https://sql-on-fhir.org/ig/StructureDefinition-ViewDefinition.html#type-hinting-with-tags>):
//! a decimal is text, so that `1.50` stays `1.50`. A tag `ansi/type` asks for another type of a
//! [`Layout::Typed`] column: `BOOLEAN`, `INTEGER`, `BIGINT`, `DECIMAL(p,s)` (`Decimal128`),
//! `DOUBLE PRECISION` (`Float64`), `CHARACTER VARYING`, `DATE` (`Date32`), `TIME` (`Time64(µs)`),
//! `TIMESTAMP WITH TIME ZONE` (`Timestamp(µs, UTC)`), `TIMESTAMP` (`Timestamp(µs)`, as on the
//! clock), `BINARY`. A value that the type cannot hold exactly is an error of its resource, never
//! rounded, except to `DOUBLE PRECISION`, which is the nearest one by its nature. With `collection` the column is a `List` of the type; no value at all is an empty list.
//!
//! Where `type` is absent it is inferred from the expression: what `ofType()`, functions,
//! comparisons and literals yield. A path of element names tells nothing, except for some booleans
//! (`active`).

mod build;
mod convert;
mod hint;

use std::collections::HashMap;

use arrow::datatypes::{DataType, Field, Schema, TimeUnit};

pub(crate) use build::Builder;
pub(crate) use convert::{Converter, Value};
pub(crate) use hint::Hint;

use crate::definition::{Column, View};
use crate::elements;

/// What the columns are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// A database or Parquet: every value in its type, hints obeyed.
    Typed,
    /// Text without types (CSV): everything as it is written in the resource.
    Text,
    /// JSON: the same, but values of unknown type as JSON.
    Json,
}

/// What the cells of a column hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cells {
    Boolean,
    Int32,
    Int64,
    Decimal {
        precision: u8,
        scale: i8,
    },
    Float64,
    /// The text of any primitive value; `kind` is what the values must be.
    Text(Wanted),
    /// JSON of any value; of complex ones only when `complex`.
    Json {
        complex: bool,
    },
    Binary,
    Date,
    Time,
    /// Whether the zone counts.
    Timestamp {
        utc: bool,
    },
}

/// What a column of text takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted {
    Number,
    Text,
    Primitive,
}

/// Marks fields whose text is JSON, or a number.
pub(crate) const RAW: &str = "salus:json";

impl Cells {
    pub(crate) fn of(column: &Column, layout: Layout) -> Self {
        if let (Layout::Typed, Some(hint)) = (layout, column.hint) {
            return hint.cells();
        }
        let typed = layout == Layout::Typed;
        match column.fhir_type.as_deref() {
            Some("boolean") => Self::Boolean,
            Some("integer" | "positiveInt" | "unsignedInt") => Self::Int32,
            Some("integer64") => Self::Int64,
            Some("decimal") => Self::Text(Wanted::Number),
            Some("instant") if typed => Self::Timestamp { utc: true },
            Some("base64Binary") if typed => Self::Binary,
            Some(primitive) if elements::is_primitive(primitive) => Self::Text(Wanted::Text),
            // A type that the path told needs no leave; one that nobody told must be written.
            Some(_) => Self::Json { complex: true },
            None if layout == Layout::Json => Self::Json { complex: false },
            None => Self::Text(Wanted::Primitive),
        }
    }

    fn data_type(self) -> DataType {
        match self {
            Self::Boolean => DataType::Boolean,
            Self::Int32 => DataType::Int32,
            Self::Int64 => DataType::Int64,
            Self::Decimal { precision, scale } => DataType::Decimal128(precision, scale),
            Self::Float64 => DataType::Float64,
            Self::Text(_) | Self::Json { .. } => DataType::Utf8,
            Self::Binary => DataType::Binary,
            Self::Date => DataType::Date32,
            Self::Time => DataType::Time64(TimeUnit::Microsecond),
            Self::Timestamp { utc } => {
                DataType::Timestamp(TimeUnit::Microsecond, utc.then(|| "UTC".into()))
            }
        }
    }

    /// Whether the text of a cell is JSON as it stands.
    fn is_raw(self) -> bool {
        matches!(self, Self::Text(Wanted::Number) | Self::Json { .. })
    }
}

/// The Arrow schema of a view's rows. Every column may be null. The metadata of a field holds the
/// FHIR type as `fhir:type`, where it is known.
pub fn schema(view: &View, layout: Layout) -> Schema {
    let fields = view.columns().iter().map(|column| {
        let cells = Cells::of(column, layout);
        let inner = cells.data_type();
        let data_type = if column.collection {
            DataType::List(Field::new_list_field(inner, true).into())
        } else {
            inner
        };
        let mut metadata = HashMap::new();
        if let Some(kind) = &column.fhir_type {
            metadata.insert("fhir:type".to_owned(), kind.clone());
        }
        if cells.is_raw() {
            metadata.insert(RAW.to_owned(), "raw".to_owned());
        }
        Field::new(&column.name, data_type, true).with_metadata(metadata)
    });
    Schema::new(fields.collect::<Vec<_>>())
}
