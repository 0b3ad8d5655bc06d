//! Names that somebody chose to do harm, and logs that are long.

#![allow(missing_docs, reason = "tests")]

mod support;

use std::time::{Duration, Instant};

use salus_accounting::Loss;
use salus_ledger::StoredEntry;
use salus_oversight::{
    Change, Cover, Deployment, Difference, Period, burn_down, csv, fhir, json, questions, refusals,
    registry, report, words,
};
use support::markup::{records, well_formed};
use support::{HOSTILE, Log, NEW_YEAR, hostile};

#[test]
fn hostile_names_stay_names() {
    let log = hostile();
    let all = questions(&log.entries);
    let cover = Cover {
        operator: Some(HOSTILE.concat()),
        prepared: Some(NEW_YEAR),
        vkey: Some(HOSTILE.concat()),
        differences: Some(vec![Difference {
            first: all[0].entry,
            second: all[2].entry,
            principal: HOSTILE.concat(),
            change: Change::Bound,
            words: HOSTILE.concat(),
        }]),
    };
    let html = report(&log.entries, Period::default(), &cover);
    well_formed(&html);
    let mut drawings: Vec<String> = burn_down(&log.entries)
        .iter()
        .map(salus_oversight::BurnDown::plot_svg)
        .collect();
    for svg in &drawings {
        well_formed(svg);
    }
    drawings.push(html);
    for markup in &drawings {
        for part in ["<script", "<img", "\u{202e}", "alert(1)</"] {
            assert!(!markup.contains(part), "{part}");
        }
    }
    // No cell of the table begins as a formula does, and no name makes a record of its own.
    let table = csv(&all);
    let records = records(&table);
    assert_eq!(records.len(), all.len() + 1);
    for record in &records {
        assert_eq!(record.len(), records[0].len());
        assert!(
            record
                .iter()
                .all(|cell| !cell.starts_with(['=', '+', '-', '@', '\r', '\n'])),
            "{record:?}"
        );
    }
    let yaml = registry(
        &log.entries,
        &Deployment {
            name: Some(HOSTILE.concat()),
            ..Deployment::default()
        },
    )
    .unwrap();
    let read: serde_yaml_ng::Value = serde_yaml_ng::from_str(&yaml).unwrap();
    assert_eq!(
        read["deployment"]["basic"]["name"].as_str(),
        Some(HOSTILE.concat().as_str())
    );
    let bundle = fhir(&log.entries, &all);
    assert_eq!(bundle["entry"].as_array().unwrap().len(), all.len());
    let url = bundle["entry"][0]["fullUrl"].as_str().unwrap();
    assert!(
        url.bytes()
            .all(|byte| byte.is_ascii_graphic() && !b"<>\"'".contains(&byte)),
        "{url}"
    );
    // Nothing for a terminal moves its cursor.
    let unseen = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
    for question in &all {
        let said = words(&log.entries, question.entry);
        assert!(!said.is_empty());
        assert!(
            !said.concat().contains(unseen) && !said.concat().contains('\n'),
            "{said:?}"
        );
    }
    for line in burn_down(&log.entries) {
        assert!(!line.plot_text(80, 12).contains(unseen));
    }
}

/// Ten thousand entries in each form. Ten times as many may take fifty times as long, with room for a busy machine; comparing each with each
/// would take a hundred times as long.
#[test]
fn long_logs_are_fast() {
    // Few before and after many: what else the machine does slows one of them too.
    let [before, whole, after] = [500, 5_000, 500].map(time_of_all_forms);
    assert!(
        whole < before.max(after) * 50 + Duration::from_secs(5),
        "{before:?}, {whole:?}, {after:?}"
    );
}

fn time_of_all_forms(questions: u64) -> Duration {
    let mut log = Log::new();
    for i in 0..questions {
        log.time += 600;
        let principal = format!("p-{}", i % 50);
        if i % 10 == 0 {
            log.refuse(&principal, "budget");
            log.refuse(&principal, "S2");
        } else {
            log.answered(
                &principal,
                "HRESCH",
                Loss::from_rho(salus_accounting::Rho::from_units(1_000_000 + i)),
            );
        }
    }
    assert!(log.entries.len() as u64 >= 2 * questions);
    let start = Instant::now();
    let lines = burn_down(&log.entries);
    // The purse, the dataset, and 45 analysts who were answered.
    assert_eq!(lines.len(), 47);
    all_forms(&log.entries, questions);
    assert!(lines[0].plot_svg().len() < 60_000);
    start.elapsed()
}

fn all_forms(log: &[StoredEntry], asked: u64) {
    let all = questions(log);
    assert_eq!(refusals(log).list.len() as u64, asked / 5);
    assert_eq!(csv(&all).lines().count(), all.len() + 1);
    assert_eq!(
        json(log, &all)["questions"].as_array().unwrap().len(),
        all.len()
    );
    assert_eq!(
        fhir(log, &all)["entry"].as_array().unwrap().len(),
        all.len()
    );
    assert!(registry(log, &Deployment::default()).is_ok());
    let cut =
        report(log, Period::default(), &Cover::default()).contains("more are not listed here");
    assert_eq!(cut, all.len() > 2_000);
}
