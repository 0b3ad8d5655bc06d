//! What the analyst asked for, and the sums of integers that answer it.

use std::borrow::Cow;
use std::fmt;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::expr::AggregateFunction;
use datafusion::logical_expr::{Expr, ExprSchemable};
use salus_certificate::Aggregate as Kind;
use salus_lake::Catalog;

use super::grid::{MOST_SQUARED_STEPS, MOST_STEPS, bounded};
use super::tree::{Place, Tree};
use crate::derive::expression::total;
use crate::derive::relation::{Relation, Role, literal};
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
    /// The value itself, counted once for everybody; NULL brings nothing.
    Value(Expr),
    /// 1 in the leaf of the row's value on the grid, and in its ancestors; NULL brings nothing.
    Leaf { value: Expr, tree: Tree },
}

impl Contribution {
    pub(crate) fn kind(&self) -> Kind {
        match self {
            Self::Persons(_) => Kind::Persons,
            Self::Rows(_) => Kind::Rows,
            Self::Sum { .. } => Kind::Sum,
            Self::CentredSum { .. } => Kind::CentredSum,
            Self::CentredSquare { .. } => Kind::CentredSquare,
            Self::Value(_) => Kind::Values,
            Self::Leaf { .. } => Kind::Tree,
        }
    }

    /// Whether each of a person's rows counts.
    pub(crate) fn brings_rows(&self) -> bool {
        !matches!(self, Self::Persons(_) | Self::Value(_))
    }

    /// Most that one row can change the sum, in grid units; the number of levels of a tree.
    pub(crate) fn bound(&self) -> u64 {
        match self {
            Self::Persons(_) | Self::Rows(_) | Self::Value(_) => 1,
            Self::Leaf { tree, .. } => tree.levels() as u64,
            Self::Sum { grid, .. } => grid.reach(),
            Self::CentredSum { grid, .. } => grid.width(),
            Self::CentredSquare { grid, .. } => grid.width().saturating_mul(grid.width()),
        }
    }

    /// Numbers for each cell.
    pub(crate) fn values(&self) -> usize {
        match self {
            Self::Leaf { tree, .. } => tree.nodes(),
            _ => 1,
        }
    }

    /// Whether a plan of its own computes it, because it groups by more than the keys.
    pub(crate) fn stands_alone(&self) -> bool {
        matches!(self, Self::Value(_) | Self::Leaf { .. })
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
            Self::Value(value) => write!(f, "COUNT(DISTINCT {value})"),
            Self::Leaf { value, .. } => write!(f, "MEDIAN({value})"),
        }
    }
}

/// What to use instead of an aggregate that is not released.
pub(crate) const RELEASED: &str = "use COUNT(DISTINCT …), COUNT(*), SUM, AVG, VAR, STDDEV, MEDIAN, approx_percentile_cont, MIN or MAX";

/// How an output column follows from the mechanisms, which are given by position.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Output {
    /// Number of persons, rows or values.
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
    /// The value at a place among the sorted rows.
    Quantile { tree: usize, place: Place },
}

impl Output {
    pub(super) fn of(
        expr: &Expr,
        relation: &Relation,
        catalog: &Catalog,
        contributions: &mut Vec<Contribution>,
    ) -> Result<Self, Refusal> {
        let refuse = |message: &str, hint: &str| Err(Refusal::new("release", expr, message, hint));
        let Expr::AggregateFunction(call) = strip_alias(expr) else {
            return refuse("only aggregates can be released", RELEASED);
        };
        let params = &call.params;
        let within_group = call.func.supports_within_group_clause();
        if (!params.order_by.is_empty() && !within_group) || params.null_treatment.is_some() {
            return refuse("an order inside an aggregate is not admitted", "remove it");
        }
        let Some(argument) = params.args.first() else {
            return refuse("this aggregate is not released", RELEASED);
        };
        let filter = params
            .filter
            .as_ref()
            .map(|filter| total(filter, relation))
            .transpose()?;
        let mut asked = Asked {
            expr,
            argument,
            written_filter: params.filter.as_deref(),
            filter,
            relation,
            catalog,
            contributions,
        };
        let name = call.func.name();
        // COUNT(DISTINCT CASE WHEN … THEN person_id END) counts the persons for whom it holds.
        if let ("count", 1, Some((unit, condition))) =
            (name, params.args.len(), unit_where(argument, relation))
        {
            asked.argument = unit;
            asked.filter = both(asked.filter, Some(total(condition, relation)?));
            return Ok(asked.persons(params.distinct));
        }
        if let Some(place) = place(name, call) {
            return if params.distinct {
                refuse(
                    "a quantile of distinct values is not released",
                    "leave DISTINCT away, or group by person_id in a subquery first",
                )
            } else {
                asked.quantile(place)
            };
        }
        if name == "approx_percentile_cont" {
            return refuse(
                "which quantile is to be released is not a literal between 0 and 1",
                "write for instance approx_percentile_cont(value, 0.9)",
            );
        }
        if params.args.len() > 1 && name != "count" {
            return refuse("this aggregate is not released", RELEASED);
        }
        if params.args.len() > 1 {
            return refuse(
                "an aggregate of several expressions is not released",
                "aggregate one expression; COUNT(DISTINCT a || '|' || b) counts pairs of texts",
            );
        }
        match (name, params.distinct) {
            ("count", distinct) if relation.role(argument) != Role::Plain => {
                Ok(asked.persons(distinct))
            }
            ("count", false) => asked.rows(),
            ("count", true) => asked.values(),
            ("sum", false) => asked.sum(),
            ("avg", false) => asked.average(),
            ("var" | "var_pop" | "stddev" | "stddev_pop", false) => {
                asked.spread(!name.ends_with("_pop"), name.starts_with("stddev"))
            }
            (name, true) => refuse(
                &format!("{}(DISTINCT …) is not released", name.to_uppercase()),
                "leave DISTINCT away, or group by person_id in a subquery first",
            ),
            (name, false) => refuse(
                &format!("{} is not released", name.to_uppercase()),
                RELEASED,
            ),
        }
    }
}

/// Of a CASE that gives the person where a condition holds and nothing elsewhere: the person, and the condition.
fn unit_where<'e>(argument: &'e Expr, relation: &Relation) -> Option<(&'e Expr, &'e Expr)> {
    let Expr::Case(case) = strip_alias(argument) else {
        return None;
    };
    let [(condition, then)] = case.when_then_expr.as_slice() else {
        return None;
    };
    let otherwise = case.else_expr.as_deref();
    let nothing = otherwise.is_none_or(|e| literal(e).is_some_and(|value| value.is_null()));
    let is_unit = relation.role(then) != Role::Plain;
    (case.expr.is_none() && nothing && is_unit).then_some((then, condition))
}

/// Which place among the sorted rows an aggregate asks for, if it does.
fn place(name: &str, call: &AggregateFunction) -> Option<Place> {
    match name {
        "median" => Some(Place::Fraction(0.5)),
        "min" => Some(Place::Least),
        "max" => Some(Place::Greatest),
        "approx_percentile_cont" => {
            let part = literal(call.params.args.get(1)?)?.cast_to(&DataType::Float64);
            let ScalarValue::Float64(Some(part)) = part.ok()? else {
                return None;
            };
            let falls = call.params.order_by.first().is_some_and(|order| !order.asc);
            let part = if falls { 1.0 - part } else { part };
            match part {
                0.0 => Some(Place::Least),
                1.0 => Some(Place::Greatest),
                part => (part > 0.0 && part < 1.0).then_some(Place::Fraction(part)),
            }
        }
        _ => None,
    }
}

/// One aggregate of a question on its way to mechanisms.
struct Asked<'a> {
    expr: &'a Expr,
    argument: &'a Expr,
    /// As the analyst wrote it.
    written_filter: Option<&'a Expr>,
    filter: Option<Expr>,
    relation: &'a Relation,
    catalog: &'a Catalog,
    contributions: &'a mut Vec<Contribution>,
}

impl Asked<'_> {
    /// The mechanism of a contribution: one for all outputs that need the same.
    fn mechanism(&mut self, contribution: Contribution) -> usize {
        let known = self.contributions.iter().position(|c| *c == contribution);
        known.unwrap_or_else(|| {
            self.contributions.push(contribution);
            self.contributions.len() - 1
        })
    }

    /// Persons, or rows that name one.
    fn persons(&mut self, distinct: bool) -> Output {
        // The unit of an optional side counts where it is there.
        let present = (self.relation.role(self.argument) == Role::UnitOrNull)
            .then(|| self.argument.clone().is_not_null());
        let condition = both(self.filter.take(), present);
        let count = if distinct {
            Contribution::Persons(condition)
        } else {
            Contribution::Rows(condition)
        };
        Output::Count {
            count: self.mechanism(count),
        }
    }

    fn rows(&mut self) -> Result<Output, Refusal> {
        let present = match self.argument {
            Expr::Literal(value, _) if !value.is_null() => None,
            other => Some(total(other, self.relation)?.is_not_null()),
        };
        let condition = both(self.filter.take(), present);
        Ok(Output::Count {
            count: self.mechanism(Contribution::Rows(condition)),
        })
    }

    /// Distinct values.
    fn values(&mut self) -> Result<Output, Refusal> {
        let kind = self.argument.get_type(self.relation.schema());
        // Floats have values that are equal and not the same.
        if !kind.is_ok_and(|kind| crate::unknown::can_spell(&kind)) {
            return Err(Refusal::new(
                "release",
                self.expr,
                "distinct values of this type are not counted",
                "cast it to DATE, DECIMAL or VARCHAR",
            ));
        }
        let value = filtered(total(self.argument, self.relation)?, self.filter.take());
        Ok(Output::Count {
            count: self.mechanism(Contribution::Value(value)),
        })
    }

    /// The value that is put on a grid, where the filter holds.
    fn bounded(&mut self, most_steps: i128) -> Result<(Expr, Grid), Refusal> {
        let mut relation = Cow::Borrowed(self.relation);
        if let Some(filter) = self.written_filter {
            relation.to_mut().pin_codes(filter);
        }
        let (value, grid) = bounded(self.argument, &relation, self.catalog, most_steps)?;
        let value = filtered(total(&value, self.relation)?, self.filter.take());
        Ok((value, grid))
    }

    fn sum(&mut self) -> Result<Output, Refusal> {
        let (value, grid) = self.bounded(MOST_STEPS)?;
        Ok(Output::Sum {
            sum: self.mechanism(Contribution::Sum { value, grid }),
            grid,
        })
    }

    fn average(&mut self) -> Result<Output, Refusal> {
        let (value, grid) = self.bounded(MOST_STEPS)?;
        Ok(Output::Average {
            count: self.mechanism(on_grid(&value, grid)),
            sum: self.mechanism(Contribution::CentredSum { value, grid }),
            grid,
        })
    }

    fn spread(&mut self, sample: bool, root: bool) -> Result<Output, Refusal> {
        let (value, grid) = self.bounded(MOST_SQUARED_STEPS)?;
        Ok(Output::Spread {
            count: self.mechanism(on_grid(&value, grid)),
            sum: self.mechanism(Contribution::CentredSum {
                value: value.clone(),
                grid,
            }),
            square: self.mechanism(Contribution::CentredSquare { value, grid }),
            grid,
            sample,
            root,
        })
    }

    fn quantile(&mut self, place: Place) -> Result<Output, Refusal> {
        let (value, grid) = self.bounded(MOST_STEPS)?;
        let tree = Tree::over(grid);
        Ok(Output::Quantile {
            tree: self.mechanism(Contribution::Leaf { value, tree }),
            place,
        })
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
