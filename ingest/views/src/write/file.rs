//! Files that are there whole or not at all.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::BufWriter;
use std::path::{Path, PathBuf};

use arrow::record_batch::RecordBatch;
use tempfile::NamedTempFile;

use super::{CsvSink, NdjsonSink, ParquetSink, Sink, failed};
use crate::columns::Layout;
use crate::definition::View;
use crate::run::RunError;

/// A format of files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// RFC 4180.
    Csv,
    /// One JSON object on each line.
    Ndjson,
    /// Parquet, zstd.
    Parquet,
}

impl Format {
    /// The ending of a file's name.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Ndjson => "ndjson",
            Self::Parquet => "parquet",
        }
    }
}

/// One file for each view in `dir`, named after the view (or its resource type), with a number
/// where two would have one name. Files are written beside their place and take it when the run has
/// succeeded for all views; only their owner may read them.
///
/// # Errors
/// When a file cannot be created.
pub fn files(views: &[View], dir: &Path, format: Format) -> Result<Vec<Box<dyn Sink>>, RunError> {
    let place = dir.display().to_string();
    fs::create_dir_all(dir).map_err(|error| failed(&place)(error.into()))?;
    let mut taken = HashSet::new();
    let mut sinks: Vec<Box<dyn Sink>> = Vec::new();
    for view in views {
        let base = view.name().unwrap_or(view.resource());
        let mut name = base.to_owned();
        let mut number = 2;
        // Some file systems do not tell capitals from small letters.
        while !taken.insert(name.to_lowercase()) {
            name = format!("{base}_{number}");
            number += 1;
        }
        let path = dir.join(format!("{name}.{}", format.extension()));
        sinks.push(Box::new(FileSink::new(view, path, format)?));
    }
    Ok(sinks)
}

#[derive(Debug)]
struct FileSink {
    path: PathBuf,
    /// Gone once it has taken its place.
    file: Option<NamedTempFile>,
    writer: Writer,
}

#[derive(Debug)]
enum Writer {
    Csv(CsvSink<BufWriter<File>>),
    Ndjson(NdjsonSink<BufWriter<File>>),
    Parquet(Box<ParquetSink<BufWriter<File>>>),
}

impl FileSink {
    fn new(view: &View, path: PathBuf, format: Format) -> Result<Self, RunError> {
        let place = path.display().to_string();
        let dir = path.parent().unwrap_or(Path::new("."));
        let created = tempfile::Builder::new()
            .prefix(".salus-view-")
            .tempfile_in(dir);
        let file = created.map_err(|error| failed(&place)(error.into()))?;
        let handle = file.as_file().try_clone();
        let handle = handle.map_err(|error| failed(&place)(error.into()))?;
        let out = BufWriter::with_capacity(1 << 18, handle);
        let writer = match format {
            Format::Csv => Writer::Csv(CsvSink::new(view, out)),
            Format::Ndjson => Writer::Ndjson(NdjsonSink::new(view, out)),
            Format::Parquet => Writer::Parquet(Box::new(ParquetSink::new(view, out)?)),
        };
        Ok(Self {
            path,
            file: Some(file),
            writer,
        })
    }

    fn sink(&mut self) -> &mut dyn Sink {
        match &mut self.writer {
            Writer::Csv(sink) => sink,
            Writer::Ndjson(sink) => sink,
            Writer::Parquet(sink) => sink.as_mut(),
        }
    }

    /// Names the file in what went wrong.
    fn named(&self, error: RunError) -> RunError {
        match error {
            RunError::Sink { source, .. } => failed(&self.path.display().to_string())(source),
            other => other,
        }
    }
}

impl Sink for FileSink {
    fn layout(&self) -> Layout {
        match &self.writer {
            Writer::Csv(sink) => sink.layout(),
            Writer::Ndjson(sink) => sink.layout(),
            Writer::Parquet(sink) => sink.layout(),
        }
    }

    fn write(&mut self, batch: &RecordBatch) -> Result<(), RunError> {
        let written = self.sink().write(batch);
        written.map_err(|error| self.named(error))
    }

    fn finish(&mut self) -> Result<(), RunError> {
        let finished = self.sink().finish();
        finished.map_err(|error| self.named(error))?;
        let synced = self
            .file
            .as_ref()
            .map_or(Ok(()), |file| file.as_file().sync_all());
        synced.map_err(|error| failed(&self.path.display().to_string())(error.into()))
    }

    fn publish(&mut self) -> Result<(), RunError> {
        let Some(file) = self.file.take() else {
            return Ok(());
        };
        let persisted = file.persist(&self.path);
        persisted.map_err(|error| failed(&self.path.display().to_string())(error.error.into()))?;
        Ok(())
    }
}
