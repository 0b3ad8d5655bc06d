//! What lies on disk and what it tells.

use std::fs::File;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::Compression;
use salus_lake::{Lake, Quarantined, Snapshot};

use crate::rows::{commit, fresh, keys, rows, tree};

async fn filled() -> (tempfile::TempDir, Lake) {
    let (home, lake) = fresh();
    let transaction = lake.begin().unwrap();
    transaction
        .append("patient", rows("patient", &keys(2000, 1), 0))
        .unwrap();
    for part in keys(2000, 100).chunks(50_000) {
        transaction
            .append_sorted("observation", rows("observation", part, 0))
            .unwrap();
    }
    transaction
        .identity()
        .resolve_or_assign("urn:a", "x")
        .unwrap();
    let record = Quarantined {
        source: "urn:test".into(),
        file: "f".into(),
        line: 1,
        reason_code: "broken_json".into(),
        detail: String::new(),
        bytes: b"{".to_vec(),
    };
    transaction.quarantine(record).unwrap();
    commit(transaction).await;
    (home, lake)
}

fn open(lake: &Lake, path: impl AsRef<Path>) -> ParquetRecordBatchReaderBuilder<File> {
    let file = File::open(path).unwrap();
    ParquetRecordBatchReaderBuilder::try_new_with_options(file, lake.reader_options()).unwrap()
}

#[tokio::test]
async fn parquet_files_hold_no_statistics() {
    let (home, lake) = filled().await;
    let mut columns = 0;
    for (path, _) in tree(home.path())
        .iter()
        .filter(|(path, _)| path.extension().is_some_and(|e| e == "parquet"))
    {
        let reader = open(&lake, path);
        for group in reader.metadata().row_groups() {
            for column in group.columns() {
                columns += 1;
                assert!(column.statistics().is_none(), "{:?}", column.column_path());
                assert!(column.column_index_offset().is_none());
                assert!(column.bloom_filter_offset().is_none());
                let own_key = column.column_path().string() == "id";
                assert_eq!(
                    matches!(column.compression(), Compression::ZSTD(_)),
                    !own_key
                );
            }
        }
    }
    assert!(columns > 20);
}

#[tokio::test]
async fn row_groups_end_between_persons() {
    let (home, lake) = filled().await;
    let snapshot = lake.snapshot().unwrap().unwrap();
    let file = &snapshot.tables["observation"].files[0];
    let path = home.path().join("home/lake/observation").join(&file.path);
    let reader = open(&lake, path);
    let groups: Vec<i64> = reader
        .metadata()
        .row_groups()
        .iter()
        .map(parquet::file::metadata::RowGroupMetaData::num_rows)
        .collect();
    // 100 rows a person, about 131,072 rows a group.
    assert_eq!(groups, [131_000, 69_000]);
    assert_eq!(
        (file.rows, file.first_person, file.last_person),
        (200_000, 1, 2000)
    );
}

#[tokio::test]
async fn the_delta_log_holds_no_statistics() {
    let (home, _lake) = filled().await;
    let mut adds = 0;
    for (path, bytes) in tree(home.path()) {
        if !path.to_string_lossy().contains("_delta_log") {
            continue;
        }
        for line in String::from_utf8(bytes).unwrap().lines() {
            let action: serde_json::Value = serde_json::from_str(line).unwrap();
            if let Some(add) = action.get("add") {
                adds += 1;
                assert!(add["stats"].is_null(), "{add}");
                assert!(add["tags"].is_null(), "{add}");
            }
            for word in [
                "numRecords",
                "minValues",
                "maxValues",
                "nullCount",
                "num_records",
            ] {
                assert!(!line.contains(word), "{line}");
            }
        }
    }
    assert_eq!(adds, 2);
}

#[tokio::test]
async fn everything_is_private_to_its_owner() {
    let (home, _lake) = filled().await;
    let mut open = vec![home.path().join("home")];
    let mut files = 0;
    while let Some(path) = open.pop() {
        let mode = path.metadata().unwrap().permissions().mode() & 0o777;
        if path.is_dir() {
            assert_eq!(mode, 0o700, "{}", path.display());
            open.extend(
                std::fs::read_dir(&path)
                    .unwrap()
                    .map(|entry| entry.unwrap().path()),
            );
        } else {
            files += 1;
            assert_eq!(mode, 0o600, "{}", path.display());
        }
    }
    assert!(files > 10);
}

#[tokio::test]
async fn a_snapshot_file_is_its_canonical_bytes() {
    let (home, lake) = filled().await;
    let snapshot = lake.snapshot().unwrap().unwrap();
    let bytes = std::fs::read(home.path().join("home/lake/_snapshots/0000000001.json")).unwrap();
    assert_eq!(bytes, snapshot.canonical_bytes());
    assert_eq!(
        serde_json::from_slice::<Snapshot>(&bytes).unwrap(),
        snapshot
    );
    let mut other = snapshot.clone();
    other.tables.get_mut("patient").unwrap().rows += 1;
    assert_ne!(other.canonical_bytes(), bytes);
}

#[test]
fn a_lake_is_created_once_and_opened_only_where_it_is() {
    let home = tempfile::tempdir().unwrap();
    assert!(Lake::open(home.path()).is_err());
    assert!(Lake::open(Path::new("/nowhere/at/all")).is_err());
    let lake = Lake::create(home.path()).unwrap();
    assert!(lake.snapshot().unwrap().is_none());
    assert!(Lake::create(home.path()).is_err());
    assert_eq!(Lake::open(home.path()).unwrap().catalog(), lake.catalog());
}

#[tokio::test]
async fn a_damaged_snapshot_is_reported() {
    let (home, lake) = filled().await;
    let path = home.path().join("home/lake/_snapshots/0000000001.json");
    std::fs::write(&path, b"{}").unwrap();
    assert!(matches!(
        lake.snapshot(),
        Err(salus_lake::Error::Corrupt(_))
    ));
    assert!(lake.begin().is_err());
}
