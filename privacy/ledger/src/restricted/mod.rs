//! The restricted log: what names or implies patients.
//!
//! Identified access, break-glass and what came of it, consent, linkage, alerts and expunging are written to a second append-only log of
//! the same make, in the same store and under the same lock. No person stands in it: entries hold salted commitments, and what opens them
//! lies beside the log and can be erased.
//!
//! The first log is shown to auditors and analysts, so it must not tell that somebody was expunged yesterday. Its entries `anchor` commit to
//! the restricted log's newest checkpoint under a fresh salt. They stand where a tick of a fixed grid has passed since the last, before the
//! first entry that the first log has on its own account, and nowhere else (rule N1): the first log is the same, but for salted hashes, whatever the restricted log
//! holds. Whoever is given the restricted log is given the salts, and can say that it holds all that was anchored (rule N2).
//!
//! [`Restricted::record`] is durable on return. What it records may take effect only after that.

mod audit;
pub(crate) mod beside;
mod book;
pub mod entry;
mod event;
mod export;
mod ticks;

use std::collections::{BTreeMap, BTreeSet};

use salus_certificate::EntryIndex;

pub(crate) use audit::{First, audit};
pub(crate) use book::{Head, SUFFIX, create, is_prefix, origin_of};
pub(crate) use event::Written;
pub use event::{Event, Identified};
pub use export::RestrictedEvidence;
pub(crate) use ticks::Ticks;

use crate::commitment::Opening;
use crate::error::{Error, Result};
use crate::ledger::Ledger;
use crate::store;
use entry::{Body, Entry, Outcome, What};

/// An entry of the restricted log that is on the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recorded {
    /// Where it stands.
    pub entry: EntryIndex,
}

/// The restricted log of a ledger.
#[derive(Debug, Clone)]
pub struct Restricted {
    ledger: Ledger,
}

/// A break-glass access and what came of it so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BreakGlass {
    /// Where it stands.
    pub entry: EntryIndex,
    /// When, in seconds since 1970-01-01T00:00:00Z.
    pub time: u64,
    /// Who (a pseudonym), in which role and for which purpose.
    pub access: entry::Access,
    /// The newest follow-up and its index.
    pub followed_up: Option<(EntryIndex, Outcome)>,
}

impl BreakGlass {
    /// Whether somebody still has to look at it.
    pub fn is_open(&self) -> bool {
        !matches!(
            self.followed_up,
            Some((_, Outcome::Justified | Outcome::Unjustified))
        )
    }
}

impl Ledger {
    /// The restricted log.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] if this ledger was made without one.
    pub fn restricted(&self) -> Result<Restricted> {
        match self.genesis().restricted {
            Some(_) => Ok(Restricted {
                ledger: self.clone(),
            }),
            None => Err(Error::Refused(
                "this ledger was made without a restricted log; only a new one has it".to_owned(),
            )),
        }
    }
}

impl Restricted {
    /// First line of its checkpoints.
    pub fn origin(&self) -> String {
        origin_of(&self.ledger.genesis().origin)
    }

    /// Appends what `event` says; durable on return. Nothing of it is to take effect before.
    ///
    /// # Guarantee
    ///
    /// The entry holds no person, column or text, only commitments under salts of their own, and the first log does not change.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] if a principal, role or purpose is not one plain word, if a follow-up is of no break-glass access, or if the ledger
    /// is sealed; [`Error::Integrity`] if the log is not what was signed, anchored or seen last.
    pub async fn record(&self, event: Event) -> Result<Recorded> {
        let written = event.write()?;
        let entry = self.ledger.write_restricted(written).await?;
        Ok(Recorded { entry })
    }

    /// All entries, each checked against its leaf.
    pub async fn entries(&self) -> Result<Vec<(EntryIndex, Entry)>> {
        beside::entries(&mut *self.ledger.reader().await).await
    }

    /// The break-glass accesses with what came of each, oldest first.
    pub async fn breakglass(&self) -> Result<Vec<BreakGlass>> {
        let mut found = BTreeMap::new();
        for (index, entry) in self.entries().await? {
            match entry.body {
                Body::BreakGlass { access, .. } => {
                    let access = BreakGlass {
                        entry: index,
                        time: entry.time,
                        access,
                        followed_up: None,
                    };
                    found.insert(index, access);
                }
                Body::FollowUp(followup) => {
                    if let Some(access) = found.get_mut(&followup.breakglass) {
                        access.followed_up = Some((index, followup.outcome));
                    }
                }
                _ => {}
            }
        }
        Ok(found.into_values().collect())
    }

    /// What opens the commitment `name` of an entry, unless it was erased: `persons`, `columns`, `justification`, `note`, `detail`.
    pub async fn opening(&self, entry: EntryIndex, name: &str) -> Result<Option<Opening>> {
        store::restricted::opening(&mut *self.ledger.reader().await, entry, name).await
    }

    /// Entries that say `what` of exactly these persons, as far as what opens them was not erased.
    pub async fn changes_of(&self, what: What, persons: &[String]) -> Result<Vec<EntryIndex>> {
        beside::changes_of(&mut *self.ledger.reader().await, what, persons).await
    }

    /// Entries that say `what` and whose persons were not erased.
    pub async fn unerased(&self, what: What) -> Result<BTreeSet<EntryIndex>> {
        let mut found = BTreeSet::new();
        for (index, entry) in self.entries().await? {
            let is_meant = matches!(entry.body, Body::Change(change) if change.what == what);
            if is_meant && self.opening(index, "persons").await?.is_some() {
                found.insert(index);
            }
        }
        Ok(found)
    }

    /// Entries of whatever kind that are of one of these persons, as far as what opens them was not erased.
    pub async fn naming(&self, persons: &BTreeSet<String>) -> Result<Vec<EntryIndex>> {
        beside::naming(&mut *self.ledger.reader().await, persons).await
    }

    /// Erases what opens the commitments of these entries, salts included. The log and every proof stay as they are. Gives the number of
    /// entries that had something.
    ///
    /// # Errors
    ///
    /// [`Error::Busy`] or [`Error::Unavailable`] if the store cannot be written; then nothing is erased.
    pub async fn erase(&self, entries: &[EntryIndex]) -> Result<usize> {
        beside::erase(self.ledger.place(), entries, self.ledger.now()).await
    }

    /// What an independent verifier needs of it, beside the evidence of the first log.
    pub async fn evidence(&self) -> Result<RestrictedEvidence> {
        let mut db = self.ledger.reader().await;
        export::collect(&mut db, self.ledger.signer(), &self.origin()).await
    }
}
