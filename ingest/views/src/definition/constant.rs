//! Constants of a view.

use std::borrow::Cow;

use super::reader::{Reader, joined};
use crate::compile::{BUILT_IN, Constants};
use crate::json::{At, Document, Kind};
use crate::value::{Item, Temporal, parse_decimal};

/// Types that a constant may have, by the member that holds its value.
const TYPES: &[(&str, &str)] = &[
    ("valueBase64Binary", "base64Binary"),
    ("valueBoolean", "boolean"),
    ("valueCanonical", "canonical"),
    ("valueCode", "code"),
    ("valueDate", "date"),
    ("valueDateTime", "dateTime"),
    ("valueDecimal", "decimal"),
    ("valueId", "id"),
    ("valueInstant", "instant"),
    ("valueInteger", "integer"),
    ("valueInteger64", "integer64"),
    ("valueMarkdown", "markdown"),
    ("valueOid", "oid"),
    ("valuePositiveInt", "positiveInt"),
    ("valueString", "string"),
    ("valueTime", "time"),
    ("valueUnsignedInt", "unsignedInt"),
    ("valueUri", "uri"),
    ("valueUrl", "url"),
    ("valueUuid", "uuid"),
];

pub(super) fn constants(reader: &mut Reader<'_>) -> Constants {
    let mut constants = Constants::new();
    for (at, path) in reader.objects(Document::ROOT, "", "constant") {
        let name = reader.name(at, &path).map(str::to_owned);
        let value = value(reader, at, &path);
        let Some(name) = name else {
            continue;
        };
        let own = joined(&path, "name");
        if BUILT_IN.contains(&name.as_str()) {
            reader.problem(&own, format!("%{name} means something already; rename it"));
        }
        if constants.contains_key(&name) {
            reader.problem(&own, format!("%{name} is defined twice; rename one"));
        }
        // A broken value is one problem; that %name is unknown would be a second one for it.
        constants.insert(name, value.unwrap_or(Item::Boolean(false)));
    }
    constants
}

fn value(reader: &mut Reader<'_>, at: At, path: &str) -> Option<Item<'static>> {
    let known: Vec<&str> = TYPES.iter().map(|(member, _)| *member).collect();
    reader.only(at, path, &[&["name"], known.as_slice()].concat());
    let document = reader.document;
    let mut values = TYPES.iter().filter_map(|(name, kind)| {
        let member = document.member(at, name)?;
        Some((member, *name, *kind))
    });
    let Some((member, name, kind)) = values.next() else {
        reader.problem(path, "the value is missing; add one, such as `valueString`");
        return None;
    };
    if values.next().is_some() {
        reader.problem(path, "there are two values; keep one");
    }
    let read = read(document, member, kind);
    if read.is_none() {
        reader.problem(
            &joined(path, name),
            format!("this is no value of type {kind}"),
        );
    }
    read
}

fn read(document: Document<'_>, at: At, kind: &str) -> Option<Item<'static>> {
    let text = document.text(at);
    let integer = || {
        // FHIR writes 64-bit integers as strings.
        let written = document.kind(at);
        let fits = written == Kind::Number || (kind == "integer64" && written == Kind::String);
        fits.then(|| text.parse::<i64>().ok()).flatten()
    };
    let small =
        |least: i64| integer().filter(|value| (least..=i64::from(i32::MAX)).contains(value));
    match kind {
        "boolean" => match document.kind(at) {
            Kind::True => Some(Item::Boolean(true)),
            Kind::False => Some(Item::Boolean(false)),
            _ => None,
        },
        "integer" => small(i64::from(i32::MIN)).map(Item::Integer),
        "positiveInt" => small(1).map(Item::Integer),
        "unsignedInt" => small(0).map(Item::Integer),
        "integer64" => integer().map(Item::Integer),
        "decimal" => (document.kind(at) == Kind::Number)
            .then(|| parse_decimal(text).map(Item::Decimal))
            .flatten(),
        "date" | "dateTime" | "instant" | "time" => {
            Temporal::of_type(document.string(at)?, kind).map(Item::Temporal)
        }
        _ => document
            .string(at)
            .map(|text| Item::Text(Cow::Owned(text.to_owned()))),
    }
}
