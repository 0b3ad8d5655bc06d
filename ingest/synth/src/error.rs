//! What can go wrong while writing a population.

use std::path::PathBuf;

/// Errors, by what the caller does next.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Ask for another population.
    #[error("{0}")]
    Options(&'static str),
    /// Choose another directory: this one already holds NDJSON files, which a second population
    /// must not mix with.
    #[error("{} already holds NDJSON files", .0.display())]
    NotEmpty(PathBuf),
    /// The file system refused; the files written so far still bear the suffix `.partial`.
    #[error("cannot write {}", path.display())]
    Io {
        /// Where.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The lake refused a batch; drop the transaction.
    #[error("the lake refused rows of {table}")]
    Lake {
        /// Which table.
        table: &'static str,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A batch does not fit its schema: a defect of this crate.
    #[error("a batch does not fit its schema")]
    Batch(#[from] arrow::error::ArrowError),
}

/// Result with [`Error`].
pub type Result<T> = std::result::Result<T, Error>;
