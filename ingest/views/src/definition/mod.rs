//! ViewDefinitions: what they say, and all that is wrong with them.

mod column;
mod constant;
mod problem;
mod reader;
mod resource;
mod select;

pub use column::Column;
pub use problem::Problem;
pub(crate) use select::{Select, Source};

use crate::compile::{Expr, infer};
use crate::json::{Document, Kind, Tape};
use reader::{Reader, is_name, joined};
use select::Selects;

/// A ViewDefinition that can be run.
#[derive(Debug)]
pub struct View {
    name: Option<String>,
    resource: String,
    columns: Vec<Column>,
    pub(crate) wheres: Vec<(Expr, String)>,
    pub(crate) select: Select,
}

/// Members of a ViewDefinition; those that only describe it are not looked at.
const MEMBERS: &[&str] = &[
    "resourceType",
    "meta",
    "implicitRules",
    "language",
    "text",
    "contained",
    "url",
    "identifier",
    "version",
    "versionAlgorithmString",
    "versionAlgorithmCoding",
    "name",
    "title",
    "status",
    "experimental",
    "date",
    "publisher",
    "contact",
    "description",
    "useContext",
    "jurisdiction",
    "purpose",
    "copyright",
    "copyrightLabel",
    "approvalDate",
    "lastReviewDate",
    "effectivePeriod",
    "topic",
    "author",
    "editor",
    "reviewer",
    "endorser",
    "relatedArtifact",
    "resource",
    "resourceVersion",
    "profile",
    "fhirVersion",
    "constant",
    "select",
    "where",
];

impl View {
    /// Reads and compiles a ViewDefinition.
    ///
    /// # Errors
    /// Everything that is wrong with it, in the order of the document.
    pub fn parse(json: &str) -> Result<Self, Vec<Problem>> {
        let mut tape = Tape::default();
        let document = match tape.parse(json) {
            Ok(document) => document,
            Err(broken) => {
                let (what, at) = (broken.what, broken.at);
                let problem = Problem::new("", format!("this is not JSON: {what}, at byte {at}"));
                return Err(vec![problem]);
            }
        };
        if document.kind(Document::ROOT) != Kind::Object {
            let what = "a ViewDefinition is a JSON object";
            return Err(vec![Problem::new("", what)]);
        }
        let mut reader = Reader {
            document,
            problems: Vec::new(),
        };
        let view = read(&mut reader);
        match view {
            Some(view) if reader.problems.is_empty() => Ok(view),
            _ => Err(reader.problems),
        }
    }

    /// The view's name, if it has one.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// The resource type that the view is about.
    pub fn resource(&self) -> &str {
        &self.resource
    }

    /// The columns, in their order.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }
}

/// Everything that is wrong with a ViewDefinition; empty for one that can be run.
pub fn check(json: &str) -> Vec<Problem> {
    View::parse(json).err().unwrap_or_default()
}

fn read(reader: &mut Reader<'_>) -> Option<View> {
    reader.only(Document::ROOT, "", MEMBERS);
    if let Some(kind) = reader.text(Document::ROOT, "", "resourceType")
        && kind != "ViewDefinition"
    {
        reader.problem("resourceType", "this must be ViewDefinition");
    }
    let name = reader.text(Document::ROOT, "", "name").map(str::to_owned);
    if name.as_deref().is_some_and(|name| !is_name(name)) {
        let what = "a name begins with a letter and goes on with letters, digits and underscores; \
                    rename it (`title` takes any text)";
        reader.problem("name", what);
    }
    if let Some(status) = reader.text(Document::ROOT, "", "status")
        && !matches!(status, "draft" | "active" | "retired" | "unknown")
    {
        reader.problem("status", "this must be draft, active, retired or unknown");
    }
    let resource = reader.required(Document::ROOT, "", "resource");
    if resource.is_some_and(|resource| {
        !resource.starts_with(|c: char| c.is_ascii_uppercase())
            || !resource.bytes().all(|b| b.is_ascii_alphanumeric())
    }) {
        reader.problem("resource", "this must be a resource type, such as Patient");
    }
    if let Some(near) = resource.and_then(resource::almost) {
        reader.problem(
            "resource",
            format!("there is no such resource type; did you mean `{near}`?"),
        );
    }
    let constants = constant::constants(reader);
    let mut selects = Selects::new(reader, &constants);
    let select = selects.view();
    let wheres = wheres(&mut selects);
    let columns = selects.columns;
    if columns.is_empty() && reader.problems.is_empty() {
        reader.problem("select", "the view has no columns; add `column`");
    }
    Some(View {
        name,
        resource: resource?.to_owned(),
        columns,
        wheres,
        select,
    })
}

fn wheres(selects: &mut Selects<'_, '_>) -> Vec<(Expr, String)> {
    let mut wheres = Vec::new();
    for (at, path) in selects.reader.objects(Document::ROOT, "", "where") {
        selects.reader.only(at, &path, &["path", "description"]);
        let Some(text) = selects.reader.required(at, &path, "path") else {
            continue;
        };
        let path = joined(&path, "path");
        let Some(expr) = selects.expr(text, &path) else {
            continue;
        };
        if infer(&expr).is_some_and(|kind| kind != "boolean") {
            let what = "a condition must be true or false; compare the value, or add exists()";
            selects.reader.problem(&path, what);
        }
        wheres.push((expr, path));
    }
    wheres
}
