//! Refusals: what was not admitted, and by which rule.

use std::collections::BTreeMap;

use salus_ledger::StoredEntry;

use crate::question::{Outcome, Question, questions};
use crate::time::month;

/// The refused questions of a log or of a selection, counted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Refusals {
    /// By the rule that refused.
    pub by_rule: BTreeMap<String, u64>,
    /// By who asked (a pseudonym).
    pub by_principal: BTreeMap<String, u64>,
    /// By purpose.
    pub by_purpose: BTreeMap<String, u64>,
    /// By month in UTC, such as `2026-01`.
    pub by_month: BTreeMap<String, u64>,
    /// The questions themselves, in the log's order.
    pub list: Vec<Question>,
}

/// All refusals of a log.
pub fn refusals(log: &[StoredEntry]) -> Refusals {
    let questions = questions(log);
    Refusals::among(&questions)
}

impl Refusals {
    /// The refusals among some questions: of a period, of an analyst.
    pub fn among<'q>(questions: impl IntoIterator<Item = &'q Question>) -> Self {
        let mut all = Self::default();
        for question in questions {
            let Outcome::Refused(rule) = &question.outcome else {
                continue;
            };
            count(&mut all.by_rule, rule);
            count(&mut all.by_principal, &question.principal);
            count(&mut all.by_purpose, &question.purpose);
            count(&mut all.by_month, &month(question.time));
            all.list.push(question.clone());
        }
        all
    }
}

fn count(counts: &mut BTreeMap<String, u64>, name: &str) {
    let number = counts.entry(name.to_owned()).or_default();
    *number = number.saturating_add(1);
}
