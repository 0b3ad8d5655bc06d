//! The crate's one error type.

/// Why a quantity could not be read. Arithmetic that does not fit answers `None` instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AccountingError {
    /// The text is not an unsigned decimal number such as `0.5` or `1e-6`: ask the user to write it again.
    #[error("not an unsigned decimal number such as 0.5 or 1e-6")]
    Syntax,
    /// The number is well formed but larger than the quantity can be: ask the user for a smaller one.
    #[error("the number is too large for this quantity")]
    TooLarge,
    /// Stored bytes are not the one canonical form: the store is corrupt or was written by something else.
    #[error("not the canonical form of this quantity")]
    NotCanonical,
}
