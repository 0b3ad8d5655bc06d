//! Public tables: written from cited outside sources, never by looking at the data (rule S0p).

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, StringArray};
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::catalog::TableProvider;
use datafusion::datasource::MemTable;
use datafusion::error::Result;
use salus_lake::{Catalog, Measurement};

/// Name of the table of clinical limits.
pub(crate) const MEASUREMENT: &str = "measurement";

/// Name of a column, and its text in a row.
pub(crate) type Column = (&'static str, fn(&Measurement) -> String);

/// The columns of the table of clinical limits.
pub(crate) fn columns() -> [Column; 6] {
    [
        ("code", |m| m.code.clone()),
        ("code_system", |m| m.system.clone()),
        ("name", |m| m.name.clone()),
        ("unit", |m| m.unit.clone()),
        ("low", |m| m.low.to_string()),
        ("high", |m| m.high.to_string()),
    ]
}

/// The catalog's clinical limits as a table: `code`, `code_system`, `name`, `unit`, `low`, `high`, all text.
pub(crate) fn measurement(catalog: &Catalog) -> Result<Arc<dyn TableProvider>> {
    let columns = columns().map(|(name, of)| {
        let texts = catalog.measurements.iter().map(of);
        let texts: ArrayRef = Arc::new(StringArray::from_iter_values(texts));
        (name, texts)
    });
    let batch = RecordBatch::try_from_iter(columns)?;
    Ok(Arc::new(MemTable::try_new(
        batch.schema(),
        vec![vec![batch]],
    )?))
}
