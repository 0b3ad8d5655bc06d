//! An anchor in a directory: best on another disk, and of another owner.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use futures::FutureExt as _;
use futures::future::BoxFuture;

use super::Anchor;
use crate::error::{Error, Result};

/// Names in one folder, so that the newest is found without reading all of them.
const FOLDER: u64 = 1000;

/// Records as files: `<name / 1000>/<name % 1000>`, in 17 and 3 digits.
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

    fn find_newest(&self, most: usize) -> Result<Vec<u64>> {
        let mut folders = numbers(&self.root, 17)?;
        folders.sort_unstable();
        let mut names = Vec::new();
        // A folder can be made and its first record not yet.
        for folder in folders.into_iter().rev() {
            if names.len() >= most {
                break;
            }
            let impossible = Error::Unavailable("the anchor holds an impossible number");
            let start = folder.checked_mul(FOLDER).ok_or(impossible)?;
            let mut here = numbers(&self.folder(start), 3)?;
            here.sort_unstable();
            names.extend(
                here.into_iter()
                    .rev()
                    .filter_map(|name| start.checked_add(name)),
            );
        }
        names.truncate(most);
        Ok(names)
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

/// Longest record, in bytes: a checkpoint with many cosignatures has a few thousand.
const LONGEST: u64 = 1 << 20;

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

/// The names in `folder` that are numbers of so many digits.
fn numbers(folder: &Path, digits: usize) -> Result<Vec<u64>> {
    let entries = std::fs::read_dir(folder).map_err(|_| UNREADABLE)?;
    let mut numbers = Vec::new();
    for entry in entries {
        let name = entry.map_err(|_| UNREADABLE)?.file_name();
        let name = name.to_str().unwrap_or_default();
        if name.len() == digits && name.bytes().all(|byte| byte.is_ascii_digit()) {
            numbers.extend(name.parse::<u64>());
        }
    }
    Ok(numbers)
}

impl Anchor for Directory {
    fn newest(&self, most: usize) -> BoxFuture<'_, Result<Vec<u64>>> {
        std::future::ready(self.find_newest(most)).boxed()
    }

    fn get(&self, number: u64) -> BoxFuture<'_, Result<Option<Vec<u8>>>> {
        let file = self.file(number);
        let read = match std::fs::symlink_metadata(&file) {
            Ok(meta) if meta.is_file() && meta.len() <= LONGEST => {
                std::fs::read(&file).map(Some).map_err(|_| UNREADABLE)
            }
            Ok(_) => Err(Error::Unavailable("a record of the anchor is no file")),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(_) => Err(UNREADABLE),
        };
        std::future::ready(read).boxed()
    }

    fn create<'a>(&'a self, number: u64, record: &'a [u8]) -> BoxFuture<'a, Result<bool>> {
        std::future::ready(self.link(number, record)).boxed()
    }
}
