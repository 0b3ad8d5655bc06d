//! One transaction of the log: everything a decision rests on is read, and everything it leads to is written, under one lock.

mod buffer;
mod draft;
mod enter;
mod facts;
mod grounds;
mod reuse;

use buffer::Buffer;
pub(crate) use draft::{Draft, Released};
use grounds::{Grounds, References};
pub(crate) use reuse::Former;

use std::sync::Arc;

use salus_accounting::Loss;
use salus_certificate::EntryIndex;

use crate::audit::{check_checkpoint, stated_balance};
use crate::caps::Caps;
use crate::commitment::Opening;
use crate::entry::{
    Abort, Anchor, Asker, Body, Entry, Genesis, Kind, LONGEST, Movement, Reason, Refuse, Release,
    Reserve,
};
use crate::error::{Error, ReserveError, Result, integrity};
use crate::key::Signer;
use crate::merkle::{Frontier, leaf_hash};
use crate::note::Checkpoint;
use crate::restricted;
use crate::store::{self, Session};
use crate::{limits, ration};

/// Rule that a refused entry names when the purse is empty.
const BUDGET: &str = "budget";

/// Rule that a refused entry names when a limit of the policy does not let a question through.
const LIMIT: &str = "limit";

/// Rule that a refused entry names when too many questions have failed.
const FAILURES: &str = "failures";

/// What whoever writes to a log that has ended is told.
const SEALED: &str = "E1: the log is sealed; nothing is entered after that. Its successor goes on";

/// The key of the last key entry.
async fn key_in_force(db: &mut dyn Session) -> Result<Option<[u8; 32]>> {
    let newest = store::newest(db, Kind::Key).await?;
    Ok(match newest.map(|stored| stored.entry.body) {
        Some(Body::Key(key)) => Some(key.public),
        _ => None,
    })
}

/// A log under the store's lock.
pub(crate) struct Transaction<'t> {
    db: &'t mut (dyn Session + 't),
    signer: &'t Signer,
    genesis: &'t Genesis,
    frontier: Frontier,
    /// What officers have granted.
    caps: Caps,
    spent: Loss,
    time: u64,
    /// The policy in force and the reserves under it that had no ending when the ledger was opened.
    unanswered: (Option<EntryIndex>, usize),
    buffer: Buffer,
    /// What the last certificate rested on, and questions that failed under its policy: for the next, which mostly rests on the same.
    grounds: Option<(References, Arc<Grounds>, usize)>,
    appended: bool,
    /// The key that signs from this transaction on, where that is another.
    successor: Option<Signer>,
    /// Whether the log has ended.
    sealed: bool,
    /// Of the last anchor of the restricted log.
    tick: Option<u64>,
    /// The newest of the restricted log that this process has seen.
    beside: Option<Checkpoint>,
}

/// Where a transaction left the log: good for the next one as long as nobody else has written.
pub(crate) struct Left {
    frontier: Frontier,
    caps: Caps,
    spent: Loss,
    grounds: Option<(References, Arc<Grounds>, usize)>,
    sealed: bool,
    tick: Option<u64>,
}

impl<'t> Transaction<'t> {
    /// Goes on from where the one before left the log.
    pub(crate) fn resume(
        db: &'t mut (dyn Session + 't),
        signer: &'t Signer,
        genesis: &'t Genesis,
        unanswered: (Option<EntryIndex>, usize),
        time: u64,
        left: Left,
    ) -> Self {
        Self {
            db,
            signer,
            genesis,
            frontier: left.frontier,
            caps: left.caps,
            spent: left.spent,
            time,
            unanswered,
            buffer: Buffer::default(),
            grounds: left.grounds,
            appended: false,
            successor: None,
            sealed: left.sealed,
            tick: left.tick,
            beside: None,
        }
    }

    /// For the next transaction, once this one is committed.
    pub(crate) fn leave(self) -> Left {
        Left {
            frontier: self.frontier,
            caps: self.caps,
            spent: self.spent,
            grounds: self.grounds,
            sealed: self.sealed,
            tick: self.tick,
        }
    }

    /// Reads the head of the log and refuses to go on from one that contradicts itself.
    pub(crate) async fn begin(
        db: &'t mut (dyn Session + 't),
        signer: &'t Signer,
        genesis: &'t Genesis,
        unanswered: (Option<EntryIndex>, usize),
        time: u64,
    ) -> Result<Self> {
        let size = store::size(db).await?;
        let frontier = store::frontier(db, size).await?;
        if key_in_force(db).await? != Some(signer.verifier().public()) {
            return Err(Error::Unavailable(
                "the signing key was replaced; open the ledger again",
            ));
        }
        check_checkpoint(db, signer.verifier(), size, frontier.root()).await?;
        let caps = Caps::read(db, genesis).await?;
        let spent = match store::accounts(db).await?.as_slice() {
            [account] if account.scope == genesis.scope() && account.cap == caps.purse() => {
                account.spent
            }
            _ => {
                return Err(integrity(
                    "the account is not the one of genesis and grants",
                ));
            }
        };
        let stated = stated_balance(
            genesis,
            store::newest(db, Kind::Reserve).await?,
            store::newest(db, Kind::Incident).await?,
        );
        if spent != stated {
            return Err(integrity(
                "the balance is not the one that the newest reserve states",
            ));
        }
        let sealed = store::newest(db, Kind::Seal).await?.is_some();
        let tick = store::newest(db, Kind::Anchor).await?;
        let tick = tick.and_then(|stored| match stored.entry.body {
            Body::Anchor(anchor) => Some(anchor.tick),
            _ => None,
        });
        Ok(Self {
            sealed,
            tick,
            caps,
            db,
            signer,
            genesis,
            frontier,
            spent,
            time,
            unanswered,
            buffer: Buffer::default(),
            grounds: None,
            appended: false,
            successor: None,
            beside: None,
        })
    }

    /// A log that has no entry yet.
    pub(crate) fn empty(
        db: &'t mut (dyn Session + 't),
        signer: &'t Signer,
        genesis: &'t Genesis,
        time: u64,
    ) -> Self {
        Self {
            db,
            signer,
            genesis,
            frontier: Frontier::default(),
            caps: Caps::of(genesis),
            spent: genesis.opening(),
            time,
            unanswered: (None, 0),
            buffer: Buffer::default(),
            grounds: None,
            appended: false,
            successor: None,
            sealed: false,
            tick: None,
            beside: None,
        }
    }

    pub(crate) fn append(&mut self, body: Body) -> Result<(EntryIndex, Vec<u8>)> {
        if self.sealed {
            return Err(Error::Refused(SEALED.to_owned()));
        }
        let index = EntryIndex(self.frontier.size());
        let kind = body.kind();
        let bytes = Entry {
            time: self.time,
            body,
        }
        .encode();
        if bytes.len() > LONGEST {
            return Err(Error::TooLong);
        }
        let nodes = self.frontier.append(leaf_hash(&bytes));
        self.appended = true;
        self.sealed = kind == Kind::Seal;
        self.buffer.nodes.extend(nodes);
        self.buffer.entries.push((index, kind, bytes.clone()));
        Ok((index, bytes))
    }

    /// Holds the restricted log to what this process has seen of it, before it is anchored.
    pub(crate) fn hold_to(&mut self, seen: Option<Checkpoint>) {
        self.beside = seen;
    }

    /// Whether a tick has passed since the restricted log was anchored last.
    pub(crate) fn is_anchor_due(&self) -> bool {
        self.tick_now()
            .is_some_and(|tick| !self.sealed && self.tick.is_none_or(|last| tick > last))
    }

    fn tick_now(&self) -> Option<u64> {
        let every = self.genesis.restricted?;
        self.time.checked_div(every)
    }

    /// Anchors the restricted log, if there is one, as it stands. What is appended is the same whatever stands there.
    pub(crate) async fn anchor_restricted(&mut self) -> Result<()> {
        let Some(tick) = self.tick_now() else {
            return Ok(());
        };
        self.flush().await?;
        let signer = self.successor.as_ref().unwrap_or(self.signer);
        let head = restricted::Head::read(self.db, signer).await?;
        if let Some(seen) = &self.beside {
            restricted::is_prefix(self.db, seen).await?;
        }
        let opening = Opening::fresh(head.note)?;
        let body = Anchor {
            tick,
            checkpoint: opening.commitment(),
        };
        let (index, _) = self.append(Body::Anchor(body))?;
        self.open_with(index, "checkpoint", opening);
        self.tick = Some(tick);
        Ok(())
    }

    /// Writes what was appended, so that the store can be asked.
    pub(super) async fn flush(&mut self) -> Result<()> {
        let scope = self.genesis.scope();
        self.buffer.flush(self.db, &scope).await
    }

    fn open_with(&mut self, entry: EntryIndex, name: &str, opening: Opening) {
        let row = (entry, name.to_owned(), opening);
        self.buffer.openings.push(row);
    }

    /// Decides on a reservation and takes its price from the purse, or refuses.
    pub(crate) async fn reserve(&mut self, draft: &Draft) -> Result<EntryIndex, ReserveError> {
        if let Some(key) = &draft.retry {
            self.flush().await?;
            if store::retry(self.db, key).await?.is_some() {
                return Err(ReserveError::SentBefore);
            }
        }
        let (grounds, failures) = self.grounds(&draft.certificate).await?;
        let most = grounds.policy.query_rho;
        if draft.loss.rho > most {
            return Err(ReserveError::QueryTooDear { most });
        }
        let unanswered = match self.unanswered {
            (policy, reserves) if policy == Some(grounds.policy_entry) => reserves,
            _ => 0,
        };
        if let Err(too_many) = ration::check(failures, unanswered) {
            self.refuse(&draft.principal, &draft.purpose, FAILURES, &draft.question)?;
            return Err(too_many);
        }
        let cap = self.caps.purse();
        let after = self
            .spent
            .checked_add(draft.loss)
            .filter(|after| after.fits_within(&cap));
        let Some(after) = after else {
            self.refuse(&draft.principal, &draft.purpose, BUDGET, &draft.question)?;
            return Err(ReserveError::BudgetExhausted {
                remaining: self.remaining(),
            });
        };
        let mut accounts = vec![Movement {
            scope: self.genesis.scope(),
            cap,
            before: self.spent,
            after,
        }];
        let datasets = grounds.datasets(&draft.certificate);
        let asker = self.asker(draft, &datasets);
        let rules = limits::Rules {
            limits: &grounds.policy.limits,
            policy: grounds.policy_entry,
            caps: &self.caps,
        };
        let limited = limits::movements(self.db, &rules, asker, draft.loss).await;
        if let Err(ReserveError::LimitReached { .. }) = limited {
            self.refuse(&draft.principal, &draft.purpose, LIMIT, &draft.question)?;
        }
        accounts.extend(limited?);
        let body = Reserve {
            principal: draft.principal.clone(),
            roles: draft.roles.clone(),
            purpose: draft.purpose.clone(),
            question: draft.question.commitment(),
            plan: draft.plan.commitment(),
            certificate: draft.certificate.clone(),
            loss: draft.loss,
            accounts,
        };
        let limited = body.accounts.get(1..).unwrap_or_default().to_vec();
        // Nothing moves before it is certain that there will be an entry: others share this transaction.
        let (index, _) = match self.append(Body::Reserve(Box::new(body))) {
            Err(Error::TooLong) => return Err(ReserveError::TooLong),
            appended => appended?,
        };
        limits::book(self.db, &limited).await?;
        for (name, opening) in [
            ("question", &draft.question),
            ("plan", &draft.plan),
            ("keys", &draft.keys),
        ] {
            self.open_with(index, name, opening.clone());
        }
        self.buffer.plans.push((draft.fingerprint(), index));
        self.buffer.spent = Some(after);
        self.spent = after;
        if let Some(key) = &draft.retry {
            self.flush().await?;
            store::insert_retry(self.db, key, index).await?;
        }
        Ok(index)
    }

    fn asker<'a>(&self, draft: &'a Draft, datasets: &'a [&'a str]) -> Asker<'a>
    where
        't: 'a,
    {
        Asker {
            space: &self.genesis.space,
            datasets,
            principal: &draft.principal,
            purpose: &draft.purpose,
            time: self.time,
        }
    }

    /// Ends `reserve` with an answer.
    pub(crate) async fn release(
        &mut self,
        reserve: EntryIndex,
        answer: Opening,
    ) -> Result<Released> {
        self.expect_open(reserve).await?;
        let body = Body::Release(Release {
            reserve,
            answer: answer.commitment(),
        });
        let (index, bytes) = self.append(body)?;
        self.buffer.endings.push((reserve, index));
        self.open_with(index, "answer", answer.clone());
        Ok(Released {
            index,
            bytes,
            answer,
            reused: None,
        })
    }

    /// Ends `reserve` without an answer; nothing is refunded.
    pub(crate) async fn abort(
        &mut self,
        reserve: EntryIndex,
        reason: Reason,
    ) -> Result<EntryIndex> {
        self.expect_open(reserve).await?;
        let (index, _) = self.append(Body::Abort(Abort { reserve, reason }))?;
        self.buffer.endings.push((reserve, index));
        self.flush().await?;
        self.grounds = None;
        // That somebody stopped waiting can depend on the rows as a failure can.
        store::insert_failure(self.db, index).await?;
        Ok(index)
    }

    async fn expect_open(&mut self, reserve: EntryIndex) -> Result<()> {
        if self.buffer.is_ended(reserve) || store::ending(self.db, reserve).await?.is_some() {
            return Err(Error::Refused("the reserve has ended already".to_owned()));
        }
        match self.body(reserve).await? {
            Some(Body::Reserve(_)) => Ok(()),
            _ => Err(Error::Refused("there is no such reserve".to_owned())),
        }
    }

    /// Records a question that was not admitted.
    pub(crate) fn refuse(
        &mut self,
        principal: &str,
        purpose: &str,
        rule: &str,
        question: &Opening,
    ) -> Result<EntryIndex> {
        let body = Refuse {
            principal: principal.to_owned(),
            purpose: purpose.to_owned(),
            rule: rule.to_owned(),
            question: question.commitment(),
        };
        let (index, _) = self.append(Body::Refuse(body))?;
        self.open_with(index, "question", question.clone());
        Ok(index)
    }

    pub(crate) fn has_appended(&self) -> bool {
        self.appended
    }

    /// What the purse still holds.
    pub(crate) fn remaining(&self) -> Loss {
        limits::left(self.caps.purse(), self.spent)
    }

    /// What had been spent when this began, and since.
    pub(crate) fn spent(&self) -> Loss {
        self.spent
    }

    /// The checkpoint of everything that stands in the log now.
    pub(crate) fn checkpoint(&self) -> Checkpoint {
        Checkpoint {
            origin: self.genesis.origin.clone(),
            size: self.frontier.size(),
            root: self.frontier.root(),
        }
    }

    /// Signs the checkpoint of everything appended and writes it beside the entries.
    pub(crate) async fn sign(&mut self) -> Result<Vec<u8>> {
        let checkpoint = self.checkpoint();
        let note = self
            .successor
            .as_ref()
            .unwrap_or(self.signer)
            .sign(&checkpoint);
        self.buffer.checkpoint = Some((checkpoint.size, note.clone()));
        self.flush().await?;
        Ok(note)
    }

    /// The newest checkpoint that was signed.
    pub(crate) async fn newest_note(&mut self) -> Result<Vec<u8>> {
        Ok(store::newest_checkpoint(self.db).await?.1)
    }
}
