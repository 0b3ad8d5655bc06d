//! Whoever changes a byte of the ledger's store is found out, and nothing is answered from then on.

use std::fs;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _};

use crate::support::{Chance, Done, Home, PERSONS, hex, soak};

/// A home whose ledger has entries of every kind that commands alone can bring about.
fn used() -> Home {
    let home = Home::populated(&["--epsilon", "1"], 20);
    home.run(&["query", PERSONS, "--epsilon", "0.4"]).exits(0);
    home.run(&["query", "SELECT * FROM patient"]).exits(3);
    let policy = home.root().join("next.yaml");
    let text = home.run(&["policy", "show"]).exits(0).stdout;
    fs::write(&policy, text.replace("version: 1", "version: 2")).unwrap();
    home.run(&["policy", "apply", policy.to_str().unwrap()])
        .exits(0);
    home.run(&["query", PERSONS, "--epsilon", "0.4"]).exits(0);
    home.run(&["query", PERSONS, "--epsilon", "1"]).exits(4);
    home.run(&["ledger", "verify"]).exits(0);
    home
}

async fn sql(db: &mut SqliteConnection, text: &str) -> u64 {
    let done = sqlx::raw_sql(AssertSqlSafe(text.to_owned())).execute(db);
    done.await.unwrap().rows_affected()
}

/// Changes the store with its triggers away, and puts them back, so that the schema looks untouched.
fn tamper(home: &Home, change: &str) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut db = SqliteConnectOptions::new()
            .filename(home.database())
            .connect()
            .await
            .unwrap();
        sql(
            &mut db,
            "PRAGMA foreign_keys = OFF; PRAGMA ignore_check_constraints = ON;",
        )
        .await;
        let triggers: Vec<(String, String)> =
            sqlx::query_as("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'")
                .fetch_all(&mut db)
                .await
                .unwrap();
        assert!(triggers.len() > 5);
        let (mut away, mut back) = ("BEGIN;".to_owned(), String::new());
        for (name, text) in &triggers {
            away.extend(["DROP TRIGGER ", name, ";"]);
            back.extend([text, ";"]);
        }
        sql(&mut db, &away).await;
        assert!(sql(&mut db, change).await > 0, "nothing changed: {change}");
        sql(&mut db, &format!("{back} COMMIT;")).await;
        db.close().await.unwrap();
    });
}

fn entries(home: &Home) -> Vec<Vec<u8>> {
    let out = home.beside("evidence");
    home.run(&["ledger", "export", out.to_str().unwrap()])
        .exits(0);
    let files = crate::support::files(&out.join("entries"));
    let bytes = files.iter().map(|file| fs::read(file).unwrap());
    bytes.collect()
}

/// Whether a report names an entry by its index.
fn names(done: &Done, index: usize) -> bool {
    let text = format!("{} {}", done.stdout, done.stderr);
    text.match_indices(&format!("entry {index}"))
        .any(|(at, found)| {
            let next = text[at + found.len()..].chars().next();
            next.is_none_or(|c| !c.is_ascii_digit())
        })
}

#[track_caller]
fn answers_nothing(home: &Home) {
    let done = home
        .run(&["query", PERSONS, "--epsilon", "0.01", "--format", "json"])
        .exits(5);
    assert!(done.stdout.is_empty(), "{done:?}");
    let kind: serde_json::Value = serde_json::from_str(&done.stderr).unwrap();
    assert_eq!(kind["error"]["kind"], "integrity");
}

#[test]
fn any_byte_of_any_entry_is_found() {
    let home = used();
    let entries = entries(&home);
    let mut chance = Chance::new("tampering with entries");
    let each = soak(2, 20);
    let mut tried = 0;
    let mut answered = Vec::new();
    for (index, bytes) in entries.iter().enumerate() {
        let mut places = vec![0, bytes.len() - 1];
        places
            .extend((0..each).map(|_| usize::try_from(chance.below(bytes.len() as u64)).unwrap()));
        for at in places {
            let mut changed = bytes.clone();
            changed[at] ^= 1 << chance.below(8);
            let copy = home.copy();
            tamper(
                &copy,
                &format!(
                    "UPDATE entries SET bytes = x'{}' WHERE idx = {index}",
                    hex(&changed)
                ),
            );
            let done = copy.run(&["ledger", "verify"]).exits(5);
            assert!(names(&done, index), "entry {index}, byte {at}: {done:?}");
            let asked = copy.run(&["query", PERSONS, "--epsilon", "0.01", "--format", "json"]);
            if asked.code != Some(5) || !asked.stdout.is_empty() {
                answered.push((index, at, asked.code));
            }
            tried += 1;
        }
    }
    println!(
        "{tried} changed bytes in {} entries, each named by its index",
        entries.len()
    );
    assert!(entries.len() >= 12);
    assert!(
        answered.is_empty(),
        "questions were answered after: {answered:?}"
    );
}

#[test]
fn other_forgeries_are_found_as_well() {
    let home = used();
    let listed = home.json(&["ledger", "list"]);
    let last = listed["entries"].as_array().unwrap().len() - 1;
    for change in [
        "UPDATE accounts SET spent_rho = spent_rho - 1",
        "UPDATE accounts SET spent_rho = 0",
        "UPDATE accounts SET cap_rho = cap_rho + 1",
        "UPDATE nodes SET hash = zeroblob(32) WHERE level = 0 AND position = 3",
        "UPDATE nodes SET hash = zeroblob(32) WHERE level = 1 AND position = 0",
        "UPDATE checkpoints SET note = CAST(replace(CAST(note AS TEXT), 'localhost', 'somewhere') AS BLOB)",
        "DELETE FROM checkpoints",
        "DELETE FROM endings",
        &format!("DELETE FROM entries WHERE idx = {last}"),
        "DELETE FROM entries WHERE idx = 4",
        // The cut of a careful forger: the last entry with its node and checkpoint.
        &format!(
            "DELETE FROM entries WHERE idx = {last}; DELETE FROM nodes WHERE level = 0 AND position = {last}"
        ),
    ] {
        let copy = home.copy();
        tamper(&copy, change);
        let done = copy.run(&["ledger", "verify"]);
        assert_eq!(done.code, Some(5), "{change}: {done:?}");
    }
    let copy = home.copy();
    tamper(&copy, "UPDATE accounts SET spent_rho = 0");
    answers_nothing(&copy);
}

#[test]
fn a_store_that_is_damaged_answers_nothing() {
    let home = used();
    let whole = fs::read(home.database()).unwrap();
    let page = 4096;
    let garbage: Vec<u8> = (0_u32..60_000)
        .map(|i| i.wrapping_mul(2_654_435_761).to_be_bytes()[0])
        .collect();
    let mut middle = whole.clone();
    middle[page..].fill(0xa5);
    let mut header = whole.clone();
    header[..16].fill(b'x');
    for (what, bytes) in [
        ("empty", Vec::new()),
        ("ten bytes", whole[..10].to_vec()),
        ("half a page", whole[..page / 2].to_vec()),
        ("one page", whole[..page].to_vec()),
        ("half", whole[..whole.len() / 2 / page * page].to_vec()),
        ("one page short", whole[..whole.len() - page].to_vec()),
        ("garbage", garbage),
        ("garbage after the first page", middle),
        ("another file's header", header),
    ] {
        let copy = home.copy();
        fs::write(copy.database(), bytes).unwrap();
        let done = copy.run(&["ledger", "verify"]);
        assert_eq!(done.code, Some(5), "verify, {what}: {done:?}");
        let done = copy.run(&["query", PERSONS, "--epsilon", "0.01"]);
        assert_eq!(done.code, Some(5), "query, {what}: {done:?}");
        assert!(done.stdout.is_empty(), "{done:?}");
    }
    let copy = home.copy();
    fs::remove_file(copy.database()).unwrap();
    let done = copy.run(&["query", PERSONS, "--epsilon", "0.01"]);
    assert_eq!(done.code, Some(1), "no ledger at all: {done:?}");
    assert!(done.stdout.is_empty());
    assert!(
        !copy.database().exists(),
        "a new ledger was made in silence"
    );
}
