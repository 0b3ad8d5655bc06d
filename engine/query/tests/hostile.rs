//! Refusals: what is not known to be private is not answered, whatever it costs, and the refusal knows nothing of the data.
//!
//! Every question is asked of an empty lake and of one whose rows would make it fail; messages must be equal byte for byte, the purse
//! untouched, and a `refuse` entry with the rule in the ledger.

mod hostile_questions;
mod support;

use hostile_questions::hostile;
use salus_accounting::Loss;
use salus_ledger::{Body, Ledger};
use salus_query::{AskError, Engine, Price};
use support::{Home, Rows, asking, default_policy, population, small_catalog};

/// Questions that must be answered, so that the list above does not pass because nothing is.
const WELCOME: &[&str] = &[
    "SELECT COUNT(*) FROM patient",
    "SELECT sex, COUNT(DISTINCT person_id) FROM patient GROUP BY sex",
    "SELECT AVG(value) FROM observation WHERE code = '4548-4'",
    "SELECT sex, state, COUNT(*) FROM patient GROUP BY ROLLUP (sex, state)",
];

/// Rows on which expressions of the list fail, and persons with many rows.
fn hostile_rows() -> Vec<Rows> {
    let mut tables = population(25, 7);
    tables.push(
        Rows::new(
            "patient",
            &["person_id", "sex", "birth_date", "deprivation"],
        )
        .with(&[
            &["900", "made-up", "0001-01-01", "0"],
            &["901", "", "9999-12-31", "-2147483648"],
            &["902", "%_\\", "", "2147483647"],
        ]),
    );
    tables.push(
        Rows::new(
            "observation",
            &["person_id", "id", "code", "value", "value_text"],
        )
        .with(&[
            &["900", "900001", "4548-4", "0", "((((("],
            &["901", "900002", "4548-4", "999999999999.999999", "NaN"],
            &[
                "902",
                "900003",
                "4548-4",
                "-999999999999.999999",
                "2024-02-30",
            ],
        ]),
    );
    tables
}

struct Side {
    _home: Home,
    engine: Engine,
    ledger: Ledger,
}

async fn side(tables: &[Rows]) -> Side {
    let home = Home::new(&small_catalog(), tables, 1000).await;
    let (engine, ledger) = home.engine(default_policy()).await;
    Side {
        _home: home,
        engine,
        ledger,
    }
}

async fn refusal(side: &Side, sql: &str) -> Result<(String, String), String> {
    match side.engine.ask(sql, &asking(Price::Default)).await {
        Err(AskError::Refused(refusal)) => Ok((refusal.rule.to_owned(), refusal.to_string())),
        Err(other) => Err(format!("not refused: {other:?}")),
        Ok(_) => Err("answered".to_owned()),
    }
}

async fn refuse_entries(ledger: &Ledger) -> Vec<String> {
    let entries = ledger.entries().await.unwrap();
    let rules = entries
        .into_iter()
        .filter_map(|entry| match entry.entry.body {
            Body::Refuse(refuse) => Some(refuse.rule),
            _ => None,
        });
    rules.collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_questions_are_refused_alike_on_every_lake_at_no_cost() {
    let (empty, full) = (side(&[]).await, side(&hostile_rows()).await);
    let mut wrong = Vec::new();
    let mut rules = Vec::new();
    for (rule, sql) in hostile() {
        let (on_empty, on_full) = (refusal(&empty, sql).await, refusal(&full, sql).await);
        if on_empty != on_full {
            wrong.push(format!(
                "{sql}\n  differs with the data:\n  {on_empty:?}\n  {on_full:?}"
            ));
        }
        match on_full {
            Ok((found, _)) if *rule == found || *rule == "any" => rules.push(found),
            Ok((found, message)) => {
                wrong.push(format!(
                    "{sql}\n  refused by {found}, not by {rule}: {message}"
                ));
                rules.push(found);
            }
            Err(outcome) => wrong.push(format!("{sql}\n  {outcome}")),
        }
    }
    let asked = hostile().count();
    assert!(asked >= 192);
    assert!(
        wrong.is_empty(),
        "{} of {}:\n{}",
        wrong.len(),
        asked,
        wrong.join("\n")
    );
    for side in [&empty, &full] {
        assert_eq!(side.ledger.account().await.unwrap().spent, Loss::ZERO);
        assert_eq!(refuse_entries(&side.ledger).await, rules);
    }
    for sql in WELCOME {
        for side in [&empty, &full] {
            let asked = side.engine.ask(sql, &asking(Price::Default)).await;
            assert!(asked.is_ok(), "{sql}: {asked:?}");
        }
    }
    for side in [&empty, &full] {
        assert_ne!(side.ledger.account().await.unwrap().spent, Loss::ZERO);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn questions_of_absurd_size_are_refused_and_do_not_crash() {
    let side = side(&[]).await;
    let ors = vec!["deprivation = 1"; 3500].join(" OR ");
    let sums = vec!["deprivation"; 4000].join(" + ");
    let parentheses = format!("{}deprivation{}", "(".repeat(2000), ")".repeat(2000));
    let cases = "CASE WHEN deprivation = 1 THEN ".repeat(300) + "1" + &" END".repeat(300);
    let views = (0..60).fold("SELECT * FROM patient".to_owned(), |inner, i| {
        format!("SELECT * FROM ({inner}) t{i}")
    });
    let nested = (0..40).fold("sex".to_owned(), |inner, _| {
        format!("COALESCE({inner}, state)")
    });
    let lists = (0..8000)
        .map(|n| n.to_string())
        .collect::<Vec<_>>()
        .join(", ");
    for sql in [
        format!("SELECT COUNT(*) FROM patient WHERE {ors}"),
        format!("SELECT COUNT(*) FROM patient WHERE {sums} > 0"),
        format!("SELECT COUNT(*) FROM patient WHERE {parentheses} > 0"),
        format!("SELECT COUNT(*) FROM patient WHERE ({cases}) > 0"),
        format!("SELECT COUNT(*) FROM ({views}) t"),
        "x".repeat(1 << 20),
    ] {
        let outcome = side.engine.ask(&sql, &asking(Price::Default)).await;
        assert!(
            matches!(outcome, Err(AskError::Refused(_))),
            "{} …: {outcome:?}",
            &sql[..60]
        );
    }
    // A long list is flat, and COALESCE does not write its arguments twice.
    for condition in [
        format!("deprivation IN ({lists})"),
        format!("{nested} = 'x'"),
    ] {
        let sql = format!("SELECT COUNT(*) FROM patient WHERE {condition}");
        let outcome = side.engine.ask(&sql, &asking(Price::Default)).await;
        assert!(outcome.is_ok(), "{} …: {outcome:?}", &sql[..60]);
    }
}

/// Definitions that use what stands below them twice: written out they are larger than any memory.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn plans_that_double_at_every_level_are_refused() {
    let side = side(&[]).await;
    let doubled = (0..30).fold("SELECT sex AS s FROM patient".to_owned(), |inner, i| {
        format!("SELECT s || s AS s FROM ({inner}) t{i}")
    });
    let grouped = (0..30).fold(
        "SELECT person_id, sex AS s FROM patient".to_owned(),
        |inner, i| {
            format!("SELECT person_id, s || s AS s FROM ({inner}) t{i} GROUP BY person_id, s || s")
        },
    );
    let joined: Vec<String> = (1..40)
        .map(|i| {
            let inner = i - 1;
            format!("c{i} AS (SELECT a.person_id FROM c{inner} a JOIN c{inner} b ON a.person_id = b.person_id)")
        })
        .collect();
    let joined = joined.join(", ");
    for sql in [
        format!("SELECT COUNT(*) FROM ({doubled}) t WHERE s = 'x'"),
        format!("SELECT COUNT(*) FROM ({grouped}) t WHERE s = 'x'"),
        format!("WITH c0 AS (SELECT person_id FROM patient), {joined} SELECT COUNT(*) FROM c39"),
    ] {
        let outcome = side.engine.ask(&sql, &asking(Price::Default)).await;
        assert!(
            matches!(outcome, Err(AskError::Refused(_))),
            "{} …: {outcome:?}",
            &sql[..60]
        );
    }
}
