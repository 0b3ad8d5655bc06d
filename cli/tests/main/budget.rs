//! One purse, many processes: what is answered is what was paid for.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use crate::support::{Home, PERSONS, rho_text, units};

const QUESTIONS: usize = 200;
const BUDGET: u64 = 50;
const AT_A_TIME: usize = 10;

#[test]
fn a_budget_for_fifty_answers_fifty_of_two_hundred() {
    let home = Home::populated(&["--epsilon", "3"], 20);
    let cap = home.budget("cap");
    let price = rho_text(cap / BUDGET);
    let started = Instant::now();
    let next = AtomicUsize::new(0);
    let codes: Vec<Option<i32>> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..AT_A_TIME)
            .map(|_| {
                scope.spawn(|| {
                    let mut codes = Vec::new();
                    while next.fetch_add(1, Ordering::Relaxed) < QUESTIONS {
                        let done = home.run(&[
                            "query", "--fresh", PERSONS, "--rho", &price, "--format", "json",
                        ]);
                        match done.code {
                            Some(0) => assert!(done.json()["rows"][0][0].is_i64(), "{done:?}"),
                            Some(4) => assert!(done.stdout.is_empty(), "{done:?}"),
                            _ => panic!("{done:?}"),
                        }
                        codes.push(done.code);
                    }
                    codes
                })
            })
            .collect();
        let done = workers.into_iter().flat_map(|w| w.join().unwrap());
        done.collect()
    });
    let number = |code| codes.iter().filter(|c| **c == Some(code)).count();
    println!(
        "{} answered, {} exhausted of {QUESTIONS}, {AT_A_TIME} at a time, in {:.1} s",
        number(0),
        number(4),
        started.elapsed().as_secs_f64()
    );
    assert_eq!(
        (number(0), number(4)),
        (50, QUESTIONS - 50),
        "of a budget for {BUDGET}"
    );
    home.run(&["ledger", "verify"]).exits(0);
    let kinds = |kind: &str| home.entries().iter().filter(|e| e["kind"] == kind).count();
    assert_eq!(
        (kinds("reserve"), kinds("release"), kinds("refuse")),
        (50, 50, 150)
    );
    let spent = home.budget("spent");
    assert!(spent <= cap && cap - spent < cap / BUDGET);
}

#[test]
fn refusals_and_dry_runs_cost_nothing() {
    let home = Home::populated(&["--epsilon", "1"], 20);
    let remaining = home.budget("remaining");
    for sql in [
        "SELECT * FROM patient",
        "DROP TABLE patient",
        "SELECT MAX(birth_date) FROM patient",
        "SELECT COUNT(*) FROM patient WHERE person_id = 1",
        "SELECT SUM(value) FROM observation",
        "SELECT COUNT(*) FROM patient a, patient b",
    ] {
        home.run(&["query", sql, "--epsilon", "0.5"]).exits(3);
        home.run(&["query", sql, "--epsilon", "0.5", "--dry-run"])
            .exits(3);
    }
    home.run(&["query", PERSONS, "--epsilon", "0.5", "--dry-run"])
        .exits(0);
    home.run(&["query", PERSONS, "--epsilon", "7"]).exits(3);
    assert_eq!(home.budget("remaining"), remaining);

    let answer = home.json(&["query", PERSONS, "--epsilon", "0.75"]);
    let after = home.budget("remaining");
    assert_eq!(after, remaining - units(&answer["cost"]["rho"]));
    home.run(&["query", "--fresh", PERSONS, "--epsilon", "0.75"])
        .exits(4);
    assert_eq!(home.budget("remaining"), after);
    // What is left can be spent to the end.
    let last = home.json(&["query", "--fresh", PERSONS, "--rho", &rho_text(after)]);
    println!(
        "{} units of 2^-40 remain of {remaining}",
        units(&last["remaining"]["rho"])
    );
    home.run(&["query", "--fresh", PERSONS, "--rho", &rho_text(after)])
        .exits(4);
    home.run(&["ledger", "verify"]).exits(0);
}

#[test]
fn a_question_whose_certificate_fits_no_entry_is_refused_and_recorded() {
    let home = Home::populated(&[], 20);
    let numbers: Vec<String> = (0..400)
        .map(|i| format!("VAR(clamp(n, 0, {})) v{i}", i + 5))
        .collect();
    let sql = format!(
        "SELECT {} FROM (SELECT person_id, COUNT(*) AS n FROM encounter GROUP BY person_id) t",
        numbers.join(", ")
    );
    let before = home.entries().len();
    let refused = home.run(&["query", &sql, "--epsilon", "1"]).exits(3);
    assert!(refused.stderr.contains("fewer numbers"), "{refused:?}");
    let entries = home.entries();
    assert_eq!(entries.len(), before + 1);
    assert_eq!(entries.last().unwrap()["kind"], "refuse");
    home.run(&["query", "--dry-run", &sql, "--epsilon", "1"])
        .exits(0);
    home.run(&["ledger", "verify"]).exits(0);
}
