//! The certificate: what a question was, how it was bounded, what it costs.

use salus_accounting::{Delta, Noise, Rational, Rho, Weights};

use crate::fields::{self, Fields, Hash, delta_value, rational_value, shape};
use crate::{CertificateError, Value};

/// Position of an entry in the log, from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct EntryIndex(pub u64);

impl std::fmt::Display for EntryIndex {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(out)
    }
}

/// Everything that a price rests on, in a form that a stranger's program can recompute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// The dataset entry.
    pub dataset: EntryIndex,
    /// The snapshot entry that the question reads.
    pub snapshot: EntryIndex,
    /// The catalog entry, the newest of its dataset.
    pub catalog: EntryIndex,
    /// The policy entry, the newest.
    pub policy: EntryIndex,
    /// Column that names the person.
    pub unit: String,
    /// The derivation, bottom-up; the last step is a release.
    pub steps: Vec<Step>,
    /// Contribution bounds, one for each release.
    pub releases: Vec<Bounds>,
    /// Salted commitment to the answered keys of all releases. The ledger fills it in; zeros before.
    pub keys: Hash,
    /// One mechanism for each released column.
    pub mechanisms: Vec<Mechanism>,
}

/// One operator of the plan and the rule that admits it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Name of the rule: S0, S0p, S1 to S6, S8 or RELEASE.
    pub rule: String,
    /// The operator in the words of the planner; no literals.
    pub op: String,
    /// Positions of the earlier steps that this one reads.
    pub inputs: Vec<u64>,
    /// The table, for scans.
    pub table: Option<String>,
    /// Most rows of one person in the output; 0 if no bound is known.
    pub rows: u64,
}

/// How much one person can contribute to one release, and to what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bounds {
    /// Position of the release among the steps.
    pub step: u64,
    /// k: rows of a person that count in one group, at least 1.
    pub rows_per_person: u64,
    /// L0: groups that a person can touch, at least 1.
    pub groups_per_person: u64,
    /// Number of answered groups; 0 where the keys are not public, and which of them are answered is decided by a [`Threshold`].
    pub cells: u64,
    /// How persons in more than L0 groups count; without it they count in L0 of them alone.
    pub weighted: Option<Weighted>,
}

/// Rule S8w: persons in more than L0 groups count in all of them, but less in each (see [`Weights`](salus_accounting::Weights)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Weighted {
    /// Weight of the only group of a person; mechanisms count in parts of it.
    pub unit: u64,
    /// Most groups of a person that count, at least L0.
    pub groups: u64,
}

/// One noisy release: a column with one or more values for each group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mechanism {
    /// The noise.
    pub kind: Noise,
    /// Position of its release among [`Certificate::releases`].
    pub release: u64,
    /// What is counted or summed.
    pub aggregate: Aggregate,
    /// Most that one row can change the aggregate, in grid units; 1 for counts; the number of levels of a tree.
    pub bound: u64,
    /// Values for each group: the nodes of a tree, else 1.
    pub values: u64,
    /// Sensitivity squared over all groups, in grid units squared: in the L2 norm for Gaussian noise, in the L1 norm for Laplace noise.
    /// Where persons are weighted a grid unit is counted in parts of [`Weighted::unit`].
    pub sensitivity2: Rational,
    /// Parameter of the noise, in the same units.
    pub sigma: Rational,
    /// The zCDP price.
    pub rho: Rho,
    /// The price in delta.
    pub delta: Delta,
    /// Which groups are answered, where the keys are not public.
    pub threshold: Option<Threshold>,
}

/// A group is answered if at least `minimum` persons are in it and their noisy number is above `tau`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Threshold {
    /// Least number of persons, at least 1.
    pub minimum: u64,
    /// What the noisy number must exceed, at least `minimum`.
    pub tau: u64,
}

/// What a mechanism releases for each group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Aggregate {
    /// Distinct persons.
    Persons,
    /// Rows, at most k of each person.
    Rows,
    /// Sum of X.
    Sum,
    /// Sum of 2X − LO − HI.
    CentredSum,
    /// Sum of (2X − LO − HI)².
    CentredSquare,
    /// Distinct values, at most k of each person.
    Values,
    /// Rows, at most k of each person, in every node of a tree over a public grid.
    Tree,
}

impl Aggregate {
    const ALL: [Self; 7] = [
        Self::Persons,
        Self::Rows,
        Self::Sum,
        Self::CentredSum,
        Self::CentredSquare,
        Self::Values,
        Self::Tree,
    ];

    /// The name in the ledger's format.
    pub fn name(self) -> &'static str {
        match self {
            Self::Persons => "persons",
            Self::Rows => "rows",
            Self::Sum => "sum",
            Self::CentredSum => "centred_sum",
            Self::CentredSquare => "centred_square",
            Self::Values => "values",
            Self::Tree => "tree",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|aggregate| aggregate.name() == name)
    }
}

impl Certificate {
    /// The canonical map.
    pub fn to_value(&self) -> Value {
        Value::map([
            ("dataset", Value::Uint(self.dataset.0)),
            ("snapshot", Value::Uint(self.snapshot.0)),
            ("catalog", Value::Uint(self.catalog.0)),
            ("policy", Value::Uint(self.policy.0)),
            ("unit", Value::text(&self.unit)),
            ("steps", Value::array(self.steps.iter().map(Step::to_value))),
            (
                "releases",
                Value::array(self.releases.iter().map(Bounds::to_value)),
            ),
            ("keys", Value::bytes(self.keys)),
            (
                "mechanisms",
                Value::array(self.mechanisms.iter().map(Mechanism::to_value)),
            ),
        ])
    }

    /// Reads a certificate; exactly its fields.
    ///
    /// # Errors
    ///
    /// [`CertificateError::Shape`] for a missing, unknown or ill-typed field.
    pub fn from_value(value: Value) -> Result<Self, CertificateError> {
        let mut fields = Fields::of("certificate", value)?;
        let certificate = Self {
            dataset: fields.index("dataset")?,
            snapshot: fields.index("snapshot")?,
            catalog: fields.index("catalog")?,
            policy: fields.index("policy")?,
            unit: fields.text("unit")?,
            steps: fields.array("steps", Step::from_value)?,
            releases: fields.array("releases", Bounds::from_value)?,
            keys: fields.hash("keys")?,
            mechanisms: fields.array("mechanisms", Mechanism::from_value)?,
        };
        fields.finish()?;
        if certificate.steps.is_empty()
            || certificate.releases.is_empty()
            || certificate.mechanisms.is_empty()
        {
            return Err(shape("certificate", "has no step, release or mechanism"));
        }
        Ok(certificate)
    }
}

impl Step {
    /// The canonical map.
    pub fn to_value(&self) -> Value {
        let inputs = self.inputs.iter().map(|input| Value::Uint(*input));
        let table = self.table.iter().map(|table| ("table", Value::text(table)));
        let fields = [
            ("rule", Value::text(&self.rule)),
            ("op", Value::text(&self.op)),
            ("inputs", Value::array(inputs)),
            ("rows", Value::Uint(self.rows)),
        ];
        Value::map(fields.into_iter().chain(table))
    }

    fn from_value(value: Value) -> Result<Self, CertificateError> {
        let mut fields = Fields::of("step", value)?;
        let step = Self {
            rule: fields.text("rule")?,
            op: fields.text("op")?,
            inputs: fields.array("inputs", |input| fields::uint("inputs", &input))?,
            table: fields.optional_text("table")?,
            rows: fields.uint("rows")?,
        };
        fields.finish()?;
        Ok(step)
    }
}

impl Bounds {
    /// What each group of a person weighs; `None` where they cannot be weighed as [`Bounds::weighted`] says.
    pub fn weights(&self) -> Option<Weights> {
        match self.weighted {
            None => Some(Weights::even(self.groups_per_person)),
            Some(Weighted { unit, groups }) => Weights::new(unit, self.groups_per_person, groups),
        }
    }

    /// The canonical map.
    pub fn to_value(&self) -> Value {
        let weighted = self.weighted.iter();
        let weighted = weighted.map(|weighted| ("weighted", weighted.to_value()));
        let fields = [
            ("step", Value::Uint(self.step)),
            ("rows_per_person", Value::Uint(self.rows_per_person)),
            ("groups_per_person", Value::Uint(self.groups_per_person)),
            ("cells", Value::Uint(self.cells)),
        ];
        Value::map(fields.into_iter().chain(weighted))
    }

    fn from_value(value: Value) -> Result<Self, CertificateError> {
        let mut fields = Fields::of("release", value)?;
        let bounds = Self {
            step: fields.uint("step")?,
            rows_per_person: fields.uint("rows_per_person")?,
            groups_per_person: fields.uint("groups_per_person")?,
            cells: fields.uint("cells")?,
            weighted: fields
                .optional("weighted")
                .map(Weighted::from_value)
                .transpose()?,
        };
        fields.finish()?;
        if bounds.weights().is_none() {
            return Err(shape(
                "weighted",
                "is not 1 <= L0 <= groups <= 2^10, 1 <= unit <= 2^20",
            ));
        }
        if bounds.rows_per_person == 0 || bounds.groups_per_person == 0 {
            return Err(shape("release", "has a bound of zero"));
        }
        Ok(bounds)
    }
}

impl Weighted {
    fn to_value(self) -> Value {
        Value::map([
            ("unit", Value::Uint(self.unit)),
            ("groups", Value::Uint(self.groups)),
        ])
    }

    fn from_value(value: Value) -> Result<Self, CertificateError> {
        let mut fields = Fields::of("weighted", value)?;
        let weighted = Self {
            unit: fields.uint("unit")?,
            groups: fields.uint("groups")?,
        };
        fields.finish()?;
        Ok(weighted)
    }
}

impl Mechanism {
    /// The canonical map.
    pub fn to_value(&self) -> Value {
        let threshold = self
            .threshold
            .iter()
            .map(|threshold| ("threshold", threshold.to_value()));
        let fields = [
            ("kind", Value::text(self.kind.name())),
            ("release", Value::Uint(self.release)),
            ("aggregate", Value::text(self.aggregate.name())),
            ("bound", Value::Uint(self.bound)),
            ("values", Value::Uint(self.values)),
            ("sensitivity2", rational_value(&self.sensitivity2)),
            ("sigma", rational_value(&self.sigma)),
            ("rho", Value::Uint(self.rho.units())),
            ("delta", delta_value(self.delta)),
        ];
        Value::map(fields.into_iter().chain(threshold))
    }

    fn from_value(value: Value) -> Result<Self, CertificateError> {
        let mut fields = Fields::of("mechanism", value)?;
        let kind = Noise::from_name(&fields.text("kind")?)
            .ok_or(shape("kind", "is not a known mechanism"))?;
        let aggregate = Aggregate::from_name(&fields.text("aggregate")?)
            .ok_or(shape("aggregate", "is not a known aggregate"))?;
        let threshold = fields.optional("threshold");
        let mechanism = Self {
            kind,
            release: fields.uint("release")?,
            aggregate,
            bound: fields.uint("bound")?,
            values: fields.uint("values")?,
            sensitivity2: fields.rational("sensitivity2")?,
            sigma: fields.rational("sigma")?,
            rho: fields.rho("rho")?,
            delta: fields.delta("delta")?,
            threshold: threshold.map(Threshold::from_value).transpose()?,
        };
        fields.finish()?;
        if mechanism.values == 0 {
            return Err(shape("values", "is zero"));
        }
        Ok(mechanism)
    }
}

impl Threshold {
    fn to_value(self) -> Value {
        Value::map([
            ("minimum", Value::Uint(self.minimum)),
            ("tau", Value::Uint(self.tau)),
        ])
    }

    fn from_value(value: Value) -> Result<Self, CertificateError> {
        let mut fields = Fields::of("threshold", value)?;
        let threshold = Self {
            minimum: fields.uint("minimum")?,
            tau: fields.uint("tau")?,
        };
        fields.finish()?;
        if threshold.minimum == 0 || threshold.tau < threshold.minimum {
            return Err(shape("threshold", "is not 1 <= minimum <= tau"));
        }
        Ok(threshold)
    }
}
