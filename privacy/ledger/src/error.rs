//! What can go wrong, by what the caller does next. All text is public: it depends on the log and the request, never on data.

use salus_accounting::{Loss, Rho};

/// Why the ledger did not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The log, its store or its checkpoint contradict themselves or each other. Stop and investigate; nothing is answered.
    #[error("ledger integrity: {0}")]
    Integrity(String),
    /// Another process holds the ledger. Try again.
    #[error("the ledger is busy")]
    Busy,
    /// The store, the disk or the operating system did not serve. Nothing is known to be lost; open the ledger again.
    #[error("the ledger is unavailable: {0}")]
    Unavailable(&'static str),
    /// The request breaks a rule of the ledger. Ask differently.
    #[error("the ledger refuses: {0}")]
    Refused(String),
    /// The entry would be longer than 65,535 bytes (rule F1). Ask for less at once.
    #[error("an entry of the ledger has at most 65,535 bytes")]
    TooLong,
    /// Catalog, policy or snapshot have moved on since the plan was made, or since what is to be recorded was read. Plan or read again.
    #[error("catalog or policy changed since the question was planned; plan it again")]
    Stale,
    /// No answer could be made after the budget was taken. The text is one and the same whatever the reason.
    #[error("no answer could be produced; the budget stays spent")]
    Failed,
    /// A defect of this program.
    #[error("internal error of the ledger: {0}")]
    Bug(&'static str),
}

/// Why a reserve was not granted. Only [`ReserveError::Ledger`] can mean that something is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReserveError {
    /// The purse of the identity space does not hold the price. Nothing was spent; the refusal is in the log.
    #[error("the privacy budget is exhausted")]
    BudgetExhausted {
        /// What is left.
        remaining: Loss,
    },
    /// A limit of the policy does not let the price through. Nothing was spent; the refusal is in the log.
    #[error("the policy's limit for {scope} does not let the question through")]
    LimitReached {
        /// The limit's account.
        scope: String,
        /// What it still lets through.
        remaining: Loss,
        /// Seconds since 1970-01-01T00:00:00Z at which its next period begins, where it has periods.
        until: Option<u64>,
    },
    /// Too many questions have failed under the policy in force. Nothing was spent; the refusal is in the log.
    #[error(
        "{failures} questions have failed and {unanswered} were never answered under the policy in force; nothing is answered until a new one is"
    )]
    TooManyFailures {
        /// Questions that failed.
        failures: usize,
        /// Questions without an ending when the ledger was opened.
        unanswered: usize,
    },
    /// The policy does not allow one query to cost this much. Nothing was spent.
    #[error("the query costs more than the policy allows for one query")]
    QueryTooDear {
        /// Most that one query may cost.
        most: Rho,
    },
    /// The certificate does not fit an entry. Nothing was spent.
    #[error("the certificate is longer than an entry of the ledger can be")]
    TooLong,
    /// The request was sent before, under the same key. Nothing was spent again.
    #[error("the request was sent before")]
    SentBefore,
    /// Anything else.
    #[error(transparent)]
    Ledger(#[from] Error),
}

/// Shorthand of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

pub(crate) fn integrity(what: impl Into<String>) -> Error {
    Error::Integrity(what.into())
}
