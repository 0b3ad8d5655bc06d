//! Sealed Parquet files beside the tables: the identity index, direct identifiers, links and quarantine.

use std::fs::File;
use std::path::{Path, PathBuf};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::arrow::{ArrowWriter, ProjectionMask};
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::{EnabledStatistics, WriterProperties};

use crate::error::{At as _, Doing as _, Error, Result};
use crate::files;
use crate::vault::Vault;

/// Bytes in memory at which a row group ends.
const GROUP_BYTES: usize = 32 << 20;

/// Writes one file.
#[derive(Debug)]
pub(crate) struct SideWriter {
    path: PathBuf,
    writer: ArrowWriter<File>,
}

impl SideWriter {
    /// Starts the new file `path`.
    pub(crate) fn create(path: &Path, schema: &SchemaRef, vault: &Vault) -> Result<Self> {
        const STEP: &str = "start a Parquet file";
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::try_new(1).doing(STEP)?))
            .set_statistics_enabled(EnabledStatistics::None)
            .set_dictionary_enabled(false)
            .with_file_encryption_properties(vault.seal()?)
            .build();
        let file = files::private_file(path)?;
        let writer = ArrowWriter::try_new(file, SchemaRef::clone(schema), Some(properties));
        Ok(Self {
            path: path.into(),
            writer: writer.doing(STEP)?,
        })
    }

    /// Adds rows.
    pub(crate) fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        const STEP: &str = "write a Parquet file";
        self.writer.write(batch).doing(STEP)?;
        if self.writer.in_progress_size() >= GROUP_BYTES {
            self.writer.flush().doing(STEP)?;
        }
        Ok(())
    }

    /// Makes the file durable, its name in the directory aside, and tells its size in bytes.
    pub(crate) fn finish(mut self) -> Result<u64> {
        self.writer.finish().doing("finish a Parquet file")?;
        let file = self.writer.inner();
        file.sync_all().at("sync", &self.path)?;
        Ok(file.metadata().at("read", &self.path)?.len())
    }
}

/// The rows of a file, some at a time.
///
/// # Errors
/// [`Error::Corrupt`] when its columns are not those of `schema`.
pub(crate) fn read(
    path: &Path,
    schema: &SchemaRef,
    rows: usize,
    vault: &Vault,
) -> Result<impl Iterator<Item = Result<RecordBatch>> + use<>> {
    let all: Vec<usize> = (0..schema.fields().len()).collect();
    read_columns(path, schema, rows, vault, &all)
}

/// As [`read`], with some of the columns only, in the order of the file.
pub(crate) fn read_columns(
    path: &Path,
    schema: &SchemaRef,
    rows: usize,
    vault: &Vault,
    columns: &[usize],
) -> Result<impl Iterator<Item = Result<RecordBatch>> + use<>> {
    const STEP: &str = "read a Parquet file";
    let file = File::open(path).at("open", path)?;
    let reader = ParquetRecordBatchReaderBuilder::try_new_with_options(file, vault.reading());
    let reader = reader.doing(STEP)?;
    if reader.schema().fields() != schema.fields() {
        return Err(Error::Corrupt(
            "a file beside the tables has other columns".into(),
        ));
    }
    let mask = ProjectionMask::roots(reader.parquet_schema(), columns.iter().copied());
    let reader = reader.with_projection(mask).with_batch_size(rows);
    let batches = reader.build().doing(STEP)?;
    Ok(batches.map(|batch| batch.doing(STEP)))
}
