//! Errors of an export, by what the caller does next.
//!
//! Text that a server sent is shown, but cleaned ([`crate::text`]): bounded, without control
//! characters, without anything that looks like a token. Addresses are shown without their query.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// Why an export, or a part of it, did not come to its end. Unless it says otherwise, what has
/// arrived stays in the job's directory and [`crate::Job::resume`] goes on from there.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BulkError {
    /// What was asked for contradicts itself or the specification: ask differently.
    #[error("{0}")]
    Options(String),
    /// A key cannot be read or used: give another one.
    #[error("signing key: {0}")]
    Key(String),
    /// Nobody gives us a token: check the client id, the registered keys and the scopes.
    #[error("no access token: {0}")]
    Authorization(String),
    /// The server understood and said no: change the request, or talk to its operator.
    #[error("{doing}: the server answered {status}{text}")]
    Refused {
        /// What was being done.
        doing: &'static str,
        /// The HTTP status.
        status: u16,
        /// What the server said, cleaned; begins with `: ` unless empty.
        text: String,
    },
    /// A server or the network did not answer, again and again: resume later.
    #[error("{doing}: given up after {attempts} attempts; the last one: {text}")]
    Unavailable {
        /// What was being done.
        doing: &'static str,
        /// How often it was tried.
        attempts: u32,
        /// The last failure.
        text: String,
    },
    /// The server broke the protocol: talk to its operator.
    #[error("{doing}: {text}")]
    Protocol {
        /// What was being done.
        doing: &'static str,
        /// What is wrong.
        text: String,
    },
    /// We will not go where the server points: allow it, if that is right.
    #[error("{0}")]
    NotAllowed(String),
    /// The links of the export expire faster than files arrive, or jobs vanish: ask for less at once.
    #[error("the export expired {kickoffs} times; the last time: {text}")]
    Expired {
        /// Kick-offs in all.
        kickoffs: u32,
        /// What the server said.
        text: String,
    },
    /// The time allowed is over: resume with more.
    #[error("the export did not finish within {} seconds", .0.as_secs())]
    Deadline(Duration),
    /// A body is larger than the limit: raise it, or distrust the server.
    #[error("{what} is larger than {limit} bytes")]
    TooLarge {
        /// The file or answer.
        what: String,
        /// The limit.
        limit: u64,
    },
    /// The job was cancelled; start another one.
    #[error("the job in {} was cancelled", .0.display())]
    Cancelled(PathBuf),
    /// Another process works in the directory: wait for it.
    #[error("another process works on the job in {}", .0.display())]
    Busy(PathBuf),
    /// The directory holds no job, or one that may not be overwritten.
    #[error("{}: {what}", path.display())]
    Directory {
        /// The job's directory.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// The disk failed or is full.
    #[error("{}: {source}", path.display())]
    Store {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl BulkError {
    pub(crate) fn store(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Store { path, source }
    }
}

/// A failure together with whether trying again may help.
#[derive(Debug)]
pub(crate) struct Trouble {
    pub(crate) error: BulkError,
    pub(crate) retry: Retry,
}

/// Whether trying again may help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Retry {
    Never,
    /// After a pause of our own choice.
    Later,
    /// After the pause that the server asked for.
    After(Duration),
}

impl Trouble {
    /// A failure that may pass.
    pub(crate) fn passing(doing: &'static str, text: impl Into<String>) -> Self {
        Self {
            error: BulkError::Unavailable {
                doing,
                attempts: 1,
                text: text.into(),
            },
            retry: Retry::Later,
        }
    }

    /// The error when no further attempt will be made.
    pub(crate) fn after(self, attempts: u32) -> BulkError {
        match (self.retry, self.error) {
            (_, BulkError::Unavailable { doing, text, .. }) => BulkError::Unavailable {
                doing,
                attempts,
                text,
            },
            (
                Retry::Later | Retry::After(_),
                BulkError::Refused {
                    doing,
                    status,
                    text,
                },
            ) => BulkError::Unavailable {
                doing,
                attempts,
                text: format!("the server answered {status}{text}"),
            },
            (_, error) => error,
        }
    }
}

impl From<BulkError> for Trouble {
    fn from(error: BulkError) -> Self {
        Self {
            error,
            retry: Retry::Never,
        }
    }
}
