//! The lake on disk.
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use arrow::array::RecordBatch;
use datafusion::catalog::TableProvider;

use crate::{Catalog, IdentityIndex, Quarantined, Snapshot, error::Result};

/// Handle of a lake; cheap to clone.
#[derive(Debug, Clone)]
pub struct Lake {}

impl Lake {
    /// Creates a lake under `home` (`lake/`, `identity/`, `quarantine/`, `catalog.yaml`) with the default catalog; refuses if there is one.
    pub fn create(_home: &Path) -> Result<Self> {
        todo!()
    }
    /// As [`Lake::create`] with the text of another catalog.
    pub fn create_with(_home: &Path, _catalog_yaml: &str) -> Result<Self> {
        todo!()
    }
    /// Opens the lake under `home`.
    pub fn open(_home: &Path) -> Result<Self> {
        todo!()
    }
    /// The catalog.
    pub fn catalog(&self) -> &Catalog {
        todo!()
    }
    /// The catalog's text: what the ledger hashes.
    pub fn catalog_yaml(&self) -> &str {
        todo!()
    }
    /// The newest visible snapshot.
    pub fn snapshot(&self) -> Result<Option<Snapshot>> {
        todo!()
    }
    /// Begins the one transaction that may write; [`crate::Error::Busy`] while another one exists in any process.
    pub fn begin(&self) -> Result<Transaction> {
        todo!()
    }
    /// The rows of `table` in `snapshot`.
    pub fn provider(&self, _snapshot: &Snapshot, _table: &str) -> Result<Arc<dyn TableProvider>> {
        todo!()
    }
    /// A provider with the schema of `table` whose scan always fails: for planning before a budget is reserved.
    pub fn schema_provider(&self, _table: &str) -> Result<Arc<dyn TableProvider>> {
        todo!()
    }
    /// Everything in quarantine, oldest first.
    pub fn quarantined(&self) -> Result<Box<dyn Iterator<Item = Result<Quarantined>>>> {
        todo!()
    }
    /// Quarantined lines by reason.
    pub fn quarantine_counts(&self) -> Result<BTreeMap<String, u64>> {
        todo!()
    }
}

/// Rows, identities and quarantined lines that become visible together or not at all. `Send + Sync`; dropping it leaves no trace.
#[derive(Debug)]
pub struct Transaction {}

/// What a commit did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committed {
    /// Number of the snapshot that is now the newest.
    pub snapshot: u64,
    /// Whether it is new.
    pub changed: bool,
    /// Rows of every table in that snapshot.
    pub tables: BTreeMap<String, u64>,
    /// Lines in quarantine by reason, of all ingests.
    pub quarantined: BTreeMap<String, u64>,
}

/// How far a commit is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// The table being written.
    pub table: String,
    /// Rows of the whole commit written so far.
    pub done: u64,
    /// Rows of the whole commit, as far as known.
    pub total: u64,
}

impl Transaction {
    /// Adds rows in any order; of rows with equal keys the last appended wins. Thread-safe; memory is bounded, the rest goes to disk.
    pub fn append(&self, _table: &str, _batch: RecordBatch) -> Result<()> {
        todo!()
    }
    /// Adds rows whose `person_id` never decreases over all calls for this table (checked). Faster than `append`; one table takes one of the two.
    pub fn append_sorted(&self, _table: &str, _batch: RecordBatch) -> Result<()> {
        todo!()
    }
    /// Keeps a source line that could not be used; the same line with the same reason is kept once for ever.
    pub fn quarantine(&self, _quarantined: Quarantined) -> Result<()> {
        todo!()
    }
    /// The identity index of this transaction.
    pub fn identity(&self) -> &IdentityIndex {
        todo!()
    }
    /// Sorts, upserts, verifies and publishes. `progress` is called from time to time.
    pub async fn commit(self, _progress: &(dyn Fn(Progress) + Send + Sync)) -> Result<Committed> {
        todo!()
    }
}
