//! Removing what no snapshot names.
//!
//! In a directory the lock proves that nobody writes, so everything without a name goes. In a bucket somebody may write from
//! another home, so only files go that were written for a snapshot whose number is taken (see [`crate::names`]).

use std::collections::{BTreeMap, BTreeSet};

use crate::delta;
use crate::error::{At as _, Error, Result};
use crate::lake::Lake;
use crate::names::written_for;
use crate::place::Folder;
use crate::snapshot::{self, Snapshot};

/// What [`Lake::vacuum`] removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Vacuumed {
    /// Files.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Files in a bucket that stay until the next commit, because their writer may still be at work in another home.
    pub waiting: u64,
}

impl Lake {
    /// Removes all snapshots but the newest `keep`, and every data, identity and quarantine file that no snapshot names.
    ///
    /// In a bucket, files of a transaction that has not committed stay until another has; [`Vacuumed::waiting`] counts them.
    ///
    /// # Errors
    /// [`Error::Busy`] while a transaction of this home exists; [`Error::Usage`] when `keep` is 0.
    pub async fn vacuum(&self, keep: usize) -> Result<Vacuumed> {
        if keep == 0 {
            return Err(Error::Usage("at least one snapshot must be kept".into()));
        }
        let places = self.places();
        let _lock = places.lock()?;
        let numbers = snapshot::numbers(&places.snapshots)?;
        let (old, kept) = numbers.split_at(numbers.len().saturating_sub(keep));
        let mut named = Named::default();
        for table in self.tables() {
            let view = self.view(table).map(|view| view.sha256.as_str());
            named.stays(snapshot::directory(table, view));
        }
        for number in old {
            // What cannot be read is going; its files may then stay, in a bucket.
            if let Ok(snapshot) = self.snapshot_at(*number) {
                named.directories(&snapshot);
            }
        }
        // Names first, files second: a crash in between leaves files without a name, never a name without files.
        for number in old {
            places.snapshots.retire(&snapshot::file_name(*number))?;
        }
        places.snapshots.sync()?;
        for number in kept {
            named.add(&self.snapshot_at(*number)?);
        }
        if !kept.is_empty() {
            // A log may still be behind and name files that go now.
            delta::follow(self).await?;
        }
        let newest = kept.last().copied().unwrap_or_default();
        let gone = |name: &str| !places.shared() || written_for(name).is_some_and(|n| n <= newest);
        let mut vacuumed = Vacuumed::default();
        for (directory, files) in &named.tables {
            let folder = places.table(directory);
            if folder.directory().is_some_and(|dir| !dir.exists()) {
                continue;
            }
            sweep(&folder, files, &gone, &mut vacuumed)?;
        }
        for directory in places.directories()? {
            if named.staying.contains(&directory) {
                continue;
            }
            // Its view went, or has another definition.
            let folder = places.table(&directory);
            if let Some(dir) = folder.directory() {
                sweep(&folder, &BTreeSet::new(), &gone, &mut vacuumed)?;
                std::fs::remove_dir_all(dir).at("remove", dir)?;
            }
        }
        sweep(&places.identity, &named.identity, &gone, &mut vacuumed)?;
        sweep(&places.quarantine, &named.quarantine, &gone, &mut vacuumed)?;
        Ok(vacuumed)
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

/// Removes the files of `folder` that are not `named` and of which `gone` says that nobody is going to name them.
fn sweep(
    folder: &Folder,
    named: &BTreeSet<String>,
    gone: &dyn Fn(&str) -> bool,
    vacuumed: &mut Vacuumed,
) -> Result<()> {
    let mut removed = Vec::new();
    for (name, bytes) in folder.list()? {
        if named.contains(&name) {
            continue;
        }
        if !gone(&name) {
            vacuumed.waiting += 1;
            continue;
        }
        vacuumed.files += 1;
        vacuumed.bytes += bytes;
        removed.push(name);
    }
    folder.remove(&removed)
}
