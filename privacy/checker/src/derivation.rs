//! Rules P1 and P2: the derivation steps are well formed and no bound on rows appears from nowhere.

use crate::certificate::{Certificate, Step};
use crate::report::Finding;

/// The rules of the privacy analysis that a step may name; the last is a release.
const RULES: [&str; 10] = [
    "S0", "S0p", "S1", "S2", "S3", "S4", "S5", "S6", "S8", RELEASE,
];
const RELEASE: &str = "RELEASE";

/// A scan has a table and no input: of private (`S0`) or public (`S0p`) rows.
fn is_scan(rule: &str) -> bool {
    matches!(rule, "S0" | "S0p")
}

/// Filters and projections, aggregates and windows per person, bounds on groups: they cannot multiply a person's rows.
fn keeps_bound(rule: &str) -> bool {
    matches!(rule, "S1" | "S4" | "S5" | "S8")
}

pub(crate) fn check(index: u64, certificate: &Certificate, findings: &mut Vec<Finding>) {
    let steps = &certificate.steps;
    for (position, step) in steps.iter().enumerate() {
        let mut fail = |rule, what: String| {
            findings.push(Finding::at(index, rule, format!("step {position}: {what}")));
        };
        if let Err(what) = shape(step) {
            fail("P1", what);
        }
        let inputs: Option<Vec<&Step>> = step
            .inputs
            .iter()
            .map(|input| earlier(steps, position, *input))
            .collect();
        let Some(inputs) = inputs else {
            fail(
                "P1",
                format!(
                    "inputs {:?} are not all earlier steps below the releases",
                    step.inputs
                ),
            );
            continue;
        };
        if keeps_bound(&step.rule) {
            match inputs.as_slice() {
                [input] if bound(step) <= bound(input) => {}
                [input] => fail(
                    "P2",
                    format!("rows {} above the input's {}", step.rows, input.rows),
                ),
                _ => fail(
                    "P2",
                    format!("{} has {} inputs, not one", step.rule, inputs.len()),
                ),
            }
        }
        if step.rule == "S6" && bound(step) > all_of(&inputs) {
            fail("P2", format!("rows {} above the inputs' sum", step.rows));
        }
    }
    let mut fail = |what: &str| findings.push(Finding::at(index, "P1", what.to_owned()));
    if steps.last().is_none_or(|step| step.rule != RELEASE) {
        fail("the last step is not a release");
    }
    let stated = certificate
        .releases
        .iter()
        .map(|release| (release.step, release.rows_per_person));
    let found = (0..)
        .zip(steps)
        .filter(|(_, step)| step.rule == RELEASE)
        .map(|(position, step)| (position, step.rows));
    if !stated.eq(found) {
        fail("the releases are not those of the steps, with their rows per person");
    }
}

/// Rows of one person in several inputs together; without bound if one has none.
fn all_of(inputs: &[&Step]) -> u64 {
    inputs
        .iter()
        .fold(0, |sum: u64, input| sum.saturating_add(bound(input)))
}

fn shape(step: &Step) -> Result<(), String> {
    let rule = &step.rule;
    if !RULES.contains(&rule.as_str()) {
        return Err(format!("rule {rule:?} is not known"));
    }
    match (is_scan(rule), step.table.is_some(), step.inputs.is_empty()) {
        (true, true, true) | (false, false, false) => Ok(()),
        (true, false, _) => Err("a scan without a table".to_owned()),
        (true, _, false) => Err("a scan with an input".to_owned()),
        (false, true, _) => Err("a table on a step that is no scan".to_owned()),
        (false, _, true) => Err("no input".to_owned()),
    }
}

fn earlier(steps: &[Step], position: usize, input: u64) -> Option<&Step> {
    let input = usize::try_from(input)
        .ok()
        .filter(|input| *input < position)?;
    steps.get(input).filter(|step| step.rule != RELEASE)
}

/// Rows of one person; 0 in the format is no bound, hence above every number.
fn bound(step: &Step) -> u64 {
    match step.rows {
        0 => u64::MAX,
        rows => rows,
    }
}
