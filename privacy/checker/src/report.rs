//! What an audit found, as data, as text and as JSON.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::fields::{FIELDS, Field, OUTSIDE, Standing};
use crate::json::Json;
use crate::quantity::Loss;
use crate::tree::Hash;

/// Most indices that one line of the text report names.
const SHOWN: usize = 20;

/// What limits are kept by and cannot know: who asked, when, and what for.
const SAID: [(&str, &str); 4] = [
    ("entry", "time"),
    ("reserve", "principal"),
    ("reserve", "purpose"),
    ("reuse", "principal"),
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
    /// The lifetime cap of the genesis, or the limit.
    pub cap: Loss,
    /// Running total after the last reserve, as the entries state it where they fail.
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
    /// Reserves that neither a release nor an abort has ended. They stay spent.
    pub open: Vec<u64>,
    /// Fields of the kinds that occur here whose truth rests on whoever wrote the entry.
    pub attested: Vec<&'static Field>,
    /// Size and root of the newest checkpoint whose signature is good.
    pub head: Option<(u64, Hash)>,
    /// Number of checkpoints whose signature is good.
    pub checkpoints: u64,
}

impl Report {
    /// True if every rule holds.
    ///
    /// # Guarantee
    /// For an honest verifier key, and a newest checkpoint that others have seen, the entries are those that were
    /// logged, each release was paid for before at the price that its certificate states, and the sum of all prices
    /// is within the cap of the genesis. It does not follow that attested fields are true or that noise was drawn as priced.
    pub fn holds(&self) -> bool {
        self.findings.is_empty()
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

    /// The report for a terminal.
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        let verdict = if self.holds() { "HOLDS" } else { "FAILS" };
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "{verdict}: {} entries, {} checkpoints with a good signature",
            self.entries, self.checkpoints
        );
        for line in self.grouped() {
            let _ = writeln!(text, "  {line}");
        }
        if let Some((size, root)) = &self.head {
            let _ = writeln!(text, "newest checkpoint: size {size}, root {}", hex(root));
        }
        for total in &self.totals {
            let _ = writeln!(
                text,
                "{}: {} reserves, spent {}, cap {}",
                total.scope.escape_debug(),
                total.reserves,
                total.spent,
                total.cap
            );
        }
        let kinds: Vec<String> = self.kinds.iter().map(|(k, n)| format!("{k} {n}")).collect();
        let _ = writeln!(text, "kinds: {}", kinds.join(", "));
        let open: Vec<String> = self.open.iter().map(u64::to_string).collect();
        let _ = match open.as_slice() {
            [] => writeln!(text, "open reserves: none"),
            _ => writeln!(text, "open reserves (they stay spent): {}", open.join(", ")),
        };
        let _ = writeln!(text, "attested only, not recomputed:");
        for field in &self.attested {
            let _ = writeln!(text, "  {}.{}: {}", field.kind, field.path, field.note);
        }
        let _ = writeln!(text, "outside of what any log can show:");
        for line in OUTSIDE {
            let _ = writeln!(text, "  {line}");
        }
        text
    }

    /// The findings, those that differ in the index alone on one line: a changed catalog is cited by many reserves.
    fn grouped(&self) -> Vec<String> {
        let mut order = Vec::new();
        let mut groups: BTreeMap<(&str, &str), Vec<u64>> = BTreeMap::new();
        for finding in &self.findings {
            let key = (finding.rule, finding.what.as_str());
            let indices = groups.entry(key).or_default();
            match finding.index {
                Some(index) if !indices.is_empty() => indices.push(index),
                index => {
                    indices.extend(index);
                    order.push((key, finding));
                }
            }
        }
        order
            .into_iter()
            .map(|(key, finding)| match groups.get(&key).map(Vec::as_slice) {
                Some(indices @ [_, _, ..]) => {
                    let (shown, rest) = indices.split_at(indices.len().min(SHOWN));
                    let shown: Vec<String> = shown.iter().map(u64::to_string).collect();
                    let more = match rest.len() {
                        0 => String::new(),
                        n => format!(" and {n} more"),
                    };
                    let (rule, what) = key;
                    format!("{rule} entries {}{more}: {what}", shown.join(", "))
                }
                _ => finding.to_string(),
            })
            .collect()
    }

    /// The report as one JSON object. Quantities are decimal text: they do not fit a double.
    pub fn to_json(&self) -> String {
        let loss = |loss: Loss| {
            Json::object([
                ("rho", Json::text(loss.rho_decimal())),
                ("delta", Json::text(loss.delta_decimal())),
                ("rho_units", Json::text(loss.rho.to_string())),
                ("delta_units", Json::text(loss.delta.to_string())),
            ])
        };
        let findings = self.findings.iter().map(|finding| {
            Json::object([
                ("index", finding.index.map_or(Json::Null, Json::Number)),
                ("rule", Json::text(finding.rule)),
                ("what", Json::text(finding.what.clone())),
            ])
        });
        let totals = self.totals.iter().map(|total| {
            Json::object([
                ("scope", Json::text(total.scope.clone())),
                ("reserves", Json::Number(total.reserves)),
                ("spent", loss(total.spent)),
                ("cap", loss(total.cap)),
            ])
        });
        let attested = self.attested.iter().map(|field| {
            Json::object([
                (
                    "field",
                    Json::text(format!("{}.{}", field.kind, field.path)),
                ),
                ("note", Json::text(field.note)),
            ])
        });
        let head = self.head.map_or(Json::Null, |(size, root)| {
            Json::object([
                ("size", Json::Number(size)),
                ("root", Json::text(hex(&root))),
            ])
        });
        Json::object([
            ("holds", Json::Bool(self.holds())),
            ("entries", Json::Number(self.entries)),
            ("checkpoints", Json::Number(self.checkpoints)),
            ("head", head),
            ("findings", Json::array(findings)),
            ("totals", Json::array(totals)),
            (
                "kinds",
                Json::object(self.kinds.iter().map(|(kind, n)| (*kind, Json::Number(*n)))),
            ),
            (
                "open",
                Json::array(self.open.iter().copied().map(Json::Number)),
            ),
            ("attested", Json::array(attested)),
            (
                "outside",
                Json::array(OUTSIDE.iter().map(|line| Json::text(*line))),
            ),
        ])
        .to_string()
    }
}

fn hex(hash: &Hash) -> String {
    hash.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
