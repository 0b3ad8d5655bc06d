//! Functions of numbers. What has no value (the root of a negative number) or none that fits is
//! empty.

use rust_decimal::{Decimal, MathematicalOps, RoundingStrategy};

use super::{Frame, Items, Scope};
use crate::compile::{Expr, Function};
use crate::fault::Fault;
use crate::value::{Item, Quantity};

impl<'a> Scope<'a> {
    pub(super) fn math(
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
        let value = self.value(&item)?;
        if let (Function::Abs, Some(quantity)) = (function, self.quantity(&value))
            && !matches!(value, Item::Integer(_) | Item::Decimal(_))
        {
            out.push(Item::Quantity(Box::new(Quantity {
                value: quantity.value.abs(),
                unit: quantity.unit,
            })));
            return Ok(());
        }
        let number = match &value {
            Item::Integer(value) => Decimal::from(*value),
            Item::Decimal(value) => *value,
            other => return Fault::new(format!("a number is needed, not {}", other.describe())),
        };
        let argument = match arguments {
            [argument, ..] => match self.single(argument, frame)? {
                Some(item) => Some(self.value(&item)?),
                None => return Ok(()),
            },
            [] => None,
        };
        let other = match &argument {
            Some(Item::Integer(value)) => Some(Decimal::from(*value)),
            Some(Item::Decimal(value)) => Some(*value),
            Some(other) => {
                return Fault::new(format!("a number is needed, not {}", other.describe()));
            }
            None => None,
        };
        let whole =
            matches!(value, Item::Integer(_)) && matches!(argument, None | Some(Item::Integer(_)));
        out.extend(computed(function, number, other, whole));
        Ok(())
    }

    /// `sum()`, `min()`, `max()`, `avg()` of numbers; the least and greatest of anything ordered.
    pub(super) fn summary(
        &self,
        function: Function,
        input: &'a Expr,
        frame: Frame<'_, 'a>,
        out: &mut Items<'a>,
    ) -> Result<(), Fault> {
        let items = self.input(input, frame)?.into_owned();
        if matches!(function, Function::Min | Function::Max) {
            let mut best: Option<Item<'a>> = None;
            for item in items {
                let better = match &best {
                    None => true,
                    Some(best) => match self.compare(&item, best)? {
                        Some(order) if function == Function::Min => order.is_lt(),
                        Some(order) => order.is_gt(),
                        None => return Ok(()),
                    },
                };
                if better {
                    best = Some(item);
                }
            }
            out.extend(best);
            return Ok(());
        }
        let Some(decimals) = self.decimals(&items)? else {
            return Fault::new("numbers are needed");
        };
        if decimals.is_empty() {
            return Ok(());
        }
        let sum = decimals
            .iter()
            .try_fold(Decimal::ZERO, |sum, value| sum.checked_add(*value));
        let result = match function {
            Function::Avg => sum.and_then(|sum| sum.checked_div(Decimal::from(decimals.len()))),
            _ => sum,
        };
        let whole = function == Function::Sum
            && items
                .iter()
                .all(|item| matches!(self.value(item), Ok(Item::Integer(_))));
        out.extend(result.and_then(|result| {
            if whole {
                integer(result)
            } else {
                Some(Item::Decimal(result))
            }
        }));
        Ok(())
    }
}

fn integer(value: Decimal) -> Option<Item<'static>> {
    i64::try_from(value).ok().map(Item::Integer)
}

fn computed(
    function: Function,
    number: Decimal,
    other: Option<Decimal>,
    whole: bool,
) -> Option<Item<'static>> {
    let result = match function {
        Function::Abs if whole => return integer(number.abs()),
        Function::Abs => Some(number.abs()),
        Function::Ceiling => return integer(number.ceil()),
        Function::Floor => return integer(number.floor()),
        Function::Truncate => return integer(number.trunc()),
        Function::Exp => number.checked_exp(),
        Function::Ln => number.checked_ln(),
        Function::Log => {
            let base = other?.checked_ln()?;
            // The last digits of two rounded logarithms are noise.
            let quotient = number.checked_ln()?.checked_div(base)?;
            Some(quotient.round_dp(20).normalize())
        }
        Function::Sqrt => number.sqrt(),
        Function::Round => {
            let digits = other.map_or(Some(0), |digits| u32::try_from(digits).ok())?;
            let half_up = RoundingStrategy::MidpointAwayFromZero;
            Some(number.round_dp_with_strategy(digits.min(28), half_up))
        }
        Function::Power => {
            let exponent = other?;
            if number.is_zero() && exponent.is_sign_negative() {
                return None;
            }
            let result = number.checked_powd(exponent)?;
            if whole && !exponent.is_sign_negative() {
                return integer(result);
            }
            Some(result)
        }
        _ => None,
    };
    result.map(Item::Decimal)
}
