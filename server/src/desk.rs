//! How many questions there may be at once, and that each goes on when its asker is gone.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Semaphore;
use tonic::Status;

use crate::status;

/// What a server takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Questions and prices that are at work at a time.
    pub at_work: usize,
    /// How many more may wait for their turn; further ones are refused.
    pub waiting: usize,
    /// Longest request, in bytes.
    pub request_bytes: usize,
}

impl Default for Limits {
    /// 4 at work, 32 waiting, 256 KiB: a statement is 64 KiB at most.
    fn default() -> Self {
        Self {
            at_work: 4,
            waiting: 32,
            request_bytes: 256 << 10,
        }
    }
}

/// Places and turns.
#[derive(Debug)]
pub(crate) struct Desk {
    limits: Limits,
    /// One for each question that is at work or waits.
    places: Arc<Semaphore>,
    /// One for each that is at work, in the order in which they came.
    turns: Arc<Semaphore>,
    closed: AtomicBool,
}

impl Desk {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            limits,
            places: Arc::new(Semaphore::new(Self::places(limits) as usize)),
            turns: Arc::new(Semaphore::new(limits.at_work)),
            closed: AtomicBool::new(false),
        }
    }

    fn places(limits: Limits) -> u32 {
        let places = limits.at_work.saturating_add(limits.waiting);
        u32::try_from(places).unwrap_or(u32::MAX)
    }

    /// Does the work when it is its turn, on a task of its own: whoever stops waiting stops nothing.
    ///
    /// # Errors
    /// `RESOURCE_EXHAUSTED` where no place is free, `UNAVAILABLE` where the server stops; else those of the work.
    pub(crate) async fn work<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, Status>> + Send + 'static,
    ) -> Result<T, Status> {
        let place = Arc::clone(&self.places).try_acquire_owned();
        // Looked at with the place in hand: `finished` waits for its return.
        if self.closed.load(Ordering::SeqCst) {
            return Err(status::stopping());
        }
        let place = place.map_err(|_| status::busy(self.limits))?;
        let turns = Arc::clone(&self.turns);
        let done = tokio::spawn(async move {
            let _place = place;
            let _turn = turns
                .acquire_owned()
                .await
                .map_err(|_| status::stopping())?;
            work.await
        });
        done.await.unwrap_or_else(|_| Err(status::failed()))
    }

    /// Takes nothing more.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
    }

    /// Waits until what was taken before [`Desk::close`] is done.
    pub(crate) async fn finished(&self) {
        // Places are never closed.
        let _ = self.places.acquire_many(Self::places(self.limits)).await;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::sync::{Notify, oneshot};
    use tonic::Code;

    use super::*;

    fn desk(at_work: usize, waiting: usize) -> Arc<Desk> {
        Arc::new(Desk::new(Limits {
            at_work,
            waiting,
            ..Limits::default()
        }))
    }

    #[tokio::test]
    async fn so_many_are_at_work_so_many_wait_and_the_next_is_refused() {
        let desk = desk(1, 1);
        let end = Arc::new(Notify::new());
        let ask = || {
            let (desk, end) = (Arc::clone(&desk), Arc::clone(&end));
            tokio::spawn(async move {
                desk.work(async move {
                    end.notified().await;
                    Ok(())
                })
                .await
            })
        };
        let (first, second) = (ask(), ask());
        while desk.places.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        let third = ask().await.unwrap().unwrap_err();
        assert_eq!(third.code(), Code::ResourceExhausted);
        end.notify_one();
        tokio::time::sleep(Duration::from_millis(10)).await;
        end.notify_one();
        first.await.unwrap().unwrap();
        second.await.unwrap().unwrap();
        assert_eq!(desk.places.available_permits(), 2);
    }

    #[tokio::test]
    async fn what_was_begun_ends_when_nobody_waits_and_when_the_server_stops() {
        let desk = desk(1, 1);
        let (go, gone) = oneshot::channel::<()>();
        let (tell, told) = oneshot::channel();
        let asking = {
            let desk = Arc::clone(&desk);
            tokio::spawn(async move {
                desk.work(async move {
                    gone.await.unwrap();
                    tell.send("done").unwrap();
                    Ok(())
                })
                .await
            })
        };
        while desk.turns.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        asking.abort();
        desk.close();
        let late = desk.work(async { Ok(()) }).await.unwrap_err();
        assert_eq!(late.code(), Code::Unavailable);
        let finished = desk.finished();
        tokio::pin!(finished);
        let early = tokio::time::timeout(Duration::from_millis(20), &mut finished).await;
        assert!(early.is_err());
        go.send(()).unwrap();
        finished.await;
        assert_eq!(told.await, Ok("done"));
    }

    #[tokio::test]
    async fn a_panic_is_a_failure_and_frees_its_place() {
        let desk = desk(1, 0);
        let failed = desk.work::<()>(async { panic!("no words of this") }).await;
        let failed = failed.unwrap_err();
        assert_eq!(failed.code(), Code::Internal);
        assert!(!failed.message().contains("words"));
        desk.work(async { Ok(()) }).await.unwrap();
    }
}
