//! Public tables: written from cited outside sources, never by looking at the data (rule S0p).

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, StringArray};
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::catalog::TableProvider;
use datafusion::datasource::MemTable;
use datafusion::error::Result;
use salus_lake::Catalog;

/// Name of the table of clinical limits.
pub(crate) const MEASUREMENT: &str = "measurement";

/// The catalog's clinical limits as a table: `code`, `code_system`, `name`, `unit`, `low`, `high`, all text.
pub(crate) fn measurement(catalog: &Catalog) -> Result<Arc<dyn TableProvider>> {
    let column = |of: fn(&salus_lake::Measurement) -> String| -> ArrayRef {
        Arc::new(StringArray::from_iter_values(
            catalog.measurements.iter().map(of),
        ))
    };
    let batch = RecordBatch::try_from_iter([
        ("code", column(|m| m.code.clone())),
        ("code_system", column(|m| m.system.clone())),
        ("name", column(|m| m.name.clone())),
        ("unit", column(|m| m.unit.clone())),
        ("low", column(|m| m.low.to_string())),
        ("high", column(|m| m.high.to_string())),
    ])?;
    Ok(Arc::new(MemTable::try_new(
        batch.schema(),
        vec![vec![batch]],
    )?))
}
