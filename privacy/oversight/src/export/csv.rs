//! Comma-separated values (RFC 4180), safe to open in a spreadsheet.

use super::mechanism;
use crate::books::hex;
use crate::question::Question;
use crate::time::instant;

const HEADER: [&str; 24] = [
    "entry",
    "time",
    "kind",
    "outcome",
    "cites",
    "rule",
    "principal",
    "roles",
    "purpose",
    "dataset",
    "snapshot",
    "rho",
    "rho_units",
    "delta_units",
    "incident_rho_units",
    "incident_delta_units",
    "epsilon",
    "epsilon_delta",
    "purse_cap_rho_units",
    "purse_before_rho_units",
    "purse_after_rho_units",
    "purse_after_delta_units",
    "mechanisms",
    "question_commitment",
];

/// The questions with a header line; lines end in CRLF. `rho_units` are 2^-40, `delta_units` 2^-80, both exact; `rho`, `epsilon` and `epsilon_delta`
/// are rounded up. Text that a spreadsheet would take for a formula begins with an apostrophe.
pub fn csv<'q>(questions: impl IntoIterator<Item = &'q Question>) -> String {
    let mut text = HEADER.join(",");
    text.push_str("\r\n");
    for question in questions {
        let fields: Vec<String> = fields(question).iter().map(|field| quoted(field)).collect();
        text.push_str(&fields.join(","));
        text.push_str("\r\n");
    }
    text
}

fn fields(question: &Question) -> [String; 24] {
    let number = |value: Option<u64>| value.map_or_else(String::new, |value| value.to_string());
    let purse = question.purse;
    let mechanisms: Vec<String> = question.mechanisms.iter().map(mechanism).collect();
    [
        question.entry.to_string(),
        instant(question.time),
        question.kind.name().to_owned(),
        question.outcome.kind().name().to_owned(),
        number(question.outcome.cites().map(|entry| entry.0)),
        question.outcome.rule().unwrap_or_default().to_owned(),
        question.principal.clone(),
        question.roles.join(" "),
        question.purpose.clone(),
        question.dataset.clone().unwrap_or_default(),
        number(question.snapshot),
        question.loss.rho.to_string(),
        question.loss.rho.units().to_string(),
        question.loss.delta.units().to_string(),
        question.incidents.rho.units().to_string(),
        question.incidents.delta.units().to_string(),
        question.epsilon.to_string(),
        question.delta.to_string(),
        number(purse.map(|purse| purse.cap.rho.units())),
        number(purse.map(|purse| purse.before.rho.units())),
        number(purse.map(|purse| purse.after.rho.units())),
        purse.map_or_else(String::new, |purse| purse.after.delta.units().to_string()),
        mechanisms.join("; "),
        hex(&question.question),
    ]
}

/// Excel, LibreOffice and Sheets run a cell that begins so (OWASP, CSV injection), whether or not it is quoted.
fn quoted(field: &str) -> String {
    let runs = field.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠']);
    let field = if runs {
        format!("'{field}")
    } else {
        field.to_owned()
    };
    if field.contains([',', ';', '"', '\n', '\r', '\'', '\t']) {
        format!("\"{}\"", field.replace('"', "\"\""))
    } else {
        field
    }
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn formulas_are_text_and_quotes_are_doubled() {
        assert_eq!(quoted("=cmd|' /C calc'!A0"), "\"'=cmd|' /C calc'!A0\"");
        assert_eq!(quoted("@SUM(A1)"), "\"'@SUM(A1)\"");
        assert_eq!(quoted("a\"b,c\nd"), "\"a\"\"b,c\nd\"");
        assert_eq!(quoted("p-123"), "p-123");
        assert_eq!(quoted(""), "");
    }
}
