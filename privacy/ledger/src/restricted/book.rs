//! The restricted log under the store's lock: what stands in it, held against its own checkpoint and against the first log's anchors.

use salus_certificate::{EntryIndex, Hash};

use super::entry::{self, Body, Entry};
use crate::commitment::Opening;
use crate::entry::{Key, LONGEST, Statement};
use crate::error::{Error, Result, integrity};
use crate::key::Signer;
use crate::merkle::{Frontier, leaf_hash};
use crate::note::{self, Checkpoint};
use crate::store::{Session, restricted as store};

/// What the restricted log of `log` is called.
pub(crate) fn origin_of(log: &str) -> String {
    format!("{log}{SUFFIX}")
}

/// How the origins of restricted logs end, and no others.
pub(crate) const SUFFIX: &str = "/restricted";

/// The restricted log as its newest checkpoint signs it.
pub(crate) struct Head {
    signer: Signer,
    frontier: Frontier,
    /// The newest checkpoint.
    pub(crate) note: Vec<u8>,
}

/// Begins the log with its first two entries and their checkpoint.
pub(crate) async fn create(
    db: &mut dyn Session,
    signer: &Signer,
    log: &str,
    time: u64,
) -> Result<()> {
    let origin = origin_of(log);
    let mut head = Head {
        signer: signer.of_log(&origin)?,
        frontier: Frontier::default(),
        note: Vec::new(),
    };
    let opening = entry::Opening {
        origin,
        log: log.to_owned(),
    };
    head.append(db, time, Body::Opening(opening), &[]).await?;
    let key = Key {
        public: signer.verifier().public(),
        signature: None,
    };
    head.append(db, time, Body::Key(key), &[]).await?;
    head.sign(db).await
}

impl Head {
    /// Reads the head and refuses to go on from one that is not what was signed last, or not what was anchored last. `signer` is the first log's.
    pub(crate) async fn read(db: &mut dyn Session, signer: &Signer) -> Result<Self> {
        let signer = signer.of_log(&origin_of(signer.origin()))?;
        let size = store::size(db).await?;
        let frontier = store::frontier(db, size).await?;
        let (filed, note) = store::newest_checkpoint(db).await?;
        let checkpoint = Checkpoint::open(&note, signer.verifier())
            .map_err(|why| broken(format!("the newest checkpoint: {why}")))?;
        if (filed, checkpoint.size, checkpoint.root) != (size, size, frontier.root()) {
            return Err(broken("the newest checkpoint is not of its entries"));
        }
        let head = Self {
            signer,
            frontier,
            note,
        };
        if let Some(anchored) = last_anchored(db).await? {
            is_prefix(db, &anchored).await?;
        }
        Ok(head)
    }

    /// What the newest checkpoint says.
    pub(crate) fn checkpoint(&self) -> Checkpoint {
        Checkpoint {
            origin: self.signer.origin().to_owned(),
            size: self.frontier.size(),
            root: self.frontier.root(),
        }
    }

    /// Appends an entry with what opens its commitments.
    pub(crate) async fn append(
        &mut self,
        db: &mut dyn Session,
        time: u64,
        body: Body,
        openings: &[(&'static str, Opening)],
    ) -> Result<EntryIndex> {
        let index = EntryIndex(self.frontier.size());
        let kind = body.kind();
        let bytes = Entry { time, body }.encode();
        if bytes.len() > LONGEST {
            return Err(Error::TooLong);
        }
        let nodes = self.frontier.append(leaf_hash(&bytes));
        store::insert_entry(db, index, kind, &bytes, &nodes).await?;
        for (name, opening) in openings {
            store::insert_opening(db, index, name, opening).await?;
        }
        Ok(index)
    }

    /// Signs what stands there now.
    pub(crate) async fn sign(&mut self, db: &mut dyn Session) -> Result<()> {
        self.note = self.signer.sign(&self.checkpoint());
        store::insert_checkpoint(db, self.frontier.size(), &self.note).await
    }

    /// Puts the first log's next key into force here as well: it signs from this entry on.
    pub(crate) async fn rotate(
        mut self,
        db: &mut dyn Session,
        next: &Signer,
        time: u64,
    ) -> Result<()> {
        let key = Key {
            public: next.verifier().public(),
            signature: None,
        };
        let body = crate::entry::Body::Key(key.clone());
        let statement = Statement::of(self.signer.origin(), &body);
        let endorsed = Key {
            signature: Some(self.signer.endorse(&statement)),
            ..key
        };
        self.append(db, time, Body::Key(endorsed), &[]).await?;
        self.signer = next.of_log(self.signer.origin())?;
        self.sign(db).await
    }
}

/// Whether the log begins with what the checkpoint says.
pub(crate) async fn is_prefix(db: &mut dyn Session, known: &Checkpoint) -> Result<()> {
    let size = store::size(db).await?;
    if size < known.size {
        return Err(broken(format!(
            "it was put back to an earlier state: {} entries were anchored or seen and {size} are there. Put the newest state back",
            known.size
        )));
    }
    if store::frontier(db, known.size).await?.root() == known.root {
        return Ok(());
    }
    Err(broken(format!(
        "its first {} entries are not those that were anchored or seen: it was rewritten",
        known.size
    )))
}

/// What the newest anchor of the first log commits to.
async fn last_anchored(db: &mut dyn Session) -> Result<Option<Checkpoint>> {
    let newest = crate::store::newest(db, crate::entry::Kind::Anchor).await?;
    let Some(stored) = newest else {
        return Ok(None);
    };
    let crate::entry::Body::Anchor(anchor) = stored.entry.body else {
        return Err(Error::Bug("an anchor that is none"));
    };
    let opening = crate::store::opening(db, stored.index, "checkpoint").await?;
    opened(stored.index.0, anchor.checkpoint, opening.as_ref()).map(Some)
}

/// The checkpoint behind an anchor, whoever signed it.
pub(super) fn opened(
    anchor: u64,
    commitment: Hash,
    opening: Option<&Opening>,
) -> Result<Checkpoint> {
    let opening = opening
        .filter(|opening| opening.commitment() == commitment)
        .ok_or_else(|| broken(format!("what opens anchor {anchor} is missing or another")))?;
    stated(&opening.content).ok_or_else(|| broken(format!("anchor {anchor} is of no checkpoint")))
}

/// What a signed note says, whoever signed it.
pub(super) fn stated(note: &[u8]) -> Option<Checkpoint> {
    let (text, _) = note::parts(note).ok()?;
    Checkpoint::read(&text).ok()
}

pub(super) fn broken(what: impl std::fmt::Display) -> Error {
    integrity(format!("the restricted log: {what}"))
}
