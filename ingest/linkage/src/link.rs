//! The way from records to links and a list for review.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::block::{Blocks, PASSES};
use crate::cluster::{Sets, contested};
use crate::compare::{
    BIRTH, FAMILY, GIVEN, IDENTIFIER, LEVELS, LINE, MOST_LEVELS, Pattern, SEX, TELECOM, compare,
};
use crate::record::Record;
use crate::terms::{Decided, Error, Found, Options, Pair, Why};
use crate::weights::{Table, Weights, probability};

/// Random pairs from which the chance of agreement is learnt.
const RANDOM_PAIRS: u64 = 300_000;
/// Candidates of one pass from which its share of matches is learnt.
const LEARNT_PAIRS: u64 = 300_000;
/// A second match that is worse by fewer bits is a rival.
const MARGIN: f64 = 8.0;
/// Bits that a rare or common name adds or takes at most.
const MOST_FOR_A_NAME: f64 = 4.0;

/// A pair on its way, by places in the order of source and id.
#[derive(Debug, Clone, Copy)]
struct Candidate {
    a: usize,
    b: usize,
    why: Why,
    bits: f64,
}

/// Finds which of `records` are one person, beyond what was decided.
///
/// # Guarantee
/// No two records of one source are linked unless the source or a decision says so, and nothing that was decided to be apart
/// is joined, directly or over others.
pub fn link(records: &[Record], decided: &Decided, options: &Options) -> Result<Found, Error> {
    let ordered = options.review > 0.0 && options.review <= options.link && options.link < 1.0;
    if !ordered {
        return Err(Error::Thresholds);
    }
    u32::try_from(records.len()).map_err(|_| Error::TooMany)?;
    let mut records: Vec<&Record> = records.iter().collect();
    records.sort_by(|a, b| (&a.source, &a.id, a.number).cmp(&(&b.source, &b.id, b.number)));
    let records: Vec<Record> = records.into_iter().cloned().collect();
    let mut places = HashMap::new();
    for (place, record) in records.iter().enumerate() {
        if places.insert(record.number, place).is_some() {
            return Err(Error::Twice(record.number));
        }
    }
    let linking = Linking::new(&records, &places, decided, options);
    Ok(linking.run())
}

struct Linking<'r> {
    records: &'r [Record],
    options: &'r Options,
    blocks: Blocks,
    weights: Weights,
    /// By record: its source.
    sources: Vec<usize>,
    /// What is one person already.
    sets: Sets,
    apart: BTreeSet<(usize, usize)>,
    /// How often names are borne.
    frequency: [HashMap<&'r str, u32>; 2],
}

impl<'r> Linking<'r> {
    fn new(
        records: &'r [Record],
        places: &HashMap<i64, usize>,
        decided: &Decided,
        options: &'r Options,
    ) -> Self {
        let mut names: Vec<&str> = records
            .iter()
            .map(|record| record.source.as_str())
            .collect();
        names.dedup();
        let source = |record: &Record| names.partition_point(|name| *name < record.source.as_str());
        let pair = |(a, b): &(i64, i64)| {
            let (a, b) = (*places.get(a)?, *places.get(b)?);
            Some((a.min(b), a.max(b)))
        };
        let mut sets = Sets::new(records.len());
        for (a, b) in decided.linked.iter().filter_map(pair) {
            sets.join(a, b);
        }
        let count = |values: fn(&Record) -> &[String]| {
            let mut counts: HashMap<&str, u32> = HashMap::new();
            for value in records.iter().flat_map(values) {
                *counts.entry(value.as_str()).or_default() += 1;
            }
            counts
        };
        Self {
            records,
            options,
            blocks: Blocks::new(records, options.largest_block),
            weights: Weights::start(),
            sources: records.iter().map(source).collect(),
            sets,
            apart: decided.apart.iter().filter_map(pair).collect(),
            frequency: [
                count(|record| &record.family),
                count(|record| &record.given),
            ],
        }
    }

    fn run(mut self) -> Found {
        let said = self.said_by_sources();
        let mut links = Vec::new();
        for pair in said {
            if !self.sets.same(pair.a, pair.b) && self.may_join(pair.a, pair.b, true) {
                self.sets.join(pair.a, pair.b);
                links.push(pair);
            }
        }
        match &self.options.weights {
            Some(weights) => self.weights = weights.clone(),
            None => self.learn(),
        }
        let (sure, mut review, compared) = self.candidates();
        self.join(sure, &mut links, &mut review);
        review.retain(|pair| {
            !self.sets.same(pair.a, pair.b) && !self.apart.contains(&(pair.a, pair.b))
        });
        review.sort_by(|x, y| y.bits.total_cmp(&x.bits).then((x.a, x.b).cmp(&(y.a, y.b))));
        Found {
            links: links.iter().map(|pair| self.told(pair)).collect(),
            review: review.iter().map(|pair| self.told(pair)).collect(),
            weights: self.weights,
            passes: self.blocks.passes,
            compared,
        }
    }

    fn told(&self, pair: &Candidate) -> Pair {
        let number = |place: usize| self.records.get(place).map_or(0, |record| record.number);
        let (a, b) = (number(pair.a), number(pair.b));
        Pair {
            left: a.min(b),
            right: a.max(b),
            why: pair.why,
            probability: probability(pair.bits),
        }
    }

    /// Pairs of one source that `Patient.link` says are one person. All of its types say so, in R4 and R5.
    fn said_by_sources(&self) -> Vec<Candidate> {
        let place = |source: &str, id: &str| {
            let found = self.records.binary_search_by(|record| {
                (record.source.as_str(), record.id.as_str()).cmp(&(source, id))
            });
            found.ok()
        };
        let mut pairs = Vec::new();
        for (a, record) in self.records.iter().enumerate() {
            for other in &record.same {
                if let Some(b) = place(&record.source, other).filter(|b| *b != a) {
                    pairs.push((a.min(b), a.max(b)));
                }
            }
        }
        pairs.sort_unstable();
        pairs.dedup();
        let candidate = |(a, b)| Candidate {
            a,
            b,
            why: Why::Source,
            bits: f64::INFINITY,
        };
        pairs.into_iter().map(candidate).collect()
    }

    /// Whether joining brings nothing together that must be apart.
    fn may_join(&self, a: usize, b: usize, source_says: bool) -> bool {
        self.sets.may_join(a, b, |a, b| {
            let decided = self.apart.contains(&(a.min(b), a.max(b)));
            !decided && (source_says || self.sources.get(a) != self.sources.get(b))
        })
    }

    fn across(&self, a: usize, b: usize) -> bool {
        self.sources.get(a) != self.sources.get(b)
    }

    fn compare(&self, a: usize, b: usize) -> Pattern {
        match (self.records.get(a), self.records.get(b)) {
            (Some(a), Some(b)) => compare(a, b),
            _ => Pattern::default(),
        }
    }

    fn learn(&mut self) {
        let across = self.pairs_across();
        if across < 1.0 {
            return;
        }
        let mut random = BTreeMap::new();
        let n = self.records.len() as u64;
        let mut state = n;
        for _ in 0..RANDOM_PAIRS.min(n.saturating_mul(n)) {
            let (a, b) = (draw(&mut state, n), draw(&mut state, n));
            if a != b && self.across(a, b) {
                *random.entry(self.compare(a, b)).or_default() += 1;
            }
        }
        self.weights.learn_u(&random);
        let mut sums: Table = [[0.0; MOST_LEVELS]; LEVELS.len()];
        let mut most = 0.0_f64;
        for (pass, (_, fixed)) in PASSES.iter().enumerate() {
            let pairs = self.blocks.passes.get(pass).map_or(0, |pass| pass.pairs);
            let stride = pairs / LEARNT_PAIRS + 1;
            let mut counts = BTreeMap::new();
            self.blocks.sample(pass, stride, |a, b| {
                if self.across(a, b) {
                    *counts.entry(self.compare(a, b)).or_default() += 1;
                }
            });
            let (seen, matches) = self.weights.learn_pass(&counts, fixed);
            for (sum, seen) in sums.iter_mut().flatten().zip(seen.iter().flatten()) {
                *sum += seen;
            }
            #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
            let scale = stride as f64;
            most = most.max(matches * scale);
        }
        self.weights.learn_m(&sums);
        self.weights.prior = (most.max(1.0) / across).clamp(1e-12, 0.1);
    }

    /// How many pairs across sources there are.
    #[expect(
        clippy::cast_precision_loss,
        reason = "a prior needs no more than 53 bits"
    )]
    fn pairs_across(&self) -> f64 {
        let n = self.records.len() as f64;
        let within: f64 = self
            .sources
            .chunk_by(|a, b| a == b)
            .map(|source| source.len() as f64 * source.len() as f64)
            .sum();
        (n * n - within) / 2.0
    }

    /// Compares all pairs of blocks: those that are sure, and those for review.
    fn candidates(&self) -> (Vec<Candidate>, Vec<Candidate>, u64) {
        let bits = |p: f64| (p / (1.0 - p)).log2();
        let (link, near) = (bits(self.options.link), bits(self.options.review));
        let (mut sure, mut review, mut compared) = (Vec::new(), Vec::new(), 0);
        self.blocks.pairs(|a, b| {
            let (a, b) = (a.min(b), a.max(b));
            compared += 1;
            let pattern = self.compare(a, b);
            let trusted = self.trusted(a, b);
            let bits = self.weights.bits(&pattern) + self.rarity(a, b, &pattern);
            let birth_speaks_against = pattern[BIRTH] == Some(0) || pattern[SEX] == Some(0);
            let candidate = |why| Candidate { a, b, why, bits };
            if trusted == Some(true) && birth_speaks_against {
                review.push(candidate(Why::Implausible));
            } else if trusted == Some(true) {
                sure.push(candidate(Why::Exact));
            } else if bits >= link && plausible(&pattern) && trusted.is_none() {
                sure.push(candidate(Why::Score));
            } else if pattern[GIVEN] == Some(0) && pattern[BIRTH] == Some(0) {
                // A household shares the rest.
            } else if bits >= link {
                review.push(candidate(Why::Implausible));
            } else if bits >= near && self.across(a, b) {
                review.push(candidate(Why::Near));
            }
        });
        (sure, review, compared)
    }

    /// Whether both bear one identifier of a trusted system; false when they bear different ones.
    fn trusted(&self, a: usize, b: usize) -> Option<bool> {
        let (a, b) = (self.records.get(a)?, self.records.get(b)?);
        let mut found = None;
        for (system, value) in &a.identifiers {
            if self.options.trusted.contains(system) {
                for (_, theirs) in b.identifiers.iter().filter(|(other, _)| other == system) {
                    found = found.max(Some(value == theirs));
                }
            }
        }
        found
    }

    /// What the rarity of a shared name adds: agreeing on a rare one says more (Fellegi and Sunter 1969, Winkler 1990).
    fn rarity(&self, a: usize, b: usize, pattern: &Pattern) -> f64 {
        let (Some(left), Some(right)) = (self.records.get(a), self.records.get(b)) else {
            return 0.0;
        };
        let fields = [
            (FAMILY, &left.family, &right.family),
            (GIVEN, &left.given, &right.given),
        ];
        let mut sum = 0.0;
        for ((field, left, right), frequency) in fields.into_iter().zip(&self.frequency) {
            if pattern[field] != Some(3) {
                continue;
            }
            let shared = left.iter().filter(|name| right.contains(name));
            let rarest = shared.filter_map(|name| frequency.get(name.as_str())).min();
            let usual = self.weights.u[field][3];
            #[expect(
                clippy::cast_precision_loss,
                reason = "a share needs no more than 53 bits"
            )]
            let share = rarest.map(|n| f64::from(*n) / self.records.len() as f64);
            if let Some(share) = share.filter(|_| self.options.weights.is_none()) {
                sum += (usual / share)
                    .log2()
                    .clamp(-MOST_FOR_A_NAME, MOST_FOR_A_NAME);
            }
        }
        sum
    }

    /// Joins what is sure, the surest first, and sends to review what would break a rule.
    fn join(
        &mut self,
        mut sure: Vec<Candidate>,
        links: &mut Vec<Candidate>,
        review: &mut Vec<Candidate>,
    ) {
        sure.retain(|pair| !self.sets.same(pair.a, pair.b));
        sure.sort_by(|x, y| {
            let order = x.why.cmp(&y.why).then(y.bits.total_cmp(&x.bits));
            order.then((x.a, x.b).cmp(&(y.a, y.b)))
        });
        for tier in sure.chunk_by(|x, y| x.why == y.why) {
            let pairs: Vec<_> = tier
                .iter()
                .map(|pair| (pair.a, pair.b, pair.bits))
                .collect();
            let source = |record: usize| self.sources.get(record).copied().unwrap_or_default();
            // An identifier is borne or not: by how much else agrees does not matter.
            let margin = if tier.first().is_some_and(|pair| pair.why == Why::Exact) {
                f64::INFINITY
            } else {
                MARGIN
            };
            let contested = contested(&pairs, source, |a, b| self.sets.same(a, b), margin);
            for pair in tier {
                if self.sets.same(pair.a, pair.b) {
                    continue;
                }
                if !self.may_join(pair.a, pair.b, false) {
                    review.push(Candidate {
                        why: Why::Conflict,
                        ..*pair
                    });
                } else if contested.contains(&(pair.a, pair.b)) {
                    review.push(Candidate {
                        why: Why::Contested,
                        ..*pair
                    });
                } else {
                    self.sets.join(pair.a, pair.b);
                    links.push(*pair);
                }
            }
        }
    }
}

/// Twins and parents share all but a name or a date: without those no score is enough.
fn plausible(pattern: &Pattern) -> bool {
    let at_least = |field: usize, level: u8| pattern[field].is_some_and(|found| found >= level);
    let family =
        at_least(FAMILY, 1) || at_least(TELECOM, 1) || at_least(IDENTIFIER, 1) || at_least(LINE, 2);
    at_least(GIVEN, 1) && at_least(BIRTH, 1) && pattern[SEX] != Some(0) && family
}

/// SplitMix64 (Steele, Lea, Flood 2014): a draw below `n`.
fn draw(state: &mut u64, n: u64) -> usize {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    let high = (u128::from(z ^ (z >> 31)) * u128::from(n)) >> 64;
    usize::try_from(high).unwrap_or_default()
}
