//! Where the bounds of a sum come from: `clamp(x, low, high)`, the catalog, or the literals of a CASE; without one of them it is refused.

use datafusion::arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::{Expr, ExprSchemable};

use super::arithmetic::range;
use crate::derive::domain::domain_of;
use crate::derive::relation::{Relation, clamped, literal};
use crate::functions::clamp::Clamp;
use crate::functions::grid::Grid;
use crate::refusal::Refusal;
use salus_lake::Catalog;

/// A finer grid than this many steps between the bounds gains nothing beside the noise.
pub(super) const MOST_STEPS: i128 = 1 << 24;

/// The same where differences are squared.
pub(super) const MOST_SQUARED_STEPS: i128 = 1 << 12;

/// Digits kept of a number whose type does not say how many it has.
const FLOAT_SCALE: u32 = 6;

/// An exact decimal: mantissa · 10^-scale, without trailing zeros.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Decimal {
    mantissa: i128,
    scale: u32,
}

impl Decimal {
    /// Both in units of the finer of their scales.
    fn together(self, other: Self) -> Option<(i128, i128, u32)> {
        let scale = self.scale.max(other.scale);
        let units = |x: Self| {
            let factor = 10_i128.checked_pow(scale - x.scale)?;
            x.mantissa.checked_mul(factor)
        };
        Some((units(self)?, units(other)?, scale))
    }

    /// Bounds are short: what cannot be brought to one scale is not below.
    pub(super) fn is_below(self, other: Self) -> bool {
        self.together(other).is_some_and(|(a, b, _)| a < b)
    }

    pub(super) fn plus(self, other: Self) -> Option<Self> {
        let (a, b, scale) = self.together(other)?;
        Some(normal(a.checked_add(b)?, scale))
    }

    pub(super) fn negated(self) -> Option<Self> {
        let mantissa = self.mantissa.checked_neg()?;
        Some(Self { mantissa, ..self })
    }

    pub(super) fn times(self, other: Self) -> Option<Self> {
        let mantissa = self.mantissa.checked_mul(other.mantissa)?;
        Some(normal(mantissa, self.scale.checked_add(other.scale)?))
    }

    /// The quotient rounded down and up to so many digits; `None` by zero.
    pub(super) fn over(self, other: Self, digits: u32) -> Option<(Self, Self)> {
        let (a, b, _) = self.together(other)?;
        let a = a.checked_mul(10_i128.checked_pow(digits)?)?;
        let down = a.checked_div_euclid(b)?;
        let rest = a.checked_rem_euclid(b)?;
        // Of a negative divisor the Euclidean quotient is the one above.
        let (low, high) = match (rest, b > 0) {
            (0, _) => (down, down),
            (_, true) => (down, down + 1),
            (_, false) => (down - 1, down),
        };
        Some((normal(low, digits), normal(high, digits)))
    }

    /// Rounded to so many digits, downwards or upwards.
    fn rounded(self, scale: u32, up: bool) -> Option<Self> {
        if self.scale <= scale {
            return Some(self);
        }
        let factor = 10_i128.checked_pow(self.scale - scale)?;
        let down = self.mantissa.div_euclid(factor);
        let exact = self.mantissa.rem_euclid(factor) == 0;
        let mantissa = if up && !exact { down + 1 } else { down };
        Some(normal(mantissa, scale))
    }
}

/// The value to put on the grid, and the grid.
pub(super) fn bounded(
    argument: &Expr,
    relation: &Relation,
    catalog: &Catalog,
    most_steps: i128,
) -> Result<(Expr, Grid), Refusal> {
    let grid = |low, high, scale, at: &Expr| grid(low, high, scale, most_steps, at);
    let argument = without_widening(argument, relation);
    if let Expr::ScalarFunction(call) = argument
        && let (Clamp::NAME, [x, low, high]) = (call.name(), call.args.as_slice())
    {
        let bounds = literal(low)
            .as_ref()
            .and_then(decimal)
            .zip(literal(high).as_ref().and_then(decimal));
        let Some((low, high)) = bounds else {
            return Err(Refusal::new(
                "bounds",
                argument,
                "the bounds of clamp must be literal numbers",
                "write for instance clamp(value, 3.5, 20)",
            ));
        };
        let x = without_widening(x, relation);
        return Ok((
            x.clone(),
            grid(low, high, natural_scale(x, relation), argument)?,
        ));
    }
    if let Some((low, high, granularity)) = of_catalog(argument, relation, catalog) {
        return Ok((
            argument.clone(),
            grid(low, high, granularity.scale, argument)?,
        ));
    }
    if let Some((low, high)) = of_literals(argument, relation) {
        return Ok((argument.clone(), grid(low, high, 0, argument)?));
    }
    if let Some((low, high, scale)) = of_branches(argument, relation, catalog) {
        return Ok((argument.clone(), grid(low, high, scale, argument)?));
    }
    let known = |expr: &Expr| {
        let (low, high, _) = of_branches(expr, relation, catalog)?;
        Some((low, high))
    };
    if let Some((low, high)) = range(argument, relation.schema(), &known) {
        // Wide ranges have no room for many digits.
        let fits = (0..=FLOAT_SCALE).rev().find_map(|scale| {
            let (low, high) = (low.rounded(scale, false)?, high.rounded(scale, true)?);
            let width = high
                .plus(low.negated()?)?
                .times(normal(10_i128.pow(scale), 0))?;
            let steps = normal(most_steps, 0);
            (scale == 0 || !steps.is_below(width)).then_some((low, high, scale))
        });
        if let Some((low, high, scale)) = fits {
            let scale = natural_scale(argument, relation).min(scale);
            return Ok((argument.clone(), grid(low, high, scale, argument)?));
        }
    }
    let kind = argument.get_type(relation.schema());
    if kind.is_ok_and(|kind| kind.is_temporal()) {
        return Err(Refusal::new(
            "bounds",
            argument,
            "sums, averages and quantiles are of numbers within public bounds, and this is a date or time",
            "write for instance clamp(date_part('year', d), 1900, 2025), or age(d, DATE '2025-01-01')",
        ));
    }
    Err(Refusal::new(
        "bounds",
        argument,
        "sums, averages and quantiles need public bounds on what one row can bring, and the catalog has none for this",
        "write clamp(x, low, high), or filter on one code the catalog has limits for: WHERE code = '4548-4'; of several codes AVG(value) FILTER (WHERE code = '4548-4')",
    ))
}

/// Casts that the planner put around an integer or decimal to make it wider change no value on the grid.
fn without_widening<'e>(expr: &'e Expr, relation: &Relation) -> &'e Expr {
    match expr {
        Expr::Alias(alias) => without_widening(&alias.expr, relation),
        Expr::Cast(cast) => {
            let inner = cast.expr.get_type(relation.schema());
            let outer = cast.field.data_type();
            let widens = inner.is_ok_and(|inner| {
                (inner.is_integer()
                    || matches!(inner, DataType::Decimal128(..))
                    || inner.is_floating())
                    && matches!(
                        outer,
                        DataType::Float64 | DataType::Int64 | DataType::UInt64
                    )
                    && (!outer.is_integer() || inner.is_integer())
            });
            if widens {
                without_widening(&cast.expr, relation)
            } else {
                expr
            }
        }
        other => other,
    }
}

fn natural_scale(x: &Expr, relation: &Relation) -> u32 {
    match x.get_type(relation.schema()) {
        Ok(DataType::Decimal128(_, scale)) => u32::try_from(scale).unwrap_or(0),
        Ok(kind) if kind.is_floating() => FLOAT_SCALE,
        _ => 0,
    }
}

/// Bounds as multiples of a granularity no coarser than they need, and no finer than is of use.
fn grid(
    low: Decimal,
    high: Decimal,
    natural_scale: u32,
    most_steps: i128,
    at: &Expr,
) -> Result<Grid, Refusal> {
    let refuse = |message: &str| {
        Refusal::new(
            "bounds",
            at,
            message,
            "write clamp(x, low, high) with low < high and a range that fits the question",
        )
    };
    let least_scale = low.scale.max(high.scale);
    let mut scale = natural_scale.max(least_scale);
    let units = |value: Decimal, scale: u32| {
        10_i128
            .checked_pow(scale - value.scale)
            .and_then(|factor| value.mantissa.checked_mul(factor))
    };
    let (low_units, high_units) = loop {
        let bounds = units(low, scale).zip(units(high, scale));
        match bounds {
            Some((low, high)) if scale == least_scale || high.saturating_sub(low) <= most_steps => {
                break (low, high);
            }
            None if scale == least_scale => return Err(refuse("these bounds are too large")),
            _ => scale -= 1,
        }
    };
    let limit = 1_i128 << 48;
    if low_units.abs() > limit || high_units.abs() > limit {
        return Err(refuse("these bounds are too large"));
    }
    if low_units >= high_units {
        return Err(refuse("the lower bound must lie below the upper bound"));
    }
    match (i64::try_from(low_units), i64::try_from(high_units)) {
        (Ok(low), Ok(high)) => Ok(Grid { low, high, scale }),
        _ => Err(refuse("these bounds are too large")),
    }
}

fn of_catalog(
    argument: &Expr,
    relation: &Relation,
    catalog: &Catalog,
) -> Option<(Decimal, Decimal, Decimal)> {
    let Expr::Column(column) = argument else {
        return None;
    };
    let fact = relation.fact(column)?;
    let source = fact.source.as_ref()?;
    let table = catalog.tables.get(&source.table)?;
    // A mean lies between the steps of what was measured: rounding it to them would move all means one way.
    let steps = |granularity: &str| {
        let mut steps = parse(granularity)?;
        if fact.between_steps {
            steps.scale = steps.scale.max(natural_scale(argument, relation));
        }
        Some(steps)
    };
    if let Some(bounds) = &table.columns.get(&source.column)?.bounds {
        return Some((
            parse(&bounds.low.to_string())?,
            parse(&bounds.high.to_string())?,
            steps(&bounds.granularity.to_string())?,
        ));
    }
    if source.column != "value" {
        return None;
    }
    let code = relation.codes.get(&source.scan)?;
    let measurement = catalog.measurements.iter().find(|m| m.code == *code)?;
    Some((
        parse(&measurement.low.to_string())?,
        parse(&measurement.high.to_string())?,
        steps(&measurement.granularity.to_string())?,
    ))
}

/// The literals that a value is held between: `clamp(x, 4, 14)`, or `least(greatest(x, 4), 14)` in either order.
fn ends(expr: &Expr) -> Option<(Decimal, Decimal)> {
    let one = |expr: &Expr| literal(expr).as_ref().and_then(decimal);
    let held = |expr: &Expr, name: &str| -> Option<(Expr, Decimal)> {
        let Expr::ScalarFunction(call) = without_casts(expr) else {
            return None;
        };
        match (call.name() == name, call.args.as_slice()) {
            (true, [x, end]) => match one(end) {
                Some(end) => Some((x.clone(), end)),
                None => Some((end.clone(), one(x)?)),
            },
            _ => None,
        }
    };
    if let Expr::ScalarFunction(call) = expr
        && let (Clamp::NAME, [_, low, high]) = (call.name(), call.args.as_slice())
    {
        return one(low).zip(one(high));
    }
    if let Some((inner, high)) = held(expr, "least") {
        return held(&inner, "greatest").map(|(_, low)| (low, high));
    }
    let (inner, low) = held(expr, "greatest")?;
    held(&inner, "least").map(|(_, high)| (low, high))
}

fn without_casts(expr: &Expr) -> &Expr {
    match expr {
        Expr::Alias(alias) => without_casts(&alias.expr),
        Expr::Cast(cast) if cast.field.data_type().is_numeric() => without_casts(&cast.expr),
        other => other,
    }
}

/// What yields one of several values is bounded where each of them is: `CASE WHEN code = '4548-4' THEN value END`, `COALESCE(length_minutes, 0)`.
fn of_branches(
    argument: &Expr,
    relation: &Relation,
    catalog: &Catalog,
) -> Option<(Decimal, Decimal, u32)> {
    let argument = without_widening(argument, relation);
    if let Some(value) = literal(argument) {
        let value = decimal(&value)?;
        return Some((value, value, value.scale));
    }
    let branches: Vec<(&Expr, Option<Expr>)> = match argument {
        Expr::Case(case) => {
            let when = |when: &Expr| match &case.expr {
                Some(of) => of.as_ref().clone().eq(when.clone()),
                None => when.clone(),
            };
            let branches = case.when_then_expr.iter();
            let branches = branches.map(|(cond, then)| (then.as_ref(), Some(when(cond))));
            branches
                .chain(case.else_expr.as_deref().map(|otherwise| (otherwise, None)))
                .collect()
        }
        Expr::ScalarFunction(call) if ["coalesce", "nvl"].contains(&call.name()) => {
            call.args.iter().map(|arg| (arg, None)).collect()
        }
        Expr::ScalarFunction(call) if [Clamp::NAME, "least", "greatest"].contains(&call.name()) => {
            let (low, high) = ends(argument)?;
            return Some((low, high, natural_scale(argument, relation)));
        }
        // Made alike with the other branches.
        Expr::Cast(cast) if cast.field.data_type().is_numeric() => {
            return of_branches(&cast.expr, relation, catalog);
        }
        _ => {
            if let Some((low, high)) = clamped(argument, relation) {
                let scale = natural_scale(argument, relation);
                return Some((decimal(&low)?, decimal(&high)?, scale));
            }
            let (low, high, granularity) = of_catalog(argument, relation, catalog)?;
            return Some((low, high, granularity.scale));
        }
    };
    let is_null = |expr: &Expr| literal(expr).is_some_and(|value| value.is_null());
    let bounded = branches.into_iter().filter(|(branch, _)| !is_null(branch));
    bounded
        .map(|(branch, condition)| match condition {
            None => of_branches(branch, relation, catalog),
            Some(condition) => {
                let mut here = relation.clone();
                here.pin_codes(&condition);
                of_branches(branch, &here, catalog)
            }
        })
        .reduce(|all, branch| {
            let ((low, high, scale), (l, h, s)) = (all?, branch?);
            let least = |a: Decimal, b: Decimal| if a.is_below(b) { a } else { b };
            let most = |a: Decimal, b: Decimal| if a.is_below(b) { b } else { a };
            Some((least(low, l), most(high, h), scale.max(s)))
        })
        .flatten()
}

/// A CASE over numbers can only yield the numbers that stand in it.
fn of_literals(argument: &Expr, relation: &Relation) -> Option<(Decimal, Decimal)> {
    let domain = domain_of(argument, relation)?;
    if !domain.closed {
        return None;
    }
    let values = domain
        .values
        .iter()
        .map(decimal)
        .collect::<Option<Vec<_>>>()?;
    let scale = values.iter().map(|v| v.scale).max()?;
    let units = values
        .iter()
        .map(|v| {
            10_i128
                .checked_pow(scale - v.scale)?
                .checked_mul(v.mantissa)
        })
        .collect::<Option<Vec<_>>>()?;
    let (low, high) = (*units.iter().min()?, *units.iter().max()?);
    // 0 belongs to every such sum: it is what an absent row brings.
    let (low, high) = (low.min(0), high.max(0));
    (low < high).then_some((
        Decimal {
            mantissa: low,
            scale,
        },
        Decimal {
            mantissa: high,
            scale,
        },
    ))
}

fn parse(text: &str) -> Option<Decimal> {
    let (digits, scale) = match text.split_once('.') {
        Some((whole, fraction)) => (format!("{whole}{fraction}"), fraction.len()),
        None => (text.to_owned(), 0),
    };
    Some(normal(digits.parse().ok()?, u32::try_from(scale).ok()?))
}

fn decimal(value: &ScalarValue) -> Option<Decimal> {
    match value {
        ScalarValue::Decimal128(Some(mantissa), _, scale) => match u32::try_from(*scale) {
            Ok(scale) => Some(normal(*mantissa, scale)),
            Err(_) => Some(normal(
                mantissa.checked_mul(10_i128.checked_pow(u32::from(scale.unsigned_abs()))?)?,
                0,
            )),
        },
        // Shortest text that reads back as the same number: what the analyst wrote.
        ScalarValue::Float64(Some(x)) if x.is_finite() => parse(&x.to_string()),
        ScalarValue::Float32(Some(x)) if x.is_finite() => parse(&x.to_string()),
        ScalarValue::Boolean(Some(x)) => Some(normal(i128::from(*x), 0)),
        other if other.data_type().is_integer() => {
            match other.cast_to(&DataType::Decimal128(38, 0)).ok()? {
                ScalarValue::Decimal128(Some(mantissa), ..) => Some(normal(mantissa, 0)),
                _ => None,
            }
        }
        _ => None,
    }
}

fn normal(mut mantissa: i128, mut scale: u32) -> Decimal {
    while scale > 0 && mantissa % 10 == 0 {
        mantissa /= 10;
        scale -= 1;
    }
    Decimal { mantissa, scale }
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion::prelude::lit;

    #[test]
    fn bounds_are_multiples_of_the_granularity() {
        let grid = grid(
            parse("3.50").unwrap(),
            parse("20").unwrap(),
            6,
            MOST_STEPS,
            &lit(1),
        )
        .unwrap();
        assert_eq!(
            grid,
            Grid {
                low: 3_500_000,
                high: 20_000_000,
                scale: 6
            }
        );
        let coarse = super::grid(
            parse("0").unwrap(),
            parse("1000000").unwrap(),
            6,
            MOST_STEPS,
            &lit(1),
        )
        .unwrap();
        assert_eq!(
            coarse,
            Grid {
                low: 0,
                high: 10_000_000,
                scale: 1
            }
        );
    }

    #[test]
    fn empty_and_absurd_ranges_are_refused() {
        for (low, high) in [("5", "5"), ("6", "5"), ("0", "99999999999999999999999999")] {
            assert!(
                grid(
                    parse(low).unwrap(),
                    parse(high).unwrap(),
                    0,
                    MOST_STEPS,
                    &lit(1)
                )
                .is_err(),
                "{low} {high}"
            );
        }
    }
}
