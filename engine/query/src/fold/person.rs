//! One person's rows, and what they come to.

use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, Decimal128Array, Int64Array, RecordBatch, UInt64Array,
};
use datafusion::arrow::compute::{cast, take};
use datafusion::arrow::datatypes::{DataType, Int64Type, Schema, SchemaRef};
use datafusion::common::{internal_datafusion_err, internal_err};
use datafusion::error::Result;

use super::groups::Groups;
use super::leaves::{Leaves, keep_leaves};
use super::{Bounds, Brings, Kind};

/// Folds the rows of one partition, which come sorted by person.
pub(super) struct Folder {
    bounds: Bounds,
    schema: SchemaRef,
    groups: Groups,
    person: Person,
    sums: Sums,
}

/// The person whose rows are being read, and what she brings as far as they have been.
#[derive(Default)]
struct Person {
    /// `None` before the first row.
    unit: Option<i64>,
    /// Her number among those who were folded.
    number: u64,
    /// By group: the number of whoever was met in it last, and its place among hers.
    last: Vec<(u64, usize)>,
    groups: Vec<usize>,
    /// By place and mechanism.
    brought: Vec<Brought>,
    /// Group and leaf of each row, where leaves are folded.
    leaves: Vec<(usize, Option<i64>)>,
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
        let width = match &bounds.kind {
            Kind::Sums(brings) => brings.len(),
            Kind::Leaves => 1,
        };
        let fields = schema.fields().iter().take(bounds.keys).cloned();
        let seed = bounds.groups.map_or(0, |(_, seed)| seed);
        let groups = Groups::new(Schema::new(fields.collect::<Vec<_>>()), seed)?;
        Ok(Self {
            bounds,
            schema,
            groups,
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
        self.groups.size()
            + self.sums.leaves.size()
            + 16 * self.sums.numbers.capacity()
            + 16 * self.person.last.capacity()
            + 32 * self.person.brought.capacity()
            + 24 * self.person.leaves.capacity()
    }

    /// Reads rows that follow those before.
    pub(super) fn push(&mut self, batch: &RecordBatch) -> Result<()> {
        let (unit, rest) = batch
            .columns()
            .split_first()
            .ok_or_else(|| internal_datafusion_err!("a fold of no columns"))?;
        let (keys, values) = rest.split_at(self.bounds.keys);
        let units: Vec<Option<i64>> = whole(unit)?.iter().collect();
        let values = values.iter().map(whole).collect::<Result<Vec<_>>>()?;
        let orders = self.bounds.groups.is_some();
        let groups = self.groups.intern(keys, batch.num_rows(), orders)?;
        self.person.last.resize(self.groups.count, (0, 0));
        self.sums.any |= batch.num_rows() > 0;
        let mut from = 0;
        for run in units.chunk_by(|a, b| a == b) {
            let rows = from..from + run.len();
            from = rows.end;
            // Rows without a person are nobody's, and bring nothing.
            let Some(unit) = run.first().copied().flatten() else {
                continue;
            };
            if self.person.unit.is_some_and(|before| unit < before) {
                // She may have been folded before, and would bring more than she may.
                return internal_err!("the rows of a fold are not sorted by person");
            }
            if self.person.unit != Some(unit) {
                self.finish_person();
                self.person.begin(unit);
            }
            match &self.bounds.kind {
                Kind::Sums(brings) => self.person.read(rows, &groups, &values, brings),
                Kind::Leaves => {
                    let leaves = values
                        .iter()
                        .flat_map(|leaves| rows.clone().map(|row| at(leaves, row)));
                    let groups = groups[rows.clone()].iter().copied();
                    self.person.leaves.extend(groups.zip(leaves));
                }
            }
        }
        Ok(())
    }

    /// Adds what the person brings whose rows have all been read.
    fn finish_person(&mut self) {
        let Some(unit) = self.person.unit else {
            return;
        };
        let most = self.bounds.groups.map_or(usize::MAX, |(most, _)| {
            usize::try_from(most).unwrap_or(usize::MAX)
        });
        let k = i128::from(self.bounds.rows_per_person);
        let order = |group: &usize| self.groups.order(unit, *group);
        match &self.bounds.kind {
            Kind::Sums(brings) => {
                self.person.keep(most, brings.len(), order);
                let numbers = self.groups.count * brings.len();
                self.sums.numbers.resize(numbers, 0);
                let groups = self.person.groups.len() as u64;
                let weights = self.bounds.weights;
                let weight = weights.map_or(1, |weights| weights.of(groups));
                self.sums.add(&self.person, brings, k, weight.into());
            }
            Kind::Leaves => {
                self.person.leaves.sort_unstable();
                keep_leaves(&mut self.person.leaves, most, order);
                for of_group in self.person.leaves.chunk_by(|a, b| a.0 == b.0) {
                    self.sums.leaves.add(of_group, k);
                }
            }
        }
    }

    /// What everybody brought, in batches of at most so many rows.
    pub(super) fn finish(mut self, batch_size: usize) -> Result<Vec<RecordBatch>> {
        self.finish_person();
        let keys = self.groups.emit()?;
        let all = match &self.bounds.kind {
            Kind::Sums(_) => self.numbers(keys)?,
            Kind::Leaves => self.counts(&keys)?,
        };
        let starts = (0..all.num_rows()).step_by(batch_size.max(1));
        let batches = starts.map(|start| all.slice(start, batch_size.min(all.num_rows() - start)));
        Ok(batches.collect())
    }

    fn numbers(&mut self, keys: Vec<ArrayRef>) -> Result<RecordBatch> {
        let width = self.sums.width;
        let groups = if self.sums.any { self.groups.count } else { 0 };
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

impl Person {
    /// Forgets the last one.
    fn begin(&mut self, unit: i64) {
        self.unit = Some(unit);
        self.number += 1;
        self.groups.clear();
        self.brought.clear();
        self.leaves.clear();
    }

    /// Adds up more of her rows, group by group. NULL brings nothing and is no row.
    fn read(
        &mut self,
        rows: std::ops::Range<usize>,
        groups: &[usize],
        values: &[Int64Array],
        brings: &[Brings],
    ) {
        for row in rows {
            let group = groups[row];
            let (number, place) = &mut self.last[group];
            if *number != self.number {
                (*number, *place) = (self.number, self.groups.len());
                self.groups.push(group);
                let places = self.groups.len() * brings.len();
                self.brought.resize(places, Brought::default());
            }
            let brought = self.brought[*place * brings.len()..].iter_mut();
            for ((brought, values), brings) in brought.zip(values).zip(brings) {
                if let Some(value) = at(values, row) {
                    brought.take(i128::from(value), *brings);
                }
            }
        }
    }

    /// Forgets all but so many of her groups.
    fn keep(&mut self, most: usize, width: usize, order: impl Fn(&usize) -> (u64, u64)) {
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
            Brings::Once | Brings::Head if self.rows > 0 => self.sum = self.sum.max(value),
            _ => self.sum += value,
        }
        self.rows += 1;
    }

    /// What she brings, when only k of her rows may count.
    fn bounded(self, brings: Brings, k: i128) -> i128 {
        match brings {
            Brings::Once | Brings::Head => self.sum,
            Brings::Rows => self.sum.min(k),
            Brings::Share => share(self.sum, self.rows, k),
        }
    }
}

impl Sums {
    /// Adds what a person brings, in parts of which each of her groups has `weight`.
    fn add(&mut self, person: &Person, brings: &[Brings], k: i128, weight: i128) {
        let brought = person.brought.chunks(self.width.max(1));
        for (group, brought) in person.groups.iter().zip(brought) {
            let sums = self.numbers[group * self.width..].iter_mut();
            for (sum, (brought, brings)) in sums.zip(brought.iter().zip(brings)) {
                let weight = match brings {
                    Brings::Head => 1,
                    _ => weight,
                };
                *sum += brought.bounded(*brings, k) * weight;
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

fn at(column: &Int64Array, row: usize) -> Option<i64> {
    column.is_valid(row).then(|| column.value(row))
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::StringArray;
    use datafusion::arrow::datatypes::{Decimal128Type, Field};
    use salus_accounting::Weights;

    use super::super::SUM;
    use super::*;

    /// A person, a key and a value.
    type Row<'a> = (Option<i64>, &'a str, Option<i64>);

    /// Sums of one value over a key, of at most two rows of a person in one group.
    fn folded(batches: &[&[Row]], k: u64) -> Result<Vec<(String, i128)>> {
        let bounds = Bounds {
            keys: 1,
            kind: Kind::Sums(vec![Brings::Share]),
            rows_per_person: k,
            groups: Some((1, 7)),
            weights: None,
        };
        let schema = Arc::new(Schema::new(vec![
            Field::new("key", DataType::Utf8, true),
            Field::new("sum", SUM, false),
        ]));
        let mut folder = Folder::new(bounds, schema)?;
        for rows in batches {
            let units: Int64Array = rows.iter().map(|(unit, _, _)| *unit).collect();
            let keys: StringArray = rows.iter().map(|(_, key, _)| Some(*key)).collect();
            let values: Int64Array = rows.iter().map(|(_, _, value)| *value).collect();
            let columns: [(&str, ArrayRef); 3] = [
                ("unit", Arc::new(units)),
                ("key", Arc::new(keys)),
                ("value", Arc::new(values)),
            ];
            folder.push(&RecordBatch::try_from_iter(columns)?)?;
        }
        let mut sums = Vec::new();
        for batch in folder.finish(100)? {
            let keys = batch.column(0).as_string::<i32>();
            let numbers = batch.column(1).as_primitive::<Decimal128Type>();
            sums.extend(
                (0..batch.num_rows()).map(|row| (keys.value(row).to_owned(), numbers.value(row))),
            );
        }
        sums.sort();
        Ok(sums)
    }

    #[test]
    fn a_person_who_is_read_in_parts_is_one() {
        let rows = [
            (Some(1), "a", Some(10)),
            (Some(1), "a", None),
            (Some(1), "a", Some(20)),
            (Some(1), "a", Some(60)),
            (Some(2), "b", Some(5)),
            (Some(3), "a", Some(1)),
        ];
        // Two of her three rows, in the mean.
        let expected = vec![("a".to_owned(), 61), ("b".to_owned(), 5)];
        assert_eq!(folded(&[&rows], 2).unwrap(), expected);
        let (first, second) = rows.split_at(2);
        let (second, third) = second.split_at(1);
        assert_eq!(folded(&[first, &[], second, third], 2).unwrap(), expected);
    }

    #[test]
    fn one_group_of_a_person_counts_and_nobodys_rows_do_not() {
        let rows = [
            (None, "c", Some(100)),
            (Some(1), "a", Some(1)),
            (Some(1), "b", Some(2)),
            (Some(1), "a", Some(1)),
        ];
        let sums = folded(&[&rows], 2).unwrap();
        let brought: Vec<_> = sums.iter().filter(|(_, sum)| *sum != 0).collect();
        assert_eq!(brought.len(), 1, "{sums:?}");
        assert!(brought.iter().all(|(_, sum)| *sum == 2), "{sums:?}");
    }

    /// Sums over two keys, of at most one group of a person. Whoever has `first` alone comes before everybody else.
    fn kept(keys: usize, first: &[Option<&str>], hers: &[Vec<Option<&str>>]) -> Vec<Vec<u8>> {
        let bounds = Bounds {
            keys,
            kind: Kind::Sums(vec![Brings::Once]),
            rows_per_person: 1,
            groups: Some((1, 7)),
            weights: None,
        };
        let names: Vec<String> = (0..keys).map(|i| format!("key{i}")).collect();
        let fields = names
            .iter()
            .map(|name| Field::new(name, DataType::Utf8, true));
        let fields = fields.chain([Field::new("sum", SUM, false)]);
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        let mut folder = Folder::new(bounds, schema).unwrap();
        let rows: Vec<(i64, &[Option<&str>])> = [(1, first)]
            .into_iter()
            .chain(hers.iter().map(|key| (2, key.as_slice())))
            .collect();
        let unit: ArrayRef = Arc::new(rows.iter().map(|row| Some(row.0)).collect::<Int64Array>());
        let columns = (0..keys).map(|i| {
            let column: StringArray = rows.iter().map(|row| row.1[i]).collect();
            (names[i].as_str(), Arc::new(column) as ArrayRef)
        });
        let one: ArrayRef = Arc::new(Int64Array::from(vec![1; rows.len()]));
        let batch = [("unit", unit)].into_iter().chain(columns);
        let batch = RecordBatch::try_from_iter_with_nullable(
            batch
                .chain([("value", one)])
                .map(|(name, column)| (name, column, true)),
        );
        folder.push(&batch.unwrap()).unwrap();
        let all = folder.finish(1_000).unwrap().remove(0);
        let sums = all.column(keys).as_primitive::<Decimal128Type>();
        // The first person's own group is left out where she is alone in it.
        let rows = (0..all.num_rows()).filter(|row| sums.value(*row) > 0);
        let spelled = rows.map(|row| {
            let key = (0..keys).map(|i| {
                let key = all.column(i).as_string::<i32>();
                key.is_valid(row).then(|| key.value(row).to_owned())
            });
            let key: Vec<Option<String>> = key.collect();
            (key, sums.value(row))
        });
        let others = |(key, sum): (Vec<Option<String>>, i128)| {
            let own = key.iter().map(Option::as_deref).eq(first.iter().copied());
            (sum > i128::from(own)).then(|| format!("{key:?}").into_bytes())
        };
        spelled.filter_map(others).collect()
    }

    /// Which group of a person counts is the same whoever comes before her and wherever her rows stand, also of groups that differ in what is
    /// NULL alone, in as many keys as there may be.
    #[test]
    fn nobody_has_a_part_in_which_groups_of_another_count() {
        for keys in [2, 66] {
            for (a, b) in [(0, keys - 1), (0, 1)] {
                let with = |at: usize| {
                    let mut key = vec![None; keys];
                    key[at] = Some("x");
                    key
                };
                let (one, other) = (with(a), with(b));
                let orders = [
                    kept(keys, &one, &[one.clone(), other.clone()]),
                    kept(keys, &other, &[one.clone(), other.clone()]),
                    kept(keys, &one, &[other.clone(), one.clone()]),
                    kept(keys, &other, &[other.clone(), one.clone()]),
                ];
                assert!(!orders[0].is_empty());
                assert!(orders.iter().all(|kept| *kept == orders[0]), "{orders:?}");
            }
        }
    }

    #[test]
    fn groups_weigh_less_the_more_they_are() {
        let bounds = Bounds {
            keys: 1,
            kind: Kind::Sums(vec![Brings::Rows, Brings::Head]),
            rows_per_person: 2,
            groups: Some((8, 7)),
            weights: Weights::new(100, 1, 8),
        };
        let schema = Arc::new(Schema::new(vec![
            Field::new("key", DataType::Utf8, true),
            Field::new("rows", SUM, false),
            Field::new("heads", SUM, false),
        ]));
        let mut folder = Folder::new(bounds, schema).unwrap();
        let units = Int64Array::from(vec![1, 2, 2, 2, 2, 2]);
        let keys = StringArray::from(vec!["a", "a", "a", "a", "b", "c"]);
        let ones: ArrayRef = Arc::new(Int64Array::from(vec![1; 6]));
        let columns: [(&str, ArrayRef); 4] = [
            ("unit", Arc::new(units)),
            ("key", Arc::new(keys)),
            ("rows", Arc::clone(&ones)),
            ("heads", ones),
        ];
        folder
            .push(&RecordBatch::try_from_iter(columns).unwrap())
            .unwrap();
        let all = folder.finish(100).unwrap().remove(0);
        let numbers = |j: usize| {
            all.column(j)
                .as_primitive::<Decimal128Type>()
                .values()
                .to_vec()
        };
        // Hers weigh 100 / sqrt(3) = 57.7 of 100 parts each; two of her three rows count.
        assert_eq!(numbers(1), [100 + 2 * 57, 57, 57]);
        assert_eq!(numbers(2), [2, 1, 1]);
    }

    #[test]
    fn a_person_who_comes_again_is_an_error() {
        let rows = [
            (Some(1), "a", Some(1)),
            (Some(2), "a", Some(1)),
            (Some(1), "a", Some(1)),
        ];
        assert!(folded(&[&rows], 2).is_err());
        let (first, second) = rows.split_at(2);
        assert!(folded(&[first, second], 2).is_err());
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
