//! Bounds of what is computed from bounded values: sums, differences, products and quotients by literals, in exact decimals rounded outwards.
//!
//! Bounds are enforced by clamping, so that wrong ones would cost accuracy and never privacy; these hold for every row, so that nothing is clamped.

use datafusion::common::DFSchema;
use datafusion::logical_expr::{BinaryExpr, Expr, ExprSchemable, Operator};

use super::grid::Decimal;

/// Digits kept of a quotient.
const DIGITS: u32 = 9;

/// The least and greatest value of an expression, where `of` knows those of what it is computed from.
pub(super) fn range(
    expr: &Expr,
    schema: &DFSchema,
    of: &impl Fn(&Expr) -> Option<(Decimal, Decimal)>,
) -> Option<(Decimal, Decimal)> {
    if let Some(known) = of(expr) {
        return Some(known);
    }
    match expr {
        Expr::Alias(alias) => range(&alias.expr, schema, of),
        Expr::Cast(cast) if cast.field.data_type().is_numeric() => range(&cast.expr, schema, of),
        Expr::TryCast(cast) if cast.field.data_type().is_numeric() => range(&cast.expr, schema, of),
        Expr::Negative(inner) => {
            let (low, high) = range(inner, schema, of)?;
            Some((high.negated()?, low.negated()?))
        }
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
            let (a, b) = (range(left, schema, of)?, range(right, schema, of)?);
            match op {
                Operator::Plus => Some((a.0.plus(b.0)?, a.1.plus(b.1)?)),
                Operator::Minus => Some((a.0.plus(b.1.negated()?)?, a.1.plus(b.0.negated()?)?)),
                Operator::Multiply => Some(corners([
                    a.0.times(b.0)?,
                    a.0.times(b.1)?,
                    a.1.times(b.0)?,
                    a.1.times(b.1)?,
                ])),
                // By one number that is not zero. Whole numbers divide to whole numbers, towards zero.
                Operator::Divide if b.0 == b.1 => {
                    let whole = expr.get_type(schema).is_ok_and(|kind| kind.is_integer());
                    let digits = if whole { 0 } else { DIGITS };
                    let first = a.0.over(b.0, digits)?;
                    let second = a.1.over(b.0, digits)?;
                    Some(corners([first.0, first.1, second.0, second.1]))
                }
                _ => None,
            }
        }
        _ => None,
    }
}

fn corners(values: [Decimal; 4]) -> (Decimal, Decimal) {
    let mut ends = (values[0], values[0]);
    for value in values {
        if value.is_below(ends.0) {
            ends.0 = value;
        }
        if ends.1.is_below(value) {
            ends.1 = value;
        }
    }
    ends
}
