//! `salus ingest`.

use std::path::Path;
use std::sync::Arc;

use salus_bulk::IssueCount;
use salus_fhir::{CodeMap, Options, Summary, ingest_directories, ingest_directory};
use serde_json::{Map, Value, json};

use crate::arguments::{Format, Ingest};
use crate::commands::export::Exports;

use crate::failure::Failure;
use crate::home::Home;
use crate::notary::Consents;
use crate::output::{Rows, print};
use crate::progress::Progress;

pub(crate) struct Bar(pub(crate) Progress);

impl salus_fhir::Progress for Bar {
    fn started(&self, total_bytes: u64) {
        self.0.total(total_bytes);
    }

    fn advanced(&self, bytes: u64, _file: &str) {
        self.0.add(bytes);
    }

    fn committing(&self, table: &str, _done: u64, _total: u64) {
        self.0.message(format!("writing {table}"));
    }

    fn finished(&self) {
        self.0.finish();
    }
}

pub(crate) async fn run(root: &Path, command: &Ingest, format: Format) -> Result<(), Failure> {
    let Ingest::Fhir(fhir) = command;
    let home = Home::at(root)?;
    let lake = home.own_lake().await?;
    let options = Options {
        source: fhir.source.clone(),
        notary: Some(Consents::of(&home)),
        code_map: Arc::new(CodeMap::read(&fhir.code_map)?),
        ..Options::default()
    };
    let bar = || Bar(Progress::bytes(0, "reading"));
    if fhir.from.starts_with("https://") || fhir.from.starts_with("http://") {
        let exports = Exports::of(home.root(), &fhir.source)?;
        let arrived = exports.fetch(fhir, Progress::bytes(0, "asking")).await?;
        let dirs = arrived.directories();
        let summary = ingest_directories(&lake, &dirs, &options, &bar()).await?;
        home.record_snapshot(&lake).await?;
        let issues = arrived.issues()?;
        exports.done(&arrived, fhir.asked.keep)?;
        report(&summary, format, Some(&arrived.told(&issues)));
        tell(&issues);
        return Ok(());
    }
    let dir = Path::new(&fhir.from);
    if !dir.is_dir() {
        return Err(Failure::usage(format!(
            "{} is not a directory, and no address of a server",
            dir.display()
        )));
    }
    let summary = ingest_directory(&lake, dir, &options, &bar()).await?;
    home.record_snapshot(&lake).await?;
    report(&summary, format, None);
    Ok(())
}

/// What the server could not export: the data are incomplete in these respects.
fn tell(issues: &[IssueCount]) {
    for issue in issues {
        let text = issue.texts.first().map(String::as_str).unwrap_or_default();
        eprintln!(
            "salus: the server reports {} times {} ({}) {text}",
            issue.count, issue.code, issue.severity
        );
    }
}

/// Prints what became of every line.
pub(crate) fn report(summary: &Summary, format: Format, export: Option<&Value>) {
    let mut tables = Map::new();
    let mut rows = Rows::new(&["table", "rows"]);
    for (name, table) in &summary.tables {
        let mut entry = json!({"rows": table.rows});
        rows.push([name.clone(), table.rows.to_string()]);
        if let Some(components) = table.components {
            entry["components"] = json!(components);
        }
        tables.insert(name.clone(), entry);
    }
    let mut views = Map::new();
    for (name, view) in &summary.views {
        rows.push([format!("{name} (view)"), view.rows.to_string()]);
        if let Some(failure) = &view.failure {
            eprintln!(
                "salus: {failure} ({} of {} resources)",
                view.failed, view.resources
            );
        }
        let entry = json!({"rows": view.rows, "resources": view.resources, "failed": view.failed, "failure": view.failure});
        views.insert(name.clone(), entry);
    }
    for (table, resources) in &summary.outdated {
        rows.push([
            format!("older than what the lake has: {table}"),
            resources.to_string(),
        ]);
    }
    for (reason, lines) in &summary.quarantined {
        rows.push([format!("quarantine: {reason}"), lines.to_string()]);
    }
    for (what, values) in &summary.units {
        rows.push([format!("units: {what}"), values.to_string()]);
    }
    for (what, lines) in [
        ("lines that only views take", summary.viewed),
        ("bundles of deletions", summary.deletions),
        ("about expunged persons", summary.expunged),
        ("codes mapped", summary.mapped),
    ] {
        if lines > 0 {
            rows.push([what.into(), lines.to_string()]);
        }
    }
    let mut json = json!({
        "snapshot": summary.snapshot,
        "changed": summary.changed,
        "tables": Value::Object(tables),
        "outdated": summary.outdated,
        "views": Value::Object(views),
        "viewed": summary.viewed,
        "quarantined": summary.quarantined,
        "deletions": summary.deletions,
        "deleted": summary.deleted,
        "denied": summary.denied,
        "expunged": summary.expunged,
        "units": summary.units,
        "mapped": summary.mapped,
        "lines": summary.lines,
        "files": summary.files,
        "ignored": summary.ignored,
        "bytes": summary.bytes,
    });
    if let Some(export) = export {
        json["export"] = export.clone();
    }
    print(format, &rows, &json);
    if format == Format::Table {
        let change = if summary.changed { "new" } else { "unchanged" };
        println!(
            "snapshot {} ({change}), {} lines of {} files in {:.1} s",
            summary.snapshot,
            summary.lines,
            summary.files,
            summary.elapsed.as_secs_f64()
        );
    }
}
