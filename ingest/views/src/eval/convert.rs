//! `toX()` and `convertsToX()`.

use rust_decimal::Decimal;

use super::{Frame, Items, Scope};
use crate::compile::{Expr, Function};
use crate::fault::Fault;
use crate::value::{Item, Precision, Quantity, Sort, Temporal, parse_decimal};

impl<'a> Scope<'a> {
    pub(super) fn convert(
        &self,
        function: Function,
        input: &'a Expr,
        frame: Frame<'_, 'a>,
        out: &mut Items<'a>,
    ) -> Result<(), Fault> {
        let Some(item) = self.single(input, frame)? else {
            return Ok(());
        };
        let (to, asked) = match function {
            Function::ConvertsToBoolean => (Function::ToBoolean, true),
            Function::ConvertsToInteger => (Function::ToInteger, true),
            Function::ConvertsToDecimal => (Function::ToDecimal, true),
            Function::ConvertsToText => (Function::ToText, true),
            Function::ConvertsToDate => (Function::ToDate, true),
            Function::ConvertsToDateTime => (Function::ToDateTime, true),
            Function::ConvertsToTime => (Function::ToTime, true),
            Function::ConvertsToQuantity => (Function::ToQuantity, true),
            other => (other, false),
        };
        let converted = match to {
            // The text of an element is what is written, whatever its type.
            Function::ToText => self.any_text(&item).map(Item::Text),
            _ => self.converted(to, &self.value(&item)?),
        };
        if asked {
            out.push(Item::Boolean(converted.is_some()));
        } else {
            out.extend(converted);
        }
        Ok(())
    }

    fn converted(&self, to: Function, value: &Item<'a>) -> Option<Item<'a>> {
        match to {
            Function::ToBoolean => boolean(value).map(Item::Boolean),
            Function::ToInteger => match value {
                Item::Boolean(value) => Some(Item::Integer(i64::from(*value))),
                Item::Integer(value) => Some(Item::Integer(*value)),
                Item::Text(text) => text.parse().ok().map(Item::Integer),
                _ => None,
            },
            Function::ToDecimal => match value {
                Item::Boolean(value) => Some(Decimal::from(u8::from(*value))),
                Item::Integer(value) => Some(Decimal::from(*value)),
                Item::Decimal(value) => Some(*value),
                Item::Text(text) => parse_decimal(text.strip_prefix('+').unwrap_or(text)),
                _ => None,
            }
            .map(Item::Decimal),
            Function::ToQuantity => match value {
                Item::Text(text) => quantity(text),
                Item::Boolean(value) => Some(Quantity::plain(Decimal::from(u8::from(*value)))),
                other => self.quantity(other),
            }
            .map(|quantity| Item::Quantity(Box::new(quantity))),
            _ => temporal(to, value).map(Item::Temporal),
        }
    }
}

fn boolean(value: &Item<'_>) -> Option<bool> {
    match value {
        Item::Boolean(value) => Some(*value),
        Item::Integer(0) => Some(false),
        Item::Integer(1) => Some(true),
        Item::Decimal(value) if value.is_zero() => Some(false),
        Item::Decimal(value) if *value == Decimal::ONE => Some(true),
        Item::Text(text) => match text.to_ascii_lowercase().as_str() {
            "true" | "t" | "yes" | "y" | "1" | "1.0" => Some(true),
            "false" | "f" | "no" | "n" | "0" | "0.0" => Some(false),
            _ => None,
        },
        _ => None,
    }
}

fn temporal(to: Function, value: &Item<'_>) -> Option<Temporal> {
    let read = match value {
        Item::Temporal(temporal) => *temporal,
        Item::Text(text) if to == Function::ToTime => Temporal::time(text)?,
        Item::Text(text) => Temporal::date_or_date_time(text)?,
        _ => return None,
    };
    match to {
        Function::ToTime => (read.sort == Sort::Time).then_some(read),
        _ if read.sort == Sort::Time => None,
        Function::ToDate => Some(Temporal {
            sort: Sort::Date,
            precision: read.precision.min(Precision::Day),
            at: read.at.date().and_time(chrono::NaiveTime::MIN),
            offset: None,
        }),
        _ => Some(Temporal {
            sort: Sort::DateTime,
            ..read
        }),
    }
}

/// `4`, `4.5 'mg'`, `3 days`.
fn quantity(text: &str) -> Option<Quantity> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && !matches!(c, '.' | '+' | '-'));
    let (number, unit) = text.split_at(end.unwrap_or(text.len()));
    let value = parse_decimal(number.strip_prefix('+').unwrap_or(number))?;
    let unit = unit.trim();
    if unit.is_empty() {
        return Some(Quantity::plain(value));
    }
    let quoted = unit
        .strip_prefix('\'')
        .and_then(|unit| unit.strip_suffix('\''));
    let unit = quoted.or_else(|| crate::value::calendar_word(unit))?;
    Some(Quantity::new(value, unit))
}
