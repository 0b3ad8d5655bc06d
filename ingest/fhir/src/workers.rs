//! Worker threads over chunks of lines.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use std::sync::Arc;

use crate::chunk::{Chunk, Lines, Origin, split};
use crate::error::IngestError;
use crate::files::{Export, ExportFile};

/// Stack of a worker: expressions of views and resources nest, within their bounds.
const STACK: usize = 16 << 20;

/// One thread's part of a pass.
pub(crate) trait Worker: Send {
    /// Works on one chunk.
    fn work(&mut self, chunk: &Chunk) -> Result<(), IngestError>;
    /// After the last chunk.
    fn finish(&mut self) -> Result<(), IngestError> {
        Ok(())
    }
}

/// Hands chunks to the workers; waits while they are busy.
pub(crate) struct Feed {
    chunks: SyncSender<Chunk>,
    number: u64,
    failed: Arc<AtomicBool>,
}

impl Feed {
    /// Hands over a chunk, whose number is set here.
    ///
    /// # Errors
    /// [`IngestError::Cancelled`] when a worker has failed, which has the real reason.
    pub(crate) fn push(&mut self, mut chunk: Chunk) -> Result<(), IngestError> {
        if self.failed.load(Ordering::Relaxed) {
            return Err(IngestError::Cancelled);
        }
        chunk.number = self.number;
        self.number += 1;
        self.chunks.send(chunk).map_err(|_| IngestError::Cancelled)
    }
}

/// Runs `workers` over the chunks that `feed` hands over, in this thread.
///
/// # Errors
/// The first of a worker, else that of `feed`.
pub(crate) fn run<W: Worker>(
    workers: &mut [W],
    feed: impl FnOnce(&mut Feed) -> Result<(), IngestError>,
) -> Result<(), IngestError> {
    let (sender, receiver) = sync_channel(workers.len());
    let receiver = Arc::new(Mutex::new(receiver));
    let failed = Arc::new(AtomicBool::new(false));
    thread::scope(move |scope| {
        let threads: Result<Vec<_>, _> = workers
            .iter_mut()
            .map(|worker| {
                let (chunks, failed) = (Arc::clone(&receiver), Arc::clone(&failed));
                let thread = thread::Builder::new().stack_size(STACK);
                thread.spawn_scoped(scope, move || {
                    let result = drain(worker, &chunks, &failed);
                    failed.fetch_or(result.is_err(), Ordering::Relaxed);
                    result
                })
            })
            .collect();
        // When all workers have stopped the last receiver goes, and `feed` notices.
        drop(receiver);
        // On an error `sender` goes too, and whoever has started ends.
        let threads = threads.map_err(IngestError::Thread)?;
        let mut chunks = Feed {
            chunks: sender,
            number: 0,
            failed,
        };
        let read = feed(&mut chunks);
        drop(chunks);
        let mut result = Ok(());
        for thread in threads {
            let worked = thread
                .join()
                .unwrap_or_else(|_| Err(IngestError::Bug("a worker panicked".into())));
            result = result.and(worked);
        }
        result.and(read)
    })
}

fn drain<W: Worker>(
    worker: &mut W,
    chunks: &Mutex<Receiver<Chunk>>,
    failed: &AtomicBool,
) -> Result<(), IngestError> {
    // Whoever has taken a chunk works on it, because others may wait for its turn.
    while !failed.load(Ordering::Relaxed) {
        let next = match chunks.lock() {
            Ok(receiver) => receiver.recv(),
            Err(_) => return Err(IngestError::Cancelled),
        };
        match next {
            Ok(chunk) => worker.work(&chunk)?,
            Err(_) => return worker.finish(),
        }
    }
    Ok(())
}

/// Feeds the files that `wanted` picks, in order. `progress` hears of the bytes read since the
/// last time and of the file; its error ends the pass.
pub(crate) fn feed_files(
    export: &Export,
    longest_line: usize,
    wanted: impl Fn(u32) -> bool,
    mut progress: impl FnMut(u64, &ExportFile) -> Result<(), IngestError>,
    feed: &mut Feed,
) -> Result<(), IngestError> {
    for (index, file) in (0_u32..).zip(&export.files) {
        if !wanted(index) {
            continue;
        }
        let read = Arc::new(AtomicU64::new(0));
        let mut told = 0;
        let mut reader = file.open(Arc::clone(&read))?;
        let emit = |bytes: Vec<u8>, first: Origin| {
            feed.push(Chunk {
                number: 0,
                bytes,
                lines: Lines::From(first),
            })?;
            let now = read.load(Ordering::Relaxed);
            let since = now - told;
            told = now;
            progress(since, file)
        };
        split(reader.as_mut(), (index, file), longest_line, emit)?;
    }
    Ok(())
}
