//! A lake: what is visible, and what can be asked of it.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::Path;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::catalog::TableProvider;
use parquet::arrow::arrow_reader::ArrowReaderOptions;

use crate::catalog::{Catalog, ColumnType};
use crate::direct::{self, DirectRecord};
use crate::error::{At as _, Error, Result};
use crate::files;
use crate::identity::IdentityIndex;
use crate::keys::Key;
use crate::linkage::{Link, Linkage};
use crate::links;
use crate::members::Patients;
use crate::place::{Bucket, Folder};
use crate::places::Places;
use crate::provider::{PinnedTable, SealedTable};
use crate::quarantine::{self, Quarantined};
use crate::removed::locate;
use crate::rewrite::read_keys;
use crate::schema::{TABLES, key_columns, schema};
use crate::snapshot::{self, Snapshot, TableVersion};
use crate::sources::Sources;
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
        Self::create_at(home, catalog_yaml, keys, None)
    }

    /// As [`Lake::create_sealed`], with the lake in `bucket` if one is given. Catalog and key stay in the home.
    ///
    /// # Errors
    /// [`Error::Place`] when the object store does not honour conditional writes; [`Error::Remote`] when it fails.
    pub fn create_at(
        home: &Path,
        catalog_yaml: &str,
        keys: Option<Arc<dyn KeyProvider>>,
        bucket: Option<&Bucket>,
    ) -> Result<Self> {
        Catalog::parse(catalog_yaml)?;
        files::private_dir(home)?;
        let places = Places::of(&home.canonicalize().at("find", home)?, bucket);
        if places.occupied() {
            return Err(Error::Place("there is a lake here already".into()));
        }
        let keys = match keys {
            Some(keys) => keys,
            None => Arc::new(KeyFile::create(&places.key)?),
        };
        let vault = Vault::new(Arc::clone(&keys))?;
        vault.check()?;
        places.claim(&vault)?;
        places.make()?;
        // Last: a lake without catalog is not one.
        files::write_atomic(&places.catalog, catalog_yaml.as_bytes())?;
        Self::open_at(home, Some(keys), bucket)
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
        Self::open_at(home, keys, None)
    }

    /// As [`Lake::open_sealed`], with the lake in `bucket` if one is given.
    pub fn open_at(
        home: &Path,
        keys: Option<Arc<dyn KeyProvider>>,
        bucket: Option<&Bucket>,
    ) -> Result<Self> {
        let none = || Error::Place("there is no lake here".into());
        let places = Places::of(&home.canonicalize().map_err(|_| none())?, bucket);
        if !places.furnished() {
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
        places.recognise(&vault)?;
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
    pub(crate) fn folder(&self, table: &str) -> Folder {
        let view = self.view(table).map(|view| view.sha256.as_str());
        self.places().table(&snapshot::directory(table, view))
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

    /// Types of the columns of the view that fills `table`, in their order; none for a table that ships.
    pub(crate) fn view_types(&self, table: &str) -> Vec<ColumnType> {
        let facts = self.catalog().table(table);
        let view = facts.and_then(|facts| facts.view.as_ref());
        let columns = view.iter().flat_map(|view| &view.columns);
        let kind = |name| Some(facts?.columns.get(name)?.kind);
        columns.filter_map(kind).collect()
    }

    /// Refuses a catalog that reads the rows of a view as something else than they were written as: where that fails would depend on
    /// the rows.
    ///
    /// # Errors
    /// [`Error::Catalog`] with the column and what its type was.
    pub fn check_types(&self, snapshot: &Snapshot) -> Result<()> {
        for (table, facts, view) in self.catalog().views() {
            let Some(version) = self.version(snapshot, table).filter(|v| v.rows > 0) else {
                continue;
            };
            for (column, written) in view.columns.iter().zip(&version.types) {
                let read = facts.columns.get(column).map(|column| column.kind);
                if read != Some(*written) {
                    return Err(Error::Catalog(format!(
                        "views.{table}.columns.{column}.type: the rows of the snapshot are {}; put it back, or drop the view, ingest, and add it again",
                        written.name()
                    )));
                }
            }
        }
        Ok(())
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
        Transaction::begin(self.clone(), false)
    }

    /// As [`Lake::begin`], for a transaction that changes which numbers are one person.
    pub fn begin_linking(&self) -> Result<Transaction> {
        Transaction::begin(self.clone(), true)
    }

    /// The number of `source_id` in `system` as of `snapshot`.
    pub fn number_of(
        &self,
        snapshot: &Snapshot,
        system: &str,
        source_id: &str,
    ) -> Result<Option<i64>> {
        Ok(self.identity(snapshot)?.lookup(system, source_id))
    }

    /// System and identifier of those `numbers` that were assigned one by one, as of `snapshot`, and not forgotten.
    pub fn names_of(
        &self,
        snapshot: &Snapshot,
        numbers: &BTreeSet<i64>,
    ) -> Result<Vec<(i64, String, String)>> {
        self.identity(snapshot)?.names_of(numbers)
    }

    /// An index that nothing is assigned in.
    fn identity(&self, snapshot: &Snapshot) -> Result<IdentityIndex> {
        let dir = &self.places().identity;
        IdentityIndex::open(dir, self.vault(), &snapshot.identity, String::new())
    }

    /// Which numbers are one person in `snapshot`.
    pub fn linkage(&self, snapshot: &Snapshot) -> Result<Linkage> {
        links::read(&self.places().identity, self.vault(), &snapshot.identity)
    }

    /// Everything that was linked, split and decided up to `snapshot`, oldest first.
    pub fn linkage_events(&self, snapshot: &Snapshot) -> Result<Vec<Link>> {
        links::entries(
            &self.places().identity,
            self.vault(),
            &snapshot.identity.events,
        )
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
        let folder = self.folder(table);
        let keys = read_keys(table, &folder, self.vault(), &version.files);
        let mut found = locate(table, keys, ids)?;
        let by_id = key_columns(table) > 1;
        if let (false, Some(snapshot)) = (by_id, &snapshot) {
            // The rows of linked persons are known by number.
            let linkage = self.linkage(snapshot)?;
            let members = snapshot.identity.members.as_ref();
            let patients = Patients::read(&self.places().identity, members, self.vault())?;
            found.retain(|(person, ..)| !linkage.linked().contains_key(person));
            found.extend(
                ids.iter()
                    .filter(|id| patients.contains(**id))
                    .map(|id| (*id, 0, 0)),
            );
        }
        let id = |(person, id, _): Key| if by_id { id } else { person };
        Ok(found.into_iter().map(id).collect())
    }

    /// The direct identifiers of everybody, in no order, as of the newest snapshot. For linkage and for treatment only: what
    /// they say must not reach an answer, a log or an error.
    pub fn direct_records(&self) -> Result<Box<dyn Iterator<Item = Result<DirectRecord>> + Send>> {
        let identity = self.snapshot()?.map(|snapshot| snapshot.identity);
        let files = identity.unwrap_or_default().direct;
        let records = direct::records(&self.places().identity, &files, self.vault())?;
        Ok(Box::new(records))
    }

    /// Which source names which person of `snapshot`: for operators.
    pub fn sources(&self, snapshot: &Snapshot) -> Result<Sources> {
        let files = &snapshot.identity.files;
        let mut sources = Sources::read(&self.places().identity, files, self.vault())?;
        sources.link(&self.linkage(snapshot)?);
        Ok(sources)
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
}
