//! A key that is written twice is one key.
//!
//! DataFusion's aggregate has a column for each different key and keeps what was written beside it. All that reads keys and columns side by side would be
//! off by one from the second of equal keys on.

use datafusion::common::tree_node::Transformed;
use datafusion::error::Result;
use datafusion::logical_expr::logical_plan::Aggregate;
use datafusion::logical_expr::{Expr, LogicalPlan};

use crate::refusal::Refusal;

/// The plan with each key of an aggregate named once. The columns are the same.
pub(crate) fn named_once(plan: LogicalPlan) -> Result<LogicalPlan> {
    let rewritten = plan.transform_up_with_subqueries(|node| match node {
        LogicalPlan::Aggregate(aggregate) => {
            let mut keys: Vec<Expr> = Vec::with_capacity(aggregate.group_expr.len());
            for key in &aggregate.group_expr {
                if !keys.contains(key) {
                    keys.push(key.clone());
                }
            }
            if keys.len() == aggregate.group_expr.len() {
                return Ok(Transformed::no(LogicalPlan::Aggregate(aggregate)));
            }
            let rewritten = Aggregate::try_new_with_schema(
                aggregate.input,
                keys,
                aggregate.aggr_expr,
                aggregate.schema,
            )?;
            Ok(Transformed::yes(LogicalPlan::Aggregate(rewritten)))
        }
        other => Ok(Transformed::no(other)),
    })?;
    Ok(rewritten.data)
}

/// Refuses an aggregate whose columns are not its keys and then its values, one for one.
pub(crate) fn expect_a_column_each(aggregate: &Aggregate) -> std::result::Result<(), Refusal> {
    let written = aggregate.group_expr.len() + aggregate.aggr_expr.len();
    if aggregate.schema.fields().len() == written {
        return Ok(());
    }
    Err(Refusal::new(
        "keys",
        "GROUP BY",
        "these keys are not a column each",
        "name each key once",
    ))
}
