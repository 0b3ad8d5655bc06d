//! Where a file can be cut between two persons.
//!
//! A scan splits the persons of the lake into as many ranges as there are partitions, the same ranges for every table, so
//! that aggregations per person and joins on `person_id` need no shuffle. A cut inside a file must know the row at which a
//! person starts. Lanes record that for every multiple of a power of two; the power grows with the persons of the file,
//! so a file has at most [`MOST`] marks.

use serde::{Deserialize, Serialize};

/// Most marks of one file.
const MOST: usize = 256;

/// Row offsets at round person numbers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lanes {
    /// A power of two: marks stand at its multiples.
    pub stride: i64,
    /// The first multiple of `stride` above the file's first person.
    pub first: i64,
    /// `rows[i]` rows of the file belong to persons below `first + i * stride`.
    pub rows: Vec<u64>,
}

impl Lanes {
    /// How many of the file's `total` rows belong to persons below `person`, a multiple of the stride.
    ///
    /// `None` when `person` is not a multiple of the stride, so that no exact answer is known.
    pub(crate) fn rows_below(&self, person: i64, total: u64) -> Option<u64> {
        if person < self.first {
            return (person % self.stride == 0).then_some(0);
        }
        let from_first = person - self.first;
        if from_first % self.stride != 0 {
            return None;
        }
        let at = usize::try_from(from_first / self.stride).ok()?;
        Some(self.rows.get(at).copied().unwrap_or(total))
    }
}

/// Builds the lanes of one file while its rows pass by in the order of `person_id`.
#[derive(Debug)]
pub(crate) struct LaneBuilder {
    stride: i64,
    /// (multiple of stride, rows below it), ascending and without gaps.
    marks: Vec<(i64, u64)>,
    last: Option<i64>,
    rows: u64,
}

impl LaneBuilder {
    pub(crate) fn new() -> Self {
        Self {
            stride: 1,
            marks: Vec::new(),
            last: None,
            rows: 0,
        }
    }

    pub(crate) fn push(&mut self, persons: &[i64]) {
        for &person in persons {
            match self.last {
                Some(last) if last == person => {}
                Some(last) => self.mark(last, person),
                None => {}
            }
            self.last = Some(person);
            self.rows += 1;
        }
    }

    /// Marks every multiple of the stride in `(last, person]` at the current row.
    fn mark(&mut self, last: i64, person: i64) {
        loop {
            let first = last.div_euclid(self.stride) + 1;
            let count = person.div_euclid(self.stride) + 1 - first;
            let fits = usize::try_from(count).is_ok_and(|count| self.marks.len() + count <= MOST);
            if fits {
                let multiples = (first..first + count).map(|multiple| multiple * self.stride);
                self.marks
                    .extend(multiples.map(|multiple| (multiple, self.rows)));
                return;
            }
            self.stride *= 2;
            let stride = self.stride;
            self.marks.retain(|(multiple, _)| multiple % stride == 0);
        }
    }

    pub(crate) fn finish(self, first_person: i64) -> Lanes {
        let first = (first_person.div_euclid(self.stride) + 1) * self.stride;
        Lanes {
            stride: self.stride,
            first,
            rows: self.marks.into_iter().map(|(_, rows)| rows).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{LaneBuilder, MOST};

    fn check(persons: &[i64]) {
        let mut builder = LaneBuilder::new();
        for chunk in persons.chunks(7) {
            builder.push(chunk);
        }
        let lanes = builder.finish(persons[0]);
        assert!(lanes.rows.len() <= MOST);
        let total = persons.len() as u64;
        let beyond = persons[persons.len() - 1] + 3 * lanes.stride;
        let mut cut = 0;
        while cut < beyond {
            let below = persons.iter().filter(|person| **person < cut).count() as u64;
            assert_eq!(lanes.rows_below(cut, total), Some(below), "cut at {cut}");
            cut += lanes.stride;
        }
    }

    #[test]
    fn cuts_are_exact_for_dense_and_sparse_persons() {
        check(&[1]);
        check(&[1, 1, 2, 2, 2, 3]);
        check(
            &(1..2000)
                .flat_map(|person| (0..person % 5).map(move |_| person))
                .collect::<Vec<_>>(),
        );
        check(&[5, 5, 1_000_000, 1_000_000_000, 1_000_000_001]);
    }

    #[test]
    fn a_cut_between_marks_has_no_answer() {
        let mut builder = LaneBuilder::new();
        builder.push(&(1..=10_000).collect::<Vec<_>>());
        let lanes = builder.finish(1);
        assert!(lanes.stride > 1);
        assert_eq!(lanes.rows_below(lanes.first + 1, 10_000), None);
    }
}
