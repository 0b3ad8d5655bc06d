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
    /// `k`, at least 1.
    pub(crate) rows_per_person: u64,
    /// `L0`, at least 1.
    pub(crate) groups_per_person: u64,
    pub(crate) mechanisms: Vec<Mechanism>,
}

pub(crate) struct Step {
    pub(crate) rule: String,
    pub(crate) inputs: Vec<u64>,
    pub(crate) has_table: bool,
    /// 0: no bound is known.
    pub(crate) rows: u64,
}

/// A discrete Gaussian, the only mechanism of version 1.
pub(crate) struct Mechanism {
    pub(crate) aggregate: Aggregate,
    pub(crate) bound: u64,
    pub(crate) sensitivity2: Rational,
    pub(crate) sigma: Rational,
    pub(crate) rho: u64,
    pub(crate) delta: u128,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Aggregate {
    Persons,
    Rows,
    /// `sum` and `centred_sum` are priced alike.
    Sum,
}

impl Certificate {
    pub(crate) fn of(value: Value<'_>) -> Result<Self, Malformed> {
        let mut fields = Fields::of(value, "certificate")?;
        let mut bounds = Fields::of(fields.take("bounds")?, "bounds")?;
        let rows_per_person = at_least_one(&bounds.take("rows_per_person")?, "rows_per_person")?;
        let groups_per_person =
            at_least_one(&bounds.take("groups_per_person")?, "groups_per_person")?;
        at_least_one(&bounds.take("cells")?, "cells")?;
        bounds.take("keys")?.hash("keys")?;
        bounds.end()?;
        fields.take("unit")?.text("unit")?;
        let certificate = Certificate {
            dataset: fields.take("dataset")?.uint("dataset")?,
            snapshot: fields.take("snapshot")?.uint("snapshot")?,
            catalog: fields.take("catalog")?.uint("catalog")?,
            policy: fields.take("policy")?.uint("policy")?,
            steps: list(fields.take("steps")?, "steps", step)?,
            rows_per_person,
            groups_per_person,
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
    let table = fields.optional("table");
    if let Some(table) = &table {
        table.text("table")?;
    }
    let rows = fields.take("rows")?.uint("rows")?;
    fields.end()?;
    Ok(Step {
        rule,
        inputs,
        has_table: table.is_some(),
        rows,
    })
}

fn mechanism(value: Value<'_>) -> Result<Mechanism, Malformed> {
    let mut fields = Fields::of(value, "mechanism")?;
    let kind = fields.take("kind")?.text("kind")?;
    if kind != "discrete_gaussian" {
        return Err(Malformed(format!("mechanism {kind:?} is not known")));
    }
    let aggregate = match fields.take("aggregate")?.text("aggregate")? {
        "persons" => Aggregate::Persons,
        "rows" => Aggregate::Rows,
        "sum" | "centred_sum" => Aggregate::Sum,
        other => return Err(Malformed(format!("aggregate {other:?} is not known"))),
    };
    let mechanism = Mechanism {
        aggregate,
        bound: fields.take("bound")?.uint("bound")?,
        sensitivity2: fields.take("sensitivity2")?.rational("sensitivity2")?,
        sigma: fields.take("sigma")?.rational("sigma")?,
        rho: fields.take("rho")?.uint("rho")?,
        delta: fields.take("delta")?.delta("delta")?,
    };
    fields.end()?;
    Ok(mechanism)
}
