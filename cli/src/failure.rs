//! What can go wrong, by exit code.

use serde_json::json;

use crate::arguments::Format;
use salus_query::{AskError, Refusal, Said};

/// Why a command did not do what it was asked.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Exit 2: the command cannot be meant as it stands.
    Usage(String),
    /// Exit 3: a privacy rule forbids it.
    Refused(Refusal),
    /// Exit 4: the purse does not hold the price.
    Exhausted(String),
    /// Exit 5: ledger or receipt contradict themselves.
    Integrity(String),
    /// Exit 1.
    Other(anyhow::Error),
}

impl Failure {
    pub(crate) fn usage(text: impl Into<String>) -> Self {
        Self::Usage(text.into())
    }

    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Other(_) => 1,
            Self::Usage(_) => 2,
            Self::Refused(_) => 3,
            Self::Exhausted(_) => 4,
            Self::Integrity(_) => 5,
        }
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::Other(_) => "error",
            Self::Usage(_) => "usage",
            Self::Refused(_) => "refused",
            Self::Exhausted(_) => "exhausted",
            Self::Integrity(_) => "integrity",
        }
    }

    pub(crate) fn message(&self) -> String {
        match self {
            Self::Usage(text) | Self::Exhausted(text) | Self::Integrity(text) => text.clone(),
            Self::Refused(refusal) => refusal.to_string(),
            Self::Other(error) => format!("{error:#}"),
        }
    }

    /// Says it on standard error, as JSON when JSON was asked for.
    pub(crate) fn report(&self, format: Format) {
        if format != Format::Json {
            eprintln!("salus: {}", self.message());
            return;
        }
        let mut error =
            json!({"kind": self.kind(), "exit_code": self.exit_code(), "message": self.message()});
        if let (Self::Refused(refusal), Some(fields)) = (self, error.as_object_mut()) {
            fields.insert("message".into(), json!(refusal.message));
            fields.insert("rule".into(), json!(refusal.rule));
            fields.insert("at".into(), json!(refusal.at));
            fields.insert("hint".into(), json!(refusal.hint));
        }
        eprintln!("{}", json!({"error": error}));
    }
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        let error = error.into();
        // The ledger's own errors are said as those of a question are.
        let error = match error.downcast::<salus_ledger::Error>() {
            Ok(ledger) => anyhow::Error::from(AskError::Ledger(ledger)),
            Err(error) => error,
        };
        match error.downcast::<AskError>().map(AskError::said) {
            Ok(Said::Refused(refusal)) => Self::Refused(refusal),
            Ok(Said::Exhausted(text)) => Self::Exhausted(text),
            Ok(Said::Integrity(text)) => Self::Integrity(text),
            Ok(Said::Other(AskError::Ledger(error))) => Self::Other(error.into()),
            Ok(Said::Other(other)) => Self::Other(other.into()),
            Err(error) => Self::Other(error),
        }
    }
}
