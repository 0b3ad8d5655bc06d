//! The identity index: which person a source's identifier belongs to.
//!
//! Person ids are dense, from 1, in the order in which sources name people. An assignment is durable once the transaction's
//! snapshot is; a snapshot names the index files it needs, so a crash can neither lose an id that rows use nor assign
//! one twice. In memory an identifier is a 128-bit hash.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use arrow::array::{Array, ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use sha2::{Digest as _, Sha256};

use crate::error::{Doing as _, Error, Result};
use crate::merge::Batches;
use crate::place::Folder;
use crate::side::{self, SideWriter};
use crate::snapshot::{IdentityVersion, SideFile};
use crate::vault::Vault;

/// Assignments that wait in memory before they are written.
const PENDING: usize = 8192;
/// Index files after which the next commit writes a single new one.
const MOST_FILES: usize = 32;
const STEP: &str = "read or write the identity index";
/// System of assignments of which only the hash of the identifier is kept: no source has this name.
const FORGOTTEN: &str = "\u{0}forgotten";

static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    Arc::new(Schema::new(vec![
        Field::new("system", DataType::Utf8, false),
        // The identifier; for a range, the prefix that its numbers follow.
        Field::new("source_id", DataType::Utf8, false),
        Field::new("person_id", DataType::Int64, false),
        // How many persons a range has; null for a single identifier.
        Field::new("count", DataType::Int64, true),
    ]))
});

/// Assigns dense person ids from 1 to (source system, source id). Thread-safe.
#[derive(Debug)]
pub struct IdentityIndex {
    folder: Folder,
    vault: Vault,
    base: IdentityVersion,
    /// Name of the file of new assignments.
    name: String,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    known: HashMap<u128, i64>,
    ranges: Vec<Assignment>,
    /// Systems with single identifiers.
    singles: HashSet<String>,
    next: i64,
    pending: Vec<Assignment>,
    /// Names of which only the hash is kept from now on.
    forgotten: HashSet<u128>,
    fresh: u64,
    writer: Option<SideWriter>,
    kept: bool,
}

/// One row of the index.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Assignment {
    system: String,
    source_id: String,
    person: i64,
    count: Option<i64>,
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inner")
            .field("next", &self.next)
            .finish_non_exhaustive()
    }
}

impl IdentityIndex {
    /// The index as of `base`, with new assignments going to a file `name` in `folder`.
    pub(crate) fn open(
        folder: &Folder,
        vault: &Vault,
        base: &IdentityVersion,
        name: String,
    ) -> Result<Self> {
        let mut inner = Inner {
            next: base.next_person,
            ..Inner::default()
        };
        for file in &base.files {
            for batch in read(folder, &file.path, vault)? {
                for assignment in assignments(&batch?)? {
                    inner.learn(&assignment);
                }
            }
        }
        Ok(Self {
            folder: folder.clone(),
            vault: vault.clone(),
            base: base.clone(),
            name,
            inner: Mutex::new(inner),
        })
    }

    /// The person of `source_id` in `system`, assigned now if it is new.
    pub fn resolve_or_assign(&self, system: &str, source_id: &str) -> Result<i64> {
        let mut inner = self.lock();
        if let Some(person) = inner.find(system, source_id) {
            return Ok(person);
        }
        let person = inner.next;
        self.assign(
            &mut inner,
            Assignment {
                system: system.into(),
                source_id: source_id.into(),
                person,
                count: None,
            },
        )?;
        Ok(person)
    }

    /// The person of `source_id` in `system`, if known.
    pub fn lookup(&self, system: &str, source_id: &str) -> Option<i64> {
        self.lock().find(system, source_id)
    }

    /// System and identifier of those `numbers` that earlier transactions assigned, one by one, and that were not forgotten.
    pub fn names_of(&self, numbers: &BTreeSet<i64>) -> Result<Vec<(i64, String, String)>> {
        let mut names = Vec::new();
        for file in &self.base.files {
            for batch in read(&self.folder, &file.path, &self.vault)? {
                let wanted = assignments(&batch?)?.into_iter().filter(|row| {
                    numbers.contains(&row.person) && row.count.is_none() && row.system != FORGOTTEN
                });
                names.extend(wanted.map(|row| (row.person, row.system, row.source_id)));
            }
        }
        Ok(names)
    }

    /// Assigns consecutive persons to the source ids `prefix0, prefix1, …` up to `count` of them and returns the first
    /// person, in constant memory: for generators. The same call later gives the same person.
    ///
    /// # Errors
    /// [`Error::Usage`] when the range was assigned with another count, or its system has single identifiers already.
    pub fn assign_range(&self, system: &str, prefix: &str, count: u64) -> Result<i64> {
        let mut inner = self.lock();
        let count = i64::try_from(count).doing(STEP)?;
        let same = |range: &&Assignment| range.system == system && range.source_id == prefix;
        if let Some(range) = inner.ranges.iter().find(same) {
            return if range.count == Some(count) {
                Ok(range.person)
            } else {
                Err(Error::Usage(
                    "this range of identifiers was assigned with another count".into(),
                ))
            };
        }
        let overlap = inner.ranges.iter().any(|range| {
            range.system == system
                && (range.source_id.starts_with(prefix) || prefix.starts_with(&range.source_id))
        });
        if overlap || inner.singles.contains(system) {
            return Err(Error::Usage(
                "this range of identifiers may overlap others of its system".into(),
            ));
        }
        let person = inner.next;
        let range = Assignment {
            system: system.into(),
            source_id: prefix.into(),
            person,
            count: Some(count),
        };
        self.assign(&mut inner, range)?;
        Ok(person)
    }

    /// Forgets an identifier, but not that it was there: only a hash of it stays, by which it is known again.
    ///
    /// # Errors
    /// Those of storage.
    pub fn forget(&self, system: &str, source_id: &str) -> Result<()> {
        let mut inner = self.lock();
        // What was written before in this transaction may name it.
        self.write_pending(&mut inner)?;
        inner.forgotten.insert(name(system, source_id));
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn assign(&self, inner: &mut Inner, assignment: Assignment) -> Result<()> {
        let next = inner.next.checked_add(assignment.count.unwrap_or(1));
        inner.next = next.ok_or_else(|| Error::Usage("person ids are used up".into()))?;
        inner.fresh += 1;
        inner.learn(&assignment);
        inner.pending.push(assignment);
        if inner.pending.len() >= PENDING {
            self.write_pending(inner)
        } else {
            Ok(())
        }
    }

    fn write_pending(&self, inner: &mut Inner) -> Result<()> {
        if inner.pending.is_empty() {
            return Ok(());
        }
        let mut pending = std::mem::take(&mut inner.pending);
        if !inner.forgotten.is_empty() {
            for row in &mut pending {
                row.forget(&inner.forgotten);
            }
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

    /// Makes new assignments durable; `None` when there are none. The files stay once [`IdentityIndex::keep`] is called.
    pub(crate) fn finish(&self) -> Result<Option<IdentityVersion>> {
        let mut inner = self.lock();
        let forgets = !inner.forgotten.is_empty();
        if inner.fresh == 0 && !forgets {
            return Ok(None);
        }
        let mut older = self.base.files.clone();
        let mut records = inner.fresh;
        if older.len() + 1 > MOST_FILES || forgets {
            // One file instead of many: the old assignments follow the new ones, order does not matter.
            for file in older.drain(..) {
                records += file.records;
                for batch in read(&self.folder, &file.path, &self.vault)? {
                    inner.pending.extend(assignments(&batch?)?);
                    self.write_pending(&mut inner)?;
                }
            }
        }
        self.write_pending(&mut inner)?;
        let size = match inner.writer.take() {
            Some(writer) => writer.finish()?,
            None => 0,
        };
        self.folder.sync()?;
        older.push(SideFile {
            path: self.name.clone(),
            size,
            records,
        });
        Ok(Some(IdentityVersion {
            next_person: inner.next,
            files: older,
            ..self.base.clone()
        }))
    }

    /// The snapshot that names the new file is visible: it stays.
    pub(crate) fn keep(&self) {
        self.lock().kept = true;
    }
}

impl Drop for IdentityIndex {
    fn drop(&mut self) {
        let (written, kept) = {
            let inner = self.lock();
            (inner.fresh > 0 || !inner.forgotten.is_empty(), inner.kept)
        };
        if written && !kept {
            self.folder.abandon(&self.name);
        }
    }
}

impl Inner {
    fn learn(&mut self, assignment: &Assignment) {
        if assignment.count.is_some() {
            self.ranges.push(assignment.clone());
        } else if let Some(name) = assignment.forgotten() {
            self.known.insert(name, assignment.person);
        } else {
            if !self.singles.contains(&assignment.system) {
                self.singles.insert(assignment.system.clone());
            }
            self.known.insert(
                name(&assignment.system, &assignment.source_id),
                assignment.person,
            );
        }
    }

    fn find(&self, system: &str, source_id: &str) -> Option<i64> {
        let single = self.known.get(&name(system, source_id)).copied();
        single.or_else(|| {
            self.ranges
                .iter()
                .find_map(|range| range.person_of(system, source_id))
        })
    }
}

impl Assignment {
    /// Replaces the identifier by its hash, if it is among `names`.
    fn forget(&mut self, names: &HashSet<u128>) {
        let name = name(&self.system, &self.source_id);
        if self.count.is_none() && self.forgotten().is_none() && names.contains(&name) {
            self.system = FORGOTTEN.into();
            self.source_id = format!("{name:032x}");
        }
    }

    /// The hash, when that is all there is.
    fn forgotten(&self) -> Option<u128> {
        let hash = (self.system == FORGOTTEN && self.count.is_none()).then_some(&self.source_id)?;
        u128::from_str_radix(hash, 16).ok()
    }

    /// The person of an identifier that lies in this range.
    fn person_of(&self, system: &str, source_id: &str) -> Option<i64> {
        if self.system != system {
            return None;
        }
        let digits = source_id.strip_prefix(&self.source_id)?;
        let number: i64 = digits.parse().ok()?;
        let plain = number.to_string() == digits;
        (plain && (0..self.count?).contains(&number)).then(|| self.person + number)
    }
}

/// Systems and the persons that they name, as `(system, first person, how many)`.
pub(crate) fn named(
    folder: &Folder,
    files: &[SideFile],
    vault: &Vault,
    mut each: impl FnMut(&str, i64, i64),
) -> Result<()> {
    for file in files {
        for batch in read(folder, &file.path, vault)? {
            for it in assignments(&batch?)? {
                if it.forgotten().is_none() {
                    each(&it.system, it.person, it.count.unwrap_or(1));
                }
            }
        }
    }
    Ok(())
}

/// 128 bits of SHA-256 over both parts; the length keeps them apart.
fn name(system: &str, source_id: &str) -> u128 {
    let digest = Sha256::new()
        .chain_update((system.len() as u64).to_le_bytes())
        .chain_update(system)
        .chain_update(source_id)
        .finalize();
    let mut half = [0; 16];
    half.copy_from_slice(&digest[..16]);
    u128::from_le_bytes(half)
}

fn to_batch(rows: &[Assignment]) -> Result<RecordBatch> {
    let columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from_iter_values(
            rows.iter().map(|row| &row.system),
        )),
        Arc::new(StringArray::from_iter_values(
            rows.iter().map(|row| &row.source_id),
        )),
        Arc::new(Int64Array::from_iter_values(
            rows.iter().map(|row| row.person),
        )),
        Arc::new(rows.iter().map(|row| row.count).collect::<Int64Array>()),
    ];
    RecordBatch::try_new(Arc::clone(&SCHEMA), columns).doing(STEP)
}

fn assignments(batch: &RecordBatch) -> Result<Vec<Assignment>> {
    let damaged = || Error::Corrupt("the identity index has other columns".into());
    let text = |column: usize| {
        batch
            .column(column)
            .as_any()
            .downcast_ref::<StringArray>()
            .ok_or_else(damaged)
    };
    let number = |column: usize| {
        batch
            .column(column)
            .as_any()
            .downcast_ref::<Int64Array>()
            .ok_or_else(damaged)
    };
    let (system, source_id, person, count) = (text(0)?, text(1)?, number(2)?, number(3)?);
    Ok((0..batch.num_rows())
        .map(|row| Assignment {
            system: system.value(row).into(),
            source_id: source_id.value(row).into(),
            person: person.value(row),
            count: count.is_valid(row).then(|| count.value(row)),
        })
        .collect())
}

fn read(folder: &Folder, name: &str, vault: &Vault) -> Result<Batches> {
    side::read(folder, name, &SCHEMA, PENDING, vault)
}
