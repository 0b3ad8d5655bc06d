//! What an audit found.

use std::collections::BTreeMap;

use crate::fields::{FIELDS, Field, Standing};
use crate::quantity::Loss;
use crate::records::{
    GrantRecord, IncidentRecord, OfficerRecord, OpeningRecord, ReviewRecord, SealRecord, Witnessed,
};
use crate::restricted::RestrictedReport;
use crate::tree::Hash;

/// What limits are kept by and cannot know: who asked, when, and what for. And whose key an officer's is.
const SAID: [(&str, &str); 5] = [
    ("entry", "time"),
    ("reserve", "principal"),
    ("reserve", "purpose"),
    ("reuse", "principal"),
    ("officer", "name"),
];

/// Why bytes are not an entry; becomes a finding of rule F1.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Malformed(pub(crate) String);

/// One failure of one rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{rule}{at}: {what}", at = self.index.map(|n| format!(" entry {n}")).unwrap_or_default())]
pub struct Finding {
    /// Index of the entry; for a checkpoint or a range, of the last entry that it covers. `None` when the
    /// failure is of the evidence as a whole.
    pub index: Option<u64>,
    /// Name of the rule in `docs/ledger-format.md`; `receipt` for the form and the commitment of a receipt.
    pub rule: &'static str,
    /// What does not hold. It may quote the evidence: it is for the auditor.
    pub what: String,
}

impl Finding {
    pub(crate) fn at(index: u64, rule: &'static str, what: impl Into<String>) -> Self {
        let (index, what) = (Some(index), what.into());
        Finding { index, rule, what }
    }

    pub(crate) fn whole(rule: &'static str, what: impl Into<String>) -> Self {
        let (index, what) = (None, what.into());
        Finding { index, rule, what }
    }
}

/// What the purse, or the account of a limit, has let through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScopeTotal {
    /// `space:` and the identity space; or that of a limit.
    pub scope: String,
    /// The cap in force, or the limit.
    pub cap: Loss,
    /// Running total after the last reserve or incident, as the entries state it where they fail.
    pub spent: Loss,
    /// Number of reserves, and of repeated answers where they count.
    pub reserves: u64,
}

/// The outcome of an audit.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// Failures, by entry. Empty means that every rule holds.
    pub findings: Vec<Finding>,
    /// Number of entries.
    pub entries: u64,
    /// Number of entries of each kind; those that cannot be decoded are under `unreadable`.
    pub kinds: BTreeMap<&'static str, u64>,
    /// One total per scope.
    pub totals: Vec<ScopeTotal>,
    /// The cap of the purse in force; `None` if the genesis cannot be read.
    pub cap: Option<Loss>,
    /// Who can approve, or could, in the order of their entries.
    pub officers: Vec<OfficerRecord>,
    /// What raised the cap.
    pub grants: Vec<GrantRecord>,
    /// Who looked at what.
    pub reviews: Vec<ReviewRecord>,
    /// Prices that were too low.
    pub incidents: Vec<IncidentRecord>,
    /// The log that this one goes on from.
    pub opening: Option<OpeningRecord>,
    /// How it ended, if it has.
    pub sealed: Option<SealRecord>,
    /// Reserves that neither a release nor an abort has ended. They stay spent.
    pub open: Vec<u64>,
    /// Fields of the kinds that occur here whose truth rests on whoever wrote the entry.
    pub attested: Vec<&'static Field>,
    /// Size and root of the newest checkpoint whose signature is good.
    pub head: Option<(u64, Hash)>,
    /// Number of checkpoints whose signature is good.
    pub checkpoints: u64,
    /// The witnesses of the auditor's policy who cosigned the newest checkpoint; `None` without a policy.
    pub witnessed: Option<Vec<Witnessed>>,
    /// What was found in the restricted log; `None` where it was not brought.
    pub restricted: Option<RestrictedReport>,
}

impl Report {
    /// True if every rule holds.
    ///
    /// # Guarantee
    /// For an honest verifier key, and a newest checkpoint that others have seen, the entries are those that were
    /// logged, each release was paid for before at the price that its certificate states, and the sum of all prices
    /// was within the cap in force, which officers alone raised and never above the ceiling of the genesis, but for what
    /// incidents added later. It does not follow that attested fields are true or that noise was drawn as priced.
    pub fn holds(&self) -> bool {
        let beside = self.restricted.as_ref();
        self.findings.is_empty() && beside.is_none_or(|beside| beside.findings.is_empty())
    }

    /// Sorts the findings and lists the attested fields of the kinds that occurred.
    pub(crate) fn finish(&mut self) {
        self.findings
            .sort_by_key(|finding| (finding.index.is_none(), finding.index, finding.rule));
        self.attested = FIELDS
            .iter()
            .filter(|field| {
                field.standing == Standing::Attested || SAID.contains(&(field.kind, field.path))
            })
            .filter(|field| field.kind == "entry" || self.kinds.contains_key(field.kind))
            .collect();
    }
}
