//! Rows of the restricted log: the same tables again, under names of their own. It has no accounts and is never long, so rows are read
//! at once and written one by one.

use salus_certificate::{EntryIndex, Hash};

use super::engine::Given::{Bytes, Number, Text};
use super::engine::{self, Session};
use super::rows::{hash, signed, unsigned};
use crate::commitment::Opening;
use crate::error::{Error, Result, integrity};
use crate::merkle::{Frontier, Node, peaks};

/// Bytes of all entries beside their leaf hashes, in order, unchecked.
pub(crate) async fn entries(db: &mut dyn Session) -> Result<Vec<(Vec<u8>, Option<Hash>)>> {
    let rows: Vec<(Vec<u8>, Option<Vec<u8>>)> =
        engine::all(db, include_str!("restricted/entries.sql"), &[]).await?;
    rows.into_iter()
        .map(|(bytes, leaf)| Ok((bytes, leaf.map(hash).transpose()?)))
        .collect()
}

/// Bytes of one entry.
pub(crate) async fn entry(db: &mut dyn Session, index: EntryIndex) -> Result<Option<Vec<u8>>> {
    let given = [Number(signed(index.0)?)];
    let row = engine::optional(db, include_str!("restricted/entry.sql"), &given).await?;
    Ok(row.map(|(bytes,)| bytes))
}

/// Number of entries.
pub(crate) async fn size(db: &mut dyn Session) -> Result<u64> {
    let row = engine::optional(db, include_str!("restricted/size.sql"), &[]).await?;
    let (size,) = row.ok_or(Error::Bug("a number of entries that is none"))?;
    unsigned(size)
}

/// The right edge of the tree over the first `size` entries.
pub(crate) async fn frontier(db: &mut dyn Session, size: u64) -> Result<Frontier> {
    let mut hashes = Vec::new();
    for peak in peaks(size) {
        let given = [Number(peak.level.into()), Number(signed(peak.position)?)];
        let row = engine::optional(db, include_str!("restricted/node.sql"), &given).await?;
        let (bytes,) =
            row.ok_or_else(|| integrity("the restricted log: a node of the tree is missing"))?;
        hashes.push(hash(bytes)?);
    }
    Ok(Frontier::new(size, hashes))
}

/// Every node, by level and position.
pub(crate) async fn nodes(db: &mut dyn Session) -> Result<Vec<(Node, Hash)>> {
    let rows: Vec<(i64, i64, Vec<u8>)> =
        engine::all(db, include_str!("restricted/nodes.sql"), &[]).await?;
    rows.into_iter()
        .map(|(level, position, bytes)| {
            let level =
                u32::try_from(level).map_err(|_| integrity("a node has an impossible level"))?;
            let position = unsigned(position)?;
            Ok((Node { level, position }, hash(bytes)?))
        })
        .collect()
}

/// All checkpoints and the sizes they are filed under, ascending.
pub(crate) async fn checkpoints(db: &mut dyn Session) -> Result<Vec<(u64, Vec<u8>)>> {
    let rows: Vec<(i64, Vec<u8>)> =
        engine::all(db, include_str!("restricted/checkpoints.sql"), &[]).await?;
    let row = |(size, note)| Ok((unsigned(size)?, note));
    rows.into_iter().map(row).collect()
}

/// Size and signed note of the newest checkpoint.
pub(crate) async fn newest_checkpoint(db: &mut dyn Session) -> Result<(u64, Vec<u8>)> {
    let row = engine::optional(db, include_str!("restricted/newest_checkpoint.sql"), &[]).await?;
    let (size, note): (i64, Vec<u8>) =
        row.ok_or_else(|| integrity("the restricted log has no checkpoint"))?;
    Ok((unsigned(size)?, note))
}

/// What opens the commitment `name` of `entry`, unless it was erased.
pub(crate) async fn opening(
    db: &mut dyn Session,
    entry: EntryIndex,
    name: &str,
) -> Result<Option<Opening>> {
    let given = [Number(signed(entry.0)?), Text(name)];
    let row = engine::optional(db, include_str!("restricted/opening.sql"), &given).await?;
    row.map(|(salt, content)| {
        Ok(Opening {
            salt: hash(salt)?,
            content,
        })
    })
    .transpose()
}

pub(crate) async fn insert_entry(
    db: &mut dyn Session,
    index: EntryIndex,
    kind: &str,
    bytes: &[u8],
    nodes: &[(Node, Hash)],
) -> Result<()> {
    let given = [Number(signed(index.0)?), Text(kind), Bytes(bytes)];
    engine::run(db, include_str!("restricted/insert_entry.sql"), &given).await?;
    for (node, hash) in nodes {
        let place = [Number(node.level.into()), Number(signed(node.position)?)];
        let given = [place[0], place[1], Bytes(hash)];
        engine::run(db, include_str!("restricted/insert_node.sql"), &given).await?;
    }
    Ok(())
}

pub(crate) async fn insert_opening(
    db: &mut dyn Session,
    entry: EntryIndex,
    name: &str,
    opening: &Opening,
) -> Result<()> {
    let given = [
        Number(signed(entry.0)?),
        Text(name),
        Bytes(&opening.salt),
        Bytes(&opening.content),
    ];
    let sql = include_str!("restricted/insert_opening.sql");
    engine::run(db, sql, &given).await.map(drop)
}

pub(crate) async fn insert_checkpoint(db: &mut dyn Session, size: u64, note: &[u8]) -> Result<()> {
    let given = [Number(signed(size)?), Bytes(note)];
    let sql = include_str!("restricted/insert_checkpoint.sql");
    engine::run(db, sql, &given).await.map(drop)
}

/// Erases what opens the commitments of `entry`; `false` if that was done before.
pub(crate) async fn erase(db: &mut dyn Session, entry: EntryIndex, time: u64) -> Result<bool> {
    let index = Number(signed(entry.0)?);
    let note = [index, Number(signed(time)?)];
    let sql = include_str!("restricted/insert_erasure.sql");
    let noted = engine::run(db, sql, &note).await?;
    engine::run(db, include_str!("restricted/erase_openings.sql"), &[index]).await?;
    Ok(noted > 0)
}

/// The anchors of the first log with what opens them, in order.
pub(crate) async fn anchors(db: &mut dyn Session) -> Result<Vec<(u64, Option<Opening>)>> {
    type Row = (i64, Option<Vec<u8>>, Option<Vec<u8>>);
    let rows: Vec<Row> = engine::all(db, include_str!("restricted/anchors.sql"), &[]).await?;
    rows.into_iter()
        .map(|(index, salt, content)| {
            let opening = match (salt, content) {
                (Some(salt), Some(content)) => Some(Opening {
                    salt: hash(salt)?,
                    content,
                }),
                _ => None,
            };
            Ok((unsigned(index)?, opening))
        })
        .collect()
}
