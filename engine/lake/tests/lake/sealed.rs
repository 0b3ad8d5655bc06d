//! At rest nothing of a row can be read without the master key.

use std::fs;
use std::path::Path;

use arrow::array::RecordBatch;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use salus_lake::{Error, Lake, Quarantined};

use crate::rows::{commit, fresh, rows, stored, tree};

/// In a text column, an identifier, a quarantined line and its detail.
const CANARY: &str = "Canary-Smith-4711";

async fn filled() -> (tempfile::TempDir, Lake) {
    let (home, lake) = fresh();
    let transaction = lake.begin().unwrap();
    transaction
        .identity()
        .resolve_or_assign("urn:test", CANARY)
        .unwrap();
    transaction
        .append("condition", rows("condition", &[(1, 1)], 0))
        .unwrap();
    transaction
        .quarantine(Quarantined {
            source: "urn:test".into(),
            file: "a.ndjson".into(),
            line: 1,
            reason_code: "broken_json".into(),
            detail: format!("near {CANARY}"),
            bytes: CANARY.repeat(50).into_bytes(),
        })
        .unwrap();
    commit(transaction).await;
    (home, lake)
}

#[tokio::test]
async fn every_file_with_rows_is_sealed() {
    let (home, _lake) = filled().await;
    let mut sealed = 0;
    let all =
        ["lake", "identity", "quarantine"].map(|dir| tree(&home.path().join("home").join(dir)));
    for (path, bytes) in all.into_iter().flatten() {
        for text in [CANARY, "value "] {
            assert!(
                !bytes
                    .windows(text.len())
                    .any(|part| part == text.as_bytes()),
                "{}",
                path.display()
            );
        }
        if path
            .extension()
            .is_some_and(|extension| extension == "parquet")
        {
            sealed += 1;
            // Encrypted Parquet with an encrypted footer.
            assert!(
                bytes.starts_with(b"PARE") && bytes.ends_with(b"PARE"),
                "{}",
                path.display()
            );
            let file = fs::File::open(home.path().join(&path)).unwrap();
            assert!(ParquetRecordBatchReaderBuilder::try_new(file).is_err());
        }
    }
    assert_eq!(sealed, 3, "a table, the identity index and quarantine");
}

#[tokio::test]
async fn another_key_or_none_opens_nothing() {
    let (home, lake) = filled().await;
    let key = home.path().join("home/keys/lake.key");
    let right = fs::read(&key).unwrap();
    let open = || Lake::open(&home.path().join("home"));
    drop(lake);

    fs::remove_file(&key).unwrap();
    let error = open().unwrap_err();
    assert!(
        matches!(error, Error::Key(_)) && error.to_string().contains("put it back"),
        "{error}"
    );

    let (other, _) = fresh();
    fs::copy(other.path().join("home/keys/lake.key"), &key).unwrap();
    let lake = open().unwrap();
    assert!(lake.quarantined().unwrap().any(|line| line.is_err()));
    assert!(lake.begin().is_err());

    fs::write(&key, right).unwrap();
    assert_eq!(stored(&open().unwrap(), "condition").await.num_rows(), 1);
}

#[tokio::test]
async fn a_changed_byte_is_never_another_value() {
    let (home, lake) = filled().await;
    let snapshot = lake.snapshot().unwrap().unwrap();
    let path = home
        .path()
        .join("home/lake/condition")
        .join(&snapshot.tables["condition"].files[0].path);
    let (whole, before) = (fs::read(&path).unwrap(), read(&lake, &path).unwrap());
    let mut refused = 0;
    for at in (4..whole.len()).step_by(whole.len() / 40 + 1) {
        let mut changed = whole.clone();
        changed[at] ^= 1;
        fs::write(&path, changed).unwrap();
        // Some lengths are written twice and read once: such a byte changes nothing.
        match read(&lake, &path) {
            Ok(rows) => assert_eq!(rows, before, "byte {at}"),
            Err(_) => refused += 1,
        }
    }
    assert!(refused > 30, "only {refused} changes were noticed");
}

fn read(lake: &Lake, path: &Path) -> Result<Vec<RecordBatch>, Box<dyn std::error::Error>> {
    let file = fs::File::open(path)?;
    let reader =
        ParquetRecordBatchReaderBuilder::try_new_with_options(file, lake.reader_options())?;
    Ok(reader.build()?.collect::<Result<_, _>>()?)
}

#[tokio::test]
async fn what_a_transaction_writes_for_itself_is_sealed_too() {
    let (home, lake) = fresh();
    let transaction = lake.begin().unwrap();
    let many: Vec<(i64, i64)> = (1..=400_000).map(|n| (n, n)).collect();
    for part in many.chunks(50_000) {
        transaction
            .append("condition", rows("condition", part, 0))
            .unwrap();
    }
    let mut runs = 0;
    for (path, bytes) in tree(&home.path().join("home/lake/_staging")) {
        runs += 1;
        assert!(
            !bytes.windows(6).any(|part| part == b"value "),
            "{}",
            path.display()
        );
    }
    assert!(runs > 0, "nothing was staged on disk");
    commit(transaction).await;
    assert_eq!(stored(&lake, "condition").await.num_rows(), 400_000);
}
