//! Two numbers of one person: linked, split, told apart, and what later ingests do.

use salus_lake::{Catalog, DirectRecord, Lake, Link, LinkState, Retention, Snapshot, Withheld};

use crate::rows::{commit, fresh, rows, session, sql, stored, tree};

fn link(left: i64, right: i64, state: LinkState) -> Link {
    Link {
        number: 0,
        left,
        right,
        state,
        why: "exact".into(),
        millionths: None,
        at: 0,
        by: "test".into(),
        ids: 0,
    }
}

fn record(number: i64, last_updated: i64) -> DirectRecord {
    DirectRecord {
        number,
        source: if number % 2 == 0 { "south" } else { "north" }.into(),
        source_id: format!("p{number}"),
        last_updated: Some(last_updated),
        name: Some(format!(r#"[{{"family":"Rumpelstiltskin{number}"}}]"#)),
        ..DirectRecord::default()
    }
}

/// Six patients with three conditions, an observation and its component each. Even numbers were changed later.
async fn ingest(lake: &Lake, persons: &[i64], version: i64) -> bool {
    let transaction = lake.begin().unwrap();
    for person in 1..=6_i64 {
        let name = transaction
            .identity()
            .resolve_or_assign("s", &person.to_string())
            .unwrap();
        assert_eq!(name, person);
    }
    for person in persons {
        let at = if person % 2 == 0 { 100 } else { 10 };
        transaction.note_direct(record(*person, at)).unwrap();
        let patient = [(*person, 0)];
        transaction
            .append("patient", rows("patient", &patient, version))
            .unwrap();
        let conditions: Vec<_> = (0..3).map(|n| (*person, person * 100 + n)).collect();
        transaction
            .append("condition", rows("condition", &conditions, version))
            .unwrap();
        transaction
            .append(
                "observation",
                rows("observation", &[(*person, *person)], version),
            )
            .unwrap();
        let parts = rows("observation_component", &[(*person, person * 10)], version);
        transaction.append("observation_component", parts).unwrap();
    }
    commit(transaction).await.changed
}

async fn say(lake: &Lake, links: &[Link]) {
    let transaction = lake.begin_linking().unwrap();
    for link in links {
        transaction.say(link.clone()).unwrap();
    }
    commit(transaction).await;
}

fn newest(lake: &Lake) -> Snapshot {
    lake.snapshot().unwrap().unwrap()
}

/// Persons of a table with their number of rows.
async fn counts(lake: &Lake, table: &str) -> Vec<(i64, usize)> {
    let batch = stored(lake, table).await;
    let persons = batch
        .column(0)
        .as_any()
        .downcast_ref::<arrow::array::Int64Array>()
        .unwrap();
    let mut counts: Vec<(i64, usize)> = Vec::new();
    for person in persons.values() {
        match counts.last_mut() {
            Some((last, n)) if last == person => *n += 1,
            _ => counts.push((*person, 1)),
        }
    }
    counts
}

const APART: [(i64, usize); 6] = [(1, 3), (2, 3), (3, 3), (4, 3), (5, 3), (6, 3)];

#[tokio::test]
async fn linked_rows_stand_under_one_person_and_go_back_at_a_split() {
    let (_home, lake) = fresh();
    ingest(&lake, &[1, 2, 3, 4, 5, 6], 0).await;
    let tables = [
        "patient",
        "condition",
        "observation",
        "observation_component",
    ];
    let mut before = Vec::new();
    for table in tables {
        before.push(stored(&lake, table).await);
    }
    let first = newest(&lake);

    say(
        &lake,
        &[link(5, 2, LinkState::Linked), link(3, 5, LinkState::Linked)],
    )
    .await;
    let linked = [(1, 3), (2, 9), (4, 3), (6, 3)];
    assert_eq!(counts(&lake, "condition").await, linked);
    assert_eq!(
        counts(&lake, "observation").await,
        [(1, 1), (2, 3), (4, 1), (6, 1)]
    );
    assert_eq!(
        counts(&lake, "observation_component").await,
        [(1, 1), (2, 3), (4, 1), (6, 1)]
    );
    assert_eq!(
        counts(&lake, "patient").await,
        [(1, 1), (2, 1), (4, 1), (6, 1)]
    );
    // The older snapshot is as it was, and no query sees where rows came from.
    assert_eq!(lake.linkage(&first).unwrap().members(2), [2].into());
    assert_eq!(
        lake.linkage(&newest(&lake)).unwrap().members(3),
        [2, 3, 5].into()
    );
    let hidden = session(&lake, 2)
        .sql("SELECT member_id FROM condition")
        .await;
    assert!(hidden.is_err());

    // The same export again changes nothing; a later one goes to the person.
    assert!(!ingest(&lake, &[1, 2, 3, 4, 5, 6], 0).await);
    assert!(ingest(&lake, &[5], 7).await);
    assert_eq!(counts(&lake, "condition").await, linked);
    ingest(&lake, &[5], 0).await;

    // The last number of all: rows and demographics are as before they were linked.
    let transaction = lake.begin_linking().unwrap();
    transaction.split(2, "test").unwrap();
    commit(transaction).await;
    assert_eq!(
        counts(&lake, "condition").await,
        [(1, 3), (2, 3), (3, 6), (4, 3), (6, 3)]
    );
    assert_eq!(
        lake.linkage(&newest(&lake)).unwrap().members(5),
        [3, 5].into()
    );
    let transaction = lake.begin_linking().unwrap();
    transaction.split(5, "test").unwrap();
    commit(transaction).await;
    for (table, before) in tables.iter().zip(&before) {
        assert_eq!(&stored(&lake, table).await, before, "{table}");
    }
    // Nothing is forgotten: four pairs were said apart or linked, and one link was said again for the rest.
    let events = lake.linkage_events(&newest(&lake)).unwrap();
    assert_eq!(
        events.iter().map(|event| event.number).collect::<Vec<_>>(),
        (1..=events.len() as i64).collect::<Vec<_>>()
    );
    assert_eq!(events.iter().map(|event| event.ids).max(), Some(3));
    // What was split is not linked over others either.
    let transaction = lake.begin_linking().unwrap();
    transaction.say(link(3, 1, LinkState::Linked)).unwrap();
    transaction.say(link(5, 4, LinkState::Linked)).unwrap();
    assert!(transaction.say(link(1, 4, LinkState::Linked)).is_err());
}

#[tokio::test]
async fn of_one_persons_rows_the_latest_counts() {
    let (_home, lake) = fresh();
    ingest(&lake, &[1, 2, 3], 0).await;
    let row = |batch: &arrow::array::RecordBatch, at: usize| {
        batch.slice(at, 1).project(&[1, 2, 3, 4, 5]).unwrap()
    };
    let before = stored(&lake, "patient").await;
    say(&lake, &[link(1, 2, LinkState::Linked)]).await;
    let after = stored(&lake, "patient").await;
    assert_ne!(row(&before, 0), row(&before, 1));
    assert_eq!(
        row(&after, 0),
        row(&before, 1),
        "the second was changed later"
    );
    // An older version of the other source changes nothing about it.
    ingest(&lake, &[1], 5).await;
    assert_eq!(row(&stored(&lake, "patient").await, 0), row(&before, 1));
}

#[tokio::test]
async fn a_number_that_its_source_deletes_takes_its_own_rows_along() {
    let (_home, lake) = fresh();
    ingest(&lake, &[1, 2, 3], 0).await;
    say(&lake, &[link(1, 2, LinkState::Linked)]).await;
    for (gone, left) in [(2, vec![(1, 3), (3, 3)]), (1, vec![(3, 3)])] {
        let transaction = lake.begin().unwrap();
        transaction.remove_person(gone);
        commit(transaction).await;
        assert_eq!(counts(&lake, "condition").await, left, "without {gone}");
    }
    assert_eq!(counts(&lake, "patient").await, [(3, 1)]);
    assert_eq!(counts(&lake, "observation_component").await, [(3, 1)]);
    assert_eq!(lake.direct_records().unwrap().count(), 1);
}

#[tokio::test]
async fn who_denies_under_one_number_is_kept_out_under_all() {
    let (_home, lake) = fresh();
    ingest(&lake, &[1, 2, 3], 0).await;
    let transaction = lake.begin().unwrap();
    transaction.withhold(2, Withheld::Consent { since: Some(5) });
    commit(transaction).await;
    say(&lake, &[link(1, 2, LinkState::Linked)]).await;
    assert_eq!(counts(&lake, "condition").await, [(3, 3)]);
    assert_eq!(counts(&lake, "patient").await, [(3, 1)]);
    let transaction = lake.begin().unwrap();
    assert!(transaction.withheld(1).is_some() && transaction.all_withheld().contains_key(&1));
    // A permission under the other number lifts nothing.
    transaction.readmit(1, Some(9));
    assert!(transaction.withheld(1).is_some());
    drop(transaction);
    ingest(&lake, &[1], 1).await;
    assert_eq!(counts(&lake, "condition").await, [(3, 3)]);
    let transaction = lake.begin_linking().unwrap();
    transaction.split(1, "test").unwrap();
    commit(transaction).await;
    ingest(&lake, &[1, 2], 1).await;
    assert_eq!(counts(&lake, "condition").await, [(1, 3), (3, 3)]);
}

#[tokio::test]
async fn questions_wait_and_decisions_stand() {
    let (_home, lake) = fresh();
    ingest(&lake, &[1, 2, 3, 4, 5, 6], 0).await;
    say(
        &lake,
        &[link(1, 2, LinkState::Review), link(3, 4, LinkState::Review)],
    )
    .await;
    assert_eq!(counts(&lake, "condition").await, APART);
    assert!(
        lake.linkage_events(&newest(&lake)).unwrap().is_empty(),
        "a question is no event"
    );
    say(
        &lake,
        &[link(1, 2, LinkState::Apart), link(3, 4, LinkState::Linked)],
    )
    .await;
    let number = newest(&lake).number;
    // Asked again, and said again: nothing.
    say(
        &lake,
        &[
            link(1, 2, LinkState::Review),
            link(4, 3, LinkState::Linked),
            link(1, 2, LinkState::Apart),
        ],
    )
    .await;
    assert_eq!(newest(&lake).number, number);
    let transaction = lake.begin_linking().unwrap();
    for (left, right) in [(1, 1), (0, 2), (2, 77)] {
        assert!(
            transaction
                .say(link(left, right, LinkState::Linked))
                .is_err()
        );
    }
    assert!(transaction.say(link(3, 4, LinkState::Apart)).is_err());
    assert!(transaction.split(1, "test").is_err());
    drop(transaction);
    // Rows and links are not changed together.
    let transaction = lake.begin().unwrap();
    transaction
        .append("condition", rows("condition", &[(1, 1)], 0))
        .unwrap();
    assert!(transaction.say(link(1, 5, LinkState::Linked)).is_err());
    drop(transaction);
    let transaction = lake.begin_linking().unwrap();
    transaction.say(link(1, 5, LinkState::Linked)).unwrap();
    assert!(
        transaction
            .append("condition", rows("condition", &[(1, 1)], 0))
            .is_err()
    );
}

#[tokio::test]
async fn a_linking_that_dies_leaves_no_trace() {
    let (home, lake) = fresh();
    ingest(&lake, &[1, 2, 3], 0).await;
    let before = tree(home.path());
    let transaction = lake.begin_linking().unwrap();
    transaction.say(link(1, 2, LinkState::Linked)).unwrap();
    drop(transaction);
    assert_eq!(tree(home.path()), before);
    say(&lake, &[link(1, 2, LinkState::Linked)]).await;
    // Vacuum keeps what the newest snapshot needs: a split still finds the way back.
    lake.vacuum(&Retention::newest(1)).await.unwrap();
    let lake = Lake::open(&home.path().join("home")).unwrap();
    let transaction = lake.begin_linking().unwrap();
    transaction.split(1, "test").unwrap();
    commit(transaction).await;
    assert_eq!(counts(&lake, "condition").await, [(1, 3), (2, 3), (3, 3)]);
    assert_eq!(lake.linkage_events(&newest(&lake)).unwrap().len(), 2);
}

#[tokio::test]
async fn direct_identifiers_are_apart_sealed_and_out_of_reach_of_sql() {
    let (home, lake) = fresh();
    ingest(&lake, &[1, 2, 3], 0).await;
    let number = newest(&lake).number;
    // An older record, and the same one, change nothing; a newer one does.
    let note = async |record: DirectRecord| {
        let transaction = lake.begin().unwrap();
        transaction.note_direct(record).unwrap();
        commit(transaction).await.changed
    };
    assert!(!note(record(2, 99)).await && !note(record(2, 100)).await);
    let newer = DirectRecord {
        name: Some("[]".into()),
        ..record(2, 101)
    };
    assert!(note(newer.clone()).await);
    let mut all: Vec<_> = lake.direct_records().unwrap().map(Result::unwrap).collect();
    all.sort_by_key(|record| record.number);
    assert_eq!(all, [record(1, 10), newer, record(3, 10)]);
    assert!(!format!("{all:?}").contains("Rumpelstiltskin"));
    assert_eq!(newest(&lake).number, number + 1);

    assert!(
        lake.provider(&newest(&lake), "identity").is_err()
            && lake.schema_provider("identity").is_err()
    );
    let session = session(&lake, 1);
    for table in ["identity", "direct", "links", "member_id"] {
        assert!(
            session
                .sql(&format!("SELECT * FROM {table}"))
                .await
                .is_err()
        );
    }
    let names = sql(&session, "SELECT * FROM patient").await;
    assert!(
        names
            .schema()
            .fields()
            .iter()
            .all(|field| !field.name().contains("name"))
    );
    for (path, bytes) in tree(home.path()) {
        let found = bytes.windows(15).any(|window| window == b"Rumpelstiltskin");
        assert!(!found, "{}", path.display());
    }
    // Expunged: gone from the newest files too.
    let transaction = lake.begin().unwrap();
    transaction.withhold(3, Withheld::Expunged);
    commit(transaction).await;
    let mut left: Vec<_> = lake
        .direct_records()
        .unwrap()
        .map(|record| record.unwrap().number)
        .collect();
    left.sort_unstable();
    assert_eq!((left, newest(&lake).identity.direct.len()), (vec![1, 2], 1));
}

#[tokio::test]
async fn of_whoever_was_linked_and_is_expunged_nothing_is_kept_aside() {
    let (_home, lake) = fresh();
    ingest(&lake, &[1, 2, 3, 4, 5, 6], 0).await;
    say(
        &lake,
        &[link(1, 2, LinkState::Linked), link(3, 4, LinkState::Linked)],
    )
    .await;
    let aside = |snapshot: &Snapshot| {
        let members = snapshot.identity.members.as_ref();
        members.map_or(0, |file| file.records)
    };
    assert_eq!(aside(&newest(&lake)), 4);
    let transaction = lake.begin().unwrap();
    transaction.withhold(1, Withheld::Expunged);
    commit(transaction).await;
    assert_eq!(aside(&newest(&lake)), 2);
    assert_eq!(
        counts(&lake, "patient").await,
        [(3, 1), (5, 1), (6, 1)],
        "her other number went as well"
    );
    // Nor is anything kept that comes later.
    ingest(&lake, &[1, 2], 1).await;
    assert_eq!(aside(&newest(&lake)), 2);
    assert_eq!(counts(&lake, "condition").await, [(3, 6), (5, 3), (6, 3)]);
}

/// A merge can put a row above its person's cap; what belongs to it stays, and goes back with its number at a split.
#[tokio::test]
async fn a_split_leaves_no_copy_with_the_other_where_the_parent_was_above_the_cap() {
    let home = tempfile::tempdir().unwrap();
    let observations = "max_rows_per_person: 200000\n    rows_per_person: 2048";
    let (capped, catalog) = (
        "max_rows_per_person: 1\n    rows_per_person: 1",
        Catalog::default_yaml(),
    );
    let place = catalog.find(observations).unwrap();
    let (before, behind) = catalog.split_at(place);
    let yaml = format!("{before}{capped}{}", &behind[observations.len()..]);
    let lake = Lake::create_with(&home.path().join("home"), &yaml).unwrap();
    let cap = lake.catalog().table("observation").unwrap();
    assert_eq!(cap.max_rows_per_person, 1);
    ingest(&lake, &[1, 2], 0).await;
    say(&lake, &[link(1, 2, LinkState::Linked)]).await;
    assert_eq!(counts(&lake, "observation").await, [(1, 1)]);
    assert_eq!(counts(&lake, "observation_component").await, [(1, 2)]);
    let transaction = lake.begin_linking().unwrap();
    transaction.split(2, "test").unwrap();
    commit(transaction).await;
    assert_eq!(
        counts(&lake, "observation_component").await,
        [(1, 1), (2, 1)]
    );
}

#[tokio::test]
async fn a_person_whom_several_sources_name_is_of_none_of_them() {
    let (_home, lake) = fresh();
    let transaction = lake.begin().unwrap();
    for (number, source) in [(1, "north"), (2, "south"), (3, "south"), (4, "south")] {
        let name = transaction
            .identity()
            .resolve_or_assign(source, &number.to_string());
        assert_eq!(name.unwrap(), number);
        let patient = rows("patient", &[(number, 0)], 0);
        transaction.append("patient", patient).unwrap();
    }
    commit(transaction).await;
    say(
        &lake,
        &[link(1, 2, LinkState::Linked), link(3, 4, LinkState::Linked)],
    )
    .await;
    let sources = lake.sources(&newest(&lake)).unwrap();
    assert_eq!(
        [1, 3].map(|person| sources.of(person)),
        ["(several)", "south"]
    );
}
