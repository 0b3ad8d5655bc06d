//! Optimisation of a bounded plan, with the rules that have been reviewed and a check that what comes out is what was priced.

use std::sync::Arc;

use datafusion::common::get_required_group_by_exprs_indices;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::logical_plan::Aggregate;
use datafusion::logical_expr::{Expr, LogicalPlan};
use datafusion::optimizer::common_subexpr_eliminate::CommonSubexprEliminate;
use datafusion::optimizer::eliminate_filter::EliminateFilter;
use datafusion::optimizer::filter_null_join_keys::FilterNullJoinKeys;
use datafusion::optimizer::optimize_projections::OptimizeProjections;
use datafusion::optimizer::push_down_filter::PushDownFilter;
use datafusion::optimizer::simplify_expressions::SimplifyExpressions;
use datafusion::optimizer::{Optimizer, OptimizerRule};

use crate::derive::strip_alias;
use crate::least_partitions::with_least_partitions;

/// Optimises a bounded plan: each rule keeps the multiset of every relation.
///
/// # Errors
/// If the optimised plan no longer has the joins, aggregates and scans of the plan that was analysed: then it is not the plan that was priced.
pub(crate) fn optimise(plan: &LogicalPlan, state: &SessionState) -> Result<LogicalPlan> {
    let rules: Vec<Arc<dyn OptimizerRule + Send + Sync>> = vec![
        Arc::new(SimplifyExpressions::new()),
        Arc::new(EliminateFilter::new()),
        Arc::new(FilterNullJoinKeys::default()),
        Arc::new(PushDownFilter::new()),
        Arc::new(CommonSubexprEliminate::new()),
        Arc::new(OptimizeProjections::new()),
    ];
    optimise_with(rules, plan, state)
}

fn optimise_with(
    rules: Vec<Arc<dyn OptimizerRule + Send + Sync>>,
    plan: &LogicalPlan,
    state: &SessionState,
) -> Result<LogicalPlan> {
    let optimised = Optimizer::with_rules(rules).optimize(plan.clone(), state, |_, _| {})?;
    if same_bones(plan, &optimised) {
        return with_least_partitions(optimised);
    }
    Err(DataFusionError::Internal(
        "the optimised plan is not the plan that was priced".into(),
    ))
}

/// Whether two plans have the same operators on which sensitivity rests, in the same tree.
///
/// An empty relation may stand for any branch: a filter that is always false becomes one, and no rows are nobody's rows. A window whose result
/// nobody reads may go: it keeps every row.
fn same_bones(before: &LogicalPlan, after: &LogicalPlan) -> bool {
    let (before, after) = (skip_flesh(before), skip_flesh(after));
    if let (LogicalPlan::Window(unread), false) = (before, matches!(after, LogicalPlan::Window(_)))
    {
        return same_bones(&unread.input, after);
    }
    if matches!(after, LogicalPlan::EmptyRelation(relation) if !relation.produce_one_row) {
        return true;
    }
    let (inputs, outputs) = (before.inputs(), after.inputs());
    bone(before) == bone(after)
        && inputs.len() == outputs.len()
        && inputs
            .into_iter()
            .zip(outputs)
            .all(|(before, after)| same_bones(before, after))
}

/// Down past what multiplies and mixes no rows.
fn skip_flesh(plan: &LogicalPlan) -> &LogicalPlan {
    match plan {
        LogicalPlan::Projection(node) => skip_flesh(&node.input),
        LogicalPlan::Filter(node) => skip_flesh(&node.input),
        LogicalPlan::SubqueryAlias(node) => skip_flesh(&node.input),
        other => other,
    }
}

/// An operator as far as the number of rows per person depends on it. A join may gain conditions from filters above it; it may not lose any.
fn bone(plan: &LogicalPlan) -> String {
    match plan {
        LogicalPlan::Aggregate(node) => format!("aggregate by at least {}", least_keys(node)),
        LogicalPlan::Join(node) => format!("{} join on {}", node.join_type, node.on.len()),
        LogicalPlan::TableScan(node) => format!("scan {}", node.table_name),
        // What stands in the rows may be computed beforehand; how many they are may not change.
        LogicalPlan::Values(node) => {
            format!(
                "{} rows of {}",
                node.values.len(),
                node.schema.fields().len()
            )
        }
        LogicalPlan::Window(node) => {
            let partitions = node.window_expr.iter().map(|expr| match strip_alias(expr) {
                Expr::WindowFunction(call) => call.params.partition_by.len(),
                _ => 0,
            });
            format!("window by at least {:?}", partitions.min())
        }
        other => other.display().to_string(),
    }
}

/// How many keys make the groups: a key that the others decide makes none, and may go.
fn least_keys(aggregate: &Aggregate) -> usize {
    let keys = aggregate.group_expr.iter();
    let names: Vec<_> = keys.map(|key| key.schema_name().to_string()).collect();
    get_required_group_by_exprs_indices(aggregate.input.schema(), &names)
        .map_or(names.len(), |least| least.len())
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::datatypes::{DataType, Field, Schema};
    use datafusion::common::JoinType;
    use datafusion::common::tree_node::Transformed;
    use datafusion::functions_aggregate::expr_fn::sum;
    use datafusion::logical_expr::{LogicalPlanBuilder, col, lit, table_scan};
    use datafusion::optimizer::{ApplyOrder, OptimizerConfig};

    use super::*;

    fn scan(table: &str) -> LogicalPlanBuilder {
        let columns = ["person_id", "amount"].map(|name| Field::new(name, DataType::Int64, true));
        table_scan(Some(table), &Schema::new(columns.to_vec()), None).unwrap()
    }

    /// Two tables joined, one row per person, summed.
    fn priced() -> LogicalPlanBuilder {
        let visits = scan("visits").build().unwrap();
        let joined = scan("people")
            .join(
                visits,
                JoinType::Inner,
                (vec!["people.person_id"], vec!["visits.person_id"]),
                None,
            )
            .unwrap();
        joined
            .aggregate(
                vec![col("people.person_id")],
                vec![sum(col("visits.amount"))],
            )
            .unwrap()
    }

    /// A rule with a fault: it rewrites an operator into one that is not the same.
    #[derive(Debug)]
    struct Fault(fn(&LogicalPlan) -> Option<LogicalPlan>);

    impl OptimizerRule for Fault {
        fn name(&self) -> &'static str {
            "fault"
        }

        fn apply_order(&self) -> Option<ApplyOrder> {
            Some(ApplyOrder::TopDown)
        }

        fn rewrite(
            &self,
            plan: LogicalPlan,
            _: &dyn OptimizerConfig,
        ) -> Result<Transformed<LogicalPlan>> {
            Ok((self.0)(&plan).map_or_else(|| Transformed::no(plan), Transformed::yes))
        }
    }

    fn state() -> SessionState {
        crate::session::builder().build()
    }

    #[test]
    fn the_reviewed_rules_keep_the_bones() {
        let plan = priced()
            .filter(col("people.person_id").gt(lit(3)))
            .unwrap()
            .build()
            .unwrap();
        optimise(&plan, &state()).unwrap();
    }

    #[test]
    fn a_rule_that_changes_a_bone_is_caught() {
        let faults: [fn(&LogicalPlan) -> Option<LogicalPlan>; 3] = [
            |plan| match plan {
                LogicalPlan::Distinct(node) => Some(node.input().as_ref().clone()),
                _ => None,
            },
            |plan| match plan {
                LogicalPlan::Join(node) if !node.on.is_empty() => {
                    let mut node = node.clone();
                    node.on.clear();
                    Some(LogicalPlan::Join(node))
                }
                _ => None,
            },
            |plan| match plan {
                LogicalPlan::TableScan(node) if node.table_name.table() == "visits" => {
                    let mut node = node.clone();
                    node.table_name = "people".into();
                    Some(LogicalPlan::TableScan(node))
                }
                _ => None,
            },
        ];
        for (i, fault) in faults.into_iter().enumerate() {
            let plan = priced().distinct().unwrap().build().unwrap();
            let error = optimise_with(vec![Arc::new(Fault(fault))], &plan, &state()).unwrap_err();
            let error = error.to_string();
            assert!(
                error.contains("not the plan that was priced"),
                "{i}: {error}"
            );
        }
    }

    #[test]
    fn an_empty_branch_is_no_ones_rows() {
        let nobody = scan("visits").filter(lit(false)).unwrap().build().unwrap();
        let plan = scan("people")
            .join(
                nobody,
                JoinType::Left,
                (vec!["people.person_id"], vec!["visits.person_id"]),
                None,
            )
            .unwrap()
            .aggregate(
                vec![col("people.person_id")],
                vec![sum(col("visits.amount"))],
            )
            .unwrap()
            .build()
            .unwrap();
        let optimised = optimise(&plan, &state()).unwrap();
        assert!(
            optimised
                .display_indent()
                .to_string()
                .contains("EmptyRelation"),
            "{optimised}"
        );
        // What stands beside the empty branch is still compared.
        let fault = |plan: &LogicalPlan| match plan {
            LogicalPlan::TableScan(node) if node.table_name.table() == "people" => {
                let mut node = node.clone();
                node.table_name = "strangers".into();
                Some(LogicalPlan::TableScan(node))
            }
            _ => None,
        };
        assert!(optimise_with(vec![Arc::new(Fault(fault))], &optimised, &state()).is_err());
    }
}
