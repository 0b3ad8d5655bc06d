//! Staged rows over existing rows, for one stretch of persons.
//!
//! Both sides ascend by key and hold each key once. A staged row takes the place of the existing row with its key; an
//! existing child row whose parent was replaced goes away; so does an existing row of a resource whose staged rows do not have
//! its place, and what the transaction removes (see [`crate::removed`]). A staged resource that is older than the existing one
//! (see [`crate::versions`]) is as if it were not staged, with its children. Of a person's rows only the first `cap` in the order of the row
//! id stay, and as row ids are hashes these are not the first in time.

use arrow::array::RecordBatch;
use arrow::buffer::ScalarBuffer;
use arrow::compute::kernels::cmp::not_distinct;

use crate::error::{Doing as _, Result};
use crate::keys::{Key, Keys, integers};
use crate::merge::{Batches, gather, next_rows};
use crate::removed::Removed;
use crate::replaced::{ParentNotes, Parents};
use crate::versions::{Versions, outdated};

/// Rows of an output batch.
const ROWS: usize = 16 * 1024;
/// Input batches that one output batch may come from.
const HELD: usize = 64;

/// A sequence of batches with one row of look-ahead.
pub(crate) struct Ahead {
    table: String,
    source: Batches,
    batch: Option<(RecordBatch, Keys, Versions)>,
    row: usize,
}

impl Ahead {
    pub(crate) fn new(table: &str, mut source: Batches) -> Result<Self> {
        let batch = Self::load(table, &mut source)?;
        Ok(Self {
            table: table.into(),
            source,
            batch,
            row: 0,
        })
    }

    fn load(table: &str, source: &mut Batches) -> Result<Option<(RecordBatch, Keys, Versions)>> {
        let Some(batch) = next_rows(source)? else {
            return Ok(None);
        };
        let (keys, versions) = (Keys::of(table, &batch)?, Versions::of(&batch));
        Ok(Some((batch, keys, versions)))
    }

    /// The key of the next row.
    pub(crate) fn peek(&self) -> Option<Key> {
        self.batch.as_ref().map(|(_, keys, _)| keys.at(self.row))
    }

    /// The version of the next row, if that is of `resource`.
    fn version_of(&self, resource: (i64, i64)) -> Option<i64> {
        let (_, keys, versions) = self.batch.as_ref()?;
        let key = keys.at(self.row);
        versions.at(self.row).filter(|_| (key.0, key.1) == resource)
    }

    /// Steps over the next row; true when another batch was loaded.
    fn step(&mut self) -> Result<bool> {
        self.row += 1;
        let ended = self
            .batch
            .as_ref()
            .is_some_and(|(_, keys, _)| self.row >= keys.len());
        if ended {
            self.batch = Self::load(&self.table, &mut self.source)?;
            self.row = 0;
        }
        Ok(ended)
    }
}

/// What an upsert needs beside the rows.
pub(crate) struct Terms<'a> {
    /// Most rows of one person.
    pub(crate) cap: u64,
    /// Persons from here on belong to the next stretch.
    pub(crate) end: Option<i64>,
    /// For a child table: what became of the parents.
    pub(crate) parents: Option<&'a mut Parents>,
    /// For a parent table: where to note that.
    pub(crate) notes: Option<&'a mut ParentNotes>,
    /// What the transaction takes out.
    pub(crate) removed: &'a mut Removed,
}

/// Where the rows go. A batch with `changed == false` says that everything up to and with it equals the existing rows.
pub(crate) trait Sink {
    /// Rows of the table.
    fn keep(&mut self, batch: RecordBatch, changed: bool) -> Result<()>;
    /// Rows above the cap.
    fn overflow(&mut self, batch: RecordBatch) -> Result<()>;
    /// Staged rows passed, and how many resources among them were out of date.
    fn passed(&mut self, staged: u64, outdated: u64);
}

struct Join<'a, S: Sink> {
    terms: Terms<'a>,
    sink: &'a mut S,
    held: Vec<RecordBatch>,
    kept: Vec<(usize, usize)>,
    over: Vec<(usize, usize)>,
    /// Rows with equal keys, staged and existing, that are still to be compared.
    pairs: Vec<((usize, usize), (usize, usize))>,
    changed: bool,
    person: Option<i64>,
    count: u64,
    staged: u64,
    outdated: u64,
    /// Person and row id of the rows that are looked at, and whether the staged ones are out of date.
    current: Option<((i64, i64), bool)>,
    /// Person and row id of the last staged row. All rows of a resource come together, so no existing row of it outlives them.
    resource: Option<(i64, i64)>,
}

/// The place of a staged row that stands for no row: its resource has none any more. It comes before every other.
pub const NO_ROWS: i64 = -1;

/// Joins both sides up to `terms.end`; true when the result differs from the existing rows.
pub(crate) fn upsert<S: Sink>(
    staged: &mut Ahead,
    existing: &mut Ahead,
    terms: Terms<'_>,
    sink: &mut S,
) -> Result<bool> {
    let end = terms.end;
    let within = move |key: &Key| end.is_none_or(|end| key.0 < end);
    let mut join = Join {
        terms,
        sink,
        held: Vec::new(),
        kept: Vec::new(),
        over: Vec::new(),
        pairs: Vec::new(),
        changed: false,
        person: None,
        count: 0,
        staged: 0,
        outdated: 0,
        current: None,
        resource: None,
    };
    let mut new_at = join.hold(staged);
    let mut old_at = join.hold(existing);
    let mut links = join.links(existing)?;
    let mut new_links = join.links(staged)?;
    loop {
        let (new, old) = (staged.peek().filter(within), existing.peek());
        let Some(key) = new.into_iter().chain(old).min() else {
            break;
        };
        let (mut is_new, is_old) = (new == Some(key), old == Some(key));
        let steps = is_new;
        join.look(key, staged, existing)?;
        if is_new
            && (join.is_outdated()
                || join.parent_is_outdated(key, new_links.as_deref(), staged.row)?)
        {
            // As if it were not there.
            join.staged += 1;
            is_new = false;
        }
        let new_row = (new_at, staged.row);
        let old_row = (old_at, existing.row);
        if is_new && join.terms.removed.withholds(key.0) {
            join.staged += 1;
            if is_old {
                join.drop_existing(key)?;
            }
        } else if is_new && key.2 == NO_ROWS {
            join.staged += 1;
            join.resource = Some((key.0, key.1));
        } else if is_new {
            let fits = join.put(key, new_row);
            join.staged += 1;
            join.resource = Some((key.0, key.1));
            if is_old {
                join.replace(key, fits, new_row, old_row)?;
            } else if fits {
                join.changed = true;
            }
        } else if !is_old {
            // A staged row that is out of date, and nothing in its place.
        } else if join.terms.removed.takes(key) || join.resource == Some((key.0, key.1)) {
            join.drop_existing(key)?;
        } else if join.orphaned(key, links.as_deref(), existing.row)? || !join.put(key, old_row) {
            join.changed = true;
        }
        let mut loaded = false;
        if steps && staged.step()? {
            loaded = true;
            new_at = join.hold(staged);
            new_links = join.links(staged)?;
        }
        if is_old && existing.step()? {
            loaded = true;
            old_at = join.hold(existing);
            links = join.links(existing)?;
        }
        let full = join.kept.len() >= ROWS || join.over.len() >= ROWS;
        if full || (loaded && join.held.len() > HELD) {
            join.flush()?;
            new_at = join.hold(staged);
            old_at = join.hold(existing);
        }
    }
    join.flush()?;
    Ok(join.changed)
}

impl<S: Sink> Join<'_, S> {
    fn hold(&mut self, side: &Ahead) -> usize {
        if let Some((batch, ..)) = &side.batch {
            self.held.push(batch.clone());
        }
        self.held.len().saturating_sub(1)
    }

    /// The parent links of the current batch of a side.
    fn links(&self, side: &Ahead) -> Result<Option<ScalarBuffer<i64>>> {
        match (&self.terms.parents, &side.batch) {
            (Some(parents), Some((batch, ..))) => integers(batch, parents.column).map(Some),
            _ => Ok(None),
        }
    }

    /// Decides whether the staged rows of a resource are older than those that exist, here or under another person: at its first
    /// row, when both sides stand at theirs.
    fn look(&mut self, key: Key, staged: &Ahead, existing: &Ahead) -> Result<()> {
        let resource = (key.0, key.1);
        if self.current.is_some_and(|(current, _)| current == resource) {
            return Ok(());
        }
        let came = staged.version_of(resource);
        let there = existing.version_of(resource);
        let verdict = outdated(came, there) || self.terms.removed.is_outdated(resource);
        self.current = Some((resource, verdict));
        if verdict {
            self.outdated += 1;
            if let Some(notes) = &mut self.terms.notes {
                notes.outdated.push(key)?;
            }
        }
        Ok(())
    }

    fn is_outdated(&self) -> bool {
        self.current.is_some_and(|(_, verdict)| verdict)
    }

    /// Whether a staged child row came with a parent that is out of date.
    fn parent_is_outdated(&mut self, key: Key, links: Option<&[i64]>, row: usize) -> Result<bool> {
        match (&mut self.terms.parents, links) {
            (Some(parents), Some(links)) => parents.outdated.contains(key.0, links[row]),
            _ => Ok(false),
        }
    }

    /// Keeps a row, or puts it above the cap; true when it was kept.
    fn put(&mut self, (person, ..): Key, row: (usize, usize)) -> bool {
        if self.person != Some(person) {
            self.person = Some(person);
            self.count = 0;
        }
        self.count += 1;
        let fits = self.count <= self.terms.cap;
        if fits {
            self.kept.push(row);
        } else {
            self.over.push(row);
        }
        fits
    }

    fn replace(
        &mut self,
        key: Key,
        fits: bool,
        new: (usize, usize),
        old: (usize, usize),
    ) -> Result<()> {
        if !fits {
            self.changed = true;
        } else if !self.changed {
            self.pairs.push((new, old));
        }
        match &mut self.terms.notes {
            Some(notes) => notes.replaced.push(key),
            None => Ok(()),
        }
    }

    /// Leaves an existing row out, and its children with it.
    fn drop_existing(&mut self, key: Key) -> Result<()> {
        self.changed = true;
        match &mut self.terms.notes {
            Some(notes) => notes.replaced.push(key),
            None => Ok(()),
        }
    }

    /// Whether an existing child row lost its parent row to a newer one.
    fn orphaned(&mut self, (person, ..): Key, links: Option<&[i64]>, row: usize) -> Result<bool> {
        match (&mut self.terms.parents, links) {
            (Some(parents), Some(links)) => parents.replaced.contains(person, links[row]),
            _ => Ok(false),
        }
    }

    fn flush(&mut self) -> Result<()> {
        if !self.changed && !self.pairs.is_empty() {
            let (new, old): (Vec<_>, Vec<_>) = self.pairs.iter().copied().unzip();
            self.changed = !equal(&gather(&self.held, &new)?, &gather(&self.held, &old)?)?;
        }
        self.pairs.clear();
        if !self.over.is_empty() {
            let over = gather(&self.held, &self.over)?;
            self.over.clear();
            self.sink.overflow(over)?;
        }
        if !self.kept.is_empty() {
            let kept = gather(&self.held, &self.kept)?;
            self.kept.clear();
            self.sink.keep(kept, self.changed)?;
        }
        let outdated = std::mem::take(&mut self.outdated);
        self.sink.passed(std::mem::take(&mut self.staged), outdated);
        self.held.clear();
        Ok(())
    }
}

/// Whether two batches hold the same rows; null equals null.
fn equal(left: &RecordBatch, right: &RecordBatch) -> Result<bool> {
    for (left, right) in left.columns().iter().zip(right.columns()) {
        let same = not_distinct(left, right).doing("compare rows")?;
        if same.true_count() != left.len() {
            return Ok(false);
        }
    }
    Ok(true)
}
