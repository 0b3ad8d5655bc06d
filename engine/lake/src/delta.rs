//! The Delta log of a table, for readers such as Spark, DuckDB, Polars and pandas.
//!
//! Salus itself reads the files that a snapshot pins. The log follows: each commit makes the active files of the newest
//! Delta version equal to the snapshot's, whatever an ingest that died may have left there.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use arrow::datatypes::SchemaRef;
use deltalake_core::kernel::engine::arrow_conversion::TryIntoKernel as _;
use deltalake_core::kernel::transaction::CommitBuilder;
use deltalake_core::kernel::{Action, Add, Remove, StructType};
use deltalake_core::operations::create::CreateBuilder;
use deltalake_core::protocol::{DeltaOperation, SaveMode};
use deltalake_core::{DeltaTable, DeltaTableBuilder, ensure_table_uri};

use crate::error::{At as _, Doing as _, Error, Result};
use crate::files;
use crate::snapshot::FileRef;

const LOG: &str = "_delta_log";

/// Makes `files` the active files of the newest version of the table in `dir` and returns that version.
pub(crate) async fn publish(
    dir: &Path,
    table: &str,
    schema: &SchemaRef,
    files: &[FileRef],
) -> Result<i64> {
    const STEP: &str = "commit to a Delta log";
    let delta = open_or_create(dir, table, schema).await?;
    let state = delta.snapshot().doing(STEP)?;
    let active: BTreeMap<String, u64> = state
        .log_data()
        .into_iter()
        .map(|file| (file.path().into_owned(), file.size().unsigned_abs()))
        .collect();
    let wanted: BTreeSet<&str> = files.iter().map(|file| file.path.as_str()).collect();
    let now = milliseconds_now();
    let mut actions: Vec<Action> = active
        .iter()
        .filter(|(path, _)| !wanted.contains(path.as_str()))
        .map(|(path, size)| remove(path, *size, now))
        .collect();
    let mode = if actions.is_empty() {
        SaveMode::Append
    } else {
        SaveMode::Overwrite
    };
    actions.extend(
        files
            .iter()
            .filter(|file| !active.contains_key(&file.path))
            .map(|file| add(file, now)),
    );
    let version = if actions.is_empty() {
        delta.version().unwrap_or_default()
    } else {
        let operation = DeltaOperation::Write {
            mode,
            partition_by: None,
            predicate: None,
        };
        let committed = CommitBuilder::default()
            .with_actions(actions)
            .build(Some(state), delta.log_store(), operation)
            .await
            .doing(STEP)?;
        committed.version()
    };
    make_private(&dir.join(LOG))?;
    i64::try_from(version).doing(STEP)
}

async fn open_or_create(dir: &Path, table: &str, schema: &SchemaRef) -> Result<DeltaTable> {
    const STEP: &str = "open a Delta table";
    let log = dir.join(LOG);
    files::private_dir(&log)?;
    let url = ensure_table_uri(dir.to_string_lossy()).doing(STEP)?;
    let started = std::fs::read_dir(&log)
        .at("list", &log)?
        .filter_map(std::result::Result::ok)
        .any(|entry| {
            entry
                .path()
                .extension()
                .is_some_and(|extension| extension == "json")
        });
    if started {
        return DeltaTableBuilder::from_url(url)
            .doing(STEP)?
            .load()
            .await
            .doing(STEP);
    }
    let columns: StructType = schema.as_ref().try_into_kernel().doing(STEP)?;
    CreateBuilder::new()
        .with_location(url.as_str())
        .with_table_name(table)
        .with_columns(columns.fields().cloned())
        // Other writers must not record what we leave out: minima and maxima of private columns.
        .with_configuration([("delta.dataSkippingNumIndexedCols", Some("0"))])
        .await
        .doing(STEP)
}

fn add(file: &FileRef, now: i64) -> Action {
    Action::Add(Add {
        path: file.path.clone(),
        partition_values: HashMap::new(),
        size: file.size.cast_signed(),
        modification_time: now,
        data_change: true,
        stats: None,
        ..Add::default()
    })
}

fn remove(path: &str, size: u64, now: i64) -> Action {
    Action::Remove(Remove {
        path: path.into(),
        data_change: true,
        deletion_timestamp: Some(now),
        extended_file_metadata: Some(true),
        partition_values: Some(HashMap::new()),
        size: Some(size.cast_signed()),
        ..Remove::default()
    })
}

fn milliseconds_now() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// The log library writes with the process's umask and without fsync.
fn make_private(log: &Path) -> Result<()> {
    for entry in std::fs::read_dir(log).at("list", log)? {
        let path = entry.at("list", log)?.path();
        if path.is_file() {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))
                .at("protect", &path)?;
            std::fs::File::open(&path)
                .and_then(|file| file.sync_all())
                .at("sync", &path)?;
        }
    }
    files::sync_dir(log)?;
    let parent = log
        .parent()
        .ok_or_else(|| Error::Usage("a log needs a directory".into()))?;
    files::sync_dir(parent)
}
