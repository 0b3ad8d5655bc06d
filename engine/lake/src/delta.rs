//! The Delta log of a table, for readers such as Spark, DuckDB, Polars and pandas.
//!
//! Salus itself reads the files that a snapshot pins. The log follows: after each commit the active files of the newest Delta
//! version are made those of the newest snapshot, whatever an ingest that died may have left undone.
//!
//! # Guarantee
//! A log never goes back to an older snapshot, also when two writers work on it: the newest snapshot is read after the newest
//! Delta version, and a version is only ever added to the one that was read.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use deltalake_core::kernel::engine::arrow_conversion::TryIntoKernel as _;
use deltalake_core::kernel::transaction::CommitBuilder;
use deltalake_core::kernel::{Action, Add, Remove, StructType};
use deltalake_core::logstore::{LogStoreRef, StorageConfig, default_logstore, logstore_for};
use deltalake_core::operations::create::CreateBuilder;
use deltalake_core::protocol::{DeltaOperation, SaveMode};
use deltalake_core::{DeltaTable, ensure_table_uri};
use futures::future::try_join_all;
use object_store::prefix::PrefixStore;

use crate::error::{At as _, Doing as _, Error, Result};
use crate::files;
use crate::lake::Lake;
use crate::place::Folder;
use crate::snapshot::{self, FileRef};

const LOG: &str = "_delta_log";
/// How often a log is read again because another writer added to it.
const TRIES: usize = 5;

/// Makes the files of the newest snapshot the active ones of every table.
pub(crate) async fn follow(lake: &Lake) -> Result<()> {
    let mut tries = 0;
    loop {
        // On the heap: opening ten logs at once takes a large future.
        let followed = Box::pin(follow_once(lake)).await;
        tries += 1;
        if followed.is_ok() || tries == TRIES || !lake.places().shared() {
            return followed;
        }
    }
}

async fn follow_once(lake: &Lake) -> Result<()> {
    let open = |table| open_or_create(lake, table);
    let logs = try_join_all(lake.tables().map(open)).await?;
    let Some(newest) = snapshot::newest(&lake.places().snapshots)? else {
        return Ok(());
    };
    for (table, log) in lake.tables().zip(logs) {
        let version = lake.version(&newest, table);
        let files = version.map_or(&[][..], |version| version.files.as_slice());
        publish(&log, files).await?;
        if let Some(dir) = lake.folder(table).directory() {
            make_private(&dir.join(LOG))?;
        }
    }
    Ok(())
}

/// Makes `files` the active files of the table, in one new version if any.
async fn publish(delta: &DeltaTable, files: &[FileRef]) -> Result<()> {
    const STEP: &str = "commit to a Delta log";
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
    if actions.is_empty() {
        return Ok(());
    }
    let operation = DeltaOperation::Write {
        mode,
        partition_by: None,
        predicate: None,
    };
    let commit = CommitBuilder::default()
        .with_actions(actions)
        // What another writer added meanwhile is to be read, not to be reconciled with.
        .with_max_retries(0)
        .build(Some(state), delta.log_store(), operation);
    commit.await.map(|_| ()).doing(STEP)
}

async fn open_or_create(lake: &Lake, table: &str) -> Result<DeltaTable> {
    const STEP: &str = "open a Delta table";
    let schema = lake.schema_of(table)?;
    let folder = lake.folder(table);
    let store = log_store(&folder)?;
    if store.is_delta_table_location().await.doing(STEP)? {
        let mut delta = DeltaTable::new(store);
        delta.load().await.doing(STEP)?;
        return Ok(delta);
    }
    let columns: StructType = schema.as_ref().try_into_kernel().doing(STEP)?;
    CreateBuilder::new()
        .with_log_store(store)
        .with_table_name(table)
        .with_columns(columns.fields().cloned())
        // Other writers must not record what we leave out: minima and maxima of private columns.
        .with_configuration([("delta.dataSkippingNumIndexedCols", Some("0"))])
        .await
        .doing(STEP)
}

fn log_store(folder: &Folder) -> Result<LogStoreRef> {
    const STEP: &str = "find a Delta log";
    let Some((store, at)) = folder.objects() else {
        let dir = folder.directory().unwrap_or(Path::new("."));
        files::private_dir(&dir.join(LOG))?;
        let url = ensure_table_uri(dir.to_string_lossy()).doing(STEP)?;
        return logstore_for(&url, StorageConfig::default()).doing(STEP);
    };
    let url = folder.url();
    let url = AsRef::<str>::as_ref(&url).trim_end_matches('/');
    let url = format!("{url}/{at}/").parse().doing(STEP)?;
    let prefixed = Arc::new(PrefixStore::new(Arc::clone(store), at.clone()));
    let options = StorageConfig::default();
    Ok(default_logstore(
        prefixed,
        Arc::clone(store),
        &url,
        &options,
    ))
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
