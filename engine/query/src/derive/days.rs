//! Dates within literal ends: the days, weeks, months, quarters and years between them are a public domain.

use chrono::{Datelike, Days, Months, NaiveDate};
use datafusion::arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::{Between, BinaryExpr, Expr, Operator};

use super::domain::{Domain, MOST_VALUES};
use super::relation::{Relation, literal, literal_text};

/// First and last day that a column can hold, as far as filters say; days since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Range {
    first: Option<i32>,
    last: Option<i32>,
}

impl Range {
    fn from(first: i32) -> Self {
        Self {
            first: Some(first),
            last: None,
        }
    }

    fn to(last: i32) -> Self {
        Self {
            first: None,
            last: Some(last),
        }
    }

    /// What is in both.
    fn within(self, other: Self) -> Self {
        Self {
            first: self.first.max(other.first),
            last: match (self.last, other.last) {
                (Some(a), Some(b)) => Some(a.min(b)),
                (a, b) => a.or(b),
            },
        }
    }
}

/// Notes what a conjunct says of a date: `d >= DATE '2024-01-01'`, `d BETWEEN … AND …`.
pub(super) fn narrow(relation: &mut Relation, conjunct: &Expr) {
    let Some((at, range)) = bounded(conjunct, relation) else {
        return;
    };
    let fact = &mut relation.facts[at];
    fact.days = fact.days.within(range);
}

fn bounded(conjunct: &Expr, relation: &Relation) -> Option<(usize, Range)> {
    of_days(conjunct, relation).or_else(|| of_years(conjunct, relation))
}

/// `date_part('year', d) = 2024`, `>= 2020`, `BETWEEN 2020 AND 2024`, `IN (2023, 2024)`: the days of those years.
fn of_years(conjunct: &Expr, relation: &Relation) -> Option<(usize, Range)> {
    let column = |expr: &Expr| -> Option<usize> {
        let call = match expr {
            Expr::Cast(cast) if cast.field.data_type().is_integer() => &cast.expr,
            other => other,
        };
        let Expr::ScalarFunction(call) = call else {
            return None;
        };
        let ("date_part", [part, of]) = (call.name(), call.args.as_slice()) else {
            return None;
        };
        let year = literal_text(part)?.eq_ignore_ascii_case("year");
        year.then(|| place(of, relation)).flatten()
    };
    let year = |expr: &Expr| -> Option<i32> {
        match literal(expr)?.cast_to(&DataType::Int32).ok()? {
            ScalarValue::Int32(year) => year,
            _ => None,
        }
    };
    let first = |year: i32| {
        Some(Range::from(since_1970(NaiveDate::from_ymd_opt(
            year, 1, 1,
        )?)?))
    };
    let last = |year: i32| {
        Some(Range::to(since_1970(NaiveDate::from_ymd_opt(
            year, 12, 31,
        )?)?))
    };
    match conjunct {
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
            let (at, year, op) = match (column(left), column(right)) {
                (Some(at), None) => (at, year(right)?, *op),
                (None, Some(at)) => (at, year(left)?, op.swap()?),
                _ => return None,
            };
            let range = match op {
                Operator::Eq => first(year)?.within(last(year)?),
                Operator::GtEq => first(year)?,
                Operator::Gt => first(year.checked_add(1)?)?,
                Operator::LtEq => last(year)?,
                Operator::Lt => last(year.checked_sub(1)?)?,
                _ => return None,
            };
            Some((at, range))
        }
        Expr::Between(Between {
            expr,
            negated: false,
            low,
            high,
        }) => Some((column(expr)?, first(year(low)?)?.within(last(year(high)?)?))),
        Expr::InList(one_of) if !one_of.negated => {
            let years = one_of.list.iter().map(year).collect::<Option<Vec<_>>>()?;
            let (from, to) = (years.iter().min()?, years.iter().max()?);
            Some((column(&one_of.expr)?, first(*from)?.within(last(*to)?)))
        }
        _ => None,
    }
}

fn since_1970(day: NaiveDate) -> Option<i32> {
    let days = day.signed_duration_since(NaiveDate::from_ymd_opt(1970, 1, 1)?);
    i32::try_from(days.num_days()).ok()
}

fn of_days(conjunct: &Expr, relation: &Relation) -> Option<(usize, Range)> {
    match conjunct {
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
            let (at, day, op) = match (place(left, relation), place(right, relation)) {
                (Some(at), None) => (at, day(right)?, *op),
                (None, Some(at)) => (at, day(left)?, op.swap()?),
                _ => return None,
            };
            let range = match op {
                Operator::Eq => Range::from(day).within(Range::to(day)),
                Operator::GtEq => Range::from(day),
                Operator::Gt => Range::from(day.checked_add(1)?),
                Operator::LtEq => Range::to(day),
                Operator::Lt => Range::to(day.checked_sub(1)?),
                _ => return None,
            };
            Some((at, range))
        }
        Expr::Between(Between {
            expr,
            negated: false,
            low,
            high,
        }) => {
            let range = Range::from(day(low)?).within(Range::to(day(high)?));
            Some((place(expr, relation)?, range))
        }
        _ => None,
    }
}

/// The place of a column of dates.
fn place(expr: &Expr, relation: &Relation) -> Option<usize> {
    let Expr::Column(column) = expr else {
        return None;
    };
    let at = relation.schema().maybe_index_of_column(column)?;
    (relation.schema().field(at).data_type() == &DataType::Date32).then_some(at)
}

fn day(expr: &Expr) -> Option<i32> {
    match literal(expr)? {
        ScalarValue::Date32(day) => day,
        _ => None,
    }
}

/// Every value that `date_trunc(part, d)` can have of a column whose first and last day are known; of the column itself where `part` is `day`.
pub(super) fn domain(
    part: &str,
    of: &Expr,
    relation: &Relation,
    wanted: &DataType,
) -> Option<Domain> {
    let column = match of {
        Expr::Column(column) => column,
        Expr::Cast(cast) => cast.expr.try_as_col()?,
        _ => return None,
    };
    let range = relation.fact(column)?.days;
    let at = |day: i32| {
        NaiveDate::from_ymd_opt(1970, 1, 1)?.checked_add_signed(chrono::TimeDelta::days(day.into()))
    };
    let last = at(range.last?)?;
    let mut next = start(part, at(range.first?)?)?;
    let mut values = Vec::new();
    while next <= last {
        if values.len() == MOST_VALUES {
            return None;
        }
        let day = next.signed_duration_since(at(0)?).num_days();
        let day = ScalarValue::Date32(Some(i32::try_from(day).ok()?));
        values.push(day.cast_to(wanted).ok()?);
        next = after(part, next)?;
    }
    (!values.is_empty()).then(|| Domain::exactly(values))
}

/// First and last year of a column whose first and last day are known.
pub(super) fn years(of: &Expr, relation: &Relation) -> Option<(i64, i64)> {
    let column = match of {
        Expr::Column(column) => column,
        Expr::Cast(cast) => cast.expr.try_as_col()?,
        _ => return None,
    };
    let range = relation.fact(column)?.days;
    let year = |day: i32| {
        let first = NaiveDate::from_ymd_opt(1970, 1, 1)?;
        let day = first.checked_add_signed(chrono::TimeDelta::days(day.into()))?;
        Some(i64::from(day.year()))
    };
    Some((year(range.first?)?, year(range.last?)?))
}

/// The first day of what a day lies in. Weeks begin on Monday, as `date_trunc` has it.
fn start(part: &str, day: NaiveDate) -> Option<NaiveDate> {
    match part {
        "day" => Some(day),
        "week" => day.checked_sub_days(Days::new(day.weekday().num_days_from_monday().into())),
        "month" => day.with_day(1),
        "quarter" => NaiveDate::from_ymd_opt(day.year(), (day.month0() / 3) * 3 + 1, 1),
        "year" => NaiveDate::from_ymd_opt(day.year(), 1, 1),
        _ => None,
    }
}

fn after(part: &str, start: NaiveDate) -> Option<NaiveDate> {
    match part {
        "day" => start.checked_add_days(Days::new(1)),
        "week" => start.checked_add_days(Days::new(7)),
        "month" => start.checked_add_months(Months::new(1)),
        "quarter" => start.checked_add_months(Months::new(3)),
        "year" => start.checked_add_months(Months::new(12)),
        _ => None,
    }
}
