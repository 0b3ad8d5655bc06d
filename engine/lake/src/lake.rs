//! The lake on disk: where things are, what is visible, who may write.
//!
//! ```text
//! home/
//!   catalog.yaml            public facts
//!   views/                  definitions of views that fill tables, by their hash
//!   keys/lake.key           master key of everything below, unless another provider holds it
//!   lake/
//!     _snapshots/0000000001.json …   the newest is what queries see
//!     _staging/             rows of the running transaction; empty otherwise
//!     patient/              a Delta table: Parquet files and _delta_log
//!     …
//!   identity/               which person a source identifier belongs to
//!   quarantine/             what ingest could not use
//! ```
//! All directories have mode 0700, all files 0600.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::catalog::TableProvider;
use parquet::arrow::arrow_reader::ArrowReaderOptions;

use crate::catalog::Catalog;
use crate::delta;
use crate::error::{At as _, Error, Result};
use crate::files;
use crate::keys::Key;
use crate::provider::{PinnedTable, SealedTable};
use crate::quarantine::{self, Quarantined};
use crate::removed::locate;
use crate::rewrite::read_keys;
use crate::schema::{TABLES, key_columns, schema};
use crate::snapshot::{self, Snapshot, TableVersion};
use crate::transaction::Transaction;
use crate::vault::{KeyFile, KeyProvider, Vault};
use crate::views::ViewSource;

/// Handle of a lake; cheap to clone.
#[derive(Debug, Clone)]
pub struct Lake {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    places: Places,
    catalog: Catalog,
    yaml: String,
    vault: Vault,
}

/// The directories of a lake.
#[derive(Debug, Clone)]
pub(crate) struct Places {
    pub(crate) catalog: PathBuf,
    pub(crate) views: PathBuf,
    pub(crate) lake: PathBuf,
    pub(crate) snapshots: PathBuf,
    pub(crate) staging: PathBuf,
    pub(crate) identity: PathBuf,
    pub(crate) quarantine: PathBuf,
    lock: PathBuf,
    key: PathBuf,
}

impl Places {
    fn of(home: &Path) -> Self {
        let lake = home.join("lake");
        Self {
            catalog: home.join("catalog.yaml"),
            views: home.join("views"),
            snapshots: lake.join("_snapshots"),
            staging: lake.join("_staging"),
            lock: lake.join(".lock"),
            identity: home.join("identity"),
            quarantine: home.join("quarantine"),
            key: home.join("keys/lake.key"),
            lake,
        }
    }

    /// Takes the write lock; it goes with the file handle, so a process that dies gives it back.
    pub(crate) fn lock(&self) -> Result<File> {
        let file = File::options()
            .write(true)
            .open(&self.lock)
            .at("open", &self.lock)?;
        match file.try_lock() {
            Ok(()) => Ok(file),
            Err(TryLockError::WouldBlock) => Err(Error::Busy),
            Err(TryLockError::Error(source)) => Err(source).at("lock", &self.lock),
        }
    }
}

/// What [`Lake::vacuum`] removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Vacuumed {
    /// Files.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl Lake {
    /// Creates a lake under `home` with the default catalog.
    ///
    /// # Errors
    /// [`Error::Place`] when there is one already.
    pub fn create(home: &Path) -> Result<Self> {
        Self::create_with(home, Catalog::default_yaml())
    }

    /// As [`Lake::create`], with the text of another catalog.
    pub fn create_with(home: &Path, catalog_yaml: &str) -> Result<Self> {
        Self::create_sealed(home, catalog_yaml, None)
    }

    /// As [`Lake::create_with`], sealed with the master key of `keys`; without any, a new key file in the home holds it.
    pub fn create_sealed(
        home: &Path,
        catalog_yaml: &str,
        keys: Option<Arc<dyn KeyProvider>>,
    ) -> Result<Self> {
        Catalog::parse(catalog_yaml)?;
        files::private_dir(home)?;
        let places = Places::of(&home.canonicalize().at("find", home)?);
        if places.lake.exists() || places.catalog.exists() {
            return Err(Error::Place("there is a lake here already".into()));
        }
        let keys = match keys {
            Some(keys) => keys,
            None => Arc::new(KeyFile::create(&places.key)?),
        };
        for dir in [
            &places.lake,
            &places.snapshots,
            &places.staging,
            &places.identity,
            &places.quarantine,
        ] {
            files::private_dir(dir)?;
        }
        for table in TABLES {
            files::private_dir(&places.lake.join(table))?;
        }
        files::private_file(&places.lock)?;
        // Last: a lake without catalog is not one.
        files::write_atomic(&places.catalog, catalog_yaml.as_bytes())?;
        Self::open_sealed(home, Some(keys))
    }

    /// Opens the lake under `home` with the key file there.
    ///
    /// # Errors
    /// [`Error::Place`] when there is none, [`Error::Key`] without its key.
    pub fn open(home: &Path) -> Result<Self> {
        Self::open_sealed(home, None)
    }

    /// As [`Lake::open`], with the master key of `keys` instead.
    pub fn open_sealed(home: &Path, keys: Option<Arc<dyn KeyProvider>>) -> Result<Self> {
        let none = || Error::Place("there is no lake here".into());
        let places = Places::of(&home.canonicalize().map_err(|_| none())?);
        if !places.catalog.is_file() || !places.lock.is_file() {
            return Err(none());
        }
        let yaml = std::fs::read_to_string(&places.catalog).at("read", &places.catalog)?;
        let catalog = Catalog::parse(&yaml)?;
        let keys = match keys {
            Some(keys) => keys,
            None => Arc::new(KeyFile::open(&places.key)?),
        };
        let vault = Vault::new(keys)?;
        vault.check()?;
        Ok(Self {
            inner: Arc::new(Inner {
                places,
                catalog,
                yaml,
                vault,
            }),
        })
    }

    pub(crate) fn with_catalog(&self, catalog: Catalog, yaml: String) -> Self {
        Self {
            inner: Arc::new(Inner {
                places: self.places().clone(),
                catalog,
                yaml,
                vault: self.vault().clone(),
            }),
        }
    }

    /// The catalog.
    pub fn catalog(&self) -> &Catalog {
        &self.inner.catalog
    }

    /// The catalog's text: what the ledger hashes.
    pub fn catalog_yaml(&self) -> &str {
        &self.inner.yaml
    }

    /// Every table: those that ship, in their order, then those of views, by name.
    pub fn tables(&self) -> impl Iterator<Item = &str> {
        let views = self.catalog().views().map(|(name, ..)| name.as_str());
        TABLES.iter().copied().chain(views)
    }

    /// The view that fills a table, if one does.
    pub fn view(&self, table: &str) -> Option<&ViewSource> {
        self.catalog().table(table)?.view.as_ref()
    }

    pub(crate) fn is_view(&self, table: &str) -> bool {
        self.view(table).is_some()
    }

    /// The Arrow schema of a table.
    pub fn schema(&self, table: &str) -> Option<SchemaRef> {
        match self.view(table) {
            Some(view) => Some(view.schema(self.catalog().table(table)?)),
            None => schema(table),
        }
    }

    pub(crate) fn schema_of(&self, table: &str) -> Result<SchemaRef> {
        let none = || Error::Usage(format!("there is no table {table}"));
        self.schema(table).ok_or_else(none)
    }

    /// Where the files of a table are.
    pub(crate) fn directory(&self, table: &str) -> PathBuf {
        let view = self.view(table).map(|view| view.sha256.as_str());
        self.places().lake.join(snapshot::directory(table, view))
    }

    /// The state of a table in `snapshot`; none when a view fills it that is not the one of today.
    pub(crate) fn version<'s>(
        &self,
        snapshot: &'s Snapshot,
        table: &str,
    ) -> Option<&'s TableVersion> {
        let view = self.view(table).map(|view| view.sha256.as_str());
        let version = snapshot.tables.get(table);
        version.filter(|version| version.view.as_deref() == view)
    }

    pub(crate) fn places(&self) -> &Places {
        &self.inner.places
    }

    pub(crate) fn vault(&self) -> &Vault {
        &self.inner.vault
    }

    /// The newest visible snapshot; `None` before the first ingest.
    pub fn snapshot(&self) -> Result<Option<Snapshot>> {
        snapshot::newest(&self.places().snapshots)
    }

    /// An older snapshot.
    pub fn snapshot_at(&self, number: u64) -> Result<Snapshot> {
        snapshot::read(&self.places().snapshots, number)
    }

    /// Begins the one transaction that may write.
    ///
    /// # Errors
    /// [`Error::Busy`] while another one exists, in any process.
    pub fn begin(&self) -> Result<Transaction> {
        Transaction::begin(self.clone())
    }

    /// How the Parquet files of this lake are opened without DataFusion: their keys are found.
    pub fn reader_options(&self) -> ArrowReaderOptions {
        self.vault().reading()
    }

    /// The rows of `table` in `snapshot`, sorted by `person_id`, in one range of persons per partition of the session.
    pub fn provider(&self, snapshot: &Snapshot, table: &str) -> Result<Arc<dyn TableProvider>> {
        Ok(Arc::new(PinnedTable::new(self, snapshot, table)?))
    }

    /// A provider with the schema of `table` whose scan always fails: for planning before a budget is reserved.
    ///
    /// # Guarantee
    /// It holds no path and no snapshot, so planning on it cannot touch data.
    pub fn schema_provider(&self, table: &str) -> Result<Arc<dyn TableProvider>> {
        Ok(Arc::new(SealedTable::new(self, table)?))
    }

    /// Which of `ids` are row ids of `table` in the newest snapshot; for `patient`, which are persons with a row.
    pub fn known_rows(&self, table: &str, ids: &HashSet<i64>) -> Result<HashSet<i64>> {
        let snapshot = self.snapshot()?;
        let version = snapshot
            .as_ref()
            .and_then(|snapshot| self.version(snapshot, table));
        let Some(version) = version.filter(|_| !ids.is_empty()) else {
            return Ok(HashSet::new());
        };
        let dir = self.directory(table);
        let keys = read_keys(table, &dir, self.vault(), &version.files);
        let found = locate(table, keys, ids)?;
        let by_id = key_columns(table) > 1;
        let id = |(person, id, _): Key| if by_id { id } else { person };
        Ok(found.into_iter().map(id).collect())
    }

    /// Everything in quarantine, oldest first, byte for byte.
    pub fn quarantined(&self) -> Result<Box<dyn Iterator<Item = Result<Quarantined>> + Send>> {
        let files = self
            .snapshot()?
            .map(|snapshot| snapshot.quarantine)
            .unwrap_or_default();
        Ok(Box::new(quarantine::records(
            &self.places().quarantine,
            &files,
            self.vault(),
        )))
    }

    /// Quarantined lines by reason.
    pub fn quarantine_counts(&self) -> Result<BTreeMap<String, u64>> {
        let files = self
            .snapshot()?
            .map(|snapshot| snapshot.quarantine)
            .unwrap_or_default();
        Ok(quarantine::counts(&files))
    }

    /// Removes all snapshots but the newest `keep`, and every data, identity and quarantine file that no snapshot names.
    ///
    /// # Errors
    /// [`Error::Busy`] while a transaction exists; [`Error::Usage`] when `keep` is 0.
    pub async fn vacuum(&self, keep: usize) -> Result<Vacuumed> {
        if keep == 0 {
            return Err(Error::Usage("at least one snapshot must be kept".into()));
        }
        let places = self.places();
        let _lock = places.lock()?;
        let numbers = snapshot::numbers(&places.snapshots)?;
        let (old, kept) = numbers.split_at(numbers.len().saturating_sub(keep));
        // Names first, files second: a crash in between leaves files without a name, never a name without files.
        for number in old {
            let path = places.snapshots.join(snapshot::file_name(*number));
            std::fs::remove_file(&path).at("remove", &path)?;
        }
        files::sync_dir(&places.snapshots)?;
        let mut vacuumed = Vacuumed::default();
        let (mut identity, mut quarantine) = (BTreeSet::new(), BTreeSet::new());
        // By directory of a table.
        let mut data: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        let mut newest = None;
        for number in kept {
            let snapshot = self.snapshot_at(*number)?;
            let side = snapshot
                .identity
                .files
                .iter()
                .chain(&snapshot.identity.withheld);
            identity.extend(side.map(|file| file.path.clone()));
            quarantine.extend(snapshot.quarantine.iter().map(|file| file.path.clone()));
            for (table, version) in &snapshot.tables {
                let paths = version.files.iter().map(|file| file.path.clone());
                let directory = snapshot::directory(table, version.view.as_deref());
                data.entry(directory).or_default().extend(paths);
            }
            newest = Some(snapshot);
        }
        for table in self.tables() {
            // A transaction that died may have logged files that go now.
            if let Some(version) = newest
                .as_ref()
                .and_then(|newest| self.version(newest, table))
            {
                let (dir, schema) = (self.directory(table), self.schema_of(table)?);
                delta::publish(&dir, table, &schema, &version.files).await?;
            }
        }
        for table in table_directories(&places.lake)? {
            let dir = places.lake.join(&table);
            match data.get(&table) {
                Some(named) => sweep(&dir, named, &mut vacuumed)?,
                None if TABLES.contains(&table.as_str()) => {
                    sweep(&dir, &BTreeSet::new(), &mut vacuumed)?;
                }
                // No snapshot knows it: its view went, or has another definition.
                None => {
                    sweep(&dir, &BTreeSet::new(), &mut vacuumed)?;
                    std::fs::remove_dir_all(&dir).at("remove", &dir)?;
                }
            }
        }
        files::sync_dir(&places.lake)?;
        sweep(&places.identity, &identity, &mut vacuumed)?;
        sweep(&places.quarantine, &quarantine, &mut vacuumed)?;
        Ok(vacuumed)
    }
}

/// Names of the directories of tables.
fn table_directories(lake: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(lake).at("list", lake)? {
        let entry = entry.at("list", lake)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.path().is_dir() && !name.starts_with(['_', '.']) {
            names.push(name);
        }
    }
    names.sort_unstable();
    Ok(names)
}

/// Removes the files of `dir` that are not `named`; directories stay.
fn sweep(dir: &Path, named: &BTreeSet<String>, vacuumed: &mut Vacuumed) -> Result<()> {
    for entry in std::fs::read_dir(dir).at("list", dir)? {
        let path = entry.at("list", dir)?.path();
        let keep = path
            .file_name()
            .and_then(|name| name.to_str())
            .is_some_and(|name| named.contains(name));
        if keep || !path.is_file() {
            continue;
        }
        vacuumed.files += 1;
        vacuumed.bytes += path.metadata().at("read", &path)?.len();
        std::fs::remove_file(&path).at("remove", &path)?;
    }
    files::sync_dir(dir)
}
