//! Straight into a lake.

use arrow::array::RecordBatch;
use salus_lake::Transaction;

use crate::error::{Error, Result};
use crate::tables::{RowIds, TableSink, patient_id_prefix, write_tables};
use crate::{Options, Summary};

impl TableSink for Transaction {
    fn append_sorted(
        &self,
        table: &'static str,
        batch: RecordBatch,
    ) -> std::result::Result<(), Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self::append_sorted(self, table, batch)?)
    }
}

/// The source system under which a population enters a lake.
pub const SOURCE: &str = "synthetic";

/// Writes the population into a transaction, which the caller commits.
///
/// Persons and rows get the names that the ingest of the same population's NDJSON under the source
/// [`SOURCE`] would give them, so that either way leads to one and the same lake. A lake takes one
/// population of each seed.
///
/// # Errors
/// [`Error::Options`], or [`Error::Lake`] when the lake refuses; drop the transaction then.
pub fn write_lake(
    options: &Options,
    transaction: &Transaction,
    progress: &dyn Fn(u64),
) -> Result<Summary> {
    options.check()?;
    let first = transaction
        .identity()
        .assign_range(SOURCE, &patient_id_prefix(options), options.persons)
        .map_err(|source| Error::Lake {
            table: "patient",
            source: source.into(),
        })?;
    write_tables(options, &RowIds::of(SOURCE), first, transaction, progress)
}
