//! Windows partitioned by no more than tells their rows apart.
//!
//! Where rows are one per person, `PARTITION BY person_id, k` is `PARTITION BY person_id`, and needs no sort by `k`. DataFusion 55 takes that sort away
//! and keeps `k`: the window operators look for its order, do not find it, and fail as soon as they start. Whether they do depends on the number of
//! partitions, which is the number of cores.

use std::sync::Arc;

use datafusion::common::Dependency;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::error::Result;
use datafusion::logical_expr::expr::WindowFunction;
use datafusion::logical_expr::logical_plan::Window;
use datafusion::logical_expr::{Expr, LogicalPlan};

/// The same plan: a partition that holds one row whatever its last columns are does not need them.
pub(crate) fn with_least_partitions(plan: LogicalPlan) -> Result<LogicalPlan> {
    plan.transform_up(|node| match node {
        LogicalPlan::Window(window) => least(&window).map(|less| match less {
            Some(less) => Transformed::yes(LogicalPlan::Window(less)),
            None => Transformed::no(LogicalPlan::Window(window)),
        }),
        other => Ok(Transformed::no(other)),
    })
    .data()
}

/// The window with less to partition by, where there is more than a key of its rows.
fn least(window: &Window) -> Result<Option<Window>> {
    let mut changed = false;
    let expressions = window.window_expr.iter().map(|expression| {
        let (call, name) = match expression {
            Expr::Alias(alias) => (alias.expr.as_ref(), alias.name.clone()),
            other => (other, other.schema_name().to_string()),
        };
        let Expr::WindowFunction(call) = call else {
            return expression.clone();
        };
        let Some(key) = key(&call.params.partition_by, &window.input) else {
            return expression.clone();
        };
        changed = true;
        let mut call: WindowFunction = call.as_ref().clone();
        call.params.partition_by = key;
        Expr::from(call).alias(name)
    });
    let expressions = expressions.collect();
    if !changed {
        return Ok(None);
    }
    Window::try_new(expressions, Arc::clone(&window.input)).map(Some)
}

/// Those of the columns that are a key of the rows, if they are not all of them.
fn key(columns: &[Expr], input: &LogicalPlan) -> Option<Vec<Expr>> {
    let schema = input.schema();
    let dependencies = schema.functional_dependencies();
    let mut keys = dependencies.iter().filter(|dependency| {
        dependency.mode == Dependency::Single && dependency.source_indices.len() < columns.len()
    });
    keys.find_map(|dependency| {
        let sources = dependency.source_indices.iter();
        let key = sources.map(|index| Expr::Column(schema.qualified_field(*index).into()));
        let key: Vec<Expr> = key.collect();
        key.iter()
            .all(|column| columns.contains(column))
            .then_some(key)
    })
}
