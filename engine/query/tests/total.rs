//! Total functions: what cannot be computed for a row is NULL in that row, whatever stands in the others, and never an error.

mod support;

use salus_query::{AskError, Price};
use support::{ANY_PRICE, Home, Rows, asking, small_catalog, text};

/// Ten persons, one row each; every hazard sits in one or two of them.
fn rows() -> Vec<Rows> {
    let patient = Rows::new(
        "patient",
        &["person_id", "sex", "birth_date", "deprivation"],
    )
    .with(&[
        &["1", "male", "1950-01-31", "0"],
        &["2", "male", "1960-02-29", "1"],
        &["3", "female", "1970-12-31", "2"],
        &["4", "female", "2000-01-01", "2147483647"],
        &["5", "female", "9999-12-31", "-2147483648"],
        &["6", "female", "0001-01-01", "-1"],
        &["7", "unknown", "", ""],
        &["8", "", "1980-06-15", "5"],
        &["9", "", "1990-06-15", "9"],
        &["10", "", "2010-06-15", "10"],
    ]);
    let observation =
        Rows::new("observation", &["person_id", "id", "value", "value_text"]).with(&[
            &["1", "1", "0", "12"],
            &["2", "2", "1", " 7 "],
            &["3", "3", "2.5", "7.5"],
            &[
                "4",
                "4",
                "999999999999.999999",
                "99999999999999999999999999",
            ],
            &["5", "5", "-999999999999.999999", "-3"],
            &["6", "6", "-1", "2024-02-30"],
            &["7", "7", "", ""],
            &["8", "8", "4", "2024-02-29"],
            &["9", "9", "100", "true"],
            &["10", "10", "0.000001", "x"],
        ]);
    vec![patient, observation]
}

/// How many rows a predicate holds for, when NULL stands for what cannot be computed.
const COUNTS: &[(&str, &str, u32)] = &[
    // Division by zero: the row with 0 is neither above nor below.
    ("patient", "10 / deprivation >= 0", 7),
    ("patient", "10 / deprivation < 0", 1),
    ("patient", "(10 / deprivation) IS NULL", 2),
    ("patient", "10 % deprivation = 0", 5),
    ("patient", "(deprivation % 0) IS NULL", 10),
    ("observation", "1 / value > 0", 5),
    ("observation", "(1 / value) IS NULL", 2),
    ("observation", "(CAST(value AS DOUBLE) / 0e0) IS NULL", 10),
    // Overflow.
    ("patient", "deprivation + deprivation IS NOT NULL", 7),
    (
        "patient",
        "CAST(deprivation AS INT) * CAST(100 AS INT) > 0",
        5,
    ),
    (
        "patient",
        "CAST(CAST(deprivation AS INT) + CAST(1 AS INT) AS VARCHAR) = '-2147483648'",
        0,
    ),
    ("patient", "-CAST(deprivation AS BIGINT) > 0", 2),
    ("patient", "abs(CAST(deprivation AS INT)) >= 0", 8),
    (
        "patient",
        "(CAST(deprivation AS BIGINT) * 9223372036854775807) IS NULL",
        7,
    ),
    (
        "observation",
        "CAST(value AS DECIMAL(38, 6)) * CAST(99999999999999999999 AS DECIMAL(38, 0)) IS NOT NULL",
        9,
    ),
    // Casts.
    ("observation", "CAST(value_text AS INT) > 0", 2),
    ("observation", "CAST(value_text AS INT) IS NULL", 7),
    ("observation", "CAST(value_text AS DECIMAL(18, 6)) > 0", 3),
    (
        "observation",
        "CAST(value_text AS DATE) = DATE '2024-02-29'",
        1,
    ),
    ("observation", "CAST(value_text AS DATE) IS NULL", 9),
    ("observation", "CAST(value_text AS BOOLEAN)", 1),
    ("observation", "CAST(value AS SMALLINT) IS NULL", 3),
    (
        "observation",
        "CAST(value_text AS TIMESTAMP) >= TIMESTAMP '2024-01-01T00:00:00'",
        1,
    ),
    ("observation", "value_text > 5 OR value_text <= 5", 3),
    ("patient", "CAST(deprivation AS SMALLINT) >= -1", 7),
    // Dates.
    (
        "patient",
        "birth_date + INTERVAL '1' MONTH = DATE '1950-02-28'",
        1,
    ),
    ("patient", "birth_date + INTERVAL '300000' YEAR IS NULL", 10),
    (
        "patient",
        "CAST(birth_date AS TIMESTAMP) IS NOT NULL OR birth_date IS NOT NULL",
        9,
    ),
    ("patient", "date_part('year', birth_date) > 0", 9),
    ("patient", "age(birth_date, DATE '2024-02-28') = 63", 1),
    ("patient", "age(birth_date, DATE '2024-01-01') IS NULL", 2),
    (
        "patient",
        "age_band(birth_date, DATE '2024-01-01', 10) = '90+'",
        1,
    ),
    (
        "patient",
        "CAST(CAST(deprivation AS DATE) AS VARCHAR) IS NULL",
        3,
    ),
    (
        "patient",
        "CAST(CAST(CAST(deprivation AS DATE) AS TIMESTAMP) AS VARCHAR) LIKE '1970-01-0%'",
        4,
    ),
    // Functions.
    ("observation", "ln(CAST(value AS DOUBLE)) > 0", 4),
    ("observation", "sqrt(CAST(value AS DOUBLE)) >= 0", 7),
    ("patient", "power(deprivation, deprivation) = 4", 1),
    ("patient", "substr(sex, deprivation, -1) IS NULL", 10),
    ("patient", "left(sex, deprivation) = 'm'", 1),
    ("patient", "round(deprivation, deprivation) = 5", 1),
    ("patient", "coalesce(deprivation, -7) = -7", 1),
    ("patient", "nvl(sex, 'none') = 'none'", 3),
    ("patient", "nullif(sex, 'male') IS NULL", 5),
    ("patient", "greatest(deprivation, 8) > 8", 3),
    ("patient", "coalesce(10 / deprivation, 99) = 99", 2),
    (
        "patient",
        "CASE WHEN deprivation = 0 THEN 1 / deprivation ELSE 1 END = 1",
        9,
    ),
    // Text.
    ("patient", "sex || '!' = 'male!'", 2),
    ("observation", "value_text LIKE '%2_-%'", 2),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_computed_is_null_in_its_row() {
    let home = Home::new(&small_catalog(), &rows(), 3).await;
    let mut wrong = Vec::new();
    for (table, predicate, expected) in COUNTS {
        let sql = format!("SELECT COUNT(*) FROM {table} WHERE {predicate}");
        let (engine, _ledger) = home.engine(ANY_PRICE).await;
        match engine.ask(&sql, &asking(Price::Default)).await {
            Ok(asked) if asked.answer.rows[0][0] == *expected => {}
            Ok(asked) => wrong.push(format!(
                "{sql}\n  {} instead of {expected}",
                asked.answer.rows[0][0]
            )),
            Err(error) => wrong.push(format!("{sql}\n  {error}")),
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {}:\n{}",
        wrong.len(),
        COUNTS.len(),
        wrong.join("\n")
    );
}

/// What goes wrong in a row must not depend on the rows beside it: the same predicate over every row on its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn neighbours_in_a_batch_do_not_matter() {
    let all = rows();
    let predicate = "10 / deprivation >= 0 AND CAST(deprivation AS INT) * CAST(100 AS INT) > 0";
    let sql = format!("SELECT COUNT(*) FROM patient WHERE {predicate}");
    let mut alone = 0;
    for person in 1..=10 {
        let others: Vec<String> = (1..=10)
            .filter(|p| *p != person)
            .map(|p| p.to_string())
            .collect();
        let one = others
            .iter()
            .fold(all[0].clone(), |rows, other| rows.without(other));
        let home = Home::new(&small_catalog(), &[one], 1).await;
        let (engine, _ledger) = home.engine(ANY_PRICE).await;
        let asked = engine.ask(&sql, &asking(Price::Default)).await.unwrap();
        alone += asked.answer.rows[0][0].as_u64().unwrap();
    }
    let home = Home::new(&small_catalog(), &all, 10).await;
    let (engine, _ledger) = home.engine(ANY_PRICE).await;
    let asked = engine.ask(&sql, &asking(Price::Default)).await.unwrap();
    assert_eq!(text(&asked.answer.rows[0][0]), Some(alone.to_string()));
}

/// Expressions that some row might make fail, chosen by a CASE: the outcome must be the same kind on a lake without that row and on one
/// with it. Anything else tells whether the row is there.
const ORACLES: &[&str] = &[
    "SELECT COUNT(*) FROM patient WHERE CASE WHEN deprivation = 9 THEN 1 / (deprivation - 9) ELSE 1 END > 0",
    "SELECT COUNT(*) FROM (SELECT person_id, AVG(CASE WHEN deprivation = 9 THEN 99999999999999999999999999999999999999 ELSE 0 END) AS a FROM patient GROUP BY person_id) t WHERE a > 0",
    "SELECT COUNT(*) FROM (SELECT person_id, SUM(CASE WHEN deprivation = 9 THEN 99999999999999999999999999999999999999 ELSE 0 END) AS a FROM patient GROUP BY person_id) t WHERE a * 10 > 0",
    "SELECT SUM(clamp(CAST(1 AS DECIMAL(60, 2)), 0, 1)) FROM patient WHERE deprivation = 9",
    "SELECT AVG(clamp(CAST(1 AS DECIMAL(60, 2)), 0, 1)) FROM patient WHERE deprivation = 9",
    "SELECT COUNT(*) FROM patient WHERE CAST(CAST(CASE WHEN deprivation = 9 THEN 2147483647 ELSE 0 END AS DATE) AS VARCHAR) <> 'x'",
    "SELECT COUNT(*) FROM patient WHERE CAST(CAST(CASE WHEN deprivation = 9 THEN 2147483647 ELSE 0 END AS DATE) AS TIMESTAMP) IS NULL",
    "SELECT COUNT(*) FROM patient WHERE date_part('year', CAST(CASE WHEN deprivation = 9 THEN 2147483647 ELSE 0 END AS DATE)) = 1970",
    "SELECT COUNT(*) FROM patient WHERE date_trunc('month', CAST(CASE WHEN deprivation = 9 THEN 2147483647 ELSE 0 END AS DATE)) IS NULL",
    "SELECT COUNT(*) FROM patient WHERE age(CAST(CASE WHEN deprivation = 9 THEN -2147483647 ELSE 0 END AS DATE), DATE '2025-01-01') > 5",
    "SELECT COUNT(*) FROM patient WHERE CAST(CASE WHEN deprivation = 9 THEN 2147483647 ELSE 0 END AS DATE) + INTERVAL '1' DAY IS NULL",
    "SELECT COUNT(*) FROM patient WHERE CAST(CASE WHEN deprivation = 9 THEN 2147483647 ELSE 0 END AS DATE) + INTERVAL '10000' YEAR IS NULL",
    "SELECT COUNT(*) FROM patient WHERE CAST(CASE WHEN deprivation = 9 THEN 2147483647 ELSE 0 END AS DATE) - DATE '0001-01-01' IS NULL",
    "SELECT COUNT(*) FROM patient WHERE birth_date - CASE WHEN deprivation = 9 THEN DATE '0001-01-01' ELSE DATE '2000-01-01' END IS NULL",
    "SELECT COUNT(*) FROM patient WHERE round(1.5, CASE WHEN deprivation = 9 THEN 2147483647 ELSE 0 END) > 0",
    "SELECT COUNT(*) FROM patient WHERE trunc(1.5, CASE WHEN deprivation = 9 THEN -2147483648 ELSE 0 END) > 0",
    "SELECT COUNT(*) FROM patient WHERE substr('abc', CASE WHEN deprivation = 9 THEN -9223372036854775808 ELSE 0 END, 9223372036854775807) = 'x'",
    "SELECT COUNT(*) FROM patient WHERE left('abc', CASE WHEN deprivation = 9 THEN -9223372036854775808 ELSE 0 END) = 'x'",
    "SELECT COUNT(*) FROM patient WHERE right('abc', CASE WHEN deprivation = 9 THEN -9223372036854775808 ELSE 0 END) = 'x'",
    "SELECT COUNT(*) FROM patient WHERE power(CASE WHEN deprivation = 9 THEN 9223372036854775807 ELSE 1 END, 9) = 1",
    "SELECT COUNT(*) FROM patient WHERE abs(CASE WHEN deprivation = 9 THEN -9223372036854775808 ELSE 1 END) = 1",
    "SELECT COUNT(*) FROM patient WHERE -(CASE WHEN deprivation = 9 THEN -9223372036854775808 ELSE 1 END) = 1",
    "SELECT COUNT(*) FROM patient WHERE (CASE WHEN deprivation = 9 THEN -9223372036854775808 ELSE 1 END) / -1 = 1",
    "SELECT COUNT(*) FROM patient WHERE (CASE WHEN deprivation = 9 THEN -9223372036854775808 ELSE 1 END) % -1 = 1",
    "SELECT SUM(clamp(CASE WHEN deprivation = 9 THEN -9223372036854775808 ELSE 1 END, 0, 1)) FROM patient",
    "SELECT COUNT(*) FROM patient WHERE 'x' LIKE CASE WHEN deprivation = 9 THEN '\\' ELSE 'x' END",
    "SELECT COUNT(*) FROM patient WHERE CASE WHEN deprivation = 9 THEN sex LIKE '((((_%' ELSE true END",
];

fn outcome(result: &Result<salus_query::Asked, AskError>) -> &'static str {
    match result {
        Ok(_) => "answered",
        Err(AskError::Refused(_)) => "refused",
        Err(_) => "failed",
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_row_can_make_a_question_fail() {
    let with = rows();
    let without: Vec<Rows> = with.iter().map(|rows| rows.without("9")).collect();
    let (with, without) = (
        Home::new(&small_catalog(), &with, 3).await,
        Home::new(&small_catalog(), &without, 3).await,
    );
    let long = format!(
        "SELECT COUNT(*) FROM patient WHERE CASE WHEN deprivation = 9 THEN sex LIKE '%a{}b' ELSE true END",
        "_".repeat(60_000)
    );
    let growing = (0..24).fold(
        "SELECT CASE WHEN deprivation = 9 THEN 'xxxxxxxxxxxxxxxx' ELSE '' END AS s FROM patient"
            .to_owned(),
        |inner, i| format!("SELECT s || s AS s FROM ({inner}) t{i}"),
    );
    let growing = format!("SELECT COUNT(s) FROM ({growing}) t");
    let mut wrong = Vec::new();
    for sql in ORACLES
        .iter()
        .copied()
        .chain([long.as_str(), growing.as_str()])
    {
        let mut outcomes = Vec::new();
        for home in [&with, &without] {
            let (engine, _ledger) = home.engine(ANY_PRICE).await;
            outcomes.push(outcome(&engine.ask(sql, &asking(Price::Default)).await));
        }
        if outcomes[0] != outcomes[1] || outcomes[0] == "failed" {
            wrong.push(format!(
                "{}\n  with the row {}, without {}",
                &sql[..sql.len().min(200)],
                outcomes[0],
                outcomes[1]
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
