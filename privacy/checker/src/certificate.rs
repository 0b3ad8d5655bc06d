//! Rule F1 for the certificate inside a reserve.

use crate::cbor::Value;
use crate::quantity::{Fields, Rational};
use crate::report::Malformed;

pub(crate) struct Certificate {
    pub(crate) dataset: u64,
    pub(crate) snapshot: u64,
    pub(crate) catalog: u64,
    pub(crate) policy: u64,
    pub(crate) steps: Vec<Step>,
    pub(crate) releases: Vec<Release>,
    pub(crate) mechanisms: Vec<Mechanism>,
}

pub(crate) struct Release {
    /// Position among the steps.
    pub(crate) step: u64,
    /// `k`, at least 1.
    pub(crate) rows_per_person: u64,
    /// `L0`, at least 1.
    pub(crate) groups_per_person: u64,
    /// 0: the keys are not public.
    pub(crate) cells: u64,
    pub(crate) weighted: Option<Weighted>,
}

/// Persons in more than L0 groups count in up to `groups` of them, in parts of `unit`.
pub(crate) struct Weighted {
    /// 1 to 2^20.
    pub(crate) unit: u64,
    /// L0 to 2^10.
    pub(crate) groups: u64,
}

pub(crate) struct Step {
    pub(crate) rule: String,
    pub(crate) inputs: Vec<u64>,
    /// Of a scan.
    pub(crate) table: Option<String>,
    /// 0: no bound is known.
    pub(crate) rows: u64,
}

pub(crate) struct Mechanism {
    pub(crate) noise: Noise,
    pub(crate) release: u64,
    pub(crate) aggregate: Aggregate,
    pub(crate) bound: u64,
    /// For each group.
    pub(crate) values: u64,
    pub(crate) sensitivity2: Rational,
    pub(crate) sigma: Rational,
    pub(crate) rho: u64,
    pub(crate) delta: u128,
    pub(crate) threshold: Option<Threshold>,
}

/// `1 <= minimum <= tau`.
pub(crate) struct Threshold {
    pub(crate) minimum: u64,
    pub(crate) tau: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Noise {
    /// Priced by the L2 norm.
    Gaussian,
    /// Priced by the L1 norm.
    Laplace,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Aggregate {
    Persons,
    Rows,
    Values,
    /// `sum`, `centred_sum` and `centred_square` are priced alike.
    Sum,
    Tree,
}

impl Certificate {
    pub(crate) fn of(value: Value<'_>) -> Result<Self, Malformed> {
        let mut fields = Fields::of(value, "certificate")?;
        fields.take("keys")?.hash("keys")?;
        fields.take("unit")?.text("unit")?;
        let certificate = Certificate {
            dataset: fields.take("dataset")?.uint("dataset")?,
            snapshot: fields.take("snapshot")?.uint("snapshot")?,
            catalog: fields.take("catalog")?.uint("catalog")?,
            policy: fields.take("policy")?.uint("policy")?,
            steps: list(fields.take("steps")?, "steps", step)?,
            releases: list(fields.take("releases")?, "releases", release)?,
            mechanisms: list(fields.take("mechanisms")?, "mechanisms", mechanism)?,
        };
        fields.end()?;
        Ok(certificate)
    }
}

fn at_least_one(value: &Value<'_>, what: &str) -> Result<u64, Malformed> {
    match value.uint(what)? {
        0 => Err(Malformed(format!("{what}: zero"))),
        n => Ok(n),
    }
}

fn list<'a, T>(
    value: Value<'a>,
    what: &str,
    item: impl Fn(Value<'a>) -> Result<T, Malformed>,
) -> Result<Vec<T>, Malformed> {
    let items = value.array(what)?;
    if items.is_empty() {
        return Err(Malformed(format!("{what}: empty")));
    }
    items.into_iter().map(item).collect()
}

fn release(value: Value<'_>) -> Result<Release, Malformed> {
    let mut fields = Fields::of(value, "release")?;
    let weighted = fields.optional("weighted").map(weighted).transpose()?;
    let release = Release {
        weighted,
        step: fields.take("step")?.uint("step")?,
        rows_per_person: at_least_one(&fields.take("rows_per_person")?, "rows_per_person")?,
        groups_per_person: at_least_one(&fields.take("groups_per_person")?, "groups_per_person")?,
        cells: fields.take("cells")?.uint("cells")?,
    };
    fields.end()?;
    let least = release.groups_per_person;
    let fits = |weighted: &Weighted| (least..=1 << 10).contains(&weighted.groups);
    if !release.weighted.as_ref().is_none_or(fits) {
        return Err(Malformed("weighted: groups not from L0 to 2^10".to_owned()));
    }
    Ok(release)
}

fn weighted(value: Value<'_>) -> Result<Weighted, Malformed> {
    let mut fields = Fields::of(value, "weighted")?;
    let weighted = Weighted {
        unit: at_least_one(&fields.take("unit")?, "unit")?,
        groups: fields.take("groups")?.uint("groups")?,
    };
    fields.end()?;
    if weighted.unit > 1 << 20 {
        return Err(Malformed("weighted: unit above 2^20".to_owned()));
    }
    Ok(weighted)
}

fn threshold(value: Value<'_>) -> Result<Threshold, Malformed> {
    let mut fields = Fields::of(value, "threshold")?;
    let threshold = Threshold {
        minimum: at_least_one(&fields.take("minimum")?, "minimum")?,
        tau: fields.take("tau")?.uint("tau")?,
    };
    fields.end()?;
    if threshold.tau < threshold.minimum {
        return Err(Malformed("threshold: tau below the minimum".to_owned()));
    }
    Ok(threshold)
}

fn step(value: Value<'_>) -> Result<Step, Malformed> {
    let mut fields = Fields::of(value, "step")?;
    let rule = fields.take("rule")?.text("rule")?.to_owned();
    fields.take("op")?.text("op")?;
    let inputs = fields
        .take("inputs")?
        .array("inputs")?
        .iter()
        .map(|input| input.uint("inputs"))
        .collect::<Result<_, _>>()?;
    let table = match fields.optional("table") {
        Some(table) => Some(table.text("table")?.to_owned()),
        None => None,
    };
    let rows = fields.take("rows")?.uint("rows")?;
    fields.end()?;
    Ok(Step {
        rule,
        inputs,
        table,
        rows,
    })
}

fn mechanism(value: Value<'_>) -> Result<Mechanism, Malformed> {
    let mut fields = Fields::of(value, "mechanism")?;
    let noise = match fields.take("kind")?.text("kind")? {
        "discrete_gaussian" => Noise::Gaussian,
        "discrete_laplace" => Noise::Laplace,
        other => return Err(Malformed(format!("mechanism {other:?} is not known"))),
    };
    let aggregate = match fields.take("aggregate")?.text("aggregate")? {
        "persons" => Aggregate::Persons,
        "rows" => Aggregate::Rows,
        "values" => Aggregate::Values,
        "sum" | "centred_sum" | "centred_square" => Aggregate::Sum,
        "tree" => Aggregate::Tree,
        other => return Err(Malformed(format!("aggregate {other:?} is not known"))),
    };
    let threshold = fields.optional("threshold").map(threshold).transpose()?;
    let mechanism = Mechanism {
        noise,
        release: fields.take("release")?.uint("release")?,
        aggregate,
        bound: fields.take("bound")?.uint("bound")?,
        values: at_least_one(&fields.take("values")?, "values")?,
        sensitivity2: fields.take("sensitivity2")?.rational("sensitivity2")?,
        sigma: fields.take("sigma")?.rational("sigma")?,
        rho: fields.take("rho")?.uint("rho")?,
        delta: fields.take("delta")?.delta("delta")?,
        threshold,
    };
    fields.end()?;
    Ok(mechanism)
}
