//! What a transaction appends, held until it is needed or signed: many rows in a statement cost little more than one.

use salus_accounting::Loss;
use salus_certificate::{EntryIndex, Hash};

use crate::commitment::Opening;
use crate::entry::Kind;
use crate::error::Result;
use crate::merkle::Node;
use crate::store::{self, Session};

/// Rows that are not in the store yet.
#[derive(Default)]
pub(super) struct Buffer {
    pub(super) entries: Vec<(EntryIndex, Kind, Vec<u8>)>,
    pub(super) nodes: Vec<(Node, Hash)>,
    pub(super) openings: Vec<(EntryIndex, String, Opening)>,
    pub(super) plans: Vec<(Hash, EntryIndex)>,
    /// Reserve and what ended it.
    pub(super) endings: Vec<(EntryIndex, EntryIndex)>,
    /// What signs all entries so far, and how many they are.
    pub(super) checkpoint: Option<(u64, Vec<u8>)>,
    /// Where the purse has moved to.
    pub(super) spent: Option<Loss>,
}

impl Buffer {
    /// The bytes of an entry that is not in the store yet.
    pub(super) fn entry(&self, index: EntryIndex) -> Option<&[u8]> {
        let first = self.entries.first()?.0;
        let position = usize::try_from(index.0.checked_sub(first.0)?).ok()?;
        self.entries
            .get(position)
            .map(|(_, _, bytes)| bytes.as_slice())
    }

    pub(super) fn is_ended(&self, reserve: EntryIndex) -> bool {
        self.endings.iter().any(|(ended, _)| *ended == reserve)
    }

    /// Writes everything, entries first: the rest refers to them.
    pub(super) async fn flush(&mut self, db: &mut dyn Session, scope: &str) -> Result<()> {
        let mut rows = store::Rows::default();
        rows.entries(&self.entries)?;
        rows.nodes(&self.nodes)?;
        rows.openings(&self.openings)?;
        rows.plans(&self.plans)?;
        rows.endings(&self.endings)?;
        if let Some((size, note)) = &self.checkpoint {
            rows.checkpoint(*size, note)?;
        }
        rows.insert(db).await?;
        if let Some(spent) = self.spent {
            store::spend(db, scope, spent).await?;
        }
        *self = Self::default();
        Ok(())
    }
}
