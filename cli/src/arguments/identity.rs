//! Arguments of who is one person.

use clap::{Args, Subcommand};

use super::Looking;

#[derive(Debug, Subcommand)]
pub(crate) enum Identity {
    /// Find records of several sources that are one person, and join them: the sources' own word, trusted identifiers, scores.
    #[command(
        after_help = "Examples:\n  salus identity link --dry-run\n  salus identity link --trust http://hl7.org/fhir/sid/us-ssn\n\n\
                      What is neither clear nor unlikely is put on a list: `salus identity review list`. Link before questions are asked: see docs/identity.md."
    )]
    Link(Link),
    /// Say who a patient is: the number, and every record of the same person.
    #[command(
        after_help = "Example:\n  salus identity show --source clinic --patient 4711\n\n\
                      That somebody looked is written into the restricted log first."
    )]
    Show {
        #[command(flatten)]
        patient: Patient,
        #[command(flatten)]
        looking: Looking,
    },
    /// Take a patient's record out of its person, for good. No budget comes back.
    #[command(after_help = "Example:\n  salus identity split --source clinic --patient 4711")]
    Split(Patient),
    /// Pairs of records that people must decide.
    #[command(
        subcommand,
        after_help = "Examples:\n  salus identity review list\n  salus identity review accept 17 4711\n  salus identity review reject 17 4711"
    )]
    Review(Review),
    /// Everything that was linked, split and decided.
    #[command(after_help = "Example:\n  salus identity events --format json")]
    Events,
}

#[derive(Debug, Args)]
pub(crate) struct Link {
    /// System of identifiers that one person alone bears, such as that of a national id; may be said several times.
    #[arg(long, value_name = "SYSTEM")]
    pub trust: Vec<String>,
    /// Probability from which a pair is joined.
    #[arg(long = "link-above", value_name = "P", default_value_t = 0.999)]
    pub above: f64,
    /// Probability from which people are asked.
    #[arg(long = "review-above", value_name = "P", default_value_t = 0.5)]
    pub review: f64,
    /// Records that a block of comparisons may hold; larger ones are passed over and told.
    #[arg(long, value_name = "N", default_value_t = 200)]
    pub largest_block: usize,
    /// Say what would be done, and change nothing.
    #[arg(long)]
    pub dry_run: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Patient {
    /// The patient's id in the source system, as in `Patient/ID`.
    #[arg(long, value_name = "ID")]
    pub patient: String,
    /// Name of the source system.
    #[arg(long, default_value = "default", value_name = "NAME")]
    pub source: String,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Review {
    /// List the pairs, the likeliest first. That somebody looked is written into the restricted log.
    #[command(after_help = "Example:\n  salus identity review list --limit 20")]
    List {
        /// At most so many pairs.
        #[arg(long, value_name = "N", default_value_t = 50)]
        limit: usize,
        #[command(flatten)]
        looking: Looking,
    },
    /// They are one person.
    #[command(after_help = "Example:\n  salus identity review accept 17 4711")]
    Accept(Pair),
    /// They are two, and stay so.
    #[command(after_help = "Example:\n  salus identity review reject 17 4711")]
    Reject(Pair),
}

/// Two numbers as the list shows them.
#[derive(Debug, Args)]
pub(crate) struct Pair {
    /// One.
    pub left: i64,
    /// The other.
    pub right: i64,
}
