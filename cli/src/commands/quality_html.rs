//! The report as one HTML file, without script and without anything from elsewhere.

use std::fmt::Write as _;

use salus_quality::{CHECKS, Report};

use super::quality::{NOTICE, percent, verdict};

const STYLE: &str = "body{font:15px/1.4 system-ui,sans-serif;margin:2em auto;max-width:75em;padding:0 1em}\
table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.25em .6em;border-bottom:1px solid #ddd}\
td.n{text-align:right;font-variant-numeric:tabular-nums}tr.over td{background:#fdecea}p.notice{border:2px solid #b00;padding:.6em}";

/// The page.
pub(super) fn page(report: &Report) -> String {
    let mut page = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Data quality</title><style>{STYLE}</style>\
         <h1>Data quality of snapshot {}</h1><p class=\"notice\">{}</p>\
         <table><thead><tr><th>Category<th>Check<th>Table<th>Column<th>Source<th>Code<th>Month<th>Failing<th>Rows<th>%<th>Verdict</thead><tbody>",
        report.snapshot,
        escaped(NOTICE)
    );
    for it in &report.findings {
        let class = if it.is_over() { " class=\"over\"" } else { "" };
        let _ = write!(page, "<tr{class}>");
        let group =
            [&it.source, &it.code, &it.month].map(|text| text.as_deref().unwrap_or_default());
        for text in [it.category.name(), it.check, it.table, &it.column]
            .iter()
            .chain(&group)
        {
            let _ = write!(page, "<td>{}", escaped(text));
        }
        for number in [it.failed.to_string(), it.rows.to_string(), percent(it)] {
            let _ = write!(page, "<td class=\"n\">{number}");
        }
        let _ = write!(page, "<td>{}", verdict(it));
    }
    page.push_str(
        "</tbody></table><h2>Quarantine</h2><table><thead><tr><th>Reason<th>Lines</thead><tbody>",
    );
    for (reason, lines) in &report.quarantined {
        let _ = write!(page, "<tr><td>{}<td class=\"n\">{lines}", escaped(reason));
    }
    page.push_str("</tbody></table><h2>Checks</h2><dl>");
    for (name, theirs, meaning) in CHECKS {
        let _ = write!(
            page,
            "<dt>{name} ({theirs})<dd>A row fails when {}.",
            escaped(meaning)
        );
    }
    page.push_str("</dl></html>\n");
    page
}

/// Codes come from records, and may be anything.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            other => escaped.push(other),
        }
    }
    escaped
}
