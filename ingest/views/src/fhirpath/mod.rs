//! The text of FHIRPath expressions (N1, <http://hl7.org/fhirpath/N1/>): words, grammar, printing.
//!
//! What comes out is the expression as written; names of functions, types and constants are
//! resolved by `compile`.

mod lex;
mod parse;
mod print;
mod syntax;

pub(crate) use parse::parse;
pub(crate) use syntax::{Binary, Chain, Literal, Node, Syntax, TypeOperator};

/// Why a text is no expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SyntaxError {
    /// Byte in the expression.
    pub(crate) at: usize,
    pub(crate) what: String,
}

impl SyntaxError {
    fn new(at: usize, what: impl Into<String>) -> Self {
        Self {
            at,
            what: what.into(),
        }
    }
}

#[cfg(test)]
mod tests;
