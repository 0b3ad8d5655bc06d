//! `kill -9` between the entry of the restricted log that says what happens to a person and its happening.

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use sqlx::ConnectOptions as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use tokio::runtime::{Builder, Runtime};

use crate::records::{CANARY, condition, holds, ingest, patient};
use crate::succession::{asked, seal, succeed};
use crate::support::{Done, Home, files};

/// A look into the store from outside.
struct Store {
    runtime: Runtime,
    db: SqliteConnection,
}

impl Store {
    fn of(home: &Home) -> Self {
        Self::at(&home.database())
    }

    fn at(database: &Path) -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let options = SqliteConnectOptions::new().filename(database);
        let db = runtime
            .block_on(options.busy_timeout(Duration::from_mins(1)).connect())
            .unwrap();
        Self { runtime, db }
    }

    fn count(&mut self, sql: &'static str) -> i64 {
        let asked = sqlx::query_scalar(sql).fetch_one(&mut self.db);
        self.runtime.block_on(asked).unwrap()
    }
}

fn snapshots(home: &Home) -> usize {
    let names = files(&home.root().join("lake/_snapshots")).into_iter();
    names
        .filter(|name| name.extension().is_some_and(|end| end == "json"))
        .count()
}

/// What the restricted log says of its acts.
fn about(home: &Home) -> Vec<String> {
    let listed = home.json(&["ledger", "restricted", "list"]);
    let entries = listed["entries"].as_array().unwrap().iter().skip(2);
    entries
        .map(|entry| entry["about"].as_str().unwrap().to_owned())
        .collect()
}

/// A home in which a process of this command was killed once its entry was durable and before anything had happened.
fn killed(make: impl Fn() -> (Home, Vec<String>)) -> (Home, Vec<String>) {
    for _ in 0..30 {
        let (home, command) = make();
        let mut store = Store::of(&home);
        let entries = "SELECT count(*) FROM restricted_entries";
        let (written, visible) = (store.count(entries), snapshots(&home));
        let mut child = home
            .command(&command)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let patience = Instant::now() + Duration::from_mins(2);
        while store.count(entries) == written && child.try_wait().unwrap().is_none() {
            assert!(Instant::now() < patience, "{command:?} writes no entry");
        }
        // An error says that it ended by itself just now.
        let _ = child.kill();
        let done = Done::of(&child.wait_with_output().unwrap());
        assert!(matches!(done.code, None | Some(0)), "{done:?}");
        if done.code.is_none() && snapshots(&home) == visible {
            assert_eq!(store.count(entries), written + 1);
            return (home, command);
        }
    }
    panic!("no process was killed in between");
}

fn words(command: &[&str]) -> Vec<String> {
    command.iter().map(|&word| word.to_owned()).collect()
}

#[test]
fn an_order_to_expunge_names_nobody_and_is_carried_out_by_the_next_run() {
    let (home, command) = killed(|| {
        let home = Home::init(&[]);
        let lines = [patient("a"), patient(CANARY), condition("1", CANARY)];
        ingest(&home, "first", &lines);
        (home, words(&["expunge", "--patient", CANARY, "--yes"]))
    });
    // Neither in the database nor in the write-ahead log, as they are and once they are one.
    assert!(!holds(&home.root().join("ledger"), CANARY));
    Store::of(&home).count("PRAGMA wal_checkpoint(TRUNCATE)");
    assert!(!holds(&home.root().join("ledger"), CANARY));
    let said = about(&home);
    assert!(
        said.len() == 1 && said[0].contains("not carried out"),
        "{said:?}"
    );
    let openings = "SELECT count(*) FROM restricted_openings";
    assert!(Store::of(&home).count(openings) > 0);

    home.run(&command).exits(0);
    assert_eq!(about(&home), ["persons were removed for good"; 2]);
    // Nothing is left of either order by which she could be found.
    assert_eq!(Store::of(&home).count(openings), 0);
    assert!(!holds(&home.root(), CANARY));
    home.run(&["ledger", "restricted", "verify"]).exits(0);
}

#[test]
fn a_denial_that_was_not_carried_out_comes_with_the_next_ingest() {
    let denial = r#"{"resourceType":"Consent","id":"1","status":"active","scope":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/consentscope","code":"patient-privacy"}]},"patient":{"reference":"Patient/a"},"dateTime":"2024-01-01","provision":{"type":"deny"}}"#;
    let (home, command) = killed(|| {
        let home = Home::init(&[]);
        ingest(&home, "first", &[patient("a"), patient("b")]);
        let dir = home.beside("second");
        fs::create_dir_all(&dir).unwrap();
        fs::write(dir.join("lines.ndjson"), denial).unwrap();
        let dir = dir.display().to_string();
        (home, words(&["--format", "json", "ingest", "fhir", &dir]))
    });
    assert_eq!(about(&home), ["persons denied consent"]);
    let done = home.run(&command).exits(0).json();
    assert_eq!(done["changed"], true);
    assert_eq!(about(&home), ["persons denied consent"; 2]);
    assert_eq!(home.run(&command).exits(0).json()["changed"], false);
    assert_eq!(about(&home).len(), 2);
    home.run(&["ledger", "restricted", "verify"]).exits(0);
}

/// Two sources that know the same person.
fn twice() -> Home {
    let home = Home::init(&[]);
    for (source, id) in [("north", "a"), ("south", "z")] {
        let line = format!(
            r#"{{"resourceType":"Patient","id":"{id}","birthDate":"1980-02-11","name":[{{"family":"Fjord","given":["Ana"]}}],"identifier":[{{"system":"urn:national","value":"1"}}]}}"#
        );
        let dir = home.beside(source);
        fs::create_dir_all(&dir).unwrap();
        fs::write(dir.join("lines.ndjson"), line).unwrap();
        home.run(&["ingest", "fhir", dir.to_str().unwrap(), "--source", source])
            .exits(0);
    }
    home
}

const LINK: [&str; 4] = ["identity", "link", "--trust", "urn:national"];
const SPLIT: [&str; 6] = ["identity", "split", "--source", "north", "--patient", "a"];

fn events(home: &Home) -> usize {
    let events = home.json(&["identity", "events"]);
    events["events"].as_array().unwrap().len()
}

#[test]
fn records_are_joined_by_the_next_run() {
    let (home, command) = killed(|| (twice(), words(&LINK)));
    assert_eq!(
        (about(&home), events(&home)),
        (words(&["records were linked"]), 0)
    );
    home.run(&command).exits(0);
    assert_eq!(about(&home), ["records were linked"; 2]);
    assert_eq!(events(&home), 1);
    home.run(&command).exits(0);
    assert_eq!(about(&home).len(), 2);
    home.run(&["ledger", "restricted", "verify"]).exits(0);
}

#[test]
fn records_are_told_apart_by_the_next_run() {
    let (home, command) = killed(|| {
        let home = twice();
        home.run(&LINK).exits(0);
        (home, words(&SPLIT))
    });
    assert_eq!(events(&home), 1);
    home.run(&command).exits(0);
    assert_eq!(
        about(&home),
        [
            "records were linked",
            "records were told apart",
            "records were told apart"
        ]
    );
    assert_eq!(events(&home), 2);
    home.run(&["ledger", "restricted", "verify"]).exits(0);
}

/// What was told of her consent before would say whose number was taken out; what was told of others stays.
#[test]
fn with_a_person_goes_what_named_her() {
    let home = Home::init(&[]);
    let consent = |id: &str| {
        format!(
            r#"{{"resourceType":"Consent","id":"of-{id}","status":"active","scope":{{"coding":[{{"system":"http://terminology.hl7.org/CodeSystem/consentscope","code":"patient-privacy"}}]}},"patient":{{"reference":"Patient/{id}"}},"dateTime":"2024-01-01","provision":{{"type":"deny"}}}}"#
        )
    };
    ingest(&home, "first", &[patient("a"), patient(CANARY)]);
    ingest(&home, "second", &[consent(CANARY)]);
    ingest(&home, "third", &[consent("a")]);
    home.run(&["identity", "show", "--patient", CANARY])
        .exits(0);
    let named = "SELECT count(DISTINCT entry) FROM restricted_openings";
    assert_eq!(Store::of(&home).count(named), 3);
    home.run(&["expunge", "--patient", CANARY, "--yes"])
        .exits(0);
    let left = "SELECT sum(entry) FROM (SELECT DISTINCT entry FROM restricted_openings)";
    assert_eq!(Store::of(&home).count(named), 1);
    assert_eq!(Store::of(&home).count(left), 3);
    home.run(&["ledger", "restricted", "verify"]).exits(0);
}

/// What lies beside a log that ended goes with the rest, and nothing else of it.
#[test]
fn an_order_reaches_the_log_before() {
    let (home, next) = asked();
    ingest(&home, "first", &[patient("a"), patient(CANARY)]);
    home.run(&["identity", "show", "--patient", "a"]).exits(0);
    let why = ["--break-glass", "she is here and does not wake up"];
    home.run(&[&["identity", "show", "--patient", CANARY][..], &why].concat())
        .exits(0);
    let found = ["--finding", "justified", "--note", "she was seen at four"];
    home.run(&[&["ledger", "breakglass", "--review", "3"][..], &found].concat())
        .exits(0);
    let before = home.database();
    seal(&home, &next);
    succeed(&home, &[]);
    let named = "SELECT count(DISTINCT entry) FROM restricted_openings";
    let asked = "SELECT count(*) FROM plans";
    assert_eq!(Store::at(&before).count(named), 3);
    assert_eq!(Store::at(&before).count(asked), 1);

    home.run(&["expunge", "--patient", CANARY, "--yes"])
        .exits(0);
    // The one look at somebody else.
    assert_eq!(Store::at(&before).count(named), 1);
    let erased = home.json(&["ledger", "erase", "--before", "2100-01-01"]);
    assert_eq!(erased["questions"], 1);
    assert_eq!(Store::at(&before).count(asked), 0);
    home.run(&["ledger", "restricted", "verify"]).exits(0);

    // A store that cannot be read is not passed over; one that was deleted is.
    fs::write(&before, "something else").unwrap();
    let refused = home.run(&["ledger", "erase", "--before", "2100-01-01"]);
    assert!(
        refused.stderr.contains("`ended` in home.yaml"),
        "{refused:?}"
    );
    assert_ne!(refused.code, Some(0));
    fs::remove_dir_all(before.parent().unwrap()).unwrap();
    home.run(&["expunge", "--patient", "a", "--yes"]).exits(0);
    home.run(&["ledger", "erase", "--before", "2100-01-01"])
        .exits(0);
}
