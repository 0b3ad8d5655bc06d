//! Receipts: what was answered can be shown to others, and nothing else can.

use std::fs;

use serde_json::json;

use crate::support::{BY_SEX, Chance, Home, PERSONS, run, salus, soak};

#[test]
fn a_receipt_holds_for_whoever_has_the_key() {
    let home = Home::populated(&[], 40);
    let answer = home.json(&["query", BY_SEX, "--epsilon", "0.3"]);
    let receipt = answer["receipt"].as_str().unwrap();
    let shown = home.json(&["receipt", "verify", receipt]);
    assert_eq!(shown["holds"], true);
    assert_eq!(shown["entry"], answer["entry"]);
    for field in ["columns", "rows", "intervals"] {
        assert_eq!(shown["answer"][field], answer[field], "{field}");
    }
    let saved = home.beside("answer.json");
    fs::write(&saved, answer.to_string()).unwrap();
    home.run(&["receipt", "verify", saved.to_str().unwrap()])
        .exits(0);

    // Elsewhere, with the verifier key alone, as a file and as text; never with somebody else's.
    let vkey = home.root().join("keys/ledger.vkey");
    let text = fs::read_to_string(&vkey).unwrap();
    for key in [vkey.to_str().unwrap(), text.trim()] {
        run(salus().args(["receipt", "verify", receipt, "--key", key])).exits(0);
    }
    let other = Home::init(&[]);
    let theirs = other.root().join("keys/ledger.vkey");
    run(salus()
        .args(["receipt", "verify", receipt, "--key"])
        .arg(theirs))
    .exits(5);
}

#[test]
fn a_receipt_fails_after_any_byte_changed() {
    let home = Home::populated(&[], 30);
    let mut last = json!(null);
    for _ in 0..3 {
        last = home.json(&["query", "--fresh", PERSONS, "--epsilon", "0.3"]);
    }
    let bytes = fs::read(last["receipt"].as_str().unwrap()).unwrap();
    let forged = home.beside("forged");
    let mut others = Vec::new();
    let step = soak(3, 1);
    let start = usize::try_from(Chance::new("receipts").below(step as u64)).unwrap();
    for at in (start..bytes.len()).step_by(step) {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        fs::write(&forged, changed).unwrap();
        let done = home.run(&["receipt", "verify", forged.to_str().unwrap()]);
        assert_ne!(done.code, Some(0), "byte {at} does not matter: {done:?}");
        if done.code != Some(5) {
            others.push((at, done.code));
        }
    }
    println!(
        "{} receipts with one bit changed, none holds",
        bytes.len() / step
    );
    assert!(others.is_empty(), "not exit code 5: {others:?}");
    fs::write(&forged, &bytes[..bytes.len() - 1]).unwrap();
    home.run(&["receipt", "verify", forged.to_str().unwrap()])
        .exits(5);
}

#[test]
fn a_saved_answer_fails_when_it_says_something_else() {
    let home = Home::populated(&[], 30);
    let answer = home.json(&["query", BY_SEX, "--epsilon", "0.3"]);
    let saved = home.beside("answer.json");
    let verify = |json: &serde_json::Value| {
        fs::write(&saved, json.to_string()).unwrap();
        home.run(&["receipt", "verify", saved.to_str().unwrap()])
    };
    verify(&answer).exits(0);
    let n = answer["rows"][0][1].as_i64().unwrap();
    for (pointer, value) in [
        ("/rows/0/1", json!(n + 1)),
        ("/rows/0/0", json!("someone")),
        ("/intervals/0/1/0", json!(-5.0)),
        ("/columns/1", json!("patients")),
        ("/entry", json!(answer["entry"].as_u64().unwrap() + 1)),
    ] {
        let mut changed = answer.clone();
        *changed.pointer_mut(pointer).unwrap() = value;
        let done = verify(&changed);
        assert_eq!(done.code, Some(5), "{pointer} was changed: {done:?}");
    }
}
