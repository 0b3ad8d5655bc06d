//! OperationOutcomes: why a server refused, and what the error files of an export say.

use std::collections::BTreeMap;
use std::io::BufRead;

use serde_json::Value;

use crate::error::BulkError;
use crate::ndjson::{Line, lines};
use crate::text::{SHOWN, clean};

/// Children of `transient` in the IssueType code system, except `exception`, which servers use for
/// defects that stay.
const TRANSIENT: [&str; 6] = [
    "transient",
    "lock-error",
    "no-store",
    "timeout",
    "throttled",
    "incomplete",
];

/// Texts that a summary keeps of each kind of issue.
const EXAMPLES: usize = 3;

#[derive(Debug)]
pub(crate) struct Outcome {
    issues: Vec<Issue>,
}

#[derive(Debug, Clone)]
struct Issue {
    severity: String,
    code: String,
    text: String,
}

impl Outcome {
    /// An OperationOutcome, if `body` is one.
    pub(crate) fn parse(body: &[u8]) -> Option<Self> {
        let value: Value = serde_json::from_slice(body).ok()?;
        (value.get("resourceType")?.as_str()? == "OperationOutcome").then(|| Self::read(&value))
    }

    fn read(value: &Value) -> Self {
        let text = |value: &Value, longest| clean(value.as_str().unwrap_or_default(), longest);
        let issues = value.get("issue").and_then(Value::as_array);
        let issues = issues.into_iter().flatten().map(|issue| {
            let details = text(&issue["details"]["text"], SHOWN);
            let coding = text(&issue["details"]["coding"][0]["display"], SHOWN);
            let diagnostics = text(&issue["diagnostics"], SHOWN);
            let texts = [details, diagnostics, coding];
            Issue {
                severity: text(&issue["severity"], 20),
                code: text(&issue["code"], 40),
                text: texts
                    .into_iter()
                    .find(|text| !text.is_empty())
                    .unwrap_or_default(),
            }
        });
        Self {
            issues: issues.collect(),
        }
    }

    /// Whether the server says that trying again may help.
    pub(crate) fn transient(&self) -> bool {
        let transient = |issue: &Issue| TRANSIENT.contains(&issue.code.as_str());
        self.issues.iter().any(transient)
    }

    /// All issues in one bounded line.
    pub(crate) fn text(&self) -> String {
        let texts = self.issues.iter().map(|issue| match issue.text.as_str() {
            "" => format!("{} ({})", issue.severity, issue.code),
            text => format!("{text} ({})", issue.code),
        });
        clean(&texts.collect::<Vec<_>>().join("; "), SHOWN)
    }
}

/// Issues of one severity and code in the error files of an export: a fact about data quality.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssueCount {
    /// `fatal`, `error`, `warning` or `information`, or what the server wrote instead.
    pub severity: String,
    /// A code of the IssueType code system; `unreadable` for lines that are no OperationOutcome.
    pub code: String,
    /// How many issues.
    pub count: u64,
    /// The first different texts, cleaned. They are the server's words and may name resources.
    pub texts: Vec<String>,
}

/// Counts the issues of an error file (OperationOutcomes, one on each line), by severity and code.
///
/// # Errors
/// [`BulkError::Protocol`] if the file cannot be read as text.
pub fn summarise(reader: impl BufRead) -> Result<Vec<IssueCount>, BulkError> {
    let mut counts = BTreeMap::new();
    add(&mut counts, reader)?;
    Ok(finish(counts))
}

type Counts = BTreeMap<(String, String), (u64, Vec<String>)>;

pub(crate) fn add(counts: &mut Counts, reader: impl BufRead) -> Result<(), BulkError> {
    for line in lines(reader, "an error file") {
        let outcome = match line? {
            Line::TooLong => None,
            Line::Whole(line) => Outcome::parse(&line),
        };
        let unreadable = || {
            vec![Issue {
                severity: "error".into(),
                code: "unreadable".into(),
                text: String::new(),
            }]
        };
        for issue in outcome.map_or_else(unreadable, |outcome| outcome.issues) {
            let (count, texts) = counts.entry((issue.severity, issue.code)).or_default();
            *count += 1;
            if texts.len() < EXAMPLES && !issue.text.is_empty() && !texts.contains(&issue.text) {
                texts.push(issue.text);
            }
        }
    }
    Ok(())
}

pub(crate) fn finish(counts: Counts) -> Vec<IssueCount> {
    let counts = counts.into_iter();
    counts
        .map(|((severity, code), (count, texts))| IssueCount {
            severity,
            code,
            count,
            texts,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_files_are_counted() {
        let file = concat!(
            r#"{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"processing","diagnostics":"a\u0007b"}]}"#,
            "\n\n",
            r#"{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"processing","details":{"text":"c"}},{"severity":"warning","code":"not-found"}]}"#,
            "\n{\"resourceType\":\"Patient\"}\nnot json\n",
            r#"{"resourceType":"OperationOutcome"}"#,
        );
        let counts = summarise(file.as_bytes()).unwrap();
        let short: Vec<_> = counts
            .iter()
            .map(|c| {
                (
                    c.severity.as_str(),
                    c.code.as_str(),
                    c.count,
                    c.texts.join("|"),
                )
            })
            .collect();
        assert_eq!(
            short,
            [
                ("error", "processing", 2, "a b|c".to_owned()),
                ("error", "unreadable", 2, String::new()),
                ("warning", "not-found", 1, String::new()),
            ]
        );
    }

    #[test]
    fn transience_is_the_servers_word() {
        let outcome = |code: &str| {
            let body = format!(
                r#"{{"resourceType":"OperationOutcome","issue":[{{"severity":"error","code":"{code}"}}]}}"#
            );
            Outcome::parse(body.as_bytes()).unwrap().transient()
        };
        assert!(outcome("transient") && outcome("throttled"));
        assert!(!outcome("processing") && !outcome("exception"));
        assert!(Outcome::parse(b"{}").is_none());
    }
}
