//! Checkpoints that stand apart from the ledger: what tells a restored backup from the log that it was.
//!
//! A database that was put back to an earlier state is whole in every respect, its budget included. So every checkpoint under which
//! something leaves is also put into an *anchor*: a chain of records in a place apart, best one that somebody else administers and where
//! nothing can be replaced. A record is only ever created, never changed; of two who follow the same one, one learns what the other put.
//! A ledger that does not contain what its anchor holds is not opened and answers nothing.

mod directory;

use std::sync::Arc;

use futures::future::BoxFuture;
use salus_accounting::Loss;
use salus_certificate::{CertificateError, Fields, Value, loss_value};

use crate::error::{Error, Result, integrity};
use crate::note::Checkpoint;

pub use directory::Directory;

/// What stands in an anchor under one name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// A signed checkpoint, with its cosignatures.
    pub checkpoint: Vec<u8>,
    /// What had been spent then, so that a ledger that was lost can be succeeded by one that knows.
    pub spent: Loss,
}

impl Record {
    /// The canonical bytes.
    pub fn encode(&self) -> Vec<u8> {
        Value::map([
            ("checkpoint", Value::bytes(self.checkpoint.as_slice())),
            ("spent", loss_value(&self.spent)),
        ])
        .encode()
    }

    /// Reads a record.
    ///
    /// # Errors
    ///
    /// [`CertificateError`] for anything else.
    pub fn decode(bytes: &[u8]) -> Result<Self, CertificateError> {
        let mut fields = Fields::of("anchor", Value::decode(bytes)?)?;
        let record = Self {
            checkpoint: fields.bytes("checkpoint")?,
            spent: fields.loss("spent")?,
        };
        fields.finish()?;
        Ok(record)
    }
}

/// A place for records that can be created and not changed: a directory, or a bucket with conditional writes.
///
/// A record goes by the number of entries that the one before it signs, 0 for the first: of two that would follow the same one, one is
/// there and the other is not. So the records are a chain, and one that was put in its place later has no place in it.
pub trait Anchor: Send + Sync + std::fmt::Debug {
    /// The largest names there are, at most so many, largest first.
    fn newest(&self, most: usize) -> BoxFuture<'_, Result<Vec<u64>>>;

    /// The record of this name.
    fn get(&self, after: u64) -> BoxFuture<'_, Result<Option<Vec<u8>>>>;

    /// Creates the record of this name; durable on return. `false` if there is one, which stays as it is.
    fn create<'a>(&'a self, after: u64, record: &'a [u8]) -> BoxFuture<'a, Result<bool>>;
}

/// Stands where a checkpoint would in the last record of an anchor that was moved.
const RETIRED: &[u8] = b"another anchor has taken the place of this one\n";

/// An anchor that is shared.
pub type SharedAnchor = Arc<dyn Anchor>;

/// The newest record of `anchor` and its name.
///
/// # Errors
///
/// [`Error::Integrity`] if it is no record.
pub async fn newest(anchor: &dyn Anchor) -> Result<Option<(u64, Record)>> {
    match anchor.newest(1).await?.first() {
        Some(after) => Ok(Some((*after, read(anchor, *after).await?))),
        None => Ok(None),
    }
}

/// Ends an anchor that another has taken the place of: it stays as it is and has no newest checkpoint any more, so that no ledger is opened
/// with it, and none recovered from it with what it knew. Done twice it is done once.
///
/// # Errors
///
/// [`Error::Integrity`] if what it holds is no chain.
pub async fn retire(anchor: &dyn Anchor) -> Result<()> {
    loop {
        let (name, record) = match newest(anchor).await? {
            Some((_, record)) if is_retired(&record) => return Ok(()),
            Some((name, record)) => (name, record),
            None => return Ok(()),
        };
        let next = Checkpoint::stated_size(&record.checkpoint)
            .filter(|size| *size > name)
            .ok_or_else(|| integrity("the records of the anchor are no chain"))?;
        let last = Record {
            checkpoint: RETIRED.to_vec(),
            spent: record.spent,
        };
        // Where somebody anchored meanwhile, the next is one further.
        anchor.create(next, &last.encode()).await?;
    }
}

/// Whether the record ends an anchor.
pub(crate) fn is_retired(record: &Record) -> bool {
    record.checkpoint == RETIRED
}

/// Whether the record holds a checkpoint of another log than `origin`.
pub(crate) fn is_of_another(record: &Record, origin: &str) -> bool {
    named(record) != Some(origin)
}

/// The name of the log whose checkpoint a record holds, unchecked.
pub(crate) fn named(record: &Record) -> Option<&str> {
    std::str::from_utf8(&record.checkpoint)
        .ok()?
        .split('\n')
        .next()
}

/// The record of this name, which is there.
pub(crate) async fn read(anchor: &dyn Anchor, after: u64) -> Result<Record> {
    let bytes = anchor
        .get(after)
        .await?
        .ok_or(Error::Unavailable("a record of the anchor is gone"))?;
    Record::decode(&bytes)
        .map_err(|why| integrity(format!("the anchor's record after {after} entries: {why}")))
}
