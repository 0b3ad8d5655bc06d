//! `SELECT 'a' AS code UNION ALL SELECT 'b'` is a list of values, as `VALUES` is.

use std::sync::Arc;

use datafusion::common::tree_node::Transformed;
use datafusion::error::Result;
use datafusion::logical_expr::logical_plan::{Projection, Values};
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder};

use crate::derive::relation::literal;

/// The plan with constant rows as lists of values, under the names and types that they had.
pub(crate) fn listed(plan: LogicalPlan) -> Result<LogicalPlan> {
    let rewritten = plan.transform_up_with_subqueries(|node| {
        let rows = match &node {
            LogicalPlan::Projection(projection) => row(projection).map(|row| vec![row]),
            LogicalPlan::Union(union) => {
                let parts = union.inputs.iter().map(|part| rows(part));
                parts
                    .collect::<Option<Vec<_>>>()
                    .map(|parts| parts.concat())
            }
            _ => None,
        };
        match rows {
            Some(rows) => Ok(Transformed::yes(list(rows, &node)?)),
            None => Ok(Transformed::no(node)),
        }
    })?;
    Ok(rewritten.data)
}

/// The values of a SELECT without FROM.
fn row(projection: &Projection) -> Option<Vec<Expr>> {
    let LogicalPlan::EmptyRelation(nothing) = projection.input.as_ref() else {
        return None;
    };
    let value = |expr: &Expr| Some(Expr::Literal(literal(expr)?, None));
    nothing
        .produce_one_row
        .then(|| projection.expr.iter().map(value).collect())?
}

/// The rows of a list that was made here.
fn rows(plan: &LogicalPlan) -> Option<Vec<Vec<Expr>>> {
    match plan {
        LogicalPlan::Projection(projection) => match projection.input.as_ref() {
            LogicalPlan::Values(values) if stands_as_it_is(projection, values) => {
                Some(values.values.clone())
            }
            _ => None,
        },
        _ => None,
    }
}

/// Whether every column is under another name and nothing else.
fn stands_as_it_is(projection: &Projection, values: &Values) -> bool {
    let columns = values.schema.columns();
    let is_own = |(expr, column): (&Expr, _)| matches!(expr, Expr::Alias(alias) if *alias.expr == Expr::Column(column));
    projection.expr.len() == columns.len() && projection.expr.iter().zip(columns).all(is_own)
}

fn list(rows: Vec<Vec<Expr>>, named: &LogicalPlan) -> Result<LogicalPlan> {
    // As the types were: of text beside NULL it is text.
    let typed = rows.into_iter().map(|row| {
        let fields = named.schema().fields().iter();
        let cell = |(cell, field): (Expr, &Arc<_>)| {
            let field: &datafusion::arrow::datatypes::Field = field;
            match cell {
                Expr::Literal(value, _) => {
                    Ok(Expr::Literal(value.cast_to(field.data_type())?, None))
                }
                other => Ok(other),
            }
        };
        row.into_iter()
            .zip(fields)
            .map(cell)
            .collect::<Result<Vec<_>>>()
    });
    let list = LogicalPlanBuilder::values(typed.collect::<Result<Vec<_>>>()?)?.build()?;
    let own = list.schema().columns().into_iter();
    let columns = own
        .zip(named.schema().iter())
        .map(|(column, (qualifier, field))| {
            Expr::Column(column).alias_qualified(qualifier.cloned(), field.name())
        });
    let list = Projection::try_new(columns.collect(), Arc::new(list))?;
    Ok(LogicalPlan::Projection(list))
}
