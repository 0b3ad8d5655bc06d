//! Arguments of `salus view`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

#[derive(Debug, Subcommand)]
pub(crate) enum View {
    /// Say everything that is wrong with ViewDefinitions, or which columns they make.
    #[command(after_help = "Example:\n  salus view check blood_pressure.json")]
    Check {
        /// ViewDefinitions, JSON.
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
    /// Make tables of FHIR resources: SQL on FHIR v2. What comes out is identified data, as what goes in is.
    #[command(
        after_help = "Examples:\n  salus view run patients.json --from export > patients.csv\n  salus view run *.json --from export --out tables --as parquet\n\n\
                      Lines on which a view fails give that view no row and are told at the end; --strict ends at the first."
    )]
    Run(Run),
}

#[derive(Debug, Args)]
pub(crate) struct Run {
    /// ViewDefinitions, JSON.
    #[arg(required = true)]
    pub files: Vec<PathBuf>,
    /// NDJSON files or directories of them, plain, gzip or zstd; may be repeated.
    #[arg(long, required = true, value_name = "PATH")]
    pub from: Vec<PathBuf>,
    /// Directory for one file a view; one view alone goes to standard output when not given.
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Format of the rows.
    #[arg(long = "as", value_enum, default_value_t = Rows::Csv, value_name = "FORMAT")]
    pub form: Rows,
    /// End at the first line that fails, and write nothing.
    #[arg(long)]
    pub strict: bool,
}

/// Formats of rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Rows {
    /// RFC 4180.
    Csv,
    /// One JSON object on each line.
    Ndjson,
    /// Parquet; needs --out.
    Parquet,
}
