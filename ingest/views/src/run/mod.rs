//! Views over many resources: every line is parsed once, for all views of its type.
//!
//! One thread reads the input in chunks of whole lines, others turn them into record batches, and
//! the caller's thread hands these to the sinks in the order of the input. A fixed number of chunks
//! is under way at any time, which bounds the memory; batches are cut by the rows alone, so that
//! neither threads nor chunks leave a trace in what is written.

mod batches;
mod chunk;
mod input;
mod report;
pub(crate) mod work;

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread;

pub use input::Input;
pub use report::{Failure, Progress, RunError, Silent, Summary, ViewSummary};

use crate::columns::schema;
use crate::definition::View;
use crate::write::Sink;
use batches::Cutter;
use chunk::Chunk;
use work::{Done, Worker};

/// How to run.
#[derive(Debug, Clone)]
pub struct Options {
    /// Threads that evaluate views; by default one for each processor.
    pub threads: Option<usize>,
    /// Whether the first line that fails ends the run.
    pub strict: bool,
    /// Rows that one resource may give to one view: the product of sibling iterations grows fast.
    pub most_rows: usize,
    /// Failures that the summary describes; the others are only counted.
    pub described_failures: usize,
    /// Bytes that are read at once; longer lines are read whole.
    pub chunk_bytes: usize,
    /// Bytes that a line may have at most, where it is longer than `chunk_bytes`.
    pub longest_line: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            threads: None,
            strict: false,
            most_rows: 1_000_000,
            described_failures: 1_000,
            chunk_bytes: 1 << 20,
            longest_line: 1 << 30,
        }
    }
}

impl Options {
    fn workers(&self) -> usize {
        let processors = || thread::available_parallelism().map_or(1, usize::from);
        self.threads.unwrap_or_else(processors).max(1)
    }
}

/// Stack of a worker: expressions and resources nest, within their bounds.
const STACK: usize = 16 << 20;

/// Runs views over an input; the rows of `views[i]` go to `sinks[i]`, in the order of the input.
///
/// A line that is no JSON, or on which a view fails, gives that view no row, and is counted and
/// described in the summary.
///
/// # Errors
/// When the input cannot be read or a sink cannot write; with [`Options::strict`] also at the first
/// line that fails. Sinks of this crate leave no file behind then.
pub fn run(
    views: &[View],
    input: Input<'_>,
    sinks: &mut [Box<dyn Sink + '_>],
    options: &Options,
    progress: &dyn Progress,
) -> Result<Summary, RunError> {
    if views.len() != sinks.len() {
        let (views, sinks) = (views.len(), sinks.len());
        return Err(RunError::Bug(format!("{views} views have {sinks} sinks")));
    }
    let workers = options.workers();
    progress.started(input.bytes());
    let mut collector = Collector::new(views, &input, sinks, options);
    thread::scope(|scope| {
        let (work, to_do) = sync_channel::<Chunk>(workers);
        let (done, finished) = channel::<Result<Done, RunError>>();
        let (permit, permits) = channel::<()>();
        for _ in 0..2 * workers + 2 {
            // The receiver lives in the thread below.
            let _ = permit.send(());
        }
        let to_do = std::sync::Arc::new(Mutex::new(to_do));
        let layouts: Vec<_> = collector.sinks.iter().map(|sink| sink.layout()).collect();
        for _ in 0..workers {
            let worker = Worker::new(views, &layouts, options);
            let (to_do, done) = (std::sync::Arc::clone(&to_do), done.clone());
            let builder = thread::Builder::new().stack_size(STACK);
            builder.spawn_scoped(scope, move || work_on(worker, &to_do, &done))?;
        }
        let failed = done.clone();
        scope.spawn(move || read(input, options, &work, &permits, &failed));
        drop((done, to_do));
        // Whoever is left when this returns finds a closed channel, and ends.
        collector.collect(finished, &permit, progress)
    })?;
    collector.finish()
}

/// Sends chunks as long as there are any and someone wants them.
fn read(
    input: Input<'_>,
    options: &Options,
    work: &SyncSender<Chunk>,
    permits: &Receiver<()>,
    failed: &Sender<Result<Done, RunError>>,
) {
    let mut chunks = input.chunks(options);
    while permits.recv().is_ok() {
        match chunks.next() {
            None => return,
            Some(Ok(chunk)) => {
                if work.send(chunk).is_err() {
                    return;
                }
            }
            Some(Err(error)) => {
                // When nobody listens, the run has failed already.
                let _ = failed.send(Err(error));
                return;
            }
        }
    }
}

fn work_on(
    mut worker: Worker<'_>,
    to_do: &Mutex<Receiver<Chunk>>,
    done: &Sender<Result<Done, RunError>>,
) {
    loop {
        let next = match to_do.lock() {
            Ok(receiver) => receiver.recv(),
            Err(_) => return,
        };
        let Ok(chunk) = next else {
            return;
        };
        let caught =
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| worker.chunk(&chunk)));
        let result = caught.unwrap_or_else(|_| Err(RunError::Bug("a worker panicked".into())));
        let broken = result.is_err();
        if done.send(result).is_err() || broken {
            return;
        }
    }
}

/// Brings what workers have done into order.
struct Collector<'r, 's> {
    sinks: &'r mut [Box<dyn Sink + 's>],
    cutters: Vec<Cutter>,
    summary: Summary,
    files: Vec<String>,
    options: &'r Options,
}

impl<'r, 's> Collector<'r, 's> {
    fn new(
        views: &[View],
        input: &Input<'_>,
        sinks: &'r mut [Box<dyn Sink + 's>],
        options: &'r Options,
    ) -> Self {
        let cutters = views.iter().zip(sinks.iter());
        Self {
            cutters: cutters
                .map(|(view, sink)| Cutter::new(schema(view, sink.layout())))
                .collect(),
            sinks,
            summary: Summary::new(views),
            files: input.names(),
            options,
        }
    }

    fn collect(
        &mut self,
        finished: Receiver<Result<Done, RunError>>,
        permit: &Sender<()>,
        progress: &dyn Progress,
    ) -> Result<(), RunError> {
        let mut early = HashMap::new();
        let mut next = 0;
        for done in finished {
            let done = done?;
            early.insert(done.index, done);
            while let Some(done) = early.remove(&next) {
                next += 1;
                progress.advanced(done.read, done.lines);
                self.take(done)?;
                // The reader may have come to its end.
                let _ = permit.send(());
            }
        }
        Ok(())
    }

    fn take(&mut self, done: Done) -> Result<(), RunError> {
        let file = self.files.get(done.file).map_or("", String::as_str);
        for failure in &done.failures {
            let failure = failure.placed(file, done.first_line);
            if self.options.strict {
                return Err(RunError::Strict(Box::new(failure)));
            }
            self.summary.note(failure, self.options.described_failures);
        }
        self.summary.all_failures += done.all_failures;
        self.summary.lines += done.lines;
        self.summary.other_lines += done.other_lines;
        self.summary.failed_lines += done.failed_lines;
        for (view, tally) in self.summary.views.iter_mut().zip(&done.tallies) {
            view.resources += tally.resources;
            view.failed += tally.failed;
        }
        for (view, batches) in done.batches.into_iter().enumerate() {
            for batch in batches {
                self.summary.views[view].rows += batch.num_rows() as u64;
                let sink = &mut self.sinks[view];
                self.cutters[view].push(&batch, &mut |batch| sink.write(batch))?;
            }
        }
        Ok(())
    }

    fn finish(mut self) -> Result<Summary, RunError> {
        for (cutter, sink) in self.cutters.iter_mut().zip(self.sinks.iter_mut()) {
            cutter.rest(&mut |batch| sink.write(batch))?;
            sink.finish()?;
        }
        for sink in self.sinks.iter_mut() {
            sink.publish()?;
        }
        self.summary.files = self.files.len();
        Ok(self.summary)
    }
}
