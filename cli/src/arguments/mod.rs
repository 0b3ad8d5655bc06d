//! What can be said on the command line.

mod identity;
mod ingest;
mod lake;
mod ledger;
mod oversight;
mod quality;
mod restricted;
mod retention;
mod serve;
mod view;

use std::path::PathBuf;

use chrono::NaiveDate;
use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

pub(crate) use identity::{Identity, Link, Patient, Review as IdentityReview};
pub(crate) use ingest::{Asked, Fhir, Ingest, Server};
pub(crate) use lake::{Expunge, Picked, Quarantine, Vacuum};
pub(crate) use ledger::{BurnDown, Differences, Export, Filter, Form, Ledger, Report};
pub(crate) use oversight::{
    Anchor, ClientAlgorithm, Grant, Incident, Key, Names, Officer, Proposal, Propose, Review,
    Witness,
};
pub(crate) use quality::{Apart, Codes, Exact, PrivateQuality, Quality};
pub(crate) use restricted::{BreakGlass, Finding, Looking, Restricted};
pub(crate) use retention::{Erase, Recover, Seal, Succeed};
pub(crate) use serve::{Listen, Serve, ServeCommand, Token};
pub(crate) use view::{Add as ViewAdd, Rows as RowFormat, Run as ViewRun, View};

/// Private answers about the health of a population, with error bars, a budget and a ledger.
#[derive(Debug, Parser)]
#[command(
    name = "salus",
    version,
    after_help = "Exit codes:\n  0 done\n  1 anything else\n  2 usage\n  3 refused by a privacy rule\n  4 budget exhausted\n  5 integrity failure\n\n\
                  Example:\n  salus init && salus synth --persons 10000 --seed 1 --out export && salus ingest fhir export\n  \
                  salus query \"SELECT sex, COUNT(DISTINCT person_id) AS persons FROM patient GROUP BY sex\" --epsilon 0.5"
)]
pub(crate) struct Arguments {
    /// Where Salus keeps lake, ledger and keys.
    #[arg(long, global = true, env = "SALUS_HOME", value_name = "DIR")]
    home: Option<PathBuf>,

    /// How answers are printed.
    #[arg(long, global = true, value_enum, default_value_t = Format::Table)]
    pub format: Format,

    #[command(subcommand)]
    pub command: Command,
}

impl Arguments {
    /// `--home`, `SALUS_HOME`, or `.salus` in the user's home directory.
    pub(crate) fn home(&self) -> PathBuf {
        self.home.clone().unwrap_or_else(|| {
            let user = std::env::var_os("HOME").map_or_else(|| PathBuf::from("."), PathBuf::from);
            user.join(".salus")
        })
    }
}

/// The distribution of the noise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum NoiseKind {
    /// Discrete Gaussian: the least noise for what the purse pays.
    Gaussian,
    /// Discrete Laplace: the least noise for the epsilon of one question.
    Laplace,
}

/// Output formats.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    Table,
    /// One JSON document.
    Json,
    /// Comma-separated values with a header line.
    Csv,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Create a home: lake, ledger, signing key, policy and catalog.
    #[command(after_help = "Example:\n  salus init --epsilon 10 --delta 1e-6")]
    Init(Init),
    /// Generate a synthetic population, as a FHIR bulk export or straight into the lake.
    #[command(
        after_help = "Examples:\n  salus synth --persons 10000 --seed 1 --out export\n  salus synth --persons 10000000 --seed 1 --lake"
    )]
    Synth(Synth),
    /// Read health records into the lake.
    #[command(
        subcommand,
        after_help = "Examples:\n  salus ingest fhir export\n  salus ingest fhir https://ehr.example/fhir --group diabetes --client-id salus --client-key client.pem"
    )]
    Ingest(Ingest),
    /// SQL on FHIR: ViewDefinitions over exports outside of the lake, and as tables of it.
    #[command(
        subcommand,
        after_help = "Examples:\n  salus view check patients.json\n  salus view run patients.json --from export > patients.csv\n  salus view add race.json --catalog race.yaml"
    )]
    View(View),
    /// Records that could not be used.
    #[command(
        subcommand,
        after_help = "Examples:\n  salus quarantine list\n  salus quarantine retry --reason unknown_subject"
    )]
    Quarantine(Quarantine),
    /// Delete a person for good: rows, quarantined lines, older snapshots; what comes about her later is dropped.
    #[command(after_help = "Example:\n  salus expunge --source clinic --patient 4711 --yes")]
    Expunge(Expunge),
    /// Remove older snapshots, with the files that only they need.
    #[command(
        after_help = "Examples:\n  salus vacuum --dry-run\n  salus vacuum --keep 1\n  salus vacuum --keep 2 --older-than 30\n\n\
                      Each ingest does this too, by `retention` in home.yaml. Questions that are being answered are waited for."
    )]
    Vacuum(Vacuum),
    /// Which records of several sources are one person.
    #[command(
        subcommand,
        after_help = "Examples:\n  salus identity link --dry-run\n  salus identity review list\n  salus identity show --source clinic --patient 4711"
    )]
    Identity(Identity),
    /// How complete, conformant and plausible the data are.
    #[command(
        after_help = "Examples:\n  salus quality --operator --failing\n  salus quality --operator --table observation --by code,month --html quality.html\n  \
        salus quality --private --epsilon 0.05 --dry-run\n\n\
        With --operator the figures are exact and for those who may read the records; with --private they are asked through the gate and paid for."
    )]
    Quality(Box<Quality>),
    /// Codes of the data.
    #[command(subcommand, after_help = "Example:\n  salus codes unmapped --operator")]
    Codes(Codes),
    /// List tables and columns.
    #[command(after_help = "Example:\n  salus tables --format json")]
    Tables,
    /// Public facts about the data: units, bounds, key domains.
    #[command(subcommand, after_help = "Example:\n  salus catalog show patient")]
    Catalog(Catalog),
    /// Ask a question in SQL.
    #[command(after_help = "Examples:\n  \
        salus query \"SELECT sex, COUNT(DISTINCT person_id) AS persons FROM patient GROUP BY sex\" --epsilon 0.5\n  \
        salus query \"SELECT COUNT(*) AS visits FROM encounter\" --rows-per-person 20 --within 500 --confidence 0.9\n  \
        salus query --dry-run \"SELECT AVG(value) FROM observation WHERE code = '4548-4'\" --rho 0.01\n\n\
        A price is taken from the budget only when the question is admitted; --dry-run takes nothing.")]
    Query(Query),
    /// Say in plain words how a question is bounded and what it costs; spend nothing, read no data.
    #[command(
        after_help = "Example:\n  salus explain \"SELECT sex, COUNT(DISTINCT person_id) AS persons FROM patient GROUP BY sex\" --epsilon 0.5"
    )]
    Explain(Query),
    /// Find bounds for a question: in how many groups, and with how many rows in one, most persons are. It is answered with noise and paid for.
    #[command(
        after_help = "Example:\n  salus suggest \"SELECT code, COUNT(*) AS n FROM condition GROUP BY code\" --epsilon 0.1\n\n\
        Smaller bounds mean less noise and more that is left out. The suggestion counts 95 % of the persons in full; ask the question itself with it."
    )]
    Suggest(Query),
    /// What has been spent and what remains.
    #[command(subcommand, after_help = "Example:\n  salus budget show --format json")]
    Budget(Budget),
    /// What one question may cost, and how the budget is shared out.
    #[command(
        subcommand,
        after_help = "Example:\n  salus policy show > policy.yaml\n  salus policy apply policy.yaml"
    )]
    Policy(PolicyCommand),
    /// The audit ledger.
    #[command(
        subcommand,
        after_help = "Examples:\n  salus ledger list\n  salus ledger show 7\n  salus ledger verify\n  salus ledger burn-down\n  salus ledger report --out report.html\n  salus ledger export evidence && salus-audit evidence"
    )]
    Ledger(Ledger),
    /// Receipts of answers.
    #[command(subcommand, after_help = "Example:\n  salus receipt verify 8")]
    Receipt(Receipt),
    /// Keys of the log and of officers.
    #[command(
        subcommand,
        after_help = "Examples:\n  salus key new ada.key --name ada\n  salus key rotate"
    )]
    Key(Key),
    /// Who approves grants and other officers.
    #[command(subcommand, after_help = "Example:\n  salus officer list")]
    Officer(Officer),
    /// Raise the lifetime cap, up to the ceiling of the genesis, or open a window: a limit of the policy, further, in one of its periods. Two officers approve either.
    #[command(
        subcommand,
        after_help = "Examples:\n  salus grant propose --epsilon 12 --reason \"second registry year\" --out grant.json\n  \
        salus grant propose --window space/7776000/230:population --epsilon 2 --reason \"autumn quarter\" --out window.json"
    )]
    Grant(Grant),
    /// What officers decide together.
    #[command(
        subcommand,
        after_help = "Example:\n  salus proposal approve grant.json --key ada.key"
    )]
    Proposal(Proposal),
    /// Where checkpoints stand apart, so that a restored backup is noticed.
    #[command(subcommand, after_help = "Example:\n  salus anchor show")]
    Anchor(Anchor),
    /// Witness a ledger: sign its checkpoints as long as it is only added to.
    #[command(
        subcommand,
        after_help = "Example:\n  salus witness serve --key witness.key --state witness --log \"$(cat keys/ledger.vkey)\""
    )]
    Witness(Witness),
    /// Answer questions over gRPC until interrupted.
    #[command(
        after_help = "Examples:\n  salus serve token add alice\n  salus serve\n  salus serve --listen 0.0.0.0:7431 --tls-cert server.pem --tls-key server.key\n\n\
        Who asks is who bears the token; see docs/grpc.md. At SIGINT or SIGTERM nothing more is taken, and what was taken is finished."
    )]
    Serve(Serve),
    /// Print a completion script for a shell.
    #[command(
        after_help = "Example:\n  salus completions bash > ~/.local/share/bash-completion/completions/salus"
    )]
    Completions {
        /// The shell.
        shell: Shell,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Init {
    /// Lifetime cap of the identity space, as epsilon.
    #[arg(long, default_value = "10", value_name = "E")]
    pub epsilon: String,
    /// Lifetime cap of the identity space, as delta.
    #[arg(long, default_value = "1e-6", value_name = "D")]
    pub delta: String,
    /// Largest epsilon that later grants may raise the cap to; the cap itself when not given. Fixed for ever; see `salus grant`.
    #[arg(long, value_name = "E")]
    pub ceiling_epsilon: Option<String>,
    /// Name of the population that this purse protects.
    #[arg(long, default_value = "population", value_name = "NAME")]
    pub space: String,
    /// Address of a PostgreSQL schema that holds the ledger, so that several nodes share it; a file in the home when not given. See docs/postgres.md.
    #[arg(long, value_name = "URL")]
    pub ledger: Option<String>,
    /// Place of the lake in a bucket of an S3-compatible object store, s3://BUCKET/PREFIX; directories of the home when not given. Endpoint, region and credentials come from AWS_* variables. See docs/object-stores.md.
    #[arg(long, value_name = "URL")]
    pub lake: Option<String>,
    /// Directory or bucket (s3://BUCKET/PREFIX) where checkpoints stand apart from the ledger, best on another disk and of another owner;
    /// `anchor` in the home when not given.
    #[arg(long, value_name = "DIR")]
    pub anchor: Option<PathBuf>,
    /// C2SP tlog-policy file: which witnesses must have signed before an answer leaves.
    #[arg(long, value_name = "FILE")]
    pub witness_policy: Option<PathBuf>,
    /// Name of the log, the first line of its checkpoints: a host name and path of yours.
    #[arg(long, value_name = "NAME")]
    pub origin: Option<String>,
}

#[derive(Debug, Args)]
#[command(group(clap::ArgGroup::new("target").required(true).args(["out", "lake"])))]
pub(crate) struct Synth {
    /// Number of persons.
    #[arg(long, value_name = "N")]
    pub persons: u64,
    /// Seed: the same seed gives the same population.
    #[arg(long, default_value_t = 1, value_name = "S")]
    pub seed: u64,
    /// Write a FHIR bulk export (NDJSON) into this directory.
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Write the lake of the home directly.
    #[arg(long)]
    pub lake: bool,
    /// Compression of the export.
    #[arg(long, value_enum, default_value_t = Compress::None)]
    pub compress: Compress,
    /// Last day of the records.
    #[arg(long, default_value = "2025-01-01", value_name = "DATE")]
    pub as_of: NaiveDate,
    /// Length of the records in years.
    #[arg(long, default_value_t = 3, value_name = "YEARS")]
    pub years: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Compress {
    None,
    Gzip,
    Zstd,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Catalog {
    /// Show the catalog, or one table of it.
    #[command(
        after_help = "Examples:\n  salus catalog show\n  salus catalog show observation\n  salus catalog show --measurements\n  salus catalog show --functions"
    )]
    Show {
        /// A table.
        table: Option<String>,
        /// Clinical limits by code and unit instead.
        #[arg(long, conflicts_with = "table")]
        measurements: bool,
        /// Functions that queries may use instead.
        #[arg(long, conflicts_with_all = ["table", "measurements"])]
        functions: bool,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Query {
    /// The question, one SELECT; `-` reads it from standard input.
    pub sql: String,
    /// Price as the epsilon it is shown with.
    #[arg(long, value_name = "E", conflicts_with = "rho")]
    pub epsilon: Option<String>,
    /// Price as zCDP.
    #[arg(long, value_name = "R")]
    pub rho: Option<String>,
    /// Price as the least that puts every number within N of its noiseless value; averages, quantiles and what is computed from several with --expect-rows.
    #[arg(long, value_name = "N", allow_hyphen_values = true, conflicts_with_all = ["epsilon", "rho"])]
    pub within: Option<String>,
    /// Probability with which --within, and the errors of --dry-run, hold.
    #[arg(long, value_name = "C", default_value = "0.95")]
    pub confidence: String,
    /// Rows to expect in each group, which the errors of averages, quantiles and computed numbers depend on: a guess, or a number that was released before.
    #[arg(long, value_name = "N")]
    pub expect_rows: Option<u64>,
    /// Say what it would cost and how large the error would be; spend nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// Purpose of use, an HL7 PurposeOfUse code.
    #[arg(long, default_value = "PUBHLTH", value_name = "CODE")]
    pub purpose: String,
    /// Rows of one person that count in one group; the catalog's default when not given.
    #[arg(long, value_name = "K")]
    pub rows_per_person: Option<u64>,
    /// Groups that one person counts in; what she can touch, or 8 where the keys are not public, when not given.
    #[arg(long, value_name = "L")]
    pub groups_per_person: Option<u64>,
    /// Count a person who is in more than L groups in all of them (up to 8 L), but less in each, instead of in L of them: less bias, and the same noise.
    #[arg(long)]
    pub weigh: bool,
    /// Distribution of the noise. With `laplace` the question alone is pure: `--epsilon 1` is epsilon 1 without any delta, and few numbers have far less
    /// noise, but the purse pays for it: rho is half the square of epsilon.
    #[arg(long, value_enum, default_value_t = NoiseKind::Gaussian)]
    pub noise: NoiseKind,
    /// Pay for new noise, also where the same question has been answered over this snapshot; without it that answer is repeated, at no cost.
    #[arg(long)]
    pub fresh: bool,
    /// Your own name for this request: sent again under it (after a lost connection, say) it is the same request, answered with the same bytes and paid once.
    #[arg(long, value_name = "KEY")]
    pub retry_key: Option<String>,
    /// Price in delta of keys that are not public; the policy's default when not given.
    #[arg(long, value_name = "D")]
    pub delta: Option<String>,
    /// Who asks, when it is not the user of this shell.
    #[arg(long, env = "SALUS_USER", value_name = "NAME")]
    pub user: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Budget {
    /// Show cap, spending and remainder.
    #[command(after_help = "Example:\n  salus budget show --format json")]
    Show,
}

#[derive(Debug, Subcommand)]
pub(crate) enum PolicyCommand {
    /// Print the policy in force, as a file to change.
    #[command(after_help = "Example:\n  salus policy show > policy.yaml")]
    Show,
    /// Bring a policy into force from the next question on. The ledger records it.
    #[command(
        after_help = "Example:\n  salus policy show > policy.yaml   # raise its version, change it\n  salus policy apply policy.yaml\n\n\
                      Limits count from the policy that brings them. The lifetime cap of the identity space stays as it is."
    )]
    Apply {
        /// The policy, a YAML file.
        file: PathBuf,
        /// Say whether it is valid, and change nothing.
        #[arg(long)]
        dry_run: bool,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Receipt {
    /// Verify that an answer stands in the ledger as the receipt says.
    #[command(
        after_help = "Examples:\n  salus receipt verify 8\n  salus receipt verify 8.tlog-proof --key ledger.vkey"
    )]
    Verify {
        /// A `.tlog-proof` file, the saved JSON of a query, or the number of an entry of the home's log.
        file: PathBuf,
        /// Verifier key of the ledger, a file or the key itself; the home's own when not given.
        #[arg(long, value_name = "KEY")]
        key: Option<String>,
    },
}

/// Prints a completion script.
pub(crate) fn completions(shell: Shell) {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "salus", &mut script);
    print!("{}", String::from_utf8_lossy(&script));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn every_command_shows_an_example() {
        for command in Arguments::command().get_subcommands() {
            let help = command
                .get_after_help()
                .map(ToString::to_string)
                .unwrap_or_default();
            assert!(
                help.contains("Example"),
                "{} has no example",
                command.get_name()
            );
        }
    }
}
