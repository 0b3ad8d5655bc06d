//! Public key domains: the values a grouping key can take, known without looking at the data.

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::arrow::array::{Array as _, RecordBatch};
use datafusion::arrow::datatypes::DataType;
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::logical_expr::execution_props::ExecutionProps;
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::logical_expr::{Expr, ExprSchemable};
use datafusion::physical_expr::create_physical_expr;

use super::days;
use super::expression::total;
use super::relation::{Relation, literal, literal_text};
use crate::functions::age::AgeBand;
use crate::functions::bucket::WidthBucket;
use crate::functions::clamp::Clamp;

/// A domain larger than this is no list of categories.
pub(super) const MOST_VALUES: usize = 1_000;

/// The values that are not NULL, in the order they were declared.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Domain {
    pub values: Vec<ScalarValue>,
    /// Nothing else can occur, by construction; otherwise the data may hold other values, which become OTHER.
    pub closed: bool,
    /// NULL may occur beside the values, as far as the type allows it.
    pub null: bool,
}

impl Domain {
    pub(crate) fn closed(values: Vec<ScalarValue>) -> Self {
        Self {
            values,
            closed: true,
            null: true,
        }
    }

    /// Nothing but the values can occur.
    pub(crate) fn exactly(values: Vec<ScalarValue>) -> Self {
        Self {
            null: false,
            ..Self::closed(values)
        }
    }

    pub(crate) fn declared(values: Vec<ScalarValue>) -> Self {
        Self {
            values,
            closed: false,
            null: true,
        }
    }

    /// The same values, and NULL.
    pub(super) fn or_null(self) -> Self {
        Self { null: true, ..self }
    }

    pub(super) fn union(mut self, other: Self) -> Self {
        for value in other.values {
            if !self.values.contains(&value) {
                self.values.push(value);
            }
        }
        self.closed &= other.closed;
        self.null |= other.null;
        self
    }
}

/// The public domain of an expression over a relation, if it has one.
///
/// # Guarantee
/// A function of the expression and the catalog; a closed domain holds every value the expression can take, NULL apart.
pub(crate) fn domain_of(expr: &Expr, relation: &Relation) -> Option<Domain> {
    let data_type = expr.get_type(relation.schema()).ok()?;
    let domain = find(expr, relation, &data_type)?;
    (domain.values.len() <= MOST_VALUES).then_some(domain)
}

fn find(expr: &Expr, relation: &Relation, data_type: &DataType) -> Option<Domain> {
    if *data_type == DataType::Boolean {
        return Some(Domain::closed(vec![
            ScalarValue::Boolean(Some(false)),
            ScalarValue::Boolean(Some(true)),
        ]));
    }
    if let Some(value) = literal(expr) {
        let value = value.cast_to(data_type).ok()?;
        let values = if value.is_null() { vec![] } else { vec![value] };
        return Some(Domain::closed(values));
    }
    match expr {
        Expr::Alias(alias) => find(&alias.expr, relation, data_type),
        Expr::Column(column) => {
            let known = relation.fact(column)?.domain.clone();
            known.or_else(|| days::domain("day", expr, relation, data_type))
        }
        Expr::Case(case) => {
            let branches = case.when_then_expr.iter().map(|(_, then)| then);
            branches
                .chain(&case.else_expr)
                .map(|branch| find(branch, relation, data_type))
                .reduce(|all, branch| Some(all?.union(branch?)))
                .flatten()
                .map(Domain::or_null)
        }
        // What begins a day is that day.
        Expr::Cast(cast) if *data_type == DataType::Date32 => {
            let inner = cast.expr.get_type(relation.schema()).ok()?;
            let domain = find(&cast.expr, relation, &inner)?;
            let days = domain.values.iter().map(|value| {
                let day = value.cast_to(data_type).ok()?;
                (day.cast_to(&inner).ok()? == *value).then_some(day)
            });
            Some(Domain {
                values: days.collect::<Option<_>>()?,
                ..domain
            })
        }
        // Between string types a cast changes no value.
        Expr::Cast(cast) if is_text(data_type) && is_text_of(&cast.expr, relation) => {
            let inner = cast.expr.get_type(relation.schema()).ok()?;
            let domain = find(&cast.expr, relation, &inner)?;
            let values = domain.values.iter().map(|value| value.cast_to(data_type));
            Some(Domain {
                values: values.collect::<Result<_, _>>().ok()?,
                ..domain
            })
        }
        Expr::ScalarFunction(call) => of_function(call.name(), &call.args, relation, data_type)
            .or_else(|| computed(expr, relation, data_type)),
        _ => computed(expr, relation, data_type),
    }
}

/// What is computed from one column with a domain can only be what it is of one of the values: of each it is computed here, as it will be of rows.
fn computed(expr: &Expr, relation: &Relation, data_type: &DataType) -> Option<Domain> {
    let columns: Vec<_> = expr.column_refs().into_iter().collect();
    let [column] = columns.as_slice() else {
        return None;
    };
    let (_, field) = relation.schema().qualified_field_from_column(column).ok()?;
    let kind = field.data_type();
    let domain = find(&Expr::Column((*column).clone()), relation, kind)?;
    if data_type.is_floating() || domain.values.len() > MOST_VALUES {
        return None;
    }
    let mut given = domain.values.clone();
    if domain.null || !domain.closed {
        given.push(ScalarValue::try_from(kind).ok()?);
    }
    let given = given.iter().map(|value| value.cast_to(kind));
    let given = ScalarValue::iter_to_array(given.collect::<Result<Vec<_>, _>>().ok()?).ok()?;
    let nullable = Arc::new(field.as_ref().clone().with_nullable(true));
    let named = vec![(column.relation.clone(), nullable)];
    let schema = DFSchema::new_with_metadata(named, HashMap::new()).ok()?;
    let rows = RecordBatch::try_new(Arc::clone(schema.inner()), vec![given]).ok()?;
    let computes = total(expr, relation).ok()?;
    let computes = create_physical_expr(
        &computes,
        &schema,
        &ExecutionProps::new(),
        &PhysicalPlanningContext::default(),
    )
    .ok()?;
    let found = computes.evaluate(&rows).ok()?;
    let found = found.into_array(rows.num_rows()).ok()?;
    let mut values = Vec::new();
    let mut null = !domain.closed;
    for row in 0..found.len() {
        let value = ScalarValue::try_from_array(&found, row).ok()?;
        if value.is_null() {
            null = true;
            continue;
        }
        let value = value.cast_to(data_type).ok()?;
        if !values.contains(&value) {
            values.push(value);
        }
    }
    let closed = domain.closed;
    (!values.is_empty()).then_some(Domain {
        values,
        closed,
        null,
    })
}

fn is_text_of(expr: &Expr, relation: &Relation) -> bool {
    let kind = expr.get_type(relation.schema());
    kind.is_ok_and(|kind| is_text(&kind))
}

fn is_text(data_type: &DataType) -> bool {
    matches!(
        data_type,
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View
    )
}

fn of_function(
    name: &str,
    args: &[Expr],
    relation: &Relation,
    data_type: &DataType,
) -> Option<Domain> {
    match (name, args) {
        (AgeBand::NAME, [_, _, width]) => {
            let bands = AgeBand::domain(whole(width)?.try_into().ok()?)?;
            Some(Domain::closed(
                bands.into_iter().map(ScalarValue::from).collect(),
            ))
        }
        (WidthBucket::NAME, args) => range(0, WidthBucket::last(args)?.into(), data_type),
        (Clamp::NAME, [_, low, high]) if data_type.is_integer() => {
            range(whole(low)?, whole(high)?, data_type)
        }
        ("date_part", [part, of]) => {
            // A duration has days and hours without end.
            let of = of.get_type(relation.schema()).ok()?;
            if !matches!(
                of,
                DataType::Date32 | DataType::Date64 | DataType::Timestamp(..)
            ) {
                return None;
            }
            let (low, high) = match literal_text(part)?.to_ascii_lowercase().as_str() {
                "year" => {
                    let (first, last) = days::years(&args[1], relation)?;
                    // A day between two others is not NULL.
                    let years = range(first, last, data_type)?;
                    return Some(Domain::exactly(years.values));
                }
                "month" => (1, 12),
                "week" => (1, 53),
                "day" => (1, 31),
                "doy" => (1, 366),
                "minute" => (0, 59),
                "quarter" => (1, 4),
                "dow" => (0, 6),
                "hour" => (0, 23),
                _ => return None,
            };
            range(low, high, data_type)
        }
        ("date_trunc", [part, of]) => {
            let part = literal_text(part)?.to_ascii_lowercase();
            days::domain(&part, of, relation, data_type)
        }
        ("coalesce" | "nvl", args) => args
            .iter()
            .map(|arg| find(arg, relation, data_type))
            .reduce(|all, arg| Some(all?.union(arg?)))
            .flatten()
            .map(Domain::or_null),
        _ => None,
    }
}

fn whole(expr: &Expr) -> Option<i64> {
    match literal(expr)?.cast_to(&DataType::Int64).ok()? {
        ScalarValue::Int64(value) => value,
        _ => None,
    }
}

fn range(low: i64, high: i64, data_type: &DataType) -> Option<Domain> {
    if high < low || usize::try_from(high.abs_diff(low)).ok()? >= MOST_VALUES {
        return None;
    }
    let values = (low..=high).map(|value| ScalarValue::Int64(Some(value)).cast_to(data_type));
    Some(Domain::closed(values.collect::<Result<_, _>>().ok()?))
}
