//! Direct identifiers: names, addresses, telephone numbers, record numbers. They stand apart from the tables, sealed like the
//! identity index, and no SQL reaches them: linkage reads them, and whoever treats the patient.
//!
//! A record belongs to one source identifier, by the number that the identity index gave it. New and changed records go to a
//! file of their own; in the order of files the last record of a number counts. What is removed is removed from the files.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use arrow::array::{Array as _, ArrayRef, AsArray as _, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef};
use sha2::{Digest as _, Sha256};

use crate::error::{Doing as _, Error, Result};
use crate::place::Folder;
use crate::side::{self, SideWriter};
use crate::snapshot::SideFile;
use crate::vault::Vault;
use crate::versions::outdated;

/// Records that are read or written together.
const ROWS: usize = 4096;
/// Bytes of records that wait in memory before they are written.
const PENDING_BYTES: usize = 4 << 20;
/// Files after which the next commit writes a single new one.
const MOST_FILES: usize = 32;
const STEP: &str = "read or write direct identifiers";
/// The first columns, which tell whether a record is new.
const DIGEST_COLUMNS: usize = 3;

static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    let text = |name| Field::new(name, DataType::Utf8, true);
    Arc::new(Schema::new(vec![
        Field::new("number", DataType::Int64, false),
        Field::new("last_updated", DataType::Int64, true),
        // What the record says, hashed: whether it changed is told without reading it.
        Field::new("digest", DataType::Int64, false),
        Field::new("source", DataType::Utf8, false),
        Field::new("source_id", DataType::Utf8, false),
        text("name"),
        text("birth_date"),
        text("sex"),
        text("address"),
        text("telecom"),
        text("identifier"),
        text("link"),
    ]))
});

/// What a source says about who a person is.
///
/// Lists are the JSON of FHIR's elements as they came: `HumanName`, `Address`, `ContactPoint`, `Identifier`, `Patient.link`.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct DirectRecord {
    /// The number that [`crate::IdentityIndex`] gave the identifier.
    pub number: i64,
    /// Name of the source system.
    pub source: String,
    /// The person's identifier there.
    pub source_id: String,
    /// When the source last changed it, in microseconds since 1970-01-01T00:00Z.
    pub last_updated: Option<i64>,
    /// `Patient.name`.
    pub name: Option<String>,
    /// `Patient.birthDate` as it came.
    pub birth_date: Option<String>,
    /// The code of `Patient.gender`.
    pub sex: Option<String>,
    /// `Patient.address`.
    pub address: Option<String>,
    /// `Patient.telecom`.
    pub telecom: Option<String>,
    /// `Patient.identifier`.
    pub identifier: Option<String>,
    /// `Patient.link`.
    pub link: Option<String>,
}

/// Says nothing that identifies, so that no log does.
impl std::fmt::Debug for DirectRecord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DirectRecord")
            .field("number", &self.number)
            .finish_non_exhaustive()
    }
}

impl DirectRecord {
    fn texts(&self) -> [Option<&str>; 7] {
        [
            self.name.as_deref(),
            self.birth_date.as_deref(),
            self.sex.as_deref(),
            self.address.as_deref(),
            self.telecom.as_deref(),
            self.identifier.as_deref(),
            self.link.as_deref(),
        ]
    }

    fn bytes(&self) -> usize {
        let texts = self.texts().into_iter().flatten().map(str::len);
        self.source.len() + self.source_id.len() + texts.sum::<usize>()
    }

    /// Leading bits of SHA-256 over everything that the record says.
    fn digest(&self) -> i64 {
        let mut hash = Sha256::new();
        let mut add = |text: Option<&str>| {
            hash.update(
                text.map_or(u64::MAX, |text| text.len() as u64)
                    .to_le_bytes(),
            );
            hash.update(text.unwrap_or_default());
        };
        add(Some(&self.source));
        add(Some(&self.source_id));
        for text in self.texts() {
            add(text);
        }
        let digest = hash.finalize();
        let leading = digest.iter().take(8);
        leading.fold(0, |sum, byte| (sum << 8) | i64::from(*byte))
    }
}

/// The records as a transaction changes them. Thread-safe.
#[derive(Debug)]
pub(crate) struct DirectTable {
    folder: Folder,
    vault: Vault,
    name: String,
    base: Vec<SideFile>,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    /// By number: the digest of what is known, and when it was changed. Loaded when the first record comes.
    known: Option<HashMap<i64, (i64, Option<i64>)>>,
    /// Numbers with a record of this transaction.
    fresh: HashSet<i64>,
    /// Numbers whose earlier record goes.
    gone: BTreeSet<i64>,
    pending: Vec<DirectRecord>,
    bytes: usize,
    records: u64,
    writer: Option<SideWriter>,
    written: bool,
    kept: bool,
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inner")
            .field("records", &self.records)
            .finish_non_exhaustive()
    }
}

impl DirectTable {
    /// The records of `base`; what this transaction adds goes to a file `name` in `folder`.
    pub(crate) fn new(folder: &Folder, vault: &Vault, base: &[SideFile], name: String) -> Self {
        Self {
            folder: folder.clone(),
            vault: vault.clone(),
            name,
            base: base.to_vec(),
            inner: Mutex::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps a record, unless a later one of its number is known or it says what is known. Whether it is not older than what is
    /// known; where one of them has no date, it is not.
    pub(crate) fn note(&self, record: DirectRecord) -> Result<bool> {
        let digest = record.digest();
        let mut guard = self.lock();
        let inner = &mut *guard;
        let known = match &mut inner.known {
            Some(known) => known,
            unread => unread.insert(digests(&self.folder, &self.base, &self.vault)?),
        };
        if let Some((same, at)) = known.get(&record.number).copied() {
            if outdated(record.last_updated, at) {
                return Ok(false);
            }
            // That it was changed is known, even if nothing that is kept here was.
            if record.last_updated < at || (same == digest && record.last_updated == at) {
                return Ok(true);
            }
        }
        known.insert(record.number, (digest, record.last_updated));
        inner.fresh.insert(record.number);
        self.push(inner, record)?;
        Ok(true)
    }

    /// When the source of `number` last changed its record, as far as that is known.
    pub(crate) fn last_updated(&self, number: i64) -> Result<Option<i64>> {
        let mut guard = self.lock();
        let known = match &mut guard.known {
            Some(known) => known,
            unread => unread.insert(digests(&self.folder, &self.base, &self.vault)?),
        };
        Ok(known.get(&number).and_then(|(_, at)| *at))
    }

    /// Takes the earlier record of `number` out.
    pub(crate) fn remove(&self, number: i64) {
        self.lock().gone.insert(number);
    }

    fn push(&self, inner: &mut Inner, record: DirectRecord) -> Result<()> {
        inner.bytes += record.bytes();
        inner.records += 1;
        inner.pending.push(record);
        if inner.pending.len() >= ROWS || inner.bytes >= PENDING_BYTES {
            self.write_pending(inner)?;
        }
        Ok(())
    }

    fn write_pending(&self, inner: &mut Inner) -> Result<()> {
        let pending = std::mem::take(&mut inner.pending);
        inner.bytes = 0;
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
            inner.written = true;
        }
        match &mut inner.writer {
            Some(writer) => writer.write(&batch),
            None => Ok(()),
        }
    }

    /// Makes changes durable; `None` when there are none. The file stays once [`DirectTable::keep`] is called.
    pub(crate) fn finish(&self) -> Result<Option<Vec<SideFile>>> {
        let mut guard = self.lock();
        let inner = &mut *guard;
        if !inner.gone.is_empty() {
            // Only what is there can go.
            let known = match inner.known.take() {
                Some(known) => known,
                None => digests(&self.folder, &self.base, &self.vault)?,
            };
            inner.gone.retain(|number| known.contains_key(number));
        }
        if inner.records == 0 && inner.gone.is_empty() {
            return Ok(None);
        }
        let mut files = self.base.clone();
        if !inner.gone.is_empty() || files.len() >= MOST_FILES {
            for record in records(&self.folder, &files, &self.vault)? {
                let record = record?;
                if !inner.gone.contains(&record.number) && !inner.fresh.contains(&record.number) {
                    self.push(inner, record)?;
                }
            }
            files.clear();
        }
        self.write_pending(inner)?;
        if let Some(writer) = inner.writer.take() {
            let size = writer.finish()?;
            self.folder.sync()?;
            files.push(SideFile {
                path: self.name.clone(),
                size,
                records: inner.records,
            });
        }
        Ok(Some(files))
    }

    /// The snapshot that names the new file is visible: it stays.
    pub(crate) fn keep(&self) {
        self.lock().kept = true;
    }
}

impl Drop for DirectTable {
    fn drop(&mut self) {
        let mut inner = self.lock();
        inner.writer = None;
        if inner.written && !inner.kept {
            self.folder.abandon(&self.name);
        }
    }
}

/// Digest and date of the last record of every number.
fn digests(
    folder: &Folder,
    files: &[SideFile],
    vault: &Vault,
) -> Result<HashMap<i64, (i64, Option<i64>)>> {
    let mut known = HashMap::new();
    for file in files {
        let columns = Some(DIGEST_COLUMNS);
        for batch in side::read_columns(folder, &file.path, &SCHEMA, ROWS, vault, columns)? {
            let batch = batch?;
            let (number, at, digest) = (int(&batch, 0)?, int(&batch, 1)?, int(&batch, 2)?);
            for row in 0..batch.num_rows() {
                let at = at.is_valid(row).then(|| at.value(row));
                known.insert(number.value(row), (digest.value(row), at));
            }
        }
    }
    Ok(known)
}

/// The last record of every number, in the order of files.
pub(crate) fn records(
    folder: &Folder,
    files: &[SideFile],
    vault: &Vault,
) -> Result<impl Iterator<Item = Result<DirectRecord>> + use<>> {
    let names: Vec<String> = files.iter().map(|file| file.path.clone()).collect();
    // A first reading of the numbers alone finds which record of each is the last.
    let mut last: HashMap<i64, u64> = HashMap::new();
    let mut place = 0;
    for name in &names {
        for batch in side::read_columns(folder, name, &SCHEMA, ROWS, vault, Some(1))? {
            for number in int(&batch?, 0)?.values() {
                last.insert(*number, place);
                place += 1;
            }
        }
    }
    let (folder, vault) = (folder.clone(), vault.clone());
    let batches = names.into_iter().flat_map(move |name| {
        let (batches, failed) = match side::read(&folder, &name, &SCHEMA, ROWS, &vault) {
            Ok(batches) => (Some(batches), None),
            Err(error) => (None, Some(Err(error))),
        };
        batches.into_iter().flatten().chain(failed)
    });
    let rows = batches.flat_map(|batch| match batch.and_then(|batch| rows(&batch)) {
        Ok(rows) => rows.into_iter().map(Ok).collect(),
        Err(error) => vec![Err(error)],
    });
    Ok(rows.zip(0..).filter_map(move |(record, place)| {
        let stays = record
            .as_ref()
            .map_or(true, |record| last.get(&record.number) == Some(&place));
        stays.then_some(record)
    }))
}

fn to_batch(records: &[DirectRecord]) -> Result<RecordBatch> {
    fn required(of: impl Iterator<Item = impl AsRef<str>>) -> ArrayRef {
        Arc::new(StringArray::from_iter_values(of))
    }
    let mut columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from_iter_values(
            records.iter().map(|record| record.number),
        )),
        Arc::new(
            records
                .iter()
                .map(|record| record.last_updated)
                .collect::<Int64Array>(),
        ),
        Arc::new(Int64Array::from_iter_values(
            records.iter().map(DirectRecord::digest),
        )),
        required(records.iter().map(|record| &record.source)),
        required(records.iter().map(|record| &record.source_id)),
    ];
    for text in 0..7 {
        let values = records.iter().map(|record| record.texts()[text]);
        columns.push(Arc::new(values.collect::<StringArray>()));
    }
    RecordBatch::try_new(Arc::clone(&SCHEMA), columns).doing(STEP)
}

fn rows(batch: &RecordBatch) -> Result<Vec<DirectRecord>> {
    let text = |column: usize| {
        batch
            .column(column)
            .as_string_opt::<i32>()
            .ok_or_else(damaged)
    };
    let (number, at) = (int(batch, 0)?, int(batch, 1)?);
    let (source, source_id) = (text(3)?, text(4)?);
    let texts = (5..12).map(text).collect::<Result<Vec<_>>>()?;
    let row = |row: usize| {
        let said = |text: usize| {
            let column = texts.get(text)?;
            column.is_valid(row).then(|| column.value(row).to_owned())
        };
        DirectRecord {
            number: number.value(row),
            source: source.value(row).into(),
            source_id: source_id.value(row).into(),
            last_updated: at.is_valid(row).then(|| at.value(row)),
            name: said(0),
            birth_date: said(1),
            sex: said(2),
            address: said(3),
            telecom: said(4),
            identifier: said(5),
            link: said(6),
        }
    };
    Ok((0..batch.num_rows()).map(row).collect())
}

fn int(batch: &RecordBatch, column: usize) -> Result<&Int64Array> {
    let array = batch.column(column).as_primitive_opt::<Int64Type>();
    array.ok_or_else(damaged)
}

fn damaged() -> Error {
    Error::Corrupt("a file of direct identifiers has other columns".into())
}
