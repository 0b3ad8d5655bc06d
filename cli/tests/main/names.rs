//! Names of the staff, and who looked at identified records.

use std::fs;

use serde_json::Value;

use crate::records::{CANARY, condition, holds, ingest, patient};
use crate::support::{Home, PERSONS, run};

fn names(home: &Home) -> Vec<Value> {
    let names = home.json(&["officer", "names", "list"]);
    names["names"].as_array().unwrap().clone()
}

#[test]
fn officers_see_names_until_they_are_erased() {
    let home = Home::populated(&[], 10);
    let ask = |user: &str| {
        let question = ["query", "--fresh", PERSONS, "--epsilon", "0.1", "--user"];
        home.run(&[&question[..], &[user]].concat()).exits(0);
    };
    home.run(&["query", PERSONS, "--dry-run", "--user", "nobody"])
        .exits(0);
    assert!(names(&home).is_empty(), "who has not asked is not known");
    ask("zerlina");
    ask("bob");
    let known = names(&home);
    assert_eq!(known.len(), 2);
    let shown = home.run(&["ledger", "list"]).exits(0).stdout;
    assert!(
        shown.contains("zerlina (p-") && shown.contains("bob (p-"),
        "{shown}"
    );
    let of_zerlina = |home: &Home| {
        let list = home.json(&["ledger", "list", "--user", "zerlina", "--kind", "reserve"]);
        list["entries"].as_array().unwrap().clone()
    };
    assert_eq!(of_zerlina(&home)[0]["name"], "zerlina");
    // What is given to others names nobody.
    let out = home.beside("evidence");
    home.run(&["ledger", "export", out.to_str().unwrap()])
        .exits(0);
    assert!(!holds(&out, "zerlina"));

    // A process of hers was killed while it wrote her name.
    let hers = of_zerlina(&home)[0]["principal"].clone();
    let draft = format!("names/{}.0123.new", hers.as_str().unwrap());
    fs::write(home.root().join(draft), "zerlina").unwrap();
    let erased = home.json(&["officer", "names", "erase", "zerlina"]);
    assert_eq!(erased["known"], true);
    assert!(!holds(&home.root(), "zerlina"));
    let shown = home.run(&["ledger", "list"]).exits(0).stdout;
    assert!(
        !shown.contains("zerlina") && shown.contains("bob (p-"),
        "{shown}"
    );
    // She stays who she is for limits and for who looks for her, and is not named again.
    ask("zerlina");
    let hers = of_zerlina(&home);
    assert_eq!((hers.len(), &hers[1]["name"]), (2, &Value::Null));
    assert_eq!(hers[0]["principal"], hers[1]["principal"]);
    assert!(!holds(&home.root(), "zerlina"));
    assert_eq!(names(&home).len(), 2);
    let pseudonym = hers[0]["principal"].as_str().unwrap();
    let again = home.json(&["officer", "names", "erase", pseudonym]);
    assert_eq!(again["known"], false);
    home.run(&["officer", "names", "erase", "p-../../home.yaml"])
        .exits(2);
    home.run(&["ledger", "verify"]).exits(0);
}

/// A name is text of whoever asks; a terminal shows it as it is.
#[test]
fn a_name_moves_nothing_on_an_officers_screen() {
    let home = Home::populated(&[], 10);
    let evil = "ada\u{1b}[2K\u{202e}";
    home.run(&["query", PERSONS, "--epsilon", "0.1", "--user", evil])
        .exits(0);
    let shown = home.run(&["ledger", "list"]).exits(0).stdout;
    assert!(shown.contains("ada") && !shown.contains('\u{1b}') && !shown.contains('\u{202e}'));
}

fn kinds(home: &Home) -> Vec<String> {
    let listed = home.json(&["ledger", "restricted", "list"]);
    let entries = listed["entries"].as_array().unwrap().iter().skip(2);
    entries
        .map(|entry| {
            let said = |field: &str| entry[field].as_str().unwrap().to_owned();
            format!("{} {}", said("kind"), said("purpose"))
        })
        .collect()
}

#[test]
fn identified_records_are_shown_once_it_is_written_down_who_looks() {
    let home = Home::init(&[]);
    let late = condition("1", CANARY);
    ingest(&home, "first", &[patient("a"), late.clone(), "{".into()]);
    // What shows nobody is not written down.
    home.run(&["quarantine", "list"]).exits(0);
    home.run(&["quarantine", "show", "--reason", "nothing_like_it"])
        .exits(0);
    home.run(&["identity", "review", "list"]).exits(0);
    assert!(kinds(&home).is_empty());
    let show = ["quarantine", "show", "--reason", "unknown_subject"];
    let wrong = home.run(&[&show[..], &["--purpose", "curiosity"]].concat());
    assert!(wrong.exits(2).stdout.is_empty());
    let shown = home.run(&show).exits(0);
    assert_eq!(shown.stdout, format!("{late}\n"));
    let named = [
        "identity",
        "show",
        "--patient",
        "a",
        "--purpose",
        "HQUALIMP",
    ];
    home.run(&named).exits(0);
    let night = ["--break-glass", "emergency, ward 3", "--user", "nora"];
    let done = home.run(&[&show[..], &night].concat()).exits(0);
    assert!(
        done.stderr.contains("break-glass access 4"),
        "{}",
        done.stderr
    );
    assert_eq!(
        kinds(&home),
        ["access HOPERAT", "access HQUALIMP", "breakglass BTG"]
    );
    // Whom they saw is in neither, to read.
    assert!(!holds(&home.root().join("ledger"), CANARY));
    let open = home.json(&["ledger", "breakglass"]);
    assert_eq!(open["breakglass"][0]["name"], "nora");
    let review = ["ledger", "breakglass", "--review", "4", "--finding"];
    let found = ["justified", "--note", "the ward confirms it"];
    home.run(&[&review[..], &found].concat()).exits(0);
    let open = home.json(&["ledger", "breakglass"]);
    assert_eq!(open["breakglass"], serde_json::json!([]));
    home.run(&["ledger", "restricted", "verify"]).exits(0);

    // Where nothing can be written down, nothing is shown.
    fs::rename(home.database(), home.beside("away")).unwrap();
    for command in [&show[..], &named] {
        let done = home.run(command);
        assert!(done.code != Some(0) && done.stdout.is_empty(), "{done:?}");
    }
}

#[test]
fn looking_at_pairs_is_written_down() {
    let home = Home::init(&[]);
    for (source, born) in [("north", "1950-01-01"), ("south", "1999-12-31")] {
        let line = format!(
            r#"{{"resourceType":"Patient","id":"{source}-1","birthDate":"{born}","name":[{{"family":"Fjord","given":["Bo"]}}],"identifier":[{{"system":"urn:national","value":"2"}}]}}"#
        );
        let dir = home.beside(source);
        fs::create_dir_all(&dir).unwrap();
        fs::write(dir.join("lines.ndjson"), line).unwrap();
        home.run(&["ingest", "fhir", dir.to_str().unwrap(), "--source", source])
            .exits(0);
    }
    let mut link = home.command(&["identity", "link", "--trust", "urn:national"]);
    run(link.env("SALUS_USER", "linkage-clerk")).exits(0);
    let before = kinds(&home);
    let asked = home.json(&["identity", "review", "list"]);
    assert_eq!(asked["found"], 1);
    assert_eq!(kinds(&home).len(), before.len() + 1);
    assert_eq!(kinds(&home).last().unwrap(), "access HOPERAT");
    // What was linked lies beside the log without a name of the staff.
    assert!(!holds(&home.root().join("ledger"), "linkage-clerk"));
}
