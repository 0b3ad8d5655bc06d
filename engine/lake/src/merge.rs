//! Merging sorted runs of staged rows.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use arrow::array::RecordBatch;
use arrow::buffer::ScalarBuffer;
use arrow::compute::interleave_record_batch;

use crate::error::{Doing as _, Result};
use crate::keys::{Key, Keys, integers};

/// A fallible sequence of batches.
pub(crate) type Batches = Box<dyn Iterator<Item = Result<RecordBatch>> + Send>;

/// Rows of a merged batch.
const ROWS: usize = 16 * 1024;
/// Batches held beyond one for each source, when many rows are passed over.
const HELD: usize = 64;

/// Merges sorted sources into one ascending sequence with the newest row of each key.
pub(crate) struct Merge {
    table: String,
    cursors: Vec<Cursor>,
    heap: BinaryHeap<Reverse<(Key, i64, usize)>>,
    /// Batches that the indices gathered so far point into.
    held: Vec<RecordBatch>,
    indices: Vec<(usize, usize)>,
    last: Option<Key>,
    failed: bool,
}

struct Cursor {
    source: Batches,
    keys: Keys,
    order: ScalarBuffer<i64>,
    row: usize,
    /// Where its current batch is among the held ones.
    held: usize,
}

impl Merge {
    pub(crate) fn new(table: &str, sources: Vec<Batches>) -> Result<Self> {
        let mut merge = Self {
            table: table.into(),
            cursors: Vec::new(),
            heap: BinaryHeap::new(),
            held: Vec::new(),
            indices: Vec::new(),
            last: None,
            failed: false,
        };
        for mut source in sources {
            if let Some(batch) = next_rows(&mut source)? {
                let (keys, order) = merge.keys(&batch)?;
                let held = merge.hold(batch);
                merge.cursors.push(Cursor {
                    source,
                    keys,
                    order,
                    row: 0,
                    held,
                });
                merge.offer(merge.cursors.len() - 1);
            }
        }
        Ok(merge)
    }

    fn keys(&self, batch: &RecordBatch) -> Result<(Keys, ScalarBuffer<i64>)> {
        Ok((
            Keys::of(&self.table, batch)?,
            integers(batch, batch.num_columns() - 1)?,
        ))
    }

    fn hold(&mut self, batch: RecordBatch) -> usize {
        self.held.push(batch);
        self.held.len() - 1
    }

    fn offer(&mut self, source: usize) {
        let cursor = &self.cursors[source];
        self.heap.push(Reverse((
            cursor.keys.at(cursor.row),
            cursor.order[cursor.row],
            source,
        )));
    }

    /// Gathers rows until a batch is full or the sources are done.
    fn fill(&mut self) -> Result<Option<RecordBatch>> {
        while self.indices.len() < ROWS {
            if self.held.len() > self.cursors.len() + HELD {
                if self.indices.is_empty() {
                    self.release();
                } else {
                    break;
                }
            }
            let Some(Reverse((mut key, _, source))) = self.heap.pop() else {
                break;
            };
            let limit = self
                .heap
                .peek()
                .map(|Reverse((key, order, _))| (*key, *order));
            // Take rows of this source as long as it stays ahead of all others: runs are often nearly disjoint.
            loop {
                let cursor = &mut self.cursors[source];
                if self.last != Some(key) {
                    self.indices.push((cursor.held, cursor.row));
                    self.last = Some(key);
                }
                cursor.row += 1;
                if cursor.row == cursor.keys.len() {
                    self.advance(source)?;
                    break;
                }
                key = cursor.keys.at(cursor.row);
                let behind = limit.is_some_and(|limit| limit < (key, cursor.order[cursor.row]));
                if behind || self.indices.len() >= ROWS {
                    self.offer(source);
                    break;
                }
            }
        }
        if self.indices.is_empty() {
            Ok(None)
        } else {
            self.emit().map(Some)
        }
    }

    fn advance(&mut self, source: usize) -> Result<()> {
        let Some(batch) = next_rows(&mut self.cursors[source].source)? else {
            return Ok(());
        };
        let (keys, order) = self.keys(&batch)?;
        let held = self.hold(batch);
        let cursor = &mut self.cursors[source];
        (cursor.keys, cursor.order, cursor.row, cursor.held) = (keys, order, 0, held);
        self.offer(source);
        Ok(())
    }

    fn emit(&mut self) -> Result<RecordBatch> {
        let merged = gather(&self.held, &self.indices)?;
        self.indices.clear();
        self.release();
        Ok(merged)
    }

    /// Keeps only the batches that cursors stand in.
    fn release(&mut self) {
        let mut kept = Vec::with_capacity(self.cursors.len());
        for cursor in &mut self.cursors {
            if cursor.row < cursor.keys.len() {
                kept.push(self.held[cursor.held].clone());
                cursor.held = kept.len() - 1;
            }
        }
        self.held = kept;
    }
}

impl Iterator for Merge {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let next = self.fill().transpose();
        self.failed = matches!(next, Some(Err(_)));
        next
    }
}

/// The rows that `indices` name among the `held` batches.
pub(crate) fn gather(held: &[RecordBatch], indices: &[(usize, usize)]) -> Result<RecordBatch> {
    if let Some((batch, first)) = contiguous(indices) {
        return Ok(held[batch].slice(first, indices.len()));
    }
    let held: Vec<&RecordBatch> = held.iter().collect();
    interleave_record_batch(&held, indices).doing("merge rows")
}

/// The batch and first row when `indices` are consecutive rows of one batch, which then need no copy.
fn contiguous(indices: &[(usize, usize)]) -> Option<(usize, usize)> {
    let (held, first) = *indices.first()?;
    let plain = indices
        .iter()
        .enumerate()
        .all(|(at, index)| *index == (held, first + at));
    plain.then_some((held, first))
}

/// The next batch that has rows.
pub(crate) fn next_rows(source: &mut Batches) -> Result<Option<RecordBatch>> {
    for batch in source {
        let batch = batch?;
        if batch.num_rows() > 0 {
            return Ok(Some(batch));
        }
    }
    Ok(None)
}
