//! What the tests of whole exports share.

#![allow(dead_code, unreachable_pub, reason = "each test crate uses its part")]

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::Int64Type;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use salus_fhir::{IngestError, Options, Silent, Summary, ingest_directory};
use salus_lake::{Lake, Quarantined};
use tempfile::TempDir;

/// A lake in a directory that goes with it.
pub struct Home {
    pub dir: TempDir,
    pub lake: Lake,
}

impl Home {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let lake = Lake::create(dir.path()).expect("a lake");
        Self { dir, lake }
    }

    pub async fn ingest(&self, export: &Path) -> Summary {
        self.ingest_with(export, &Options::default())
            .await
            .expect("an ingest")
    }

    pub async fn ingest_with(
        &self,
        export: &Path,
        options: &Options,
    ) -> Result<Summary, IngestError> {
        ingest_directory(&self.lake, export, options, &Silent).await
    }

    /// The rows of a table, in their order, each as `column=value …` without NULLs.
    pub fn rows(&self, table: &str) -> Vec<String> {
        self.batches(table).iter().flat_map(said).collect()
    }

    /// The rows of a table, each by column without NULLs.
    pub fn records(&self, table: &str) -> Vec<BTreeMap<String, String>> {
        self.batches(table).iter().flat_map(records).collect()
    }

    /// The persons of a table, in the order of its rows.
    pub fn persons(&self, table: &str) -> Vec<i64> {
        let persons = |batch: &RecordBatch| {
            batch
                .column(0)
                .as_primitive::<Int64Type>()
                .values()
                .to_vec()
        };
        self.batches(table).iter().flat_map(persons).collect()
    }

    pub fn quarantined(&self) -> Vec<Quarantined> {
        let all = self.lake.quarantined().expect("the quarantine");
        all.map(|one| one.expect("a line")).collect()
    }

    fn batches(&self, table: &str) -> Vec<RecordBatch> {
        let Some(snapshot) = self.lake.snapshot().expect("a lake") else {
            return Vec::new();
        };
        let version = snapshot.tables.get(table);
        let files = version
            .map(|version| version.files.clone())
            .unwrap_or_default();
        // The directory of a view's table names the definition.
        let directory = match version.and_then(|version| version.view.as_ref()) {
            Some(view) => format!("{table}-{}", &view[..12]),
            None => table.to_owned(),
        };
        files
            .iter()
            .flat_map(|file| {
                let dir = self.dir.path().join("lake").join(&directory);
                let path = dir.join(&file.path);
                let builder = ParquetRecordBatchReaderBuilder::try_new_with_options(
                    File::open(path).expect("a file"),
                    self.lake.reader_options(),
                );
                builder
                    .and_then(ParquetRecordBatchReaderBuilder::build)
                    .expect("Parquet")
                    .map(|batch| batch.expect("rows"))
            })
            .collect()
    }
}

fn said(batch: &RecordBatch) -> Vec<String> {
    let order: Vec<_> = batch
        .schema()
        .fields()
        .iter()
        .map(|field| field.name().clone())
        .collect();
    let line = |record: BTreeMap<String, String>| {
        let cells = order
            .iter()
            .filter_map(|name| Some(format!("{name}={}", record.get(name)?)));
        cells.collect::<Vec<_>>().join(" ")
    };
    records(batch).into_iter().map(line).collect()
}

fn records(batch: &RecordBatch) -> Vec<BTreeMap<String, String>> {
    let options = FormatOptions::default();
    let schema = batch.schema();
    let columns: Vec<_> = schema
        .fields()
        .iter()
        .zip(batch.columns())
        .map(|(field, column)| {
            (
                field.name(),
                column,
                ArrayFormatter::try_new(column, &options).expect("a type"),
            )
        })
        .collect();
    (0..batch.num_rows())
        .map(|row| {
            // What no query sees is not compared.
            let cells = columns
                .iter()
                .filter(|(name, column, _)| *name != "version_at" && column.is_valid(row));
            cells
                .map(|(name, _, text)| ((*name).clone(), text.value(row).to_string()))
                .collect()
        })
        .collect()
}

/// An export of its own making: file names and their lines.
pub fn export(files: &[(&str, &[&str])]) -> TempDir {
    let dir = tempfile::tempdir().expect("a directory");
    for (name, lines) in files {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().expect("a directory")).expect("a directory");
        fs::write(path, lines.join("\n")).expect("a file");
    }
    dir
}

/// The sum over everything that a line may become.
pub fn accounted(summary: &Summary) -> u64 {
    let tables = summary.tables.iter();
    let outdated = |table| summary.outdated.get(table).copied().unwrap_or_default();
    let rows: u64 = tables
        .map(|(table, summary)| summary.rows + outdated(table))
        .sum();
    let aside: u64 = summary.quarantined.values().sum();
    rows + summary.viewed + aside + summary.deletions + summary.expunged
}

pub fn reasons(summary: &Summary) -> Vec<(&str, u64)> {
    summary
        .quarantined
        .iter()
        .map(|(reason, lines)| (reason.as_str(), *lines))
        .collect()
}

/// A real export of the shared data, or `None` with a printed line when it is not there.
pub fn real(name: &str) -> Option<PathBuf> {
    let root = Path::new(&std::env::var("CARGO_MANIFEST_DIR").unwrap())
        .join("../../../shared/data/fhir")
        .join(name);
    if root.is_dir() {
        return Some(root);
    }
    assert!(
        std::env::var("CI").as_deref() != Ok("true"),
        "{} is missing",
        root.display()
    );
    println!("skipped: {} is missing", root.display());
    None
}

/// Resources by type, as the export says itself.
pub fn counts(export: &Path) -> BTreeMap<String, u64> {
    let text = fs::read_to_string(export.join("COUNTS.json")).expect("COUNTS.json");
    let json: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let counts = json["counts"].as_object().expect("counts");
    counts
        .iter()
        .map(|(kind, count)| (kind.clone(), count.as_u64().expect("a count")))
        .collect()
}
