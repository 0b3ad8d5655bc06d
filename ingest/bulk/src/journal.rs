//! What survives a crash: `job.json` (what was asked and where the server does it), one listing of
//! files for each manifest, and `files.ndjson`, a line for each file that is whole and on disk.
//!
//! Each is written so that a crash leaves the old or the new state: whole files by rename, lines by
//! appending, where a torn last line counts for nothing. The directory is for its owner alone: status
//! addresses and links can work without a password.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use url::Url;

use crate::check::hex;
use crate::error::BulkError;
use crate::listing::Listing;
use crate::manifest::Section;
use crate::request::Request;

const FORMAT: u32 = 1;
const JOB: &str = "job.json";
const FILES: &str = "files.ndjson";

/// What is known of the job apart from its files.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct State {
    format: u32,
    /// Names this export in the log.
    pub(crate) id: String,
    pub(crate) request: Request,
    /// Kick-offs so far.
    pub(crate) kickoffs: u32,
    pub(crate) status_url: Option<Url>,
    /// The generation of the listing in use.
    pub(crate) listing: Option<u32>,
    pub(crate) phase: Phase,
}

/// How far the job is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Phase {
    Running,
    Done,
    Cancelled,
}

/// A file that is whole and on disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Complete {
    /// As the listing names it.
    pub(crate) name: String,
    /// As it lies in the directory.
    pub(crate) path: String,
    pub(crate) bytes: u64,
    pub(crate) sha256: String,
    pub(crate) resources: u64,
}

/// The journal of one job, locked for this process.
#[derive(Debug)]
pub(crate) struct Journal {
    dir: PathBuf,
    pub(crate) state: State,
    pub(crate) complete: HashMap<String, Complete>,
    pub(crate) recorder: Recorder,
}

/// Appends to `files.ndjson`, beside whatever else goes on.
#[derive(Debug, Clone)]
pub(crate) struct Recorder {
    dir: PathBuf,
    files: Arc<File>,
    /// The directory stays locked until the last write is done, whoever has let go of the job.
    pub(crate) lease: Arc<File>,
}

impl Journal {
    /// A new job in `dir`, which must be empty or not exist.
    pub(crate) fn create(dir: &Path, request: Request) -> Result<Self, BulkError> {
        private_directory(dir)?;
        let lock = lock(dir)?;
        if !vacant(dir)? {
            return Err(BulkError::Directory {
                path: dir.to_owned(),
                what: "not empty; name a new directory, or resume the job in it".into(),
            });
        }
        for section in [Section::Output, Section::Deleted, Section::Error] {
            private_directory(&dir.join(section.folder()))?;
        }
        let mut id = [0; 16];
        getrandom::fill(&mut id).map_err(|error| BulkError::Store {
            path: dir.to_owned(),
            source: io::Error::other(error.to_string()),
        })?;
        let journal = Self {
            dir: dir.to_owned(),
            state: State {
                format: FORMAT,
                id: hex(&id),
                request,
                kickoffs: 0,
                status_url: None,
                listing: None,
                phase: Phase::Running,
            },
            complete: HashMap::new(),
            recorder: Recorder::new(dir, lock)?,
        };
        journal.save()?;
        Ok(journal)
    }

    pub(crate) fn exists(dir: &Path) -> bool {
        dir.join(JOB).exists()
    }

    /// The job that is in `dir`.
    pub(crate) fn open(dir: &Path) -> Result<Self, BulkError> {
        let nothing = |what: &str| BulkError::Directory {
            path: dir.to_owned(),
            what: what.into(),
        };
        if !Self::exists(dir) {
            return Err(nothing("there is no job to resume"));
        }
        let lock = lock(dir)?;
        let state: State = read(&dir.join(JOB))?;
        if state.format != FORMAT {
            return Err(nothing("the job was begun by another version of Salus"));
        }
        let path = dir.join(FILES);
        let complete = completed(dir, &path)?;
        Ok(Self {
            dir: dir.to_owned(),
            state,
            complete,
            recorder: Recorder::new(dir, lock)?,
        })
    }

    /// Makes the state durable.
    pub(crate) fn save(&self) -> Result<(), BulkError> {
        replace(&self.dir.join(JOB), &self.state)?;
        sync_directory(&self.dir)
    }

    /// Makes `listing` the one in use.
    pub(crate) fn list(&mut self, listing: &Listing) -> Result<(), BulkError> {
        let path = self.dir.join(listing_name(listing.generation));
        replace(&path, listing)?;
        sync_directory(&self.dir)?;
        self.state.listing = Some(listing.generation);
        self.save()
    }

    /// The listing in use.
    pub(crate) fn listing(&self) -> Result<Option<Listing>, BulkError> {
        let generation = self.state.listing;
        generation
            .map(|generation| read(&self.dir.join(listing_name(generation))))
            .transpose()
    }

    /// Files that have been recorded are complete.
    pub(crate) fn recorded(&mut self, files: Vec<Complete>) {
        let named = files.into_iter().map(|file| (file.name.clone(), file));
        self.complete.extend(named);
    }

    /// Removes whatever does not belong to `listing`: files of an earlier export that were not kept,
    /// and what a crash left behind.
    pub(crate) fn sweep(&self, listing: &Listing) -> Result<(), BulkError> {
        let mut expected = std::collections::HashSet::new();
        for file in &listing.files {
            if let Some(complete) = self.complete.get(&file.name) {
                expected.insert(complete.path.clone());
            } else if let Some((folder, name)) = file.name.split_once('/') {
                expected.insert(format!("{folder}/.{name}.part"));
                expected.insert(format!("{folder}/.{name}.note"));
            }
        }
        for section in [Section::Output, Section::Deleted, Section::Error] {
            let folder = self.dir.join(section.folder());
            for entry in fs::read_dir(&folder).map_err(BulkError::store(&folder))? {
                let entry = entry.map_err(BulkError::store(&folder))?;
                let name = entry.file_name();
                let name = format!("{}/{}", section.folder(), name.to_string_lossy());
                if !expected.contains(&name) {
                    fs::remove_file(entry.path()).map_err(BulkError::store(entry.path()))?;
                }
            }
        }
        Ok(())
    }
}

impl Recorder {
    fn new(dir: &Path, lock: File) -> Result<Self, BulkError> {
        Ok(Self {
            dir: dir.to_owned(),
            files: Arc::new(append(&dir.join(FILES))?),
            lease: Arc::new(lock),
        })
    }

    /// Records files that have been fsynced and renamed, and gives them back. One write for all of
    /// them: many small files that arrive together cost one wait for the disk.
    pub(crate) fn record(&self, files: Vec<Complete>) -> Result<Vec<Complete>, BulkError> {
        for section in [Section::Output, Section::Deleted, Section::Error] {
            let folder = format!("{}/", section.folder());
            if files.iter().any(|file| file.path.starts_with(&folder)) {
                sync_directory(&self.dir.join(section.folder()))?;
            }
        }
        let mut lines = Vec::new();
        for file in &files {
            // Strings and numbers: serialisation cannot fail.
            lines.extend(serde_json::to_vec(file).unwrap_or_default());
            lines.push(b'\n');
        }
        let mut journal: &File = &self.files;
        let written = journal.write_all(&lines).and_then(|()| journal.sync_data());
        written.map_err(BulkError::store(self.dir.join(FILES)))?;
        Ok(files)
    }
}

/// Files that the journal names and that are there in their size.
fn completed(dir: &Path, path: &Path) -> Result<HashMap<String, Complete>, BulkError> {
    let text = match fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        other => other.map_err(BulkError::store(path))?,
    };
    let mut complete = HashMap::new();
    let mut whole = 0;
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        // A crash can tear the last line only, and what is torn was never relied on.
        let Ok(file) = serde_json::from_slice::<Complete>(line) else {
            break;
        };
        if !line.ends_with(b"\n") {
            break;
        }
        whole += line.len() as u64;
        let there = fs::metadata(dir.join(&file.path));
        if there.is_ok_and(|there| there.len() == file.bytes) {
            complete.insert(file.name.clone(), file);
        }
    }
    if whole < text.len() as u64 {
        let file = OpenOptions::new().write(true).open(path);
        let cut = file.and_then(|file| file.set_len(whole));
        cut.map_err(BulkError::store(path))?;
    }
    Ok(complete)
}

/// Whether there is nothing in `dir` but what a crash left of [`Journal::create`].
fn vacant(dir: &Path) -> Result<bool, BulkError> {
    for entry in fs::read_dir(dir).map_err(BulkError::store(dir))? {
        let entry = entry.map_err(BulkError::store(dir))?;
        let vacant = match entry.file_name().to_str() {
            Some(LOCK | "job.new") => true,
            Some(FILES) => entry.metadata().is_ok_and(|metadata| metadata.len() == 0),
            Some("output" | "deleted" | "error") => {
                fs::read_dir(entry.path()).is_ok_and(|mut inside| inside.next().is_none())
            }
            _ => false,
        };
        if !vacant {
            return Ok(false);
        }
    }
    Ok(true)
}

fn listing_name(generation: u32) -> String {
    format!("listing-{generation}.json")
}

const LOCK: &str = "lock";

fn lock(dir: &Path) -> Result<File, BulkError> {
    let path = dir.join(LOCK);
    let file = append(&path)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(BulkError::Busy(dir.to_owned())),
        Err(TryLockError::Error(source)) => Err(BulkError::Store { path, source }),
    }
}

fn append(path: &Path) -> Result<File, BulkError> {
    let mut options = private_file();
    options.create(true).append(true);
    options.open(path).map_err(BulkError::store(path))
}

/// Options for a file that only its owner may read.
fn private_file() -> OpenOptions {
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    options
}

fn private_directory(path: &Path) -> Result<(), BulkError> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt as _;
        builder.mode(0o700);
    }
    builder.create(path).map_err(BulkError::store(path))
}

fn read<T: DeserializeOwned>(path: &Path) -> Result<T, BulkError> {
    let bytes = fs::read(path).map_err(BulkError::store(path))?;
    serde_json::from_slice(&bytes).map_err(|error| BulkError::Directory {
        path: path.to_owned(),
        what: format!("damaged ({error}); start the job anew in another directory"),
    })
}

fn replace(path: &Path, value: &impl Serialize) -> Result<(), BulkError> {
    let temporary = path.with_extension("new");
    let write = || -> io::Result<()> {
        let mut options = private_file();
        let file = options
            .create(true)
            .write(true)
            .truncate(true)
            .open(&temporary)?;
        let mut file = io::BufWriter::new(file);
        serde_json::to_writer_pretty(&mut file, value)?;
        file.into_inner()
            .map_err(io::IntoInnerError::into_error)?
            .sync_all()?;
        fs::rename(&temporary, path)
    };
    write().map_err(BulkError::store(path))
}

fn sync_directory(path: &Path) -> Result<(), BulkError> {
    let synced = File::open(path).and_then(|directory| directory.sync_all());
    synced.map_err(BulkError::store(path))
}
