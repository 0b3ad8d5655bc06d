//! When the source last changed what a row says: of two versions of a resource the later one stays, in whatever order they come.
//!
//! Files have one more column for it, which no query sees. Where a source does not say it, the version that comes later stays.
//! The row of `patient` is not among them: direct identifiers know when a source changed a patient (see [`crate::direct`]).

use std::sync::Arc;

use arrow::array::{Array as _, ArrayRef, AsArray as _, Int64Array, RecordBatch, new_null_array};
use arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef};

use crate::error::{Doing as _, Result};
use crate::schema::key_columns;

/// The hidden column: `meta.lastUpdated` in microseconds since 1970-01-01T00:00Z, or null.
pub(crate) const VERSION: &str = "version_at";

/// The schema of rows of `table` that say when their source changed them: one more column at the end, microseconds since
/// 1970-01-01T00:00Z, which may be null. The rows of `patient` do not say it.
pub fn versioned(table: &str, schema: &SchemaRef) -> SchemaRef {
    if key_columns(table) == 1 {
        return Arc::clone(schema);
    }
    let mut fields: Vec<_> = schema.fields().iter().cloned().collect();
    fields.push(Arc::new(Field::new(VERSION, DataType::Int64, true)));
    Arc::new(Schema::new(fields))
}

/// Takes the hidden column off rows of `table` that have `plain` columns.
pub(crate) fn parted(
    table: &str,
    plain: usize,
    batch: &RecordBatch,
) -> Result<(RecordBatch, Option<ArrayRef>)> {
    let last = batch.num_columns().checked_sub(1);
    let hidden = last.filter(|last| {
        key_columns(table) > 1
            && *last == plain
            && batch.schema().field(*last).name() == VERSION
            && *batch.column(*last).data_type() == DataType::Int64
    });
    let Some(last) = hidden else {
        return Ok((batch.clone(), None));
    };
    let columns: Vec<usize> = (0..last).collect();
    let rows = batch.project(&columns).doing("stage rows")?;
    Ok((rows, Some(Arc::clone(batch.column(last)))))
}

/// The rows with the hidden column, which is null where it is not given.
pub(crate) fn joined(
    table: &str,
    batch: RecordBatch,
    versions: Option<ArrayRef>,
) -> Result<RecordBatch> {
    if key_columns(table) == 1 {
        return Ok(batch);
    }
    let schema = versioned(table, &batch.schema());
    let versions = versions.unwrap_or_else(|| new_null_array(&DataType::Int64, batch.num_rows()));
    let (_, mut columns, _) = batch.into_parts();
    columns.push(versions);
    RecordBatch::try_new(schema, columns).doing("stage rows")
}

/// The versions of the rows of a batch.
#[derive(Debug, Clone)]
pub(crate) struct Versions(Option<Int64Array>);

impl Versions {
    pub(crate) fn of(batch: &RecordBatch) -> Self {
        let column = batch.column_by_name(VERSION);
        Self(
            column
                .and_then(|column| column.as_primitive_opt::<Int64Type>())
                .cloned(),
        )
    }

    pub(crate) fn at(&self, row: usize) -> Option<i64> {
        let versions = self.0.as_ref()?;
        versions.is_valid(row).then(|| versions.value(row))
    }
}

/// Whether what came is older than what is there. Where one of them does not say, it is not.
pub(crate) fn outdated(came: Option<i64>, there: Option<i64>) -> bool {
    matches!((came, there), (Some(came), Some(there)) if came < there)
}
