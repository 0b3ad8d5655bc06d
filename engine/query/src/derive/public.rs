//! What is known of public rows because they are public: their values, and how many of them a join can match.

use std::collections::HashMap;

use datafusion::common::ScalarValue;
use datafusion::logical_expr::{Expr, ExprSchemable as _, LogicalPlan};
use salus_lake::Catalog;

use super::domain::{Domain, MOST_VALUES};
use super::relation::literal;
use super::strip_alias;
use crate::public::{MEASUREMENT, columns};

/// A column of public rows.
type Column = Vec<ScalarValue>;

/// The columns of a relation that is public rows as they stand, but for names, choice of columns, and filters: then at least its rows.
fn rows_of(plan: &LogicalPlan, catalog: &Catalog) -> Option<Vec<Column>> {
    match plan {
        LogicalPlan::Values(values) => {
            let width = values.schema.fields().len();
            let column = |i: usize| values.values.iter().map(move |row| literal(row.get(i)?));
            (0..width).map(|i| column(i).collect()).collect()
        }
        LogicalPlan::TableScan(scan) if scan.table_name.table() == MEASUREMENT => {
            let texts = |of: fn(&salus_lake::Measurement) -> String| -> Column {
                let texts = catalog.measurements.iter().map(of);
                texts.map(ScalarValue::from).collect()
            };
            Some(columns().into_iter().map(|(_, of)| texts(of)).collect())
        }
        LogicalPlan::SubqueryAlias(node) => rows_of(&node.input, catalog),
        LogicalPlan::Filter(node) => rows_of(&node.input, catalog),
        LogicalPlan::Projection(node) => {
            let below = rows_of(&node.input, catalog)?;
            let of = |expr: &Expr| {
                let Expr::Column(column) = strip_alias(expr) else {
                    return None;
                };
                let place = node.input.schema().maybe_index_of_column(column)?;
                below.get(place).cloned()
            };
            node.expr.iter().map(of).collect()
        }
        _ => None,
    }
}

/// The domains of the columns of public rows.
pub(super) fn domains(plan: &LogicalPlan, catalog: &Catalog) -> Option<Vec<Option<Domain>>> {
    let fields = plan.schema().fields().iter();
    let domain = |(column, kind): (Column, _)| {
        let mut values = Vec::new();
        for value in column {
            let value = value.cast_to(kind).ok()?;
            if !value.is_null() && !values.contains(&value) {
                values.push(value);
            }
            if values.len() > MOST_VALUES {
                return None;
            }
        }
        Some(Domain::closed(values))
    };
    let columns = rows_of(plan, catalog)?.into_iter();
    let typed = columns.zip(fields.map(|field| field.data_type()));
    Some(typed.map(domain).collect())
}

/// How many public rows an equality of `keys` matches at most, as far as can be told. It decides a default, and bounds nothing.
pub(super) fn usual_matches(plan: &LogicalPlan, keys: &[&Expr], catalog: &Catalog) -> Option<u64> {
    let columns = rows_of(plan, catalog)?;
    let places = keys.iter().map(|key| match strip_cast(key) {
        Expr::Column(column) => columns.get(plan.schema().maybe_index_of_column(column)?),
        _ => None,
    });
    let keys: Vec<&Column> = places.collect::<Option<_>>()?;
    let rows = keys.first()?.len();
    let mut matches: HashMap<Vec<&ScalarValue>, u64> = HashMap::new();
    for row in 0..rows {
        let key: Option<Vec<_>> = keys.iter().map(|column| column.get(row)).collect();
        *matches.entry(key?).or_default() += 1;
    }
    matches.into_values().max()
}

/// How many public rows an equality of `keys` matches at most: known where the keys are columns as they stand, or text that is only held otherwise.
pub(super) fn most_matches(plan: &LogicalPlan, keys: &[&Expr], catalog: &Catalog) -> Option<u64> {
    let keeps = |key: &&Expr| match key {
        Expr::Column(_) => true,
        Expr::Cast(cast) => {
            let from = cast.expr.get_type(plan.schema()).ok();
            matches!(*cast.expr, Expr::Column(_))
                && from.is_some_and(|from| from.is_string() && cast.field.data_type().is_string())
        }
        _ => false,
    };
    keys.iter()
        .all(keeps)
        .then(|| usual_matches(plan, keys, catalog))
        .flatten()
}

fn strip_cast(expr: &Expr) -> &Expr {
    match expr {
        Expr::Alias(alias) => strip_cast(&alias.expr),
        Expr::Cast(cast) => strip_cast(&cast.expr),
        other => other,
    }
}
