//! What was deleted on the server since the last export.
//!
//! A line of a `deleted` file is a Bundle of type `transaction` whose entries say
//! `"request": {"method": "DELETE", "url": "Patient/123"}`.

use std::io::BufRead;

use serde::Deserialize;

use crate::error::BulkError;
use crate::ndjson::{Line, lines};

/// A resource that is gone: its type and logical id.
pub type Deletion = (String, String);

#[derive(Deserialize)]
struct Bundle {
    #[serde(default)]
    entry: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    request: Option<EntryRequest>,
}

#[derive(Deserialize)]
struct EntryRequest {
    #[serde(default)]
    method: String,
    #[serde(default)]
    url: String,
}

/// The deletions of a `deleted` file, in its order. Whatever cannot be understood is an error and not
/// passed over: a deletion that is lost keeps a person in the lake who should be gone.
pub fn deletions(reader: impl BufRead) -> impl Iterator<Item = Result<Deletion, BulkError>> {
    let mut number = 0_u64;
    lines(reader, "a file of deletions").flat_map(move |line| {
        number += 1;
        let found = line.and_then(|line| match line {
            Line::TooLong => Err(broken(number, "is too long")),
            Line::Whole(line) => bundle(&line, number),
        });
        match found {
            Ok(found) => found.into_iter().map(Ok).collect::<Vec<_>>(),
            Err(error) => vec![Err(error)],
        }
    })
}

fn bundle(line: &[u8], number: u64) -> Result<Vec<Deletion>, BulkError> {
    let bundle: Bundle =
        serde_json::from_slice(line).map_err(|_| broken(number, "is not a Bundle"))?;
    let mut found = Vec::new();
    for entry in bundle.entry {
        let Some(request) = entry.request else {
            return Err(broken(number, "has an entry without request"));
        };
        if !request.method.eq_ignore_ascii_case("DELETE") {
            return Err(broken(number, "has an entry that deletes nothing"));
        }
        found.push(
            target(&request.url).ok_or_else(|| broken(number, "deletes no single resource"))?,
        );
    }
    Ok(found)
}

/// The last two segments of a literal address, relative or absolute, with or without version.
fn target(url: &str) -> Option<Deletion> {
    if url.contains('?') {
        return None;
    }
    let url = url.split_once("/_history/").map_or(url, |(url, _)| url);
    let (before, id) = url.rsplit_once('/')?;
    let kind = before.rsplit('/').next()?;
    let kind_ok = !kind.is_empty() && kind.bytes().all(|b| b.is_ascii_alphabetic());
    let id_ok = (1..=64).contains(&id.len())
        && id
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.'));
    (kind_ok && id_ok).then(|| (kind.to_owned(), id.to_owned()))
}

/// Neither line nor id is shown: it names a patient.
fn broken(number: u64, what: &str) -> BulkError {
    BulkError::Protocol {
        doing: "a file of deletions",
        text: format!("entry line {number} {what}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deletions_come_in_order() {
        let file = concat!(
            r#"{"resourceType":"Bundle","type":"transaction","entry":[{"request":{"method":"DELETE","url":"Patient/1"}},{"request":{"method":"DELETE","url":"https://a.org/fhir/Observation/o-2"}}]}"#,
            "\n\n",
            r#"{"resourceType":"Bundle","type":"transaction","entry":[{"request":{"method":"delete","url":"/Condition/3/_history/7"}}]}"#,
            "\n",
            r#"{"resourceType":"Bundle","type":"transaction"}"#,
        );
        let found: Result<Vec<_>, _> = deletions(file.as_bytes()).collect();
        let found = found.unwrap();
        let short: Vec<String> = found
            .iter()
            .map(|(kind, id)| format!("{kind}/{id}"))
            .collect();
        assert_eq!(short, ["Patient/1", "Observation/o-2", "Condition/3"]);
    }

    #[test]
    fn nothing_is_passed_over() {
        for line in [
            "not json",
            r#"{"entry":[{}]}"#,
            r#"{"entry":[{"request":{"method":"PUT","url":"Patient/1"}}]}"#,
            r#"{"entry":[{"request":{"method":"DELETE","url":"Patient?identifier=x"}}]}"#,
            r#"{"entry":[{"request":{"method":"DELETE","url":"Patient/"}}]}"#,
            r#"{"entry":[{"request":{"method":"DELETE"}}]}"#,
        ] {
            let found: Vec<_> = deletions(line.as_bytes()).collect();
            assert!(matches!(found.as_slice(), [Err(_)]), "{line}");
            let text = found[0].as_ref().unwrap_err().to_string();
            assert!(!text.contains("identifier"), "{text}");
        }
    }
}
