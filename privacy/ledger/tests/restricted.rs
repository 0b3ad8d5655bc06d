//! Attacks on the restricted log by somebody who holds its key, and what the first log tells of it.

mod conformance;
#[path = "support/schema.rs"]
mod schema;
mod support;

use std::path::Path;

use conformance::restricted::{EVERY, Time, expunge, genesis, judged, seen};
use salus_ledger::entry::Body;
use salus_ledger::restricted::Event;
use salus_ledger::restricted::entry::{Outcome, What};
use salus_ledger::{Entry, Error, Evidence, Kind, Ledger, key};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _};
use support::{refusal, signer};

/// A ledger whose first log moves once an hour for five hours, beside a restricted log of so many entries each hour.
async fn living(dir: &Path, time: &Time, each_hour: usize) -> Ledger {
    key::generate(&support::key_path(dir), support::ORIGIN).unwrap();
    let place = support::ledger_path(dir);
    let ledger = Ledger::create_in(&place, signer(dir), genesis(), time.around())
        .await
        .unwrap();
    for hour in 0..5 {
        for person in 0..each_hour {
            let log = ledger.restricted().unwrap();
            log.record(expunge(&format!("{hour}/{person}")))
                .await
                .unwrap();
        }
        ledger.refuse(refusal()).await.unwrap();
        time.pass(EVERY);
    }
    ledger
}

/// An entry without what differs from log to log whatever is said: salted hashes and keys, by their length.
fn blank(bytes: &[u8]) -> Vec<u8> {
    let mut entry = Entry::decode(bytes).unwrap();
    match &mut entry.body {
        Body::Key(key) => key.public = [0; 32],
        Body::Refuse(refuse) => refuse.question = [0; 32],
        Body::Anchor(anchor) => anchor.checkpoint = [0; 32],
        _ => {}
    }
    entry.encode()
}

#[tokio::test]
async fn the_first_log_is_the_same_however_the_restricted_grows() {
    let mut exports: Vec<Evidence> = Vec::new();
    for each_hour in [0, 1, 40] {
        let dir = tempfile::tempdir().unwrap();
        let ledger = living(dir.path(), &Time::new(), each_hour).await;
        let report = judged(&ledger).await;
        assert!(report.holds(), "{}", report.to_text());
        let restricted = report.restricted.unwrap();
        assert_eq!(restricted.entries, 2 + 5 * each_hour as u64);
        exports.push(ledger.evidence().await.unwrap());
    }
    let entries = |export: &Evidence| -> Vec<Vec<u8>> {
        export.entries.iter().map(|bytes| blank(bytes)).collect()
    };
    let sizes = |export: &Evidence| -> Vec<usize> { export.entries.iter().map(Vec::len).collect() };
    let signed = |export: &Evidence| -> Vec<u64> {
        let size = |note: &Vec<u8>| salus_ledger::note::Checkpoint::stated_size(note).unwrap();
        export.checkpoints.iter().map(size).collect()
    };
    for busy in &exports[1..] {
        assert_eq!(entries(&exports[0]), entries(busy));
        assert_eq!(sizes(&exports[0]), sizes(busy));
        assert_eq!(signed(&exports[0]), signed(busy));
    }
    // The test can fail: what differs in the logs themselves is seen.
    let mut other = exports[0].clone();
    other.entries.pop();
    assert_ne!(entries(&exports[0]), entries(&other));
}

const TABLES: [&str; 5] = [
    "restricted_openings",
    "restricted_erasures",
    "restricted_checkpoints",
    "restricted_nodes",
    "restricted_entries",
];

/// Puts the restricted log of one ledger in the place of another's, with the triggers away.
async fn transplant(from: &Path, into: &Path) {
    let mut db = SqliteConnectOptions::new()
        .filename(support::database(into))
        .connect()
        .await
        .unwrap();
    let triggers: Vec<(String, String)> =
        sqlx::query_as("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'")
            .fetch_all(&mut db)
            .await
            .unwrap();
    let mut sql = format!(
        "PRAGMA foreign_keys = OFF; ATTACH '{}' AS other; BEGIN;",
        support::database(from).display()
    );
    for (name, _) in &triggers {
        sql.extend(["DROP TRIGGER ", name, ";"]);
    }
    for table in TABLES {
        for part in [
            "DELETE FROM ",
            table,
            "; INSERT INTO ",
            table,
            " SELECT * FROM other.",
            table,
            ";",
        ] {
            sql.push_str(part);
        }
    }
    for (_, text) in &triggers {
        sql.extend([text.as_str(), ";"]);
    }
    sql.push_str("COMMIT;");
    sqlx::raw_sql(AssertSqlSafe(sql))
        .execute(&mut db)
        .await
        .unwrap();
    db.close().await.unwrap();
}

#[tokio::test]
async fn a_second_restricted_log_by_the_same_key_is_refused() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let time = Time::new();
    living(one.path(), &time, 2).await.close().await.unwrap();
    // The same key, the same origin, the same times, and as many entries: of others.
    std::fs::copy(support::key_path(one.path()), two.path().join("kept.key")).unwrap();
    let second = key::load(&two.path().join("kept.key")).unwrap();
    let began = Time::new();
    let place = support::ledger_path(two.path());
    let ledger = Ledger::create_in(&place, second, genesis(), began.around())
        .await
        .unwrap();
    for hour in 0..5 {
        let log = ledger.restricted().unwrap();
        for _ in 0..2 {
            log.record(expunge("nobody")).await.unwrap();
        }
        ledger.refuse(refusal()).await.unwrap();
        let _ = hour;
        began.pass(EVERY);
    }
    ledger.close().await.unwrap();
    transplant(two.path(), one.path()).await;
    let place = support::ledger_path(one.path());
    match Ledger::open_in(&place, signer(one.path()), time.around()).await {
        Err(Error::Integrity(what)) => assert!(what.contains("N2"), "{what}"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn what_was_anchored_and_is_not_there_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = living(dir.path(), &Time::new(), 3).await;
    let anchors = ledger.all_of(Kind::Anchor).await.unwrap();
    let whole = ledger.restricted().unwrap().evidence().await.unwrap();
    let first = ledger.evidence().await.unwrap();
    let judge = |change: &dyn Fn(&mut salus_checker::Restricted, &mut salus_checker::Evidence)| {
        let log = |found: &Evidence| salus_checker::Evidence {
            entries: found.entries.clone(),
            leaves: Some(found.leaves.clone()),
            checkpoints: found.checkpoints.clone(),
            vkey: found.vkey.clone(),
        };
        let opened = whole.anchors.iter().map(|(index, opening)| {
            let opening = opening.as_ref().unwrap();
            (*index, [&opening.salt, opening.content.as_slice()].concat())
        });
        let mut restricted = salus_checker::Restricted {
            log: log(&whole.log),
            anchors: opened.collect(),
        };
        let mut first = log(&first);
        change(&mut restricted, &mut first);
        let trust = salus_checker::Trust {
            restricted: Some(restricted),
            ..salus_checker::Trust::default()
        };
        salus_checker::audit_with(&first, &trust)
    };
    assert!(judge(&|_, _| {}).holds());
    // Truncated to what an earlier checkpoint signs, as whoever has the key can.
    let short = judge(&|restricted, _| {
        restricted.log.entries.truncate(5);
        restricted.log.leaves.as_mut().unwrap().truncate(5);
        restricted.log.checkpoints.truncate(4);
    });
    let named: Vec<u64> = short
        .findings
        .iter()
        .filter_map(|found| found.index)
        .collect();
    let beyond: Vec<u64> = anchors[1..].iter().map(|stored| stored.index.0).collect();
    assert_eq!(named, beyond, "{}", short.to_text());
    assert!(short.findings.iter().all(|found| found.rule == "N2"));
    assert!(short.restricted.unwrap().findings.is_empty());
    // An opening that is withheld, changed, or of nothing.
    let at = anchors[1].index.0;
    let only = |report: salus_checker::Report, index: u64, rule: &str| {
        let found = report.findings.iter();
        let found: Vec<_> = found.map(|found| (found.index, found.rule)).collect();
        assert_eq!(found, [(Some(index), rule)], "{}", report.to_text());
    };
    let withheld = judge(&|restricted, _| drop(restricted.anchors.remove(&at)));
    only(withheld, at, "N2");
    let changed = judge(&|restricted, _| restricted.anchors.get_mut(&at).unwrap()[40] ^= 1);
    only(changed, at, "N2");
    let other = judge(&|restricted, _| drop(restricted.anchors.insert(1, vec![0; 32])));
    only(other, 1, "N2");
    // Any changed entry of the restricted log is named there.
    for index in 0..whole.log.entries.len() {
        let report =
            judge(&|restricted, _| *restricted.log.entries[index].last_mut().unwrap() ^= 1);
        let beside = report.restricted.unwrap();
        assert!(
            beside
                .findings
                .iter()
                .any(|found| found.index == Some(index as u64)),
            "entry {index}: {:?}",
            beside.findings
        );
    }
}

#[tokio::test]
async fn entries_fit_the_schema() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = living(dir.path(), &Time::new(), 1).await;
    let log = ledger.restricted().unwrap();
    let access = || seen("p");
    let justification = "fell".to_owned();
    let glass = Event::BreakGlass {
        access: access(),
        justification,
    };
    let breakglass = log.record(glass).await.unwrap().entry;
    log.record(Event::Access(access())).await.unwrap();
    let followup = Event::FollowUp {
        breakglass,
        principal: "o".to_owned(),
        outcome: Outcome::Unjustified,
        note: String::new(),
    };
    log.record(followup).await.unwrap();
    for what in [
        What::Deny,
        What::Permit,
        What::Merge,
        What::Split,
        What::Alert,
    ] {
        let change = Event::Change {
            what,
            principal: "o".to_owned(),
            persons: vec![],
            detail: vec![],
        };
        log.record(change).await.unwrap();
    }
    let entries = log.evidence().await.unwrap().log.entries;
    for (index, bytes) in entries.iter().enumerate() {
        schema::fits_restricted(bytes).unwrap_or_else(|why| panic!("entry {index}: {why}"));
        assert!(
            schema::fits(bytes).is_err() || index == 1,
            "entry {index} is of both logs"
        );
        assert_eq!(
            salus_ledger::restricted::entry::Entry::decode(bytes)
                .unwrap()
                .encode(),
            *bytes
        );
    }
    for stored in ledger.entries().await.unwrap() {
        schema::fits(&stored.bytes).unwrap();
        assert!(schema::fits_restricted(&stored.bytes).is_err() || stored.index.0 == 1);
    }
}

#[tokio::test]
async fn persons_and_texts_are_in_no_debug_text() {
    let event = Event::BreakGlass {
        access: seen("Marta"),
        justification: "Marta fell".to_owned(),
    };
    assert!(!format!("{event:?} {:?}", seen("Marta")).contains("Marta"));
}
