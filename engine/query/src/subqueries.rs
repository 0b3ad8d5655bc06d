//! Subqueries that bind a person stand where an analyst writes them: in WHERE, and as well in what is selected, chosen by CASE, filtered or aggregated.
//!
//! DataFusion turns those in WHERE into joins. The others are brought there: what an aggregate computes with a subquery becomes a column below it, and
//! EXISTS and IN in a column become the mark of a join, as they do beside an OR in WHERE.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, Dependency, JoinType};
use datafusion::error::Result;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::logical_plan::{Aggregate, Filter, Projection, Subquery};
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{BinaryExpr, Expr, ExprSchemable, FetchType, LogicalPlan, Operator};
use datafusion::optimizer::OptimizerRule;
use datafusion::optimizer::decorrelate_predicate_subquery::DecorrelatePredicateSubquery;
use datafusion::prelude::lit;

use crate::public;
use crate::refusal::Refusal;

/// Refuses subqueries that would be turned into joins that mean something else.
///
/// A mark says whether there is a match; IN says NULL where a NULL stands in the way. Only as a conjunct of its own in a filter is that the same. EXISTS
/// asks for any row, of which an aggregate without groups has one whoever is in it.
pub(crate) fn refuse_other_meanings(plan: &LogicalPlan) -> std::result::Result<(), Refusal> {
    let mut refused = None;
    let _ = plan.apply_with_subqueries(|node| {
        let alone: Vec<&Expr> = match node {
            LogicalPlan::Filter(filter) => split_conjunction(&filter.predicate),
            _ => Vec::new(),
        };
        let inputs = node.inputs();
        let schema = inputs.first().map(|input| input.schema().as_ref());
        node.apply_expressions(|whole| {
            whole.apply(|expr| {
                refused = match expr {
                    Expr::InSubquery(within) if !alone.contains(&expr) => {
                        let may_be_null = |expr: &Expr| {
                            schema.is_none_or(|schema| expr.nullable(schema).unwrap_or(true))
                        };
                        let mut values = within.subquery.subquery.schema().fields().iter();
                        let nulls = may_be_null(&within.expr)
                            || values.any(|field| field.is_nullable());
                        nulls.then(|| refusal(expr, "IN over values that may be NULL is neither true nor false for some rows"))
                    }
                    Expr::Exists(exists) if always_has_a_row(&exists.subquery.subquery) => Some(
                        refusal(expr, "EXISTS over an aggregate without groups, or with OFFSET, does not ask whether there are rows"),
                    ),
                    Expr::ScalarSubquery(scalar)
                        if scalar.outer_ref_columns.is_empty()
                            && !at_most_one_row(&scalar.subquery) =>
                    {
                        Some(Refusal::new(
                            "S2",
                            expr,
                            "a subquery that stands for one value could have several rows",
                            "aggregate it (MAX), add LIMIT 1, or compare every key that it is grouped by with a literal; to ask whether a value is among them, write IN",
                        ))
                    }
                    _ => None,
                };
                Ok(if refused.is_some() {
                    TreeNodeRecursion::Stop
                } else {
                    TreeNodeRecursion::Continue
                })
            })
        })
    });
    refused.map_or(Ok(()), Err)
}

fn refusal(expr: &Expr, message: &str) -> Refusal {
    Refusal::new(
        "S2",
        expr,
        message,
        "write EXISTS or NOT EXISTS (SELECT 1 … WHERE inner.person_id = outer.person_id AND …), or count in a subquery that is joined on person_id",
    )
}

fn always_has_a_row(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Aggregate(aggregate) => aggregate.group_expr.is_empty(),
        LogicalPlan::Limit(_) => true,
        LogicalPlan::Projection(_)
        | LogicalPlan::SubqueryAlias(_)
        | LogicalPlan::Sort(_)
        | LogicalPlan::Filter(_)
        | LogicalPlan::Distinct(_) => plan.inputs().into_iter().any(always_has_a_row),
        _ => false,
    }
}

/// Whether a plan has one row or none, whatever the data.
fn at_most_one_row(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Aggregate(aggregate) if aggregate.group_expr.is_empty() => true,
        LogicalPlan::EmptyRelation(_) => true,
        LogicalPlan::Values(values) => values.values.len() <= 1,
        LogicalPlan::Limit(limit) => {
            matches!(limit.get_fetch_type(), Ok(FetchType::Literal(Some(0 | 1))))
                || at_most_one_row(&limit.input)
        }
        LogicalPlan::Filter(filter) => names_one_row(filter) || at_most_one_row(&filter.input),
        LogicalPlan::Projection(_)
        | LogicalPlan::SubqueryAlias(_)
        | LogicalPlan::Sort(_)
        | LogicalPlan::Window(_)
        | LogicalPlan::Aggregate(_)
        | LogicalPlan::Distinct(_) => plan.inputs().into_iter().all(at_most_one_row),
        LogicalPlan::Join(join) if join.join_type == JoinType::Inner => {
            plan.inputs().into_iter().all(at_most_one_row)
        }
        _ => false,
    }
}

/// Whether a filter compares all columns of a key with literals.
fn names_one_row(filter: &Filter) -> bool {
    let schema = filter.input.schema();
    let named = split_conjunction(&filter.predicate)
        .into_iter()
        .filter_map(|conjunct| {
            let Expr::BinaryExpr(BinaryExpr {
                left,
                op: Operator::Eq,
                right,
            }) = conjunct
            else {
                return None;
            };
            let (column, other) = match (left.try_as_col(), right.try_as_col()) {
                (Some(column), None) => (column, right),
                (None, Some(column)) => (column, left),
                _ => return None,
            };
            let constant =
                !other.any_column_refs() && !other.contains_outer() && !is_subquery(other);
            constant
                .then(|| schema.maybe_index_of_column(column))
                .flatten()
        });
    let named: Vec<usize> = named.collect();
    let is_key = |key: &[usize]| !key.is_empty() && key.iter().all(|column| named.contains(column));
    let mut keys = schema.functional_dependencies().iter();
    keys.any(|key| key.mode == Dependency::Single && is_key(&key.source_indices))
        || is_measurement(&filter.input)
            && schema
                .index_of_column_by_name(None, "code")
                .is_some_and(|code| is_key(&[code]))
}

/// The catalog has one row for each code.
fn is_measurement(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::TableScan(scan) => scan.table_name.table() == public::MEASUREMENT,
        LogicalPlan::SubqueryAlias(alias) => is_measurement(&alias.input),
        _ => false,
    }
}

/// The plan with a name of its own for what each scalar subquery gives. Made a join, one that is alike would be taken for a column of the rows around it.
pub(crate) fn named_apart(plan: LogicalPlan, state: &SessionState) -> Result<LogicalPlan> {
    let rewritten = plan.transform_up_with_subqueries(|node| {
        let names = NamePreserver::new(&node);
        node.map_expressions(|whole| {
            // Operators above know it by its name.
            let name = names.save(&whole);
            let rewritten = whole.transform_up(|expr| match expr {
                Expr::ScalarSubquery(subquery) if subquery.outer_ref_columns.is_empty() => {
                    let [(qualifier, field)] =
                        subquery.subquery.schema().iter().collect::<Vec<_>>()[..]
                    else {
                        return Ok(Transformed::no(Expr::ScalarSubquery(subquery)));
                    };
                    let generator = &state.execution_props().alias_generator;
                    let column = Column::new(qualifier.cloned(), field.name());
                    let own = Expr::Column(column).alias(generator.next("__salus_scalar"));
                    let plan = Projection::try_new(vec![own], subquery.subquery)?;
                    let plan = Arc::new(LogicalPlan::Projection(plan));
                    Ok(Transformed::yes(Expr::ScalarSubquery(Subquery {
                        subquery: plan,
                        outer_ref_columns: subquery.outer_ref_columns,
                        spans: subquery.spans,
                    })))
                }
                other => Ok(Transformed::no(other)),
            })?;
            Ok(rewritten.update_data(|expr| name.restore(expr)))
        })
    })?;
    Ok(rewritten.data)
}

/// The plan with subqueries in columns alone, and of EXISTS and IN the marks of joins.
pub(crate) fn as_joins(plan: LogicalPlan, state: &SessionState) -> Result<LogicalPlan> {
    let rewritten = plan.transform_up_with_subqueries(|node| match node {
        LogicalPlan::Aggregate(aggregate) => below_aggregate(aggregate, state),
        LogicalPlan::Projection(projection) => marked(projection, state),
        other => Ok(Transformed::no(other)),
    })?;
    Ok(rewritten.data)
}

/// Computes below an aggregate what holds a subquery.
fn below_aggregate(
    mut aggregate: Aggregate,
    state: &SessionState,
) -> Result<Transformed<LogicalPlan>> {
    let mut computed = Vec::new();
    // Bounds and domains are read off what stands around a subquery, so that alone is taken out.
    let mut without = |expr: Expr| -> Result<Expr> {
        let name = expr.schema_name().to_string();
        let rewritten = expr.transform_up(|part| {
            if !is_subquery(&part) {
                return Ok(Transformed::no(part));
            }
            let column = state
                .execution_props()
                .alias_generator
                .next("__salus_subquery");
            computed.push(part.alias(&column));
            let column = datafusion::common::Column::new_unqualified(column);
            Ok(Transformed::yes(Expr::Column(column)))
        })?;
        if rewritten.transformed {
            // Operators above know it by its name.
            rewritten.data.alias_if_changed(name)
        } else {
            Ok(rewritten.data)
        }
    };
    let mut all = |exprs: Vec<Expr>| exprs.into_iter().map(&mut without).collect::<Result<_>>();
    aggregate.aggr_expr = all(aggregate.aggr_expr)?;
    aggregate.group_expr = all(aggregate.group_expr)?;
    if computed.is_empty() {
        return Ok(Transformed::no(LogicalPlan::Aggregate(aggregate)));
    }
    let columns = aggregate.input.schema().columns().into_iter();
    let columns = columns.map(Expr::Column).chain(computed).collect();
    let below = marked(Projection::try_new(columns, aggregate.input)?, state)?.data;
    let rewritten = Aggregate::try_new(Arc::new(below), aggregate.group_expr, aggregate.aggr_expr)?;
    Ok(Transformed::yes(LogicalPlan::Aggregate(rewritten)))
}

fn is_subquery(expr: &Expr) -> bool {
    matches!(
        expr,
        Expr::Exists(_) | Expr::InSubquery(_) | Expr::ScalarSubquery(_)
    )
}

fn marked(projection: Projection, state: &SessionState) -> Result<Transformed<LogicalPlan>> {
    let mut input = Arc::clone(&projection.input);
    let mut changed = false;
    let mut exprs = Vec::with_capacity(projection.expr.len());
    for expr in projection.expr {
        let name = expr.schema_name().to_string();
        let rewritten = expr.transform_up(|part| match part {
            Expr::Exists(_) | Expr::InSubquery(_) => match mark(&part, &input, state)? {
                Some((join, column)) => {
                    input = join;
                    Ok(Transformed::yes(column))
                }
                None => Ok(Transformed::no(part)),
            },
            other => Ok(Transformed::no(other)),
        })?;
        changed |= rewritten.transformed;
        exprs.push(if rewritten.transformed {
            rewritten.data.alias_if_changed(name)?
        } else {
            rewritten.data
        });
    }
    let projection = if changed {
        Projection::try_new(exprs, input)?
    } else {
        Projection::try_new_with_schema(exprs, input, projection.schema)?
    };
    Ok(if changed {
        Transformed::yes(LogicalPlan::Projection(projection))
    } else {
        Transformed::no(LogicalPlan::Projection(projection))
    })
}

/// The join that marks the rows for which EXISTS or IN holds, and the mark; `None` where DataFusion makes no join of it.
///
/// Beside an OR in a filter it makes such a join by itself, so that is what it is given. The filter is left out again.
fn mark(
    subquery: &Expr,
    input: &Arc<LogicalPlan>,
    state: &SessionState,
) -> Result<Option<(Arc<LogicalPlan>, Expr)>> {
    let filter = Filter::try_new(subquery.clone().or(lit(true)), Arc::clone(input))?;
    let rule = DecorrelatePredicateSubquery::new();
    let rewritten = rule.rewrite(LogicalPlan::Filter(filter), state)?.data;
    let LogicalPlan::Projection(all) = rewritten else {
        return Ok(None);
    };
    let LogicalPlan::Filter(Filter {
        predicate, input, ..
    }) = all.input.as_ref()
    else {
        return Ok(None);
    };
    match (predicate, input.as_ref()) {
        (
            Expr::BinaryExpr(BinaryExpr {
                left,
                op: Operator::Or,
                ..
            }),
            LogicalPlan::Join(_),
        ) => Ok(Some((Arc::clone(input), left.as_ref().clone()))),
        _ => Ok(None),
    }
}
