//! Rows of the store, read into types and checked on the way.

use std::ops::Range;

use futures::{StreamExt as _, TryStreamExt as _, stream::BoxStream};
use salus_accounting::{Delta, Loss, Rho};
use salus_certificate::{EntryIndex, Hash};

use super::engine::Given::{Bytes, Number, Text};
use super::engine::{self, Session};
use crate::commitment::Opening;
use crate::entry::{Entry, Kind};
use crate::error::{Error, Result, integrity};
use crate::merkle::{Frontier, Node, fold, leaf_hash, peaks};

/// An entry as the log holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredEntry {
    /// Its position.
    pub index: EntryIndex,
    /// Its canonical bytes.
    pub bytes: Vec<u8>,
    /// What they say.
    pub entry: Entry,
}

/// A row of `entries` beside its leaf hash.
pub(crate) type EntryRow = (i64, String, Vec<u8>, Option<Vec<u8>>);

/// A row of `accounts`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AccountRow {
    pub(crate) scope: String,
    pub(crate) cap: Loss,
    pub(crate) spent: Loss,
}

/// Integers of the databases are signed; no index or loss reaches that far.
pub(crate) fn signed(number: u64) -> Result<i64> {
    i64::try_from(number)
        .map_err(|_| Error::Refused("a number does not fit the store (2^63)".to_owned()))
}

pub(super) fn unsigned(number: i64) -> Result<u64> {
    u64::try_from(number).map_err(|_| integrity("a number in the store is negative"))
}

fn loss(rho: i64, delta: Vec<u8>) -> Result<Loss> {
    let delta = <[u8; 16]>::try_from(delta)
        .ok()
        .and_then(|bytes| Delta::from_be_bytes(bytes).ok());
    Ok(Loss {
        rho: Rho::from_units(unsigned(rho)?),
        delta: delta.ok_or_else(|| integrity("an account holds a delta that is none"))?,
    })
}

pub(super) fn hash(bytes: Vec<u8>) -> Result<Hash> {
    Hash::try_from(bytes).map_err(|_| integrity("a hash in the store is not 32 bytes"))
}

/// Number of entries.
pub(crate) async fn size(db: &mut dyn Session) -> Result<u64> {
    let row: Option<(i64,)> = engine::optional(db, include_str!("size.sql"), &[]).await?;
    let (size,) = row.ok_or(Error::Bug("a number of entries that is none"))?;
    unsigned(size)
}

/// A checkpoint with what witnesses added.
type CheckpointRow = (i64, Vec<u8>, Option<String>);

fn checkpoint((size, mut note, lines): CheckpointRow) -> Result<(u64, Vec<u8>)> {
    note.extend_from_slice(lines.unwrap_or_default().as_bytes());
    Ok((unsigned(size)?, note))
}

/// Size and signed note of the newest checkpoint.
pub(crate) async fn newest_checkpoint(db: &mut dyn Session) -> Result<(u64, Vec<u8>)> {
    let row = engine::optional(db, include_str!("newest_checkpoint.sql"), &[]).await?;
    checkpoint(row.ok_or_else(|| integrity("there is no checkpoint"))?)
}

/// All checkpoints and the sizes they are filed under, ascending.
pub(crate) async fn checkpoints(db: &mut dyn Session) -> Result<Vec<(u64, Vec<u8>)>> {
    let rows = engine::all(db, include_str!("checkpoints.sql"), &[]).await?;
    rows.into_iter().map(checkpoint).collect()
}

/// The right edge of a tree of `size` leaves.
pub(crate) async fn frontier(db: &mut dyn Session, size: u64) -> Result<Frontier> {
    let mut hashes = Vec::new();
    for peak in peaks(size) {
        hashes.push(node(db, peak).await?);
    }
    Ok(Frontier::new(size, hashes))
}

async fn node(db: &mut dyn Session, node: Node) -> Result<Hash> {
    let given = [Number(node.level.into()), Number(signed(node.position)?)];
    let row = engine::optional(db, include_str!("node.sql"), &given).await?;
    let (bytes,) = row.ok_or_else(|| integrity("a node of the tree is missing"))?;
    hash(bytes)
}

/// The hash of perfect subtrees that stand side by side.
pub(crate) async fn fold_nodes(db: &mut dyn Session, nodes: &[Node]) -> Result<Hash> {
    let mut hashes = Vec::with_capacity(nodes.len());
    for address in nodes {
        hashes.push(node(db, *address).await?);
    }
    Ok(fold(&hashes))
}

/// Every node, by level and position.
pub(crate) async fn nodes(db: &mut dyn Session) -> Result<Vec<(Node, Hash)>> {
    let rows: Vec<(i64, i64, Vec<u8>)> = engine::all(db, include_str!("nodes.sql"), &[]).await?;
    rows.into_iter()
        .map(|(level, position, bytes)| {
            let level =
                u32::try_from(level).map_err(|_| integrity("a node has an impossible level"))?;
            let position = unsigned(position)?;
            Ok((Node { level, position }, hash(bytes)?))
        })
        .collect()
}

/// All entries' bytes as they stand, unchecked.
pub(crate) async fn raw_bytes(db: &mut dyn Session) -> Result<Vec<Vec<u8>>> {
    let rows: Vec<(Vec<u8>,)> = engine::all(db, include_str!("bytes.sql"), &[]).await?;
    Ok(rows.into_iter().map(|(bytes,)| bytes).collect())
}

/// All leaf hashes as they stand.
pub(crate) async fn leaves(db: &mut dyn Session) -> Result<Vec<Hash>> {
    let rows: Vec<(Vec<u8>,)> = engine::all(db, include_str!("leaves.sql"), &[]).await?;
    rows.into_iter().map(|(bytes,)| hash(bytes)).collect()
}

/// All entry rows in order, one by one.
pub(crate) fn entry_rows(db: &mut dyn Session) -> BoxStream<'_, Result<EntryRow>> {
    engine::stream(db, include_str!("entries.sql"), &[])
}

/// The entry at `index`.
pub(crate) async fn entry(db: &mut dyn Session, index: EntryIndex) -> Result<Option<StoredEntry>> {
    let given = [Number(signed(index.0)?)];
    let row = engine::optional(db, include_str!("entry.sql"), &given).await?;
    row.map(stored).transpose()
}

/// The entries of a range that there are, in order.
pub(crate) async fn entries_between(
    db: &mut dyn Session,
    range: Range<u64>,
) -> Result<Vec<StoredEntry>> {
    // No entry is beyond what the store can number.
    let number = |index| Number(i64::try_from(index).unwrap_or(i64::MAX));
    let given = [number(range.start), number(range.end)];
    engine::stream(db, include_str!("entries_between.sql"), &given)
        .and_then(|row| std::future::ready(stored(row)))
        .try_collect()
        .await
}

/// The newest entry of `kind`.
pub(crate) async fn newest(db: &mut dyn Session, kind: Kind) -> Result<Option<StoredEntry>> {
    let given = [Text(kind.name())];
    let row = engine::optional(db, include_str!("newest_of_kind.sql"), &given).await?;
    row.map(stored).transpose()
}

/// All entries of `kind`, oldest first.
pub(crate) async fn all_of(db: &mut dyn Session, kind: Kind) -> Result<Vec<StoredEntry>> {
    let given = [Text(kind.name())];
    let rows = engine::all(db, include_str!("entries_of_kind.sql"), &given).await?;
    rows.into_iter().rev().map(stored).collect()
}

/// The newest entry of `kind` that belongs to `dataset`.
pub(crate) async fn newest_of(
    db: &mut dyn Session,
    kind: Kind,
    dataset: &str,
) -> Result<Option<StoredEntry>> {
    let given = [Text(kind.name())];
    let mut rows = engine::stream(db, include_str!("entries_of_kind.sql"), &given);
    while let Some(row) = rows.next().await {
        let stored = stored(row?)?;
        if stored.entry.body.dataset() == Some(dataset) {
            return Ok(Some(stored));
        }
    }
    Ok(None)
}

/// The entry of a row; its bytes must have the leaf hash that stands in the tree and the kind that the row says.
pub(crate) fn stored((index, kind, bytes, leaf): EntryRow) -> Result<StoredEntry> {
    let index = EntryIndex(unsigned(index)?);
    if leaf.as_deref() != Some(leaf_hash(&bytes).as_slice()) {
        return Err(integrity(format!(
            "entry {index}: the bytes are not those of the tree's leaf"
        )));
    }
    let entry = Entry::decode(&bytes).map_err(|why| integrity(format!("entry {index}: {why}")))?;
    if entry.body.kind().name() != kind {
        return Err(integrity(format!(
            "entry {index}: filed under another kind"
        )));
    }
    Ok(StoredEntry {
        index,
        bytes,
        entry,
    })
}

/// All accounts.
pub(crate) async fn accounts(db: &mut dyn Session) -> Result<Vec<AccountRow>> {
    type Row = (String, i64, Vec<u8>, i64, Vec<u8>);
    let rows: Vec<Row> = engine::all(db, include_str!("accounts.sql"), &[]).await?;
    rows.into_iter()
        .map(|(scope, cap_rho, cap_delta, spent_rho, spent_delta)| {
            Ok(AccountRow {
                scope,
                cap: loss(cap_rho, cap_delta)?,
                spent: loss(spent_rho, spent_delta)?,
            })
        })
        .collect()
}

/// What the limit's account has let through.
pub(crate) async fn quota(db: &mut dyn Session, scope: &str) -> Result<Loss> {
    let row = engine::optional(db, include_str!("quota.sql"), &[Text(scope)]).await?;
    row.map_or(Ok(Loss::ZERO), |(rho, delta)| loss(rho, delta))
}

/// All accounts of limits, by scope.
pub(crate) async fn quotas(db: &mut dyn Session) -> Result<Vec<(String, Loss)>> {
    let rows: Vec<(String, i64, Vec<u8>)> =
        engine::all(db, include_str!("quotas.sql"), &[]).await?;
    rows.into_iter()
        .map(|(scope, rho, delta)| Ok((scope, loss(rho, delta)?)))
        .collect()
}

/// Moves the limit's account to `spent`; it opens with the first question.
pub(crate) async fn charge_quota(db: &mut dyn Session, scope: &str, spent: Loss) -> Result<()> {
    let delta = spent.delta.to_be_bytes();
    let given = [
        Text(scope),
        Number(signed(spent.rho.units())?),
        Bytes(&delta),
    ];
    for sql in [
        include_str!("charge_quota.sql"),
        include_str!("insert_quota.sql"),
    ] {
        if engine::run(db, sql, &given).await? == 1 {
            return Ok(());
        }
    }
    Err(integrity("the account of a limit cannot be written"))
}

/// Aborts of questions that failed, after the entry `after`.
pub(crate) async fn failures(db: &mut dyn Session, after: EntryIndex) -> Result<Vec<u64>> {
    let given = [Number(signed(after.0)?)];
    let rows: Vec<(i64,)> = engine::all(db, include_str!("failures.sql"), &given).await?;
    rows.into_iter().map(|(entry,)| unsigned(entry)).collect()
}

pub(crate) async fn insert_failure(db: &mut dyn Session, entry: EntryIndex) -> Result<()> {
    let given = [Number(signed(entry.0)?)];
    engine::run(db, include_str!("insert_failure.sql"), &given)
        .await
        .map(drop)
}

/// The entry that ended `reserve`.
pub(crate) async fn ending(db: &mut dyn Session, reserve: EntryIndex) -> Result<Option<u64>> {
    let given = [Number(signed(reserve.0)?)];
    let row = engine::optional(db, include_str!("ending.sql"), &given).await?;
    row.map(|(entry,)| unsigned(entry)).transpose()
}

/// All endings, as (reserve, ending).
pub(crate) async fn endings(db: &mut dyn Session) -> Result<Vec<(u64, u64)>> {
    let rows: Vec<(i64, i64)> = engine::all(db, include_str!("endings.sql"), &[]).await?;
    rows.into_iter()
        .map(|(reserve, entry)| Ok((unsigned(reserve)?, unsigned(entry)?)))
        .collect()
}

/// What opens the commitment `name` of `entry`, unless it was erased.
pub(crate) async fn opening(
    db: &mut dyn Session,
    entry: EntryIndex,
    name: &str,
) -> Result<Option<Opening>> {
    let given = [Number(signed(entry.0)?), Text(name)];
    let row = engine::optional(db, include_str!("opening.sql"), &given).await?;
    row.map(|(salt, content)| {
        Ok(Opening {
            salt: hash(salt)?,
            content,
        })
    })
    .transpose()
}

/// Adds what witnesses signed to the checkpoint of `size`, unless that is there.
pub(crate) async fn insert_cosignatures(
    db: &mut dyn Session,
    size: u64,
    lines: &str,
) -> Result<()> {
    let given = [Number(signed(size)?), Text(lines)];
    engine::run(db, include_str!("insert_cosignatures.sql"), &given)
        .await
        .map(drop)
}

pub(crate) async fn insert_account(db: &mut dyn Session, account: &AccountRow) -> Result<()> {
    let (cap, spent) = (&account.cap, &account.spent);
    let given = [
        Text(&account.scope),
        Number(signed(cap.rho.units())?),
        Bytes(&cap.delta.to_be_bytes()),
        Number(signed(spent.rho.units())?),
        Bytes(&spent.delta.to_be_bytes()),
        Number(i64::from(!spent.fits_within(cap))),
    ];
    engine::run(db, include_str!("insert_account.sql"), &given)
        .await
        .map(drop)
}

/// Moves the account to `spent`, within its cap.
pub(crate) async fn spend(db: &mut dyn Session, scope: &str, spent: Loss) -> Result<()> {
    move_account(db, include_str!("spend.sql"), scope, spent).await
}

/// Moves the account to `spent`, wherever its cap is: the answer has left.
pub(crate) async fn incident(db: &mut dyn Session, scope: &str, spent: Loss) -> Result<()> {
    move_account(db, include_str!("incident.sql"), scope, spent).await
}

/// Raises the account's cap.
pub(crate) async fn grant(db: &mut dyn Session, scope: &str, cap: Loss) -> Result<()> {
    move_account(db, include_str!("grant.sql"), scope, cap).await
}

async fn move_account(
    db: &mut dyn Session,
    sql: &'static str,
    scope: &str,
    to: Loss,
) -> Result<()> {
    let given = [
        Text(scope),
        Number(signed(to.rho.units())?),
        Bytes(&to.delta.to_be_bytes()),
    ];
    if engine::run(db, sql, &given).await? == 1 {
        return Ok(());
    }
    Err(integrity(
        "the account of the identity space is missing, or would pass its cap",
    ))
}

/// The reserve of a request that came under this key.
pub(crate) async fn retry(db: &mut dyn Session, key: &Hash) -> Result<Option<EntryIndex>> {
    let row = engine::optional(db, include_str!("retry.sql"), &[Bytes(key)]).await?;
    row.map(|(reserve,)| unsigned(reserve).map(EntryIndex))
        .transpose()
}

pub(crate) async fn insert_retry(
    db: &mut dyn Session,
    key: &Hash,
    reserve: EntryIndex,
) -> Result<()> {
    let given = [Bytes(key), Number(signed(reserve.0)?)];
    engine::run(db, include_str!("insert_retry.sql"), &given)
        .await
        .map(drop)
}

/// Reserves for the same plan that ended in a release, with that release, newest first.
pub(crate) async fn same_plan(
    db: &mut dyn Session,
    fingerprint: &Hash,
) -> Result<Vec<(EntryIndex, EntryIndex)>> {
    let rows: Vec<(i64, i64)> =
        engine::all(db, include_str!("same_plan.sql"), &[Bytes(fingerprint)]).await?;
    rows.into_iter()
        .map(|(reserve, release)| {
            Ok((
                EntryIndex(unsigned(reserve)?),
                EntryIndex(unsigned(release)?),
            ))
        })
        .collect()
}

/// All entries in order.
pub(crate) async fn stored_entries(db: &mut dyn Session) -> Result<Vec<StoredEntry>> {
    entry_rows(db)
        .and_then(|row| std::future::ready(stored(row)))
        .try_collect()
        .await
}
