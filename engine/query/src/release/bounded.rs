//! The bounded plan: each person's contribution is bounded, every sum is a sum of exact integers, and nothing may move in between.

use datafusion::arrow::datatypes::DataType;
use datafusion::error::Result;
use datafusion::functions_aggregate::expr_fn::{count, sum};
use datafusion::functions_window::expr_fn::dense_rank;
use datafusion::logical_expr::{
    Expr, ExprFunctionExt, LogicalPlan, LogicalPlanBuilder, LogicalPlanBuilderOptions, cast,
};
use datafusion::prelude::{lit, when};

use salus_accounting::Weights;

use super::{Contribution, Release, alone};
use crate::faults::{Fault, planted};
use crate::fold::{Bounds, Brings, Kind, PersonFold};
use crate::functions::grid::{Summed, ToGrid};
use crate::functions::order::GroupOrder;

/// Column of the bounded plan that holds key `i`.
pub(super) fn key_column(i: usize) -> String {
    format!("__salus_key_{i}")
}

/// Column of the bounded plan that holds the exact sum of mechanism `j`.
pub(super) fn sum_column(j: usize) -> String {
    format!("__salus_sum_{j}")
}

pub(super) const UNIT: &str = "__salus_unit";

pub(super) fn value_column(j: usize) -> String {
    format!("__salus_value_{j}")
}

pub(super) fn column(name: &str) -> Expr {
    Expr::Column(datafusion::common::Column::new_unqualified(name))
}

/// A plan that fills some of a release's mechanisms: keys, for a tree the leaf, then one integer column per mechanism.
#[derive(Debug, Clone)]
pub(crate) struct BoundedPlan {
    pub plan: LogicalPlan,
    /// The mechanisms, in the order of the columns.
    pub fills: Vec<usize>,
    /// Which column has the true number of persons in each group, where a threshold decides by it.
    pub persons: Option<usize>,
}

impl BoundedPlan {
    /// Columns of numbers.
    pub(crate) fn numbers(&self) -> usize {
        self.persons
            .map_or(0, |persons| persons + 1)
            .max(self.fills.len())
    }
}

/// The plans of a release: one for everything that is summed cell by cell, one more for each mechanism that groups by more than the keys.
pub(super) fn plans(release: &Release, population_ceiling: u64) -> Result<Vec<BoundedPlan>> {
    let mut plans = Vec::new();
    let fills: Vec<usize> = summed(release).map(|(j, _)| j).collect();
    if !fills.is_empty() {
        let plan = sums(release, population_ceiling)?;
        let deciding = release
            .threshold
            .and_then(|(_, deciding)| fills.iter().position(|mechanism| *mechanism == deciding));
        // Weighted persons are counted once more, by heads.
        let persons = match release.weighted {
            Some(_) => deciding.map(|_| fills.len()),
            None => deciding,
        };
        plans.push(BoundedPlan {
            plan,
            fills,
            persons,
        });
    }
    for (j, contribution) in release.contributions.iter().enumerate() {
        let plan = match contribution {
            Contribution::Leaf { .. } => alone::leaves(release, j, contribution)?,
            Contribution::Value(_) => alone::values(release, j, contribution)?,
            _ => continue,
        };
        plans.push(BoundedPlan {
            plan,
            fills: vec![j],
            persons: None,
        });
    }
    Ok(plans)
}

fn sums(release: &Release, population_ceiling: u64) -> Result<LogicalPlan> {
    if needs_no_bounding(release) {
        return sums_of_rows(release, population_ceiling);
    }
    let bounded = per_person(release, valued_rows(release)?)?;
    let heads = counts_heads(release).then_some(HEADS);
    // The parts were folded each by itself.
    let sums = summed(release).map(|(j, _)| sum(column(&value_column(j))).alias(sum_column(j)));
    let sums = sums.chain(heads.map(|heads| sum(column(heads)).alias(HEADS_SUM)));
    without_additions(bounded)
        .aggregate(keys(release), sums)?
        .build()
}

/// The contributions that are summed cell by cell.
fn summed(release: &Release) -> impl Iterator<Item = (usize, &Contribution)> {
    let all = release.contributions.iter().enumerate();
    all.filter(|(_, contribution)| !contribution.stands_alone())
}

/// Where nobody's rows need bounding, they are grouped by the keys as the analyst wrote them, and the sums of what is outside a domain are put
/// together afterwards: sums of integers may be added up in any order. Counting is cheaper than adding ones.
fn sums_of_rows(release: &Release, population_ceiling: u64) -> Result<LogicalPlan> {
    let mut values = Vec::new();
    let mut sums = Vec::new();
    for (j, contribution) in summed(release) {
        let counted = match contribution {
            Contribution::Persons(None) | Contribution::Rows(None) => {
                sums.push(count(lit(1_i64)).alias(sum_column(j)));
                continue;
            }
            Contribution::Persons(Some(Expr::IsNotNull(value)))
            | Contribution::Rows(Some(Expr::IsNotNull(value))) => Some(value.as_ref().clone()),
            Contribution::Persons(Some(condition)) | Contribution::Rows(Some(condition)) => {
                Some(when(condition.clone(), lit(1_i64)).end()?)
            }
            Contribution::Sum { .. }
            | Contribution::CentredSum { .. }
            | Contribution::CentredSquare { .. }
            | Contribution::Value(_)
            | Contribution::Leaf { .. } => None,
        };
        if let Some(counted) = counted {
            values.push(counted.alias(value_column(j)));
            sums.push(count(column(&value_column(j))).alias(sum_column(j)));
        } else {
            values.push(value(contribution)?.alias(value_column(j)));
            sums.push(exact_sum(release, contribution, j, population_ceiling));
        }
    }
    let projected: Vec<_> = keys_as_written(release).chain(values).collect();
    let rows = LogicalPlanBuilder::from(release.relation.plan.clone());
    let rows = if projected.is_empty() {
        rows.build()?
    } else {
        rows.project(projected)?.build()?
    };
    without_additions(rows)
        .aggregate(keys(release), sums)?
        .build()
}

/// The sum of a contribution's column over everybody.
fn exact_sum(
    release: &Release,
    contribution: &Contribution,
    j: usize,
    population_ceiling: u64,
) -> Expr {
    let value = column(&value_column(j));
    let ceiling = u128::from(population_ceiling)
        * u128::from(release.rows_per_person)
        * u128::from(contribution.bound());
    // An Int64 sum would wrap; where the public ceiling does not exclude it, sum in 128 bits.
    let value = if ceiling < 1 << 63 {
        value
    } else {
        cast(value, DataType::Decimal128(38, 0))
    };
    sum(value).alias(sum_column(j))
}

/// One row of integers per row of the relation: unit, keys, and what the row brings to each mechanism.
fn valued_rows(release: &Release) -> Result<LogicalPlan> {
    let values =
        summed(release).map(|(j, contribution)| Ok(value(contribution)?.alias(value_column(j))));
    let heads = counts_heads(release).then(|| Ok(lit(1_i64).alias(HEADS)));
    let values = values.chain(heads).collect::<Result<Vec<_>>>()?;
    rows_of_persons(release, values)?.build()
}

/// One row per row of the relation: unit, keys, and `columns`.
pub(super) fn rows_of_persons(release: &Release, columns: Vec<Expr>) -> Result<LogicalPlanBuilder> {
    let unit = release
        .relation
        .unit
        .as_ref()
        .map(|unit| Expr::Column(unit.column.clone()).alias(UNIT));
    let keys = release.cells.keys.iter().enumerate();
    let keys = keys.map(|(i, key)| key.mapped.clone().alias(key_column(i)));
    LogicalPlanBuilder::from(release.relation.plan.clone())
        .project(unit.into_iter().chain(keys).chain(columns))
}

/// The keys before they are mapped into their domains.
pub(super) fn keys_as_written(release: &Release) -> impl Iterator<Item = Expr> {
    let keys = release.cells.keys.iter().enumerate();
    keys.map(|(i, key)| key.raw.clone().alias(key_column(i)))
}

pub(super) fn value(contribution: &Contribution) -> Result<Expr> {
    match contribution {
        Contribution::Persons(None) | Contribution::Rows(None) => Ok(lit(1_i64)),
        Contribution::Persons(Some(condition)) | Contribution::Rows(Some(condition)) => {
            when(condition.clone(), lit(1_i64)).otherwise(lit(0_i64))
        }
        Contribution::Sum { value, grid } => Ok(ToGrid::call(*grid, Summed::Value, value.clone())),
        Contribution::CentredSum { value, grid } => {
            Ok(ToGrid::call(*grid, Summed::Centred, value.clone()))
        }
        Contribution::CentredSquare { value, grid } => {
            Ok(ToGrid::call(*grid, Summed::Square, value.clone()))
        }
        Contribution::Leaf { value, tree } => {
            let leaf = Summed::Leaf(tree.width());
            Ok(ToGrid::call(tree.grid(), leaf, value.clone()))
        }
        Contribution::Value(value) => Ok(value.clone()),
    }
}

/// A person with one row touches one group once. With several rows that all may count, only counting persons needs them brought together.
fn needs_no_bounding(release: &Release) -> bool {
    let counts_persons = || {
        let mut contributions = release.contributions.iter();
        contributions.any(|c| matches!(c, Contribution::Persons(_)))
    };
    release.most_groups.is_none()
        && (release.relation.rows == Some(1) || (all_rows_count(release) && !counts_persons()))
}

/// k, as the plans apply it.
pub(super) fn counted_rows(release: &Release) -> u64 {
    release.rows_per_person + u64::from(planted(Fault::OneRowMore))
}

/// Nobody can have more rows than may count.
pub(super) fn all_rows_count(release: &Release) -> bool {
    let rows = release.relation.rows;
    rows.is_some_and(|rows| rows <= release.rows_per_person)
}

/// Of each person and group: persons once, rows at most k, sums scaled to k rows, and of at most L0 groups; summed over everybody.
fn per_person(release: &Release, rows: LogicalPlan) -> Result<LogicalPlan> {
    let brings = summed(release).map(|(_, contribution)| match contribution {
        Contribution::Persons(_) => Brings::Once,
        Contribution::Rows(_) => Brings::Rows,
        _ => Brings::Share,
    });
    let heads = counts_heads(release).then_some(Brings::Head);
    let kind = Kind::Sums(brings.chain(heads).collect());
    PersonFold::plan(rows, bounds(release, kind), "")
}

/// What bounds a person in a fold of this kind.
pub(super) fn bounds(release: &Release, kind: Kind) -> Bounds {
    let most = release.most_groups.filter(|_| !planted(Fault::AllGroups));
    let weights = release.weighted.and_then(|weighted| {
        let whole = planted(Fault::WholeWeights);
        let groups = if whole {
            weighted.groups
        } else {
            release.groups_per_person
        };
        Weights::new(weighted.unit, groups, weighted.groups)
    });
    Bounds {
        keys: release.cells.keys.len(),
        kind,
        rows_per_person: counted_rows(release),
        groups: most.map(|most| (most, release.seed)),
        weights,
    }
}

/// Whether persons are counted by heads beside their weights: a threshold decides by both.
fn counts_heads(release: &Release) -> bool {
    release.weighted.is_some() && release.threshold.is_some()
}

const HEADS: &str = "__salus_heads";
const HEADS_SUM: &str = "__salus_heads_sum";

/// S8: at most L0 groups of a person, in an order that differs from person to person and does not depend on anybody's rows.
pub(super) fn keep_groups(
    release: &Release,
    folded: LogicalPlanBuilder,
) -> Result<LogicalPlanBuilder> {
    let Some(most) = release.most_groups.filter(|_| !planted(Fault::AllGroups)) else {
        return Ok(folded);
    };
    let seen: Vec<Expr> = [column(UNIT)].into_iter().chain(keys(release)).collect();
    let order = GroupOrder::call(release.seed, seen).sort(true, false);
    // Ties of the hash are broken by the keys themselves.
    let ties = keys(release).into_iter().map(|key| key.sort(true, true));
    // A person may have several rows in a group: they share its place.
    let place = dense_rank()
        .partition_by(vec![column(UNIT)])
        .order_by([order].into_iter().chain(ties).collect())
        .build()?
        .alias(PLACE);
    folded
        .window([place])?
        .filter(column(PLACE).lt_eq(lit(most)))
}

pub(super) const PLACE: &str = "__salus_place";

pub(super) fn keys(release: &Release) -> Vec<Expr> {
    (0..release.cells.keys.len())
        .map(|i| column(&key_column(i)))
        .collect()
}

/// DataFusion would add functionally dependent columns to a GROUP BY; ours are complete.
pub(super) fn without_additions(plan: LogicalPlan) -> LogicalPlanBuilder {
    LogicalPlanBuilder::from(plan)
        .with_options(LogicalPlanBuilderOptions::new().with_add_implicit_group_by_exprs(false))
}
