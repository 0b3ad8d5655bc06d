//! Which rows belong to whom: the walk over the resolved plan below the release, rule by rule.
//!
//! The rule behind all rules: an operator is admitted when each person's output rows, as a multiset, are a function of that person's rows and of
//! public data, whatever the physical order, file or batch layout. What is not known to be so is refused.

mod aggregate;
mod counts;
mod days;
pub(crate) mod domain;
pub(crate) mod expression;
mod join;
mod predicate;
mod public;
pub(crate) mod relation;
mod scan;
mod union;
mod window;

pub(crate) use counts::{GROUPS, ROWS};

use std::sync::Arc;

use datafusion::common::Column;
use datafusion::logical_expr::expr::Alias;
use datafusion::logical_expr::logical_plan::{Aggregate, Filter, Projection, SubqueryAlias};
use datafusion::logical_expr::{Distinct, Expr, LogicalPlan};
use salus_certificate::Step;
use salus_lake::Catalog;

use crate::faults::{Fault, planted};
use crate::refusal::Refusal;
use crate::unresolved::said;
use domain::domain_of;
use expression::total;
use relation::{Fact, Relation, Role, Unit, clamped};

/// Largest expression with the definitions of the columns it reads written out.
const MOST_NODES: u64 = 10_000;

/// Default of k where a question is about one code: fewer rows of a person carry it than the whole table holds.
const ROWS_OF_ONE_CODE: u64 = 64;

/// The walk: it gathers the certificate's steps as it goes.
#[derive(Debug)]
pub(crate) struct Derivation<'a> {
    catalog: &'a Catalog,
    steps: Vec<Step>,
    scans: usize,
    carried: usize,
}

impl<'a> Derivation<'a> {
    pub(crate) fn new(catalog: &'a Catalog) -> Self {
        Self {
            catalog,
            steps: Vec::new(),
            scans: 0,
            carried: 0,
        }
    }

    /// The certificate's steps so far, bottom-up.
    pub(crate) fn into_steps(self) -> Vec<Step> {
        self.steps
    }

    /// Number of steps so far.
    pub(crate) fn mark(&self) -> usize {
        self.steps.len()
    }

    /// Forgets the steps of an attempt that was refused.
    pub(crate) fn reset(&mut self, mark: usize) {
        self.steps.truncate(mark);
    }

    /// Records a release over `relation`; its rows per person are known later.
    pub(crate) fn release(&mut self, relation: &Relation) -> u64 {
        self.step("RELEASE", "aggregate", &[relation.step], None, Some(1))
    }

    /// Records a step and returns its position.
    fn step(
        &mut self,
        rule: &str,
        op: &str,
        inputs: &[u64],
        table: Option<&str>,
        rows: Option<u64>,
    ) -> u64 {
        self.steps.push(Step {
            rule: rule.to_owned(),
            op: op.to_owned(),
            inputs: inputs.to_vec(),
            table: table.map(str::to_owned),
            rows: rows.unwrap_or(0),
        });
        self.steps.len() as u64 - 1
    }

    /// A name of our own for a unit that the analyst dropped.
    fn carried_name(&mut self) -> String {
        self.carried += 1;
        format!("__salus_unit_{}", self.carried)
    }

    /// Derives a relation from a resolved plan.
    pub(crate) fn relation(&mut self, plan: &LogicalPlan) -> Result<Relation, Refusal> {
        match plan {
            LogicalPlan::TableScan(scan) => self.scan(scan),
            LogicalPlan::Values(values) => self.values(values, plan),
            LogicalPlan::Filter(filter) => self.filter(filter, plan),
            LogicalPlan::Projection(projection) => self.projection(projection, plan),
            LogicalPlan::SubqueryAlias(alias) => self.alias(alias, plan),
            LogicalPlan::Join(join) => self.join(join, plan),
            LogicalPlan::Aggregate(aggregate) => self.per_person(aggregate, plan),
            LogicalPlan::Distinct(Distinct::All(input)) => self.distinct(input, plan),
            LogicalPlan::Window(window) => self.window(window, plan),
            LogicalPlan::Union(union) => self.union(union, plan),
            LogicalPlan::Sort(sort) if sort.fetch.is_none() => {
                // An order below the release changes no multiset; it is dropped.
                self.relation(&sort.input)
            }
            other => Err(refuse_operator(other)),
        }
    }

    fn filter(&mut self, filter: &Filter, plan: &LogicalPlan) -> Result<Relation, Refusal> {
        let mut input = self.relation(&filter.input)?;
        let predicate = total(&filter.predicate, &input)?;
        input.pin_codes(&filter.predicate);
        predicate::narrow(&mut input, &filter.predicate);
        if !input.codes.is_empty() {
            input.usual_rows = input.usual_rows.min(ROWS_OF_ONE_CODE);
        }
        let step = self.step("S1", "filter", &[input.step], None, input.rows);
        let rewritten =
            Filter::try_new(predicate, Arc::new(input.plan)).map_err(|e| planner(plan, &e))?;
        Ok(Relation {
            plan: LogicalPlan::Filter(rewritten),
            step,
            ..input
        })
    }

    fn projection(
        &mut self,
        projection: &Projection,
        plan: &LogicalPlan,
    ) -> Result<Relation, Refusal> {
        let input = self.relation(&projection.input)?;
        let mut exprs = Vec::with_capacity(projection.expr.len() + 1);
        let mut facts = Vec::with_capacity(exprs.capacity());
        let mut unit = None;
        for (expr, (qualifier, field)) in projection.expr.iter().zip(projection.schema.iter()) {
            let column = Column::new(qualifier.cloned(), field.name());
            let (expr, fact) = project(expr, &column, &input)?;
            if fact.role == Role::Unit && unit.is_none() && is_tracked(&expr, &input) {
                unit = Some(Unit {
                    column,
                    carried: false,
                });
            }
            exprs.push(expr);
            facts.push(fact);
        }
        if let (None, Some(tracked)) = (&unit, &input.unit) {
            let name = self.carried_name();
            exprs.push(Expr::Column(tracked.column.clone()).alias(&name));
            facts.push(Fact {
                role: Role::Unit,
                per_person: true,
                ..Fact::plain()
            });
            unit = Some(Unit {
                column: Column::new_unqualified(name),
                carried: true,
            });
        }
        let step = self.step("S1", "projection", &[input.step], None, input.rows);
        let rewritten =
            Projection::try_new(exprs, Arc::new(input.plan)).map_err(|e| planner(plan, &e))?;
        Ok(Relation {
            plan: LogicalPlan::Projection(rewritten),
            unit,
            facts,
            rows: input.rows,
            fan_out: input.fan_out,
            usual_rows: input.usual_rows,
            codes: input.codes,
            step,
        })
    }

    fn alias(&mut self, alias: &SubqueryAlias, plan: &LogicalPlan) -> Result<Relation, Refusal> {
        let input = self.relation(&alias.input)?;
        let rewritten = SubqueryAlias::try_new(Arc::new(input.plan), alias.alias.clone())
            .map_err(|e| planner(plan, &e))?;
        let unit = input.unit.map(|unit| Unit {
            column: Column::new(Some(alias.alias.clone()), unit.column.name),
            ..unit
        });
        Ok(Relation {
            plan: LogicalPlan::SubqueryAlias(rewritten),
            unit,
            ..input
        })
    }

    /// DISTINCT is person-local when it keeps persons apart: the analyst must name the unit.
    fn distinct(&mut self, input: &LogicalPlan, plan: &LogicalPlan) -> Result<Relation, Refusal> {
        let input = self.relation(input)?;
        if input.unit.as_ref().is_none_or(|unit| unit.carried) {
            return Err(Refusal::new(
                "S6",
                plan.display(),
                "DISTINCT without the unit mixes the rows of several persons",
                "add person_id to the SELECT DISTINCT list, or use COUNT(DISTINCT …) of the person or of a value",
            ));
        }
        let only_unit = input.facts.iter().all(|fact| fact.per_person);
        let rows = if only_unit { Some(1) } else { input.rows };
        let columns = input
            .plan
            .schema()
            .columns()
            .into_iter()
            .map(Expr::Column)
            .collect();
        let rewritten = Aggregate::try_new(Arc::new(input.plan.clone()), columns, vec![])
            .map_err(|e| planner(plan, &e))?;
        let step = self.step("S4", "distinct", &[input.step], None, rows);
        Ok(Relation {
            plan: LogicalPlan::Aggregate(rewritten),
            rows,
            usual_rows: if only_unit { 1 } else { input.usual_rows },
            step,
            ..input
        })
    }
}

/// One output column of a projection: its total expression under the old name, and its fact.
fn project(expr: &Expr, column: &Column, input: &Relation) -> Result<(Expr, Fact), Refusal> {
    let role = input.role(expr);
    if role != Role::Plain {
        let renamed = named(strip_alias(expr).clone(), column);
        return Ok((
            renamed,
            Fact {
                role,
                // The unit of an optional side may be NULL in some of a person's rows and not in others.
                per_person: input.is_per_person(expr),
                ..Fact::plain()
            },
        ));
    }
    let same = match strip_alias(expr) {
        Expr::Column(column) => input.fact(column),
        _ => None,
    };
    if planted(Fault::StaleAfterRename) {
        let mut names = input.schema().fields().iter();
        if let Some(at) = names.position(|field| *field.name() == column.name) {
            return Ok((named(total(expr, input)?, column), input.facts[at].clone()));
        }
    }
    let fact = Fact {
        role,
        per_person: input.is_per_person(expr),
        domain: domain_of(expr, input),
        weight: sized(expr, input)?,
        source: same.and_then(|fact| fact.source.clone()),
        numbers_rows: same.is_some_and(|fact| fact.numbers_rows),
        between_steps: same.is_some_and(|fact| fact.between_steps),
        clamped: clamped(expr, input),
        days: same.map(|fact| fact.days).unwrap_or_default(),
    };
    Ok((named(total(expr, input)?, column), fact))
}

/// The weight of an expression that stays within [`MOST_NODES`].
fn sized(expr: &Expr, input: &Relation) -> Result<u64, Refusal> {
    let weight = input.weight(expr);
    if weight > MOST_NODES {
        return Err(Refusal::new(
            "statement",
            expr,
            "this expression is too large when its parts are written out",
            "simplify it",
        ));
    }
    Ok(weight)
}

/// Whether an expression is the tracked unit itself, not another column equal to it. Either would do; the tracked one is kept for clarity.
fn is_tracked(expr: &Expr, input: &Relation) -> bool {
    input.role(strip_alias(expr)) == Role::Unit
}

/// The expression under its names.
pub(crate) fn strip_alias(expr: &Expr) -> &Expr {
    match expr {
        Expr::Alias(alias) => strip_alias(&alias.expr),
        other => other,
    }
}

/// `expr` under the name that operators above know it by: rewriting changes the name an expression prints as.
pub(crate) fn named(expr: Expr, column: &Column) -> Expr {
    let bare = match expr {
        Expr::Alias(alias) => *alias.expr,
        other => other,
    };
    if matches!(&bare, Expr::Column(own) if own == column) {
        return bare;
    }
    Expr::Alias(Alias::new(
        bare,
        column.relation.clone(),
        column.name.clone(),
    ))
}

/// DataFusion could not build the rewritten operator: public text, since no data has been read.
pub(crate) fn planner(plan: &LogicalPlan, error: &datafusion::error::DataFusionError) -> Refusal {
    Refusal::new(
        "resolve",
        plan.display(),
        said(error),
        "check names and types against `salus tables`",
    )
}

fn refuse_operator(plan: &LogicalPlan) -> Refusal {
    let (rule, message, hint) = match plan {
        LogicalPlan::Limit(_) | LogicalPlan::Sort(_) => (
            "S7",
            "LIMIT below an aggregate picks rows across persons",
            "remove it, or put it on the aggregated result",
        ),
        LogicalPlan::Distinct(_) => (
            "S6",
            "DISTINCT ON picks rows by their order",
            "number the rows in a subquery, row_number() OVER (PARTITION BY person_id ORDER BY …) AS n, and take WHERE n = 1",
        ),
        LogicalPlan::RecursiveQuery(_) => (
            "statement",
            "recursion is not admitted",
            "write the steps out",
        ),
        LogicalPlan::Unnest(_) => (
            "S1",
            "UNNEST is not admitted",
            "use the child tables, for instance observation_component",
        ),
        LogicalPlan::EmptyRelation(_) => (
            "release",
            "this reads no table",
            "ask about the tables that `salus tables` lists; a list of values is (VALUES ('a'), ('b')) AS v(code)",
        ),
        LogicalPlan::Subquery(_) => (
            "S2",
            "this subquery does not bind the person",
            "join it on person_id; in LATERAL, equate person_id of both sides in its WHERE",
        ),
        _ => (
            "statement",
            "this operator is not admitted",
            "ask with SELECT … FROM … WHERE … GROUP BY",
        ),
    };
    Refusal::new(rule, plan.display(), message, hint)
}
