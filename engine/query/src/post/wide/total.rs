//! Expressions above the releases. Released numbers are public, but an error after the purchase would waste it: functions are total here too.

use std::sync::Arc;

use datafusion::common::DFSchema;
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::expr::{AggregateFunction, AggregateFunctionParams};
use datafusion::logical_expr::{Expr, LogicalPlan, SortExpr};

use super::refuse;
use crate::derive::expression::total;
use crate::derive::relation::{Fact, Relation};

/// The total version of an expression over a relation.
pub(super) fn total_over(expr: &Expr, input: &LogicalPlan) -> Result<Expr> {
    total_in(expr, input.schema())
}

/// The total version of an expression over the columns of a schema.
pub(super) fn total_in(expr: &Expr, schema: &DFSchema) -> Result<Expr> {
    let relation = Relation {
        plan: LogicalPlan::EmptyRelation(datafusion::logical_expr::EmptyRelation {
            produce_one_row: false,
            schema: Arc::new(schema.clone()),
        }),
        unit: None,
        facts: schema.fields().iter().map(|_| Fact::plain()).collect(),
        rows: None,
        fan_out: 1,
        usual_rows: 1,
        codes: std::collections::BTreeMap::default(),
        step: 0,
    };
    total(expr, &relation).map_err(|refusal| DataFusionError::Plan(refusal.message))
}

/// Sort keys, each total.
pub(super) fn total_order(keys: &[SortExpr], input: &LogicalPlan) -> Result<Vec<SortExpr>> {
    let total = |key: &SortExpr| {
        Ok(SortExpr {
            expr: total_over(&key.expr, input)?,
            ..key.clone()
        })
    };
    keys.iter().map(total).collect()
}

/// An aggregate over released numbers, its arguments total.
pub(super) fn total_call(expr: &Expr, input: &LogicalPlan) -> Result<Expr> {
    let Expr::AggregateFunction(call) = crate::derive::strip_alias(expr) else {
        return refuse("an aggregate is expected here");
    };
    let params = &call.params;
    let args = params
        .args
        .iter()
        .map(|arg| total_over(arg, input))
        .collect::<Result<_>>()?;
    let filter = params
        .filter
        .as_ref()
        .map(|filter| total_over(filter, input).map(Box::new))
        .transpose()?;
    let order_by = total_order(&params.order_by, input)?;
    Ok(Expr::AggregateFunction(AggregateFunction {
        func: Arc::clone(&call.func),
        params: AggregateFunctionParams {
            args,
            filter,
            order_by,
            ..params.clone()
        },
    }))
}
