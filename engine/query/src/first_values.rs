//! The first value of an order, written as a subquery: `(SELECT o.value FROM observation o WHERE o.person_id = p.person_id ORDER BY … LIMIT 1)`.
//!
//! It says what LEFT JOIN LATERAL says, and becomes that.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, NullEquality};
use datafusion::error::Result;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::logical_plan::{
    FetchType, Filter, Join, JoinConstraint, JoinType, Projection, Subquery, SubqueryAlias,
};
use datafusion::logical_expr::{Expr, LogicalPlan};

use crate::derive::strip_alias;

/// The plan with such subqueries joined.
pub(crate) fn as_laterals(plan: LogicalPlan, state: &SessionState) -> Result<LogicalPlan> {
    let rewritten = plan.transform_up_with_subqueries(|node| match node {
        LogicalPlan::Filter(filter) => {
            let columns = filter.input.schema().columns();
            let mut input = Arc::clone(&filter.input);
            let predicate = joined(filter.predicate, &mut input, state)?;
            if !predicate.transformed {
                return Ok(Transformed::no(LogicalPlan::Filter(Filter::try_new(
                    predicate.data,
                    input,
                )?)));
            }
            let filter = LogicalPlan::Filter(Filter::try_new(predicate.data, input)?);
            // What was joined is no column of the rows.
            let columns = columns.into_iter().map(Expr::Column).collect();
            let rows = Projection::try_new(columns, Arc::new(filter))?;
            Ok(Transformed::yes(LogicalPlan::Projection(rows)))
        }
        LogicalPlan::Projection(projection) => {
            let names = NamePreserver::new_for_projection();
            let mut input = Arc::clone(&projection.input);
            let mut changed = false;
            let exprs = projection.expr.iter().map(|expr| {
                let name = names.save(expr);
                let expr = joined(expr.clone(), &mut input, state)?;
                changed |= expr.transformed;
                Ok(name.restore(expr.data))
            });
            let exprs = exprs.collect::<Result<Vec<_>>>()?;
            if !changed {
                return Ok(Transformed::no(LogicalPlan::Projection(projection)));
            }
            let projection = Projection::try_new(exprs, input)?;
            Ok(Transformed::yes(LogicalPlan::Projection(projection)))
        }
        other => Ok(Transformed::no(other)),
    })?;
    Ok(rewritten.data)
}

/// An expression with the columns of what is joined to `input` in place of its subqueries.
fn joined(
    expr: Expr,
    input: &mut Arc<LogicalPlan>,
    state: &SessionState,
) -> Result<Transformed<Expr>> {
    expr.transform_up(|part| match part {
        Expr::ScalarSubquery(subquery) => {
            let Some((limited, value)) = first(&subquery) else {
                return Ok(Transformed::no(Expr::ScalarSubquery(subquery)));
            };
            let aliases = &state.execution_props().alias_generator;
            let alias = aliases.next("__salus_first");
            let value = value.transform_up(|expr| match expr {
                Expr::Column(column) => {
                    let column = Column::new(Some(alias.as_str()), column.name);
                    Ok(Transformed::yes(Expr::Column(column)))
                }
                other => Ok(Transformed::no(other)),
            })?;
            let right = LogicalPlan::Subquery(subquery.with_plan(limited));
            let right = SubqueryAlias::try_new(Arc::new(right), alias.as_str())?;
            let join = Join::try_new(
                Arc::clone(input),
                Arc::new(LogicalPlan::SubqueryAlias(right)),
                vec![],
                None,
                JoinType::Left,
                JoinConstraint::On,
                NullEquality::NullEqualsNothing,
                false,
            )?;
            *input = Arc::new(LogicalPlan::Join(join));
            Ok(Transformed::yes(value.data))
        }
        other => Ok(Transformed::no(other)),
    })
}

/// The rows of a subquery that gives one at most for each row outside that it asks about, and what is computed of that one: the planner puts a cast
/// there where types are made alike.
fn first(subquery: &Subquery) -> Option<(Arc<LogicalPlan>, Expr)> {
    let (limited, value) = match subquery.subquery.as_ref() {
        LogicalPlan::Projection(above) => {
            let [value] = above.expr.as_slice() else {
                return None;
            };
            (Arc::clone(&above.input), strip_alias(value).clone())
        }
        other => {
            let [column] = other.schema().columns().try_into().ok()?;
            (Arc::clone(&subquery.subquery), Expr::Column(column))
        }
    };
    let LogicalPlan::Limit(limit) = limited.as_ref() else {
        return None;
    };
    let one = matches!(limit.get_fetch_type(), Ok(FetchType::Literal(Some(1))));
    (one && !subquery.outer_ref_columns.is_empty()).then_some((limited, value))
}
