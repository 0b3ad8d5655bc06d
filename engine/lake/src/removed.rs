//! What a transaction takes out of the tables: rows by their id, persons with everything about them.
//!
//! Rows are deleted by resource id alone, and a resource may come back under another person; tables are sorted by person. So
//! the keys of a table are read through once, and only where there is something to look for.

use std::collections::{BTreeSet, HashMap, HashSet};

use arrow::array::RecordBatch;

use crate::error::Result;
use crate::keys::{Key, Keys};
use crate::merge::Batches;
use crate::schema::key_columns;
use crate::versions::{Versions, outdated};

/// Ids that are looked for in one reading of a table's keys.
const AT_A_TIME: usize = 4 << 20;

/// Keys that go, and who has none to begin with, in ascending order.
#[derive(Debug, Default)]
pub(crate) struct Removed {
    /// Persons whose existing rows go.
    persons: Vec<i64>,
    /// Existing rows that go.
    rows: Vec<Key>,
    /// Persons who must not have a row, staged ones included.
    withheld: BTreeSet<i64>,
    /// Person and row id of staged rows whose resource is there under another person, in a later version.
    outdated: HashSet<(i64, i64)>,
    next_person: usize,
    next_row: usize,
}

impl Removed {
    /// Takes out the existing rows of `persons`, those with the keys `rows`, and staged rows of `withheld`.
    pub(crate) fn new(
        persons: &BTreeSet<i64>,
        withheld: &BTreeSet<i64>,
        mut rows: Vec<Key>,
    ) -> Self {
        rows.sort_unstable();
        rows.dedup();
        Self {
            persons: persons.iter().copied().collect(),
            rows,
            withheld: withheld.clone(),
            outdated: HashSet::new(),
            next_person: 0,
            next_row: 0,
        }
    }

    /// Leaves these staged resources out, by person and row id.
    pub(crate) fn leave_out(&mut self, outdated: HashSet<(i64, i64)>) {
        self.outdated = outdated;
    }

    /// Whether a later version of this staged resource is there under another person.
    pub(crate) fn is_outdated(&self, (person, id): (i64, i64)) -> bool {
        self.outdated.contains(&(person, id))
    }

    /// The next person who may lose rows and was not yet passed.
    pub(crate) fn next_person(&self) -> Option<i64> {
        let person = self.persons.get(self.next_person).copied();
        let of_row = self.rows.get(self.next_row).map(|(person, ..)| *person);
        person.into_iter().chain(of_row).min()
    }

    /// Whether the existing row `key` goes. Keys must be asked for in ascending order.
    pub(crate) fn takes(&mut self, key: Key) -> bool {
        self.pass_persons(key.0);
        self.pass_rows(key);
        self.persons.get(self.next_person) == Some(&key.0)
            || self.rows.get(self.next_row) == Some(&key)
    }

    /// Whether nobody may add a row about `person`.
    pub(crate) fn withholds(&self, person: i64) -> bool {
        self.withheld.contains(&person)
    }

    /// Moves on to the persons after `person`.
    pub(crate) fn pass(&mut self, person: i64) {
        self.pass_persons(person.saturating_add(1));
        self.pass_rows((person.saturating_add(1), i64::MIN, i64::MIN));
    }

    fn pass_persons(&mut self, person: i64) {
        let left = self.persons.get(self.next_person..).unwrap_or_default();
        self.next_person += left.partition_point(|next| *next < person);
    }

    fn pass_rows(&mut self, key: Key) {
        let left = self.rows.get(self.next_row..).unwrap_or_default();
        self.next_row += left.partition_point(|next| *next < key);
    }
}

/// The keys of existing rows whose id is among `ids`; of a table without row ids, whose person is.
pub(crate) fn locate(table: &str, existing: Batches, ids: &HashSet<i64>) -> Result<Vec<Key>> {
    let mut found = Vec::new();
    let by_id = key_columns(table) > 1;
    each_key(table, existing, |key, _| {
        if ids.contains(if by_id { &key.1 } else { &key.0 }) {
            found.push(key);
        }
    })?;
    Ok(found)
}

/// What became of resources that are staged under another person than they stand under.
#[derive(Debug, Default)]
pub(crate) struct Moved {
    /// Keys of existing rows that go: the resource has moved.
    pub(crate) from: Vec<Key>,
    /// Person and row id of staged rows that are older than what exists, and stay out.
    pub(crate) outdated: HashSet<(i64, i64)>,
}

/// Staged resources that exist under another person.
///
/// `staged` and `existing` ascend. Only staged keys that do not exist are looked for, so that the same export again costs one
/// reading of the keys.
pub(crate) fn moved(table: &str, staged: Batches, existing: &dyn Fn() -> Batches) -> Result<Moved> {
    let mut known = Cursor::new(table, existing());
    let (mut new, mut found) = (HashMap::new(), Moved::default());
    for batch in staged {
        let batch = batch?;
        let (keys, versions) = (Keys::of(table, &batch)?, Versions::of(&batch));
        for row in 0..keys.len() {
            let key = keys.at(row);
            if !known.reach(key)? {
                new.insert(key.1, (key.0, versions.at(row)));
            }
        }
        if new.len() >= AT_A_TIME {
            search(table, existing(), &mut new, &mut found)?;
        }
    }
    search(table, existing(), &mut new, &mut found)?;
    Ok(found)
}

fn search(
    table: &str,
    existing: Batches,
    new: &mut HashMap<i64, (i64, Option<i64>)>,
    found: &mut Moved,
) -> Result<()> {
    if new.is_empty() {
        return Ok(());
    }
    each_key(table, existing, |key, there| {
        let Some((person, came)) = new.get(&key.1).filter(|(person, _)| *person != key.0) else {
            return;
        };
        if outdated(*came, there) {
            found.outdated.insert((*person, key.1));
        } else {
            found.from.push(key);
        }
    })?;
    new.clear();
    Ok(())
}

/// Each key with its version.
fn each_key(table: &str, batches: Batches, mut each: impl FnMut(Key, Option<i64>)) -> Result<()> {
    for batch in batches {
        let batch = batch?;
        let (keys, versions) = (Keys::of(table, &batch)?, Versions::of(&batch));
        (0..keys.len()).for_each(|row| each(keys.at(row), versions.at(row)));
    }
    Ok(())
}

/// A place in ascending keys.
struct Cursor<'t> {
    table: &'t str,
    batches: Batches,
    keys: Option<Keys>,
    row: usize,
}

impl<'t> Cursor<'t> {
    fn new(table: &'t str, batches: Batches) -> Self {
        Self {
            table,
            batches,
            keys: None,
            row: 0,
        }
    }

    /// Goes on to `key`, or to where it would be; whether it is there.
    fn reach(&mut self, key: Key) -> Result<bool> {
        loop {
            while let Some(keys) = &self.keys
                && self.row < keys.len()
            {
                if keys.at(self.row) >= key {
                    return Ok(keys.at(self.row) == key);
                }
                self.row += 1;
            }
            let Some(batch) = self.batches.next() else {
                return Ok(false);
            };
            let batch: RecordBatch = batch?;
            self.keys = Some(Keys::of(self.table, &batch)?);
            self.row = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Int64Array};

    fn batches(keys: &[Key]) -> Batches {
        let of = |part: fn(&Key) -> i64| -> ArrayRef {
            Arc::new(keys.iter().map(part).map(Some).collect::<Int64Array>())
        };
        let columns = [("person_id", of(|key| key.0)), ("id", of(|key| key.1))];
        let all = RecordBatch::try_from_iter(columns).expect("two columns");
        // In pieces, so that borders between batches are met.
        let pieces: Vec<_> = (0..all.num_rows())
            .step_by(3)
            .map(|at| all.slice(at, 3.min(all.num_rows() - at)))
            .collect();
        Box::new(pieces.into_iter().map(Ok))
    }

    #[test]
    fn a_resource_under_another_person_is_found_and_no_other() {
        let old: Vec<Key> = (1..=50).map(|n| (n, n * 10, 0)).collect();
        let staged: Vec<Key> = [(1, 10), (2, 30), (7, 71), (20, 200), (49, 10), (60, 500)]
            .map(|(person, id)| (person, id, 0))
            .to_vec();
        let found = moved("condition", batches(&staged), &|| batches(&old)).expect("keys");
        // 30 was the third's, 500 the fiftieth's; 10 is staged under two persons, of which one has it already.
        assert_eq!(found.from, [(1, 10, 0), (3, 30, 0), (50, 500, 0)]);
        assert!(found.outdated.is_empty());
        let same = moved("condition", batches(&old), &|| batches(&old)).expect("keys");
        assert!(same.from.is_empty());
    }

    #[test]
    fn what_is_removed_is_told_in_the_order_of_keys() {
        let mut removed = Removed::new(
            &[4, 6, 9].into(),
            &[6].into(),
            vec![(8, 2, 0), (3, 5, 0), (8, 2, 0)],
        );
        let mut gone = Vec::new();
        assert_eq!(removed.next_person(), Some(3));
        for person in 1..=10 {
            for id in 1..=6 {
                if removed.takes((person, id, 0)) {
                    gone.push((person, id, 0));
                }
            }
            removed.pass(person);
        }
        let expected: Vec<Key> = [3, 4, 6, 8, 9]
            .into_iter()
            .flat_map(|person| (1..=6).map(move |id| (person, id, 0)))
            .filter(|(person, id, _)| match person {
                3 => *id == 5,
                8 => *id == 2,
                _ => true,
            })
            .collect();
        assert_eq!(gone, expected);
        assert_eq!(removed.next_person(), None);
        assert!(removed.withholds(6) && !removed.withholds(4));
    }
}
