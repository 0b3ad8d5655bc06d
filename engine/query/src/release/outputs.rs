//! What the analyst asked for, and the sums of integers that answer it.

use std::fmt;

use datafusion::logical_expr::Expr;
use salus_certificate::Aggregate as Kind;
use salus_lake::Catalog;

use super::grid::{MOST_SQUARED_STEPS, MOST_STEPS, bounded};
use crate::derive::expression::total;
use crate::derive::relation::{Relation, Role};
use crate::derive::strip_alias;
use crate::functions::grid::{Grid, Summed, ToGrid};
use crate::refusal::Refusal;

/// What one row brings to one mechanism.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Contribution {
    /// 1 for a person with at least one row for which the condition holds.
    Persons(Option<Expr>),
    /// 1 for each row for which the condition holds.
    Rows(Option<Expr>),
    /// The row's value on the grid; NULL brings nothing.
    Sum { value: Expr, grid: Grid },
    /// 2X − LO − HI of the row's value on the grid; NULL brings nothing.
    CentredSum { value: Expr, grid: Grid },
    /// (2X − LO − HI)² of the row's value on the grid; NULL brings nothing.
    CentredSquare { value: Expr, grid: Grid },
}

impl Contribution {
    pub(crate) fn kind(&self) -> Kind {
        match self {
            Self::Persons(_) => Kind::Persons,
            Self::Rows(_) => Kind::Rows,
            Self::Sum { .. } => Kind::Sum,
            Self::CentredSum { .. } => Kind::CentredSum,
            Self::CentredSquare { .. } => Kind::CentredSquare,
        }
    }

    /// Most that one row can change the sum, in grid units.
    pub(crate) fn bound(&self) -> u64 {
        match self {
            Self::Persons(_) | Self::Rows(_) => 1,
            Self::Sum { grid, .. } => grid.reach(),
            Self::CentredSum { grid, .. } => grid.width(),
            Self::CentredSquare { grid, .. } => grid.width().saturating_mul(grid.width()),
        }
    }
}

impl fmt::Display for Contribution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Persons(_) => f.write_str("COUNT(DISTINCT person_id)"),
            Self::Rows(_) => f.write_str("COUNT(*)"),
            Self::Sum { value, .. }
            | Self::CentredSum { value, .. }
            | Self::CentredSquare { value, .. } => write!(f, "SUM({value})"),
        }
    }
}

/// How an output column follows from the mechanisms, which are given by position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Output {
    /// Number of persons or rows.
    Count { count: usize },
    /// Sum in grid units.
    Sum { sum: usize, grid: Grid },
    /// (S / n + LO + HI) / 2 in grid units.
    Average {
        count: usize,
        sum: usize,
        grid: Grid,
    },
    /// (Q / n − (S / n)²) / 4 in squared grid units; times n / (n − 1) for a sample; its root for a deviation.
    Spread {
        count: usize,
        sum: usize,
        square: usize,
        grid: Grid,
        sample: bool,
        root: bool,
    },
}

impl Output {
    #[allow(clippy::too_many_lines)] // One arm per aggregate; split, it would no longer read as the list that it is.
    pub(super) fn of(
        expr: &Expr,
        relation: &Relation,
        catalog: &Catalog,
        contributions: &mut Vec<Contribution>,
    ) -> Result<Self, Refusal> {
        let Expr::AggregateFunction(call) = strip_alias(expr) else {
            return Err(Refusal::new(
                "release",
                expr,
                "only aggregates can be released",
                "use COUNT(DISTINCT person_id), COUNT(*), SUM, AVG, VAR or STDDEV",
            ));
        };
        let params = &call.params;
        if !params.order_by.is_empty() || params.null_treatment.is_some() {
            return Err(Refusal::new(
                "release",
                expr,
                "an order inside an aggregate is not admitted",
                "remove it",
            ));
        }
        let [argument] = params.args.as_slice() else {
            return Err(Refusal::new(
                "release",
                expr,
                "this aggregate is not released",
                "use COUNT(DISTINCT person_id), COUNT(*), SUM, AVG, VAR or STDDEV",
            ));
        };
        let filter = params
            .filter
            .as_ref()
            .map(|filter| total(filter, relation))
            .transpose()?;
        let mut mechanism = |contribution: Contribution| {
            contributions
                .iter()
                .position(|c| *c == contribution)
                .unwrap_or_else(|| {
                    contributions.push(contribution);
                    contributions.len() - 1
                })
        };
        let about_unit = relation.role(argument) != Role::Plain;
        match (call.func.name(), params.distinct) {
            ("count", distinct) if about_unit => {
                // The unit of an optional side counts where it is there.
                let present = (relation.role(argument) == Role::UnitOrNull)
                    .then(|| argument.clone().is_not_null());
                let condition = both(filter, present);
                Ok(Self::Count {
                    count: mechanism(if distinct {
                        Contribution::Persons(condition)
                    } else {
                        Contribution::Rows(condition)
                    }),
                })
            }
            ("count", false) => {
                let present = match argument {
                    Expr::Literal(value, _) if !value.is_null() => None,
                    other => Some(total(other, relation)?.is_not_null()),
                };
                Ok(Self::Count {
                    count: mechanism(Contribution::Rows(both(filter, present))),
                })
            }
            ("sum", false) => {
                let (value, grid) = bounded(argument, relation, catalog, MOST_STEPS)?;
                let value = filtered(total(&value, relation)?, filter);
                Ok(Self::Sum {
                    sum: mechanism(Contribution::Sum { value, grid }),
                    grid,
                })
            }
            ("avg", false) => {
                let (value, grid) = bounded(argument, relation, catalog, MOST_STEPS)?;
                let value = filtered(total(&value, relation)?, filter);
                let count = mechanism(on_grid(&value, grid));
                let sum = mechanism(Contribution::CentredSum { value, grid });
                Ok(Self::Average { count, sum, grid })
            }
            ("var" | "var_pop" | "stddev" | "stddev_pop", false) => {
                let name = call.func.name();
                let (value, grid) = bounded(argument, relation, catalog, MOST_SQUARED_STEPS)?;
                let value = filtered(total(&value, relation)?, filter);
                let count = mechanism(on_grid(&value, grid));
                let sum = mechanism(Contribution::CentredSum {
                    value: value.clone(),
                    grid,
                });
                Ok(Self::Spread {
                    count,
                    sum,
                    square: mechanism(Contribution::CentredSquare { value, grid }),
                    grid,
                    sample: !name.ends_with("_pop"),
                    root: name.starts_with("stddev"),
                })
            }
            (name, true) => Err(Refusal::new(
                "release",
                expr,
                format!(
                    "{}(DISTINCT …) over anything but the person is not released",
                    name.to_uppercase()
                ),
                "use COUNT(DISTINCT person_id), or group by person_id in a subquery first",
            )),
            (name, false) => Err(Refusal::new(
                "release",
                expr,
                format!("{} is not released", name.to_uppercase()),
                "use COUNT(DISTINCT person_id), COUNT(*), SUM, AVG, VAR or STDDEV",
            )),
        }
    }
}

/// Counts the rows whose value is on the grid: what cannot be put there (NaN, an overflow) is NULL, and must not be counted either.
fn on_grid(value: &Expr, grid: Grid) -> Contribution {
    let on_grid = ToGrid::call(grid, Summed::Centred, value.clone());
    Contribution::Rows(Some(on_grid.is_not_null()))
}

fn both(a: Option<Expr>, b: Option<Expr>) -> Option<Expr> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.and(b)),
        (a, b) => a.or(b),
    }
}

/// A value where the filter holds, NULL elsewhere.
fn filtered(value: Expr, filter: Option<Expr>) -> Expr {
    match filter {
        None => value,
        Some(filter) => Expr::Case(datafusion::logical_expr::Case::new(
            None,
            vec![(Box::new(filter), Box::new(value))],
            None,
        )),
    }
}
