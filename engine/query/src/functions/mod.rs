//! The functions an admitted query may use: an allow-list, every one of them deterministic, row-local and total.

pub(crate) mod age;
pub(crate) mod bucket;
pub(crate) mod clamp;
pub(crate) mod grid;
pub(crate) mod order;
pub(crate) mod reference;
pub(crate) mod total;

use std::sync::Arc;

use datafusion::functions_aggregate::all_default_aggregate_functions;
use datafusion::logical_expr::{AggregateUDF, ScalarUDF};

/// DataFusion's own functions that have been read and found deterministic and row-local. Whatever is not here does not resolve.
const SCALAR: &[&str] = &[
    // numbers
    "abs",
    "ceil",
    "floor",
    "round",
    "trunc",
    "sqrt",
    "exp",
    "ln",
    "log10",
    "log2",
    "power",
    "signum",
    // text
    "btrim",
    "character_length",
    "left",
    "lower",
    "ltrim",
    "right",
    "rtrim",
    "starts_with",
    "strpos",
    "substr",
    "upper",
    // dates
    "date_part",
    "date_trunc",
    // choice
    "coalesce",
    "greatest",
    "least",
    "nullif",
    "nvl",
];

/// Aggregates that resolve; which of them a query may use where is for the rules to say.
const AGGREGATE: &[&str] = &[
    "avg",
    "bool_and",
    "bool_or",
    "count",
    "max",
    "median",
    "min",
    "stddev",
    "stddev_pop",
    "sum",
    "var",
    "var_pop",
    "approx_distinct",
    "approx_percentile_cont",
    "array_agg",
    "first_value",
    "last_value",
    "string_agg",
    "corr",
];

/// Names with which `Total` may wrap a function.
pub(crate) fn is_allowed(function: &str) -> bool {
    SCALAR.contains(&function)
        || [
            clamp::Clamp::NAME,
            bucket::WidthBucket::NAME,
            age::AgeBand::NAME,
            age::BandNumber::NAME,
            "age",
        ]
        .contains(&function)
}

/// The scalar functions of the allow-list.
pub(crate) fn scalar_functions() -> Vec<Arc<ScalarUDF>> {
    let mut functions: Vec<_> = datafusion::functions::all_default_functions()
        .into_iter()
        .filter(|function| SCALAR.contains(&function.name()))
        .collect();
    functions.push(clamp::clamp());
    functions.push(bucket::width_bucket());
    functions.extend(age::functions());
    functions
}

/// The aggregate functions that resolve by name, so that the refusal can speak of the rule rather than of an unknown name.
pub(crate) fn aggregate_functions() -> Vec<Arc<AggregateUDF>> {
    all_default_aggregate_functions()
        .into_iter()
        .filter(|function| AGGREGATE.contains(&function.name()))
        .collect()
}

/// Names of the functions that admitted queries may use, sorted.
pub fn names() -> Vec<&'static str> {
    let mut names = SCALAR.to_vec();
    names.extend([
        clamp::Clamp::NAME,
        bucket::WidthBucket::NAME,
        age::AgeBand::NAME,
        "age",
    ]);
    names.sort_unstable();
    names
}
