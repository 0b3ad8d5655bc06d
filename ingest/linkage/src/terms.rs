//! What linkage is asked and what it answers.

use crate::block::Pass;
use crate::weights::Weights;

/// Why linkage cannot run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The thresholds are no probabilities, or in the wrong order.
    #[error("thresholds must be probabilities with 0 < review <= link < 1")]
    Thresholds,
    /// Two records have one number.
    #[error("number {0} is there twice")]
    Twice(i64),
    /// More records than places.
    #[error("linkage takes at most 4,294,967,295 records")]
    TooMany,
}

/// What linkage goes by.
#[derive(Debug, Clone)]
pub struct Options {
    /// Probability from which a pair is linked.
    pub link: f64,
    /// Probability from which a pair is put on the list for review.
    pub review: f64,
    /// Systems of identifiers that one person alone bears, such as that of a national id.
    pub trusted: Vec<String>,
    /// Records that a block may hold.
    pub largest_block: usize,
    /// Weights to go by instead of those that the records show.
    pub weights: Option<Weights>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            link: 0.999,
            review: 0.5,
            trusted: Vec::new(),
            largest_block: 200,
            weights: None,
        }
    }
}

/// What was decided before, by numbers; it stands.
#[derive(Debug, Clone, Default)]
pub struct Decided {
    /// Pairs that are one person.
    pub linked: Vec<(i64, i64)>,
    /// Pairs that are two.
    pub apart: Vec<(i64, i64)>,
}

/// Why a pair is linked, or why people are asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Why {
    /// The source says so.
    Source,
    /// A shared identifier of a trusted system.
    Exact,
    /// The score is above the threshold.
    Score,
    /// For review: the score is between the thresholds.
    Near,
    /// For review: the score is high, but given name, birth date, sex or a trusted identifier speaks against it.
    Implausible,
    /// For review: there is another match that is nearly as good.
    Contested,
    /// For review: it would join two ids of one source, or what was decided to be apart.
    Conflict,
}

impl Why {
    /// The word that stands in files and reports.
    pub fn word(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Exact => "exact",
            Self::Score => "score",
            Self::Near => "near",
            Self::Implausible => "implausible",
            Self::Contested => "contested",
            Self::Conflict => "conflict",
        }
    }
}

/// Two numbers, the smaller first.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pair {
    /// The smaller number.
    pub left: i64,
    /// The larger number.
    pub right: i64,
    /// Why.
    pub why: Why,
    /// Probability that they are one person, by the weights; 1 where the source says so.
    pub probability: f64,
}

/// What linkage found.
#[derive(Debug, Clone)]
pub struct Found {
    /// New links, the surest first.
    pub links: Vec<Pair>,
    /// Pairs for people to decide, the likeliest first.
    pub review: Vec<Pair>,
    /// What the scores rest on.
    pub weights: Weights,
    /// What was compared, and what was not.
    pub passes: Vec<Pass>,
    /// Different pairs that were compared.
    pub compared: u64,
}
