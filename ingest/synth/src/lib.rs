//! A synthetic population as FHIR R4 bulk NDJSON, or straight as lake tables.
//!
//! Person `i` is a function of (seed, `i`) and the window alone, never of the size of the
//! population, so that the first thousand persons of ten thousand are the thousand persons of one
//! thousand. Nothing is kept from one person to the next: memory does not grow with the population.
//!
//! ```
//! use salus_synth::{Options, persons};
//!
//! let options = Options { persons: 3, ..Options::default() };
//! let people: Vec<_> = persons(&options).collect();
//! assert_eq!(people.len(), 3);
//! assert_eq!(people[1], salus_synth::person(&options, 1));
//! ```
//!
//! What the model is, where its numbers come from and what it is not: `docs/synth.md`.
//!
//! | stage | module |
//! |---|---|
//! | who | `demography`, `places` |
//! | illness over a life | `onset` |
//! | death and visits | `course` |
//! | what a visit leaves behind | `chart`, `diagnosis`, `clinic`, `physiology`, `treatment`, `prevention` |
//! | text | [`write_ndjson`] |
//! | columns | [`write_tables`] |

mod chart;
mod clinic;
mod columns;
mod course;
mod demography;
mod diagnosis;
mod draw;
mod error;
#[cfg(feature = "lake")]
mod lake;
mod ndjson;
mod onset;
mod parts;
mod physiology;
mod pipeline;
mod places;
mod prevention;
mod status;
mod tables;
mod text;
mod treatment;

pub mod record;
pub mod terms;
pub mod time;

pub use error::{Error, Result};
#[cfg(feature = "lake")]
pub use lake::{SOURCE, write_lake};
pub use ndjson::{PART_BYTES, write_ndjson, write_ndjson_in_parts};
pub use parts::Compression;
pub use tables::{RowIds, TABLES, TableSink, patient_id_prefix, table_schema, write_tables};
pub use text::{DEPRIVATION_DECILE, RECORD_NUMBER};

use std::collections::BTreeMap;

use chrono::{Datelike, NaiveDate};
use record::Person;
use time::Day;

/// Which population.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Number of persons.
    pub persons: u64,
    /// Seed.
    pub seed: u64,
    /// Last day of the records.
    pub as_of: NaiveDate,
    /// Length of the records in years.
    pub years: u32,
}

impl Default for Options {
    /// 10,000 persons, seed 1, the three years up to 2025-01-01.
    fn default() -> Self {
        Self {
            persons: 10_000,
            seed: 1,
            as_of: NaiveDate::from_ymd_opt(2025, 1, 1).unwrap_or_default(),
            years: 3,
        }
    }
}

impl Options {
    /// Refuses what the writers cannot date: FHIR years have four digits, and a record longer than
    /// a life is a mistake.
    pub(crate) fn check(&self) -> Result<()> {
        if !(1..=30).contains(&self.years) {
            return Err(Error::Options("years must lie between 1 and 30"));
        }
        if !(1950..=2150).contains(&self.as_of.year()) {
            return Err(Error::Options(
                "the last day must lie between 1950 and 2150",
            ));
        }
        if self.persons > 1 << 34 {
            return Err(Error::Options("at most 2^34 persons"));
        }
        Ok(())
    }
}

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Summary {
    /// Persons.
    pub persons: u64,
    /// Resources by FHIR type, or rows by table.
    pub counts: BTreeMap<&'static str, u64>,
    /// Names of the files, in order of type and part; none for tables.
    pub files: Vec<String>,
    /// Bytes of NDJSON before compression; 0 for tables.
    pub bytes: u64,
}

/// The days that the records cover, both included.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Window {
    pub(crate) start: Day,
    pub(crate) end: Day,
}

impl Window {
    pub(crate) fn of(options: &Options) -> Self {
        let end = Day::of(options.as_of);
        Self {
            start: end.years_before(options.years),
            end,
        }
    }
}

/// Person `number` of the population, counted from 0; the same whatever [`Options::persons`] says.
pub fn person(options: &Options, number: u64) -> Person {
    chart::person(options.seed, number, Window::of(options))
}

/// All persons in order.
pub fn persons(options: &Options) -> impl Iterator<Item = Person> + use<> {
    let (seed, window) = (options.seed, Window::of(options));
    (0..options.persons).map(move |number| chart::person(seed, number, window))
}
