//! The audit: each entry by itself, one pass over all of them in order, then the tree.

use crate::ahead;
use crate::align::{Aligned, align};
use crate::alone::Alone;
use crate::budget::Purse;
use crate::checkpoints::{self, Signed};
use crate::entry::Entry;
use crate::grants::Grants;
use crate::keys::Keys;
use crate::limits::Limits;
use crate::officers::Officers;
use crate::opening::Opening;
use crate::policy::Policy;
use crate::price;
use crate::references::References;
use crate::report::{Finding, Report};
use crate::restricted::{self, Restricted};
use crate::reviews::Reviews;
use crate::seal::{Ending, Seals};
use crate::succession;
use crate::ticks::Ticks;
use crate::tree::Hash;
use crate::vkey::VerifierKey;
use crate::witnesses;

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

/// What an auditor brings, from another source than the log.
#[derive(Debug, Clone, Default)]
pub struct Trust {
    /// A verifier key that the log had at some time: each later one is endorsed by the one before it (rule K1).
    pub vkey: Option<String>,
    /// The witnesses who must have cosigned the newest checkpoint (rule W1).
    pub policy: Option<Policy>,
    /// The logs that this one goes on from, the nearest first (rule E3).
    pub predecessors: Vec<Evidence>,
    /// The restricted log (rules N2 and N3), for those who may see how it grows.
    pub restricted: Option<Restricted>,
}

/// Recomputes every rule of `docs/ledger-format.md` but W1, which takes a policy, E3, which takes the log before this one, and N2 and N3, which take the restricted log.
pub fn audit(evidence: &Evidence) -> Report {
    audit_with(evidence, &Trust::default())
}

/// Recomputes every rule of `docs/ledger-format.md`, and holds the log against what the auditor brings.
pub fn audit_with(evidence: &Evidence, trust: &Trust) -> Report {
    let mut report = Report {
        entries: u64::try_from(evidence.entries.len()).unwrap_or(u64::MAX),
        ..Report::default()
    };
    let claimed = checkpoints::claimed_size(&evidence.checkpoints);
    let aligned = align(
        &evidence.entries,
        evidence.leaves.as_deref(),
        claimed,
        &mut report.findings,
    );
    let mut fold = Fold::default();
    ahead::in_order(
        &aligned.slots,
        |index, bytes| Alone::of(index, *bytes),
        |index, alone| fold.entry(index, alone, &mut report),
    );
    if let Some((index, what)) = match aligned.slots.len() {
        0 => Some((0, "there is no genesis")),
        1 => Some((1, "there is no key")),
        _ => None,
    } {
        report.findings.push(Finding::at(index, "F2", what));
    }
    fold.close(evidence, trust, &aligned, &mut report);
    report.finish();
    report
}

/// What the entries so far have established, by rule.
#[derive(Default)]
struct Fold {
    log: References,
    keys: Keys,
    officers: Officers,
    grants: Grants,
    reviews: Reviews,
    purse: Purse,
    limits: Limits,
    opening: Opening,
    seals: Seals,
    ticks: Ticks,
}

impl Fold {
    fn entry(&mut self, index: u64, alone: Alone, report: &mut Report) {
        let findings = &mut report.findings;
        findings.extend(alone.findings);
        let entry = alone.entry.as_ref();
        let kind = entry.map_or("unreadable", Entry::kind);
        let count = report.kinds.entry(kind).or_default();
        *count = count.saturating_add(1);

        self.log.check(index, entry, findings);
        let origin = self.log.origin.as_deref();
        self.keys.check(index, entry, origin, findings);
        let by = self.officers.check(index, entry, origin, findings);
        self.grants
            .check(index, entry, &mut self.limits, &by, findings);
        self.reviews.check(index, entry, &by, findings);
        self.purse
            .check(index, entry, &mut self.grants, &by, findings);
        self.limits.check(index, entry, findings);
        self.opening.check(index, entry, &by, findings);
        let dated = entry.map(|entry| (alone.time, entry));
        self.ticks.check(index, dated, findings);
        let mut ending = Ending {
            origin,
            keys: &self.keys,
            grants: &mut self.grants,
            purse: &self.purse,
            limits: &self.limits,
        };
        self.seals.check(index, entry, &mut ending, &by, findings);
        if let Some(Entry::Reserve(reserve)) = entry {
            let query_rho = self.log.query_rho(reserve.certificate.policy);
            price::check_allowed(index, reserve, query_rho, findings);
        }
    }

    fn close(self, evidence: &Evidence, trust: &Trust, aligned: &Aligned<'_>, report: &mut Report) {
        let findings = &mut report.findings;
        if let Some(kept) = &trust.vkey {
            self.kept_key(&evidence.vkey, kept, findings);
        }
        let signed = Signed {
            checkpoints: &evidence.checkpoints,
            vkey: &evidence.vkey,
        };
        let heads = checkpoints::check(&signed, &self.log, aligned, findings);
        (report.head, report.checkpoints) = (heads.newest, heads.count);
        let origin = self.log.origin.as_deref();
        report.witnessed = trust
            .policy
            .as_ref()
            .map(|policy| witnesses::check(policy, &heads, &self.keys, origin, findings));

        report.opening = self.opening.close();
        report.sealed = self.seals.close();
        if let Some((before, earlier)) = trust.predecessors.split_first() {
            let genesis = evidence.entries.first().map(|bytes| Entry::decode(bytes));
            let genesis = match &genesis {
                Some(Ok(Entry::Genesis(genesis))) => Some(&**genesis),
                _ => None,
            };
            succession::check(genesis, before, earlier, findings);
            if let Some(opening) = &mut report.opening {
                opening.compared = true;
            }
        }
        if let Some(restricted) = &trust.restricted {
            let first = restricted::First {
                log: &self.log,
                has_one: self.ticks.every().is_some(),
                anchors: &self.ticks.anchors,
            };
            report.restricted = Some(restricted::check(restricted, &first, findings));
        }
        report.reviews = self.reviews.close(aligned, findings);
        report.cap = self.grants.cap();
        let total;
        (total, report.open, report.incidents) = self.purse.close(report.cap);
        report.totals.extend(total);
        report.totals.extend(self.limits.close());
        report.officers = self.officers.close();
        report.grants = self.grants.close();
    }

    /// The key that the auditor kept must have been the log's at some time: K1 leads from it to the one that signs the newest
    /// checkpoint, which is the exported one by T2.
    fn kept_key(&self, exported: &str, kept: &str, findings: &mut Vec<Finding>) {
        let origin = self.log.origin.as_deref();
        let known = VerifierKey::from_file(kept).is_ok_and(|key| self.keys.has(&key, origin));
        // Where no entry has the exported key either, T2 says so of that.
        if !known && kept.trim_end() != exported.trim_end() {
            let what = "the verifier key that was kept is none of this log's";
            findings.push(Finding::whole("T2", what));
        }
    }
}
