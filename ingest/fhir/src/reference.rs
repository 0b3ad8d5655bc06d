//! References to persons, encounters and medications, in every form that exports use.
//!
//! <https://hl7.org/fhir/R4/references.html>: relative, absolute, versioned, `urn:uuid:`,
//! contained (`#…`), logical (an identifier only) and conditional (`Patient?identifier=…`).

use std::borrow::Cow;

use crate::json::{Broken, Cursor};

/// A `Reference` as it stands.
#[derive(Debug, Default, Clone)]
pub(crate) struct Reference<'a> {
    literal: Option<Cow<'a, str>>,
    kind: Option<Cow<'a, str>>,
    identifier: Option<Identifier<'a>>,
}

/// A business identifier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identifier<'a> {
    pub(crate) system: Cow<'a, str>,
    pub(crate) value: Cow<'a, str>,
}

/// What a reference points to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target<'a> {
    /// Nothing usable is said.
    Missing,
    /// The resource with this id.
    Id(Cow<'a, str>),
    /// A resource contained in the same line.
    Contained(Cow<'a, str>),
    /// Whoever bears this identifier.
    Identifier(Identifier<'a>),
    /// A resource of another type.
    OtherType,
}

impl<'a> Reference<'a> {
    pub(crate) fn read(c: &mut Cursor<'a>) -> Result<Self, Broken> {
        let mut read = Self::default();
        if c.peek()? == b'"' {
            read.literal = c.text()?;
            return Ok(read);
        }
        c.each(|c| {
            c.object(|c, key| {
                match key {
                    "reference" => read.literal = c.text()?,
                    "type" => read.kind = c.text()?,
                    "identifier" => read.identifier = Identifier::read(c)?,
                    _ => c.skip()?,
                }
                Ok(())
            })
            .map(drop)
        })?;
        Ok(read)
    }

    /// What this points to when a resource of type `wanted` is meant.
    pub(crate) fn target(self, wanted: &str) -> Target<'a> {
        let by_identifier = |identifier: Option<Identifier<'a>>| match identifier {
            Some(identifier) => Target::Identifier(identifier),
            None => Target::Missing,
        };
        if self
            .kind
            .as_deref()
            .is_some_and(|kind| type_name(kind) != wanted)
        {
            return Target::OtherType;
        }
        let Some(reference) = self.literal else {
            return by_identifier(self.identifier);
        };
        match locate(&reference, wanted) {
            Located::Missing => by_identifier(self.identifier),
            Located::OtherType => Target::OtherType,
            Located::Id(start, end) => Target::Id(part(&reference, start, end)),
            Located::Contained => Target::Contained(part(&reference, 1, reference.len())),
            Located::Conditional(start) => {
                let query = &reference[start..];
                conditional(query).map_or(Target::Missing, Target::Identifier)
            }
        }
    }
}

impl<'a> Identifier<'a> {
    /// Reads one identifier; `None` unless it has a system and a value.
    pub(crate) fn read(c: &mut Cursor<'a>) -> Result<Option<Self>, Broken> {
        let (mut system, mut value) = (None, None);
        c.each(|c| {
            c.object(|c, key| {
                match key {
                    "system" => system = c.text()?,
                    "value" => value = c.text()?,
                    _ => c.skip()?,
                }
                Ok(())
            })
            .map(drop)
        })?;
        Ok(system
            .zip(value)
            .map(|(system, value)| Self { system, value }))
    }
}

enum Located {
    Missing,
    OtherType,
    Id(usize, usize),
    Contained,
    Conditional(usize),
}

fn locate(reference: &str, wanted: &str) -> Located {
    if let Some(contained) = reference.strip_prefix('#') {
        return if contained.is_empty() {
            Located::Missing
        } else {
            Located::Contained
        };
    }
    for scheme in ["urn:uuid:", "urn:oid:"] {
        if reference.starts_with(scheme) && reference.len() > scheme.len() {
            return Located::Id(scheme.len(), reference.len());
        }
    }
    if let Some(question) = reference.find('?') {
        let path = &reference[..question];
        return if path.rsplit('/').next() == Some(wanted) {
            Located::Conditional(question + 1)
        } else {
            Located::OtherType
        };
    }
    // A version and a fragment say nothing about which resource is meant.
    let path = reference.split('#').next().unwrap_or_default();
    let path = path.split("/_history").next().unwrap_or_default();
    let path = path.trim_end_matches('/');
    let Some(slash) = path.rfind('/') else {
        return if path.is_empty() {
            Located::Missing
        } else {
            Located::Id(0, path.len())
        };
    };
    let kind = path[..slash].rsplit('/').next().unwrap_or_default();
    if kind == wanted {
        Located::Id(slash + 1, path.len())
    } else {
        Located::OtherType
    }
}

/// `identifier=system|value`, the one search that names a person.
fn conditional<'a>(query: &str) -> Option<Identifier<'a>> {
    let token = query
        .split('&')
        .find_map(|parameter| parameter.strip_prefix("identifier="))?;
    let (system, value) = token
        .split_once('|')
        .or_else(|| token.split_once("%7C"))
        .or_else(|| token.split_once("%7c"))?;
    let present = !system.is_empty() && !value.is_empty();
    present.then(|| Identifier {
        system: Cow::Owned(system.to_owned()),
        value: Cow::Owned(value.to_owned()),
    })
}

/// `Reference.type` is a type name or the URI of its definition.
fn type_name(kind: &str) -> &str {
    kind.rsplit('/').next().unwrap_or(kind)
}

fn part<'a>(text: &Cow<'a, str>, start: usize, end: usize) -> Cow<'a, str> {
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(&text[start..end]),
        Cow::Owned(text) => Cow::Owned(text[start..end].to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(json: &str) -> Target<'_> {
        let mut cursor = Cursor::new(json);
        Reference::read(&mut cursor)
            .expect("well formed")
            .target("Patient")
    }

    #[test]
    fn every_form_leads_to_the_same_id() {
        for reference in [
            "Patient/p-1",
            "Patient/p-1/_history/3",
            "https://ehr.example.org/api/FHIR/R4/Patient/p-1",
            "http://ehr.example.org/Patient/p-1/_history/7",
            "/Patient/p-1",
            "urn:uuid:p-1",
            "p-1",
            "Patient/p-1#name",
            "Patient\\/p-1",
        ] {
            let json = format!(r#"{{"reference":"{reference}","display":"Doe"}}"#);
            assert_eq!(target(&json), Target::Id("p-1".into()), "{reference}");
        }
        assert_eq!(target(r#""Patient/p-1""#), Target::Id("p-1".into()));
        assert_eq!(
            target(r#"{"reference":"p-1","type":"Patient"}"#),
            Target::Id("p-1".into())
        );
        assert_eq!(
            target(r##"{"reference":"#p-1"}"##),
            Target::Contained("p-1".into())
        );
    }

    #[test]
    fn identifiers_stand_in_for_ids() {
        let expected = Target::Identifier(Identifier {
            system: "urn:mrn".into(),
            value: "77".into(),
        });
        for json in [
            r#"{"identifier":{"system":"urn:mrn","value":"77"}}"#,
            r#"{"reference":"","identifier":{"system":"urn:mrn","value":"77"}}"#,
            r#"{"reference":"Patient?identifier=urn:mrn|77"}"#,
            r#"{"reference":"https://x.org/Patient?active=true&identifier=urn:mrn%7C77"}"#,
            r##"{"reference":"#","type":"http://hl7.org/fhir/StructureDefinition/Patient","identifier":{"system":"urn:mrn","value":"77"}}"##,
        ] {
            assert_eq!(target(json), expected, "{json}");
        }
    }

    #[test]
    fn nothing_usable_is_missing_and_another_type_is_another_type() {
        for json in [
            "{}",
            "null",
            "7",
            "[]",
            r#"{"reference":null}"#,
            r#"{"display":"Doe"}"#,
            r#"{"identifier":{"value":"1"}}"#,
            r#"{"reference":"Patient?name=x"}"#,
        ] {
            assert_eq!(target(json), Target::Missing, "{json}");
        }
        for json in [
            r#"{"reference":"Group/g"}"#,
            r#"{"reference":"https://x.org/Device/1"}"#,
            r#"{"reference":"x","type":"Location"}"#,
            r#"{"reference":"Group?identifier=a|b"}"#,
        ] {
            assert_eq!(target(json), Target::OtherType, "{json}");
        }
    }
}
