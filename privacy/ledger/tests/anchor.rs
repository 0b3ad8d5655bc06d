//! A ledger that was put back to an earlier state is not opened, and answers nothing.

mod support;

use std::fs;
use std::path::Path;
use std::sync::Arc;

use salus_ledger::anchor::{Anchor, Directory, SharedAnchor, newest};
use salus_ledger::{Error, Ledger, ReserveError, Surroundings};
use support::{answer, create_in, database, ledger_path, question, signer};

fn anchored(place: &Path) -> Surroundings {
    let anchor: SharedAnchor = Arc::new(Directory::at(place).unwrap());
    Surroundings {
        anchor: Some(anchor),
        ..Surroundings::default()
    }
}

async fn open(dir: &Path, place: &Path) -> Result<Ledger, Error> {
    Ledger::open_in(&ledger_path(dir), signer(dir), anchored(place)).await
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

/// Puts the files of `from` in the place of those in `to`, as a restored backup does.
fn restore(from: &Path, to: &Path) {
    fs::remove_dir_all(to).unwrap();
    copy(from, to);
}

fn is_rollback(error: &Error) -> bool {
    matches!(error, Error::Integrity(why) if why.contains("put back to an earlier state"))
}

/// A ledger with an anchor, one answer, and a backup from before a second one.
async fn rolled_back(dir: &Path, place: &Path) {
    let ledger = create_in(dir, 10, anchored(place)).await;
    answer(ledger.reserve(question()).await.unwrap())
        .await
        .unwrap();
    ledger.close().await.unwrap();
    copy(&ledger_path(dir), &dir.join("backup"));
    let ledger = open(dir, place).await.unwrap();
    answer(ledger.reserve(question()).await.unwrap())
        .await
        .unwrap();
    ledger.close().await.unwrap();
    restore(&dir.join("backup"), &ledger_path(dir));
}

#[tokio::test]
async fn yesterdays_database_is_not_opened() {
    let (dir, place) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    rolled_back(dir.path(), place.path()).await;
    let error = open(dir.path(), place.path()).await.unwrap_err();
    assert!(is_rollback(&error), "{error}");
    // Nothing but the anchor tells.
    Ledger::open(&ledger_path(dir.path()), signer(dir.path()))
        .await
        .unwrap();
}

#[tokio::test]
async fn a_database_that_went_on_from_yesterday_is_not_opened() {
    let (dir, place) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    rolled_back(dir.path(), place.path()).await;
    let ledger = Ledger::open(&ledger_path(dir.path()), signer(dir.path()))
        .await
        .unwrap();
    for _ in 0..3 {
        answer(ledger.reserve(question()).await.unwrap())
            .await
            .unwrap();
    }
    ledger.close().await.unwrap();
    let error = open(dir.path(), place.path()).await.unwrap_err();
    assert!(matches!(error, Error::Integrity(_)), "{error}");
}

#[tokio::test]
async fn a_running_ledger_notices_what_is_put_under_it() {
    let (dir, place) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let ledger = create_in(dir.path(), 10, anchored(place.path())).await;
    answer(ledger.reserve(question()).await.unwrap())
        .await
        .unwrap();
    ledger.close().await.unwrap();
    copy(&ledger_path(dir.path()), &dir.path().join("backup"));
    let ledger = open(dir.path(), place.path()).await.unwrap();
    let charge = ledger.reserve(question()).await.unwrap();
    answer(charge).await.unwrap();
    let size = ledger.size().await.unwrap();
    let spent = ledger.account().await.unwrap().spent.rho;
    // The bytes of the old database in the open file, and no log beside it: as a snapshot of the machine would have it.
    let old = fs::read(dir.path().join("backup/ledger.db")).unwrap();
    for beside in ["ledger.db-wal", "ledger.db-shm"] {
        let _ = fs::remove_file(ledger_path(dir.path()).join(beside));
    }
    fs::write(database(dir.path()), old).unwrap();
    // Either the change is seen as what it is and nothing is granted, or SQLite still serves the open files, which are of the newest state.
    let given = match ledger.reserve(question()).await {
        Ok(charge) => {
            assert!(charge.entry().0 >= size, "granted from the old state");
            answer(charge).await.is_ok()
        }
        Err(error) => {
            let seen = matches!(
                error,
                ReserveError::Ledger(Error::Integrity(_) | Error::Unavailable(_))
            );
            assert!(seen, "{error}");
            false
        }
    };
    drop(ledger);
    // Whatever is on the disk then is refused, unless it holds all that anybody was given.
    match open(dir.path(), place.path()).await {
        Ok(ledger) => {
            let spent_now = ledger.account().await.unwrap().spent.rho.units();
            assert_eq!(
                spent_now,
                spent.units() / 2 * if given { 3 } else { 2 },
                "something was forgotten"
            );
        }
        Err(error) => assert!(matches!(error, Error::Integrity(_)), "{error}"),
    }
}

#[tokio::test]
async fn no_answer_leaves_that_the_anchor_does_not_hold() {
    let (dir, place) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let ledger = create_in(dir.path(), 10, anchored(place.path())).await;
    for _ in 0..5 {
        let published = answer(ledger.reserve(question()).await.unwrap())
            .await
            .unwrap();
        let directory = Directory::at(place.path()).unwrap();
        let (_, record) = newest(&directory).await.unwrap().unwrap();
        let size = salus_ledger::note::Checkpoint::stated_size(&record.checkpoint).unwrap();
        assert!(size > published.entry.0);
        assert_eq!(record.spent, ledger.account().await.unwrap().spent);
    }
}

#[tokio::test]
async fn without_its_anchor_nothing_is_answered_and_nothing_is_lost() {
    let (dir, place) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let ledger = create_in(dir.path(), 10, anchored(place.path())).await;
    let before = ledger.account().await.unwrap().spent;
    let charge = ledger.reserve(question()).await.unwrap();
    // The disk of the anchor is gone: its directory cannot be made again where a file stands.
    let moved = dir.path().join("elsewhere");
    fs::rename(place.path(), &moved).unwrap();
    fs::write(place.path(), b"").unwrap();
    let error = answer(charge).await.unwrap_err();
    assert!(matches!(error, Error::Unavailable(_)), "{error}");
    assert_ne!(ledger.account().await.unwrap().spent, before);
    // It comes back: the next answer is given, and so is the one that was held back, at no cost.
    fs::remove_file(place.path()).unwrap();
    fs::rename(&moved, place.path()).unwrap();
    let again = ledger.reuse(question()).await.unwrap().unwrap();
    assert_eq!(again.cost, salus_accounting::Loss::ZERO);
    ledger.close().await.unwrap();
    open(dir.path(), place.path()).await.unwrap();
}

#[tokio::test]
async fn an_anchor_that_was_emptied_or_is_anothers_is_refused() {
    let (dir, place) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let ledger = create_in(dir.path(), 10, anchored(place.path())).await;
    ledger.close().await.unwrap();
    let empty = tempfile::tempdir().unwrap();
    let error = open(dir.path(), empty.path()).await.unwrap_err();
    assert!(matches!(error, Error::Integrity(_)), "{error}");

    let other = tempfile::tempdir().unwrap();
    let signer = salus_ledger::key::generate(&other.path().join("k"), support::ORIGIN).unwrap();
    let made = Ledger::create_in(
        &other.path().join("ledger"),
        signer,
        support::genesis(10),
        anchored(place.path()),
    )
    .await;
    assert!(matches!(made.unwrap_err(), Error::Refused(_)));
    assert!(!other.path().join("ledger/ledger.db").exists());
}

#[tokio::test]
async fn several_processes_share_an_anchor() {
    let (dir, place) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let first = create_in(dir.path(), 40, anchored(place.path())).await;
    let second = open(dir.path(), place.path()).await.unwrap();
    for _ in 0..5 {
        for ledger in [&first, &second] {
            answer(ledger.reserve(question()).await.unwrap())
                .await
                .unwrap();
        }
    }
    let ask = async |ledger: &Ledger| answer(ledger.reserve(question()).await.unwrap()).await;
    let (a, b) = tokio::join!(ask(&first), ask(&second));
    a.unwrap();
    b.unwrap();
    first.close().await.unwrap();
    second.close().await.unwrap();
    open(dir.path(), place.path())
        .await
        .unwrap()
        .audit_accounts()
        .await
        .unwrap();
}

#[tokio::test]
async fn a_record_is_created_and_never_changed() {
    let place = tempfile::tempdir().unwrap();
    let anchor = Directory::at(place.path()).unwrap();
    assert!(anchor.newest(1).await.unwrap().is_empty());
    for number in [0, 1, 999, 1000, 2001] {
        assert!(anchor.create(number, b"first").await.unwrap());
        assert!(!anchor.create(number, b"second").await.unwrap());
        assert_eq!(anchor.get(number).await.unwrap().unwrap(), b"first");
        assert_eq!(anchor.newest(1).await.unwrap(), [number]);
    }
    assert_eq!(anchor.get(5).await.unwrap(), None);
    assert_eq!(anchor.newest(3).await.unwrap(), [2001, 1000, 999]);
    // Nothing else in there counts, and nothing else is read.
    fs::write(place.path().join("00000000000000002/+99"), b"").unwrap();
    fs::create_dir(place.path().join("00000000000000002/002")).unwrap();
    assert_eq!(anchor.newest(1).await.unwrap(), [2002]);
    assert!(anchor.get(2002).await.is_err());
}

/// Files of the anchor, oldest first.
fn records(place: &Path) -> Vec<std::path::PathBuf> {
    let folder = place.join("00000000000000000");
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    files
}

#[tokio::test]
async fn an_old_record_under_a_new_name_opens_nothing() {
    let (dir, place) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    rolled_back(dir.path(), place.path()).await;
    let files = records(place.path());
    let size = |file: &std::path::PathBuf| {
        let record = salus_ledger::anchor::Record::decode(&fs::read(file).unwrap()).unwrap();
        salus_ledger::note::Checkpoint::stated_size(&record.checkpoint).unwrap()
    };
    let (newest, old) = (files.last().unwrap(), &files[files.len() - 2]);
    let folder = newest.parent().unwrap();
    // Where the next would stand, and anywhere after it: only added, nothing removed.
    for name in [size(newest), size(newest) + 5, 999] {
        let added = folder.join(format!("{name:03}"));
        fs::copy(old, &added).unwrap();
        let error = open(dir.path(), place.path()).await.unwrap_err();
        assert!(matches!(error, Error::Integrity(_)), "{name}: {error}");
        fs::remove_file(added).unwrap();
    }
    // A record that is taken out of the chain is missed.
    fs::remove_file(old).unwrap();
    assert!(open(dir.path(), place.path()).await.is_err());
}

#[tokio::test]
async fn damaged_records_open_nothing() {
    let (dir, place) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let ledger = create_in(dir.path(), 10, anchored(place.path())).await;
    ledger.close().await.unwrap();
    let newest = records(place.path()).pop().unwrap();
    let bytes = fs::read(&newest).unwrap();
    fs::remove_file(&newest).unwrap();
    for wrong in [&b""[..], &bytes[1..], &bytes[..bytes.len() - 1]] {
        fs::write(&newest, wrong).unwrap();
        let error = open(dir.path(), place.path()).await.unwrap_err();
        assert!(matches!(error, Error::Integrity(_)), "{error}");
    }
    fs::write(&newest, bytes).unwrap();
    open(dir.path(), place.path()).await.unwrap();
}

#[tokio::test]
async fn an_anchor_goes_on_over_a_new_key() {
    let (dir, place) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let ledger = create_in(dir.path(), 10, anchored(place.path())).await;
    let next = salus_ledger::key::generate(&dir.path().join("next"), support::ORIGIN).unwrap();
    ledger.rotate(next.clone()).await.unwrap();
    let path = ledger_path(dir.path());
    let ledger = Ledger::open_in(&path, next.clone(), anchored(place.path()))
        .await
        .unwrap();
    answer(ledger.reserve(question()).await.unwrap())
        .await
        .unwrap();
    ledger.close().await.unwrap();
    Ledger::open_in(&path, next, anchored(place.path()))
        .await
        .unwrap();
}
