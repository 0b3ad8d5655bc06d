//! The price before the purchase: a function of question, catalog and policy. It reads no data and spends nothing.

use salus_accounting::{Loss, Noise as Kind, Rho};
use salus_certificate::Mechanism;
use salus_ledger::{Again, Preview};

use crate::answer::approximate;
use crate::foretell::foretold;
use crate::gate::{AskError, Asking, Engine};
use crate::post::Origin;
use crate::question::{Question, Sought};
use crate::release::Contribution;
use crate::settings::with_settings;
use crate::terms::Terms;

/// What a question would cost and how large its error would be.
#[derive(Debug)]
pub struct Quote {
    /// What would come of it, as the books stand.
    pub admission: Admission,
    /// The price.
    pub cost: Loss,
    /// What is left of the lifetime cap before it.
    pub remaining: Loss,
    /// How the question is bounded.
    pub terms: Terms,
    /// Number of answered cells.
    pub cells: usize,
    /// Name of each number with the error to expect in it.
    pub errors: Vec<(String, Expected)>,
    /// Probability with which the errors hold.
    pub confidence: f64,
    /// The derivation: rule, operator and most rows of one person, bottom-up.
    pub derivation: Vec<(String, String, u64)>,
    /// The noise, one for each mechanism.
    pub noise: Vec<Noise>,
    /// Whether whole numbers are divided, which leaves whole numbers.
    pub divides_whole_numbers: bool,
}

impl Quote {
    /// Whether a mean or a spread is taken over several rows of a person, each of which adds to the noise.
    pub fn averages_rows(&self) -> bool {
        let mut aggregates = self.noise.iter().map(|noise| noise.aggregate);
        self.terms.rows_per_person > 1
            && aggregates.any(|aggregate| aggregate.starts_with("centred"))
    }
}

/// An error that is foretold.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Expected {
    /// Half the width of the number's interval.
    HalfWidth(f64),
    /// Of a quantile: by how many rows its place among the sorted rows is off, at most. What that is in values depends on the rows.
    Rows(f64),
    /// It depends on the answer: averages over nobody knows how many rows, and what is computed.
    Open,
}

/// What would come of a question if it were asked now.
#[derive(Debug)]
pub enum Admission {
    /// It would be answered at its price.
    Paid,
    /// An answer that was given would be repeated, at no cost: that of this ledger entry.
    Known(u64),
    /// It would be declined.
    Declined(AskError),
}

/// Noise of one mechanism, in grid units.
#[derive(Debug, Clone)]
pub struct Noise {
    /// Which release, from 0.
    pub release: u64,
    /// What is counted or summed, in the ledger's words.
    pub aggregate: &'static str,
    /// Its distribution.
    pub kind: Kind,
    /// Most that one person moves the vector over all groups, in the norm of the noise.
    pub sensitivity: f64,
    /// Parameter of the distribution.
    pub sigma: f64,
    /// The price.
    pub rho: Rho,
    /// Between which bounds values are taken, where they are.
    pub values: Option<Values>,
}

/// Bounds and steps of values, in their own unit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Values {
    /// Least; what is below counts as this.
    pub low: f64,
    /// Greatest; what is above counts as this.
    pub high: f64,
    /// Values are rounded to multiples of it; of a quantile, what is told apart.
    pub step: f64,
}

impl Values {
    #[allow(clippy::cast_precision_loss)] // For show only.
    fn of(contribution: &Contribution) -> Option<Self> {
        let (grid, steps) = match contribution {
            Contribution::Sum { grid, .. }
            | Contribution::CentredSum { grid, .. }
            | Contribution::CentredSquare { grid, .. } => (*grid, 1),
            Contribution::Leaf { tree, .. } => (tree.grid(), tree.width()),
            Contribution::Persons(_) | Contribution::Rows(_) | Contribution::Value(_) => {
                return None;
            }
        };
        Some(Self {
            low: grid.show(grid.low as f64),
            high: grid.show(grid.high as f64),
            step: grid.show(steps as f64),
        })
    }
}

impl Engine {
    /// What a question would cost. Reads no data and spends nothing.
    pub async fn quote(&self, sql: &str, asking: &Asking) -> Result<Quote, AskError> {
        let whole = sql;
        let (asking, sql) = &with_settings(asking, sql)?;
        let question = Question {
            sql: whole.to_owned(),
            ..self.validate(sql, asking).await?
        };
        let priced = self.price(question, asking).await?;
        let account = self.ledger.account().await?;
        let reservation = self.reservation(&priced, asking);
        let fresh = asking.fresh || self.books.provisional;
        let admission = match self.ledger.again(reservation.clone()).await? {
            // An answer over what is not recorded yet cannot have been given.
            Again::New => match self.ledger.preview(reservation, fresh).await? {
                Preview::Admitted => Admission::Paid,
                Preview::Known(entry) => Admission::Known(entry.0),
                Preview::Declined(why) => Admission::Declined(why.into()),
            },
            Again::Answered(published) => Admission::Known(published.entry.0),
            Again::Open => Admission::Declined(AskError::Unanswered),
            Again::Failed => Admission::Declined(AskError::Failed),
            Again::Another => Admission::Declined(AskError::KeyTaken),
        };
        let (question, sought) = (&priced.question, asking.sought());
        let mechanisms = &priced.mechanisms;
        let foretold = foretold(question, mechanisms, self.executor.context(), &sought).await;
        // What cannot be run on a made-up answer is not foretold.
        let foretold = foretold.unwrap_or_else(|_| vec![None; question.post.columns.len()]);
        let errors = question.post.columns.iter().zip(foretold);
        let errors = errors.filter_map(|(column, foretold)| {
            let error = match (column.origin, foretold) {
                (Origin::Public, _) => return None,
                (_, Some(half)) => Expected::HalfWidth(half),
                (Origin::Derived, None) => Expected::Open,
                (
                    Origin::Released {
                        release, column, ..
                    },
                    None,
                ) => expected(question, release, column, mechanisms, &sought),
            };
            Some((column.name.clone(), error))
        });
        let releases = || question.releases.iter().map(|part| &part.release);
        Ok(Quote {
            cost: cost(&priced.mechanisms),
            remaining: account.cap.checked_sub(account.spent).unwrap_or(Loss::ZERO),
            admission,
            terms: Terms::of(question, &priced.mechanisms),
            cells: releases().map(|r| r.cells.len()).sum(),
            noise: noises(question, &priced.mechanisms),
            divides_whole_numbers: question.post.divides_whole_numbers(),
            errors: errors.collect(),
            confidence: sought.level,
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

fn expected(
    question: &Question,
    release: usize,
    column: usize,
    mechanisms: &[Mechanism],
    sought: &Sought,
) -> Expected {
    let width = question.error(release, column, mechanisms, sought);
    let rows = || question.error_in_rows(release, column, mechanisms, sought);
    width
        .map(Expected::HalfWidth)
        .or_else(|| rows().map(Expected::Rows))
        .unwrap_or(Expected::Open)
}

/// The noise of each mechanism, in whole grid units also where persons are weighted.
fn noises(question: &Question, mechanisms: &[Mechanism]) -> Vec<Noise> {
    let contributions = question
        .releases
        .iter()
        .flat_map(|part| &part.release.contributions);
    let noise = |(mechanism, contribution): (&Mechanism, &Contribution)| {
        let release = usize::try_from(mechanism.release).ok();
        let release = release.and_then(|release| question.releases.get(release));
        let weighted = release.and_then(|part| part.release.weighted);
        #[allow(clippy::cast_precision_loss)] // At most 2^20.
        let unit = weighted.map_or(1.0, |weighted| weighted.unit as f64);
        Noise {
            release: mechanism.release,
            aggregate: mechanism.aggregate.name(),
            kind: mechanism.kind,
            sensitivity: approximate(&mechanism.sensitivity2).sqrt() / unit,
            sigma: approximate(&mechanism.sigma) / unit,
            rho: mechanism.rho,
            values: Values::of(contribution),
        }
    };
    mechanisms.iter().zip(contributions).map(noise).collect()
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
