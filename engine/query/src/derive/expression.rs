//! S1 for expressions: from the allow-list, deterministic, row-local and total; the unit stays opaque.

use datafusion::arrow::datatypes::DataType;
use datafusion::logical_expr::expr::{
    Alias, Between, BinaryExpr, Case, Cast, InList, Like, ScalarFunction, TryCast,
};
use datafusion::logical_expr::{Expr, ExprSchemable, Operator};

use super::relation::{Relation, Role, literal, literal_text};
use crate::functions::age::AgeBand;
use crate::functions::bucket::WidthBucket;
use crate::functions::is_allowed;
use crate::functions::total::{Partial, Total};
use crate::refusal::Refusal;

const OPAQUE: &str = "the person's id may be joined on, grouped by and counted; it cannot be compared, computed with or shown";

/// The total version of an expression over a relation.
#[allow(clippy::too_many_lines)] // One arm per kind of expression; split, it would no longer read as the list that it is.
pub(crate) fn total(expr: &Expr, relation: &Relation) -> Result<Expr, Refusal> {
    let all = |expr: &Expr| total(expr, relation);
    let boxed = |expr: &Expr| total(expr, relation).map(Box::new);
    Ok(match expr {
        Expr::Column(column) => {
            let Some(fact) = relation.fact(column) else {
                return Err(Refusal::new(
                    "S1",
                    expr,
                    "this column does not resolve here",
                    "qualify it with its table",
                ));
            };
            if fact.role != Role::Plain {
                return Err(Refusal::new(
                    "S1",
                    expr,
                    OPAQUE,
                    "use COUNT(DISTINCT person_id), or GROUP BY person_id in a subquery",
                ));
            }
            expr.clone()
        }
        Expr::Literal(..) => expr.clone(),
        Expr::Alias(alias) => Expr::Alias(Alias {
            expr: boxed(&alias.expr)?,
            ..alias.clone()
        }),
        // Whether a person is there at all is a fact of that person's rows.
        Expr::IsNull(inner) if relation.role(inner) != Role::Plain => expr.clone(),
        Expr::IsNotNull(inner) if relation.role(inner) != Role::Plain => expr.clone(),
        Expr::IsNull(inner) => Expr::IsNull(boxed(inner)?),
        Expr::IsNotNull(inner) => Expr::IsNotNull(boxed(inner)?),
        Expr::Not(inner) => Expr::Not(boxed(inner)?),
        Expr::IsTrue(inner) => Expr::IsTrue(boxed(inner)?),
        Expr::IsFalse(inner) => Expr::IsFalse(boxed(inner)?),
        Expr::IsUnknown(inner) => Expr::IsUnknown(boxed(inner)?),
        Expr::IsNotTrue(inner) => Expr::IsNotTrue(boxed(inner)?),
        Expr::IsNotFalse(inner) => Expr::IsNotFalse(boxed(inner)?),
        Expr::IsNotUnknown(inner) => Expr::IsNotUnknown(boxed(inner)?),
        Expr::Negative(inner) => match literal(expr) {
            Some(value) => Expr::Literal(value, None),
            None => Total::call(Partial::Negate, vec![all(inner)?]),
        },
        Expr::BinaryExpr(binary) => self::binary(binary, expr, relation)?,
        Expr::Between(between) => Expr::Between(Between {
            expr: boxed(&between.expr)?,
            negated: between.negated,
            low: boxed(&between.low)?,
            high: boxed(&between.high)?,
        }),
        Expr::Like(like) => self::like(like, expr, relation)?,
        Expr::InList(list) => Expr::InList(InList {
            expr: boxed(&list.expr)?,
            list: list.list.iter().map(all).collect::<Result<_, _>>()?,
            negated: list.negated,
        }),
        Expr::Case(case) => Expr::Case(Case {
            expr: case.expr.as_deref().map(boxed).transpose()?,
            when_then_expr: case
                .when_then_expr
                .iter()
                .map(|(when, then)| Ok((boxed(when)?, boxed(then)?)))
                .collect::<Result<_, Refusal>>()?,
            else_expr: case.else_expr.as_deref().map(boxed).transpose()?,
        }),
        Expr::Cast(Cast { expr: inner, field }) | Expr::TryCast(TryCast { expr: inner, field }) => {
            cast(expr, inner, field.data_type(), relation)?
        }
        Expr::ScalarFunction(call) => function(call, expr, relation)?,
        Expr::AggregateFunction(_) | Expr::GroupingSet(_) => {
            return Err(Refusal::new(
                "S4",
                expr,
                "an aggregate cannot stand here",
                "aggregate in a subquery that is grouped by person_id, or at the top",
            ));
        }
        Expr::WindowFunction(_) => {
            return Err(Refusal::new(
                "S5",
                expr,
                "a window function cannot stand here",
                "compute it in a subquery, with PARTITION BY person_id",
            ));
        }
        Expr::ScalarSubquery(_) | Expr::SetComparison(_) => {
            return Err(Refusal::new(
                "S2",
                expr,
                "a subquery used as a value is computed over all persons",
                "join the subquery on person_id, or ask it as a question of its own and write its answer as a literal",
            ));
        }
        Expr::Exists(_) | Expr::InSubquery(_) => {
            return Err(Refusal::new(
                "S2",
                expr,
                "this subquery could not be turned into a join that binds the person",
                "compare person_id inside it with the outer person_id, at the top level of WHERE",
            ));
        }
        _ => {
            return Err(Refusal::new(
                "S1",
                expr,
                "this expression is not admitted",
                "use columns, literals, comparisons, arithmetic, CASE and the functions that `salus catalog show --functions` lists",
            ));
        }
    })
}

fn binary(binary: &BinaryExpr, whole: &Expr, relation: &Relation) -> Result<Expr, Refusal> {
    let (left, right) = (
        total(&binary.left, relation)?,
        total(&binary.right, relation)?,
    );
    match binary.op {
        Operator::Eq
        | Operator::NotEq
        | Operator::Lt
        | Operator::LtEq
        | Operator::Gt
        | Operator::GtEq
        | Operator::And
        | Operator::Or
        | Operator::IsDistinctFrom
        | Operator::IsNotDistinctFrom => Ok(Expr::BinaryExpr(BinaryExpr::new(
            Box::new(left),
            binary.op,
            Box::new(right),
        ))),
        Operator::StringConcat => Ok(Total::call(Partial::Concat, vec![left, right])),
        Operator::Plus
        | Operator::Minus
        | Operator::Multiply
        | Operator::Divide
        | Operator::Modulo => Ok(Total::call(
            Partial::Arithmetic(binary.op),
            vec![left, right],
        )),
        _ => Err(Refusal::new(
            "S1",
            whole,
            format!("the operator {} is not admitted", binary.op),
            "use comparisons, AND, OR, LIKE and + - * / %",
        )),
    }
}

fn cast(
    whole: &Expr,
    inner: &Expr,
    wanted: &DataType,
    relation: &Relation,
) -> Result<Expr, Refusal> {
    let simple = wanted.is_numeric()
        || matches!(
            wanted,
            DataType::Boolean
                | DataType::Utf8
                | DataType::LargeUtf8
                | DataType::Utf8View
                | DataType::Date32
                | DataType::Timestamp(..)
        );
    if !simple {
        return Err(Refusal::new(
            "S1",
            whole,
            format!("casting to {wanted} is not admitted"),
            "cast to a number, text, a date or a timestamp; add INTERVAL '30 days' to a date, not 30",
        ));
    }
    if let Some(value) = literal(whole) {
        return Ok(Expr::Literal(value, None));
    }
    if let Expr::Literal(value, _) = inner
        && !value.is_null()
        && value.cast_to(wanted).map_or(true, |value| value.is_null())
    {
        return Err(Refusal::new(
            "S1",
            whole,
            format!("{value} can never be a {wanted}"),
            "write a value of that type, for instance DATE '2025-01-01' or 12.5",
        ));
    }
    Ok(Total::call(
        Partial::Cast(wanted.clone()),
        vec![total(inner, relation)?],
    ))
}

/// A pattern that the query holds in full compiles or fails whatever the data.
fn like(like: &Like, whole: &Expr, relation: &Relation) -> Result<Expr, Refusal> {
    const MOST: usize = 1_000;
    if literal_text(&like.pattern).is_none_or(|pattern| pattern.len() > MOST) {
        return Err(Refusal::new(
            "function",
            whole,
            "the pattern of LIKE must be a short literal",
            "write the pattern itself, for instance LIKE 'E11%'",
        ));
    }
    Ok(Expr::Like(Like {
        expr: Box::new(total(&like.expr, relation)?),
        ..like.clone()
    }))
}

fn function(call: &ScalarFunction, whole: &Expr, relation: &Relation) -> Result<Expr, Refusal> {
    if !is_allowed(call.name()) {
        return Err(Refusal::new(
            "function",
            whole,
            format!("the function {} is not on the allow-list", call.name()),
            "`salus catalog show --functions` lists what may be used",
        ));
    }
    let args = call
        .args
        .iter()
        .map(|arg| total(arg, relation))
        .collect::<Result<Vec<_>, _>>()?;
    for (name, position) in [
        ("clamp", 1),
        ("clamp", 2),
        ("width_bucket", 1),
        ("width_bucket", 2),
        ("width_bucket", 3),
        ("age_band", 2),
        ("date_part", 0),
        ("date_trunc", 0),
    ] {
        if call.name() == name && call.args.get(position).and_then(literal).is_none() {
            return Err(Refusal::new(
                "function",
                whole,
                format!("argument {} of {name} must be a literal", position + 1),
                "write the value itself",
            ));
        }
    }
    if call.name() == AgeBand::NAME && AgeBand::numbered(whole).is_none() {
        return Err(Refusal::new(
            "function",
            whole,
            "the width of age_band must divide 90",
            "use 5, 10, 15, 30 or 45 years",
        ));
    }
    if call.name() == WidthBucket::NAME && WidthBucket::last(&call.args).is_none() {
        return Err(Refusal::new(
            "function",
            whole,
            "these bars of width_bucket make no sense",
            "write width_bucket(x, low, high, count) with low < high and 1 to 1000 bars",
        ));
    }
    if ["coalesce", "nvl"].contains(&call.name()) {
        // DataFusion only ever simplifies these, and would refuse to run them.
        return Ok(Total::call(Partial::Coalesce, args));
    }
    Ok(Total::call(Partial::Function(call.func.clone()), args))
}

/// Whether a value of this type can be summed without depending on the order of the rows.
pub(crate) fn is_exact(expr: &Expr, relation: &Relation) -> bool {
    expr.get_type(relation.schema()).is_ok_and(|kind| {
        kind.is_integer()
            || matches!(
                kind,
                DataType::Decimal128(..) | DataType::Boolean | DataType::Null
            )
    })
}
