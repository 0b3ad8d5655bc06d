//! What can go wrong, by exit code.

use serde_json::json;

use crate::arguments::Format;
use salus_query::{AskError, Refusal};

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

/// What a limit's account stands for: whose it is, and for how long.
fn limit_in_words(scope: &str) -> (&'static str, String) {
    let account = scope.split_once(':').map_or(scope, |(account, _)| account);
    let mut parts = account.split('/');
    let what = match parts.next() {
        Some("analyst") => "one analyst's",
        Some("dataset") => "one dataset's",
        Some("purpose") => "one purpose's",
        _ => "everybody's together",
    };
    let seconds = parts.next().and_then(|seconds| seconds.parse::<u64>().ok());
    let period = seconds.map(|seconds| match (seconds % 86_400, seconds / 86_400) {
        (0, days) => format!(" for every {days} days"),
        _ => format!(" for every {} hours", seconds / 3_600),
    });
    (what, period.unwrap_or_default())
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        let error = error.into();
        if let Some(salus_ledger::Error::Integrity(what)) = error.downcast_ref() {
            return Self::Integrity(format!(
                "ledger integrity: {what}. Nothing is answered; run `salus ledger verify` and keep the home as it is"
            ));
        }
        match error.downcast::<AskError>() {
            Ok(AskError::Refused(refusal)) => Self::Refused(refusal),
            Ok(exhausted @ AskError::Exhausted { remaining }) => Self::Exhausted(format!(
                "{exhausted}, which is rho {} and delta {}; `salus budget show` says more",
                remaining.rho.to_floor_string(),
                remaining.delta
            )),
            Ok(failed @ AskError::TooManyFailures { .. }) => Self::Exhausted(failed.to_string()),
            Ok(AskError::LimitReached {
                scope,
                remaining,
                until,
            }) => {
                let (what, whom) = limit_in_words(&scope);
                let left = remaining.rho.to_floor_string();
                let limited = AskError::LimitReached {
                    scope,
                    remaining,
                    until,
                };
                let again = until
                    .and_then(|until| i64::try_from(until).ok())
                    .and_then(|until| chrono::DateTime::from_timestamp(until, 0))
                    .map_or_else(
                        || "`salus policy apply` can raise it".to_owned(),
                        |until| format!("its next period begins at {}", until.to_rfc3339()),
                    );
                Self::Exhausted(format!(
                    "{limited}. It is {what}{whom}, and rho {left} is left in it; {again}. Nothing was spent"
                ))
            }
            Ok(dear @ (AskError::TooDear { .. } | AskError::TooMuchDelta { .. })) => {
                Self::Refused(Refusal {
                    rule: "price",
                    at: "the price".into(),
                    message: dear.to_string(),
                    hint: "ask at a smaller price or with a larger --within, or have the policy changed".into(),
                })
            }
            Ok(AskError::Ledger(error)) => Self::from(error),
            Ok(other) => Self::Other(other.into()),
            Err(error) => Self::Other(error),
        }
    }
}
