//! S6: UNION ALL.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::common::Column;
use datafusion::logical_expr::logical_plan::{Projection, Union};
use datafusion::logical_expr::{Expr, LogicalPlan, cast};

use super::days::Range;
use super::relation::{Fact, Relation, Role, Unit};
use super::{Derivation, planner};
use crate::refusal::Refusal;

impl Derivation<'_> {
    /// Each person's rows of the union are those of her branches. The unit stands in the same position of every branch, or is carried there.
    pub(super) fn union(&mut self, union: &Union, plan: &LogicalPlan) -> Result<Relation, Refusal> {
        let branches = union
            .inputs
            .iter()
            .map(|input| self.relation(input))
            .collect::<Result<Vec<_>, _>>()?;
        let private = branches.iter().filter(|b| b.unit.is_some()).count();
        if private != 0 && private != branches.len() {
            return Err(Refusal::new(
                "S6",
                plan.display(),
                "a branch of this UNION reads public tables alone: nobody stands behind its rows",
                "join the public rows with private ones, or put them into the SELECT above",
            ));
        }
        let columns = union.schema.columns();
        // By name: a unit that is carried may stand between the columns that the analyst knows.
        let named: Vec<Vec<Column>> = union.inputs.iter().map(|i| i.schema().columns()).collect();
        let facts = (0..columns.len())
            .map(|at| {
                let of_branch = branches.iter().zip(&named);
                let facts = of_branch.map(|(branch, names)| branch.fact(names.get(at)?));
                common_fact(plan, facts.collect())
            })
            .collect::<Result<Vec<_>, _>>()?;
        let own = facts.iter().position(|fact| fact.role == Role::Unit);
        let carried = (own.is_none() && private != 0).then(|| self.carried_name());
        let inputs = branches
            .iter()
            .zip(&named)
            .map(|(branch, names)| {
                let own = names.iter().zip(union.schema.fields());
                let own = own.map(|(column, field)| {
                    cast(Expr::Column(column.clone()), field.data_type().clone())
                        .alias(field.name())
                });
                let unit = carried.as_ref().zip(branch.unit.as_ref());
                let unit = unit.map(|(name, unit)| Expr::Column(unit.column.clone()).alias(name));
                let exprs = own.chain(unit).collect();
                let projected = Projection::try_new(exprs, Arc::new(branch.plan.clone()));
                Ok(Arc::new(LogicalPlan::Projection(projected?)))
            })
            .collect::<datafusion::error::Result<Vec<_>>>()
            .map_err(|e| planner(plan, &e))?;
        let rows = branches
            .iter()
            .try_fold(0_u64, |sum, branch| sum.checked_add(branch.rows?));
        let steps: Vec<u64> = branches.iter().map(|branch| branch.step).collect();
        let rule = if private == 0 { "S0p" } else { "S6" };
        let table = (private == 0).then_some("(union)");
        let inputs_of_step: &[u64] = if private == 0 { &[] } else { &steps };
        let step = self.step(rule, "union", inputs_of_step, table, rows);
        let rewritten = Union::try_new(inputs).map_err(|e| planner(plan, &e))?;
        let unit = match (own, &carried) {
            (Some(at), _) => Some(Unit {
                column: Column::new_unqualified(&columns[at].name),
                carried: false,
            }),
            (None, Some(name)) => Some(Unit {
                column: Column::new_unqualified(name),
                carried: true,
            }),
            (None, None) => None,
        };
        let unit_fact = carried.map(|_| Fact {
            role: Role::Unit,
            per_person: true,
            ..Fact::plain()
        });
        Ok(Relation {
            plan: LogicalPlan::Union(rewritten),
            unit: unit.filter(|_| private != 0),
            facts: facts.into_iter().chain(unit_fact).collect(),
            rows,
            fan_out: match private {
                0 => 1,
                _ => branches
                    .iter()
                    .fold(0_u64, |sum, branch| sum.saturating_add(branch.fan_out)),
            },
            usual_rows: branches
                .iter()
                .fold(0_u64, |sum, branch| sum.saturating_add(branch.usual_rows)),
            codes: BTreeMap::default(),
            step,
        })
    }
}

/// What is known of a column in every branch. A person's id here and something else there would show ids as something else.
fn common_fact(plan: &LogicalPlan, facts: Option<Vec<&Fact>>) -> Result<Fact, Refusal> {
    let Some(facts) = facts else {
        return Err(Refusal::new(
            "S6",
            plan.display(),
            "the branches do not have the same columns",
            "name the columns of every branch",
        ));
    };
    let all = |role: Role| facts.iter().all(|fact| fact.role == role);
    let role = if all(Role::Unit) {
        Role::Unit
    } else if all(Role::Plain) {
        Role::Plain
    } else if facts.iter().all(|fact| fact.role != Role::Plain) {
        Role::UnitOrNull
    } else {
        return Err(Refusal::new(
            "S6",
            plan.display(),
            "person_id stands in different positions of the branches",
            "select person_id in the same position of every branch, or in none",
        ));
    };
    let domain = facts
        .iter()
        .map(|fact| fact.domain.clone())
        .reduce(|all, branch| Some(all?.union(branch?)))
        .flatten();
    let source = facts.first().and_then(|fact| fact.source.clone());
    let clamped = facts.first().and_then(|fact| fact.clamped.clone());
    Ok(Fact {
        role,
        // Branches may differ in what they say of one person.
        per_person: role == Role::Unit,
        domain,
        weight: facts.iter().map(|fact| fact.weight).max().unwrap_or(1),
        source: source.filter(|one| facts.iter().all(|fact| fact.source.as_ref() == Some(one))),
        clamped: clamped
            .filter(|ends| facts.iter().all(|fact| fact.clamped.as_ref() == Some(ends))),
        numbers_rows: false,
        // Branches may be bounded in different ways.
        days: Range::default(),
        between_steps: facts.iter().any(|fact| fact.between_steps),
    })
}
