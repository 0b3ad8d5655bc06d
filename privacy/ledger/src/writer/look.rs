//! Requests that look at the books under the writer's lock and leave no trace.

use salus_accounting::Loss;
use salus_certificate::EntryIndex;
use sqlx::Connection as _;

use super::{Desk, Sealed};
use crate::error::{Error, ReserveError, Result};
use crate::store::failed;
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
        self.look(async |log| {
            Ok(match log.former(draft).await? {
                Former::New => Known::New,
                Former::Open => Known::Open,
                Former::Failed => Known::Failed,
                Former::Another => Known::Another,
                Former::Answered(reserve, loss, released) => {
                    let note = log.newest_note().await?;
                    let sealed = Sealed {
                        index: released.index,
                        answer: released.answer().to_vec(),
                        receipt: log.receipt(&released, &note).await?,
                        remaining: log.remaining(),
                        reused: released.reused,
                    };
                    Known::Answered(reserve, sealed, loss)
                }
            })
        })
        .await
    }

    /// Does something in a transaction that is rolled back, whatever comes of it.
    async fn look<T>(
        &mut self,
        work: impl AsyncFnOnce(&mut Transaction<'_>) -> Result<T>,
    ) -> Result<T> {
        if let Some(error) = &self.closed {
            return Err(error.clone());
        }
        let mut lock = self
            .db
            .begin_with("BEGIN IMMEDIATE")
            .await
            .map_err(failed)?;
        let mut log = Transaction::begin(
            &mut lock,
            &self.signer,
            &self.genesis,
            self.unanswered,
            (self.clock)(),
        )
        .await?;
        let found = work(&mut log).await;
        lock.rollback().await.map_err(failed)?;
        if let Err(error @ Error::Integrity(_)) = &found {
            // Books that contradict themselves are not to be written to either.
            self.closed = Some(error.clone());
        }
        found
    }
}
