//! What a caller may choose, what it hears meanwhile, and what it learns at the end.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::code_map::CodeMap;
use crate::notary::Notary;

/// How to ingest.
#[derive(Debug, Clone)]
pub struct Options {
    /// Name of the source system. Ids of two sources never meet: ingest exports of two servers
    /// under two names, and every export of one server under the same name.
    pub source: String,
    /// Worker threads; by default one for each processor.
    pub threads: Option<usize>,
    /// Where lines wait that cannot be decided yet; by default where the system keeps temporary
    /// files. The files there have no name and vanish with the process.
    pub spool: Option<PathBuf>,
    /// Local codes and the standard ones that stand for them.
    pub code_map: Arc<CodeMap>,
    /// Bytes that a line may have at most; memory grows to a few times the longest line.
    pub longest_line: usize,
    /// Writes down whose consent changes, before it does.
    pub notary: Option<Arc<dyn Notary>>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            source: "fhir".into(),
            threads: None,
            spool: None,
            code_map: Arc::default(),
            longest_line: 1 << 30,
            notary: None,
        }
    }
}

impl Options {
    pub(crate) fn workers(&self) -> usize {
        let processors = || std::thread::available_parallelism().map_or(1, usize::from);
        self.threads.unwrap_or_else(processors).max(1)
    }
}

/// Hears how far an ingest is. Every method does nothing unless it is written.
pub trait Progress: Send + Sync {
    /// The export has been listed: bytes to be read in all. Every file is read twice, once for the
    /// ids and once for everything.
    fn started(&self, total_bytes: u64) {
        let _ = total_bytes;
    }

    /// `bytes` more of `file` have been read.
    fn advanced(&self, bytes: u64, file: &str) {
        let _ = (bytes, file);
    }

    /// Everything has been read; the lake is sorting and writing `table`, and has written `done`
    /// rows of about `total`.
    fn committing(&self, table: &str, done: u64, total: u64) {
        let _ = (table, done, total);
    }

    /// The snapshot is visible.
    fn finished(&self) {}
}

/// Hears nothing.
#[derive(Debug, Clone, Copy)]
pub struct Silent;

impl Progress for Silent {}

/// What an ingest did. `tables`, `outdated` of these tables, `viewed`, `quarantined`, `deletions` and `expunged` together account
/// for every line of the export.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// The newest snapshot: a new one if `changed`.
    pub snapshot: u64,
    /// Whether the lake is different now.
    pub changed: bool,
    /// By table: the resources of the export that are rows now. All nine tables are listed.
    pub tables: BTreeMap<String, TableSummary>,
    /// By table: resources that stayed out because the lake has a later version. Older versions of patients are in quarantine.
    pub outdated: BTreeMap<String, u64>,
    /// By table that a view fills: what became of the resources of its type.
    pub views: BTreeMap<String, ViewSummary>,
    /// Resources that no table takes but those of views.
    pub viewed: u64,
    /// By reason: lines of the export that are in quarantine.
    pub quarantined: BTreeMap<String, u64>,
    /// Lines that are bundles of deletions.
    pub deletions: u64,
    /// By type: resources that those bundles name.
    pub deleted: BTreeMap<String, u64>,
    /// Persons whom the export's consents keep out of analytics, known or not before.
    pub denied: u64,
    /// Lines about expunged persons: they are not kept anywhere.
    pub expunged: u64,
    /// Values of codes that the catalog measures, by what became of their unit: `same`, `converted`, or why not: `missing`,
    /// `unknown`, `incommensurable`.
    pub units: BTreeMap<String, u64>,
    /// Codings that the code map gave another code.
    pub mapped: u64,
    /// Lines read, blank ones aside.
    pub lines: u64,
    /// Files read.
    pub files: u64,
    /// Files in the directory that are not NDJSON.
    pub ignored: Vec<String>,
    /// Bytes read, as they lie on disk.
    pub bytes: u64,
    /// Time from listing to visible snapshot.
    pub elapsed: Duration,
}

/// What one view made.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ViewSummary {
    /// Resources of its type that are about a known person.
    pub resources: u64,
    /// Rows.
    pub rows: u64,
    /// Resources of which it makes no rows, because a value or a limit forbids it.
    pub failed: u64,
    /// Why one of them failed. Holds no value of it.
    pub failure: Option<String>,
}

impl ViewSummary {
    pub(crate) fn add(&mut self, other: Self) {
        self.resources += other.resources;
        self.rows += other.rows;
        self.failed += other.failed;
        self.failure = self.failure.take().or(other.failure);
    }
}

/// What became rows of one table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TableSummary {
    /// Resources.
    pub rows: u64,
    /// Rows of the child table: components of observations.
    pub components: Option<u64>,
}
