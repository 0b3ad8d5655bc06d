//! Private files that survive a power cut: modes 0600 and 0700, fsync of file and directory.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

use crate::error::{At as _, Doing as _, Error, Result};

/// Creates a directory that only its owner can enter; what exists stays.
pub(crate) fn private_dir(path: &Path) -> Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .at("create", path)
}

/// Creates a new file that only its owner can read.
pub(crate) fn private_file(path: &Path) -> Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .at("create", path)
}

/// Makes names created in or removed from `path` durable.
pub(crate) fn sync_dir(path: &Path) -> Result<()> {
    File::open(path)
        .and_then(|dir| dir.sync_all())
        .at("sync", path)
}

/// Writes a file that appears whole or not at all, durably, where none is. `false` if there is one, which stays.
pub(crate) fn create_atomic(path: &Path, bytes: &[u8]) -> Result<bool> {
    let (Some(dir), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(Error::Usage("a file needs a name and a directory".into()));
    };
    let mut nonce = [0; 8];
    getrandom::fill(&mut nonce).doing("draw a name")?;
    let nonce = u64::from_le_bytes(nonce);
    let draft = dir.join(format!(".{}.{nonce:016x}.tmp", name.to_string_lossy()));
    let written = private_file(&draft).and_then(|mut file| {
        file.write_all(bytes)
            .and_then(|()| file.sync_all())
            .at("write", &draft)
    });
    // A link never replaces.
    let linked = written.and_then(|()| match std::fs::hard_link(&draft, path) {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(false),
        linked => linked.map(|()| true).at("create", path),
    });
    // Whatever cannot be removed is under a name that nobody reads.
    let _ = std::fs::remove_file(&draft);
    let ours = linked?;
    sync_dir(dir)?;
    Ok(ours)
}

/// Writes a file that appears whole or not at all, durably.
pub(crate) fn write_atomic(path: &Path, bytes: &[u8]) -> Result<()> {
    let (Some(dir), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(Error::Usage("a file needs a name and a directory".into()));
    };
    let temporary = dir.join(format!(".{}.tmp", name.to_string_lossy()));
    match std::fs::remove_file(&temporary) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(error).at("remove", &temporary);
        }
        _ => {}
    }
    let mut file = private_file(&temporary)?;
    file.write_all(bytes)
        .and_then(|()| file.sync_all())
        .at("write", &temporary)?;
    std::fs::rename(&temporary, path).at("rename", &temporary)?;
    sync_dir(dir)
}
