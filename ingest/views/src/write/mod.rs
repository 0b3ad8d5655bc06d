//! Where rows go.

mod csv;
mod file;
mod ndjson;
mod parquet;

use arrow::record_batch::RecordBatch;

pub use csv::CsvSink;
pub use file::{Format, files};
pub use ndjson::NdjsonSink;
pub use parquet::ParquetSink;

use crate::columns::Layout;
use crate::run::RunError;

/// Takes the rows of one view, in their order.
pub trait Sink {
    /// What the columns are for.
    fn layout(&self) -> Layout;

    /// Takes rows. All batches have the schema that [`crate::schema`] gives for the layout.
    fn write(&mut self, batch: &RecordBatch) -> Result<(), RunError>;

    /// Nothing more will come: what has been written must be safe.
    fn finish(&mut self) -> Result<(), RunError>;

    /// All sinks of the run have finished: what has been written may be seen. A sink that shows
    /// everything at once need not do anything.
    fn publish(&mut self) -> Result<(), RunError> {
        Ok(())
    }
}

fn failed(place: &str) -> impl Fn(Box<dyn std::error::Error + Send + Sync>) -> RunError + use<'_> {
    move |source| RunError::Sink {
        place: place.to_owned(),
        source,
    }
}
