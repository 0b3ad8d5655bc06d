//! The store checked against the log: what is proven by the tree must be what the tables say.

use std::collections::{BTreeMap, BTreeSet};

use futures::TryStreamExt as _;
use salus_accounting::Loss;
use salus_certificate::EntryIndex;

use crate::authority::Authority;
use crate::cosign;
use crate::entry::{Body, Carried, Genesis, Movement, Seal, Totals};
use crate::error::{Result, integrity};
use crate::merkle::{Frontier, Node, leaf_hash};
use crate::note::{Checkpoint, Verifier};
use crate::restricted::{self, Ticks};
use crate::store::{self, AccountRow, Connection, Session, StoredEntry};
use crate::succession::check_opening;

/// How much of the store is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Depth {
    /// Every entry, the balances, the endings, the newest checkpoint and the tree's right edge.
    Opening,
    /// Also every node, every checkpoint and the database's own structure.
    Whole,
}

/// What an audit learns for those who go on from it.
pub(crate) struct Audited {
    pub(crate) genesis: Genesis,
    /// The policy in force and the number of reserves after it that nothing ended.
    pub(crate) unanswered: (Option<EntryIndex>, usize),
}

/// Reads the log from its first entry and compares the store with it, at one moment of the database.
///
/// # Errors
///
/// [`crate::Error::Integrity`] with the first contradiction, or if `verifier` is not the key of this log.
pub(crate) async fn audit(
    db: &mut Connection,
    verifier: &Verifier,
    depth: Depth,
) -> Result<Audited> {
    let mut moment = db.moment().await?;
    let (genesis, fold) = read_log(&mut moment).await?;
    if fold.authority.key() != Some(verifier.public()) || genesis.origin != verifier.name() {
        return Err(integrity(
            "the log is of another origin or key than the signing key",
        ));
    }
    let root = fold.frontier.root();
    check_checkpoint(&mut moment, verifier, fold.frontier.size(), root).await?;
    if store::frontier(&mut moment, fold.frontier.size()).await? != fold.frontier {
        return Err(integrity(
            "the nodes of the tree are not those of its leaves",
        ));
    }
    let account = AccountRow {
        scope: genesis.scope(),
        cap: fold.authority.cap(),
        spent: fold.spent,
    };
    if store::accounts(&mut moment).await? != [account] {
        return Err(integrity("the balances are not those of the entries"));
    }
    if !store::quotas(&mut moment)
        .await?
        .into_iter()
        .eq(fold.quotas)
    {
        return Err(integrity(
            "the accounts of limits are not those of the entries",
        ));
    }
    if store::failures(&mut moment, EntryIndex(0)).await? != fold.failures {
        return Err(integrity("the failures are not those of the entries"));
    }
    if !store::endings(&mut moment)
        .await?
        .into_iter()
        .eq(fold.endings)
    {
        return Err(integrity(
            "the endings of reserves are not those of the entries",
        ));
    }
    let first = restricted::First {
        genesis: &genesis,
        keys: &fold.authority.keys(),
        anchors: &fold.anchors,
    };
    restricted::audit(&mut moment, &first, depth == Depth::Whole).await?;
    if depth == Depth::Whole {
        check_nodes(&mut moment).await?;
        check_history(&mut moment, verifier.name(), &fold.authority).await?;
        store::check_structure(&mut moment).await?;
    }
    moment.end().await?;
    Ok(Audited {
        genesis,
        unanswered: (fold.policy, fold.unanswered.len()),
    })
}

/// Checks the newest checkpoint of the store: signed, of this size, of this root.
pub(crate) async fn check_checkpoint(
    db: &mut dyn Session,
    verifier: &Verifier,
    size: u64,
    root: salus_certificate::Hash,
) -> Result<()> {
    let (filed, note) = store::newest_checkpoint(db).await?;
    // What others added to it is theirs to answer for.
    let note =
        cosign::own(&note).map_err(|why| integrity(format!("the newest checkpoint: {why}")))?;
    let checkpoint = Checkpoint::open(&note, verifier)
        .map_err(|why| integrity(format!("the newest checkpoint: {why}")))?;
    if checkpoint.size != filed || checkpoint.size != size {
        return Err(integrity(format!(
            "the newest checkpoint signs {} entries and the store holds {size}",
            checkpoint.size
        )));
    }
    if checkpoint.root != root {
        return Err(integrity(
            "the root of the entries is not the one that the newest checkpoint signs",
        ));
    }
    Ok(())
}

/// What the entries add up to.
#[derive(Default)]
pub(crate) struct Fold {
    pub(crate) frontier: Frontier,
    pub(crate) authority: Authority,
    pub(crate) spent: Loss,
    pub(crate) quotas: BTreeMap<String, Loss>,
    pub(crate) sealed: Option<Seal>,
    /// Where the restricted log is anchored, and what is committed to there.
    anchors: Vec<(u64, salus_certificate::Hash)>,
    ticks: Ticks,
    endings: BTreeMap<u64, u64>,
    failures: Vec<u64>,
    policy: Option<EntryIndex>,
    /// Reserves after the newest policy that nothing ended.
    unanswered: BTreeSet<u64>,
}

async fn read_log(db: &mut dyn Session) -> Result<(Genesis, Fold)> {
    let mut genesis = None;
    let mut fold = Fold::default();
    let mut rows = std::pin::pin!(store::entry_rows(db));
    while let Some(row) = rows.try_next().await? {
        let StoredEntry {
            index: at,
            bytes,
            entry,
        } = store::stored(row)?;
        if at.0 != fold.frontier.size() {
            return Err(integrity(format!(
                "entry {} is missing",
                fold.frontier.size()
            )));
        }
        match (genesis.as_ref(), entry.body) {
            (None, Body::Genesis(first)) => {
                fold.open(&first)?;
                genesis = Some(first);
            }
            (None, _) | (Some(_), Body::Genesis(_)) => {
                return Err(integrity(format!(
                    "entry {at}: the genesis is entry 0 and no other"
                )));
            }
            (Some(genesis), body) => fold.body(at, entry.time, body, genesis)?,
        }
        fold.frontier.append(leaf_hash(&bytes));
    }
    Ok((
        genesis.ok_or_else(|| integrity("there is no genesis"))?,
        fold,
    ))
}

impl Fold {
    /// What a genesis opens with.
    pub(crate) fn open(&mut self, genesis: &Genesis) -> Result<()> {
        self.authority = Authority::of(genesis);
        self.spent = genesis.opening();
        let limits = genesis.predecessor.iter().flat_map(|before| &before.limits);
        self.quotas = limits
            .map(|limit| (limit.scope.clone(), limit.spent))
            .collect();
        check_opening(genesis).map_err(|why| integrity(format!("entry 0: {why}")))
    }

    /// The largest totals, as a seal at `time` states them.
    pub(crate) fn totals(&self, time: u64) -> Totals {
        let counts = |(scope, _): &(&String, &Loss)| Carried::counts(scope, time);
        let carried = |(scope, spent): (&String, &Loss)| Carried {
            scope: scope.clone(),
            spent: *spent,
        };
        Totals {
            cap: self.authority.cap(),
            spent: self.spent,
            limits: self.quotas.iter().filter(counts).map(carried).collect(),
        }
    }

    pub(crate) fn body(
        &mut self,
        at: EntryIndex,
        time: u64,
        body: Body,
        genesis: &Genesis,
    ) -> Result<()> {
        self.authority
            .check(&body, genesis, time)
            .map_err(|why| integrity(format!("entry {at}: {why}")))?;
        self.authority.accept(at.0, &body);
        self.ticks
            .check(genesis.restricted, at.0, time, &body)
            .map_err(|why| integrity(format!("entry {at}: {why}")))?;
        match body {
            Body::Anchor(anchor) => self.anchors.push((at.0, anchor.checkpoint)),
            Body::Policy(_) => {
                self.policy = Some(at);
                self.unanswered.clear();
            }
            Body::Reserve(reserve) => {
                self.unanswered.insert(at.0);
                let purse = reserve.accounts.first();
                let after = purse.and_then(|purse| self.purse(purse, reserve.loss, genesis));
                self.spent = after
                    .filter(|after| after.fits_within(&self.authority.cap()))
                    .ok_or_else(|| does_not_add_up(at))?;
                self.limits(at, reserve.accounts.get(1..).unwrap_or_default())?;
            }
            Body::Incident(incident) => {
                let after = self.purse(&incident.account, incident.loss, genesis);
                self.spent = after.ok_or_else(|| does_not_add_up(at))?;
            }
            Body::Reuse(reuse) => self.limits(at, &reuse.accounts)?,
            Body::Seal(seal) => {
                if seal.totals != Some(self.totals(time)) {
                    return Err(integrity(format!(
                        "entry {at}: the totals are not those of the log"
                    )));
                }
                self.sealed = Some(*seal);
            }
            Body::Release(release) => self.ending(at, release.reserve)?,
            Body::Abort(abort) => {
                self.failures.push(at.0);
                self.ending(at, abort.reserve)?;
            }
            _ => {}
        }
        Ok(())
    }

    /// The balance of the purse after `movement`, if it goes on from where it was and adds up.
    fn purse(&self, movement: &Movement, loss: Loss, genesis: &Genesis) -> Option<Loss> {
        let after = self.spent.checked_add(loss)?;
        let holds = movement.scope == genesis.scope()
            && movement.cap == self.authority.cap()
            && movement.before == self.spent
            && movement.after == after;
        holds.then_some(after)
    }

    /// Which limits count, and for how much, is a verifier's to say (rule B3); here that each goes on from where it was.
    fn limits(&mut self, at: EntryIndex, movements: &[Movement]) -> Result<()> {
        for movement in movements {
            let before = self.quotas.get(&movement.scope).copied();
            if movement.before != before.unwrap_or(Loss::ZERO)
                || !movement.before.fits_within(&movement.after)
            {
                return Err(integrity(format!(
                    "entry {at}: the account {:?} before and after does not add up",
                    movement.scope
                )));
            }
            self.quotas.insert(movement.scope.clone(), movement.after);
        }
        Ok(())
    }

    fn ending(&mut self, at: EntryIndex, reserve: EntryIndex) -> Result<()> {
        self.unanswered.remove(&reserve.0);
        match self.endings.insert(reserve.0, at.0) {
            None => Ok(()),
            Some(_) => Err(integrity(format!(
                "entry {at}: reserve {reserve} ends a second time"
            ))),
        }
    }
}

fn does_not_add_up(at: EntryIndex) -> crate::Error {
    integrity(format!(
        "entry {at}: the purse before and after does not add up"
    ))
}

/// The balance that the newest reserve or incident states, or before the first the genesis: which the account row must equal.
pub(crate) fn stated_balance(
    genesis: &Genesis,
    reserve: Option<StoredEntry>,
    incident: Option<StoredEntry>,
) -> Loss {
    let newest = [reserve, incident]
        .into_iter()
        .flatten()
        .max_by_key(|stored| stored.index);
    match newest.map(|stored| stored.entry.body) {
        Some(Body::Reserve(reserve)) => reserve
            .accounts
            .first()
            .map_or(Loss::ZERO, |movement| movement.after),
        Some(Body::Incident(incident)) => incident.account.after,
        _ => genesis.opening(),
    }
}

async fn check_nodes(db: &mut dyn Session) -> Result<()> {
    let mut frontier = Frontier::default();
    let mut expected: BTreeMap<Node, _> = BTreeMap::new();
    for leaf in store::leaves(db).await? {
        expected.extend(frontier.append(leaf));
    }
    if store::nodes(db).await?.into_iter().eq(expected) {
        Ok(())
    } else {
        Err(integrity(
            "the nodes of the tree are not those of its leaves",
        ))
    }
}

/// Every checkpoint that was signed must be of a prefix of this log.
async fn check_history(db: &mut dyn Session, origin: &str, authority: &Authority) -> Result<()> {
    let mut frontier = Frontier::default();
    let mut leaves = store::leaves(db).await?.into_iter();
    for (filed, note) in store::checkpoints(db).await? {
        let verifier = authority
            .key_at(filed)
            .and_then(|key| Verifier::new(origin, &key).ok())
            .ok_or_else(|| integrity("an earlier checkpoint: no key is in force there"))?;
        let checkpoint = Checkpoint::open(&note, &verifier)
            .map_err(|why| integrity(format!("an earlier checkpoint: {why}")))?;
        while frontier.size() < checkpoint.size {
            let leaf = leaves
                .next()
                .ok_or_else(|| integrity("a checkpoint signs more entries than there are"))?;
            frontier.append(leaf);
        }
        if checkpoint.size != filed
            || frontier.size() != filed
            || frontier.root() != checkpoint.root
        {
            return Err(integrity(format!(
                "the checkpoint of size {filed} is of another log"
            )));
        }
    }
    Ok(())
}
