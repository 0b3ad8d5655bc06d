//! `--format`: JSON and CSV are read by machines, so every command's must parse.

use crate::support::{BY_SEX, Home, PERSONS, csv, files};

/// Stands for the file of a receipt: its number is that of an entry, and a tick may have passed before it.
const RECEIPT: &str = "RECEIPT";

fn a_receipt(home: &Home) -> String {
    let first = files(&home.root().join("receipts")).into_iter().next();
    first.map_or_else(String::new, |path| path.to_str().unwrap().to_owned())
}

#[test]
fn every_command_speaks_every_format() {
    for format in ["json", "csv", "table"] {
        let home = Home::init(&[]);
        let export = home.beside("out");
        let export = export.to_str().unwrap();
        let evidence = home.beside(&format!("evidence-{format}"));
        let evidence = evidence.to_str().unwrap();
        let fresh = home.beside("fresh");
        let fresh = fresh.to_str().unwrap();
        for command in [
            &["init", "--home", fresh][..],
            &["synth", "--persons", "25", "--out", export],
            &["ingest", "fhir", export],
            &["tables"],
            &["catalog", "show"],
            &["catalog", "show", "encounter"],
            &["catalog", "show", "--measurements"],
            &["catalog", "show", "--functions"],
            &["query", BY_SEX, "--epsilon", "0.5"],
            &["query", PERSONS, "--dry-run"],
            &[
                "query",
                "SELECT AVG(clamp(value, 4, 14)) AS \"mean, or so\" FROM observation WHERE code = '4548-4'",
            ],
            &["budget", "show"],
            &["ledger", "list"],
            &["ledger", "show", "0"],
            &["ledger", "show", "6"],
            &["ledger", "verify"],
            &["ledger", "export", evidence],
            &["receipt", "verify", RECEIPT],
        ] {
            let receipt = a_receipt(&home);
            let word = |word: &&&str| {
                if **word == RECEIPT {
                    receipt.clone()
                } else {
                    (**word).to_owned()
                }
            };
            let words: Vec<String> = command.iter().map(|each| word(&each)).collect();
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            let done = home
                .run(&[&words[..], &["--format", format]].concat())
                .exits(0);
            match format {
                "json" => {
                    let json = done.json();
                    assert!(json.is_object(), "{command:?}");
                }
                "csv" => {
                    let records = std::panic::catch_unwind(|| csv(&done.stdout))
                        .unwrap_or_else(|_| panic!("{command:?} is not CSV: {done:?}"));
                    assert!(records.len() >= 2, "{command:?}: {records:?}");
                }
                _ => assert!(!done.stdout.trim().is_empty(), "{command:?}"),
            }
        }
    }
}

#[test]
fn csv_gives_the_bounds_as_columns() {
    let home = Home::populated(&[], 40);
    let done = home
        .run(&["query", BY_SEX, "--format", "csv", "--epsilon", "0.5"])
        .exits(0);
    let records = csv(&done.stdout);
    assert_eq!(
        records[0],
        ["sex", "persons", "persons_low", "persons_high"]
    );
    for record in &records[1..] {
        let numbers: Vec<f64> = record[1..].iter().map(|n| n.parse().unwrap()).collect();
        assert!(
            numbers[1] <= numbers[2] && numbers[0] <= numbers[2],
            "{record:?}"
        );
    }
}
