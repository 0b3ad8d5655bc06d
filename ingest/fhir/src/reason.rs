//! Why a line could not be used. The codes are stable: reports and dashboards build on them.

use std::borrow::Cow;

/// A reason of quarantine.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Reason {
    /// The bytes are not UTF-8.
    InvalidUtf8,
    /// Not one well-formed JSON value, or nested deeper than 128.
    BrokenJson,
    /// JSON, but not an object.
    NotAnObject,
    /// An object without a usable `resourceType`.
    MissingResourceType,
    /// No table takes resources of this type.
    NoTable(Box<str>),
    /// No `id`.
    MissingId,
    /// No reference to a person.
    MissingSubject,
    /// The subject is a group, a device, a place.
    SubjectNotPatient,
    /// The subject is a person whose Patient resource was never seen.
    UnknownSubject,
    /// The subject is named by an identifier that several persons bear.
    AmbiguousSubject,
    /// The date on which the row rests is no day of the calendar, or no FHIR date.
    ImpossibleDate,
    /// A value needs more than twelve digits before the point.
    NumberOutOfRange,
    /// A later version of the same resource is in the same export.
    Superseded,
    /// The same export says that the resource was deleted.
    Deleted,
    /// The same export says that the subject's Patient was deleted.
    DeletedSubject,
    /// The subject does not consent to analytics.
    ConsentDenied,
    /// A consent that decides, about nobody who is understood.
    ConsentUnresolved,
    /// No table takes resources of this type but those of views, and a view makes no rows of this one.
    ViewFailed,
}

impl Reason {
    /// The stable code.
    pub(crate) fn code(&self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Self::InvalidUtf8 => "invalid_utf8",
            Self::BrokenJson => "broken_json",
            Self::NotAnObject => "not_an_object",
            Self::MissingResourceType => "missing_resource_type",
            Self::NoTable(kind) => return Cow::Owned(format!("no_table:{kind}")),
            Self::MissingId => "missing_id",
            Self::MissingSubject => "missing_subject",
            Self::SubjectNotPatient => "subject_not_patient",
            Self::UnknownSubject => "unknown_subject",
            Self::AmbiguousSubject => "ambiguous_subject",
            Self::ImpossibleDate => "impossible_date",
            Self::NumberOutOfRange => "number_out_of_range",
            Self::Superseded => "superseded",
            Self::Deleted => "deleted",
            Self::DeletedSubject => "deleted_subject",
            Self::ConsentDenied => "consent_denied",
            Self::ConsentUnresolved => "consent_unresolved",
            Self::ViewFailed => "view_failed",
        })
    }
}

/// A reason with what an operator should know beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rejection {
    pub(crate) reason: Reason,
    pub(crate) detail: String,
}

impl Rejection {
    pub(crate) fn new(reason: Reason, detail: impl Into<String>) -> Self {
        Self {
            reason,
            detail: detail.into(),
        }
    }
}
