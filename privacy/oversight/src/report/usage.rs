//! Who asked how much for what, and what became of it.

use std::collections::BTreeMap;

use salus_accounting::Loss;

use super::Source;
use super::page::Page;
use crate::books::plus;
use crate::question::{OutcomeKind, Question};
use crate::refusals::Refusals;
use crate::time::instant;

const LARGEST: usize = 10;

/// A document that nobody can open is no evidence; the exports have all.
const MOST_LISTED: usize = 2_000;

pub(super) fn write(page: &mut Page, source: &Source<'_>) {
    page.section("usage", "Who asked, and what for", true);
    if source.questions.is_empty() {
        page.nothing("No question was asked in this period.");
        return;
    }
    page.table(
        "What became of the questions",
        &["Outcome", "#Questions", "#Rho", "#Shown as epsilon"],
        &by_outcome(source),
    );
    page.table(
        "By analyst and purpose",
        &[
            "Analyst",
            "Purpose",
            "#Answered",
            "#Repeated",
            "#Refused",
            "#Failed or dropped",
            "#Open",
            "#Rho",
            "#Shown as epsilon",
        ],
        &by_analyst(source),
    );
    page.paragraph("Analysts are pseudonyms. Failed and dropped questions stay paid. A repeated answer is one that was paid for before, byte by byte, so nothing new is learnt from it.");
    largest(page, source);
    refusals(page, source);
    differences(page, source);
    listed(page, source);
}

fn by_outcome(source: &Source<'_>) -> Vec<Vec<String>> {
    let rows = OutcomeKind::ALL.into_iter().map(|kind| {
        let own = || source.questions.iter().filter(|q| q.outcome.kind() == kind);
        let mut row = vec![kind.name().to_owned(), own().count().to_string()];
        row.extend(source.shown(own().fold(Loss::ZERO, |sum, q| plus(sum, q.total()))));
        row
    });
    rows.collect()
}

#[derive(Default)]
struct Tally {
    outcomes: BTreeMap<OutcomeKind, u64>,
    loss: Loss,
}

impl Tally {
    fn number(&self, kinds: &[OutcomeKind]) -> String {
        let numbers = kinds.iter().filter_map(|kind| self.outcomes.get(kind));
        numbers.sum::<u64>().to_string()
    }
}

fn by_analyst(source: &Source<'_>) -> Vec<Vec<String>> {
    let mut tallies: BTreeMap<(&str, &str), Tally> = BTreeMap::new();
    for question in &source.questions {
        let tally = tallies
            .entry((&question.principal, &question.purpose))
            .or_default();
        let number = tally.outcomes.entry(question.outcome.kind()).or_default();
        *number = number.saturating_add(1);
        tally.loss = plus(tally.loss, question.total());
    }
    let rows = tallies.into_iter().map(|((principal, purpose), tally)| {
        let mut row = vec![
            principal.to_owned(),
            purpose.to_owned(),
            tally.number(&[OutcomeKind::Answered]),
            tally.number(&[OutcomeKind::Repeated]),
            tally.number(&[OutcomeKind::Refused]),
            tally.number(&[OutcomeKind::Failed, OutcomeKind::Dropped]),
            tally.number(&[OutcomeKind::Open]),
        ];
        row.extend(source.shown(tally.loss));
        row
    });
    rows.collect()
}

fn largest(page: &mut Page, source: &Source<'_>) {
    let mut paid: Vec<&Question> = source
        .questions
        .iter()
        .filter(|question| question.total() != Loss::ZERO)
        .collect();
    // Equal prices stay in the log's order.
    paid.sort_by_key(|question| std::cmp::Reverse(question.total().rho));
    paid.truncate(LARGEST);
    let rows: Vec<Vec<String>> = paid
        .into_iter()
        .map(|question| {
            let mut row = vec![
                question.entry.to_string(),
                instant(question.time),
                question.principal.clone(),
                question.purpose.clone(),
                question.dataset.clone().unwrap_or_default(),
                question.outcome.kind().name().to_owned(),
            ];
            row.extend(source.shown(question.total()));
            row
        })
        .collect();
    page.table(
        "The largest prices",
        &[
            "#Entry",
            "Time",
            "Analyst",
            "Purpose",
            "Dataset",
            "Outcome",
            "#Rho",
            "#Shown as epsilon",
        ],
        &rows,
    );
}

fn refusals(page: &mut Page, source: &Source<'_>) {
    page.heading("Refused questions");
    let refusals = Refusals::among(&source.questions);
    if refusals.list.is_empty() {
        page.nothing("No question was refused in this period.");
        return;
    }
    page.paragraph("A refused question read no records and cost nothing.");
    let rows = |counts: &BTreeMap<String, u64>| -> Vec<Vec<String>> {
        let rows = counts.iter();
        rows.map(|(name, number)| vec![name.clone(), number.to_string()])
            .collect()
    };
    page.table("By rule", &["Rule", "#Questions"], &rows(&refusals.by_rule));
    page.table(
        "By month",
        &["Month", "#Questions"],
        &rows(&refusals.by_month),
    );
}

/// Only that there are such pairs: what they ask about lies outside the log.
fn differences(page: &mut Page, source: &Source<'_>) {
    let Some(pairs) = &source.cover.differences else {
        return;
    };
    page.heading("Questions that differ by one condition");
    let own = |entry: salus_certificate::EntryIndex| {
        source
            .questions
            .iter()
            .any(|question| question.entry == entry)
    };
    let rows: Vec<Vec<String>> = pairs
        .iter()
        .filter(|pair| own(pair.first) || own(pair.second))
        .map(|pair| {
            vec![
                pair.first.to_string(),
                pair.second.to_string(),
                pair.principal.clone(),
                pair.change.name().to_owned(),
            ]
        })
        .collect();
    if rows.is_empty() {
        page.nothing("None were found.");
        return;
    }
    page.paragraph("The difference of two such answers is about the few people in between. The noise of both covers each of them, as the guarantee says; the pairs are listed because they can be a sign of somebody who looks for one person.");
    page.table(
        "Pairs of one analyst",
        &["#Entry", "#And entry", "Analyst", "Differ by"],
        &rows,
    );
}

fn listed(page: &mut Page, source: &Source<'_>) {
    let rows: Vec<Vec<String>> = source
        .questions
        .iter()
        .take(MOST_LISTED)
        .map(|question| {
            vec![
                question.entry.to_string(),
                instant(question.time),
                question.principal.clone(),
                question.purpose.clone(),
                question.dataset.clone().unwrap_or_default(),
                match question.outcome.rule() {
                    Some(rule) => format!("refused: {rule}"),
                    None => question.outcome.kind().name().to_owned(),
                },
                question.total().rho.to_string(),
                question.epsilon.to_string(),
            ]
        })
        .collect();
    page.table(
        "All questions of the period",
        &[
            "#Entry",
            "Time",
            "Analyst",
            "Purpose",
            "Dataset",
            "Outcome",
            "#Rho",
            "#Shown as epsilon",
        ],
        &rows,
    );
    let more = source.questions.len().saturating_sub(MOST_LISTED);
    if more > 0 {
        page.paragraph(&format!(
            "{more} more are not listed here; the exports have them all."
        ));
    }
}
