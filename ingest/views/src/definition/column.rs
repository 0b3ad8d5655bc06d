//! Columns as they are defined.

use super::reader::{Reader, joined};
use crate::columns::Hint;
use crate::elements;
use crate::json::At;

/// A column of a view.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name, one of a kind within the view.
    pub name: String,
    /// The FHIR type of its values: as defined, or as the path tells.
    pub fhir_type: Option<String>,
    /// Whether it holds a list of values.
    pub collection: bool,
    /// The SQL type that a tag `ansi/type` asks for.
    pub ansi_type: Option<String>,
    /// What the definition says about it.
    pub description: Option<String>,
    /// Whether the definition itself names the type.
    pub(crate) declared: bool,
    pub(crate) hint: Option<Hint>,
}

const MEMBERS: &[&str] = &[
    "path",
    "name",
    "description",
    "collection",
    "type",
    "tag",
    "tags",
];

const BASE: &str = "http://hl7.org/fhir/StructureDefinition/";
const SYSTEM: &str = "http://hl7.org/fhirpath/System.";

/// Reads everything but the path.
pub(super) fn column(reader: &mut Reader<'_>, at: At, path: &str) -> Option<Column> {
    reader.only(at, path, MEMBERS);
    let name = reader.name(at, path).map(str::to_owned);
    let collection = reader.boolean(at, path, "collection").unwrap_or(false);
    let description = reader.text(at, path, "description").map(str::to_owned);
    let fhir_type = kind(reader, at, path);
    let mut ansi_type = None;
    // The specification's own text writes both.
    for list in ["tag", "tags"] {
        for (tag, path) in reader.objects(at, path, list) {
            reader.only(tag, &path, &["name", "value"]);
            let name = reader.required(tag, &path, "name");
            let value = reader.required(tag, &path, "value");
            if name == Some("ansi/type") {
                ansi_type = value.map(|value| (value.to_owned(), joined(&path, "value")));
            }
        }
    }
    let hint = ansi_type.as_ref().and_then(|(ansi, path)| {
        let hint = Hint::parse(ansi);
        if let Err(what) = &hint {
            reader.problem(path, what.clone());
        }
        hint.ok()
    });
    Some(Column {
        name: name?,
        declared: fhir_type.is_some(),
        fhir_type,
        collection,
        ansi_type: ansi_type.map(|(ansi, _)| ansi),
        description,
        hint,
    })
}

/// The bare name of the type.
fn kind(reader: &mut Reader<'_>, at: At, path: &str) -> Option<String> {
    let written = reader.text(at, path, "type")?;
    let path = joined(path, "type");
    let name = if let Some(system) = written.strip_prefix(SYSTEM) {
        let lower = system[..system.len().min(1)].to_ascii_lowercase() + system.get(1..)?;
        if system == "Quantity" {
            system.to_owned()
        } else {
            lower
        }
    } else {
        written.strip_prefix(BASE).unwrap_or(written).to_owned()
    };
    // `Observation.referenceRange` is the backbone element of that name.
    let complex = name.starts_with(|c: char| c.is_ascii_uppercase())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'.');
    if complex || elements::is_primitive(&name) {
        return Some(name);
    }
    let upper = elements::PRIMITIVES
        .iter()
        .find(|known| known.eq_ignore_ascii_case(&name));
    let what = match upper {
        Some(known) => format!("there is no such type; did you mean `{known}`?"),
        None => "there is no such type in FHIR; name one, such as `string` or `Coding`".to_owned(),
    };
    reader.problem(&path, what);
    None
}
