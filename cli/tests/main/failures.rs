//! What happens when the lake is not what it was: nothing leaves, and nothing is said about why.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use super::support::{Home, PERSONS, files};

/// The file that holds the patients.
fn patient_part(home: &Home) -> PathBuf {
    let of_patients = |path: &PathBuf| {
        let path = path.to_str().unwrap();
        path.contains("/patient/") && path.ends_with(".parquet")
    };
    let mut files = files(&home.root().join("lake")).into_iter();
    files.find(of_patients).unwrap()
}

#[test]
fn a_promise_that_nobody_enforced_is_refused() {
    let home = Home::populated(&["--epsilon", "1"], 30);
    let path = home.root().join("catalog.yaml");
    let shipped = fs::read_to_string(&path).unwrap();
    let lowered = shipped.replace("max_rows_per_person: 200000", "max_rows_per_person: 10000");
    assert_ne!(lowered, shipped);

    fs::write(&path, lowered).unwrap();
    let done = home.run(&["query", PERSONS]).exits(1);
    assert!(
        done.stderr.contains("max_rows_per_person is 10000"),
        "{done:?}"
    );
    assert!(done.stderr.contains("200000"), "{done:?}");
    assert_eq!(home.budget("spent"), 0);

    fs::write(&path, shipped).unwrap();
    home.run(&["query", PERSONS, "--epsilon", "0.5"]).exits(0);
}

#[test]
fn a_question_that_fails_says_nothing_and_is_paid() {
    let home = Home::populated(&["--epsilon", "1"], 30);
    let part = patient_part(&home);
    let whole = fs::read(&part).unwrap();
    let mut outputs = Vec::new();
    let cut = whole[..whole.len() / 2].to_vec();
    let mut flipped = whole.clone();
    for byte in &mut flipped[8..] {
        *byte ^= 0x55;
    }
    for damaged in [Some(cut), Some(flipped), Some(Vec::new()), None] {
        match damaged {
            Some(bytes) => fs::write(&part, bytes).unwrap(),
            None => fs::remove_file(&part).unwrap(),
        }
        let before = home.budget("spent");
        let done = home.run(&["--format", "json", "query", PERSONS, "--epsilon", "0.2"]);
        let paid = home.budget("spent") - before;
        assert!(paid > 0, "{done:?}");
        outputs.push(done);
    }
    fs::write(&part, whole).unwrap();
    for done in &outputs {
        assert_eq!(done.code, Some(1), "{done:?}");
        assert!(done.stdout.is_empty(), "{done:?}");
        assert_eq!(done.stderr, outputs[0].stderr);
    }
    let error: Value = serde_json::from_str(&outputs[0].stderr).unwrap();
    let message = error["error"]["message"].as_str().unwrap();
    assert_eq!(
        message,
        "no answer could be produced; the budget stays spent"
    );
    let aborted = home.entries();
    let aborted = aborted.iter().filter(|entry| entry["kind"] == "abort");
    assert_eq!(aborted.count(), outputs.len());
    home.run(&["ledger", "verify"]).exits(0);
    home.run(&["query", PERSONS, "--epsilon", "0.2"]).exits(0);
}

#[test]
fn after_ten_failures_nothing_is_answered_until_somebody_has_looked() {
    let home = Home::populated(&["--epsilon", "5"], 30);
    let part = patient_part(&home);
    let whole = fs::read(&part).unwrap();
    fs::write(&part, &whole[..whole.len() / 2]).unwrap();
    for _ in 0..10 {
        home.run(&["query", PERSONS, "--epsilon", "0.1"]).exits(1);
    }
    fs::write(&part, whole).unwrap();
    let spent = home.budget("spent");
    let refused = home.run(&["query", PERSONS, "--epsilon", "0.1"]).exits(4);
    assert!(
        refused.stderr.contains("10 questions have failed"),
        "{refused:?}"
    );
    assert_eq!(home.budget("spent"), spent);
    let next = home.root().join("next.yaml");
    let text = home.run(&["policy", "show"]).stdout;
    fs::write(&next, text.replace("version: 1", "version: 2")).unwrap();
    home.run(&["policy", "apply", next.to_str().unwrap()])
        .exits(0);
    home.run(&["query", PERSONS, "--epsilon", "0.1"]).exits(0);
    home.run(&["ledger", "verify"]).exits(0);
}
