//! A file on its way to disk: a hidden temporary, fsynced and renamed when it is whole.
//!
//! Beside a large temporary lies a note that says what its server calls this version of the file and
//! how many bytes of it are certainly on disk. After a crash the download goes on from there, if the
//! server confirms the version.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::check::{Check, Checked, Fault};
use crate::error::BulkError;
use crate::ndjson;

/// A note is written whenever this many more bytes have arrived; smaller files are not worth one.
const NOTE_EVERY: u64 = 8 << 20;

/// Bytes collected before they are written.
const BUFFER: usize = 256 << 10;

/// What the server calls one version of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Version {
    /// A strong `ETag`, or a `Last-Modified` old enough to be one version only; sent as `If-Range`.
    pub(crate) validator: String,
    /// The address without its query.
    pub(crate) key: String,
    /// The `Content-Encoding`.
    pub(crate) encoding: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct Note {
    version: Version,
    bytes: u64,
}

/// The temporary of one file.
pub(crate) struct Partial {
    path: PathBuf,
    note: PathBuf,
    limit: u64,
    file: File,
    buffer: Vec<u8>,
    check: Check,
    noted: u64,
    /// The version that the bytes so far belong to, if it can be resumed.
    pub(crate) version: Option<Version>,
}

/// How the end of a download can fail.
pub(crate) enum Unfinished {
    Fault(Fault),
    Store(BulkError),
}

impl From<BulkError> for Unfinished {
    fn from(error: BulkError) -> Self {
        Self::Store(error)
    }
}

impl Partial {
    /// The temporary for the file at `path`, with what an earlier process left of it.
    pub(crate) fn open(path: &Path, limit: u64) -> Result<Self, BulkError> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let temporary = path.with_file_name(format!(".{name}.part"));
        let note = path.with_file_name(format!(".{name}.note"));
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&temporary)
            .map_err(BulkError::store(&temporary))?;
        let mut partial = Self {
            path: temporary,
            note,
            limit,
            file,
            buffer: Vec::new(),
            check: Check::new(limit),
            noted: 0,
            version: None,
        };
        if !partial.reread().map_err(BulkError::store(&partial.path))? {
            partial.restart()?;
        }
        Ok(partial)
    }

    /// Bytes so far.
    pub(crate) fn bytes(&self) -> u64 {
        self.check.bytes()
    }

    /// Reads what the note vouches for. Bytes beyond it may be anything after a power failure.
    fn reread(&mut self) -> io::Result<bool> {
        let note = fs::read(&self.note).ok();
        let Some(note) = note.and_then(|note| serde_json::from_slice::<Note>(&note).ok()) else {
            return Ok(false);
        };
        if self.file.metadata()?.len() < note.bytes {
            return Ok(false);
        }
        self.file.set_len(note.bytes)?;
        let mut source = BufReader::with_capacity(BUFFER, &self.file);
        let mut bytes = vec![0; BUFFER];
        loop {
            let read = source.read(&mut bytes)?;
            if read == 0 {
                break;
            }
            if self.check.update(&bytes[..read]).is_err() {
                return Ok(false);
            }
        }
        drop(source);
        self.file.seek(SeekFrom::End(0))?;
        self.noted = note.bytes;
        self.version = Some(note.version);
        Ok(true)
    }

    /// Throws away what has arrived.
    pub(crate) fn restart(&mut self) -> Result<(), BulkError> {
        // The note goes first: it must never vouch for other bytes.
        if self.noted > 0 || self.note.exists() {
            fs::remove_file(&self.note)
                .or_else(|error| match error.kind() {
                    io::ErrorKind::NotFound => Ok(()),
                    _ => Err(error),
                })
                .map_err(BulkError::store(&self.note))?;
        }
        self.noted = 0;
        self.version = None;
        self.buffer.clear();
        self.check = Check::new(self.limit);
        let emptied = self.file.set_len(0).and_then(|()| self.file.rewind());
        emptied.map_err(BulkError::store(&self.path))
    }

    /// Takes the next bytes.
    pub(crate) fn append(&mut self, bytes: &[u8]) -> Result<(), Unfinished> {
        self.check.update(bytes).map_err(Unfinished::Fault)?;
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= BUFFER {
            self.flush()?;
        }
        Ok(())
    }

    /// Whether it is time for [`Self::note`], which waits for the disk.
    pub(crate) fn note_is_due(&self) -> bool {
        self.version.is_some() && self.bytes() - self.noted >= NOTE_EVERY
    }

    /// Makes the bytes so far survive a crash.
    pub(crate) fn note(&mut self) -> Result<(), BulkError> {
        let Some(version) = self.version.clone() else {
            return Ok(());
        };
        self.flush()?;
        self.file
            .sync_data()
            .map_err(BulkError::store(&self.path))?;
        let note = Note {
            version,
            bytes: self.bytes(),
        };
        let text = serde_json::to_vec(&note).unwrap_or_default();
        // Renamed into place: a torn note would be as good as none.
        let temporary = self.note.with_extension("new");
        fs::write(&temporary, text)
            .and_then(|()| fs::rename(&temporary, &self.note))
            .map_err(BulkError::store(&self.note))?;
        self.noted = self.bytes();
        Ok(())
    }

    fn flush(&mut self) -> Result<(), BulkError> {
        let written = self.file.write_all(&self.buffer);
        self.buffer.clear();
        written.map_err(BulkError::store(&self.path))
    }

    /// Writes and fsyncs what remains, and checks that the file is whole. It keeps its hidden name
    /// until [`Whole::rename`].
    pub(crate) fn finish(mut self) -> Result<Whole, Box<(Unfinished, Self)>> {
        let synced = self.flush().and_then(|()| {
            let synced = self.file.sync_all();
            synced.map_err(BulkError::store(&self.path))
        });
        if let Err(error) = synced {
            return Err(Box::new((error.into(), self)));
        }
        let check = std::mem::replace(&mut self.check, Check::new(self.limit));
        let whole = check.finish().and_then(|checked| match checked.open_line {
            Some(start) if !ends_in_json(&self.path, checked.gzip, start) => {
                Err(Fault::Damaged("the last line is cut off"))
            }
            _ => Ok(checked),
        });
        match whole {
            Ok(checked) => Ok(Whole {
                path: self.path,
                note: self.note,
                checked,
            }),
            Err(fault) => Err(Box::new((Unfinished::Fault(fault), self))),
        }
    }
}

/// A file that is whole and on disk, under its hidden name.
#[derive(Debug)]
pub(crate) struct Whole {
    path: PathBuf,
    note: PathBuf,
    pub(crate) checked: Checked,
}

impl Whole {
    /// Gives the file its name. The directory is still to be fsynced.
    pub(crate) fn rename(self, path: &Path) -> Result<Checked, BulkError> {
        fs::rename(&self.path, path).map_err(BulkError::store(path))?;
        // Left behind, it would only be passed over.
        let _ = fs::remove_file(&self.note);
        Ok(self.checked)
    }
}

/// Whether what begins at `start` is one JSON value: then the last line merely lacks its line feed.
fn ends_in_json(path: &Path, gzip: bool, start: u64) -> bool {
    let read = || -> Result<bool, BulkError> {
        let mut reader = ndjson::open_as(path, gzip)?;
        io::copy(&mut reader.by_ref().take(start), &mut io::sink())
            .map_err(BulkError::store(path))?;
        Ok(serde_json::from_reader::<_, serde::de::IgnoredAny>(reader).is_ok())
    };
    read().unwrap_or(false)
}
