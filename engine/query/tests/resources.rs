//! One person more or less never makes the difference between an answer and a failure: a failure is exact, and no price covers it.
//!
//! Each question here was once such a difference, or stands where one could be. Over lakes that differ in the person that tips it, it is answered
//! on both or refused before anything is paid.

mod support;

use std::time::Duration;

use salus_accounting::{Delta, Rho};
use salus_query::{AskError, Engine, Price, Subject};
use support::{ANY_PRICE, Home, Rows, asking, small_catalog};

/// So many persons born on one day, and one born later.
async fn lake(born: u64) -> (Home, Engine) {
    let mut patients = Rows::new(
        "patient",
        &["person_id", "sex", "birth_date", "deprivation"],
    );
    for person in 1..=born {
        patients.push(&[&person.to_string(), "male", "1980-01-01", "500"]);
    }
    patients.push(&["999", "female", "1999-01-01", "500"]);
    let home = Home::new(&small_catalog(), &[patients], 50).await;
    let policy = format!("{ANY_PRICE}query_max_delta: \"0.5\"\nminimum_persons: 5\n");
    let (engine, _) = home.engine(&policy).await;
    (home, engine)
}

fn numbers(count: usize) -> String {
    let rows: Vec<String> = (0..count).map(|i| format!("({i})")).collect();
    format!("(VALUES {})", rows.join(", "))
}

/// "answered" or the rule that refused.
async fn outcome(engine: &Engine, sql: &str, groups: Option<u64>) -> String {
    let mut asking = asking(Price::Rho(Rho::parse_floor("0.0001").unwrap()));
    asking.groups_per_person = groups;
    asking.delta = groups.map(|_| Delta::parse_floor("1e-8").unwrap());
    match engine.ask(sql, &asking).await {
        Ok(_) => "answered".to_owned(),
        Err(AskError::Refused(refusal)) => format!("{} at {}", refusal.rule, refusal.at),
        Err(other) => panic!("{other}"),
    }
}

/// The same on lakes with one person less than the minimum and with as many.
async fn on_both(sql: &str, groups: Option<u64>) -> String {
    let (_few, four) = lake(4).await;
    let (_enough, five) = lake(5).await;
    let outcomes = (
        outcome(&four, sql, groups).await,
        outcome(&five, sql, groups).await,
    );
    assert_eq!(outcomes.0, outcomes.1, "{sql}");
    outcomes.0
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_fifth_person_of_many_large_groups_makes_nothing_fail() {
    let by = |i: usize, j: usize| {
        format!(
            "SELECT v.i * 1000 + w.j AS i, MEDIAN(clamp(p.deprivation, 0, 1023)) AS m FROM patient p \
             CROSS JOIN {} v(i) CROSS JOIN {} w(j) WHERE p.birth_date <= DATE '1980-01-01' GROUP BY 1",
            numbers(i),
            numbers(j)
        )
    };
    // A thousand groups with a tree each, 130,000 with a tree each.
    assert_eq!(on_both(&by(30, 30), Some(2_000)).await, "answered");
    let refused = on_both(&by(360, 360), Some(200_000)).await;
    assert!(refused.starts_with("S3"), "{refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobodys_rows_are_multiplied_until_memory_ends() {
    let long = "x".repeat(900);
    let sql = |i: usize, j: usize| {
        format!(
            "SELECT COUNT(*) FROM (SELECT person_id, x || x AS x FROM (SELECT p.person_id, p.sex || '{long}' AS x FROM patient p \
             CROSS JOIN {} a(i) CROSS JOIN {} b(j) WHERE p.birth_date = DATE '1980-01-01') s) t \
             JOIN patient q ON t.person_id = q.person_id AND strpos(t.x, q.sex) >= 0",
            numbers(i),
            numbers(j)
        )
    };
    for (i, j, wanted) in [(30, 30, "answered"), (200, 600, "S3")] {
        let (_nobody, none) = lake(0).await;
        let (_somebody, one) = lake(1).await;
        for engine in [none, one] {
            let found = outcome(&engine, &sql(i, j), None).await;
            assert!(found.starts_with(wanted), "{i} by {j}: {found}");
        }
    }
}

/// Many long keys of one row, a thousand times over, were gigabytes before any threshold.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobodys_rows_bring_keys_until_memory_ends() {
    let sql = |keys: usize, rows: usize, text: &str| {
        let keys: Vec<String> = (0..keys)
            .map(|key| format!("substr('{text}', v.n + {key})"))
            .collect();
        format!(
            "SELECT COUNT(*) FROM patient p CROSS JOIN {} v(n) WHERE p.birth_date = DATE '1980-01-01' GROUP BY {}",
            numbers(rows),
            keys.join(", ")
        )
    };
    let long = "x".repeat(900);
    for (keys, rows, text, wanted) in [
        (1, 200, long.as_str(), "answered"),
        (30, 900, long.as_str(), "keys at GROUP BY"),
        (33, 1, "x", "keys at GROUP BY"),
        (1, 1, &"x".repeat(50_000), "S1"),
    ] {
        let (_nobody, none) = lake(0).await;
        let (_somebody, one) = lake(1).await;
        for engine in [none, one] {
            let sql = sql(keys, rows, text);
            let found = outcome(&engine, &sql, Some(8)).await;
            assert!(found.starts_with(wanted), "{keys} by {rows}: {found}");
            // Nor where its bounds are asked for: the same keys are grouped by.
            let mut bounds = asking(Price::Rho(Rho::parse_floor("0.0001").unwrap()));
            bounds.subject = Subject::Bounds;
            let found = match engine.ask(&sql, &bounds).await {
                Ok(_) => "answered".to_owned(),
                Err(AskError::Refused(refusal)) => format!("{} at {}", refusal.rule, refusal.at),
                Err(other) => panic!("{other}"),
            };
            assert!(
                found.starts_with(wanted),
                "bounds of {keys} by {rows}: {found}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn joins_on_what_tells_public_rows_apart_are_not_limited() {
    let days: Vec<String> = (0..5_000).map(|n| format!("({n}, '{}')", n % 7)).collect();
    let values = format!("(VALUES {})", days.join(", "));
    let by_key = format!(
        "SELECT v.g, COUNT(*) FROM patient p JOIN {values} v(n, g) ON p.deprivation = v.n GROUP BY v.g"
    );
    assert_eq!(on_both(&by_key, None).await, "answered");
    let member = format!(
        "SELECT COUNT(*) FROM patient WHERE deprivation IN (SELECT n FROM {values} v(n, g))"
    );
    assert_eq!(on_both(&member, None).await, "answered");
    // Nor may public rows themselves be multiplied without end, where nobody's rows are.
    let member = format!(
        "SELECT COUNT(*) FROM patient WHERE deprivation IN (SELECT a.i * b.i FROM {0} a(i) CROSS JOIN {0} b(i))",
        numbers(1_100)
    );
    assert!(on_both(&member, None).await.starts_with("S3"));
    // Not where the key is computed: different numbers can have one text.
    let computed =
        format!("SELECT COUNT(*) FROM patient p JOIN {values} v(n, g) ON p.deprivation = v.n % 2");
    assert!(on_both(&computed, None).await.starts_with("S3"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_stands_above_a_release_is_rehearsed_on_a_few_rows() {
    let (_home, engine) = lake(3).await;
    let rows = numbers(250);
    let sql = format!(
        "SELECT COUNT(*) FROM patient UNION ALL SELECT MAX(a.i + b.i + c.i + d.i + e.i) \
         FROM {rows} a(i) CROSS JOIN {rows} b(i) CROSS JOIN {rows} c(i) CROSS JOIN {rows} d(i) CROSS JOIN {rows} e(i)"
    );
    let asking = asking(Price::Rho(Rho::parse_floor("0.0001").unwrap()));
    let quote = tokio::time::timeout(Duration::from_mins(2), engine.quote(&sql, &asking));
    // 10^12 rows would take days.
    let _ = quote.await.expect("it is run in full");
}
