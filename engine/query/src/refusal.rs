//! Why a question is not admitted: the rule, the place in the query, and what to write instead.

use std::fmt;

use serde::Serialize;

/// A question that no budget can buy an answer to, as it stands.
///
/// # Guarantee
/// A refusal is a function of the query, the catalog and the policy. It is made before a private byte is read, so it says nothing about
/// anybody, and it costs nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Refusal {
    /// The rule that is broken, or another of the names that `docs/proofs/rules.md` lists.
    pub rule: &'static str,
    /// The place in the query: an operator and the expression it stumbled over.
    pub at: String,
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub hint: String,
}

impl Refusal {
    pub(crate) fn new(
        rule: &'static str,
        at: impl fmt::Display,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        Self {
            rule,
            at: shorten(&at.to_string()),
            message: message.into(),
            hint: hint.into(),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "refused by rule {}: {}\n  at:   {}\n  hint: {}",
            self.rule, self.message, self.at, self.hint
        )
    }
}

impl std::error::Error for Refusal {}

/// Operators can print whole subtrees; the place in the query is one line.
fn shorten(text: &str) -> String {
    const MOST: usize = 160;
    let line = text.lines().next().unwrap_or_default();
    match line.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line.to_owned(),
    }
}
