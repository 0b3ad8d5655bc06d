//! What ingest could not use, byte for byte, with its reason.

/// A source line, or part of one, that ingest could not use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quarantined {
    /// Name of the source file as the operator knows it.
    pub file: String,
    /// Line in it, from 1; 0 when the whole file is meant.
    pub line: u64,
    /// Why, as a short stable code such as `broken_json`.
    pub reason_code: String,
    /// Why, for an operator; may quote the line.
    pub detail: String,
    /// The line as it came, without its line end.
    pub bytes: Vec<u8>,
}
