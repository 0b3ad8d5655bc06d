//! LATERAL: a subquery that is asked once for each row. DataFusion makes joins of those that filter and aggregate.
//!
//! Those that take the first rows of an order ("the latest value") are brought to that form: the rows of each key are numbered in the order, and the first
//! numbers are kept.

use std::sync::Arc;

use datafusion::common::Column;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::error::Result;
use datafusion::execution::session_state::SessionState;
use datafusion::functions_window::row_number::row_number;
use datafusion::logical_expr::logical_plan::{
    FetchType, Filter, Join, JoinType, Limit, Projection, SkipType, Subquery, SubqueryAlias, Window,
};
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{
    BinaryExpr, Expr, ExprFunctionExt, LogicalPlan, Operator, SortExpr, lit,
};

use crate::refusal::Refusal;

/// Begins the names of the columns that number rows.
const PLACE: &str = "__salus_place";

/// The plan with the first rows of lateral subqueries picked by their number.
pub(crate) fn numbered(plan: LogicalPlan, state: &SessionState) -> Result<LogicalPlan> {
    let rewritten = plan.transform_up_with_subqueries(|node| match node {
        LogicalPlan::Join(join) if lateral(&join.right).is_some() => {
            let right = Arc::new(with_first_rows(&join.right, state)?);
            // ON true says nothing, and would be asked of each column of the subquery.
            let filter = join.filter.filter(|filter| *filter != lit(true));
            let join = Join {
                right,
                filter,
                ..join
            };
            Ok(Transformed::yes(LogicalPlan::Join(join)))
        }
        other => Ok(Transformed::no(other)),
    })?;
    Ok(rewritten.data)
}

/// The subquery on the right of a lateral join.
fn lateral(right: &LogicalPlan) -> Option<&Subquery> {
    match right {
        LogicalPlan::Subquery(subquery) => Some(subquery),
        LogicalPlan::SubqueryAlias(alias) => lateral(&alias.input),
        _ => None,
    }
}

fn with_first_rows(right: &LogicalPlan, state: &SessionState) -> Result<LogicalPlan> {
    Ok(match right {
        LogicalPlan::Subquery(subquery) => match first_rows(&subquery.subquery, state)? {
            Some(plan) => LogicalPlan::Subquery(subquery.with_plan(Arc::new(plan))),
            None => right.clone(),
        },
        LogicalPlan::SubqueryAlias(alias) => {
            let input = with_first_rows(&alias.input, state)?;
            LogicalPlan::SubqueryAlias(SubqueryAlias::try_new(
                Arc::new(input),
                alias.alias.clone(),
            )?)
        }
        _ => right.clone(),
    })
}

/// Refuses lateral subqueries but those of which a join says the same: rows of one table that are filtered and projected, the first of them in an order,
/// and aggregates of them.
///
/// DataFusion takes the condition on the outer row out of the subquery whatever stands above it. What counts or compares the rows of one outer row would
/// then do so with the rows of all; what is computed from an aggregate would be NULL where it has no rows; conditions on names that both sides have would
/// be read as others.
pub(crate) fn refuse_other_laterals(plan: &LogicalPlan) -> std::result::Result<(), Refusal> {
    let mut refused = None;
    let _ = plan.apply_with_subqueries(|node| {
        let LogicalPlan::Join(join) = node else {
            return Ok(TreeNodeRecursion::Continue);
        };
        if let Some(lateral) = lateral(&join.right) {
            refused = refusal(join, lateral);
        }
        Ok(match refused {
            Some(_) => TreeNodeRecursion::Stop,
            None => TreeNodeRecursion::Continue,
        })
    });
    refused.map_or(Ok(()), Err)
}

fn refusal(join: &Join, lateral: &Subquery) -> Option<Refusal> {
    let refuse = |at: &LogicalPlan, message: &str, hint: &str| {
        Some(Refusal::new("S2", at.display(), message, hint))
    };
    let inner = lateral.subquery.as_ref();
    if !join.on.is_empty() {
        return refuse(
            &join.right,
            "LATERAL is joined with USING or NATURAL",
            "write CROSS JOIN LATERAL or ON true, and what is equal in the WHERE of the subquery",
        );
    }
    if let Some(name) = shared_name(&join.left, inner) {
        return refuse(
            &join.right,
            &format!("{name} names a table of the LATERAL subquery and one before it"),
            "give the tables of the subquery aliases of their own",
        );
    }
    let (wrong, aggregates) = unfit(inner);
    match wrong {
        Some(LogicalPlan::Window(window)) => refuse(
            &LogicalPlan::Window(window.clone()),
            "a window in a LATERAL subquery counts the rows of one outer row",
            "compute the window in a subquery of its own, PARTITION BY person_id, and join that on person_id",
        ),
        Some(at @ (LogicalPlan::Limit(_) | LogicalPlan::Sort(_))) => refuse(
            at,
            "ORDER BY and LIMIT in a LATERAL subquery are taken where WHERE equates person_id and nothing else with the outer row",
            "number the rows: row_number() OVER (PARTITION BY person_id ORDER BY …) in a subquery, joined on person_id where the number is 1",
        ),
        Some(at) => refuse(
            at,
            "a LATERAL subquery filters, orders or aggregates the rows of one table, and gives columns of that as they are",
            "compute above it, or write a subquery with person_id in it and join that on person_id",
        ),
        None if aggregates && join.join_type == JoinType::Left && join.filter.is_some() => refuse(
            &join.right,
            "a LATERAL aggregate has a row for each outer row, which ON would turn into NULL",
            "write ON true, and the condition in WHERE, CASE or FILTER",
        ),
        None => None,
    }
}

/// A name of a table that stands on both sides.
fn shared_name(left: &LogicalPlan, inner: &LogicalPlan) -> Option<String> {
    let before: Vec<_> = left.schema().iter().filter_map(|(name, _)| name).collect();
    let mut shared = None;
    let _ = inner.apply(|node| {
        let own = match node {
            LogicalPlan::SubqueryAlias(alias) => Some(&alias.alias),
            LogicalPlan::TableScan(scan) => Some(&scan.table_name),
            _ => None,
        };
        let own = own.filter(|own| before.iter().any(|name| name.table() == own.table()));
        shared = own.map(|own| own.table().to_owned());
        Ok(match shared {
            Some(_) => TreeNodeRecursion::Stop,
            None => TreeNodeRecursion::Continue,
        })
    });
    shared
}

/// A column under whatever names.
fn is_column(expr: &Expr) -> bool {
    match expr {
        Expr::Alias(alias) => is_column(&alias.expr),
        other => matches!(other, Expr::Column(_)),
    }
}

/// The operator that does not fit, if any, and whether one row for each outer row comes of it.
fn unfit(plan: &LogicalPlan) -> (Option<&LogicalPlan>, bool) {
    let below = |input| unfit(input);
    match plan {
        LogicalPlan::TableScan(_) => (None, false),
        LogicalPlan::SubqueryAlias(alias) => below(&alias.input),
        LogicalPlan::Projection(projection) => {
            let (wrong, aggregates) = below(&projection.input);
            // What is computed would be NULL where the aggregate has no rows.
            let fits = !aggregates || projection.expr.iter().all(is_column);
            (wrong.or((!fits).then_some(plan)), aggregates)
        }
        LogicalPlan::Filter(filter) => {
            let (wrong, aggregates) = below(&filter.input);
            (wrong.or(aggregates.then_some(plan)), aggregates)
        }
        LogicalPlan::Window(window) if window.window_expr.iter().all(is_place) => {
            let (wrong, aggregates) = below(&window.input);
            (wrong.or(aggregates.then_some(plan)), aggregates)
        }
        LogicalPlan::Aggregate(aggregate) if aggregate.group_expr.is_empty() => {
            let (wrong, aggregates) = below(&aggregate.input);
            (wrong.or(aggregates.then_some(plan)), true)
        }
        other => (Some(other), false),
    }
}

fn is_place(expr: &Expr) -> bool {
    matches!(expr, Expr::Alias(alias) if alias.name.starts_with(PLACE))
}

/// `None` where the subquery takes no first rows, or says more of the outer row than one equality.
fn first_rows(subquery: &LogicalPlan, state: &SessionState) -> Result<Option<LogicalPlan>> {
    let LogicalPlan::Limit(limit) = subquery else {
        return Ok(None);
    };
    let Some((skip, fetch)) = literal(limit)? else {
        return Ok(None);
    };
    // Above the order stands a projection where the order's columns are not selected.
    let (above, below) = match limit.input.as_ref() {
        LogicalPlan::Projection(above) if matches!(above.input.as_ref(), LogicalPlan::Sort(_)) => {
            (Some(above), above.input.as_ref())
        }
        other => (None, other),
    };
    let (order, rows) = match below {
        LogicalPlan::Sort(sort) if sort.fetch.is_none() => (sort.expr.clone(), &sort.input),
        LogicalPlan::Sort(_) => return Ok(None),
        _ => (Vec::new(), &limit.input),
    };
    let Some((rows, key)) = with_key(rows)? else {
        return Ok(None);
    };
    let selected = match above {
        Some(above) => above.expr.clone(),
        None => columns(below),
    };
    pick(rows, key, order, (skip, fetch), selected, state).map(Some)
}

/// Numbers `rows` by `key` in `order` from 1, and keeps those behind `skip`, `fetch` of them.
fn pick(
    rows: LogicalPlan,
    key: Column,
    order: Vec<SortExpr>,
    (skip, fetch): (usize, usize),
    selected: Vec<Expr>,
    state: &SessionState,
) -> Result<LogicalPlan> {
    let place = state.execution_props().alias_generator.next(PLACE);
    let number = row_number()
        .partition_by(vec![Expr::Column(key)])
        .order_by(order)
        .build()?
        .alias(&place);
    let numbered = LogicalPlan::Window(Window::try_new(vec![number], Arc::new(rows))?);
    let place = || Expr::Column(Column::new_unqualified(&place));
    let number = |n: usize| lit(u64::try_from(n).unwrap_or(u64::MAX));
    let kept = place()
        .gt(number(skip))
        .and(place().lt_eq(number(skip.saturating_add(fetch))));
    let kept = LogicalPlan::Filter(Filter::try_new(kept, Arc::new(numbered))?);
    Ok(LogicalPlan::Projection(Projection::try_new(
        selected,
        Arc::new(kept),
    )?))
}

fn literal(limit: &Limit) -> Result<Option<(usize, usize)>> {
    Ok(match (limit.get_skip_type()?, limit.get_fetch_type()?) {
        (SkipType::Literal(skip), FetchType::Literal(Some(fetch))) => Some((skip, fetch)),
        _ => None,
    })
}

fn columns(plan: &LogicalPlan) -> Vec<Expr> {
    plan.schema()
        .columns()
        .into_iter()
        .map(Expr::Column)
        .collect()
}

/// The rows with the column that the outer row fixes among them: that of the only condition on it, an equality in a filter below projections.
fn with_key(rows: &LogicalPlan) -> Result<Option<(LogicalPlan, Column)>> {
    match rows {
        LogicalPlan::Projection(projection) => {
            let Some((below, key)) = with_key(&projection.input)? else {
                return Ok(None);
            };
            let mut exprs = projection.expr.clone();
            if !exprs.contains(&Expr::Column(key.clone())) {
                exprs.push(Expr::Column(key.clone()));
            }
            let projection = Projection::try_new(exprs, Arc::new(below))?;
            Ok(Some((LogicalPlan::Projection(projection), key)))
        }
        LogicalPlan::Filter(filter) if !below_refers(&filter.input)? => {
            let outer = split_conjunction(&filter.predicate);
            let mut outer = outer.into_iter().filter(|part| part.contains_outer());
            Ok(match (outer.next().and_then(equated), outer.next()) {
                (Some(key), None) => Some((rows.clone(), key)),
                _ => None,
            })
        }
        _ => Ok(None),
    }
}

fn below_refers(plan: &LogicalPlan) -> Result<bool> {
    plan.exists(|node| Ok(node.contains_outer_reference()))
}

/// The column that is equated with one of the outer row.
fn equated(condition: &Expr) -> Option<Column> {
    let Expr::BinaryExpr(BinaryExpr {
        left,
        op: Operator::Eq,
        right,
    }) = condition
    else {
        return None;
    };
    match (left.as_ref(), right.as_ref()) {
        (Expr::Column(own), Expr::OuterReferenceColumn(..))
        | (Expr::OuterReferenceColumn(..), Expr::Column(own)) => Some(own.clone()),
        _ => None,
    }
}
