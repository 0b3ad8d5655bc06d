//! What operators do with records: quarantine, deletions, persons who are expunged, the key of the lake.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::support::Home;

pub(crate) const CANARY: &str = "canary-4711";

pub(crate) fn condition(id: &str, patient: &str) -> String {
    format!(
        r#"{{"resourceType":"Condition","id":"{id}","subject":{{"reference":"Patient/{patient}"}},"code":{{"coding":[{{"system":"http://snomed.info/sct","code":"44054006"}}]}}}}"#
    )
}

pub(crate) fn patient(id: &str) -> String {
    format!(r#"{{"resourceType":"Patient","id":"{id}","birthDate":"1970-01-01"}}"#)
}

/// Ingests these lines and gives back the summary.
pub(crate) fn ingest(home: &Home, name: &str, lines: &[String]) -> Value {
    let dir = home.beside(name);
    fs::create_dir_all(&dir).unwrap();
    fs::write(dir.join("lines.ndjson"), lines.join("\n")).unwrap();
    let arguments = ["ingest", "fhir", dir.to_str().unwrap(), "--format", "json"];
    home.run(&arguments).exits(0).json()
}

/// Whether any file of the home holds the text.
pub(crate) fn holds(dir: &Path, text: &str) -> bool {
    fs::read_dir(dir).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        if path.is_dir() {
            return holds(&path, text);
        }
        // SQLite takes its write-ahead log away when the last connection has closed, which may be just now.
        let bytes = match fs::read(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            bytes => bytes.unwrap(),
        };
        bytes
            .windows(text.len())
            .any(|part| part == text.as_bytes())
    })
}

#[test]
fn lines_are_listed_shown_and_tried_again() {
    let home = Home::init(&[]);
    let late = condition("1", CANARY);
    let summary = ingest(&home, "first", &[patient("a"), late.clone(), "{".into()]);
    assert_eq!(summary["quarantined"]["unknown_subject"], 1);
    let counts = home
        .run(&["quarantine", "list", "--format", "json"])
        .exits(0)
        .json();
    assert_eq!(counts["reasons"]["unknown_subject"], 1);
    let listed = home
        .run(&[
            "quarantine",
            "list",
            "--reason",
            "unknown_subject",
            "--format",
            "json",
        ])
        .exits(0)
        .json();
    assert_eq!(
        (&listed["found"], &listed["lines"][0]["line"]),
        (&Value::from(1), &Value::from(2))
    );
    assert_eq!(listed["lines"][0]["source"], "default");
    let shown = home
        .run(&["quarantine", "show", "--reason", "unknown_subject"])
        .exits(0);
    assert_eq!(shown.stdout, format!("{late}\n"));
    home.run(&["quarantine", "retry", "--reason", "nothing_like_it"])
        .exits(2);

    let retried = home
        .run(&["quarantine", "retry", "--format", "json"])
        .exits(0)
        .json();
    assert_eq!(retried["changed"], false);
    ingest(&home, "second", &[patient(CANARY)]);
    let retried = home
        .run(&[
            "quarantine",
            "retry",
            "--reason",
            "unknown_subject",
            "--format",
            "json",
        ])
        .exits(0)
        .json();
    assert_eq!(
        (&retried["changed"], &retried["tables"]["condition"]["rows"]),
        (&Value::from(true), &Value::from(1))
    );
    let counts = home
        .run(&["quarantine", "list", "--format", "json"])
        .exits(0)
        .json();
    assert_eq!(counts["reasons"], serde_json::json!({"broken_json": 1}));
    home.run(&["ledger", "verify"]).exits(0);
}

#[test]
fn an_expunged_person_is_in_no_file_and_the_ledger_still_verifies() {
    let home = Home::init(&[]);
    ingest(
        &home,
        "first",
        &[
            patient("a"),
            patient(CANARY),
            condition("1", CANARY),
            condition("2", "a"),
        ],
    );
    let before = home.entries().len();
    let asked = ["expunge", "--patient", CANARY];
    assert!(home.run(&asked).exits(2).stderr.contains("--yes"));
    let done = home
        .run(&["expunge", "--patient", CANARY, "--yes", "--format", "json"])
        .exits(0)
        .json();
    assert_eq!(done["known"], true);
    assert!(done["files_deleted"].as_u64() > Some(0));
    assert!(!holds(&home.root(), CANARY));
    // The first log has no entry more, at a moment that would tell.
    assert_eq!(home.entries().len(), before);
    let again = ingest(&home, "again", &[patient(CANARY), condition("1", CANARY)]);
    assert_eq!(
        (&again["expunged"], &again["changed"]),
        (&Value::from(2), &Value::from(false))
    );
    home.run(&["ledger", "verify"]).exits(0);
    // That it happened is in the restricted log, and of whom is in neither.
    let listed = home.json(&["ledger", "restricted", "list"]);
    let kinds = listed["entries"].as_array().unwrap().iter();
    let kinds: Vec<&str> = kinds.map(|entry| entry["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["opening", "key", "expunge"]);
    home.run(&["ledger", "restricted", "verify"]).exits(0);
}

/// A denial and what lifts it are written down before they count, and nobody is named.
#[test]
fn changes_of_consent_are_in_the_restricted_log() {
    let home = Home::init(&[]);
    let consent = |id: &str, day: &str, decision: &str| {
        format!(
            r#"{{"resourceType":"Consent","id":"{id}","status":"active","scope":{{"coding":[{{"system":"http://terminology.hl7.org/CodeSystem/consentscope","code":"patient-privacy"}}]}},"patient":{{"reference":"Patient/a"}},"dateTime":"{day}","provision":{{"type":"{decision}"}}}}"#
        )
    };
    ingest(&home, "first", &[patient("a"), patient("b")]);
    ingest(&home, "second", &[consent("1", "2024-01-01", "deny")]);
    ingest(&home, "third", &[consent("1", "2024-01-01", "deny")]);
    ingest(&home, "fourth", &[consent("2", "2024-02-01", "permit")]);
    let listed = home.json(&["ledger", "restricted", "list"]);
    let about = listed["entries"].as_array().unwrap().iter();
    let about: Vec<&str> = about
        .map(|entry| entry["about"].as_str().unwrap())
        .collect();
    assert_eq!(
        about,
        ["", "", "persons denied consent", "persons permit again"]
    );
    let open = home.json(&["ledger", "breakglass"]);
    assert_eq!(open["breakglass"], serde_json::json!([]));
    let review = [
        "ledger",
        "breakglass",
        "--review",
        "2",
        "--finding",
        "justified",
        "--note",
        "x",
    ];
    let refused = home.run(&review).exits(2);
    assert!(
        refused.stderr.contains("no break-glass access 2"),
        "{}",
        refused.stderr
    );
    let to = home.beside("restricted");
    home.run(&["ledger", "restricted", "export", to.to_str().unwrap()])
        .exits(0);
    assert!(to.join("anchors").join("000000002").is_file());
    home.run(&["ledger", "restricted", "verify"]).exits(0);
}

#[test]
fn deletions_are_told() {
    let home = Home::init(&[]);
    ingest(&home, "first", &[patient("a"), condition("1", "a")]);
    let bundle = r#"{"resourceType":"Bundle","type":"transaction","entry":[{"request":{"method":"DELETE","url":"Condition/1"}}]}"#;
    let summary = ingest(&home, "second", &[bundle.into()]);
    assert_eq!(summary["deletions"], 1);
    assert_eq!(summary["deleted"], serde_json::json!({"Condition": 1}));
    assert_eq!(summary["changed"], true);
}

#[test]
fn without_the_key_of_the_lake_nothing_is_read_and_the_way_out_is_said() {
    let home = Home::init(&[]);
    ingest(&home, "first", &[patient("a"), "{".into()]);
    let key = home.root().join("keys/lake.key");
    let text = fs::read_to_string(&key).unwrap();
    fs::remove_file(&key).unwrap();
    let failed = home.run(&["quarantine", "list"]).exits(1);
    assert!(
        failed.stderr.contains("lake.key") && failed.stderr.contains("put it back"),
        "{}",
        failed.stderr
    );
    assert!(
        !failed
            .stderr
            .contains(text.split(' ').nth(1).unwrap().trim())
    );
    fs::write(&key, text).unwrap();
    home.run(&["quarantine", "list"]).exits(0);
}
