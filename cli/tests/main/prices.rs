//! What a question costs, said beforehand: by its error, in words, in delta.

use serde_json::{Value, json};

use super::support::{BY_SEX, Home};

#[test]
fn an_error_names_its_price_and_the_answer_keeps_it() {
    let home = Home::populated(&[], 60);
    let quote = home.json(&["query", BY_SEX, "--dry-run", "--within", "25"]);
    let promised = quote["errors"][0]["half_width"].as_f64().unwrap();
    assert!(promised <= 25.0 && promised > 20.0, "{quote}");
    let answer = home.json(&["query", BY_SEX, "--within", "25"]);
    assert_eq!(answer["cost"], quote["cost"]);
    for row in answer["intervals"].as_array().unwrap() {
        let (low, high) = (row[1][0].as_f64().unwrap(), row[1][1].as_f64().unwrap());
        assert!(high - low <= 50.0, "{row}");
    }
    // Half the error is about four times as dear.
    let dearer = home.json(&["query", BY_SEX, "--dry-run", "--within", "12.5"]);
    let rho = |quote: &Value| quote["cost"]["rho"].as_f64().unwrap();
    let ratio = rho(&dearer) / rho(&quote);
    assert!((3.0..6.0).contains(&ratio), "{ratio}");

    // Of a median the places among the rows are foretold; what they are in values depends on them.
    let median = "SELECT MEDIAN(deprivation) FROM patient";
    let quote = home.json(&["query", median, "--dry-run"]);
    assert!(quote["errors"][0]["rows"].as_f64() > Some(1.0), "{quote}");
    let shown = home
        .run(&["query", median, "--dry-run", "--confidence", "0.9"])
        .exits(0);
    assert!(shown.stdout.contains("90 % error") && shown.stdout.contains("places among the rows"));

    let average = "SELECT AVG(deprivation) FROM patient";
    let refused = home.run(&["query", average, "--within", "1"]).exits(3);
    assert!(
        refused
            .stderr
            .contains("depends on how many rows there are"),
        "{refused:?}"
    );
    for usage in ["0", "few", "-3"] {
        home.run(&["query", BY_SEX, &format!("--within={usage}")])
            .exits(2);
    }
    home.run(&["query", BY_SEX, "--within", "5", "--epsilon", "1"])
        .exits(2);
}

#[test]
fn a_question_is_explained_without_a_trace() {
    let home = Home::populated(&[], 40);
    home.run(&["query", BY_SEX, "--dry-run"]).exits(0);
    let before = home.entries();
    let sql = "SELECT p.sex, COUNT(*) AS n FROM patient p JOIN encounter e ON e.person_id = p.person_id GROUP BY p.sex";
    let said = home
        .run(&["explain", sql, "--rows-per-person", "7"])
        .exits(0)
        .stdout;
    for words in [
        "reads patient: one row of a person at most",
        "joins rows of the same person",
        "7 rows of a person at most count in one group",
        "one person moves it by at most 7",
        "nothing was spent",
    ] {
        assert!(said.contains(words), "{words}:\n{said}");
    }
    let json = home.json(&["explain", sql, "--rows-per-person", "7"]);
    assert_eq!(json["noise"][0]["aggregate"], "rows");
    assert_eq!(json["steps"].as_array().unwrap().len(), 4, "{json}");
    // A share that would be nothing is not paid for unawares.
    let shares = |over: &str| {
        format!("SELECT COUNT(*) FILTER (WHERE deceased) {over} COUNT(*) AS share FROM patient")
    };
    let whole = "3 / 4 is 0";
    let said = home.run(&["explain", &shares("/")]).exits(0).stdout;
    assert!(said.contains(whole), "{said}");
    let said = home.run(&["explain", &shares("* 1.0 /")]).exits(0).stdout;
    assert!(!said.contains(whole), "{said}");
    assert_eq!(home.entries(), before);
    home.run(&["explain", "SELECT * FROM patient"]).exits(3);
}

#[test]
fn keys_that_are_not_public_cost_delta_and_the_ledger_holds() {
    let home = Home::populated(&[], 300);
    let sql = "SELECT code, COUNT(DISTINCT person_id) AS persons FROM condition GROUP BY code ORDER BY persons DESC";
    let answer = home.json(&["query", sql, "--epsilon", "5", "--delta", "5e-8"]);
    let delta = answer["cost"]["delta"].as_f64().unwrap();
    // What is shown holds the conversion delta, 5e-7 by default, beside what was booked.
    assert!(delta > 5e-7 && delta <= 5.5e-7 + 1e-12, "{answer}");
    let rows = answer["rows"].as_array().unwrap();
    assert!(!rows.is_empty() && rows.len() < 200, "{answer}");
    let quote = home
        .run(&["query", sql, "--dry-run", "--epsilon", "5"])
        .exits(0);
    assert!(quote.stdout.contains("are not public"), "{quote:?}");
    // More delta than the policy allows, and than is left.
    let refused = || {
        let entries = home.entries();
        let refusals = entries.iter().filter(|entry| entry["kind"] == "refuse");
        refusals.count()
    };
    let before = refused();
    home.run(&["query", sql, "--epsilon", "11"]).exits(3);
    let dear = home.run(&["query", sql, "--delta", "1e-3"]).exits(3);
    assert_eq!(
        refused(),
        before + 2,
        "a price that is refused is in the ledger too"
    );
    assert!(dear.stderr.contains("at most delta"), "{dear:?}");
    home.run(&["query", sql, "--delta", "lots"]).exits(2);
    home.run(&["ledger", "verify"]).exits(0);
    let reserve = home.reserve_of(&answer["entry"]).to_string();
    let shown = home.json(&["ledger", "show", &reserve]);
    assert!(
        shown.to_string().contains("threshold") || shown.to_string().contains("tau"),
        "{shown}"
    );
}

#[test]
fn rates_have_error_bars_and_one_receipt() {
    let home = Home::populated(&[], 300);
    let sql = "SELECT round(1000.0 * ill.n / everybody.n, 1) AS per_thousand, ill.n, everybody.n AS persons \
               FROM (SELECT COUNT(DISTINCT person_id) AS n FROM condition) ill, (SELECT COUNT(*) AS n FROM patient) everybody";
    let answer = home.json(&["query", sql, "--epsilon", "2"]);
    let rate = answer["rows"][0][0].as_f64().unwrap();
    let bar = &answer["intervals"][0][0];
    let (low, high) = (bar[0].as_f64().unwrap(), bar[1].as_f64().unwrap());
    assert!(low < rate && rate < high && high - low < 200.0, "{answer}");
    let receipt = answer["receipt"].as_str().unwrap();
    home.run(&["receipt", "verify", receipt]).exits(0);
    let entries = home.entries();
    let of = |kind: &str| entries.iter().filter(|entry| entry["kind"] == kind).count();
    assert_eq!((of("reserve"), of("release")), (1, 1));
}

#[test]
fn the_same_question_again_is_free_and_has_a_receipt_of_its_own() {
    let home = Home::populated(&["--epsilon", "2"], 30);
    let first = home.json(&["query", BY_SEX, "--epsilon", "0.5"]);
    assert_eq!(first["reuse"], Value::Null);
    let spent = home.budget("spent");
    let reworded = "select p.sex as s, count(distinct p.person_id) from patient p group by p.sex";
    let again = home.json(&["query", reworded, "--epsilon", "0.4"]);
    assert_eq!(again["rows"], first["rows"]);
    assert_eq!(again["intervals"], first["intervals"]);
    assert_eq!(again["columns"][0], "s");
    assert_eq!(
        again["cost"],
        json!({"rho": 0.0, "epsilon": 0.0, "delta": 0.0})
    );
    assert_eq!(again["entry"], first["entry"]);
    assert!(again["reuse"].as_u64() > first["entry"].as_u64());
    assert_ne!(again["receipt"], first["receipt"]);
    assert_eq!(home.budget("spent"), spent);
    let receipt = again["receipt"].as_str().unwrap();
    home.run(&["receipt", "verify", receipt]).exits(0);
    // So has the saved answer, whose names are the asker's own.
    let saved = home.beside("again.json");
    std::fs::write(&saved, again.to_string()).unwrap();
    home.run(&["receipt", "verify", saved.to_str().unwrap()])
        .exits(0);
    let mut forged = again.clone();
    let given = again["rows"][0][1].as_i64().unwrap();
    forged["rows"][0][1] = json!(given + 1);
    std::fs::write(&saved, forged.to_string()).unwrap();
    home.run(&["receipt", "verify", saved.to_str().unwrap()])
        .exits(5);
    let shown = home.run(&["query", BY_SEX, "--epsilon", "0.5"]).exits(0);
    assert!(shown.stdout.contains("--fresh"), "{shown:?}");
    let listed = home.run(&["ledger", "list"]).exits(0);
    assert!(listed.stdout.contains("reuse"), "{listed:?}");
    home.run(&["ledger", "verify"]).exits(0);
    // More accuracy, or new noise, is paid.
    home.run(&["query", BY_SEX, "--epsilon", "0.6"]).exits(0);
    assert!(home.budget("spent") > spent);
    let spent = home.budget("spent");
    home.run(&["query", "--fresh", BY_SEX, "--epsilon", "0.4"])
        .exits(0);
    assert!(home.budget("spent") > spent);
}
