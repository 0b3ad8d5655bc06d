//! What a run tells: progress, failures, the summary, errors.

use std::fmt;
use std::io;
use std::path::PathBuf;

use crate::definition::View;
use crate::rows::Failed;

/// A line, or a view on a line, that gave no rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The file; empty when lines did not come from one.
    pub file: String,
    /// The line, from 1.
    pub line: u64,
    /// The view, by its position among those that were run; `None` when the line is no resource.
    pub view: Option<usize>,
    /// Type and id of the resource, as far as they are known: `Patient/p1`.
    pub resource: String,
    /// Where in the view's definition.
    pub path: String,
    /// What went wrong and what to do. Holds no value of the resource.
    pub reason: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.file.is_empty() {
            write!(f, "{}:", self.file)?;
        }
        write!(f, "{}: ", self.line)?;
        for part in [&self.resource, &self.path] {
            if !part.is_empty() {
                write!(f, "{part}: ")?;
            }
        }
        f.write_str(&self.reason)
    }
}

/// A failure within a chunk: the line counts from the chunk's first.
#[derive(Debug)]
pub(super) struct Unplaced(Failure);

impl Unplaced {
    pub(super) fn line(line: u64, reason: impl Into<String>) -> Self {
        Self(Failure {
            file: String::new(),
            line,
            view: None,
            resource: String::new(),
            path: String::new(),
            reason: reason.into(),
        })
    }

    pub(super) fn view(line: u64, view: usize, resource: String, failed: Failed) -> Self {
        Self(Failure {
            file: String::new(),
            line,
            view: Some(view),
            resource,
            path: failed.path,
            reason: failed.fault.0.into_owned(),
        })
    }

    pub(super) fn placed(&self, file: &str, first_line: u64) -> Failure {
        Failure {
            file: file.to_owned(),
            line: first_line + self.0.line,
            ..self.0.clone()
        }
    }
}

/// What a run did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// By view, in the order in which they were given.
    pub views: Vec<ViewSummary>,
    /// Lines read, blank ones aside.
    pub lines: u64,
    /// Lines whose type no view is about.
    pub other_lines: u64,
    /// Lines that are no resource, or on which a view failed.
    pub failed_lines: u64,
    /// The first failures, in the order of the input, as many as asked for.
    pub failures: Vec<Failure>,
    /// Failures in all: one line may have several, one for each view.
    pub all_failures: u64,
    /// Files read.
    pub files: usize,
}

/// What a run did for one view.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ViewSummary {
    /// The view's name, or its resource type.
    pub name: String,
    /// Rows written.
    pub rows: u64,
    /// Resources of the view's type, those that failed included.
    pub resources: u64,
    /// Resources on which the view failed.
    pub failed: u64,
}

impl Summary {
    pub(super) fn new(views: &[View]) -> Self {
        let views = views.iter().map(|view| ViewSummary {
            name: view.name().unwrap_or(view.resource()).to_owned(),
            rows: 0,
            resources: 0,
            failed: 0,
        });
        Self {
            views: views.collect(),
            lines: 0,
            other_lines: 0,
            failed_lines: 0,
            failures: Vec::new(),
            all_failures: 0,
            files: 0,
        }
    }

    pub(super) fn note(&mut self, failure: Failure, described: usize) {
        if self.failures.len() < described {
            self.failures.push(failure);
        }
    }
}

/// Hears how far a run is. Every method does nothing unless it is written.
pub trait Progress: Sync {
    /// The input has been listed: bytes to be read in all, as they lie on disk; 0 when unknown.
    fn started(&self, total_bytes: u64) {
        let _ = total_bytes;
    }

    /// `bytes` more have been read from disk, and `lines` more lines are done.
    fn advanced(&self, bytes: u64, lines: u64) {
        let _ = (bytes, lines);
    }
}

/// Hears nothing.
#[derive(Debug, Clone, Copy)]
pub struct Silent;

impl Progress for Silent {}

/// Why a run ended early.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// A path holds no NDJSON file: name another one.
    #[error("no .ndjson or .jsonl file (plain, .gz or .zst) in {}", .0.display())]
    NothingFound(PathBuf),
    /// A file cannot be read, or its compressed stream is damaged: fetch it again.
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
        /// The file.
        file: String,
        /// The line, from 1.
        line: u64,
        /// The limit in bytes.
        limit: usize,
    },
    /// [`crate::Options::strict`], and a line failed: correct it, the view, or run without.
    #[error("{0}")]
    Strict(Box<Failure>),
    /// The rows cannot be written: free some space, or name another place.
    #[error("cannot write {place}: {source}")]
    Sink {
        /// What was being written.
        place: String,
        /// What the system or the format said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// No thread can be started.
    #[error("cannot start a thread: {0}")]
    Threads(#[from] io::Error),
    /// A defect of this crate; please report it.
    #[error("defect in salus-views: {0}")]
    Bug(String),
}

impl From<arrow::error::ArrowError> for RunError {
    fn from(error: arrow::error::ArrowError) -> Self {
        Self::Bug(error.to_string())
    }
}
