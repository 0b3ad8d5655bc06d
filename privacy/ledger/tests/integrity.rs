//! Whatever is changed behind the ledger's back is found before anything is answered.

mod support;

use std::fmt::Write as _;
use std::path::Path;

use salus_ledger::merkle::leaf_hash;
use salus_ledger::{EntryIndex, Error, Evidence, ReserveError};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _};
use support::{answer, create, database, open, question, refusal};

/// A closed ledger with a release, an abort, an open reserve, and a refusal.
async fn used(dir: &Path) -> Evidence {
    let ledger = create(dir, 10).await;
    answer(ledger.reserve(question()).await.unwrap())
        .await
        .unwrap();
    ledger.reserve(question()).await.unwrap().abort().await;
    ledger.refuse(refusal()).await.unwrap();
    let evidence = ledger.evidence().await.unwrap();
    ledger.close().await.unwrap();
    evidence
}

async fn raw(dir: &Path) -> SqliteConnection {
    SqliteConnectOptions::new()
        .filename(database(dir))
        .connect()
        .await
        .unwrap()
}

async fn run(db: &mut SqliteConnection, sql: &str) -> Result<u64, sqlx::Error> {
    let done = sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))
        .execute(db)
        .await?;
    Ok(done.rows_affected())
}

/// Runs `change` with the triggers away and put back, so that the schema looks untouched.
async fn tamper(dir: &Path, change: &str) {
    let mut db = raw(dir).await;
    let pragmas = "PRAGMA foreign_keys = OFF; PRAGMA ignore_check_constraints = ON; PRAGMA synchronous = OFF;";
    run(&mut db, pragmas).await.unwrap();
    let triggers: Vec<(String, String)> =
        sqlx::query_as("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'")
            .fetch_all(&mut db)
            .await
            .unwrap();
    let mut away = "BEGIN;".to_owned();
    let mut back = String::new();
    for (name, sql) in &triggers {
        away.extend(["DROP TRIGGER ", name, ";"]);
        back.extend([sql, ";"]);
    }
    run(&mut db, &away).await.unwrap();
    assert!(
        run(&mut db, change).await.unwrap() > 0,
        "nothing changed: {change}"
    );
    run(&mut db, &format!("{back} COMMIT;")).await.unwrap();
    db.close().await.unwrap();
}

async fn integrity(dir: &Path) -> String {
    match open(dir).await {
        Err(Error::Integrity(what)) => what,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn the_store_forbids_changes_of_the_log() {
    let dir = tempfile::tempdir().unwrap();
    used(dir.path()).await;
    let mut db = raw(dir.path()).await;
    for forbidden in [
        "UPDATE entries SET bytes = x'00' WHERE idx = 3",
        "UPDATE entries SET idx = 90 WHERE idx = 3",
        "DELETE FROM entries WHERE idx = 10",
        "INSERT INTO entries VALUES (77, 'refuse', x'00')",
        "INSERT OR REPLACE INTO entries VALUES (3, 'catalog', x'00')",
        "UPDATE nodes SET hash = zeroblob(32) WHERE level = 1",
        "DELETE FROM nodes",
        "INSERT OR REPLACE INTO nodes VALUES (0, 3, zeroblob(32))",
        "INSERT INTO nodes VALUES (0, 99, x'00')",
        "UPDATE checkpoints SET note = x'00'",
        "DELETE FROM checkpoints",
        "INSERT OR REPLACE INTO checkpoints VALUES (7, x'00')",
        "UPDATE endings SET entry = 5",
        "DELETE FROM endings",
        "INSERT INTO endings VALUES (6, 10)",
        "INSERT OR REPLACE INTO endings VALUES (6, 10)",
        "UPDATE accounts SET spent_rho = 0",
        "UPDATE accounts SET spent_rho = cap_rho + 1",
        "UPDATE accounts SET cap_rho = cap_rho + 1",
        "UPDATE accounts SET incident = 1",
        "INSERT OR REPLACE INTO accounts SELECT scope, cap_rho, cap_delta, 0, spent_delta FROM accounts",
        "DELETE FROM accounts",
        "UPDATE openings SET content = x'00'",
        "INSERT OR REPLACE INTO openings SELECT entry, name, salt, x'00' FROM openings",
        "INSERT INTO entries VALUES ('eleven', 'refuse', x'00')",
    ] {
        let refused = run(&mut db, forbidden).await;
        assert!(refused.is_err(), "{forbidden}: {refused:?}");
    }
    // Texts may be erased, on record: the log says what was committed to, nothing more.
    let erase = "DELETE FROM openings WHERE name = 'question' AND entry = 6";
    assert!(run(&mut db, erase).await.is_err());
    run(&mut db, "INSERT INTO erasures VALUES (6, 0)")
        .await
        .unwrap();
    assert_eq!(run(&mut db, erase).await.unwrap(), 1);
    let back = "INSERT INTO openings VALUES (6, 'question', zeroblob(32), x'00')";
    assert!(run(&mut db, back).await.is_err());
    db.close().await.unwrap();
    let ledger = open(dir.path()).await.unwrap();
    ledger.audit_accounts().await.unwrap();
    assert!(
        ledger
            .opening(EntryIndex(6), "question")
            .await
            .unwrap()
            .is_none()
    );
}

#[tokio::test]
async fn any_byte_of_any_entry_is_found_and_the_entry_named() {
    let dir = tempfile::tempdir().unwrap();
    let before = used(dir.path()).await;
    let vkey = support::signer(dir.path()).vkey();
    for (index, bytes) in before.entries.iter().enumerate() {
        // Every byte in turn would take long; a stride that is coprime to the structure meets all kinds of fields.
        for at in (index % 7..bytes.len()).step_by(29) {
            let mut changed = bytes.clone();
            changed[at] ^= 1 << (at % 8);
            let hex = |bytes: &[u8]| {
                bytes.iter().fold(String::new(), |mut hex, byte| {
                    write!(hex, "{byte:02x}").unwrap();
                    hex
                })
            };
            let sql = |bytes: &[u8]| {
                format!(
                    "UPDATE entries SET bytes = x'{}' WHERE idx = {index}",
                    hex(bytes)
                )
            };
            tamper(dir.path(), &sql(&changed)).await;
            let what = integrity(dir.path()).await;
            assert!(what.starts_with(&format!("entry {index}:")), "{what}");

            let evidence = Evidence::read(&support::ledger_path(dir.path()), &vkey)
                .await
                .unwrap();
            let differing: Vec<usize> = (0..evidence.entries.len())
                .filter(|entry| leaf_hash(&evidence.entries[*entry]) != evidence.leaves[*entry])
                .collect();
            assert_eq!(differing, [index]);
            tamper(dir.path(), &sql(bytes)).await;
        }
    }
    let ledger = open(dir.path()).await.unwrap();
    ledger.audit_accounts().await.unwrap();
    assert!(ledger.evidence().await.unwrap() == before);
}

#[tokio::test]
async fn whatever_contradicts_the_log_is_refused() {
    for (change, found) in [
        ("UPDATE accounts SET spent_rho = 0", "balances"),
        ("UPDATE accounts SET cap_rho = cap_rho * 2", "balances"),
        ("DELETE FROM accounts", "balances"),
        (
            "UPDATE accounts SET spent_delta = CAST(x'ff' || substr(spent_delta, 2) AS BLOB)",
            "delta",
        ),
        ("UPDATE accounts SET scope = 'space:elsewhere'", "balances"),
        ("INSERT INTO failures VALUES (3)", "failures"),
        (
            "INSERT INTO quotas VALUES ('analyst:a', 0, zeroblob(16))",
            "limits",
        ),
        ("DELETE FROM endings WHERE reserve = 6", "endings"),
        (
            "UPDATE endings SET reserve = 3 WHERE reserve = 6",
            "endings",
        ),
        ("DELETE FROM checkpoints", "no checkpoint"),
        (
            "DELETE FROM checkpoints WHERE size = (SELECT max(size) FROM checkpoints)",
            "signs 10 entries",
        ),
        (
            "UPDATE checkpoints SET note = x'00' WHERE size = 11",
            "newest checkpoint",
        ),
        (
            "UPDATE checkpoints SET note = (SELECT note FROM checkpoints WHERE size = 10) WHERE size = 11",
            "signs 10",
        ),
        (
            "UPDATE checkpoints SET size = 12 WHERE size = 11",
            "signs 11",
        ),
        (
            "DELETE FROM entries WHERE idx = 10",
            "signs 11 entries and the store holds 10",
        ),
        ("DELETE FROM entries WHERE idx = 4", "entry 4 is missing"),
        ("UPDATE entries SET kind = 'abort' WHERE idx = 6", "entry 6"),
        ("UPDATE entries SET idx = -1 WHERE idx = 0", "negative"),
        (
            "UPDATE nodes SET hash = zeroblob(32) WHERE level = 0 AND position = 2",
            "entry 2",
        ),
        (
            "DELETE FROM nodes WHERE level = 0 AND position = 2",
            "entry 2",
        ),
        ("UPDATE nodes SET hash = x'00' WHERE level = 3", "32 bytes"),
        (
            "UPDATE nodes SET hash = zeroblob(32) WHERE level = 3",
            "nodes",
        ),
        ("DELETE FROM nodes WHERE level = 3", "node"),
        ("DROP TABLE openings", "tables or triggers"),
        (
            "CREATE TRIGGER extra AFTER INSERT ON entries BEGIN SELECT 1; END",
            "tables or triggers",
        ),
        ("PRAGMA user_version = 6", "another version"),
        ("PRAGMA application_id = 2", "not a ledger"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        used(dir.path()).await;
        if change.starts_with("UPDATE") || change.starts_with("DELETE") {
            tamper(dir.path(), change).await;
        } else {
            run(&mut raw(dir.path()).await, change).await.unwrap();
        }
        let what = integrity(dir.path()).await;
        assert!(what.contains(found), "{change}: {what}");
    }
}

#[tokio::test]
async fn a_missing_trigger_is_a_changed_store() {
    let dir = tempfile::tempdir().unwrap();
    used(dir.path()).await;
    run(&mut raw(dir.path()).await, "DROP TRIGGER entries_remain")
        .await
        .unwrap();
    assert!(integrity(dir.path()).await.contains("triggers"));
}

#[tokio::test]
async fn the_whole_audit_sees_inner_nodes_and_earlier_checkpoints() {
    for change in [
        "UPDATE nodes SET hash = zeroblob(32) WHERE level = 1 AND position = 1",
        "DELETE FROM nodes WHERE level = 1 AND position = 1",
        "INSERT INTO nodes VALUES (9, 9, zeroblob(32))",
        "UPDATE checkpoints SET note = x'00' WHERE size = 4",
        "UPDATE checkpoints SET note = (SELECT note FROM checkpoints WHERE size = 5) WHERE size = 4",
    ] {
        let dir = tempfile::tempdir().unwrap();
        used(dir.path()).await;
        tamper(dir.path(), change).await;
        let ledger = open(dir.path()).await.unwrap();
        let found = ledger.audit_accounts().await;
        assert!(
            matches!(found, Err(Error::Integrity(_))),
            "{change}: {found:?}"
        );
    }
}

/// Another program changes the balance while a ledger is open: the next decision sees it.
#[tokio::test]
async fn a_balance_changed_under_an_open_ledger_stops_it() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = create(dir.path(), 10).await;
    answer(ledger.reserve(question()).await.unwrap())
        .await
        .unwrap();
    tamper(dir.path(), "UPDATE accounts SET spent_rho = 0").await;
    let refused = ledger.reserve(question()).await.unwrap_err();
    assert!(
        matches!(refused, ReserveError::Ledger(Error::Integrity(_))),
        "{refused:?}"
    );
    // And it stays stopped, even for what would not need the purse.
    tamper(
        dir.path(),
        "UPDATE accounts SET spent_rho = (SELECT cap_rho / 10 FROM accounts)",
    )
    .await;
    assert!(matches!(
        ledger.refuse(refusal()).await,
        Err(Error::Integrity(_))
    ));
    drop(ledger);
    open(dir.path())
        .await
        .unwrap()
        .refuse(refusal())
        .await
        .unwrap();
}

/// The log of one ledger does not pass under the key of another, nor a log whose genesis was exchanged.
#[tokio::test]
async fn another_ledgers_database_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let other = tempfile::tempdir().unwrap();
    used(dir.path()).await;
    used(other.path()).await;
    std::fs::copy(database(other.path()), database(dir.path())).unwrap();
    assert!(
        integrity(dir.path())
            .await
            .contains("another origin or key")
    );
}

#[tokio::test]
async fn a_damaged_file_is_refused_or_harmless_and_never_a_panic() {
    let dir = tempfile::tempdir().unwrap();
    let before = used(dir.path()).await;
    let file = database(dir.path());
    let whole = std::fs::read(&file).unwrap();
    let mut refused = 0;
    // The header, and a stride through every page.
    let places = (0..100).chain((100..whole.len()).step_by(211));
    for (round, at) in places.enumerate() {
        let mut damaged = whole.clone();
        damaged[at] ^= [0x01, 0x80, 0xff][round % 3];
        std::fs::write(&file, &damaged).unwrap();
        match examine(dir.path()).await {
            Ok(evidence) => assert!(evidence == before, "byte {at}"),
            Err(Error::Integrity(_)) => refused += 1,
            Err(other) => panic!("byte {at}: {other:?}"),
        }
        let _ = std::fs::remove_file(file.with_extension("db-wal"));
        let _ = std::fs::remove_file(file.with_extension("db-shm"));
    }
    assert!(refused > 100, "{refused}");
    for length in [
        0,
        1,
        99,
        100,
        4096,
        5000,
        whole.len() / 2,
        whole.len() - 4096,
    ] {
        std::fs::write(&file, &whole[..length]).unwrap();
        assert!(
            matches!(examine(dir.path()).await, Err(Error::Integrity(_))),
            "{length}"
        );
    }
    std::fs::write(&file, &whole).unwrap();
    assert!(examine(dir.path()).await.unwrap() == before);
}

/// Everything that a verifier would read.
async fn examine(dir: &Path) -> Result<Evidence, Error> {
    let ledger = open(dir).await?;
    ledger.audit_accounts().await?;
    ledger.evidence().await
}

#[tokio::test]
async fn the_export_is_what_a_verifier_reads() {
    let dir = tempfile::tempdir().unwrap();
    let evidence = used(dir.path()).await;
    let ledger = open(dir.path()).await.unwrap();
    let out = dir.path().join("export");
    ledger.export(&out).await.unwrap();
    let names = |folder: &str| {
        let files = std::fs::read_dir(out.join(folder)).unwrap();
        let mut names: Vec<_> = files
            .map(|file| file.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    };
    assert_eq!(names("entries").len(), 11);
    assert_eq!(names("entries")[10], "000000010.cbor");
    assert_eq!(names("checkpoints").first().unwrap(), "000000002");
    assert_eq!(names("checkpoints").last().unwrap(), "000000011");
    assert_eq!(
        std::fs::read(out.join("entries/000000006.cbor")).unwrap(),
        evidence.entries[6]
    );
    assert_eq!(
        std::fs::read(out.join("leaves")).unwrap(),
        evidence.leaves.concat()
    );
    assert_eq!(
        std::fs::read_to_string(out.join("ledger.vkey"))
            .unwrap()
            .trim_end(),
        ledger.vkey()
    );
    let newest = std::fs::read(out.join("checkpoints/000000011")).unwrap();
    assert_eq!(Some(&newest), evidence.checkpoints.last());
    assert!(matches!(ledger.export(&out).await, Err(Error::Refused(_))));
}
