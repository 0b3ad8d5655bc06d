//! What can go wrong, by what the caller does next.

/// An error of the lake. Every message is public: it names tables, columns, files of the lake and counts of nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The catalog text is not acceptable; edit it.
    #[error("catalog: {0}")]
    Catalog(String),
    /// The caller broke the contract of the call; a bug in the caller.
    #[error("{0}")]
    Usage(String),
    /// Data given as sorted is not; nothing of the transaction becomes visible.
    #[error("table {table}: {what}")]
    Order {
        /// The table.
        table: String,
        /// Which promise was broken, without values.
        what: &'static str,
    },
    /// Another process is writing to this lake; try again later.
    #[error("the lake is being written by another process")]
    Busy,
    /// Somebody reads files that would go; try again later.
    #[error(
        "the lake is being read: a question is being answered, or a report made. Nothing was removed; do it again later, or wait longer"
    )]
    BeingRead,
    /// Files are being removed; nothing was read. Try again when that is done.
    #[error("files of older snapshots are being removed; try again when that is done")]
    Vacuuming,
    /// The snapshot was removed since it was looked up; look up the newest.
    #[error("the snapshot was removed in the meantime, for a newer one; do it again")]
    Gone,
    /// Another writer has committed since this transaction began, from another home; nothing of this one was kept, run it again.
    #[error(
        "another writer has committed to the lake in the meantime; nothing of this was kept, so do it again"
    )]
    Overtaken,
    /// The object store that holds the lake failed or refused; try again, or look at its settings.
    #[error("object store: {0}")]
    Remote(String),
    /// There is a lake already, or none.
    #[error("{0}")]
    Place(String),
    /// Files of the lake do not fit together; do not go on, look at the storage.
    #[error("the lake is damaged: {0}")]
    Corrupt(String),
    /// The key of the lake is missing or another one; nothing was read or written.
    #[error("key of the lake: {0}")]
    Key(String),
    /// Storage failed: full, missing, not permitted.
    #[error("storage: {what}: {source}")]
    Storage {
        /// What was being done.
        what: String,
        /// The system's answer.
        source: std::io::Error,
    },
    /// A library failed. The text of the library stays in `source`, because it may quote values.
    #[error("{what} failed")]
    Engine {
        /// What was being done.
        what: &'static str,
        /// The library's error: for operators only.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// The result of every fallible call of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    pub(crate) fn engine(
        what: &'static str,
    ) -> impl FnOnce(Box<dyn std::error::Error + Send + Sync>) -> Self {
        move |source| Self::Engine { what, source }
    }
}

/// Says what was being done when storage or a library failed.
pub(crate) trait Doing<T> {
    /// `what` names the step.
    fn doing(self, what: &'static str) -> Result<T>;
}

impl<T, E: Into<Box<dyn std::error::Error + Send + Sync>>> Doing<T> for std::result::Result<T, E> {
    fn doing(self, what: &'static str) -> Result<T> {
        self.map_err(|source| Error::engine(what)(source.into()))
    }
}

/// Says which file was being touched when storage failed.
pub(crate) trait At<T> {
    /// `what` is the step, `path` the file.
    fn at(self, what: &str, path: &std::path::Path) -> Result<T>;
}

impl<T> At<T> for std::io::Result<T> {
    fn at(self, what: &str, path: &std::path::Path) -> Result<T> {
        self.map_err(|source| Error::Storage {
            what: format!("{what} {}", path.display()),
            source,
        })
    }
}
