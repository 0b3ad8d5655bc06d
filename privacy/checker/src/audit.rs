//! The audit: decode, one pass over the entries, then the tree.

use crate::align::align;
use crate::budget::Purse;
use crate::checkpoints::{self, Signed};
use crate::derivation;
use crate::entry::Entry;
use crate::limits::Limits;
use crate::price;
use crate::references::References;
use crate::report::{Finding, Report};
use crate::tree::Hash;

/// What a verifier is given.
#[derive(Debug, Clone, Default)]
pub struct Evidence {
    /// Bytes of every entry, by index. Empty bytes stand for an entry whose file is missing.
    pub entries: Vec<Vec<u8>>,
    /// Leaf hashes as the store holds them. Without them a changed entry is found between two checkpoints only.
    pub leaves: Option<Vec<Hash>>,
    /// Signed checkpoints in any order: those exported, and best also one that the auditor kept, without which
    /// a log that was rolled back to an earlier state cannot be told from a younger one.
    pub checkpoints: Vec<Vec<u8>>,
    /// Verifier key of the newest checkpoint, best from another source than the log.
    pub vkey: String,
}

/// Recomputes every rule of `docs/ledger-format.md`.
pub fn audit(evidence: &Evidence) -> Report {
    let mut report = Report {
        entries: u64::try_from(evidence.entries.len()).unwrap_or(u64::MAX),
        ..Report::default()
    };
    let findings = &mut report.findings;
    let claimed = checkpoints::claimed_size(&evidence.checkpoints);
    let aligned = align(
        &evidence.entries,
        evidence.leaves.as_deref(),
        claimed,
        findings,
    );

    let mut log = References::default();
    let mut purse = Purse::default();
    let mut limits = Limits::default();
    for (index, bytes) in (0_u64..).zip(&aligned.slots) {
        let entry = match bytes.map(Entry::decode) {
            Some(Ok(entry)) => Some(entry),
            Some(Err(malformed)) => {
                findings.push(Finding::at(index, "F1", malformed.0));
                None
            }
            None => {
                findings.push(Finding::at(index, "F1", "no bytes"));
                None
            }
        };
        let kind = entry.as_ref().map_or("unreadable", Entry::kind);
        let count = report.kinds.entry(kind).or_default();
        *count = count.saturating_add(1);
        log.check(index, entry.as_ref(), findings);
        purse.check(index, entry.as_ref(), findings);
        limits.check(index, entry.as_ref(), findings);
        if let Some(Entry::Reserve(reserve)) = &entry {
            derivation::check(index, &reserve.certificate, findings);
            let query_rho = log.query_rho(reserve.certificate.policy);
            price::check(index, reserve, query_rho, findings);
        }
    }
    if let Some((index, what)) = match aligned.slots.len() {
        0 => Some((0, "there is no genesis")),
        1 => Some((1, "there is no key")),
        _ => None,
    } {
        findings.push(Finding::at(index, "F2", what));
    }
    (report.totals, report.open) = purse.close();
    report.totals.extend(limits.close());

    let signed = Signed {
        checkpoints: &evidence.checkpoints,
        vkey: &evidence.vkey,
    };
    let heads = checkpoints::check(&signed, &log, &aligned, findings);
    (report.head, report.checkpoints) = (heads.newest, heads.count);
    report.finish();
    report
}
