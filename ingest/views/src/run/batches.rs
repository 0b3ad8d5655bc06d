//! Batches of a size that depends on the rows alone.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Schema, SchemaRef};
use arrow::record_batch::RecordBatch;

use super::RunError;

const ROWS: usize = 8_192;

/// Bytes of text in a batch, at which it is closed.
const BYTES: usize = 32 << 20;

/// Cuts a stream of batches anew.
#[derive(Debug)]
pub(super) struct Cutter {
    schema: SchemaRef,
    parts: Vec<RecordBatch>,
    rows: usize,
    bytes: usize,
}

/// Takes a batch.
type Take<'t> = dyn FnMut(&RecordBatch) -> Result<(), RunError> + 't;

impl Cutter {
    pub(super) fn new(schema: Schema) -> Self {
        Self {
            schema: Arc::new(schema),
            parts: Vec::new(),
            rows: 0,
            bytes: 0,
        }
    }

    pub(super) fn push(
        &mut self,
        batch: &RecordBatch,
        take: &mut Take<'_>,
    ) -> Result<(), RunError> {
        let sizes = sizes(batch);
        let mut start = 0;
        for (row, size) in sizes.iter().enumerate() {
            self.rows += 1;
            self.bytes += size;
            if self.rows >= ROWS || self.bytes >= BYTES {
                self.parts.push(batch.slice(start, row + 1 - start));
                start = row + 1;
                self.rest(take)?;
            }
        }
        if start < batch.num_rows() {
            self.parts
                .push(batch.slice(start, batch.num_rows() - start));
        }
        Ok(())
    }

    /// Hands over what is left.
    pub(super) fn rest(&mut self, take: &mut Take<'_>) -> Result<(), RunError> {
        (self.rows, self.bytes) = (0, 0);
        let parts = std::mem::take(&mut self.parts);
        match parts.as_slice() {
            [] => Ok(()),
            [one] => take(one),
            several => take(&concat_batches(&self.schema, several)?),
        }
    }
}

/// Bytes of text by row.
fn sizes(batch: &RecordBatch) -> Vec<usize> {
    let mut sizes = vec![0; batch.num_rows()];
    for column in batch.columns() {
        for (row, size) in sizes.iter_mut().enumerate() {
            *size += length(column, row, row + 1);
        }
    }
    sizes
}

/// Bytes of text in the values from one position to another.
fn length(array: &ArrayRef, from: usize, to: usize) -> usize {
    let between = |offsets: &[i32]| {
        let length = offsets[to] - offsets[from];
        usize::try_from(length).unwrap_or(0)
    };
    match array.data_type() {
        DataType::Utf8 => between(array.as_string::<i32>().value_offsets()),
        DataType::Binary => between(array.as_binary::<i32>().value_offsets()),
        DataType::List(_) => {
            let list = array.as_list::<i32>();
            let offsets = list.value_offsets();
            let at = |row: usize| usize::try_from(offsets[row]).unwrap_or(0);
            length(list.values(), at(from), at(to))
        }
        _ => 0,
    }
}
