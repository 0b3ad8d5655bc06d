//! What ingest could not use, byte for byte, with its reason.
//!
//! A quarantine file is a sealed Parquet file that holds lines as bytes, so that any bytes survive. A line with its reason is
//! kept once, however often its export is ingested. Files become visible with the snapshot that names them and are durable
//! before it.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use arrow::array::{ArrayRef, AsArray as _, BinaryArray, RecordBatch, StringArray, UInt64Array};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, UInt64Type};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::error::{Doing as _, Error, Result};
use crate::place::Folder;
use crate::side::{self, SideWriter};
use crate::vault::Vault;

/// Lines that are read or written together.
const READ_ROWS: usize = 256;
/// Bytes of lines that wait in memory before they are written.
const PENDING_BYTES: usize = 4 << 20;
/// Files after which the next commit with new lines merges neighbouring small ones.
const MOST_FILES: usize = 32;
/// Files of so many bytes stay as they are.
const LARGE_BYTES: u64 = 16 << 20;

static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    Arc::new(Schema::new(vec![
        Field::new("source", DataType::Utf8, false),
        Field::new("file", DataType::Utf8, false),
        Field::new("line", DataType::UInt64, false),
        Field::new("reason", DataType::Utf8, false),
        Field::new("detail", DataType::Utf8, false),
        Field::new("bytes", DataType::Binary, false),
    ]))
});
/// Longest reason code.
const LONGEST_REASON: usize = 64;

/// A source line, or part of one, that ingest could not use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quarantined {
    /// Name of the source system: ids in the line mean something only there.
    pub source: String,
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
    /// What makes two records the same: source, reason and bytes.
    fn fingerprint(&self) -> u128 {
        let digest = Sha256::new()
            .chain_update((self.source.len() as u64).to_le_bytes())
            .chain_update(&self.source)
            .chain_update((self.reason_code.len() as u64).to_le_bytes())
            .chain_update(&self.reason_code)
            .chain_update(&self.bytes)
            .finalize();
        let mut half = [0; 16];
        half.copy_from_slice(&digest[..16]);
        u128::from_le_bytes(half)
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
    folder: &Folder,
    files: &[QuarantineFile],
    vault: &Vault,
) -> impl Iterator<Item = Result<Quarantined>> + use<> {
    let names: Vec<String> = files.iter().map(|file| file.path.clone()).collect();
    let (folder, vault) = (folder.clone(), vault.clone());
    names.into_iter().flat_map(move |name| {
        let (lines, failed) = match open(&folder, &name, &vault) {
            Ok(lines) => (Some(lines), None),
            Err(error) => (None, Some(Err(error))),
        };
        lines.into_iter().flatten().chain(failed)
    })
}

fn open(
    folder: &Folder,
    name: &str,
    vault: &Vault,
) -> Result<impl Iterator<Item = Result<Quarantined>> + use<>> {
    let batches = side::read(folder, name, &SCHEMA, READ_ROWS, vault)?;
    Ok(
        batches.flat_map(|batch| match batch.and_then(|batch| lines(&batch)) {
            Ok(lines) => lines.into_iter().map(Ok).collect(),
            Err(error) => vec![Err(error)],
        }),
    )
}

fn to_batch(lines: &[Quarantined]) -> Result<RecordBatch> {
    fn text(of: impl Iterator<Item = impl AsRef<str>>) -> ArrayRef {
        Arc::new(StringArray::from_iter_values(of))
    }
    let columns: Vec<ArrayRef> = vec![
        text(lines.iter().map(|line| &line.source)),
        text(lines.iter().map(|line| &line.file)),
        Arc::new(UInt64Array::from_iter_values(
            lines.iter().map(|line| line.line),
        )),
        text(lines.iter().map(|line| &line.reason_code)),
        text(lines.iter().map(|line| &line.detail)),
        Arc::new(BinaryArray::from_iter_values(
            lines.iter().map(|line| &line.bytes),
        )),
    ];
    RecordBatch::try_new(Arc::clone(&SCHEMA), columns).doing("write to quarantine")
}

fn lines(batch: &RecordBatch) -> Result<Vec<Quarantined>> {
    let damaged = || Error::Corrupt("a quarantine file has other columns".into());
    let text = |column: usize| {
        batch
            .column(column)
            .as_string_opt::<i32>()
            .ok_or_else(damaged)
    };
    let (source, file, reason, detail) = (text(0)?, text(1)?, text(3)?, text(4)?);
    let line = batch
        .column(2)
        .as_primitive_opt::<UInt64Type>()
        .ok_or_else(damaged)?;
    let bytes = batch.column(5).as_binary_opt::<i32>().ok_or_else(damaged)?;
    let row = |row: usize| Quarantined {
        source: source.value(row).into(),
        file: file.value(row).into(),
        line: line.value(row),
        reason_code: reason.value(row).into(),
        detail: detail.value(row).into(),
        bytes: bytes.value(row).into(),
    };
    Ok((0..batch.num_rows()).map(row).collect())
}

/// The quarantine of one transaction. Thread-safe.
#[derive(Debug)]
pub(crate) struct Quarantine {
    folder: Folder,
    vault: Vault,
    name: String,
    base: Vec<QuarantineFile>,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    /// Fingerprints of everything kept; loaded when the first line comes.
    seen: Option<HashSet<u128>>,
    /// Lines that wait in memory before they are written, and their bytes.
    pending: (Vec<Quarantined>, usize),
    writer: Option<SideWriter>,
    reasons: BTreeMap<String, u64>,
    /// The new file holds what is left of the older ones.
    rewritten: bool,
    /// Names of the files that hold the lines of several older ones.
    merged: Vec<String>,
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
    /// Nothing yet on top of `base`; new records go to a file `name` in `folder`.
    pub(crate) fn new(
        folder: &Folder,
        vault: &Vault,
        base: &[QuarantineFile],
        name: String,
    ) -> Self {
        Self {
            folder: folder.clone(),
            vault: vault.clone(),
            name,
            base: base.to_vec(),
            inner: Mutex::default(),
        }
    }

    pub(crate) fn push(&self, record: Quarantined) -> Result<()> {
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
            let known = records(&self.folder, &self.base, &self.vault)
                .map(|record| Ok(record?.fingerprint()));
            inner.seen = Some(known.collect::<Result<_>>()?);
        }
        self.keep_line(inner, record)
    }

    /// Leaves out the lines of earlier transactions that `pick` chooses: the others are written anew. Tells how many went.
    pub(crate) fn drop_lines(&self, pick: &mut dyn FnMut(&Quarantined) -> bool) -> Result<u64> {
        let mut guard = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let inner = &mut *guard;
        if inner.rewritten {
            return Err(Error::Usage(
                "lines were taken out of quarantine before".into(),
            ));
        }
        let mut dropped = 0;
        for line in records(&self.folder, &self.base, &self.vault) {
            dropped += u64::from(pick(&line?));
        }
        if dropped == 0 {
            return Ok(0);
        }
        inner.rewritten = true;
        inner.seen = Some(HashSet::new());
        for line in records(&self.folder, &self.base, &self.vault) {
            let line = line?;
            if !pick(&line) {
                self.keep_line(inner, line)?;
            }
        }
        Ok(dropped)
    }

    fn keep_line(&self, inner: &mut Inner, line: Quarantined) -> Result<()> {
        if !inner
            .seen
            .get_or_insert_default()
            .insert(line.fingerprint())
        {
            return Ok(());
        }
        *inner.reasons.entry(line.reason_code.clone()).or_default() += 1;
        let (pending, bytes) = &mut inner.pending;
        *bytes += line.bytes.len() + line.detail.len();
        pending.push(line);
        if pending.len() >= READ_ROWS || *bytes >= PENDING_BYTES {
            self.write_pending(inner)?;
        }
        Ok(())
    }

    fn write_pending(&self, inner: &mut Inner) -> Result<()> {
        let (pending, _) = std::mem::take(&mut inner.pending);
        if pending.is_empty() {
            return Ok(());
        }
        let batch = to_batch(&pending)?;
        if inner.writer.is_none() {
            inner.writer = Some(SideWriter::create(
                &self.folder,
                &self.name,
                &SCHEMA,
                &self.vault,
            )?);
        }
        match &mut inner.writer {
            Some(writer) => writer.write(&batch),
            None => Ok(()),
        }
    }

    /// Makes new records durable; `None` when there are none. The file stays once [`Quarantine::keep`] is called.
    pub(crate) fn finish(&self) -> Result<Option<Vec<QuarantineFile>>> {
        let mut guard = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let inner = &mut *guard;
        self.write_pending(inner)?;
        let Some(writer) = inner.writer.take() else {
            return Ok(inner.rewritten.then(Vec::new));
        };
        let size = writer.finish()?;
        let mut files = match (inner.rewritten, self.base.len() < MOST_FILES) {
            (true, _) => Vec::new(),
            (false, true) => self.base.clone(),
            (false, false) => self.merge(&mut inner.merged)?,
        };
        self.folder.sync()?;
        files.push(QuarantineFile {
            path: self.name.clone(),
            size,
            reasons: inner.reasons.clone(),
        });
        Ok(Some(files))
    }

    /// The older files, with one in the place of each run of small neighbours: lines stay in their order, and what is large is not
    /// written again. Only a commit that changes something comes here, so no snapshot is made for the sake of it.
    fn merge(&self, merged: &mut Vec<String>) -> Result<Vec<QuarantineFile>> {
        let mut files = Vec::new();
        let small = |file: &QuarantineFile| file.size < LARGE_BYTES;
        for run in self
            .base
            .chunk_by(|left, right| small(left) && small(right))
        {
            let [_, _, ..] = run else {
                files.extend_from_slice(run);
                continue;
            };
            let name = self.name.replace(".parquet", "");
            let path = format!("{name}.merged-{:04}.parquet", merged.len());
            let mut writer = SideWriter::create(&self.folder, &path, &SCHEMA, &self.vault)?;
            merged.push(path.clone());
            for file in run {
                for batch in side::read(&self.folder, &file.path, &SCHEMA, READ_ROWS, &self.vault)?
                {
                    writer.write(&batch?)?;
                }
            }
            files.push(QuarantineFile {
                path,
                size: writer.finish()?,
                reasons: counts(run),
            });
        }
        Ok(files)
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
        if inner.kept {
            return;
        }
        if !inner.reasons.is_empty() {
            self.folder.abandon(&self.name);
        }
        for name in &inner.merged {
            self.folder.abandon(name);
        }
    }
}
