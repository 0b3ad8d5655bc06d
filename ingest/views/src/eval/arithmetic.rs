//! Operators on numbers, strings, dates and quantities. What overflows, or is divided by zero, is
//! empty.

use rust_decimal::Decimal;

use super::{Frame, Items, Scope};
use crate::compile::Expr;
use crate::fault::Fault;
use crate::fhirpath::Binary;
use crate::value::{Item, Quantity};

impl<'a> Scope<'a> {
    pub(super) fn arithmetic(
        &self,
        operator: Binary,
        left: &'a Expr,
        right: &'a Expr,
        frame: Frame<'_, 'a>,
        out: &mut Items<'a>,
    ) -> Result<(), Fault> {
        let (left, right) = (self.single(left, frame)?, self.single(right, frame)?);
        if operator == Binary::Concatenate {
            // An empty side counts as an empty string.
            let text =
                |item: Option<Item<'a>>| item.map_or(Ok("".into()), |item| self.text_of(&item));
            let joined = text(left)?.into_owned() + &text(right)?;
            out.push(Item::Text(joined.into()));
            return Ok(());
        }
        let (Some(left), Some(right)) = (left, right) else {
            return Ok(());
        };
        let (left, right) = (self.value(&left)?, self.value(&right)?);
        out.extend(self.computed(operator, &left, &right)?);
        Ok(())
    }

    fn computed(
        &self,
        operator: Binary,
        left: &Item<'a>,
        right: &Item<'a>,
    ) -> Result<Option<Item<'a>>, Fault> {
        match (left, right) {
            (Item::Integer(left), Item::Integer(right)) => {
                return Ok(integers(operator, *left, *right));
            }
            (Item::Integer(left), Item::Decimal(right)) => {
                return Ok(decimals(operator, Decimal::from(*left), *right));
            }
            (Item::Decimal(left), Item::Integer(right)) => {
                return Ok(decimals(operator, *left, Decimal::from(*right)));
            }
            (Item::Decimal(left), Item::Decimal(right)) => {
                return Ok(decimals(operator, *left, *right));
            }
            (Item::Text(left), Item::Text(right)) if operator == Binary::Add => {
                return Ok(Some(Item::Text(
                    (left.clone() + right.clone()).into_owned().into(),
                )));
            }
            (Item::Temporal(temporal), step)
                if matches!(operator, Binary::Add | Binary::Subtract) =>
            {
                if let Some(step) = self.quantity(step).filter(|_| !is_number(step)) {
                    let Some((count, unit)) = step.calendar() else {
                        return Fault::new("dates take steps of the calendar, such as 3 months");
                    };
                    let count = match operator {
                        Binary::Add => Some(count),
                        _ => count.checked_neg(),
                    };
                    let moved = count.and_then(|count| temporal.plus(count, unit));
                    return Ok(moved.map(Item::Temporal));
                }
            }
            _ => {
                if let (Some(left), Some(right)) = (self.quantity(left), self.quantity(right)) {
                    return Ok(quantities(operator, &left, &right));
                }
            }
        }
        let (left, right) = (left.describe(), right.describe());
        let word = operator.word();
        Fault::new(format!("{left} {word} {right} has no meaning"))
    }

    pub(super) fn negative(&self, item: &Item<'a>) -> Result<Option<Item<'a>>, Fault> {
        match self.value(item)? {
            Item::Integer(value) => Ok(value.checked_neg().map(Item::Integer)),
            Item::Decimal(value) => Ok(Some(Item::Decimal(-value))),
            Item::Quantity(quantity) => Ok(Some(Item::Quantity(Box::new(Quantity {
                value: -quantity.value,
                unit: quantity.unit,
            })))),
            other => Fault::new(format!("{} has no negative", other.describe())),
        }
    }
}

fn is_number(item: &Item<'_>) -> bool {
    matches!(item, Item::Integer(_) | Item::Decimal(_))
}

fn integers(operator: Binary, left: i64, right: i64) -> Option<Item<'static>> {
    let result = match operator {
        Binary::Add => left.checked_add(right),
        Binary::Subtract => left.checked_sub(right),
        Binary::Multiply => left.checked_mul(right),
        Binary::Div => left.checked_div(right),
        Binary::Mod => left.checked_rem(right),
        _ => return decimals(operator, Decimal::from(left), Decimal::from(right)),
    };
    result.map(Item::Integer)
}

fn decimals(operator: Binary, left: Decimal, right: Decimal) -> Option<Item<'static>> {
    let result = match operator {
        Binary::Add => left.checked_add(right),
        Binary::Subtract => left.checked_sub(right),
        Binary::Multiply => left.checked_mul(right),
        Binary::Divide => left.checked_div(right).map(|value| value.normalize()),
        Binary::Mod => left.checked_rem(right),
        Binary::Div => {
            let quotient = left.checked_div(right)?.trunc();
            return i64::try_from(quotient).ok().map(Item::Integer);
        }
        _ => None,
    };
    result.map(Item::Decimal)
}

/// Sums need one unit; a product or quotient needs one side without.
fn quantities(operator: Binary, left: &Quantity, right: &Quantity) -> Option<Item<'static>> {
    let (value, unit) = match operator {
        Binary::Add | Binary::Subtract if left.unit == right.unit => {
            let value = match operator {
                Binary::Add => left.value.checked_add(right.value),
                _ => left.value.checked_sub(right.value),
            };
            (value?, &left.unit)
        }
        Binary::Multiply if right.unit == "1" => (left.value.checked_mul(right.value)?, &left.unit),
        Binary::Multiply if left.unit == "1" => (left.value.checked_mul(right.value)?, &right.unit),
        Binary::Divide if left.unit == right.unit => {
            return Some(Item::Quantity(Box::new(Quantity::plain(
                left.value.checked_div(right.value)?,
            ))));
        }
        Binary::Divide if right.unit == "1" => (left.value.checked_div(right.value)?, &left.unit),
        _ => return None,
    };
    Some(Item::Quantity(Box::new(Quantity {
        value,
        unit: unit.clone(),
    })))
}
