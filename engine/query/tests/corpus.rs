//! The corpus: statements as health analysts write them, in sqllogictest form, accepted and refused.
//!
//! `statement ok` must be answered, `statement error <regex>` refused with that rule and message, with a place in the query and a hint.

mod support;

use std::path::{Path, PathBuf};

use salus_accounting::Rho;
use salus_query::{AskError, Engine, Price};
use sqllogictest::{DefaultColumnType, Record, StatementExpect, parse_file};
use support::{ANY_PRICE, Home, asking, default_catalog, population};

#[derive(Debug, Default)]
struct Tally {
    answered: u32,
    refused: u32,
    wrong: Vec<String>,
}

/// What is wrong with how a statement is treated.
async fn wrong_with(engine: &Engine, sql: &str, expected: &StatementExpect) -> Result<(), String> {
    let price = Price::Rho(Rho::parse_floor("0.01").unwrap());
    match (engine.ask(sql, &asking(price)).await, expected) {
        (Ok(_), StatementExpect::Ok) => Ok(()),
        (Ok(_), _) => Err("answered".to_owned()),
        (Err(AskError::Refused(refusal)), StatementExpect::Error(error)) => {
            let told = !refusal.at.is_empty() && !refusal.hint.is_empty();
            if told && error.is_match(&refusal.to_string(), None) {
                Ok(())
            } else {
                Err(refusal.to_string())
            }
        }
        (Err(error), _) => Err(error.to_string()),
    }
}

fn files() -> Vec<PathBuf> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus");
    let files = std::fs::read_dir(corpus).unwrap();
    let mut files: Vec<_> = files.map(|file| file.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|kind| kind == "slt"));
    files.sort();
    files
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn statements_of_the_corpus_are_answered_or_refused_as_they_say() {
    let home = Home::new(default_catalog(), &population(60, 3), 400).await;
    let (engine, _ledger) = home.engine(ANY_PRICE).await;
    let mut tally = Tally::default();
    for file in files() {
        let records = parse_file::<DefaultColumnType>(&file).unwrap();
        for record in records {
            let Record::Statement {
                sql, expected, loc, ..
            } = record
            else {
                continue;
            };
            match wrong_with(&engine, &sql, &expected).await {
                Ok(()) if matches!(expected, StatementExpect::Ok) => tally.answered += 1,
                Ok(()) => tally.refused += 1,
                Err(wrong) => tally.wrong.push(format!("{loc}\n{sql}\n  {wrong}")),
            }
        }
    }
    println!("{} answered, {} refused", tally.answered, tally.refused);
    assert!(tally.wrong.is_empty(), "{}", tally.wrong.join("\n\n"));
    assert!(tally.answered >= 200 && tally.refused >= 150, "{tally:?}");
}
