//! The output manifest: lenient in what cannot do harm, strict where data could be lost.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use url::Url;

use crate::error::BulkError;
use crate::request::resource_type;
use crate::text::clean;

const READING: &str = "reading the manifest";

/// Which list of the manifest a file stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Section {
    /// Exported resources.
    Output,
    /// Bundles that name deleted resources.
    Deleted,
    /// OperationOutcomes: what could not be exported. The ballot of version 4 calls it `outcome`.
    Error,
}

impl Section {
    /// The folder of its files in the job's directory.
    pub fn folder(self) -> &'static str {
        match self {
            Self::Output => "output",
            Self::Deleted => "deleted",
            Self::Error => "error",
        }
    }
}

/// One file as the manifest lists it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Entry {
    pub(crate) section: Section,
    /// The resource type, if the file holds one and its name can be one.
    pub(crate) kind: Option<String>,
    pub(crate) url: Url,
    pub(crate) count: Option<u64>,
}

/// A manifest, or a page of one.
#[derive(Debug, Clone)]
pub(crate) struct Page {
    pub(crate) transaction_time: Option<String>,
    /// Whether files need the access token. A server that does not say is given it, within the rules
    /// of [`crate::trust`].
    pub(crate) requires_token: bool,
    pub(crate) entries: Vec<Entry>,
    pub(crate) next: Option<Url>,
}

impl Page {
    /// Reads a manifest that came from `url`; relative addresses are below it. Unknown members,
    /// `null`, missing lists and empty strings in place of nothing are passed over, and so are
    /// `continuesInFile`, `extension`, `request` and `outputOrganizedBy`: nothing depends on them.
    ///
    /// # Errors
    /// [`BulkError::Protocol`] if it is no manifest, or a file has no address.
    pub(crate) fn read(body: &[u8], url: &Url) -> Result<Self, BulkError> {
        let Ok(Value::Object(manifest)) = serde_json::from_slice(body) else {
            return Err(broken("it is not a JSON object".into()));
        };
        let output = present(manifest.get("output")).is_some();
        let dated = text(manifest.get("transactionTime"));
        if !output && dated.is_none() {
            return Err(broken("it has neither output nor transactionTime".into()));
        }
        let mut entries = Vec::new();
        for (member, section) in [
            ("output", Section::Output),
            ("deleted", Section::Deleted),
            ("error", Section::Error),
            ("outcome", Section::Error),
        ] {
            let items = match present(manifest.get(member)) {
                None => continue,
                Some(Value::Array(items)) => items,
                Some(_) => return Err(broken(format!("`{member}` is not a list"))),
            };
            for (index, item) in items.iter().enumerate() {
                entries.push(entry(item, section, url).map_err(|what| {
                    broken(format!("{what} in file {} of `{member}`", index + 1))
                })?);
            }
        }
        Ok(Self {
            transaction_time: dated.map(str::to_owned),
            requires_token: flag(manifest.get("requiresAccessToken")).unwrap_or(true),
            entries,
            next: next(manifest.get("link"), url)?,
        })
    }
}

fn entry(item: &Value, section: Section, base: &Url) -> Result<Entry, &'static str> {
    let link = text(item.get("url")).ok_or("there is no `url`")?;
    let url = base.join(link).map_err(|_| "the `url` is no address")?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err("the `url` is neither http nor https");
    }
    let kind = text(item.get("type")).filter(|kind| resource_type(kind));
    let count = item.get("count");
    let count = count.and_then(|count| count.as_u64().or_else(|| count.as_str()?.parse().ok()));
    Ok(Entry {
        section,
        kind: kind.map(str::to_owned),
        url,
        count,
    })
}

fn next(links: Option<&Value>, base: &Url) -> Result<Option<Url>, BulkError> {
    let links = links.and_then(Value::as_array).into_iter().flatten();
    let Some(link) = links.into_iter().find(|link| link["relation"] == "next") else {
        return Ok(None);
    };
    let Some(target) = text(link.get("url")) else {
        return Err(broken("the next link has no `url`".into()));
    };
    let url = base.join(target);
    url.map(Some)
        .map_err(|_| broken(format!("{} is no address", clean(target, 200))))
}

/// A value that is there: not `null`, not an empty string.
fn present(value: Option<&Value>) -> Option<&Value> {
    value.filter(|value| !value.is_null() && value.as_str() != Some(""))
}

fn text(value: Option<&Value>) -> Option<&str> {
    let text = present(value)?.as_str()?.trim();
    (!text.is_empty()).then_some(text)
}

fn flag(value: Option<&Value>) -> Option<bool> {
    let value = value?;
    value
        .as_bool()
        .or_else(|| value.as_str()?.trim().parse().ok())
}

fn broken(text: String) -> BulkError {
    BulkError::Protocol {
        doing: READING,
        text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn read(manifest: &Value) -> Result<Page, BulkError> {
        let url = Url::parse("https://a.org/fhir/status/1").unwrap();
        Page::read(manifest.to_string().as_bytes(), &url)
    }

    #[test]
    fn what_servers_send() {
        let page = read(&json!({
            "transactionTime": "2026-01-01T00:00:00Z",
            "request": "",
            "requiresAccessToken": "false",
            "outputOrganizedBy": "",
            "output": [
                {"type": "Patient", "url": "https://b.org/1.Patient.ndjson", "count": 7, "x": 1},
                {"type": "", "url": "../files/2", "count": "8", "continuesInFile": 5},
                {"type": "../../etc/passwd", "url": "/3", "count": -1},
            ],
            "deleted": "",
            "error": null,
            "outcome": [{"type": "OperationOutcome", "url": "https://b.org/e"}],
            "extension": {"x": []},
        }))
        .unwrap();
        assert!(!page.requires_token);
        assert!(page.next.is_none());
        let short: Vec<_> = page
            .entries
            .iter()
            .map(|e| (e.section, e.kind.as_deref(), e.url.as_str(), e.count))
            .collect();
        assert_eq!(
            short,
            [
                (
                    Section::Output,
                    Some("Patient"),
                    "https://b.org/1.Patient.ndjson",
                    Some(7)
                ),
                (Section::Output, None, "https://a.org/fhir/files/2", Some(8)),
                (Section::Output, None, "https://a.org/3", None),
                (
                    Section::Error,
                    Some("OperationOutcome"),
                    "https://b.org/e",
                    None
                ),
            ]
        );
        let empty = read(&json!({"transactionTime": "2026-01-01T00:00:00Z"})).unwrap();
        assert!(empty.entries.is_empty() && empty.requires_token);
    }

    #[test]
    fn pages_are_linked() {
        let page = read(&json!({"output": [], "link": [
            {"relation": "self", "url": "x"}, {"relation": "next", "url": "1?page=2"}]}))
        .unwrap();
        assert_eq!(
            page.next.unwrap().as_str(),
            "https://a.org/fhir/status/1?page=2"
        );
        assert!(read(&json!({"output": [], "link": [{"relation": "next"}]})).is_err());
    }

    #[test]
    fn what_would_lose_data_is_an_error() {
        for (manifest, expected) in [
            (
                json!({"output": [{"type": "Patient"}]}),
                "no `url` in file 1 of `output`",
            ),
            (json!({"output": [{"url": ""}]}), "no `url`"),
            (json!({"output": [{"url": "https://["}]}), "no address"),
            (
                json!({"output": [{"url": "file:///etc/passwd"}]}),
                "neither http nor https",
            ),
            (json!({"output": {"url": "x"}}), "`output` is not a list"),
            (json!([]), "not a JSON object"),
            (
                json!({"resourceType": "Bundle"}),
                "neither output nor transactionTime",
            ),
        ] {
            let error = read(&manifest).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
        let url = Url::parse("https://a.org/").unwrap();
        assert!(Page::read(b"<html>", &url).is_err());
    }

    proptest! {
        #[test]
        fn nothing_panics(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            let url = Url::parse("https://a.org/").unwrap();
            let _ = Page::read(&body, &url);
        }
    }
}
