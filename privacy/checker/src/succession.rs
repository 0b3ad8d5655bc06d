//! Rule E3: what a log opens with is what the log before it ended with, or, where that is lost, no less than is left of it says.

use crate::audit::{Evidence, Trust, audit_with};
use crate::entry::{Entry, Genesis};
use crate::opening::Predecessor;
use crate::quantity::Loss;
use crate::report::{Finding, Report};
use crate::seal::{is_for_good, pairs};
use crate::tree::{leaf_hash, roots_at};

/// Holds the opening of a log against its predecessor's, which the auditor brings; that log's own predecessors are in `earlier`.
pub(crate) fn check(
    genesis: Option<&Genesis>,
    before: &Evidence,
    earlier: &[Evidence],
    findings: &mut Vec<Finding>,
) {
    let mut fail = |what: String| findings.push(Finding::at(0, "E3", what));
    let Some(genesis) = genesis else {
        return fail("there is no genesis that could go on from a log".to_owned());
    };
    let Some(predecessor) = &genesis.predecessor else {
        return fail("the genesis goes on from no log".to_owned());
    };
    let trust = Trust {
        predecessors: earlier.to_vec(),
        ..Trust::default()
    };
    let report = audit_with(before, &trust);
    if let Some(first) = report.findings.first() {
        return fail(format!("the log before it fails: {first}"));
    }
    let Some(Ok(Entry::Genesis(first))) = before.entries.first().map(|bytes| Entry::decode(bytes))
    else {
        return fail("the log before it has no genesis".to_owned());
    };
    if first.origin != predecessor.origin {
        return fail(format!("the log before it is {:?}", first.origin));
    }
    let terms = match predecessor.read {
        None => None,
        Some(read) => match first_entries(before, read, &trust) {
            Some(report) => Some(report),
            None => {
                return fail(format!(
                    "the log before it has fewer entries than the {read} that were read"
                ));
            }
        },
    };
    let terms = terms.as_ref().unwrap_or(&report);
    if first.space != genesis.space {
        fail(format!("the identity space was {:?}", first.space));
    }
    if !genesis.ceiling.within(first.ceiling) {
        fail("the ceiling is above that of the log before it".to_owned());
    }
    history(predecessor, before, &mut fail);
    let heirs = terms
        .officers
        .iter()
        .filter(|officer| officer.until.is_none());
    let mut heirs: Vec<_> = heirs
        .map(|officer| (officer.public, officer.name.clone()))
        .collect();
    heirs.sort_unstable();
    if heirs != predecessor.officers {
        fail("the officers are not those of the log before it".to_owned());
    }
    match predecessor.read {
        None => sealed(genesis, predecessor, &report, &mut fail),
        Some(_) => lost(genesis, predecessor, [terms, &report], &mut fail),
    }
}

/// The report over the first entries alone, where there are so many.
fn first_entries(before: &Evidence, read: u64, trust: &Trust) -> Option<Report> {
    let count = usize::try_from(read).ok()?;
    let evidence = Evidence {
        entries: before.entries.get(..count)?.to_vec(),
        ..Evidence::default()
    };
    // Of checkpoints nothing is asked here: the whole log holds.
    Some(audit_with(&evidence, trust))
}

/// The checkpoint is of that log as far as it is known.
fn history(predecessor: &Predecessor, before: &Evidence, fail: &mut impl FnMut(String)) {
    let Ok(head) = predecessor.head() else {
        return; // Rule E2 has said so.
    };
    let here = u64::try_from(before.entries.len()).unwrap_or(u64::MAX);
    let covered = before
        .entries
        .get(..usize::try_from(head.size.min(here)).unwrap_or(usize::MAX))
        .unwrap_or_default();
    let public = crate::keys::log_keys(covered)
        .first()
        .map(|key| *key.public());
    if public != Some(predecessor.public) {
        fail("the checkpoint is not signed by the key that was in force".to_owned());
    }
    if head.size > here {
        if predecessor.read.is_none() {
            fail("the log before it has fewer entries than the checkpoint signs".to_owned());
        }
        return;
    }
    let hashes = before.entries.iter().map(|entry| Some(leaf_hash(entry)));
    if roots_at([head.size].into_iter(), hashes) != [Some(head.root)] {
        fail("the checkpoint is of another history than the log before it".to_owned());
    }
    if predecessor.read.is_none() && head.size != here {
        fail("the log before it goes on after the checkpoint".to_owned());
    }
}

fn sealed(
    genesis: &Genesis,
    predecessor: &Predecessor,
    report: &Report,
    fail: &mut impl FnMut(String),
) {
    let Some(seal) = &report.sealed else {
        return fail("the log before it is not sealed".to_owned());
    };
    if (&seal.successor, &seal.public) != (&genesis.origin, &predecessor.successor) {
        fail("the seal names another successor".to_owned());
    }
    if seal.spent != predecessor.spent || seal.limits != pairs(&predecessor.limits) {
        fail("what had been spent is not what the seal says".to_owned());
    }
    if !genesis.cap.within(seal.cap) {
        fail("the cap is above the one that was in force".to_owned());
    }
}

/// `terms` are of what was read, `whole` is all that is left.
fn lost(
    genesis: &Genesis,
    predecessor: &Predecessor,
    [terms, whole]: [&Report; 2],
    fail: &mut impl FnMut(String),
) {
    if whole.sealed.is_some() {
        fail("the log before it was sealed, not lost".to_owned());
    }
    // A purse that opens closed may be as large as the ceiling: nothing is in it, and no grant adds to it.
    let closed = genesis.ceiling.within(predecessor.spent);
    if terms.cap.is_some_and(|cap| !genesis.cap.within(cap)) && !closed {
        fail("the cap is above the one that was in force".to_owned());
    }
    let spent = whole
        .totals
        .first()
        .map_or(Loss::default(), |total| total.spent);
    if !spent.within(predecessor.spent) {
        fail("more had been spent".to_owned());
    }
    for account in whole.totals.iter().skip(1) {
        let stated = predecessor
            .limits
            .iter()
            .find(|limit| limit.scope == account.scope);
        let holds = match stated {
            Some(limit) => account.spent.within(limit.spent),
            // Which periods had ended is for the clock to say.
            None => !is_for_good(&account.scope),
        };
        if !holds {
            fail(format!("{:?}: more had been let through", account.scope));
        }
    }
}
