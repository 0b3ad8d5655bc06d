//! What ingest could not use, byte for byte, with its reason.
//!
//! A quarantine file is a zstd stream of records, each length-prefixed, so that any bytes survive. A line with its reason is
//! kept once, however often its export is ingested. Files become visible with the snapshot that names them and are durable
//! before it.

use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::io::{BufReader, BufWriter, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use zstd::stream::{read::Decoder, write::Encoder};

use crate::error::{At as _, Error, Result};
use crate::files;

const LEVEL: i32 = 3;
/// Longest reason code.
const LONGEST_REASON: usize = 64;

/// A source line, or part of one, that ingest could not use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quarantined {
    /// Name of the source file as the operator knows it.
    pub file: String,
    /// Line in it, from 1; 0 when the whole file is meant.
    pub line: u64,
    /// Why, as a short stable code such as `broken_json`: lower-case letters, digits and underscores.
    pub reason_code: String,
    /// Why, for an operator; may quote the line.
    pub detail: String,
    /// The line as it came, without its line end.
    pub bytes: Vec<u8>,
}

impl Quarantined {
    /// What makes two records the same: reason and bytes.
    fn fingerprint(&self) -> u128 {
        let digest = Sha256::new()
            .chain_update((self.reason_code.len() as u64).to_le_bytes())
            .chain_update(&self.reason_code)
            .chain_update(&self.bytes)
            .finalize();
        let mut half = [0; 16];
        half.copy_from_slice(&digest[..16]);
        u128::from_le_bytes(half)
    }

    fn write(&self, out: &mut impl Write) -> std::io::Result<()> {
        out.write_all(&self.line.to_le_bytes())?;
        for part in [
            self.file.as_bytes(),
            self.reason_code.as_bytes(),
            self.detail.as_bytes(),
            &self.bytes,
        ] {
            out.write_all(&(part.len() as u64).to_le_bytes())?;
            out.write_all(part)?;
        }
        Ok(())
    }

    /// The next record, or `None` at the end.
    fn read(from: &mut impl Read) -> std::io::Result<Option<Self>> {
        let mut line = [0; 8];
        match from.read_exact(&mut line) {
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(None),
            other => other?,
        }
        let mut part = || -> std::io::Result<Vec<u8>> {
            let mut length = [0; 8];
            from.read_exact(&mut length)?;
            let length = u64::from_le_bytes(length);
            // The length is not trusted with an allocation.
            let mut bytes = Vec::new();
            from.take(length).read_to_end(&mut bytes)?;
            if bytes.len() as u64 == length {
                Ok(bytes)
            } else {
                Err(ErrorKind::UnexpectedEof.into())
            }
        };
        let (file, reason_code, detail, bytes) = (part()?, part()?, part()?, part()?);
        let text = |bytes: Vec<u8>| {
            String::from_utf8(bytes).map_err(|_| std::io::Error::from(ErrorKind::InvalidData))
        };
        Ok(Some(Self {
            file: text(file)?,
            line: u64::from_le_bytes(line),
            reason_code: text(reason_code)?,
            detail: text(detail)?,
            bytes,
        }))
    }
}

/// One quarantine file of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QuarantineFile {
    /// Path relative to the quarantine directory.
    pub path: String,
    /// Bytes.
    pub size: u64,
    /// Records by reason.
    pub reasons: BTreeMap<String, u64>,
}

/// Records by reason over all files.
pub(crate) fn counts(files: &[QuarantineFile]) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for (reason, count) in files.iter().flat_map(|file| &file.reasons) {
        *counts.entry(reason.clone()).or_default() += count;
    }
    counts
}

/// All records of `files`, in order.
pub(crate) fn records(
    dir: &Path,
    files: &[QuarantineFile],
) -> impl Iterator<Item = Result<Quarantined>> + use<> {
    let paths: Vec<PathBuf> = files.iter().map(|file| dir.join(&file.path)).collect();
    paths.into_iter().flat_map(|path| Records {
        state: open(&path),
        path,
    })
}

struct Records {
    path: PathBuf,
    state: Result<Option<Decoder<'static, BufReader<File>>>>,
}

fn open(path: &Path) -> Result<Option<Decoder<'static, BufReader<File>>>> {
    File::open(path)
        .and_then(Decoder::new)
        .map(Some)
        .at("open", path)
}

impl Iterator for Records {
    type Item = Result<Quarantined>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = match std::mem::replace(&mut self.state, Ok(None)) {
            Ok(None) => return None,
            Err(error) => return Some(Err(error)),
            Ok(Some(mut decoder)) => {
                let next = Quarantined::read(&mut decoder).at("read", &self.path);
                if next.is_ok() {
                    self.state = Ok(Some(decoder));
                }
                next
            }
        };
        next.transpose()
    }
}

/// The quarantine of one transaction. Thread-safe.
#[derive(Debug)]
pub(crate) struct Quarantine {
    dir: PathBuf,
    name: String,
    base: Vec<QuarantineFile>,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    /// Fingerprints of everything kept; loaded when the first line comes.
    seen: Option<HashSet<u128>>,
    writer: Option<Encoder<'static, BufWriter<File>>>,
    reasons: BTreeMap<String, u64>,
    kept: bool,
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inner")
            .field("reasons", &self.reasons)
            .finish_non_exhaustive()
    }
}

impl Quarantine {
    /// Nothing yet on top of `base`; new records go to a file `name` in `dir`.
    pub(crate) fn new(dir: &Path, base: &[QuarantineFile], name: String) -> Self {
        Self {
            dir: dir.into(),
            name,
            base: base.to_vec(),
            inner: Mutex::default(),
        }
    }

    fn path(&self) -> PathBuf {
        self.dir.join(&self.name)
    }

    pub(crate) fn push(&self, record: &Quarantined) -> Result<()> {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        let code = record.reason_code.as_bytes();
        if code.is_empty() || code.len() > LONGEST_REASON || !code.iter().copied().all(plain) {
            return Err(Error::Usage(
                "a reason code is lower-case letters, digits and underscores".into(),
            ));
        }
        let mut guard = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let inner = &mut *guard;
        if inner.seen.is_none() {
            let known = records(&self.dir, &self.base).map(|record| Ok(record?.fingerprint()));
            inner.seen = Some(known.collect::<Result<_>>()?);
        }
        if !inner
            .seen
            .get_or_insert_default()
            .insert(record.fingerprint())
        {
            return Ok(());
        }
        if inner.writer.is_none() {
            let file = BufWriter::new(files::private_file(&self.path())?);
            inner.writer = Some(Encoder::new(file, LEVEL).at("write", &self.path())?);
        }
        if let Some(writer) = &mut inner.writer {
            record.write(writer).at("write", &self.path())?;
        }
        *inner.reasons.entry(record.reason_code.clone()).or_default() += 1;
        Ok(())
    }

    /// Makes new records durable; `None` when there are none. The file stays once [`Quarantine::keep`] is called.
    pub(crate) fn finish(&self) -> Result<Option<Vec<QuarantineFile>>> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(writer) = inner.writer.take() else {
            return Ok(None);
        };
        let path = self.path();
        let buffer = writer.finish().at("write", &path)?;
        let file = buffer
            .into_inner()
            .map_err(std::io::IntoInnerError::into_error)
            .at("write", &path)?;
        file.sync_all().at("sync", &path)?;
        files::sync_dir(&self.dir)?;
        let size = file.metadata().at("read", &path)?.len();
        let mut files = self.base.clone();
        files.push(QuarantineFile {
            path: self.name.clone(),
            size,
            reasons: inner.reasons.clone(),
        });
        Ok(Some(files))
    }

    /// The snapshot that names the new file is visible: it stays.
    pub(crate) fn keep(&self) {
        self.inner
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .kept = true;
    }
}

impl Drop for Quarantine {
    fn drop(&mut self) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.writer = None;
        if !inner.reasons.is_empty() && !inner.kept {
            let _ = std::fs::remove_file(self.path());
        }
    }
}
