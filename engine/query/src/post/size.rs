//! How many rows there can be above the releases: known before anything is paid, whatever the noise brings.

use std::collections::BTreeSet;

use datafusion::common::{Column, JoinType};
use datafusion::logical_expr::logical_plan::Join;
use datafusion::logical_expr::{Distinct, Expr, FetchType, LogicalPlan};

use super::Number;
use super::split::release_of_table;
use crate::derive::strip_alias;
use crate::public;
use crate::refusal::Refusal;

/// Rows of the tables that the operators read.
pub(super) struct Tables<'a> {
    /// Of each release: what its columns are, and the most rows it can have.
    pub releases: &'a [(&'a [Number], u64)],
    /// Rows of the table of clinical limits.
    pub measurements: u64,
}

/// Refuses joins that could make more rows than that. Their work, and that of repeating them, is bounded by it.
pub(super) fn refuse_too_many(
    above: &LogicalPlan,
    tables: &Tables<'_>,
    most: u64,
) -> Result<(), Refusal> {
    tables.of(above, most).map(drop)
}

/// Rows, and sets of columns of which no two rows have the same values, by place.
#[derive(Clone)]
struct Rows {
    most: u64,
    keys: Vec<BTreeSet<usize>>,
}

impl Tables<'_> {
    fn of(&self, plan: &LogicalPlan, most: u64) -> Result<Rows, Refusal> {
        let inputs = plan.inputs().into_iter().map(|input| self.of(input, most));
        let inputs = inputs.collect::<Result<Vec<_>, _>>()?;
        let rows = self.made_by(plan, &inputs);
        // Nothing else multiplies; branches of a union are as many as were written.
        let multiplies = matches!(plan, LogicalPlan::Join(_))
            && inputs.iter().all(|input| input.most < rows.most);
        if !multiplies || rows.most <= most {
            return Ok(rows);
        }
        Err(Refusal::new(
            "size",
            "JOIN above the releases",
            format!("it could make {} rows; {most} are the most", rows.most),
            "join released numbers on all their keys, aggregate or LIMIT them before they are multiplied, or multiply them yourself",
        ))
    }

    fn made_by(&self, plan: &LogicalPlan, inputs: &[Rows]) -> Rows {
        let rows = |most: u64| Rows {
            most,
            keys: Vec::new(),
        };
        match (plan, inputs) {
            (LogicalPlan::TableScan(scan), _) => match release_of_table(scan.table_name.table())
                .and_then(|release| self.releases.get(release))
            {
                Some((numbers, most)) => {
                    let places = numbers.iter().enumerate();
                    let keys = places.filter(|(_, number)| **number == Number::Key);
                    Rows {
                        most: *most,
                        keys: vec![keys.map(|(place, _)| place).collect()],
                    }
                }
                None if scan.table_name.table() == public::MEASUREMENT => rows(self.measurements),
                None => rows(u64::MAX),
            },
            (LogicalPlan::Values(values), _) => rows(values.values.len() as u64),
            (LogicalPlan::EmptyRelation(_), _) => rows(1),
            (LogicalPlan::Projection(node), [input]) => Rows {
                most: input.most,
                keys: chosen(&input.keys, |place| {
                    node.expr.iter().position(|expr| {
                        let column = strip_alias(expr).try_as_col();
                        column.and_then(|column| node.input.schema().maybe_index_of_column(column))
                            == Some(place)
                    })
                }),
            },
            (LogicalPlan::Limit(limit), [input]) => match limit.get_fetch_type() {
                Ok(FetchType::Literal(Some(fetch))) => Rows {
                    most: input.most.min(fetch as u64),
                    keys: input.keys.clone(),
                },
                _ => input.clone(),
            },
            (LogicalPlan::Aggregate(node), [input]) => {
                let groups = (0..node.group_expr.len()).collect();
                Rows {
                    most: if node.group_expr.is_empty() {
                        1
                    } else {
                        input.most
                    },
                    keys: vec![groups],
                }
            }
            (LogicalPlan::Distinct(Distinct::All(_)), [input]) => {
                let mut keys = input.keys.clone();
                keys.push((0..plan.schema().fields().len()).collect());
                Rows {
                    most: input.most,
                    keys,
                }
            }
            (LogicalPlan::Union(_), inputs) => {
                let all = inputs.iter().map(|input| input.most);
                rows(all.fold(0, u64::saturating_add))
            }
            (LogicalPlan::Join(join), [left, right]) => joined(join, left, right),
            (
                LogicalPlan::Filter(_)
                | LogicalPlan::Sort(_)
                | LogicalPlan::SubqueryAlias(_)
                | LogicalPlan::Window(_),
                [input],
            ) => input.clone(),
            _ => rows(u64::MAX),
        }
    }
}

/// The keys of which every column is among those that are chosen.
fn chosen(
    keys: &[BTreeSet<usize>],
    place: impl Fn(usize) -> Option<usize>,
) -> Vec<BTreeSet<usize>> {
    let chosen = keys
        .iter()
        .map(|key| key.iter().map(|at| place(*at)).collect::<Option<_>>());
    chosen.flatten().collect()
}

/// Each row of one side meets at most one of the other where the other's key is joined on.
fn joined(join: &Join, left: &Rows, right: &Rows) -> Rows {
    let on = |columns: Vec<&Expr>, side: &LogicalPlan| -> BTreeSet<usize> {
        let columns = columns.into_iter().filter_map(|expr| expr.try_as_col());
        let place = |column: &Column| side.schema().maybe_index_of_column(column);
        columns.filter_map(place).collect()
    };
    let (lefts, rights) = join.on.iter().map(|(l, r)| (l, r)).unzip();
    let found = |rows: &Rows, on: &BTreeSet<usize>| rows.keys.iter().any(|key| key.is_subset(on));
    let one_left = found(left, &on(lefts, &join.left)) || left.most <= 1;
    let one_right = found(right, &on(rights, &join.right)) || right.most <= 1;
    let width = join.left.schema().fields().len();
    let moved = || {
        let keys = right.keys.iter();
        keys.map(|key| key.iter().map(|place| place + width).collect())
    };
    let inner = match (one_left, one_right) {
        (true, true) => left.most.min(right.most),
        (false, true) => left.most,
        (true, false) => right.most,
        (false, false) => left.most.saturating_mul(right.most),
    };
    let with_unmatched = |sides: &[&Rows]| {
        let unmatched = sides.iter().map(|side| side.most);
        unmatched.fold(inner, u64::saturating_add)
    };
    let most = match join.join_type {
        JoinType::Inner => inner,
        JoinType::Left if one_right => left.most,
        JoinType::Right if one_left => right.most,
        JoinType::Left => with_unmatched(&[left]),
        JoinType::Right => with_unmatched(&[right]),
        JoinType::Full => with_unmatched(&[left, right]),
        JoinType::LeftSemi | JoinType::LeftAnti | JoinType::LeftMark => left.most,
        JoinType::RightSemi | JoinType::RightAnti | JoinType::RightMark => right.most,
    };
    let keys = match join.join_type {
        // A row that finds none has no values of the other side, as others have none.
        JoinType::Inner | JoinType::Left if one_right => left.keys.clone(),
        JoinType::Inner | JoinType::Right if one_left => moved().collect(),
        JoinType::LeftSemi | JoinType::LeftAnti | JoinType::LeftMark => left.keys.clone(),
        JoinType::RightSemi | JoinType::RightAnti => right.keys.clone(),
        _ => Vec::new(),
    };
    Rows { most, keys }
}
