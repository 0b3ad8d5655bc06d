//! Keys, officers and what they decide together, from the command line.

use std::fs;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::policy::apply;
use crate::support::{Done, Home, PERSONS, run, salus};

/// The public key of a new officer, whose private key lies beside the home.
pub(crate) fn officer(home: &Home, name: &str) -> String {
    let file = home.beside(&format!("{name}.key"));
    let made = home.json(&["key", "new", file.to_str().unwrap(), "--name", name]);
    made["public_key"].as_str().unwrap().to_owned()
}

pub(crate) fn with_officers(options: &[&str]) -> Home {
    let home = Home::populated(options, 20);
    for name in ["ada", "ben"] {
        let key = officer(&home, name);
        home.run(&["officer", "add", &key]).exits(0);
    }
    home
}

/// Approves a copy of the proposal, as an officer does who has no home.
pub(crate) fn approve(home: &Home, proposal: &str, name: &str) -> String {
    let copy = home.beside(&format!("{proposal}.{name}"));
    let done = run(salus()
        .args(["proposal", "approve"])
        .arg(home.beside(proposal))
        .arg("--key")
        .arg(home.beside(&format!("{name}.key")))
        .arg("--out")
        .arg(&copy));
    done.exits(0);
    copy.to_str().unwrap().to_owned()
}

fn propose(home: &Home, epsilon: &str, file: &str) -> Done {
    let out = home.beside(file);
    home.run(&[
        "grant",
        "propose",
        "--epsilon",
        epsilon,
        "--reason",
        "a second year",
        "--out",
        out.to_str().unwrap(),
    ])
}

fn cap(home: &Home) -> f64 {
    let shown: Value = home.json(&["budget", "show"]);
    shown["cap"]["epsilon"].as_f64().unwrap()
}

#[test]
fn two_officers_raise_the_cap_and_nobody_alone() {
    let home = with_officers(&["--epsilon", "1", "--ceiling-epsilon", "3"]);
    home.run(&["query", PERSONS, "--epsilon", "0.9"]).exits(0);
    home.run(&["query", "--fresh", PERSONS, "--epsilon", "0.9"])
        .exits(4);
    propose(&home, "4", "g").exits(2);
    propose(&home, "0.5", "g").exits(2);
    propose(&home, "2", "g").exits(0);
    propose(&home, "2", "g").exits(2);
    let by_ada = approve(&home, "g", "ada");
    let alone = home.run(&["proposal", "enter", &by_ada]).exits(2);
    assert!(alone.stderr.contains("two officers"), "{alone:?}");
    let by_ben = approve(&home, "g", "ben");
    let entered = home.json(&["proposal", "enter", &by_ada, &by_ben]);
    assert!(entered["what"].as_str().unwrap().contains("a second year"));
    assert!((cap(&home) - 2.0).abs() < 0.001);
    home.run(&["query", "--fresh", PERSONS, "--epsilon", "0.9"])
        .exits(0);
    home.run(&["proposal", "enter", &by_ada, &by_ben]).exits(2);
    home.run(&["ledger", "verify"]).exits(0);
    let export = home.beside("export");
    home.run(&["ledger", "export", export.to_str().unwrap()])
        .exits(0);
}

#[test]
fn what_is_approved_is_what_is_read() {
    let home = with_officers(&["--epsilon", "1", "--ceiling-epsilon", "3"]);
    propose(&home, "2", "g").exits(0);
    let file = home.beside("g");
    let text = fs::read_to_string(&file).unwrap();
    // Words that are not those of the statement are refused.
    let lies = text.replace("raise the cap", "lower the cap");
    assert_ne!(lies, text);
    fs::write(&file, lies).unwrap();
    let shown = home
        .run(&["proposal", "show", file.to_str().unwrap()])
        .exits(2);
    assert!(shown.stderr.contains("raise"), "{shown:?}");
    // A text that was put in the place of another is found.
    fs::write(&file, text.replace("a second year", "nothing")).unwrap();
    home.run(&["proposal", "show", file.to_str().unwrap()])
        .exits(2);
    for nonsense in ["", "{}", "[]", &text[1..]] {
        fs::write(&file, nonsense).unwrap();
        home.run(&["proposal", "show", file.to_str().unwrap()])
            .exits(2);
    }
}

#[test]
fn what_moves_or_hides_text_is_spelt_out() {
    let home = with_officers(&["--epsilon", "1", "--ceiling-epsilon", "3"]);
    let out = home.beside("g");
    let reason = "fine\u{1b}[2K\rnothing\u{202e}\n\u{200b}";
    home.run(&[
        "grant",
        "propose",
        "--epsilon",
        "2",
        "--reason",
        reason,
        "--out",
        out.to_str().unwrap(),
    ])
    .exits(0);
    let shown = home
        .run(&["proposal", "show", out.to_str().unwrap(), "--format", "csv"])
        .exits(0);
    for hidden in ['\u{1b}', '\r', '\u{202e}', '\u{200b}'] {
        assert!(!shown.stdout.contains(hidden), "{hidden:?}: {shown:?}");
    }
    for name in [
        "two words",
        "ada\u{200b}",
        "\u{430}da",
        "",
        "a+b",
        &"x".repeat(65),
    ] {
        let file = home.beside("odd.key");
        home.run(&["key", "new", file.to_str().unwrap(), "--name", name])
            .exits(2);
    }
}

#[test]
fn a_third_officer_needs_the_first_two() {
    let home = with_officers(&[]);
    let key = officer(&home, "cleo");
    let refused = home.run(&["officer", "add", &key]).exits(2);
    assert!(refused.stderr.contains("--out"), "{refused:?}");
    let out = home.beside("cleo");
    home.run(&["officer", "add", &key, "--out", out.to_str().unwrap()])
        .exits(0);
    let approved = [approve(&home, "cleo", "ada"), approve(&home, "cleo", "ben")];
    home.run(&["proposal", "enter", &approved[0], &approved[1]])
        .exits(0);
    let out = home.beside("leave");
    home.run(&["officer", "retire", "ben", "--out", out.to_str().unwrap()])
        .exits(0);
    let approved = [
        approve(&home, "leave", "ada"),
        approve(&home, "leave", "cleo"),
    ];
    home.run(&["proposal", "enter", &approved[0], &approved[1]])
        .exits(0);
    let officers = home.json(&["officer", "list"]);
    let names: Vec<&str> = officers["officers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|officer| officer["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["ada", "cleo"]);
    home.run(&["officer", "retire", "nobody", "--out", "x"])
        .exits(2);
    home.run(&["officer", "add", "nonsense"]).exits(2);
}

#[test]
fn keys_are_replaced_and_receipts_go_on_holding() {
    let home = Home::populated(&[], 20);
    let first = home.json(&["query", PERSONS, "--epsilon", "0.2"]);
    home.run(&["key", "rotate"]).exits(0);
    let second = home.json(&["query", "--fresh", PERSONS, "--epsilon", "0.2"]);
    home.run(&["key", "rotate"]).exits(0);
    for answer in [&first, &second] {
        home.run(&["receipt", "verify", answer["receipt"].as_str().unwrap()])
            .exits(0);
    }
    let keys = home.json(&["key", "list"]);
    assert_eq!(keys["keys"].as_array().unwrap().len(), 3);
    home.run(&["ledger", "verify"]).exits(0);
    let removed = home.json(&["key", "retire"]);
    assert_eq!(removed["removed"].as_array().unwrap().len(), 2);
    home.run(&["receipt", "verify", first["receipt"].as_str().unwrap()])
        .exits(0);
    home.run(&["query", PERSONS, "--epsilon", "0.2"]).exits(0);
}

#[test]
fn a_rotation_that_stopped_half_way_is_taken_up() {
    let home = Home::populated(&[], 20);
    home.run(&["query", PERSONS, "--epsilon", "0.2"]).exits(0);
    let keys = home.root().join("keys");
    let vkey = fs::read(keys.join("ledger.vkey")).unwrap();
    home.run(&["key", "rotate"]).exits(0);
    // As it is when the ledger has the new key and nothing else knows of it; and what others left half-way changes nothing.
    fs::remove_dir_all(keys.join("retired")).unwrap();
    fs::write(keys.join("ledger.vkey"), &vkey).unwrap();
    fs::write(keys.join("ledger-00.key"), b"").unwrap();
    fs::write(keys.join("ledger-11.key"), b"nonsense").unwrap();
    home.run(&["ledger", "verify"]).exits(0);
    home.run(&["query", "--fresh", PERSONS, "--epsilon", "0.2"])
        .exits(0);
    assert_ne!(fs::read(keys.join("ledger.vkey")).unwrap(), vkey);
    home.run(&["key", "rotate"]).exits(0);
    home.run(&["ledger", "verify"]).exits(0);
    home.run(&["key", "retire"]).exits(0);
    home.run(&["query", "--fresh", PERSONS, "--epsilon", "0.2"])
        .exits(0);
}

#[test]
fn rotations_at_once_leave_one_key_in_force_and_no_home_locked() {
    let home = Home::populated(&[], 20);
    let children: Vec<_> = (0..4)
        .flat_map(|_| {
            [
                home.command(&["key", "rotate"]),
                home.command(&["query", "--fresh", PERSONS, "--epsilon", "0.1"]),
            ]
        })
        .map(|mut command| {
            let silent = command.stdout(std::process::Stdio::null());
            silent.stderr(std::process::Stdio::null()).spawn().unwrap()
        })
        .collect();
    for mut child in children {
        // Who was in the middle of it may have to ask again; nobody is told of tampering.
        assert_ne!(child.wait().unwrap().code(), Some(5));
    }
    home.run(&["query", "--fresh", PERSONS, "--epsilon", "0.1"])
        .exits(0);
    home.run(&["ledger", "verify"]).exits(0);
}

#[test]
fn reviews_and_incidents_stand_in_the_ledger() {
    let home = with_officers(&["--epsilon", "1"]);
    let answer = home.json(&["query", PERSONS, "--epsilon", "0.3"]);
    let key = home.beside("ada.key");
    home.run(&[
        "ledger",
        "review",
        "0..8",
        "--note",
        "nothing unusual",
        "--key",
        key.to_str().unwrap(),
    ])
    .exits(0);
    home.run(&["ledger", "review", "0..3", "--note", "again"])
        .exits(0);
    for range in ["8..0", "0..9999", "x", "1", "..4"] {
        home.run(&["ledger", "review", range, "--note", "x"])
            .exits(2);
    }
    let reserve = home.reserve_of(&answer["entry"]).to_string();
    home.run(&[
        "ledger",
        "incident",
        &reserve,
        "--rho",
        "5",
        "--note",
        "noise too small",
    ])
    .exits(0);
    home.run(&["ledger", "incident", "0", "--rho", "5", "--note", "x"])
        .exits(2);
    home.run(&["ledger", "incident", &reserve, "--rho", "0", "--note", "x"])
        .exits(2);
    home.run(&["query", "--fresh", PERSONS, "--epsilon", "0.1"])
        .exits(4);
    let budget = home.json(&["budget", "show"]);
    assert_eq!(budget["remaining"]["rho"], 0.0);
    home.run(&["ledger", "verify"]).exits(0);
}

/// What the policy closes two officers open, for so much and in this period; the purse is as it was.
#[test]
fn two_officers_open_a_window() {
    let home = with_officers(&["--epsilon", "2", "--ceiling-epsilon", "3"]);
    // One period from 1970 on, which no test sees the end of.
    let limits = r#"[{ of: space, days: 90000, epsilon: "0" }, { of: analyst, epsilon: "2" }]"#;
    apply(&home, 2, limits).exits(0);
    let ask = || {
        home.run(&[
            "query",
            "--fresh",
            PERSONS,
            "--epsilon",
            "0.7",
            "--user",
            "eve",
        ])
    };
    let closed = ask().exits(4);
    let account = "space/7776000000/0:population";
    assert!(
        closed.stderr.contains(&format!("limit for {account} does")),
        "{closed:?}"
    );
    assert!(closed.stderr.contains("--window"), "{closed:?}");
    let out = home.beside("w");
    let propose = |window: &str, price: [&str; 2]| {
        let [by, much] = price;
        let out = out.to_str().unwrap();
        home.run(&[
            "grant",
            "propose",
            "--window",
            window,
            by,
            much,
            "--reason",
            "this year",
            "--out",
            out,
        ])
    };
    for (window, says) in [
        ("space/7776000000/0:elsewhere", account),
        ("space/86400/0:population", account),
        ("analyst:eve", "salus policy apply"),
        ("space:population", "without --window"),
    ] {
        let refused = propose(window, ["--epsilon", "1"]).exits(2);
        assert!(refused.stderr.contains(says), "{window}: {refused:?}");
    }
    let wide = propose(account, ["--epsilon", "2.5"]).exits(2);
    assert!(
        wide.stderr.contains("wider than the lifetime cap"),
        "{wide:?}"
    );
    propose(account, ["--epsilon", "0"]).exits(2);
    propose(account, ["--epsilon", "1"]).exits(0);
    let shown = home.json(&["proposal", "show", out.to_str().unwrap()]);
    let what = shown["what"].as_str().unwrap();
    assert!(
        what.contains(account) && what.contains("from rho 0"),
        "{what}"
    );
    assert!(
        what.contains("(from 1970-01-01T00:00:00Z to before 2216-05-31"),
        "{what}"
    );
    let by_ada = approve(&home, "w", "ada");
    home.run(&["proposal", "enter", &by_ada]).exits(2);
    ask().exits(4);
    let by_ben = approve(&home, "w", "ben");
    home.run(&["proposal", "enter", &by_ada, &by_ben]).exits(0);
    let budget = home.json(&["budget", "show"]);
    assert_eq!(budget["limits"][0]["account"], account);
    let opened = budget["limits"][0]["cap"]["epsilon"].as_f64().unwrap();
    assert!((opened - 1.0).abs() < 0.001, "{budget}");
    assert!((cap(&home) - 2.0).abs() < 0.001);
    ask().exits(0);
    ask().exits(4);
    // A little more, named as rho; and what a dry run foretells is so.
    fs::remove_file(&out).unwrap();
    propose(account, ["--rho", "0.05"]).exits(0);
    let both = ["ada", "ben"].map(|name| approve(&home, "w", name));
    home.run(&["proposal", "enter", &both[0], &both[1]])
        .exits(0);
    ask().exits(0);
    let listed = home.run(&["ledger", "list", "--kind", "grant"]).exits(0);
    assert_eq!(listed.stdout.matches(account).count(), 2, "{listed:?}");
    home.run(&["ledger", "verify"]).exits(0);
    // A policy says everything anew.
    apply(&home, 3, limits).exits(0);
    ask().exits(4);
    home.run(&["ledger", "verify"]).exits(0);
}

/// What officers sign stays in the log for ever, and is of somebody who asks.
#[test]
fn a_window_names_nobody_of_the_staff_and_nothing_that_never_occurs() {
    let home = with_officers(&["--epsilon", "2"]);
    let closed = |of: &str| format!("{{ of: {of}, days: 90000, epsilon: \"0\" }}");
    let limits = ["analyst", "purpose", "dataset"].map(closed).join(", ");
    apply(&home, 2, &format!("[{limits}]")).exits(0);
    let out = home.beside("w");
    let propose = |account: &str, more: &[&str]| {
        let out = out.to_str().unwrap();
        let window = format!(
            "{}/7776000000/0:{}",
            account.split_once(':').unwrap().0,
            account.split_once(':').unwrap().1
        );
        let arguments = ["grant", "propose", "--epsilon", "1", "--reason", "a study"];
        let arguments = [&arguments[..], &["--window", &window, "--out", out], more];
        home.run(&arguments.concat())
    };
    for (account, says) in [
        ("analyst:p-eve", "twelve hexadecimal digits"),
        (
            "analyst:p-0123456789ab\u{202e}",
            "twelve hexadecimal digits",
        ),
        ("analyst: eve", "without blanks"),
        ("analyst:", "without blanks"),
        ("purpose:RESEARCH", "HRESCH"),
        ("purpose:hresch", "HRESCH"),
        ("dataset:north", "\"main\""),
    ] {
        let refused = propose(account, &[]).exits(2);
        assert!(refused.stderr.contains(says), "{account}: {refused:?}");
    }
    for days in ["0", "91", "36500"] {
        propose("analyst:eve", &["--days", days]).exits(2);
    }
    let mut pseudonym = String::new();
    for account in ["analyst:eve", "purpose:PUBHLTH", "dataset:main"] {
        propose(account, &["--days", "90"]).exits(0);
        let text = fs::read_to_string(&out).unwrap();
        let shown = home.json(&["proposal", "show", out.to_str().unwrap()]);
        let what = shown["what"].as_str().unwrap();
        assert!(!what.contains("eve"), "{what}");
        if account == "analyst:eve" {
            let at = what.find("p-").unwrap();
            what[at..at + 14].clone_into(&mut pseudonym);
            is_refused_in_clear(&home, &text, &pseudonym);
        }
        let both = ["ada", "ben"].map(|name| approve(&home, "w", name));
        home.run(&["proposal", "enter", &both[0], &both[1]])
            .exits(0);
        fs::remove_file(&out).unwrap();
    }
    // She is named by her pseudonym as well.
    let again = propose(&format!("analyst:{pseudonym}"), &[]).exits(2);
    assert!(again.stderr.contains("a grant raises the cap"), "{again:?}");
    let ask = |user: &str| {
        home.run(&[
            "query",
            "--fresh",
            PERSONS,
            "--epsilon",
            "0.5",
            "--user",
            user,
        ])
    };
    ask("eve").exits(0);
    ask("alice").exits(4);
    home.run(&["ledger", "verify"]).exits(0);
}

/// The same proposal by a program that writes her name where her pseudonym stands.
fn is_refused_in_clear(home: &Home, text: &str, pseudonym: &str) {
    let clear = "evelyn.smith-1";
    assert_eq!(clear.len(), pseudonym.len());
    let mut paper: Value = serde_json::from_str(text).unwrap();
    let statement = STANDARD
        .decode(paper["statement"].as_str().unwrap())
        .unwrap();
    let at = statement
        .windows(pseudonym.len())
        .position(|bytes| bytes == pseudonym.as_bytes())
        .unwrap();
    let mut named = statement.clone();
    named[at..at + clear.len()].copy_from_slice(clear.as_bytes());
    paper["statement"] = STANDARD.encode(named).into();
    paper["what"] = paper["what"]
        .as_str()
        .unwrap()
        .replace(pseudonym, clear)
        .into();
    fs::write(home.beside("clear"), paper.to_string()).unwrap();
    let both = ["ada", "ben"].map(|name| approve(home, "clear", name));
    let refused = home
        .run(&["proposal", "enter", &both[0], &both[1]])
        .exits(2);
    assert!(refused.stderr.contains("as she is called"), "{refused:?}");
}
