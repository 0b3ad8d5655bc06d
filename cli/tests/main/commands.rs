//! Every command, every exit code, and what is never said.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use serde_json::Value;

use crate::support::{BY_SEX, Done, Home, PERSONS, files, run, salus, units};

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// Names under "Commands:" of a help text.
fn subcommands(help: &str) -> Vec<String> {
    let section = help.split("Commands:\n").nth(1).unwrap_or_default();
    let lines = section.lines().take_while(|line| line.starts_with("  "));
    let names = lines
        .filter(|line| !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next());
    names
        .filter(|name| *name != "help")
        .map(str::to_owned)
        .collect()
}

#[test]
fn every_command_has_help_with_an_example() {
    let mut todo: Vec<Vec<String>> = vec![Vec::new()];
    let (mut seen, mut without) = (Vec::new(), Vec::new());
    while let Some(path) = todo.pop() {
        let done = run(salus().args(&path).arg("--help")).exits(0);
        for name in subcommands(&done.stdout) {
            todo.push([path.as_slice(), &[name]].concat());
        }
        let name = path.join(" ");
        if !done.stdout.contains("Example") || !done.stdout.contains("salus ") {
            without.push(name.clone());
        }
        seen.push(name);
    }
    println!("{} commands: {}", seen.len(), seen.join(", "));
    for must in [
        "init",
        "synth",
        "ingest fhir",
        "tables",
        "catalog show",
        "query",
        "budget show",
        "ledger list",
        "ledger show",
        "ledger verify",
        "ledger export",
        "receipt verify",
        "completions",
    ] {
        assert!(seen.iter().any(|name| name == must), "no command {must}");
    }
    assert!(without.is_empty(), "no example in the help of {without:?}");
    let help = run(salus().arg("--help")).exits(0).stdout;
    for code in [
        "0 done",
        "1 ",
        "2 usage",
        "3 refused",
        "4 budget",
        "5 integrity",
    ] {
        assert!(help.contains(code), "exit code {code} is not documented");
    }
}

#[test]
fn completions_are_written_for_each_shell() {
    for (shell, mark) in [
        ("bash", "complete -F"),
        ("zsh", "#compdef salus"),
        ("fish", "complete -c salus"),
    ] {
        let done = run(salus().args(["completions", shell])).exits(0);
        assert!(done.stdout.contains(mark), "{shell}");
        for command in ["receipt", "ledger", "query"] {
            assert!(done.stdout.contains(command), "{shell} {command}");
        }
    }
    run(salus().args(["completions", "csh"])).exits(2);
}

#[test]
fn init_makes_a_private_home_and_never_overwrites() {
    let home = Home::init(&[]);
    let root = home.root();
    assert_eq!(mode(&root), 0o700);
    for dir in ["keys", "ledger", "lake", "receipts", "identity"] {
        let dir = root.join(dir);
        assert!(
            !dir.exists() || mode(&dir) == 0o700,
            "{} is {:o}",
            dir.display(),
            mode(&dir)
        );
    }
    assert_eq!(mode(&root.join("keys/ledger.key")), 0o600);
    assert_eq!(mode(&root.join("keys/pseudonym.key")), 0o600);

    let key = fs::read(root.join("keys/ledger.key")).unwrap();
    let vkey = fs::read(root.join("keys/ledger.vkey")).unwrap();
    let done = home.run(&["init", "--epsilon", "99"]).exits(2);
    assert!(done.stderr.contains("nothing was overwritten"), "{done:?}");
    assert_eq!(fs::read(root.join("keys/ledger.key")).unwrap(), key);
    assert_eq!(fs::read(root.join("keys/ledger.vkey")).unwrap(), vkey);
    home.run(&["ledger", "verify"]).exits(0);

    // Anything in the way counts, also what is not a home.
    let other = home.beside("other");
    fs::create_dir(&other).unwrap();
    fs::write(other.join("thesis.txt"), "years of work").unwrap();
    run(salus().arg("init").arg("--home").arg(&other)).exits(2);
    assert_eq!(
        fs::read_to_string(other.join("thesis.txt")).unwrap(),
        "years of work"
    );
    assert_eq!(fs::read_dir(&other).unwrap().count(), 1);
}

#[test]
fn home_comes_from_option_or_environment() {
    let (a, b) = (Home::init(&["--space", "a"]), Home::init(&["--space", "b"]));
    let scope = |done: &Done| done.json()["scope"].as_str().unwrap().to_owned();
    let shown = a.run(&["budget", "show", "--format", "json"]).exits(0);
    assert_eq!(scope(&shown), "space:a");
    let named = run(a
        .command(&["budget", "show", "--format", "json", "--home"])
        .arg(b.root()))
    .exits(0);
    assert_eq!(scope(&named), "space:b");
}

#[test]
fn every_exit_code_can_be_met() {
    let home = Home::init(&["--epsilon", "1"]);
    home.run(&["budget", "show"]).exits(0);
    // 1: nothing to ask yet.
    home.run(&["query", PERSONS]).exits(1);
    assert_eq!(home.budget("spent"), 0);
    let export = home.export(30, 1);
    home.run(&["ingest", "fhir", export.to_str().unwrap()])
        .exits(0);

    // 2: usage, of the parser and of our own.
    let nowhere = home.beside("nowhere");
    for usage in [
        &["frobnicate"][..],
        &["query"],
        &["query", PERSONS, "--epsilon", "1", "--rho", "1"],
        &["query", PERSONS, "--epsilon", "much"],
        &["query", PERSONS, "--epsilon", "-1"],
        &["query", PERSONS, "--rho", "0"],
        &["query", PERSONS, "--purpose", "CURIOSITY"],
        &["query", PERSONS, "--format", "xml"],
        &["init", "--epsilon", "0"],
        &["init", "--delta", "2"],
        &["init", "--epsilon", "2", "--ceiling-epsilon", "1"],
        &["synth", "--persons", "3"],
        &["ingest", "fhir", nowhere.to_str().unwrap()],
        &["catalog", "show", "nonsense"],
        &["ledger", "show", "4711"],
        &["budget", "show", "--home", nowhere.to_str().unwrap()],
    ] {
        let done = home.run(usage);
        assert_eq!(done.code, Some(2), "{usage:?}: {done:?}");
        assert!(!done.stderr.is_empty());
    }
    // 3: refused by a rule; also a price that the policy forbids.
    for refused in [
        &["query", "SELECT * FROM patient"][..],
        &["query", PERSONS, "--epsilon", "1.5"],
    ] {
        home.run(refused).exits(3);
    }
    assert_eq!(home.budget("spent"), 0);
    // 4: the purse is empty.
    home.run(&["query", PERSONS, "--epsilon", "0.9"]).exits(0);
    let spent = home.budget("spent");
    let done = home
        .run(&[
            "query",
            "--fresh",
            PERSONS,
            "--epsilon",
            "0.9",
            "--format",
            "json",
        ])
        .exits(4);
    assert!(done.stdout.is_empty());
    assert_eq!(home.budget("spent"), spent);
    // 5: a receipt that was written by nobody; the others are in `receipts` and `tamper`.
    let receipt = files(&home.root().join("receipts")).remove(0);
    let forged = home.beside("forged");
    let text = fs::read_to_string(receipt).unwrap();
    let forged_text = text.replacen("index ", "index 1", 1);
    assert_ne!(forged_text, text);
    fs::write(&forged, forged_text).unwrap();
    home.run(&["receipt", "verify", forged.to_str().unwrap()])
        .exits(5);
}

#[test]
fn errors_are_json_when_json_is_asked_for() {
    let home = Home::populated(&["--epsilon", "1"], 30);
    for (code, kind, arguments) in [
        (3, "refused", &["query", "SELECT * FROM patient"][..]),
        (2, "usage", &["catalog", "show", "nonsense"]),
        (1, "error", &["receipt", "verify", "no-such-file"]),
    ] {
        let done = home
            .run(&[&["--format", "json"], arguments].concat())
            .exits(code);
        assert!(done.stdout.is_empty());
        let error: Value = serde_json::from_str(&done.stderr).unwrap();
        assert_eq!(error["error"]["exit_code"], code);
        assert_eq!(error["error"]["kind"], kind);
        if code == 3 {
            for field in ["rule", "at", "message", "hint"] {
                let text = error["error"][field].as_str().unwrap();
                assert!(!text.is_empty(), "{field}");
            }
        }
    }
}

#[test]
fn tables_and_catalog_say_nothing_of_the_data() {
    let home = Home::init(&[]);
    let look = || -> Vec<String> {
        let mut seen = Vec::new();
        for format in ["table", "json", "csv"] {
            for arguments in [
                &["tables"][..],
                &["catalog", "show"],
                &["catalog", "show", "patient"],
                &["catalog", "show", "observation"],
                &["catalog", "show", "--measurements"],
                &["catalog", "show", "--functions"],
            ] {
                let done = home
                    .run(&[&["--format", format], arguments].concat())
                    .exits(0);
                seen.push(done.stdout + &done.stderr);
            }
        }
        seen
    };
    let before = look();
    let export = home.export(123, 2);
    let counts = home.json(&["ingest", "fhir", export.to_str().unwrap()]);
    let after = look();
    assert!(counts["tables"]["patient"]["rows"] == 123);
    assert_eq!(before, after);
    println!("{} outputs are equal before and after", before.len());
}

#[test]
fn ingest_says_what_happened_to_every_line() {
    let home = Home::init(&[]);
    let export = home.export(40, 3);
    let odd = "{\"resourceType\":\"Claim\",\"id\":\"c\"}\nnot json\n";
    fs::write(export.join("Odd.ndjson"), odd).unwrap();
    let lines: usize = fs::read_dir(&export)
        .unwrap()
        .map(|file| file.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "ndjson"))
        .map(|path| fs::read_to_string(path).unwrap().lines().count())
        .sum();
    let first = home.json(&["ingest", "fhir", export.to_str().unwrap()]);
    assert_eq!(first["changed"], true);
    assert_eq!(first["snapshot"], 1);
    assert_eq!(first["quarantined"]["no_table:Claim"], 1);
    assert_eq!(first["quarantined"]["broken_json"], 1);
    let sum = |summary: &Value| -> u64 {
        let tables = summary["tables"].as_object().unwrap().values();
        let lines = summary["quarantined"].as_object().unwrap().values();
        tables.map(|t| t["rows"].as_u64().unwrap()).sum::<u64>()
            + lines.map(|n| n.as_u64().unwrap()).sum::<u64>()
    };
    assert_eq!(sum(&first), lines as u64);

    let entries = home.entries().len();
    let second = home.json(&["ingest", "fhir", export.to_str().unwrap()]);
    assert_eq!(second["changed"], false);
    for same in ["snapshot", "tables", "quarantined", "lines"] {
        assert_eq!(second[same], first[same], "{same}");
    }
    assert_eq!(home.entries().len(), entries);
    println!("{lines} lines are accounted for, twice");
}

#[test]
fn an_answer_carries_price_remainder_entry_and_receipt() {
    let home = Home::populated(&["--epsilon", "4"], 60);
    let answer = home.json(&["query", BY_SEX, "--rho", "0.01"]);
    assert_eq!(answer["columns"], serde_json::json!(["sex", "persons"]));
    let rows = answer["rows"].as_array().unwrap();
    let intervals = answer["intervals"].as_array().unwrap();
    assert_eq!(rows.len(), intervals.len());
    assert!(rows.len() >= 4);
    for (row, interval) in rows.iter().zip(intervals) {
        assert!(interval[0].is_null());
        let n = row[1].as_f64().unwrap();
        let (low, high) = (
            interval[1][0].as_f64().unwrap(),
            interval[1][1].as_f64().unwrap(),
        );
        assert!(low <= high && low <= n.max(0.0) && n <= high.max(n));
    }
    for purse in ["cost", "remaining"] {
        for field in ["rho", "epsilon", "delta"] {
            assert!(
                answer[purse][field].as_f64().unwrap() > 0.0,
                "{purse}.{field}"
            );
        }
    }
    assert!(answer["cost"]["rho"].as_f64().unwrap() <= 0.01);
    let spent = home.budget("spent");
    assert_eq!(units(&answer["cost"]["rho"]), spent);
    assert_eq!(
        units(&answer["remaining"]["rho"]),
        home.budget("cap") - spent
    );
    let entry = answer["entry"].as_u64().unwrap();
    let shown = home.json(&["ledger", "show", &entry.to_string()]);
    assert_eq!(shown["entry"]["kind"], "release");
    let receipt = Path::new(answer["receipt"].as_str().unwrap());
    assert!(receipt.exists());
    assert_eq!(mode(receipt), 0o600);
}

#[test]
fn a_dry_run_costs_nothing_and_leaves_no_trace() {
    let home = Home::populated(&[], 40);
    // The first opening may record what is new; from then on nothing moves.
    home.run(&["query", PERSONS, "--dry-run"]).exits(0);
    let before = (home.budget("spent"), home.entries());
    for format in ["table", "json", "csv"] {
        for price in [["--epsilon", "0.5"], ["--rho", "0.01"]] {
            let arguments = [
                &["query", BY_SEX, "--dry-run", "--format", format],
                &price[..],
            ]
            .concat();
            home.run(&arguments).exits(0);
        }
    }
    let quote = home.json(&["query", BY_SEX, "--dry-run", "--rho", "0.01"]);
    assert!(quote["cost"]["rho"].as_f64().unwrap() > 0.0);
    assert!(quote.get("rows").is_none() && quote.get("entry").is_none());
    assert_eq!((home.budget("spent"), home.entries()), before);
    assert_eq!(before.0, 0);
    // What it quotes is what is paid.
    let answer = home.json(&["query", BY_SEX, "--rho", "0.01"]);
    assert_eq!(answer["cost"], quote["cost"]);
}

#[test]
fn a_question_can_come_from_standard_input() {
    let home = Home::populated(&[], 30);
    let done = home
        .with_input(
            &["query", "-", "--format", "json", "--epsilon", "0.2"],
            BY_SEX,
        )
        .exits(0);
    assert_eq!(done.json()["columns"][1], "persons");
    home.with_input(&["query", "-"], "SELECT * FROM patient")
        .exits(3);
    home.with_input(&["query", "-"], "").exits(3);
}

#[test]
fn the_ledger_knows_no_names_and_no_questions() {
    let home = Home::populated(&[], 30);
    let marked = "SELECT COUNT(DISTINCT person_id) AS zebrafinches FROM patient";
    home.run(&["query", marked, "--user", "ada.lovelace"])
        .exits(0);
    home.run(&["query", "--fresh", marked, "--user", "ada.lovelace"])
        .exits(0);
    home.run(&["query", marked, "--user", "grace.hopper"])
        .exits(0);
    let out = home.beside("evidence");
    home.run(&["ledger", "export", out.to_str().unwrap()])
        .exits(0);
    let mut bytes = 0;
    for file in crate::support::files(&out) {
        let content = fs::read(file).unwrap();
        bytes += content.len();
        // Long enough that no digest or signature spells one by chance.
        for secret in ["lovelace", "hopper", "zebrafinches"] {
            let found = content
                .windows(secret.len())
                .any(|window| window == secret.as_bytes());
            assert!(!found, "{secret} stands in the log");
        }
    }
    let who: BTreeSet<String> = home
        .entries()
        .iter()
        .filter(|entry| entry["kind"] == "reserve" || entry["kind"] == "reuse")
        .map(|entry| entry["principal"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(who.len(), 2, "one pseudonym for each person: {who:?}");
    println!("{bytes} bytes of evidence name nobody");
}
