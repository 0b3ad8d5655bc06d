//! The groups of everybody, and the order in which those of a person count.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, UInt64Array};
use datafusion::arrow::compute::take;
use datafusion::arrow::datatypes::Schema;
use datafusion::arrow::row::{RowConverter, SortField};
use datafusion::error::Result;
use datafusion::logical_expr::EmitTo;
use datafusion::physical_plan::aggregates::group_values::{GroupValues, new_group_values};
use datafusion::physical_plan::aggregates::order::GroupOrdering;
use sha2::{Digest, Sha256};

/// The groups of everybody, numbered as they are met.
pub(super) struct Groups {
    /// `None` where there are no keys, and all rows are in one group.
    keys: Option<Box<dyn GroupValues>>,
    pub(super) count: usize,
    seed: u64,
    /// What a person's groups are ordered by, beside who she is: a digest of the keys, of which no two are alike.
    orders: Vec<(u64, u64)>,
    /// Spells keys, so that they can be digested.
    spelling: Option<RowConverter>,
}

impl Groups {
    /// Groups by keys of a schema, which may have none.
    pub(super) fn new(of_keys: Schema, seed: u64) -> Result<Self> {
        let keys = (!of_keys.fields().is_empty())
            .then(|| new_group_values(Arc::new(of_keys), &GroupOrdering::None))
            .transpose()?;
        Ok(Self {
            keys,
            count: 0,
            seed,
            orders: Vec::new(),
            spelling: None,
        })
    }

    /// Bytes that are held.
    pub(super) fn size(&self) -> usize {
        self.keys.as_ref().map_or(0, |keys| keys.size())
            + self.spelling.as_ref().map_or(0, RowConverter::size)
            + 16 * self.orders.capacity()
    }

    /// The keys of all groups, which are forgotten.
    pub(super) fn emit(&mut self) -> Result<Vec<ArrayRef>> {
        match &mut self.keys {
            Some(keys) => keys.emit(EmitTo::All),
            None => Ok(Vec::new()),
        }
    }

    /// The group of each row.
    pub(super) fn intern(
        &mut self,
        keys: &[ArrayRef],
        rows: usize,
        orders: bool,
    ) -> Result<Vec<usize>> {
        let Some(known) = &mut self.keys else {
            self.count = 1;
            return Ok(vec![0; rows]);
        };
        let mut groups = Vec::with_capacity(rows);
        known.intern(keys, &mut groups)?;
        let before = self.count;
        self.count = known.len();
        if orders && self.count > before {
            self.digest(keys, &groups, before)?;
        }
        Ok(groups)
    }

    /// Digests the keys of the groups from number `from` on, which stand in rows that are given with their groups.
    ///
    /// # Guarantee
    /// Which of a person's groups count depends on their keys alone, and neither on their numbers, which others have a part in, nor on where her rows
    /// stand: two groups tie only if their SHA-256 begins alike.
    fn digest(&mut self, keys: &[ArrayRef], groups: &[usize], from: usize) -> Result<()> {
        let mut rows = vec![0_u64; self.count - from];
        for (row, group) in (0..).zip(groups) {
            if let Some(first) = group.checked_sub(from) {
                rows[first] = row;
            }
        }
        let rows = UInt64Array::from(rows);
        let keys = keys.iter().map(|key| take(key, &rows, None));
        let keys = keys.collect::<std::result::Result<Vec<_>, _>>()?;
        let spelling = match &mut self.spelling {
            Some(spelling) => spelling,
            none => {
                let types = keys
                    .iter()
                    .map(|key| SortField::new(key.data_type().clone()));
                none.insert(RowConverter::new(types.collect())?)
            }
        };
        for key in &spelling.convert_columns(&keys)? {
            let digest = Sha256::new()
                .chain_update(self.seed.to_be_bytes())
                .chain_update(key.data())
                .finalize();
            let part = |at: usize| {
                let bytes = digest.iter().skip(at).take(8);
                bytes.fold(0_u64, |part, byte| part << 8 | u64::from(*byte))
            };
            self.orders.push((part(0), part(8)));
        }
        Ok(())
    }

    /// The place of a group among a person's: an order that differs from person to person and depends on nobody's rows.
    pub(super) fn order(&self, unit: i64, group: usize) -> (u64, u64) {
        let (first, second) = self.orders.get(group).copied().unwrap_or_default();
        let own = mixed(unit.cast_unsigned() ^ self.seed);
        (mixed(own ^ first), second)
    }
}

/// The finalizer of `SplitMix64`: a bijection whose every output bit depends on every input bit.
fn mixed(x: u64) -> u64 {
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}
