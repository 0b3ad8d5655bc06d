//! Parquet, zstd, with the Arrow schema in the footer.

use std::fmt;
use std::io::Write;
use std::sync::Arc;

use arrow::record_batch::RecordBatch;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;

use super::{Sink, failed};
use crate::columns::{Layout, schema};
use crate::definition::View;
use crate::run::RunError;

/// Writes Parquet.
pub struct ParquetSink<W: Write + Send> {
    writer: Option<ArrowWriter<W>>,
}

impl<W: Write + Send> fmt::Debug for ParquetSink<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ParquetSink").finish_non_exhaustive()
    }
}

fn broken(error: ParquetError) -> RunError {
    failed("Parquet")(Box::new(error))
}

impl<W: Write + Send> ParquetSink<W> {
    /// Writes the rows of `view` to `out`.
    ///
    /// # Errors
    /// When the beginning of the file cannot be written.
    pub fn new(view: &View, out: W) -> Result<Self, RunError> {
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .set_created_by("salus".to_owned())
            .build();
        let schema = Arc::new(schema(view, Layout::Typed));
        let writer = ArrowWriter::try_new(out, schema, Some(properties)).map_err(broken)?;
        Ok(Self {
            writer: Some(writer),
        })
    }

    pub(super) fn complete(&mut self) -> Result<Option<W>, RunError> {
        let writer = self.writer.take();
        writer
            .map(|writer| writer.into_inner().map_err(broken))
            .transpose()
    }
}

impl<W: Write + Send> Sink for ParquetSink<W> {
    fn layout(&self) -> Layout {
        Layout::Typed
    }

    fn write(&mut self, batch: &RecordBatch) -> Result<(), RunError> {
        match &mut self.writer {
            Some(writer) => writer.write(batch).map_err(broken),
            None => Err(RunError::Bug("rows after the end of a Parquet file".into())),
        }
    }

    fn finish(&mut self) -> Result<(), RunError> {
        let out = self.complete()?;
        let flushed = out.map_or(Ok(()), |mut out| out.flush());
        flushed.map_err(|error| failed("Parquet")(error.into()))
    }
}
