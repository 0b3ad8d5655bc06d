//! One transaction of the log: everything a decision rests on is read, and everything it leads to is written, under one lock.

mod buffer;
mod enter;
mod parts;
mod reuse;

use buffer::Buffer;
pub(crate) use parts::{Draft, Released};
use parts::{Grounds, References};
pub(crate) use reuse::Former;

use std::collections::BTreeMap;
use std::sync::Arc;

use salus_accounting::Loss;
use salus_certificate::{Certificate, EntryIndex};

use crate::audit::{check_checkpoint, stated_balance};
use crate::commitment::Opening;
use crate::entry::{
    Abort, Anchor, Asker, Body, Catalog, Dataset, Entry, Genesis, Kind, LONGEST, Limit, Movement,
    Policy, Reason, Refuse, Release, Reserve, Snapshot,
};
use crate::error::{Error, ReserveError, Result, integrity};
use crate::key::Signer;
use crate::merkle::{Frontier, leaf_hash};
use crate::note::Checkpoint;
use crate::restricted;
use crate::store::{self, Session};
use crate::{Fact, limits, ration};

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

/// The cap of the last grant.
async fn granted(db: &mut dyn Session) -> Result<Option<Loss>> {
    let newest = store::newest(db, Kind::Grant).await?;
    Ok(match newest.map(|stored| stored.entry.body) {
        Some(Body::Grant(grant)) => Some(grant.new),
        _ => None,
    })
}

/// A log under the store's lock.
pub(crate) struct Transaction<'t> {
    db: &'t mut (dyn Session + 't),
    signer: &'t Signer,
    genesis: &'t Genesis,
    frontier: Frontier,
    /// In force: of the last grant, or the genesis.
    cap: Loss,
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
}

/// Where a transaction left the log: good for the next one as long as nobody else has written.
pub(crate) struct Left {
    frontier: Frontier,
    cap: Loss,
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
            cap: left.cap,
            spent: left.spent,
            time,
            unanswered,
            buffer: Buffer::default(),
            grounds: left.grounds,
            appended: false,
            successor: None,
            sealed: left.sealed,
            tick: left.tick,
        }
    }

    /// For the next transaction, once this one is committed.
    pub(crate) fn leave(self) -> Left {
        Left {
            frontier: self.frontier,
            cap: self.cap,
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
        let cap = granted(db).await?.unwrap_or(genesis.cap);
        let spent = match store::accounts(db).await?.as_slice() {
            [account] if account.scope == genesis.scope() && account.cap == cap => account.spent,
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
            cap,
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
            cap: genesis.cap,
            spent: genesis.opening(),
            time,
            unanswered: (None, 0),
            buffer: Buffer::default(),
            grounds: None,
            appended: false,
            successor: None,
            sealed: false,
            tick: None,
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

    /// A fact about datasets, catalogs, policies or snapshots.
    pub(crate) async fn record(&mut self, fact: Fact) -> Result<EntryIndex> {
        self.flush().await?;
        self.grounds = None;
        let mut opening = None;
        let body = match fact {
            Fact::Dataset { dataset, unit } => {
                if self.dataset(&dataset).await?.is_some() {
                    return Err(Error::Refused(
                        "the dataset is in the log already".to_owned(),
                    ));
                }
                Body::Dataset(Dataset {
                    dataset,
                    unit,
                    space: self.genesis.space.clone(),
                    tables: None,
                })
            }
            Fact::Part { part, of, tables } => self.part(part, &of, tables).await?,
            Fact::Catalog {
                dataset,
                version,
                sha256,
            } => {
                self.expect_dataset(&dataset).await?;
                Body::Catalog(Catalog {
                    dataset,
                    version,
                    sha256,
                })
            }
            Fact::Policy {
                version,
                sha256,
                query_rho,
                limits,
            } => {
                self.expect_policy(version, &limits).await?;
                Body::Policy(Policy {
                    version,
                    sha256,
                    query_rho,
                    limits,
                })
            }
            Fact::Snapshot {
                dataset,
                snapshot,
                content,
            } => {
                self.expect_dataset(&dataset).await?;
                let commitment = Opening::fresh(content)?;
                let body = Snapshot {
                    dataset,
                    snapshot,
                    commitment: commitment.commitment(),
                };
                opening = Some(commitment);
                Body::Snapshot(body)
            }
        };
        let (index, _) = self.append(body)?;
        if let Some(opening) = opening {
            self.open_with(index, "commitment", opening);
        }
        Ok(index)
    }

    /// A part of the dataset `of`, under a name that no whole dataset has.
    async fn part(&mut self, part: String, of: &str, mut tables: Vec<String>) -> Result<Body> {
        let refused = |what: &str| Err(Error::Refused(what.to_owned()));
        let whole = store::newest_of(self.db, Kind::Dataset, of).await?;
        let Some(Body::Dataset(whole)) = whole.map(|stored| stored.entry.body) else {
            return refused("the dataset is not in the log");
        };
        let known = store::newest_of(self.db, Kind::Dataset, &part).await?;
        if let Some(Body::Dataset(known)) = known.map(|stored| stored.entry.body)
            && known.tables.is_none()
        {
            return refused("a part has the name of a whole dataset");
        }
        tables.sort_unstable();
        tables.dedup();
        Ok(Body::Dataset(Dataset {
            dataset: part,
            tables: Some(tables),
            ..whole
        }))
    }

    async fn dataset(&mut self, name: &str) -> Result<Option<EntryIndex>> {
        let found = store::newest_of(self.db, Kind::Dataset, name).await?;
        Ok(found.map(|stored| stored.index))
    }

    async fn expect_dataset(&mut self, name: &str) -> Result<()> {
        match self.dataset(name).await? {
            Some(_) => Ok(()),
            None => Err(Error::Refused("the dataset is not in the log".to_owned())),
        }
    }

    /// Policies are numbered upwards, so that an older file cannot come back unseen.
    async fn expect_policy(&mut self, version: u64, limits: &[Limit]) -> Result<()> {
        Limit::check(limits).map_err(|what| Error::Refused(format!("F1: {what}")))?;
        match self.policy().await? {
            Some((
                _,
                Policy {
                    version: newest, ..
                },
            )) if version <= newest => Err(Error::Refused(format!(
                "the policy in force is version {newest}; the next one needs a higher number"
            ))),
            _ => Ok(()),
        }
    }

    async fn policy(&mut self) -> Result<Option<(EntryIndex, Policy)>> {
        let Some(stored) = store::newest(self.db, Kind::Policy).await? else {
            return Ok(None);
        };
        match stored.entry.body {
            Body::Policy(policy) => Ok(Some((stored.index, policy))),
            _ => Err(Error::Bug("a policy entry that is none")),
        }
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
        let cap = self.cap;
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
        let limited = limits::movements(self.db, &grounds.policy.limits, asker, draft.loss).await;
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

    /// What the certificate rests on, and how many questions have failed under its policy.
    async fn grounds(&mut self, certificate: &Certificate) -> Result<(Arc<Grounds>, usize)> {
        let wanted = References::of(certificate);
        if let Some((references, grounds, failures)) = &self.grounds
            && *references == wanted
        {
            return Ok((Arc::clone(grounds), *failures));
        }
        let grounds = Arc::new(self.check_references(certificate).await?);
        let failures = store::failures(self.db, grounds.policy_entry).await?.len();
        self.grounds = Some((wanted, Arc::clone(&grounds), failures));
        Ok((grounds, failures))
    }

    /// Rule F3: the certificate rests on entries of this log, and on the newest catalog and policy.
    async fn check_references(&mut self, certificate: &Certificate) -> Result<Grounds> {
        self.flush().await?;
        let refused = |what: &str| Error::Refused(format!("F3: {what}"));
        let Some(Body::Dataset(dataset)) = self.body(certificate.dataset).await? else {
            return Err(refused("the certificate's dataset is no dataset entry"));
        };
        if dataset.space != self.genesis.space || dataset.unit != certificate.unit {
            return Err(refused(
                "the certificate's unit is not the one of its dataset",
            ));
        }
        match self.body(certificate.snapshot).await? {
            Some(Body::Snapshot(snapshot)) if snapshot.dataset == dataset.dataset => {}
            _ => return Err(refused("the certificate's snapshot is none of its dataset")),
        }
        match self.body(certificate.catalog).await? {
            Some(Body::Catalog(catalog)) if catalog.dataset == dataset.dataset => {}
            _ => return Err(refused("the certificate's catalog is none of its dataset")),
        }
        let newest_catalog = store::newest_of(self.db, Kind::Catalog, &dataset.dataset).await?;
        let newest_catalog = newest_catalog.map(|stored| stored.index);
        let Some((newest_policy, policy)) = self.policy().await? else {
            return Err(refused("there is no policy"));
        };
        if newest_catalog != Some(certificate.catalog) || newest_policy != certificate.policy {
            return Err(Error::Stale);
        }
        Ok(Grounds {
            parts: self.parts().await?,
            dataset: dataset.dataset,
            policy,
            policy_entry: newest_policy,
        })
    }

    /// The tables of each part, as the newest entry of its name has them.
    async fn parts(&mut self) -> Result<BTreeMap<String, Vec<String>>> {
        let mut parts = BTreeMap::new();
        for stored in store::all_of(self.db, Kind::Dataset).await? {
            if let Body::Dataset(Dataset {
                dataset,
                tables: Some(tables),
                ..
            }) = stored.entry.body
            {
                parts.insert(dataset, tables);
            }
        }
        Ok(parts)
    }

    async fn body(&mut self, index: EntryIndex) -> Result<Option<Body>> {
        if let Some(bytes) = self.buffer.entry(index) {
            let entry = Entry::decode(bytes).map_err(|_| Error::Bug("an entry that is none"))?;
            return Ok(Some(entry.body));
        }
        Ok(store::entry(self.db, index)
            .await?
            .map(|stored| stored.entry.body))
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
        limits::left(self.cap, self.spent)
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
        self.flush().await?;
        let checkpoint = self.checkpoint();
        let note = self
            .successor
            .as_ref()
            .unwrap_or(self.signer)
            .sign(&checkpoint);
        store::insert_checkpoint(self.db, checkpoint.size, &note).await?;
        Ok(note)
    }

    /// The newest checkpoint that was signed.
    pub(crate) async fn newest_note(&mut self) -> Result<Vec<u8>> {
        Ok(store::newest_checkpoint(self.db).await?.1)
    }
}
