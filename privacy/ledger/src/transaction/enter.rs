//! What people enter by their signature: officers, grants, reviews, incidents, and the key that follows.

use salus_accounting::Loss;
use salus_certificate::{EntryIndex, Hash};

use super::Transaction;
use crate::authority::Authority;
use crate::commitment::Opening;
use crate::entry::{
    Body, Carried, Entry, Incident, Key, Kind, LONGEST, Limit, Movement, Review, Statement, Totals,
    UNREADABLE,
};
use crate::error::{Error, Result};
use crate::key::Signer;
use crate::proposal::{Enter, Finding};
use crate::{restricted, store};

impl Transaction<'_> {
    /// What the log's keys, officers, grants and policy so far establish.
    pub(crate) async fn authority(&mut self) -> Result<Authority> {
        self.flush().await?;
        let mut stored = Vec::new();
        for kind in [Kind::Key, Kind::Officer, Kind::Grant] {
            stored.extend(store::all_of(self.db, kind).await?);
        }
        // Of policies only the one in force: what was granted under those before it ended with them.
        stored.extend(store::newest(self.db, Kind::Policy).await?);
        stored.sort_by_key(|stored| stored.index);
        let mut authority = Authority::of(self.genesis);
        for stored in stored {
            authority.accept(stored.index.0, &stored.entry.body);
        }
        Ok(authority)
    }

    /// Enters what was approved, if it holds.
    pub(crate) async fn enter(&mut self, enter: &Enter) -> Result<EntryIndex> {
        let mut body = enter.body.clone();
        if let Body::Seal(seal) = &mut body {
            seal.totals = Some(self.totals().await?);
        }
        self.authority()
            .await?
            .check(&body, self.genesis, self.time)
            .map_err(Error::Refused)?;
        match &enter.body {
            Body::Officer(_) => {}
            // How the restricted log ends, too.
            Body::Seal(_) => {
                self.expect_fits(&body)?;
                self.anchor_restricted().await?;
            }
            Body::Grant(grant) => {
                store::signed(grant.new.rho.units())?;
                // No question is let through under such a name: see `limits::movements`.
                if grant.scope.contains('\0') {
                    let why = "a name with a NUL cannot have a limit";
                    return Err(Error::Refused(why.to_owned()));
                }
                if !self.caps.is_of_purse(grant) && !Limit::is_plain(&grant.scope) {
                    return Err(Error::Refused(UNREADABLE.to_owned()));
                }
            }
            Body::Review(review) => self.expect_seen(review).await?,
            _ => return Err(Error::Bug("an entry that nobody approves")),
        }
        let (index, _) = self.append(body)?;
        if let Body::Grant(grant) = &enter.body {
            self.caps.accept(index, grant);
            // Caps of windows stand in the log alone.
            if self.caps.is_of_purse(grant) {
                self.flush().await?;
                store::grant(self.db, &grant.scope, grant.new).await?;
            }
        }
        for (name, opening) in &enter.openings {
            self.open_with(index, name, opening.clone());
        }
        Ok(index)
    }

    /// An anchor of a tick that is not new stands before a seal alone, so it must be certain that the seal follows.
    fn expect_fits(&self, body: &Body) -> Result<()> {
        let (time, body) = (self.time, body.clone());
        if (Entry { time, body }).encode().len() > LONGEST {
            return Err(Error::TooLong);
        }
        Ok(())
    }

    /// What the log adds up to.
    async fn totals(&mut self) -> Result<Totals> {
        self.flush().await?;
        let accounts = store::quotas(self.db).await?.into_iter();
        let counts = |(scope, _): &(String, Loss)| Carried::counts(scope, self.time);
        let limits = accounts.filter(counts);
        Ok(Totals {
            cap: self.caps.purse(),
            spent: self.spent,
            limits: limits
                .map(|(scope, spent)| Carried { scope, spent })
                .collect(),
        })
    }

    async fn expect_seen(&mut self, review: &Review) -> Result<()> {
        if review.from > review.to {
            return Err(Error::Refused(
                "R1: a review goes from an entry to a later one".to_owned(),
            ));
        }
        if self.root_to(review.to).await? == review.root {
            return Ok(());
        }
        Err(Error::Refused(
            "R1: what was looked at is not what stands in the log".to_owned(),
        ))
    }

    /// Root of the entries up to this one.
    async fn root_to(&mut self, last: EntryIndex) -> Result<Hash> {
        self.flush().await?;
        let size = last.0.saturating_add(1);
        if size > self.frontier.size() {
            return Err(Error::Refused(format!(
                "F3: there is no entry {last} yet; the last is {}",
                self.frontier.size().saturating_sub(1)
            )));
        }
        Ok(store::frontier(self.db, size).await?.root())
    }

    /// The review of a range as it stands.
    pub(crate) async fn review(&mut self, finding: &Finding) -> Result<(Body, Opening)> {
        let note = Opening::fresh(finding.note.clone().into_bytes())?;
        let review = Review {
            principal: finding.principal.clone(),
            from: finding.from,
            to: finding.to,
            root: self.root_to(finding.to).await?,
            note: note.commitment(),
            approvals: Vec::new(),
        };
        self.expect_seen(&review).await?;
        Ok((Body::Review(review), note))
    }

    /// Takes what an answer cost beyond its price, also where the purse does not hold it.
    pub(crate) async fn incident(
        &mut self,
        reserve: EntryIndex,
        loss: Loss,
        note: &Opening,
    ) -> Result<EntryIndex> {
        if !matches!(self.body(reserve).await?, Some(Body::Reserve(_))) {
            return Err(Error::Refused("F3: there is no such reserve".to_owned()));
        }
        if loss == Loss::ZERO {
            return Err(Error::Refused(
                "B1: an incident that cost nothing is none".to_owned(),
            ));
        }
        let after = self.spent.checked_add(loss).ok_or_else(|| {
            Error::Refused("the loss is larger than the books can hold".to_owned())
        })?;
        store::signed(after.rho.units())?;
        let scope = self.genesis.scope();
        let account = Movement {
            scope: scope.clone(),
            cap: self.caps.purse(),
            before: self.spent,
            after,
        };
        let body = Incident {
            reserve,
            loss,
            note: note.commitment(),
            account,
            approvals: Vec::new(),
        };
        let (index, _) = self.append(Body::Incident(body))?;
        self.flush().await?;
        store::incident(self.db, &scope, after).await?;
        self.open_with(index, "note", note.clone());
        self.spent = after;
        Ok(index)
    }

    /// Puts the key of `next` into force: the checkpoint of this transaction is the first that it signs.
    pub(crate) async fn rotate(&mut self, next: &Signer) -> Result<EntryIndex> {
        let unsigned = Key {
            public: next.verifier().public(),
            signature: None,
        };
        let statement = Statement::of(&self.genesis.origin, &Body::Key(unsigned.clone()));
        let body = Body::Key(Key {
            signature: Some(self.signer.endorse(&statement)),
            ..unsigned
        });
        if next.origin() != self.genesis.origin {
            return Err(Error::Refused(
                "the new key is of another origin".to_owned(),
            ));
        }
        self.authority()
            .await?
            .check(&body, self.genesis, self.time)
            .map_err(Error::Refused)?;
        if self.genesis.restricted.is_some() {
            self.flush().await?;
            let head = restricted::Head::read(self.db, self.signer).await?;
            head.rotate(self.db, next, self.time).await?;
        }
        let (index, _) = self.append(body)?;
        self.successor = Some(next.clone());
        Ok(index)
    }
}
