//! Readers and vacuum agree.

use std::time::Duration;

use salus_lake::{Error, Lake, Retention, Vacuumed};

use crate::rows::{fresh, ingest, keys, rows, session, sql};

/// A lake with two snapshots, of which a vacuum removes the first.
async fn two_snapshots() -> (tempfile::TempDir, Lake) {
    let (home, lake) = fresh();
    for version in 1..=2 {
        ingest(&lake, "condition", rows("condition", &keys(10, 1), version)).await;
    }
    (home, lake)
}

fn waiting(milliseconds: u64) -> Retention {
    Retention {
        patience: Duration::from_millis(milliseconds),
        ..Retention::newest(1)
    }
}

#[tokio::test]
async fn what_is_read_stays_until_it_was_read() {
    let (_home, lake) = two_snapshots().await;
    let old = lake.snapshot_at(1).unwrap();
    let reading = lake.reading_of(&old).unwrap();
    let refused = lake.vacuum(&waiting(50)).await;
    assert!(matches!(refused, Err(Error::BeingRead)), "{refused:?}");
    // Nothing went: neither the name nor the rows.
    assert_eq!(lake.snapshot_at(1).unwrap(), old);
    let session = session(&lake, 1);
    session.deregister_table("condition").unwrap();
    let provider = lake.provider(&old, "condition").unwrap();
    session.register_table("condition", provider).unwrap();
    assert_eq!(
        sql(&session, "SELECT * FROM condition").await,
        rows("condition", &keys(10, 1), 1)
    );

    drop(reading);
    let vacuumed = lake.vacuum(&waiting(50)).await.unwrap();
    assert_eq!((vacuumed.snapshots, vacuumed.files), (1, 1));
    assert!(matches!(lake.reading_of(&old), Err(Error::Gone)));
    let newest = lake.snapshot().unwrap().unwrap();
    lake.reading_of(&newest).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_vacuum_that_waits_is_not_overtaken_by_later_readers() {
    let (_home, lake) = two_snapshots().await;
    let first = lake.reading().unwrap();
    let vacuum = tokio::spawn({
        let lake = lake.clone();
        async move { lake.vacuum(&waiting(60_000)).await }
    });
    // Readers come and go without a pause, as many at a time as would keep a lock shared for ever.
    let readers: Vec<_> = (0..4)
        .map(|_| {
            let lake = lake.clone();
            std::thread::spawn(move || {
                while lake.snapshot_at(1).is_ok() {
                    let reading = lake.reading().unwrap();
                    std::thread::sleep(Duration::from_millis(30));
                    drop(reading);
                }
            })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(!vacuum.is_finished(), "it took away what was being read");
    drop(first);
    let vacuumed = vacuum.await.unwrap().unwrap();
    assert_eq!(vacuumed.snapshots, 1);
    for reader in readers {
        reader.join().unwrap();
    }
}

#[tokio::test]
async fn a_vacuum_that_gave_up_leaves_the_way_in_free() {
    let (_home, lake) = two_snapshots().await;
    let first = lake.reading().unwrap();
    assert!(lake.vacuum(&waiting(20)).await.is_err());
    let second = lake.reading().unwrap();
    drop((first, second));
    lake.vacuum(&waiting(20)).await.unwrap();
}

#[tokio::test]
async fn where_nothing_goes_nobody_is_waited_for() {
    let (_home, lake) = two_snapshots().await;
    lake.vacuum(&waiting(20)).await.unwrap();
    let _reading = lake.reading().unwrap();
    assert_eq!(
        lake.vacuum(&waiting(20)).await.unwrap(),
        Vacuumed::default()
    );
}

#[tokio::test]
async fn what_was_the_newest_lately_stays() {
    let (home, lake) = fresh();
    let file = |number: u64| {
        let name = format!("lake/_snapshots/{number:010}.json");
        home.path().join("home").join(name)
    };
    let now = std::time::SystemTime::now();
    // Snapshot 1 is of ten days ago, 2 of eight, 3 of six, 4 and 5 of today.
    for (number, age) in [(1, 10), (2, 8), (3, 6), (4, 0), (5, 0)] {
        let version = i64::try_from(number).unwrap();
        ingest(&lake, "condition", rows("condition", &keys(10, 1), version)).await;
        let opened = std::fs::File::options().append(true).open(file(number));
        let written = now - Duration::from_hours(24 * age);
        opened.unwrap().set_modified(written).unwrap();
    }
    let week = Retention {
        history: Duration::from_hours(24 * 7),
        ..waiting(20)
    };
    let dry = Retention {
        dry_run: true,
        ..week.clone()
    };
    let told = lake.vacuum(&dry).await.unwrap();
    assert_eq!((told.snapshots, told.files), (1, 1));
    assert!(lake.snapshot_at(1).is_ok());
    assert_eq!(lake.vacuum(&week).await.unwrap(), told);
    // Seven days ago snapshot 2 was the newest; so it stays.
    assert!(lake.snapshot_at(1).is_err());
    assert!(lake.snapshot_at(2).is_ok());

    // A clock that was put back keeps nothing that nobody asked to keep.
    let tomorrow = std::fs::File::options().append(true).open(file(5));
    let ahead = now + Duration::from_hours(48);
    tomorrow.unwrap().set_modified(ahead).unwrap();
    assert_eq!(lake.vacuum(&waiting(20)).await.unwrap().snapshots, 3);
}
