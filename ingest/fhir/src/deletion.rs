//! Deletions: bundles that name what a server has deleted since the last export.
//!
//! Bulk Data servers list them under `deleted`, as lines that are each a Bundle of type `transaction` whose entries are all
//! `DELETE` requests (<https://hl7.org/fhir/uv/bulkdata/export.html#response---complete-status>).

use std::sync::{Mutex, PoisonError};

use crate::json::{Broken, Cursor};
use crate::lines::Ids;

/// A resource's type and id.
pub(crate) type Name = (Box<str>, Box<str>);

/// What the line deletes, if it is a bundle of deletions and of nothing else.
pub(crate) fn deletions(bytes: &[u8]) -> Option<Vec<Name>> {
    let text = std::str::from_utf8(bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes)).ok()?;
    let mut c = Cursor::new(text);
    let (mut bundle, mut transaction) = (false, false);
    let mut names = Some(Vec::new());
    let object = c.object(|c, key| {
        match key {
            "resourceType" => bundle = c.text()?.as_deref() == Some("Bundle"),
            "type" => transaction = matches!(c.text()?.as_deref(), Some("transaction" | "batch")),
            "entry" => c.each(|c| {
                match (entry(c)?, &mut names) {
                    (Some(name), Some(names)) => names.push(name),
                    _ => names = None,
                }
                Ok(())
            })?,
            _ => c.skip()?,
        }
        Ok(())
    });
    let whole = object.and_then(|object| c.end().map(|()| object));
    let names = names.filter(|names| !names.is_empty());
    names.filter(|_| whole == Ok(true) && bundle && transaction)
}

/// What one entry deletes; nothing when it does anything else.
fn entry(c: &mut Cursor<'_>) -> Result<Option<Name>, Broken> {
    let (mut deletes, mut name) = (false, None);
    c.object(|c, key| {
        if key != "request" {
            return c.skip();
        }
        c.object(|c, key| {
            match key {
                "method" => deletes = c.text()?.as_deref() == Some("DELETE"),
                "url" => name = c.text()?.as_deref().and_then(named),
                _ => c.skip()?,
            }
            Ok(())
        })
        .map(drop)
    })?;
    Ok(name.filter(|_| deletes))
}

/// Type and id of `Type/id`, also as an absolute address; a conditional deletion names nothing.
fn named(url: &str) -> Option<Name> {
    if url.contains(['?', '#']) {
        return None;
    }
    let mut parts = url.trim_end_matches('/').rsplit('/');
    let (id, kind) = (parts.next()?, parts.next()?);
    let is_type = kind.starts_with(|first: char| first.is_ascii_uppercase())
        && kind.bytes().all(|byte| byte.is_ascii_alphabetic());
    (is_type && !id.is_empty()).then(|| (kind.into(), id.into()))
}

/// Everything that an export deletes. Shared by all workers of the first pass.
#[derive(Debug, Default)]
pub(crate) struct Deleted {
    by_type: Mutex<Ids>,
}

impl Deleted {
    pub(crate) fn note(&self, names: Vec<Name>) {
        let mut by_type = self.by_type.lock().unwrap_or_else(PoisonError::into_inner);
        for (kind, id) in names {
            by_type.entry(kind).or_default().insert(id);
        }
    }

    /// Ids by type, when all of the export has been read.
    pub(crate) fn into_names(self) -> Ids {
        self.by_type
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(line: &str) -> Option<Vec<String>> {
        let names = deletions(line.as_bytes())?;
        Some(
            names
                .into_iter()
                .map(|(kind, id)| format!("{kind}/{id}"))
                .collect(),
        )
    }

    #[test]
    fn only_bundles_of_deletions_delete() {
        let bundle = |kind: &str, entries: &str| {
            format!(r#"{{"resourceType":"Bundle","id":"x","type":"{kind}","entry":[{entries}]}}"#)
        };
        let delete = |url: &str| format!(r#"{{"request":{{"method":"DELETE","url":"{url}"}}}}"#);
        let two = format!(
            "{},{}",
            delete("Patient/1"),
            delete("https://a.example/fhir/Observation/2")
        );
        assert_eq!(
            names(&bundle("transaction", &two)),
            Some(vec!["Patient/1".into(), "Observation/2".into()])
        );
        for other in [
            bundle("transaction", ""),
            bundle("searchset", &two),
            bundle("transaction", &delete("Patient?identifier=1")),
            bundle("transaction", &delete("nothing")),
            bundle(
                "transaction",
                &format!(r#"{two},{{"request":{{"method":"PUT","url":"Patient/1"}}}}"#),
            ),
            bundle("transaction", r#"{"resource":{"resourceType":"Patient"}}"#),
            bundle("transaction", &two).replace("Bundle", "Basic"),
            bundle("transaction", &two).replace("]}", "]"),
        ] {
            assert_eq!(names(&other), None, "{other}");
        }
    }
}
