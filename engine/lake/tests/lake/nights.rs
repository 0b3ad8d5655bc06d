//! A lake that grows by a little every night does not fall into pieces.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use salus_lake::{Link, LinkState, Quarantined, Retention, Snapshot};

use crate::rows::{commit, fresh, keys, rows, stored, tree};

/// Nights: more than twice as many as there may be files of a kind.
const NIGHTS: i64 = 70;

fn line(night: i64) -> Quarantined {
    Quarantined {
        source: "clinic".into(),
        file: format!("{night}/Condition.ndjson"),
        line: 1,
        reason_code: if night % 2 == 0 {
            "broken_json"
        } else {
            "missing_id"
        }
        .into(),
        detail: String::new(),
        bytes: night.to_string().into_bytes(),
    }
}

fn files(home: &Path, dir: &str) -> usize {
    tree(&home.join(dir)).len()
}

#[tokio::test]
async fn files_do_not_pile_up() {
    let (home, lake) = fresh();
    let home = home.path().join("home");
    let transaction = lake.begin().unwrap();
    for table in ["condition", "procedure"] {
        transaction
            .append(table, rows(table, &keys(50, 2), 0))
            .unwrap();
    }
    commit(transaction).await;
    let procedures = lake.snapshot().unwrap().unwrap().tables["procedure"].clone();
    let mut expected = keys(50, 2);
    for night in 1..=NIGHTS {
        let transaction = lake.begin().unwrap();
        let name = night.to_string();
        let person = transaction
            .identity()
            .resolve_or_assign("urn:clinic", &name)
            .unwrap();
        let key = (50 + person, 1_000_000 + night);
        expected.push(key);
        transaction
            .append("condition", rows("condition", &[key], 0))
            .unwrap();
        transaction.quarantine(line(night)).unwrap();
        commit(transaction).await;
        let kept = Retention {
            newest: 2,
            history: Duration::ZERO,
            ..Retention::newest(2)
        };
        lake.vacuum(&kept).await.unwrap();
    }
    let newest = lake.snapshot().unwrap().unwrap();
    assert_eq!(newest.tables["condition"].files.len(), 1);
    assert_eq!(newest.tables["procedure"], procedures, "it was rewritten");
    assert!(newest.identity.files.len() <= 32, "{newest:?}");
    assert!(newest.quarantine.len() <= 33, "{newest:?}");
    assert_eq!(files(&home, "lake/_snapshots"), 2);
    assert!(files(&home, "quarantine") <= 34);

    // Nothing is lost, twice, or in another order.
    let lines: Vec<_> = lake
        .quarantined()
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    assert_eq!(lines, (1..=NIGHTS).map(line).collect::<Vec<_>>());
    let half = NIGHTS.cast_unsigned() / 2;
    let counts = [
        ("broken_json".to_owned(), half),
        ("missing_id".into(), half),
    ];
    assert_eq!(lake.quarantine_counts().unwrap(), BTreeMap::from(counts));
    expected.sort_unstable();
    assert_eq!(
        stored(&lake, "condition").await,
        rows("condition", &expected, 0)
    );
    // A line that is known is still known.
    let transaction = lake.begin().unwrap();
    transaction.quarantine(line(1)).unwrap();
    assert!(!commit(transaction).await.changed);
}

#[tokio::test]
async fn a_commit_that_is_given_up_leaves_no_merged_file() {
    let (home, lake) = fresh();
    for night in 1..=32 {
        let transaction = lake.begin().unwrap();
        transaction.quarantine(line(night)).unwrap();
        commit(transaction).await;
    }
    let before = tree(&home.path().join("home"));
    let snapshots = home.path().join("home/lake/_snapshots");
    // The snapshot cannot be written: its temporary file is a directory that is not empty.
    let in_the_way = snapshots.join(".0000000033.json.tmp");
    std::fs::create_dir_all(in_the_way.join("x")).unwrap();
    let transaction = lake.begin().unwrap();
    transaction.quarantine(line(33)).unwrap();
    let failed = transaction.commit(&|_| ()).await;
    assert!(failed.is_err(), "{failed:?}");
    std::fs::remove_dir_all(in_the_way).unwrap();
    // It may be named by a snapshot that is not known: a vacuum has it.
    lake.vacuum(&Retention::newest(32)).await.unwrap();
    assert_eq!(before, tree(&home.path().join("home")));
    let transaction = lake.begin().unwrap();
    transaction.quarantine(line(33)).unwrap();
    commit(transaction).await;
    let newest = lake.snapshot().unwrap().unwrap();
    assert_eq!(newest.quarantine.len(), 2);
}

#[tokio::test]
async fn events_are_merged_in_their_order() {
    let (_home, lake) = fresh();
    let transaction = lake.begin().unwrap();
    for name in 0..80 {
        let name = format!("{name}");
        transaction
            .identity()
            .resolve_or_assign("urn:clinic", &name)
            .unwrap();
    }
    commit(transaction).await;
    let mut most = 0;
    for night in 0..40 {
        let transaction = lake.begin_linking().unwrap();
        let (left, right) = (1 + 2 * night, 2 + 2 * night);
        transaction
            .say(Link {
                number: 0,
                left,
                right,
                state: LinkState::Linked,
                why: "test".into(),
                millionths: None,
                at: night,
                by: "somebody".into(),
                ids: 0,
            })
            .unwrap();
        commit(transaction).await;
        most = most.max(newest(&lake).identity.events.len());
    }
    assert_eq!(most, 32);
    let events = lake.linkage_events(&newest(&lake)).unwrap();
    let order: Vec<_> = events
        .iter()
        .map(|event| (event.number, event.left))
        .collect();
    let expected: Vec<_> = (0..40).map(|night| (night + 1, 1 + 2 * night)).collect();
    assert_eq!(order, expected);
}

fn newest(lake: &salus_lake::Lake) -> Snapshot {
    lake.snapshot().unwrap().unwrap()
}
