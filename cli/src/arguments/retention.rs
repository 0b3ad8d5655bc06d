//! How a log ends, and what is erased.

use std::path::PathBuf;

use clap::Args;

#[derive(Debug, Args)]
pub(crate) struct Seal {
    /// First key of the log that goes on, as `salus key new` printed it: ORIGIN+ID+KEY.
    #[arg(long, value_name = "KEY")]
    pub successor: String,
    /// Why. The ledger commits to it and does not hold it.
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
    /// Days within which it can be entered.
    #[arg(long, value_name = "N", default_value_t = 30)]
    pub days: u64,
    /// Where the proposal is written.
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct Succeed {
    /// Private key of the log that goes on, as `salus key new` made it.
    #[arg(long, value_name = "FILE")]
    pub key: PathBuf,
    /// What two officers decided of a lost log (`salus ledger recover`); several copies, each with some approvals, count together.
    #[arg(long, value_name = "FILE")]
    pub decision: Vec<PathBuf>,
    /// Directory or bucket of the anchor of the log before, if it is not the home's; that which `salus ledger recover` read.
    #[arg(long, value_name = "DIR")]
    pub before_anchor: Option<PathBuf>,
    /// Go on under the default policy where that of the log before is not here.
    #[arg(long)]
    pub default_policy: bool,
    /// Directory or bucket of its anchor, empty or new; beside the present one, in the home, when not given.
    #[arg(long, value_name = "DIR")]
    pub anchor: Option<PathBuf>,
    /// Schema of a PostgreSQL server that is to hold it; a directory of the home when not given.
    #[arg(long, value_name = "ADDRESS")]
    pub ledger: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Recover {
    /// What is left of the log: an export, or a directory with a backup of `ledger.db`. The later the better.
    #[arg(long, value_name = "DIR")]
    pub entries: PathBuf,
    /// First key of the log that goes on, as `salus key new` printed it: ORIGIN+ID+KEY.
    #[arg(long, value_name = "KEY")]
    pub successor: String,
    /// Directory or bucket of the lost log's anchor; the home's when not given.
    #[arg(long, value_name = "DIR")]
    pub anchor: Option<PathBuf>,
    /// A receipt or a checkpoint that somebody kept. Those of this home, and what this user has seen, count anyway.
    #[arg(long, value_name = "FILE")]
    pub seen: Vec<PathBuf>,
    /// Where the decision is written, for officers to approve.
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct Erase {
    /// Questions asked before this day or moment (2026-01-31, or RFC 3339).
    #[arg(long, value_name = "DATE")]
    pub before: String,
}
