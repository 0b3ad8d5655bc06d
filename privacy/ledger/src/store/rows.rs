//! Rows of the store, read into types and checked on the way.

use futures::{Stream, StreamExt as _, TryStreamExt as _};
use salus_accounting::{Delta, Loss, Rho};
use salus_certificate::{EntryIndex, Hash};
use sqlx::sqlite::SqliteConnection;

use super::failed;
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

/// Integers of SQLite are signed; no index or loss reaches that far.
pub(crate) fn signed(number: u64) -> Result<i64> {
    i64::try_from(number)
        .map_err(|_| Error::Refused("a number does not fit the store (2^63)".to_owned()))
}

fn unsigned(number: i64) -> Result<u64> {
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

fn hash(bytes: Vec<u8>) -> Result<Hash> {
    Hash::try_from(bytes).map_err(|_| integrity("a hash in the store is not 32 bytes"))
}

/// A number that changes with every commit of another connection, and with none of this one.
pub(crate) async fn data_version(db: &mut SqliteConnection) -> Result<i64> {
    sqlx::query_scalar("PRAGMA data_version;")
        .fetch_one(db)
        .await
        .map_err(failed)
}

/// Number of entries.
pub(crate) async fn size(db: &mut SqliteConnection) -> Result<u64> {
    let size: i64 = sqlx::query_scalar(include_str!("size.sql"))
        .fetch_one(db)
        .await
        .map_err(failed)?;
    unsigned(size)
}

/// Size and signed note of the newest checkpoint.
pub(crate) async fn newest_checkpoint(db: &mut SqliteConnection) -> Result<(u64, Vec<u8>)> {
    let row: Option<(i64, Vec<u8>)> = sqlx::query_as(include_str!("newest_checkpoint.sql"))
        .fetch_optional(db)
        .await
        .map_err(failed)?;
    let (size, note) = row.ok_or_else(|| integrity("there is no checkpoint"))?;
    Ok((unsigned(size)?, note))
}

/// All checkpoints and the sizes they are filed under, ascending.
pub(crate) async fn checkpoints(db: &mut SqliteConnection) -> Result<Vec<(u64, Vec<u8>)>> {
    let rows: Vec<(i64, Vec<u8>)> = sqlx::query_as(include_str!("checkpoints.sql"))
        .fetch_all(db)
        .await
        .map_err(failed)?;
    rows.into_iter()
        .map(|(size, note)| Ok((unsigned(size)?, note)))
        .collect()
}

/// The right edge of a tree of `size` leaves.
pub(crate) async fn frontier(db: &mut SqliteConnection, size: u64) -> Result<Frontier> {
    let mut hashes = Vec::new();
    for peak in peaks(size) {
        hashes.push(node(db, peak).await?);
    }
    Ok(Frontier::new(size, hashes))
}

async fn node(db: &mut SqliteConnection, node: Node) -> Result<Hash> {
    let row: Option<Vec<u8>> = sqlx::query_scalar(include_str!("node.sql"))
        .bind(i64::from(node.level))
        .bind(signed(node.position)?)
        .fetch_optional(db)
        .await
        .map_err(failed)?;
    hash(row.ok_or_else(|| integrity("a node of the tree is missing"))?)
}

/// The hash of perfect subtrees that stand side by side.
pub(crate) async fn fold_nodes(db: &mut SqliteConnection, nodes: &[Node]) -> Result<Hash> {
    let mut hashes = Vec::with_capacity(nodes.len());
    for address in nodes {
        hashes.push(node(db, *address).await?);
    }
    Ok(fold(&hashes))
}

/// Every node, by level and position.
pub(crate) async fn nodes(db: &mut SqliteConnection) -> Result<Vec<(Node, Hash)>> {
    let rows: Vec<(i64, i64, Vec<u8>)> = sqlx::query_as(include_str!("nodes.sql"))
        .fetch_all(db)
        .await
        .map_err(failed)?;
    rows.into_iter()
        .map(|(level, position, bytes)| {
            let level =
                u32::try_from(level).map_err(|_| integrity("a node has an impossible level"))?;
            Ok((
                Node {
                    level,
                    position: unsigned(position)?,
                },
                hash(bytes)?,
            ))
        })
        .collect()
}

/// All entries' bytes as they stand, unchecked.
pub(crate) async fn raw_bytes(db: &mut SqliteConnection) -> Result<Vec<Vec<u8>>> {
    sqlx::query_scalar(include_str!("bytes.sql"))
        .fetch_all(db)
        .await
        .map_err(failed)
}

/// All leaf hashes as they stand.
pub(crate) async fn leaves(db: &mut SqliteConnection) -> Result<Vec<Hash>> {
    let rows: Vec<Vec<u8>> = sqlx::query_scalar(include_str!("leaves.sql"))
        .fetch_all(db)
        .await
        .map_err(failed)?;
    rows.into_iter().map(hash).collect()
}

/// All entry rows in order, one by one.
pub(crate) fn entry_rows(
    db: &mut SqliteConnection,
) -> impl Stream<Item = Result<EntryRow>> + Send + '_ {
    sqlx::query_as(include_str!("entries.sql"))
        .fetch(db)
        .map_err(failed)
}

/// The entry at `index`.
pub(crate) async fn entry(
    db: &mut SqliteConnection,
    index: EntryIndex,
) -> Result<Option<StoredEntry>> {
    let row: Option<EntryRow> = sqlx::query_as(include_str!("entry.sql"))
        .bind(signed(index.0)?)
        .fetch_optional(db)
        .await
        .map_err(failed)?;
    row.map(stored).transpose()
}

/// The newest entry of `kind`.
pub(crate) async fn newest(db: &mut SqliteConnection, kind: Kind) -> Result<Option<StoredEntry>> {
    let row: Option<EntryRow> = sqlx::query_as(include_str!("newest_of_kind.sql"))
        .bind(kind.name())
        .fetch_optional(db)
        .await
        .map_err(failed)?;
    row.map(stored).transpose()
}

/// All entries of `kind`, oldest first.
pub(crate) async fn all_of(db: &mut SqliteConnection, kind: Kind) -> Result<Vec<StoredEntry>> {
    let rows: Vec<EntryRow> = sqlx::query_as(include_str!("entries_of_kind.sql"))
        .bind(kind.name())
        .fetch_all(db)
        .await
        .map_err(failed)?;
    rows.into_iter().rev().map(stored).collect()
}

/// The newest entry of `kind` that belongs to `dataset`.
pub(crate) async fn newest_of(
    db: &mut SqliteConnection,
    kind: Kind,
    dataset: &str,
) -> Result<Option<StoredEntry>> {
    let mut rows = sqlx::query_as(include_str!("entries_of_kind.sql"))
        .bind(kind.name())
        .fetch(db);
    while let Some(row) = rows.next().await {
        let stored = stored(row.map_err(failed)?)?;
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
pub(crate) async fn accounts(db: &mut SqliteConnection) -> Result<Vec<AccountRow>> {
    type Row = (String, i64, Vec<u8>, i64, Vec<u8>);
    let rows: Vec<Row> = sqlx::query_as(include_str!("accounts.sql"))
        .fetch_all(db)
        .await
        .map_err(failed)?;
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
pub(crate) async fn quota(db: &mut SqliteConnection, scope: &str) -> Result<Loss> {
    let row: Option<(i64, Vec<u8>)> = sqlx::query_as(include_str!("quota.sql"))
        .bind(scope)
        .fetch_optional(db)
        .await
        .map_err(failed)?;
    row.map_or(Ok(Loss::ZERO), |(rho, delta)| loss(rho, delta))
}

/// All accounts of limits, by scope.
pub(crate) async fn quotas(db: &mut SqliteConnection) -> Result<Vec<(String, Loss)>> {
    let rows: Vec<(String, i64, Vec<u8>)> = sqlx::query_as(include_str!("quotas.sql"))
        .fetch_all(db)
        .await
        .map_err(failed)?;
    rows.into_iter()
        .map(|(scope, rho, delta)| Ok((scope, loss(rho, delta)?)))
        .collect()
}

/// Moves the limit's account to `spent`; it opens with the first question.
pub(crate) async fn charge_quota(
    db: &mut SqliteConnection,
    scope: &str,
    spent: Loss,
) -> Result<()> {
    for sql in [
        include_str!("charge_quota.sql"),
        include_str!("insert_quota.sql"),
    ] {
        let moved = sqlx::query(sql)
            .bind(scope)
            .bind(signed(spent.rho.units())?)
            .bind(spent.delta.to_be_bytes().as_slice())
            .execute(&mut *db)
            .await
            .map_err(failed)?;
        if moved.rows_affected() == 1 {
            return Ok(());
        }
    }
    Err(integrity("the account of a limit cannot be written"))
}

/// Aborts of questions that failed, after the entry `after`.
pub(crate) async fn failures(db: &mut SqliteConnection, after: EntryIndex) -> Result<Vec<u64>> {
    let rows: Vec<i64> = sqlx::query_scalar(include_str!("failures.sql"))
        .bind(signed(after.0)?)
        .fetch_all(db)
        .await
        .map_err(failed)?;
    rows.into_iter().map(unsigned).collect()
}

pub(crate) async fn insert_failure(db: &mut SqliteConnection, entry: EntryIndex) -> Result<()> {
    sqlx::query(include_str!("insert_failure.sql"))
        .bind(signed(entry.0)?)
        .execute(db)
        .await
        .map_err(failed)?;
    Ok(())
}

/// The entry that ended `reserve`.
pub(crate) async fn ending(db: &mut SqliteConnection, reserve: EntryIndex) -> Result<Option<u64>> {
    let entry: Option<i64> = sqlx::query_scalar(include_str!("ending.sql"))
        .bind(signed(reserve.0)?)
        .fetch_optional(db)
        .await
        .map_err(failed)?;
    entry.map(unsigned).transpose()
}

/// All endings, as (reserve, ending).
pub(crate) async fn endings(db: &mut SqliteConnection) -> Result<Vec<(u64, u64)>> {
    let rows: Vec<(i64, i64)> = sqlx::query_as(include_str!("endings.sql"))
        .fetch_all(db)
        .await
        .map_err(failed)?;
    rows.into_iter()
        .map(|(reserve, entry)| Ok((unsigned(reserve)?, unsigned(entry)?)))
        .collect()
}

/// What opens the commitment `name` of `entry`, unless it was erased.
pub(crate) async fn opening(
    db: &mut SqliteConnection,
    entry: EntryIndex,
    name: &str,
) -> Result<Option<Opening>> {
    let row: Option<(Vec<u8>, Vec<u8>)> = sqlx::query_as(include_str!("opening.sql"))
        .bind(signed(entry.0)?)
        .bind(name)
        .fetch_optional(db)
        .await
        .map_err(failed)?;
    row.map(|(salt, content)| {
        Ok(Opening {
            salt: hash(salt)?,
            content,
        })
    })
    .transpose()
}

pub(crate) async fn insert_checkpoint(
    db: &mut SqliteConnection,
    size: u64,
    note: &[u8],
) -> Result<()> {
    sqlx::query(include_str!("insert_checkpoint.sql"))
        .bind(signed(size)?)
        .bind(note)
        .execute(db)
        .await
        .map_err(failed)?;
    Ok(())
}

/// Adds what witnesses signed to the checkpoint of `size`, unless that is there.
pub(crate) async fn insert_cosignatures(
    db: &mut SqliteConnection,
    size: u64,
    lines: &str,
) -> Result<()> {
    sqlx::query(include_str!("insert_cosignatures.sql"))
        .bind(signed(size)?)
        .bind(lines)
        .execute(db)
        .await
        .map_err(failed)?;
    Ok(())
}

pub(crate) async fn insert_account(db: &mut SqliteConnection, account: &AccountRow) -> Result<()> {
    sqlx::query(include_str!("insert_account.sql"))
        .bind(account.scope.as_str())
        .bind(signed(account.cap.rho.units())?)
        .bind(account.cap.delta.to_be_bytes().as_slice())
        .bind(signed(account.spent.rho.units())?)
        .bind(account.spent.delta.to_be_bytes().as_slice())
        .bind(!account.spent.fits_within(&account.cap))
        .execute(db)
        .await
        .map_err(failed)?;
    Ok(())
}

/// Moves the account to `spent`, within its cap.
pub(crate) async fn spend(db: &mut SqliteConnection, scope: &str, spent: Loss) -> Result<()> {
    move_account(db, include_str!("spend.sql"), scope, spent).await
}

/// Moves the account to `spent`, wherever its cap is: the answer has left.
pub(crate) async fn incident(db: &mut SqliteConnection, scope: &str, spent: Loss) -> Result<()> {
    move_account(db, include_str!("incident.sql"), scope, spent).await
}

/// Raises the account's cap.
pub(crate) async fn grant(db: &mut SqliteConnection, scope: &str, cap: Loss) -> Result<()> {
    move_account(db, include_str!("grant.sql"), scope, cap).await
}

async fn move_account(
    db: &mut SqliteConnection,
    sql: &'static str,
    scope: &str,
    to: Loss,
) -> Result<()> {
    let moved = sqlx::query(sql)
        .bind(scope)
        .bind(signed(to.rho.units())?)
        .bind(to.delta.to_be_bytes().as_slice())
        .execute(db)
        .await
        .map_err(failed)?;
    if moved.rows_affected() == 1 {
        Ok(())
    } else {
        Err(integrity(
            "the account of the identity space is missing, or would pass its cap",
        ))
    }
}

/// The reserve of a request that came under this key.
pub(crate) async fn retry(db: &mut SqliteConnection, key: &Hash) -> Result<Option<EntryIndex>> {
    let row: Option<i64> = sqlx::query_scalar(include_str!("retry.sql"))
        .bind(key.as_slice())
        .fetch_optional(db)
        .await
        .map_err(failed)?;
    row.map(|reserve| unsigned(reserve).map(EntryIndex))
        .transpose()
}

pub(crate) async fn insert_retry(
    db: &mut SqliteConnection,
    key: &Hash,
    reserve: EntryIndex,
) -> Result<()> {
    sqlx::query(include_str!("insert_retry.sql"))
        .bind(key.as_slice())
        .bind(signed(reserve.0)?)
        .execute(db)
        .await
        .map_err(failed)?;
    Ok(())
}

/// Reserves for the same plan that ended in a release, with that release, newest first.
pub(crate) async fn same_plan(
    db: &mut SqliteConnection,
    fingerprint: &Hash,
) -> Result<Vec<(EntryIndex, EntryIndex)>> {
    let rows: Vec<(i64, i64)> = sqlx::query_as(include_str!("same_plan.sql"))
        .bind(fingerprint.as_slice())
        .fetch_all(db)
        .await
        .map_err(failed)?;
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
pub(crate) async fn stored_entries(db: &mut SqliteConnection) -> Result<Vec<StoredEntry>> {
    entry_rows(db)
        .and_then(|row| std::future::ready(stored(row)))
        .try_collect()
        .await
}
