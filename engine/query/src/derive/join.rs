//! S2 and S3: joins.

use std::sync::Arc;

use datafusion::common::{JoinType, NullEquality};
use datafusion::logical_expr::logical_plan::Join;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder};

use super::days::Range;
use super::domain::Domain;
use super::expression::total;
use super::public::{most_matches, usual_matches};
use super::relation::{Fact, Relation, Role, Unit};
use super::{Derivation, planner};
use crate::faults::{Fault, planted};
use crate::refusal::Refusal;

/// Most rows that joins with public rows make of one of a person's.
const MOST_FAN_OUT: u64 = 1_000;

/// Most rows of a join of public rows.
const MOST_PUBLIC_ROWS: u64 = 1_000_000;

impl Derivation<'_> {
    pub(super) fn join(&mut self, join: &Join, plan: &LogicalPlan) -> Result<Relation, Refusal> {
        let left = self.relation(&join.left)?;
        let right = self.relation(&join.right)?;
        let at = describe(join);
        if join.null_equality != NullEquality::NullEqualsNothing {
            return Err(Refusal::new(
                "S2",
                at,
                "this join treats NULLs as equal",
                "compare with = instead of IS NOT DISTINCT FROM; instead of INTERSECT and EXCEPT use EXISTS and NOT EXISTS with inner.person_id = outer.person_id",
            ));
        }
        if join.null_aware {
            return Err(Refusal::new(
                "S2",
                at,
                "NOT IN over a subquery answers for everybody at once when one value is NULL",
                "use NOT EXISTS (SELECT … WHERE inner.person_id = outer.person_id)",
            ));
        }
        let rule = match (&left.unit, &right.unit) {
            (Some(_), Some(_)) => bind_private(join, &left, &right, &at)?,
            (None, None) => join_public(join, &at)?,
            _ => bind_public(join, left.unit.is_some(), &at)?,
        };
        let on = join
            .on
            .iter()
            .map(|(l, r)| match (left.role(l), right.role(r)) {
                // The pair that binds the person stays as it is.
                (Role::Unit, Role::Unit) => Ok((l.clone(), r.clone())),
                _ => Ok((total(l, &left)?, total(r, &right)?)),
            })
            .collect::<Result<Vec<_>, Refusal>>()?;
        let outcome = Outcome::of(join.join_type, &left, &right);
        let (preserved_scans, optional_scans) = (scans(&left), scans(&right));
        let filter = join
            .filter
            .as_ref()
            .map(|filter| total(filter, &beside(&left, &right)))
            .transpose()?;
        // What is computed from public relations alone is one public relation.
        let public = rule == "S0p";
        let inputs = [left.step, right.step];
        let step = self.step(
            rule,
            &join.join_type.to_string(),
            if public { &[] } else { &inputs },
            public.then_some("(join)"),
            outcome.rows,
        );
        let usual_rows = match join.join_type {
            JoinType::LeftSemi | JoinType::LeftAnti | JoinType::LeftMark => left.usual_rows,
            _ => self.usual_rows(join, &left, &right),
        };
        let fan_out = self.fan_out(join, &left, &right, &at)?;
        let mut codes = left.codes.clone();
        codes.extend(right.codes.clone());
        let turned = is_better_turned(join.join_type, &left, &right);
        let rewritten = Join::try_new(
            Arc::new(left.plan),
            Arc::new(right.plan),
            on,
            filter,
            join.join_type,
            join.join_constraint,
            join.null_equality,
            false,
        );
        let rewritten = match rewritten {
            Ok(join) if turned => turn(join),
            other => other.map(LogicalPlan::Join),
        };
        let mut relation = Relation {
            plan: rewritten.map_err(|e| planner(plan, &e))?,
            unit: outcome.unit,
            facts: outcome.facts,
            rows: outcome.rows,
            fan_out,
            usual_rows,
            codes,
            step,
        };
        if let Some(condition) = &join.filter {
            // An outer join's condition chooses among the rows of the optional side; those of the other all stay.
            let known = relation.codes.clone();
            relation.pin_codes(condition);
            let chosen = match join.join_type {
                JoinType::Inner | JoinType::LeftSemi => None,
                JoinType::Left => Some(optional_scans),
                JoinType::Right => Some(preserved_scans),
                _ => Some(Vec::new()),
            };
            if let Some(chosen) = chosen {
                relation
                    .codes
                    .retain(|scan, _| known.contains_key(scan) || chosen.contains(scan));
            }
        }
        Ok(relation)
    }
}

impl Derivation<'_> {
    /// How many rows public rows can make of one of a person's. It is limited, so that nobody's rows take so much time or memory that others could
    /// tell that they are there.
    fn fan_out(
        &self,
        join: &Join,
        left: &Relation,
        right: &Relation,
        at: &str,
    ) -> Result<u64, Refusal> {
        let own = left.fan_out.saturating_mul(right.fan_out);
        let multiplies = !matches!(
            join.join_type,
            JoinType::LeftSemi | JoinType::LeftAnti | JoinType::LeftMark
        );
        let matches = |plan: &LogicalPlan, of: &Relation, keys: Vec<&Expr>| {
            let all = of.rows.unwrap_or(u64::MAX);
            most_matches(plan, &keys, self.catalog).map_or(all, |some| some.min(all))
        };
        let keys = |side: fn(&(Expr, Expr)) -> &Expr| join.on.iter().map(side).collect();
        let (fan_out, most) = match (&left.unit, &right.unit) {
            (Some(_), Some(_)) => (own, MOST_FAN_OUT),
            _ if !multiplies => (left.fan_out, MOST_FAN_OUT),
            (Some(_), None) => (
                own.saturating_mul(matches(&join.right, right, keys(|(_, r)| r))),
                MOST_FAN_OUT,
            ),
            (None, Some(_)) => (
                own.saturating_mul(matches(&join.left, left, keys(|(l, _)| l))),
                MOST_FAN_OUT,
            ),
            (None, None) => {
                let rows = left.rows.zip(right.rows);
                (
                    rows.map_or(u64::MAX, |(l, r)| l.saturating_mul(r)),
                    MOST_PUBLIC_ROWS,
                )
            }
        };
        if fan_out > most {
            return Err(Refusal::new(
                "S3",
                at,
                format!("this join can make more than {most} rows of one"),
                "join public rows on a column that tells them apart, or use fewer of them",
            ));
        }
        Ok(if left.unit.is_none() && right.unit.is_none() {
            1
        } else {
            fan_out.max(1)
        })
    }

    /// Rows of a person that usually suffice after a join: each row of one side meets those rows of the other that its keys allow. It is a default,
    /// and bounds nothing.
    fn usual_rows(&self, join: &Join, left: &Relation, right: &Relation) -> u64 {
        let keys = |side: fn(&(Expr, Expr)) -> &Expr| join.on.iter().map(side).collect::<Vec<_>>();
        let (of_left, of_right) = (keys(|(l, _)| l), keys(|(_, r)| r));
        let matches = |of: &Relation, plan: &LogicalPlan, keys: &[&Expr]| {
            let by_row_id = |key: &&Expr| {
                let column = key.try_as_col();
                let source = column.and_then(|column| of.fact(column)?.source.clone());
                source.is_some_and(|source| source.is_row_id())
            };
            if keys.iter().any(by_row_id) {
                return 1;
            }
            let public = of
                .unit
                .is_none()
                .then(|| usual_matches(plan, keys, self.catalog));
            public.flatten().unwrap_or(of.usual_rows).max(1)
        };
        let to_right = left
            .usual_rows
            .saturating_mul(matches(right, &join.right, &of_right));
        let to_left = right
            .usual_rows
            .saturating_mul(matches(left, &join.left, &of_left));
        match (&left.unit, &right.unit) {
            (Some(_), Some(_)) => to_right.min(to_left),
            (Some(_), None) => to_right,
            (None, Some(_)) => to_left,
            (None, None) => left.usual_rows.saturating_mul(right.usual_rows),
        }
    }
}

/// Whether the right side is likely the smaller one, by what is public: the planner knows no sizes, and keeps the left side in memory.
fn is_better_turned(kind: JoinType, left: &Relation, right: &Relation) -> bool {
    let many = |relation: &Relation| relation.unit.is_some() && relation.rows != Some(1);
    match kind {
        JoinType::Inner => many(left) && !many(right),
        JoinType::LeftSemi | JoinType::LeftAnti => many(left),
        _ => false,
    }
}

/// The same join with its sides exchanged, and its columns where they were.
fn turn(join: Join) -> datafusion::error::Result<LogicalPlan> {
    let columns: Vec<Expr> = join
        .schema
        .columns()
        .into_iter()
        .map(Expr::Column)
        .collect();
    let kind = join.join_type.swap();
    let on = join.on.into_iter().map(|(l, r)| (r, l)).collect();
    let turned = Join::try_new(
        join.right,
        join.left,
        on,
        join.filter,
        kind,
        join.join_constraint,
        join.null_equality,
        false,
    )?;
    let turned = LogicalPlan::Join(turned);
    match kind {
        JoinType::Inner => LogicalPlanBuilder::from(turned).project(columns)?.build(),
        _ => Ok(turned),
    }
}

/// S2: a top-level conjunct equates the two tracked units, and the preserved side's unit survives.
fn bind_private(
    join: &Join,
    left: &Relation,
    right: &Relation,
    at: &str,
) -> Result<&'static str, Refusal> {
    let binds = join.on.iter().any(|(l, r)| {
        left.role(l) == Role::Unit && right.role(r) == Role::Unit && is_bare(l) && is_bare(r)
    });
    if !binds {
        let hint = match join.join_type {
            JoinType::LeftSemi | JoinType::LeftAnti | JoinType::LeftMark => {
                "add `WHERE inner.person_id = outer.person_id` to the subquery of EXISTS, or write person_id IN (SELECT person_id …)"
            }
            _ => "add `AND a.person_id = b.person_id` to the join condition",
        };
        return Err(Refusal::new(
            "S2",
            at,
            "this join does not bind the person: no top-level condition equates the person_id of both sides",
            hint,
        ));
    }
    match join.join_type {
        kind if is_known(kind) => Ok("S2"),
        other => Err(Refusal::new(
            "S2",
            at,
            format!("a {other} join loses the person on one side"),
            "use an inner, left or right join",
        )),
    }
}

/// Two public relations: kinds whose facts and row bounds are known.
fn join_public(join: &Join, at: &str) -> Result<&'static str, Refusal> {
    if is_known(join.join_type) {
        return Ok("S0p");
    }
    Err(Refusal::new(
        "S0p",
        at,
        format!("a {} join is not admitted", join.join_type),
        "use an inner, left or right join",
    ))
}

fn is_known(kind: JoinType) -> bool {
    matches!(
        kind,
        JoinType::Inner
            | JoinType::Left
            | JoinType::Right
            | JoinType::LeftSemi
            | JoinType::LeftAnti
            | JoinType::LeftMark
    )
}

/// S3: the private side is preserved or inner.
fn bind_public(join: &Join, private_is_left: bool, at: &str) -> Result<&'static str, Refusal> {
    let keeps = match join.join_type {
        JoinType::Inner => true,
        JoinType::Left | JoinType::LeftSemi | JoinType::LeftAnti | JoinType::LeftMark => {
            private_is_left
        }
        JoinType::Right => !private_is_left,
        _ => false,
    };
    if keeps {
        return Ok("S3");
    }
    Err(Refusal::new(
        "S3",
        at,
        "this join keeps public rows that no person stands behind",
        "put the private table on the preserved side, or use an inner join",
    ))
}

fn is_bare(expr: &Expr) -> bool {
    matches!(expr, Expr::Column(_))
}

struct Outcome {
    unit: Option<Unit>,
    facts: Vec<Fact>,
    rows: Option<u64>,
}

impl Outcome {
    fn of(kind: JoinType, left: &Relation, right: &Relation) -> Self {
        let product = left
            .rows
            .zip(right.rows)
            .and_then(|(l, r)| l.checked_mul(r));
        // A row that meets one row at most keeps its number to itself.
        let beside = |facts: Vec<Fact>, other: &Relation| -> Vec<Fact> {
            let repeats = other.rows != Some(1);
            let number = |fact| if repeats { renumbered(fact) } else { fact };
            facts.into_iter().map(number).collect()
        };
        let both = |l: Vec<Fact>, r: Vec<Fact>| {
            let (l, r) = (beside(l, right), beside(r, left));
            l.into_iter().chain(r).collect()
        };
        let (l, r) = (left.facts.clone(), right.facts.clone());
        match kind {
            JoinType::LeftSemi | JoinType::LeftAnti => Self {
                unit: left.unit.clone(),
                facts: l,
                rows: left.rows,
            },
            JoinType::LeftMark => Self {
                unit: left.unit.clone(),
                facts: both(l, vec![Fact::plain()]),
                rows: left.rows,
            },
            JoinType::Left => Self {
                unit: left.unit.clone(),
                facts: both(l, optional(r)),
                // A preserved row without a match stays once, even when the other side is empty.
                rows: left
                    .rows
                    .zip(right.rows)
                    .and_then(|(l, r)| l.checked_mul(r.max(1))),
            },
            JoinType::Right => Self {
                unit: right.unit.clone(),
                facts: both(optional(l), r),
                rows: left
                    .rows
                    .zip(right.rows)
                    .and_then(|(l, r)| l.max(1).checked_mul(r)),
            },
            // Inner; every other kind has been refused.
            _ => Self {
                unit: left.unit.clone().or_else(|| right.unit.clone()),
                facts: both(l, r),
                rows: product,
            },
        }
    }
}

/// A join may repeat a row, with its number.
fn renumbered(fact: Fact) -> Fact {
    Fact {
        numbers_rows: false,
        ..fact
    }
}

/// Facts of the side of an outer join that is not preserved: its columns may be NULL in some of a person's rows and not in others.
fn optional(facts: Vec<Fact>) -> Vec<Fact> {
    facts
        .into_iter()
        .map(|fact| Fact {
            role: if fact.role == Role::Plain {
                Role::Plain
            } else {
                Role::UnitOrNull
            },
            per_person: fact.per_person && planted(Fault::OneValueAfterOuterJoin),
            domain: fact.domain.map(Domain::or_null),
            // The domain of days between ends has no NULL, and there may be one now.
            days: Range::default(),
            ..fact
        })
        .collect()
}

/// The scans that the columns of a relation come from.
fn scans(relation: &Relation) -> Vec<usize> {
    let sources = relation
        .facts
        .iter()
        .filter_map(|fact| fact.source.as_ref());
    sources.map(|source| source.scan).collect()
}

/// Both sides at once, for the condition of a join.
fn beside(left: &Relation, right: &Relation) -> Relation {
    let schema = left.schema().join(right.schema());
    let facts: Vec<_> = left.facts.iter().chain(&right.facts).cloned().collect();
    let plan = match schema {
        Ok(schema) => LogicalPlan::EmptyRelation(datafusion::logical_expr::EmptyRelation {
            produce_one_row: false,
            schema: Arc::new(schema),
        }),
        Err(_) => left.plan.clone(),
    };
    Relation {
        plan,
        facts,
        ..left.clone()
    }
}

/// The join as the analyst wrote it.
fn describe(join: &Join) -> String {
    let pairs: Vec<String> = join
        .on
        .iter()
        .map(|(l, r)| format!("{l} = {r}"))
        .chain(join.filter.iter().map(ToString::to_string))
        .collect();
    if pairs.is_empty() {
        format!("{} JOIN without a condition", join.join_type)
    } else {
        format!("{} JOIN ON {}", join.join_type, pairs.join(" AND "))
    }
}
