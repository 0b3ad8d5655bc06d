//! What a query may use, for people: how it is written and what it gives.

/// Kind, how it is written, what it gives.
pub type Entry = (&'static str, &'static str, &'static str);

const RELEASE: &str = "release";
const FUNCTION: &str = "function";
const PERSON: &str = "per person";

/// All of it: what leaves with noise, what runs on one row, what folds one person's rows.
pub const REFERENCE: &[Entry] = &[
    (RELEASE, "COUNT(DISTINCT person_id)", "persons"),
    (
        RELEASE,
        "COUNT(*)",
        "rows, at most k of a person in a group",
    ),
    (RELEASE, "COUNT(x)", "rows where x is not NULL"),
    (
        RELEASE,
        "COUNT(DISTINCT x)",
        "different values, at most k of a person",
    ),
    (RELEASE, "SUM(x)", "sum of numbers within public bounds"),
    (
        RELEASE,
        "AVG(x)",
        "mean; the sum and the count are both noised",
    ),
    (
        RELEASE,
        "VAR(x), VAR_POP(x)",
        "variance, of a sample or of all",
    ),
    (
        RELEASE,
        "STDDEV(x), STDDEV_POP(x)",
        "standard deviation, of a sample or of all",
    ),
    (
        RELEASE,
        "MEDIAN(x), approx_percentile_cont(x, p)",
        "quantile of numbers within public bounds, p a literal between 0 and 1",
    ),
    (
        RELEASE,
        "MIN(x), MAX(x)",
        "the outermost value that the noise lets be told",
    ),
    (
        RELEASE,
        "… FILTER (WHERE c)",
        "the same over the rows where c holds",
    ),
    (FUNCTION, "abs(x)", "absolute value"),
    (FUNCTION, "age(date, on)", "whole years between two dates"),
    (
        FUNCTION,
        "age_band(date, on, years)",
        "band of ages such as 40-49, the last open; a key with a public domain. years divides 90",
    ),
    (
        FUNCTION,
        "btrim(x), ltrim(x), rtrim(x)",
        "text without blanks at its ends",
    ),
    (
        FUNCTION,
        "ceil(x), floor(x), round(x [, digits]), trunc(x [, digits])",
        "rounding",
    ),
    (
        FUNCTION,
        "character_length(x)",
        "number of characters; length(x) is the same",
    ),
    (
        FUNCTION,
        "clamp(x, low, high)",
        "x within public bounds, which are literals",
    ),
    (
        FUNCTION,
        "coalesce(x, y, …), nvl(x, y)",
        "the first that is not NULL",
    ),
    (
        FUNCTION,
        "date_part('year', d), EXTRACT(year FROM d)",
        "part of a date: year, quarter, month, week, day, dow, doy, hour …",
    ),
    (
        FUNCTION,
        "date_trunc('month', d)",
        "start of its month, week, quarter, year",
    ),
    (
        FUNCTION,
        "exp(x), ln(x), log10(x), log2(x), power(x, y), sqrt(x)",
        "NULL where there is none",
    ),
    (
        FUNCTION,
        "greatest(x, y, …), least(x, y, …)",
        "the largest, the smallest",
    ),
    (
        FUNCTION,
        "left(x, n), right(x, n), substr(x, from [, length])",
        "part of a text",
    ),
    (FUNCTION, "lower(x), upper(x)", "text in one case"),
    (FUNCTION, "nullif(x, y)", "NULL where they are equal"),
    (FUNCTION, "signum(x)", "-1, 0 or 1"),
    (
        FUNCTION,
        "starts_with(x, y), strpos(x, y)",
        "whether, and where, a text holds another",
    ),
    (
        FUNCTION,
        "width_bucket(x, low, high, bars)",
        "number of the bar of a histogram: 0 below, bars + 1 above; a key with a public domain",
    ),
    (
        FUNCTION,
        "+ - * / %",
        "arithmetic; NULL where it fails. date - date is a number of days, date + INTERVAL '30 days' a date",
    ),
    (
        FUNCTION,
        "= <> < <= > >= BETWEEN, IN, IS NULL, AND, OR, NOT",
        "comparison",
    ),
    (
        FUNCTION,
        "x LIKE 'E11%', ILIKE",
        "pattern, which is a literal",
    ),
    (FUNCTION, "x || y", "text put together, up to 1 kB"),
    (
        FUNCTION,
        "CASE WHEN c THEN x … ELSE y END",
        "choice; a key with a public domain where its values are literals",
    ),
    (FUNCTION, "CAST(x AS type)", "NULL where x is none"),
    (
        PERSON,
        "SELECT person_id, MAX(x) … GROUP BY person_id",
        "COUNT, SUM, AVG, MIN, MAX, bool_and, bool_or of one person's rows, in a subquery",
    ),
    (
        PERSON,
        "f(x) OVER (PARTITION BY person_id ORDER BY d)",
        "row_number, rank, dense_rank, ntile, lag, lead, first_value, last_value, nth_value, COUNT, SUM, AVG, MIN, MAX",
    ),
];

#[cfg(test)]
mod tests {
    use super::{FUNCTION, REFERENCE};
    use crate::functions::names;

    #[test]
    fn every_function_is_described_and_every_description_is_of_one() {
        let described: Vec<String> = REFERENCE
            .iter()
            .filter(|(kind, _, _)| *kind == FUNCTION)
            .flat_map(|(_, usage, _)| usage.split(|c: char| !c.is_ascii_alphanumeric() && c != '_'))
            .map(str::to_lowercase)
            .collect();
        for name in names() {
            assert!(described.iter().any(|word| word == name), "{name}");
        }
        for (_, usage, _) in REFERENCE.iter().filter(|(kind, _, _)| *kind == FUNCTION) {
            for call in usage.split('(').rev().skip(1) {
                let name = call
                    .rsplit(|c: char| !c.is_ascii_alphanumeric() && c != '_')
                    .next();
                let name = name.unwrap_or_default().to_lowercase();
                let keyword = ["", "extract", "cast"].contains(&name.as_str());
                assert!(keyword || names().contains(&name.as_str()), "{name}");
            }
        }
    }
}
