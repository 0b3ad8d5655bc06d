//! What is wrong with a view definition.

use std::fmt;

use crate::fhirpath::SyntaxError;

/// Something in a ViewDefinition that keeps it from being run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where: `select[0].column[2].path`; empty for the document as a whole.
    pub path: String,
    /// Where in a FHIRPath expression: its byte, from 0.
    pub position: Option<usize>,
    /// What is wrong and what to do about it.
    pub what: String,
}

impl Problem {
    pub(super) fn new(path: impl Into<String>, what: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            position: None,
            what: what.into(),
        }
    }

    pub(super) fn in_expression(path: &str, error: SyntaxError) -> Self {
        Self {
            path: path.to_owned(),
            position: Some(error.at),
            what: error.what,
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.path.is_empty() {
            write!(f, "{}", self.path)?;
            if let Some(position) = self.position {
                write!(f, " at byte {position}")?;
            }
            f.write_str(": ")?;
        }
        f.write_str(&self.what)
    }
}

impl std::error::Error for Problem {}
