//! The gate: the way of a question, in the order in which nothing can go wrong.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use datafusion::execution::session_state::SessionState;
use futures::FutureExt;
use salus_accounting::{
    Delta, Epsilon, Loss, Noise, Rational, Rho, epsilon_of, rho_for_epsilon, rho_of_pure,
};
use salus_certificate::{Certificate, Mechanism};
use salus_lake::{Lake, Reading, Snapshot};
use salus_ledger::{
    Again, AnswerFailed, Body, Ledger, Published, Refusal as LedgeredRefusal, Reservation,
    ReserveError,
};

use crate::answer::{Answer, answer, approximate};
use crate::books::{Books, UNIT};
use crate::execute::{Executor, contained};
use crate::post::ColumnType;
use crate::purpose::PURPOSES;
use crate::question::{Question, Sought};
use crate::refusal::Refusal;
use crate::release::BoundingOptions;
use crate::session::{self, MOST_BYTES};
use crate::settings::with_settings;
use crate::terms::Terms;

/// Who asks, what for, and at which price.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asking {
    /// Pseudonym of the person who asks.
    pub principal: String,
    /// Roles under which she asks.
    pub roles: Vec<String>,
    /// HL7 PurposeOfUse code, such as `PUBHLTH` or `HRESCH`.
    pub purpose: String,
    /// What is asked of the SQL.
    pub subject: Subject,
    /// The price; the policy's default when nothing is said.
    pub price: Price,
    /// Delta, for keys that are not public; the policy's default when nothing is said.
    pub delta: Option<Delta>,
    /// k: rows of one person that count in one group; the catalog's default when nothing is said.
    pub rows_per_person: Option<u64>,
    /// L0: groups that one person counts in; what she can touch, or a usual number, when nothing is said.
    pub groups_per_person: Option<u64>,
    /// Persons in more than L0 groups count in all of them, but less in each.
    pub weigh: bool,
    /// The distribution of the noise.
    pub noise: Noise,
    /// Probability with which `Price::Within` and a quote's errors hold.
    pub confidence: Rational,
    /// Rows to expect in each group: the error of averages depends on them.
    pub expected_rows: Option<u64>,
    /// Her own name for this request: sent again under it, it is the same request, answered with the same bytes and paid once.
    pub retry: Option<String>,
    /// Pay for an answer of its own, also where the same question has been answered.
    pub fresh: bool,
}

impl Asking {
    /// How errors are foretold.
    pub(crate) fn sought(&self) -> Sought {
        Sought {
            level: approximate(&self.confidence),
            rows: self.expected_rows,
        }
    }
}

/// What a question may cost.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Price {
    /// The policy's default.
    #[default]
    Default,
    /// As zCDP.
    Rho(Rho),
    /// As the epsilon that the same loss is shown with.
    Epsilon(Epsilon),
    /// As the least that puts every number within so much of its noiseless value, with the confidence that is asked for.
    Within(Rational),
}

/// What is asked of a piece of SQL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Subject {
    /// Its numbers.
    #[default]
    Numbers,
    /// How many groups and rows most persons have in it, so that bounds can be chosen. See [`crate::BOUND_PARTS`].
    Bounds,
}

/// An answer that has been published: it is in the ledger.
#[derive(Debug, Clone)]
pub struct Asked {
    /// The numbers.
    pub answer: Answer,
    /// What the values of each column of the answer are.
    pub types: Vec<ColumnType>,
    /// Ledger entry, receipt, cost, what remains.
    pub published: Published,
    /// How the question was bounded.
    pub terms: Terms,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// A privacy rule forbids the question as it stands. It cost nothing.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Nobody may ask for this purpose. It cost nothing.
    #[error("the purpose is none of {}", PURPOSES.join(", "))]
    Purpose,
    /// The purse does not hold the price. It cost nothing.
    #[error("the privacy budget is exhausted: the question costs more than remains")]
    Exhausted {
        /// What is left.
        remaining: Loss,
    },
    /// A limit of the policy does not let the price through. It cost nothing.
    #[error("the policy's limit for {scope} does not let the question through")]
    LimitReached {
        /// The limit's account.
        scope: String,
        /// What it still lets through.
        remaining: Loss,
        /// Seconds since 1970-01-01T00:00:00Z at which its next period begins, where it has periods.
        until: Option<u64>,
    },
    /// Too many questions have failed under the policy in force. It cost nothing.
    #[error(
        "{failures} questions have failed and {unanswered} were never answered under the policy in force: nothing is answered until somebody has looked why and brought a new one into force (`salus policy apply`)"
    )]
    TooManyFailures {
        /// Questions that failed.
        failures: usize,
        /// Questions without an ending when the ledger was opened.
        unanswered: usize,
    },
    /// The policy does not allow one question to cost so much. It cost nothing.
    #[error(
        "the policy allows one question to cost at most rho {most}; ask with a smaller --epsilon or --rho"
    )]
    TooDear {
        /// Most that one question may cost.
        most: Rho,
    },
    /// The policy does not allow one question to cost so much delta. It cost nothing.
    #[error(
        "the policy allows one question to cost at most delta {most}; ask with a smaller --delta"
    )]
    TooMuchDelta {
        /// Most that one question may cost.
        most: Delta,
    },
    /// There is no snapshot to ask.
    #[error("the lake is empty: ingest an export first (`salus ingest fhir DIR`)")]
    NoSnapshot,
    /// The request was sent before under its key, and has no answer yet. It was paid then, and costs nothing more.
    #[error(
        "this request was sent before and is not answered: it is at work still, or its process died, and its price stays spent"
    )]
    Unanswered,
    /// The key of the request stands for another question. It cost nothing.
    #[error("another question was asked under this retry key; give each request a key of its own")]
    KeyTaken,
    /// The price was taken and no answer could be made. One text whatever the reason.
    #[error("no answer could be produced; the budget stays spent")]
    Failed,
    /// The ledger: integrity, availability.
    #[error(transparent)]
    Ledger(#[from] salus_ledger::Error),
    /// The books were opened for prices, and a catalog or snapshot is not recorded.
    #[error("this engine was opened for prices; open it for questions")]
    PricesAlone,
    /// The lake could not be opened, before any data was read.
    #[error("the lake is unavailable: {0}")]
    Lake(String),
}

/// The query engine over one lake and one ledger. A clone is the same engine.
#[derive(Debug, Clone)]
pub struct Engine {
    lake: Lake,
    pub(crate) ledger: Ledger,
    pub(crate) books: Arc<Books>,
    planning: Arc<SessionState>,
    pub(crate) executor: Arc<Executor>,
    /// Keeps the snapshot of the books for as long as the engine lives.
    reading: Option<Arc<Reading>>,
}

/// What is kept of a text that was refused: no more than a question may have, since nothing is paid for it.
fn beginning(sql: &str) -> &str {
    let mut end = sql.len().min(MOST_BYTES);
    while !sql.is_char_boundary(end) {
        end -= 1;
    }
    &sql[..end]
}

/// An admitted question with its price.
pub(crate) struct Priced {
    pub(crate) question: Question,
    pub(crate) mechanisms: Vec<Mechanism>,
    snapshot: Snapshot,
}

impl Engine {
    /// Opens the engine. The ledger's newest dataset, catalog, policy and snapshot entries must describe the lake; see [`Books::current`].
    pub fn open(lake: Lake, ledger: Ledger, books: Books) -> Result<Self, AskError> {
        let lake_error =
            |e: datafusion::error::DataFusionError| AskError::Lake(e.strip_backtrace());
        books.check_promises(&lake)?;
        Ok(Self {
            planning: Arc::new(session::planning(&lake).map_err(lake_error)?),
            executor: Arc::new(Executor::new(lake.clone()).map_err(lake_error)?),
            lake,
            ledger,
            books: Arc::new(books),
            reading: None,
        })
    }

    /// The engine with the files of its snapshot kept until it is dropped, by a `reading` that began before its books were read: for
    /// one question. Without, each question keeps them while it is answered, and costs nothing where they are gone already.
    #[must_use]
    pub fn holding(self, reading: Reading) -> Self {
        Self {
            reading: Some(Arc::new(reading)),
            ..self
        }
    }

    /// Asks a question: parse → validate → price → RESERVE → execute → noise → RELEASE → answer. Where the same question has been answered over the
    /// same snapshot, at least as accurately, that answer is given once more and costs nothing.
    ///
    /// # Guarantee
    /// No byte of a private table is read before the RESERVE entry is durable, and nothing leaves before the RELEASE entry is. All answers to all
    /// people together satisfy the lifetime cap of the identity space.
    ///
    /// Who stops waiting stops nothing: how long somebody waited must not decide whether the answer stands in the ledger.
    pub async fn ask(&self, sql: &str, asking: &Asking) -> Result<Asked, AskError> {
        let (engine, sql, asking) = (self.clone(), sql.to_owned(), asking.clone());
        let runtime = tokio::runtime::Handle::current();
        let answering = tokio::task::spawn_blocking(move || {
            runtime.block_on(engine.answer_in_full(&sql, &asking))
        });
        answering.await.unwrap_or(Err(AskError::Failed))
    }

    async fn answer_in_full(&self, sql: &str, asking: &Asking) -> Result<Asked, AskError> {
        let started = Instant::now();
        if self.books.provisional {
            return Err(AskError::PricesAlone);
        }
        let whole = sql;
        let (asking, sql) = &match with_settings(asking, sql) {
            Ok(read) => read,
            Err(refusal) => return Err(self.refuse(whole, asking, refusal.into()).await),
        };
        if !PURPOSES.contains(&asking.purpose.as_str()) {
            return Err(AskError::Purpose);
        }
        let question = match self.validate(sql, asking).await {
            // The settings are part of what was asked.
            Ok(question) => Question {
                sql: whole.to_owned(),
                ..question
            },
            Err(refusal) => return Err(self.refuse(whole, asking, refusal.into()).await),
        };
        let priced = match self.price(question, asking).await {
            Ok(priced) => priced,
            Err(unpriced) => return Err(self.refuse(whole, asking, unpriced).await),
        };
        let reservation = self.reservation(&priced, asking);
        match self.ledger.again(reservation.clone()).await {
            Ok(Again::New) => {}
            Ok(Again::Answered(published)) => return self.asked(published, &priced).await,
            Ok(Again::Open) => return Err(AskError::Unanswered),
            Ok(Again::Failed) => return Err(AskError::Failed),
            Ok(Again::Another) => return Err(AskError::KeyTaken),
            Err(other) => return Err(other.into()),
        }
        if !asking.fresh
            && let Some(published) = self.ledger.reuse(reservation.clone()).await?
        {
            return self.asked(published, &priced).await;
        }
        // Before anything is paid: from here on no vacuum takes the files away.
        let _reading = match &self.reading {
            Some(_) => None,
            None => Some(self.keep_files(&priced.snapshot).await?),
        };
        let reserved = self.ledger.reserve(reservation).await;
        let charge = match reserved {
            Ok(charge) => charge,
            Err(declined @ (ReserveError::QueryTooDear { .. } | ReserveError::TooLong)) => {
                return Err(self.refuse(whole, asking, declined.into()).await);
            }
            Err(other) => return Err(other.into()),
        };
        let releases = &priced.question.releases;
        let exact = match self
            .executor
            .execute(&charge, releases, &priced.snapshot)
            .await
        {
            Ok(exact) => exact,
            Err(_failed) => {
                self.wait_for_the_grid(started).await;
                charge.abort().await;
                return Err(AskError::Failed);
            }
        };
        let published = charge
            .release(exact, async |released| {
                let answer = self.answer_bytes(released, &priced).await;
                self.wait_for_the_grid(started).await;
                answer
            })
            .await?;
        self.asked(published, &priced).await
    }

    async fn keep_files(&self, snapshot: &Snapshot) -> Result<Reading, AskError> {
        let (lake, snapshot) = (self.lake.clone(), snapshot.clone());
        let kept = tokio::task::spawn_blocking(move || lake.reading_of(&snapshot));
        let unavailable = |error: &dyn std::fmt::Display| AskError::Lake(error.to_string());
        let kept = kept.await.map_err(|error| unavailable(&error))?;
        kept.map_err(|error| unavailable(&error))
    }

    /// What the analyst sees of an answer: its numbers under the names of her own question, and the terms on which they were paid for.
    async fn asked(&self, published: Published, priced: &Priced) -> Result<Asked, AskError> {
        let answer: Answer =
            serde_json::from_slice(&published.answer).map_err(|_| AskError::Failed)?;
        let paid = self.ledger.entry(published.reserve).await?;
        let Some(Body::Reserve(paid)) = paid.map(|stored| stored.entry.body) else {
            return Err(AskError::Failed);
        };
        let columns = || priced.question.post.columns.iter();
        Ok(Asked {
            answer: Answer {
                columns: columns().map(|column| column.name.clone()).collect(),
                ..answer
            },
            types: columns().map(|column| column.kind).collect(),
            terms: Terms::of(&priced.question, &paid.certificate.mechanisms),
            published,
        })
    }

    /// Where the policy names a grid, nothing leaves before its next point, counted from when the question came: neither the answer nor the time of the
    /// ledger's entry tells how long the rows took.
    async fn wait_for_the_grid(&self, started: Instant) {
        let Some(grid) = self.books.answer_grid else {
            return;
        };
        let elapsed = started.elapsed().as_nanos();
        let points = elapsed.div_ceil(grid.as_nanos().max(1)).max(1);
        let points = u32::try_from(points).unwrap_or(u32::MAX);
        tokio::time::sleep_until((started + grid.saturating_mul(points)).into()).await;
    }

    /// The epsilon that a loss is shown with, at the conversion delta of this identity space.
    pub fn epsilon(&self, rho: Rho) -> Epsilon {
        epsilon_of(rho, self.books.conversion_delta)
    }

    /// The delta at which rho is shown as epsilon.
    pub fn conversion_delta(&self) -> Delta {
        self.books.conversion_delta
    }

    pub(crate) async fn validate(&self, sql: &str, asking: &Asking) -> Result<Question, Refusal> {
        if asking.weigh && asking.noise == Noise::DiscreteLaplace {
            return Err(Refusal::new(
                "S8w",
                "--weigh",
                "weights bound the L2 norm, and Laplace noise is priced by the L1 norm",
                "leave --noise laplace away, or --weigh",
            ));
        }
        let options = BoundingOptions {
            rows_per_person: asking.rows_per_person,
            groups_per_person: asking.groups_per_person,
            weigh: asking.weigh,
            minimum: self.books.minimum_persons,
            seed: self.books.seed,
        };
        let catalog = self.lake.catalog();
        let validated = Question::of(sql, asking.subject, &self.planning, catalog, options);
        // A planner that panics has not understood the question. No data has been read, and nothing paid.
        let contained = AssertUnwindSafe(validated).catch_unwind().await;
        contained.unwrap_or_else(|_| {
            Err(Refusal::new(
                "resolve",
                "the query",
                "the planner cannot handle this query",
                "write it in another way, and please report it",
            ))
        })
    }

    /// Writes a refusal into the ledger and gives it back. It costs nothing.
    async fn refuse(&self, sql: &str, asking: &Asking, why: AskError) -> AskError {
        let rule = match &why {
            AskError::Refused(refusal) => refusal.rule,
            AskError::NoSnapshot => "snapshot",
            _ => "price",
        };
        let entry = LedgeredRefusal {
            principal: asking.principal.clone(),
            purpose: asking.purpose.clone(),
            rule: rule.to_owned(),
            question: beginning(sql).to_owned(),
        };
        match self.ledger.refuse(entry).await {
            Ok(_) => why,
            Err(error) => error.into(),
        }
    }

    pub(crate) async fn price(
        &self,
        question: Question,
        asking: &Asking,
    ) -> Result<Priced, AskError> {
        let (most, usual) = self.books.deltas;
        let delta = asking.delta.unwrap_or(usual);
        if delta > most {
            return Err(AskError::TooMuchDelta { most });
        }
        let noise = asking.noise;
        let rho = match &asking.price {
            Price::Default => self.books.default_rho,
            Price::Rho(rho) => *rho,
            Price::Epsilon(epsilon) => match noise {
                Noise::DiscreteGaussian => rho_for_epsilon(epsilon, self.books.conversion_delta),
                Noise::DiscreteLaplace => rho_of_pure(epsilon, question.mechanisms()),
            },
            Price::Within(error) => {
                let (sought, context) = (asking.sought(), self.executor.context());
                crate::price::within(&question, noise, error, delta, &sought, context).await?
            }
        };
        let mechanisms = crate::price::mechanisms(&question.releases, noise, rho, delta)?;
        let snapshot = self.books.snapshot.clone().ok_or(AskError::NoSnapshot)?;
        Ok(Priced {
            question,
            mechanisms,
            snapshot,
        })
    }

    pub(crate) fn reservation(&self, priced: &Priced, asking: &Asking) -> Reservation {
        let releases = priced.question.releases.iter();
        let releases = releases.map(|part| part.release.bounds());
        Reservation {
            principal: asking.principal.clone(),
            roles: asking.roles.clone(),
            purpose: asking.purpose.clone(),
            question: match asking.subject {
                Subject::Numbers => priced.question.sql.clone(),
                Subject::Bounds => format!("bounds of: {}", priced.question.sql),
            },
            plan: priced.question.plan.clone(),
            keys: priced.question.key_bytes(),
            certificate: Certificate {
                dataset: self.books.dataset,
                snapshot: self.books.snapshot_entry,
                catalog: self.books.catalog,
                policy: self.books.policy,
                unit: UNIT.to_owned(),
                steps: priced.question.steps.clone(),
                releases: releases.collect(),
                keys: [0; 32],
                mechanisms: priced.mechanisms.clone(),
            },
            retry: asking.retry.clone(),
        }
    }

    async fn answer_bytes(
        &self,
        released: &salus_ledger::Released,
        priced: &Priced,
    ) -> Result<Vec<u8>, AnswerFailed> {
        let question = &priced.question;
        let answer = answer(
            released,
            question,
            &priced.mechanisms,
            self.executor.context(),
        );
        let answer = contained(answer).await.map_err(|_| AnswerFailed)?;
        serde_json::to_vec(&answer).map_err(|_| AnswerFailed)
    }
}

impl From<ReserveError> for AskError {
    fn from(error: ReserveError) -> Self {
        match error {
            ReserveError::BudgetExhausted { remaining } => Self::Exhausted { remaining },
            ReserveError::LimitReached {
                scope,
                remaining,
                until,
            } => Self::LimitReached {
                scope,
                remaining,
                until,
            },
            ReserveError::TooManyFailures {
                failures,
                unanswered,
            } => Self::TooManyFailures {
                failures,
                unanswered,
            },
            ReserveError::QueryTooDear { most } => Self::TooDear { most },
            ReserveError::TooLong => Self::Refused(Refusal::new(
                "statement",
                "the query",
                "its certificate is longer than an entry of the ledger can be",
                "ask for fewer numbers in one question",
            )),
            ReserveError::SentBefore => Self::Unanswered,
            ReserveError::Ledger(error) => Self::Ledger(error),
        }
    }
}
