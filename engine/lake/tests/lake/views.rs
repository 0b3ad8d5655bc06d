//! Tables that views fill: all rows of a resource are replaced together, whatever happens in between.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray as _, Int64Array, RecordBatch};
use arrow::datatypes::Int64Type;
use salus_lake::{Catalog, Error, Lake, NO_ROWS, Transaction};

use crate::rows::{fresh, session, sql};

pub(crate) const SECTION: &str = r#"
views:
  reading:
    view:
      sha256: "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
      resource: Observation
      columns: [value]
    doc: Readings.
    unit: person_id
    one_row_per_person: false
    max_rows_per_person: 1000
    rows_per_person: 6
    columns:
      person_id: { type: bigint, doc: The person. }
      resource_id: { type: bigint, doc: The resource. }
      row: { type: bigint, doc: The place. }
      value: { type: bigint, doc: A value. }
"#;

fn with_readings() -> (tempfile::TempDir, Lake) {
    let home = tempfile::tempdir().unwrap();
    let catalog = Catalog::default_yaml().to_owned() + SECTION;
    let lake = Lake::create_with(&home.path().join("home"), &catalog).unwrap();
    (home, lake)
}

/// A row: person, resource, place, value.
type Reading = (i64, i64, i64, i64);

fn append(lake: &Lake, transaction: &Transaction, rows: &[Reading]) {
    let column = |of: fn(&Reading) -> i64| -> ArrayRef {
        Arc::new(rows.iter().map(of).map(Some).collect::<Int64Array>())
    };
    let columns = vec![
        column(|r| r.0),
        column(|r| r.1),
        column(|r| r.2),
        column(|r| r.3),
    ];
    let batch = RecordBatch::try_new(lake.schema("reading").unwrap(), columns).unwrap();
    transaction.append("reading", batch).unwrap();
}

async fn stored(lake: &Lake) -> Vec<Reading> {
    let batch = sql(&session(lake, 1), "SELECT * FROM reading").await;
    let column = |at: usize| {
        batch
            .column(at)
            .as_primitive::<Int64Type>()
            .values()
            .to_vec()
    };
    let columns: Vec<_> = (0..4).map(column).collect();
    (0..batch.num_rows())
        .map(|row| {
            (
                columns[0][row],
                columns[1][row],
                columns[2][row],
                columns[3][row],
            )
        })
        .collect()
}

/// Numbers that repeat.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: i64) -> i64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as i64) % bound
    }
}

/// By resource: its person and the values of its rows.
type Resources = BTreeMap<i64, (i64, Vec<i64>)>;

/// Against a model: resources come with any number of rows, also none, move, are deleted, and come again as they were.
#[tokio::test]
async fn a_lake_of_views_is_what_was_last_said_of_each_resource() {
    for seed in 0..6 {
        let (_home, lake) = with_readings();
        let mut dice = Dice(seed);
        let mut model: Resources = BTreeMap::new();
        for _ in 0..8 {
            let transaction = lake.begin().unwrap();
            let mut said = Resources::new();
            for _ in 0..dice.below(12) {
                let rows = dice.below(5) as usize;
                let values = (0..rows).map(|_| dice.below(3)).collect();
                said.insert(dice.below(15), (1 + dice.below(5), values));
            }
            let deleted: Vec<i64> = (0..dice.below(3)).map(|_| dice.below(15)).collect();
            transaction
                .remove("reading", deleted.iter().copied())
                .unwrap();
            model.retain(|resource, _| !deleted.contains(resource));
            let gone = (dice.below(6) == 0).then(|| 1 + dice.below(5));
            if let Some(person) = gone {
                transaction.remove_person(person);
                model.retain(|_, (of, _)| *of != person);
            }
            let mut batch = Vec::new();
            for (resource, (person, values)) in &said {
                let rows = (0..)
                    .zip(values)
                    .map(|(row, value)| (*person, *resource, row, *value));
                batch.extend(rows);
                if values.is_empty() {
                    batch.push((*person, *resource, NO_ROWS, 0));
                }
            }
            // In any order.
            for at in (1..batch.len()).rev() {
                batch.swap(at, dice.below(at as i64 + 1) as usize);
            }
            for part in batch.chunks(3) {
                append(&lake, &transaction, part);
            }
            model.extend(said);
            transaction.commit(&|_| ()).await.unwrap();
            let mut expected: Vec<Reading> = Vec::new();
            for (resource, (person, values)) in &model {
                expected.extend(
                    (0..)
                        .zip(values)
                        .map(|(row, value)| (*person, *resource, row, *value)),
                );
            }
            expected.sort_unstable();
            assert_eq!(stored(&lake).await, expected, "seed {seed}");
            // The same again changes nothing.
            let transaction = lake.begin().unwrap();
            append(&lake, &transaction, &expected);
            assert!(!transaction.commit(&|_| ()).await.unwrap().changed);
        }
    }
}

/// Set in a child process: the home of the lake in which it dies while committing.
const DIE_IN: &str = "SALUS_TEST_DIE_IN_VIEWS";

#[tokio::test]
async fn a_process_that_dies_leaves_the_rows_as_they_were() {
    if let Ok(home) = std::env::var(DIE_IN) {
        let lake = Lake::open(std::path::Path::new(&home)).unwrap();
        let transaction = lake.begin().unwrap();
        append(&lake, &transaction, &[(1, 1, NO_ROWS, 0), (2, 2, 0, 9)]);
        let _ = transaction.commit(&|_| std::process::abort()).await;
        unreachable!("the child must have died");
    }
    let (home, lake) = with_readings();
    let transaction = lake.begin().unwrap();
    let rows = [(1, 1, 0, 5), (1, 1, 1, 6), (2, 2, 0, 7)];
    append(&lake, &transaction, &rows);
    transaction.commit(&|_| ()).await.unwrap();
    let died = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "views::a_process_that_dies_leaves_the_rows_as_they_were",
        ])
        .env(DIE_IN, home.path().join("home"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .unwrap();
    assert!(!died.success());
    assert_eq!(stored(&lake).await, rows);
    let transaction = lake.begin().unwrap();
    append(&lake, &transaction, &[(1, 1, NO_ROWS, 0)]);
    transaction.commit(&|_| ()).await.unwrap();
    assert_eq!(stored(&lake).await, [(2, 2, 0, 7)]);
}

#[tokio::test]
async fn rows_above_the_cap_go_to_quarantine() {
    let (_home, lake) = with_readings();
    let transaction = lake.begin().unwrap();
    let rows: Vec<Reading> = (0..1005).map(|row| (1, 7, row, row)).collect();
    append(&lake, &transaction, &rows);
    let committed = transaction.commit(&|_| ()).await.unwrap();
    assert_eq!(committed.quarantined["person_row_cap"], 5);
    assert_eq!(stored(&lake).await, rows[..1000]);
}

/// Somebody else adds a view while an ingest waits for its server: its snapshot would not have the table.
#[tokio::test]
async fn a_lake_whose_catalog_was_changed_begins_nothing() {
    let (home, lake) = with_readings();
    let place = home.path().join("home");
    let other = Lake::open(&place).unwrap();
    let dropped = other.drop_view("reading").unwrap();
    let refused = lake.begin().unwrap_err().to_string();
    assert!(refused.contains("run the command again"), "{refused}");
    dropped.begin().unwrap();
}

#[test]
fn sections_that_do_not_fit_are_refused() {
    let refused = |from: &str, to: &str| {
        let changed = SECTION.replace(from, to);
        assert_ne!(changed, SECTION, "{from}");
        match Catalog::parse(&(Catalog::default_yaml().to_owned() + &changed)) {
            Err(Error::Catalog(what)) => what,
            other => panic!("{to}: {other:?}"),
        }
    };
    for (from, to, said) in [
        ("  reading:", "  condition:", "already"),
        ("  reading:", "  select:", "word of SQL"),
        (
            "columns: [value]",
            "columns: [value, other]",
            "columns.other: is missing",
        ),
        ("columns: [value]", "columns: []", "1 to 256"),
        ("columns: [value]", "columns: [row]", "every table"),
        (
            "      value: {",
            "      values: {",
            "columns.value: is missing",
        ),
        (
            "      row: { type: bigint, doc: The place. }\n",
            "",
            "columns.row: is missing",
        ),
        (
            "row: { type: bigint",
            "row: { type: text",
            "the lake stores bigint",
        ),
        ("\"0123456789abcdef", "\"X123456789abcdef", "hexadecimal"),
        ("unit: person_id", "unit: resource_id", "unit"),
        (
            "rows_per_person: 6",
            "rows_per_person: 6000",
            "rows_per_person",
        ),
        (
            "one_row_per_person: false",
            "one_row_per_person: true",
            "one_row_per_person",
        ),
    ] {
        let what = refused(from, to);
        assert!(what.contains(said), "{to}: {what}");
    }
    let under_tables = Catalog::default_yaml().replace(
        "  encounter:\n",
        "  encounter:\n    view: { sha256: a, resource: Encounter, columns: [a] }\n",
    );
    assert!(
        Catalog::parse(&under_tables)
            .unwrap_err()
            .to_string()
            .contains("`views`")
    );
    // The lakes of other tests have no views.
    let (_home, lake) = fresh();
    assert!(lake.view("reading").is_none() && lake.schema("reading").is_none());
}
