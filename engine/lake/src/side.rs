//! Sealed Parquet files beside the tables: the identity index, who is kept out, direct identifiers, links, rows of linked patients, and quarantine.

use std::fs::File;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::{EnabledStatistics, WriterProperties};

use crate::error::{Doing as _, Error, Result};
use crate::merge::Batches;
use crate::place::Folder;
use crate::vault::Vault;

/// Bytes in memory at which a row group ends.
const GROUP_BYTES: usize = 32 << 20;

/// Writes one file.
#[derive(Debug)]
pub(crate) struct SideWriter {
    folder: Folder,
    name: String,
    writer: ArrowWriter<File>,
}

impl SideWriter {
    /// Starts the new file `name`.
    pub(crate) fn create(
        folder: &Folder,
        name: &str,
        schema: &SchemaRef,
        vault: &Vault,
    ) -> Result<Self> {
        const STEP: &str = "start a Parquet file";
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::try_new(1).doing(STEP)?))
            .set_statistics_enabled(EnabledStatistics::None)
            .set_dictionary_enabled(false)
            .with_file_encryption_properties(vault.seal()?)
            .build();
        let file = folder.create(name)?;
        let writer = ArrowWriter::try_new(file, SchemaRef::clone(schema), Some(properties));
        Ok(Self {
            folder: folder.clone(),
            name: name.into(),
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
        self.folder.finish(&self.name, self.writer.inner())
    }
}

/// The rows of a file, some at a time.
///
/// # Errors
/// [`Error::Corrupt`] when its columns are not those of `schema`.
pub(crate) fn read(
    folder: &Folder,
    name: &str,
    schema: &SchemaRef,
    rows: usize,
    vault: &Vault,
) -> Result<Batches> {
    read_columns(folder, name, schema, rows, vault, None)
}

/// As [`read`], with the first `columns` columns only.
pub(crate) fn read_columns(
    folder: &Folder,
    name: &str,
    schema: &SchemaRef,
    rows: usize,
    vault: &Vault,
    columns: Option<usize>,
) -> Result<Batches> {
    let (found, batches) = folder.rows(name, vault, columns, rows)?;
    if found.fields() != schema.fields() {
        return Err(Error::Corrupt(
            "a file beside the tables has other columns".into(),
        ));
    }
    Ok(batches)
}
