//! A home whose log ends, or was lost, goes on in another with what was spent.

use std::fs;

use salus_checker::{Trust, audit_with, read_export};
use serde_json::Value;

use crate::officers::{approve, officer, with_officers};
use crate::support::{Home, PERSONS, copy_tree, files};

/// A home with two officers that was asked once, and the public key of the log that is to go on.
pub(crate) fn asked() -> (Home, String) {
    let home = with_officers(&["--epsilon", "1"]);
    home.run(&["query", PERSONS, "--epsilon", "0.9"]).exits(0);
    let key = next_key(&home);
    let made = home.json(&["key", "new", &key, "--name", "salus.example/2027"]);
    (home, made["public_key"].as_str().unwrap().to_owned())
}

/// The file of the next log's key.
pub(crate) fn next_key(home: &Home) -> String {
    beside(home, "next.key")
}

fn beside(home: &Home, name: &str) -> String {
    home.beside(name).display().to_string()
}

pub(crate) fn seal(home: &Home, successor: &str) {
    let out = beside(home, "seal");
    let arguments = ["ledger", "seal", "--reason", "a new year", "--successor"];
    home.run(&[&arguments[..], &[successor, "--out", &out]].concat())
        .exits(0);
    let approved = ["ada", "ben"].map(|name| approve(home, "seal", name));
    home.run(&["proposal", "enter", &approved[0], &approved[1]])
        .exits(0);
}

pub(crate) fn succeed(home: &Home, more: &[&str]) -> Value {
    let key = next_key(home);
    home.json(&[&["ledger", "succeed", "--key", &key], more].concat())
}

/// What is left of a purse of epsilon 1 after 0.9 is not enough for another 0.9.
fn goes_on_poorer(home: &Home) {
    home.run(&["query", "--fresh", PERSONS, "--epsilon", "0.9"])
        .exits(4);
    home.run(&["query", "--fresh", PERSONS, "--epsilon", "0.2"])
        .exits(0);
    home.run(&["ledger", "verify"]).exits(0);
    let list = home.json(&["officer", "list"]);
    assert_eq!(list["officers"].as_array().unwrap().len(), 2);
}

#[test]
fn a_sealed_log_is_succeeded_in_the_same_home() {
    let (home, next) = asked();
    let policy = home.run(&["policy", "show"]).exits(0).stdout;
    let receipt = home.json(&["query", PERSONS, "--epsilon", "0.9"])["receipt"].clone();
    let key = next_key(&home);
    let unsealed = home.run(&["ledger", "succeed", "--key", &key]).exits(2);
    assert!(unsealed.stderr.contains("not sealed"), "{unsealed:?}");
    let spent = home.budget("spent");
    seal(&home, &next);
    home.run(&["query", "--fresh", PERSONS, "--epsilon", "0.1"])
        .exits(1);
    // Another key than the one that was named.
    officer(&home, "other");
    home.run(&["ledger", "succeed", "--key", &beside(&home, "other.key")])
        .exits(2);
    let made = succeed(&home, &[]);
    assert_eq!(made["origin"], "salus.example/2027");
    assert_eq!(made["policy_carried"], true);
    assert_eq!(home.budget("spent"), spent);
    assert_eq!(home.run(&["policy", "show"]).exits(0).stdout, policy);
    goes_on_poorer(&home);
    // Receipts of before hold, and the pair of logs is checked by the program that shares nothing with this one.
    home.run(&["receipt", "verify", receipt.as_str().unwrap()])
        .exits(0);
    let export = beside(&home, "next-export");
    home.run(&["ledger", "export", &export]).exits(0);
    let past = fs::read_dir(home.root().join("past")).unwrap();
    let past: Vec<_> = past.map(|entry| entry.unwrap().path()).collect();
    assert_eq!(past.len(), 2);
    let trust = Trust {
        predecessors: vec![read_export(past.iter().min().unwrap()).unwrap().evidence],
        ..Trust::default()
    };
    let report = audit_with(&read_export(export.as_ref()).unwrap().evidence, &trust);
    assert!(report.holds(), "{:?}", report.findings);
}

#[test]
fn what_was_interrupted_is_done_again_and_no_two_logs_go_on() {
    let (home, next) = asked();
    seal(&home, &next);
    let settings = home.root().join("home.yaml");
    let before = fs::read(&settings).unwrap();
    let rival = home.copy();
    succeed(&home, &[]);
    // As it was before the last step.
    fs::write(&settings, &before).unwrap();
    home.run(&["query", "--fresh", PERSONS, "--epsilon", "0.1"])
        .exits(5);
    succeed(&home, &[]);
    goes_on_poorer(&home);
    // A copy that shares the anchor with it has lost the race for its place, whatever it begins beside it.
    fs::remove_dir_all(rival.root().join("anchor")).unwrap();
    copy_tree(&home.root().join("anchor"), &rival.root().join("anchor"));
    let key = next_key(&home);
    let refused = rival.run(&["ledger", "succeed", "--key", &key]);
    assert_ne!(refused.code, Some(0), "{refused:?}");
}

#[test]
fn a_lost_ledger_goes_on_with_what_the_anchor_knows() {
    let (home, next) = asked();
    let early = home.beside("early");
    copy_tree(&home.root().join("ledger"), &early);
    home.run(&["query", "--fresh", PERSONS, "--epsilon", "0.05"])
        .exits(0);
    let backup = home.beside("backup");
    copy_tree(&home.root().join("ledger"), &backup);
    home.run(&["query", "--fresh", PERSONS, "--epsilon", "0.3"])
        .exits(0);
    let spent = home.budget("spent");
    fs::remove_dir_all(home.root().join("ledger")).unwrap();
    let out = beside(&home, "lost");
    let backup = backup.display().to_string();
    let recover = |entries: &str| {
        let arguments = ["ledger", "recover", "--successor", &next, "--entries"];
        home.run(&[&arguments[..], &[entries, "--out", &out]].concat())
    };
    recover(&beside(&home, "nowhere")).exits(2);
    recover(&backup).exits(0);
    // What was kept of the log is not given up for less of it.
    let kept = || files(&home.root().join("past")).len();
    let whole = kept();
    fs::remove_file(&out).unwrap();
    recover(&early.display().to_string()).exits(0);
    assert_eq!(kept(), whole);
    fs::remove_file(&out).unwrap();
    recover(&backup).exits(0);
    let shown = home.run(&["proposal", "show", &out]).exits(0).stdout;
    assert!(
        shown.contains("RECOVERY") && shown.contains("the purse opens with"),
        "{shown}"
    );
    home.run(&["proposal", "enter", &out]).exits(2);
    let ada = approve(&home, "lost", "ada");
    let key = next_key(&home);
    let alone = home
        .run(&["ledger", "succeed", "--key", &key, "--decision", &ada])
        .exits(2);
    assert!(alone.stderr.contains("two officers"), "{alone:?}");
    let ben = approve(&home, "lost", "ben");
    succeed(&home, &["--decision", &ada, "--decision", &ben]);
    assert_eq!(home.budget("spent"), spent);
    home.run(&["query", "--fresh", PERSONS, "--epsilon", "0.9"])
        .exits(4);
    home.run(&["ledger", "verify"]).exits(0);
}

#[test]
fn an_anchor_that_was_put_back_closes_the_purse() {
    let (home, next) = asked();
    let before = home.beside("before");
    copy_tree(&home.root(), &before);
    home.run(&["query", "--fresh", PERSONS, "--epsilon", "0.3"])
        .exits(0);
    // Ledger and anchor are of yesterday; what this user was given is of today.
    for part in ["ledger", "anchor"] {
        fs::remove_dir_all(home.root().join(part)).unwrap();
        copy_tree(&before.join(part), &home.root().join(part));
    }
    let out = beside(&home, "lost");
    let entries = home.root().join("ledger").display().to_string();
    let arguments = ["ledger", "recover", "--successor", &next, "--entries"];
    home.run(&[&arguments[..], &[&entries, "--out", &out]].concat())
        .exits(0);
    let shown = home.run(&["proposal", "show", &out]).exits(0).stdout;
    assert!(shown.contains("CLOSED"), "{shown}");
    let [ada, ben] = ["ada", "ben"].map(|name| approve(&home, "lost", name));
    succeed(&home, &["--decision", &ada, "--decision", &ben]);
    home.run(&["query", "--fresh", PERSONS, "--epsilon", "0.01"])
        .exits(4);
    home.run(&["ledger", "verify"]).exits(0);
}

/// The database is whole, but nothing says that it is the newest.
#[test]
fn where_the_anchor_is_lost_two_officers_let_a_closed_purse_go_on() {
    let (home, next) = asked();
    fs::remove_dir_all(home.root().join("anchor")).unwrap();
    home.run(&["query", "--fresh", PERSONS, "--epsilon", "0.01"])
        .exits(5);
    let out = beside(&home, "lost");
    let entries = home.root().join("ledger").display().to_string();
    let arguments = ["ledger", "recover", "--successor", &next, "--entries"];
    let said = home
        .run(&[&arguments[..], &[&entries, "--out", &out]].concat())
        .exits(0);
    assert!(said.stderr.contains("closed for good"), "{said:?}");
    let [ada, ben] = ["ada", "ben"].map(|name| approve(&home, "lost", name));
    let key = next_key(&home);
    // Without the officers it does not go on.
    home.run(&["ledger", "succeed", "--key", &key, "--decision", &out])
        .exits(2);
    succeed(&home, &["--decision", &ada, "--decision", &ben]);
    home.run(&["query", "--fresh", PERSONS, "--epsilon", "0.01"])
        .exits(4);
    home.run(&["ledger", "verify"]).exits(0);
}

/// Entries are counted anew in each log.
#[test]
fn receipts_of_two_logs_do_not_meet() {
    let (home, next) = asked();
    let ask = || home.json(&["query", "--fresh", PERSONS, "--epsilon", "0.01"]);
    // An answer takes two numbers, and a refusal one: with even and odd numbers here, one of them is met there,
    // also where the clock has entered something on the way.
    let asked = [(); 3].map(|()| {
        home.run(&["query", "SELECT * FROM patient"]).exits(3);
        ask()
    });
    seal(&home, &next);
    succeed(&home, &[]);
    let (before, after) = loop {
        let after = ask();
        let same = |before: &&Value| before["entry"] == after["entry"];
        if let Some(before) = asked.iter().find(same) {
            break (before.clone(), after);
        }
        assert!(
            after["entry"].as_u64() < asked[2]["entry"].as_u64(),
            "no number is in both logs"
        );
    };
    let names: Vec<_> = files(&home.root().join("receipts"))
        .iter()
        .map(|file| file.file_name().unwrap().to_owned())
        .collect();
    let distinct: std::collections::BTreeSet<_> = names.iter().collect();
    assert!(distinct.len() < names.len(), "no number is in both logs");
    for answer in [&before, &after] {
        let receipt = answer["receipt"].as_str().unwrap();
        let shown = home.json(&["receipt", "verify", receipt]);
        assert_eq!(
            (&shown["entry"], &shown["answer"]["rows"]),
            (&answer["entry"], &answer["rows"])
        );
    }
    // By its number it is the present log's, under whichever name.
    let number = after["entry"].to_string();
    let by_number = |home: &Home| home.json(&["receipt", "verify", &number])["answer"].clone();
    let shown = by_number(&home);
    assert_eq!(shown["rows"], after["rows"]);
    let file = after["receipt"].as_str().unwrap();
    let old = home.root().join(format!("receipts/{number}.tlog-proof"));
    fs::rename(file, &old).unwrap();
    assert_eq!(by_number(&home), shown);
    fs::remove_file(old).unwrap();
    home.run(&["receipt", "verify", &number]).exits(2);
}
