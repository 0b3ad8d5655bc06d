//! What the writer holds the database to: what it has seen of the log itself, and what the anchor holds.

use sqlx::sqlite::SqliteConnection;

use super::Head;
use crate::anchor::{self, Record, SharedAnchor};
use crate::cosign::SharedWitnesses;
use crate::error::{Error, Result, integrity};
use crate::note::{Checkpoint, Verifier};
use crate::store;

/// The newest of the log that is known from elsewhere than the database.
pub(super) struct Guard {
    anchor: Option<SharedAnchor>,
    pub(super) witnesses: Option<SharedWitnesses>,
    /// Number of the newest record of the anchor, and the size that it signs.
    anchored: Option<(u64, u64)>,
    /// The newest checkpoint that this process has seen.
    seen: Option<Checkpoint>,
}

impl Guard {
    pub(super) fn new(anchor: Option<SharedAnchor>, witnesses: Option<SharedWitnesses>) -> Self {
        Self {
            anchor,
            witnesses,
            anchored: None,
            seen: None,
        }
    }

    /// Compares the log with the anchor's newest record.
    ///
    /// # Errors
    ///
    /// [`Error::Integrity`] if the anchor holds what the log does not, or nothing.
    pub(super) async fn open(
        &mut self,
        db: &mut SqliteConnection,
        verifier: impl Fn(u64) -> Option<Verifier>,
    ) -> Result<()> {
        let Some(place) = self.anchor.clone() else {
            return Ok(());
        };
        let Some((number, record)) = anchor::newest(place.as_ref()).await? else {
            return Err(integrity(
                "the anchor is empty, and this ledger has had one: it was removed, or another is named",
            ));
        };
        let checkpoint = signed(&record, verifier)?;
        is_prefix(db, &checkpoint).await?;
        self.anchored = Some((number, checkpoint.size));
        self.seen = Some(checkpoint);
        Ok(())
    }

    /// Whether the database still contains all that this process has seen.
    pub(super) async fn check(&self, db: &mut SqliteConnection) -> Result<()> {
        match &self.seen {
            Some(seen) => is_prefix(db, seen).await,
            None => Ok(()),
        }
    }

    pub(super) fn see(&mut self, checkpoint: Checkpoint) {
        self.seen = Some(checkpoint);
    }

    /// Whether the first `size` entries are below what is anchored, or there is no anchor.
    fn covers(&self, size: u64) -> bool {
        self.anchor.is_none() || self.anchored.is_some_and(|(_, anchored)| anchored >= size)
    }

    /// Puts the checkpoint into the anchor, unless a larger one of this log is there.
    pub(super) async fn anchor(
        &mut self,
        db: &mut SqliteConnection,
        verifier: &Verifier,
        head: &Head,
    ) -> Result<()> {
        let Some(place) = self.anchor.clone() else {
            return Ok(());
        };
        let record = Record {
            checkpoint: head.note.clone(),
            spent: head.spent,
        }
        .encode();
        while !self.covers(head.size) {
            let next = self
                .anchored
                .map_or(0, |(number, _)| number.saturating_add(1));
            if place.create(next, &record).await? {
                self.anchored = Some((next, head.size));
                return Ok(());
            }
            // Another process of this ledger was first; or a ledger that is not this one any more.
            let theirs = anchor::read(place.as_ref(), next)
                .await?
                .ok_or(Error::Unavailable("a record of the anchor is gone"))?;
            let theirs = signed(&theirs, |_| Some(verifier.clone()))?;
            is_prefix(db, &theirs).await?;
            self.anchored = Some((next, theirs.size));
        }
        Ok(())
    }
}

fn signed(record: &Record, verifier: impl Fn(u64) -> Option<Verifier>) -> Result<Checkpoint> {
    let size = Checkpoint::stated_size(&record.checkpoint)
        .ok_or_else(|| integrity("the anchor holds no checkpoint"))?;
    let verifier = verifier(size).ok_or_else(|| {
        integrity(format!(
            "the anchor holds a checkpoint of {size} entries, and the ledger has no key for it"
        ))
    })?;
    Checkpoint::open(&record.checkpoint, &verifier)
        .map_err(|why| integrity(format!("the anchor's newest checkpoint: {why}")))
}

/// Whether the log begins with what the checkpoint signs.
async fn is_prefix(db: &mut SqliteConnection, checkpoint: &Checkpoint) -> Result<()> {
    let size = store::size(db).await?;
    if size < checkpoint.size {
        return Err(integrity(format!(
            "the ledger was put back to an earlier state: {} entries were signed and {size} are there. Put the newest state back; \
             what was spent since is not given back",
            checkpoint.size
        )));
    }
    if store::frontier(db, checkpoint.size).await?.root() == checkpoint.root {
        Ok(())
    } else {
        Err(integrity(format!(
            "the ledger is another one than it was: its first {} entries are not those that were signed. It was put back to an \
             earlier state and went on from there, or was replaced",
            checkpoint.size
        )))
    }
}
