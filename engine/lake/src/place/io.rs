//! Requests from code that is not asynchronous.
//!
//! All requests of a bucket run on two threads of its own. A connection then never waits for a thread that waits for the
//! connection, whatever runtime the caller is in, and none at all will do.

use std::fmt;
use std::future::Future;

use tokio::runtime::{Builder, Handle, Runtime};

use crate::error::{Error, Result};

const THREADS: usize = 2;

/// The threads that talk to an object store.
pub(super) struct Io {
    runtime: Option<Runtime>,
    handle: Handle,
}

impl Io {
    pub(super) fn start() -> Result<Self> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(THREADS)
            .thread_name("lake-io")
            .enable_all()
            .build()
            .map_err(|source| Error::Storage {
                what: "start a thread".into(),
                source,
            })?;
        Ok(Self {
            handle: runtime.handle().clone(),
            runtime: Some(runtime),
        })
    }

    pub(super) fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Runs `work` there and waits for it, as reading a file waits.
    pub(super) fn wait<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Result<T> {
        let (done, outcome) = std::sync::mpsc::sync_channel(1);
        self.handle.spawn(async move {
            // Nobody listens only if the caller's thread died.
            let _ = done.send(work.await);
        });
        let died = || Error::Remote("the threads that talk to it have ended".into());
        outcome.recv().unwrap_or_else(|_| Err(died()))
    }
}

impl Drop for Io {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // Waiting is not allowed where the last handle may go: inside another runtime.
            runtime.shutdown_background();
        }
    }
}

impl fmt::Debug for Io {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Io")
    }
}
