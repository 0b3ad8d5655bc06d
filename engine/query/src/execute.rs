//! Execution of a bounded plan: the only code that reads private tables for an answer, and it asks to see a charge.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use datafusion::arrow::array::{Array, ArrayRef, AsArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Decimal128Type, Int64Type, SchemaRef};
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::common::ScalarValue;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::datasource::{MemTable, provider_as_source};
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::memory_pool::GreedyMemoryPool;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::LogicalPlan;
use datafusion::prelude::{SessionContext, lit, when};
use futures::FutureExt;
use salus_lake::{Catalog, Lake, Snapshot};
use salus_ledger::{Charge, Column, Exact, Groups};

use crate::question::Planned;
use crate::release::{BoundedPlan, Release};
use crate::{session, unknown};

/// Memory of one question's operators. Public and the same for every question.
const MEMORY: usize = 6 << 30;

/// Longest that one question runs, whatever it reads: nothing may wait for ever.
const DEADLINE: Duration = Duration::from_mins(30);

/// What every question may take, and one for each so many rows that the catalog expects it to read.
const LEAST_TIME: Duration = Duration::from_mins(1);
const ROWS_PER_SECOND: u64 = 250_000;

/// How long a question may run: a function of plan and catalog. A machine that reads [`ROWS_PER_SECOND`] is not thrown out by it; one that is slower
/// than that fails at a time that says nothing of the rows.
fn deadline(releases: &[Planned], catalog: &Catalog) -> Duration {
    let plans = releases.iter().flat_map(|part| &part.plans);
    let mut rows = 0_u64;
    for bounded in plans {
        let _ = bounded.plan.apply(|node| {
            if let LogicalPlan::TableScan(scan) = node
                && let Some(table) = catalog.table(scan.table_name.table())
            {
                let all = catalog
                    .population_ceiling
                    .saturating_mul(table.rows_per_person);
                rows = rows.saturating_add(all);
            }
            Ok(TreeNodeRecursion::Continue)
        });
    }
    let reading = Duration::from_secs(rows / ROWS_PER_SECOND);
    LEAST_TIME.saturating_add(reading).min(DEADLINE)
}

/// Plans and runs over tables of made-up rows: what DataFusion cannot plan, or cannot run as soon as a row arrives, is refused before a price is
/// taken, not after. Filters are computed but let every row pass, so that rows reach the operators above them.
pub(crate) async fn rehearse(plan: &LogicalPlan, state: &SessionState) -> Result<()> {
    // All made-up rows are one person's, so joins multiply them.
    let mut relations = 0_u32;
    plan.apply(|node| {
        let reads = matches!(node, LogicalPlan::TableScan(_) | LogicalPlan::Values(_));
        relations += u32::from(reads);
        Ok(TreeNodeRecursion::Continue)
    })?;
    let fits = |rows: &usize| rows.checked_pow(relations).is_some_and(|all| all <= 4096);
    let rows = [4, 2].into_iter().find(fits).unwrap_or(1);
    let made_up = few_rows(plan, rows)?.transform_up(|node| match node {
        LogicalPlan::TableScan(mut scan) => {
            let rows = made_up(scan.source.schema(), rows)?;
            scan.source = provider_as_source(Arc::new(MemTable::try_new(
                rows.schema(),
                vec![vec![rows]],
            )?));
            Ok(Transformed::yes(LogicalPlan::TableScan(scan)))
        }
        LogicalPlan::Filter(mut filter) => {
            filter.predicate = when(filter.predicate, lit(true)).otherwise(lit(true))?;
            Ok(Transformed::yes(LogicalPlan::Filter(filter)))
        }
        other => Ok(Transformed::no(other)),
    })?;
    let physical = state
        .query_planner()
        .create_physical_plan(&made_up.data, state)
        .await?;
    datafusion::physical_plan::collect(physical, state.task_ctx()).await?;
    Ok(())
}

/// The same plan over at most so many rows of each list of values.
pub(crate) fn few_rows(plan: &LogicalPlan, rows: usize) -> Result<LogicalPlan> {
    let few = plan.clone().transform_up(|node| match node {
        LogicalPlan::Values(mut values) => {
            values.values.truncate(rows);
            Ok(Transformed::yes(LogicalPlan::Values(values)))
        }
        other => Ok(Transformed::no(other)),
    })?;
    Ok(few.data)
}

/// A row of NULLs, as far as the schema allows, and rows without; a single row is one without.
fn made_up(schema: SchemaRef, rows: usize) -> Result<RecordBatch> {
    let columns = schema.fields().iter().map(|field| {
        let some = ScalarValue::new_default(field.data_type())?;
        let none = if field.is_nullable() {
            ScalarValue::try_from(field.data_type())?
        } else {
            some.clone()
        };
        let nulls = usize::from(rows > 1);
        let values = std::iter::repeat_n(none, nulls);
        ScalarValue::iter_to_array(values.chain(std::iter::repeat_n(some, rows - nulls)))
    });
    let columns = columns.collect::<Result<_>>()?;
    Ok(RecordBatch::try_new(schema, columns)?)
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

    /// The same with so many partitions, and so many rows in a batch. With many, branches of a union are also read at the same time, in whatever order
    /// their rows come.
    #[cfg(test)]
    pub(crate) fn laid_out(self, partitions: usize, batch: usize) -> Self {
        let state = self.context.state();
        let config = state.config().clone();
        let config = config
            .with_target_partitions(partitions)
            .with_prefer_existing_union(partitions < 4)
            .with_batch_size(batch);
        let state = datafusion::execution::SessionStateBuilder::new_from_existing(state)
            .with_config(config)
            .build();
        Self {
            context: SessionContext::new_with_state(state),
            ..self
        }
    }

    /// For operators above the release, which see released numbers only.
    pub(crate) fn context(&self) -> &SessionContext {
        &self.context
    }

    /// The exact sums of all releases: one vector per mechanism, one value per cell, zero where nobody is.
    ///
    /// # Guarantee
    /// Takes a [`Charge`], so a RESERVE entry is durable; gives an [`Exact`], which only that charge opens. The error says nothing.
    pub(crate) async fn execute(
        &self,
        _charge: &Charge,
        releases: &[Planned],
        snapshot: &Snapshot,
    ) -> std::result::Result<Exact, ExecutionFailed> {
        let deadline = deadline(releases, self.lake.catalog());
        within(deadline, self.exact(releases, snapshot))
            .await
            .map(|(columns, groups)| Exact::seal_groups(columns, groups))
    }

    /// What [`Self::execute`] seals.
    async fn exact(&self, releases: &[Planned], snapshot: &Snapshot) -> Result<Unsealed> {
        let mut columns = Vec::new();
        let mut groups = Vec::new();
        for part in releases {
            let mut rows = Vec::with_capacity(part.plans.len());
            for bounded in &part.plans {
                rows.push((bounded, self.rows(&bounded.plan, snapshot).await?));
            }
            let (sums, keys) = match part.release.threshold {
                None => {
                    let sums = sums(&part.release, &rows)?;
                    (sums.into_iter().map(Column::Dense).collect(), None)
                }
                Some((minimum, _)) => unknown::sums(&part.release, &rows, minimum)?,
            };
            columns.extend(sums);
            groups.push(keys);
        }
        Ok((columns, groups))
    }

    /// The same without a charge, which only tests may do without.
    #[cfg(test)]
    pub(crate) async fn without_charge(
        &self,
        releases: &[Planned],
        snapshot: &Snapshot,
    ) -> Result<Unsealed> {
        self.exact(releases, snapshot).await
    }

    /// The operators that would run.
    #[cfg(test)]
    pub(crate) async fn physical(
        &self,
        plan: &LogicalPlan,
        snapshot: &Snapshot,
    ) -> Result<Arc<dyn datafusion::physical_plan::ExecutionPlan>> {
        let plan = self.bound_to(plan, snapshot)?;
        let plan = self.context.execute_logical_plan(plan).await?;
        plan.create_physical_plan().await
    }

    async fn rows(&self, plan: &LogicalPlan, snapshot: &Snapshot) -> Result<Vec<RecordBatch>> {
        let plan = self.bound_to(plan, snapshot)?;
        self.context
            .execute_logical_plan(plan)
            .await?
            .collect()
            .await
    }

    /// The same plan over the files of a snapshot.
    fn bound_to(&self, plan: &LogicalPlan, snapshot: &Snapshot) -> Result<LogicalPlan> {
        let bound = plan.clone().transform_up(|node| match node {
            LogicalPlan::TableScan(mut scan)
                if self.lake.schema(scan.table_name.table()).is_some() =>
            {
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

/// Whatever goes wrong in `work` is the one failure that says nothing. A panic too: its message can hold a value of somebody's record. So is not
/// being done in time.
pub(crate) async fn contained<T>(
    work: impl Future<Output = Result<T>>,
) -> std::result::Result<T, ExecutionFailed> {
    within(DEADLINE, work).await
}

async fn within<T>(
    deadline: Duration,
    work: impl Future<Output = Result<T>>,
) -> std::result::Result<T, ExecutionFailed> {
    let work = AssertUnwindSafe(work).catch_unwind();
    match tokio::time::timeout(deadline, work).await {
        Ok(Ok(Ok(done))) => Ok(done),
        Ok(Ok(Err(_)) | Err(_)) | Err(_) => Err(ExecutionFailed),
    }
}

/// Columns of the mechanisms, and for each release its groups where keys are not public.
type Unsealed = (Vec<Column>, Vec<Option<Groups>>);

/// A bounded plan and its rows.
pub(crate) type Filling<'a> = (&'a BoundedPlan, Vec<RecordBatch>);

/// The values of each mechanism, cell by cell, of a release whose keys are public.
fn sums(release: &Release, plans: &[Filling<'_>]) -> Result<Vec<Vec<i128>>> {
    let cells = release.cells.len();
    let lengths = release.contributions.iter().map(|c| c.values() * cells);
    let mut sums: Vec<_> = lengths.map(|length| vec![0_i128; length]).collect();
    let index = release.cells.index();
    for (bounded, rows) in plans {
        for batch in rows {
            for row in Rows::of(batch, index.keys(), bounded.numbers())?.iter() {
                let (keys, leaf, numbers) = row?;
                let Some(cell) = index.cell(keys.into_iter()) else {
                    continue;
                };
                for (mechanism, number) in bounded.fills.iter().zip(numbers) {
                    let sums = &mut sums[*mechanism];
                    let places = release.places(*mechanism, cell, leaf);
                    places.for_each(|place| sums[place] += number);
                }
            }
        }
    }
    Ok(sums)
}

/// Rows of a bounded plan: keys, in a tree the leaf, then the numbers.
pub(crate) struct Rows {
    keys: Vec<ArrayRef>,
    leaves: Option<ArrayRef>,
    numbers: Vec<ArrayRef>,
    count: usize,
}

impl Rows {
    pub(crate) fn of(batch: &RecordBatch, keys: usize, numbers: usize) -> Result<Self> {
        let columns = batch.columns();
        let (keys, rest) = columns.split_at(keys.min(columns.len()));
        let leaves = rest
            .len()
            .checked_sub(numbers + 1)
            .and_then(|leaf| rest.get(leaf));
        let first = rest.len().saturating_sub(numbers);
        Ok(Self {
            keys: keys.to_vec(),
            leaves: leaves
                .map(|leaves| cast(leaves, &DataType::Int64))
                .transpose()?,
            numbers: rest.iter().skip(first).map(wide).collect::<Result<_>>()?,
            count: batch.num_rows(),
        })
    }

    /// The keys, the leaf, and the numbers of each row; NULL is nothing.
    pub(crate) fn iter(
        &self,
    ) -> impl Iterator<Item = Result<(Vec<ScalarValue>, Option<usize>, Vec<i128>)>> {
        (0..self.count).map(|row| {
            let keys = self.keys.iter();
            let keys = keys.map(|column| ScalarValue::try_from_array(column, row));
            let leaf = self.leaves.as_ref().map(AsArray::as_primitive::<Int64Type>);
            let leaf = leaf.filter(|leaves| leaves.is_valid(row));
            let leaf = leaf.and_then(|leaves| usize::try_from(leaves.value(row)).ok());
            let numbers = self.numbers.iter().map(|numbers| {
                let numbers = numbers.as_primitive::<Decimal128Type>();
                if numbers.is_valid(row) {
                    numbers.value(row)
                } else {
                    0
                }
            });
            Ok((keys.collect::<Result<_>>()?, leaf, numbers.collect()))
        })
    }
}

fn wide(column: &ArrayRef) -> Result<ArrayRef> {
    Ok(cast(column, &DataType::Decimal128(38, 0))?)
}

#[cfg(test)]
mod tests {
    use datafusion::logical_expr::{
        ColumnarValue, LogicalPlanBuilder, Volatility, col, create_udf, lit,
    };

    use super::*;

    #[tokio::test]
    async fn errors_and_panics_of_an_execution_are_one_failure() {
        let context = SessionContext::new();
        for panics in [true, false] {
            let fails = create_udf(
                "fails",
                vec![DataType::Int64],
                DataType::Int64,
                Volatility::Volatile,
                Arc::new(move |_: &[ColumnarValue]| {
                    assert!(!panics, "Jane Doe");
                    Err(DataFusionError::Execution("Jane Doe".into()))
                }),
            );
            let plan = LogicalPlanBuilder::values(vec![vec![lit(1_i64)]])
                .and_then(|rows| rows.project(vec![fails.call(vec![col("column1")])]))
                .and_then(LogicalPlanBuilder::build)
                .unwrap();
            let run = async { context.execute_logical_plan(plan).await?.collect().await };
            let failure = contained(run).await.unwrap_err();
            assert_eq!(failure, ExecutionFailed);
            assert!(!format!("{failure} {failure:?}").contains("Jane"));
        }
    }

    #[tokio::test]
    async fn what_never_ends_is_the_same_failure() {
        let never = std::future::pending::<Result<()>>();
        let failure = within(Duration::from_millis(20), never).await;
        assert_eq!(failure.unwrap_err(), ExecutionFailed);
    }
}
