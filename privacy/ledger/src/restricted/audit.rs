//! The restricted log read from its first entry, and held against the first log.

use salus_certificate::Hash;

use super::book::{broken, opened, origin_of, stated};
use super::entry::{Body, Entry};
use crate::entry::Genesis;
use crate::error::Result;
use crate::merkle::{Frontier, Node, leaf_hash};
use crate::note::{Checkpoint, Verifier};
use crate::store::{Session, restricted as store};

/// What the first log says about this one.
pub(crate) struct First<'f> {
    pub(crate) genesis: &'f Genesis,
    /// Its keys, in the order of their entries.
    pub(crate) keys: &'f [[u8; 32]],
    /// Its anchors: index and commitment.
    pub(crate) anchors: &'f [(u64, Hash)],
}

/// Reads the whole log and holds it against the first: its keys, and each anchor. `whole` also holds every node, and the signature of
/// every checkpoint and anchor.
///
/// # Errors
///
/// [`crate::Error::Integrity`] with the first contradiction.
pub(crate) async fn audit(db: &mut dyn Session, first: &First<'_>, whole: bool) -> Result<()> {
    let rows = store::entries(db).await?;
    if first.genesis.restricted.is_none() {
        return if rows.is_empty() {
            Ok(())
        } else {
            Err(broken("the genesis knows of none"))
        };
    }
    let read = Read::of(&rows, first)?;
    let openings = store::anchors(db).await?;
    for ((index, commitment), (_, opening)) in first.anchors.iter().zip(&openings) {
        let checkpoint = opened(*index, *commitment, opening.as_ref())?;
        if !read.holds(&checkpoint) {
            return Err(broken(format!(
                "N2: it was put back to an earlier state, or rewritten: anchor {index} is of {} entries that are not there as they were",
                checkpoint.size
            )));
        }
        if let (true, Some(opening)) = (whole, opening) {
            read.signed(&opening.content, checkpoint.size)?;
        }
    }
    let checkpoints = store::checkpoints(db).await?;
    if checkpoints.last().map(|(size, _)| *size) != Some(read.frontier.size()) {
        return Err(broken("the newest checkpoint is not of its entries"));
    }
    let known = if whole {
        0
    } else {
        checkpoints.len().saturating_sub(1)
    };
    for (size, note) in checkpoints.iter().skip(known) {
        read.signed(note, *size)?;
        if !stated(note).is_some_and(|found| found.size == *size && read.holds(&found)) {
            return Err(broken(format!(
                "the checkpoint of {size} entries is of another log"
            )));
        }
    }
    if whole && store::nodes(db).await? != read.nodes {
        return Err(broken("the nodes of the tree are not those of its leaves"));
    }
    Ok(())
}

/// What the entries add up to.
struct Read {
    origin: String,
    /// The keys with the entries that put them into force.
    keys: Vec<(u64, Verifier)>,
    frontier: Frontier,
    /// Of the first n entries.
    roots: Vec<Hash>,
    /// By level and position.
    nodes: Vec<(Node, Hash)>,
}

impl Read {
    fn of(rows: &[(Vec<u8>, Option<Hash>)], first: &First<'_>) -> Result<Self> {
        let mut read = Self {
            origin: origin_of(&first.genesis.origin),
            keys: Vec::new(),
            frontier: Frontier::default(),
            roots: vec![Frontier::default().root()],
            nodes: Vec::new(),
        };
        for (index, (bytes, leaf)) in (0_u64..).zip(rows) {
            let wrong = |what: &str| broken(format!("entry {index}: {what}"));
            if *leaf != Some(leaf_hash(bytes)) {
                return Err(wrong("the bytes are not those of the tree's leaf"));
            }
            let entry = Entry::decode(bytes).map_err(|why| wrong(&why.to_string()))?;
            read.entry(index, &entry.body, first).map_err(wrong)?;
            read.nodes.extend(read.frontier.append(leaf_hash(bytes)));
            read.roots.push(read.frontier.root());
        }
        if read.keys.len() != first.keys.len() {
            return Err(broken("N3: a key of the first log is missing"));
        }
        read.nodes.sort_unstable_by_key(|(node, _)| *node);
        Ok(read)
    }

    /// Rule N3, but for follow-ups.
    fn entry(&mut self, index: u64, body: &Body, first: &First<'_>) -> Result<(), &'static str> {
        match (index, body) {
            (0, Body::Opening(opening)) => {
                if opening.origin == self.origin && opening.log == first.genesis.origin {
                    Ok(())
                } else {
                    Err("N3: it is the log of another")
                }
            }
            (0, _) | (_, Body::Opening(_)) => Err("N3: the opening is entry 0 and no other"),
            (_, Body::Key(key)) => {
                if first.keys.get(self.keys.len()) != Some(&key.public) {
                    return Err("N3: the first log has another key, or none");
                }
                let verifier = Verifier::new(&self.origin, &key.public);
                self.keys
                    .push((index, verifier.map_err(|_| "N3: a key that is none")?));
                Ok(())
            }
            (1, _) => Err("N3: entry 1 is a key"),
            _ => Ok(()),
        }
    }

    /// Whether the key in force at that size signed it.
    fn signed(&self, note: &[u8], size: u64) -> Result<()> {
        let below = self.keys.iter().rev().find(|(index, _)| *index < size);
        let (_, key) = below.ok_or_else(|| broken("a checkpoint of too few entries"))?;
        Checkpoint::open(note, key)
            .map(drop)
            .map_err(|why| broken(format!("the checkpoint of {size} entries: {why}")))
    }

    /// Whether the log begins with what the checkpoint says.
    fn holds(&self, checkpoint: &Checkpoint) -> bool {
        let size = usize::try_from(checkpoint.size).ok();
        let root = size.and_then(|size| self.roots.get(size));
        checkpoint.origin == self.origin && root == Some(&checkpoint.root)
    }
}
