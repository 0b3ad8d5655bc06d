//! Where resources come from.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::chunk::Chunks;
use super::{Options, RunError};

/// Lines with one resource each.
pub struct Input<'i>(pub(super) Kind<'i>);

pub(super) enum Kind<'i> {
    /// Files with their sizes on disk, in the order in which they are read.
    Files(Vec<(PathBuf, u64)>),
    Lines(Box<dyn Iterator<Item = String> + Send + 'i>),
}

impl fmt::Debug for Input<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Files(files) => f.debug_tuple("Files").field(files).finish(),
            Kind::Lines(_) => f.write_str("Lines"),
        }
    }
}

impl<'i> Input<'i> {
    /// NDJSON files, plain, gzip or zstd, and directories of such files (with what is below them,
    /// by name), one after the other.
    ///
    /// # Errors
    /// When a path cannot be listed, or a directory holds no such file.
    pub fn paths<P: AsRef<Path>>(paths: &[P]) -> Result<Self, RunError> {
        let mut files = Vec::new();
        for path in paths {
            let path = path.as_ref();
            let metadata = fs::metadata(path).map_err(|source| failed(path, source))?;
            if metadata.is_dir() {
                let before = files.len();
                add(path, &mut files)?;
                if files.len() == before {
                    return Err(RunError::NothingFound(path.to_owned()));
                }
            } else {
                files.push((path.to_owned(), metadata.len()));
            }
        }
        Ok(Self(Kind::Files(files)))
    }

    /// Lines from elsewhere.
    pub fn lines(lines: impl IntoIterator<Item = String, IntoIter: Send + 'i>) -> Self {
        Self(Kind::Lines(Box::new(lines.into_iter())))
    }

    pub(super) fn bytes(&self) -> u64 {
        match &self.0 {
            Kind::Files(files) => files.iter().map(|(_, bytes)| bytes).sum(),
            Kind::Lines(_) => 0,
        }
    }

    pub(super) fn names(&self) -> Vec<String> {
        match &self.0 {
            Kind::Files(files) => {
                let names = files.iter().map(|(path, _)| path.display().to_string());
                names.collect()
            }
            Kind::Lines(_) => Vec::new(),
        }
    }

    pub(super) fn chunks(self, options: &Options) -> Chunks<'i> {
        Chunks::new(self.0, options)
    }
}

pub(super) fn failed(path: &Path, source: io::Error) -> RunError {
    RunError::Source {
        path: path.to_owned(),
        source,
    }
}

fn add(dir: &Path, files: &mut Vec<(PathBuf, u64)>) -> Result<(), RunError> {
    let entries = fs::read_dir(dir).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let mut entries = entries.map_err(|source| failed(dir, source))?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        // A link to a file is as good as the file; a link to a directory may lead round.
        let kind = entry.file_type().map_err(|source| failed(&path, source))?;
        if kind.is_dir() {
            add(&path, files)?;
        } else if is_ndjson(&path) {
            let metadata = fs::metadata(&path).map_err(|source| failed(&path, source))?;
            if metadata.is_file() {
                files.push((path, metadata.len()));
            }
        }
    }
    Ok(())
}

fn is_ndjson(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let name = name.to_ascii_lowercase();
    let name = [".gz", ".zst"]
        .iter()
        .find_map(|ending| name.strip_suffix(ending))
        .unwrap_or(&name);
    [".ndjson", ".jsonl"]
        .iter()
        .any(|ending| name.ends_with(ending))
}

/// Opens a file; `read` counts the bytes that have come from disk. The content decides whether it
/// is compressed: servers have been seen that compress without saying so in the name.
pub(super) fn open(path: &Path, read: Arc<AtomicU64>) -> io::Result<Box<dyn Read + Send>> {
    let mut file = File::open(path)?;
    let mut magic = [0; 4];
    let mut known = 0;
    while known < magic.len() {
        match file.read(&mut magic[known..])? {
            0 => break,
            some => known += some,
        }
    }
    let whole = io::Cursor::new(magic[..known].to_vec()).chain(file);
    let counted = Counted { inner: whole, read };
    Ok(match magic[..known] {
        [0x1f, 0x8b, ..] => {
            let buffered = BufReader::with_capacity(1 << 18, counted);
            Box::new(flate2::bufread::MultiGzDecoder::new(buffered))
        }
        [0x28, 0xb5, 0x2f, 0xfd] => Box::new(zstd::stream::read::Decoder::new(counted)?),
        _ => Box::new(counted),
    })
}

struct Counted<R> {
    inner: R,
    read: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.read.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}
