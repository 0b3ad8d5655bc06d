//! Entries of the restricted log, and the ticks at which it is anchored while nobody asks anything.

use std::time::Duration;

use salus_certificate::EntryIndex;
use tokio::time::Instant;

use super::Desk;
use super::follow::follow;
use crate::entry::Kind;
use crate::error::{Error, Result};
use crate::restricted::{self, Written, entry::Body, entry::Entry};
use crate::store;

impl Desk {
    /// Appends an entry in a transaction of its own, in which the first log does not change: not even its anchors may tell.
    pub(super) async fn restrict(&mut self, written: Written) -> Result<EntryIndex> {
        if let Some(error) = &self.closed {
            return Err(error.clone());
        }
        let done = self.restrict_once(written).await;
        if let Err(error) = &done {
            self.db.settle().await;
            if matches!(error, Error::Integrity(_)) {
                self.closed = Some(error.clone());
            }
        }
        done
    }

    async fn restrict_once(&mut self, written: Written) -> Result<EntryIndex> {
        let mut lock = self.db.lock().await?;
        self.guard.check(&mut lock).await?;
        follow(&mut self.signer, self.keys.as_ref(), &mut lock).await?;
        if store::newest(&mut lock, Kind::Seal).await?.is_some() {
            return Err(Error::Refused(
                "E1: the log is sealed, and its restricted log with it; those of the successor go on".to_owned(),
            ));
        }
        let mut head = restricted::Head::read(&mut lock, &self.signer).await?;
        if let Some(seen) = &self.restricted {
            restricted::is_prefix(&mut lock, seen).await?;
        }
        if let Body::FollowUp(followup) = &written.body {
            let cited = store::restricted::entry(&mut lock, followup.breakglass).await?;
            let cited = cited.and_then(|bytes| Entry::decode(&bytes).ok());
            if !cited.is_some_and(|entry| matches!(entry.body, Body::BreakGlass { .. })) {
                return Err(Error::Refused(format!(
                    "N3: there is no break-glass access {}",
                    followup.breakglass
                )));
            }
        }
        let time = (self.clock)();
        let index = head
            .append(&mut lock, time, written.body, &written.openings)
            .await?;
        head.sign(&mut lock).await?;
        if let Err(error) = lock.commit().await {
            self.closed = Some(Error::Unavailable(
                "a commit failed; open the ledger again to verify it",
            ));
            return Err(error);
        }
        self.restricted = Some(head.checkpoint());
        Ok(index)
    }

    /// When the next tick comes; a day from now where there is none.
    pub(super) fn next_tick(&self) -> Instant {
        const DAY: u64 = 86_400;
        let left = self.genesis.restricted.and_then(|every| {
            let into = (self.clock)().checked_rem(every)?;
            every.checked_sub(into)
        });
        let (now, left) = (Instant::now(), left.unwrap_or(DAY).clamp(1, DAY));
        now.checked_add(Duration::from_secs(left)).unwrap_or(now)
    }
}
