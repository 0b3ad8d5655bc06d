//! The place after the predecessor's last record, which one successor takes.

use salus_accounting::Loss;
use salus_certificate::EntryIndex;

use crate::anchor::{self, Anchor, Record};
use crate::entry::{Body, Genesis, Predecessor};
use crate::error::{Error, Result};
use crate::note::Checkpoint;
use crate::store::{self, Connection, Place};

/// The first checkpoint of the ledger in `home`, which must be that of `genesis`.
///
/// What a seal has decided does not name the program that begins the log: one that has been begun goes on under whichever comes next. What
/// officers have approved after a loss does, since they sign the whole.
pub(super) async fn first_checkpoint(home: &Place, genesis: &Genesis) -> Result<Vec<u8>> {
    let mut db = Connection::open(home).await?;
    let first = store::entry(&mut db, EntryIndex(0)).await?;
    let checkpoints = store::checkpoints(&mut db).await?;
    db.close().await?;
    match first.map(|stored| stored.entry.body) {
        Some(Body::Genesis(there)) if is_begun(&there, genesis) => {}
        _ => {
            return Err(Error::Refused(
                "there is another ledger in this place".to_owned(),
            ));
        }
    }
    let first = checkpoints.into_iter().min_by_key(|(size, _)| *size);
    let (_, note) = first.ok_or_else(|| crate::error::integrity("the first checkpoint is gone"))?;
    crate::cosign::own(&note).map_err(|_| Error::Bug("a checkpoint that is none"))
}

/// Whether the log that is there is the one that is to begin.
fn is_begun(there: &Genesis, wanted: &Genesis) -> bool {
    let lost = wanted.predecessor.as_ref().map(|before| before.read);
    if lost.flatten().is_some() {
        return there == wanted;
    }
    let by_this = Genesis {
        build: wanted.build.clone(),
        rules: wanted.rules,
        ..there.clone()
    };
    by_this == *wanted
}

/// Whether the place after the predecessor is taken by the log of this first checkpoint.
pub(super) async fn is_taken(place: &dyn Anchor, first: &[u8]) -> Result<bool> {
    let newest = anchor::newest(place).await?;
    Ok(newest.is_some_and(|(_, record)| record.checkpoint == first))
}

/// Takes the place after the predecessor in its anchor. Done twice it is done once.
pub(super) async fn claim(
    place: &dyn Anchor,
    predecessor: &Predecessor,
    first: &[u8],
    closed: bool,
) -> Result<()> {
    let size = Checkpoint::stated_size(&predecessor.checkpoint)
        .ok_or(Error::Bug("a predecessor without a size"))?;
    let last = Record {
        checkpoint: predecessor.checkpoint.clone(),
        spent: predecessor.spent,
    };
    let claim = Record {
        checkpoint: first.to_vec(),
        spent: predecessor.spent,
    };
    loop {
        // The name under which the next record goes.
        let newest = anchor::newest(place).await?;
        let before = newest.as_ref().map(|(name, _)| *name);
        let next = match newest {
            // The log's anchor held something once. Where all may be spent already, it does not matter.
            None if !closed => {
                return Err(Error::Refused(
                    "the anchor of the log before is empty, so it is not that one; name the one that it had".to_owned(),
                ));
            }
            None => 0,
            Some((_, record)) if record.checkpoint == first => return Ok(()),
            Some((_, record)) if anchor::is_retired(&record) => {
                return Err(Error::Refused(
                    "the anchor of the log before has been moved; name the one that took its place"
                        .to_owned(),
                ));
            }
            Some((_, record)) if anchor::is_of_another(&record, &predecessor.origin) => {
                return Err(Error::Refused(
                    "another log has succeeded this one, as its anchor says".to_owned(),
                ));
            }
            Some((_, record)) => Checkpoint::stated_size(&record.checkpoint)
                .ok_or_else(|| crate::error::integrity("the anchor holds what is no checkpoint"))?,
        };
        let record = match next.cmp(&size) {
            std::cmp::Ordering::Less => &last,
            std::cmp::Ordering::Equal => &claim,
            std::cmp::Ordering::Greater => {
                return Err(Error::Refused(
                    "the anchor knows more of the log before this one than the genesis does; begin again with what is there now"
                        .to_owned(),
                ));
            }
        };
        // Where somebody else was first, what she put is looked at.
        let created = place.create(next, &record.encode()).await?;
        if !created && anchor::newest(place).await?.map(|(name, _)| name) == before {
            return Err(Error::Refused(
                "the anchor of the log before is no chain that can be gone on from".to_owned(),
            ));
        }
    }
}

/// Begins the successor's own anchor, unless that was done. Where the successor has taken its place already, that was done before: an empty
/// anchor would say nothing against a successor that was put back.
pub(super) async fn begin(
    place: &dyn Anchor,
    first: &[u8],
    spent: Loss,
    taken: bool,
) -> Result<()> {
    let record = Record {
        checkpoint: first.to_vec(),
        spent,
    };
    if place.newest(1).await?.is_empty() {
        if taken {
            return Err(Error::Refused(
                "this log has begun before, and its own anchor is empty: it is not the one that it had. Name that, or put it back".to_owned(),
            ));
        }
        place.create(0, &record.encode()).await?;
    }
    match place.get(0).await? {
        Some(there) if there == record.encode() => Ok(()),
        _ => Err(Error::Refused(
            "the anchor holds the checkpoints of another ledger; each ledger has one of its own"
                .to_owned(),
        )),
    }
}
