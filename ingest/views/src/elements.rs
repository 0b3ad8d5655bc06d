//! What is known of FHIR's types: their names, who is whose subtype, and which elements say by
//! their name what they hold.
//!
//! JSON does not tell a date from a string. A choice element does (`valueDate`); for the others
//! FHIR R4 gives an element of one name one type almost everywhere, and that is written here. What
//! is not listed is a string.

use crate::json::Kind;

/// Primitive types of FHIR.
pub(crate) const PRIMITIVES: &[&str] = &[
    "base64Binary",
    "boolean",
    "canonical",
    "code",
    "date",
    "dateTime",
    "decimal",
    "id",
    "instant",
    "integer",
    "integer64",
    "markdown",
    "oid",
    "positiveInt",
    "string",
    "time",
    "unsignedInt",
    "uri",
    "url",
    "uuid",
    "xhtml",
];

/// Complex types that a choice element may hold.
const COMPLEX: &[&str] = &[
    "Address",
    "Age",
    "Annotation",
    "Attachment",
    "Availability",
    "CodeableConcept",
    "CodeableReference",
    "Coding",
    "ContactDetail",
    "ContactPoint",
    "Contributor",
    "Count",
    "DataRequirement",
    "Distance",
    "Dosage",
    "Duration",
    "Expression",
    "ExtendedContactDetail",
    "HumanName",
    "Identifier",
    "Meta",
    "Money",
    "ParameterDefinition",
    "Period",
    "Quantity",
    "Range",
    "Ratio",
    "RatioRange",
    "Reference",
    "RelatedArtifact",
    "SampledData",
    "Signature",
    "SimpleQuantity",
    "Timing",
    "TriggerDefinition",
    "UsageContext",
];

/// The type that a choice element's name ends in: `Quantity` for `valueQuantity` below `value`.
pub(crate) fn choice(suffix: &str) -> Option<&'static str> {
    if let Ok(at) = COMPLEX.binary_search(&suffix) {
        return Some(COMPLEX[at]);
    }
    let same = |primitive: &&&str| {
        primitive.len() == suffix.len()
            && primitive[1..] == suffix[1..]
            && primitive.as_bytes()[0].to_ascii_uppercase() == suffix.as_bytes()[0]
    };
    if !suffix.starts_with(|c: char| c.is_ascii_uppercase()) {
        return None;
    }
    PRIMITIVES.iter().find(same).copied()
}

/// Elements whose names only look like choices.
const PLAIN: &[&str] = &[
    "birthDate",
    "linkId",
    "recordedDate",
    "statusDate",
    "versionId",
];

/// Whether a member is a choice element of a type: the value must be of that shape, and choice
/// elements do not repeat. `reasonCode`, a list of concepts, is none.
pub(crate) fn may_be_choice(member: &str, kind: &str, value: Kind) -> bool {
    let fits = match value {
        Kind::Array => false,
        Kind::Object => !is_primitive(kind),
        // `null` may have extensions beside it.
        Kind::Null => true,
        _ => is_primitive(kind),
    };
    fits && !PLAIN.contains(&member)
}

pub(crate) fn is_primitive(name: &str) -> bool {
    PRIMITIVES.binary_search(&name).is_ok()
}

/// The type that FHIR derives a type from, as far as values of the one are values of the other.
fn base(name: &str) -> Option<&'static str> {
    Some(match name {
        "code" | "id" | "markdown" => "string",
        "canonical" | "oid" | "url" | "uuid" => "uri",
        "positiveInt" | "unsignedInt" => "integer",
        "Age" | "Count" | "Distance" | "Duration" | "SimpleQuantity" => "Quantity",
        _ => return None,
    })
}

/// Whether every value of type `name` is one of type `wanted`.
pub(crate) fn is_a(name: &str, wanted: &str) -> bool {
    name == wanted || base(name).is_some_and(|base| is_a(base, wanted))
}

/// Resource types that are not domain resources.
pub(crate) fn is_domain_resource(kind: &str) -> bool {
    !matches!(kind, "Binary" | "Bundle" | "Parameters")
}

/// The type of an element by its name; `None` when the name does not tell.
pub(crate) fn named(name: &str) -> Option<&'static str> {
    Some(match name {
        "birthDate" | "bornDate" | "deceasedDate" | "approvalDate" | "lastReviewDate"
        | "expirationDate" | "paymentDate" | "statusDate" | "startDate" | "dueDate"
        | "servicedDate" | "timingDate" | "locationDate" | "valueDate" | "definitionDate" => "date",
        "lastUpdated" | "issued" | "recorded" | "timestamp" | "when" => "instant",
        "availableStartTime" | "availableEndTime" | "openingTime" | "closingTime" | "timeOfDay" => {
            "time"
        }
        "start" | "end" | "authoredOn" | "recordedDate" | "date" | "created" | "sent"
        | "received" | "receivedTime" | "occurredDateTime" | "lastModified" | "authored"
        | "assertedDate" | "lastOccurrence" | "detected" | "recordedOn" | "whenPrepared"
        | "whenHandedOver" | "collectedDateTime" | "started" | "manufactureDate"
        | "effectiveTime" | "requestedOn" | "event" => "dateTime",
        "active" | "experimental" | "wasSubstituted" | "excluded" | "inactive" | "userSelected"
        | "primarySource" | "isSubpotent" | "doNotPerform" => "boolean",
        _ => return by_ending(name),
    })
}

/// Choice elements that are named in full: `deceasedBoolean`.
fn by_ending(name: &str) -> Option<&'static str> {
    let endings = [
        ("Boolean", "boolean"),
        ("Integer", "integer"),
        ("Decimal", "decimal"),
        ("DateTime", "dateTime"),
        ("Instant", "instant"),
    ];
    let ending = endings
        .iter()
        .find(|(ending, _)| name.len() > ending.len() && name.ends_with(ending));
    ending.map(|(_, kind)| *kind)
}

/// The type of a JSON value of which nothing else is known.
pub(crate) fn of_json(kind: Kind, text: &str) -> &'static str {
    match kind {
        Kind::True | Kind::False => "boolean",
        Kind::Number if text.bytes().any(|b| matches!(b, b'.' | b'e' | b'E')) => "decimal",
        Kind::Number => "integer",
        Kind::String => "string",
        Kind::Null | Kind::Array | Kind::Object => "Element",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_sorted() {
        assert!(PRIMITIVES.is_sorted());
        assert!(COMPLEX.is_sorted());
    }

    #[test]
    fn choices_are_told_from_other_names() {
        assert_eq!(choice("Quantity"), Some("Quantity"));
        assert_eq!(choice("DateTime"), Some("dateTime"));
        assert_eq!(choice("PositiveInt"), Some("positiveInt"));
        for other in ["", "s", "dateTime", "Id2", "Sets", "é", "Ünit"] {
            assert_eq!(choice(other), None, "{other}");
        }
    }

    #[test]
    fn subtypes_follow_fhir() {
        assert!(is_a("code", "string") && is_a("uuid", "uri") && is_a("Age", "Quantity"));
        assert!(!is_a("string", "code") && !is_a("uri", "string"));
    }
}
