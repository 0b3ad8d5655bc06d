//! A private choice of bounds: before a question is asked, how many groups and rows most persons have in it is asked, and paid for like any question.

use datafusion::functions_aggregate::expr_fn::approx_percentile_cont;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder};
use datafusion::prelude::{ident, lit};

use crate::derive::{Derivation, GROUPS, ROWS};
use crate::functions::clamp::clamp;
use crate::post::{ReleasedAggregate, Split, released_scan};
use crate::refusal::Refusal;
use crate::unresolved::said;

/// Parts of the persons that a bound is to hold for, in hundredths.
pub const PARTS: [u32; 4] = [50, 90, 95, 99];

/// More groups or rows than that are no bound of use.
const MOST: i64 = 1_000;

/// Instead of a question's only release: quantiles over persons, of the groups that each is in and of the rows of her fullest.
///
/// # Errors
/// Where the question has several releases, each of which has bounds of its own.
pub(crate) fn instead(parts: &Split, derivation: &mut Derivation<'_>) -> Result<Split, Refusal> {
    let [part] = parts.releases.as_slice() else {
        return Err(Refusal::new(
            "statement",
            "the query",
            "it has several aggregates over rows, each with bounds of its own",
            "ask for the bounds of one of them at a time",
        ));
    };
    // The release it would have had is not made.
    derivation.reset(part.step);
    let relation = derivation.counts(&part.relation, &part.aggregate.group_expr)?;
    let quantile = |name: &str, part: u32| {
        let number = clamp().call(vec![ident(name), lit(1_i64), lit(MOST)]);
        let part_of = lit(f64::from(part) / 100.0);
        approx_percentile_cont(number.sort(true, false), part_of, None)
            .alias(format!("{name}_{part}"))
    };
    let outputs = [GROUPS, ROWS].map(|name| PARTS.map(|part| quantile(name, part)));
    let none: [Expr; 0] = [];
    let unplanned = |e: datafusion::error::DataFusionError| {
        Refusal::new("resolve", "the query", said(&e), "please report this query")
    };
    let aggregate = LogicalPlanBuilder::from(relation.plan.clone())
        .aggregate(none, outputs.concat())
        .and_then(LogicalPlanBuilder::build)
        .map_err(unplanned)?;
    let LogicalPlan::Aggregate(aggregate) = aggregate else {
        return Err(unplanned(datafusion::error::DataFusionError::Plan(
            "no aggregate".to_owned(),
        )));
    };
    let above = released_scan(0, &aggregate.schema).map_err(unplanned)?;
    let step = derivation.release(&relation);
    Ok(Split {
        releases: vec![ReleasedAggregate {
            aggregate,
            relation,
            step: usize::try_from(step).unwrap_or(usize::MAX),
        }],
        above,
    })
}
