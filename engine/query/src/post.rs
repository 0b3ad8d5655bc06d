//! What stands above the release runs on released numbers only: renaming, HAVING, ORDER BY, LIMIT.

use std::sync::Arc;

use datafusion::arrow::array::AsArray;
use datafusion::arrow::datatypes::UInt64Type;
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::common::{Column, DFSchemaRef, plan_err};
use datafusion::datasource::{MemTable, provider_as_source};
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::logical_plan::{Aggregate, Filter, Projection, Sort, SubqueryAlias};
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, SortExpr};
use datafusion::prelude::SessionContext;

use crate::derive::expression::total;
use crate::derive::named;
use crate::derive::relation::{Fact, Relation, literal};
use crate::refusal::Refusal;

/// Column that says which cell a row of the answer is.
pub(crate) const CELL: &str = "__salus_cell";

/// The release within a question's plan.
pub(crate) fn release_of(plan: &LogicalPlan) -> std::result::Result<&Aggregate, Refusal> {
    match plan {
        LogicalPlan::Aggregate(aggregate) => Ok(aggregate),
        LogicalPlan::Projection(Projection { input, .. })
        | LogicalPlan::Filter(Filter { input, .. })
        | LogicalPlan::Sort(Sort { input, .. })
        | LogicalPlan::SubqueryAlias(SubqueryAlias { input, .. }) => release_of(input),
        LogicalPlan::Limit(limit) => release_of(&limit.input),
        LogicalPlan::Explain(_) | LogicalPlan::Analyze(_) | LogicalPlan::DescribeTable(_) => {
            Err(Refusal::new(
                "statement",
                "EXPLAIN",
                "plans and their metrics depend on the data",
                "use `salus query --dry-run` for price and derivation",
            ))
        }
        LogicalPlan::Join(_) => Err(Refusal::new(
            "release",
            "JOIN above the aggregate",
            "released numbers cannot be joined here",
            "join person-level rows on person_id below one aggregate, or ask two questions",
        )),
        LogicalPlan::Union(_) => Err(Refusal::new(
            "S6",
            "UNION",
            "UNION is not admitted",
            "ask the parts as questions of their own",
        )),
        LogicalPlan::Distinct(_) => Err(Refusal::new(
            "release",
            "SELECT DISTINCT",
            "rows of the data cannot be shown",
            "aggregate them: COUNT(DISTINCT person_id) … GROUP BY",
        )),
        LogicalPlan::Window(_) => Err(Refusal::new(
            "S5",
            "OVER",
            "window functions are not admitted",
            "aggregate per person in a subquery: GROUP BY person_id",
        )),
        LogicalPlan::TableScan(_) | LogicalPlan::Values(_) | LogicalPlan::EmptyRelation(_) => {
            Err(Refusal::new(
                "release",
                "SELECT",
                "rows of the data cannot be shown, only noisy aggregates of them",
                "use COUNT(DISTINCT person_id), COUNT(*), SUM or AVG",
            ))
        }
        _ => Err(Refusal::new(
            "statement",
            plan.display(),
            "only SELECT is admitted",
            "ask with one SELECT … FROM … WHERE … GROUP BY",
        )),
    }
}

/// The operators above the release, ready to run on released numbers.
#[derive(Debug, Clone)]
pub(crate) struct PostProcessing {
    top: LogicalPlan,
    /// For each column of the answer, the column of the release it is.
    pub columns: Vec<AnswerColumn>,
}

/// A column of the answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AnswerColumn {
    pub name: String,
    /// Position in the aggregate's output: keys first, then aggregates.
    pub origin: usize,
}

impl PostProcessing {
    /// Checks what stands above the release.
    pub(crate) fn analyse(top: &LogicalPlan) -> std::result::Result<Self, Refusal> {
        let release = release_of(top)?;
        let columns = top
            .schema()
            .iter()
            .enumerate()
            .map(|(index, (_, field))| {
                Ok(AnswerColumn {
                    name: field.name().clone(),
                    origin: origin(top, index)?,
                })
            })
            .collect::<std::result::Result<_, Refusal>>()?;
        let post = Self {
            top: top.clone(),
            columns,
        };
        let empty = RecordBatch::new_empty(Arc::new(released_schema(&release.schema)));
        post.plan(empty).map_err(|e| {
            Refusal::new(
                "release",
                "SELECT",
                e.strip_backtrace(),
                "select the keys and the aggregates; compute with them afterwards",
            )
        })?;
        Ok(post)
    }

    /// Runs the operators on no rows at all, so that what cannot run is refused before a price is taken.
    pub(crate) async fn rehearse(&self, state: &SessionState) -> Result<()> {
        let context = SessionContext::new_with_state(state.clone());
        let release = release_of(&self.top).map_err(|e| DataFusionError::Plan(e.message))?;
        let empty = RecordBatch::new_empty(Arc::new(released_schema(&release.schema)));
        self.run(&context, empty).await.map(drop)
    }

    fn plan(&self, released: RecordBatch) -> Result<LogicalPlan> {
        above(&self.top, released)
    }

    /// Runs the operators on released numbers: columns `c0`, `c1` … of the release, and [`CELL`]. Returns rows with the cell each came from.
    pub(crate) async fn run(
        &self,
        context: &SessionContext,
        released: RecordBatch,
    ) -> Result<Vec<(RecordBatch, Vec<u64>)>> {
        let batches = context
            .execute_logical_plan(self.plan(released)?)
            .await?
            .collect()
            .await?;
        batches
            .into_iter()
            .map(|batch| {
                let last = batch.num_columns() - 1;
                let cells = batch
                    .column(last)
                    .as_primitive::<UInt64Type>()
                    .values()
                    .to_vec();
                Ok((batch.project(&(0..last).collect::<Vec<_>>())?, cells))
            })
            .collect()
    }
}

/// Schema of the released numbers as the operators above take them.
pub(crate) fn released_schema(release: &DFSchemaRef) -> datafusion::arrow::datatypes::Schema {
    use datafusion::arrow::datatypes::{DataType, Field, Schema};
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

fn above(plan: &LogicalPlan, released: RecordBatch) -> Result<LogicalPlan> {
    match plan {
        LogicalPlan::Aggregate(aggregate) => {
            let table = MemTable::try_new(released.schema(), vec![vec![released]])?;
            let scan = LogicalPlanBuilder::scan(
                "__salus_released",
                provider_as_source(Arc::new(table)),
                None,
            )?;
            let renamed = aggregate
                .schema
                .iter()
                .enumerate()
                .map(|(i, (qualifier, field))| {
                    Expr::Column(Column::new(Some("__salus_released"), format!("c{i}")))
                        .alias_qualified(qualifier.cloned(), field.name())
                });
            let cell = Expr::Column(Column::new(Some("__salus_released"), CELL)).alias(CELL);
            scan.project(renamed.chain([cell]).collect::<Vec<_>>())?
                .build()
        }
        LogicalPlan::Projection(projection) => {
            let input = above(&projection.input, released)?;
            let cell = cell(&input)?;
            let named_totals = projection.expr.iter().zip(projection.schema.iter()).map(
                |(expr, (qualifier, field))| {
                    let column = Column::new(qualifier.cloned(), field.name());
                    Ok(named(total_above(expr, &input)?, &column))
                },
            );
            let exprs = named_totals
                .chain([Ok(Expr::Column(cell).alias(CELL))])
                .collect::<Result<_>>()?;
            Ok(LogicalPlan::Projection(Projection::try_new(
                exprs,
                Arc::new(input),
            )?))
        }
        LogicalPlan::Filter(filter) => {
            let input = above(&filter.input, released)?;
            let predicate = total_above(&filter.predicate, &input)?;
            Ok(LogicalPlan::Filter(Filter::try_new(
                predicate,
                Arc::new(input),
            )?))
        }
        LogicalPlan::Sort(sort) => {
            let input = above(&sort.input, released)?;
            let expr = sort
                .expr
                .iter()
                .map(|key| {
                    Ok(SortExpr {
                        expr: total_above(&key.expr, &input)?,
                        ..key.clone()
                    })
                })
                .collect::<Result<_>>()?;
            Ok(LogicalPlan::Sort(Sort {
                expr,
                input: Arc::new(input),
                fetch: sort.fetch,
            }))
        }
        LogicalPlan::Limit(limit) => {
            let input = above(&limit.input, released)?;
            for count in limit.skip.iter().chain(&limit.fetch) {
                if literal(count).is_none() {
                    return plan_err!("LIMIT and OFFSET take literal numbers");
                }
            }
            let mut limit = limit.clone();
            limit.input = Arc::new(input);
            Ok(LogicalPlan::Limit(limit))
        }
        LogicalPlan::SubqueryAlias(alias) => {
            let input = above(&alias.input, released)?;
            Ok(LogicalPlan::SubqueryAlias(SubqueryAlias::try_new(
                Arc::new(input),
                alias.alias.clone(),
            )?))
        }
        other => Err(DataFusionError::Plan(format!(
            "{} above the release",
            other.display()
        ))),
    }
}

/// Released numbers are public, but an error after the purchase would waste it: functions are total here too.
fn total_above(expr: &Expr, input: &LogicalPlan) -> Result<Expr> {
    let relation = Relation {
        plan: input.clone(),
        unit: None,
        facts: input
            .schema()
            .fields()
            .iter()
            .map(|_| Fact::plain())
            .collect(),
        rows: None,
        usual_rows: 1,
        codes: std::collections::BTreeMap::default(),
        step: 0,
    };
    total(expr, &relation).map_err(|refusal| DataFusionError::Plan(refusal.message))
}

fn cell(plan: &LogicalPlan) -> Result<Column> {
    plan.schema()
        .iter()
        .find(|(_, field)| field.name() == CELL)
        .map(|(qualifier, field)| Column::new(qualifier.cloned(), field.name()))
        .ok_or_else(|| DataFusionError::Internal("the cell column was lost".into()))
}

/// Which column of the release an output column is.
fn origin(plan: &LogicalPlan, index: usize) -> std::result::Result<usize, Refusal> {
    match plan {
        LogicalPlan::Aggregate(_) => Ok(index),
        LogicalPlan::Projection(projection) => {
            let expr = &projection.expr[index];
            let Expr::Column(column) = expr.clone().unalias_nested().data else {
                return Err(Refusal::new(
                    "release",
                    expr,
                    "computing with released numbers is not admitted",
                    "select the keys and the aggregates as they are, and compute with them afterwards",
                ));
            };
            match projection.input.schema().maybe_index_of_column(&column) {
                Some(index) => origin(&projection.input, index),
                None => Err(Refusal::new(
                    "resolve",
                    expr,
                    "this column does not resolve",
                    "qualify it",
                )),
            }
        }
        LogicalPlan::Filter(Filter { input, .. })
        | LogicalPlan::Sort(Sort { input, .. })
        | LogicalPlan::SubqueryAlias(SubqueryAlias { input, .. }) => origin(input, index),
        LogicalPlan::Limit(limit) => origin(&limit.input, index),
        other => Err(Refusal::new(
            "release",
            other.display(),
            "this operator is not admitted above the release",
            "use HAVING, ORDER BY and LIMIT",
        )),
    }
}
