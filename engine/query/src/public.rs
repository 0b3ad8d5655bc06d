//! Public tables: written from cited outside sources, never by looking at the data (rule S0p).

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, StringArray};
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::catalog::TableProvider;
use datafusion::datasource::MemTable;
use datafusion::error::Result;
use salus_lake::{Catalog, Measurement};

/// Name of the table of clinical limits.
pub const MEASUREMENT: &str = "measurement";

/// Its columns, all of them text, and what they are.
pub const MEASUREMENT_COLUMNS: [(&str, &str); 6] = [
    ("code", "LOINC code."),
    ("code_system", "URI of the code system."),
    ("name", "What is measured."),
    ("unit", "UCUM unit that the limits are in."),
    (
        "low",
        "Least value that is clinically possible: CAST(low AS DECIMAL(18, 6)) is a number.",
    ),
    ("high", "Largest value that is clinically possible."),
];

/// Name of a column, and its text in a row.
pub(crate) type Column = (&'static str, fn(&Measurement) -> String);

/// The columns of the table of clinical limits.
pub(crate) fn columns() -> [Column; 6] {
    let of: [fn(&Measurement) -> String; 6] = [
        |m| m.code.clone(),
        |m| m.system.clone(),
        |m| m.name.clone(),
        |m| m.unit.clone(),
        |m| m.low.to_string(),
        |m| m.high.to_string(),
    ];
    std::array::from_fn(|i| (MEASUREMENT_COLUMNS[i].0, of[i]))
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
