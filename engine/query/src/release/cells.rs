//! Grouping keys and the cells of the answer: every combination of public keys, also the empty ones.

use std::collections::HashMap;

use datafusion::arrow::datatypes::{DataType, FieldRef};
use datafusion::common::ScalarValue;
use datafusion::logical_expr::{Expr, ExprSchemable};
use datafusion::prelude::{lit, when};

use crate::derive::domain::domain_of;
use crate::derive::expression::total;
use crate::derive::relation::{Relation, Role};
use crate::refusal::Refusal;

/// What the data holds beside the declared values of a text key.
const OTHER: &str = "OTHER";

/// One grouping key.
#[derive(Debug, Clone)]
pub(crate) struct Key {
    /// The total expression, mapped into the domain.
    pub expr: Expr,
    /// The column as the aggregate puts it out.
    pub field: FieldRef,
    /// Every value the mapped expression can take.
    pub values: Vec<ScalarValue>,
    /// All rows of a person have the same key.
    pub per_person: bool,
}

impl Key {
    pub(super) fn of(expr: &Expr, field: &FieldRef, relation: &Relation) -> Result<Self, Refusal> {
        if matches!(expr, Expr::GroupingSet(_)) {
            return Err(Refusal::new(
                "keys",
                expr,
                "ROLLUP, CUBE and GROUPING SETS are releases of their own",
                "ask each grouping as a question of its own",
            ));
        }
        if relation.role(expr) != Role::Plain {
            return Err(Refusal::new(
                "release",
                expr,
                "the answer cannot be grouped by the person",
                "group by person_id in a subquery, and aggregate that",
            ));
        }
        let Some(domain) = domain_of(expr, relation) else {
            return Err(Refusal::new(
                "keys",
                expr,
                "the values of this key are not known in public, and which of them occur is private",
                "group by a column with a declared domain (`salus catalog show`), by CASE WHEN … THEN 'a' … END, by a boolean, or by age_band(birth_date, DATE '2025-01-01', 10)",
            ));
        };
        let data_type = field.data_type();
        let plain = total(expr, relation)?;
        // Asked of the total version, which can be NULL where the original would have failed.
        let nullable = plain.nullable(relation.schema()).unwrap_or(true) || !domain.closed;
        let mut values = domain.values.clone();
        let mapped = if domain.closed {
            plain
        } else {
            outside_is_other(plain, &mut values, data_type).map_err(|e| {
                Refusal::new(
                    "keys",
                    expr,
                    e.strip_backtrace(),
                    "please report this query",
                )
            })?
        };
        if nullable {
            let null = ScalarValue::try_from(data_type).map_err(|e| {
                Refusal::new(
                    "keys",
                    expr,
                    e.strip_backtrace(),
                    "please report this query",
                )
            })?;
            values.push(null);
        }
        Ok(Self {
            expr: mapped,
            field: field.clone(),
            values,
            per_person: relation.is_per_person(expr),
        })
    }
}

/// Declared values stay; other text becomes OTHER, other numbers become NULL.
fn outside_is_other(
    key: Expr,
    values: &mut Vec<ScalarValue>,
    data_type: &DataType,
) -> datafusion::error::Result<Expr> {
    let declared: Vec<Expr> = values.iter().map(|value| lit(value.clone())).collect();
    let inside = key.clone().in_list(declared, false);
    if !matches!(
        data_type,
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View
    ) {
        return when(inside, key).end();
    }
    let other = ScalarValue::from(OTHER).cast_to(data_type)?;
    if !values.contains(&other) {
        values.push(other.clone());
    }
    when(
        key.clone().is_null(),
        lit(ScalarValue::try_from(data_type)?),
    )
    .when(inside, key)
    .otherwise(lit(other))
}

/// All cells of an answer, in the order they are shown: the first key varies slowest.
#[derive(Debug, Clone)]
pub(crate) struct Cells {
    pub keys: Vec<Key>,
    count: usize,
}

impl Cells {
    pub(super) fn new(keys: Vec<Key>, most: u64) -> Result<Self, Refusal> {
        let count = keys
            .iter()
            .try_fold(1_usize, |cells, key| cells.checked_mul(key.values.len()));
        match count {
            Some(count) if count as u64 <= most => Ok(Self { keys, count }),
            _ => Err(Refusal::new(
                "keys",
                "GROUP BY",
                format!("the keys have more than {most} combinations"),
                "group by fewer or coarser keys",
            )),
        }
    }

    /// Number of cells; one when there is no key.
    pub(crate) fn len(&self) -> usize {
        self.count
    }

    /// L0: how many cells the rows of one person can touch.
    ///
    /// Keys with one value per person do not multiply it; a person with at most `rows` rows touches at most `rows` cells.
    pub(super) fn groups_per_person(&self, rows: Option<u64>) -> u64 {
        let spread: u64 = self
            .keys
            .iter()
            .filter(|key| !key.per_person)
            .map(|key| key.values.len() as u64)
            .product();
        rows.map_or(spread, |rows| spread.min(rows)).max(1)
    }

    /// The key values of a cell.
    pub(crate) fn values_at(&self, mut cell: usize) -> Vec<ScalarValue> {
        let mut values: Vec<_> = self
            .keys
            .iter()
            .rev()
            .map(|key| {
                let value = key.values[cell % key.values.len()].clone();
                cell /= key.values.len();
                value
            })
            .collect();
        values.reverse();
        values
    }

    /// From key values to the cell's position.
    pub(crate) fn index(&self) -> CellIndex {
        CellIndex {
            keys: self
                .keys
                .iter()
                .map(|key| {
                    key.values
                        .iter()
                        .cloned()
                        .enumerate()
                        .map(|(i, v)| (v, i))
                        .collect()
                })
                .collect(),
        }
    }

    /// Canonical bytes of the answered keys, for the ledger's commitment.
    pub(crate) fn canonical_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for key in &self.keys {
            for value in &key.values {
                // Debug text of a scalar is injective enough to tell values apart: NULL, numbers and quoted text.
                bytes.extend_from_slice(format!("{value:?}").as_bytes());
                bytes.push(0);
            }
            bytes.push(1);
        }
        bytes
    }
}

/// Looks up cells by key values.
#[derive(Debug)]
pub(crate) struct CellIndex {
    keys: Vec<HashMap<ScalarValue, usize>>,
}

impl CellIndex {
    /// The cell of these key values; `None` if one is outside its domain, which the mapping of keys excludes.
    pub(crate) fn cell(&self, values: impl Iterator<Item = ScalarValue>) -> Option<usize> {
        self.keys
            .iter()
            .zip(values)
            .try_fold(0_usize, |cell, (key, value)| {
                Some(cell * key.len() + key.get(&value)?)
            })
    }
}
