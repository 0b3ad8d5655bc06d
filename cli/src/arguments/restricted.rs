//! `salus ledger restricted` and `salus ledger breakglass`: what names or implies patients.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

#[derive(Debug, Subcommand)]
pub(crate) enum Restricted {
    /// List the entries. Nobody is named in them.
    #[command(after_help = "Example:\n  salus ledger restricted list --format json")]
    List,
    /// Recompute both logs, and that the restricted one holds all that was anchored.
    #[command(after_help = "Example:\n  salus ledger restricted verify")]
    Verify,
    /// Write the static files that an outside verifier reads. Whoever has them sees how the log grows.
    #[command(
        after_help = "Example:\n  salus ledger restricted export restricted && salus-audit evidence --restricted restricted"
    )]
    Export {
        /// New or empty directory.
        to: PathBuf,
    },
}

#[derive(Debug, Args)]
pub(crate) struct BreakGlass {
    /// Index of the access that was looked at.
    #[arg(long, value_name = "ENTRY", requires_all = ["finding", "note"])]
    pub review: Option<u64>,
    /// What came of it.
    #[arg(long, value_enum, requires = "review")]
    pub finding: Option<Finding>,
    /// What was found. The log commits to it and does not hold it.
    #[arg(long, value_name = "TEXT", requires = "review")]
    pub note: Option<String>,
    /// Who has looked; the user of the operating system when not given.
    #[arg(long, value_name = "NAME", requires = "review")]
    pub user: Option<String>,
    /// Also those that were closed.
    #[arg(long, conflicts_with = "review")]
    pub all: bool,
}

/// Who looks at identified records, and what for. It is written into the restricted log before anything is shown.
#[derive(Debug, Args)]
pub(crate) struct Looking {
    /// Who looks; the user of the operating system when not given.
    #[arg(long, value_name = "NAME")]
    pub user: Option<String>,
    /// What for, as an HL7 purpose of use.
    #[arg(long, default_value = "HOPERAT", value_name = "CODE")]
    pub purpose: String,
    /// Look without having the right to: why. An officer follows it up, see `salus ledger breakglass`.
    #[arg(long, value_name = "REASON", conflicts_with = "purpose")]
    pub break_glass: Option<String>,
}

/// What came of looking at a break-glass access.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Finding {
    /// It stays open.
    Open,
    /// There was good reason.
    Justified,
    /// There was none.
    Unjustified,
}
