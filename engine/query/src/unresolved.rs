//! What a planner's error means to the one who wrote the query: its first sentence, and a hint that fits.

use datafusion::common::DataFusionError;
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer};
use salus_lake::Catalog;

use crate::functions;
use crate::public::MEASUREMENT;
use crate::refusal::Refusal;

/// Longest text that is quoted from the planner.
const LONGEST: usize = 300;

const NAMES: &str =
    "`salus tables` lists tables and columns, `salus catalog show --functions` the functions";

/// What other dialects call things, and how they are written here.
const ELSEWHERE: &[(&str, &str)] = &[
    ("any_value", PICKED),
    ("arg_max", PICKED),
    ("arg_min", PICKED),
    ("ceiling", "ceil(x)"),
    ("corr", PRODUCTS),
    ("count_if", "COUNT(*) FILTER (WHERE …)"),
    ("countif", "COUNT(*) FILTER (WHERE …)"),
    ("covar_pop", PRODUCTS),
    ("covar_samp", PRODUCTS),
    ("concat", "a || b"),
    ("current_date", CLOCK),
    ("current_time", CLOCK),
    ("current_timestamp", CLOCK),
    ("date_diff", DAYS),
    ("datediff", DAYS),
    ("extract", "date_part('year', d)"),
    ("dob", "birth_date"),
    ("gender", "sex"),
    (
        "generate_series",
        "(VALUES (1), (2), (3)) v(n), or group by the date: keys between literal ends are all shown",
    ),
    ("getdate", CLOCK),
    ("if", "CASE WHEN … THEN … ELSE … END"),
    ("ifnull", "coalesce(x, y)"),
    ("iif", "CASE WHEN … THEN … ELSE … END"),
    ("isnull", "coalesce(x, y), or x IS NULL"),
    ("len", "character_length(x)"),
    ("lpad", "substr, left and right, or ||"),
    ("log", "ln(x), log2(x) or log10(x)"),
    ("max_by", PICKED),
    ("min_by", PICKED),
    ("mod", "x % y"),
    ("mode", "GROUP BY x ORDER BY COUNT(*) DESC LIMIT 1"),
    ("month", "date_part('month', d)"),
    ("now", CLOCK),
    ("patient_id", "person_id"),
    ("percentile_cont", QUANTILE),
    ("percentile_disc", QUANTILE),
    ("pow", "power(x, y)"),
    ("quantile_cont", QUANTILE),
    ("regexp_like", "LIKE, ILIKE, starts_with or strpos"),
    ("regexp_match", "LIKE, ILIKE, starts_with or strpos"),
    ("regr_slope", PRODUCTS),
    ("rpad", "substr, left and right, or ||"),
    ("split_part", "substr and strpos"),
    (
        "replace",
        "CASE, or compare with substr, left, right and strpos",
    ),
    ("subject", "person_id"),
    ("sysdate", CLOCK),
    ("today", CLOCK),
    (
        "to_char",
        "date_part('year', d) and date_part('month', d), or date_trunc('month', d)",
    ),
    ("to_date", "CAST(x AS DATE)"),
    ("trim", "btrim(x)"),
    ("variance", "VAR(x)"),
    ("year", "date_part('year', d)"),
];
const CLOCK: &str =
    "DATE '2025-01-01': there is no clock, so that a question means the same tomorrow";
const DAYS: &str = "date_part('year', d), age(d, DATE '2025-01-01'), or d - DATE '2025-01-01'";
const PICKED: &str = "JOIN LATERAL (SELECT … WHERE o.person_id = p.person_id ORDER BY … LIMIT 1) ON true, or row_number() OVER (PARTITION BY person_id ORDER BY …) = 1";
const PRODUCTS: &str = "AVG(x * y) - AVG(x) * AVG(y), of x and y that were clamped in a subquery";
const QUANTILE: &str = "approx_percentile_cont(x, 0.9), or MEDIAN(x)";

/// Words of the planner's errors, and what to write instead; the first that stands in one counts.
const SAID: &[(&str, &str)] = &[
    (
        "fetch clause",
        "write ORDER BY … LIMIT 5 after the GROUP BY",
    ),
    (
        "not implemented: top",
        "write ORDER BY … LIMIT 5 after the GROUP BY",
    ),
    (
        "should only return one column",
        "write EXISTS (SELECT 1 … WHERE inner.person_id = outer.person_id AND …)",
    ),
    ("interval", DAYS_BETWEEN),
    (
        "limit must be",
        "LIMIT and OFFSET take whole numbers from 0",
    ),
    (
        "require unique expression names",
        "give each column a name of its own: COUNT(*) AS n, COUNT(DISTINCT person_id) AS persons",
    ),
    (
        "too many columns",
        "write EXISTS (SELECT 1 … WHERE inner.person_id = outer.person_id AND inner.x = outer.x)",
    ),
    (
        "nested_expressions",
        "there are no lists: write one column for each, such as approx_percentile_cont(x, 0.25) and approx_percentile_cont(x, 0.75)",
    ),
    (
        "ambiguous reference",
        "say which table's it is: p.person_id",
    ),
    (
        "nested aggregate",
        "aggregate in a subquery by person_id, and aggregate that outside",
    ),
    (
        "aggregate function calls cannot be nested",
        "aggregate in a subquery by person_id, and aggregate that outside",
    ),
    (
        "non-executable",
        "a subquery that stands for one value has one row for each row outside: aggregate it (MAX), or write JOIN LATERAL (… ORDER BY … LIMIT 1) ON true",
    ),
    (
        "pivot",
        "write one aggregate a column: COUNT(*) FILTER (WHERE sex = 'male')",
    ),
];

const DAYS_BETWEEN: &str = "two dates differ by a number of days: end_date - start_date > 3; or add to one: end_date > start_date + INTERVAL '3 days'";

/// The refusal of a query that resolves and that the planner knows no operators for.
pub(crate) fn unplanned(error: &DataFusionError, sql: &str, catalog: &Catalog) -> Refusal {
    let mut refusal = unresolved(error, sql, catalog);
    if refusal.hint == NAMES {
        "check the types of what is compared and summed".clone_into(&mut refusal.hint);
    }
    refusal
}

/// The refusal of a query that does not resolve.
pub(crate) fn unresolved(error: &DataFusionError, sql: &str, catalog: &Catalog) -> Refusal {
    let text = error.strip_backtrace();
    let Explained { at, what, hint } = explain(&text, sql, catalog);
    let at = at.and_then(|name| place(sql, &name)).or_else(|| {
        let start = error.diagnostic()?.span?.start;
        Some(format!("line {}, column {}", start.line, start.column))
    });
    let at = at.unwrap_or_else(|| "the query".to_owned());
    Refusal::new("resolve", at, what, hint)
}

/// Where a name stands in the query: the last part of what is written with dots.
fn place(sql: &str, name: &str) -> Option<String> {
    let last = name.rsplit('.').next().unwrap_or(name);
    let tokens = Tokenizer::new(&GenericDialect {}, sql).tokenize_with_location();
    let tokens = tokens.unwrap_or_default();
    let found = tokens.iter().find(
        |token| matches!(&token.token, Token::Word(word) if word.value.eq_ignore_ascii_case(last)),
    )?;
    let start = found.span.start;
    Some(format!(
        "{last}, line {}, column {}",
        start.line, start.column
    ))
}

/// What is said of an error, and of which name.
struct Explained {
    at: Option<String>,
    what: String,
    hint: String,
}

impl Explained {
    fn of(name: impl Into<String>, what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            at: Some(name.into()),
            what: what.into(),
            hint: hint.into(),
        }
    }

    fn nowhere(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            at: None,
            what: what.into(),
            hint: hint.into(),
        }
    }
}

fn explain(text: &str, sql: &str, catalog: &Catalog) -> Explained {
    if let Some(name) = after(text, "No field named ") {
        let plain = name.rsplit('.').next().unwrap_or(&name).to_lowercase();
        let hint = if let Some(here) = elsewhere(&plain) {
            format!("write {here}")
        } else if sql.contains(&format!("\"{plain}\"")) || sql.contains(&format!("\"{name}\"")) {
            format!("text stands in single quotes: '{plain}'; double quotes are for names")
        } else {
            let tables = catalog.tables.iter();
            let of = tables.filter(|(_, table)| table.columns.contains_key(&plain));
            let of: Vec<&str> = of.map(|(table, _)| table.as_str()).collect();
            if !of.is_empty() {
                let hint = format!(
                    "it is a column of {}: join that table, or mind the alias",
                    of.join(", ")
                );
                return Explained::of(&name, format!("there is no column {name} here"), hint);
            }
            let tables = catalog.tables.values();
            let columns = tables.flat_map(|table| table.columns.keys());
            near(
                &plain,
                columns.map(String::as_str),
                "`salus tables` lists tables and columns",
            )
        };
        return Explained::of(&name, format!("there is no column {name}"), hint);
    }
    if let Some(name) = after(text, "Invalid function '") {
        let name = name.trim_matches('\'').to_lowercase();
        let hint = match elsewhere(&name) {
            Some(here) => format!("write {here}"),
            None => near(
                &name,
                functions::names().into_iter(),
                "`salus catalog show --functions` lists the functions",
            ),
        };
        return Explained::of(&name, format!("there is no function {name}"), hint);
    }
    if text.contains("not found")
        && let Some(name) = after(text, "table '")
    {
        let name = name.trim_matches('\'').to_lowercase();
        let name = name
            .trim_start_matches("salus.")
            .trim_start_matches("public.");
        let tables = catalog.tables.keys().map(String::as_str);
        let hint = near(
            name,
            tables.chain([MEASUREMENT]),
            "`salus tables` lists the tables",
        );
        return Explained::of(name, format!("there is no table {name}"), hint);
    }
    if text.contains("must be in GROUP BY") || text.contains("must appear in the GROUP BY") {
        let column = after(text, "column \"").map(|name| name.trim_matches('"').to_owned());
        let column = column.unwrap_or_else(|| "a column of SELECT".to_owned());
        return Explained::of(
            &column,
            format!("{column} is neither a key nor inside an aggregate"),
            format!("add {column} to GROUP BY, or leave it out of SELECT"),
        );
    }
    if let Some(call) = after_line(text, "given name and argument types '") {
        let call = call.split('\'').next().unwrap_or(&call).to_owned();
        let name = call.split('(').next().unwrap_or(&call).to_lowercase();
        return Explained::of(
            name,
            format!("{call} does not exist for these arguments"),
            "aggregates take numbers: CASE WHEN x THEN 1 ELSE 0 END of a boolean, date_part('year', d) of a date; \
             approx_percentile_cont takes a number and a literal between 0 and 1",
        );
    }
    let lower = text.to_lowercase();
    let known = SAID.iter().find(|(words, _)| lower.contains(words));
    let hint = match known {
        Some((_, hint)) => hint,
        None if sql.to_lowercase().contains("interval") => DAYS_BETWEEN,
        None => NAMES,
    };
    Explained::nowhere(first_sentence(text), hint)
}

/// The word after `mark`.
fn after(text: &str, mark: &str) -> Option<String> {
    let rest = text.split_once(mark)?.1;
    let word = rest.split_whitespace().next()?;
    Some(word.trim_end_matches(['.', ',', ';']).replace('"', ""))
}

/// What follows `mark` on its line.
fn after_line(text: &str, mark: &str) -> Option<String> {
    Some(text.split_once(mark)?.1.lines().next()?.to_owned())
}

fn elsewhere(name: &str) -> Option<&'static str> {
    let known = ELSEWHERE.iter().find(|(there, _)| *there == name);
    known.map(|(_, here)| *here)
}

/// The nearest of the names, if one is near; of equally near ones the first of the alphabet.
fn near<'n>(name: &str, names: impl Iterator<Item = &'n str>, otherwise: &str) -> String {
    let nearest = names
        .map(|known| (strsim::damerau_levenshtein(name, known), known))
        .min();
    match nearest {
        Some((distance, known)) if distance <= 1 + name.len() / 5 => {
            format!("did you mean {known}? {otherwise}")
        }
        _ => otherwise.to_owned(),
    }
}

/// The same of an error.
pub(crate) fn said(error: &DataFusionError) -> String {
    first_sentence(&error.strip_backtrace())
}

/// The planner's own words, as far as they are meant for people.
fn first_sentence(text: &str) -> String {
    let mut text = text;
    // A rule that failed says why on the next line.
    if let Some((rule, why)) = text.split_once("caused by\n")
        && rule.starts_with("Optimizer rule")
    {
        text = why;
    }
    // What follows names suggestions in the order of a hash table, asks for a report to others, or prints a syntax tree.
    for end in [
        "Did you mean",
        "This issue was likely",
        "Candidate functions",
        "Unsupported ast node",
        "\n",
    ] {
        text = text.split(end).next().unwrap_or_default();
    }
    let mut text = text.trim();
    for prefix in [
        "Execution error:",
        "Arrow error:",
        "Invalid argument error:",
        "type_coercion",
        "caused by",
        "Error during planning:",
        "Internal error:",
        "Schema error:",
        "This feature is not implemented:",
    ] {
        text = text.trim_start_matches(prefix).trim();
    }
    let text = text.trim_end_matches(['.', ':', ' ']);
    if text.is_empty() {
        return "the planner does not know this form".to_owned();
    }
    text.chars().take(LONGEST).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_found_where_it_stands() {
        let sql = "SELECT COUNT(*)\nFROM patient p WHERE 'sxe' = p.SXE";
        assert_eq!(place(sql, "p.sxe").unwrap(), "sxe, line 2, column 32");
        assert_eq!(place(sql, "zebra"), None);
    }

    #[test]
    fn a_planners_error_becomes_a_sentence_and_a_hint() {
        let catalog = Catalog::parse(Catalog::default_yaml()).unwrap();
        for (text, sql, what, hint) in [
            (
                "Schema error: No field named sxe. Did you mean 'x'?",
                "",
                "there is no column sxe",
                "did you mean sex?",
            ),
            (
                "Schema error: No field named male.",
                "sex = \"male\"",
                "no column male",
                "single quotes: 'male'",
            ),
            (
                "Schema error: No field named current_date.",
                "",
                "no column current_date",
                "no clock",
            ),
            (
                "Error during planning: Invalid function 'now'.",
                "",
                "no function now",
                "no clock",
            ),
            (
                "Error during planning: Invalid function 'flor'.",
                "",
                "no function flor",
                "did you mean floor?",
            ),
            (
                "Error during planning: table 'salus.public.patients' not found",
                "",
                "no table patients",
                "did you mean patient?",
            ),
            (
                "Error during planning: table 'salus.public.zebra' not found",
                "",
                "no table zebra",
                "`salus tables`",
            ),
            (
                "This feature is not implemented: Unsupported ast node Pivot { … }",
                "",
                "does not know this form",
                "FILTER",
            ),
            ("This feature is not implemented: TOP", "", "TOP", "LIMIT"),
        ] {
            let said = explain(text, sql, &catalog);
            assert!(said.what.contains(what), "{text}: {}", said.what);
            assert!(said.hint.contains(hint), "{text}: {}", said.hint);
            assert!(!said.what.contains("Error during"), "{}", said.what);
        }
    }
}
