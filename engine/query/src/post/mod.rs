//! What stands above the releases runs on released numbers only, in full SQL: arithmetic, HAVING, ORDER BY, LIMIT, joins, windows, aggregates.

mod resample;
mod size;
mod split;
mod wide;

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::arrow::array::{Array, AsArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Field, Float64Type, Schema, SchemaRef};
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::catalog::TableProvider;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchemaRef, ScalarValue};
use datafusion::datasource::MemTable;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan, Operator};
use datafusion::prelude::SessionContext;
use salus_lake::Catalog;

use crate::canonical;
use crate::derive::strip_alias;
use crate::execute::few_rows;
use crate::question::Planned;
use crate::refusal::Refusal;
use crate::release::Release;
use crate::unresolved::said;
pub(crate) use resample::Repetitions;
pub(crate) use split::{ReleasedAggregate, Split, released_scan, split};
pub(crate) use wide::Origin;
use wide::{REPETITION, Wide, Widening, World};

/// Column that says which cell of its release a row of released numbers is.
pub(crate) const CELL: &str = "__salus_cell";

/// The operators above the releases, ready to run on released numbers.
#[derive(Debug, Clone)]
pub(crate) struct PostProcessing {
    above: LogicalPlan,
    /// Of each release: what its columns are, and schema of the numbers.
    releases: Vec<(Vec<Number>, SchemaRef)>,
    /// Columns of the answer.
    pub columns: Vec<AnswerColumn>,
}

/// What a column of a release is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Number {
    /// A key.
    Key,
    /// A number whose interval follows from its own noise.
    Direct,
    /// A number computed from several: its interval is resampled.
    Computed,
}

/// A column of the answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AnswerColumn {
    pub name: String,
    pub origin: Origin,
    pub kind: ColumnType,
}

/// What the values of a column are. It follows from the question alone, so that an empty answer has types as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnType {
    /// True or false.
    Boolean,
    /// Whole numbers.
    Integer,
    /// Numbers.
    Number,
    /// Texts.
    Text,
    /// Days, as text in the form of ISO 8601.
    Date,
    /// Points in time, as text in the form of ISO 8601.
    Timestamp,
}

impl ColumnType {
    fn of(kind: &DataType) -> Self {
        match kind {
            DataType::Boolean => Self::Boolean,
            DataType::Date32 | DataType::Date64 => Self::Date,
            DataType::Timestamp(..) => Self::Timestamp,
            DataType::Dictionary(_, values) => Self::of(values),
            kind if kind.is_integer() => Self::Integer,
            kind if kind.is_numeric() => Self::Number,
            _ => Self::Text,
        }
    }
}

/// A row of the answer.
#[derive(Debug, Clone)]
pub(crate) struct AnswerRow {
    pub values: Vec<ScalarValue>,
    identity: Vec<ScalarValue>,
}

impl AnswerRow {
    /// The cell of its release that a released number comes from; `None` where an outer join found none.
    pub(crate) fn cell(&self, identity: usize) -> Option<usize> {
        match self.identity.get(identity)? {
            ScalarValue::UInt64(Some(cell)) => usize::try_from(*cell).ok(),
            _ => None,
        }
    }
}

/// Values of the computed columns of one row, one list for each column: what they were in each repetition that gave a number.
pub(crate) type Samples = Vec<Vec<f64>>;

impl PostProcessing {
    /// Checks what stands above the releases.
    pub(crate) fn analyse(
        above: LogicalPlan,
        releases: &[Planned],
        catalog: &Catalog,
    ) -> std::result::Result<Self, Refusal> {
        let most = |release: &Release| match release.threshold {
            None => release.cells.len() as u64,
            // How many groups there are is not known before; there are to be no more than public ones could be.
            Some(_) => catalog.max_cells,
        };
        let numbers: Vec<_> = releases.iter().map(|part| part.release.numbers()).collect();
        let numbers = numbers.iter().map(Vec::as_slice);
        let rows = releases.iter().map(|part| most(&part.release));
        let tables = size::Tables {
            releases: &numbers.zip(rows).collect::<Vec<_>>(),
            measurements: catalog.measurements.len() as u64,
        };
        size::refuse_too_many(&above, &tables, catalog.max_cells)?;
        let releases = releases
            .iter()
            .map(|part| {
                let schema = Arc::new(released_schema(&part.release.schema));
                (part.release.numbers(), schema)
            })
            .collect();
        let mut post = Self {
            above,
            releases,
            columns: Vec::new(),
        };
        let refused = |e: DataFusionError| {
            Refusal::new(
                "release",
                "SELECT",
                said(&e),
                "select the keys and the aggregates; compute with them afterwards",
            )
        };
        let world = post.nothing(false).map_err(refused)?;
        let wide = post.widen(&world, None).map_err(refused)?;
        let names = post.above.schema().fields().iter();
        post.columns = names
            .zip(&wide.origins)
            .map(|(field, origin)| AnswerColumn {
                name: field.name().clone(),
                origin: *origin,
                kind: ColumnType::of(field.data_type()),
            })
            .collect();
        Ok(post)
    }

    /// The operators in canonical text.
    pub(crate) fn canonical(&self) -> Result<String> {
        canonical::text(&self.above)
    }

    /// Whether somewhere a whole number is divided by a whole number.
    pub(crate) fn divides_whole_numbers(&self) -> bool {
        let mut divides = false;
        let _ = self.above.apply(|node| {
            let inputs = node.inputs();
            let Some(input) = inputs.first() else {
                return Ok(TreeNodeRecursion::Continue);
            };
            node.apply_expressions(|whole| {
                whole.apply(|expr| {
                    if let Expr::BinaryExpr(binary) = expr
                        && binary.op == Operator::Divide
                    {
                        let kind = |expr: &Expr| expr.get_type(input.schema());
                        let whole = |expr: &Expr| kind(expr).is_ok_and(|kind| kind.is_integer());
                        divides |= whole(&binary.left) && whole(&binary.right);
                    }
                    Ok(TreeNodeRecursion::Continue)
                })
            })
        });
        divides
    }

    /// Whether a column of the answer is computed from released numbers.
    pub(crate) fn computes(&self) -> bool {
        self.columns.iter().any(|c| c.origin == Origin::Derived)
    }

    /// Runs the operators on no released rows and a few of those that the question brings along, so that what cannot run is refused before a price
    /// is taken.
    pub(crate) async fn rehearse(&self, state: &SessionState) -> Result<()> {
        if picked(&self.above).is_some() {
            return Ok(());
        }
        let context = SessionContext::new_with_state(state.clone());
        let few = Self {
            above: few_rows(&self.above, 2)?,
            ..self.clone()
        };
        let (world, again) = (few.nothing(false)?, few.nothing(true)?);
        few.rows(&context, &world).await?;
        if few.computes() {
            few.samples(&context, &world, &again).await?;
        }
        Ok(())
    }

    /// The rows of the answer over released numbers, one batch for each release: columns `c0`, `c1` … and [`CELL`].
    pub(crate) async fn answer(
        &self,
        context: &SessionContext,
        released: Vec<RecordBatch>,
    ) -> Result<Vec<AnswerRow>> {
        if let Some((release, columns)) = picked(&self.above)
            && let Some(batch) = released.get(release)
        {
            return pick(batch, &columns);
        }
        let world = World::new(released.into_iter().map(|batch| vec![batch]), None)?;
        self.rows(context, &world).await
    }

    /// What the computed columns of each row are in repetitions of the noise.
    pub(crate) async fn repeat(
        &self,
        context: &SessionContext,
        released: Vec<RecordBatch>,
        repetitions: &Repetitions,
        rows: &[AnswerRow],
    ) -> Result<Vec<Samples>> {
        let world = World::new(released.into_iter().map(|batch| vec![batch]), None)?;
        let again = repetitions.world()?;
        let found = self.samples(context, &world, &again).await?;
        // Rows with one identity are the same row twice; they share their error bars.
        let none = || vec![Vec::new(); self.columns.len()];
        let of_row = |row: &AnswerRow| found.get(&row.identity).cloned().unwrap_or_else(none);
        Ok(rows.iter().map(of_row).collect())
    }

    fn widen(&self, answered: &World, resampled: Option<&World>) -> Result<Wide> {
        let numbers: Vec<&[Number]> = self.releases.iter().map(|(n, _)| n.as_slice()).collect();
        let widening = Widening::new(&numbers, answered, resampled);
        match resampled {
            None => widening.answered(&self.above),
            Some(_) => widening.resampled(&self.above),
        }
    }

    /// Empty tables.
    fn nothing(&self, resampled: bool) -> Result<World> {
        let tables = self.releases.iter().map(|(_, schema)| {
            let schema = if resampled {
                resample::repeated_schema(schema)
            } else {
                Arc::clone(schema)
            };
            vec![RecordBatch::new_empty(schema)]
        });
        let none = resampled.then(|| resample::repetitions(0)).transpose()?;
        World::new(tables, none)
    }

    async fn rows(&self, context: &SessionContext, world: &World) -> Result<Vec<AnswerRow>> {
        let (batches, own, ids) = run(context, self.widen(world, None)?).await?;
        let mut rows = Vec::new();
        for batch in &batches {
            for row in 0..batch.num_rows() {
                rows.push(AnswerRow {
                    values: values(batch, row, &own)?,
                    identity: values(batch, row, &ids)?,
                });
            }
        }
        Ok(rows)
    }

    async fn samples(
        &self,
        context: &SessionContext,
        answered: &World,
        resampled: &World,
    ) -> Result<HashMap<Vec<ScalarValue>, Samples>> {
        let (batches, own, ids) = run(context, self.widen(answered, Some(resampled))?).await?;
        let mut samples: HashMap<Vec<ScalarValue>, Samples> = HashMap::new();
        for batch in &batches {
            let computed = self
                .columns
                .iter()
                .zip(&own)
                .map(|(column, position)| {
                    let array = batch.column(*position);
                    (column.origin == Origin::Derived && array.data_type().is_numeric())
                        .then(|| cast(array, &DataType::Float64))
                        .transpose()
                })
                .collect::<std::result::Result<Vec<_>, _>>()?;
            for row in 0..batch.num_rows() {
                let of_row = samples
                    .entry(values(batch, row, &ids)?)
                    .or_insert_with(|| vec![Vec::new(); self.columns.len()]);
                for (samples, column) in of_row.iter_mut().zip(&computed) {
                    let Some(column) = column else { continue };
                    let column = column.as_primitive::<Float64Type>();
                    if column.is_valid(row) && column.value(row).is_finite() {
                        samples.push(column.value(row));
                    }
                }
            }
        }
        Ok(samples)
    }
}

/// Where nothing is computed, only columns of one release chosen and named: the release and its columns. No operator need run then.
fn picked(above: &LogicalPlan) -> Option<(usize, Vec<usize>)> {
    match above {
        LogicalPlan::TableScan(scan) => {
            let release = split::release_of_table(scan.table_name.table())?;
            let width = scan.projected_schema.fields().len();
            Some((release, (0..width).collect()))
        }
        LogicalPlan::SubqueryAlias(node) => picked(&node.input),
        LogicalPlan::Projection(node) => {
            let (release, below) = picked(&node.input)?;
            let place = |expr: &Expr| {
                let column = strip_alias(expr).try_as_col()?;
                let place = node.input.schema().maybe_index_of_column(column)?;
                below.get(place).copied()
            };
            let columns = node.expr.iter().map(place).collect::<Option<_>>()?;
            Some((release, columns))
        }
        _ => None,
    }
}

fn pick(batch: &RecordBatch, columns: &[usize]) -> Result<Vec<AnswerRow>> {
    let cell = [batch.schema().index_of(CELL)?];
    let rows = (0..batch.num_rows()).map(|row| {
        Ok(AnswerRow {
            values: values(batch, row, columns)?,
            identity: values(batch, row, &cell)?,
        })
    });
    rows.collect()
}

/// Runs a plan: its rows, with the positions of its own columns and of what the rows are known by.
async fn run(
    context: &SessionContext,
    wide: Wide,
) -> Result<(Vec<RecordBatch>, Vec<usize>, Vec<usize>)> {
    let own = wide.positions(&wide.columns)?;
    let ids = wide.positions(&wide.identity)?;
    let rows = context.execute_logical_plan(wide.plan).await?;
    Ok((rows.collect().await?, own, ids))
}

impl World {
    fn new(
        tables: impl Iterator<Item = Vec<RecordBatch>>,
        repetitions: Option<RecordBatch>,
    ) -> Result<Self> {
        let table = |batches: Vec<RecordBatch>| -> Result<Arc<dyn TableProvider>> {
            let schema = batches
                .first()
                .map_or_else(|| Arc::new(Schema::empty()), RecordBatch::schema);
            Ok(Arc::new(MemTable::try_new(schema, vec![batches])?))
        };
        Ok(Self {
            released: tables.map(table).collect::<Result<_>>()?,
            repetitions: repetitions.map(|batch| table(vec![batch])).transpose()?,
        })
    }
}

impl Wide {
    /// Positions of columns in the output.
    fn positions(&self, columns: &[Column]) -> Result<Vec<usize>> {
        columns
            .iter()
            .map(|column| self.plan.schema().index_of_column(column))
            .collect()
    }
}

fn values(batch: &RecordBatch, row: usize, columns: &[usize]) -> Result<Vec<ScalarValue>> {
    columns
        .iter()
        .map(|column| ScalarValue::try_from_array(batch.column(*column), row))
        .collect()
}

/// Schema of the released numbers as the operators above take them.
pub(crate) fn released_schema(release: &DFSchemaRef) -> Schema {
    let columns = release
        .fields()
        .iter()
        .enumerate()
        .map(|(i, field)| Field::new(format!("c{i}"), field.data_type().clone(), true));
    Schema::new(
        columns
            .chain([Field::new(CELL, DataType::UInt64, false)])
            .collect::<Vec<_>>(),
    )
}
