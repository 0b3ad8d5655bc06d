//! The rows of a table in one snapshot, for DataFusion.
//!
//! A scan cuts the persons of the snapshot into as many ranges as the session has partitions: the same ranges for every
//! table. Each partition reads its range in the order of `person_id`. The plan says so (range partitioning, output
//! ordering), so an aggregation per person streams in one stage and a join on `person_id` needs no shuffle.
//!
//! # Guarantee
//! The planner is given no statistics: not the number of rows, not a size, not a minimum. It sees the ranges, which follow
//! from the number of persons and from file layout; a plan is private until its answer went through a mechanism.

use std::sync::Arc;

use arrow::compute::SortOptions;
use arrow::datatypes::{DataType, Fields, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::{DataFusionError, Result as DataFusionResult, ScalarValue, SplitPoint};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::parquet::ParquetRowSelection;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::{LexOrdering, Partitioning, PhysicalSortExpr, RangePartitioning};
use datafusion::physical_plan::ExecutionPlan;
use parquet::arrow::arrow_reader::{RowSelection, RowSelector};

use crate::by_person::ByPersonExec;
use crate::error::{Error, Result};
use crate::lake::Lake;
use crate::place::Folder;
use crate::schema::TABLES;
use crate::snapshot::{FileRef, Snapshot};
use crate::vault::Vault;

/// The schema of a table as it is scanned: text as views, which are read and grouped twice as fast as copies.
fn scanned_schema(lake: &Lake, table: &str) -> Result<SchemaRef> {
    let schema = lake.schema_of(table)?;
    let fields = schema.fields().iter().map(|field| match field.data_type() {
        DataType::Utf8 => Arc::new(field.as_ref().clone().with_data_type(DataType::Utf8View)),
        _ => Arc::clone(field),
    });
    let fields: Fields = fields.collect();
    Ok(Arc::new(Schema::new_with_metadata(
        fields,
        schema.metadata().clone(),
    )))
}

/// The files of one table, pinned by a snapshot.
#[derive(Debug)]
pub(crate) struct PinnedTable {
    schema: SchemaRef,
    vault: Vault,
    folder: Folder,
    files: Vec<FileRef>,
    /// Cuts between persons that every table of the snapshot can make, ascending: multiples of the largest stride.
    stride: i64,
    /// All persons are below this.
    next_person: i64,
}

impl PinnedTable {
    /// The files of `table` that `snapshot` names.
    pub(crate) fn new(lake: &Lake, snapshot: &Snapshot, table: &str) -> Result<Self> {
        let schema = scanned_schema(lake, table)?;
        let files = match lake.version(snapshot, table) {
            Some(version) => version.files.clone(),
            // Its view came after the snapshot.
            None if !TABLES.contains(&table) => Vec::new(),
            None => {
                let what = format!("the snapshot has no table {table}");
                return Err(Error::Corrupt(what));
            }
        };
        let all = snapshot.tables.values().flat_map(|version| &version.files);
        let stride = all.clone().map(|file| file.lanes.stride).max().unwrap_or(1);
        let last_person = all.map(|file| file.last_person).max().unwrap_or(0);
        Ok(Self {
            schema,
            vault: lake.vault().clone(),
            folder: lake.folder(table),
            files,
            stride,
            next_person: last_person + 1,
        })
    }

    /// The first persons of all ranges but the first: `ranges - 1` different cuts, as even as the lanes allow.
    fn cuts(&self, ranges: usize) -> Vec<i64> {
        let ranges = i64::try_from(ranges.max(1)).unwrap_or(1);
        let lanes = self.next_person / self.stride + 1;
        (1..ranges)
            // Distinct although there may be fewer lanes than ranges: then the last ranges are empty.
            .map(|range| self.stride * (range * lanes / ranges).max(range))
            .collect()
    }

    /// One group of file parts for each range.
    fn groups(&self, cuts: &[i64]) -> DataFusionResult<Vec<FileGroup>> {
        let mut groups = Vec::with_capacity(cuts.len() + 1);
        let mut from = i64::MIN;
        for to in cuts.iter().copied().chain([i64::MAX]) {
            let mut parts = Vec::new();
            for file in &self.files {
                if file.last_person >= from && file.first_person < to {
                    parts.extend(self.part(file, from, to)?);
                }
            }
            groups.push(FileGroup::new(parts));
            from = to;
        }
        Ok(groups)
    }

    /// The rows of `file` whose persons are in `[from, to)`.
    fn part(
        &self,
        file: &FileRef,
        from: i64,
        to: i64,
    ) -> DataFusionResult<Option<PartitionedFile>> {
        let below = |person: i64| {
            if person <= file.first_person {
                Some(0)
            } else if person > file.last_person {
                Some(file.rows)
            } else {
                file.lanes.rows_below(person, file.rows)
            }
        };
        let (Some(start), Some(end)) = (below(from), below(to)) else {
            return Err(DataFusionError::Internal(
                "a file cannot be cut at a common person".into(),
            ));
        };
        if start >= end {
            return Ok(None);
        }
        let mut part = self.folder.scanned(&file.path, file.size);
        if (start, end) != (0, file.rows) {
            let rows = |count: u64| {
                usize::try_from(count).map_err(|e| DataFusionError::External(Box::new(e)))
            };
            let selection = RowSelection::from(vec![
                RowSelector::skip(rows(start)?),
                RowSelector::select(rows(end - start)?),
                RowSelector::skip(rows(file.rows - end)?),
            ]);
            part = part.with_extension(ParquetRowSelection::new(selection));
        }
        Ok(Some(part))
    }
}

#[async_trait]
impl TableProvider for PinnedTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> DataFusionResult<Vec<TableProviderFilterPushDown>> {
        // Inexact: the filter stays above the scan. With no statistics in the files a pushed filter can skip nothing.
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        _limit: Option<usize>,
    ) -> DataFusionResult<Arc<dyn ExecutionPlan>> {
        let cuts = self.cuts(state.config().target_partitions());
        let person = PhysicalSortExpr::new(
            Arc::new(Column::new("person_id", 0)),
            SortOptions::default(),
        );
        let ordering: LexOrdering = [person].into();
        let points: Vec<SplitPoint> = cuts
            .iter()
            .map(|cut| SplitPoint::new(vec![ScalarValue::Int64(Some(*cut))]))
            .collect();
        let partitioning = RangePartitioning::try_new(ordering.clone(), points.clone())?;
        let source = ParquetSource::new(Arc::clone(&self.schema))
            .with_table_parquet_options(state.default_table_options().parquet)
            .with_encryption_factory(Arc::new(self.vault.clone()));
        let url = self.folder.url();
        if let Some((store, _)) = self.folder.objects() {
            let runtime = state.runtime_env();
            runtime.register_object_store(url.as_ref(), Arc::clone(store));
        }
        let config = FileScanConfigBuilder::new(url, Arc::new(source))
            .with_file_groups(self.groups(&cuts)?)
            .with_output_ordering(vec![ordering])
            .with_output_partitioning(Some(Partitioning::Range(partitioning)))
            .with_projection_indices(projection.cloned())?
            .build();
        let scan: Arc<dyn ExecutionPlan> = DataSourceExec::from_data_source(config);
        // Where the person is among the columns that are read.
        let place = match projection {
            Some(columns) => columns.iter().position(|column| *column == 0),
            None => Some(0),
        };
        let Some(place) = place else {
            return Ok(scan);
        };
        let person = Arc::new(Column::new("person_id", place));
        let ordering: LexOrdering = [PhysicalSortExpr::new(person, SortOptions::default())].into();
        let ranges = RangePartitioning::try_new(ordering.clone(), points)?;
        Ok(Arc::new(ByPersonExec::new(scan, ordering, ranges)))
    }
}

/// A table whose schema is known and whose rows are not.
#[derive(Debug)]
pub(crate) struct SealedTable {
    table: String,
    schema: SchemaRef,
}

impl SealedTable {
    pub(crate) fn new(lake: &Lake, table: &str) -> Result<Self> {
        let schema = scanned_schema(lake, table)?;
        Ok(Self {
            table: table.into(),
            schema,
        })
    }
}

#[async_trait]
impl TableProvider for SealedTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        _state: &dyn Session,
        _projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        _limit: Option<usize>,
    ) -> DataFusionResult<Arc<dyn ExecutionPlan>> {
        Err(DataFusionError::Plan(format!(
            "table {} is sealed: no budget was reserved",
            self.table
        )))
    }
}
