//! GROUPING SETS, ROLLUP and CUBE, written out: each set is an aggregate of its own, and so a release of its own, and their rows stand under each other.

use std::sync::Arc;

use datafusion::common::tree_node::Transformed;
use datafusion::common::{Column, ScalarValue};
use datafusion::error::Result;
use datafusion::logical_expr::expr::GroupingSet;
use datafusion::logical_expr::logical_plan::{Aggregate, Projection, Union};
use datafusion::logical_expr::{Expr, LogicalPlan};
use datafusion::prelude::lit;

/// Sets of one aggregate, most: each is paid for.
pub(crate) const MOST_SETS: usize = 32;

/// The plan without grouping sets, but for those that are too many.
pub(crate) fn written_out(plan: LogicalPlan) -> Result<LogicalPlan> {
    let rewritten = plan.transform_up_with_subqueries(|node| match node {
        LogicalPlan::Aggregate(aggregate) => {
            let [Expr::GroupingSet(set)] = aggregate.group_expr.as_slice() else {
                return Ok(Transformed::no(LogicalPlan::Aggregate(aggregate)));
            };
            let Some(sets) = sets(set) else {
                return Ok(Transformed::no(LogicalPlan::Aggregate(aggregate)));
            };
            Ok(Transformed::yes(under_each_other(&aggregate, set, sets)?))
        }
        other => Ok(Transformed::no(other)),
    })?;
    Ok(rewritten.data)
}

/// The sets, each of different keys; `None` where they are too many.
fn sets(set: &GroupingSet) -> Option<Vec<Vec<Expr>>> {
    let sets: Vec<Vec<Expr>> = match set {
        // From all to none.
        GroupingSet::Rollup(keys) => {
            let prefixes = (0..=keys.len()).rev();
            prefixes
                .filter_map(|length| keys.get(..length))
                .map(<[Expr]>::to_vec)
                .collect()
        }
        GroupingSet::Cube(keys) => {
            let all = 1_usize.checked_shl(u32::try_from(keys.len()).ok()?)?;
            if all > MOST_SETS {
                return None;
            }
            let of = |without: usize| {
                let keys = keys.iter().rev().enumerate().rev();
                let keys = keys.filter(|(place, _)| without >> place & 1 == 0);
                keys.map(|(_, key)| key.clone()).collect()
            };
            (0..all).map(of).collect()
        }
        GroupingSet::GroupingSets(sets) => sets.clone(),
    };
    let distinct = sets.into_iter().map(|set| {
        let mut keys: Vec<Expr> = Vec::with_capacity(set.len());
        for key in set {
            if !keys.contains(&key) {
                keys.push(key);
            }
        }
        keys
    });
    let sets: Vec<Vec<Expr>> = distinct.collect();
    (sets.len() <= MOST_SETS).then_some(sets)
}

fn under_each_other(
    aggregate: &Aggregate,
    set: &GroupingSet,
    sets: Vec<Vec<Expr>>,
) -> Result<LogicalPlan> {
    let keys = set.distinct_expr();
    let name = |place: usize| format!("__salus_set_{place}");
    let mut parts = Vec::with_capacity(sets.len());
    for set in sets {
        let part = Aggregate::try_new(
            Arc::clone(&aggregate.input),
            set.clone(),
            aggregate.aggr_expr.clone(),
        )?;
        let part = LogicalPlan::Aggregate(part);
        let own: Vec<Expr> = part
            .schema()
            .columns()
            .into_iter()
            .map(Expr::Column)
            .collect();
        let (own_keys, values) = own.split_at(set.len());
        let mut columns = Vec::with_capacity(aggregate.schema.fields().len());
        let mut without = 0_u64;
        for (place, key) in keys.iter().enumerate() {
            let at = set.iter().position(|own| own == *key);
            without = without << 1 | u64::from(at.is_none());
            let null = ScalarValue::try_new_null(aggregate.schema.field(place).data_type())?;
            let column = at.and_then(|at| own_keys.get(at).cloned());
            columns.push(column.unwrap_or_else(|| lit(null)));
        }
        // Which keys are not in the set, as DataFusion numbers sets.
        let id = aggregate.schema.field(keys.len()).data_type();
        columns.push(lit(ScalarValue::UInt64(Some(without)).cast_to(id)?));
        columns.extend(values.iter().cloned());
        let columns = columns.into_iter().enumerate();
        let columns = columns.map(|(place, column)| column.alias(name(place)));
        let part = Projection::try_new(columns.collect(), Arc::new(part))?;
        parts.push(Arc::new(LogicalPlan::Projection(part)));
    }
    let union = LogicalPlan::Union(Union::try_new(parts)?);
    let columns = aggregate.schema.iter().enumerate();
    let columns = columns.map(|(place, (qualifier, field))| {
        Expr::Column(Column::new_unqualified(name(place)))
            .alias_qualified(qualifier.cloned(), field.name())
    });
    let named = Projection::try_new(columns.collect(), Arc::new(union))?;
    Ok(LogicalPlan::Projection(named))
}
