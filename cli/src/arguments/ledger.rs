//! `salus ledger`: what officers ask of the books.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::oversight::{Incident, Review};
use super::restricted::{BreakGlass, Restricted};
use super::retention::{Erase, Recover, Seal, Succeed};

#[derive(Debug, Subcommand)]
pub(crate) enum Ledger {
    /// List the entries, or those of some questions.
    #[command(
        after_help = "Examples:\n  salus ledger list --format csv\n  salus ledger list --user ada --since 2026-01-01 --outcome answered"
    )]
    List(Filter),
    /// Show one entry in full, and a question in plain words.
    #[command(after_help = "Example:\n  salus ledger show 7")]
    Show {
        /// Index of the entry.
        index: u64,
    },
    /// Recompute the tree, signatures, prices and balances.
    #[command(after_help = "Example:\n  salus ledger verify --format json")]
    Verify,
    /// What was spent when, of the purse, a dataset or an analyst: in the terminal, or as a drawing.
    #[command(
        name = "burn-down",
        after_help = "Examples:\n  salus ledger burn-down\n  salus ledger burn-down --user ada --svg ada.svg"
    )]
    BurnDown(BurnDown),
    /// Questions that were not admitted, by rule, analyst, purpose and month.
    #[command(after_help = "Example:\n  salus ledger refusals --since 2026-01-01")]
    Refusals(Filter),
    /// Pairs of answered questions of one analyst that differ by one narrow condition. From plans, never from data.
    #[command(
        after_help = "Example:\n  salus ledger differences --user ada\n\nSubtracting two such answers says something about few people. The noise covers it; whoever asks so may be asked why."
    )]
    Differences(Differences),
    /// Sign off a range of entries: somebody has looked at them.
    #[command(
        after_help = "Examples:\n  salus ledger review 0..40 --note \"nothing unusual\"\n  salus ledger review 41..80 --note \"see ticket 7\" --key ada.key"
    )]
    Review(Review),
    /// Take what an answer turned out to cost beyond its price.
    #[command(
        after_help = "Example:\n  salus ledger incident 17 --rho 0.01 --note \"noise too small in build 0.1.0\""
    )]
    Incident(Incident),
    /// Propose that this log ends in favour of another, which opens with what was spent: two officers approve it.
    #[command(
        after_help = "Example:\n  salus ledger seal --successor salus.example/2027+1f2e3d4c+AX… --reason \"end of 2026\" --out seal.json\n  salus proposal approve seal.json --key ada.key\n  salus proposal enter seal.json\n\nOnce it is entered the log is only read."
    )]
    Seal(Seal),
    /// Go on in a new log, with what was spent: after a seal, or after a loss by what two officers decided.
    #[command(
        after_help = "Examples:\n  salus ledger succeed --key next.key\n  salus ledger succeed --key next.key --decision lost.ada.json --decision lost.ben.json\n\nThe lake stays as it is. Whatever was interrupted is done again by the same command."
    )]
    Succeed(Succeed),
    /// Propose how a lost ledger goes on: with the largest total that anybody recorded, or with a closed purse.
    #[command(
        after_help = "Example:\n  salus key new next.key --name salus.example/2027\n  salus ledger recover --entries backup/ledger --successor salus.example/2027+1f2e3d4c+AX… --out lost.json\n  salus proposal approve lost.json --key ada.key\n  salus ledger succeed --decision lost.json --key next.key\n\nOnce it is succeeded the lost log answers nothing, should it come back."
    )]
    Recover(Recover),
    /// Erase the texts of old questions. The log, its export and all receipts verify as before.
    #[command(after_help = "Example:\n  salus ledger erase --before 2025-01-01")]
    Erase(Erase),
    /// Break-glass accesses that nobody has closed; with --review, what came of looking at one.
    #[command(
        name = "breakglass",
        after_help = "Examples:\n  salus ledger breakglass\n  salus ledger breakglass --review 12 --finding justified --note \"emergency, ward 3\""
    )]
    BreakGlass(BreakGlass),
    /// The restricted log: identified access, break-glass, consent, linkage, alerts, expunging.
    #[command(
        subcommand,
        after_help = "Examples:\n  salus ledger restricted list\n  salus ledger export evidence && salus ledger restricted export restricted && salus-audit evidence --restricted restricted"
    )]
    Restricted(Restricted),
    /// A document to hand to a regulator: one HTML file, which prints well.
    #[command(
        after_help = "Examples:\n  salus ledger report --period 2026-Q1 --operator \"Riverside Health\" --out report.html\n  salus ledger report --since 2026-01-01 --until 2026-03-31 --operator \"Riverside Health\" --out report.html"
    )]
    Report(Report),
    /// Write the static files that an outside verifier reads, or the questions in a form that other programs read.
    #[command(
        after_help = "Examples:\n  salus ledger export evidence && salus-audit evidence\n  salus ledger export questions.csv --as csv\n  salus ledger export audit-events.json --as fhir --since 2026-01-01"
    )]
    Export(Export),
}

/// Which questions.
#[derive(Debug, Args)]
pub(crate) struct Filter {
    /// Who asked: a user of this home, or a pseudonym (p-…).
    #[arg(long, value_name = "NAME")]
    pub user: Option<String>,
    /// Of which dataset.
    #[arg(long, value_name = "NAME")]
    pub dataset: Option<String>,
    /// For which purpose.
    #[arg(long, value_name = "CODE")]
    pub purpose: Option<String>,
    /// From this day or moment on (2026-01-31, or RFC 3339).
    #[arg(long, value_name = "DATE")]
    pub since: Option<String>,
    /// Up to and with this day, or before this moment.
    #[arg(long, value_name = "DATE")]
    pub until: Option<String>,
    /// answered, failed, dropped, open, repeated or refused.
    #[arg(long, value_name = "OUTCOME")]
    pub outcome: Option<String>,
    /// Kind of the entries: reserve, policy, grant, …
    #[arg(long, value_name = "KIND")]
    pub kind: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct BurnDown {
    /// Of one analyst: a user of this home, or a pseudonym (p-…).
    #[arg(long, value_name = "NAME", conflicts_with = "dataset")]
    pub user: Option<String>,
    /// Of one dataset.
    #[arg(long, value_name = "NAME")]
    pub dataset: Option<String>,
    /// From this day on.
    #[arg(long, value_name = "DATE")]
    pub since: Option<String>,
    /// Up to and with this day.
    #[arg(long, value_name = "DATE")]
    pub until: Option<String>,
    /// Draw it into this new file as well; its name ends in .svg.
    #[arg(long, value_name = "FILE")]
    pub svg: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Differences {
    /// Of one analyst: a user of this home, or a pseudonym (p-…).
    #[arg(long, value_name = "NAME")]
    pub user: Option<String>,
    /// Also pairs whose cohorts need not overlap, such as two years of the same figure.
    #[arg(long)]
    pub all: bool,
    /// Write an alert into the restricted log for each pair that has none yet.
    #[arg(long)]
    pub alert: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Report {
    /// A year, a quarter or a month: 2026, 2026-Q3 or 2026-10.
    #[arg(long, value_name = "PERIOD", conflicts_with_all = ["since", "until"])]
    pub period: Option<String>,
    /// First day.
    #[arg(long, value_name = "DATE")]
    pub since: Option<String>,
    /// Last day.
    #[arg(long, value_name = "DATE")]
    pub until: Option<String>,
    /// Who runs this system.
    #[arg(long, value_name = "NAME")]
    pub operator: Option<String>,
    /// The file.
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct Export {
    /// New or empty directory; with --as a new file.
    #[arg(value_name = "PATH")]
    pub to: PathBuf,
    /// The questions, in this form, instead of the log.
    #[arg(long = "as", value_enum, value_name = "FORM")]
    pub form: Option<Form>,
    /// For --as: who asked.
    #[arg(long, value_name = "NAME", requires = "form")]
    pub user: Option<String>,
    /// For --as: from this day on.
    #[arg(long, value_name = "DATE", requires = "form")]
    pub since: Option<String>,
    /// For --as: up to and with this day.
    #[arg(long, value_name = "DATE", requires = "form")]
    pub until: Option<String>,
}

/// Forms that other programs read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Form {
    /// One line for each question.
    Csv,
    /// One JSON document.
    Json,
    /// A FHIR R4 Bundle of AuditEvents (IHE BALP, profile Query).
    Fhir,
    /// A record of the OpenDP deployments registry (YAML).
    OpendpRegistry,
}
