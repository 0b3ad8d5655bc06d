//! Persons whose records are kept out of the tables, and why.
//!
//! The list is small, so each version of it is a whole file. Its persons are opaque numbers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use arrow::array::{Array as _, ArrayRef, AsArray as _, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef};

use crate::error::{Doing as _, Error, Result};
use crate::place::Folder;
use crate::side::{self, SideWriter};
use crate::snapshot::{IdentityVersion, SideFile};
use crate::vault::Vault;

/// Persons that are read or written together.
const ROWS: usize = 8192;

static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    Arc::new(Schema::new(vec![
        Field::new("person_id", DataType::Int64, false),
        Field::new("why", DataType::Utf8, false),
        Field::new("since", DataType::Int64, true),
    ]))
});

/// Why a person's records are kept out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Withheld {
    /// The person does not consent. What comes about her waits in quarantine.
    Consent {
        /// When she said so, in microseconds since 1970-01-01T00:00Z, as far as that is known.
        since: Option<i64>,
    },
    /// The person was expunged. What comes about her is dropped.
    Expunged,
}

impl Withheld {
    /// The word that stands in files.
    pub fn word(self) -> &'static str {
        match self {
            Self::Consent { .. } => "consent",
            Self::Expunged => "expunged",
        }
    }

    fn since(self) -> Option<i64> {
        match self {
            Self::Consent { since } => since,
            Self::Expunged => None,
        }
    }

    fn parse(word: &str, since: Option<i64>) -> Option<Self> {
        match word {
            "consent" => Some(Self::Consent { since }),
            "expunged" => Some(Self::Expunged),
            _ => None,
        }
    }
}

/// The list as a transaction changes it. Thread-safe.
#[derive(Debug)]
pub(crate) struct WithheldList {
    folder: Folder,
    name: String,
    vault: Vault,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    all: BTreeMap<i64, Withheld>,
    /// Those who stood there when the transaction began.
    before: BTreeSet<i64>,
    changed: bool,
    written: bool,
    kept: bool,
}

impl WithheldList {
    /// The list as of `base`; a changed one goes to a file `name` in `folder`.
    pub(crate) fn open(
        folder: &Folder,
        vault: &Vault,
        base: &IdentityVersion,
        name: String,
    ) -> Result<Self> {
        let mut inner = Inner::default();
        if let Some(file) = &base.withheld {
            for batch in side::read(folder, &file.path, &SCHEMA, ROWS, vault)? {
                inner.all.extend(entries(&batch?)?);
            }
        }
        inner.before = inner.all.keys().copied().collect();
        Ok(Self {
            folder: folder.clone(),
            name,
            vault: vault.clone(),
            inner: Mutex::new(inner),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts `person` on the list. Who was expunged stays so; of two denials the later counts.
    pub(crate) fn add(&self, person: i64, why: Withheld) {
        let mut inner = self.lock();
        let before = inner.all.get(&person).copied();
        if before.is_some_and(|before| before >= why) {
            return;
        }
        inner.all.insert(person, why);
        inner.changed = true;
    }

    /// Takes `person` off the list if a denial keeps her there that is earlier than her permission of `at`. Of a denial
    /// without a date it is only known that it came first.
    pub(crate) fn permit(&self, person: i64, at: Option<i64>) {
        let mut inner = self.lock();
        let lifted = match inner.all.get(&person) {
            Some(Withheld::Consent { since: None }) => true,
            Some(Withheld::Consent { since }) => at > *since,
            Some(Withheld::Expunged) | None => false,
        };
        if lifted {
            inner.all.remove(&person);
            inner.changed = true;
        }
    }

    /// Why `person` is on the list.
    pub(crate) fn find(&self, person: i64) -> Option<Withheld> {
        self.lock().all.get(&person).copied()
    }

    /// The whole list.
    pub(crate) fn all(&self) -> BTreeMap<i64, Withheld> {
        self.lock().all.clone()
    }

    /// Everybody on the list, and everybody who was there before this transaction.
    pub(crate) fn persons(&self) -> (BTreeSet<i64>, BTreeSet<i64>) {
        let inner = self.lock();
        (inner.all.keys().copied().collect(), inner.before.clone())
    }

    /// Makes a changed list durable; `None` when it is the same. The file stays once [`WithheldList::keep`] is called.
    pub(crate) fn finish(&self) -> Result<Option<SideFile>> {
        let mut inner = self.lock();
        if !inner.changed {
            return Ok(None);
        }
        let mut writer = SideWriter::create(&self.folder, &self.name, &SCHEMA, &self.vault)?;
        inner.written = true;
        writer.write(&to_batch(&inner.all)?)?;
        let size = writer.finish()?;
        self.folder.sync()?;
        Ok(Some(SideFile {
            path: self.name.clone(),
            size,
            records: inner.all.len() as u64,
        }))
    }

    /// The snapshot that names the new file is visible: it stays.
    pub(crate) fn keep(&self) {
        self.lock().kept = true;
    }
}

impl Drop for WithheldList {
    fn drop(&mut self) {
        let inner = self.lock();
        if inner.written && !inner.kept {
            self.folder.abandon(&self.name);
        }
    }
}

fn to_batch(list: &BTreeMap<i64, Withheld>) -> Result<RecordBatch> {
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from_iter_values(list.keys().copied())),
        Arc::new(StringArray::from_iter_values(
            list.values().map(|why| why.word()),
        )),
        Arc::new(list.values().map(|why| why.since()).collect::<Int64Array>()),
    ];
    RecordBatch::try_new(Arc::clone(&SCHEMA), columns).doing("write who is withheld")
}

fn entries(batch: &RecordBatch) -> Result<Vec<(i64, Withheld)>> {
    let damaged = || Error::Corrupt("the list of withheld persons cannot be read".into());
    let persons = batch
        .column(0)
        .as_primitive_opt::<Int64Type>()
        .ok_or_else(damaged)?;
    let words = batch.column(1).as_string_opt::<i32>().ok_or_else(damaged)?;
    let since = batch
        .column(2)
        .as_primitive_opt::<Int64Type>()
        .ok_or_else(damaged)?;
    let entry = |row: usize| {
        let since = since.is_valid(row).then(|| since.value(row));
        let why = Withheld::parse(words.value(row), since).ok_or_else(damaged)?;
        Ok((persons.value(row), why))
    };
    (0..batch.num_rows()).map(entry).collect()
}
