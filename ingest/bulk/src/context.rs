//! What every step of a job needs.

use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;

use crate::error::{BulkError, Trouble};
use crate::log::{Log, code};
use crate::options::{Options, Progress};
use crate::patience::Patience;
use crate::transport::Transport;

/// One run of one job.
pub(crate) struct Context {
    pub(crate) transport: Transport,
    pub(crate) options: Options,
    pub(crate) log: Arc<Log>,
    pub(crate) progress: Arc<dyn Progress>,
    /// Keeps the directory locked while something still writes to it.
    pub(crate) lease: Arc<File>,
    /// Whether the server has announced a number of resources that turned out wrong.
    pub(crate) counts_doubted: AtomicBool,
}

impl Context {
    /// Waits before the next attempt, or ends with the error.
    pub(crate) async fn retry(
        &self,
        event: &'static str,
        trouble: Trouble,
        failures: u32,
    ) -> Result<(), BulkError> {
        self.log.event(event, &code(&trouble.error));
        let (error, pause) = Patience::new(&self.options).next(trouble, failures)?;
        self.progress.retrying(&error.to_string(), pause);
        tokio::time::sleep(pause).await;
        Ok(())
    }

    /// Whether the numbers of resources in the manifest are believed.
    pub(crate) fn counts_hold(&self) -> bool {
        !self.counts_doubted.load(Ordering::Relaxed)
    }

    pub(crate) fn doubt_counts(&self) {
        self.counts_doubted.store(true, Ordering::Relaxed);
    }

    /// Runs what waits for the disk where it holds nobody up.
    pub(crate) async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, BulkError> {
        let lease = self.lease.clone();
        let work = move || {
            let done = work();
            drop(lease);
            done
        };
        tokio::task::spawn_blocking(work).await.map_err(|_| ended())
    }

    pub(crate) fn event(&self, event: &'static str, detail: &Value) {
        self.log.event(event, detail);
    }
}

/// A task of ours has ended without an answer: the runtime is shutting down, or there is a defect.
pub(crate) fn ended() -> BulkError {
    BulkError::Unavailable {
        doing: "writing a file",
        attempts: 1,
        text: "the task has ended".into(),
    }
}
