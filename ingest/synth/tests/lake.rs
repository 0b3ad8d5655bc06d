//! A population written straight into a lake.

use salus_lake::Lake;
use salus_synth::{Options, SOURCE, TABLES, patient_id_prefix, persons, table_schema, write_lake};

fn options(persons: u64) -> Options {
    Options {
        persons,
        seed: 6,
        ..Options::default()
    }
}

#[test]
fn schemas_are_the_lakes() {
    for table in TABLES {
        assert_eq!(table_schema(table), salus_lake::schema(table), "{table}");
    }
}

#[test]
fn codes_and_units_have_limits_in_the_catalog() {
    let home = tempfile::tempdir().unwrap();
    let lake = Lake::create(home.path()).unwrap();
    for measure in salus_synth::terms::measures() {
        let code = measure.concept.first();
        let known = lake.catalog().measurements.iter().any(|it| {
            it.code == code.code && it.system == code.system.url() && it.unit == measure.unit
        });
        assert!(known, "{code:?} in {} has no clinical limits", measure.unit);
    }
}

#[tokio::test]
async fn a_commit_shows_every_row_and_a_second_one_changes_nothing() {
    let home = tempfile::tempdir().unwrap();
    let lake = Lake::create(home.path()).unwrap();
    let options = options(3_000);

    let transaction = lake.begin().unwrap();
    let summary = write_lake(&options, &transaction, &|_| ()).unwrap();
    let prefix = patient_id_prefix(&options);
    let first = transaction
        .identity()
        .lookup(SOURCE, &format!("{prefix}0"))
        .unwrap();
    let committed = transaction.commit(&|_| ()).await.unwrap();
    assert!(committed.changed);
    assert!(
        committed.quarantined.is_empty(),
        "{:?}",
        committed.quarantined
    );
    for table in TABLES {
        assert_eq!(committed.tables[table], summary.counts[table], "{table}");
    }
    let observations: usize = persons(&options)
        .map(|person| person.observations.len())
        .sum();
    assert_eq!(committed.tables["observation"], observations as u64);

    let transaction = lake.begin().unwrap();
    let last = transaction
        .identity()
        .lookup(SOURCE, &format!("{prefix}2999"));
    assert_eq!(last, Some(first + 2_999));
    write_lake(&options, &transaction, &|_| ()).unwrap();
    let again = transaction.commit(&|_| ()).await.unwrap();
    assert!(!again.changed);
    assert_eq!(again.tables, committed.tables);
}
