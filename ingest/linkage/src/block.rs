//! Which pairs are compared at all: those that share a key of a blocking pass.
//!
//! Seven passes, each resting on other fields, so that an error in one field leaves the others to find the pair by. A block
//! that holds too many records (a placeholder for a telephone number, say) is passed over and told. The pairs of a pass are
//! bounded by the records times half the largest block.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use crate::compare::{BIRTH, FAMILY, GIVEN, IDENTIFIER, POSTAL, TELECOM};
use crate::record::Record;

/// Blocking passes: what they rest on, as fields.
pub(crate) const PASSES: [(&str, &[usize]); 7] = [
    ("identifier", &[IDENTIFIER]),
    ("family name and birth date", &[FAMILY, BIRTH]),
    ("given name and birth date", &[GIVEN, BIRTH]),
    ("telecom", &[TELECOM]),
    ("birth date and postal code", &[BIRTH, POSTAL]),
    ("names and postal area", &[FAMILY, GIVEN, POSTAL]),
    ("names and year of birth", &[FAMILY, GIVEN, BIRTH]),
];

/// What a blocking pass looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pass {
    /// What the records of a block have in common.
    pub rests_on: &'static str,
    /// Pairs in its blocks, those of other passes included.
    pub pairs: u64,
    /// Blocks that were passed over because they hold too many records.
    pub passed_over: u64,
    /// Records in those blocks.
    pub records_passed_over: u64,
}

/// The records by key.
#[derive(Debug)]
pub(crate) struct Blocks {
    /// By pass: key and record, sorted.
    sorted: Vec<Vec<(u64, u32)>>,
    /// By record: its keys, in the order of passes.
    keys: Vec<Box<[u64]>>,
    /// Keys of blocks that are passed over.
    crowded: HashSet<u64>,
    pub(crate) passes: Vec<Pass>,
}

impl Blocks {
    /// Blocks of at most `cap` records.
    pub(crate) fn new(records: &[Record], cap: usize) -> Self {
        let mut sorted = vec![Vec::new(); PASSES.len()];
        let mut all = Vec::with_capacity(records.len());
        for (place, record) in (0_u32..).zip(records) {
            let mut keys = Vec::new();
            for (pass, sorted) in sorted.iter_mut().enumerate() {
                for key in of(record, pass) {
                    sorted.push((key, place));
                    keys.push(key);
                }
            }
            all.push(keys.into_boxed_slice());
        }
        let (mut crowded, mut passes) = (HashSet::new(), Vec::new());
        for (sorted, (rests_on, _)) in sorted.iter_mut().zip(PASSES) {
            sorted.sort_unstable();
            sorted.dedup();
            let mut pass = Pass {
                rests_on,
                pairs: 0,
                passed_over: 0,
                records_passed_over: 0,
            };
            for block in sorted.chunk_by(|a, b| a.0 == b.0) {
                let n = block.len() as u64;
                if block.len() > cap {
                    crowded.extend(block.first().map(|(key, _)| *key));
                    pass.passed_over += 1;
                    pass.records_passed_over += n;
                } else {
                    pass.pairs += n * (n - 1) / 2;
                }
            }
            passes.push(pass);
        }
        Self {
            sorted,
            keys: all,
            crowded,
            passes,
        }
    }

    /// Calls `each` with the pairs of a pass, of one block in `stride`.
    pub(crate) fn sample(&self, pass: usize, stride: u64, mut each: impl FnMut(usize, usize)) {
        let blocks = self
            .sorted
            .get(pass)
            .into_iter()
            .flat_map(|s| s.chunk_by(|a, b| a.0 == b.0));
        for block in blocks {
            let Some((key, _)) = block.first() else {
                continue;
            };
            if key % stride != 0 || self.crowded.contains(key) {
                continue;
            }
            for (at, (_, a)) in block.iter().enumerate() {
                for (_, b) in block.iter().skip(at + 1) {
                    each(*a as usize, *b as usize);
                }
            }
        }
    }

    /// Calls `each` with every pair of every pass once.
    pub(crate) fn pairs(&self, mut each: impl FnMut(usize, usize)) {
        for sorted in &self.sorted {
            for block in sorted.chunk_by(|a, b| a.0 == b.0) {
                let key = block.first().map_or(0, |(key, _)| *key);
                if self.crowded.contains(&key) {
                    continue;
                }
                for (at, (_, a)) in block.iter().enumerate() {
                    for (_, b) in block.iter().skip(at + 1) {
                        let (a, b) = (*a as usize, *b as usize);
                        if self.first_shared(a, b) == Some(key) {
                            each(a, b);
                        }
                    }
                }
            }
        }
    }

    /// The first key of a block that both are in: the one under which the pair is looked at.
    fn first_shared(&self, a: usize, b: usize) -> Option<u64> {
        let (a, b) = (self.keys.get(a)?, self.keys.get(b)?);
        let shared = |key: &&u64| b.contains(key) && !self.crowded.contains(key);
        a.iter().find(shared).copied()
    }
}

/// The keys of a record in a pass.
fn of(record: &Record, pass: usize) -> Vec<u64> {
    let birth = record.birth.map(|date| format!("{date:?}"));
    let year = record.birth.map(|date| date.year.to_string());
    let pair = |a: &[String], b: &[String]| -> Vec<[String; 2]> {
        let all = a
            .iter()
            .flat_map(|a| b.iter().map(move |b| [a.clone(), b.clone()]));
        all.collect()
    };
    let one = |text: &Option<String>| text.iter().cloned().collect::<Vec<_>>();
    let areas: Vec<String> = record
        .postal
        .iter()
        .map(|code| code.chars().take(3).collect())
        .collect();
    let three = |last: &[String]| -> Vec<[String; 3]> {
        let names = pair(&record.family_sounds, &record.given_sounds);
        let all = names.into_iter().flat_map(|[family, given]| {
            last.iter()
                .map(move |last| [family.clone(), given.clone(), last.clone()])
        });
        all.collect()
    };
    let parts: Vec<Vec<String>> = match pass {
        0 => record
            .identifiers
            .iter()
            .map(|(system, value)| vec![system.clone(), value.clone()])
            .collect(),
        1 => pair(&record.family_sounds, &one(&birth))
            .into_iter()
            .map(Vec::from)
            .collect(),
        2 => pair(&record.given_sounds, &one(&birth))
            .into_iter()
            .map(Vec::from)
            .collect(),
        3 => record
            .telecom
            .iter()
            .map(|value| vec![value.clone()])
            .collect(),
        4 => pair(&record.postal, &one(&birth))
            .into_iter()
            .map(Vec::from)
            .collect(),
        5 => three(&areas).into_iter().map(Vec::from).collect(),
        _ => three(&one(&year)).into_iter().map(Vec::from).collect(),
    };
    let mut keys: Vec<u64> = parts
        .iter()
        .map(|parts| {
            let mut hasher = DefaultHasher::new();
            (pass, parts).hash(&mut hasher);
            hasher.finish()
        })
        .collect();
    keys.sort_unstable();
    keys.dedup();
    keys
}
