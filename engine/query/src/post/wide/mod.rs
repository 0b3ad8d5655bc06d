//! The plan above the releases, with what tells its rows and its repetitions apart.
//!
//! It runs in two worlds. In the one that is answered each release is its released numbers. In the other each number stands there many times,
//! once for each repetition, with fresh noise of the known distribution around it: what a column that is computed from numbers does there is its
//! error bar. Which rows there are is decided in the first world alone: HAVING, LIMIT and their like are looked up in the second.

mod combine;
mod total;

use std::cell::Cell;
use std::sync::Arc;

use datafusion::common::{Column, JoinType, NullEquality};
use datafusion::datasource::{TableProvider, provider_as_source};
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::logical_plan::{
    Aggregate, Distinct, Filter, Join, Limit, Projection, Sort, SubqueryAlias,
};
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, lit};

use super::split::{release_of_table, released_table};
use super::{CELL, Number};
use crate::derive::named;
use crate::derive::relation::literal;
use total::{total_order, total_over};

/// The tables of a world: one for each release, and the numbers of the repetitions where there are any.
#[derive(Debug, Clone)]
pub(super) struct World {
    pub released: Vec<Arc<dyn TableProvider>>,
    /// One column: the repetition. `None` in the world that is answered.
    pub repetitions: Option<Arc<dyn TableProvider>>,
}

/// Column of a resampled table that says which repetition a row belongs to.
pub(super) const REPETITION: &str = "__salus_repetition";

/// What a column of a relation above the releases is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// A key, a literal, or computed from such.
    Public,
    /// A released number as it is: of which release, which column, and at which place of the row's identity its cell stands.
    Released {
        identity: usize,
        release: usize,
        column: usize,
    },
    /// Computed from released numbers.
    Derived,
}

/// A relation with the columns that its rows are known by.
#[derive(Debug, Clone)]
pub(super) struct Wide {
    pub plan: LogicalPlan,
    /// One for each column of the relation, without identity and repetition.
    pub origins: Vec<Origin>,
    /// Columns whose values together name a row of the world that is answered.
    pub identity: Vec<Column>,
    /// In the resampled world: the repetition.
    pub repetition: Option<Column>,
    /// Positions of the relation's own columns within the plan's schema.
    pub columns: Vec<Column>,
}

/// Walks the plan above the releases.
#[derive(Debug)]
pub(super) struct Widening<'w> {
    /// What the columns of each release are.
    numbers: &'w [&'w [Number]],
    answered: &'w World,
    resampled: Option<&'w World>,
    names: Cell<usize>,
}

fn refuse<T>(what: &str) -> Result<T> {
    Err(DataFusionError::Plan(what.to_owned()))
}

impl<'w> Widening<'w> {
    pub(super) fn new(
        numbers: &'w [&'w [Number]],
        answered: &'w World,
        resampled: Option<&'w World>,
    ) -> Self {
        Self {
            numbers,
            answered,
            resampled,
            names: Cell::new(0),
        }
    }

    /// The plan in the world that is answered.
    pub(super) fn answered(&self, plan: &LogicalPlan) -> Result<Wide> {
        self.wide(plan, false)
    }

    /// The plan in the resampled world.
    pub(super) fn resampled(&self, plan: &LogicalPlan) -> Result<Wide> {
        self.wide(plan, true)
    }

    fn name(&self, what: &str) -> String {
        self.names.set(self.names.get() + 1);
        format!("__salus_{what}_{}", self.names.get())
    }

    fn wide(&self, plan: &LogicalPlan, resampled: bool) -> Result<Wide> {
        match plan {
            LogicalPlan::TableScan(scan) => match release_of_table(scan.table_name.table()) {
                Some(release) => self.release(release, resampled),
                None => self.public(plan, resampled),
            },
            LogicalPlan::Values(values) => {
                if values.values.iter().flatten().any(|v| literal(v).is_none()) {
                    return refuse("VALUES takes literals only");
                }
                self.public(plan, resampled)
            }
            LogicalPlan::EmptyRelation(_) => self.public(plan, resampled),
            LogicalPlan::Projection(projection) => self.projection(projection, resampled),
            LogicalPlan::SubqueryAlias(alias) => self.alias(alias, resampled),
            LogicalPlan::Filter(filter) => {
                let input = self.wide(&filter.input, false)?;
                let predicate = total_over(&filter.predicate, &input.plan)?;
                let plan =
                    LogicalPlan::Filter(Filter::try_new(predicate, Arc::new(input.plan.clone()))?);
                self.rows_of(Wide { plan, ..input }, &filter.input, resampled)
            }
            LogicalPlan::Sort(sort) => self.sort(sort, resampled),
            LogicalPlan::Limit(limit) => {
                let input = self.wide(&limit.input, false)?;
                for count in limit.skip.iter().chain(&limit.fetch) {
                    if literal(count).is_none() {
                        return refuse("LIMIT and OFFSET take literal numbers");
                    }
                }
                let plan = LogicalPlan::Limit(Limit {
                    input: Arc::new(input.plan.clone()),
                    ..limit.clone()
                });
                self.rows_of(Wide { plan, ..input }, &limit.input, resampled)
            }
            LogicalPlan::Window(window) => self.window(window, resampled),
            LogicalPlan::Aggregate(aggregate) => self.aggregate(aggregate, resampled),
            LogicalPlan::Distinct(Distinct::All(input)) => self.distinct(input, resampled),
            LogicalPlan::Union(union) => self.union(union, resampled),
            LogicalPlan::Join(join) => self.join(join, resampled),
            other => refuse(&format!(
                "{} is not admitted above the release",
                other.display()
            )),
        }
    }

    /// Released numbers: the cell is the row's identity.
    fn release(&self, release: usize, resampled: bool) -> Result<Wide> {
        let world = if resampled {
            self.resampled
        } else {
            Some(self.answered)
        };
        let Some(table) = world.and_then(|world| world.released.get(release)) else {
            return refuse("a release is missing");
        };
        let scan = LogicalPlanBuilder::scan(
            released_table(release),
            provider_as_source(Arc::clone(table)),
            None,
        )?;
        let of = |name: &str| Column::new(Some(released_table(release)), name);
        let width = table.schema().fields().len() - 1 - usize::from(resampled);
        let columns: Vec<_> = (0..width).map(|i| of(&format!("c{i}"))).collect();
        let numbers = self.numbers.get(release).copied().unwrap_or_default();
        let origins = (0..width).map(|column| match numbers.get(column) {
            Some(Number::Key) => Origin::Public,
            Some(Number::Direct) => Origin::Released {
                identity: 0,
                release,
                column,
            },
            Some(Number::Computed) | None => Origin::Derived,
        });
        let (id, repetition) = (self.name("id"), self.name("repetition"));
        let own = columns.iter().cloned().map(Expr::Column);
        let id_column = Expr::Column(of(CELL)).alias(&id);
        let repeated = resampled.then(|| Expr::Column(of(REPETITION)).alias(&repetition));
        let plan = scan
            .project(own.chain([id_column]).chain(repeated).collect::<Vec<_>>())?
            .build()?;
        Ok(Wide {
            plan,
            origins: origins.collect(),
            identity: vec![Column::new_unqualified(id)],
            repetition: resampled.then(|| Column::new_unqualified(repetition)),
            columns,
        })
    }

    /// A public relation is the same in every repetition; all its columns are its identity.
    fn public(&self, plan: &LogicalPlan, resampled: bool) -> Result<Wide> {
        let columns = plan.schema().columns();
        let mut builder = LogicalPlanBuilder::from(plan.clone());
        let mut repetition = None;
        if resampled {
            let Some(table) = self.resampled.and_then(|world| world.repetitions.clone()) else {
                return refuse("there are no repetitions");
            };
            let name = self.name("repetitions");
            let scan = LogicalPlanBuilder::scan(name.as_str(), provider_as_source(table), None)?
                .build()?;
            builder = builder.cross_join(scan)?;
            repetition = Some(Column::new(Some(name), REPETITION));
        }
        let mut identity = Vec::new();
        let mut exprs: Vec<Expr> = columns.iter().cloned().map(Expr::Column).collect();
        for column in &columns {
            let id = self.name("id");
            exprs.push(Expr::Column(column.clone()).alias(&id));
            identity.push(Column::new_unqualified(id));
        }
        if columns.is_empty() {
            // SELECT without FROM: one row without columns.
            let id = self.name("id");
            exprs.push(lit(0_i64).alias(&id));
            identity.push(Column::new_unqualified(id));
        }
        if let Some(column) = &mut repetition {
            let name = self.name("repetition");
            exprs.push(Expr::Column(column.clone()).alias(&name));
            *column = Column::new_unqualified(name);
        }
        Ok(Wide {
            plan: builder.project(exprs)?.build()?,
            origins: vec![Origin::Public; columns.len()],
            identity,
            repetition,
            columns,
        })
    }

    fn projection(&self, projection: &Projection, resampled: bool) -> Result<Wide> {
        let input = self.wide(&projection.input, resampled)?;
        let mut exprs = Vec::new();
        let mut origins = Vec::new();
        let mut columns = Vec::new();
        for (expr, (qualifier, field)) in projection.expr.iter().zip(projection.schema.iter()) {
            let column = Column::new(qualifier.cloned(), field.name());
            origins.push(input.origin(expr)?);
            exprs.push(named(total_over(expr, &input.plan)?, &column));
            columns.push(column);
        }
        exprs.extend(input.extra());
        Ok(Wide {
            plan: LogicalPlan::Projection(Projection::try_new(exprs, Arc::new(input.plan))?),
            origins,
            columns,
            identity: input.identity,
            repetition: input.repetition,
        })
    }

    fn alias(&self, alias: &SubqueryAlias, resampled: bool) -> Result<Wide> {
        let input = self.wide(&alias.input, resampled)?;
        let renamed = |column: Column| Column::new(Some(alias.alias.clone()), column.name);
        Ok(Wide {
            plan: LogicalPlan::SubqueryAlias(SubqueryAlias::try_new(
                Arc::new(input.plan),
                alias.alias.clone(),
            )?),
            origins: input.origins,
            identity: input.identity.into_iter().map(renamed).collect(),
            repetition: input.repetition.map(renamed),
            columns: input.columns.into_iter().map(renamed).collect(),
        })
    }

    fn sort(&self, sort: &Sort, resampled: bool) -> Result<Wide> {
        let input = self.wide(&sort.input, false)?;
        let expr = total_order(&sort.expr, &input.plan)?;
        if resampled && sort.fetch.is_none() {
            return self.wide(&sort.input, true);
        }
        let plan = LogicalPlan::Sort(Sort {
            expr,
            input: Arc::new(input.plan.clone()),
            fetch: sort.fetch,
        });
        self.rows_of(Wide { plan, ..input }, &sort.input, resampled)
    }

    /// The rows that were chosen in the world that is answered: in the resampled world they are looked up.
    fn rows_of(&self, chosen: Wide, input: &LogicalPlan, resampled: bool) -> Result<Wide> {
        if !resampled {
            return Ok(chosen);
        }
        let all = self.wide(input, true)?;
        let names: Vec<_> = chosen
            .identity
            .iter()
            .map(|_| self.name("chosen"))
            .collect();
        let ids = chosen
            .identity
            .iter()
            .zip(&names)
            .map(|(id, name)| Expr::Column(id.clone()).alias(name));
        let chosen = LogicalPlanBuilder::from(chosen.plan)
            .project(ids.collect::<Vec<_>>())?
            .distinct()?
            .build()?;
        let chosen = without_distinct(chosen)?;
        let on = all
            .identity
            .iter()
            .zip(&names)
            .map(|(id, name)| {
                (
                    Expr::Column(id.clone()),
                    Expr::Column(Column::new_unqualified(name)),
                )
            })
            .collect();
        let join = Join::try_new(
            Arc::new(all.plan.clone()),
            Arc::new(chosen),
            on,
            None,
            JoinType::LeftSemi,
            datafusion::common::JoinConstraint::On,
            NullEquality::NullEqualsNull,
            false,
        )?;
        Ok(Wide {
            plan: LogicalPlan::Join(join),
            ..all
        })
    }
}

impl Wide {
    /// Identity and repetition, to be carried through a projection.
    fn extra(&self) -> impl Iterator<Item = Expr> + '_ {
        self.identity
            .iter()
            .chain(&self.repetition)
            .cloned()
            .map(Expr::Column)
    }

    fn origin_of(&self, column: &Column) -> Option<Origin> {
        let schema = self.plan.schema();
        let at = schema.maybe_index_of_column(column)?;
        let own = self
            .columns
            .iter()
            .position(|own| schema.maybe_index_of_column(own) == Some(at))?;
        self.origins.get(own).copied()
    }

    fn origin(&self, expr: &Expr) -> Result<Origin> {
        if let Expr::Column(column) = expr.clone().unalias_nested().data {
            return match self.origin_of(&column) {
                Some(origin) => Ok(origin),
                None => refuse(&format!("{column} does not resolve; qualify it")),
            };
        }
        Ok(if self.is_noisy(expr) {
            Origin::Derived
        } else {
            Origin::Public
        })
    }

    fn is_noisy(&self, expr: &Expr) -> bool {
        expr.column_refs()
            .into_iter()
            .any(|column| self.origin_of(column).is_some_and(|o| o != Origin::Public))
    }
}

/// DataFusion plans DISTINCT only after an optimiser rule made an aggregate of it.
fn without_distinct(plan: LogicalPlan) -> Result<LogicalPlan> {
    let LogicalPlan::Distinct(Distinct::All(input)) = plan else {
        return Ok(plan);
    };
    let columns = input
        .schema()
        .columns()
        .into_iter()
        .map(Expr::Column)
        .collect();
    Ok(LogicalPlan::Aggregate(Aggregate::try_new(
        input,
        columns,
        vec![],
    )?))
}
