//! What a finished export is: files on disk, and facts about them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::deleted::{Deletion, deletions};
use crate::error::BulkError;
use crate::journal::Journal;
use crate::listing::Listing;
use crate::manifest::Section;
use crate::ndjson::open;
use crate::outcome::{self, IssueCount};

/// A finished export. Its resources are the NDJSON files in `output`, which holds nothing else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Export {
    /// The job's directory.
    pub dir: PathBuf,
    /// The instant the data are of, as the server wrote it; the earliest, if files come from several
    /// kick-offs. `None` if the server gave none: then the next export must be of everything.
    pub transaction_time: Option<String>,
    /// Exported resources.
    pub output: Vec<ExportedFile>,
    /// Bundles of deletions.
    pub deleted: Vec<ExportedFile>,
    /// OperationOutcomes.
    pub errors: Vec<ExportedFile>,
    /// How often the export was kicked off.
    pub kickoffs: u32,
}

/// A file of an export.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportedFile {
    /// Where it lies; ends in `.gz` if it is compressed.
    pub path: PathBuf,
    /// The resource type, if the manifest gave one; files organised by something else hold several.
    pub kind: Option<String>,
    /// Resources: lines that are not blank.
    pub resources: u64,
    /// Resources that the manifest announced. Servers are known to announce wrong numbers.
    pub announced: Option<u64>,
    /// Bytes on disk.
    pub bytes: u64,
    /// SHA-256 of those bytes, in hexadecimal.
    pub sha256: String,
    /// The instant its data are of.
    pub transaction_time: Option<String>,
}

impl Export {
    /// The export of a listing of which every file is complete; `None` if one is not.
    pub(crate) fn new(dir: &Path, journal: &Journal, listing: &Listing) -> Option<Self> {
        let mut export = Self {
            dir: dir.to_owned(),
            transaction_time: listing.instant(),
            output: Vec::new(),
            deleted: Vec::new(),
            errors: Vec::new(),
            kickoffs: journal.state.kickoffs,
        };
        for listed in &listing.files {
            let complete = journal.complete.get(&listed.name)?;
            let file = ExportedFile {
                path: dir.join(&complete.path),
                kind: listed.entry.kind.clone(),
                resources: complete.resources,
                announced: listed.entry.count,
                bytes: complete.bytes,
                sha256: complete.sha256.clone(),
                transaction_time: listed.transaction_time.clone(),
            };
            match listed.entry.section {
                Section::Output => export.output.push(file),
                Section::Deleted => export.deleted.push(file),
                Section::Error => export.errors.push(file),
            }
        }
        Some(export)
    }

    /// Output files by resource type; those without one under the empty name.
    pub fn by_type(&self) -> BTreeMap<&str, Vec<&ExportedFile>> {
        let mut types: BTreeMap<&str, Vec<&ExportedFile>> = BTreeMap::new();
        for file in &self.output {
            types
                .entry(file.kind.as_deref().unwrap_or_default())
                .or_default()
                .push(file);
        }
        types
    }

    /// Everything that was deleted on the server, file by file.
    pub fn deletions(&self) -> impl Iterator<Item = Result<Deletion, BulkError>> {
        self.deleted.iter().flat_map(|file| {
            let (found, failed) = match open(&file.path) {
                Ok(reader) => (Some(deletions(reader)), None),
                Err(error) => (None, Some(Err(error))),
            };
            found.into_iter().flatten().chain(failed)
        })
    }

    /// What the server could not export, counted over all error files.
    ///
    /// # Errors
    /// [`BulkError::Store`] if a file cannot be read any more.
    pub fn issues(&self) -> Result<Vec<IssueCount>, BulkError> {
        let mut counts = BTreeMap::new();
        for file in &self.errors {
            outcome::add(&mut counts, open(&file.path)?)?;
        }
        Ok(outcome::finish(counts))
    }

    /// Files with another number of resources than the manifest announced.
    pub fn miscounted(&self) -> impl Iterator<Item = &ExportedFile> {
        let differs = |file: &&ExportedFile| file.announced.is_some_and(|n| n != file.resources);
        self.output.iter().filter(differs)
    }
}
