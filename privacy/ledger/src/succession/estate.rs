//! What a log leaves behind, read from its exported files.

use crate::audit::Fold;
use crate::cosign;
use crate::entry::{Body, Entry, Genesis, Reason};
use crate::error::{Result, integrity};
use crate::evidence::Evidence;
use crate::merkle::{Frontier, leaf_hash};
use crate::note::{Checkpoint, Verifier};
use salus_certificate::{EntryIndex, Hash};

/// A log that was read from its first entry to its last, and whose newest checkpoint signs all of them.
pub(super) struct Estate {
    pub(super) genesis: Genesis,
    pub(super) fold: Fold,
    /// Time of the last entry.
    pub(super) time: u64,
    /// The newest checkpoint, with the log's own signature alone.
    pub(super) checkpoint: Vec<u8>,
    /// The key that signed it.
    pub(super) public: [u8; 32],
    /// Of the first n entries, from none on.
    roots: Vec<Hash>,
    /// The last entry that is not given to anybody before the anchor holds it.
    gave_away: u64,
}

impl Estate {
    /// # Errors
    ///
    /// [`crate::Error::Integrity`] with the first contradiction.
    pub(super) fn read(evidence: &Evidence) -> Result<Self> {
        let mut entries = evidence.entries.iter().zip(0_u64..);
        let read = |bytes: &[u8], index: u64| {
            Entry::decode(bytes).map_err(|why| integrity(format!("entry {index}: {why}")))
        };
        let (first, _) = entries
            .next()
            .ok_or_else(|| integrity("there is no genesis"))?;
        let first_entry = read(first, 0)?;
        let Body::Genesis(genesis) = first_entry.body else {
            return Err(integrity("entry 0 is not the genesis"));
        };
        let mut fold = Fold::default();
        fold.open(&genesis)?;
        let mut time = first_entry.time;
        fold.frontier.append(leaf_hash(first));
        let mut roots = vec![Frontier::default().root(), fold.frontier.root()];
        let mut gave_away = 0;
        for (bytes, index) in entries {
            let entry = read(bytes, index)?;
            if matches!(entry.body, Body::Genesis(_)) {
                return Err(integrity(format!("entry {index}: a second genesis")));
            }
            time = entry.time;
            if gives_away(&entry.body) {
                gave_away = index;
            }
            fold.body(EntryIndex(index), entry.time, entry.body, &genesis)?;
            fold.frontier.append(leaf_hash(bytes));
            roots.push(fold.frontier.root());
        }
        let stated = |note: &&Vec<u8>| Checkpoint::stated_size(note);
        let newest = evidence.checkpoints.iter().max_by_key(stated);
        let newest = newest.ok_or_else(|| integrity("there is no checkpoint"))?;
        let public = fold
            .authority
            .key()
            .ok_or_else(|| integrity("there is no key"))?;
        let estate = Self {
            checkpoint: cosign::own(newest)
                .map_err(|why| integrity(format!("the newest checkpoint: {why}")))?,
            genesis,
            fold,
            time,
            public,
            roots,
            gave_away,
        };
        let signed = estate.opened(&estate.checkpoint)?;
        if signed.size != estate.size() || signed.root != estate.fold.frontier.root() {
            return Err(integrity(
                "the newest checkpoint does not sign the entries that are there",
            ));
        }
        Ok(estate)
    }

    /// Number of entries.
    pub(super) fn size(&self) -> u64 {
        self.fold.frontier.size()
    }

    /// Whether a checkpoint of this size covers all entries by which somebody learnt something.
    pub(super) fn is_covered_by(&self, size: u64) -> bool {
        self.gave_away < size
    }

    /// The checkpoint of this log, signed by the key in force at its size as far as that is known, and agreeing with the entries.
    ///
    /// # Errors
    ///
    /// [`crate::Error::Integrity`] if it is anything else.
    pub(super) fn opened(&self, note: &[u8]) -> Result<Checkpoint> {
        let size = Checkpoint::stated_size(note)
            .ok_or_else(|| integrity("a checkpoint states no size"))?;
        let verifier = self.fold.authority.key_at(size);
        let verifier = verifier.and_then(|key| Verifier::new(&self.genesis.origin, &key).ok());
        let verifier = verifier.ok_or_else(|| integrity("no key signs so early a checkpoint"))?;
        let checkpoint = Checkpoint::open(note, &verifier)
            .map_err(|why| integrity(format!("the checkpoint of {size} entries: {why}")))?;
        let root = usize::try_from(size).ok().and_then(|n| self.roots.get(n));
        if root.is_some_and(|root| *root != checkpoint.root) {
            return Err(integrity(format!(
                "the checkpoint of {size} entries is of another history"
            )));
        }
        Ok(checkpoint)
    }
}

/// Whether an answer, a fact or a decision hangs on the entry, so that it is anchored before anybody hears of it.
fn gives_away(body: &Body) -> bool {
    match body {
        Body::Reserve(_) | Body::Refuse(_) | Body::Anchor(_) => false,
        Body::Abort(abort) => abort.reason != Reason::Dropped,
        _ => true,
    }
}
