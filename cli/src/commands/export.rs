//! An export that a server is asked for: where it lies meanwhile, and what the next run asks for.
//!
//! ```text
//! exports/SOURCE/
//!   job/         the export that is under way, or downloaded and not yet in the lake
//!   last.json    what was asked for last, and of which instant the answer was
//!   ended/       an export that is being removed
//!   kept-…/      exports that --keep kept
//! ```
//! A run that is interrupted at any point is taken up: the job goes on where it was, an ingest that was committed changes
//! nothing the second time.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use salus_bulk::{
    Auth, BackendServices, Connection, Export, IssueCount, Job, Level, Options, Proxy, Request,
    Secret, SigningKey,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::arguments::{Asked, Fhir, Server};
use crate::failure::Failure;
use crate::files;
use crate::progress::Progress;

/// What was exported last from a source.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Last {
    /// As it was asked, without `_since`.
    request: Request,
    /// Of which instant the answer was.
    transaction_time: String,
}

/// The exports of one source. One process at a time works on them.
#[derive(Debug)]
pub(crate) struct Exports {
    dir: PathBuf,
    _lock: fs::File,
}

/// An export that has arrived.
#[derive(Debug)]
pub(crate) struct Arrived {
    pub(crate) export: Export,
    request: Request,
}

impl Exports {
    /// Those of `source` in the home.
    pub(crate) fn of(root: &Path, source: &str) -> Result<Self, Failure> {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        if source.is_empty() || source.starts_with('.') || !source.chars().all(plain) {
            return Err(Failure::usage(
                "--source: letters, digits, hyphens, underscores and dots, when a server is asked",
            ));
        }
        let dir = root.join("exports").join(source);
        files::private_dir(&root.join("exports"))?;
        files::private_dir(&dir)?;
        let lock = files::lock(&dir.join("lock"))?;
        Ok(Self { dir, _lock: lock })
    }

    fn job(&self) -> PathBuf {
        self.dir.join("job")
    }

    fn last(&self) -> PathBuf {
        self.dir.join("last.json")
    }

    /// Asks for the export, or goes on with the one that is under way, until it has arrived.
    pub(crate) async fn fetch(&self, fhir: &Fhir, progress: Progress) -> Result<Arrived, Failure> {
        let asked = request(&fhir.from, &fhir.asked)?;
        let options = options(&fhir.server)?;
        let mut job = self.open(asked, &fhir.asked, options)?;
        let heard = Arc::new(Heard(progress));
        let export = match job.run(heard.clone()).await {
            Ok(export) => export,
            Err(error) => {
                let output = fs::read_dir(self.job().join("output"));
                let arrived = output.is_ok_and(|mut files| files.next().is_some());
                let under_way = job.status_url().is_some() || arrived;
                drop(job);
                if !under_way {
                    // There is nothing to go on with.
                    self.remove()?;
                }
                return Err(failure(error));
            }
        };
        heard.0.finish();
        let request = plain(job.request().clone());
        Ok(Arrived { export, request })
    }

    fn open(&self, asked: Request, how: &Asked, options: Options) -> Result<Job, Failure> {
        let dir = self.job();
        // Whoever was interrupted while it began, or ended, left nothing to go on with.
        if how.restart || !Job::exists(&dir) {
            self.remove()?;
        }
        if !dir.exists() {
            let since = match (&how.since, how.full) {
                (Some(since), _) => Some(since.clone()),
                (None, true) => None,
                (None, false) => self.since(&asked)?,
            };
            let request = Request { since, ..asked };
            return Job::start(&dir, request, options).map_err(failure);
        }
        let job = Job::resume(&dir, options).map_err(failure)?;
        if plain(job.request().clone()) != asked {
            return Err(Failure::usage(format!(
                "another export of this source is under way in {}; ask for it as before to go on with it, or add --restart to throw it away",
                dir.display()
            )));
        }
        Ok(job)
    }

    /// The instant of the last export, if the same was asked for.
    fn since(&self, asked: &Request) -> Result<Option<String>, Failure> {
        let path = self.last();
        if !path.exists() {
            return Ok(None);
        }
        let last: Last = serde_json::from_slice(&fs::read(&path)?).map_err(|_| {
            Failure::usage(format!(
                "{} cannot be read; ask for everything with --full",
                path.display()
            ))
        })?;
        Ok((last.request == *asked).then_some(last.transaction_time))
    }

    /// The export is in the lake: the next one goes on from it.
    pub(crate) fn done(&self, arrived: &Arrived, keep: bool) -> Result<(), Failure> {
        match &arrived.export.transaction_time {
            Some(time) => {
                let last = Last {
                    request: arrived.request.clone(),
                    transaction_time: time.clone(),
                };
                let json = serde_json::to_vec_pretty(&last).map_err(anyhow::Error::from)?;
                files::replace(&self.last(), &json)?;
            }
            // Without an instant there is nothing to go on from.
            None if self.last().exists() => fs::remove_file(self.last())?,
            None => {}
        }
        if keep {
            let now = chrono::Utc::now().format("%Y%m%dT%H%M%S%.6fZ");
            fs::rename(self.job(), self.dir.join(format!("kept-{now}")))?;
        } else {
            self.remove()?;
        }
        Ok(())
    }

    /// Removes the job, if there is one: under another name first, because half of a job would look like all of one.
    fn remove(&self) -> Result<(), Failure> {
        let ended = self.dir.join("ended");
        let absent = |error: &std::io::Error| error.kind() == std::io::ErrorKind::NotFound;
        for step in [
            fs::remove_dir_all(&ended),
            fs::rename(self.job(), &ended),
            fs::remove_dir_all(&ended),
        ] {
            step.or_else(|error| if absent(&error) { Ok(()) } else { Err(error) })?;
        }
        Ok(())
    }
}

impl Arrived {
    /// Where the files lie: resources, deletions, and what went wrong at the server.
    pub(crate) fn directories(&self) -> Vec<PathBuf> {
        let names = ["output", "deleted", "error"].map(|name| self.export.dir.join(name));
        names.into_iter().filter(|dir| dir.is_dir()).collect()
    }

    /// What came, for JSON readers.
    pub(crate) fn told(&self, issues: &[IssueCount]) -> Value {
        let issue = |issue: &IssueCount| json!({"severity": issue.severity, "code": issue.code, "count": issue.count, "texts": issue.texts});
        let miscounted = self.export.miscounted().count();
        json!({
            "transaction_time": self.export.transaction_time,
            "kickoffs": self.export.kickoffs,
            "output_files": self.export.output.len(),
            "deleted_files": self.export.deleted.len(),
            "files_with_another_count_than_announced": miscounted,
            "issues": issues.iter().map(issue).collect::<Vec<_>>(),
        })
    }

    /// What the server says went wrong.
    pub(crate) fn issues(&self) -> Result<Vec<IssueCount>, Failure> {
        self.export.issues().map_err(failure)
    }
}

/// A request without what differs from run to run.
fn plain(request: Request) -> Request {
    Request {
        since: None,
        ..request
    }
}

fn request(from: &str, asked: &Asked) -> Result<Request, Failure> {
    let whole = from.contains("$export") || from.contains("%24export");
    let mut request = if whole {
        if asked.group.is_some() || asked.system {
            return Err(Failure::usage(
                "the address says already whose data are asked for; leave --group and --system out",
            ));
        }
        Request::from_url(from)
    } else {
        let level = match &asked.group {
            Some(id) => Level::Group(id.clone()),
            None if asked.system => Level::System,
            None => Level::Patient,
        };
        Request::new(from, level)
    }
    .map_err(failure)?;
    request.types.extend(asked.types.iter().cloned());
    request
        .type_filters
        .extend(asked.type_filter.iter().cloned());
    for pair in &asked.set {
        let (name, value) = pair
            .split_once('=')
            .ok_or_else(|| Failure::usage("--set takes NAME=VALUE"))?;
        request.set(name, value).map_err(failure)?;
    }
    if request.since.is_some() {
        return Err(Failure::usage(
            "say the instant with --since, so that the next run can go on from there",
        ));
    }
    request.check().map_err(failure)?;
    Ok(request)
}

fn options(server: &Server) -> Result<Options, Failure> {
    let read = |path: &PathBuf| {
        fs::read_to_string(path)
            .map_err(|error| Failure::usage(format!("{}: {error}", path.display())))
    };
    let auth = match (&server.client_id, &server.token_file) {
        (Some(id), _) => {
            let mut keys = Vec::new();
            for file in &server.client_key {
                keys.extend(SigningKey::read(file).map_err(failure)?);
            }
            let mut services = BackendServices::new(id.clone(), keys);
            services.scope.clone_from(&server.scope);
            services.token_url = server.token_url.as_deref().map(address).transpose()?;
            Auth::Backend(Box::new(services))
        }
        (None, Some(file)) => Auth::Bearer(Secret::new(read(file)?.trim().to_owned())),
        (None, None) => Auth::None,
    };
    let mut connection = Connection {
        allow_http: server.allow_http,
        ..Connection::default()
    };
    for file in &server.ca {
        connection.roots.push(read(file)?.into_bytes());
    }
    if let Some(file) = &server.identity {
        connection.identity = Some(Secret::new(read(file)?));
    }
    if let Some(proxy) = &server.proxy {
        connection.proxy = Proxy::Url(Secret::new(proxy.clone()));
    }
    for origin in &server.trust_origin {
        connection.trusted_origins.push(address(origin)?);
    }
    Ok(Options {
        auth,
        connection,
        parallel: usize::from(server.parallel),
        deadline: server
            .deadline
            .map(|minutes| Duration::from_secs(minutes.saturating_mul(60))),
        ..Options::default()
    })
}

fn address<T: std::str::FromStr>(text: &str) -> Result<T, Failure> {
    text.parse()
        .map_err(|_| Failure::usage(format!("{text} is no address")))
}

pub(crate) fn failure(error: salus_bulk::BulkError) -> Failure {
    use salus_bulk::BulkError::{Directory, Key, NotAllowed, Options};
    match error {
        Options(_) | Key(_) | NotAllowed(_) | Directory { .. } => Failure::usage(error.to_string()),
        other => Failure::Other(
            anyhow::Error::from(other)
                .context("the export has not arrived; the same command goes on with it"),
        ),
    }
}

/// Says how far the export is.
struct Heard(Progress);

impl salus_bulk::Progress for Heard {
    fn accepted(&self, kickoffs: u32) {
        self.0.message(match kickoffs {
            0 | 1 => "the server prepares the export".into(),
            more => format!("the server prepares the export anew ({more})"),
        });
    }

    fn waiting(&self, text: Option<&str>, _pause: Duration) {
        if let Some(text) = text {
            self.0.message(format!("the server: {text}"));
        }
    }

    fn listed(&self, files: usize, missing: usize) {
        self.0
            .message(format!("downloading {missing} of {files} files"));
    }

    fn received(&self, bytes: u64) {
        self.0.add(bytes);
    }

    fn retrying(&self, text: &str, pause: Duration) {
        self.0
            .message(format!("{text}; again in {} s", pause.as_secs()));
    }
}
