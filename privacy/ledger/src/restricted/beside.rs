//! What opens the entries of a restricted log lies beside it, in the same store, and may go: found by whom it names, and erased.

use std::collections::BTreeSet;

use salus_certificate::EntryIndex;

use super::entry::{Body, Entry, What};
use super::event;
use crate::error::{Result, integrity};
use crate::merkle::leaf_hash;
use crate::store::{self, Connection, Place, Session, restricted};

/// All entries, each checked against its leaf.
pub(crate) async fn entries(db: &mut dyn Session) -> Result<Vec<(EntryIndex, Entry)>> {
    let rows = restricted::entries(db).await?;
    (0_u64..)
        .zip(rows)
        .map(|(index, (bytes, leaf))| {
            if leaf != Some(leaf_hash(&bytes)) {
                return Err(integrity(format!(
                    "the restricted log: entry {index}: the bytes are not those of the tree's leaf"
                )));
            }
            let entry = Entry::decode(&bytes)
                .map_err(|why| integrity(format!("the restricted log: entry {index}: {why}")))?;
            Ok((EntryIndex(index), entry))
        })
        .collect()
}

/// Entries that say `what` of exactly these persons.
pub(crate) async fn changes_of(
    db: &mut dyn Session,
    what: What,
    persons: &[String],
) -> Result<Vec<EntryIndex>> {
    let wanted = event::encoded(persons);
    let mut found = Vec::new();
    for (index, entry) in entries(db).await? {
        if !matches!(entry.body, Body::Change(change) if change.what == what) {
            continue;
        }
        let opening = restricted::opening(db, index, "persons").await?;
        if opening.is_some_and(|opening| opening.content == wanted) {
            found.push(index);
        }
    }
    Ok(found)
}

/// Entries of whatever kind that are of one of these persons.
pub(crate) async fn naming(
    db: &mut dyn Session,
    persons: &BTreeSet<String>,
) -> Result<Vec<EntryIndex>> {
    let mut found = Vec::new();
    for (index, entry) in entries(db).await? {
        // What somebody wrote about an access is about her as well.
        let about = match &entry.body {
            Body::FollowUp(followup) => found.contains(&followup.breakglass),
            _ => false,
        };
        let opening = restricted::opening(db, index, "persons").await?;
        let named = opening.map(|opening| event::listed(&opening.content));
        if about || named.is_some_and(|named| named.iter().any(|name| persons.contains(name))) {
            found.push(index);
        }
    }
    Ok(found)
}

/// Erases what opens these entries of the log that lies at `place`. Gives the number of those that had something.
pub(crate) async fn erase(place: &Place, entries: &[EntryIndex], time: u64) -> Result<usize> {
    // A connection of its own, that wipes what it frees.
    let mut db = Connection::open(place).await?;
    store::wipe_what_is_freed(&mut db).await?;
    let mut lock = db.lock().await?;
    let mut erased: usize = 0;
    for entry in entries {
        if restricted::erase(&mut lock, *entry, time).await? {
            erased = erased.saturating_add(1);
        }
    }
    lock.commit().await?;
    store::is_scrubbed(&mut db).await?;
    db.close().await?;
    Ok(erased)
}
