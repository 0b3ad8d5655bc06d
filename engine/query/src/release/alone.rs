//! Bounded plans of mechanisms that group by more than the keys: leaves of a tree, distinct values.

use datafusion::error::Result;
use datafusion::functions_aggregate::expr_fn::{count, count_distinct, sum};
use datafusion::functions_window::expr_fn::row_number;
use datafusion::logical_expr::{Expr, ExprFunctionExt, LogicalPlan, LogicalPlanBuilder};
use datafusion::prelude::lit;

use super::bounded::{
    PLACE, UNIT, all_rows_count, bounds, column, counted_rows, keep_groups, keys, keys_as_written,
    rows_of_persons, sum_column, value, value_column, without_additions,
};
use super::{Contribution, Release};
use crate::fold::{Kind, PersonFold};
use crate::functions::order::GroupOrder;

const ROWS: &str = "__salus_rows";

/// Keys, leaf, and number of rows there: of each person and cell at most k rows, at evenly spaced ranks (S7).
pub(super) fn leaves(release: &Release, j: usize, of: &Contribution) -> Result<LogicalPlan> {
    let leaf = value_column(j);
    let leaves = vec![value(of)?.alias(leaf.clone())];
    let by_leaf = || keys(release).into_iter().chain([column(&leaf)]);
    if all_rows_count(release) && release.most_groups.is_none() {
        let rows = as_written(release, leaves)?.filter(column(&leaf).is_not_null())?;
        return complete(rows)?
            .aggregate(by_leaf(), [count(lit(1_i64)).alias(sum_column(j))])?
            .build();
    }
    let rows = rows_of_persons(release, leaves)?.build()?;
    let rows = PersonFold::plan(rows, bounds(release, Kind::Leaves), ROWS)?;
    without_additions(rows)
        .aggregate(by_leaf(), [sum(column(ROWS)).alias(sum_column(j))])?
        .build()
}

/// Keys and number of distinct values: each person brings at most k of a cell, in an order that is hers alone (S7).
pub(super) fn values(release: &Release, j: usize, of: &Contribution) -> Result<LogicalPlan> {
    let seen = value_column(j);
    let values = vec![value(of)?.alias(seen.clone())];
    let distinct = [count_distinct(column(&seen)).alias(sum_column(j))];
    if all_rows_count(release) && release.most_groups.is_none() {
        // By mapped keys: values that two keys outside a domain share are one value of OTHER.
        let rows = rows_of_persons(release, values)?;
        return complete(rows)?.aggregate(keys(release), distinct)?.build();
    }
    let of_person = [column(UNIT)].into_iter().chain(keys(release));
    let of_person: Vec<Expr> = of_person.chain([column(&seen)]).collect();
    let none: [Expr; 0] = [];
    let rows = complete(rows_of_persons(release, values)?)?.aggregate(of_person.clone(), none)?;
    let rows = keep_groups(release, rows)?.filter(column(&seen).is_not_null())?;
    let rows = rows.project(of_person.clone())?;
    let order = GroupOrder::call(release.seed, of_person).sort(true, false);
    let cell: Vec<Expr> = [column(UNIT)].into_iter().chain(keys(release)).collect();
    let place = row_number()
        .partition_by(cell)
        .order_by(vec![order, column(&seen).sort(true, true)])
        .build()?
        .alias(PLACE);
    let rows = rows
        .window([place])?
        .filter(column(PLACE).lt_eq(lit(counted_rows(release))))?;
    complete(rows)?.aggregate(keys(release), distinct)?.build()
}

/// One row per row of the relation: keys as written, and `columns`.
fn as_written(release: &Release, columns: Vec<Expr>) -> Result<LogicalPlanBuilder> {
    LogicalPlanBuilder::from(release.relation.plan.clone())
        .project(keys_as_written(release).chain(columns))
}

fn complete(rows: LogicalPlanBuilder) -> Result<LogicalPlanBuilder> {
    Ok(without_additions(rows.build()?))
}
