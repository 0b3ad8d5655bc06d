//! Removing what no snapshot names.
//!
//! In a directory the lock proves that nobody writes, so everything without a name goes. In a bucket somebody may write from
//! another home, so only files go that were written for a snapshot whose number is taken (see [`crate::names`]). Readers of
//! this home are waited for (see [`crate::reading`]).

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use crate::delta;
use crate::error::{At as _, Error, Result};
use crate::lake::Lake;
use crate::names::written_for;
use crate::place::Folder;
use crate::snapshot::{self, Snapshot};

/// How long readers are waited for where nothing is said.
const PATIENCE: Duration = Duration::from_mins(1);

/// Which snapshots stay. The newest always does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retention {
    /// So many of the newest stay, at least 1.
    pub newest: usize,
    /// Those stay too that were the newest at some moment of this long until now. Ages are those of the files of snapshots, by
    /// the clock of their place; what a restored backup made young stays longer.
    pub history: Duration,
    /// How long to wait for readers.
    pub patience: Duration,
    /// Only tell what would go.
    pub dry_run: bool,
}

impl Retention {
    /// The newest `snapshots` stay and no other; readers are waited for a minute.
    pub fn newest(snapshots: usize) -> Self {
        Self {
            newest: snapshots,
            history: Duration::ZERO,
            patience: PATIENCE,
            dry_run: false,
        }
    }
}

/// What [`Lake::vacuum`] removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Vacuumed {
    /// Snapshots.
    pub snapshots: u64,
    /// Files.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Files in a bucket that stay until the next commit, because their writer may still be at work in another home.
    pub waiting: u64,
}

impl Lake {
    /// Removes all snapshots but those of `retention`, and every data, identity and quarantine file that no snapshot names.
    /// Waits for readers of this home ([`Lake::reading`]) where there is anything to remove.
    ///
    /// In a bucket, files of a transaction that has not committed stay until another has; [`Vacuumed::waiting`] counts them.
    ///
    /// # Errors
    /// [`Error::Busy`] while a transaction of this home exists; [`Error::BeingRead`] when readers took too long;
    /// [`Error::Usage`] when not even one snapshot is to stay.
    pub async fn vacuum(&self, retention: &Retention) -> Result<Vacuumed> {
        if retention.newest == 0 {
            return Err(Error::Usage("at least one snapshot must be kept".into()));
        }
        let places = self.places();
        let _lock = places.lock()?;
        let sweep = Sweep::plan(self, retention)?;
        if retention.dry_run {
            return Ok(sweep.vacuumed);
        }
        if sweep.is_empty() {
            self.catch_up(&sweep).await?;
            return Ok(sweep.vacuumed);
        }
        let _unread = self.unread(retention.patience).await?;
        // Names first, files second: a crash in between leaves files without a name, never a name without files.
        for number in &sweep.snapshots {
            places.snapshots.retire(&snapshot::file_name(*number))?;
        }
        places.snapshots.sync()?;
        self.catch_up(&sweep).await?;
        for (folder, files) in &sweep.files {
            folder.remove(files)?;
        }
        for dir in &sweep.directories {
            std::fs::remove_dir_all(dir).at("remove", dir)?;
        }
        Ok(sweep.vacuumed)
    }

    /// A Delta log may still be behind and name files that go.
    async fn catch_up(&self, sweep: &Sweep) -> Result<()> {
        if sweep.any_left {
            delta::follow(self).await?;
        }
        Ok(())
    }
}

/// What goes.
struct Sweep {
    snapshots: Vec<u64>,
    /// Whether a snapshot stays.
    any_left: bool,
    files: Vec<(Folder, Vec<String>)>,
    directories: Vec<PathBuf>,
    vacuumed: Vacuumed,
}

impl Sweep {
    fn plan(lake: &Lake, retention: &Retention) -> Result<Self> {
        let places = lake.places();
        let (old, kept) = retention.split(&places.snapshots)?;
        let mut named = Named::default();
        for table in lake.tables() {
            let view = lake.view(table).map(|view| view.sha256.as_str());
            named.stays(snapshot::directory(table, view));
        }
        for number in &old {
            // What cannot be read is going; its files may then stay, in a bucket.
            if let Ok(snapshot) = lake.snapshot_at(*number) {
                named.directories(&snapshot);
            }
        }
        for number in &kept {
            named.add(&lake.snapshot_at(*number)?);
        }
        let newest = kept.last().copied().unwrap_or_default();
        let gone = |name: &str| !places.shared() || written_for(name).is_some_and(|n| n <= newest);
        let mut sweep = Self {
            any_left: !kept.is_empty(),
            vacuumed: Vacuumed {
                snapshots: old.len() as u64,
                ..Vacuumed::default()
            },
            snapshots: old,
            files: Vec::new(),
            directories: Vec::new(),
        };
        for (directory, files) in &named.tables {
            let folder = places.table(directory);
            if folder.directory().is_some_and(|dir| !dir.exists()) {
                continue;
            }
            sweep.add(folder, files, &gone)?;
        }
        for directory in places.directories()? {
            if named.staying.contains(&directory) {
                continue;
            }
            // Its view went, or has another definition.
            let folder = places.table(&directory);
            if let Some(dir) = folder.directory() {
                sweep.directories.push(dir.to_owned());
                if !named.tables.contains_key(&directory) {
                    sweep.add(folder, &BTreeSet::new(), &gone)?;
                }
            }
        }
        sweep.add(places.identity.clone(), &named.identity, &gone)?;
        sweep.add(places.quarantine.clone(), &named.quarantine, &gone)?;
        Ok(sweep)
    }

    fn is_empty(&self) -> bool {
        self.snapshots.is_empty() && self.files.is_empty() && self.directories.is_empty()
    }

    /// Adds the files of `folder` that are not `named` and of which `gone` says that nobody is going to name them.
    fn add(
        &mut self,
        folder: Folder,
        named: &BTreeSet<String>,
        gone: &dyn Fn(&str) -> bool,
    ) -> Result<()> {
        let mut files = Vec::new();
        for (name, bytes) in folder.list()? {
            if named.contains(&name) {
                continue;
            }
            if !gone(&name) {
                self.vacuumed.waiting += 1;
                continue;
            }
            self.vacuumed.files += 1;
            self.vacuumed.bytes += bytes;
            files.push(name);
        }
        if !files.is_empty() {
            self.files.push((folder, files));
        }
        Ok(())
    }
}

impl Retention {
    /// Numbers of the snapshots that go, and of those that stay, ascending.
    fn split(&self, snapshots: &Folder) -> Result<(Vec<u64>, Vec<u64>)> {
        let mut numbers = snapshot::numbers(snapshots)?;
        let kept = numbers.split_off(numbers.len().saturating_sub(self.newest));
        let now = SystemTime::now();
        if self.history.is_zero() {
            return Ok((numbers, kept));
        }
        let mut history = VecDeque::from(kept);
        while let (Some(number), Some(next)) = (numbers.last(), history.front()) {
            // A snapshot was the newest until the next one came.
            let came = snapshots.written(&snapshot::file_name(*next))?;
            // A clock that was put back makes nothing old.
            if now
                .duration_since(came)
                .is_ok_and(|age| age >= self.history)
            {
                break;
            }
            history.push_front(*number);
            numbers.pop();
        }
        Ok((numbers, history.into()))
    }
}

/// Files that snapshots name.
#[derive(Default)]
struct Named {
    /// By directory of a table.
    tables: BTreeMap<String, BTreeSet<String>>,
    /// Directories that the catalog or a snapshot knows.
    staying: BTreeSet<String>,
    identity: BTreeSet<String>,
    quarantine: BTreeSet<String>,
}

impl Named {
    fn directory(&mut self, name: String) -> &mut BTreeSet<String> {
        self.tables.entry(name).or_default()
    }

    /// The directories of a snapshot, without its files.
    fn directories(&mut self, snapshot: &Snapshot) {
        for (table, version) in &snapshot.tables {
            self.directory(snapshot::directory(table, version.view.as_deref()));
        }
    }

    fn add(&mut self, snapshot: &Snapshot) {
        let side = snapshot.identity.all();
        self.identity.extend(side.map(|file| file.path.clone()));
        let lines = snapshot.quarantine.iter();
        self.quarantine.extend(lines.map(|file| file.path.clone()));
        for (table, version) in &snapshot.tables {
            let files = version.files.iter().map(|file| file.path.clone());
            let directory = snapshot::directory(table, version.view.as_deref());
            self.directory(directory.clone()).extend(files);
            self.staying.insert(directory);
        }
    }

    fn stays(&mut self, directory: String) {
        self.directory(directory.clone());
        self.staying.insert(directory);
    }
}
