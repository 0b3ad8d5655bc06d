//! The list of links as a transaction changes it, and its files.
//!
//! The list is small beside the tables, so each version of it is a whole file. Events are only ever added.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use arrow::array::{Array as _, ArrayRef, AsArray as _, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef};

use crate::error::{Doing as _, Error, Result};
use crate::linkage::{Link, LinkState, Linkage};
use crate::place::Folder;
use crate::side::{self, SideWriter};
use crate::snapshot::{IdentityVersion, SideFile};
use crate::vault::Vault;

const ROWS: usize = 8192;
/// Files of events after which the next commit with an event writes a single one.
const MOST_FILES: usize = 32;
const STEP: &str = "read or write links of persons";

/// Pairs and events have the same columns; `number` counts events and is 0 for pairs.
static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    Arc::new(Schema::new(vec![
        Field::new("number", DataType::Int64, false),
        Field::new("left", DataType::Int64, false),
        Field::new("right", DataType::Int64, false),
        Field::new("what", DataType::Utf8, false),
        Field::new("why", DataType::Utf8, false),
        Field::new("millionths", DataType::Int64, true),
        Field::new("at", DataType::Int64, false),
        Field::new("by", DataType::Utf8, false),
        Field::new("ids", DataType::Int64, false),
    ]))
});

/// The list as a transaction changes it. Thread-safe.
#[derive(Debug)]
pub(crate) struct LinkTable {
    folder: Folder,
    vault: Vault,
    token: String,
    next_person: i64,
    events: Vec<SideFile>,
    pub(crate) before: Linkage,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    now: Linkage,
    events: Vec<Link>,
    changed: bool,
    written: Vec<String>,
    kept: bool,
}

/// The files of a changed list: what holds now, and all events.
pub(crate) type Changed = (SideFile, Vec<SideFile>);

impl LinkTable {
    /// The list as of `base`; a changed one goes to files in `folder` whose names begin with `token`.
    pub(crate) fn open(
        folder: &Folder,
        vault: &Vault,
        base: &IdentityVersion,
        token: &str,
    ) -> Result<Self> {
        let before = read(folder, vault, base)?;
        Ok(Self {
            folder: folder.clone(),
            vault: vault.clone(),
            token: token.into(),
            next_person: base.next_person,
            events: base.events.clone(),
            inner: Mutex::new(Inner {
                now: before.clone(),
                ..Inner::default()
            }),
            before,
        })
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// As it is now.
    pub(crate) fn now(&self) -> Linkage {
        self.lock().now.clone()
    }

    /// Whether anything was said in this transaction.
    pub(crate) fn changed(&self) -> bool {
        self.lock().changed
    }

    /// What was linked, split and decided in this transaction, oldest first; being asked is nothing of it.
    pub(crate) fn said(&self) -> Vec<Link> {
        self.lock().events.clone()
    }

    /// Says something of a pair. A link of what is linked, and a question about what is decided, changes nothing.
    pub(crate) fn say(&self, mut link: Link) -> Result<()> {
        (link.left, link.right) = (link.left.min(link.right), link.left.max(link.right));
        let known = 1..self.next_person;
        if link.left == link.right || !known.contains(&link.left) || !known.contains(&link.right) {
            return Err(Error::Usage(
                "a link is between two numbers of the identity index".into(),
            ));
        }
        let mut inner = self.lock();
        let (left, right) = (link.left, link.right);
        let before = inner.now.pair(left, right);
        let same = inner.now.person(left) == inner.now.person(right);
        match link.state {
            LinkState::Review if same || before.is_some() => return Ok(()),
            LinkState::Apart if same => {
                return Err(Error::Usage(
                    "they are one person now; split them first".into(),
                ));
            }
            LinkState::Apart if before == Some(LinkState::Apart) => return Ok(()),
            LinkState::Linked if same => return Ok(()),
            LinkState::Linked => {
                let apart = |a: &i64, b: &i64| {
                    let pair = inner.now.pair(*a.min(b), *a.max(b));
                    (*a, *b) != (left, right)
                        && (*b, *a) != (left, right)
                        && pair == Some(LinkState::Apart)
                };
                let (one, other) = (inner.now.members(left), inner.now.members(right));
                if one.iter().any(|a| other.iter().any(|b| apart(a, b))) {
                    return Err(Error::Usage(
                        "this would join two that were decided to be apart".into(),
                    ));
                }
                link.ids = i64::try_from(one.len() + other.len()).doing(STEP)?;
            }
            _ => {}
        }
        inner.put(link);
        Ok(())
    }

    /// Takes `number` out of its person for good; the others stay one person.
    ///
    /// # Errors
    /// [`Error::Usage`] when it is linked to nobody.
    pub(crate) fn split(&self, number: i64, by: &str) -> Result<()> {
        let mut inner = self.lock();
        let mut others = inner.now.members(number);
        let ids = i64::try_from(others.len()).doing(STEP)?;
        others.remove(&number);
        let Some(first) = others.first().copied() else {
            return Err(Error::Usage("this patient is linked to no other".into()));
        };
        let said = |left: i64, right: i64, state, why: &str| Link {
            number: 0,
            left: left.min(right),
            right: left.max(right),
            state,
            why: why.into(),
            millionths: None,
            at: now(),
            by: by.into(),
            ids,
        };
        for other in &others {
            inner.put(said(number, *other, LinkState::Apart, "split"));
        }
        for other in others.iter().skip(1) {
            if inner.now.person(first) != inner.now.person(*other) {
                inner.put(said(first, *other, LinkState::Linked, "rest"));
            }
        }
        Ok(())
    }

    /// Makes a changed list durable; `None` when it is the same. The files stay once [`LinkTable::keep`] is called.
    pub(crate) fn finish(&self) -> Result<Option<Changed>> {
        let mut inner = self.lock();
        if !inner.changed {
            return Ok(None);
        }
        let pairs: Vec<Link> = inner.now.pairs().cloned().collect();
        let holding = self.write(&mut inner, "links", &pairs)?;
        let mut files = self.events.clone();
        if !inner.events.is_empty() {
            let mut last: i64 = files.iter().map(|file| file.records.cast_signed()).sum();
            let mut events = std::mem::take(&mut inner.events);
            for event in &mut events {
                last += 1;
                event.number = last;
            }
            if files.len() >= MOST_FILES {
                let mut all = entries(&self.folder, &self.vault, &files)?;
                all.append(&mut events);
                (files, events) = (Vec::new(), all);
            }
            files.push(self.write(&mut inner, "events", &events)?);
        }
        self.folder.sync()?;
        Ok(Some((holding, files)))
    }

    fn write(&self, inner: &mut Inner, kind: &str, links: &[Link]) -> Result<SideFile> {
        let name = format!("{}.{kind}.parquet", self.token);
        let mut writer = SideWriter::create(&self.folder, &name, &SCHEMA, &self.vault)?;
        inner.written.push(name.clone());
        writer.write(&to_batch(links)?)?;
        Ok(SideFile {
            path: name,
            size: writer.finish()?,
            records: links.len() as u64,
        })
    }

    /// The snapshot that names the new files is visible: they stay.
    pub(crate) fn keep(&self) {
        self.lock().kept = true;
    }
}

impl Drop for LinkTable {
    fn drop(&mut self) {
        let inner = self.lock();
        if !inner.kept {
            for name in &inner.written {
                self.folder.abandon(name);
            }
        }
    }
}

impl Inner {
    fn put(&mut self, link: Link) {
        // Being asked is no event: nothing happened to anybody.
        if link.state != LinkState::Review {
            self.events.push(link.clone());
        }
        self.changed = true;
        self.now.put(link);
    }
}

/// Microseconds since 1970-01-01T00:00Z.
pub(crate) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
    })
}

/// What holds in a version.
pub(crate) fn read(folder: &Folder, vault: &Vault, version: &IdentityVersion) -> Result<Linkage> {
    let mut pairs = BTreeMap::new();
    for link in entries(folder, vault, version.links.as_slice())? {
        pairs.insert((link.left, link.right), link);
    }
    Ok(Linkage::new(pairs))
}

/// The rows of files, in order.
pub(crate) fn entries(folder: &Folder, vault: &Vault, files: &[SideFile]) -> Result<Vec<Link>> {
    let mut all = Vec::new();
    for file in files {
        for batch in side::read(folder, &file.path, &SCHEMA, ROWS, vault)? {
            all.extend(from_batch(&batch?)?);
        }
    }
    Ok(all)
}

fn to_batch(links: &[Link]) -> Result<RecordBatch> {
    let int = |of: fn(&Link) -> i64| -> ArrayRef {
        Arc::new(Int64Array::from_iter_values(links.iter().map(of)))
    };
    let text = |of: fn(&Link) -> &str| -> ArrayRef {
        Arc::new(StringArray::from_iter_values(links.iter().map(of)))
    };
    let columns: Vec<ArrayRef> = vec![
        int(|link| link.number),
        int(|link| link.left),
        int(|link| link.right),
        text(|link| link.state.word()),
        text(|link| &link.why),
        Arc::new(
            links
                .iter()
                .map(|link| link.millionths)
                .collect::<Int64Array>(),
        ),
        int(|link| link.at),
        text(|link| &link.by),
        int(|link| link.ids),
    ];
    RecordBatch::try_new(Arc::clone(&SCHEMA), columns).doing(STEP)
}

fn from_batch(batch: &RecordBatch) -> Result<Vec<Link>> {
    let damaged = || Error::Corrupt("a list of links has other columns".into());
    let int = |column: usize| {
        batch
            .column(column)
            .as_primitive_opt::<Int64Type>()
            .ok_or_else(damaged)
    };
    let text = |column: usize| {
        batch
            .column(column)
            .as_string_opt::<i32>()
            .ok_or_else(damaged)
    };
    let (number, left, right, millionths, at, ids) =
        (int(0)?, int(1)?, int(2)?, int(5)?, int(6)?, int(8)?);
    let (what, why, by) = (text(3)?, text(4)?, text(7)?);
    let row = |row: usize| {
        Ok(Link {
            number: number.value(row),
            left: left.value(row),
            right: right.value(row),
            state: LinkState::parse(what.value(row)).ok_or_else(damaged)?,
            why: why.value(row).into(),
            millionths: millionths.is_valid(row).then(|| millionths.value(row)),
            at: at.value(row),
            by: by.value(row).into(),
            ids: ids.value(row),
        })
    };
    (0..batch.num_rows()).map(row).collect()
}
