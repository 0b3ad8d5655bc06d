//! Parse and validate: from SQL to a question whose plan is bounded and whose derivation is written down. No data is read.

use datafusion::error::DataFusionError;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::LogicalPlan;
use salus_certificate::Step;
use salus_lake::Catalog;

use crate::derive::Derivation;
use crate::execute::rehearse;
use crate::optimise::optimise;
use crate::post::{PostProcessing, release_of};
use crate::refusal::Refusal;
use crate::release::{BoundingOptions, Release};
use crate::session::resolve;

/// An admitted question.
#[derive(Debug, Clone)]
pub(crate) struct Question {
    /// The SQL text.
    pub sql: String,
    /// The release.
    pub release: Release,
    /// What runs on released numbers.
    pub post: PostProcessing,
    /// Schema of the release's output.
    pub released: datafusion::common::DFSchemaRef,
    /// The plan that will be executed, over schemas.
    pub plan: LogicalPlan,
    /// The derivation.
    pub steps: Vec<Step>,
}

impl Question {
    pub(crate) async fn validate(
        sql: &str,
        state: &SessionState,
        catalog: &Catalog,
        options: BoundingOptions,
    ) -> Result<Self, Refusal> {
        let resolved = resolve(state, sql).await?;
        let aggregate = release_of(&resolved)?;
        let mut derivation = Derivation::new(catalog);
        let relation = derivation.relation(&aggregate.input)?;
        let below = relation.step;
        let release = Release::analyse(aggregate, relation, catalog, options)?;
        let post = PostProcessing::analyse(&resolved)?;
        let unplanned = |e: DataFusionError| {
            Refusal::new(
                "resolve",
                "the query",
                e.strip_backtrace(),
                "check the types of what is compared and summed",
            )
        };
        let plan = release
            .bounded_plan(catalog.population_ceiling)
            .and_then(|plan| optimise(&plan, state))
            .map_err(unplanned)?;
        rehearse(&plan, state).await.map_err(unplanned)?;
        post.rehearse(state).await.map_err(unplanned)?;
        let mut steps = derivation.into_steps();
        steps.push(Step {
            rule: "RELEASE".to_owned(),
            op: "aggregate".to_owned(),
            inputs: vec![below],
            table: None,
            rows: release.rows_per_person,
        });
        Ok(Self {
            sql: sql.to_owned(),
            post,
            released: aggregate.schema.clone(),
            plan,
            steps,
            release,
        })
    }

    /// Canonical text of the operator tree: the ledger commits to it, salted.
    pub(crate) fn plan_bytes(&self) -> Vec<u8> {
        self.plan.display_indent().to_string().into_bytes()
    }
}
