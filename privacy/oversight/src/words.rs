//! A derivation in plain words: who can contribute how much, which noise covers it, what it cost.
//!
//! Everything said here stands in the entry, and every number of it is one that `salus-audit` recomputes. Whether the engine executed what the entry
//! says is attested only.

use salus_accounting::{Delta, Loss, Noise, Rational};
use salus_certificate::{Aggregate, Bounds, Mechanism, Step};
use salus_ledger::entry::{Movement, Reserve, Reuse};
use salus_ledger::{Body, EntryIndex, StoredEntry};

use crate::books::{Books, left, shown_delta, shown_epsilon};
use crate::question::{Outcome, of_books};
use crate::text::plain;
use crate::time::instant;

/// The question of an entry in plain words, one sentence each: of a reserve who asked, the derivation, the price and the ending; of a reuse what it
/// repeats; of a refusal by which rule. Nothing for other entries, and for those that are not in the list.
pub fn words(log: &[StoredEntry], entry: EntryIndex) -> Vec<String> {
    printable(&told(log, entry))
}

fn told(log: &[StoredEntry], entry: EntryIndex) -> Vec<String> {
    let books = Books::of(log);
    let Some(stored) = books.entry(entry) else {
        return Vec::new();
    };
    let at = instant(stored.entry.time);
    match &stored.entry.body {
        Body::Reserve(reserve) => {
            let dataset = books.dataset(reserve).unwrap_or("a dataset not listed");
            let snapshot = books
                .snapshot(reserve)
                .map_or_else(String::new, |number| format!(", snapshot {number}"));
            let mut all = vec![format!(
                "{} asked a question of {dataset}{snapshot}, for the purpose {}, at {at}.",
                asker(&reserve.principal, &reserve.roles),
                reserve.purpose
            )];
            all.extend(derived(reserve, books.conversion()));
            all.push(ending(&books, entry));
            all
        }
        Body::Reuse(reuse) => repeated(&books, reuse, &at),
        Body::Refuse(refuse) => vec![format!(
            "{} asked a question for the purpose {} at {at}, and it was refused by the rule {}: no row was read for it and it cost nothing.",
            refuse.principal, refuse.purpose, refuse.rule
        )],
        _ => Vec::new(),
    }
}

/// The derivation of a reserve, its price and what it did to the accounts; `conversion` is the delta at which rho is shown as epsilon.
pub fn derivation(reserve: &Reserve, conversion: Delta) -> Vec<String> {
    printable(&derived(reserve, conversion))
}

fn printable(sentences: &[String]) -> Vec<String> {
    sentences.iter().map(|sentence| plain(sentence)).collect()
}

fn derived(reserve: &Reserve, conversion: Delta) -> Vec<String> {
    let certificate = &reserve.certificate;
    let mut all = vec![format!(
        "What is protected is one person: all rows with the same {}.",
        certificate.unit
    )];
    for (place, bounds) in certificate.steps.iter().enumerate() {
        all.push(step(place, bounds));
    }
    for (place, bounds) in certificate.releases.iter().enumerate() {
        all.push(release(place, bounds));
    }
    for mechanism in &certificate.mechanisms {
        let bounds = usize::try_from(mechanism.release)
            .ok()
            .and_then(|place| certificate.releases.get(place));
        all.push(noise(mechanism, bounds));
        all.extend(threshold(mechanism, bounds));
    }
    all.push(format!(
        "All of this together cost {}: epsilon {} at delta {}, for this question alone.",
        reserve.loss,
        shown_epsilon(reserve.loss, conversion),
        shown_delta(reserve.loss, conversion)
    ));
    let mut accounts = reserve.accounts.iter();
    all.extend(accounts.next().map(|purse| purse_moved(purse, conversion)));
    all.extend(accounts.map(limit_moved));
    all
}

fn asker(principal: &str, roles: &[String]) -> String {
    if roles.is_empty() {
        principal.to_owned()
    } else {
        format!("{principal} ({})", roles.join(", "))
    }
}

fn step(place: usize, step: &Step) -> String {
    let inputs: Vec<String> = step
        .inputs
        .iter()
        .map(|input| format!("step {input}"))
        .collect();
    let inputs = inputs.join(" and ");
    let table = step.table.as_deref().unwrap_or("a table");
    let what = match step.rule.as_str() {
        "S0" => {
            return format!(
                "Step {place} reads the table {table}: {} (rule S0).",
                rows_of_one(step.rows)
            );
        }
        "S0p" => {
            return format!(
                "Step {place} reads {table}, which is public and holds nobody's rows (rule S0p)."
            );
        }
        "RELEASE" => {
            return format!(
                "Step {place} sums up what {inputs} gives, over everybody; of this nothing is shown without noise (RELEASE)."
            );
        }
        "S1" => format!("works on each row of {inputs} by itself"),
        "S2" => format!("brings together rows of the same person from {inputs}"),
        "S3" => format!("brings rows of persons together with public rows, from {inputs}"),
        "S4" => format!("sums up rows of {inputs} within each person"),
        "S5" => format!("compares rows of {inputs} within each person"),
        "S6" => format!("puts the rows of {inputs} one below the other"),
        "S8" => format!("bounds the groups of a person in {inputs}"),
        _ => format!("takes {inputs}"),
    };
    format!(
        "Step {place}, {}, {what}: {} (rule {}).",
        step.op,
        rows_of_one(step.rows),
        step.rule
    )
}

fn rows_of_one(rows: u64) -> String {
    match rows {
        0 => "no bound is known on the rows of one person".to_owned(),
        1 => "at most 1 row of it is one person's".to_owned(),
        rows => format!("at most {rows} rows of it are one person's"),
    }
}

fn release(place: usize, bounds: &Bounds) -> String {
    let groups = match (bounds.groups_per_person, bounds.weighted) {
        (1, None) => "in at most 1 group".to_owned(),
        (groups, None) => format!("in at most {groups} groups"),
        (groups, Some(weighted)) => format!(
            "in at most {} groups, and where they are more than {groups} with less weight in each",
            weighted.groups
        ),
    };
    let rows = match bounds.rows_per_person {
        1 => "at most 1 row".to_owned(),
        rows => format!("at most {rows} rows"),
    };
    let answered = match bounds.cells {
        0 => "which groups are answered is not public and decided by a threshold".to_owned(),
        1 => "one group is answered, whatever the data".to_owned(),
        cells => format!("the same {cells} groups are answered whatever the data"),
    };
    format!(
        "Release {place} (step {}): one person counts {groups}, with {rows} in each; {answered}.",
        bounds.step
    )
}

fn noise(mechanism: &Mechanism, bounds: Option<&Bounds>) -> String {
    let unit = bounds
        .and_then(|bounds| bounds.weighted)
        .map_or(1, |weighted| weighted.unit);
    let what = match mechanism.aggregate {
        Aggregate::Persons => "the number of persons".to_owned(),
        Aggregate::Rows => "the number of rows".to_owned(),
        Aggregate::Sum => format!(
            "a sum, to which one row adds at most {} grid units",
            mechanism.bound
        ),
        Aggregate::CentredSum => format!(
            "a sum around the middle of its bounds, to which one row adds at most {} grid units",
            mechanism.bound
        ),
        Aggregate::CentredSquare => format!(
            "a sum of squares around the middle of its bounds, to which one row adds at most {} grid units",
            mechanism.bound
        ),
        Aggregate::Values => "the number of different values".to_owned(),
        Aggregate::Tree => format!(
            "a tree of {} counts on {} levels, from which quantiles are read",
            mechanism.values, mechanism.bound
        ),
    };
    let (name, deviation) = match mechanism.kind {
        Noise::DiscreteGaussian => ("discrete Gaussian", mechanism.sigma.clone()),
        // The standard deviation of discrete Laplace noise is below √2 times its scale.
        Noise::DiscreteLaplace => (
            "discrete Laplace",
            Rational::from_ratio(141_422, 100_000).map_or_else(
                || mechanism.sigma.clone(),
                |root| root.product(&mechanism.sigma),
            ),
        ),
    };
    let unit = Rational::from_ratio(1, u128::from(unit))
        .map_or_else(|| deviation.clone(), |part| part.product(&deviation));
    format!(
        "Release {} shows {what}, with {name} noise of standard deviation {} grid units at most in each number: it cost {}.",
        mechanism.release,
        number(&unit),
        Loss {
            rho: mechanism.rho,
            delta: mechanism.delta
        }
    )
}

/// Three digits after the point, where they are of use.
fn number(value: &Rational) -> String {
    let text = value.to_decimal_string(3);
    let trimmed = text.trim_end_matches('0').trim_end_matches('.');
    if trimmed.is_empty() { "0" } else { trimmed }.to_owned()
}

fn threshold(mechanism: &Mechanism, bounds: Option<&Bounds>) -> Option<String> {
    let threshold = mechanism.threshold?;
    let weighted = bounds.is_some_and(|bounds| bounds.weighted.is_some());
    Some(format!(
        "A group of release {} is answered if at least {} persons are in it and their noisy number{} is above {}.",
        mechanism.release,
        threshold.minimum,
        if weighted { ", by weight," } else { "" },
        threshold.tau
    ))
}

fn purse_moved(purse: &Movement, conversion: Delta) -> String {
    let remaining = left(purse.cap, purse.after);
    format!(
        "The purse {} held {} of {} before and {} after: epsilon {} in all, and rho {} is left.",
        purse.scope,
        purse.before,
        purse.cap,
        purse.after,
        shown_epsilon(purse.after, conversion),
        remaining.rho.to_floor_string()
    )
}

fn limit_moved(limit: &Movement) -> String {
    format!(
        "It counted in the limit {}: {} before, {} after, of {}.",
        limit.scope, limit.before, limit.after, limit.cap
    )
}

fn ending(books: &Books<'_>, entry: EntryIndex) -> String {
    let question = of_books(books)
        .into_iter()
        .find(|question| question.entry == entry);
    let Some(question) = question else {
        return String::new();
    };
    let ending = match question.outcome {
        Outcome::Answered(release) => format!("It was answered, in entry {release}."),
        Outcome::Failed(abort) => {
            format!("It could not be answered, see entry {abort}; what it cost stays spent.")
        }
        Outcome::Dropped(abort) => {
            format!("It was dropped before an answer, see entry {abort}; what it cost stays spent.")
        }
        _ => "It has neither an answer nor an end so far; what it cost stays spent.".to_owned(),
    };
    if question.incidents == Loss::ZERO {
        ending
    } else {
        format!(
            "{ending} Its price was too low: {} were added by an incident.",
            question.incidents
        )
    }
}

fn repeated(books: &Books<'_>, reuse: &Reuse, at: &str) -> Vec<String> {
    let mut all = vec![format!(
        "{} asked a question for the purpose {} at {at}, and was given the answer of entry {} once more: nothing new was learnt and the purse paid nothing.",
        asker(&reuse.principal, &reuse.roles),
        reuse.purpose,
        reuse.release
    )];
    all.extend(reuse.accounts.iter().map(limit_moved));
    let first = books.release(reuse.release);
    let paid = first.and_then(|release| Some((release.reserve, books.reserve(release.reserve)?)));
    if let Some((index, reserve)) = paid {
        all.push(format!("Entry {index} paid for it:"));
        all.extend(derived(reserve, books.conversion()));
    }
    all
}
