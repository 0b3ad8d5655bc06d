//! Rows for the tests, and reading them back.

use std::path::Path;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Date32Array, Decimal128Array, Int32Array, Int64Array, RecordBatch,
    StringArray, TimestampMicrosecondArray,
};
use arrow::compute::{cast, concat_batches};
use arrow::datatypes::{DataType, Schema};
use datafusion::prelude::{SessionConfig, SessionContext};
use salus_lake::{Committed, Lake, Progress, Transaction, schema};

/// A fresh lake; the directory goes with the first value.
pub(crate) fn fresh() -> (tempfile::TempDir, Lake) {
    let home = tempfile::tempdir().expect("a temporary directory");
    let lake = Lake::create(&home.path().join("home")).expect("a new lake");
    (home, lake)
}

/// Rows of `table` with the given (person, id) keys. `version` changes the content of every other column; some values are null.
pub(crate) fn rows(table: &str, keys: &[(i64, i64)], version: i64) -> RecordBatch {
    let schema = schema(table).expect(table);
    let columns = schema.fields().iter().enumerate().map(|(index, field)| {
        let number = |row: usize| {
            let (person, id) = keys[row];
            (person * 31 + id * 7 + version * 101 + index as i64).rem_euclid(1000)
        };
        let values = (0..keys.len()).map(|row| (number(row) % 5 != 0).then(|| number(row)));
        let array: ArrayRef = match (field.name().as_str(), field.data_type()) {
            ("person_id", _) => {
                Arc::new(keys.iter().map(|key| Some(key.0)).collect::<Int64Array>())
            }
            ("id", _) => Arc::new(keys.iter().map(|key| Some(key.1)).collect::<Int64Array>()),
            // Components 10 to 19 belong to observation 1, and so on.
            ("observation_id", _) => Arc::new(
                keys.iter()
                    .map(|key| Some(key.1 / 10))
                    .collect::<Int64Array>(),
            ),
            (_, DataType::Int64) => Arc::new(values.collect::<Int64Array>()),
            (_, DataType::Int32) => {
                Arc::new(values.map(|v| v.map(|v| v as i32)).collect::<Int32Array>())
            }
            (_, DataType::Date32) => {
                Arc::new(values.map(|v| v.map(|v| v as i32)).collect::<Date32Array>())
            }
            (_, DataType::Boolean) => Arc::new(
                values
                    .map(|v| v.map(|v| v % 2 == 0))
                    .collect::<BooleanArray>(),
            ),
            (_, DataType::Decimal128(precision, scale)) => Arc::new(
                values
                    .map(|v| v.map(|v| i128::from(v) * 100_000))
                    .collect::<Decimal128Array>()
                    .with_precision_and_scale(*precision, *scale)
                    .expect("a measurement"),
            ),
            (_, DataType::Timestamp(_, _)) => Arc::new(
                values
                    .map(|v| v.map(|v| v * 1_000_000))
                    .collect::<TimestampMicrosecondArray>()
                    .with_timezone("UTC"),
            ),
            _ => Arc::new(
                values
                    .map(|v| v.map(|v| format!("value {v}")))
                    .collect::<StringArray>(),
            ),
        };
        array
    });
    RecordBatch::try_new(Arc::clone(&schema), columns.collect()).expect(table)
}

/// Keys of `persons` persons with `each` rows.
pub(crate) fn keys(persons: i64, each: i64) -> Vec<(i64, i64)> {
    (1..=persons)
        .flat_map(|person| (0..each).map(move |row| (person, person * 1000 + row)))
        .collect()
}

pub(crate) async fn commit(transaction: Transaction) -> Committed {
    transaction
        .commit(&|_: Progress| ())
        .await
        .expect("a commit")
}

/// One ingest of one batch.
pub(crate) async fn ingest(lake: &Lake, table: &str, batch: RecordBatch) -> Committed {
    let transaction = lake.begin().expect("a transaction");
    transaction.append(table, batch).expect("rows");
    commit(transaction).await
}

/// A session over the newest snapshot with all tables.
pub(crate) fn session(lake: &Lake, partitions: usize) -> SessionContext {
    let session =
        SessionContext::new_with_config(SessionConfig::new().with_target_partitions(partitions));
    let snapshot = lake.snapshot().expect("snapshots").expect("a snapshot");
    for table in lake.tables() {
        let provider = lake.provider(&snapshot, table).expect(table);
        session.register_table(table, provider).expect(table);
    }
    session
}

pub(crate) async fn sql(session: &SessionContext, text: &str) -> RecordBatch {
    let frame = session.sql(text).await.expect(text);
    let schema = Arc::new(frame.schema().as_arrow().clone());
    without_views(&concat_batches(&schema, &frame.collect().await.expect(text)).expect(text))
}

/// A scan hands text out as views; the lake stores plain text.
fn without_views(rows: &RecordBatch) -> RecordBatch {
    let schema = rows.schema();
    let fields = schema.fields().iter().map(|field| match field.data_type() {
        DataType::Utf8View => field.as_ref().clone().with_data_type(DataType::Utf8),
        _ => field.as_ref().clone(),
    });
    let schema = Schema::new_with_metadata(fields.collect::<Vec<_>>(), schema.metadata().clone());
    let columns = rows.columns().iter().zip(schema.fields());
    let columns = columns.map(|(column, field)| cast(column, field.data_type()).expect("text"));
    let columns = columns.collect();
    RecordBatch::try_new(Arc::new(schema), columns).expect("the same rows")
}

/// All rows of a table as the lake stores them: one partition, file after file.
pub(crate) async fn stored(lake: &Lake, table: &str) -> RecordBatch {
    sql(&session(lake, 1), &format!("SELECT * FROM {table}")).await
}

/// Every file under `dir` with its bytes.
pub(crate) fn tree(dir: &Path) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    let mut open = vec![dir.to_path_buf()];
    while let Some(dir) = open.pop() {
        for entry in std::fs::read_dir(&dir).expect("a directory") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                open.push(path);
            } else {
                let bytes = std::fs::read(&path).expect("a file");
                found.push((path, bytes));
            }
        }
    }
    found.sort();
    found
}
