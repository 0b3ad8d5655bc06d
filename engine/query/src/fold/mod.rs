//! Bounding in one pass: each person's rows are folded when the last of them has been read, and only sums over everybody are kept.
//!
//! As SQL this is a GROUP BY person and keys, a window over each person's groups, a filter and another GROUP BY; with rows that come sorted by person
//! none of it needs a table of persons, and a person is done when the next begins. The operator asks for that order, and the planner sorts where it is
//! not there.

mod exec;
mod groups;
mod leaves;
mod person;
#[cfg(test)]
mod plans;

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::catalog::Session;
use datafusion::common::{DFSchema, DFSchemaRef, internal_err, plan_err};
use datafusion::error::Result;
use datafusion::execution::context::QueryPlanner;
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::logical_expr::{
    Expr, Extension, LogicalPlan, UserDefinedLogicalNode, UserDefinedLogicalNodeCore,
};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_planner::{DefaultPhysicalPlanner, ExtensionPlanner, PhysicalPlanner};

use exec::FoldExec;
use salus_accounting::Weights;

/// Sums over everybody are as wide as they can be.
pub(crate) const SUM: DataType = DataType::Decimal128(38, 0);

/// How a person's rows in a group become what she brings to a mechanism.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Brings {
    /// Whether any of her rows counts.
    Once,
    /// How many of them count, at most k.
    Rows,
    /// Their sum; where they are more than k, that of k of them in the mean.
    Share,
    /// One, whatever she weighs.
    Head,
}

/// What is folded.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    /// One column for each mechanism.
    Sums(Vec<Brings>),
    /// One column that names a leaf: of each person and group at most k rows, at evenly spaced ranks.
    Leaves,
}

/// What bounds a person.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Bounds {
    /// Columns after the unit that are keys.
    pub keys: usize,
    pub kind: Kind,
    /// k.
    pub rows_per_person: u64,
    /// How many of her groups count, and the seed of their order; without it all do.
    pub groups: Option<(u64, u64)>,
    /// What each of them weighs; without it they count whole.
    pub weights: Option<Weights>,
}

/// Unit, keys and values in; keys and sums over everybody out, once for each part of the rows that was read by itself.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct PersonFold {
    input: LogicalPlan,
    bounds: Bounds,
    schema: DFSchemaRef,
}

impl PersonFold {
    /// The columns of `input` are the unit, `bounds.keys` keys, and what the rows bring. The output has the keys and what they brought under the
    /// same names; for leaves the leaf, and their number under `count`.
    pub(crate) fn plan(input: LogicalPlan, bounds: Bounds, count: &str) -> Result<LogicalPlan> {
        let node = Self::new(input, bounds, count)?;
        Ok(LogicalPlan::Extension(Extension {
            node: Arc::new(node),
        }))
    }

    fn new(input: LogicalPlan, bounds: Bounds, count: &str) -> Result<Self> {
        let fields = input.schema().fields();
        let values = match &bounds.kind {
            Kind::Sums(brings) => brings.len(),
            Kind::Leaves => 1,
        };
        if fields.len() != 1 + bounds.keys + values {
            return plan_err!(
                "a fold needs a unit, {} keys and {values} values",
                bounds.keys
            );
        }
        let (keys, values) = fields.split_at(1 + bounds.keys);
        let keys = keys.iter().skip(1).map(|field| field.as_ref().clone());
        let sums = values.iter().map(|field| match bounds.kind {
            Kind::Sums(_) => Field::new(field.name(), SUM, false),
            Kind::Leaves => Field::new(field.name(), DataType::Int64, false),
        });
        let count = match bounds.kind {
            Kind::Sums(_) => None,
            Kind::Leaves => Some(Field::new(count, SUM, false)),
        };
        let fields: Vec<Field> = keys.chain(sums).chain(count).collect();
        let schema =
            DFSchema::from_unqualified_fields(fields.into(), input.schema().metadata().clone())?;
        Ok(Self {
            input,
            bounds,
            schema: Arc::new(schema),
        })
    }

    /// The node in a plan, if it is one.
    pub(crate) fn of(node: &dyn UserDefinedLogicalNode) -> Option<&Self> {
        node.as_any().downcast_ref()
    }

    /// What bounds a person, in full: two folds with one text compute the same of the same rows.
    pub(crate) fn text(&self) -> String {
        format!("{:?}", self.bounds)
    }
}

/// Folds have no order.
impl PartialOrd for PersonFold {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        (self == other).then_some(Ordering::Equal)
    }
}

impl UserDefinedLogicalNodeCore for PersonFold {
    fn name(&self) -> &'static str {
        "PersonFold"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        vec![&self.input]
    }

    fn schema(&self) -> &DFSchemaRef {
        &self.schema
    }

    fn expressions(&self) -> Vec<Expr> {
        Vec::new()
    }

    fn fmt_for_explain(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "PersonFold: {}", self.text())
    }

    fn with_exprs_and_inputs(&self, exprs: Vec<Expr>, inputs: Vec<LogicalPlan>) -> Result<Self> {
        let (Ok([input]), true) = (<[_; 1]>::try_from(inputs), exprs.is_empty()) else {
            return internal_err!("a fold has one input and no expressions");
        };
        // An optimiser may learn that a column is never NULL. Otherwise columns stay what and where they are.
        let same = |(after, before): (&FieldRef, &FieldRef)| {
            after.name() == before.name()
                && after.data_type() == before.data_type()
                && (before.is_nullable() || !after.is_nullable())
        };
        let (after, before) = (input.schema().fields(), self.input.schema().fields());
        if after.len() != before.len() || !after.iter().zip(before).all(same) {
            return internal_err!("the columns of a fold stay where they are");
        }
        Ok(Self {
            input,
            ..self.clone()
        })
    }
}

/// `DataFusion`'s planner, which also knows the fold.
#[derive(Debug)]
pub(crate) struct Planner;

#[async_trait]
impl QueryPlanner for Planner {
    async fn create_physical_plan(
        &self,
        plan: &LogicalPlan,
        session: &dyn Session,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        DefaultPhysicalPlanner::with_extension_planners(vec![Arc::new(Self)])
            .create_physical_plan(plan, session)
            .await
    }
}

#[async_trait]
impl ExtensionPlanner for Planner {
    async fn plan_extension(
        &self,
        _planner: &dyn PhysicalPlanner,
        node: &dyn UserDefinedLogicalNode,
        _logical: &[&LogicalPlan],
        physical: &[Arc<dyn ExecutionPlan>],
        _session: &dyn Session,
        _context: &PhysicalPlanningContext,
    ) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        let (Some(fold), [input]) = (PersonFold::of(node), physical) else {
            return Ok(None);
        };
        let schema = Arc::clone(fold.schema.inner());
        let exec = FoldExec::new(Arc::clone(input), fold.bounds.clone(), schema);
        Ok(Some(Arc::new(exec)))
    }
}
