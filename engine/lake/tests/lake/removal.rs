//! What goes: rows by id, persons, resources that move from one person to another.

use salus_lake::{Lake, Quarantined, Retention, Withheld};

use crate::rows::{commit, fresh, ingest, keys, rows, stored, tree};

/// A denial at some moment.
const CONSENT: Withheld = Withheld::Consent { since: Some(100) };

async fn kept(lake: &Lake, table: &str) -> Vec<(i64, i64)> {
    let batch = stored(lake, table).await;
    let column = |at: usize| {
        let column = batch.column(at).as_any();
        let column = column.downcast_ref::<arrow::array::Int64Array>().unwrap();
        column.values().to_vec()
    };
    let ids = if table == "patient" {
        vec![0; batch.num_rows()]
    } else {
        column(1)
    };
    column(0).into_iter().zip(ids).collect()
}

#[tokio::test]
async fn rows_go_by_their_id_and_components_with_their_observation() {
    let (_home, lake) = fresh();
    let transaction = lake.begin().unwrap();
    let parents: Vec<(i64, i64)> = (1..=60).map(|n| (n, n)).collect();
    let parts: Vec<(i64, i64)> = (10..=609).map(|n| (n / 10, n)).collect();
    transaction
        .append("observation", rows("observation", &parents, 0))
        .unwrap();
    transaction
        .append(
            "observation_component",
            rows("observation_component", &parts, 0),
        )
        .unwrap();
    transaction
        .append("condition", rows("condition", &parents, 0))
        .unwrap();
    commit(transaction).await;

    let transaction = lake.begin().unwrap();
    transaction.remove("observation", [3, 60, 777]).unwrap();
    assert!(transaction.remove("patient", [1]).is_err());
    assert!(transaction.remove("nothing", [1]).is_err());
    assert!(commit(transaction).await.changed);
    let left = |keys: &[(i64, i64)]| -> Vec<(i64, i64)> {
        keys.iter()
            .copied()
            .filter(|(person, _)| ![3, 60].contains(person))
            .collect()
    };
    assert_eq!(kept(&lake, "observation").await, left(&parents));
    assert_eq!(kept(&lake, "observation_component").await, left(&parts));
    assert_eq!(kept(&lake, "condition").await, parents);

    // A second time there is nothing to take out, and nothing changes.
    let transaction = lake.begin().unwrap();
    transaction.remove("observation", [3, 60, 777]).unwrap();
    assert!(!commit(transaction).await.changed);
}

#[tokio::test]
async fn a_resource_that_comes_back_under_another_person_leaves_the_first() {
    let (_home, lake) = fresh();
    ingest(&lake, "observation", rows("observation", &keys(30, 2), 0)).await;
    let parts: Vec<(i64, i64)> = keys(30, 2)
        .into_iter()
        .map(|(person, id)| (person, id * 10))
        .collect();
    ingest(
        &lake,
        "observation_component",
        rows("observation_component", &parts, 0),
    )
    .await;
    let [(from, id), ..] = keys(30, 2)[..] else {
        panic!("no keys")
    };

    ingest(&lake, "observation", rows("observation", &[(25, id)], 1)).await;
    let observations = kept(&lake, "observation").await;
    assert_eq!(observations.len(), 60);
    assert!(observations.contains(&(25, id)) && !observations.contains(&(from, id)));
    assert!(
        !kept(&lake, "observation_component")
            .await
            .contains(&(from, id * 10))
    );
}

#[tokio::test]
async fn who_is_withheld_has_no_row_until_readmitted() {
    let (_home, lake) = fresh();
    for table in ["patient", "condition"] {
        let all = if table == "patient" {
            keys(20, 1)
        } else {
            keys(20, 3)
        };
        ingest(&lake, table, rows(table, &all, 0)).await;
    }
    let transaction = lake.begin().unwrap();
    transaction.withhold(7, CONSENT);
    transaction.withhold(9, Withheld::Expunged);
    assert_eq!(transaction.withheld(7), Some(CONSENT));
    assert!(commit(transaction).await.changed);
    let persons = async |table: &str| -> Vec<i64> {
        kept(&lake, table)
            .await
            .into_iter()
            .map(|key| key.0)
            .collect()
    };
    for table in ["patient", "condition"] {
        let left = persons(table).await;
        assert!(
            !left.contains(&7) && !left.contains(&9) && left.contains(&8),
            "{table}"
        );
    }

    // Whoever adds rows about them, sorted or not, adds none.
    ingest(&lake, "condition", rows("condition", &keys(20, 3), 1)).await;
    let transaction = lake.begin().unwrap();
    transaction
        .append_sorted("procedure", rows("procedure", &keys(20, 3), 1))
        .unwrap();
    transaction.readmit(9, Some(900));
    transaction.withhold(9, CONSENT);
    assert_eq!(
        transaction.withheld(9),
        Some(Withheld::Expunged),
        "who was expunged stays so"
    );
    commit(transaction).await;
    for table in ["condition", "procedure"] {
        let left = persons(table).await;
        assert!(
            !left.contains(&7) && !left.contains(&9) && left.len() == 54,
            "{table}"
        );
    }

    // Neither an earlier permission nor one without a date is later than the denial; an earlier denial changes nothing.
    let transaction = lake.begin().unwrap();
    for early in [None, Some(99), Some(100)] {
        transaction.readmit(7, early);
        transaction.withhold(7, Withheld::Consent { since: early });
        assert_eq!(transaction.withheld(7), Some(CONSENT), "{early:?}");
    }
    assert!(!commit(transaction).await.changed);

    let transaction = lake.begin().unwrap();
    transaction.readmit(7, Some(101));
    transaction
        .append("condition", rows("condition", &keys(20, 3), 1))
        .unwrap();
    commit(transaction).await;
    assert!(persons("condition").await.contains(&7));
    assert_eq!(lake.begin().unwrap().withheld(9), Some(Withheld::Expunged));
}

#[tokio::test]
async fn a_person_is_taken_out_and_may_come_again() {
    let (home, lake) = fresh();
    ingest(&lake, "condition", rows("condition", &keys(20, 3), 0)).await;
    let before = tree(home.path());
    let transaction = lake.begin().unwrap();
    transaction.remove_person(5);
    drop(transaction);
    assert_eq!(before, tree(home.path()));

    let transaction = lake.begin().unwrap();
    transaction.remove_person(5);
    transaction.remove_person(4_000);
    transaction
        .append("condition", rows("condition", &[(5, 9_999)], 0))
        .unwrap();
    commit(transaction).await;
    let fifth: Vec<_> = kept(&lake, "condition")
        .await
        .into_iter()
        .filter(|key| key.0 == 5)
        .collect();
    assert_eq!(fifth, [(5, 9_999)]);
    lake.vacuum(&Retention::newest(1)).await.unwrap();
    assert_eq!(kept(&lake, "condition").await.len(), 58);
}

#[tokio::test]
async fn a_table_can_lose_its_last_row() {
    let (_home, lake) = fresh();
    ingest(&lake, "condition", rows("condition", &keys(3, 1), 0)).await;
    let transaction = lake.begin().unwrap();
    (1..=3).for_each(|person| transaction.remove_person(person));
    assert_eq!(commit(transaction).await.tables["condition"], 0);
    ingest(&lake, "condition", rows("condition", &keys(3, 1), 0)).await;
    assert_eq!(kept(&lake, "condition").await, keys(3, 1));
}

#[tokio::test]
async fn lines_leave_quarantine_once() {
    let line = |number: u64| Quarantined {
        source: "urn:test".into(),
        file: "a.ndjson".into(),
        line: number,
        reason_code: if number.is_multiple_of(2) {
            "even"
        } else {
            "odd"
        }
        .into(),
        detail: String::new(),
        bytes: number.to_string().into_bytes(),
    };
    let (_home, lake) = fresh();
    for part in [1..=300, 301..=600] {
        let transaction = lake.begin().unwrap();
        part.for_each(|number| transaction.quarantine(line(number)).unwrap());
        commit(transaction).await;
    }
    let transaction = lake.begin().unwrap();
    assert_eq!(
        transaction
            .drop_quarantined(&mut |line| line.reason_code == "even")
            .unwrap(),
        300
    );
    assert!(transaction.drop_quarantined(&mut |_| true).is_err());
    transaction.quarantine(line(2)).unwrap();
    transaction.quarantine(line(3)).unwrap();
    commit(transaction).await;
    assert_eq!(
        lake.quarantine_counts().unwrap(),
        [("even".into(), 1), ("odd".into(), 300)].into()
    );
    let lines: Vec<u64> = lake
        .quarantined()
        .unwrap()
        .map(|line| line.unwrap().line)
        .collect();
    assert_eq!(lines.len(), 301);
    assert!(lines[..300].is_sorted() && lines[300] == 2);

    let transaction = lake.begin().unwrap();
    assert_eq!(transaction.drop_quarantined(&mut |_| false).unwrap(), 0);
    assert!(!commit(transaction).await.changed);
    let transaction = lake.begin().unwrap();
    assert_eq!(transaction.drop_quarantined(&mut |_| true).unwrap(), 301);
    commit(transaction).await;
    assert_eq!(lake.quarantined().unwrap().count(), 0);
}
