//! Requests that look at the books under the writer's lock and leave no trace.

use futures::FutureExt as _;
use futures::future::BoxFuture;
use salus_accounting::Loss;
use salus_certificate::{EntryIndex, Hash};

use super::follow::follow;
use super::{Desk, Head, Sealed};
use crate::cosign::{self, Proofs};
use crate::error::{Error, ReserveError, Result, integrity};
use crate::merkle::consistency_path;
use crate::proposal::{Finding, Proposal};
use crate::store::{self, Session};
use crate::transaction::{Draft, Former, Transaction};

/// What would come of a reservation, as the books stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Preview {
    /// It would be paid for.
    Admitted,
    /// An answer that was given would be repeated, and cost nothing: that of this RELEASE entry.
    Known(EntryIndex),
    /// It would be declined, and cost nothing.
    Declined(ReserveError),
}

/// What became of a request: with reserve, answer and what was paid.
pub(crate) enum Known {
    New,
    Open,
    Failed,
    Another,
    Answered(EntryIndex, Sealed, Loss),
}

impl Desk {
    /// What would come of a reservation: it is decided on, and forgotten.
    pub(super) async fn preview(&mut self, draft: &Draft, fresh: bool) -> Result<Preview> {
        self.look(async |log| {
            let known = if fresh { None } else { log.reuse(draft).await? };
            if let Some(released) = known {
                return Ok(Preview::Known(released.index));
            }
            match log.reserve(draft).await {
                Ok(_) => Ok(Preview::Admitted),
                Err(ReserveError::Ledger(error)) => Err(error),
                Err(declined) => Ok(Preview::Declined(declined)),
            }
        })
        .await
    }

    /// What became of a request.
    pub(super) async fn again(&mut self, draft: &Draft) -> Result<Known> {
        let (former, head, remaining) = self
            .look(async |log| {
                let former = log.former(draft).await?;
                let head = Head {
                    size: log.checkpoint().size,
                    note: cosign::own(&log.newest_note().await?)
                        .map_err(|_| integrity("the newest checkpoint is no note"))?,
                    spent: log.spent(),
                };
                Ok((former, head, log.remaining()))
            })
            .await?;
        Ok(match former {
            Former::New => Known::New,
            Former::Open => Known::Open,
            Former::Failed => Known::Failed,
            Former::Another => Known::Another,
            Former::Answered(reserve, loss, released) => {
                // Whoever was to give this answer may have died before its checkpoint stood anywhere else.
                let head = self.publish(head).await?;
                let sealed = self.seal(&released, &head, remaining).await?;
                Known::Answered(reserve, sealed, loss)
            }
        })
    }

    /// The review of a range as it stands, not entered yet.
    pub(super) async fn review(&mut self, finding: &Finding) -> Result<Proposal> {
        let (body, note) = self.look(async |log| log.review(finding).await).await?;
        Ok(Proposal::new(
            &self.genesis.origin,
            body,
            vec![("note".to_owned(), note)],
        ))
    }

    /// Does something in a transaction that is rolled back, whatever comes of it.
    async fn look<T>(
        &mut self,
        work: impl AsyncFnOnce(&mut Transaction<'_>) -> Result<T>,
    ) -> Result<T> {
        if let Some(error) = &self.closed {
            return Err(error.clone());
        }
        let found = self.look_once(work).await;
        if found.is_err() {
            self.db.settle().await;
        }
        if let Err(error @ Error::Integrity(_)) = &found {
            // Books that contradict themselves are not to be written to either.
            self.closed = Some(error.clone());
        }
        found
    }

    async fn look_once<T>(
        &mut self,
        work: impl AsyncFnOnce(&mut Transaction<'_>) -> Result<T>,
    ) -> Result<T> {
        let mut lock = self.db.lock().await?;
        self.guard.check(&mut lock).await?;
        follow(&mut self.signer, self.keys.as_ref(), &mut lock).await?;
        let mut log = Transaction::begin(
            &mut lock,
            &self.signer,
            &self.genesis,
            self.unanswered,
            (self.clock)(),
        )
        .await?;
        let found = work(&mut log).await;
        lock.rollback().await?;
        found
    }
}

/// Consistency proofs from the nodes of the tree.
pub(super) struct Nodes<'a> {
    pub(super) db: &'a mut dyn Session,
    pub(super) size: u64,
}

impl Proofs for Nodes<'_> {
    fn consistency(&mut self, from: u64) -> BoxFuture<'_, Result<Vec<Hash>>> {
        let work = async move {
            let mut proof = Vec::new();
            for nodes in consistency_path(from, self.size) {
                proof.push(store::fold_nodes(self.db, &nodes).await?);
            }
            Ok(proof)
        };
        work.boxed()
    }
}
