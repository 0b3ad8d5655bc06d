//! The corpus: statements as health analysts write them, in sqllogictest form, accepted and refused.
//!
//! `statement ok` must be answered, `statement error <pattern>` refused with that rule and message, with a place in the query and a hint. Of the form's
//! records only these two occur, and of patterns only `.*` and escaped characters; its own library would bring other features into the build of
//! everything.

mod support;

use std::path::{Path, PathBuf};

use salus_accounting::Rho;
use salus_query::{AskError, Engine, Price};
use support::{ANY_PRICE, Home, asking, default_catalog, population};

#[derive(Debug, Default)]
struct Tally {
    answered: u32,
    refused: u32,
    wrong: Vec<String>,
}

/// A statement, where it stands, and the pattern of its refusal; `None` if it is to be answered.
struct Statement {
    place: String,
    sql: String,
    refused: Option<String>,
}

/// The statements of a file: a line that says what is expected, then SQL up to an empty line.
fn statements(file: &Path) -> Vec<Statement> {
    let text = std::fs::read_to_string(file).unwrap();
    let mut lines = text.lines().enumerate();
    let mut statements = Vec::new();
    while let Some((number, line)) = lines.next() {
        let refused = match line.strip_prefix("statement ") {
            Some("ok") => None,
            Some(error) => Some(error.strip_prefix("error ").unwrap().to_owned()),
            None => {
                assert!(
                    line.is_empty() || line.starts_with('#'),
                    "{}: {line}",
                    file.display()
                );
                continue;
            }
        };
        let sql = lines.by_ref().map(|(_, line)| line);
        let sql: Vec<&str> = sql.take_while(|line| !line.is_empty()).collect();
        statements.push(Statement {
            place: format!("{}:{}", file.display(), number + 1),
            sql: sql.join("\n"),
            refused,
        });
    }
    statements
}

/// Whether the parts of a pattern stand in a text one after the other.
fn matches(pattern: &str, text: &str) -> bool {
    let pattern = pattern.trim_end();
    let mut rest = text;
    pattern.split(".*").all(|part| {
        let part = part.replace('\\', "");
        let found = rest.find(&part);
        rest = found.map_or("", |at| &rest[at + part.len()..]);
        found.is_some()
    })
}

/// What is wrong with how a statement is treated.
async fn wrong_with(engine: &Engine, sql: &str, refused: Option<&str>) -> Result<(), String> {
    let price = Price::Rho(Rho::parse_floor("0.01").unwrap());
    match (engine.ask(sql, &asking(price)).await, refused) {
        (Ok(_), None) => Ok(()),
        (Ok(_), _) => Err("answered".to_owned()),
        (Err(AskError::Refused(refusal)), Some(pattern)) => {
            let told = !refusal.at.is_empty() && !refusal.hint.is_empty();
            if told && matches(pattern, &refusal.to_string()) {
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
        for statement in statements(&file) {
            let refused = statement.refused.as_deref();
            match wrong_with(&engine, &statement.sql, refused).await {
                Ok(()) if refused.is_none() => tally.answered += 1,
                Ok(()) => tally.refused += 1,
                Err(wrong) => {
                    let Statement { place, sql, .. } = &statement;
                    tally.wrong.push(format!("{place}\n{sql}\n  {wrong}"));
                }
            }
        }
    }
    println!("{} answered, {} refused", tally.answered, tally.refused);
    assert!(tally.wrong.is_empty(), "{}", tally.wrong.join("\n\n"));
    assert!(tally.answered >= 200 && tally.refused >= 150, "{tally:?}");
}
