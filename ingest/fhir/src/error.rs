//! Errors of an ingest, by what the caller does next. None of them leaves anything in the lake.

use std::io;
use std::path::PathBuf;

/// Why an ingest ended without a snapshot. A line that cannot be used is no error: it goes to
/// quarantine.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IngestError {
    /// The directory holds no NDJSON file: name another one.
    #[error("no .ndjson or .jsonl file (plain, .gz or .zst) in {}", .0.display())]
    NothingFound(PathBuf),
    /// A file of the export cannot be read, or its compressed stream is damaged: fetch it again.
    #[error("cannot read {}: {source}", path.display())]
    Source {
        /// The file or directory.
        path: PathBuf,
        /// What the system or the decompressor said.
        source: io::Error,
    },
    /// A line is longer than [`crate::Options::longest_line`]: raise the limit.
    #[error("line {line} of {file} is longer than {limit} bytes")]
    LineTooLong {
        /// The file, relative to the directory.
        file: String,
        /// The line, from 1.
        line: u64,
        /// The limit in bytes.
        limit: usize,
    },
    /// No room for the lines that wait for their patient: free some, or name another
    /// [`crate::Options::spool`] directory.
    #[error("cannot write temporary files: {0}")]
    Spool(#[source] io::Error),
    /// The lake refused; see there.
    #[error(transparent)]
    Lake(#[from] salus_lake::Error),
    /// Whose consent changes could not be written down: mend that, and ingest again.
    #[error("nothing was changed, because the changes of consent could not be recorded: {0}")]
    Unrecorded(String),
    /// A view that fills a table cannot be used: add it again.
    #[error("view {table}: {what}")]
    View {
        /// The table.
        table: String,
        /// Why, and what to do.
        what: String,
    },
    /// The caller let go of the ingest.
    #[error("the ingest was given up")]
    Cancelled,
    /// No thread can be started.
    #[error("cannot start a thread: {0}")]
    Thread(#[source] io::Error),
    /// A defect of this crate; please report it.
    #[error("defect in salus-fhir: {0}")]
    Bug(String),
}

impl From<arrow::error::ArrowError> for IngestError {
    fn from(error: arrow::error::ArrowError) -> Self {
        Self::Bug(error.to_string())
    }
}
