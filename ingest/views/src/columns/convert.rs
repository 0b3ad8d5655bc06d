//! From an item of a collection to the value of a cell, exactly or not at all.

use std::borrow::Cow;
use std::rc::Rc;

use base64::Engine as _;
use rust_decimal::Decimal;

use super::{Cells, Layout, Wanted};
use crate::definition::View;
use crate::eval::{Items, Scope};
use crate::fault::Fault;
use crate::value::{Item, Precision, Sort, Temporal, parse_decimal};

/// The value of a cell.
#[derive(Debug, Clone)]
pub(crate) enum Value<'a> {
    Null,
    Boolean(bool),
    Int(i64),
    Decimal(i128),
    Float(f64),
    Text(&'a str),
    /// Text that the resource does not hold as it is; rows multiply, and share it.
    Shared(Rc<str>),
    Binary(Rc<[u8]>),
    List(Rc<[Value<'a>]>),
}

impl Value<'_> {
    /// Bytes that the value takes in a column, roughly.
    pub(crate) fn size(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Shared(text) => text.len(),
            Self::Binary(bytes) => bytes.len(),
            Self::List(values) => values.iter().map(Self::size).sum::<usize>() + 16,
            _ => 8,
        }
    }
}

/// Makes cells of a view's columns.
#[derive(Debug)]
pub(crate) struct Converter {
    columns: Vec<(Cells, bool)>,
}

impl Converter {
    pub(crate) fn new(view: &View, layout: Layout) -> Self {
        let cells = |column| Cells::of(column, layout);
        let columns = view.columns().iter();
        Self {
            columns: columns
                .map(|column| (cells(column), column.collection))
                .collect(),
        }
    }

    /// The cell of a column for what its expression yields.
    ///
    /// # Errors
    /// When there are several values and the column is no collection, or one does not fit.
    pub(crate) fn cell<'a>(
        &self,
        column: usize,
        mut items: Items<'a>,
        scope: &Scope<'a>,
    ) -> Result<Value<'a>, Fault> {
        let (cells, collection) = self.columns[column];
        // An element that has nothing but extensions has no value to show.
        items.retain(|item| !item.is_valueless());
        if collection {
            let values = items.iter().map(|item| convert(cells, item, scope));
            return Ok(Value::List(values.collect::<Result<Vec<_>, _>>()?.into()));
        }
        match items.as_slice() {
            [] => Ok(Value::Null),
            [item] => convert(cells, item, scope),
            _ => Fault::new(
                "several values; use first() or where(…), iterate with forEach, or set \
                 `collection` to true",
            ),
        }
    }
}

fn convert<'a>(cells: Cells, item: &Item<'a>, scope: &Scope<'a>) -> Result<Value<'a>, Fault> {
    match cells {
        Cells::Text(wanted) => return text(wanted, item, scope),
        Cells::Json { complex } => return json(complex, item, scope),
        Cells::Boolean => {
            if let Some(value) = scope.boolean(item) {
                return Ok(Value::Boolean(value));
            }
        }
        Cells::Int32 => {
            let integer = integer(item, scope);
            if let Some(value) = integer.filter(|value| i32::try_from(*value).is_ok()) {
                return Ok(Value::Int(value));
            }
        }
        Cells::Int64 => {
            if let Some(value) = integer(item, scope) {
                return Ok(Value::Int(value));
            }
        }
        Cells::Decimal { precision, scale } => {
            if let Some(value) = decimal(item, scope).and_then(|v| fitted(v, precision, scale)) {
                return Ok(Value::Decimal(value));
            }
        }
        Cells::Float64 => {
            let text = scope.number_text(item);
            if let Some(Ok(value)) = text.map(|text| text.parse::<f64>())
                && value.is_finite()
            {
                return Ok(Value::Float(value));
            }
        }
        Cells::Binary => {
            let text = scope.any_text(item);
            let standard = base64::engine::general_purpose::STANDARD;
            if let Some(Ok(bytes)) = text.map(|text| {
                // Blanks may stand in base64Binary.
                let text: String = text.split_whitespace().collect();
                standard.decode(text)
            }) {
                return Ok(Value::Binary(bytes.into()));
            }
        }
        Cells::Date | Cells::Time | Cells::Timestamp { .. } => {
            if let Some(value) = moment(cells, item, scope) {
                return Ok(Value::Int(value));
            }
        }
    }
    let wanted = match cells {
        Cells::Boolean => "a boolean",
        Cells::Int32 => "an integer of 32 bits",
        Cells::Int64 => "an integer of 64 bits",
        Cells::Decimal { .. } => "a number that fits exactly",
        Cells::Float64 => "a number",
        Cells::Binary => "base64",
        Cells::Date => "a whole date",
        Cells::Time => "a time of day",
        Cells::Timestamp { utc: true } => "a date with time and offset",
        _ => "a date with time",
    };
    Fault::new(format!(
        "the column's type needs {wanted}, and a value is none; correct `type` or the tag"
    ))
}

fn shared(text: Cow<'_, str>) -> Value<'_> {
    match text {
        Cow::Borrowed(text) => Value::Text(text),
        Cow::Owned(text) => Value::Shared(text.into()),
    }
}

fn integer<'a>(item: &Item<'a>, scope: &Scope<'a>) -> Option<i64> {
    match item {
        Item::Integer(value) => Some(*value),
        Item::Decimal(value) if value.fract().is_zero() => i64::try_from(*value).ok(),
        // FHIR writes 64-bit integers as strings.
        Item::Node(_) => scope.any_text(item)?.parse().ok(),
        _ => None,
    }
}

fn decimal<'a>(item: &Item<'a>, scope: &Scope<'a>) -> Option<Decimal> {
    parse_decimal(&scope.number_text(item)?)
}

/// The digits of a number at a scale; `None` when some would be lost.
fn fitted(value: Decimal, precision: u8, scale: i8) -> Option<i128> {
    let value = value.normalize();
    let missing = u32::try_from(scale).ok()?.checked_sub(value.scale())?;
    let digits = value
        .mantissa()
        .checked_mul(10_i128.checked_pow(missing)?)?;
    (digits.unsigned_abs() < 10_u128.pow(precision.into())).then_some(digits)
}

fn text<'a>(wanted: Wanted, item: &Item<'a>, scope: &Scope<'a>) -> Result<Value<'a>, Fault> {
    let text = match wanted {
        Wanted::Number => scope.number_text(item),
        Wanted::Text | Wanted::Primitive => scope.any_text(item),
    };
    match text {
        Some(text) => Ok(shared(text)),
        None if wanted == Wanted::Number => {
            Fault::new("the column's type is decimal, and a value is no number; correct `type`")
        }
        None => Fault::new(
            "an element with parts where a primitive value is needed; name a part of it, or write \
             its `type`",
        ),
    }
}

fn json<'a>(complex: bool, item: &Item<'a>, scope: &Scope<'a>) -> Result<Value<'a>, Fault> {
    match scope.json(item) {
        Some((text, whole)) if complex || !whole => Ok(shared(text)),
        _ => Fault::new(
            "an element with parts in a column without a type; name a part of it, or write its \
             `type`",
        ),
    }
}

/// Days, or microseconds.
fn moment<'a>(cells: Cells, item: &Item<'a>, scope: &Scope<'a>) -> Option<i64> {
    let text = scope.any_text(item)?;
    let read = if cells == Cells::Time {
        Temporal::time(&text)?
    } else {
        Temporal::date_or_date_time(&text)?
    };
    match cells {
        Cells::Date => {
            let epoch = chrono::NaiveDate::default();
            let days = read.at.date().signed_duration_since(epoch).num_days();
            (read.precision >= Precision::Day && read.sort != Sort::Time).then_some(days)
        }
        Cells::Time => {
            let since = read.at.time().signed_duration_since(chrono::NaiveTime::MIN);
            (read.precision >= Precision::Minute).then_some(since.num_microseconds()?)
        }
        Cells::Timestamp { utc } => {
            let at = if utc { read.utc()? } else { read.at };
            (read.precision >= Precision::Minute).then(|| at.and_utc().timestamp_micros())
        }
        _ => None,
    }
}
