//! The differencing alert: two answered questions of one analyst whose cohorts differ by little.
//!
//! "How many are 65 or older" less "how many are 66 or older" is a question about those who are 65, and with one more condition each time about one
//! person. The noise of both answers covers her, as it covers everybody, so such pairs are no breach; they are what somebody does who looks for one
//! person, and an officer wants to know. They are found from plans alone: no row is read, and nothing depends on the data.
//!
//! Found are pairs of otherwise equal plans where
//!
//! * one has a condition that the other lacks ([`Change::Condition`]), also that there is a row elsewhere, or none, or another table joined;
//! * a bound differs, `age >= 65` and `age >= 66` ([`Change::Bound`]): of many such questions each with the next in order;
//! * a list has one element more, `code IN ('a', 'b')` and `code IN ('a')` ([`Change::Element`]);
//! * any other constant differs ([`Change::Value`]): of many each with the next. Often these cohorts have nobody in common, as with
//!   `code = 'a'` and `code = 'b'`, so they weigh less.
//!
//! What is aggregated does not matter, only over whom and by which keys; a condition in `FILTER (WHERE …)` is found where the rest is equal.
//!
//! # What it cannot see
//!
//! Two steps at once, the same cohort in other words (`NOT age < 65` is seen, `65 <= age + 0` is not), and what several analysts ask together. The guarantee
//! does not rest on it.

mod condition;
mod expression;
mod form;
mod hash;
mod layout;
mod literal;
mod pairs;
mod plan;
mod shape;

use std::collections::BTreeMap;

use salus_certificate::EntryIndex;

use crate::text::plain;
use form::forms;
use plan::Node;

/// Names of columns by table, in the order of the table: only so that words can name them. A table that is not there has numbers.
pub type Columns = BTreeMap<String, Vec<String>>;

/// An answered question with what its reserve committed to as `plan`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked<'a> {
    /// Its entry: the reserve, or the reuse.
    pub entry: EntryIndex,
    /// Who asked.
    pub principal: &'a str,
    /// Content of the opening `plan` of [`Question::plan_of`](crate::Question::plan_of).
    pub plan: &'a [u8],
}

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Differences {
    /// By the second entry, then the first.
    pub pairs: Vec<Difference>,
    /// Questions whose plan could not be read in full: of them nothing is known here.
    pub unread: Vec<EntryIndex>,
}

/// Two questions that differ by little. Where a plan was asked more than once it is the first time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The earlier entry.
    pub first: EntryIndex,
    /// The later one.
    pub second: EntryIndex,
    /// Who asked both.
    pub principal: String,
    /// In what they differ.
    pub change: Change,
    /// The predicate in which they differ, in words. It has constants of the questions' texts, which lie outside the log: treat it as one treats those.
    pub words: String,
}

/// In what two plans differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Change {
    /// One has a condition more.
    Condition,
    /// A list has an element more.
    Element,
    /// A bound is another.
    Bound,
    /// Another constant; the cohorts need not overlap.
    Value,
}

impl Change {
    /// `a condition`, `an element of a list`, `a bound` or `a value`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Condition => "a condition",
            Self::Element => "an element of a list",
            Self::Bound => "a bound",
            Self::Value => "a value",
        }
    }

    /// Whether one of the two cohorts lies within the other, so that the difference of the answers is about those in between.
    pub fn is_nested(self) -> bool {
        self != Self::Value
    }
}

/// All pairs, in time that grows with the length of all plans together.
pub fn differences(asked: &[Asked<'_>], columns: &Columns) -> Differences {
    let mut found = Differences::default();
    let mut by_principal: BTreeMap<&str, pairs::Pile> = BTreeMap::new();
    for question in asked {
        let (trees, whole) = trees(question.plan);
        if !whole {
            found.unread.push(question.entry);
        }
        let pile = by_principal.entry(question.principal).or_default();
        for tree in &trees {
            for form in forms(tree, columns) {
                pile.add(question.entry, form);
            }
        }
    }
    for (principal, pile) in by_principal {
        let pairs = pile.pairs().into_iter();
        found
            .pairs
            .extend(pairs.map(|((first, second), (change, words))| Difference {
                first,
                second,
                principal: principal.to_owned(),
                change,
                words: plain(&words),
            }));
    }
    found.pairs.sort_by_key(|pair| (pair.second, pair.first));
    found
}

/// The plans below the releases of a question, and whether all of them could be read. The first line is what is computed from released numbers; then,
/// for each release, a line says what is released, and the others are plans.
fn trees(text: &[u8]) -> (Vec<Node>, bool) {
    let Ok(text) = std::str::from_utf8(text) else {
        return (Vec::new(), false);
    };
    let lines: Vec<&str> = text.lines().collect();
    let plans = match lines.as_slice() {
        [_, plans @ ..] if !plans.is_empty() => plans,
        all => all,
    };
    let plans: Vec<Option<Node>> = plans
        .iter()
        .filter(|line| !line.starts_with('('))
        .map(|line| Node::read(line))
        .collect();
    let whole = !plans.is_empty() && plans.iter().all(Option::is_some);
    (plans.into_iter().flatten().collect(), whole)
}
