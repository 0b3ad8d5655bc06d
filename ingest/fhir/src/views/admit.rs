//! From a `ViewDefinition` and what its author declares to the facts of the catalog.

use std::collections::BTreeMap;

use salus_lake::{
    Bounds, Column, ColumnType, LONGEST_DEFINITION, Table, ViewSource, definition_hash, table_name,
};
use salus_views::View;
use serde::Deserialize;

use super::bind::{Binding, Bound, bind};
use super::person::is_about_person;

/// Rows of a person that a table holds when nothing is declared.
const MOST_ROWS: u64 = 10_000;
/// Rows of a person that one answer counts when nothing is declared.
const USUAL_ROWS: u64 = 16;

/// A view that may fill a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admitted {
    /// The table.
    pub name: String,
    /// What the catalog is to declare about it.
    pub facts: Table,
    /// Columns of the view that the table has under another name: which, and under which.
    pub same: Vec<(String, String)>,
}

impl Admitted {
    /// The view in the place of one with the facts `before`, for an author who declares nothing: what was declared about the table
    /// still holds, and what was declared about a column does where there is one of its name and type.
    #[must_use]
    pub fn keeping(mut self, before: &Table) -> Self {
        let facts = &mut self.facts;
        facts.doc.clone_from(&before.doc);
        facts.max_rows_per_person = before.max_rows_per_person;
        facts.rows_per_person = before.rows_per_person;
        for (name, column) in &mut facts.columns {
            if let Some(known) = before
                .columns
                .get(name)
                .filter(|known| known.kind == column.kind)
            {
                column.clone_from(known);
            }
        }
        self
    }
}

/// What the author of a view declares: public facts alone, each with its source outside the data.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Declared {
    doc: Option<String>,
    unit: Option<String>,
    max_rows_per_person: Option<u64>,
    rows_per_person: Option<u64>,
    columns: BTreeMap<String, DeclaredColumn>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct DeclaredColumn {
    #[serde(rename = "type")]
    kind: Option<ColumnType>,
    doc: Option<String>,
    domain: Option<Vec<String>>,
    bounds: Option<Bounds>,
    source: Option<String>,
}

/// Reads a definition, and what is declared about its table (YAML; may be empty), for a table called `name` or as the view is.
///
/// The lake checks the facts again when they enter its catalog.
///
/// # Errors
/// Everything that is wrong with both, with what to do.
pub fn admit(
    name: Option<&str>,
    definition: &str,
    declared: &str,
) -> Result<Admitted, Vec<String>> {
    if definition.len() > LONGEST_DEFINITION {
        let what = format!("a definition may have {LONGEST_DEFINITION} bytes at most");
        return Err(vec![what]);
    }
    let view = View::parse(definition)
        .map_err(|problems| problems.iter().map(ToString::to_string).collect::<Vec<_>>())?;
    let mut wrong = Vec::new();
    let name = name.or(view.name()).unwrap_or_default().to_owned();
    if name.is_empty() {
        wrong.push("the view has no name; give it one, or use --name".into());
    } else if let Err(what) = table_name(&name) {
        wrong.push(format!("name: {what}"));
    }
    if !is_about_person(view.resource()) {
        wrong.push(format!(
            "resource: a {} is not about one person; `salus view run` makes a table of it outside of the lake",
            view.resource()
        ));
    }
    let declared = read(declared, &mut wrong);
    let binding = bind(&view).unwrap_or_else(|problems| {
        wrong.extend(problems);
        Binding::default()
    });
    if wrong.is_empty() {
        let known = |column: &String| binding.columns.iter().any(|bound| bound.name == *column);
        let unknown = declared.columns.keys().filter(|column| !known(column));
        wrong.extend(
            unknown.map(|column| {
                format!("catalog entry: columns.{column}: the view has no such column")
            }),
        );
    }
    let mut columns = keys(view.resource());
    columns.extend(declare(
        &view,
        &binding.columns,
        declared.columns,
        &mut wrong,
    ));
    if !wrong.is_empty() {
        return Err(wrong);
    }
    let max_rows_per_person = declared.max_rows_per_person.unwrap_or(MOST_ROWS);
    let usual = USUAL_ROWS.min(max_rows_per_person);
    Ok(Admitted {
        facts: Table {
            view: Some(ViewSource {
                sha256: definition_hash(definition),
                resource: view.resource().to_owned(),
                columns: binding
                    .columns
                    .iter()
                    .map(|bound| bound.name.clone())
                    .collect(),
            }),
            doc: declared.doc.unwrap_or_else(|| {
                format!(
                    "Rows that the view {name} makes of {} resources.",
                    view.resource()
                )
            }),
            unit: "person_id".into(),
            one_row_per_person: false,
            max_rows_per_person,
            rows_per_person: declared.rows_per_person.unwrap_or(usual),
            columns,
        },
        name,
        same: binding
            .same
            .into_iter()
            .map(|(column, same)| (column, same.to_owned()))
            .collect(),
    })
}

/// What is declared; what is wrong with it goes to `wrong`.
fn read(declared: &str, wrong: &mut Vec<String>) -> Declared {
    let declared: Result<Declared, _> = match declared.trim() {
        "" => Ok(Declared::default()),
        text => serde_yaml_ng::from_str(text),
    };
    let declared = declared.unwrap_or_else(|error| {
        wrong.push(format!("catalog entry: {error}"));
        Declared::default()
    });
    let other = |unit: &String| unit != "person_id";
    if declared.unit.as_ref().is_some_and(other) {
        let what = "every table has person_id for its unit; leave it out";
        wrong.push(format!("catalog entry: unit: {what}"));
    }
    declared
}

/// The facts of each column of the view.
fn declare(
    view: &View,
    columns: &[Bound],
    mut declared: BTreeMap<String, DeclaredColumn>,
    wrong: &mut Vec<String>,
) -> BTreeMap<String, Column> {
    let mut facts = BTreeMap::new();
    for bound in columns {
        let said = declared.remove(&bound.name).unwrap_or_default();
        if let Some(kind) = said.kind.filter(|kind| *kind != bound.kind) {
            let (name, kind, gives) = (&bound.name, kind.name(), bound.kind.name());
            wrong.push(format!(
                "catalog entry: columns.{name}.type: is {kind}, the view gives {gives}"
            ));
        }
        let of_view = view.columns().get(bound.place);
        let described = of_view.and_then(|column| column.description.clone());
        let usual = || match &bound.key_of {
            Some(kind) => format!("Opaque name of the {kind}; for joins only."),
            None => format!("From {}, by the view.", view.resource()),
        };
        let column = Column {
            kind: bound.kind,
            doc: said.doc.or(described).unwrap_or_else(usual),
            domain: said.domain,
            bounds: said.bounds,
            source: said.source,
        };
        facts.insert(bound.name.clone(), column);
    }
    facts
}

/// The columns that every table of a view has.
fn keys(resource: &str) -> BTreeMap<String, Column> {
    let key = |name: &str, doc: String| {
        let column = Column {
            kind: ColumnType::BigInt,
            doc,
            domain: None,
            bounds: None,
            source: None,
        };
        (name.to_owned(), column)
    };
    let person = "The person: opaque; for joins, partitions and COUNT(DISTINCT person_id) only.";
    BTreeMap::from([
        key("person_id", person.into()),
        key(
            "resource_id",
            format!(
                "Opaque name of the {resource}; for joins only. Equal to id where a table has the resource."
            ),
        ),
        key(
            "row",
            "Place of the row among those of its resource, from 0.".into(),
        ),
    ])
}
