//! One line becomes one resource: the fields that the tables take, borrowed from the line.

mod allergy_intolerance;
mod condition;
mod contained;
mod diagnostic_report;
mod encounter;
mod header;
mod immunization;
mod medication_request;
mod observation;
mod patient;
mod procedure;

use std::borrow::Cow;

pub(crate) use allergy_intolerance::AllergyIntolerance;
pub(crate) use condition::Condition;
pub(crate) use diagnostic_report::DiagnosticReport;
pub(crate) use encounter::Encounter;
pub(crate) use header::Header;
pub(crate) use immunization::Immunization;
pub(crate) use medication_request::{Medication, MedicationRequest};
pub(crate) use observation::Observation;
pub(crate) use patient::Patient;
pub(crate) use procedure::Procedure;

use crate::coding::{Coded, MEDICATION};
use crate::json::{Broken, Cursor};
use crate::reason::{Reason, Rejection};
use crate::reference::{Reference, Target};
use crate::views::names_person;

/// What a line says.
#[derive(Debug)]
pub(crate) enum Resource<'a> {
    Patient(Box<Patient<'a>>),
    Encounter(Encounter<'a>),
    Condition(Condition<'a>),
    Observation(Box<Observation<'a>>),
    MedicationRequest(MedicationRequest<'a>),
    Procedure(Procedure<'a>),
    Immunization(Immunization<'a>),
    AllergyIntolerance(AllergyIntolerance<'a>),
    DiagnosticReport(DiagnosticReport<'a>),
    /// Has no table, but requests refer to it.
    Medication(Coded<'a>),
    /// Has no table.
    Other,
}

/// A well-formed line.
#[derive(Debug)]
pub(crate) struct Line<'a> {
    /// `resourceType`.
    pub(crate) kind: Cow<'a, str>,
    /// What every resource has.
    pub(crate) header: Header<'a>,
    pub(crate) resource: Resource<'a>,
}

/// The nine types that have a table of their own, with its name.
pub(crate) const WITH_TABLE: [(&str, &str); 9] = [
    ("Patient", "patient"),
    ("Encounter", "encounter"),
    ("Condition", "condition"),
    ("Observation", "observation"),
    ("MedicationRequest", "medication_request"),
    ("Procedure", "procedure"),
    ("Immunization", "immunization"),
    ("AllergyIntolerance", "allergy_intolerance"),
    ("DiagnosticReport", "diagnostic_report"),
];

impl<'a> Line<'a> {
    /// Reads a line of any bytes.
    pub(crate) fn parse(bytes: &'a [u8]) -> Result<Self, Rejection> {
        let text = utf8(bytes)?;
        let kind = resource_type(text)?;
        let mut c = Cursor::new(text);
        let mut header = Header::default();
        let resource =
            read(&kind, &mut c, &mut header).and_then(|resource| c.end().map(|()| resource));
        match resource {
            Ok(resource) => Ok(Self {
                kind,
                header,
                resource,
            }),
            Err(broken) => Err(rejected(broken)),
        }
    }

    /// The name of the line's table; those of views come beside it.
    pub(crate) fn table(&self) -> Option<&'static str> {
        let found = WITH_TABLE.iter().find(|(kind, _)| *kind == self.kind);
        found.map(|(_, table)| *table)
    }

    /// The person whom the line is about.
    pub(crate) fn subject(&self) -> Target<'a> {
        let target = self.header.subject.clone().target("Patient");
        match target {
            Target::Contained(name) => {
                let identifier = self
                    .header
                    .contained
                    .and_then(|all| contained::patient(all, &name));
                identifier.map_or(Target::Missing, Target::Identifier)
            }
            target => target,
        }
    }

    /// The contained medication that a request points to.
    pub(crate) fn contained_medication(&self, name: &str) -> Option<Coded<'a>> {
        self.header
            .contained
            .and_then(|all| contained::medication(all, name))
    }
}

/// The type and the id of a line, if it says them: all that the first look needs. A line of a type without a table may
/// be told without its id.
pub(crate) fn kind_and_id(bytes: &[u8]) -> Option<(Cow<'_, str>, Option<Cow<'_, str>>)> {
    let mut c = Cursor::new(utf8(bytes).ok()?);
    let (mut kind, mut id) = (None, None);
    // Both stand at the start of a line in all exports known; the rest need not be read then.
    let _ = c.object(|c, key| {
        match key {
            "resourceType" => kind = c.text()?,
            "id" => id = c.text()?,
            _ => c.skip()?,
        }
        if kind.is_some() && id.is_some() {
            return Err(c.enough());
        }
        Ok(())
    });
    kind.map(|kind| (kind, id))
}

fn utf8(bytes: &[u8]) -> Result<&str, Rejection> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    std::str::from_utf8(bytes).map_err(|error| {
        let detail = format!("not UTF-8 at byte {}", error.valid_up_to());
        Rejection::new(Reason::InvalidUtf8, detail)
    })
}

fn rejected(broken: Broken) -> Rejection {
    let detail = format!("{} at byte {}", broken.what, broken.at);
    Rejection::new(Reason::BrokenJson, detail)
}

/// The type, which must be known before the fields are read. It stands first in nearly every
/// export; otherwise the line is read twice.
fn resource_type(text: &str) -> Result<Cow<'_, str>, Rejection> {
    if let Some(rest) = text.strip_prefix(r#"{"resourceType":""#)
        && let Some(end) = rest.bytes().take(64).position(|b| !b.is_ascii_alphabetic())
        && rest.as_bytes()[end] == b'"'
        && end > 0
    {
        return Ok(Cow::Borrowed(&rest[..end]));
    }
    let mut c = Cursor::new(text);
    let mut kind = None;
    let object = c.object(|c, key| {
        match key {
            "resourceType" => kind = c.text()?,
            _ => c.skip()?,
        }
        Ok(())
    });
    let object = object.and_then(|object| c.end().map(|()| object));
    match object {
        Err(broken) => Err(rejected(broken)),
        Ok(false) => Err(Rejection::new(
            Reason::NotAnObject,
            "the line is not a JSON object",
        )),
        Ok(true) => kind.filter(|kind| is_type_name(kind)).ok_or_else(|| {
            Rejection::new(
                Reason::MissingResourceType,
                "no resourceType, or not the name of one",
            )
        }),
    }
}

/// Names end up in reason codes, so they must look like names.
fn is_type_name(kind: &str) -> bool {
    kind.len() <= 64 && kind.bytes().all(|b| b.is_ascii_alphabetic())
}

fn read<'a>(
    kind: &str,
    c: &mut Cursor<'a>,
    header: &mut Header<'a>,
) -> Result<Resource<'a>, Broken> {
    Ok(match kind {
        "Patient" => Resource::Patient(Box::new(Patient::read(c, header)?)),
        "Encounter" => Resource::Encounter(Encounter::read(c, header)?),
        "Condition" => Resource::Condition(Condition::read(c, header)?),
        "Observation" => Resource::Observation(Box::new(Observation::read(c, header)?)),
        "MedicationRequest" => Resource::MedicationRequest(MedicationRequest::read(c, header)?),
        "Procedure" => Resource::Procedure(Procedure::read(c, header)?),
        "Immunization" => Resource::Immunization(Immunization::read(c, header)?),
        "AllergyIntolerance" => Resource::AllergyIntolerance(AllergyIntolerance::read(c, header)?),
        "DiagnosticReport" => Resource::DiagnosticReport(DiagnosticReport::read(c, header)?),
        "Medication" => {
            let mut code = Coded::default();
            c.object(|c, key| match key {
                "code" => code.read(c, MEDICATION),
                _ => header.member(key, c),
            })?;
            Resource::Medication(code)
        }
        _ => {
            c.object(|c, key| {
                if names_person(kind, key) {
                    header.subject = Reference::read(c)?;
                    return Ok(());
                }
                header.member(key, c)
            })?;
            Resource::Other
        }
    })
}

#[cfg(test)]
mod tests;
