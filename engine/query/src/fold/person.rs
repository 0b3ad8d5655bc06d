//! One person's rows, and what they come to.

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, Decimal128Array, Int64Array, RecordBatch, UInt64Array,
};
use datafusion::arrow::compute::{cast, take};
use datafusion::arrow::datatypes::{DataType, Int64Type, SchemaRef};
use datafusion::common::hash_utils::{QualityRandomState, create_hashes};
use datafusion::common::internal_datafusion_err;
use datafusion::error::Result;
use datafusion::logical_expr::EmitTo;
use datafusion::physical_plan::aggregates::group_values::{GroupValues, new_group_values};
use datafusion::physical_plan::aggregates::order::GroupOrdering;

use super::{Bounds, Brings, Kind};

/// Leaves of so many groups are counted in a table; of more, in a map.
const MOST_PLACES: usize = 1 << 22;

/// Folds the rows of one partition, which come sorted by person.
pub(super) struct Folder {
    bounds: Bounds,
    schema: SchemaRef,
    /// Keys seen so far; `None` where there are none, and all rows are in one group.
    keys: Option<Box<dyn GroupValues>>,
    /// The person whose rows are being read.
    unit: Option<Option<i64>>,
    rows: Rows,
    sums: Sums,
}

/// The rows of one person, column by column.
#[derive(Default)]
struct Rows {
    groups: Vec<usize>,
    /// Place of each row's group among hers: the smallest come first.
    orders: Vec<(u64, u64)>,
    values: Vec<Vec<Option<i64>>>,
    /// Positions of the rows, sorted by group.
    sorted: Vec<usize>,
    /// Her groups: order, group, and where its rows stand in `sorted`.
    spans: Vec<((u64, u64), usize, usize, usize)>,
}

/// Sums over everybody: of each group one number for each mechanism, or of each leaf.
struct Sums {
    width: usize,
    numbers: Vec<i128>,
    leaves: Leaves,
    /// Whether any row was read.
    any: bool,
}

#[derive(Default)]
struct Leaves {
    /// Of the first groups, by group and leaf.
    places: Vec<i64>,
    others: HashMap<(usize, i64), i64>,
    /// Largest leaf and one, of those in `places`.
    most: usize,
}

impl Folder {
    pub(super) fn new(bounds: Bounds, schema: SchemaRef) -> Result<Self> {
        let fields = schema.fields().iter().take(bounds.keys).cloned();
        let of_keys = datafusion::arrow::datatypes::Schema::new(fields.collect::<Vec<_>>());
        let keys = (bounds.keys > 0)
            .then(|| new_group_values(Arc::new(of_keys), &GroupOrdering::None))
            .transpose()?;
        let width = match &bounds.kind {
            Kind::Sums(brings) => brings.len(),
            Kind::Leaves => 1,
        };
        Ok(Self {
            keys,
            schema,
            unit: None,
            rows: Rows {
                values: vec![Vec::new(); width],
                ..Rows::default()
            },
            sums: Sums {
                width,
                numbers: Vec::new(),
                leaves: Leaves::default(),
                any: false,
            },
            bounds,
        })
    }

    /// Bytes that are held.
    pub(super) fn size(&self) -> usize {
        let keys = self.keys.as_ref().map_or(0, |keys| keys.size());
        let leaves =
            self.sums.leaves.places.capacity() * 8 + self.sums.leaves.others.capacity() * 32;
        keys + self.sums.numbers.capacity() * 16 + leaves + self.rows.groups.capacity() * 64
    }

    /// Reads rows that follow those before.
    pub(super) fn push(&mut self, batch: &RecordBatch) -> Result<()> {
        let columns = batch.columns();
        let (unit, rest) = columns
            .split_first()
            .ok_or_else(|| internal_datafusion_err!("a fold of no columns"))?;
        let (keys, values) = rest.split_at(self.bounds.keys);
        let units = whole(unit)?;
        let values = values.iter().map(whole).collect::<Result<Vec<_>>>()?;
        let mut groups = vec![0; batch.num_rows()];
        if let Some(known) = &mut self.keys {
            known.intern(keys, &mut groups)?;
        }
        let orders = match self.bounds.groups {
            Some((_, seed)) => orders(seed, unit, keys)?,
            None => Vec::new(),
        };
        for row in 0..batch.num_rows() {
            let unit = units.is_valid(row).then(|| units.value(row));
            if self.unit != Some(unit) {
                self.finish_person();
                self.unit = Some(unit);
            }
            self.rows.groups.push(groups[row]);
            self.rows.orders.extend(orders.get(row));
            for (of_person, values) in self.rows.values.iter_mut().zip(&values) {
                of_person.push(values.is_valid(row).then(|| values.value(row)));
            }
        }
        self.sums.any |= batch.num_rows() > 0;
        Ok(())
    }

    /// Adds what the person whose rows are complete brings, and forgets them.
    fn finish_person(&mut self) {
        let rows = &mut self.rows;
        rows.sort();
        if let Some((most, _)) = self.bounds.groups {
            rows.spans.sort_unstable();
            rows.spans
                .truncate(usize::try_from(most).unwrap_or(usize::MAX));
        }
        let k = i128::from(self.bounds.rows_per_person);
        for (_, group, from, to) in &rows.spans {
            let of_group = &rows.sorted[*from..*to];
            match &self.bounds.kind {
                Kind::Sums(brings) => {
                    let first = group * self.sums.width;
                    if self.sums.numbers.len() < first + self.sums.width {
                        self.sums.numbers.resize(first + self.sums.width, 0);
                    }
                    for (j, brings) in brings.iter().enumerate() {
                        let values = of_group.iter().map(|row| rows.values[j][*row]);
                        self.sums.numbers[first + j] += brings.of(values, k);
                    }
                }
                Kind::Leaves => {
                    let leaves = of_group.iter().filter_map(|row| rows.values[0][*row]);
                    self.sums.leaves.add(*group, leaves.collect(), k);
                }
            }
        }
        rows.clear();
    }

    /// What everybody brought, in batches of at most so many rows.
    pub(super) fn finish(mut self, batch_size: usize) -> Result<Vec<RecordBatch>> {
        self.finish_person();
        let keys = match &mut self.keys {
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

    fn numbers(&mut self, keys: Vec<ArrayRef>) -> Result<RecordBatch> {
        let groups = match keys.first() {
            Some(key) => key.len(),
            None => usize::from(self.sums.any),
        };
        let width = self.sums.width;
        // Groups that nobody brought anything to.
        self.sums.numbers.resize(groups * width, 0);
        let sums = (0..width).map(|j| {
            let numbers = self.sums.numbers.iter().skip(j).step_by(width);
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

impl Rows {
    /// Brings rows of one group together.
    fn sort(&mut self) {
        self.sorted.extend(0..self.groups.len());
        let groups = &self.groups;
        if !groups.is_sorted() {
            self.sorted.sort_unstable_by_key(|row| groups[*row]);
        }
        let mut from = 0;
        for to in 1..=self.sorted.len() {
            let group = groups[self.sorted[from]];
            if self.sorted.get(to).is_none_or(|row| groups[*row] != group) {
                let order = self.orders.get(self.sorted[from]).copied();
                self.spans
                    .push((order.unwrap_or_default(), group, from, to));
                from = to;
            }
        }
    }

    fn clear(&mut self) {
        self.groups.clear();
        self.orders.clear();
        self.values.iter_mut().for_each(Vec::clear);
        self.sorted.clear();
        self.spans.clear();
    }
}

impl Brings {
    /// What the rows of one person in one group bring. NULL brings nothing and is no row.
    fn of(self, values: impl Iterator<Item = Option<i64>>, k: i128) -> i128 {
        let values = values.flatten().map(i128::from);
        match self {
            Self::Once => values.max().unwrap_or(0),
            Self::Rows => values.sum::<i128>().min(k),
            Self::Share => {
                let (sum, rows) = values.fold((0, 0), |(sum, rows), x| (sum + x, rows + 1));
                share(sum, rows, k)
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

/// How many of the ranks ⌊(2j + 1) · rows / 2k⌋, j from 0 to k − 1, lie before rank `up_to`: of a person's rows, sorted by value, only k count where
/// she has more, those at k evenly spaced ranks, her own quantiles.
///
/// # Guarantee
/// Up to her last row they are min(rows, k), and they depend on her rows alone, not on their order.
fn evenly(up_to: i128, rows: i128, k: i128) -> i128 {
    if rows <= k {
        return up_to;
    }
    // (2j + 1) · rows < 2k · up_to, hence j < (2k · up_to − rows) / 2rows; rounded up, for j is whole.
    let (above, below) = (2 * k * up_to - rows, 2 * rows);
    ((above + below - 1).div_euclid(below)).clamp(0, k)
}

impl Leaves {
    /// Counts a person's leaves in a group.
    fn add(&mut self, group: usize, mut leaves: Vec<i64>, k: i128) {
        leaves.sort_unstable();
        let rows = leaves.len() as i128;
        let mut before = 0;
        for run in leaves.chunk_by(|a, b| a == b) {
            let up_to = before + run.len() as i128;
            let counted = evenly(up_to, rows, k) - evenly(before, rows, k);
            before = up_to;
            if let (Some(leaf), Ok(counted)) = (run.first(), i64::try_from(counted)) {
                *self.place(group, *leaf) += counted;
            }
        }
    }

    fn place(&mut self, group: usize, leaf: i64) -> &mut i64 {
        // The table's rows are as long as trees are wide at most.
        const WIDTH: usize = 1 << 10;
        match usize::try_from(leaf) {
            Ok(at) if at < WIDTH && group < MOST_PLACES / WIDTH => {
                let place = group * WIDTH + at;
                if self.places.len() <= place {
                    self.places.resize((group + 1) * WIDTH, 0);
                }
                self.most = self.most.max(at + 1);
                &mut self.places[place]
            }
            _ => self.others.entry((group, leaf)).or_default(),
        }
    }

    /// Group, leaf and count of every leaf that somebody counts in.
    fn iter(&self) -> impl Iterator<Item = (usize, i64, i64)> {
        let groups = self.places.chunks(1 << 10).enumerate();
        let places = groups.flat_map(|(group, leaves)| {
            let leaves = (0_i64..).zip(leaves).take(self.most);
            leaves.map(move |(leaf, count)| (group, leaf, *count))
        });
        let others = self.others.iter();
        let others = others.map(|((group, leaf), count)| (*group, *leaf, *count));
        places.chain(others).filter(|(_, _, count)| *count != 0)
    }
}

/// A whole number for each row: numbers below a release are integers by now.
fn whole(column: &ArrayRef) -> Result<Int64Array> {
    let numbers = cast(column, &DataType::Int64)?;
    Ok(numbers.as_primitive::<Int64Type>().clone())
}

/// The order in which a person's groups count: one that differs from person to person and depends on nobody's rows. NULLs do not count in the hash, so
/// which keys are NULL decides among equals.
fn orders(seed: u64, unit: &ArrayRef, keys: &[ArrayRef]) -> Result<Vec<(u64, u64)>> {
    let columns: Vec<ArrayRef> = [unit].into_iter().chain(keys).cloned().collect();
    let mut hashes = vec![0; unit.len()];
    create_hashes(&columns, &QualityRandomState::with_seed(seed), &mut hashes)?;
    let mut orders: Vec<(u64, u64)> = hashes.into_iter().map(|hash| (hash, 0)).collect();
    for (i, key) in keys.iter().enumerate() {
        for (row, (_, nulls)) in orders.iter_mut().enumerate() {
            *nulls |= u64::from(key.is_null(row)) << (i % 64);
        }
    }
    Ok(orders)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evenly_spaced_ranks_are_counted_once() {
        for k in 1..8_i128 {
            for rows in 1..40_i128 {
                assert_eq!(evenly(0, rows, k), 0);
                assert_eq!(evenly(rows, rows, k), rows.min(k));
                let ranks: Vec<i128> = if rows <= k {
                    (0..rows).collect()
                } else {
                    (0..k).map(|j| (2 * j + 1) * rows / (2 * k)).collect()
                };
                for up_to in 0..=rows {
                    let before = ranks.iter().filter(|rank| **rank < up_to).count() as i128;
                    assert_eq!(evenly(up_to, rows, k), before, "k {k}, {up_to} of {rows}");
                }
            }
        }
    }

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
