//! Rows that come in the order of persons go straight to Parquet.

use arrow::array::{BooleanArray, RecordBatch, UInt32Array};
use arrow::compute::{concat_batches, filter_record_batch, not, take_record_batch};
use arrow::datatypes::SchemaRef;

use crate::error::{Doing as _, Error, Result};
use crate::keys::Keys;
use crate::rewrite::{Pipe, Target};
use crate::snapshot::FileRef;
use crate::write::TableWriter;

/// Takes rows whose `person_id` never decreases and writes whole persons.
#[derive(Debug)]
pub(crate) struct Sorted {
    table: String,
    schema: SchemaRef,
    cap: u64,
    pipe: Pipe,
    /// Rows of the last person so far: more may come.
    held: Vec<RecordBatch>,
    person: i64,
}

impl Sorted {
    pub(crate) fn start(target: &Target) -> Result<Self> {
        let writer = TableWriter::new(target, &target.prefix)?;
        Ok(Self {
            table: target.table.clone(),
            schema: target.schema.clone(),
            cap: target.cap,
            pipe: Pipe::start(writer)?,
            held: Vec::new(),
            person: i64::MIN,
        })
    }

    /// Adds rows.
    ///
    /// # Errors
    /// [`Error::Order`] when a `person_id` is smaller than one before.
    pub(crate) fn push(
        &mut self,
        batch: &RecordBatch,
        overflow: &mut dyn FnMut(&RecordBatch) -> Result<()>,
    ) -> Result<()> {
        let keys = Keys::of(&self.table, batch)?;
        let persons = keys.persons();
        let (Some(first), Some(last)) = (persons.first(), persons.last()) else {
            return Ok(());
        };
        if *first < self.person || !persons.is_sorted() {
            return Err(Error::Order {
                table: self.table.clone(),
                what: "person_id decreases",
            });
        }
        let head = persons.partition_point(|person| *person == self.person);
        let tail = persons.partition_point(|person| person < last);
        if head > 0 {
            self.held.push(batch.slice(0, head));
        }
        if *last != self.person {
            self.release(overflow)?;
            if head < tail {
                self.emit(batch.slice(head, tail - head), overflow)?;
            }
            self.held.push(batch.slice(tail, batch.num_rows() - tail));
            self.person = *last;
        }
        Ok(())
    }

    /// Writes the last person and tells the files.
    pub(crate) fn finish(
        mut self,
        overflow: &mut dyn FnMut(&RecordBatch) -> Result<()>,
    ) -> Result<Vec<FileRef>> {
        self.release(overflow)?;
        self.pipe.finish()
    }

    fn release(&mut self, overflow: &mut dyn FnMut(&RecordBatch) -> Result<()>) -> Result<()> {
        let held = std::mem::take(&mut self.held);
        if held.is_empty() {
            return Ok(());
        }
        self.emit(
            concat_batches(&self.schema, &held).doing("gather a person's rows")?,
            overflow,
        )
    }

    /// Writes whole persons, each in the order of row ids and at most `cap` rows of it.
    fn emit(
        &mut self,
        batch: RecordBatch,
        overflow: &mut dyn FnMut(&RecordBatch) -> Result<()>,
    ) -> Result<()> {
        const STEP: &str = "cap a person's rows";
        let sorted = self.by_key(batch)?;
        let keys = Keys::of(&self.table, &sorted)?;
        let mut count = 0;
        let mut person = None;
        let mut any_over = false;
        let fits: Vec<bool> = keys
            .persons()
            .iter()
            .map(|next| {
                count = if person == Some(*next) { count + 1 } else { 1 };
                person = Some(*next);
                any_over |= count > self.cap;
                count <= self.cap
            })
            .collect();
        if !any_over {
            return self.pipe.send(sorted);
        }
        let fits = BooleanArray::from(fits);
        overflow(&filter_record_batch(&sorted, &not(&fits).doing(STEP)?).doing(STEP)?)?;
        self.pipe
            .send(filter_record_batch(&sorted, &fits).doing(STEP)?)
    }

    fn by_key(&self, batch: RecordBatch) -> Result<RecordBatch> {
        let keys = Keys::of(&self.table, &batch)?;
        if (1..keys.len()).all(|row| keys.at(row - 1) <= keys.at(row)) {
            return Ok(batch);
        }
        let rows = u32::try_from(keys.len()).doing("sort a person's rows")?;
        let mut order: Vec<u32> = (0..rows).collect();
        order.sort_unstable_by_key(|row| keys.at(*row as usize));
        take_record_batch(&batch, &UInt32Array::from(order)).doing("sort a person's rows")
    }
}
