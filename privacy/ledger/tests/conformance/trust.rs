//! Whatever is changed behind the ledger's back is found before anything is answered.

use std::time::Duration;

use salus_ledger::{EntryIndex, Error, Ledger, ReserveError, Surroundings};

use super::support::{self, answer, genesis, question, refusal};
use super::{Case, Store, verified};

/// A closed ledger with a release, an abort and a refusal: 11 entries.
async fn used(case: &Case<impl Store>) {
    let ledger = case.create(10).await;
    answer(ledger.reserve(question()).await.unwrap())
        .await
        .unwrap();
    ledger.reserve(question()).await.unwrap().abort().await;
    ledger.refuse(refusal()).await.unwrap();
    ledger.close().await.unwrap();
}

pub async fn the_store_forbids_changes_of_the_log(case: &Case<impl Store>) {
    used(case).await;
    let zero = case.store.bytes(&"00".repeat(32));
    for forbidden in [
        "UPDATE entries SET bytes = bytes WHERE idx = 3",
        "UPDATE entries SET idx = 90 WHERE idx = 3",
        "DELETE FROM entries WHERE idx = 10",
        "DELETE FROM entries",
        "INSERT INTO entries SELECT 77, kind, bytes FROM entries WHERE idx = 5",
        "INSERT INTO entries SELECT 3, kind, bytes FROM entries WHERE idx = 5",
        "INSERT INTO entries SELECT idx + 11, kind, bytes FROM entries WHERE idx IN (0, 2)",
        "INSERT INTO entries SELECT 3, kind, bytes FROM entries WHERE idx = 5 \
             ON CONFLICT (idx) DO UPDATE SET kind = 'catalog'",
        &format!("UPDATE nodes SET hash = {zero} WHERE level = 1"),
        "DELETE FROM nodes",
        &format!("INSERT INTO nodes VALUES (0, 3, {zero})"),
        "INSERT INTO nodes SELECT 0, 99, bytes FROM entries WHERE idx = 3",
        "UPDATE checkpoints SET note = note",
        "DELETE FROM checkpoints",
        "INSERT INTO checkpoints SELECT 7, note FROM checkpoints WHERE size = 8",
        "UPDATE endings SET entry = 5",
        "DELETE FROM endings",
        "INSERT INTO endings VALUES (6, 10)",
        "INSERT INTO endings VALUES (10, 7)",
        "INSERT INTO endings VALUES (100, 10)",
        "INSERT INTO failures VALUES (100)",
        "DELETE FROM failures",
        "UPDATE accounts SET spent_rho = 0",
        "UPDATE accounts SET spent_rho = cap_rho + 1",
        "UPDATE accounts SET cap_rho = cap_rho + 1",
        "UPDATE accounts SET incident = 1",
        "DELETE FROM accounts",
        "UPDATE openings SET content = salt",
        "INSERT INTO entries VALUES ('eleven', 'refuse', 'x')",
    ] {
        let refused = case.store.run(forbidden).await;
        assert!(refused.is_err(), "{forbidden}: {refused:?}");
    }
    // Texts may be erased, on record: the log says what was committed to, nothing more.
    let erase = "DELETE FROM openings WHERE name = 'question' AND entry = 6";
    assert!(case.store.run(erase).await.is_err());
    let note = "INSERT INTO erasures VALUES (6, 0)";
    assert_eq!(case.store.run(note).await, Ok(1));
    assert_eq!(case.store.run(erase).await, Ok(1));
    let ledger = case.open().await.unwrap();
    verified(&ledger).await;
    assert!(
        ledger
            .opening(EntryIndex(6), "question")
            .await
            .unwrap()
            .is_none()
    );
}

pub async fn whatever_contradicts_the_log_is_refused(case: &Case<impl Store>) {
    used(case).await;
    case.store.save().await;
    let (zero, short) = (case.store.bytes(&"00".repeat(32)), case.store.bytes("00"));
    let sixteen = case.store.bytes(&"00".repeat(16));
    for (change, found) in [
        ("UPDATE accounts SET spent_rho = 0", "balances"),
        ("UPDATE accounts SET cap_rho = cap_rho * 2", "balances"),
        ("DELETE FROM accounts", "balances"),
        ("UPDATE accounts SET scope = 'space:elsewhere'", "balances"),
        ("INSERT INTO failures VALUES (3)", "failures"),
        (
            &format!("INSERT INTO quotas VALUES ('analyst:a', 0, {sixteen})"),
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
            &format!("UPDATE checkpoints SET note = {short} WHERE size = 11"),
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
        (
            &format!("UPDATE entries SET bytes = {short} WHERE idx = 6"),
            "entry 6",
        ),
        (
            &format!("UPDATE nodes SET hash = {zero} WHERE level = 0 AND position = 2"),
            "entry 2",
        ),
        (
            "DELETE FROM nodes WHERE level = 0 AND position = 2",
            "entry 2",
        ),
        (
            &format!("UPDATE nodes SET hash = {zero} WHERE level = 3"),
            "nodes",
        ),
        ("DELETE FROM nodes WHERE level = 3", "node"),
    ] {
        case.store.tamper(change).await;
        let what = case.integrity().await;
        assert!(what.contains(found), "{change}: {what}");
        case.store.restore().await;
    }
    verified(&case.open().await.unwrap()).await;
}

pub async fn a_changed_schema_is_refused(case: &Case<impl Store>) {
    used(case).await;
    case.store.save().await;
    for change in [
        "DROP TABLE openings",
        "ALTER TABLE openings ADD COLUMN note text",
        "CREATE TABLE more (idx bigint)",
    ] {
        case.store.run(change).await.unwrap();
        let what = case.integrity().await;
        assert!(what.contains("tables or triggers"), "{change}: {what}");
        case.store.restore().await;
    }
    verified(&case.open().await.unwrap()).await;
}

pub async fn the_whole_audit_sees_inner_nodes_and_earlier_checkpoints(case: &Case<impl Store>) {
    used(case).await;
    case.store.save().await;
    let (zero, short) = (case.store.bytes(&"00".repeat(32)), case.store.bytes("00"));
    for change in [
        &format!("UPDATE nodes SET hash = {zero} WHERE level = 1 AND position = 1"),
        "DELETE FROM nodes WHERE level = 1 AND position = 1",
        &format!("INSERT INTO nodes VALUES (9, 9, {zero})"),
        &format!("UPDATE checkpoints SET note = {short} WHERE size = 4"),
        "UPDATE checkpoints SET note = (SELECT note FROM checkpoints WHERE size = 5) WHERE size = 4",
    ] {
        case.store.tamper(change).await;
        let ledger = case.open().await.unwrap();
        let found = ledger.audit_accounts().await;
        assert!(
            matches!(found, Err(Error::Integrity(_))),
            "{change}: {found:?}"
        );
        ledger.close().await.unwrap();
        case.store.restore().await;
    }
}

/// Another program changes the balance while a ledger is open: the next decision sees it, and the writer stays shut.
pub async fn a_contradiction_stops_an_open_ledger_for_good(case: &Case<impl Store>) {
    let (ledger, other) = (case.create(10).await, case.open().await.unwrap());
    answer(ledger.reserve(question()).await.unwrap())
        .await
        .unwrap();
    case.store.tamper("UPDATE accounts SET spent_rho = 0").await;
    // Somebody who has just come to write reads everything anew.
    let refused = other.reserve(question()).await.unwrap_err();
    assert!(
        matches!(refused, ReserveError::Ledger(Error::Integrity(_))),
        "{refused:?}"
    );
    // Nor does it stand in the way of others while it is shut.
    let tampering = case
        .store
        .tamper("UPDATE accounts SET spent_rho = cap_rho / 10");
    tokio::time::timeout(Duration::from_secs(10), tampering)
        .await
        .unwrap();
    let still = other.refuse(refusal()).await;
    assert!(matches!(still, Err(Error::Integrity(_))), "{still:?}");
    drop((ledger, other));
    let ledger = case.open().await.unwrap();
    ledger.refuse(refusal()).await.unwrap();
    verified(&ledger).await;
}

pub async fn an_earlier_state_is_not_opened(case: &Case<impl Store>) {
    let ledger = case.create_in(10, case.anchored()).await;
    answer(ledger.reserve(question()).await.unwrap())
        .await
        .unwrap();
    ledger.close().await.unwrap();
    case.store.save().await;
    let ledger = case.open_in(case.anchored()).await.unwrap();
    answer(ledger.reserve(question()).await.unwrap())
        .await
        .unwrap();
    ledger.close().await.unwrap();
    case.store.restore().await;
    let refused = case.open_in(case.anchored()).await;
    let Err(Error::Integrity(why)) = refused else {
        panic!("{refused:?}")
    };
    // It says what to do.
    assert!(
        why.contains("put back to an earlier state") && why.contains("Put the newest state back"),
        "{why}"
    );
    // Nor when it goes on from there.
    let ledger = Ledger::open_in(case.store.place(), case.signer(), Surroundings::default())
        .await
        .unwrap();
    for _ in 0..3 {
        answer(ledger.reserve(question()).await.unwrap())
            .await
            .unwrap();
    }
    ledger.close().await.unwrap();
    let refused = case.open_in(case.anchored()).await;
    assert!(matches!(refused, Err(Error::Integrity(_))), "{refused:?}");
}

pub async fn another_ledgers_store_is_refused(case: &Case<impl Store>) {
    let dir = tempfile::tempdir().unwrap();
    let stranger = salus_ledger::key::generate(&dir.path().join("key"), support::ORIGIN).unwrap();
    let ledger = Ledger::create(case.store.place(), stranger, genesis(5))
        .await
        .unwrap();
    ledger.close().await.unwrap();
    assert!(case.integrity().await.contains("another origin or key"));
}
