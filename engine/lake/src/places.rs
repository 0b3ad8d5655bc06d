//! Where everything of a lake is.
//!
//! ```text
//! home/                                          bucket/prefix/, when the lake is in a bucket
//!   catalog.yaml            public facts
//!   views/                  definitions of views that fill tables, by their hash
//!   keys/lake.key           master key of everything below, unless another provider holds it
//!   lake/
//!     .lock                 held by the writer of this home
//!     .readers .turnstile   held by readers, and by a vacuum
//!     _staging/             rows of the running transaction; empty otherwise
//!     _snapshots/0000000001.json …                 _snapshots/
//!                           the newest is what queries see
//!     _ledger/0000000001.json …                    _ledger/
//!                           the newest names the ledger of its answers;
//!                           marks of snapshots for it
//!     patient/              a Delta table          patient/
//!     …
//!   identity/               which person a source  identity/
//!                           identifier belongs to
//!   quarantine/             what ingest could not  quarantine/
//!                           use
//!                                                  lake.json: format, and by which key it is sealed
//! ```
//! All directories have mode 0700, all files 0600.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::{At as _, Error, Result};
use crate::files;
use crate::place::{Bucket, Folder};
use crate::schema::TABLES;
use crate::vault::Vault;

/// Version of the layout of a bucket.
const FORMAT: u32 = 1;
/// Name of the object that makes a prefix of a bucket a lake.
const MARK: &str = "lake.json";

/// The places of a lake.
#[derive(Debug, Clone)]
pub(crate) struct Places {
    pub(crate) catalog: PathBuf,
    /// Definitions of views that fill tables.
    pub(crate) views: PathBuf,
    pub(crate) key: PathBuf,
    pub(crate) snapshots: Folder,
    /// Which ledger answers are booked in.
    pub(crate) ledgers: Folder,
    /// Rows of the running transaction; always local.
    pub(crate) staging: PathBuf,
    /// Files on their way to a bucket.
    pub(crate) spool: PathBuf,
    pub(crate) identity: Folder,
    pub(crate) quarantine: Folder,
    /// Shared by whoever reads, and taken alone by a vacuum.
    pub(crate) readers: PathBuf,
    /// Passed by readers on the way in, and held by a vacuum.
    pub(crate) turnstile: PathBuf,
    lake: PathBuf,
    lock: PathBuf,
    bucket: Option<Bucket>,
}

/// What `lake.json` says.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Mark {
    format: u32,
    /// Name of the master key, and a random key that it wrapped: whoever cannot open that has another key.
    key: String,
    proof: String,
}

impl Places {
    pub(crate) fn of(home: &Path, bucket: Option<&Bucket>) -> Self {
        let lake = home.join("lake");
        let staging = lake.join("_staging");
        let spool = staging.join("spool");
        let folder = |name: &str, dir: PathBuf| match bucket {
            None => Folder::local(dir),
            Some(bucket) => Folder::remote(bucket, name, &spool),
        };
        Self {
            catalog: home.join("catalog.yaml"),
            views: home.join("views"),
            key: home.join("keys/lake.key"),
            snapshots: folder("_snapshots", lake.join("_snapshots")),
            ledgers: folder("_ledger", lake.join("_ledger")),
            identity: folder("identity", home.join("identity")),
            quarantine: folder("quarantine", home.join("quarantine")),
            lock: lake.join(".lock"),
            readers: lake.join(".readers"),
            turnstile: lake.join(".turnstile"),
            bucket: bucket.cloned(),
            staging,
            spool,
            lake,
        }
    }

    /// The files of a table, by the name of its directory.
    pub(crate) fn table(&self, table: &str) -> Folder {
        match &self.bucket {
            None => Folder::local(self.lake.join(table)),
            Some(bucket) => Folder::remote(bucket, table, &self.spool),
        }
    }

    /// Names of the directories of tables in the home.
    pub(crate) fn directories(&self) -> Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(&self.lake).at("list", &self.lake)? {
            let entry = entry.at("list", &self.lake)?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if entry.path().is_dir() && !name.starts_with(['_', '.']) {
                names.push(name);
            }
        }
        Ok(names)
    }

    /// Whether other homes may write here too.
    pub(crate) fn shared(&self) -> bool {
        self.bucket.is_some()
    }

    /// Whether there is anything of a lake in the home.
    pub(crate) fn occupied(&self) -> bool {
        self.lake.exists() || self.catalog.exists()
    }

    /// Whether the home has a lake, or what it takes to use one in a bucket.
    pub(crate) fn furnished(&self) -> bool {
        self.catalog.is_file() && self.lock.is_file()
    }

    /// Makes the directories of a new lake.
    pub(crate) fn make(&self) -> Result<()> {
        files::private_dir(&self.lake)?;
        files::private_dir(&self.staging)?;
        let folders = [&self.snapshots, &self.identity, &self.quarantine].map(Folder::clone);
        for folder in folders
            .into_iter()
            .chain(TABLES.iter().map(|table| self.table(table)))
        {
            if let Some(dir) = folder.directory() {
                files::private_dir(dir)?;
            }
        }
        for lock in [&self.lock, &self.readers, &self.turnstile] {
            files::private_file(lock)?;
        }
        Ok(())
    }

    /// Takes the prefix of the bucket, if there is one, for a new lake.
    ///
    /// # Errors
    /// [`Error::Place`] when a lake is there, or the store is not fit for one.
    pub(crate) fn claim(&self, vault: &Vault) -> Result<()> {
        let Some(bucket) = &self.bucket else {
            return Ok(());
        };
        bucket.probe()?;
        let (key, proof) = vault.proof()?;
        let mark = Mark {
            format: FORMAT,
            key,
            proof,
        };
        let bytes = serde_json::to_vec(&mark).unwrap_or_default();
        let ours = bucket.publish(bucket.path(MARK), &bytes)?;
        ours.then_some(())
            .ok_or_else(|| Error::Place(format!("there is a lake at {} already", bucket.address())))
    }

    /// Checks that the bucket, if there is one, has a lake of this format and key.
    ///
    /// # Errors
    /// [`Error::Place`], and [`Error::Key`] for a lake that was sealed with another key.
    pub(crate) fn recognise(&self, vault: &Vault) -> Result<()> {
        let Some(bucket) = &self.bucket else {
            return Ok(());
        };
        let at = bucket.address();
        let bytes = bucket
            .read(bucket.path(MARK))?
            .ok_or_else(|| Error::Place(format!("there is no lake at {at}")))?;
        let mark: Mark = serde_json::from_slice(&bytes)
            .ok()
            .filter(|mark: &Mark| mark.format == FORMAT)
            .ok_or_else(|| Error::Place(format!("the lake at {at} has another format")))?;
        vault.prove(&mark.key, &mark.proof)
    }

    /// Takes the write lock of the home; it goes with the file handle, so a process that dies gives it back.
    pub(crate) fn lock(&self) -> Result<File> {
        let file = File::options()
            .write(true)
            .open(&self.lock)
            .at("open", &self.lock)?;
        match file.try_lock() {
            Ok(()) => Ok(file),
            Err(TryLockError::WouldBlock) => Err(Error::Busy),
            Err(TryLockError::Error(source)) => Err(source).at("lock", &self.lock),
        }
    }
}
