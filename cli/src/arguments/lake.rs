//! Arguments of what operators do with the lake.

use std::num::NonZeroU32;
use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::Looking;

#[derive(Debug, Subcommand)]
pub(crate) enum Quarantine {
    /// Count what could not be used by reason; with --reason, list the lines.
    #[command(
        after_help = "Examples:\n  salus quarantine list\n  salus quarantine list --reason unknown_subject --limit 20"
    )]
    List(Picked),
    /// Print lines byte for byte, as they came. They are identified records: for operators of the source alone.
    #[command(
        after_help = "Example:\n  salus quarantine show --reason broken_json --limit 1 > line.ndjson\n\n\
                      That they were looked at is written into the restricted log first."
    )]
    Show {
        #[command(flatten)]
        picked: Picked,
        #[command(flatten)]
        looking: Looking,
    },
    /// Ingest lines again after what kept them out was mended: their patient has come since, say, or consents again.
    #[command(
        after_help = "Examples:\n  salus quarantine retry\n  salus quarantine retry --reason unknown_subject\n\n\
                      Lines that still cannot be used stay. A line whose resource has come again since stays too: what is in the lake is newer."
    )]
    Retry {
        #[command(flatten)]
        picked: Picked,
        /// Map of local codes to standard ones, as for `salus ingest fhir`; may be repeated.
        #[arg(long, value_name = "FILE")]
        code_map: Vec<PathBuf>,
    },
    /// Delete lines for good: those of a reason, a source or a file. Older snapshots hold them until `salus vacuum` removes these.
    #[command(
        after_help = "Example:\n  salus quarantine drop --reason superseded --yes\n\n\
                      An export that is ingested again brings its lines back."
    )]
    Drop {
        #[command(flatten)]
        picked: Picked,
        /// Do it: without this, only how many lines would go is said.
        #[arg(long)]
        yes: bool,
    },
}

/// Which lines are meant.
#[derive(Debug, Args)]
pub(crate) struct Picked {
    /// Lines with this reason only.
    #[arg(long, value_name = "CODE")]
    pub reason: Option<String>,
    /// Lines of this source only.
    #[arg(long, value_name = "NAME")]
    pub source: Option<String>,
    /// Lines of files whose name contains this.
    #[arg(long, value_name = "TEXT")]
    pub file: Option<String>,
    /// At most so many lines.
    #[arg(long, value_name = "N")]
    pub limit: Option<usize>,
}

#[derive(Debug, Args)]
pub(crate) struct Expunge {
    /// The patient's id in the source system, as in `Patient/ID`.
    #[arg(long, value_name = "ID")]
    pub patient: String,
    /// Name of the source system.
    #[arg(long, default_value = "default", value_name = "NAME")]
    pub source: String,
    /// Do it: without this, only what would be done is said.
    #[arg(long)]
    pub yes: bool,
    /// Seconds to wait for questions that are being answered from files that go.
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    pub wait: u64,
}

#[derive(Debug, Args)]
pub(crate) struct Vacuum {
    /// So many of the newest snapshots stay. What `retention` in home.yaml says, or 2 and those of 7 days, when neither is given.
    #[arg(long, value_name = "N")]
    pub keep: Option<NonZeroU32>,
    /// Snapshots stay that were the newest at some moment of so many days until now.
    #[arg(long, value_name = "DAYS")]
    pub older_than: Option<u32>,
    /// Remove downloads of exports too that nobody has worked on for the days of --older-than, or of `retention` in home.yaml: interrupted ones, and those of `ingest --keep`. They are not encrypted.
    #[arg(long)]
    pub downloads: bool,
    /// Say what would go, and remove nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// Seconds to wait for questions that are being answered from files that go.
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    pub wait: u64,
}
