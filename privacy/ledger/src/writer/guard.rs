//! What the writer holds the database to: what it has seen of the log itself, and what the anchor holds.

use super::Head;
use crate::anchor::{self, Record, SharedAnchor};
use crate::cosign::SharedWitnesses;
use crate::entry::{Body, Kind};
#[cfg(doc)]
use crate::error::Error;
use crate::error::{Result, integrity};
use crate::note::{Checkpoint, Verifier};
use crate::store::{self, Session};

/// Records of the anchor that are compared at each opening: whoever adds some must have as many of this log.
const COMPARED: usize = 64;

/// The newest of the log that is known from elsewhere than the database.
pub(super) struct Guard {
    anchor: Option<SharedAnchor>,
    pub(super) witnesses: Option<SharedWitnesses>,
    /// Entries that the newest record of the anchor signs.
    anchored: u64,
    /// The newest checkpoint that this process has seen.
    seen: Option<Checkpoint>,
}

impl Guard {
    pub(super) fn new(anchor: Option<SharedAnchor>, witnesses: Option<SharedWitnesses>) -> Self {
        Self {
            anchor,
            witnesses,
            anchored: 0,
            seen: None,
        }
    }

    /// Compares the log with the newest records of the anchor.
    ///
    /// # Errors
    ///
    /// [`Error::Integrity`] if the anchor holds what the log does not, or what is no chain, or nothing.
    pub(super) async fn open(&mut self, db: &mut dyn Session, origin: &str) -> Result<()> {
        let Some(place) = self.anchor.clone() else {
            return Ok(());
        };
        let names = place.newest(COMPARED).await?;
        let mut follower: Option<u64> = None;
        for after in names {
            let record = anchor::read(place.as_ref(), after).await?;
            if anchor::is_retired(&record) {
                return Err(moved());
            }
            if follower.is_none() && anchor::is_of_another(&record, origin) {
                expect_successor(db, &record, after).await?;
                follower = Some(after);
                continue;
            }
            let checkpoint = signed(db, &record, origin).await?;
            let follows = follower.is_none_or(|follower| follower == checkpoint.size);
            if after >= checkpoint.size || !follows {
                return Err(integrity(
                    "the records of the anchor are no chain: some were removed, or put there by somebody else",
                ));
            }
            is_prefix(db, &checkpoint).await?;
            if self.anchored == 0 {
                self.anchored = checkpoint.size;
                self.seen = Some(checkpoint);
            }
            follower = Some(after);
        }
        if self.anchored == 0 {
            return Err(integrity(
                "the anchor is empty, and this ledger has had one: it was removed, or another is named. Put it back, or name \
                 the one that it had. If it is lost for good, two officers let another log go on, with a closed purse: `salus ledger recover`",
            ));
        }
        Ok(())
    }

    /// Whether the database still contains all that this process has seen.
    pub(super) async fn check(&self, db: &mut dyn Session) -> Result<()> {
        match &self.seen {
            Some(seen) => is_prefix(db, seen).await,
            None => Ok(()),
        }
    }

    pub(super) fn see(&mut self, checkpoint: Checkpoint) {
        if self
            .seen
            .as_ref()
            .is_none_or(|seen| seen.size < checkpoint.size)
        {
            self.seen = Some(checkpoint);
        }
    }

    /// Puts the checkpoint into the anchor, unless a larger one of this log is there.
    pub(super) async fn anchor(
        &mut self,
        db: &mut dyn Session,
        origin: &str,
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
        while self.anchored < head.size {
            let after = self.anchored;
            if place.create(after, &record).await? {
                self.anchored = head.size;
                return Ok(());
            }
            // Another process of this ledger was first; or a ledger that is not this one any more.
            let theirs = anchor::read(place.as_ref(), after).await?;
            if anchor::is_retired(&theirs) {
                return Err(moved());
            }
            if anchor::is_of_another(&theirs, origin) {
                return expect_successor(db, &theirs, after).await;
            }
            let theirs = signed(db, &theirs, origin).await?;
            if theirs.size <= after {
                return Err(integrity("a record of the anchor goes backwards"));
            }
            is_prefix(db, &theirs).await?;
            self.anchored = theirs.size;
            self.see(theirs);
        }
        Ok(())
    }
}

/// The anchor ends: it was moved, and what is newest stands elsewhere.
fn moved() -> crate::error::Error {
    integrity(
        "this anchor has been moved, so it does not know the newest state: name the one that took its place in home.yaml. If the home \
         was put back, put its newest state back",
    )
}

/// Whether the record is the claim of the log that the seal names, which takes the place after the last entry.
async fn expect_successor(db: &mut dyn Session, record: &Record, after: u64) -> Result<()> {
    let seal = store::newest(db, Kind::Seal).await?;
    let size = store::size(db).await?;
    if let Some(Body::Seal(seal)) = seal.map(|stored| stored.entry.body)
        && let Ok(verifier) = Verifier::new(&seal.successor.origin, &seal.successor.public)
        && Checkpoint::open(&record.checkpoint, &verifier).is_ok()
        && after == size
    {
        return Ok(());
    }
    Err(integrity(
        "another log has succeeded this one, as its anchor says: it was given up as lost and is closed for good. The successor goes on",
    ))
}

/// The checkpoint of a record, signed by the key that was in force at its size.
async fn signed(db: &mut dyn Session, record: &Record, origin: &str) -> Result<Checkpoint> {
    let size = Checkpoint::stated_size(&record.checkpoint)
        .ok_or_else(|| integrity("the anchor holds what is no checkpoint"))?;
    let mut keys = store::all_of(db, Kind::Key).await?;
    keys.retain(|stored| stored.index.0 < size);
    let verifier = match keys.pop().map(|stored| stored.entry.body) {
        Some(Body::Key(key)) => Verifier::new(origin, &key.public).ok(),
        _ => None,
    };
    let verifier = verifier.ok_or_else(|| integrity("the anchor is of another ledger"))?;
    Checkpoint::open(&record.checkpoint, &verifier).map_err(|why| {
        integrity(format!(
            "the anchor's checkpoint of {size} entries is not of this ledger as it stands: {why}"
        ))
    })
}

/// Whether the log begins with what the checkpoint signs.
async fn is_prefix(db: &mut dyn Session, checkpoint: &Checkpoint) -> Result<()> {
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
