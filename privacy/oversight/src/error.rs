//! What the caller can have written wrongly.

/// What an officer asked for cannot be read. There is no other failure here: a log that does not hold is the verifier's matter.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Not a day or an instant.
    #[error(
        "{0:?} is not a day such as 2026-01-31, nor an RFC 3339 time such as 2026-01-31T12:00:00Z, from 1970 on"
    )]
    Time(String),
    /// Not a period.
    #[error("{0:?} is not a year, quarter or month such as 2026, 2026-Q3 or 2026-10, from 1970 on")]
    Period(String),
    /// Not an outcome of a question.
    #[error("{0:?} is not an outcome: answered, repeated, refused, failed, dropped or open")]
    Outcome(String),
    /// Not a kind of entry.
    #[error("{0:?} is not a kind of entry; `genesis`, `reserve` and `refuse` are")]
    Kind(String),
}

/// A result with [`Error`].
pub type Result<T> = std::result::Result<T, Error>;
