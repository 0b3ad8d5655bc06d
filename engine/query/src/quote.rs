//! The price before the purchase: a function of question, catalog and policy. It reads no data and spends nothing.

use salus_accounting::{Loss, Rho};
use salus_certificate::Mechanism;

use crate::answer::approximate;
use crate::gate::{AskError, Asking, Engine};
use crate::post::Origin;

/// What a question would cost and how large its error would be.
#[derive(Debug, Clone)]
pub struct Quote {
    /// The price.
    pub cost: Loss,
    /// What is left of the lifetime cap before it.
    pub remaining: Loss,
    /// k.
    pub rows_per_person: u64,
    /// L0.
    pub groups_per_person: u64,
    /// Number of answered cells.
    pub cells: usize,
    /// Where keys are not public: least number of persons of an answered group, and what their noisy number must exceed.
    pub thresholds: Vec<(u64, u64)>,
    /// Name of each number with half the width of its interval; `None` where the error depends on the answer: averages, and what is computed.
    pub errors: Vec<(String, Option<f64>)>,
    /// The derivation: rule, operator and most rows of one person, bottom-up.
    pub derivation: Vec<(String, String, u64)>,
    /// The noise, one for each mechanism.
    pub noise: Vec<Noise>,
}

impl Quote {
    /// Whether a mean or a spread is taken over several rows of a person, each of which adds to the noise.
    pub fn averages_rows(&self) -> bool {
        let mut aggregates = self.noise.iter().map(|noise| noise.aggregate);
        self.rows_per_person > 1 && aggregates.any(|aggregate| aggregate.starts_with("centred"))
    }
}

/// Noise of one mechanism, in grid units.
#[derive(Debug, Clone)]
pub struct Noise {
    /// Which release, from 0.
    pub release: u64,
    /// What is counted or summed, in the ledger's words.
    pub aggregate: &'static str,
    /// Most that one person moves the vector over all groups, in L2.
    pub sensitivity: f64,
    /// Standard deviation parameter of the discrete Gaussian.
    pub sigma: f64,
    /// The price.
    pub rho: Rho,
}

impl Engine {
    /// What a question would cost. Reads no data and spends nothing.
    pub async fn quote(&self, sql: &str, asking: &Asking) -> Result<Quote, AskError> {
        let question = self.validate(sql, asking).await?;
        let priced = self.price(question, asking)?;
        let account = self.ledger.account().await?;
        let question = &priced.question;
        let errors = question.post.columns.iter().filter_map(|column| {
            let error = match column.origin {
                Origin::Public => return None,
                Origin::Derived => None,
                Origin::Released {
                    release, column, ..
                } => question.error(release, column, &priced.mechanisms),
            };
            Some((column.name.clone(), error))
        });
        let releases = || question.releases.iter().map(|part| &part.release);
        Ok(Quote {
            cost: cost(&priced.mechanisms),
            remaining: account.cap.checked_sub(account.spent).unwrap_or(Loss::ZERO),
            rows_per_person: question.rows_per_person(),
            groups_per_person: releases().map(|r| r.groups_per_person).max().unwrap_or(1),
            cells: releases().map(|r| r.cells.len()).sum(),
            thresholds: priced
                .mechanisms
                .iter()
                .filter_map(|mechanism| mechanism.threshold)
                .map(|threshold| (threshold.minimum, threshold.tau))
                .collect(),
            noise: priced.mechanisms.iter().map(noise).collect(),
            errors: errors.collect(),
            derivation: question
                .steps
                .iter()
                .map(|step| {
                    (
                        step.rule.clone(),
                        step.table.clone().unwrap_or_else(|| step.op.clone()),
                        step.rows,
                    )
                })
                .collect(),
        })
    }
}

fn noise(mechanism: &Mechanism) -> Noise {
    Noise {
        release: mechanism.release,
        aggregate: mechanism.aggregate.name(),
        sensitivity: approximate(&mechanism.sensitivity2).sqrt(),
        sigma: approximate(&mechanism.sigma),
        rho: mechanism.rho,
    }
}

fn cost(mechanisms: &[Mechanism]) -> Loss {
    mechanisms.iter().fold(Loss::ZERO, |sum, mechanism| {
        sum.checked_add(Loss {
            rho: mechanism.rho,
            delta: mechanism.delta,
        })
        .unwrap_or(sum)
    })
}
