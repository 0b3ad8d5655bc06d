//! Staged rows: an external sort in sorted runs.
//!
//! Appended rows gather in memory up to [`CHUNK_BYTES`], are sorted by key with the newest of equal keys first, lose the
//! older of equal keys, and go to disk as one sealed run. At commit the runs are merged in one pass (see [`crate::merge`]).
//! Every row carries its place in the order of appending, negated, so that ascending order puts the newest first.

use std::fs::File;
use std::io::{BufReader, BufWriter};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{
    Array as _, ArrayRef, Int64Array, RecordBatch, RecordBatchOptions, UInt32Array,
};
use arrow::compute::{concat_batches, take_record_batch};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::StreamWriter;

use crate::error::{At as _, Doing as _, Error, Result};
use crate::files;
use crate::keys::{Key, Keys, integers};
use crate::merge::{Batches, Merge};
use crate::schema::key_columns;
use crate::vault::{Scratch, ScratchWriter};
use crate::versions::VERSION;
use crate::write::slice_bytes;

/// Bytes of rows in memory before a run is written; each table holds at most about twice as much.
const CHUNK_BYTES: usize = 32 << 20;
/// Bytes of one batch of a run: what a merge holds in memory for each run.
const BATCH_BYTES: usize = 1 << 20;
/// Rows of one batch of a run.
const BATCH_ROWS: usize = 8192;
/// Runs that are merged at a time.
const FAN_IN: usize = 64;
/// Name of the column that orders rows with equal keys.
const ORDER: &str = "_order";

/// The rows staged for one table.
#[derive(Debug)]
pub(crate) struct Stage {
    table: String,
    schema: SchemaRef,
    staged: SchemaRef,
    dir: PathBuf,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    chunk: Vec<RecordBatch>,
    bytes: usize,
    rows: u64,
    runs: Vec<Run>,
    next: u64,
}

/// A sealed Arrow stream.
#[derive(Debug)]
struct Run {
    path: PathBuf,
    key: Scratch,
}

impl State {
    fn new_run(&mut self, dir: &Path) -> PathBuf {
        self.next += 1;
        dir.join(format!("{:06}.run", self.next))
    }
}

impl Stage {
    /// A stage of `table` whose runs go to `dir`, created on first use.
    pub(crate) fn new(table: &str, schema: &SchemaRef, dir: PathBuf) -> Self {
        let mut fields: Vec<_> = schema.fields().iter().cloned().collect();
        fields.push(Arc::new(Field::new(ORDER, DataType::Int64, false)));
        Self {
            table: table.into(),
            schema: Arc::clone(schema),
            staged: Arc::new(Schema::new(fields)),
            dir,
            state: Mutex::default(),
        }
    }

    /// Rows appended so far.
    pub(crate) fn rows(&self) -> u64 {
        self.state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .rows
    }

    /// Adds rows, which have the table's schema.
    pub(crate) fn append(&self, batch: &RecordBatch) -> Result<()> {
        let bytes = slice_bytes(batch);
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let batch = self.with_order(batch, state.rows)?;
        state.rows += batch.num_rows() as u64;
        state.bytes += bytes;
        state.chunk.push(batch);
        if state.bytes < CHUNK_BYTES {
            return Ok(());
        }
        state.bytes = 0;
        let chunk = std::mem::take(&mut state.chunk);
        let run = state.new_run(&self.dir);
        // Sorting needs no lock: several threads sort their chunks at once.
        drop(state);
        let run = self.write_run(run, &chunk)?;
        self.state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .runs
            .push(run);
        Ok(())
    }

    fn with_order(&self, batch: &RecordBatch, before: u64) -> Result<RecordBatch> {
        let newest_first = (0..batch.num_rows() as u64).map(|row| -((before + row).cast_signed()));
        let order: ArrayRef = Arc::new(Int64Array::from_iter_values(newest_first));
        let mut columns = batch.columns().to_vec();
        columns.push(order);
        RecordBatch::try_new(Arc::clone(&self.staged), columns).doing("stage rows")
    }

    fn write_run(&self, path: PathBuf, chunk: &[RecordBatch]) -> Result<Run> {
        let sorted = self.sort(chunk)?;
        self.write_sorted(path, std::iter::once(Ok(sorted)))
    }

    /// One batch, sorted by key and newest first, with only the newest of equal keys.
    fn sort(&self, chunk: &[RecordBatch]) -> Result<RecordBatch> {
        const STEP: &str = "sort staged rows";
        let all = concat_batches(&self.staged, chunk).doing(STEP)?;
        let keys = Keys::of(&self.table, &all)?;
        let order = integers(&all, all.num_columns() - 1)?;
        let rows = u32::try_from(keys.len()).doing(STEP)?;
        let mut sorted: Vec<(Key, i64, u32)> = (0..rows)
            .map(|row| {
                let at = row as usize;
                (keys.at(at), order[at], row)
            })
            .collect();
        sorted.sort_unstable();
        sorted.dedup_by_key(|(key, _, _)| *key);
        let indices: UInt32Array = sorted.into_iter().map(|(_, _, row)| row).collect();
        take_record_batch(&all, &indices).doing(STEP)
    }

    fn write_sorted(
        &self,
        path: PathBuf,
        batches: impl Iterator<Item = Result<RecordBatch>>,
    ) -> Result<Run> {
        const STEP: &str = "write a staged run";
        files::private_dir(&self.dir)?;
        let file = BufWriter::with_capacity(1 << 20, files::private_file(&path)?);
        let (sealed, key) = ScratchWriter::create(file).at("seal", &path)?;
        let mut writer = StreamWriter::try_new(sealed, &self.staged).doing(STEP)?;
        for batch in batches {
            let batch = batch?;
            let step = rows_per_batch(&batch);
            for start in (0..batch.num_rows()).step_by(step) {
                writer
                    .write(&batch.slice(start, step.min(batch.num_rows() - start)))
                    .doing(STEP)?;
            }
        }
        writer.finish().doing(STEP)?;
        let sealed = writer.into_inner().doing(STEP)?;
        sealed.finish().at("write", &path)?;
        Ok(Run { path, key })
    }

    /// Ends the staging.
    pub(crate) fn into_runs(self) -> Result<Runs> {
        let mut state =
            std::mem::take(&mut *self.state.lock().unwrap_or_else(PoisonError::into_inner));
        let last = match state.chunk.as_slice() {
            [] => None,
            chunk => Some(self.sort(chunk)?),
        };
        state.chunk.clear();
        while state.runs.len() > FAN_IN {
            let group: Vec<Run> = state.runs.drain(..FAN_IN).collect();
            let run = state.new_run(&self.dir);
            let run = self.write_sorted(run, merge(&self.table, &group, None, None)?)?;
            for Run { path, .. } in &group {
                std::fs::remove_file(path).at("remove", path)?;
            }
            state.runs.push(run);
        }
        Ok(Runs {
            table: self.table,
            schema: self.schema,
            on_disk: state.runs,
            last,
        })
    }
}

/// Staged rows in sorted runs, to be read in order as often as needed.
#[derive(Debug)]
pub(crate) struct Runs {
    table: String,
    schema: SchemaRef,
    on_disk: Vec<Run>,
    /// The run that stayed in memory.
    last: Option<RecordBatch>,
}

impl Runs {
    /// All staged rows in ascending order of key, the newest of equal keys only, without the order column.
    pub(crate) fn rows(&self) -> Result<Batches> {
        let merged = merge(&self.table, &self.on_disk, self.last.as_ref(), None)?;
        let columns: Vec<usize> = (0..self.schema.fields().len()).collect();
        let schema = Arc::clone(&self.schema);
        Ok(Box::new(merged.map(move |batch| {
            let plain = batch?.project(&columns).doing("merge staged rows")?;
            let options = RecordBatchOptions::new().with_row_count(Some(plain.num_rows()));
            RecordBatch::try_new_with_options(
                Arc::clone(&schema),
                plain.columns().to_vec(),
                &options,
            )
            .doing("merge staged rows")
        })))
    }

    /// Their keys alone, with the version and the order column.
    pub(crate) fn keys(&self) -> Result<Batches> {
        let mut columns: Vec<usize> = (0..key_columns(&self.table)).collect();
        columns.extend(self.schema.index_of(VERSION).ok());
        columns.push(self.schema.fields().len());
        Ok(Box::new(merge(
            &self.table,
            &self.on_disk,
            self.last.as_ref(),
            Some(&columns),
        )?))
    }

    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.on_disk.is_empty() && self.last.is_none()
    }
}

/// Merges runs, of which one may be in memory, with the given columns or all.
fn merge(
    table: &str,
    runs: &[Run],
    last: Option<&RecordBatch>,
    columns: Option<&[usize]>,
) -> Result<Merge> {
    const STEP: &str = "read a staged run";
    let mut sources: Vec<Batches> = Vec::new();
    if let Some(last) = last {
        let last = match columns {
            Some(columns) => last.project(columns).doing(STEP)?,
            None => last.clone(),
        };
        let step = rows_per_batch(&last);
        let slices = (0..last.num_rows())
            .step_by(step)
            .map(move |start| Ok(last.slice(start, step.min(last.num_rows() - start))));
        sources.push(Box::new(slices));
    }
    for Run { path, key } in runs {
        let file = BufReader::with_capacity(1 << 18, File::open(path).at("open", path)?);
        let reader = StreamReader::try_new(key.reader(file), columns.map(<[usize]>::to_vec));
        sources.push(Box::new(reader.doing(STEP)?.map(|batch| batch.doing(STEP))));
    }
    Merge::new(table, sources)
}

fn rows_per_batch(batch: &RecordBatch) -> usize {
    let bytes_per_row = slice_bytes(batch) / batch.num_rows().max(1);
    (BATCH_BYTES / bytes_per_row.max(1)).clamp(1, BATCH_ROWS)
}

/// The batch with the table's own schema.
///
/// # Errors
/// [`Error::Usage`] when columns, types or nulls differ from it.
pub(crate) fn conform(table: &str, schema: &SchemaRef, batch: RecordBatch) -> Result<RecordBatch> {
    let wrong = |what: &str| Error::Usage(format!("table {table}: {what}"));
    if batch.num_columns() != schema.fields().len() {
        return Err(wrong("the batch has another number of columns"));
    }
    for (field, given) in schema.fields().iter().zip(batch.schema().fields()) {
        if field.name() != given.name() || field.data_type() != given.data_type() {
            return Err(wrong(&format!(
                "column {} is missing, elsewhere or of another type",
                field.name()
            )));
        }
    }
    for (field, array) in schema.fields().iter().zip(batch.columns()) {
        if !field.is_nullable() && array.null_count() > 0 {
            return Err(wrong(&format!("column {} has nulls", field.name())));
        }
    }
    let persons = Keys::of(table, &batch)?;
    if persons.persons().iter().any(|person| *person < 1) {
        return Err(wrong("person_id is below 1"));
    }
    let (_, columns, _) = batch.into_parts();
    RecordBatch::try_new(Arc::clone(schema), columns).doing("check a batch")
}
