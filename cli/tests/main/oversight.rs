//! What compliance officers ask of the ledger.

use std::fs;

use serde_json::Value;

use crate::support::{BY_SEX, Home, PERSONS};

/// Two analysts, six questions of every fate but failure.
fn used() -> Home {
    let home = Home::populated(&["--epsilon", "2"], 20);
    let ask = |sql: &str, user: &str, epsilon: &str, purpose: &str, code: i32| {
        home.run(&[
            "query",
            sql,
            "--user",
            user,
            "--epsilon",
            epsilon,
            "--purpose",
            purpose,
        ])
        .exits(code);
    };
    ask(PERSONS, "alice", "0.5", "HRESCH", 0);
    ask(PERSONS, "bob", "0.5", "PUBHLTH", 0);
    ask(BY_SEX, "bob", "0.4", "HPRGRP", 0);
    ask("SELECT person_id FROM patient", "bob", "0.4", "HRESCH", 3);
    ask(
        "SELECT COUNT(DISTINCT person_id) AS n FROM condition WHERE code = 'E11'",
        "alice",
        "0.3",
        "HRESCH",
        0,
    );
    ask(
        "SELECT COUNT(DISTINCT person_id) AS n FROM condition WHERE code = 'E11' AND person_id > 5",
        "alice",
        "0.3",
        "HRESCH",
        3,
    );
    home
}

/// Of which kinds the entries are, but for the anchors that the clock writes.
fn kinds(list: &Value) -> Vec<String> {
    let entries = list["entries"].as_array().unwrap().iter();
    entries
        .filter(|entry| entry["kind"] != "anchor")
        .map(|entry| entry["kind"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn the_list_is_filtered_by_who_what_when_and_how_it_ended() {
    let home = used();
    let list = |options: &[&str]| kinds(&home.json(&[&["ledger", "list"], options].concat()));
    assert_eq!(
        list(&["--user", "alice"]),
        ["reserve", "release", "reserve", "release", "refuse"]
    );
    assert_eq!(list(&["--user", "bob", "--outcome", "repeated"]), ["reuse"]);
    assert_eq!(list(&["--purpose", "HPRGRP"]), ["reserve", "release"]);
    assert_eq!(list(&["--outcome", "refused"]), ["refuse", "refuse"]);
    assert_eq!(list(&["--kind", "policy"]), ["policy"]);
    assert!(list(&["--until", "2020-01-01"]).is_empty());
    assert_eq!(list(&["--since", "2020-01-01"]), list(&[]));
    for wrong in [
        ["--since", "yesterday"],
        ["--outcome", "fine"],
        ["--kind", "x"],
    ] {
        home.run(&[&["ledger", "list"], &wrong[..]].concat())
            .exits(2);
    }
}

#[test]
fn a_question_is_shown_in_plain_words() {
    let home = used();
    let list = home.json(&["ledger", "list", "--user", "alice"]);
    let reserve = list["entries"][0]["entry"].as_u64().unwrap().to_string();
    let shown = home.run(&["ledger", "show", &reserve]).exits(0);
    assert!(shown.stdout.contains("In words:"), "{shown:?}");
    let json = home.json(&["ledger", "show", &reserve]);
    assert!(json["words"].as_array().unwrap().len() >= 3);
}

#[test]
fn spending_is_drawn_and_listed() {
    let home = used();
    let drawn = home.run(&["ledger", "burn-down"]).exits(0);
    assert!(drawn.stdout.lines().count() > 8, "{drawn:?}");
    let svg = home.beside("spent.svg");
    let listed = home.json(&[
        "ledger",
        "burn-down",
        "--user",
        "alice",
        "--svg",
        svg.to_str().unwrap(),
    ]);
    // Where it began, and two questions.
    assert_eq!(listed["points"].as_array().unwrap().len(), 3);
    assert!(fs::read_to_string(&svg).unwrap().starts_with("<svg"));
    home.run(&["ledger", "burn-down", "--svg", svg.to_str().unwrap()])
        .exits(2);
    for other in ["spent.txt", "spent", "svg", ".svg"] {
        let file = home.beside(other);
        let refused = home
            .run(&["ledger", "burn-down", "--svg", file.to_str().unwrap()])
            .exits(2);
        assert!(refused.stderr.contains(".svg") && !file.exists(), "{other}");
    }
    let refusals = home.json(&["ledger", "refusals"]);
    assert_eq!(refusals["entries"].as_array().unwrap().len(), 2);
}

#[test]
fn two_questions_that_differ_by_one_condition_are_flagged() {
    let home = Home::populated(&[], 30);
    let count = |condition: &str| {
        let sql = format!("SELECT COUNT(DISTINCT person_id) AS n FROM patient WHERE {condition}");
        let answer = home.json(&["query", &sql, "--epsilon", "0.2", "--user", "eve"]);
        home.reserve_of(&answer["entry"])
    };
    let first = count("birth_date < DATE '1960-01-01'");
    let second = count("birth_date < DATE '1960-01-01' AND sex = 'female'");
    count("sex = 'male'");
    let found = home.json(&["ledger", "differences"]);
    assert_eq!(found["unread"].as_array().unwrap().len(), 0, "{found}");
    let pairs = found["pairs"].as_array().unwrap();
    assert_eq!(pairs.len(), 1, "{found}");
    // Questions go by their RESERVE, answers by their RELEASE.
    assert_eq!(pairs[0]["first"], first);
    assert_eq!(pairs[0]["second"], second);
    assert_eq!(pairs[0]["name"], "eve");
    // An alert is written once, and only where it was asked for.
    let alerts = || {
        let log = home.json(&["ledger", "restricted", "list"]);
        let entries = log["entries"].as_array().unwrap().clone();
        let alerts = entries.into_iter().filter(|entry| entry["kind"] == "alert");
        alerts.collect::<Vec<_>>()
    };
    assert!(alerts().is_empty());
    for _ in 0..2 {
        home.json(&["ledger", "differences", "--alert"]);
        assert_eq!(alerts().len(), 1);
    }
    assert_eq!(alerts()[0]["principal"], pairs[0]["principal"]);
    home.run(&["ledger", "restricted", "verify"]).exits(0);
}

#[test]
fn reports_and_exports_are_written_and_name_nobody() {
    let home = used();
    let path = |name: &str| home.beside(name).to_str().unwrap().to_owned();
    home.run(&[
        "ledger",
        "report",
        "--operator",
        "Riverside <Health>",
        "--out",
        &path("report.html"),
    ])
    .exits(0);
    for (period, says) in [
        (
            "2026",
            "from 2026-01-01T00:00:00Z to before 2027-01-01T00:00:00Z",
        ),
        (
            "2026-Q3",
            "from 2026-07-01T00:00:00Z to before 2026-10-01T00:00:00Z",
        ),
        (
            "2026-10",
            "from 2026-10-01T00:00:00Z to before 2026-11-01T00:00:00Z",
        ),
    ] {
        let out = path(&format!("{period}.html"));
        home.run(&["ledger", "report", "--period", period, "--out", &out])
            .exits(0);
        let html = fs::read_to_string(out).unwrap();
        assert!(html.contains(says), "{period}");
    }
    for wrong in [
        &["--period", "2026-Q5"][..],
        &["--period", "2026", "--since", "2026-01-01"],
    ] {
        let out = path("wrong.html");
        let report = ["ledger", "report", "--out", &out];
        home.run(&[&report[..], wrong].concat()).exits(2);
    }
    for (form, name) in [
        ("csv", "q.csv"),
        ("json", "q.json"),
        ("fhir", "q.fhir"),
        ("opendp-registry", "q.yaml"),
    ] {
        home.run(&["ledger", "export", &path(name), "--as", form])
            .exits(0);
        home.run(&["ledger", "export", &path(name), "--as", form])
            .exits(2);
    }
    let bundle: Value = serde_json::from_str(&fs::read_to_string(path("q.fhir")).unwrap()).unwrap();
    assert_eq!(bundle["resourceType"], "Bundle");
    let events = bundle["entry"].as_array().unwrap();
    assert_eq!(events.len(), 6);
    assert!(
        events
            .iter()
            .all(|event| event["resource"]["resourceType"] == "AuditEvent")
    );
    assert_eq!(
        fs::read_to_string(path("q.csv")).unwrap().lines().count(),
        7
    );
    let report = fs::read_to_string(path("report.html")).unwrap();
    assert!(report.contains("Riverside &lt;Health&gt;"));
    // What chance has written may spell a short name.
    let vkey = fs::read_to_string(home.root().join("keys/ledger.vkey")).unwrap();
    assert!(report.contains(vkey.trim()), "{vkey}");
    for name in ["report.html", "q.csv", "q.json", "q.fhir", "q.yaml"] {
        let text = fs::read_to_string(path(name)).unwrap();
        let text = text.replace(vkey.trim(), "");
        for secret in ["alice", "bob", "SELECT", "E11"] {
            assert!(!text.contains(secret), "{name} says {secret}");
        }
    }
}
