//! Parse and validate: from SQL to a question whose plans are bounded and whose derivation is written down. No data is read.

use datafusion::error::DataFusionError;
use datafusion::execution::session_state::SessionState;
use salus_certificate::{Mechanism, Step};
use salus_lake::Catalog;

use crate::canonical;
use crate::derive::Derivation;
use crate::execute::rehearse;
use crate::gate::Subject;
use crate::interval::{Spread, deviations};
use crate::optimise::optimise;
use crate::post::{Origin, PostProcessing, split};
use crate::refusal::Refusal;
use crate::release::{BoundedPlan, BoundingOptions, Output, Release};
use crate::session::resolve;
use crate::suggest;
use crate::unresolved::unplanned;

/// Noisy numbers of an answer, most.
const MOST_VALUES: u64 = 1_000_000;

/// An admitted question.
#[derive(Debug, Clone)]
pub(crate) struct Question {
    /// The SQL text.
    pub sql: String,
    /// The releases, each with the plan that will be executed, over schemas.
    pub releases: Vec<Planned>,
    /// What runs on released numbers.
    pub post: PostProcessing,
    /// The derivation.
    pub steps: Vec<Step>,
    /// Canonical text of all plans.
    pub plan: Vec<u8>,
}

/// How errors are foretold.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sought {
    /// Probability with which they hold.
    pub level: f64,
    /// Rows to expect in each group.
    pub rows: Option<u64>,
}

/// A release and its bounded plans.
#[derive(Debug, Clone)]
pub(crate) struct Planned {
    pub release: Release,
    pub plans: Vec<BoundedPlan>,
}

impl Question {
    #[cfg(test)]
    pub(crate) async fn validate(
        sql: &str,
        state: &SessionState,
        catalog: &Catalog,
        options: BoundingOptions,
    ) -> Result<Self, Refusal> {
        Self::of(sql, Subject::Numbers, state, catalog, options).await
    }

    /// The question that SQL is, or the one about its bounds.
    pub(crate) async fn of(
        sql: &str,
        subject: Subject,
        state: &SessionState,
        catalog: &Catalog,
        options: BoundingOptions,
    ) -> Result<Self, Refusal> {
        let resolved = resolve(state, sql, catalog).await?;
        let mut derivation = Derivation::new(catalog);
        let parts = split(&resolved, &mut derivation)?;
        let parts = match subject {
            Subject::Numbers => parts,
            Subject::Bounds => {
                // What would not be answered has no bounds that are looked at: its keys are grouped by below them.
                for part in &parts.releases {
                    Release::analyse(part, catalog, options)?;
                }
                suggest::instead(&parts, &mut derivation)?
            }
        };
        let mut steps = derivation.into_steps();
        let unplanned = |e: DataFusionError| unplanned(&e, sql, catalog);
        let mut releases = Vec::with_capacity(parts.releases.len());
        for part in &parts.releases {
            let release = Release::analyse(part, catalog, options)?;
            if let Some(step) = steps.get_mut(part.step) {
                step.rows = release.rows_per_person;
            }
            let mut plans = release
                .bounded_plans(catalog.population_ceiling)
                .map_err(unplanned)?;
            for bounded in &mut plans {
                bounded.plan = optimise(&bounded.plan, state).map_err(unplanned)?;
                rehearse(&bounded.plan, state).await.map_err(unplanned)?;
            }
            releases.push(Planned { release, plans });
        }
        refuse_too_many_nodes(&releases)?;
        let cells = releases.iter().map(|part| part.release.cells.len() as u64);
        if cells.sum::<u64>() > catalog.max_cells {
            return Err(Refusal::new(
                "keys",
                "the query",
                format!(
                    "its releases have more than {} cells together",
                    catalog.max_cells
                ),
                "group by fewer or coarser keys, or ask several questions",
            ));
        }
        let post = PostProcessing::analyse(parts.above, &releases, catalog)?;
        post.rehearse(state).await.map_err(unplanned)?;
        let plan = Self::canonical(&releases, &post).map_err(unplanned)?;
        Ok(Self {
            sql: sql.to_owned(),
            releases,
            post,
            steps,
            plan,
        })
    }

    /// k: the largest of all releases.
    pub(crate) fn rows_per_person(&self) -> u64 {
        let most = self
            .releases
            .iter()
            .map(|part| part.release.rows_per_person);
        most.max().unwrap_or(1)
    }

    /// Mechanisms of all releases.
    pub(crate) fn mechanisms(&self) -> usize {
        let parts = self.releases.iter();
        parts.map(|part| part.release.contributions.len()).sum()
    }

    /// The part of the mechanisms that belongs to a release.
    pub(crate) fn mechanisms_of(&self, release: usize) -> std::ops::Range<usize> {
        let length = |part: &Planned| part.release.contributions.len();
        let start = self.releases.iter().take(release).map(length).sum();
        start..start + self.releases.get(release).map_or(0, length)
    }

    /// The noise in each mechanism's numbers, in whole grid units.
    pub(crate) fn spreads(&self, mechanisms: &[Mechanism]) -> Vec<Spread> {
        let parts = self.releases.iter().enumerate().flat_map(|(i, part)| {
            let bounds = part.release.bounds();
            let own = mechanisms.get(self.mechanisms_of(i)).unwrap_or_default();
            own.iter()
                .map(move |mechanism| Spread::of(mechanism, &bounds))
        });
        parts.collect()
    }

    /// Released columns in whole grid units: what was counted in parts of a weight is rounded to the nearest.
    pub(crate) fn whole_units(&self, columns: &[Vec<i128>]) -> Vec<Vec<i128>> {
        let mut whole = columns.to_vec();
        for (i, part) in self.releases.iter().enumerate() {
            let Some(weighted) = part.release.bounds().weighted else {
                continue;
            };
            let unit = i128::from(weighted.unit);
            let own = whole.get_mut(self.mechanisms_of(i)).unwrap_or_default();
            for number in own.iter_mut().flatten() {
                *number = number.saturating_add(unit / 2).div_euclid(unit);
            }
        }
        whole
    }

    /// The largest error among the answer's numbers for which a formula is exact; `None` where one of them has one that is not known. What stands in
    /// `foretold` has been worked out otherwise.
    pub(crate) fn widest(
        &self,
        mechanisms: &[Mechanism],
        sought: &Sought,
        foretold: &[Option<f64>],
    ) -> Option<f64> {
        let columns = self.post.columns.iter().zip(foretold);
        let widths = columns.map(|(column, foretold)| match column.origin {
            Origin::Public => Some(0.0),
            Origin::Derived => *foretold,
            Origin::Released {
                release, column, ..
            } => foretold.or_else(|| self.error(release, column, mechanisms, sought)),
        });
        widths
            .into_iter()
            .try_fold(0.0, |widest: f64, width| Some(widest.max(width?)))
    }

    pub(crate) fn output(&self, release: usize, column: usize) -> Option<&Output> {
        let release = &self.releases.get(release)?.release;
        release
            .outputs
            .get(column.checked_sub(release.cells.keys.len())?)
    }

    /// How far a released number will be from its noiseless value, where that can be foretold. Of an average over so many rows: at most, wherever
    /// within its bounds it lies.
    pub(crate) fn error(
        &self,
        release: usize,
        column: usize,
        mechanisms: &[Mechanism],
        sought: &Sought,
    ) -> Option<f64> {
        let mechanisms = mechanisms.get(self.mechanisms_of(release))?;
        let output = self.output(release, column)?;
        let bounds = self.releases.get(release)?.release.bounds();
        let spread = |mechanism: usize| Some(Spread::of(mechanisms.get(mechanism)?, &bounds));
        let half = |mechanism: usize| Some(spread(mechanism)?.half_width_at(sought.level));
        match *output {
            Output::Count { count } => half(count),
            Output::Sum { sum, grid } => Some(grid.show(half(sum)?)),
            Output::Average { count, sum, grid } => {
                // To first order, with S / n at the end of its range: d(S / 2n) = (dS − (S / n) dn) / 2n.
                #[allow(clippy::cast_precision_loss)] // For show only.
                let (rows, width) = (sought.rows? as f64, grid.width() as f64);
                let (of_sum, of_n) = (spread(sum)?.continuous(), spread(count)?.continuous());
                let deviation = of_sum.hypot(width * of_n) / (2.0 * rows);
                Some(grid.show(deviations(sought.level) * deviation))
            }
            Output::Spread { .. } | Output::Quantile { .. } => None,
        }
    }

    /// Of a quantile: how far, in rows, the place of the answer among the sorted rows will be from the one that was asked for, at most.
    pub(crate) fn error_in_rows(
        &self,
        release: usize,
        column: usize,
        mechanisms: &[Mechanism],
        sought: &Sought,
    ) -> Option<f64> {
        let Output::Quantile { tree, place } = *self.output(release, column)? else {
            return None;
        };
        let mechanism = mechanisms.get(self.mechanisms_of(release))?.get(tree)?;
        let release = &self.releases.get(release)?.release;
        let sigma = Spread::of(mechanism, &release.bounds()).continuous();
        Some(deviations(sought.level) * release.tree(tree)?.rank_deviation(place, sigma))
    }

    /// Canonical text of the operator trees, below the releases and above, and of what decides about groups: the ledger commits to it, salted, and
    /// equal questions have equal text.
    fn canonical(parts: &[Planned], post: &PostProcessing) -> datafusion::error::Result<Vec<u8>> {
        let mut texts = vec![post.canonical()?];
        for part in parts {
            let release = &part.release;
            let outputs = (&release.outputs, release.threshold, release.seed);
            let fields = release.schema.fields().iter();
            let types: Vec<_> = fields.map(|field| field.data_type()).collect();
            texts.push(format!("{outputs:?} {types:?}"));
            for bounded in &part.plans {
                texts.push(canonical::text(&bounded.plan)?);
            }
        }
        Ok(texts.join("\n").into_bytes())
    }

    /// Canonical bytes of the answered keys of all releases.
    pub(crate) fn key_bytes(&self) -> Vec<u8> {
        let keys = self
            .releases
            .iter()
            .map(|part| part.release.cells.canonical_bytes());
        keys.collect::<Vec<_>>().join(&2)
    }
}

/// Every node of every tree is sampled for: how many they are is known before the data is read, where the keys are.
fn refuse_too_many_nodes(releases: &[Planned]) -> Result<(), Refusal> {
    let nodes = releases.iter().map(|part| {
        let cells = part.release.cells.len() as u64;
        cells.saturating_mul(part.release.values_per_cell())
    });
    if nodes.fold(0, u64::saturating_add) <= MOST_VALUES {
        return Ok(());
    }
    Err(Refusal::new(
        "keys",
        "the query",
        format!(
            "its answer would need more than {MOST_VALUES} noisy numbers: quantiles need many for each group"
        ),
        "group by fewer or coarser keys, or give narrower bounds: clamp(x, low, high)",
    ))
}
