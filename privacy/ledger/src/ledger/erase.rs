//! Texts of questions, erased. The log stays whole: it holds commitments to them, and no text.

use std::ops::RangeInclusive;

use super::Ledger;
use crate::entry::Kind;
#[cfg(doc)]
use crate::error::Error;
use crate::error::Result;
use crate::store::{self, Connection, Place, StoredEntry};
use salus_certificate::EntryIndex;

/// Entries that have the text of a question beside them.
const ASKED: [Kind; 3] = [Kind::Reserve, Kind::Reuse, Kind::Refuse];

/// Whose texts are erased.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Erase {
    /// Of questions that were asked before this second since 1970-01-01T00:00:00Z, by the times of their entries.
    Before(u64),
    /// Of the questions at these indices.
    Entries(RangeInclusive<u64>),
}

impl Erase {
    fn names(&self, stored: &StoredEntry) -> bool {
        match self {
            Self::Before(time) => stored.entry.time < *time,
            Self::Entries(range) => range.contains(&stored.index.0),
        }
    }
}

/// What was erased.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Erased {
    /// Questions whose texts are gone.
    pub questions: u64,
    /// Whether the bytes are gone from the database's files, too. Where another process reads at this moment they stay in the write-ahead log
    /// until somebody erases again, or the last process closes the ledger. Never known of PostgreSQL, which keeps them until it has vacuumed,
    /// and in its own write-ahead log and backups (`docs/postgres.md`).
    pub scrubbed: bool,
}

impl Ledger {
    /// Erases the SQL text, operator tree and answered keys of questions, with their salts and the digest by which a repeated question is found.
    /// Answers, receipts and everything in the log stay; a question that is asked again is a new one.
    ///
    /// # Guarantee
    ///
    /// What is left of a text is a commitment under a salt that is gone: nothing can be compared with it any more.
    ///
    /// # Errors
    ///
    /// [`Error::Busy`] or [`Error::Unavailable`] if the store cannot be written; then nothing is erased.
    pub async fn erase(&self, which: &Erase) -> Result<Erased> {
        let time = (self.shared.clock)();
        erase(&self.shared.place, which, time).await
    }

    /// When the texts of a question were erased, in seconds since 1970-01-01T00:00:00Z.
    pub async fn erased(&self, entry: EntryIndex) -> Result<Option<u64>> {
        store::erased(&mut *self.reader().await, entry).await
    }
}

/// Erases the texts that lie in the store at `place`.
pub(crate) async fn erase(place: &Place, which: &Erase, time: u64) -> Result<Erased> {
    // A connection of its own, that wipes what it frees.
    let mut db = Connection::open(place).await?;
    store::wipe_what_is_freed(&mut db).await?;
    let mut lock = db.lock().await?;
    let mut questions: u64 = 0;
    for kind in ASKED {
        for stored in store::all_of(&mut lock, kind).await? {
            if which.names(&stored) && store::erase(&mut lock, stored.index, time).await? {
                questions = questions.saturating_add(1);
            }
        }
    }
    lock.commit().await?;
    let scrubbed = store::is_scrubbed(&mut db).await?;
    db.close().await?;
    Ok(Erased {
        questions,
        scrubbed,
    })
}
