//! The key of a row: person, then row id, then place within a resource. Tables are sorted by it and unique in it.

use arrow::array::{Array as _, Int64Array, RecordBatch};
use arrow::buffer::ScalarBuffer;

use crate::error::{Error, Result};
use crate::schema::key_columns;

/// Person, row id, and place. What a table does not have is 0: the id where a person has one row, the place where a resource
/// has one.
pub(crate) type Key = (i64, i64, i64);

/// The keys of a batch.
#[derive(Debug, Clone)]
pub(crate) struct Keys {
    persons: ScalarBuffer<i64>,
    ids: Option<ScalarBuffer<i64>>,
    places: Option<ScalarBuffer<i64>>,
}

impl Keys {
    /// The keys of a batch of `table`: as many of its first columns as name a row.
    pub(crate) fn of(table: &str, batch: &RecordBatch) -> Result<Self> {
        let columns = key_columns(table);
        let key = |column| {
            (column < columns)
                .then(|| integers(batch, column))
                .transpose()
        };
        Ok(Self {
            persons: integers(batch, 0)?,
            ids: key(1)?,
            places: key(2)?,
        })
    }

    pub(crate) fn len(&self) -> usize {
        self.persons.len()
    }

    pub(crate) fn persons(&self) -> &[i64] {
        &self.persons
    }

    pub(crate) fn at(&self, row: usize) -> Key {
        let at = |values: &Option<ScalarBuffer<i64>>| values.as_ref().map_or(0, |all| all[row]);
        (self.persons[row], at(&self.ids), at(&self.places))
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
