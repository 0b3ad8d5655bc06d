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
    /// Make a view a table of the lake: the next ingest fills it.
    #[command(
        after_help = "Examples:\n  salus view add race.json --catalog race.yaml\n  salus view add race.json --dry-run\n  salus view add race.json --replace\n\n\
                      The lake does not keep resources. Ingest the last full export again, and the view has its rows; other tables stay as they are.\n\
                      Types that had no table wait in quarantine: salus quarantine retry --reason no_table"
    )]
    Add(Add),
    /// The views that fill tables.
    #[command(after_help = "Example:\n  salus view list")]
    List,
    /// The definition of a view, as it was added, or of a table that ships.
    #[command(
        after_help = "Examples:\n  salus view show race > race.json\n  salus view show condition"
    )]
    Show {
        /// The table.
        name: String,
    },
    /// Take a view and its table out of the lake. Older snapshots keep their rows.
    #[command(after_help = "Example:\n  salus view drop race")]
    Drop {
        /// The table.
        name: String,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Add {
    /// The ViewDefinition, JSON.
    pub file: PathBuf,
    /// What the catalog is to declare about the table: rows per person, domains, bounds, each with its source. YAML.
    #[arg(long, value_name = "FILE")]
    pub catalog: Option<PathBuf>,
    /// Name of the table, where it is not that of the view.
    #[arg(long)]
    pub name: Option<String>,
    /// Take the place of the view of that name; a changed definition begins without rows.
    #[arg(long)]
    pub replace: bool,
    /// Only say what would be added.
    #[arg(long)]
    pub dry_run: bool,
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
