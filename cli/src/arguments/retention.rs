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
pub(crate) struct Erase {
    /// Questions asked before this day or moment (2026-01-31, or RFC 3339).
    #[arg(long, value_name = "DATE")]
    pub before: String,
}
