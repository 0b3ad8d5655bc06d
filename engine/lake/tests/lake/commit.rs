//! What a commit makes visible.

use std::sync::Arc;

use arrow::array::{RecordBatch, StringArray};
use salus_lake::{Error, Progress, TABLES};

use crate::rows::{commit, fresh, ingest, keys, rows, session, sql, stored, tree};

fn shuffled(mut keys: Vec<(i64, i64)>) -> Vec<(i64, i64)> {
    // A fixed permutation: the order of a multiplicative hash.
    keys.sort_by_key(|(person, id)| {
        (person * 1_000_003 + id).wrapping_mul(0x9E37_79B9_7F4A_7C15_u64 as i64)
    });
    keys
}

#[tokio::test]
async fn every_table_round_trips_sorted() {
    let (_home, lake) = fresh();
    let transaction = lake.begin().unwrap();
    for table in TABLES {
        let keys = shuffled(keys(300, if *table == "patient" { 1 } else { 3 }));
        for part in keys.chunks(100) {
            transaction.append(table, rows(table, part, 0)).unwrap();
        }
    }
    let committed = commit(transaction).await;
    assert!(committed.changed);
    assert_eq!(committed.snapshot, 1);
    for table in TABLES {
        let keys = keys(300, if *table == "patient" { 1 } else { 3 });
        assert_eq!(committed.tables[*table], keys.len() as u64);
        assert_eq!(stored(&lake, table).await, rows(table, &keys, 0), "{table}");
    }
}

#[tokio::test]
async fn the_same_ingest_again_changes_no_byte() {
    let (home, lake) = fresh();
    let fill = || async {
        let transaction = lake.begin().unwrap();
        for table in TABLES {
            let each = if *table == "patient" { 1 } else { 4 };
            transaction
                .append(table, rows(table, &shuffled(keys(500, each)), 0))
                .unwrap();
        }
        transaction
            .identity()
            .resolve_or_assign("urn:test", "p1")
            .unwrap();
        commit(transaction).await
    };
    let first = fill().await;
    let before = tree(home.path());
    let second = fill().await;
    assert!(first.changed && !second.changed);
    assert_eq!(
        (first.snapshot, &first.tables),
        (second.snapshot, &second.tables)
    );
    assert_eq!(before, tree(home.path()));
}

#[tokio::test]
async fn staged_rows_win_over_existing_rows() {
    let (_home, lake) = fresh();
    ingest(&lake, "condition", rows("condition", &keys(50, 2), 0)).await;
    let news = [(7, 7000), (7, 7001), (7, 7002), (51, 51_000)];
    let committed = ingest(&lake, "condition", rows("condition", &news, 1)).await;
    assert!(committed.changed);
    assert_eq!(committed.snapshot, 2);
    assert_eq!(committed.tables["condition"], 102);
    let session = session(&lake, 2);
    let all = sql(
        &session,
        "SELECT * FROM condition WHERE person_id IN (7, 51) ORDER BY person_id, id",
    )
    .await;
    assert_eq!(all, rows("condition", &news, 1));
    let rest = sql(
        &session,
        "SELECT * FROM condition WHERE person_id NOT IN (7, 51) ORDER BY person_id, id",
    )
    .await;
    let old: Vec<_> = keys(50, 2)
        .into_iter()
        .filter(|(person, _)| *person != 7)
        .collect();
    assert_eq!(rest, rows("condition", &old, 0));
}

#[tokio::test]
async fn a_person_given_twice_is_one_patient_and_the_later_wins() {
    let (_home, lake) = fresh();
    let transaction = lake.begin().unwrap();
    for version in 0..5 {
        transaction
            .append(
                "patient",
                rows("patient", &[(3, 0), (1, 0), (3, 0)], version),
            )
            .unwrap();
    }
    let committed = commit(transaction).await;
    assert_eq!(committed.tables["patient"], 2);
    assert_eq!(
        stored(&lake, "patient").await,
        rows("patient", &[(1, 0), (3, 0)], 4)
    );
}

#[tokio::test]
async fn a_new_observation_replaces_all_components_of_the_old() {
    let (_home, lake) = fresh();
    let first = lake.begin().unwrap();
    first
        .append(
            "observation",
            rows("observation", &[(1, 1), (1, 2), (2, 3)], 0),
        )
        .unwrap();
    let components = [(1, 10), (1, 11), (1, 20), (2, 30), (2, 31)];
    first
        .append(
            "observation_component",
            rows("observation_component", &components, 0),
        )
        .unwrap();
    commit(first).await;

    let second = lake.begin().unwrap();
    second
        .append("observation", rows("observation", &[(1, 1), (2, 3)], 1))
        .unwrap();
    second
        .append(
            "observation_component",
            rows("observation_component", &[(1, 12)], 1),
        )
        .unwrap();
    let committed = commit(second).await;
    assert_eq!(committed.tables["observation"], 3);
    let left = stored(&lake, "observation_component").await;
    let (new, old) = (
        rows("observation_component", &[(1, 12)], 1),
        rows("observation_component", &[(1, 20)], 0),
    );
    let expected = arrow::compute::concat_batches(&new.schema(), [&new, &old]).unwrap();
    assert_eq!(
        left, expected,
        "components of observations 1 and 3 are gone, those of 2 stay"
    );
}

#[tokio::test]
async fn sorted_rows_go_straight_to_the_lake() {
    let (_home, lake) = fresh();
    let transaction = lake.begin().unwrap();
    // Persons ascend over batch borders; ids within a person do not.
    let mut all = keys(400, 7);
    all.sort_by_key(|(person, id)| (*person, id % 3, -id));
    for part in all.chunks(97) {
        transaction
            .append_sorted("procedure", rows("procedure", part, 0))
            .unwrap();
    }
    commit(transaction).await;
    assert_eq!(
        stored(&lake, "procedure").await,
        rows("procedure", &keys(400, 7), 0)
    );

    // On a table with rows they are merged like any others.
    let transaction = lake.begin().unwrap();
    transaction
        .append_sorted("procedure", rows("procedure", &keys(400, 7), 0))
        .unwrap();
    assert!(!commit(transaction).await.changed);
    let transaction = lake.begin().unwrap();
    transaction
        .append_sorted("procedure", rows("procedure", &[(401, 1)], 0))
        .unwrap();
    assert_eq!(commit(transaction).await.tables["procedure"], 2801);
}

#[tokio::test]
async fn sorted_rows_that_are_not_sorted_are_refused() {
    let (_home, lake) = fresh();
    let transaction = lake.begin().unwrap();
    transaction
        .append_sorted("procedure", rows("procedure", &[(1, 1), (5, 1)], 0))
        .unwrap();
    let across = transaction.append_sorted("procedure", rows("procedure", &[(4, 1)], 0));
    assert!(matches!(across, Err(Error::Order { .. })), "{across:?}");
    let within = transaction.append_sorted("procedure", rows("procedure", &[(7, 1), (6, 1)], 0));
    assert!(matches!(within, Err(Error::Order { .. })), "{within:?}");
}

#[tokio::test]
async fn a_sorted_row_given_twice_fails_the_commit() {
    let (home, lake) = fresh();
    let empty = tree(home.path());
    let transaction = lake.begin().unwrap();
    transaction
        .append_sorted(
            "procedure",
            rows("procedure", &[(1, 1), (2, 5), (2, 5), (3, 1)], 0),
        )
        .unwrap();
    let refused = transaction.commit(&|_: Progress| ()).await;
    assert!(matches!(refused, Err(Error::Order { .. })), "{refused:?}");
    assert!(lake.snapshot().unwrap().is_none());
    assert_eq!(empty, tree(home.path()), "nothing is left of it");
}

#[tokio::test]
async fn other_schemas_are_refused() {
    let (_home, lake) = fresh();
    let transaction = lake.begin().unwrap();
    let good = rows("condition", &[(1, 1)], 0);
    let short = good.project(&[0, 1]).unwrap();
    assert!(matches!(
        transaction.append("condition", short),
        Err(Error::Usage(_))
    ));
    assert!(matches!(
        transaction.append("procedure", good.clone()),
        Err(Error::Usage(_))
    ));
    assert!(matches!(
        transaction.append("identity", good),
        Err(Error::Usage(_))
    ));
    let nobody = rows("condition", &[(0, 1)], 0);
    assert!(matches!(
        transaction.append("condition", nobody),
        Err(Error::Usage(_))
    ));
    transaction
        .append("patient", rows("patient", &[(1, 0)], 0))
        .unwrap();
    let mixed = transaction.append_sorted("patient", rows("patient", &[(2, 0)], 0));
    assert!(matches!(mixed, Err(Error::Usage(_))));
}

#[tokio::test]
async fn one_writer_at_a_time() {
    let (_home, lake) = fresh();
    let first = lake.begin().unwrap();
    assert!(matches!(lake.begin(), Err(Error::Busy)));
    drop(first);
    assert!(lake.begin().is_ok());
}

#[tokio::test]
async fn untouched_files_are_not_rewritten() {
    let (_home, lake) = fresh();
    let transaction = lake.begin().unwrap();
    for part in keys(10_000, 20).chunks(50_000) {
        transaction
            .append_sorted("observation", with_noise(&rows("observation", part, 0)))
            .unwrap();
    }
    commit(transaction).await;
    let before = pinned(&lake);
    assert!(
        before.iter().map(|file| file.size).sum::<u64>() > 16 << 20,
        "too small to be closed"
    );
    // New people come into a file of their own, and the next ones join them there.
    ingest(
        &lake,
        "observation",
        rows("observation", &[(70_000, 70_000_000)], 0),
    )
    .await;
    let one_more = pinned(&lake);
    assert_eq!(one_more[..before.len()], before[..]);
    assert_eq!(one_more.len(), before.len() + 1);
    let committed = ingest(
        &lake,
        "observation",
        rows("observation", &[(80_000, 80_000_000)], 0),
    )
    .await;
    let two_more = pinned(&lake);
    assert_eq!(two_more[..before.len()], before[..]);
    assert_eq!(two_more.len(), before.len() + 1);
    assert_eq!(
        (two_more[before.len()].rows, committed.tables["observation"]),
        (2, 200_002)
    );
}

/// The batch with texts that do not compress: 120 letters from a xorshift generator.
fn with_noise(batch: &RecordBatch) -> RecordBatch {
    let mut state = 0x2545_F491_4F6C_DD1D_u64;
    let mut letter = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        char::from(b'!' + (state >> 32) as u8 % 90)
    };
    let noise: StringArray = (0..batch.num_rows())
        .map(|_| Some((0..120).map(|_| letter()).collect::<String>()))
        .collect();
    let mut columns = batch.columns().to_vec();
    columns[batch.schema().index_of("value_text").unwrap()] = Arc::new(noise);
    RecordBatch::try_new(batch.schema(), columns).unwrap()
}

fn pinned(lake: &salus_lake::Lake) -> Vec<salus_lake::FileRef> {
    lake.snapshot().unwrap().unwrap().tables["observation"]
        .files
        .clone()
}

#[tokio::test]
async fn more_rows_than_memory_holds_are_sorted_in_runs() {
    let (_home, lake) = fresh();
    let transaction = lake.begin().unwrap();
    // Some 100 MB of rows from four threads: several runs, with every fifth row given twice.
    let all = shuffled(keys(20_000, 20));
    std::thread::scope(|scope| {
        for part in all.chunks(100_000) {
            let transaction = &transaction;
            scope.spawn(move || {
                for part in part.chunks(10_000) {
                    transaction
                        .append("observation", rows("observation", part, 9))
                        .unwrap();
                    let again: Vec<_> = part.iter().copied().step_by(5).collect();
                    transaction
                        .append("observation", rows("observation", &again, 0))
                        .unwrap();
                    transaction
                        .append("observation", rows("observation", part, 0))
                        .unwrap();
                }
            });
        }
    });
    let events = std::sync::Mutex::new(Vec::new());
    let committed = transaction
        .commit(&|event| events.lock().unwrap().push(event))
        .await
        .unwrap();
    assert_eq!(committed.tables["observation"], 400_000);
    assert_eq!(
        stored(&lake, "observation").await,
        rows("observation", &keys(20_000, 20), 0)
    );
    let events = events.into_inner().unwrap();
    assert!(events.windows(2).all(|pair| pair[0].done <= pair[1].done));
    assert!(events.iter().all(|event| event.done <= event.total));
}
