//! What a filter says of the rows that it lets through: which values a column still has, and how many of a person's rows are left.

use std::cmp::Ordering;

use datafusion::common::{Column, ScalarValue};
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{BinaryExpr, Expr, Operator};

use super::days;
use super::domain::{Domain, MOST_VALUES};
use super::relation::{Fact, Relation, literal};

/// Notes what the conjuncts of a predicate say, all of which hold for every row that is left.
pub(super) fn narrow(relation: &mut Relation, predicate: &Expr) {
    for conjunct in split_conjunction(predicate) {
        if let Some((at, values)) = listed(conjunct, relation) {
            let fact = &mut relation.facts[at];
            let closed = fact.domain.as_ref().filter(|domain| domain.closed);
            let values = match closed {
                Some(known) => {
                    let both = values.into_iter();
                    both.filter(|value| known.values.contains(value)).collect()
                }
                None => values,
            };
            let values = in_order(values);
            // No value at all is no domain that can be answered; what was known before holds as well.
            if !values.is_empty() {
                fact.domain = Some(Domain::exactly(values));
            }
        }
        days::narrow(relation, conjunct);
        if let Some(most) = first_rows(conjunct, relation) {
            relation.rows = Some(relation.rows.map_or(most, |rows| rows.min(most)));
            relation.usual_rows = relation.usual_rows.min(most);
        }
    }
}

/// Values in the order that an answer has them in, whatever order they were written in.
fn in_order(mut values: Vec<ScalarValue>) -> Vec<ScalarValue> {
    values.sort_by(|a, b| a.partial_cmp(b).unwrap_or(Ordering::Equal));
    values
}

/// The column that can have only the listed values, and they: `c = 'a'`, `c IN ('a', 'b')`, `c = 'a' OR c = 'b'`.
fn listed(conjunct: &Expr, relation: &Relation) -> Option<(usize, Vec<ScalarValue>)> {
    let (at, values) = match conjunct {
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => match op {
            Operator::Eq => {
                let column = |a: &Expr, b: &Expr| Some((place(a, relation)?, vec![literal(b)?]));
                column(left, right).or_else(|| column(right, left))?
            }
            Operator::Or => {
                let (a, b) = (listed(left, relation)?, listed(right, relation)?);
                (a.0 == b.0).then(|| (a.0, a.1.into_iter().chain(b.1).collect()))?
            }
            _ => return None,
        },
        Expr::InList(list) if !list.negated => {
            let values = list.list.iter().map(literal).collect::<Option<Vec<_>>>()?;
            (place(&list.expr, relation)?, values)
        }
        _ => return None,
    };
    let kind = relation.schema().field(at).data_type();
    // Equality of these types is that of their values; a literal of another type was not compared as one of this.
    if !(kind.is_string() || kind.is_integer() || kind.is_temporal()) {
        return None;
    }
    let mut distinct = Vec::new();
    for value in values {
        let same = value.data_type() == *kind || value.data_type().is_string() && kind.is_string();
        if value.is_null() {
            // Nothing equals NULL.
            continue;
        }
        let value = same.then(|| value.cast_to(kind).ok())??;
        if !distinct.contains(&value) {
            distinct.push(value);
        }
    }
    (!distinct.is_empty() && distinct.len() <= MOST_VALUES).then_some((at, distinct))
}

/// The place of a column that is no unit.
fn place(expr: &Expr, relation: &Relation) -> Option<usize> {
    let Expr::Column(column) = expr else {
        return None;
    };
    relation.schema().maybe_index_of_column(column)
}

/// How many of a person's rows are left by `n = 1`, `n <= 3`, `n < 4` or `n BETWEEN 1 AND 3` of a number that `row_number()` gave each.
fn first_rows(conjunct: &Expr, relation: &Relation) -> Option<u64> {
    // Made alike with the literal.
    let bare = |expr: &Expr| -> Option<Column> {
        match expr {
            Expr::Column(column) => Some(column.clone()),
            Expr::Cast(cast) if cast.field.data_type().is_numeric() => {
                cast.expr.try_as_col().cloned()
            }
            _ => None,
        }
    };
    let numbers = |expr: &Expr| {
        let Some(column) = bare(expr) else {
            return false;
        };
        relation
            .fact(&column)
            .is_some_and(|fact: &Fact| fact.numbers_rows)
    };
    let whole = |expr: &Expr| match literal(expr)? {
        ScalarValue::Decimal128(n, _, 0) => n.and_then(|n| u64::try_from(n).ok()),
        ScalarValue::Int64(n) => n.and_then(|n| u64::try_from(n).ok()),
        ScalarValue::UInt64(n) => n,
        _ => None,
    };
    match conjunct {
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
            let (op, most) = if numbers(left) {
                (*op, whole(right)?)
            } else if numbers(right) {
                (op.swap()?, whole(left)?)
            } else {
                return None;
            };
            match op {
                Operator::Eq => Some(1),
                Operator::LtEq => Some(most),
                Operator::Lt => Some(most.saturating_sub(1)),
                _ => None,
            }
        }
        Expr::Between(between) if !between.negated && numbers(&between.expr) => {
            whole(&between.high)
        }
        _ => None,
    }
    // No row at all is no bound that a certificate can state.
    .map(|most| most.max(1))
}
