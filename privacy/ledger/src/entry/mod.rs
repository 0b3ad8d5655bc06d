//! Entries: what can stand in the log, and its one byte form (`docs/ledger-format.md`, rule F1).

mod encoding;
mod limit;
mod oversight;
mod succession;

use salus_accounting::{Delta, Loss, Rho};
use salus_certificate::{Certificate, EntryIndex, Hash};

pub(crate) use limit::Asker;
pub(crate) use limit::UNREADABLE;
pub use limit::{Limit, Share};
pub(crate) use oversight::TWO;
pub use oversight::{Approval, Grant, Incident, Officer, Review, SignatureBytes, Statement};
pub use succession::{Carried, Heir, Predecessor, Seal, Successor, Totals};

/// Version of the format.
pub const VERSION: u64 = 1;

/// Most bytes of an entry: what a bundle of C2SP tlog-tiles can hold of one.
pub const LONGEST: usize = 65_535;

/// One entry of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Seconds since 1970-01-01T00:00:00Z; attested only.
    pub time: u64,
    /// What it says.
    pub body: Body,
}

/// What an entry says, by kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// The first entry.
    Genesis(Genesis),
    /// A signing key.
    Key(Key),
    /// A dataset of the identity space.
    Dataset(Dataset),
    /// A catalog of public facts.
    Catalog(Catalog),
    /// A policy.
    Policy(Policy),
    /// A snapshot of a dataset.
    Snapshot(Snapshot),
    /// Budget taken for a question.
    Reserve(Box<Reserve>),
    /// The answer to it.
    Release(Release),
    /// Or none.
    Abort(Abort),
    /// An answer that was given once more.
    Reuse(Reuse),
    /// A question that was not admitted.
    Refuse(Refuse),
    /// Somebody who can approve.
    Officer(Officer),
    /// A larger cap.
    Grant(Grant),
    /// Somebody has looked.
    Review(Review),
    /// A price that was too low.
    Incident(Incident),
    /// What the restricted log held at a fixed time.
    Anchor(Anchor),
    /// The log ends.
    Seal(Box<Seal>),
}

/// The kinds of entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "each is the kind of the body of the same name")]
pub enum Kind {
    Genesis,
    Key,
    Dataset,
    Catalog,
    Policy,
    Snapshot,
    Reserve,
    Release,
    Abort,
    Reuse,
    Refuse,
    Officer,
    Grant,
    Review,
    Incident,
    Anchor,
    Seal,
}

/// The first entry: which population, and how much may ever be learnt about any person in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Genesis {
    /// First line of every checkpoint; name of the signing key.
    pub origin: String,
    /// Identity space: the population that this purse protects.
    pub space: String,
    /// Largest cap that grants may ever reach.
    pub ceiling: Loss,
    /// Lifetime cap in force, not above the ceiling.
    pub cap: Loss,
    /// The delta at which rho is shown as epsilon.
    pub conversion_delta: Delta,
    /// Build that wrote the log.
    pub build: String,
    /// Version of the rules.
    pub rules: u64,
    /// The log that this one goes on from, where it is not the first of its identity space.
    pub predecessor: Option<Box<Predecessor>>,
    /// Seconds of the grid at whose ticks the restricted log is anchored here, at least 1; `None`: there is none.
    pub restricted: Option<u64>,
}

/// What the [restricted log](crate::restricted) held when a tick of the grid had passed. It is the same whether that log grew or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Anchor {
    /// The entry's time divided by the genesis's `restricted`, rounded down.
    pub tick: u64,
    /// Salted commitment to the restricted log's newest checkpoint, a signed note.
    pub checkpoint: Hash,
}

/// The Ed25519 key that signs checkpoints from here on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// The public key.
    pub public: [u8; 32],
    /// Of the key before it, over this entry's [`Statement`]; the first key has none.
    pub signature: Option<SignatureBytes>,
}

/// A dataset and its unit of privacy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dataset {
    /// Name of the dataset.
    pub dataset: String,
    /// Column that names the person.
    pub unit: String,
    /// The genesis's identity space.
    pub space: String,
    /// Where it is a part of another: its tables, ascending. A question about one of them counts in the part as well. The newest entry of
    /// a name counts, and one without tables ends the part.
    pub tables: Option<Vec<String>>,
}

/// A version of a catalog of public facts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Catalog {
    /// Name of the dataset.
    pub dataset: String,
    /// Version of the catalog.
    pub version: u64,
    /// Hash of the catalog file, which is public.
    pub sha256: Hash,
}

/// A version of the policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Version of the policy.
    pub version: u64,
    /// Hash of the policy file.
    pub sha256: Hash,
    /// Most that one query may cost.
    pub query_rho: Rho,
    /// Caps below the lifetime cap.
    pub limits: Vec<Limit>,
}

/// A snapshot of a dataset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// Name of the dataset.
    pub dataset: String,
    /// Number of the snapshot.
    pub snapshot: u64,
    /// Salted commitment to the table versions.
    pub commitment: Hash,
}

/// Budget taken for a question, with the certificate that prices it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reserve {
    /// Who asked (a pseudonym).
    pub principal: String,
    /// In which roles.
    pub roles: Vec<String>,
    /// For which purpose.
    pub purpose: String,
    /// Salted commitment to the question's text.
    pub question: Hash,
    /// Salted commitment to the canonical operator tree.
    pub plan: Hash,
    /// What the price rests on.
    pub certificate: Certificate,
    /// The price.
    pub loss: Loss,
    /// The purse before and after, and then the limits that count for it.
    pub accounts: Vec<Movement>,
}

/// The movement of one account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Movement {
    /// `space:` and the identity space; or the account of a limit.
    pub scope: String,
    /// Lifetime cap, or that of the limit.
    pub cap: Loss,
    /// Spent before.
    pub before: Loss,
    /// Spent with this entry.
    pub after: Loss,
}

/// An answer was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    /// The reserve that paid for it.
    pub reserve: EntryIndex,
    /// Salted commitment to the answer's bytes.
    pub answer: Hash,
}

/// No answer was given; nothing is refunded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Abort {
    /// The reserve that stays spent.
    pub reserve: EntryIndex,
    /// Why there is no answer.
    pub reason: Reason,
}

/// Why a reserve ended without an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// The answer could not be produced.
    Failed,
    /// The charge was dropped.
    Dropped,
}

/// An answer that was given once more, to the same question over the same snapshot. Nothing new was learnt, so it costs nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reuse {
    /// Who asked.
    pub principal: String,
    /// In which roles.
    pub roles: Vec<String>,
    /// For which purpose.
    pub purpose: String,
    /// Salted commitment to the question's text as it was asked this time.
    pub question: Hash,
    /// The release whose answer it is.
    pub release: EntryIndex,
    /// The analyst's own limits before and after: what she asks counts as hers, also where it is repeated.
    pub accounts: Vec<Movement>,
}

/// A question that was not admitted, and the rule that refused it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refuse {
    /// Who asked.
    pub principal: String,
    /// For which purpose.
    pub purpose: String,
    /// The rule.
    pub rule: String,
    /// Salted commitment to the question's text.
    pub question: Hash,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 17] = [
        Self::Genesis,
        Self::Key,
        Self::Dataset,
        Self::Catalog,
        Self::Policy,
        Self::Snapshot,
        Self::Reserve,
        Self::Release,
        Self::Abort,
        Self::Reuse,
        Self::Refuse,
        Self::Officer,
        Self::Grant,
        Self::Review,
        Self::Incident,
        Self::Anchor,
        Self::Seal,
    ];

    /// The name in the ledger's format.
    pub fn name(self) -> &'static str {
        match self {
            Self::Genesis => "genesis",
            Self::Key => "key",
            Self::Dataset => "dataset",
            Self::Catalog => "catalog",
            Self::Policy => "policy",
            Self::Snapshot => "snapshot",
            Self::Reserve => "reserve",
            Self::Release => "release",
            Self::Abort => "abort",
            Self::Reuse => "reuse",
            Self::Refuse => "refuse",
            Self::Officer => "officer",
            Self::Grant => "grant",
            Self::Review => "review",
            Self::Incident => "incident",
            Self::Anchor => "anchor",
            Self::Seal => "seal",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

impl std::fmt::Display for Kind {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(self.name())
    }
}

impl Reason {
    /// The name in the ledger's format.
    pub fn name(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Dropped => "dropped",
        }
    }
}

impl Body {
    /// The kind.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Genesis(_) => Kind::Genesis,
            Self::Key(_) => Kind::Key,
            Self::Dataset(_) => Kind::Dataset,
            Self::Catalog(_) => Kind::Catalog,
            Self::Policy(_) => Kind::Policy,
            Self::Snapshot(_) => Kind::Snapshot,
            Self::Reserve(_) => Kind::Reserve,
            Self::Release(_) => Kind::Release,
            Self::Abort(_) => Kind::Abort,
            Self::Reuse(_) => Kind::Reuse,
            Self::Refuse(_) => Kind::Refuse,
            Self::Officer(_) => Kind::Officer,
            Self::Grant(_) => Kind::Grant,
            Self::Review(_) => Kind::Review,
            Self::Incident(_) => Kind::Incident,
            Self::Anchor(_) => Kind::Anchor,
            Self::Seal(_) => Kind::Seal,
        }
    }

    /// The dataset that a dataset, catalog or snapshot entry names.
    pub fn dataset(&self) -> Option<&str> {
        match self {
            Self::Dataset(body) => Some(&body.dataset),
            Self::Catalog(body) => Some(&body.dataset),
            Self::Snapshot(body) => Some(&body.dataset),
            _ => None,
        }
    }
}

impl Genesis {
    /// Name of the account of the identity space.
    pub fn scope(&self) -> String {
        format!("space:{}", self.space)
    }

    /// What the purse opens with: what the log before this one had spent.
    pub fn opening(&self) -> Loss {
        let before = self.predecessor.as_ref();
        before.map_or(Loss::ZERO, |predecessor| predecessor.spent)
    }
}
