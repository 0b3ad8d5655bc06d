//! `salus tables` and `salus catalog`: public facts only, never a count or a statistic of the data.

use std::path::Path;

use salus_lake::{Lake, Table};
use serde_json::json;

use crate::arguments::{Catalog, Format};
use crate::failure::Failure;
use crate::home::Home;
use crate::output::{Rows, print};

pub(crate) fn tables(root: &Path, format: Format) -> Result<(), Failure> {
    let lake = Home::at(root)?.lake()?;
    let mut rows = Rows::new(&["table", "column", "type", "what it is"]);
    let mut json = serde_json::Map::new();
    for (name, table) in &lake.catalog().tables {
        let mut columns = Vec::new();
        for (column, kind, doc) in columns_in_order(&lake, name, table) {
            rows.push([name.clone(), column.clone(), kind.clone(), doc.clone()]);
            columns.push(json!({"name": column, "type": kind, "doc": doc}));
        }
        json.insert(
            name.clone(),
            json!({"doc": table.doc, "unit": table.unit, "columns": columns}),
        );
    }
    let mut columns = Vec::new();
    for (column, doc) in salus_query::MEASUREMENT_COLUMNS {
        let (table, kind) = (salus_query::MEASUREMENT, "text");
        rows.push([table, column, kind, doc].map(str::to_owned));
        columns.push(json!({"name": column, "type": kind, "doc": doc}));
    }
    json.insert(
        salus_query::MEASUREMENT.to_owned(),
        json!({"doc": "Public: clinical limits by code and unit.", "unit": null, "columns": columns}),
    );
    print(format, &rows, &json!({"tables": json}));
    Ok(())
}

pub(crate) fn run(root: &Path, command: &Catalog, format: Format) -> Result<(), Failure> {
    let Catalog::Show {
        table,
        measurements,
        functions,
    } = command;
    let lake = Home::at(root)?.lake()?;
    if *functions {
        let names = salus_query::functions();
        let mut rows = Rows::new(&["kind", "how it is written", "what it gives"]);
        let mut reference = Vec::new();
        for (kind, usage, meaning) in salus_query::REFERENCE {
            rows.push([kind, usage, meaning].map(|text| (*text).to_owned()));
            reference.push(json!({"kind": kind, "usage": usage, "meaning": meaning}));
        }
        print(
            format,
            &rows,
            &json!({"functions": names, "reference": reference}),
        );
        return Ok(());
    }
    if *measurements {
        show_measurements(&lake, format);
        return Ok(());
    }
    if let Some(name) = table {
        show_table(&lake, name, format)
    } else {
        show_all(&lake, format);
        Ok(())
    }
}

fn show_all(lake: &Lake, format: Format) {
    let mut rows = Rows::new(&[
        "table",
        "unit",
        "rows per person (default)",
        "rows per person (most)",
        "what a row is",
    ]);
    for (name, table) in &lake.catalog().tables {
        rows.push([
            name.clone(),
            table.unit.clone(),
            table.rows_per_person.to_string(),
            table.max_rows_per_person.to_string(),
            table.doc.clone(),
        ]);
    }
    print(format, &rows, &json!(lake.catalog()));
}

fn show_table(lake: &Lake, name: &str, format: Format) -> Result<(), Failure> {
    let Some(table) = lake.catalog().table(name) else {
        let names: Vec<_> = lake.catalog().tables.keys().map(String::as_str).collect();
        return Err(Failure::usage(format!(
            "there is no table {name}; there are {}",
            names.join(", ")
        )));
    };
    let mut rows = Rows::new(&["column", "type", "domain or bounds", "source"]);
    for (column, kind, _) in columns_in_order(lake, name, table) {
        let facts = &table.columns[&column];
        let domain = facts.domain.as_ref().map(|values| values.join(", "));
        let bounds = facts
            .bounds
            .as_ref()
            .map(|b| format!("{} to {} by {}", b.low, b.high, b.granularity));
        rows.push([
            column.clone(),
            kind,
            domain.or(bounds).unwrap_or_default(),
            facts.source.clone().unwrap_or_default(),
        ]);
    }
    print(format, &rows, &json!(table));
    Ok(())
}

fn show_measurements(lake: &Lake, format: Format) {
    let mut rows = Rows::new(&["code", "name", "unit", "low", "high", "granularity"]);
    for m in &lake.catalog().measurements {
        rows.push([
            m.code.clone(),
            m.name.clone(),
            m.unit.clone(),
            m.low.to_string(),
            m.high.to_string(),
            m.granularity.to_string(),
        ]);
    }
    print(
        format,
        &rows,
        &json!({"measurements": lake.catalog().measurements}),
    );
}

/// Columns as the table has them, not by name.
fn columns_in_order(lake: &Lake, name: &str, table: &Table) -> Vec<(String, String, String)> {
    let schema = lake.schema(name);
    let fields = schema.iter().flat_map(|schema| schema.fields().iter());
    fields
        .filter_map(|field| {
            let facts = table.columns.get(field.name())?;
            Some((
                field.name().clone(),
                facts.kind.name().to_owned(),
                facts.doc.clone(),
            ))
        })
        .collect()
}
