//! Files that are there whole or not at all.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};

use crate::failure::Failure;
use crate::output::hex;

/// Writes the file in one step, durably, readable by its owner only, over one of the same name.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let draft = draft(path)?;
    let written = write_new(&draft, bytes)
        .and_then(|()| fs::rename(&draft, path))
        .and_then(|()| sync_parent(path));
    finish(path, &draft, written)
}

/// The same, in a directory that is made where it is not.
pub(crate) fn replace_in(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    if let Some(dir) = path.parent() {
        private_dir(dir)?;
    }
    replace(path, bytes)
}

/// The same for a file that must not be there yet.
pub(crate) fn create(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let draft = draft(path)?;
    // A link never replaces.
    let written = write_new(&draft, bytes)
        .and_then(|()| fs::hard_link(&draft, path))
        .and_then(|()| sync_parent(path));
    finish(path, &draft, written)
}

fn draft(path: &Path) -> Result<std::path::PathBuf, Failure> {
    let mut nonce = [0_u8; 8];
    getrandom::fill(&mut nonce).map_err(|e| anyhow!("no randomness: {e}"))?;
    Ok(path.with_extension(format!("{}.new", hex(&nonce))))
}

fn write_new(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Whether a name is in its directory is known once the directory is on the disk.
pub(crate) fn sync_parent(path: &Path) -> std::io::Result<()> {
    match path.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => File::open(dir)?.sync_all(),
        _ => File::open(".")?.sync_all(),
    }
}

fn finish(path: &Path, draft: &Path, written: std::io::Result<()>) -> Result<(), Failure> {
    // Whatever is left is under a name that nobody reads.
    let _ = fs::remove_file(draft);
    written.with_context(|| format!("cannot write {}", path.display()))?;
    Ok(())
}

/// Every file in a directory and in those in it; none where it is not there.
pub(crate) fn below(dir: &Path) -> std::io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(dir) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() {
            files.extend(below(&path)?);
        } else {
            files.push(path);
        }
    }
    Ok(files)
}

/// Holds a lock that goes with the value, or with the process.
pub(crate) fn lock(path: &Path) -> Result<File, Failure> {
    let file = File::create(path)
        .and_then(|file| file.lock().map(|()| file))
        .with_context(|| format!("cannot lock {}", path.display()))?;
    Ok(file)
}

/// Makes a directory, and those above it, that only their owner may enter; what exists stays.
pub(crate) fn private_dir(path: &Path) -> Result<(), Failure> {
    let made = fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path);
    Ok(made.with_context(|| format!("cannot make {}", path.display()))?)
}
