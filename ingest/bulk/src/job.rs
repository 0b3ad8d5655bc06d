//! A job: one export in one directory, from kick-off to the last file, over as many runs as it takes.

use std::fmt;
use std::mem;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use serde_json::json;
use tokio::task::{JoinError, JoinSet};
use url::Url;

use crate::context::{Context, ended};
use crate::download::{Fetched, fetch};
use crate::error::BulkError;
use crate::export::Export;
use crate::journal::{Journal, Phase};
use crate::kickoff::{delete, kick_off};
use crate::listing::Listing;
use crate::log::{Log, code};
use crate::options::{Options, Progress};
use crate::request::Request;
use crate::status::{Status, wait};
use crate::transport::Transport;

/// Manifests fetched anew without a single file arriving, before the job itself counts as expired.
const IDLE_REFRESHES: u32 = 2;

/// An export that is under way, or done, in a directory that this process has locked.
pub struct Job {
    dir: PathBuf,
    options: Options,
    journal: Journal,
    log: Arc<Log>,
}

/// Links and status addresses can work without a password: they are not shown.
impl fmt::Debug for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Job")
            .field("dir", &self.dir)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

impl Job {
    /// Begins a job in `dir`, which must be empty or not exist. Nothing is sent yet.
    ///
    /// # Errors
    /// [`BulkError::Options`] if the request contradicts itself, [`BulkError::Directory`] if there is
    /// something in `dir`.
    pub fn start(dir: &Path, request: Request, options: Options) -> Result<Self, BulkError> {
        request.check()?;
        // Options that cannot work are found out before there is a job.
        options.check()?;
        Transport::new(&request.base, &options)?;
        Self::new(dir, Journal::create(dir, request)?, options)
    }

    /// Goes on with the job in `dir`, whatever ended it. What was asked for is in the directory;
    /// secrets and other options are not, and are given again.
    ///
    /// # Errors
    /// [`BulkError::Directory`] if there is no job, [`BulkError::Busy`] if a process works on it.
    pub fn resume(dir: &Path, options: Options) -> Result<Self, BulkError> {
        options.check()?;
        let journal = Journal::open(dir)?;
        Transport::new(&journal.state.request.base, &options)?;
        Self::new(dir, journal, options)
    }

    fn new(dir: &Path, journal: Journal, options: Options) -> Result<Self, BulkError> {
        let log = Log::open(&dir.join("log.ndjson"), &journal.state.id)?;
        Ok(Self {
            dir: dir.to_owned(),
            options,
            journal,
            log: Arc::new(log),
        })
    }

    /// Whether a job was begun in `dir`. A process that died before the server was asked leaves a directory without one.
    pub fn exists(dir: &Path) -> bool {
        Journal::exists(dir)
    }

    /// What is being exported.
    pub fn request(&self) -> &Request {
        &self.journal.state.request
    }

    /// Where the server does it, once it has accepted.
    pub fn status_url(&self) -> Option<&Url> {
        self.journal.state.status_url.as_ref()
    }

    /// Runs the job to its end. A job that is done gives its export again without asking anybody. The
    /// future may be dropped at any time; the job can then be resumed.
    ///
    /// # Errors
    /// See [`BulkError`]; unless it was cancelled, the job can be resumed.
    pub async fn run(&mut self, progress: Arc<dyn Progress>) -> Result<Export, BulkError> {
        if self.journal.state.phase == Phase::Cancelled {
            return Err(BulkError::Cancelled(self.dir.clone()));
        }
        // What a dropped run left to the disk ends first.
        while Arc::strong_count(&self.journal.recorder.lease) > 1 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let context = self.context(progress)?;
        let deadline = self.options.deadline;
        let export = match deadline {
            None => self.finish(&context).await,
            Some(allowed) => match tokio::time::timeout(allowed, self.finish(&context)).await {
                Ok(end) => end,
                Err(_) => Err(BulkError::Deadline(allowed)),
            },
        };
        if let Err(error) = &export {
            self.log.event("export_error", &code(error));
            if self.options.cancel_when_given_up {
                // The first error is the one that matters.
                let _ = self.cancel().await;
            }
        }
        export
    }

    /// Tells the server to stop, and ends the job.
    ///
    /// # Errors
    /// What the server said, or [`BulkError::Unavailable`]; the job then goes on.
    pub async fn cancel(&mut self) -> Result<(), BulkError> {
        if let Some(url) = self.journal.state.status_url.clone() {
            let context = self.context(Arc::new(crate::Silent))?;
            delete(&context, &url).await?;
        }
        self.log.event("export_cancelled", &json!({}));
        self.journal.state.status_url = None;
        self.journal.state.phase = Phase::Cancelled;
        self.journal.save()
    }

    fn context(&self, progress: Arc<dyn Progress>) -> Result<Arc<Context>, BulkError> {
        Ok(Arc::new(Context {
            transport: Transport::new(&self.journal.state.request.base, &self.options)?,
            options: self.options.clone(),
            log: self.log.clone(),
            progress,
            lease: self.journal.recorder.lease.clone(),
            counts_doubted: AtomicBool::new(false),
        }))
    }

    async fn finish(&mut self, context: &Arc<Context>) -> Result<Export, BulkError> {
        let mut run = Run {
            kickoffs: 0,
            idle: 0,
        };
        let mut listing = match self.journal.listing()? {
            Some(listing) => listing,
            None => self.obtain(context, &mut run, None, String::new()).await?,
        };
        loop {
            let before = self.journal.complete.len();
            let Some(text) = self.download(context, &listing).await? else {
                break;
            };
            run.idle = if self.journal.complete.len() > before {
                1
            } else {
                run.idle + 1
            };
            if run.idle > IDLE_REFRESHES {
                self.forget()?;
                run.idle = 0;
            }
            context
                .progress
                .retrying(&text, self.options.retries.shortest);
            tokio::time::sleep(self.options.retries.shortest).await;
            listing = self.obtain(context, &mut run, Some(&listing), text).await?;
        }
        let export = Export::new(&self.dir, &self.journal, &listing);
        let export = export.ok_or_else(|| BulkError::Directory {
            path: self.dir.clone(),
            what: "files are missing from a finished export".into(),
        })?;
        if self.journal.state.phase == Phase::Running {
            self.journal.sweep(&listing)?;
            self.journal.state.phase = Phase::Done;
            self.journal.save()?;
            let count = |files: &[crate::ExportedFile]| files.len();
            let bytes: u64 = export.output.iter().map(|file| file.bytes).sum();
            self.log.event(
                "export_complete",
                &json!({"files": count(&export.output), "deleted": count(&export.deleted),
                    "errors": count(&export.errors), "bytes": bytes}),
            );
            if let (true, Some(url)) = (self.options.delete_when_done, self.status_url()) {
                // Tidiness: the export is safe whatever comes of it.
                let _ = delete(context, &url.clone()).await;
            }
        }
        Ok(export)
    }

    /// The listing of files, after a new kick-off if there is no job on the server. `old` is the one so
    /// far; `why` it is no longer good.
    async fn obtain(
        &mut self,
        context: &Context,
        run: &mut Run,
        old: Option<&Listing>,
        mut why: String,
    ) -> Result<Listing, BulkError> {
        loop {
            let url = match &self.journal.state.status_url {
                Some(url) => url.clone(),
                None => self.begin(context, run, &why).await?,
            };
            let partial = self.journal.state.request.allow_partial_manifests;
            match wait(context, &url, partial).await {
                Ok(Status::Ready(pages)) => {
                    let generation = old.map_or(0, |old| old.generation) + 1;
                    let fresh = Listing::new(pages, generation, self.journal.state.kickoffs);
                    let complete = |name: &str| self.journal.complete.contains_key(name);
                    let listing = match old {
                        None => fresh,
                        Some(old) => match old.renewed(&fresh) {
                            Some(renewed) => renewed,
                            None => old.succeeded_by(fresh, complete),
                        },
                    };
                    self.journal.list(&listing)?;
                    self.log.event(
                        "manifest_complete",
                        &json!({"transactionTime": listing.transaction_time,
                            "totalFileCount": listing.files.len()}),
                    );
                    return Ok(listing);
                }
                Ok(Status::Gone(text)) => {
                    self.forget()?;
                    why = text;
                }
                Err(error) => {
                    // An export that failed will not come back; one that we may not see might.
                    if matches!(error, BulkError::Refused { status, .. } if !matches!(status, 401 | 403))
                    {
                        self.forget()?;
                    }
                    return Err(error);
                }
            }
        }
    }

    async fn begin(
        &mut self,
        context: &Context,
        run: &mut Run,
        why: &str,
    ) -> Result<Url, BulkError> {
        if run.kickoffs >= self.options.kickoffs {
            return Err(BulkError::Expired {
                kickoffs: run.kickoffs,
                text: why.to_owned(),
            });
        }
        let url = kick_off(context, &self.journal.state.request).await?;
        run.kickoffs += 1;
        self.journal.state.kickoffs += 1;
        self.journal.state.status_url = Some(url.clone());
        self.journal.save()?;
        self.log.event(
            "kickoff_accepted",
            &json!({"kickoffs": self.journal.state.kickoffs}),
        );
        context.progress.accepted(self.journal.state.kickoffs);
        Ok(url)
    }

    /// The server no longer knows the job.
    fn forget(&mut self) -> Result<(), BulkError> {
        self.journal.state.status_url = None;
        self.journal.save()
    }

    /// Downloads what is missing. The answer is `None` when nothing is, or why a link has expired.
    async fn download(
        &mut self,
        context: &Arc<Context>,
        listing: &Listing,
    ) -> Result<Option<String>, BulkError> {
        let complete = |name: &str| self.journal.complete.contains_key(name);
        let missing = listing.files.iter().filter(|file| !complete(&file.name));
        let missing: Vec<_> = missing.cloned().collect();
        context.progress.listed(listing.files.len(), missing.len());
        if missing.is_empty() {
            return Ok(None);
        }
        self.journal.sweep(listing)?;
        let mut missing = missing.into_iter();
        let mut running = JoinSet::new();
        // At most one write to the journal at a time: what arrives meanwhile shares the next.
        let mut recording = JoinSet::new();
        let mut whole = Vec::new();
        let mut expired = None;
        let mut failed = None;
        loop {
            while running.len() < self.options.parallel
                && expired.is_none()
                && failed.is_none()
                && let Some(file) = missing.next()
            {
                let (context, dir) = (context.clone(), self.dir.clone());
                running.spawn(async move { fetch(&context, &dir, &file).await });
            }
            if recording.is_empty() && !whole.is_empty() {
                let (files, recorder) = (mem::take(&mut whole), self.journal.recorder.clone());
                recording.spawn_blocking(move || recorder.record(files));
            }
            tokio::select! {
                Some(ended) = running.join_next() => match ended.unwrap_or_else(lost) {
                    Ok(Fetched::Whole(file)) => whole.push(file),
                    Ok(Fetched::Expired(text)) => expired = expired.or(Some(text)),
                    Err(error) => {
                        failed = failed.or(Some(error));
                        // Large files leave a note of how far they are.
                        running.abort_all();
                    }
                },
                Some(recorded) = recording.join_next() => {
                    self.journal.recorded(recorded.unwrap_or_else(lost)?);
                }
                else => return failed.map_or(Ok(expired), Err),
            }
        }
    }
}

fn lost<T>(_: JoinError) -> Result<T, BulkError> {
    Err(ended())
}

/// Counters of one run.
struct Run {
    kickoffs: u32,
    /// Manifests fetched anew since a file arrived.
    idle: u32,
}
