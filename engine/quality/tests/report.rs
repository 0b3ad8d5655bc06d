//! A small lake with one flaw of each kind, and the figures of it.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Date32Array, Decimal128Array, Int32Array, Int64Array, RecordBatch,
    StringArray, TimestampMicrosecondArray,
};
use arrow::datatypes::DataType;
use salus_lake::{Lake, schema};
use salus_quality::{By, Error, Finding, Options, Thresholds, local_codes, report};
use tempfile::TempDir;

const LOINC: &str = "http://loinc.org";
/// 2025-06-15.
const TODAY: i32 = 20_254;

/// One row of `table` from `column=value` cells; everything else is NULL.
fn row(table: &str, cells: &[(&str, &str)]) -> RecordBatch {
    let schema = schema(table).unwrap();
    let columns: Vec<ArrayRef> = schema
        .fields()
        .iter()
        .map(|field| {
            let cell = cells
                .iter()
                .find(|(name, _)| name == field.name())
                .map(|(_, value)| *value);
            let column: ArrayRef = match field.data_type() {
                DataType::Int64 => {
                    Arc::new(Int64Array::from(vec![cell.map(|it| it.parse().unwrap())]))
                }
                DataType::Int32 => {
                    Arc::new(Int32Array::from(vec![cell.map(|it| it.parse().unwrap())]))
                }
                DataType::Date32 => {
                    Arc::new(Date32Array::from(vec![cell.map(|it| it.parse().unwrap())]))
                }
                DataType::Boolean => {
                    Arc::new(BooleanArray::from(vec![cell.map(|it| it == "true")]))
                }
                DataType::Decimal128(precision, scale) => {
                    let value = cell.map(|it| it.parse::<i128>().unwrap() * 1_000_000);
                    let values = Decimal128Array::from(vec![value]);
                    Arc::new(values.with_precision_and_scale(*precision, *scale).unwrap())
                }
                DataType::Timestamp(..) => Arc::new(
                    TimestampMicrosecondArray::from(vec![None::<i64>]).with_timezone("UTC"),
                ),
                _ => Arc::new(StringArray::from(vec![cell])),
            };
            column
        })
        .collect();
    RecordBatch::try_new(schema, columns).unwrap()
}

fn observation(person: &str, id: &str, cells: &[(&str, &str)]) -> RecordBatch {
    let mut all = vec![
        ("person_id", person),
        ("id", id),
        ("code_system", LOINC),
        ("code", "2345-7"),
    ];
    for (name, value) in cells {
        all.retain(|(own, _)| own != name);
        all.push((name, value));
    }
    row("observation", &all)
}

/// Two persons of one source and one of another.
async fn lake() -> (TempDir, Lake) {
    let dir = tempfile::tempdir().unwrap();
    let lake = Lake::create(dir.path()).unwrap();
    let transaction = lake.begin().unwrap();
    for (system, id) in [("a", "1"), ("a", "2"), ("b", "1")] {
        transaction
            .identity()
            .resolve_or_assign(system, id)
            .unwrap();
    }
    for cells in [
        &[
            ("person_id", "1"),
            ("sex", "male"),
            ("birth_date", "0"),
            ("death_date", "20000"),
        ][..],
        &[
            ("person_id", "2"),
            ("sex", "female"),
            ("birth_date", "10000"),
            ("deprivation", "11"),
        ],
        &[
            ("person_id", "3"),
            ("sex", "robot"),
            ("birth_date", "10000"),
            ("death_date", "9000"),
        ],
    ] {
        transaction
            .append("patient", row("patient", cells))
            .unwrap();
    }
    let visit = row(
        "encounter",
        &[
            ("person_id", "1"),
            ("id", "77"),
            ("start_date", "100"),
            ("end_date", "99"),
        ],
    );
    transaction.append("encounter", visit).unwrap();
    for batch in [
        observation(
            "1",
            "1",
            &[
                ("value", "100"),
                ("unit", "mg/dL"),
                ("effective_date", "20100"),
                ("encounter_id", "77"),
            ],
        ),
        observation(
            "1",
            "2",
            &[
                ("value", "5000"),
                ("unit", "mg/dL"),
                ("effective_date", "-5"),
                ("encounter_id", "78"),
            ],
        ),
        // An encounter of somebody else is none of hers.
        observation(
            "2",
            "3",
            &[
                ("value_original", "3"),
                ("unit_original", "cubes"),
                ("effective_date", "20253"),
                ("encounter_id", "77"),
            ],
        ),
        observation(
            "2",
            "4",
            &[
                ("code", "2857-1"),
                ("value", "1"),
                ("effective_date", "20300"),
            ],
        ),
        observation(
            "3",
            "5",
            &[
                ("code", "GLU"),
                ("code_system", "urn:lab"),
                ("value", "100"),
            ],
        ),
        observation("3", "6", &[("code", "GLU"), ("code_system", "urn:lab")]),
    ] {
        transaction.append("observation", batch).unwrap();
    }
    transaction.commit(&|_| ()).await.unwrap();
    (dir, lake)
}

fn options() -> Options {
    Options {
        today: TODAY,
        ..Options::default()
    }
}

fn figure(findings: &[Finding], table: &str, column: &str, check: &str) -> (u64, u64) {
    let found: Vec<_> = findings
        .iter()
        .filter(|it| it.table == table && it.column == column && it.check == check)
        .collect();
    assert_eq!(found.len(), 1, "{table}.{column} {check}: {found:#?}");
    (found[0].failed, found[0].rows)
}

#[tokio::test]
async fn every_flaw_is_counted_once() {
    let (_dir, lake) = lake().await;
    let report = report(&lake, &options()).await.unwrap();
    for (table, column, check, failed, rows) in [
        ("patient", "death_date", "null", 1, 3),
        ("patient", "sex", "domain", 1, 3),
        ("patient", "deprivation", "domain", 1, 1),
        ("patient", "deprivation", "bounds", 1, 1),
        ("patient", "death_date", "order", 1, 2),
        ("encounter", "end_date", "order", 1, 1),
        ("observation", "value", "null", 2, 6),
        ("observation", "value", "unit", 2, 5),
        ("observation", "value", "limits", 1, 3),
        ("observation", "code_system", "system", 2, 6),
        ("observation", "encounter_id", "reference", 2, 3),
        ("observation", "effective_date", "future", 1, 4),
        ("observation", "effective_date", "before_birth", 1, 4),
        ("observation", "effective_date", "after_death", 1, 2),
        ("observation", "code", "sex", 1, 1),
    ] {
        let found = figure(&report.findings, table, column, check);
        assert_eq!(found, (failed, rows), "{table}.{column} {check}");
    }
    assert!(
        !report
            .findings
            .iter()
            .any(|it| it.rows < it.failed || it.rows == 0)
    );
}

#[tokio::test]
async fn figures_are_apart_by_source_code_and_month_and_add_up() {
    let (_dir, lake) = lake().await;
    let all = report(&lake, &options()).await.unwrap().findings;
    let by = By {
        source: true,
        code: true,
        month: true,
    };
    let apart = report(&lake, &Options { by, ..options() })
        .await
        .unwrap()
        .findings;
    for whole in &all {
        let parts = apart.iter().filter(|it| {
            (it.table, &it.column, it.check) == (whole.table, &whole.column, whole.check)
        });
        let sum = parts.fold((0, 0), |sum, it| (sum.0 + it.failed, sum.1 + it.rows));
        assert_eq!(sum, (whole.failed, whole.rows), "{whole:?}");
    }
    let null = |source: &str, code: &str, month: Option<&str>| {
        let found = apart.iter().find(|it| {
            it.table == "observation"
                && (it.column.as_str(), it.check) == ("value", "null")
                && it.source.as_deref() == Some(source)
                && it.code.as_deref() == Some(code)
                && it.month.as_deref() == month
        });
        found.map(|it| (it.failed, it.rows))
    };
    assert_eq!(null("a", "2345-7", Some("2025-06")), Some((1, 1)));
    assert_eq!(null("b", "GLU", None), Some((1, 2)));
    assert_eq!(null("b", "2345-7", None), None);

    // A filter shows the same figures as the group.
    let one = Options {
        tables: vec!["observation".into()],
        source: Some("a".into()),
        month: Some("2025-06".into()),
        code: Some("2345-7".into()),
        ..options()
    };
    let one = report(&lake, &one).await.unwrap().findings;
    assert_eq!(figure(&one, "observation", "value", "null"), (1, 1));
    assert!(one.iter().all(|it| it.table == "observation"));
}

#[tokio::test]
async fn thresholds_decide_what_is_too_much() {
    let (_dir, lake) = lake().await;
    let with = |percent: u32| Options {
        thresholds: Thresholds::from([("null".to_owned(), percent)]),
        ..options()
    };
    for (percent, over) in [(33, true), (34, false), (0, true)] {
        let findings = report(&lake, &with(percent)).await.unwrap().findings;
        let value = findings
            .iter()
            .find(|it| it.column == "value" && it.check == "null" && it.table == "observation");
        assert_eq!(value.unwrap().is_over(), over, "{percent}");
    }
}

#[tokio::test]
async fn what_there_is_not_is_refused_and_errors_quote_no_record() {
    let (_dir, lake) = lake().await;
    for odd in [
        Options {
            tables: vec!["persons".into()],
            ..options()
        },
        Options {
            source: Some("nowhere".into()),
            ..options()
        },
        Options {
            thresholds: Thresholds::from([("nonsense".to_owned(), 1)]),
            ..options()
        },
    ] {
        let error = report(&lake, &odd).await.unwrap_err();
        assert!(matches!(error, Error::Usage(_)), "{error:?}");
        assert!(!error.to_string().contains("cubes"));
    }
    let codes = local_codes(&lake, &["persons".into()]).await;
    assert!(matches!(codes, Err(Error::Usage(_))));
    let empty = tempfile::tempdir().unwrap();
    let none = Lake::create(empty.path()).unwrap();
    assert!(matches!(report(&none, &options()).await, Err(Error::Empty)));
}

#[tokio::test]
async fn local_codes_come_by_frequency() {
    let (_dir, lake) = lake().await;
    let codes = local_codes(&lake, &[]).await.unwrap();
    assert_eq!(codes.len(), 1);
    assert_eq!(
        (
            codes[0].code.as_str(),
            codes[0].system.as_deref(),
            codes[0].rows
        ),
        ("GLU", Some("urn:lab"), 2)
    );
}
