//! `lowBoundary()`, `highBoundary()` and `precision()`: the range that a value covers when more
//! digits might have been written.

use chrono::{Datelike as _, NaiveDate, NaiveDateTime, NaiveTime, Timelike as _};
use rust_decimal::{Decimal, RoundingStrategy};

use super::{Frame, Items, Scope};
use crate::compile::{Expr, Function};
use crate::fault::Fault;
use crate::value::{ANY_DAY, Element, Item, Offset, Precision, Quantity, Sort, Temporal};

/// Offsets that make a moment without one as early, and as late, as it can be.
const EARLIEST: Offset = Offset::East(14 * 60);
const LATEST: Offset = Offset::East(-12 * 60);

impl<'a> Scope<'a> {
    pub(super) fn boundary(
        &self,
        function: Function,
        input: &'a Expr,
        arguments: &'a [Expr],
        frame: Frame<'_, 'a>,
        out: &mut Items<'a>,
    ) -> Result<(), Fault> {
        let Some(item) = self.single(input, frame)? else {
            return Ok(());
        };
        let digits = match arguments {
            [digits, ..] => match self.integer(digits, frame, "a precision")? {
                Some(digits) => Some(digits),
                None => return Ok(()),
            },
            [] => None,
        };
        let value = self.value(&item)?;
        if function == Function::Precision {
            out.extend(precision(&value)?.map(Item::Integer));
            return Ok(());
        }
        let high = function == Function::HighBoundary;
        let result = match &value {
            Item::Node(element) => return self.parts(*element, high, digits, out),
            Item::Integer(value) => decimal(Decimal::from(*value), high, digits).map(Item::Decimal),
            Item::Decimal(value) => decimal(*value, high, digits).map(Item::Decimal),
            Item::Quantity(quantity) => in_unit(quantity, high, digits),
            Item::Temporal(value) => temporal(value, high, digits).map(Item::Temporal),
            // A string that nobody calls a date may still be one.
            Item::Text(text) => {
                let Some(value) =
                    Temporal::date_or_date_time(text).or_else(|| Temporal::time(text))
                else {
                    return Fault::new("a string has no boundaries");
                };
                temporal(&value, high, digits).map(Item::Temporal)
            }
            Item::Boolean(_) => return Fault::new("a boolean has no boundaries"),
        };
        out.extend(result);
        Ok(())
    }

    /// A Period has the boundaries of its ends, a Quantity those of its value.
    fn parts(
        &self,
        element: Element,
        high: bool,
        digits: Option<i64>,
        out: &mut Items<'a>,
    ) -> Result<(), Fault> {
        let document = self.document;
        if let Some(quantity) = self.quantity(&Item::Node(element)) {
            out.extend(in_unit(&quantity, high, digits));
            return Ok(());
        }
        let end = document.member(element.at, if high { "end" } else { "start" });
        let period = end.is_some()
            || ["start", "end"]
                .iter()
                .any(|name| document.member(element.at, name).is_some());
        if !period {
            return Fault::new(
                "only numbers, dates, times, quantities and periods have boundaries",
            );
        }
        let text = end.and_then(|end| document.string(end));
        let moment = text.and_then(|text| Temporal::of_type(text, "dateTime"));
        out.extend(
            moment
                .and_then(|moment| temporal(&moment, high, digits))
                .map(Item::Temporal),
        );
        Ok(())
    }
}

fn in_unit(quantity: &Quantity, high: bool, digits: Option<i64>) -> Option<Item<'static>> {
    let value = decimal(quantity.value, high, digits)?;
    Some(Item::Quantity(Box::new(Quantity {
        value,
        unit: quantity.unit.clone(),
    })))
}

/// Half a unit of the last digit away, at a number of digits behind the point (by default eight).
fn decimal(value: Decimal, high: bool, digits: Option<i64>) -> Option<Decimal> {
    let digits = u32::try_from(digits.unwrap_or(8))
        .ok()
        .filter(|digits| *digits <= 28)?;
    let half = Decimal::try_from_i128_with_scale(5, value.scale() + 1).ok()?;
    let (edge, direction) = if high {
        (
            value.checked_add(half)?,
            RoundingStrategy::ToPositiveInfinity,
        )
    } else {
        (
            value.checked_sub(half)?,
            RoundingStrategy::ToNegativeInfinity,
        )
    };
    let mut rounded = edge.round_dp_with_strategy(digits, direction);
    rounded.rescale(digits);
    // `rescale` keeps fewer digits rather than fail.
    (rounded.scale() == digits).then_some(rounded)
}

/// Digits that a value is written with.
fn precision(value: &Item<'_>) -> Result<Option<i64>, Fault> {
    Ok(Some(match value {
        Item::Integer(_) => 0,
        Item::Decimal(value) => i64::from(value.scale()),
        Item::Temporal(temporal) => {
            let without_date = if temporal.sort == Sort::Time { 8 } else { 0 };
            let digits = match temporal.precision {
                Precision::Year => 4,
                Precision::Month => 6,
                Precision::Day => 8,
                Precision::Hour => 10,
                Precision::Minute => 12,
                Precision::Second => 14,
                Precision::Fraction(digits) => 14 + i64::from(digits),
            };
            digits - without_date
        }
        other => return Fault::new(format!("{} has no precision", other.describe())),
    }))
}

/// The precision that a number of digits means for a type.
fn asked(sort: Sort, digits: Option<i64>) -> Option<Precision> {
    let whole = match sort {
        Sort::Date => 8,
        Sort::DateTime => 17,
        Sort::Time => 9,
    };
    let digits = digits.unwrap_or(whole);
    let digits = if sort == Sort::Time {
        digits + 8
    } else {
        digits
    };
    let found = match digits {
        4 => Precision::Year,
        6 => Precision::Month,
        8 => Precision::Day,
        10 => Precision::Hour,
        12 => Precision::Minute,
        14 => Precision::Second,
        17 => Precision::Fraction(3),
        _ => return None,
    };
    let fits = match sort {
        Sort::Date => found <= Precision::Day,
        Sort::DateTime => true,
        Sort::Time => found >= Precision::Hour,
    };
    fits.then_some(found)
}

fn temporal(value: &Temporal, high: bool, digits: Option<i64>) -> Option<Temporal> {
    let precision = asked(value.sort, digits)?;
    let at = if high { last(value)? } else { value.at };
    let mut offset = value.offset;
    if value.sort == Sort::DateTime && offset.is_none() {
        offset = Some(if high { LATEST } else { EARLIEST });
    }
    if precision <= Precision::Day {
        offset = None;
    }
    Some(Temporal {
        at,
        precision,
        offset,
        ..*value
    })
}

/// The last millisecond that a value covers.
fn last(value: &Temporal) -> Option<NaiveDateTime> {
    let (date, time) = (value.at.date(), value.at.time());
    let (mut hour, mut minute, mut second) = (23, 59, 59);
    let mut nanosecond = 999_000_000;
    if value.precision >= Precision::Hour {
        hour = time.hour();
    }
    if value.precision >= Precision::Minute {
        minute = time.minute();
    }
    if value.precision >= Precision::Second {
        second = time.second();
    }
    if let Precision::Fraction(digits) = value.precision {
        let step = 10_u32.pow(9 - u32::from(digits));
        nanosecond = time.nanosecond().checked_add(step - 1)?;
    }
    let time = NaiveTime::from_hms_nano_opt(hour, minute, second, nanosecond)?;
    let date = match value.precision {
        _ if value.sort == Sort::Time => ANY_DAY,
        Precision::Year => NaiveDate::from_ymd_opt(date.year(), 12, 31)?,
        Precision::Month => {
            let next = date.checked_add_months(chrono::Months::new(1))?;
            next.pred_opt()?
        }
        _ => date,
    };
    Some(date.and_time(time))
}
