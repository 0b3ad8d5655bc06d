//! Types as they are named in `is`, `as`, `ofType()` and `getReferenceKey()`.

use crate::elements;
use crate::fhirpath::{Node, Syntax, SyntaxError};

/// A type of FHIR, or one of FHIRPath's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Type {
    Fhir(Box<str>),
    /// The name of the primitive type of FHIR that has the same values: `System.String` is
    /// `string` here.
    System(&'static str),
}

const SYSTEM: [(&str, &str); 8] = [
    ("Boolean", "boolean"),
    ("String", "string"),
    ("Integer", "integer"),
    ("Decimal", "decimal"),
    ("Date", "date"),
    ("DateTime", "dateTime"),
    ("Time", "time"),
    ("Quantity", "Quantity"),
];

impl Type {
    /// The FHIR type that has these values.
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Fhir(name) => name,
            Self::System(name) => name,
        }
    }

    /// The type that an argument names.
    pub(super) fn of_argument(argument: &Syntax) -> Result<Self, SyntaxError> {
        let no_type = || SyntaxError {
            at: argument.at,
            what: "a type is expected here, such as Quantity, string or Patient".into(),
        };
        let Node::Name(base, name) = &argument.node else {
            return Err(no_type());
        };
        match base.as_deref().map(|base| &base.node) {
            None => Self::find(name, argument.at),
            Some(Node::Name(None, model)) => Self::find(&format!("{model}.{name}"), argument.at),
            Some(_) => Err(no_type()),
        }
    }

    /// The type with a name, with or without the model's name before it.
    pub(super) fn find(name: &str, at: usize) -> Result<Self, SyntaxError> {
        let system = |name: &str| SYSTEM.iter().find(|(known, _)| *known == name);
        if let Some(name) = name.strip_prefix("System.") {
            return system(name)
                .map(|(_, same)| Self::System(same))
                .ok_or_else(|| SyntaxError {
                    at,
                    what: format!("there is no type System.{name}"),
                });
        }
        let bare = name.strip_prefix("FHIR.").unwrap_or(name);
        let complex = bare.starts_with(|c: char| c.is_ascii_uppercase())
            && bare.chars().all(|c| c.is_ascii_alphanumeric());
        if bare == name
            && bare != "Quantity"
            && let Some((_, same)) = system(name)
        {
            return Ok(Self::System(same));
        }
        if complex || elements::is_primitive(bare) {
            return Ok(Self::Fhir(bare.into()));
        }
        let what = format!("there is no type {name}");
        Err(SyntaxError { at, what })
    }
}
