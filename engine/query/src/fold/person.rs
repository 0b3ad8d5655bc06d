//! One person's rows, and what they come to.

use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, Decimal128Array, Int64Array, RecordBatch, UInt64Array,
};
use datafusion::arrow::compute::{cast, take};
use datafusion::arrow::datatypes::{DataType, Int64Type, Schema, SchemaRef};
use datafusion::common::hash_utils::{QualityRandomState, create_hashes};
use datafusion::common::internal_datafusion_err;
use datafusion::error::Result;
use datafusion::logical_expr::EmitTo;
use datafusion::physical_plan::aggregates::group_values::{GroupValues, new_group_values};
use datafusion::physical_plan::aggregates::order::GroupOrdering;

use super::leaves::{Leaves, keep_leaves};
use super::{Bounds, Brings, Kind};

/// Folds the rows of one partition, which come sorted by person.
pub(super) struct Folder {
    bounds: Bounds,
    schema: SchemaRef,
    groups: Groups,
    /// Rows of the person who was read last, and perhaps not to the end.
    rows: Rows,
    person: Person,
    sums: Sums,
}

/// The groups of everybody, numbered as they are met.
struct Groups {
    /// `None` where there are no keys, and all rows are in one group.
    keys: Option<Box<dyn GroupValues>>,
    count: usize,
    seed: u64,
    /// What a person's groups are ordered by, beside who she is: a hash of the keys, and which are NULL, since NULLs are not hashed.
    orders: Vec<(u64, u64)>,
}

/// Rows that are not folded yet, column by column.
#[derive(Default)]
struct Rows {
    units: Vec<Option<i64>>,
    groups: Vec<usize>,
    values: Vec<Vec<Option<i64>>>,
}

/// What one person brings to each of her groups.
#[derive(Default)]
struct Person {
    /// Her number among those who were folded.
    number: u64,
    /// By group: whose it was last, and its place among hers.
    last: Vec<(u64, usize)>,
    groups: Vec<usize>,
    /// By place and mechanism.
    brought: Vec<Brought>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Brought {
    sum: i128,
    rows: i128,
}

/// Sums over everybody: of each group one number for each mechanism, or of each leaf.
struct Sums {
    width: usize,
    numbers: Vec<i128>,
    leaves: Leaves,
    /// Whether any row was read.
    any: bool,
}

impl Folder {
    pub(super) fn new(bounds: Bounds, schema: SchemaRef) -> Result<Self> {
        let fields = schema.fields().iter().take(bounds.keys).cloned();
        let of_keys = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        let keys = (bounds.keys > 0)
            .then(|| new_group_values(of_keys, &GroupOrdering::None))
            .transpose()?;
        let width = match &bounds.kind {
            Kind::Sums(brings) => brings.len(),
            Kind::Leaves => 1,
        };
        let groups = Groups {
            keys,
            count: 0,
            seed: bounds.groups.map_or(0, |(_, seed)| seed),
            orders: Vec::new(),
        };
        Ok(Self {
            bounds,
            schema,
            groups,
            rows: Rows {
                values: vec![Vec::new(); width],
                ..Rows::default()
            },
            person: Person::default(),
            sums: Sums {
                width,
                numbers: Vec::new(),
                leaves: Leaves::default(),
                any: false,
            },
        })
    }

    /// Bytes that are held.
    pub(super) fn size(&self) -> usize {
        let keys = self.groups.keys.as_ref().map_or(0, |keys| keys.size());
        keys + self.sums.leaves.size()
            + 16 * (self.groups.orders.capacity() + self.person.last.capacity())
            + 16 * self.sums.numbers.capacity()
            + 48 * self.rows.units.capacity()
    }

    /// Reads rows that follow those before.
    pub(super) fn push(&mut self, batch: &RecordBatch) -> Result<()> {
        let (unit, rest) = batch
            .columns()
            .split_first()
            .ok_or_else(|| internal_datafusion_err!("a fold of no columns"))?;
        let (keys, values) = rest.split_at(self.bounds.keys);
        self.rows.units.extend(&whole(unit)?);
        for (all, values) in self.rows.values.iter_mut().zip(values) {
            all.extend(&whole(values)?);
        }
        let orders = self.bounds.groups.is_some();
        self.groups
            .intern(keys, batch.num_rows(), orders, &mut self.rows.groups)?;
        self.sums.any |= batch.num_rows() > 0;
        // The last person may have more rows in the next batch.
        let last = self.rows.units.last().copied();
        let complete = self.rows.units.iter().rposition(|unit| Some(*unit) != last);
        self.fold(complete.map_or(0, |row| row + 1));
        Ok(())
    }

    /// Folds the first rows, in which each person stands whole, and forgets them.
    fn fold(&mut self, rows: usize) {
        self.person.last.resize(self.groups.count, (0, 0));
        if matches!(self.bounds.kind, Kind::Sums(_)) {
            self.sums
                .numbers
                .resize(self.groups.count * self.sums.width, 0);
        }
        let mut from = 0;
        while from < rows {
            let unit = self.rows.units[from];
            let run = self.rows.units[from..rows].iter();
            let to = from + run.take_while(|other| **other == unit).count();
            let order = |group: &usize| self.groups.order(unit, *group);
            match &self.bounds.kind {
                Kind::Sums(brings) => {
                    self.person.read(&self.rows, from..to, brings);
                    let most = self.bounds.groups.map(|(most, _)| most);
                    self.person.keep(most, self.sums.width, order);
                    self.sums.add(
                        &self.person,
                        brings,
                        i128::from(self.bounds.rows_per_person),
                    );
                }
                Kind::Leaves => {
                    let mut leaves = self.rows.leaves(from..to);
                    if let Some((most, _)) = self.bounds.groups {
                        keep_leaves(&mut leaves, most, order);
                    }
                    let k = i128::from(self.bounds.rows_per_person);
                    for of_group in leaves.chunk_by(|a, b| a.0 == b.0) {
                        self.sums.leaves.add(of_group, k);
                    }
                }
            }
            from = to;
        }
        self.rows.units.drain(..rows);
        self.rows.groups.drain(..rows);
        for values in &mut self.rows.values {
            values.drain(..rows);
        }
    }

    /// What everybody brought, in batches of at most so many rows.
    pub(super) fn finish(mut self, batch_size: usize) -> Result<Vec<RecordBatch>> {
        self.fold(self.rows.units.len());
        let keys = match &mut self.groups.keys {
            Some(keys) => keys.emit(EmitTo::All)?,
            None => Vec::new(),
        };
        let all = match &self.bounds.kind {
            Kind::Sums(_) => self.numbers(keys)?,
            Kind::Leaves => self.counts(&keys)?,
        };
        let starts = (0..all.num_rows()).step_by(batch_size.max(1));
        let batches = starts.map(|start| all.slice(start, batch_size.min(all.num_rows() - start)));
        Ok(batches.collect())
    }

    fn numbers(&self, keys: Vec<ArrayRef>) -> Result<RecordBatch> {
        let width = self.sums.width;
        let groups = if self.sums.any { self.groups.count } else { 0 };
        let sums = (0..width).map(|j| {
            let numbers = self.sums.numbers.iter().skip(j).step_by(width).take(groups);
            let numbers = Decimal128Array::from_iter_values(numbers.copied());
            Ok(Arc::new(numbers.with_precision_and_scale(38, 0)?) as ArrayRef)
        });
        let sums = sums.collect::<Result<Vec<_>>>()?;
        let columns = keys.into_iter().chain(sums).collect();
        Ok(RecordBatch::try_new(Arc::clone(&self.schema), columns)?)
    }

    fn counts(&self, keys: &[ArrayRef]) -> Result<RecordBatch> {
        let (mut groups, mut leaves, mut counts) = (Vec::new(), Vec::new(), Vec::new());
        for (group, leaf, count) in self.sums.leaves.iter() {
            groups.push(group as u64);
            leaves.push(leaf);
            counts.push(i128::from(count));
        }
        let groups = UInt64Array::from(groups);
        let mut columns = Vec::with_capacity(keys.len() + 2);
        for key in keys {
            columns.push(take(key, &groups, None)?);
        }
        columns.push(Arc::new(Int64Array::from(leaves)));
        let counts = Decimal128Array::from_iter_values(counts);
        columns.push(Arc::new(counts.with_precision_and_scale(38, 0)?));
        Ok(RecordBatch::try_new(Arc::clone(&self.schema), columns)?)
    }
}

impl Groups {
    /// Appends the group of each row.
    fn intern(
        &mut self,
        keys: &[ArrayRef],
        rows: usize,
        orders: bool,
        into: &mut Vec<usize>,
    ) -> Result<()> {
        let Some(known) = &mut self.keys else {
            self.count = 1;
            into.extend(std::iter::repeat_n(0, rows));
            self.orders.resize(1, (0, 0));
            return Ok(());
        };
        let mut groups = Vec::with_capacity(rows);
        known.intern(keys, &mut groups)?;
        let before = self.count;
        self.count = known.len();
        if orders && self.count > before {
            let mut hashes = vec![0; rows];
            create_hashes(keys, &QualityRandomState::with_seed(self.seed), &mut hashes)?;
            self.orders.resize(self.count, (0, 0));
            for (row, group) in groups
                .iter()
                .enumerate()
                .filter(|(_, group)| **group >= before)
            {
                let null = |(i, key): (usize, &ArrayRef)| u64::from(key.is_null(row)) << (i % 64);
                let nulls = keys
                    .iter()
                    .enumerate()
                    .map(null)
                    .fold(0, |all, one| all | one);
                self.orders[*group] = (hashes[row], nulls);
            }
        }
        into.append(&mut groups);
        Ok(())
    }

    /// The place of a group among a person's: an order that differs from person to person and depends on nobody's rows.
    fn order(&self, unit: Option<i64>, group: usize) -> (u64, u64) {
        let (hash, nulls) = self.orders.get(group).copied().unwrap_or_default();
        let unit = u64::from_ne_bytes(unit.unwrap_or(i64::MIN).to_ne_bytes());
        (mixed(mixed(unit ^ self.seed) ^ hash), mixed(unit ^ nulls))
    }
}

/// The finalizer of `SplitMix64`: a bijection whose every output bit depends on every input bit.
fn mixed(x: u64) -> u64 {
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

impl Rows {
    /// A person's rows by group, and in it by leaf.
    fn leaves(&self, rows: std::ops::Range<usize>) -> Vec<(usize, Option<i64>)> {
        let values = self
            .values
            .first()
            .into_iter()
            .flat_map(|values| &values[rows.clone()]);
        let groups = self.groups[rows.clone()].iter().copied();
        let mut leaves: Vec<_> = groups.zip(values.copied()).collect();
        leaves.sort_unstable();
        leaves
    }
}

impl Person {
    /// Adds up the rows of the next person, group by group. NULL brings nothing and is no row.
    fn read(&mut self, rows: &Rows, run: std::ops::Range<usize>, brings: &[Brings]) {
        self.number += 1;
        self.groups.clear();
        self.brought.clear();
        for row in run {
            let group = rows.groups[row];
            let (number, place) = &mut self.last[group];
            if *number != self.number {
                (*number, *place) = (self.number, self.groups.len());
                self.groups.push(group);
                self.brought
                    .resize(self.brought.len() + brings.len(), Brought::default());
            }
            let first = *place * brings.len();
            for (j, brings) in brings.iter().enumerate() {
                if let Some(value) = rows.values[j][row] {
                    self.brought[first + j].take(i128::from(value), *brings);
                }
            }
        }
    }

    /// Forgets all but so many of her groups.
    fn keep(&mut self, most: Option<u64>, width: usize, order: impl Fn(&usize) -> (u64, u64)) {
        let most = most.map_or(usize::MAX, |most| {
            usize::try_from(most).unwrap_or(usize::MAX)
        });
        if self.groups.len() <= most {
            return;
        }
        let mut places: Vec<usize> = (0..self.groups.len()).collect();
        places.sort_unstable_by_key(|place| order(&self.groups[*place]));
        places.truncate(most);
        let brought = places.iter().flat_map(|place| {
            let first = place * width;
            &self.brought[first..first + width]
        });
        self.brought = brought.copied().collect();
        self.groups = places.iter().map(|place| self.groups[*place]).collect();
    }
}

impl Brought {
    fn take(&mut self, value: i128, brings: Brings) {
        match brings {
            Brings::Once if self.rows > 0 => self.sum = self.sum.max(value),
            _ => self.sum += value,
        }
        self.rows += 1;
    }

    /// What she brings, when only k of her rows may count.
    fn bounded(self, brings: Brings, k: i128) -> i128 {
        match brings {
            Brings::Once => self.sum,
            Brings::Rows => self.sum.min(k),
            Brings::Share => share(self.sum, self.rows, k),
        }
    }
}

impl Sums {
    fn add(&mut self, person: &Person, brings: &[Brings], k: i128) {
        let brought = person.brought.chunks(self.width.max(1));
        for (group, brought) in person.groups.iter().zip(brought) {
            let sums = self.numbers[group * self.width..].iter_mut();
            for (sum, (brought, brings)) in sums.zip(brought.iter().zip(brings)) {
                *sum += brought.bounded(*brings, k);
            }
        }
    }
}

/// Of a sum over `rows` rows that of k of them in the mean, rounded towards zero. A person's rows are scaled, not cut off: keeping the first k by any
/// order on their content would keep the smallest values.
///
/// # Guarantee
/// With |row| ≤ b for every row, |result| ≤ min(rows, k) · b. The result depends on her rows alone, not on their order.
fn share(sum: i128, rows: i128, k: i128) -> i128 {
    if rows > k { sum * k / rows } else { sum }
}

/// A whole number for each row: numbers below a release are integers by now.
fn whole(column: &ArrayRef) -> Result<Int64Array> {
    let numbers = cast(column, &DataType::Int64)?;
    Ok(numbers.as_primitive::<Int64Type>().clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_at_most_that_of_k_rows() {
        for rows in 0..20_i128 {
            for k in 1..6_i128 {
                for bound in [1, 7, 1 << 40] {
                    for sum in [-rows * bound, -1, 0, 1, rows * bound] {
                        let share = share(sum, rows, k);
                        assert!(share.abs() <= rows.min(k).max(1) * bound);
                    }
                }
            }
        }
    }
}
