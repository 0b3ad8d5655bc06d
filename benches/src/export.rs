//! A synthetic export and its ingest.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use salus_fhir::{Options, Silent, ingest_directory, parse_only};
use salus_lake::Lake;
use salus_synth::{Compression, Options as Synthetic, write_ndjson};
use tempfile::TempDir;

use crate::from_environment;

/// Persons of the export, some 26 kB each; `SALUS_BENCH_EXPORT_PERSONS` says otherwise.
const PERSONS: u64 = 16_000;

/// Plain NDJSON in a temporary directory.
#[derive(Debug)]
pub struct Export {
    /// Bytes of NDJSON.
    pub bytes: u64,
    /// Lines.
    pub lines: u64,
    place: TempDir,
}

impl Export {
    /// Writes the export and reads it once, so that every run finds it in memory.
    ///
    /// # Errors
    /// When the disk is full, or the environment names no number.
    pub fn new() -> Result<Self> {
        let place = tempfile::tempdir()?;
        let options = Synthetic {
            persons: from_environment("SALUS_BENCH_EXPORT_PERSONS", PERSONS)?,
            ..Synthetic::default()
        };
        let dir = place.path().join("export");
        let written = write_ndjson(&options, &dir, Compression::None, &|_| ())?;
        let lines = written.counts.values().sum();
        let (read, bytes) = parse_only(&dir, &Options::default())?;
        ensure!(
            read == lines && bytes <= written.bytes,
            "the floor does not read the whole export"
        );
        Ok(Self {
            bytes: written.bytes,
            lines,
            place,
        })
    }

    /// Megabytes (10^6) per second.
    #[expect(
        clippy::cast_precision_loss,
        reason = "an export has fewer bytes than a float has units"
    )]
    pub fn rate(&self, time: Duration) -> f64 {
        self.bytes as f64 / 1e6 / time.as_secs_f64()
    }

    /// The floor: every line parsed and dropped.
    ///
    /// # Errors
    /// When the export cannot be read.
    pub fn parse(&self) -> Result<Duration> {
        let start = Instant::now();
        let (lines, _) = parse_only(&self.dir(), &Options::default())?;
        let time = start.elapsed();
        ensure!(lines == self.lines, "lines were lost");
        Ok(time)
    }

    /// An ingest into a lake of its own, from listing to visible snapshot.
    ///
    /// # Errors
    /// When a line did not become a row.
    pub async fn ingest(&self) -> Result<Duration> {
        let home = self.place.path().join("home");
        let lake = Lake::create(&home)?;
        let start = Instant::now();
        let summary = ingest_directory(&lake, &self.dir(), &Options::default(), &Silent).await?;
        let time = start.elapsed();
        let rows: u64 = summary.tables.values().map(|table| table.rows).sum();
        ensure!(
            summary.changed && rows == self.lines,
            "{rows} rows of {} lines",
            self.lines
        );
        std::fs::remove_dir_all(home)?;
        Ok(time)
    }

    fn dir(&self) -> std::path::PathBuf {
        self.place.path().join("export")
    }

    /// The directory that holds the export, for files beside it on the same disk.
    pub fn place(&self) -> &Path {
        self.place.path()
    }
}
