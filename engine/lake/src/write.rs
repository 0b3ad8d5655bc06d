//! Sorted rows into Parquet files, verified on the way.
//!
//! # Guarantee
//! Row groups and files end between two persons. Nothing is written that is out of order or twice: `person_id` and row id
//! strictly ascend over all files of one writer. No statistics, page index or bloom filter of any column is written.

use std::fs::File;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, SchemaRef};
use parquet::arrow::ArrowSchemaConverter;
use parquet::arrow::add_encoded_arrow_schema_to_metadata;
use parquet::arrow::arrow_writer::{
    ArrowColumnChunk, ArrowColumnWriter, ArrowRowGroupWriterFactory, compute_leaves,
};
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::{ColumnPath, TypePtr};

use crate::error::{Doing as _, Error, Result};
use crate::keys::{Key, Keys};
use crate::lanes::LaneBuilder;
use crate::place::Folder;
use crate::rewrite::Target;
use crate::snapshot::FileRef;
use crate::vault::Vault;
use crate::versions::VERSION;

/// Rows of a row group, about.
const GROUP_ROWS: usize = 128 * 1024;
/// Bytes in memory at which a row group ends although it has fewer rows: long texts.
const GROUP_BYTES: usize = 64 << 20;
/// Compressed bytes after which a file ends.
const FILE_BYTES: u64 = 64 << 20;
/// Threads that encode the columns of one row group.
const ENCODERS: usize = 2;

/// Writes one table's rows to new files.
#[derive(Debug)]
pub(crate) struct TableWriter {
    table: String,
    folder: Folder,
    /// Start of every file name: unique to the transaction.
    prefix: String,
    schema: SchemaRef,
    vault: Vault,
    root: TypePtr,
    pending: Vec<RecordBatch>,
    pending_rows: usize,
    pending_bytes: usize,
    open: Option<OpenFile>,
    done: Vec<FileRef>,
    last: Option<Key>,
}

/// The file being written.
struct OpenFile {
    name: String,
    writer: SerializedFileWriter<File>,
    factory: ArrowRowGroupWriterFactory,
    lanes: LaneBuilder,
    first_person: i64,
    last_person: i64,
    rows: u64,
}

impl std::fmt::Debug for OpenFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OpenFile")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl TableWriter {
    /// A writer of the target's table whose files start with `prefix`.
    pub(crate) fn new(target: &Target, prefix: &str) -> Result<Self> {
        let schema = &target.schema;
        let root = ArrowSchemaConverter::new()
            .convert(schema)
            .doing("describe a Parquet file")?
            .root_schema_ptr();
        Ok(Self {
            table: target.table.clone(),
            folder: target.folder.clone(),
            prefix: prefix.into(),
            schema: Arc::clone(schema),
            vault: target.vault.clone(),
            root,
            pending: Vec::new(),
            pending_rows: 0,
            pending_bytes: 0,
            open: None,
            done: Vec::new(),
            last: None,
        })
    }

    /// Adds rows that come after all rows before.
    ///
    /// # Errors
    /// [`Error::Order`] when a key does not ascend; the files written so far are to be thrown away.
    pub(crate) fn write(&mut self, batch: RecordBatch) -> Result<()> {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        self.verify(&Keys::of(&self.table, &batch)?)?;
        self.pending_rows += batch.num_rows();
        self.pending_bytes += slice_bytes(&batch);
        self.pending.push(batch);
        while self.pending_rows >= GROUP_ROWS || self.pending_bytes >= GROUP_BYTES {
            if !self.write_group()? {
                break;
            }
        }
        Ok(())
    }

    /// Writes what is left, makes the files durable and tells what they are.
    pub(crate) fn finish(mut self) -> Result<Vec<FileRef>> {
        let rest = std::mem::take(&mut self.pending);
        if !rest.is_empty() {
            self.encode(&rest)?;
        }
        self.close_file()?;
        if !self.done.is_empty() {
            self.folder.sync()?;
        }
        Ok(self.done)
    }

    fn verify(&mut self, keys: &Keys) -> Result<()> {
        for row in 0..keys.len() {
            let key = keys.at(row);
            if self.last.is_some_and(|last| last >= key) {
                return Err(Error::Order {
                    table: self.table.clone(),
                    what: "rows are not in ascending order of person_id and id, or one is there twice",
                });
            }
            self.last = Some(key);
        }
        Ok(())
    }

    /// Encodes one row group up to a border between persons; false when all pending rows are of one person.
    fn write_group(&mut self) -> Result<bool> {
        let Some(cut) = self.cut()? else {
            return Ok(false);
        };
        let mut group = Vec::new();
        let mut rest = Vec::new();
        let mut before = 0;
        for batch in self.pending.drain(..) {
            let head = cut.saturating_sub(before).min(batch.num_rows());
            before += batch.num_rows();
            if head > 0 {
                group.push(batch.slice(0, head));
            }
            if head < batch.num_rows() {
                rest.push(batch.slice(head, batch.num_rows() - head));
            }
        }
        self.pending_rows -= cut;
        self.pending_bytes = rest.iter().map(slice_bytes).sum();
        self.pending = rest;
        self.encode(&group)?;
        if self
            .open
            .as_ref()
            .is_some_and(|file| file.writer.bytes_written() as u64 >= FILE_BYTES)
        {
            self.close_file()?;
        }
        Ok(true)
    }

    /// Pending rows before the last border between two persons among the first [`GROUP_ROWS`], or before the first border after them.
    fn cut(&self) -> Result<Option<usize>> {
        let mut persons: Vec<i64> = Vec::with_capacity(self.pending_rows);
        for batch in &self.pending {
            persons.extend_from_slice(Keys::of(&self.table, batch)?.persons());
        }
        let border = |row: usize| persons[row - 1] != persons[row];
        let near = GROUP_ROWS.min(persons.len() - 1);
        Ok((1..=near)
            .rev()
            .find(|row| border(*row))
            .or_else(|| (near + 1..persons.len()).find(|row| border(*row))))
    }

    fn encode(&mut self, group: &[RecordBatch]) -> Result<()> {
        let mut file = match self.open.take() {
            Some(file) => file,
            None => self.open_file()?,
        };
        for batch in group {
            let keys = Keys::of(&self.table, batch)?;
            let (Some(first), Some(last)) = (keys.persons().first(), keys.persons().last()) else {
                continue;
            };
            if file.rows == 0 {
                file.first_person = *first;
            }
            file.last_person = *last;
            file.rows += keys.len() as u64;
            file.lanes.push(keys.persons());
        }
        file.write_group(&self.schema, group)?;
        self.open = Some(file);
        Ok(())
    }

    fn open_file(&mut self) -> Result<OpenFile> {
        let name = format!("{}-{:05}.parquet", self.prefix, self.done.len());
        let file = self.folder.create(&name)?;
        let mut properties = properties(&self.schema, &self.vault)?;
        add_encoded_arrow_schema_to_metadata(&self.schema, &mut properties);
        let writer = SerializedFileWriter::new(file, Arc::clone(&self.root), Arc::new(properties))
            .doing("start a Parquet file")?;
        let factory = ArrowRowGroupWriterFactory::new(&writer, Arc::clone(&self.schema));
        Ok(OpenFile {
            name,
            writer,
            factory,
            lanes: LaneBuilder::new(),
            first_person: 0,
            last_person: 0,
            rows: 0,
        })
    }

    fn close_file(&mut self) -> Result<()> {
        let Some(mut open) = self.open.take() else {
            return Ok(());
        };
        open.writer.finish().doing("finish a Parquet file")?;
        self.folder.finish(&open.name, open.writer.inner())?;
        self.done.push(FileRef {
            size: open.writer.bytes_written() as u64,
            path: open.name,
            rows: open.rows,
            first_person: open.first_person,
            last_person: open.last_person,
            lanes: open.lanes.finish(open.first_person),
        });
        Ok(())
    }
}

impl OpenFile {
    /// Encodes the columns in parallel and appends them as one row group.
    fn write_group(&mut self, schema: &SchemaRef, group: &[RecordBatch]) -> Result<()> {
        const STEP: &str = "write a Parquet row group";
        let index = self.writer.flushed_row_groups().len();
        let writers = self.factory.create_column_writers(index).doing(STEP)?;
        let count = writers.len();
        let queue = Mutex::new(writers.into_iter().enumerate());
        let encoded: Mutex<Vec<Option<ArrowColumnChunk>>> =
            Mutex::new((0..count).map(|_| None).collect());
        let work = || -> Result<()> {
            loop {
                let next = queue.lock().unwrap_or_else(PoisonError::into_inner).next();
                let Some((column, writer)) = next else {
                    return Ok(());
                };
                let chunk = encode_column(schema, column, writer, group)?;
                encoded.lock().unwrap_or_else(PoisonError::into_inner)[column] = Some(chunk);
            }
        };
        std::thread::scope(|scope| {
            let others: Vec<_> = (1..ENCODERS).map(|_| scope.spawn(work)).collect();
            let mut outcome = work();
            for other in others {
                let joined = other
                    .join()
                    .unwrap_or_else(|_| Err(Error::Corrupt("an encoder thread died".into())));
                outcome = outcome.and(joined);
            }
            outcome
        })?;
        let mut row_group = self.writer.next_row_group().doing(STEP)?;
        for chunk in encoded
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner)
            .into_iter()
            .flatten()
        {
            chunk.append_to_row_group(&mut row_group).doing(STEP)?;
        }
        row_group.close().doing(STEP)?;
        Ok(())
    }
}

fn encode_column(
    schema: &SchemaRef,
    column: usize,
    mut writer: ArrowColumnWriter,
    group: &[RecordBatch],
) -> Result<ArrowColumnChunk> {
    const STEP: &str = "encode a Parquet column";
    for batch in group {
        // Every column of the lake is flat, so a field has exactly one leaf.
        for leaf in compute_leaves(schema.field(column), batch.column(column)).doing(STEP)? {
            writer.write(&leaf).doing(STEP)?;
        }
    }
    writer.close().doing(STEP)
}

/// ZSTD(1), no statistics of any kind, dictionaries but for keys; a key of its own for each file.
fn properties(schema: &SchemaRef, vault: &Vault) -> Result<WriterProperties> {
    let zstd = ZstdLevel::try_new(1).doing("choose a compression level")?;
    let mut builder = WriterProperties::builder()
        .set_created_by(format!("salus-lake {}", env!("CARGO_PKG_VERSION")))
        .set_compression(Compression::ZSTD(zstd))
        .set_max_row_group_row_count(None)
        .set_statistics_enabled(EnabledStatistics::None)
        .set_bloom_filter_enabled(false)
        .set_dictionary_enabled(true)
        .with_file_encryption_properties(vault.seal()?);
    for (index, field) in schema.fields().iter().enumerate() {
        // What sources load or change together has one time.
        if *field.data_type() != DataType::Int64
            || ["length_minutes", VERSION].contains(&field.name().as_str())
        {
            continue;
        }
        let path = ColumnPath::from(field.name().as_str());
        // person_id ascends; a row's own hash neither repeats nor compresses, a link to a parent repeats.
        let encoding = if index == 0 {
            Encoding::DELTA_BINARY_PACKED
        } else {
            Encoding::PLAIN
        };
        let own = field.name() == "id";
        let compression = if own {
            Compression::UNCOMPRESSED
        } else {
            Compression::ZSTD(zstd)
        };
        builder = builder
            .set_column_dictionary_enabled(path.clone(), false)
            .set_column_encoding(path.clone(), encoding)
            .set_column_compression(path, compression);
    }
    Ok(builder.build())
}

/// Bytes of the rows of a batch, not of the buffers they are a slice of.
pub(crate) fn slice_bytes(batch: &RecordBatch) -> usize {
    batch
        .columns()
        .iter()
        .map(|array| array.to_data().get_slice_memory_size().unwrap_or(0))
        .sum()
}
