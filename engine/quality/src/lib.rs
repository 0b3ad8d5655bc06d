//! Data quality of the lake, for operators: completeness, conformance and plausibility of every table, by column, source, code
//! and month.
//!
//! The terms are those of Kahn et al., *A Harmonized Data Quality Assessment Terminology and Framework for the Secondary Use of
//! Electronic Health Record Data*, eGEMs 2016;4(1):18; the checks follow OHDSI's DataQualityDashboard, whose names for them
//! stand in [`CHECKS`]. [`report`] reads the newest snapshot through once, table by table, in the order of persons, so that what
//! is asked about a person (her birth, her encounters) is read along and never held for all.
//!
//! # Guarantee
//! None of privacy. Every figure is an exact count of records and is for those who may read the records themselves. Nothing of
//! `salus-query` depends on this crate, so no released number can rest on one of them; what analysts are told about quality is
//! asked through the gate like any other question.

mod check;
mod codes;
mod month;
mod report;
mod sex;
mod stream;

pub use check::{CHECKS, Category, Thresholds};
pub use codes::{LocalCode, local_codes};
pub use report::{By, Finding, Options, Report, report};

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Nothing was ingested yet.
    #[error("the lake is empty; `salus ingest` fills it")]
    Empty,
    /// The request names what there is not.
    #[error("{0}")]
    Usage(String),
    /// The figures would be apart by too much: ask for one table, source or month, or by less.
    #[error(
        "table {0}: too many groups for one report; name a --month or a --source, or ask --by less"
    )]
    TooManyGroups(&'static str),
    /// A table cannot be read. What the library said may quote values and is left out.
    #[error("{0} cannot be read")]
    Unreadable(String),
    /// The lake refused.
    #[error(transparent)]
    Lake(#[from] salus_lake::Error),
}
