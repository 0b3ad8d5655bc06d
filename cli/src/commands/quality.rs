//! `salus quality` and `salus codes`: exact figures about the data, for operators.
//!
//! Exact figures are shown here and nowhere else: this module asks the lake, `quality_private` asks the gate, and neither knows
//! the other.

use std::path::Path;

use salus_quality::{By, Category, Finding, Options, Report, Thresholds, local_codes, report};
use serde_json::{Value, json};

use super::{quality_html, quality_private};
use crate::arguments::{Apart, Codes, Exact, Format, Quality};
use crate::failure::Failure;
use crate::files;
use crate::home::Home;
use crate::output::{Rows, print};

/// Said with every exact figure.
pub(super) const NOTICE: &str = "exact figures about records, without privacy: for operators of the sources, not for analysts and not for publication";

pub(crate) async fn run(root: &Path, command: &Quality, format: Format) -> Result<(), Failure> {
    let home = Home::at(root)?;
    if command.private {
        return quality_private::run(&home, &command.asked, format).await;
    }
    let lake = home.lake()?;
    let _reading = lake.reading()?;
    let options = options(&command.exact)?;
    let mut report = report(&lake, &options).await?;
    if command.exact.failing {
        report.findings.retain(|finding| finding.failed > 0);
    }
    if let Some(file) = &command.exact.html {
        files::replace(file, quality_html::page(&report).as_bytes())?;
    }
    show(&report, format);
    Ok(())
}

fn options(exact: &Exact) -> Result<Options, Failure> {
    if let Some(month) = &exact.month {
        let day = format!("{month}-01");
        chrono::NaiveDate::parse_from_str(&day, "%Y-%m-%d")
            .map_err(|_| Failure::usage(format!("--month {month}: write it as 2025-06")))?;
    }
    let mut thresholds = Thresholds::new();
    for text in &exact.tolerate {
        let parsed = text.split_once('=').and_then(|(check, percent)| {
            let percent = percent
                .parse::<u32>()
                .ok()
                .filter(|percent| *percent <= 100)?;
            Some((check.to_owned(), percent))
        });
        let (check, percent) = parsed.ok_or_else(|| {
            Failure::usage(format!(
                "--tolerate {text}: write a check and whole per cent, as in limits=2"
            ))
        })?;
        thresholds.insert(check, percent);
    }
    let today = chrono::Utc::now().timestamp().div_euclid(86_400);
    Ok(Options {
        tables: exact.table.clone(),
        source: exact.source.clone(),
        month: exact.month.clone(),
        code: exact.code.clone(),
        by: By {
            source: exact.by.contains(&Apart::Source),
            code: exact.by.contains(&Apart::Code),
            month: exact.by.contains(&Apart::Month),
        },
        today: i32::try_from(today).unwrap_or(i32::MAX),
        thresholds,
    })
}

/// Failing rows in per cent, to the tenth.
pub(super) fn percent(finding: &Finding) -> String {
    let tenths = u128::from(finding.failed) * 1000 / u128::from(finding.rows.max(1));
    format!("{}.{}", tenths / 10, tenths % 10)
}

pub(super) fn verdict(finding: &Finding) -> &'static str {
    match (finding.most_percent, finding.is_over()) {
        (None, _) => "",
        (_, true) => "too many",
        (_, false) => "ok",
    }
}

fn show(report: &Report, format: Format) {
    let mut rows = Rows::new(&[
        "category", "check", "table", "column", "source", "code", "month", "failing", "rows", "%",
        "verdict",
    ]);
    let mut findings = Vec::new();
    for it in &report.findings {
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        rows.push([
            it.category.name().to_owned(),
            it.check.to_owned(),
            it.table.to_owned(),
            it.column.clone(),
            text(&it.source),
            text(&it.code),
            text(&it.month),
            it.failed.to_string(),
            it.rows.to_string(),
            percent(it),
            verdict(it).to_owned(),
        ]);
        findings.push(json!({
            "category": it.category.name(), "check": it.check, "table": it.table, "column": it.column,
            "source": it.source, "code": it.code, "month": it.month,
            "failing": it.failed, "rows": it.rows, "tolerated_percent": it.most_percent, "over": it.is_over(),
        }));
    }
    for (reason, lines) in &report.quarantined {
        let (category, none) = (Category::Conformance.name(), "");
        let lines = lines.to_string();
        let cells = [
            category,
            "quarantine",
            none,
            reason,
            none,
            none,
            none,
            &lines,
            none,
            none,
            none,
        ];
        rows.push(cells.map(str::to_owned));
    }
    let quarantined: serde_json::Map<String, Value> = report
        .quarantined
        .iter()
        .map(|(reason, lines)| (reason.clone(), json!(lines)))
        .collect();
    let json = json!({
        "notice": NOTICE, "private": false, "snapshot": report.snapshot,
        "findings": findings, "quarantined": quarantined,
    });
    print(format, &rows, &json);
    notice(format);
}

fn notice(format: Format) {
    if format != Format::Json {
        eprintln!("salus: {NOTICE}");
    }
}

/// `salus codes`.
pub(crate) async fn codes(root: &Path, command: &Codes, format: Format) -> Result<(), Failure> {
    let Codes::Unmapped { table, limit, .. } = command;
    let lake = Home::at(root)?.lake()?;
    let _reading = lake.reading()?;
    let found = local_codes(&lake, table).await?;
    let mut rows = Rows::new(&["table", "system", "code", "rows"]);
    let mut codes = Vec::new();
    for it in found.iter().take(*limit) {
        let system = it.system.clone().unwrap_or_default();
        rows.push([
            it.table.to_owned(),
            system,
            it.code.clone(),
            it.rows.to_string(),
        ]);
        codes.push(
            json!({"table": it.table, "system": it.system, "code": it.code, "rows": it.rows}),
        );
    }
    print(
        format,
        &rows,
        &json!({"notice": NOTICE, "found": found.len(), "codes": codes}),
    );
    if format == Format::Table && found.len() > *limit {
        println!("{limit} of {} codes; --limit N shows more", found.len());
    }
    notice(format);
    Ok(())
}
