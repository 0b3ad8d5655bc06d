//! Questions: each RESERVE with its ending, each REUSE with what it repeats, each REFUSE.

use std::collections::BTreeMap;

use salus_accounting::{Delta, Epsilon, Loss};
use salus_certificate::{Hash, Mechanism};
use salus_ledger::entry::{Reason, Refuse, Reserve, Reuse};
use salus_ledger::{Body, EntryIndex, Kind, StoredEntry};

use crate::books::{Books, Shown, plus, shown_delta};
use crate::error::Error;

/// One question and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// Its entry: a reserve, reuse or refuse.
    pub entry: EntryIndex,
    /// Kind of that entry.
    pub kind: Kind,
    /// Seconds since 1970-01-01T00:00:00Z; attested only.
    pub time: u64,
    /// Who asked (a pseudonym).
    pub principal: String,
    /// In which roles. The log does not say for a refused question.
    pub roles: Vec<String>,
    /// For which purpose.
    pub purpose: String,
    /// Name of the dataset. The log does not say for a refused question.
    pub dataset: Option<String>,
    /// Names of the parts of it whose tables were read.
    pub parts: Vec<String>,
    /// Number of the snapshot that was read; of a repeated answer, the one that it was made from.
    pub snapshot: Option<u64>,
    /// What became of it.
    pub outcome: Outcome,
    /// What it cost, at once. Nothing where it was repeated or refused.
    pub loss: Loss,
    /// What later incidents added to that.
    pub incidents: Loss,
    /// `loss` and `incidents` together, as an epsilon at the genesis's conversion delta, rounded up.
    pub epsilon: Epsilon,
    /// The delta that belongs to that epsilon, that of the conversion included, rounded up.
    pub delta: Delta,
    /// The purse, where the question moved it.
    pub purse: Option<Purse>,
    /// What was released; of a repeated answer, what its first asking paid for.
    pub mechanisms: Vec<Mechanism>,
    /// Salted commitment to the question's text. The text itself lies outside the log.
    pub question: Hash,
}

/// The purse as one question found it and left it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Purse {
    /// The cap in force.
    pub cap: Loss,
    /// Spent before.
    pub before: Loss,
    /// Spent with this question.
    pub after: Loss,
}

/// What became of a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It was answered, in that entry.
    Answered(EntryIndex),
    /// The answer could not be produced; it stays paid.
    Failed(EntryIndex),
    /// The charge was dropped; it stays paid.
    Dropped(EntryIndex),
    /// There is neither answer nor end yet; it stays paid.
    Open,
    /// An answer was given once more; nothing new was learnt.
    Repeated {
        /// The release whose answer it is.
        release: EntryIndex,
        /// The reserve that paid for it; `None` where the list does not hold the release.
        reserve: Option<EntryIndex>,
    },
    /// It was not admitted, by this rule.
    Refused(String),
}

/// An outcome without its particulars: what one filters by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "each is the outcome of the same name")]
pub enum OutcomeKind {
    Answered,
    Repeated,
    Refused,
    Failed,
    Dropped,
    Open,
}

impl OutcomeKind {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Answered,
        Self::Repeated,
        Self::Refused,
        Self::Failed,
        Self::Dropped,
        Self::Open,
    ];

    /// `answered`, `repeated`, `refused`, `failed`, `dropped` or `open`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Repeated => "repeated",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::Dropped => "dropped",
            Self::Open => "open",
        }
    }
}

impl std::str::FromStr for OutcomeKind {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let known = Self::ALL.into_iter().find(|kind| kind.name() == text);
        known.ok_or_else(|| Error::Outcome(text.to_owned()))
    }
}

impl std::fmt::Display for OutcomeKind {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.pad(self.name())
    }
}

impl Outcome {
    /// Without its particulars.
    pub fn kind(&self) -> OutcomeKind {
        match self {
            Self::Answered(_) => OutcomeKind::Answered,
            Self::Failed(_) => OutcomeKind::Failed,
            Self::Dropped(_) => OutcomeKind::Dropped,
            Self::Open => OutcomeKind::Open,
            Self::Repeated { .. } => OutcomeKind::Repeated,
            Self::Refused(_) => OutcomeKind::Refused,
        }
    }

    /// The entry that it rests on: the ending, or the release that is repeated.
    pub fn cites(&self) -> Option<EntryIndex> {
        match self {
            Self::Answered(entry) | Self::Failed(entry) | Self::Dropped(entry) => Some(*entry),
            Self::Repeated { release, .. } => Some(*release),
            Self::Open | Self::Refused(_) => None,
        }
    }

    /// The rule that refused it.
    pub fn rule(&self) -> Option<&str> {
        match self {
            Self::Refused(rule) => Some(rule),
            _ => None,
        }
    }
}

impl Question {
    /// What it cost, with what incidents added.
    pub fn total(&self) -> Loss {
        plus(self.loss, self.incidents)
    }

    /// The reserve whose opening `plan` says what was answered: its own, or that which paid for a repeated answer. `None` where there is no answer.
    pub fn plan_of(&self) -> Option<EntryIndex> {
        match self.outcome {
            Outcome::Answered(_) => Some(self.entry),
            Outcome::Repeated { reserve, .. } => reserve,
            _ => None,
        }
    }
}

/// All questions of a log, in its order. A list that begins later than the log leaves unknown what stands before.
pub fn questions(entries: &[StoredEntry]) -> Vec<Question> {
    of_books(&Books::of(entries))
}

pub(crate) fn of_books(books: &Books<'_>) -> Vec<Question> {
    let after = Afterwards::of(books);
    let mut losses = Shown::new(books.conversion());
    let mut questions = Vec::new();
    for stored in books.entries() {
        let blank = Blank {
            entry: stored.index,
            kind: stored.entry.body.kind(),
            time: stored.entry.time,
        };
        match &stored.entry.body {
            Body::Reserve(reserve) => {
                questions.push(blank.asked(reserve, books, &after, &mut losses));
            }
            Body::Reuse(reuse) => questions.push(blank.repeated(reuse, books)),
            Body::Refuse(refuse) => questions.push(blank.refused(refuse)),
            _ => {}
        }
    }
    questions
}

/// What later entries say about reserves.
struct Afterwards {
    endings: BTreeMap<u64, Outcome>,
    incidents: BTreeMap<u64, Loss>,
}

impl Afterwards {
    fn of(books: &Books<'_>) -> Self {
        let mut endings = BTreeMap::new();
        let mut incidents = BTreeMap::new();
        for stored in books.entries() {
            match &stored.entry.body {
                Body::Release(release) => {
                    endings.insert(release.reserve.0, Outcome::Answered(stored.index));
                }
                Body::Abort(abort) => {
                    let ending = match abort.reason {
                        Reason::Failed => Outcome::Failed(stored.index),
                        Reason::Dropped => Outcome::Dropped(stored.index),
                    };
                    endings.insert(abort.reserve.0, ending);
                }
                Body::Incident(incident) => {
                    let sum: &mut Loss = incidents.entry(incident.reserve.0).or_default();
                    *sum = plus(*sum, incident.loss);
                }
                _ => {}
            }
        }
        Self { endings, incidents }
    }
}

/// What every question has.
struct Blank {
    entry: EntryIndex,
    kind: Kind,
    time: u64,
}

impl Blank {
    fn asked(
        self,
        reserve: &Reserve,
        books: &Books<'_>,
        after: &Afterwards,
        shown: &mut Shown,
    ) -> Question {
        let incidents = after.incidents.get(&self.entry.0);
        let incidents = incidents.copied().unwrap_or_default();
        let total = plus(reserve.loss, incidents);
        let ending = after.endings.get(&self.entry.0);
        Question {
            entry: self.entry,
            kind: self.kind,
            time: self.time,
            principal: reserve.principal.clone(),
            roles: reserve.roles.clone(),
            purpose: reserve.purpose.clone(),
            dataset: books.dataset(reserve).map(str::to_owned),
            parts: owned(books.parts(self.entry, reserve)),
            snapshot: books.snapshot(reserve),
            outcome: ending.cloned().unwrap_or(Outcome::Open),
            loss: reserve.loss,
            incidents,
            epsilon: shown.epsilon(total),
            delta: shown_delta(total, books.conversion()),
            // The first account is the purse's.
            purse: reserve.accounts.first().map(|purse| Purse {
                cap: purse.cap,
                before: purse.before,
                after: purse.after,
            }),
            mechanisms: reserve.certificate.mechanisms.clone(),
            question: reserve.question,
        }
    }

    fn repeated(self, reuse: &Reuse, books: &Books<'_>) -> Question {
        let release = books.release(reuse.release);
        let first = release.and_then(|release| books.reserve(release.reserve));
        Question {
            entry: self.entry,
            kind: self.kind,
            time: self.time,
            principal: reuse.principal.clone(),
            roles: reuse.roles.clone(),
            purpose: reuse.purpose.clone(),
            dataset: first
                .and_then(|reserve| books.dataset(reserve))
                .map(str::to_owned),
            parts: release
                .zip(first)
                .map(|(release, reserve)| owned(books.parts(release.reserve, reserve)))
                .unwrap_or_default(),
            snapshot: first.and_then(|reserve| books.snapshot(reserve)),
            outcome: Outcome::Repeated {
                release: reuse.release,
                reserve: release.map(|release| release.reserve),
            },
            loss: Loss::ZERO,
            incidents: Loss::ZERO,
            epsilon: Epsilon::ZERO,
            delta: Delta::ZERO,
            purse: None,
            mechanisms: first
                .map(|reserve| reserve.certificate.mechanisms.clone())
                .unwrap_or_default(),
            question: reuse.question,
        }
    }

    fn refused(self, refuse: &Refuse) -> Question {
        Question {
            entry: self.entry,
            kind: self.kind,
            time: self.time,
            principal: refuse.principal.clone(),
            roles: Vec::new(),
            purpose: refuse.purpose.clone(),
            dataset: None,
            parts: Vec::new(),
            snapshot: None,
            outcome: Outcome::Refused(refuse.rule.clone()),
            loss: Loss::ZERO,
            incidents: Loss::ZERO,
            epsilon: Epsilon::ZERO,
            delta: Delta::ZERO,
            purse: None,
            mechanisms: Vec::new(),
            question: refuse.question,
        }
    }
}

fn owned(names: Vec<&str>) -> Vec<String> {
    names.into_iter().map(str::to_owned).collect()
}
