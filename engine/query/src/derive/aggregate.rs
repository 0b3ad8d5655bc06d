//! S4: per-person facts, aggregates grouped by the unit.

use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Column, ScalarValue};
use datafusion::logical_expr::expr::{AggregateFunction, AggregateFunctionParams};
use datafusion::logical_expr::logical_plan::Aggregate;
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan};

use super::domain::{Domain, domain_of};
use super::expression::{is_exact, total};
use super::relation::{Fact, Relation, Role, Unit, clamped};
use super::{Derivation, named, planner, sized, strip_alias};
use crate::faults::{Fault, planted};
use crate::keys::expect_a_column_each;
use crate::refusal::Refusal;

impl Derivation<'_> {
    pub(super) fn per_person(
        &mut self,
        aggregate: &Aggregate,
        plan: &LogicalPlan,
    ) -> Result<Relation, Refusal> {
        let input = self.relation(&aggregate.input)?;
        let mut groups = Vec::new();
        let mut facts = Vec::new();
        let mut unit = None;
        let mut only_unit = true;
        for (expr, (qualifier, field)) in aggregate.group_expr.iter().zip(aggregate.schema.iter()) {
            if matches!(expr, Expr::GroupingSet(_)) {
                return Err(Refusal::new(
                    "S4",
                    plan.display(),
                    "grouping sets below the release are not admitted",
                    "group by person_id and one list of columns",
                ));
            }
            let column = Column::new(qualifier.cloned(), field.name());
            let role = input.role(expr);
            let per_person = input.is_per_person(expr);
            only_unit &= per_person;
            if role == Role::Unit {
                unit.get_or_insert(Unit {
                    column: column.clone(),
                    carried: false,
                });
                groups.push(named(strip_alias(expr).clone(), &column));
            } else {
                groups.push(named(total(expr, &input)?, &column));
            }
            facts.push(Fact {
                role,
                per_person,
                domain: domain_of(expr, &input),
                weight: sized(expr, &input)?,
                source: source_of(expr, &input),
                clamped: clamped(expr, &input),
                ..Fact::plain()
            });
        }
        expect_a_column_each(aggregate)?;
        if unit.is_none() && input.unit.is_some() {
            return Err(Refusal::new(
                "S4",
                plan.display(),
                "an aggregate below the release must be grouped by the person",
                "add person_id to its GROUP BY, or make this the topmost aggregate",
            ));
        }
        let mut aggregates = Vec::new();
        let outputs = aggregate.schema.iter().skip(aggregate.group_expr.len());
        for (expr, (qualifier, field)) in aggregate.aggr_expr.iter().zip(outputs) {
            let column = Column::new(qualifier.cloned(), field.name());
            let (call, source) = exact_aggregate(expr, &input)?;
            aggregates.push(named(call, &column));
            facts.push(Fact {
                per_person: only_unit,
                between_steps: averages(expr),
                source,
                clamped: clamped_below(expr, &input),
                domain: of_extreme(expr, &input),
                ..Fact::plain()
            });
        }
        let rows = if only_unit { Some(1) } else { input.rows };
        let step = self.step("S4", "aggregate", &[input.step], None, rows);
        let rewritten = Aggregate::try_new(Arc::new(input.plan), groups, aggregates)
            .map_err(|e| planner(plan, &e))?;
        Ok(Relation {
            plan: LogicalPlan::Aggregate(rewritten),
            unit,
            facts,
            rows,
            fan_out: if only_unit { 1 } else { input.fan_out },
            usual_rows: if only_unit { 1 } else { input.usual_rows },
            codes: input.codes,
            step,
        })
    }
}

/// An aggregate whose result does not depend on the order in which a person's rows arrive.
fn exact_aggregate(
    expr: &Expr,
    input: &Relation,
) -> Result<(Expr, Option<super::relation::Source>), Refusal> {
    let Expr::AggregateFunction(call) = strip_alias(expr) else {
        return Err(Refusal::new(
            "S4",
            expr,
            "this is not an aggregate",
            "aggregate first, compute outside",
        ));
    };
    let params = &call.params;
    let name = call.func.name();
    if !params.order_by.is_empty() || params.null_treatment.is_some() {
        return Err(Refusal::new(
            "S4",
            expr,
            "an order inside an aggregate is not admitted",
            "number the rows in a subquery, row_number() OVER (PARTITION BY person_id ORDER BY …) AS n, and take WHERE n = 1",
        ));
    }
    let [argument] = params.args.as_slice() else {
        return Err(Refusal::new(
            "S4",
            expr,
            "this aggregate is not admitted below the release",
            "use COUNT, SUM, MIN, MAX, AVG, BOOL_AND, BOOL_OR",
        ));
    };
    let counts = name == "count";
    if !counts && !["sum", "min", "max", "avg", "bool_and", "bool_or"].contains(&name) {
        return Err(Refusal::new(
            "S4",
            expr,
            format!("{name} below the release is not admitted"),
            "use COUNT, SUM, MIN, MAX, AVG, BOOL_AND, BOOL_OR",
        ));
    }
    let unit_argument = input.role(argument) != Role::Plain;
    let float = argument
        .get_type(input.schema())
        .map_or(true, |kind| kind.is_floating());
    let sums = ["sum", "avg"].contains(&name);
    let inexact = float || sums && !is_exact(argument, input);
    if !counts && !unit_argument && inexact && !planted(Fault::FloatSums) {
        return Err(Refusal::new(
            "S4",
            expr,
            "sums and extremes of floats depend on the order of the rows",
            "cast to DECIMAL first: AVG(CAST(x AS DECIMAL(18, 6)))",
        ));
    }
    if name == "avg" && !average_fits(argument, input) {
        return Err(Refusal::new(
            "S4",
            expr,
            "an average of such wide decimals could overflow for some person",
            "cast to a narrower type first: AVG(CAST(x AS DECIMAL(18, 6)))",
        ));
    }
    let argument_total = match (counts, unit_argument) {
        (true, true) => argument.clone(),
        _ => total(argument, input)?,
    };
    let filter = params
        .filter
        .as_ref()
        .map(|filter| total(filter, input).map(Box::new))
        .transpose()?;
    let source = matches!(name, "min" | "max" | "avg")
        .then(|| source_of(argument, input))
        .flatten();
    let rewritten = Expr::AggregateFunction(AggregateFunction {
        func: Arc::clone(&call.func),
        params: AggregateFunctionParams {
            args: vec![argument_total],
            filter,
            ..params.clone()
        },
    });
    Ok((rewritten, source))
}

/// The smallest and the largest of some values is one of them, or NULL where there is none.
fn of_extreme(expr: &Expr, input: &Relation) -> Option<Domain> {
    match strip_alias(expr) {
        Expr::AggregateFunction(call) if ["min", "max"].contains(&call.func.name()) => {
            let domain = domain_of(call.params.args.first()?, input)?;
            Some(domain.or_null())
        }
        _ => None,
    }
}

/// Extremes and means lie where the values lie.
fn clamped_below(expr: &Expr, input: &Relation) -> Option<(ScalarValue, ScalarValue)> {
    match strip_alias(expr) {
        Expr::AggregateFunction(call) if ["min", "max", "avg"].contains(&call.func.name()) => {
            clamped(call.params.args.first()?, input)
        }
        _ => None,
    }
}

fn averages(expr: &Expr) -> bool {
    matches!(strip_alias(expr), Expr::AggregateFunction(call) if call.func.name() == "avg")
}

/// DataFusion's decimal average fails when sum · 10^4 passes 38 digits; it must be impossible, not rare.
pub(super) fn average_fits(argument: &Expr, input: &Relation) -> bool {
    let digits = input.rows.map_or(u32::MAX, |rows| rows.max(1).ilog10() + 1);
    match argument.get_type(input.schema()) {
        Ok(DataType::Decimal128(precision, _)) => {
            u32::from(precision)
                .saturating_add(digits)
                .saturating_add(4)
                <= 37
        }
        _ => false,
    }
}

fn source_of(expr: &Expr, input: &Relation) -> Option<super::relation::Source> {
    match strip_alias(expr) {
        Expr::Column(column) => input.fact(column)?.source.clone(),
        _ => None,
    }
}
