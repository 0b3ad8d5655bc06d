//! Looking at the log and at what lies beside it. Nothing here writes.

use std::ops::Range;
use std::path::Path;

use salus_certificate::{EntryIndex, Hash};

use super::Ledger;
use super::request::{Account, Facts};
use crate::audit::{Depth, audit};
use crate::commitment::Opening;
use crate::entry::{Body, Kind};
#[cfg(doc)]
use crate::error::Error;
use crate::error::{Result, integrity};
use crate::evidence::{self, BEGINNING};
use crate::merkle::consistency_path;
use crate::store::{self, Connection, StoredEntry};

impl Ledger {
    /// The purse, with the cap in force.
    pub async fn account(&self) -> Result<Account> {
        let rows = store::accounts(&mut *self.reader().await).await?;
        let [row] = <[_; 1]>::try_from(rows).map_err(|_| integrity("there is not one account"))?;
        Ok(Account {
            scope: row.scope,
            cap: row.cap,
            spent: row.spent,
            conversion_delta: self.shared.genesis.conversion_delta,
        })
    }

    /// The newest facts about `dataset`.
    pub async fn facts(&self, dataset: &str) -> Result<Facts> {
        let mut reader = self.reader().await;
        let mut found = Facts {
            dataset: None,
            catalog: None,
            policy: None,
            snapshot: None,
        };
        for kind in [Kind::Dataset, Kind::Catalog, Kind::Policy, Kind::Snapshot] {
            let newest = match kind {
                Kind::Policy => store::newest(&mut *reader, kind).await?,
                _ => store::newest_of(&mut *reader, kind, dataset).await?,
            };
            let Some(StoredEntry { index, entry, .. }) = newest else {
                continue;
            };
            match entry.body {
                Body::Dataset(body) => found.dataset = Some((index, body)),
                Body::Catalog(body) => found.catalog = Some((index, body)),
                Body::Policy(body) => found.policy = Some((index, body)),
                Body::Snapshot(body) => found.snapshot = Some((index, body)),
                _ => {}
            }
        }
        Ok(found)
    }

    /// The newest entry of a kind.
    pub async fn newest(&self, kind: Kind) -> Result<Option<StoredEntry>> {
        store::newest(&mut *self.reader().await, kind).await
    }

    /// The newest checkpoint, with what witnesses added.
    pub async fn newest_checkpoint(&self) -> Result<Vec<u8>> {
        Ok(store::newest_checkpoint(&mut *self.reader().await).await?.1)
    }

    /// RFC 6962 consistency proof from the first `from` entries to the first `to`.
    ///
    /// # Errors
    ///
    /// [`Error::Integrity`] if there are not so many.
    pub async fn consistency(&self, from: u64, to: u64) -> Result<Vec<Hash>> {
        let mut reader = self.reader().await;
        let mut proof = Vec::new();
        for nodes in consistency_path(from, to) {
            proof.push(store::fold_nodes(&mut *reader, &nodes).await?);
        }
        Ok(proof)
    }

    /// Root of the first two entries, genesis and first key: it tells this log from any other, also from one of the same origin.
    ///
    /// # Errors
    ///
    /// [`Error::Integrity`] if there are not so many.
    pub async fn beginning(&self) -> Result<Hash> {
        let frontier = store::frontier(&mut *self.reader().await, BEGINNING).await?;
        Ok(frontier.root())
    }

    /// Number of entries.
    pub async fn size(&self) -> Result<u64> {
        store::size(&mut *self.reader().await).await
    }

    /// All entries of a kind, oldest first.
    pub async fn all_of(&self, kind: Kind) -> Result<Vec<StoredEntry>> {
        store::all_of(&mut *self.reader().await, kind).await
    }

    /// The entry at `index`.
    pub async fn entry(&self, index: EntryIndex) -> Result<Option<StoredEntry>> {
        store::entry(&mut *self.reader().await, index).await
    }

    /// The entries of a range that there are, each checked against its leaf.
    pub async fn entries_between(&self, range: Range<u64>) -> Result<Vec<StoredEntry>> {
        store::entries_between(&mut *self.reader().await, range).await
    }

    /// All entries, each checked against its leaf.
    pub async fn entries(&self) -> Result<Vec<StoredEntry>> {
        let mut reader = self.reader().await;
        store::stored_entries(&mut *reader).await
    }

    /// The text behind the commitment `name` of an entry, unless it was erased: `question`, `plan` and `keys` of a reserve, `question`
    /// of a refusal, `answer` of a release, `commitment` of a snapshot.
    pub async fn opening(&self, entry: EntryIndex, name: &str) -> Result<Option<Opening>> {
        store::opening(&mut *self.reader().await, entry, name).await
    }

    /// What an independent verifier needs, as the store holds it.
    pub async fn evidence(&self) -> Result<evidence::Evidence> {
        evidence::collect(&mut *self.reader().await, self.vkey()).await
    }

    /// Writes the evidence as plain files into the new or empty directory `dir`.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] if `dir` has something in it.
    pub async fn export(&self, dir: &Path) -> Result<()> {
        self.evidence().await?.write(dir)
    }

    /// Reads the whole store and compares it with the log: what a verifier of static files cannot see. Entries, every node of the tree,
    /// every checkpoint ever signed, balances, endings, and the database's structure.
    ///
    /// # Errors
    ///
    /// [`Error::Integrity`] with the first contradiction.
    pub async fn audit_accounts(&self) -> Result<()> {
        // A connection of its own: what is checked is the file, not a cache.
        let mut db = Connection::open(&self.shared.place).await?;
        audit(&mut db, self.shared.signer.verifier(), Depth::Whole)
            .await
            .map(drop)
    }
}
