//! The store of a log that ended: what lies beside the log is found and erased there too, and the log itself is left as it is.

use std::collections::BTreeSet;
use std::time::{SystemTime, UNIX_EPOCH};

use salus_certificate::EntryIndex;

use crate::commitment::Opening;
#[cfg(doc)]
use crate::error::Error;
use crate::error::Result;
use crate::ledger::{self, Erase, Erased};
use crate::restricted::beside;
use crate::restricted::entry::What;
use crate::store::{self, Connection, Place};

/// A store that answers no more. Nothing is appended to its logs.
#[derive(Debug, Clone)]
pub struct Ended(Place);

impl Ended {
    /// The store at `place`, or `None` where there is none any more.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] if a server that would know does not answer.
    pub async fn at(place: impl Into<Place>) -> Result<Option<Self>> {
        let place = place.into();
        let is_there = Connection::is_there(&place).await?;
        Ok(is_there.then_some(Self(place)))
    }

    /// As [`crate::Ledger::erase`].
    ///
    /// # Errors
    ///
    /// [`Error::Busy`], [`Error::Unavailable`] or [`Error::Integrity`] if the store cannot be read or written; then nothing is erased.
    pub async fn erase(&self, which: &Erase) -> Result<Erased> {
        ledger::erase(&self.0, which, now()).await
    }

    /// What opens the commitment `name` of entries of the restricted log that say `what` of exactly these persons, unless it was erased.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] or [`Error::Integrity`] if the store cannot be read.
    pub async fn noted(&self, what: What, persons: &[String], name: &str) -> Result<Vec<Opening>> {
        let mut db = Connection::open(&self.0).await?;
        let mut noted = Vec::new();
        for entry in beside::changes_of(&mut db, what, persons).await? {
            noted.extend(store::restricted::opening(&mut db, entry, name).await?);
        }
        db.close().await?;
        Ok(noted)
    }

    /// Erases what opens the entries of the restricted log that are of one of these persons. Gives their number.
    ///
    /// # Errors
    ///
    /// As [`Ended::erase`].
    pub async fn erase_naming(&self, persons: &BTreeSet<String>) -> Result<usize> {
        let mut db = Connection::open(&self.0).await?;
        let entries: Vec<EntryIndex> = beside::naming(&mut db, persons).await?;
        db.close().await?;
        beside::erase(&self.0, &entries, now()).await
    }
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}
