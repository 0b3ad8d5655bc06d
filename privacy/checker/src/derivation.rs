//! Rules P1 and P2: the derivation steps are well formed and no bound on rows appears from nowhere.

use crate::certificate::{Certificate, Step};
use crate::report::Finding;

/// The rules of the privacy analysis that a step may name; the last is the release.
const RULES: [&str; 7] = ["S0", "S0p", "S1", "S2", "S3", "S4", RELEASE];
const RELEASE: &str = "RELEASE";

/// A scan has a table and no input: of private (`S0`) or public (`S0p`) rows.
fn is_scan(rule: &str) -> bool {
    matches!(rule, "S0" | "S0p")
}

/// Filters and projections, and aggregates per person: they cannot multiply a person's rows.
fn keeps_bound(rule: &str) -> bool {
    matches!(rule, "S1" | "S4")
}

pub(crate) fn check(index: u64, certificate: &Certificate, findings: &mut Vec<Finding>) {
    let steps = &certificate.steps;
    for (position, step) in steps.iter().enumerate() {
        let mut fail = |rule, what: String| {
            findings.push(Finding::at(index, rule, format!("step {position}: {what}")));
        };
        let is_last = position.checked_add(1) == Some(steps.len());
        if let Err(what) = shape(step, is_last) {
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
                format!("inputs {:?} are not all earlier steps", step.inputs),
            );
            continue;
        };
        if step.rule == RELEASE && step.rows != certificate.rows_per_person {
            let k = certificate.rows_per_person;
            fail(
                "P1",
                format!("the release has rows {}, the bounds {k}", step.rows),
            );
        }
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
    }
}

fn shape(step: &Step, is_last: bool) -> Result<(), String> {
    let rule = &step.rule;
    if !RULES.contains(&rule.as_str()) {
        return Err(format!("rule {rule:?} is not known"));
    }
    if is_last != (rule == RELEASE) {
        return Err("the release is not the last step and only that".to_owned());
    }
    match (is_scan(rule), step.has_table, step.inputs.is_empty()) {
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
    steps.get(input)
}

/// Rows of one person; 0 in the format is no bound, hence above every number.
fn bound(step: &Step) -> u64 {
    match step.rows {
        0 => u64::MAX,
        rows => rows,
    }
}
