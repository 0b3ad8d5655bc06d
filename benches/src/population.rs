//! A synthetic population in a lake with a ledger beside it, and an engine over both.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use salus_accounting::{Epsilon, Noise, Rational, Rho};
use salus_lake::{FileRef, Lake, Transaction};
use salus_ledger::Ledger;
use salus_query::{Answer, Asking, Books, Engine, Price};
use salus_synth::{Options, write_lake};
use tempfile::TempDir;

use crate::{from_environment, purse};

/// Persons of the lake; `SALUS_BENCH_PERSONS` says otherwise.
const PERSONS: u64 = 200_000;

/// Rows of a row group of the lake, about.
const GROUP_ROWS: usize = 128 * 1024;

/// Allows every price that a bench names. Groups need one person, as with systems that know no minimum.
const POLICY: &str = "version: 1\nquery_max_epsilon: \"1000\"\nquery_default_epsilon: \"1\"\nquery_max_delta: \"1e-6\"\nquery_default_delta: \"5e-7\"\nminimum_persons: 1\n";

/// A home, which is gone when it is dropped unless another process made it.
#[derive(Debug)]
pub struct Population {
    /// Number of persons.
    pub persons: u64,
    /// The lake with its one snapshot.
    pub lake: Lake,
    /// The ledger, whose purse no bench empties.
    pub ledger: Ledger,
    /// What questions are put to.
    pub engine: Engine,
    home: PathBuf,
    /// Removes it.
    made: Option<TempDir>,
}

impl Population {
    /// Generates the population and commits it.
    ///
    /// # Errors
    /// When the disk is full, or the environment names no number.
    pub async fn new() -> Result<Self> {
        let persons = from_environment("SALUS_BENCH_PERSONS", PERSONS)?;
        let options = Options {
            persons,
            ..Options::default()
        };
        Self::of(persons, |into| {
            Ok(write_lake(&options, into, &|_| ()).map(drop)?)
        })
        .await
    }

    /// The population that `write` writes.
    ///
    /// # Errors
    /// When the disk is full.
    pub async fn of(persons: u64, write: impl FnOnce(&Transaction) -> Result<()>) -> Result<Self> {
        let made = tempfile::tempdir()?;
        let lake = Lake::create(&made.path().join("home"))?;
        let transaction = lake.begin()?;
        write(&transaction)?;
        transaction.commit(&|_| ()).await?;
        let mut population = Self::at(made.path().to_owned(), persons).await?;
        population.made = Some(made);
        Ok(population)
    }

    /// The population of so many persons that another process has made and holds.
    ///
    /// # Errors
    /// When there is none.
    pub async fn at(home: PathBuf, persons: u64) -> Result<Self> {
        let lake = Lake::open(&home.join("home"))?;
        let ledger = purse::ledger(&home).await?;
        let books = Books::current(&lake, &ledger, POLICY).await?;
        let engine = Engine::open(lake.clone(), ledger.clone(), books)?;
        Ok(Self {
            persons,
            lake,
            ledger,
            engine,
            home,
            made: None,
        })
    }

    /// Where it is.
    pub fn home(&self) -> &Path {
        &self.home
    }

    /// Files of a table in the snapshot, in order, as other engines read them: not encrypted, with statistics, in row groups of
    /// the same size. They are written when they are asked for first.
    ///
    /// # Errors
    /// When the snapshot cannot be read or the disk is full.
    pub fn files(&self, table: &str) -> Result<Vec<PathBuf>> {
        let snapshot = self.lake.snapshot()?.context("no snapshot")?;
        let dir = self.home.join("home/lake").join(table);
        let opened = self.home.join("opened").join(table);
        std::fs::create_dir_all(&opened)?;
        let version = snapshot.tables.get(table).context("no such table")?;
        let copy = |file: &FileRef| {
            let copy = opened.join(&file.path);
            if !copy.exists() {
                self.open_file(&dir.join(&file.path), &copy)?;
            }
            Ok(copy)
        };
        version.files.iter().map(copy).collect()
    }

    fn open_file(&self, sealed: &Path, copy: &Path) -> Result<()> {
        let options = self.lake.reader_options();
        let reader =
            ParquetRecordBatchReaderBuilder::try_new_with_options(File::open(sealed)?, options)?;
        let zstd = Compression::ZSTD(ZstdLevel::try_new(1)?);
        let properties = WriterProperties::builder()
            .set_compression(zstd)
            .set_max_row_group_row_count(Some(GROUP_ROWS));
        let schema = Arc::clone(reader.schema());
        let mut writer =
            ArrowWriter::try_new(File::create(copy)?, schema, Some(properties.build()))?;
        for batch in reader.build()? {
            writer.write(&batch?)?;
        }
        writer.close()?;
        Ok(())
    }

    /// Asks at epsilon 1, as an analyst would.
    ///
    /// # Errors
    /// When the question is refused or fails.
    pub async fn ask(&self, sql: &str) -> Result<Answer> {
        let price = Price::Epsilon(Epsilon::parse("1")?);
        Ok(self.engine.ask(sql, &asking(price)).await?.answer)
    }

    /// Asks at epsilon 1, with so many rows of a person in a group.
    ///
    /// # Errors
    /// When the question is refused or fails.
    pub async fn ask_with(&self, sql: &str, rows_per_person: Option<u64>) -> Result<Answer> {
        let asking = Asking {
            rows_per_person,
            ..asking(Price::Epsilon(Epsilon::parse("1")?))
        };
        Ok(self.engine.ask(sql, &asking).await?.answer)
    }

    /// Asks at epsilon 1, with noise and weights of choice.
    ///
    /// # Errors
    /// When the question is refused or fails.
    pub async fn ask_as(
        &self,
        sql: &str,
        rows_per_person: Option<u64>,
        noise: Noise,
        weigh: bool,
    ) -> Result<Answer> {
        let asking = Asking {
            rows_per_person,
            noise,
            weigh,
            ..asking(Price::Epsilon(Epsilon::parse("1")?))
        };
        Ok(self.engine.ask(sql, &asking).await?.answer)
    }

    /// Asks at rho 16, where noise hardly shows.
    ///
    /// # Errors
    /// When the question is refused or fails.
    pub async fn ask_dearly(&self, sql: &str) -> Result<Answer> {
        let price = Price::Rho(Rho::parse_floor("16")?);
        Ok(self.engine.ask(sql, &asking(price)).await?.answer)
    }

    /// Parses, validates and prices without reading a row: what a question costs in planning alone.
    ///
    /// # Errors
    /// When the question is refused.
    pub async fn quote(&self, sql: &str) -> Result<()> {
        let price = Price::Epsilon(Epsilon::parse("1")?);
        self.engine.quote(sql, &asking(price)).await?;
        Ok(())
    }
}

fn asking(price: Price) -> Asking {
    Asking {
        principal: "p-bench".to_owned(),
        roles: vec!["analyst".to_owned()],
        purpose: "PUBHLTH".to_owned(),
        subject: salus_query::Subject::Numbers,
        price,
        delta: None,
        rows_per_person: None,
        groups_per_person: None,
        weigh: false,
        noise: Noise::DiscreteGaussian,
        confidence: Rational::from_ratio(19, 20).unwrap_or(Rational::ZERO),
        expected_rows: None,
        retry: None,
        fresh: true,
    }
}
