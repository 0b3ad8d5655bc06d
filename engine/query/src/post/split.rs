//! Where privacy ends: the topmost aggregates over private rows are the releases, everything above them runs on released numbers.

use std::sync::Arc;

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchemaRef};
use datafusion::datasource::empty::EmptyTable;
use datafusion::datasource::provider_as_source;
use datafusion::logical_expr::logical_plan::Aggregate;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder};

use super::released_schema;
use crate::derive::relation::{Relation, Role};
use crate::derive::{Derivation, planner};
use crate::grouping_sets::MOST_SETS;
use crate::public;
use crate::refusal::Refusal;
use crate::release::RELEASED;

/// Name of the table of released numbers of release `i`.
pub(super) fn released_table(release: usize) -> String {
    format!("__salus_released_{release}")
}

/// The release that a table of released numbers stands for.
pub(super) fn release_of_table(table: &str) -> Option<usize> {
    table.strip_prefix("__salus_released_")?.parse().ok()
}

/// An aggregate over private rows.
#[derive(Debug)]
pub(crate) struct ReleasedAggregate {
    pub aggregate: Aggregate,
    pub relation: Relation,
    /// Position of its RELEASE among the derivation's steps.
    pub step: usize,
}

/// A statement in two parts.
#[derive(Debug)]
pub(crate) struct Split {
    /// The aggregates that are released.
    pub releases: Vec<ReleasedAggregate>,
    /// What runs on their numbers: each release is a scan of its table of released numbers.
    pub above: LogicalPlan,
}

/// Splits a resolved plan.
pub(crate) fn split(plan: &LogicalPlan, derivation: &mut Derivation<'_>) -> Result<Split, Refusal> {
    let mut releases = Vec::new();
    let above = lift(plan, derivation, &mut releases)?;
    if releases.is_empty() {
        return Err(Refusal::new(
            "release",
            "FROM",
            "this reads no private table, so there is nothing to release",
            "ask about the tables that `salus tables` lists",
        ));
    }
    Ok(Split { releases, above })
}

fn lift(
    plan: &LogicalPlan,
    derivation: &mut Derivation<'_>,
    releases: &mut Vec<ReleasedAggregate>,
) -> Result<LogicalPlan, Refusal> {
    match plan {
        LogicalPlan::Aggregate(aggregate) => lift_aggregate(aggregate, plan, derivation, releases),
        LogicalPlan::Projection(_)
        | LogicalPlan::Filter(_)
        | LogicalPlan::Sort(_)
        | LogicalPlan::Limit(_)
        | LogicalPlan::SubqueryAlias(_)
        | LogicalPlan::Window(_)
        | LogicalPlan::Union(_)
        | LogicalPlan::Distinct(_) => {
            // A chain that ends in rows of the data is refused in the words of its top.
            if !reads_aggregate(plan) && reads_private(plan) {
                return Err(refuse_rows(plan));
            }
            lift_inputs(plan, derivation, releases)
        }
        LogicalPlan::Join(_) => {
            if let Some(input) = plan
                .inputs()
                .into_iter()
                .find(|input| !reads_aggregate(input) && reads_private(input))
            {
                return Err(
                    if plan.inputs().iter().any(|input| reads_aggregate(input)) {
                        Refusal::new(
                            "release",
                            "JOIN above the aggregate",
                            "released numbers cannot be joined with rows of the data",
                            "join person-level rows on person_id below one aggregate, or ask two questions",
                        )
                    } else {
                        refuse_rows(input)
                    },
                );
            }
            lift_inputs(plan, derivation, releases)
        }
        LogicalPlan::TableScan(scan) if scan.table_name.table() == public::MEASUREMENT => {
            Ok(plan.clone())
        }
        LogicalPlan::Values(_) | LogicalPlan::EmptyRelation(_) => Ok(plan.clone()),
        other => Err(refuse_rows(other)),
    }
}

fn lift_inputs(
    plan: &LogicalPlan,
    derivation: &mut Derivation<'_>,
    releases: &mut Vec<ReleasedAggregate>,
) -> Result<LogicalPlan, Refusal> {
    let inputs = plan
        .inputs()
        .into_iter()
        .map(|input| lift(input, derivation, releases))
        .collect::<Result<Vec<_>, _>>()?;
    plan.with_new_exprs(plan.expressions(), inputs)
        .map_err(|e| planner(plan, &e))
}

/// An aggregate over rows of persons is a release. One over released numbers is computed from them; which of the two it is follows from its input.
fn lift_aggregate(
    aggregate: &Aggregate,
    plan: &LogicalPlan,
    derivation: &mut Derivation<'_>,
    releases: &mut Vec<ReleasedAggregate>,
) -> Result<LogicalPlan, Refusal> {
    let mark = derivation.mark();
    let refused = match derivation.relation(&aggregate.input) {
        Ok(relation) if relation.unit.is_some() => {
            check_keys(aggregate, &relation)?;
            let above =
                released_scan(releases.len(), &aggregate.schema).map_err(|e| planner(plan, &e))?;
            let step = derivation.release(&relation);
            releases.push(ReleasedAggregate {
                aggregate: aggregate.clone(),
                relation,
                step: usize::try_from(step).unwrap_or(usize::MAX),
            });
            return Ok(above);
        }
        Ok(_) => {
            derivation.reset(mark);
            return lift_inputs(plan, derivation, releases);
        }
        Err(refused) => refused,
    };
    derivation.reset(mark);
    if !reads_aggregate(&aggregate.input) {
        return Err(refused);
    }
    // What stands in the way is said of the question as it was meant: one release over persons.
    lift_inputs(plan, derivation, releases).map_err(|_| refused)
}

/// A release has no person among its keys and one list of them.
fn check_keys(aggregate: &Aggregate, relation: &Relation) -> Result<(), Refusal> {
    for key in &aggregate.group_expr {
        if matches!(key, Expr::GroupingSet(_)) {
            return Err(Refusal::new(
                "keys",
                key,
                format!(
                    "each grouping set is a release of its own, and these are more than {MOST_SETS}"
                ),
                "name fewer of them: GROUPING SETS ((a, b), (a), ())",
            ));
        }
        if relation.role(key) != Role::Plain {
            return Err(Refusal::new(
                "release",
                key,
                "the answer cannot be grouped by the person",
                "group by person_id in a subquery, and aggregate that",
            ));
        }
    }
    Ok(())
}

/// A scan of released numbers under the names that the operators above know them by.
pub(crate) fn released_scan(
    release: usize,
    schema: &DFSchemaRef,
) -> datafusion::error::Result<LogicalPlan> {
    let table = released_table(release);
    let source = Arc::new(EmptyTable::new(Arc::new(released_schema(schema))));
    let names = schema.iter().enumerate().map(|(i, (qualifier, field))| {
        Expr::Column(Column::new(Some(table.as_str()), format!("c{i}")))
            .alias_qualified(qualifier.cloned(), field.name())
    });
    LogicalPlanBuilder::scan(table.as_str(), provider_as_source(source), None)?
        .project(names.collect::<Vec<_>>())?
        .build()
}

fn reads_aggregate(plan: &LogicalPlan) -> bool {
    plan.exists(|node| Ok(matches!(node, LogicalPlan::Aggregate(_))))
        .unwrap_or(true)
}

fn reads_private(plan: &LogicalPlan) -> bool {
    let mut private = false;
    let _ = plan.apply_with_subqueries(|node| {
        if let LogicalPlan::TableScan(scan) = node {
            private |= scan.table_name.table() != public::MEASUREMENT;
        }
        Ok(TreeNodeRecursion::Continue)
    });
    private
}

fn refuse_rows(plan: &LogicalPlan) -> Refusal {
    match plan {
        LogicalPlan::Explain(_) | LogicalPlan::Analyze(_) | LogicalPlan::DescribeTable(_) => {
            Refusal::new(
                "statement",
                "EXPLAIN",
                "plans and their metrics depend on the data",
                "use `salus query --dry-run` for price and derivation",
            )
        }
        LogicalPlan::Distinct(_) => Refusal::new(
            "release",
            "SELECT DISTINCT",
            "rows of the data cannot be shown",
            "aggregate them: COUNT(DISTINCT person_id) … GROUP BY",
        ),
        LogicalPlan::Window(_) => Refusal::new(
            "release",
            "OVER",
            "rows of the data cannot be shown, and a window gives one value for each",
            RELEASED,
        ),
        LogicalPlan::Projection(_)
        | LogicalPlan::Filter(_)
        | LogicalPlan::Sort(_)
        | LogicalPlan::Limit(_)
        | LogicalPlan::SubqueryAlias(_)
        | LogicalPlan::Union(_)
        | LogicalPlan::Join(_)
        | LogicalPlan::TableScan(_)
        | LogicalPlan::Values(_)
        | LogicalPlan::EmptyRelation(_) => Refusal::new(
            "release",
            "SELECT",
            "rows of the data cannot be shown, only noisy aggregates of them",
            RELEASED,
        ),
        _ => Refusal::new(
            "statement",
            plan.display(),
            "only SELECT is admitted",
            "ask with one SELECT … FROM … WHERE … GROUP BY",
        ),
    }
}
