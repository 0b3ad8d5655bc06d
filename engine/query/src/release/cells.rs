//! Grouping keys and the cells of the answer: every combination of public keys, also the empty ones.

use std::collections::HashMap;

use datafusion::arrow::datatypes::{DataType, FieldRef};
use datafusion::common::ScalarValue;
use datafusion::logical_expr::{Expr, ExprSchemable};
use datafusion::prelude::{lit, when};

use crate::derive::domain::{Domain, domain_of};
use crate::derive::expression::total;
use crate::derive::relation::Relation;
use crate::derive::strip_alias;
use crate::functions::age::AgeBand;
use crate::functions::total::MOST_TEXT;
use crate::refusal::Refusal;
use crate::unresolved::said;

/// What the data holds beside the declared values of a text key.
const OTHER: &str = "OTHER";

/// Keys of a release, most.
const MOST_KEYS: usize = 32;

/// Texts of the lake are no longer, in bytes: what is, ingest leaves out.
const LONGEST_TEXT: u64 = 256;

/// Bytes of keys that one of a person's rows can bring, most: so little that nobody's rows fill memory.
const MOST_KEY_BYTES: u64 = 1 << 18;

/// One grouping key.
#[derive(Debug, Clone)]
pub(crate) struct Key {
    /// What rows are grouped by, total but not mapped into the domain: as cheap as the query was written.
    pub raw: Expr,
    /// The same, mapped into the domain: what is grouped by where a person's rows are brought together first.
    pub mapped: Expr,
    /// Every value the answer shows.
    pub values: Vec<ScalarValue>,
    /// The values of the mapped expression, in the order of `values`; mostly the same.
    pub grouped: Vec<ScalarValue>,
    /// Which of them stands for what is outside the domain.
    pub outside: Option<usize>,
    /// All rows of a person have the same key.
    pub per_person: bool,
}

impl Key {
    /// A key whose values are not public, or that stands beside one: grouped by as it is, its values shown where a threshold allows.
    fn unknown(expr: &Expr, field: &FieldRef, relation: &Relation) -> Result<Self, Refusal> {
        refuse_kind(expr, field)?;
        let plain = total(expr, relation)?;
        Ok(Self {
            raw: plain.clone(),
            mapped: plain,
            values: Vec::new(),
            grouped: Vec::new(),
            outside: None,
            per_person: relation.is_per_person(expr),
        })
    }

    /// A key with a public domain, or `None`.
    fn public(expr: &Expr, field: &FieldRef, relation: &Relation) -> Result<Option<Self>, Refusal> {
        domain_of(expr, relation)
            .map(|domain| Self::with_domain(expr, field, relation, &domain))
            .transpose()
    }

    fn with_domain(
        expr: &Expr,
        field: &FieldRef,
        relation: &Relation,
        domain: &Domain,
    ) -> Result<Self, Refusal> {
        let data_type = field.data_type();
        if let Some(key) = Self::age_band(expr, field, relation)? {
            return Ok(key);
        }
        if !matches!(data_type, DataType::Timestamp(..)) {
            refuse_kind(expr, field)?;
        }
        let plain = total(expr, relation)?;
        // Asked of the total version, which can be NULL where the original would have failed.
        let may_be_null = domain.null && plain.nullable(relation.schema()).unwrap_or(true);
        let nullable = may_be_null || !domain.closed;
        let mut values = domain.values.clone();
        let mapped = if domain.closed {
            plain.clone()
        } else {
            outside_is_other(plain.clone(), &mut values, data_type)
                .map_err(|e| Refusal::new("keys", expr, said(&e), "please report this query"))?
        };
        if nullable {
            let null = ScalarValue::try_from(data_type)
                .map_err(|e| Refusal::new("keys", expr, said(&e), "please report this query"))?;
            values.push(null);
        }
        let other = (!domain.closed).then(|| other_of(&values));
        Ok(Self {
            raw: plain,
            mapped,
            grouped: values.clone(),
            outside: other.flatten(),
            values,
            per_person: relation.is_per_person(expr),
        })
    }

    /// Bands of ages are grouped by number and shown as text.
    fn age_band(
        expr: &Expr,
        field: &FieldRef,
        relation: &Relation,
    ) -> Result<Option<Self>, Refusal> {
        let (Some((number, bands)), Ok(null)) = (
            AgeBand::numbered(strip_alias(expr)),
            ScalarValue::try_from(field.data_type()),
        ) else {
            return Ok(None);
        };
        let number = total(&number, relation)?;
        let numbers = (0..).take(bands.len()).map(|n| ScalarValue::Int32(Some(n)));
        Ok(Some(Self {
            raw: number.clone(),
            mapped: number,
            grouped: numbers.chain([ScalarValue::Int32(None)]).collect(),
            outside: None,
            values: bands
                .into_iter()
                .map(ScalarValue::from)
                .chain([null])
                .collect(),
            per_person: relation.is_per_person(expr),
        }))
    }
}

/// Where text that is not declared goes, and numbers: OTHER, and NULL, which is last.
fn other_of(values: &[ScalarValue]) -> Option<usize> {
    let is_other = |value: &ScalarValue| matches!(value.try_as_str(), Some(Some(OTHER)));
    values
        .iter()
        .position(is_other)
        .or_else(|| values.iter().position(ScalarValue::is_null))
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

/// Types of which equal values are the same bytes, and every one can be spelled: a key that could not would fail only where enough persons have it,
/// and one that is spelled in two ways would be two groups or one by whose row comes first.
fn refuse_kind(expr: &Expr, field: &FieldRef) -> Result<(), Refusal> {
    if crate::unknown::can_spell(field.data_type()) {
        return Ok(());
    }
    Err(Refusal::new(
        "keys",
        expr,
        format!("keys of type {} are not shown", field.data_type()),
        "cast it to DATE, DECIMAL or VARCHAR, or group by bands: CASE WHEN … THEN 'a' … END",
    ))
}

/// All cells of an answer, in the order they are shown: the first key varies slowest.
///
/// Where a key has no public domain the cells are the groups that a threshold lets through, and how many they are is known afterwards.
#[derive(Debug, Clone)]
pub(crate) struct Cells {
    pub keys: Vec<Key>,
    /// Types of the keys in the answer.
    types: Vec<DataType>,
    /// `None`: not public.
    count: Option<usize>,
}

impl Cells {
    /// The cells of grouping expressions, given with the columns as the aggregate puts them out.
    pub(super) fn of(
        keys: &[(&Expr, &FieldRef)],
        relation: &Relation,
        most: u64,
    ) -> Result<Self, Refusal> {
        if keys.len() > MOST_KEYS {
            return Err(Refusal::new(
                "keys",
                "GROUP BY",
                format!("there are more than {MOST_KEYS} keys"),
                "group by fewer; what is the same for all rows need not be a key",
            ));
        }
        let types = keys
            .iter()
            .map(|(_, field)| field.data_type().clone())
            .collect();
        // One key that is not public makes all combinations unknown.
        let public: Option<Vec<Key>> = keys
            .iter()
            .map(|(expr, field)| Key::public(expr, field, relation))
            .collect::<Result<_, _>>()?;
        if let Some(keys) = public {
            return Self::public(keys, types, most);
        }
        let keys = keys
            .iter()
            .map(|(expr, field)| Key::unknown(expr, field, relation))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            keys,
            types,
            count: None,
        })
    }

    /// Refuses keys of which one row of a person could bring so many and so long ones that others would notice her.
    pub(super) fn refuse_long(&self, relation: &Relation) -> Result<(), Refusal> {
        let bytes = |key: &Key| match key.raw.get_type(relation.schema()) {
            Ok(kind) if kind.is_string() && key.raw.try_as_col().is_some() => LONGEST_TEXT,
            Ok(kind) if kind.is_string() => MOST_TEXT as u64,
            _ => 16,
        };
        let bytes = self.keys.iter().map(bytes).sum::<u64>();
        if bytes.saturating_mul(relation.fan_out) <= MOST_KEY_BYTES {
            return Ok(());
        }
        Err(Refusal::new(
            "keys",
            "GROUP BY",
            format!(
                "joins with public rows can make more than {MOST_KEY_BYTES} bytes of keys of one row"
            ),
            "group by fewer texts, or join public rows on a column that tells them apart",
        ))
    }

    fn public(keys: Vec<Key>, types: Vec<DataType>, most: u64) -> Result<Self, Refusal> {
        let count = keys
            .iter()
            .try_fold(1_usize, |cells, key| cells.checked_mul(key.values.len()));
        match count {
            Some(count) if count as u64 <= most => Ok(Self {
                keys,
                types,
                count: Some(count),
            }),
            _ => Err(Refusal::new(
                "keys",
                "GROUP BY",
                format!("the keys have more than {most} combinations"),
                "group by fewer or coarser keys",
            )),
        }
    }

    /// Number of cells, one when there is no key; 0 where it is not public.
    pub(crate) fn len(&self) -> usize {
        self.count.unwrap_or(0)
    }

    /// Whether the cells are known before the data is read.
    pub(crate) fn are_public(&self) -> bool {
        self.count.is_some()
    }

    /// Types of the keys in the answer.
    pub(crate) fn types(&self) -> &[DataType] {
        &self.types
    }

    /// How many cells the rows of one person can touch; `None` if no bound is known.
    ///
    /// Keys with one value per person do not multiply it; a person with at most `rows` rows touches at most `rows` cells.
    pub(super) fn reach(&self, rows: Option<u64>) -> Option<u64> {
        let mut spreading = self.keys.iter().filter(|key| !key.per_person);
        let spread = if self.are_public() {
            spreading.try_fold(1_u64, |spread, key| {
                spread.checked_mul(key.values.len() as u64)
            })
        } else {
            spreading.next().is_none().then_some(1)
        };
        match (spread, rows) {
            (Some(spread), Some(rows)) => Some(spread.min(rows).max(1)),
            (Some(bound), None) | (None, Some(bound)) => Some(bound.max(1)),
            (None, None) => None,
        }
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
                .map(|key| KeyIndex {
                    data_type: key
                        .grouped
                        .first()
                        .map_or(DataType::Null, ScalarValue::data_type),
                    positions: key
                        .grouped
                        .iter()
                        .cloned()
                        .enumerate()
                        .map(|(i, v)| (v, i))
                        .collect(),
                    outside: key.outside,
                })
                .collect(),
        }
    }

    /// Canonical bytes of the answered keys, for the ledger's commitment.
    pub(crate) fn canonical_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for key in &self.keys {
            if !self.are_public() {
                // Which keys they are stands in the plan.
                bytes.extend_from_slice(b"unknown");
            }
            for value in &key.values {
                let value = crate::canonical::spelled(value.clone());
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
    keys: Vec<KeyIndex>,
}

#[derive(Debug)]
struct KeyIndex {
    data_type: DataType,
    positions: HashMap<ScalarValue, usize>,
    outside: Option<usize>,
}

impl CellIndex {
    /// Number of keys.
    pub(crate) fn keys(&self) -> usize {
        self.keys.len()
    }

    /// The cell of these key values; `None` if one is outside a closed domain, which cannot be.
    pub(crate) fn cell(&self, values: impl Iterator<Item = ScalarValue>) -> Option<usize> {
        let mut cell = 0;
        for (key, value) in self.keys.iter().zip(values) {
            // No value may make a question fail: what is none of the domain's type is outside of it.
            let value = value.cast_to(&key.data_type).ok();
            let position = value.and_then(|value| key.positions.get(&value).copied());
            cell = cell * key.positions.len() + position.or(key.outside)?;
        }
        Some(cell)
    }
}
