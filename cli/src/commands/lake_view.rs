//! `salus view add|list|show|drop`: views that fill tables of the lake.

use std::fs;
use std::path::Path;

use salus_lake::{Lake, Table};
use serde_json::{Value, json};

use crate::arguments::{Format, ViewAdd};
use crate::failure::Failure;
use crate::home::Home;
use crate::output::{Rows, print};

pub(crate) async fn add(root: &Path, command: &ViewAdd, format: Format) -> Result<(), Failure> {
    let definition = text(&command.file)?;
    let declared = command.catalog.as_deref().map(text).transpose()?;
    let nothing_declared = declared.is_none();
    let declared = declared.unwrap_or_default();
    let mut admitted = salus_fhir::admit(command.name.as_deref(), &definition, &declared)
        .map_err(|wrong| Failure::usage(wrong.join("\n")))?;
    if command.replace && nothing_declared {
        let lake = Home::at(root)?.lake()?;
        if let Some(before) = lake.catalog().table(&admitted.name) {
            admitted = admitted.keeping(before);
        }
    }
    let mut rows = Rows::new(&["column", "type", "domain or bounds", "what it is"]);
    let (name, facts) = (&admitted.name, &admitted.facts);
    for (column, kind, limits, doc) in columns(facts) {
        rows.push([column, kind, limits, doc]);
    }
    let json = json!({
        "table": name, "facts": facts, "added": !command.dry_run,
        "same": admitted.same.iter().map(|(column, same)| json!({"column": column, "is": same})).collect::<Vec<_>>(),
    });
    if !command.dry_run {
        let home = Home::at(root)?;
        let lake = home.lake()?;
        let lake = lake
            .add_view(name, facts.clone(), &definition, command.replace)
            .map_err(refused)?;
        publish(&home, &lake).await?;
    }
    print(format, &rows, &json);
    if format == Format::Table {
        for (column, same) in &admitted.same {
            println!("{column} of the view is {same} here");
        }
        if command.dry_run {
            println!("nothing was added");
        } else {
            println!("{name} is filled from the next ingest on");
        }
    }
    Ok(())
}

pub(crate) fn list(root: &Path, format: Format) -> Result<(), Failure> {
    let lake = Home::at(root)?.lake()?;
    let mut rows = Rows::new(&[
        "table",
        "resource",
        "columns",
        "rows per person (most)",
        "definition",
    ]);
    let mut found = Vec::new();
    for (name, facts, view) in lake.catalog().views() {
        rows.push([
            name.clone(),
            view.resource.clone(),
            view.columns.join(", "),
            facts.max_rows_per_person.to_string(),
            view.sha256.chars().take(12).collect(),
        ]);
        found.push(json!({"table": name, "resource": view.resource, "columns": view.columns, "sha256": view.sha256}));
    }
    print(format, &rows, &json!({"views": Value::Array(found)}));
    Ok(())
}

/// The definition itself, whatever the format: it is JSON. Tables that ship have one too.
pub(crate) fn show(root: &Path, name: &str) -> Result<(), Failure> {
    if let Some(definition) = salus_fhir::shipped_view(name) {
        print!("{definition}");
        return Ok(());
    }
    let lake = Home::at(root)?.lake()?;
    known(&lake, name)?;
    print!("{}", lake.view_definition(name)?);
    Ok(())
}

pub(crate) async fn drop(root: &Path, name: &str, format: Format) -> Result<(), Failure> {
    let home = Home::at(root)?;
    let lake = home.lake()?;
    known(&lake, name)?;
    let lake = lake.drop_view(name).map_err(refused)?;
    publish(&home, &lake).await?;
    let mut rows = Rows::new(&["dropped"]);
    rows.push([name.to_owned()]);
    print(format, &rows, &json!({"dropped": name}));
    Ok(())
}

/// Makes the tables of the catalog those of the newest snapshot, where there is one, and tells the ledger of the catalog.
async fn publish(home: &Home, lake: &Lake) -> Result<(), Failure> {
    if lake.snapshot()?.is_some() {
        lake.begin()?.commit(&|_| ()).await?;
    }
    home.record_snapshot(lake).await
}

fn known(lake: &Lake, name: &str) -> Result<(), Failure> {
    if lake.view(name).is_some() {
        return Ok(());
    }
    let names: Vec<_> = lake
        .catalog()
        .views()
        .map(|(name, ..)| name.as_str())
        .collect();
    Err(Failure::usage(match names.as_slice() {
        [] => format!("no view fills {name}; none fills any table yet"),
        names => format!("no view fills {name}; there are {}", names.join(", ")),
    }))
}

/// What is wrong with the view or its facts is the caller's to mend.
fn refused(error: salus_lake::Error) -> Failure {
    match error {
        salus_lake::Error::Catalog(what) => Failure::usage(what),
        other => Failure::Other(other.into()),
    }
}

fn text(file: &Path) -> Result<String, Failure> {
    fs::read_to_string(file).map_err(|error| Failure::usage(format!("{}: {error}", file.display())))
}

/// Name, type, domain or bounds, and meaning of each column, in the order of the table.
fn columns(facts: &Table) -> Vec<(String, String, String, String)> {
    let of_view = facts
        .view
        .iter()
        .flat_map(|view| view.columns.iter().map(String::as_str));
    let names = salus_lake::VIEW_KEYS.into_iter().chain(of_view);
    names
        .filter_map(|name| {
            let column = facts.columns.get(name)?;
            let domain = column.domain.as_ref().map(|values| values.join(", "));
            let bounds = column
                .bounds
                .map(|b| format!("{} to {} by {}", b.low, b.high, b.granularity));
            let limits = domain.or(bounds).unwrap_or_default();
            Some((
                name.to_owned(),
                column.kind.name().to_owned(),
                limits,
                column.doc.clone(),
            ))
        })
        .collect()
}
