//! What is known of a relation below the release: whose its rows are, and what its columns may hold.

use std::collections::BTreeMap;

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema, ScalarValue};
use datafusion::logical_expr::{Expr, LogicalPlan, Operator};

use salus_lake::TABLES;

use super::days::Range;
use super::domain::Domain;
use crate::functions::clamp::Clamp;

/// How a column stands to the unit of privacy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// Anything else.
    Plain,
    /// Equal to the tracked unit in every row.
    Unit,
    /// The unit of the side of an outer join that is not preserved: equal to the tracked unit, or NULL.
    UnitOrNull,
}

/// A column of a table of the catalog, as one scan of it produced it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Source {
    /// Number of the scan within the query: two scans of one table are two sources.
    pub scan: usize,
    pub table: String,
    pub column: String,
}

impl Source {
    /// Whether it is the id that the lake gives to each row of a table that ships. What a view calls so may be anything.
    pub(crate) fn is_row_id(&self) -> bool {
        self.column == "id" && TABLES.contains(&self.table.as_str())
    }
}

/// What is known of one column.
#[derive(Debug, Clone)]
pub(crate) struct Fact {
    pub role: Role,
    /// All rows of a person hold the same value.
    pub per_person: bool,
    /// Public set of values, when there is one.
    pub domain: Option<Domain>,
    /// Nodes of the expression that computes it, with those of the columns it reads: optimisers write definitions out where they are used.
    pub weight: u64,
    /// Where the values come from, unchanged or as MIN, MAX or AVG of them, so that catalog bounds apply. Bounds are enforced by clamping, so a
    /// wrong source costs accuracy, never privacy.
    pub source: Option<Source>,
    /// Numbers a person's rows from 1, each number once.
    pub numbers_rows: bool,
    /// First and last day that it can hold, where it is a date and filters say so; NULL apart.
    pub days: Range,
    /// The values are computed from several of the source's, and lie between its steps.
    pub between_steps: bool,
    /// The literal ends that `clamp()` put its values between, or those it is MIN, MAX or AVG of. They are enforced again where they are relied on.
    pub clamped: Option<(ScalarValue, ScalarValue)>,
}

impl Fact {
    pub(crate) fn plain() -> Self {
        Self {
            role: Role::Plain,
            per_person: false,
            domain: None,
            weight: 1,
            source: None,
            numbers_rows: false,
            between_steps: false,
            clamped: None,
            days: Range::default(),
        }
    }
}

/// The column that says whose a row is.
#[derive(Debug, Clone)]
pub(crate) struct Unit {
    pub column: Column,
    /// The analyst dropped it; it is carried for her.
    pub carried: bool,
}

/// A relation below the release, with its plan rewritten so that functions are total and the unit is carried.
#[derive(Debug, Clone)]
pub(crate) struct Relation {
    pub plan: LogicalPlan,
    /// `None`: the relation is public.
    pub unit: Option<Unit>,
    /// One per field of the plan's schema.
    pub facts: Vec<Fact>,
    /// How many rows joins with public rows can make of one of hers at most (of a public relation: 1).
    pub fan_out: u64,
    /// Most rows of one person (of a public relation: most rows); `None`: no bound is known.
    pub rows: Option<u64>,
    /// Rows of one person that usually suffice: the product of the catalog's defaults. Only a default; it bounds nothing by itself.
    pub usual_rows: u64,
    /// Code that a scan's `code` column is known to equal.
    pub codes: BTreeMap<usize, String>,
    /// Position of the certificate's step that made it.
    pub step: u64,
}

impl Relation {
    pub(crate) fn schema(&self) -> &DFSchema {
        self.plan.schema()
    }

    /// The columns, one for each fact.
    pub(crate) fn columns(&self) -> Vec<Column> {
        self.schema().columns()
    }

    /// The fact of a column. A column that does not resolve is the planner's bug; it gets the role that allows least.
    pub(crate) fn fact(&self, column: &Column) -> Option<&Fact> {
        self.schema()
            .maybe_index_of_column(column)
            .and_then(|index| self.facts.get(index))
    }

    /// The role of an expression that is a bare column.
    pub(crate) fn role(&self, expr: &Expr) -> Role {
        match expr {
            Expr::Column(column) => self.fact(column).map_or(Role::Plain, |fact| fact.role),
            Expr::Alias(alias) => self.role(&alias.expr),
            _ => Role::Plain,
        }
    }

    /// Nodes of an expression, written out.
    pub(crate) fn weight(&self, expr: &Expr) -> u64 {
        let mut weight = 0_u64;
        let _ = expr.apply(|node| {
            let more = match node {
                Expr::Column(column) => self.fact(column).map_or(1, |fact| fact.weight),
                _ => 1,
            };
            weight = weight.saturating_add(more);
            Ok(TreeNodeRecursion::Continue)
        });
        weight
    }

    /// Whether an expression has one value per person.
    pub(crate) fn is_per_person(&self, expr: &Expr) -> bool {
        expr.column_refs()
            .iter()
            .all(|column| self.fact(column).is_some_and(|fact| fact.per_person))
    }

    /// Codes that a predicate pins by `code = '…'` in a top-level conjunct.
    pub(crate) fn pin_codes(&mut self, predicate: &Expr) {
        match predicate {
            Expr::BinaryExpr(binary) if binary.op == Operator::And => {
                self.pin_codes(&binary.left);
                self.pin_codes(&binary.right);
            }
            Expr::BinaryExpr(binary) if binary.op == Operator::Eq => {
                self.pin(&binary.left, &binary.right);
                self.pin(&binary.right, &binary.left);
            }
            Expr::InList(list) if !list.negated && list.list.len() == 1 => {
                self.pin(&list.expr, &list.list[0]);
            }
            _ => {}
        }
    }

    fn pin(&mut self, column: &Expr, literal: &Expr) {
        let Expr::Column(column) = column else { return };
        let Some(code) = literal_text(literal) else {
            return;
        };
        let Some(source) = self.fact(column).and_then(|fact| fact.source.clone()) else {
            return;
        };
        if source.column == "code" {
            self.codes.insert(source.scan, code);
        }
    }
}

/// The literal ends that the values of an expression were clamped between.
pub(crate) fn clamped(expr: &Expr, relation: &Relation) -> Option<(ScalarValue, ScalarValue)> {
    match expr {
        Expr::Alias(alias) => clamped(&alias.expr, relation),
        Expr::Column(column) => relation.fact(column)?.clamped.clone(),
        Expr::ScalarFunction(call) => match (call.name(), call.args.as_slice()) {
            (Clamp::NAME, [_, low, high]) => literal(low).zip(literal(high)),
            _ => None,
        },
        _ => None,
    }
}

/// The text of a string literal, also through a cast between string types.
pub(crate) fn literal_text(expr: &Expr) -> Option<String> {
    match literal(expr)? {
        ScalarValue::Utf8(text) | ScalarValue::LargeUtf8(text) | ScalarValue::Utf8View(text) => {
            text
        }
        _ => None,
    }
}

/// A literal, also through aliases and casts that a coercion put around it.
pub(crate) fn literal(expr: &Expr) -> Option<ScalarValue> {
    match expr {
        Expr::Literal(value, _) => Some(value.clone()),
        Expr::Alias(alias) => literal(&alias.expr),
        Expr::Cast(cast) => literal(&cast.expr)?.cast_to(cast.field.data_type()).ok(),
        Expr::TryCast(cast) => literal(&cast.expr)?.cast_to(cast.field.data_type()).ok(),
        Expr::Negative(inner) => literal(inner)?.arithmetic_negate().ok(),
        _ => None,
    }
}
