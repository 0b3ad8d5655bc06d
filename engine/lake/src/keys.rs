//! The key of a row: person, then row id. Tables are sorted by it and unique in it.

use arrow::array::{Array as _, Int64Array, RecordBatch};
use arrow::buffer::ScalarBuffer;

use crate::error::{Error, Result};
use crate::schema::row_key;

/// Person and row id; the row id of a table with one row per person is 0.
pub(crate) type Key = (i64, i64);

/// The keys of a batch.
#[derive(Debug, Clone)]
pub(crate) struct Keys {
    persons: ScalarBuffer<i64>,
    ids: Option<ScalarBuffer<i64>>,
}

impl Keys {
    /// The keys of a batch of `table`: its first column, and its second where the table has row ids.
    pub(crate) fn of(table: &str, batch: &RecordBatch) -> Result<Self> {
        let ids = match row_key(table) {
            Some(_) => Some(integers(batch, 1)?),
            None => None,
        };
        Ok(Self {
            persons: integers(batch, 0)?,
            ids,
        })
    }

    pub(crate) fn len(&self) -> usize {
        self.persons.len()
    }

    pub(crate) fn persons(&self) -> &[i64] {
        &self.persons
    }

    pub(crate) fn at(&self, row: usize) -> Key {
        (
            self.persons[row],
            self.ids.as_ref().map_or(0, |ids| ids[row]),
        )
    }
}

/// The values of a 64-bit column without nulls.
pub(crate) fn integers(batch: &RecordBatch, column: usize) -> Result<ScalarBuffer<i64>> {
    let array = batch
        .columns()
        .get(column)
        .and_then(|array| array.as_any().downcast_ref::<Int64Array>());
    match array {
        Some(array) if array.null_count() == 0 => Ok(array.values().clone()),
        _ => Err(Error::Corrupt(
            "a key column is missing, null or of another type".into(),
        )),
    }
}
