//! Checkpoints that stand apart from the ledger: what tells a restored backup from the log that it was.
//!
//! A database that was put back to an earlier state is whole in every respect, its budget included. So every checkpoint under which
//! something leaves is also put into an *anchor*: numbered records in a place apart, best one that somebody else administers and where
//! nothing can be replaced. A record is only ever created, never changed; of two who put the same number, one learns what the other put.
//! A ledger that does not contain what its anchor holds is not opened and answers nothing.

mod directory;

use std::sync::Arc;

use futures::future::BoxFuture;
use salus_accounting::Loss;
use salus_certificate::{CertificateError, Fields, Value, loss_value};

use crate::error::{Error, Result, integrity};

pub use directory::Directory;

/// What stands in an anchor under one number.
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
pub trait Anchor: Send + Sync + std::fmt::Debug {
    /// The largest number there is, if there is any.
    fn newest(&self) -> BoxFuture<'_, Result<Option<u64>>>;

    /// The record of this number.
    fn get(&self, number: u64) -> BoxFuture<'_, Result<Option<Vec<u8>>>>;

    /// Creates the record of this number; durable on return. `false` if there is one, which stays as it is.
    fn create<'a>(&'a self, number: u64, record: &'a [u8]) -> BoxFuture<'a, Result<bool>>;
}

/// An anchor that is shared.
pub type SharedAnchor = Arc<dyn Anchor>;

/// The newest record of `anchor` and its number.
///
/// # Errors
///
/// [`Error::Integrity`] if it is no record.
pub async fn newest(anchor: &dyn Anchor) -> Result<Option<(u64, Record)>> {
    let Some(number) = anchor.newest().await? else {
        return Ok(None);
    };
    let record = read(anchor, number)
        .await?
        .ok_or(Error::Unavailable("the anchor's newest record is gone"))?;
    Ok(Some((number, record)))
}

/// The record of this number.
pub(crate) async fn read(anchor: &dyn Anchor, number: u64) -> Result<Option<Record>> {
    let Some(bytes) = anchor.get(number).await? else {
        return Ok(None);
    };
    let record = Record::decode(&bytes)
        .map_err(|why| integrity(format!("record {number} of the anchor: {why}")))?;
    Ok(Some(record))
}
