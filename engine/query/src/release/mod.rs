//! The release: the topmost aggregate, what it costs in sensitivity, and the bounded plan that computes it exactly.

mod alone;
mod arithmetic;
mod bounded;
mod cells;
mod grid;
mod outputs;
mod tree;

pub(crate) use bounded::BoundedPlan;
pub(crate) use cells::Cells;
pub(crate) use outputs::{Contribution, Output, RELEASED};
pub(crate) use tree::Tree;

use datafusion::common::DFSchemaRef;
use salus_certificate::{Aggregate as Kind, Bounds, Weighted};
use salus_lake::Catalog;

use crate::derive::relation::Relation;
use crate::keys::expect_a_column_each;
use crate::post::{Number, ReleasedAggregate};
use crate::refusal::Refusal;

/// What the analyst may set about bounding.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct BoundingOptions {
    /// k: rows of one person that count in one group.
    pub rows_per_person: Option<u64>,
    /// L0: groups that one person counts in.
    pub groups_per_person: Option<u64>,
    /// Persons in more than L0 groups count in all of them, but less in each (S8w), instead of in L0 alone (S8).
    pub weigh: bool,
    /// Persons that a group must have to be answered, where the keys are not public.
    pub minimum: u64,
    /// Decides which groups of a person count: fixed for a snapshot, independent of its rows.
    pub seed: u64,
}

/// L0 where a person could touch more groups than can be bounded otherwise.
const USUAL_GROUPS: u64 = 8;

/// Of how many times L0 groups a weighted person counts: beyond, few persons are, and each group is hardly heard.
const WEIGHED: u64 = 8;

/// Groups of a weighted person, most; what the certificate's format allows.
const MOST_WEIGHED: u64 = 1 << 10;

/// Parts in which a weighted person's groups are counted: rounding weights down costs less than a part.
const WEIGHT: u64 = 1 << 16;

/// The release of one question.
#[derive(Debug, Clone)]
pub(crate) struct Release {
    /// The rows that are aggregated.
    pub relation: Relation,
    /// Grouping keys with their public domains.
    pub cells: Cells,
    /// One per aggregate the analyst asked for.
    pub outputs: Vec<Output>,
    /// What is summed: one per mechanism.
    pub contributions: Vec<Contribution>,
    /// k.
    pub rows_per_person: u64,
    /// L0.
    pub groups_per_person: u64,
    /// Groups of a person that count, where she could touch more: L0 (S8), or those that are weighted (S8w).
    pub most_groups: Option<u64>,
    /// How persons in more than L0 groups count, where they are weighted.
    pub weighted: Option<Weighted>,
    /// For S8.
    pub seed: u64,
    /// Persons that a group must have to be answered, where the keys are not public; the mechanism that counts them.
    pub threshold: Option<(u64, usize)>,
    /// Position of its step in the derivation.
    pub step: u64,
    /// Schema of the aggregate: keys, then outputs.
    pub schema: DFSchemaRef,
}

impl Release {
    /// Analyses an aggregate over an admitted relation.
    pub(crate) fn analyse(
        part: &ReleasedAggregate,
        catalog: &Catalog,
        options: BoundingOptions,
    ) -> Result<Self, Refusal> {
        let aggregate = &part.aggregate;
        expect_a_column_each(aggregate)?;
        let relation = part.relation.clone();
        let fields = aggregate.schema.iter().map(|(_, field)| field);
        let keys: Vec<_> = aggregate.group_expr.iter().zip(fields).collect();
        let cells = Cells::of(&keys, &relation, catalog.max_cells)?;
        cells.refuse_long(&relation)?;
        // Who decides which groups are answered comes first.
        let threshold = (!cells.are_public()).then_some((options.minimum.max(1), 0));
        let mut contributions = Vec::new();
        if threshold.is_some() {
            contributions.push(Contribution::Persons(None));
        }
        let outputs = aggregate
            .aggr_expr
            .iter()
            .map(|expr| Output::of(expr, &relation, catalog, &mut contributions))
            .collect::<Result<Vec<_>, _>>()?;
        if outputs.is_empty() {
            return Err(Refusal::new(
                "release",
                "SELECT",
                "only aggregates can be released",
                RELEASED,
            ));
        }
        let rows_per_person = rows_per_person(&relation, &contributions, options)?;
        let reach = cells.reach(relation.rows);
        let groups_per_person = groups_per_person(&cells, reach, options)?;
        let could_touch_more = reach.is_none_or(|reach| reach > groups_per_person);
        let weighted = (options.weigh && could_touch_more)
            .then(|| weighted(&contributions, reach, groups_per_person))
            .transpose()?;
        let counted = weighted.map_or(groups_per_person, |weighted| weighted.groups);
        let release = Self {
            groups_per_person,
            most_groups: could_touch_more.then_some(counted),
            weighted,
            seed: options.seed,
            threshold,
            relation,
            cells,
            outputs,
            contributions,
            rows_per_person,
            step: part.step as u64,
            schema: aggregate.schema.clone(),
        };
        release.check_widths()?;
        Ok(release)
    }

    /// What the columns of the released table are: keys, then outputs.
    pub(crate) fn numbers(&self) -> Vec<Number> {
        let keys = self.cells.keys.iter().map(|_| Number::Key);
        let outputs = self.outputs.iter().map(|output| match output {
            Output::Spread { .. } => Number::Computed,
            Output::Count { .. }
            | Output::Sum { .. }
            | Output::Average { .. }
            | Output::Quantile { .. } => Number::Direct,
        });
        keys.chain(outputs).collect()
    }

    /// Every sum fits its type with room, whatever the data: checked against public ceilings, never against the data.
    fn check_widths(&self) -> Result<(), Refusal> {
        let per_person = self.relation.rows.map(u128::from);
        for contribution in &self.contributions {
            let bound = u128::from(contribution.bound());
            let inner = per_person.and_then(|rows| rows.checked_mul(bound));
            if inner.is_none_or(|inner| inner >= 1 << 62)
                || bound * u128::from(self.rows_per_person) >= 1 << 48
            {
                return Err(Refusal::new(
                    "bounds",
                    contribution,
                    "the sum of one person's rows could overflow",
                    "use narrower bounds, or fewer rows per person",
                ));
            }
        }
        Ok(())
    }

    /// The bounded plans, which together fill every mechanism.
    pub(crate) fn bounded_plans(
        &self,
        population_ceiling: u64,
    ) -> datafusion::error::Result<Vec<BoundedPlan>> {
        bounded::plans(self, population_ceiling)
    }

    /// The bounds as the certificate states them.
    pub(crate) fn bounds(&self) -> Bounds {
        Bounds {
            step: self.step,
            rows_per_person: self.rows_per_person,
            groups_per_person: self.groups_per_person,
            cells: self.cells.len() as u64,
            weighted: self.weighted,
        }
    }

    /// Numbers of all mechanisms for one cell.
    pub(crate) fn values_per_cell(&self) -> u64 {
        self.contributions.iter().map(|c| c.values() as u64).sum()
    }

    /// Where a row of the group at `group` counts among the numbers of a mechanism: once, or in a tree at its leaf and all that is above.
    pub(crate) fn places(
        &self,
        mechanism: usize,
        group: usize,
        leaf: Option<usize>,
    ) -> impl Iterator<Item = usize> {
        let tree = self.tree(mechanism);
        let first = group * tree.map_or(1, Tree::nodes);
        let nodes = tree.zip(leaf).map(|(tree, leaf)| tree.path(leaf));
        let alone = tree.is_none().then_some(0);
        alone
            .into_iter()
            .chain(nodes.into_iter().flatten())
            .map(move |node| first + node)
    }

    /// The tree of a mechanism that counts leaves.
    pub(crate) fn tree(&self, mechanism: usize) -> Option<&Tree> {
        match self.contributions.get(mechanism)? {
            Contribution::Leaf { tree, .. } => Some(tree),
            _ => None,
        }
    }
}

/// L0: what the analyst chose, or what a person can touch; a usual number where that is not bounded by the keys.
fn groups_per_person(
    cells: &Cells,
    reach: Option<u64>,
    options: BoundingOptions,
) -> Result<u64, Refusal> {
    if options.groups_per_person == Some(0) {
        return Err(Refusal::new(
            "S8",
            "--groups-per-person",
            "at least one group of a person must count",
            "give a number from 1",
        ));
    }
    let usual = if cells.are_public() {
        u64::MAX
    } else {
        USUAL_GROUPS
    };
    let wanted = options.groups_per_person.unwrap_or(usual);
    Ok(reach.unwrap_or(u64::MAX).min(wanted))
}

/// How persons in more than `l0` groups are weighted.
fn weighted(
    contributions: &[Contribution],
    reach: Option<u64>,
    l0: u64,
) -> Result<Weighted, Refusal> {
    let refuse =
        |at: String, message: &str, hint: &str| Err(Refusal::new("S8w", at, message, hint));
    if let Some(alone) = contributions.iter().find(|c| c.stands_alone()) {
        return refuse(
            alone.to_string(),
            "quantiles and distinct values cannot be weighted",
            "leave --weigh away: then as many groups of a person count as --groups-per-person says",
        );
    }
    if l0 > MOST_WEIGHED {
        return refuse(
            "--weigh".to_owned(),
            "so many groups of a person cannot be weighted",
            "give --groups-per-person 1024 or less",
        );
    }
    let most = l0.saturating_mul(WEIGHED).min(MOST_WEIGHED);
    Ok(Weighted {
        unit: WEIGHT,
        groups: reach.map_or(most, |reach| reach.min(most)),
    })
}

/// k: what the analyst chose, or the catalog's default; never more than a person can have.
fn rows_per_person(
    relation: &Relation,
    contributions: &[Contribution],
    options: BoundingOptions,
) -> Result<u64, Refusal> {
    if options.rows_per_person == Some(0) {
        return Err(Refusal::new(
            "S7",
            "--rows-per-person",
            "at least one row of a person must count",
            "give a number from 1",
        ));
    }
    if contributions.iter().all(|c| c.kind() == Kind::Persons) {
        return Ok(1);
    }
    let k = options
        .rows_per_person
        .unwrap_or(relation.usual_rows)
        .max(1);
    Ok(relation.rows.map_or(k, |most| k.min(most.max(1))))
}
