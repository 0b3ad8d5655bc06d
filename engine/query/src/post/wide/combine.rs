//! Operators that look at several rows, or at several relations.

use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Column, JoinType, ScalarValue};
use datafusion::error::Result;
use datafusion::logical_expr::expr::{WindowFunction, WindowFunctionParams};
use datafusion::logical_expr::logical_plan::{Aggregate, Join, Projection, Union, Window};
use datafusion::logical_expr::{Expr, LogicalPlan, cast, lit, when};

use super::total::{total_call, total_in, total_order, total_over};
use super::{Origin, Wide, Widening, refuse};
use crate::derive::named;

impl Widening<'_> {
    pub(super) fn window(&self, window: &Window, resampled: bool) -> Result<Wide> {
        let input = self.wide(&window.input, resampled)?;
        let mut exprs = Vec::new();
        let mut origins = input.origins.clone();
        let mut columns = input.columns.clone();
        let new = window
            .schema
            .iter()
            .skip(window.input.schema().fields().len());
        for (expr, (_, field)) in window.window_expr.iter().zip(new) {
            let (inner, name) = match expr {
                Expr::Alias(alias) => (alias.expr.as_ref(), alias.name.clone()),
                other => (other, field.name().clone()),
            };
            let Expr::WindowFunction(call) = inner else {
                return refuse("a window function is expected here");
            };
            let params = &call.params;
            let all = |exprs: &[Expr]| {
                exprs
                    .iter()
                    .map(|expr| total_over(expr, &input.plan))
                    .collect::<Result<Vec<_>>>()
            };
            if params.partition_by.iter().any(|key| input.is_noisy(key)) {
                return refuse(
                    "PARTITION BY over released numbers: their noise would decide who is compared with whom",
                );
            }
            let mut partition_by = all(&params.partition_by)?;
            partition_by.extend(input.repetition.clone().map(Expr::Column));
            let order_by = total_order(&params.order_by, &input.plan)?;
            let filter = params
                .filter
                .as_ref()
                .map(|filter| total_over(filter, &input.plan).map(Box::new))
                .transpose()?;
            let call = Expr::from(WindowFunction {
                fun: call.fun.clone(),
                params: WindowFunctionParams {
                    args: all(&params.args)?,
                    partition_by,
                    order_by,
                    filter,
                    ..params.clone()
                },
            });
            exprs.push(call.alias(&name));
            // A window looks at other rows: whatever it gives may depend on noise.
            let noisy = input.origins.iter().any(|origin| *origin != Origin::Public);
            origins.push(if noisy {
                Origin::Derived
            } else {
                Origin::Public
            });
            columns.push(Column::new_unqualified(name));
        }
        Ok(Wide {
            plan: LogicalPlan::Window(Window::try_new(exprs, Arc::new(input.plan.clone()))?),
            origins,
            columns,
            ..input
        })
    }

    pub(super) fn aggregate(&self, aggregate: &Aggregate, resampled: bool) -> Result<Wide> {
        let input = self.wide(&aggregate.input, resampled)?;
        let mut groups = Vec::new();
        let mut back = Vec::new();
        let mut ids = Vec::new();
        let mut identity = Vec::new();
        let mut origins = Vec::new();
        let mut columns = Vec::new();
        for (expr, (qualifier, field)) in aggregate.group_expr.iter().zip(aggregate.schema.iter()) {
            if matches!(expr, Expr::GroupingSet(_)) {
                return refuse("ROLLUP, CUBE and GROUPING SETS are not admitted above the release");
            }
            if input.is_noisy(expr) {
                return refuse(
                    "GROUP BY over released numbers: their noise would decide what is brought together",
                );
            }
            let (inner, id) = (self.name("group"), self.name("id"));
            let column = Column::new(qualifier.cloned(), field.name());
            groups.push(total_over(expr, &input.plan)?.alias(&inner));
            let grouped = Expr::Column(Column::new_unqualified(inner));
            back.push(named(grouped.clone(), &column));
            ids.push(grouped.alias(&id));
            identity.push(Column::new_unqualified(id));
            origins.push(Origin::Public);
            columns.push(column);
        }
        let noisy = input.origins.iter().any(|origin| *origin != Origin::Public);
        let mut calls = Vec::new();
        for (expr, (qualifier, field)) in aggregate
            .aggr_expr
            .iter()
            .zip(aggregate.schema.iter().skip(aggregate.group_expr.len()))
        {
            let column = Column::new(qualifier.cloned(), field.name());
            let inner = self.name("aggregate");
            calls.push(total_call(expr, &input.plan)?.alias(&inner));
            back.push(named(Expr::Column(Column::new_unqualified(inner)), &column));
            origins.push(if noisy {
                Origin::Derived
            } else {
                Origin::Public
            });
            columns.push(column);
        }
        if ids.is_empty() {
            let id = self.name("id");
            ids.push(lit(0_i64).alias(&id));
            identity.push(Column::new_unqualified(id));
        }
        let mut repetition = None;
        if let Some(column) = &input.repetition {
            let (inner, outer) = (self.name("group"), self.name("repetition"));
            groups.push(Expr::Column(column.clone()).alias(&inner));
            ids.push(Expr::Column(Column::new_unqualified(inner)).alias(&outer));
            repetition = Some(Column::new_unqualified(outer));
        }
        let folded = Aggregate::try_new(Arc::new(input.plan), groups, calls)?;
        back.extend(ids);
        Ok(Wide {
            plan: LogicalPlan::Projection(Projection::try_new(
                back,
                Arc::new(LogicalPlan::Aggregate(folded)),
            )?),
            origins,
            identity,
            repetition,
            columns,
        })
    }

    pub(super) fn distinct(&self, input: &LogicalPlan, resampled: bool) -> Result<Wide> {
        let wide = self.wide(input, resampled)?;
        if wide.origins.iter().any(|origin| *origin != Origin::Public) {
            return refuse(
                "DISTINCT over released numbers: their noise would decide what is equal",
            );
        }
        let columns: Vec<_> = input
            .schema()
            .columns()
            .into_iter()
            .map(Expr::Column)
            .collect();
        let folded = Aggregate::try_new(Arc::new(input.clone()), columns, vec![])?;
        self.aggregate(&folded, resampled)
    }

    pub(super) fn union(&self, union: &Union, resampled: bool) -> Result<Wide> {
        let branches = union
            .inputs
            .iter()
            .map(|input| self.wide(input, resampled))
            .collect::<Result<Vec<_>>>()?;
        let most = branches.iter().map(|b| b.identity.len()).max().unwrap_or(0);
        let ids: Vec<_> = (0..=most).map(|_| self.name("id")).collect();
        let repetition = self.name("repetition");
        let columns = union.schema.columns();
        let mut origins = vec![Origin::Public; columns.len()];
        let mut inputs = Vec::new();
        for (number, branch) in branches.into_iter().enumerate() {
            for (all, own) in origins.iter_mut().zip(&branch.origins) {
                if *own != Origin::Public {
                    *all = Origin::Derived;
                }
            }
            let own = branch
                .columns
                .iter()
                .zip(union.schema.fields())
                .map(|(column, field)| {
                    cast(Expr::Column(column.clone()), field.data_type().clone())
                        .alias(field.name())
                });
            let branch_id = lit(i64::try_from(number).unwrap_or(i64::MAX)).alias(&ids[0]);
            let cell_ids = ids[1..].iter().enumerate().map(|(i, name)| {
                let id = branch.identity.get(i).map_or_else(
                    || lit(ScalarValue::Utf8(None)),
                    |id| Expr::Column(id.clone()),
                );
                cast(id, DataType::Utf8).alias(name)
            });
            let repeated = branch
                .repetition
                .clone()
                .map(|column| Expr::Column(column).alias(&repetition));
            let exprs: Vec<_> = own
                .chain([branch_id])
                .chain(cell_ids)
                .chain(repeated)
                .collect();
            inputs.push(Arc::new(LogicalPlan::Projection(Projection::try_new(
                exprs,
                Arc::new(branch.plan),
            )?)));
        }
        let plan = LogicalPlan::Union(Union::try_new(inputs)?);
        Ok(Wide {
            plan,
            origins,
            identity: ids.into_iter().map(Column::new_unqualified).collect(),
            repetition: resampled.then(|| Column::new_unqualified(repetition)),
            columns: columns
                .into_iter()
                .map(|column| Column::new_unqualified(column.name))
                .collect(),
        })
    }

    /// In a full join a row that only one side has is of that side's repetition.
    fn either_repetition(
        &self,
        join: &Join,
        left: &Wide,
        right: &Wide,
    ) -> Result<Option<(Expr, Column)>> {
        let (JoinType::Full, Some(l), Some(r)) = (
            join.join_type,
            left.repetition.clone(),
            right.repetition.clone(),
        ) else {
            return Ok(None);
        };
        let (l, r) = (Expr::Column(l), Expr::Column(r));
        let name = self.name("repetition");
        let expr = when(l.clone().is_null(), r).otherwise(l)?.alias(&name);
        Ok(Some((expr, Column::new_unqualified(name))))
    }

    pub(super) fn join(&self, join: &Join, resampled: bool) -> Result<Wide> {
        let left = self.wide(&join.left, resampled)?;
        let right = self.wide(&join.right, resampled)?;
        if join
            .on
            .iter()
            .any(|(l, r)| left.is_noisy(l) || right.is_noisy(r))
        {
            return refuse(
                "a join on released numbers: their noise would decide what belongs together",
            );
        }
        let mut on = join
            .on
            .iter()
            .map(|(l, r)| Ok((total_over(l, &left.plan)?, total_over(r, &right.plan)?)))
            .collect::<Result<Vec<_>>>()?;
        let filter = join
            .filter
            .as_ref()
            .map(|filter| {
                let noisy = filter.column_refs().into_iter().any(|column| {
                    let expr = Expr::Column(column.clone());
                    left.is_noisy(&expr) || right.is_noisy(&expr)
                });
                if noisy {
                    return refuse("a join on released numbers: their noise would decide what belongs together");
                }
                let schema = left.plan.schema().join(right.plan.schema())?;
                total_in(filter, &schema)
            })
            .transpose()?;
        if let (Some(l), Some(r)) = (&left.repetition, &right.repetition) {
            on.push((Expr::Column(l.clone()), Expr::Column(r.clone())));
        }
        let (both, repetition) = match join.join_type {
            JoinType::Inner | JoinType::Left => (true, left.repetition.clone()),
            JoinType::Right => (true, right.repetition.clone()),
            JoinType::LeftSemi | JoinType::LeftAnti => (false, left.repetition.clone()),
            // Named when the join stands; see below.
            JoinType::Full => (true, None),
            other => return refuse(&format!("a {other} join is not admitted above the release")),
        };
        let either = self.either_repetition(join, &left, &right)?;
        let shift = left.identity.len();
        let mut origins = left.origins.clone();
        let mut identity = left.identity.clone();
        let mut columns = left.columns.clone();
        if both {
            origins.extend(right.origins.iter().map(|origin| match *origin {
                Origin::Released {
                    identity,
                    release,
                    column,
                } => Origin::Released {
                    identity: identity + shift,
                    release,
                    column,
                },
                other => other,
            }));
            identity.extend(right.identity.clone());
            columns.extend(right.columns.clone());
        }
        let joined = Join::try_new(
            Arc::new(left.plan),
            Arc::new(right.plan),
            on,
            filter,
            join.join_type,
            join.join_constraint,
            join.null_equality,
            false,
        )?;
        let wide = Wide {
            plan: LogicalPlan::Join(joined),
            origins,
            identity,
            repetition,
            columns,
        };
        // The relation's own columns first, then what it is known by: the operators above resolve by name and position alike.
        let exprs: Vec<_> = wide
            .columns
            .iter()
            .cloned()
            .map(Expr::Column)
            .chain(wide.extra())
            .chain(either.iter().map(|(expr, _)| expr.clone()))
            .collect();
        let plan = Projection::try_new(exprs, Arc::new(wide.plan.clone()))?;
        Ok(Wide {
            plan: LogicalPlan::Projection(plan),
            repetition: wide.repetition.or(either.map(|(_, column)| column)),
            ..wide
        })
    }
}
