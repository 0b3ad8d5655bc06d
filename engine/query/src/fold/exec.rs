//! The operator that runs a fold.

use std::fmt;
use std::sync::Arc;

use datafusion::arrow::compute::SortOptions;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::internal_err;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::memory_pool::MemoryConsumer;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::{
    EquivalenceProperties, LexOrdering, OrderingRequirements, PhysicalExpr, PhysicalSortExpr,
};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, Distribution, ExecutionPlan, ExecutionPlanProperties as _,
    InputDistributionRequirements, Partitioning, PlanProperties,
};
use futures::{StreamExt as _, TryStreamExt as _};

use super::Bounds;
use super::person::Folder;

/// Folds each partition by itself; no person stands in two of them.
#[derive(Debug)]
pub(super) struct FoldExec {
    input: Arc<dyn ExecutionPlan>,
    bounds: Bounds,
    schema: SchemaRef,
    properties: Arc<PlanProperties>,
}

impl FoldExec {
    pub(super) fn new(input: Arc<dyn ExecutionPlan>, bounds: Bounds, schema: SchemaRef) -> Self {
        let partitions = input.output_partitioning().partition_count();
        let properties = PlanProperties::new(
            EquivalenceProperties::new(Arc::clone(&schema)),
            Partitioning::UnknownPartitioning(partitions),
            EmissionType::Final,
            Boundedness::Bounded,
        );
        Self {
            input,
            bounds,
            schema,
            properties: Arc::new(properties),
        }
    }

    /// The person is the first column.
    fn person(&self) -> Arc<dyn PhysicalExpr> {
        let schema = self.input.schema();
        let name = schema.fields().first().map_or("", |field| field.name());
        Arc::new(Column::new(name, 0))
    }
}

impl DisplayAs for FoldExec {
    fn fmt_as(&self, _: DisplayFormatType, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "FoldExec: {:?}", self.bounds)
    }
}

impl ExecutionPlan for FoldExec {
    fn name(&self) -> &'static str {
        "FoldExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let Ok([input]) = <[_; 1]>::try_from(children) else {
            return internal_err!("a fold has one input");
        };
        let fold = Self::new(input, self.bounds.clone(), Arc::clone(&self.schema));
        Ok(Arc::new(fold))
    }

    fn input_distribution_requirements(&self) -> InputDistributionRequirements {
        InputDistributionRequirements::new(vec![Distribution::KeyPartitioned(vec![self.person()])])
    }

    fn required_input_ordering(&self) -> Vec<Option<OrderingRequirements>> {
        let by_person = PhysicalSortExpr::new(self.person(), SortOptions::default());
        let ordering: LexOrdering = [by_person].into();
        vec![Some(OrderingRequirements::from(ordering))]
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let mut input = self.input.execute(partition, Arc::clone(&context))?;
        let mut folder = Folder::new(self.bounds.clone(), Arc::clone(&self.schema))?;
        let memory = MemoryConsumer::new("FoldExec").register(context.memory_pool());
        let batch_size = context.session_config().batch_size();
        let all = async move {
            while let Some(batch) = input.next().await {
                let batch = batch?;
                // What the batch may add is reserved before it is.
                memory.try_resize(folder.size() + batch.get_array_memory_size())?;
                folder.push(&batch)?;
                memory.try_resize(folder.size())?;
            }
            let batches = folder.finish(batch_size)?;
            Ok::<_, DataFusionError>(futures::stream::iter(batches.into_iter().map(Ok)))
        };
        let batches = futures::stream::once(all).try_flatten();
        Ok(Box::pin(RecordBatchStreamAdapter::new(
            Arc::clone(&self.schema),
            batches,
        )))
    }
}
