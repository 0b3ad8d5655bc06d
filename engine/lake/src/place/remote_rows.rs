//! Parquet files in a bucket, read column by column.

use std::ops::Range;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use bytes::Bytes;
use futures::future::{BoxFuture, FutureExt as _, TryFutureExt as _};
use futures::stream::TryStreamExt as _;
use object_store::path::Path;
use object_store::{GetOptions, GetRange, ObjectStore, ObjectStoreExt as _};
use parquet::arrow::arrow_reader::ArrowReaderOptions;
use parquet::arrow::async_reader::{
    AsyncFileReader, MetadataSuffixFetch, ParquetRecordBatchStreamBuilder,
};
use parquet::errors::{ParquetError, Result as ParquetResult};
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader};

use crate::error::{Doing as _, Error, Result};
use crate::merge::Batches;
use crate::place::Bucket;
use crate::place::folder::narrowed;
use crate::vault::Vault;

/// Bytes at the end of a file that are read with the first request: the footer of most files.
const FOOTER_HINT: usize = 64 << 10;
/// Batches that the reader is ahead.
const AHEAD: usize = 2;

/// The rows of the file `at`; see [`crate::place::Folder::rows`].
pub(super) fn rows(
    bucket: &Bucket,
    at: Path,
    vault: &Vault,
    columns: Option<usize>,
    rows: usize,
) -> Result<(SchemaRef, Batches)> {
    const STEP: &str = "read a Parquet file";
    let file = RemoteFile {
        store: Arc::clone(bucket.store()),
        at,
    };
    let options = vault.reading();
    let (batches, mut incoming) = tokio::sync::mpsc::channel(AHEAD);
    let (opened, schema) = std::sync::mpsc::sync_channel(1);
    bucket.handle().spawn(async move {
        let builder = ParquetRecordBatchStreamBuilder::new_with_options(file, options).await;
        let stream = builder.and_then(|builder| {
            let builder = narrowed(builder, columns, rows);
            let schema = SchemaRef::clone(builder.schema());
            builder.build().map(|stream| (schema, stream))
        });
        let mut stream = match stream.doing(STEP) {
            Ok((schema, stream)) => {
                let _ = opened.send(Ok(schema));
                stream
            }
            Err(error) => {
                let _ = opened.send(Err(error));
                return;
            }
        };
        while let Some(batch) = stream.try_next().await.transpose() {
            let failed = batch.is_err();
            // Nobody reads on, or nothing comes any more.
            if batches.send(Some(batch.doing(STEP))).await.is_err() || failed {
                return;
            }
        }
        let _ = batches.send(None).await;
    });
    let schema = schema.recv().unwrap_or_else(|_| Err(died()))?;
    let mut ended = false;
    let next = move || {
        if ended {
            return None;
        }
        let received = futures::executor::block_on(incoming.recv());
        // Rows end when it is said that they end: a reader that died must not look like a shorter file.
        let next = received.unwrap_or_else(|| Some(Err(died())));
        ended = !matches!(next, Some(Ok(_)));
        next
    };
    Ok((schema, Box::new(std::iter::from_fn(next))))
}

fn died() -> Error {
    Error::Remote("the threads that talk to it have ended".into())
}

/// An object, as the Parquet reader asks for its bytes.
struct RemoteFile {
    store: Arc<dyn ObjectStore>,
    at: Path,
}

impl AsyncFileReader for RemoteFile {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, ParquetResult<Bytes>> {
        self.store
            .get_range(&self.at, range)
            .map_err(failed)
            .boxed()
    }

    fn get_byte_ranges(
        &mut self,
        ranges: Vec<Range<u64>>,
    ) -> BoxFuture<'_, ParquetResult<Vec<Bytes>>> {
        async move {
            let ranges = self.store.get_ranges(&self.at, &ranges);
            ranges.await.map_err(failed)
        }
        .boxed()
    }

    fn get_metadata<'a>(
        &'a mut self,
        options: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, ParquetResult<Arc<ParquetMetaData>>> {
        async move {
            let metadata = ParquetMetaDataReader::new()
                .with_arrow_reader_options(options)
                .with_prefetch_hint(Some(FOOTER_HINT))
                .load_via_suffix_and_finish(self);
            metadata.await.map(Arc::new)
        }
        .boxed()
    }
}

impl MetadataSuffixFetch for &mut RemoteFile {
    fn fetch_suffix(&mut self, suffix: usize) -> BoxFuture<'_, ParquetResult<Bytes>> {
        async move {
            let options = GetOptions {
                range: Some(GetRange::Suffix(suffix as u64)),
                ..GetOptions::default()
            };
            let found = self.store.get_opts(&self.at, options).await;
            found.map_err(failed)?.bytes().await.map_err(failed)
        }
        .boxed()
    }
}

fn failed(error: object_store::Error) -> ParquetError {
    ParquetError::External(Box::new(error))
}
