//! The terms on which a question is answered: how a person is bounded, which groups are shown, which noise is drawn. Public, as the question is.

use salus_accounting::{Delta, Noise};
use salus_certificate::Mechanism;

use crate::answer::approximate;
use crate::question::Question;
use crate::release::Contribution;

/// How a question is bounded, and with what.
#[derive(Debug, Clone, PartialEq)]
pub struct Terms {
    /// k: rows of a person that count in one group, most.
    pub rows_per_person: u64,
    /// L0: groups that a person counts whole in, most.
    pub groups_per_person: u64,
    /// Whether she could be in more groups than count, and so some of what she has is left out, or weighs less.
    pub leaves_groups_out: bool,
    /// Whether she could have more rows in a group than count, which are scaled down to k then.
    pub scales_rows: bool,
    /// Where persons in more than L0 groups are weighted: groups in which they count, most.
    pub weighted_groups: Option<u64>,
    /// Where keys are not public: least number of persons of a shown group, and what their noisy number must exceed.
    pub thresholds: Vec<(u64, u64)>,
    /// Epsilon of the question alone, where it has no delta at all.
    pub pure_epsilon: Option<f64>,
}

impl Terms {
    pub(crate) fn of(question: &Question, mechanisms: &[Mechanism]) -> Self {
        let releases = || question.releases.iter().map(|part| &part.release);
        let thresholds = mechanisms.iter().filter_map(|m| m.threshold);
        let weighted = releases().filter_map(|release| release.weighted);
        Self {
            rows_per_person: question.rows_per_person(),
            groups_per_person: releases().map(|r| r.groups_per_person).max().unwrap_or(1),
            leaves_groups_out: releases().any(|release| release.most_groups.is_some()),
            scales_rows: releases().any(|release| {
                let brings_rows = release.contributions.iter().any(Contribution::brings_rows);
                let more = release
                    .relation
                    .rows
                    .is_none_or(|rows| rows > release.rows_per_person);
                brings_rows && more
            }),
            weighted_groups: weighted.map(|weighted| weighted.groups).max(),
            thresholds: thresholds.map(|t| (t.minimum, t.tau)).collect(),
            pure_epsilon: pure_epsilon(mechanisms),
        }
    }
}

/// Pure losses add up: that of Laplace noise is sensitivity over scale.
fn pure_epsilon(mechanisms: &[Mechanism]) -> Option<f64> {
    let pure = |m: &Mechanism| m.kind == Noise::DiscreteLaplace && m.delta == Delta::ZERO;
    let epsilon = |m: &Mechanism| approximate(&m.sensitivity2).sqrt() / approximate(&m.sigma);
    mechanisms
        .iter()
        .all(pure)
        .then(|| mechanisms.iter().map(epsilon).sum())
}
