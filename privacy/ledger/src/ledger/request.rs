//! What is said to the ledger, and what it says.

use std::collections::BTreeMap;

use salus_accounting::{Delta, Loss, Rho};
use salus_certificate::{Certificate, EntryIndex, Hash};

use crate::entry::{Catalog, Dataset, Limit, Policy, Snapshot};
use crate::gate::Published;
use crate::limits;

/// Something that questions rest on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact {
    /// A dataset of the ledger's identity space.
    Dataset {
        /// Name of the dataset.
        dataset: String,
        /// Column that names the person.
        unit: String,
    },
    /// A part of a dataset that limits can count by itself, and its tables; the newest of a name counts.
    Part {
        /// Name of the part.
        part: String,
        /// Name of the dataset.
        of: String,
        /// Its tables; without any it is a part no longer.
        tables: Vec<String>,
    },
    /// A version of a dataset's catalog, and the parts that the dataset has under it: they change together, or not at all.
    Catalog {
        /// Name of the dataset.
        dataset: String,
        /// Version of the catalog.
        version: u64,
        /// Hash of the catalog file, which is public.
        sha256: Hash,
        /// All its parts, with their tables.
        parts: BTreeMap<String, Vec<String>>,
    },
    /// A version of the policy.
    Policy {
        /// Version of the policy.
        version: u64,
        /// Hash of the policy file.
        sha256: Hash,
        /// Most that one query may cost.
        query_rho: Rho,
        /// Caps below the lifetime cap.
        limits: Vec<Limit>,
    },
    /// A snapshot of a dataset.
    Snapshot {
        /// Name of the dataset.
        dataset: String,
        /// Number of the snapshot.
        snapshot: u64,
        /// The table versions; the ledger commits to them with a fresh salt.
        content: Vec<u8>,
    },
}

/// The newest facts about one dataset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// The dataset.
    pub dataset: Option<(EntryIndex, Dataset)>,
    /// Its newest catalog.
    pub catalog: Option<(EntryIndex, Catalog)>,
    /// The newest policy.
    pub policy: Option<(EntryIndex, Policy)>,
    /// Its newest snapshot.
    pub snapshot: Option<(EntryIndex, Snapshot)>,
}

/// A question that was planned and wants to be paid.
#[derive(Clone, PartialEq, Eq)]
pub struct Reservation {
    /// Who asks (a pseudonym).
    pub principal: String,
    /// In which roles.
    pub roles: Vec<String>,
    /// For which purpose.
    pub purpose: String,
    /// The SQL text. It stays outside the log, which commits to it.
    pub question: String,
    /// Canonical bytes of the operator tree.
    pub plan: Vec<u8>,
    /// Canonical bytes of the list of answered keys; the commitment to them becomes `certificate.keys`.
    pub keys: Vec<u8>,
    /// What the price rests on.
    pub certificate: Certificate,
    /// Her own name for this request: sent again under it, it is the same request, and paid once.
    pub retry: Option<String>,
}

/// What became of a request that was sent before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Again {
    /// There was none.
    New,
    /// It is still being answered, or whoever answered it died; it stays paid.
    Open,
    /// It could not be answered.
    Failed,
    /// It was another question, or the same on other terms.
    Another,
    /// It was answered: the same bytes, at the price that was paid then.
    Answered(Published),
}

/// A question that was not admitted.
#[derive(Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Who asked.
    pub principal: String,
    /// For which purpose.
    pub purpose: String,
    /// The rule that refused it.
    pub rule: String,
    /// The text; it stays outside the log.
    pub question: String,
}

/// The purse of the identity space, or what a limit keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// `space:` and the identity space; or the account of a limit.
    pub scope: String,
    /// Lifetime cap, or that of the limit.
    pub cap: Loss,
    /// Spent so far.
    pub spent: Loss,
    /// The delta at which rho is shown as epsilon.
    pub conversion_delta: Delta,
}

impl Account {
    /// What is left.
    pub fn remaining(&self) -> Loss {
        limits::left(self.cap, self.spent)
    }
}

// The text of a question may name people; it has no place in a debug log.
impl std::fmt::Debug for Reservation {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Reservation")
            .field("certificate", &self.certificate)
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Refusal {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Refusal")
            .field("rule", &self.rule)
            .finish_non_exhaustive()
    }
}
