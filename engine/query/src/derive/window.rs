//! S5: windows over the rows of one person.

use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::expr::{WindowFunction, WindowFunctionParams};
use datafusion::logical_expr::logical_plan::Window;
use datafusion::logical_expr::{
    Expr, ExprSchemable, LogicalPlan, SortExpr, WindowFrame, WindowFrameBound, WindowFrameUnits,
    WindowFunctionDefinition,
};

use super::domain::{Domain, domain_of};
use super::expression::{is_exact, total};
use super::relation::{Fact, Relation, Role, Source, clamped, literal};
use super::{Derivation, planner, strip_alias};
use crate::faults::{Fault, planted};
use crate::refusal::Refusal;

/// Functions that pick rows by their order: the order must be total.
const BY_PLACE: &[&str] = &[
    "row_number",
    "lag",
    "lead",
    "first_value",
    "last_value",
    "nth_value",
    "ntile",
];

/// Functions of the peers of a row: rows that are equal in the order have equal results.
const BY_PEERS: &[&str] = &["rank", "dense_rank"];

/// Aggregates over a frame, exact in any order. Those that cannot take a row back, such as `bool_and`, would fail in a sliding frame, and only
/// where there is a row.
const AGGREGATES: &[&str] = &["count", "sum", "min", "max", "avg"];

/// Those that give a value of one of the rows.
const PICKS: &[&str] = &[
    "lag",
    "lead",
    "first_value",
    "last_value",
    "nth_value",
    "min",
    "max",
];

/// Largest offset of a frame, in rows.
const MOST_OFFSET: u64 = 1_000_000;

impl Derivation<'_> {
    /// Each row gets a value that follows from the rows of the same person, in an order on their content.
    pub(super) fn window(
        &mut self,
        window: &Window,
        plan: &LogicalPlan,
    ) -> Result<Relation, Refusal> {
        let input = self.relation(&window.input)?;
        let ties = ties(&input);
        let mut exprs = Vec::new();
        let mut facts = input.facts.clone();
        // The unit may be carried in the rewritten input, behind the columns that the analyst knows.
        let own = window.input.schema().fields().len();
        for (expr, (_, field)) in window
            .window_expr
            .iter()
            .zip(window.schema.iter().skip(own))
        {
            let (call, fact) = person_window(expr, &input, &ties)?;
            exprs.push(call.alias(field.name()));
            facts.push(fact);
        }
        let step = self.step("S5", "window", &[input.step], None, input.rows);
        // DataFusion sorts for a whole node by the keys of its first function, so each node has functions of one order only.
        let mut rewritten = input.plan.clone();
        for same_order in exprs.chunk_by(|a, b| order_of(a) == order_of(b)) {
            let node = Window::try_new(same_order.to_vec(), Arc::new(rewritten));
            rewritten = LogicalPlan::Window(node.map_err(|e| planner(plan, &e))?);
        }
        Ok(Relation {
            plan: rewritten,
            facts,
            step,
            ..input
        })
    }
}

/// What the rows of a window function are sorted by.
fn order_of(expr: &Expr) -> Option<(&[Expr], &[SortExpr])> {
    match strip_alias(expr) {
        Expr::WindowFunction(call) => Some((&call.params.partition_by, &call.params.order_by)),
        _ => None,
    }
}

/// Sort keys that leave no two different rows of a person in an order of chance.
///
/// The lake gives every row of a table that ships an id of its own (what a view calls so may be anything); as long as each row stands once, that is enough. Otherwise everything that can be seen of
/// a row is compared: its columns, and of optional units whether they are there. Rows that tie even then are equal, and whichever comes first
/// the multiset is the same.
fn ties(input: &Relation) -> Vec<SortExpr> {
    if planted(Fault::TiesByPlace) {
        return Vec::new();
    }
    let columns = input.columns().into_iter().zip(&input.facts);
    let plain = || columns.clone().filter(|(_, fact)| fact.role == Role::Plain);
    let is_id = |fact: &Fact| fact.source.as_ref().is_some_and(Source::is_row_id);
    let id = plain().find(|(_, fact)| is_id(fact) && stands_once(&input.plan));
    let keys: Vec<Expr> = match id {
        Some((id, _)) => vec![Expr::Column(id)],
        None => columns
            .clone()
            .filter_map(|(column, fact)| match fact.role {
                Role::Plain => Some(Expr::Column(column)),
                Role::UnitOrNull => Some(Expr::Column(column).is_null()),
                Role::Unit => None,
            })
            .collect(),
    };
    keys.into_iter().map(|key| key.sort(true, true)).collect()
}

/// Whether the rows are rows of one scan, none of them twice, and no column is computed from several of them: then an id is its row's own.
fn stands_once(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::TableScan(_) => true,
        LogicalPlan::Filter(node) => stands_once(&node.input),
        LogicalPlan::Projection(node) => stands_once(&node.input),
        LogicalPlan::SubqueryAlias(node) => stands_once(&node.input),
        _ => false,
    }
}

/// One of the values of the person's rows, or NULL where there is none; a third argument would stand for it.
fn picked(name: &str, args: &[Expr], input: &Relation) -> Option<Domain> {
    match args {
        [value] | [value, _] if PICKS.contains(&name) => {
            domain_of(value, input).map(Domain::or_null)
        }
        _ => None,
    }
}

/// What it gives lies where the values of the person's rows lie.
fn clamped_there(
    name: &str,
    args: &[Expr],
    input: &Relation,
) -> Option<(ScalarValue, ScalarValue)> {
    match args {
        [value] | [value, _] if PICKS.contains(&name) => clamped(value, input),
        [value] if ["min", "max", "avg"].contains(&name) => clamped(value, input),
        _ => None,
    }
}

fn person_window(
    expr: &Expr,
    input: &Relation,
    ties: &[SortExpr],
) -> Result<(Expr, Fact), Refusal> {
    let refuse = |message: &str, hint: &str| Err(Refusal::new("S5", expr, message, hint));
    let Expr::WindowFunction(call) = strip_alias(expr) else {
        return refuse(
            "this is not a window function",
            "use f(…) OVER (PARTITION BY person_id …)",
        );
    };
    let params = &call.params;
    let binds = params
        .partition_by
        .iter()
        .any(|key| matches!(key, Expr::Column(_)) && input.role(key) == Role::Unit);
    if !binds {
        return refuse(
            "this window looks across persons",
            "add person_id to its PARTITION BY",
        );
    }
    let name = call.fun.name();
    let aggregate = matches!(call.fun, WindowFunctionDefinition::AggregateUDF(_));
    let known = if aggregate {
        AGGREGATES.contains(&name)
    } else {
        BY_PLACE.contains(&name) || BY_PEERS.contains(&name)
    };
    if !known || params.distinct {
        return refuse(
            &format!("{name} is not admitted as a window function"),
            "use row_number, rank, lag, lead, first_value, last_value, or count, sum, min, max, avg",
        );
    }
    let whole = check_frame(&params.window_frame, expr)?;
    check_exact(name, aggregate, params, expr, input)?;
    let all = |exprs: &[Expr]| {
        exprs
            .iter()
            .map(|expr| match input.role(expr) {
                Role::Plain => total(expr, input),
                // Whose rows they are: opaque, but it may divide and be counted.
                _ => Ok(expr.clone()),
            })
            .collect::<Result<Vec<_>, Refusal>>()
    };
    let args = match (name, params.args.as_slice()) {
        ("count", [argument]) => all(std::slice::from_ref(argument))?,
        (_, args) => args
            .iter()
            .map(|argument| total(argument, input))
            .collect::<Result<_, _>>()?,
    };
    let mut order_by = params
        .order_by
        .iter()
        .map(|key| {
            Ok(SortExpr {
                expr: total(&key.expr, input)?,
                ..key.clone()
            })
        })
        .collect::<Result<Vec<_>, Refusal>>()?;
    let by_rows = params.window_frame.units == WindowFrameUnits::Rows;
    if BY_PLACE.contains(&name) || (aggregate && by_rows && !whole) {
        order_by.extend(ties.iter().cloned());
    }
    let filter = params
        .filter
        .as_ref()
        .map(|filter| total(filter, input).map(Box::new))
        .transpose()?;
    let only_person = params
        .partition_by
        .iter()
        .all(|key| input.is_per_person(key));
    let fact = Fact {
        // One number for all rows of a person.
        per_person: aggregate && only_person && whole,
        source: params.args.first().and_then(|argument| match argument {
            Expr::Column(column) if !["count", "sum"].contains(&name) => {
                input.fact(column)?.source.clone()
            }
            _ => None,
        }),
        clamped: clamped_there(name, &params.args, input),
        weight: input.weight(expr),
        domain: picked(name, &params.args, input),
        numbers_rows: name == "row_number" && only_person,
        between_steps: name == "avg",
        ..Fact::plain()
    };
    let call = Expr::from(WindowFunction {
        fun: call.fun.clone(),
        params: WindowFunctionParams {
            args,
            partition_by: all(&params.partition_by)?,
            order_by,
            filter,
            ..params.clone()
        },
    });
    Ok((call, fact))
}

/// Whether a frame is the whole partition. Its ends are in order and near: DataFusion computes with them row by row, and what it cannot compute
/// would fail for persons with enough rows.
fn check_frame(frame: &WindowFrame, expr: &Expr) -> Result<bool, Refusal> {
    let refuse = |message: &str, hint: &str| Err(Refusal::new("S5", expr, message, hint));
    let (start, end) = (&frame.start_bound, &frame.end_bound);
    if frame.units == WindowFrameUnits::Groups {
        return refuse("GROUPS frames are not admitted", "use ROWS or RANGE");
    }
    let rows = |offset: &ScalarValue| match offset.cast_to(&DataType::UInt64).ok()? {
        ScalarValue::UInt64(Some(rows)) if rows <= MOST_OFFSET => Some(i128::from(rows)),
        _ => None,
    };
    let place = |bound: &WindowFrameBound| match bound {
        WindowFrameBound::Preceding(_) if bound.is_unbounded() => Some(-i128::MAX),
        WindowFrameBound::Following(_) if bound.is_unbounded() => Some(i128::MAX),
        WindowFrameBound::CurrentRow => Some(0),
        WindowFrameBound::Preceding(offset) => Some(-rows(offset)?),
        WindowFrameBound::Following(offset) => rows(offset),
    };
    let near =
        |bound: &WindowFrameBound| bound.is_unbounded() || *bound == WindowFrameBound::CurrentRow;
    if frame.units == WindowFrameUnits::Range && !(near(start) && near(end)) {
        return refuse(
            "RANGE frames with an offset are not admitted",
            "use ROWS BETWEEN … AND …, or compare dates in a join",
        );
    }
    match (place(start), place(end)) {
        (Some(from), Some(to)) if from <= to => Ok(from == -i128::MAX && to == i128::MAX),
        _ => refuse(
            "the frame ends before it begins, or reaches too far",
            "write ROWS BETWEEN 1 PRECEDING AND CURRENT ROW, for instance",
        ),
    }
}

/// Aggregates are over exact types; what is not a value of the row (an offset, a number of buckets) is a literal.
fn check_exact(
    name: &str,
    aggregate: bool,
    params: &WindowFunctionParams,
    expr: &Expr,
    input: &Relation,
) -> Result<(), Refusal> {
    let refuse = |message: &str, hint: &str| Err(Refusal::new("S5", expr, message, hint));
    let values = usize::from(name != "ntile");
    if params
        .args
        .iter()
        .skip(values)
        .any(|arg| literal(arg).is_none())
    {
        return refuse(
            "offsets and defaults are literals",
            "write the number itself",
        );
    }
    let Some(argument) = params.args.first().filter(|_| aggregate && name != "count") else {
        return Ok(());
    };
    let float = argument
        .get_type(input.schema())
        .map_or(true, |kind| kind.is_floating());
    let sums = ["sum", "avg"].contains(&name);
    if float || (sums && !is_exact(argument, input)) {
        return refuse(
            "sums and extremes of floats depend on the order of the rows",
            "cast to DECIMAL first: AVG(CAST(x AS DECIMAL(18, 6))) OVER (…)",
        );
    }
    if name == "avg" && !super::aggregate::average_fits(argument, input) {
        return refuse(
            "an average of such wide decimals could overflow for some person",
            "cast to a narrower type first: AVG(CAST(x AS DECIMAL(18, 6))) OVER (…)",
        );
    }
    Ok(())
}
