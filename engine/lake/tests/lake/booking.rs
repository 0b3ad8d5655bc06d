//! What a lake says of the ledger that its answers are booked in.

use std::fs;
use std::path::Path;

use salus_lake::{Booking, Error, Lake, LedgerName, Snapshot};

use crate::bucket::{fresh_in, open, server::Server};
use crate::rows::{commit, fresh, rows, tree};

fn named(origin: &str, byte: u8) -> LedgerName {
    LedgerName {
        origin: origin.into(),
        beginning: [byte; 32],
    }
}

fn booking(lake: &Lake) -> Booking {
    lake.booking().unwrap().expect("a ledger")
}

/// One is first, the newest counts, and whoever has seen an older one is told.
fn is_said_once(lake: &Lake) {
    assert_eq!(lake.booking().unwrap(), None);
    let (first, second) = (
        named("salus.example/2026", 1),
        named("salus.example/2027", 2),
    );
    lake.book(None, &first).unwrap();
    assert_eq!(*booking(lake).ledger(), first);
    assert!(matches!(lake.book(None, &second), Err(Error::Overtaken)));
    let before = booking(lake);
    lake.book(Some(&before), &second).unwrap();
    assert_eq!(*booking(lake).ledger(), second);
    let refused = lake.book(Some(&before), &first);
    assert!(matches!(refused, Err(Error::Overtaken)));
    assert_eq!(*booking(lake).ledger(), second);
}

#[test]
fn a_lake_names_one_ledger() {
    let (home, lake) = fresh();
    is_said_once(&lake);
    let again = Lake::open(&home.path().join("home")).unwrap();
    assert_eq!(booking(&again), booking(&lake));
}

#[tokio::test]
async fn a_lake_in_a_bucket_names_one_ledger() {
    let Some(server) = Server::start() else {
        return;
    };
    let bucket = server.bucket("booked");
    let (home, lake) = fresh_in(&bucket);
    is_said_once(&lake);
    assert_eq!(booking(&open(home.path(), &bucket)), booking(&lake));
}

#[test]
fn of_many_at_once_one_is_first() {
    let (_home, lake) = fresh();
    let book = |byte: u8| {
        let lake = lake.clone();
        std::thread::spawn(move || (byte, lake.book(None, &named("salus.example", byte))))
    };
    let booked: Vec<_> = (0..16).map(book).collect();
    let booked = booked.into_iter().map(|thread| thread.join().unwrap());
    let mut first = Vec::new();
    for (byte, outcome) in booked {
        match outcome {
            Ok(()) => first.push(byte),
            Err(error) => assert!(matches!(error, Error::Overtaken), "{error}"),
        }
    }
    assert_eq!(first.len(), 1);
    assert_eq!(booking(&lake).ledger().beginning, [first[0]; 32]);
}

#[test]
fn no_byte_of_it_is_changed() {
    let (home, lake) = fresh();
    lake.book(None, &named("salus.example/2026", 1)).unwrap();
    let file = home.path().join("home/lake/_ledger/0000000001.json");
    let bytes = fs::read(&file).unwrap();
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        write(&file, &changed);
        assert!(lake.booking().is_err(), "byte {at}");
    }
    write(&file, &bytes);
    assert!(lake.booking().is_ok());
    // Nor is it said again under another number, or by another lake.
    let later = file.with_file_name("0000000002.json");
    write(&later, &bytes);
    assert!(matches!(lake.booking(), Err(Error::Corrupt(_))));
    let (other, stranger) = fresh();
    let place = other.path().join("home/lake/_ledger");
    fs::create_dir(&place).unwrap();
    write(&place.join("0000000001.json"), &bytes);
    assert!(matches!(stranger.booking(), Err(Error::Key(_))));
}

fn write(file: &Path, bytes: &[u8]) {
    let _ = fs::remove_file(file);
    fs::write(file, bytes).unwrap();
}

async fn committed(lake: &Lake, person: i64) -> Snapshot {
    let transaction = lake.begin().unwrap();
    let batch = rows("condition", &[(person, person)], 0);
    transaction.append("condition", batch).unwrap();
    commit(transaction).await;
    lake.snapshot().unwrap().unwrap()
}

#[tokio::test]
async fn a_snapshot_has_the_mark_of_the_one_that_it_follows() {
    let (home, lake) = fresh();
    let (own, other) = (named("salus.example", 1), named("salus.example", 2));
    let before = committed(&lake, 1).await;
    assert!(!lake.is_marked(&before, &own).unwrap());
    lake.book(None, &own).unwrap();
    // What was there before has none, and what follows from it neither.
    let second = committed(&lake, 2).await;
    assert!(!lake.is_marked(&second, &own).unwrap());
    lake.mark(&second, &own).unwrap();
    lake.mark(&second, &own).unwrap();
    let third = committed(&lake, 3).await;
    assert!(lake.is_marked(&third, &own).unwrap());
    assert!(!lake.is_marked(&third, &other).unwrap());
    // Where another ledger is named, it does not take over what is not its own.
    let booking = booking(&lake);
    lake.book(Some(&booking), &other).unwrap();
    let fourth = committed(&lake, 4).await;
    for ledger in [&own, &other] {
        assert!(!lake.is_marked(&fourth, ledger).unwrap());
    }
    let mark = tree(&home.path().join("home/lake/_ledger"))
        .into_iter()
        .find(|(path, _)| path.extension().is_some_and(|end| end == "mark"));
    let (file, bytes) = mark.unwrap();
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        write(&file, &changed);
        let marked = [&second, &third].map(|snapshot| lake.is_marked(snapshot, &own));
        assert!(marked.iter().any(Result::is_err), "byte {at}");
    }
}
