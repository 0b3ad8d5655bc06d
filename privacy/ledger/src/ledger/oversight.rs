//! What officers and operators enter: who approves, larger caps, reviews, incidents, keys.

use salus_accounting::Loss;
use salus_certificate::EntryIndex;

use super::Ledger;
use crate::anchor::{self, Anchor, Record};
use crate::commitment::Opening;
use crate::create;
use crate::entry::{Approval, Body, Kind, Limit, Seal, Successor, UNREADABLE};
use crate::error::{Error, Result};
use crate::evidence::Evidence;
use crate::key::Signer;
use crate::note::Verifier;
use crate::proposal::{Finding, Proposal};
use crate::store;
use crate::writer::Request;

impl Ledger {
    /// Somebody who is to approve from here on, or no longer. The first two are entered without approvals, by the log's key alone.
    pub fn propose_officer(&self, name: &str, public: [u8; 32], active: bool) -> Proposal {
        Proposal::officer(&self.genesis().origin, name, public, active)
    }

    /// A cap of the purse above the one in force, to be entered until `expires` (seconds since 1970-01-01T00:00:00Z).
    pub async fn propose_grant(&self, cap: Loss, expires: u64, reason: &str) -> Result<Proposal> {
        let account = self.account().await?;
        let caps = (account.cap, cap);
        let origin = &self.genesis().origin;
        Proposal::grant(origin, account.scope, caps, expires, reason)
    }

    /// A cap above the one in force of a window: the account `scope` of a limit that has periods, of this period or a later one.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] if no limit in force keeps it.
    pub async fn propose_window(
        &self,
        scope: &str,
        cap: Loss,
        expires: u64,
        reason: &str,
    ) -> Result<Proposal> {
        let Some(account) = self.window(scope).await? else {
            return Err(Error::Refused(
                "G1: no limit in force keeps such an account in this period or a later one"
                    .to_owned(),
            ));
        };
        if !Limit::is_plain(&account.scope) {
            return Err(Error::Refused(UNREADABLE.to_owned()));
        }
        let caps = (account.cap, cap);
        let origin = &self.genesis().origin;
        Proposal::grant(origin, account.scope, caps, expires, reason)
    }

    /// The end of this log in favour of the one that `successor` names and signs, to be entered until `expires`. What the log adds up to
    /// is filled in when it is entered.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] if the operating system gives no randomness.
    pub fn propose_seal(
        &self,
        successor: &Verifier,
        expires: u64,
        reason: &str,
    ) -> Result<Proposal> {
        let reason = Opening::fresh(reason.as_bytes().to_vec())?;
        let seal = Seal {
            successor: Successor {
                origin: successor.name().to_owned(),
                public: successor.public(),
            },
            expires,
            reason: reason.commitment(),
            totals: None,
            approvals: Vec::new(),
        };
        let openings = vec![("reason".to_owned(), reason)];
        let origin = &self.genesis().origin;
        Ok(Proposal::new(origin, Body::Seal(Box::new(seal)), openings))
    }

    /// Enters a seal with its approvals and gives the whole log as it ends. Entered once, it is only read: the same evidence comes of
    /// [`Ledger::evidence`] and [`Ledger::export`] at any later time.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] with the rule that it breaks, or if the log is sealed.
    pub async fn seal(&self, proposal: Proposal, approvals: Vec<Approval>) -> Result<Evidence> {
        if !matches!(proposal.body(), Body::Seal(_)) {
            return Err(Error::Refused("the proposal is not of a seal".to_owned()));
        }
        self.enter(proposal, approvals).await?;
        self.evidence().await
    }

    /// A review of entries as they stand.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] if there are no such entries.
    pub async fn propose_review(&self, finding: Finding) -> Result<Proposal> {
        self.shared
            .writer
            .ask(|reply| Request::Review(finding, reply))
            .await
    }

    /// Enters a proposal with its approvals; durable on return.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] with the rule that it breaks: too few approvals, of others than active officers, of something else; a cap
    /// above the ceiling, or not above the one in force; too late.
    pub async fn enter(&self, proposal: Proposal, approvals: Vec<Approval>) -> Result<EntryIndex> {
        let enter = proposal.approved(approvals);
        self.shared
            .writer
            .ask(|reply| Request::Enter(enter, reply))
            .await
    }

    /// Takes `loss` for a reserve whose price has turned out to be too low, also where the purse does not hold it: the answer has left.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] if there is no such reserve, or the loss is nothing.
    pub async fn incident(
        &self,
        reserve: EntryIndex,
        loss: Loss,
        note: &str,
    ) -> Result<EntryIndex> {
        let note = Opening::fresh(note.as_bytes().to_vec())?;
        self.shared
            .writer
            .ask(|reply| Request::Incident(reserve, loss, note, reply))
            .await
    }

    /// Puts another signing key into force, which the present one endorses. Open the ledger with it from now on.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] if the key was in the log before or is of another origin.
    pub async fn rotate(self, next: Signer) -> Result<EntryIndex> {
        let index = self
            .shared
            .writer
            .ask(|reply| Request::Rotate(next, reply))
            .await?;
        self.close().await?;
        Ok(index)
    }

    /// The officers who approve: key and name.
    pub async fn officers(&self) -> Result<Vec<([u8; 32], String)>> {
        let before = self.genesis().predecessor.iter();
        let heirs = before.flat_map(|before| &before.officers);
        let mut active: Vec<([u8; 32], String)> =
            heirs.map(|heir| (heir.public, heir.name.clone())).collect();
        for stored in store::all_of(&mut *self.reader().await, Kind::Officer).await? {
            if let Body::Officer(officer) = stored.entry.body {
                active.retain(|(public, _)| *public != officer.public);
                if officer.active {
                    active.push((officer.public, officer.name));
                }
            }
        }
        Ok(active)
    }

    /// Moves the anchor: `next`, which must be empty, begins with the newest checkpoint, and `before` ends.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] if `next` holds something. Where `before` could not be ended it is in force still, and `next` is left to nobody.
    pub async fn move_anchor(&self, before: &dyn Anchor, next: &dyn Anchor) -> Result<()> {
        let newest = async || {
            let (size, note) = store::newest_checkpoint(&mut *self.reader().await).await?;
            Ok::<_, Error>((size, note, self.account().await?.spent))
        };
        let (begun, note, spent) = newest().await?;
        create::begin_anchor(next, note, spent).await?;
        anchor::retire(before).await?;
        // Until then others answered under the one before.
        let (size, note, spent) = newest().await?;
        if size > begun {
            let record = Record {
                checkpoint: note,
                spent,
            };
            next.create(begun, &record.encode()).await?;
        }
        Ok(())
    }
}
