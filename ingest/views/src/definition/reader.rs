//! Reading a definition member by member, noting whatever is wrong instead of stopping at it.

use super::Problem;
use crate::json::{At, Document, Kind};

/// A definition being read.
pub(super) struct Reader<'d> {
    pub(super) document: Document<'d>,
    pub(super) problems: Vec<Problem>,
}

/// Members that every element of FHIR may have.
const ANYWHERE: &[&str] = &["id", "extension", "modifierExtension"];

impl<'d> Reader<'d> {
    pub(super) fn problem(&mut self, path: &str, what: impl Into<String>) {
        self.problems.push(Problem::new(path, what));
    }

    /// Notes members that are not known, and those that occur twice.
    pub(super) fn only(&mut self, at: At, path: &str, known: &[&str]) {
        let document = self.document;
        let mut seen = Vec::new();
        for member in document.children(at) {
            let key = document.key(member);
            if seen.contains(&key) {
                self.problem(&joined(path, key), "the member occurs twice; keep one");
            }
            seen.push(key);
            let name = key.strip_prefix('_').unwrap_or(key);
            if !known.contains(&name) && !ANYWHERE.contains(&name) {
                let near = known.iter().find(|known| known.eq_ignore_ascii_case(name));
                let what = match near {
                    Some(near) => format!("there is no such member; did you mean `{near}`?"),
                    None => "there is no such member; remove it".to_owned(),
                };
                self.problem(&joined(path, key), what);
            }
        }
    }

    /// A member that is a string with something in it.
    pub(super) fn text(&mut self, at: At, path: &str, name: &str) -> Option<&'d str> {
        let member = self.document.member(at, name)?;
        match self.document.string(member) {
            Some(text) if !text.trim().is_empty() => Some(text),
            _ => {
                self.problem(
                    &joined(path, name),
                    "a string with something in it is needed",
                );
                None
            }
        }
    }

    /// The same where it must not be missing.
    pub(super) fn required(&mut self, at: At, path: &str, name: &str) -> Option<&'d str> {
        if self.document.member(at, name).is_none() {
            self.problem(path, format!("`{name}` is missing; add it"));
        }
        self.text(at, path, name)
    }

    pub(super) fn boolean(&mut self, at: At, path: &str, name: &str) -> Option<bool> {
        let member = self.document.member(at, name)?;
        match self.document.kind(member) {
            Kind::True => Some(true),
            Kind::False => Some(false),
            _ => {
                self.problem(
                    &joined(path, name),
                    "true or false is needed, without quotes",
                );
                None
            }
        }
    }

    /// The values of a list, each with its path.
    pub(super) fn list(&mut self, at: At, path: &str, name: &str) -> Vec<(At, String)> {
        let path = joined(path, name);
        let Some(member) = self.document.member(at, name) else {
            return Vec::new();
        };
        if self.document.kind(member) != Kind::Array {
            self.problem(&path, "a list is needed: put it in [ ]");
            return Vec::new();
        }
        let items = self.document.children(member).enumerate();
        let items: Vec<_> = items
            .map(|(index, item)| (item, format!("{path}[{index}]")))
            .collect();
        if items.is_empty() {
            self.problem(&path, "the list is empty; remove it or fill it");
        }
        items
    }

    /// The same for a list of objects; other values are noted and left out.
    pub(super) fn objects(&mut self, at: At, path: &str, name: &str) -> Vec<(At, String)> {
        let mut items = self.list(at, path, name);
        items.retain(|(item, path)| {
            let object = self.document.kind(*item) == Kind::Object;
            if !object {
                self.problem(path, "an object is needed here");
            }
            object
        });
        items
    }

    /// A name that databases can use.
    pub(super) fn name(&mut self, at: At, path: &str) -> Option<&'d str> {
        let name = self.required(at, path, "name")?;
        if !is_name(name) {
            let what = "a name begins with a letter and goes on with letters, digits and \
                        underscores; rename it";
            self.problem(&joined(path, "name"), what);
            return None;
        }
        Some(name)
    }
}

pub(super) fn joined(path: &str, name: &str) -> String {
    if path.is_empty() {
        name.to_owned()
    } else {
        format!("{path}.{name}")
    }
}

/// `^[A-Za-z][A-Za-z0-9_]*$`
pub(super) fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}
