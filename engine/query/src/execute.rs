//! Execution of a bounded plan: the only code that reads private tables for an answer, and it asks to see a charge.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Decimal128Type};
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::common::ScalarValue;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::datasource::empty::EmptyTable;
use datafusion::datasource::provider_as_source;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::memory_pool::GreedyMemoryPool;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::LogicalPlan;
use datafusion::optimizer::common_subexpr_eliminate::CommonSubexprEliminate;
use datafusion::optimizer::eliminate_filter::EliminateFilter;
use datafusion::optimizer::filter_null_join_keys::FilterNullJoinKeys;
use datafusion::optimizer::optimize_projections::OptimizeProjections;
use datafusion::optimizer::push_down_filter::PushDownFilter;
use datafusion::optimizer::simplify_expressions::SimplifyExpressions;
use datafusion::optimizer::{Optimizer, OptimizerRule};
use datafusion::prelude::SessionContext;
use futures::FutureExt;
use salus_lake::{Lake, Snapshot, TABLES};
use salus_ledger::{Charge, Exact};

use crate::release::Release;
use crate::session;

/// Memory of one question's operators. Public and the same for every question.
const MEMORY: usize = 6 << 30;

/// Optimises a bounded plan with the rules that have been reviewed: each keeps the multiset of every relation.
///
/// # Errors
/// If the optimised plan no longer has the joins, aggregates and scans of the plan that was analysed: then it is not the plan that was priced.
pub(crate) fn optimise(plan: LogicalPlan, state: &SessionState) -> Result<LogicalPlan> {
    let before = shape(&plan);
    let rules: Vec<Arc<dyn OptimizerRule + Send + Sync>> = vec![
        Arc::new(SimplifyExpressions::new()),
        Arc::new(EliminateFilter::new()),
        Arc::new(FilterNullJoinKeys::default()),
        Arc::new(PushDownFilter::new()),
        Arc::new(CommonSubexprEliminate::new()),
        Arc::new(OptimizeProjections::new()),
    ];
    let plan = Optimizer::with_rules(rules).optimize(plan, state, |_, _| {})?;
    // A filter that is always false may turn a branch into an empty relation; what is left must still be what was there.
    let after = shape(&plan);
    if before == after || plan_is_smaller(&before, &after, &plan) {
        return Ok(plan);
    }
    Err(DataFusionError::Internal(
        "the optimised plan is not the plan that was priced".into(),
    ))
}

/// Plans physically over empty tables: what DataFusion cannot plan is refused before a price is taken, not after.
pub(crate) async fn rehearse(plan: &LogicalPlan, state: &SessionState) -> Result<()> {
    let empty = plan.clone().transform_up(|node| match node {
        LogicalPlan::TableScan(mut scan) => {
            scan.source = provider_as_source(Arc::new(EmptyTable::new(scan.source.schema())));
            Ok(Transformed::yes(LogicalPlan::TableScan(scan)))
        }
        other => Ok(Transformed::no(other)),
    })?;
    let physical = state
        .query_planner()
        .create_physical_plan(&empty.data, state)
        .await?;
    datafusion::physical_plan::collect(physical, state.task_ctx()).await?;
    Ok(())
}

/// Operators on which sensitivity rests, in pre-order.
fn shape(plan: &LogicalPlan) -> Vec<String> {
    let mut shape = Vec::new();
    let _ = plan.apply(|node| {
        match node {
            LogicalPlan::Aggregate(aggregate) => {
                shape.push(format!("aggregate by {}", aggregate.group_expr.len()));
            }
            LogicalPlan::Join(join) => {
                shape.push(format!("{} join on {}", join.join_type, join.on.len()));
            }
            LogicalPlan::Distinct(_) => shape.push("distinct".to_owned()),
            LogicalPlan::TableScan(scan) => shape.push(format!("scan {}", scan.table_name)),
            LogicalPlan::Limit(_)
            | LogicalPlan::Window(_)
            | LogicalPlan::Union(_)
            | LogicalPlan::Sort(_) => shape.push(node.display().to_string()),
            _ => {}
        }
        Ok(datafusion::common::tree_node::TreeNodeRecursion::Continue)
    });
    shape
}

/// An empty relation in place of a branch reads less and keeps every bound; the aggregates above it must all be there.
fn plan_is_smaller(before: &[String], after: &[String], plan: &LogicalPlan) -> bool {
    let has_empty = plan
        .exists(|node| {
            Ok(matches!(node, LogicalPlan::EmptyRelation(relation) if !relation.produce_one_row))
        })
        .unwrap_or(false);
    has_empty
        && before.starts_with(
            &after[..after
                .iter()
                .take_while(|op| op.starts_with("aggregate"))
                .count()],
        )
        && after.len() < before.len()
}

/// Runs bounded plans on this machine.
pub(crate) struct Executor {
    context: SessionContext,
    lake: Lake,
}

impl std::fmt::Debug for Executor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Executor")
    }
}

impl Executor {
    pub(crate) fn new(lake: Lake) -> Result<Self> {
        let runtime = RuntimeEnvBuilder::new()
            .with_memory_pool(Arc::new(GreedyMemoryPool::new(MEMORY)))
            .build_arc()?;
        let state = session::builder()
            .with_runtime_env(runtime)
            .with_analyzer_rules(vec![])
            .with_optimizer_rules(vec![])
            .with_physical_optimizer_rules(
                datafusion::physical_optimizer::optimizer::PhysicalOptimizer::new().rules,
            )
            .build();
        Ok(Self {
            context: SessionContext::new_with_state(state),
            lake,
        })
    }

    /// For operators above the release, which see released numbers only.
    pub(crate) fn context(&self) -> &SessionContext {
        &self.context
    }

    /// The exact sums of a release: one vector per mechanism, one value per cell, zero where nobody is.
    ///
    /// # Guarantee
    /// Takes a [`Charge`], so a RESERVE entry is durable; gives an [`Exact`], which only that charge opens. The error says nothing.
    pub(crate) async fn execute(
        &self,
        _charge: &Charge,
        release: &Release,
        plan: &LogicalPlan,
        snapshot: &Snapshot,
    ) -> std::result::Result<Exact, ExecutionFailed> {
        // A panic is one more failure that must not say what caused it.
        AssertUnwindSafe(self.sums(release, plan, snapshot))
            .catch_unwind()
            .await
            .map_err(|_| ExecutionFailed)?
            .map(Exact::seal)
            .map_err(|_| ExecutionFailed)
    }

    async fn sums(
        &self,
        release: &Release,
        plan: &LogicalPlan,
        snapshot: &Snapshot,
    ) -> Result<Vec<Vec<i128>>> {
        let plan = self.bound_to(plan, snapshot)?;
        let batches = self
            .context
            .execute_logical_plan(plan)
            .await?
            .collect()
            .await?;
        let mut sums = vec![vec![0_i128; release.cells.len()]; release.contributions.len()];
        let index = release.cells.index();
        let keys = release.cells.keys.len();
        for batch in &batches {
            let values = (keys..batch.num_columns())
                .map(|j| wide(batch.column(j)))
                .collect::<Result<Vec<_>>>()?;
            for row in 0..batch.num_rows() {
                let Some(cell) = cell(batch, row, release, &index)? else {
                    continue;
                };
                for (sum, values) in sums.iter_mut().zip(&values) {
                    let values = values.as_primitive::<Decimal128Type>();
                    if values.is_valid(row) {
                        sum[cell] += values.value(row);
                    }
                }
            }
        }
        Ok(sums)
    }

    /// The same plan over the files of a snapshot.
    fn bound_to(&self, plan: &LogicalPlan, snapshot: &Snapshot) -> Result<LogicalPlan> {
        let bound = plan.clone().transform_up(|node| match node {
            LogicalPlan::TableScan(mut scan) if TABLES.contains(&scan.table_name.table()) => {
                let provider = self
                    .lake
                    .provider(snapshot, scan.table_name.table())
                    .map_err(|e| DataFusionError::External(Box::new(e)))?;
                scan.source = provider_as_source(provider);
                Ok(Transformed::yes(LogicalPlan::TableScan(scan)))
            }
            other => Ok(Transformed::no(other)),
        })?;
        Ok(bound.data)
    }
}

/// The question could not be executed. There is one such outcome, whatever the reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no answer could be produced; the budget stays spent")]
pub(crate) struct ExecutionFailed;

fn wide(column: &ArrayRef) -> Result<ArrayRef> {
    Ok(cast(column, &DataType::Decimal128(38, 0))?)
}

fn cell(
    batch: &RecordBatch,
    row: usize,
    release: &Release,
    index: &crate::release::CellIndex,
) -> Result<Option<usize>> {
    let values = release
        .cells
        .keys
        .iter()
        .enumerate()
        .map(|(i, key)| {
            ScalarValue::try_from_array(batch.column(i), row)?.cast_to(key.field.data_type())
        })
        .collect::<Result<Vec<_>>>()?;
    Ok(index.cell(values.into_iter()))
}
