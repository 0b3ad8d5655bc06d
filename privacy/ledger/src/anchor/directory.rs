//! An anchor in a directory: best on another disk, and of another owner.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use futures::FutureExt as _;
use futures::future::BoxFuture;

use super::Anchor;
use crate::error::{Error, Result};

/// Records in one folder, so that the newest is found without reading all names.
const FOLDER: u64 = 1000;

/// Records as files: `<number / 1000>/<number % 1000>`.
#[derive(Debug, Clone)]
pub struct Directory {
    root: PathBuf,
}

impl Directory {
    /// The anchor in the directory `root`, which is made (mode 0700) if it is not there.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] if it cannot be made.
    pub fn at(root: &Path) -> Result<Self> {
        make_directory(root)?;
        Ok(Self {
            root: root.to_owned(),
        })
    }

    fn folder(&self, number: u64) -> PathBuf {
        self.root.join(format!("{:017}", number / FOLDER))
    }

    fn file(&self, number: u64) -> PathBuf {
        self.folder(number).join(format!("{:03}", number % FOLDER))
    }

    fn find_newest(&self) -> Result<Option<u64>> {
        let mut folders = numbers(&self.root)?;
        folders.sort_unstable();
        // A folder can be made and its first record not yet.
        for folder in folders.into_iter().rev() {
            let start = folder
                .checked_mul(FOLDER)
                .ok_or(Error::Unavailable("the anchor holds an impossible number"))?;
            if let Some(last) = numbers(&self.folder(start))?.into_iter().max() {
                return Ok(start.checked_add(last));
            }
        }
        Ok(None)
    }

    /// Written whole under a name of its own, then linked to its number, which fails where there is one.
    fn link(&self, number: u64, record: &[u8]) -> Result<bool> {
        let folder = self.folder(number);
        make_directory(&folder)?;
        let mut nonce = [0; 8];
        getrandom::fill(&mut nonce)
            .map_err(|_| Error::Unavailable("the operating system gives no randomness"))?;
        let draft = folder.join(format!("{:016x}.new", u64::from_be_bytes(nonce)));
        let linked = write(&draft, record)
            .and_then(|()| std::fs::hard_link(&draft, self.file(number)))
            .and_then(|()| File::open(&folder)?.sync_all());
        // Whatever cannot be removed is under a name that nobody reads.
        let _ = std::fs::remove_file(&draft);
        match linked {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
            Err(_) => Err(UNWRITABLE),
        }
    }
}

const UNWRITABLE: Error = Error::Unavailable("the anchor cannot be written");
const UNREADABLE: Error = Error::Unavailable("the anchor cannot be read");

fn make_directory(path: &Path) -> Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .and_then(|()| match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => File::open(parent)?.sync_all(),
            _ => Ok(()),
        })
        .map_err(|_| UNWRITABLE)
}

fn write(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o400)
        .open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// The names in `folder` that are numbers.
fn numbers(folder: &Path) -> Result<Vec<u64>> {
    let entries = std::fs::read_dir(folder).map_err(|_| UNREADABLE)?;
    let mut numbers = Vec::new();
    for entry in entries {
        let name = entry.map_err(|_| UNREADABLE)?.file_name();
        numbers.extend(name.to_str().and_then(|name| name.parse::<u64>().ok()));
    }
    Ok(numbers)
}

impl Anchor for Directory {
    fn newest(&self) -> BoxFuture<'_, Result<Option<u64>>> {
        std::future::ready(self.find_newest()).boxed()
    }

    fn get(&self, number: u64) -> BoxFuture<'_, Result<Option<Vec<u8>>>> {
        let read = match std::fs::read(self.file(number)) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(_) => Err(UNREADABLE),
        };
        std::future::ready(read).boxed()
    }

    fn create<'a>(&'a self, number: u64, record: &'a [u8]) -> BoxFuture<'a, Result<bool>> {
        std::future::ready(self.link(number, record)).boxed()
    }
}
