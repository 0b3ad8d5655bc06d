//! What is left when an ingest dies: the snapshot before.

use std::process::{Command, Stdio};
use std::time::Duration;

use salus_lake::{Lake, Retention};

use crate::rows::{commit, fresh, ingest, keys, rows, session, sql, stored, tree};

/// Set in a child process: the home of the lake in which it dies while committing.
const DIE_IN: &str = "SALUS_TEST_DIE_IN";

#[tokio::test]
async fn a_dropped_transaction_leaves_no_trace() {
    let (home, lake) = fresh();
    ingest(&lake, "condition", rows("condition", &keys(10, 1), 0)).await;
    let before = tree(home.path());
    let transaction = lake.begin().unwrap();
    transaction
        .append("condition", rows("condition", &keys(500, 5), 1))
        .unwrap();
    transaction
        .append_sorted("procedure", rows("procedure", &keys(500, 5), 1))
        .unwrap();
    transaction
        .identity()
        .resolve_or_assign("urn:test", "somebody")
        .unwrap();
    drop(transaction);
    assert_eq!(before, tree(home.path()));
}

#[tokio::test]
async fn a_process_that_dies_in_commit_leaves_the_old_snapshot() {
    if let Ok(home) = std::env::var(DIE_IN) {
        // The child: dies as soon as the merge reports progress.
        let lake = Lake::open(std::path::Path::new(&home)).unwrap();
        let transaction = lake.begin().unwrap();
        transaction
            .append("condition", rows("condition", &keys(5000, 5), 1))
            .unwrap();
        transaction
            .identity()
            .resolve_or_assign("urn:test", "two")
            .unwrap();
        let _ = transaction.commit(&|_| std::process::abort()).await;
        unreachable!("the child must have died");
    }
    let (home, lake) = fresh();
    let transaction = lake.begin().unwrap();
    transaction
        .append("condition", rows("condition", &keys(10, 1), 0))
        .unwrap();
    assert_eq!(
        transaction
            .identity()
            .resolve_or_assign("urn:test", "one")
            .unwrap(),
        1
    );
    commit(transaction).await;
    let before = lake.snapshot().unwrap();

    let name = "crash::a_process_that_dies_in_commit_leaves_the_old_snapshot";
    let child = Command::new(std::env::current_exe().unwrap())
        .args([name, "--exact"])
        .env(DIE_IN, home.path().join("home"))
        .output()
        .unwrap();
    assert!(!child.status.success());
    assert_eq!(lake.snapshot().unwrap(), before);
    assert_eq!(
        stored(&lake, "condition").await,
        rows("condition", &keys(10, 1), 0)
    );

    // The lock went with the process, its rows are gone, and its person id was never given.
    let transaction = lake.begin().unwrap();
    assert_eq!(transaction.identity().lookup("urn:test", "two"), None);
    assert_eq!(
        transaction
            .identity()
            .resolve_or_assign("urn:test", "three")
            .unwrap(),
        2
    );
    transaction
        .append("condition", rows("condition", &keys(20, 1), 0))
        .unwrap();
    assert_eq!(commit(transaction).await.tables["condition"], 20);
    lake.vacuum(&Retention::newest(2)).await.unwrap();
    assert_eq!(lake.snapshot_at(1).unwrap(), before.unwrap());
    assert_eq!(
        stored(&lake, "condition").await,
        rows("condition", &keys(20, 1), 0)
    );
}

#[tokio::test]
async fn killed_at_any_moment_every_snapshot_is_whole() {
    let everybody = keys(3000, 3);
    if let Ok(home) = std::env::var(DIE_IN) {
        // The child: snapshot after snapshot, until it is killed.
        let lake = Lake::open(std::path::Path::new(&home)).unwrap();
        loop {
            let transaction = lake.begin().unwrap();
            let number = lake
                .snapshot()
                .unwrap()
                .map_or(0, |snapshot| snapshot.number)
                + 1;
            let person = transaction
                .identity()
                .resolve_or_assign("urn:test", &number.to_string())
                .unwrap();
            assert_eq!(person, number as i64);
            for table in ["condition", "procedure"] {
                transaction
                    .append(table, rows(table, &everybody, number as i64))
                    .unwrap();
            }
            commit(transaction).await;
        }
    }
    let (home, lake) = fresh();
    let home = home.path().join("home");
    let mut committed = 0;
    for round in 0..8_u64 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([
                "crash::killed_at_any_moment_every_snapshot_is_whole",
                "--exact",
            ])
            .env(DIE_IN, &home)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        // Let it commit at least once, then stop it somewhere in the next commits.
        while lake
            .snapshot()
            .unwrap()
            .map_or(0, |snapshot| snapshot.number)
            <= committed
        {
            assert!(
                child.try_wait().unwrap().is_none(),
                "the child failed by itself"
            );
            std::thread::sleep(Duration::from_millis(5));
        }
        std::thread::sleep(Duration::from_millis(37 * round));
        child.kill().unwrap();
        child.wait().unwrap();

        let number = lake.snapshot().unwrap().unwrap().number;
        assert!(number > committed);
        committed = number;
        for table in ["condition", "procedure"] {
            assert_eq!(
                stored(&lake, table).await,
                rows(table, &everybody, number as i64)
            );
        }
        let transaction = lake.begin().unwrap();
        assert_eq!(
            transaction
                .identity()
                .lookup("urn:test", &number.to_string()),
            Some(number as i64)
        );
        assert_eq!(
            transaction
                .identity()
                .lookup("urn:test", &(number + 1).to_string()),
            None
        );
    }
    lake.vacuum(&Retention::newest(1)).await.unwrap();
    for table in ["condition", "procedure"] {
        assert_eq!(active_delta_files(&home, table), pinned_files(&lake, table));
        assert_eq!(
            stored(&lake, table).await,
            rows(table, &everybody, committed as i64)
        );
    }
}

#[tokio::test]
async fn a_commit_that_died_before_its_snapshot_is_undone_by_the_next() {
    let (home, lake) = fresh();
    let home = home.path().join("home");
    ingest(&lake, "condition", rows("condition", &keys(10, 1), 0)).await;
    ingest(&lake, "condition", rows("condition", &keys(30, 1), 1)).await;
    // Exactly what a crash between the Delta commit and the rename of the snapshot leaves.
    std::fs::remove_file(home.join("lake/_snapshots/0000000002.json")).unwrap();

    assert_eq!(
        stored(&lake, "condition").await,
        rows("condition", &keys(10, 1), 0)
    );
    let again = ingest(&lake, "condition", rows("condition", &keys(20, 1), 2)).await;
    assert_eq!((again.snapshot, again.tables["condition"]), (2, 20));
    assert_eq!(
        stored(&lake, "condition").await,
        rows("condition", &keys(20, 1), 2)
    );
    assert_eq!(
        active_delta_files(&home, "condition"),
        pinned_files(&lake, "condition")
    );

    let removed = lake.vacuum(&Retention::newest(1)).await.unwrap();
    assert_eq!(
        removed.files, 2,
        "the files of snapshot 1 and of the lost one"
    );
    assert_eq!(
        stored(&lake, "condition").await,
        rows("condition", &keys(20, 1), 2)
    );
}

#[tokio::test]
async fn vacuum_keeps_what_snapshots_name() {
    let (_home, lake) = fresh();
    for version in 0..3 {
        ingest(&lake, "condition", rows("condition", &keys(10, 1), version)).await;
    }
    assert!(lake.vacuum(&Retention::newest(0)).await.is_err());
    assert_eq!(lake.vacuum(&Retention::newest(2)).await.unwrap().files, 1);
    assert!(lake.snapshot_at(1).is_err());
    let old = lake.snapshot_at(2).unwrap();
    let session = session(&lake, 1);
    session.deregister_table("condition").unwrap();
    session
        .register_table("condition", lake.provider(&old, "condition").unwrap())
        .unwrap();
    assert_eq!(
        sql(&session, "SELECT * FROM condition").await,
        rows("condition", &keys(10, 1), 1)
    );
}

fn pinned_files(lake: &Lake, table: &str) -> Vec<String> {
    let snapshot = lake.snapshot().unwrap().unwrap();
    snapshot.tables[table]
        .files
        .iter()
        .map(|file| file.path.clone())
        .collect()
}

/// The active files by a reading of the Delta log's JSON that shares nothing with the library.
fn active_delta_files(home: &std::path::Path, table: &str) -> Vec<String> {
    let mut active = std::collections::BTreeSet::new();
    let log = tree(&home.join("lake").join(table).join("_delta_log"));
    for (_, bytes) in log
        .into_iter()
        .filter(|(path, _)| path.extension().is_some_and(|e| e == "json"))
    {
        for line in String::from_utf8(bytes).unwrap().lines() {
            let action: serde_json::Value = serde_json::from_str(line).unwrap();
            if let Some(path) = action["add"]["path"].as_str() {
                active.insert(path.to_string());
            }
            if let Some(path) = action["remove"]["path"].as_str() {
                active.remove(path);
            }
        }
    }
    active.into_iter().collect()
}
