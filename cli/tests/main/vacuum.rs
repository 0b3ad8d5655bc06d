//! What stays of the past of a lake, and who is waited for.

use std::fs;
use std::process::Stdio;
use std::time::{Duration, Instant};

use salus_lake::Lake;
use serde_json::json;

use crate::support::{BY_SEX, Done, Home, PERSONS, files};

fn snapshots(home: &Home) -> usize {
    let all = files(&home.root().join("lake/_snapshots"));
    all.iter()
        .filter(|path| path.extension().is_some_and(|end| end == "json"))
        .count()
}

fn ingest(home: &Home, seed: u64) {
    let export = home.export(40, seed);
    home.run(&["ingest", "fhir", export.to_str().unwrap()])
        .exits(0);
}

/// Adds lines to home.yaml.
fn settle(home: &Home, lines: &str) {
    let file = home.root().join("home.yaml");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(file, format!("{text}{lines}")).unwrap();
}

#[test]
fn older_snapshots_go_when_they_need_not_stay() {
    let home = Home::init(&[]);
    for seed in 1..=3 {
        ingest(&home, seed);
    }
    // Those of a week stay when nothing is said.
    assert_eq!(snapshots(&home), 3);
    home.run(&["query", PERSONS, "--epsilon", "1"]).exits(0);
    let entries = home.entries().len();
    let dry = home.json(&["vacuum", "--keep", "2", "--dry-run"]);
    assert_eq!(
        (&dry["snapshots"], &dry["dry_run"]),
        (&json!(1), &json!(true))
    );
    assert_eq!(snapshots(&home), 3);
    let none = home.json(&["vacuum"]);
    assert_eq!(none["snapshots"], 0);
    let done = home.json(&["vacuum", "--keep", "2"]);
    assert_eq!(
        (&done["snapshots"], &done["files"]),
        (&dry["snapshots"], &dry["files"])
    );
    assert_eq!(snapshots(&home), 2);
    assert_eq!(
        home.json(&["vacuum", "--keep", "1", "--older-than", "1"])["snapshots"],
        0
    );
    home.run(&["vacuum", "--keep", "0"]).exits(2);

    // What was answered is answered again: nothing of it rests on files that went.
    let again = home.json(&["query", PERSONS, "--epsilon", "1"]);
    assert!(again["reuse"].is_u64(), "{again}");
    assert_eq!(home.entries().len(), entries + 1, "a vacuum is no entry");
    home.run(&["query", BY_SEX, "--epsilon", "1"]).exits(0);
    home.run(&["ledger", "verify"]).exits(0);

    settle(&home, "retention: { snapshots: 1, days: 0 }\n");
    ingest(&home, 4);
    assert_eq!(snapshots(&home), 1);
    settle(&home, "unknown: 1\n");
    home.run(&["vacuum"]).exits(2);
}

#[test]
fn a_question_that_is_being_answered_is_waited_for() {
    let home = Home::populated(&[], 60);
    // Held open: answers leave at points three seconds apart.
    let policy = home.run(&["policy", "show"]).exits(0).stdout;
    let file = home.beside("policy.yaml");
    let policy = policy.replacen("version: 1", "version: 2", 1);
    assert!(!policy.contains("\nanswer_grid_milliseconds"), "{policy}");
    fs::write(&file, format!("{policy}\nanswer_grid_milliseconds: 3000\n")).unwrap();
    home.run(&["policy", "apply", file.to_str().unwrap()])
        .exits(0);
    let expunge = ["expunge", "--patient", "nobody", "--yes"];
    // Who does not wait is told so, however long somebody reads.
    let lake = Lake::open(&home.root()).unwrap();
    let reading = lake.reading().unwrap();
    let impatient = home.run(&[&expunge[..], &["--wait", "0"]].concat());
    assert_eq!(impatient.code, Some(1), "{impatient:?}");
    assert!(
        impatient.stderr.contains("do the same again"),
        "{impatient:?}"
    );
    drop(reading);
    let question = home
        .command(&["query", BY_SEX, "--epsilon", "1"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let readers = fs::File::open(home.root().join("lake/.readers")).unwrap();
    let until = Instant::now() + Duration::from_mins(1);
    loop {
        match readers.try_lock() {
            Err(fs::TryLockError::WouldBlock) => break,
            other => other.unwrap(),
        }
        readers.unlock().unwrap();
        assert!(Instant::now() < until, "the question does not begin");
        std::thread::sleep(Duration::from_millis(5));
    }
    home.run(&expunge).exits(0);
    Done::of(&question.wait_with_output().unwrap()).exits(0);
    assert_eq!(snapshots(&home), 1);
}

#[test]
fn who_reads_for_long_does_not_stop_ingests() {
    let home = Home::init(&[]);
    settle(&home, "retention: { snapshots: 1, days: 0 }\n");
    ingest(&home, 1);
    let lake = Lake::open(&home.root()).unwrap();
    let reading = lake.reading().unwrap();
    ingest(&home, 2);
    assert_eq!(snapshots(&home), 2, "it waits for the next ingest");
    drop(reading);
    ingest(&home, 3);
    assert_eq!(snapshots(&home), 1);
}

#[test]
fn downloads_that_nobody_works_on_are_told_and_removed() {
    let home = Home::init(&[]);
    let source = home.root().join("exports/clinic");
    for name in ["job", "kept-20260101T000000Z"] {
        fs::create_dir_all(source.join(name).join("output")).unwrap();
        fs::write(source.join(name).join("output/1.ndjson"), "12345").unwrap();
    }
    fs::write(source.join("last.json"), "{}").unwrap();
    let told = home.json(&["vacuum"]);
    assert_eq!(told["downloads"].as_array().unwrap().len(), 2);
    assert_eq!(told["downloads"][0]["bytes"], 5);
    // They are of today, and a week is what stays.
    let young = home.json(&["vacuum", "--downloads"]);
    assert_eq!(young["downloads"][1]["removed"], false);
    let young = home.json(&["vacuum", "--downloads", "--keep", "1"]);
    assert_eq!(young["downloads"][0]["removed"], false);
    let lock = fs::File::create(source.join("lock")).unwrap();
    lock.lock().unwrap();
    let busy = home.json(&["vacuum", "--downloads", "--older-than", "0"]);
    assert_eq!(busy["downloads"][0]["removed"], false, "a run is at work");
    drop(lock);
    let gone = home.json(&["vacuum", "--downloads", "--older-than", "0"]);
    assert_eq!(gone["downloads"][0]["removed"], true);
    assert!(!source.join("job").exists() && source.join("last.json").exists());
    assert_eq!(home.json(&["vacuum"])["downloads"], json!([]));
}

#[test]
fn lines_are_dropped_from_quarantine_on_demand() {
    let home = Home::init(&[]);
    let export = home.beside("export");
    fs::create_dir(&export).unwrap();
    fs::write(
        export.join("a.ndjson"),
        "{\n[]\n{\"resourceType\":\"Claim\"}\n",
    )
    .unwrap();
    home.run(&["ingest", "fhir", export.to_str().unwrap()])
        .exits(0);
    let reasons = |home: &Home| home.json(&["quarantine", "list"])["reasons"].clone();
    let all = json!({"broken_json": 1, "no_table": 1, "not_an_object": 1});
    assert_eq!(reasons(&home), all);
    let drop = ["quarantine", "drop", "--reason", "broken_json"];
    assert_eq!(home.json(&drop), json!({"lines": 1, "dropped": false}));
    assert_eq!(reasons(&home), all);
    home.json(&[&drop[..], &["--yes"]].concat());
    assert_eq!(reasons(&home), json!({"no_table": 1, "not_an_object": 1}));
    home.run(&["quarantine", "drop", "--yes"]).exits(2);
    home.run(&["ledger", "verify"]).exits(0);
}
