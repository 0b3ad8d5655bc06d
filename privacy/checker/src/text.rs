//! The report for a terminal.

use std::collections::BTreeMap;
use std::fmt::{Display, Write as _};

use crate::document::hex;
use crate::fields::OUTSIDE;
use crate::records::{
    GrantRecord, IncidentRecord, OfficerRecord, OpeningRecord, ReviewRecord, SealRecord, Witnessed,
};
use crate::report::{Finding, Report};
use crate::restricted::RestrictedReport;

/// Most indices that one line names, and most lines of one list.
const SHOWN: usize = 20;

impl Report {
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
        match &self.witnessed {
            None => text.push_str("witnesses: none were asked for (--policy)\n"),
            Some(witnessed) => list(&mut text, "witnesses of the newest checkpoint", witnessed),
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
        if let Some(cap) = self.cap {
            let _ = writeln!(text, "cap in force: {cap}");
        }
        list(&mut text, "grants", &self.grants);
        list(
            &mut text,
            "incidents, spent beyond the price",
            &self.incidents,
        );
        list(&mut text, "officers", &self.officers);
        list(&mut text, "reviews", &self.reviews);
        if let Some(opening) = &self.opening {
            let _ = writeln!(text, "goes on from {opening}");
        }
        if let Some(seal) = &self.sealed {
            let _ = writeln!(text, "{seal}");
        }
        match &self.restricted {
            None if self.kinds.contains_key("anchor") => {
                text.push_str(
                    "restricted log: not brought (--restricted); its anchors are attested\n",
                );
            }
            None => {}
            Some(restricted) => restricted.write(&mut text),
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
        grouped(&self.findings)
    }
}

impl RestrictedReport {
    fn write(&self, text: &mut String) {
        let open: Vec<String> = self.open.iter().map(u64::to_string).collect();
        let _ = writeln!(
            text,
            "restricted log: {} entries, {} anchors hold",
            self.entries, self.anchors
        );
        for line in grouped(&self.findings) {
            let _ = writeln!(text, "  restricted log: {line}");
        }
        let _ = match open.as_slice() {
            [] => writeln!(text, "open break-glass accesses: none"),
            _ => writeln!(text, "open break-glass accesses: {}", open.join(", ")),
        };
    }
}

/// The findings, those that differ in the index alone on one line.
fn grouped(findings: &[Finding]) -> Vec<String> {
    let mut order = Vec::new();
    let mut groups: BTreeMap<(&str, &str), Vec<u64>> = BTreeMap::new();
    for finding in findings {
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

/// The last lines of a list, which say most about now.
fn list<T: Display>(text: &mut String, name: &str, items: &[T]) {
    if items.is_empty() {
        let _ = writeln!(text, "{name}: none");
        return;
    }
    let _ = writeln!(text, "{name}:");
    let earlier = items.len().saturating_sub(SHOWN);
    if earlier > 0 {
        let _ = writeln!(text, "  {earlier} earlier");
    }
    for item in items.iter().skip(earlier) {
        let _ = writeln!(text, "  {item}");
    }
}

/// Who approved it. What the log says is quoted, so that it cannot write lines of the report.
fn approved(by: &[String]) -> String {
    if by.is_empty() {
        return "approved by nobody".to_owned();
    }
    let names: Vec<String> = by.iter().map(|name| format!("{name:?}")).collect();
    format!("approved by {}", names.join(", "))
}

impl Display for OfficerRecord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}: since entry {}", self.name, self.since)?;
        if self.self_named {
            f.write_str(", named by the log's key alone")?;
        }
        match self.until {
            None => f.write_str(", active"),
            Some(until) => write!(f, ", ended by entry {until}"),
        }
    }
}

impl Display for GrantRecord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (old, new, by) = (self.old, self.new, approved(&self.approved_by));
        let (entry, scope) = (self.entry, self.scope.escape_debug());
        write!(f, "entry {entry}: {scope} from {old} to {new}, {by}")
    }
}

impl Display for ReviewRecord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (from, to, by) = (self.from, self.to, approved(&self.approved_by));
        let (entry, principal) = (self.entry, &self.principal);
        write!(
            f,
            "entry {entry}: {principal:?} of entries {from} to {to}, {by}"
        )
    }
}

impl Display for IncidentRecord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (loss, reserve, by) = (self.loss, self.reserve, approved(&self.approved_by));
        write!(
            f,
            "entry {}: {loss} for reserve {reserve}, {by}",
            self.entry
        )
    }
}

impl Display for OpeningRecord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}, opened with {}: ", self.origin, self.spent)?;
        let size = self.size.unwrap_or_default();
        match self.read {
            None => write!(f, "sealed at {size} entries")?,
            Some(read) => write!(
                f,
                "lost at {size} entries, of which {read} were read, {}",
                approved(&self.approved_by)
            )?,
        }
        f.write_str(if self.compared {
            "; compared with that log"
        } else {
            "; attested, bring that log to compare (--predecessor)"
        })
    }
}

impl Display for SealRecord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let by = approved(&self.approved_by);
        let (entry, successor, spent) = (self.entry, &self.successor, self.spent);
        write!(
            f,
            "sealed by entry {entry} with {spent}, for {successor:?}, {by}"
        )
    }
}

impl Display for Witnessed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (witness, key, time) = (&self.witness, &self.key, utc(self.time));
        write!(f, "{witness:?} ({}): {time}", key.escape_debug())
    }
}

/// Seconds since 1970 as a date in the proleptic Gregorian calendar.
///
/// Source: H. Hinnant, chrono-Compatible Low-Level Date Algorithms, `civil_from_days`.
#[expect(
    clippy::arithmetic_side_effects,
    reason = "days are below 2^48, and each remainder is subtracted from what it is a part of"
)]
fn utc(seconds: u64) -> String {
    let (day, second) = (seconds / 86_400, seconds % 86_400);
    // Days from 0000-03-01, so that a leap day is the last of its year.
    let days = day + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let from_march = (5 * of_year + 2) / 153;
    let date = of_year - (153 * from_march + 2) / 5 + 1;
    let (month, next) = match from_march {
        0..=9 => (from_march + 3, 0),
        _ => (from_march - 9, 1),
    };
    let year = year + era * 400 + next;
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{date:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::utc;

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (seconds, date) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (951_868_800, "2000-03-01T00:00:00Z"),
            (1_679_315_147, "2023-03-20T12:25:47Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
            (4_102_444_799, "2099-12-31T23:59:59Z"),
        ] {
            assert_eq!(utc(seconds), date);
        }
        assert!(utc(u64::MAX).starts_with("584554051223-11-09"));
    }
}
