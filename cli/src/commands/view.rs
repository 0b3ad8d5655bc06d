//! `salus view`: SQL on FHIR outside of the lake; what makes tables of it is in `lake_view`.

use std::fs;
use std::io::{BufWriter, stdout};
use std::path::{Path, PathBuf};

use salus_views::{
    CsvSink, Input, NdjsonSink, Options, RunError, Sink, Summary, View as Definition,
};
use serde_json::json;

use crate::arguments::{Format, RowFormat, View, ViewRun};
use crate::commands::lake_view;
use crate::failure::Failure;
use crate::output::{Rows, print};
use crate::progress::Progress;

/// Failed lines that are told one by one.
const TOLD: usize = 20;

pub(crate) async fn run(root: &Path, command: &View, format: Format) -> Result<(), Failure> {
    match command {
        View::Check { files } => check(files, format),
        View::Run(run) => make(run, format),
        View::Add(add) => lake_view::add(root, add, format).await,
        View::List => lake_view::list(root, format),
        View::Show { name } => lake_view::show(root, name),
        View::Drop { name } => lake_view::drop(root, name, format).await,
    }
}

fn check(files: &[PathBuf], format: Format) -> Result<(), Failure> {
    let mut rows = Rows::new(&["view", "column", "type", "description"]);
    let mut found = Vec::new();
    for view in read(files)? {
        let name = view.name().unwrap_or(view.resource()).to_owned();
        let mut columns = Vec::new();
        for column in view.columns() {
            let kind = column.fhir_type.clone().unwrap_or_default();
            let many = if column.collection { "[]" } else { "" };
            rows.push([
                name.clone(),
                column.name.clone(),
                format!("{kind}{many}"),
                column.description.clone().unwrap_or_default(),
            ]);
            columns.push(json!({"name": column.name, "type": column.fhir_type, "collection": column.collection, "description": column.description}));
        }
        found.push(json!({"name": name, "resource": view.resource(), "columns": columns}));
    }
    print(format, &rows, &json!({ "views": found }));
    Ok(())
}

/// Reads every definition, or says everything that is wrong with all of them.
fn read(files: &[PathBuf]) -> Result<Vec<Definition>, Failure> {
    let (mut views, mut wrong) = (Vec::new(), Vec::new());
    for file in files {
        let name = file.display();
        let text =
            fs::read_to_string(file).map_err(|error| Failure::usage(format!("{name}: {error}")))?;
        match Definition::parse(&text) {
            Ok(view) => views.push(view),
            Err(problems) => {
                wrong.extend(problems.iter().map(|problem| format!("{name}: {problem}")));
            }
        }
    }
    if wrong.is_empty() {
        Ok(views)
    } else {
        Err(Failure::usage(wrong.join("\n")))
    }
}

struct Bar(Progress);

impl salus_views::Progress for Bar {
    fn started(&self, total_bytes: u64) {
        self.0.total(total_bytes);
    }

    fn advanced(&self, bytes: u64, _lines: u64) {
        self.0.add(bytes);
    }
}

fn make(run: &ViewRun, format: Format) -> Result<(), Failure> {
    let views = read(&run.files)?;
    let input = Input::paths(&run.from).map_err(failure)?;
    let options = Options {
        strict: run.strict,
        described_failures: TOLD,
        ..Options::default()
    };
    let bar = Bar(Progress::bytes(0, "reading"));
    let mut sinks = sinks(&views, run)?;
    let summary = salus_views::run(&views, input, &mut sinks, &options, &bar).map_err(failure)?;
    bar.0.finish();
    for failed in &summary.failures {
        eprintln!("salus: {failed}");
    }
    if summary.all_failures > TOLD as u64 {
        eprintln!(
            "salus: {} more failures",
            summary.all_failures - TOLD as u64
        );
    }
    // Standard output may hold the rows.
    if run.out.is_some() {
        report(&summary, format);
    }
    Ok(())
}

fn sinks(views: &[Definition], run: &ViewRun) -> Result<Vec<Box<dyn Sink>>, Failure> {
    let form = match run.form {
        RowFormat::Csv => salus_views::Format::Csv,
        RowFormat::Ndjson => salus_views::Format::Ndjson,
        RowFormat::Parquet => salus_views::Format::Parquet,
    };
    if let Some(dir) = &run.out {
        return salus_views::files(views, dir, form).map_err(failure);
    }
    let out = BufWriter::new(stdout());
    match (views, run.form) {
        ([view], RowFormat::Csv) => Ok(vec![Box::new(CsvSink::new(view, out))]),
        ([view], RowFormat::Ndjson) => Ok(vec![Box::new(NdjsonSink::new(view, out))]),
        _ => Err(Failure::usage(
            "several views, and Parquet, go to files: add --out DIR",
        )),
    }
}

fn report(summary: &Summary, format: Format) {
    let mut rows = Rows::new(&["view", "rows", "resources", "failed"]);
    let mut views = Vec::new();
    for view in &summary.views {
        rows.push([
            view.name.clone(),
            view.rows.to_string(),
            view.resources.to_string(),
            view.failed.to_string(),
        ]);
        views.push(json!({"name": view.name, "rows": view.rows, "resources": view.resources, "failed": view.failed}));
    }
    let json = json!({
        "views": views, "lines": summary.lines, "other_lines": summary.other_lines,
        "failed_lines": summary.failed_lines, "files": summary.files,
    });
    print(format, &rows, &json);
}

fn failure(error: RunError) -> Failure {
    match error {
        RunError::NothingFound(_) | RunError::Strict(_) => Failure::usage(error.to_string()),
        other => Failure::Other(other.into()),
    }
}
