//! The floor of a question: DataFusion as it comes, over the files that the snapshot pins.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use datafusion::arrow::array::{Array, AsArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Float64Type};
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::datasource::file_format::parquet::ParquetFormat;
use datafusion::datasource::listing::{
    ListingOptions, ListingTable, ListingTableConfig, ListingTableUrl,
};
use datafusion::prelude::SessionContext;
use salus_lake::TABLES;
use salus_query::Answer;
use serde_json::Value;

use crate::population::Population;

/// Numbers by key.
pub type Cells = BTreeMap<String, f64>;

/// A plain session.
#[derive(Clone)]
pub struct Plain {
    context: SessionContext,
}

impl std::fmt::Debug for Plain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Plain")
    }
}

impl Plain {
    /// Tables of Parquet files with every default of DataFusion: inferred schema, statistics, all optimiser rules.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub async fn over_files(population: &Population) -> Result<Self> {
        let context = SessionContext::new();
        for table in TABLES {
            let files = population.files(table)?;
            if files.is_empty() {
                continue;
            }
            let urls = files
                .iter()
                .map(|file| ListingTableUrl::parse(file.to_string_lossy()))
                .collect::<Result<Vec<_>, _>>()?;
            let config = ListingTableConfig::new_with_multi_paths(urls)
                .with_listing_options(ListingOptions::new(Arc::new(ParquetFormat::default())))
                .infer_schema(&context.state())
                .await?;
            context.register_table(*table, Arc::new(ListingTable::try_new(config)?))?;
        }
        Ok(Self { context })
    }

    /// Tables as the lake hands them to the engine, in a session with every default of DataFusion: the difference between this and
    /// [`Plain::over_files`] is the lake's, the rest of a question's cost is the gate's.
    ///
    /// # Errors
    /// When the snapshot cannot be read.
    pub fn over_lake(population: &Population) -> Result<Self> {
        let context = SessionContext::new();
        let snapshot = population.lake.snapshot()?.context("no snapshot")?;
        for table in TABLES {
            context.register_table(*table, population.lake.provider(&snapshot, table)?)?;
        }
        Ok(Self { context })
    }

    /// Plans and runs.
    ///
    /// # Errors
    /// DataFusion's.
    pub async fn ask(&self, sql: &str) -> Result<Vec<RecordBatch>> {
        Ok(self.context.sql(sql).await?.collect().await?)
    }
}

/// The numbers of a plain result: last column by the columns before it.
///
/// # Errors
/// When the last column holds no numbers.
pub fn cells(batches: &[RecordBatch]) -> Result<Cells> {
    let mut cells = Cells::new();
    for batch in batches {
        let (last, keys) = batch
            .columns()
            .split_last()
            .context("a result without columns")?;
        let numbers = cast(last, &DataType::Float64)?;
        let numbers = numbers.as_primitive::<Float64Type>();
        let keys = keys
            .iter()
            .map(|key| cast(key, &DataType::Utf8))
            .collect::<Result<Vec<_>, _>>()?;
        for row in 0..batch.num_rows() {
            let key: Vec<&str> = keys
                .iter()
                .map(AsArray::as_string::<i32>)
                .map(|key| {
                    if key.is_valid(row) {
                        key.value(row)
                    } else {
                        ""
                    }
                })
                .collect();
            cells.insert(key.join("|"), numbers.value(row));
        }
    }
    Ok(cells)
}

/// The numbers of a plain result of one row: each by the name of its column.
///
/// # Errors
/// When a column holds no numbers.
pub fn row(batches: &[RecordBatch]) -> Result<Cells> {
    let mut cells = Cells::new();
    for batch in batches.iter().filter(|batch| batch.num_rows() > 0) {
        for (field, column) in batch.schema_ref().fields().iter().zip(batch.columns()) {
            let numbers = cast(column, &DataType::Float64)?;
            let number = numbers.as_primitive::<Float64Type>().value(0);
            cells.insert(field.name().clone(), number);
        }
    }
    Ok(cells)
}

/// Whether an answer says what the plain result says, but for noise. A benchmark of two queries that differ would say nothing.
///
/// # Errors
/// When some number differs by more than 2 % and 25.
pub fn agree(answer: &Answer, plain: &Cells) -> Result<()> {
    let mut seen = 0;
    for row in &answer.rows {
        let (last, keys) = row.split_last().context("an answer without columns")?;
        let key: Vec<String> = keys.iter().map(text).collect();
        let Some(truth) = plain.get(&key.join("|")) else {
            continue;
        };
        let number = number(last).context("an answer without a number")?;
        ensure!(
            (number - truth).abs() <= truth.abs() * 0.02 + 25.0,
            "{key:?}: {number} is not {truth}"
        );
        seen += 1;
    }
    ensure!(
        seen > 0 && seen == plain.len(),
        "{seen} of {} cells answered",
        plain.len()
    );
    Ok(())
}

/// The numbers of an answer: last column by the columns before it.
pub fn numbers(answer: &Answer) -> Cells {
    let rows = answer.rows.iter().filter_map(|row| {
        let (last, keys) = row.split_last()?;
        let key: Vec<String> = keys.iter().map(text).collect();
        Some((key.join("|"), number(last)?))
    });
    rows.collect()
}

/// The numbers of an answer of one row: each by the name of its column.
pub fn numbers_of_row(answer: &Answer) -> Cells {
    let named = answer.columns.iter().zip(answer.rows.iter().flatten());
    named
        .filter_map(|(name, value)| Some((name.clone(), number(value)?)))
        .collect()
}

fn number(value: &Value) -> Option<f64> {
    match value {
        Value::String(text) => text.parse().ok(),
        other => other.as_f64(),
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
