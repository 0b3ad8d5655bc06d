//! Which numbers are one person, what is apart, and what people are asked about.

use std::collections::{BTreeMap, BTreeSet};

/// What is said of a pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum LinkState {
    /// One person.
    Linked,
    /// Two persons, by decision: never to be linked again by themselves.
    Apart,
    /// Somebody must decide.
    Review,
}

impl LinkState {
    /// The word that stands in files and reports.
    pub fn word(self) -> &'static str {
        match self {
            Self::Linked => "linked",
            Self::Apart => "apart",
            Self::Review => "review",
        }
    }

    pub(crate) fn parse(word: &str) -> Option<Self> {
        let all = [Self::Linked, Self::Apart, Self::Review];
        all.into_iter().find(|state| state.word() == word)
    }
}

/// What is said of two numbers of the identity index, the smaller first, or an event: that it was said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Number of the event, from 1; 0 for what holds now.
    pub number: i64,
    /// The smaller number.
    pub left: i64,
    /// The larger number.
    pub right: i64,
    /// One person, two, or to be decided.
    pub state: LinkState,
    /// Why: `exact`, `score`, `source`, `reviewed`, `split`, or what speaks against a link.
    pub why: String,
    /// Probability that they are one person, in millionths, where there is a score.
    pub millionths: Option<i64>,
    /// When it was said, in microseconds since 1970-01-01T00:00Z.
    pub at: i64,
    /// Who said it.
    pub by: String,
    /// How many numbers the person had after a link, or before a split: what releases of before cost her more is bounded by its
    /// square.
    pub ids: i64,
}

/// Which numbers are one person.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Linkage {
    pairs: BTreeMap<(i64, i64), Link>,
    /// Of everybody who is linked: the smallest number of the person.
    persons: BTreeMap<i64, i64>,
    members: BTreeMap<i64, BTreeSet<i64>>,
}

impl Linkage {
    pub(crate) fn new(pairs: BTreeMap<(i64, i64), Link>) -> Self {
        let mut linkage = Self {
            pairs,
            ..Self::default()
        };
        linkage.join();
        linkage
    }

    /// Derives the persons from the pairs.
    fn join(&mut self) {
        self.persons.clear();
        self.members.clear();
        let linked = self
            .pairs
            .values()
            .filter(|pair| pair.state == LinkState::Linked);
        let linked: Vec<_> = linked.map(|pair| (pair.left, pair.right)).collect();
        for (left, right) in linked {
            self.unite(left, right);
        }
    }

    fn unite(&mut self, left: i64, right: i64) {
        let (a, b) = (self.person(left), self.person(right));
        let (stays, goes) = (a.min(b), a.max(b));
        if stays == goes {
            return;
        }
        let moved = self.members.remove(&goes).unwrap_or_else(|| [goes].into());
        for member in moved.iter().chain([&stays]) {
            self.persons.insert(*member, stays);
        }
        let all = self.members.entry(stays).or_insert_with(|| [stays].into());
        all.extend(moved);
    }

    /// The number under which the rows of `number` stand.
    pub fn person(&self, number: i64) -> i64 {
        self.persons.get(&number).copied().unwrap_or(number)
    }

    /// All numbers of the person of `number`, ascending.
    pub fn members(&self, number: i64) -> BTreeSet<i64> {
        let members = self.members.get(&self.person(number));
        members.cloned().unwrap_or_else(|| [number].into())
    }

    /// Everybody who is linked, with the number of the person.
    pub fn linked(&self) -> &BTreeMap<i64, i64> {
        &self.persons
    }

    /// What is said of pairs.
    pub fn pairs(&self) -> impl Iterator<Item = &Link> {
        self.pairs.values()
    }

    /// Whether nothing was ever said.
    pub(crate) fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }

    /// What is said of two numbers, the smaller first.
    pub(crate) fn pair(&self, left: i64, right: i64) -> Option<LinkState> {
        self.pairs.get(&(left, right)).map(|pair| pair.state)
    }

    /// Says something of a pair in place of what was said.
    pub(crate) fn put(&mut self, link: Link) {
        let (left, right, state) = (link.left, link.right, link.state);
        let before = self.pairs.insert((left, right), link);
        if state == LinkState::Linked {
            self.unite(left, right);
        } else if before.is_some_and(|before| before.state == LinkState::Linked) {
            self.join();
        }
    }
}
