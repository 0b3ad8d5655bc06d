//! Arguments of `salus quality` and `salus codes`.

use std::path::PathBuf;

use clap::{ArgGroup, Args, Subcommand, ValueEnum};

#[derive(Debug, Args)]
#[command(group(ArgGroup::new("for_whom").required(true).args(["operator", "private"])))]
pub(crate) struct Quality {
    /// Exact figures, for those who may read the records themselves: not for analysts, and not for publication.
    #[arg(long)]
    pub operator: bool,
    /// Figures with noise, for analysts: a fixed set of questions, asked and paid for like any other.
    #[arg(long)]
    pub private: bool,
    #[command(flatten)]
    pub exact: Exact,
    #[command(flatten)]
    pub asked: PrivateQuality,
}

/// What exact figures are of.
#[derive(Debug, Args)]
#[command(next_help_heading = "With --operator")]
pub(crate) struct Exact {
    /// These tables only; may be repeated.
    #[arg(long, value_name = "TABLE", conflicts_with = "private")]
    pub table: Vec<String>,
    /// Persons whom this source names.
    #[arg(long, value_name = "NAME", conflicts_with = "private")]
    pub source: Option<String>,
    /// Rows of this month, as in 2025-06.
    #[arg(long, value_name = "MONTH", conflicts_with = "private")]
    pub month: Option<String>,
    /// Rows of this code.
    #[arg(long, value_name = "CODE", conflicts_with = "private")]
    pub code: Option<String>,
    /// Figures apart by these.
    #[arg(long, value_enum, value_delimiter = ',', conflicts_with = "private")]
    pub by: Vec<Apart>,
    /// Per cent of failing rows that are tolerated by a check, as in limits=2; may be repeated.
    #[arg(long, value_name = "CHECK=PERCENT", conflicts_with = "private")]
    pub tolerate: Vec<String>,
    /// Only figures with failing rows.
    #[arg(long, conflicts_with = "private")]
    pub failing: bool,
    /// Write the report into this file, as HTML for a browser.
    #[arg(long, value_name = "FILE", conflicts_with = "private")]
    pub html: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Apart {
    Source,
    Code,
    Month,
}

/// How figures with noise are asked for.
#[derive(Debug, Args)]
#[command(next_help_heading = "With --private")]
pub(crate) struct PrivateQuality {
    /// Price of each of the questions as epsilon; --dry-run says what they cost together.
    #[arg(long, value_name = "E", conflicts_with_all = ["rho", "operator"])]
    pub epsilon: Option<String>,
    /// Price of each of the questions as zCDP.
    #[arg(long, value_name = "R", conflicts_with = "operator")]
    pub rho: Option<String>,
    /// Year whose months are told apart; the last one when not given.
    #[arg(long, value_name = "YEAR", conflicts_with = "operator", value_parser = clap::value_parser!(u16).range(1900..=2999))]
    pub year: Option<u16>,
    /// Say what it would cost; spend nothing.
    #[arg(long, conflicts_with = "operator")]
    pub dry_run: bool,
    /// Purpose of use, an HL7 PurposeOfUse code.
    #[arg(long, default_value = "PUBHLTH", value_name = "CODE")]
    pub purpose: String,
    /// Who asks, when it is not the user of this shell.
    #[arg(long, env = "SALUS_USER", value_name = "NAME")]
    pub user: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Codes {
    /// Codes of local systems, the most frequent first, with exact numbers of rows: what a code map should hold next.
    #[command(
        after_help = "Example:\n  salus codes unmapped --operator --table observation --limit 20"
    )]
    Unmapped {
        /// Exact figures, for those who may read the records themselves.
        #[arg(long, required = true)]
        operator: bool,
        /// These tables only; may be repeated.
        #[arg(long, value_name = "TABLE")]
        table: Vec<String>,
        /// At most so many codes.
        #[arg(long, value_name = "N", default_value_t = 50)]
        limit: usize,
    },
}
