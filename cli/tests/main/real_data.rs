//! Real exports that others wrote: every resource is accounted for, and the stated intervals hold the truth.

use std::collections::BTreeMap;
use std::fs;
use std::time::Instant;

use serde_json::Value;

use crate::questions::{Kind, Question, questions};
use crate::support::{Home, soak};
use crate::truth::{Export, exports};

const EXPORTS: [&str; 2] = ["synthea-100", "smart-40"];

/// The table that takes a resource type.
const TABLES: [(&str, &str); 9] = [
    ("Patient", "patient"),
    ("Encounter", "encounter"),
    ("Condition", "condition"),
    ("Observation", "observation"),
    ("MedicationRequest", "medication_request"),
    ("Procedure", "procedure"),
    ("Immunization", "immunization"),
    ("AllergyIntolerance", "allergy_intolerance"),
    ("DiagnosticReport", "diagnostic_report"),
];

#[test]
fn real_exports_are_accounted_for_to_the_last_resource() {
    let Some(exports) = exports() else { return };
    for name in EXPORTS {
        let dir = exports.join(name);
        let counts = fs::read_to_string(dir.join("COUNTS.json")).unwrap();
        let counts: Value = serde_json::from_str(&counts).unwrap();
        let counts: BTreeMap<String, u64> =
            serde_json::from_value(counts["counts"].clone()).unwrap();
        let home = Home::init(&[]);
        let ingest = ["ingest", "fhir", dir.to_str().unwrap()];
        let first = home.json(&ingest);
        let mut in_tables = 0;
        for (resource, table) in TABLES {
            let rows = first["tables"][table]["rows"].as_u64().unwrap();
            assert_eq!(rows, counts[resource], "{name} {table}");
            in_tables += rows;
        }
        let quarantined: BTreeMap<String, u64> =
            serde_json::from_value(first["quarantined"].clone()).unwrap();
        for (reason, lines) in &quarantined {
            let kind = reason.strip_prefix("no_table:").unwrap();
            assert_eq!(*lines, counts[kind], "{name} {reason}");
        }
        let all: u64 = counts.values().sum();
        assert_eq!(in_tables + quarantined.values().sum::<u64>(), all, "{name}");

        let entries = home.entries();
        let second = home.json(&ingest);
        assert_eq!(
            (&first["changed"], &second["changed"]),
            (&Value::from(true), &Value::from(false))
        );
        assert_eq!(first["snapshot"], second["snapshot"]);
        assert_eq!(first["tables"], second["tables"]);
        assert_eq!(first["quarantined"], second["quarantined"]);
        assert_eq!(home.entries(), entries);
        println!(
            "{name}: {all} resources, {in_tables} in tables, the rest in quarantine; twice is once"
        );
    }
}

/// Intervals seen, and those that held the truth as stated and at half their width.
#[derive(Debug, Default, Clone, Copy)]
struct Tally {
    seen: u32,
    held: u32,
    at_half: u32,
}

impl Tally {
    /// A count is cut at zero and an average lies off the centre, so each side is scaled about the number that was released.
    fn add(&mut self, value: f64, interval: (f64, f64), truth: f64) {
        let slack = 1e-5 * (1.0 + truth.abs());
        let holds = |scale: f64| {
            value + scale * (interval.0 - value) - slack <= truth
                && truth <= value + scale * (interval.1 - value) + slack
        };
        self.seen += 1;
        self.held += u32::from(holds(1.0));
        self.at_half += u32::from(holds(0.5));
    }

    fn with(self, other: Self) -> Self {
        Self {
            seen: self.seen + other.seen,
            held: self.held + other.held,
            at_half: self.at_half + other.at_half,
        }
    }
}

/// Least and greatest number of hits among n that a rate between `low` and `high` gives but for one time in a million.
fn band(n: u32, low: f64, high: f64) -> (u32, u32) {
    let tail = 5e-7;
    // P(X ≤ c) for c = 0, 1, …, by logarithms of the binomial probabilities.
    let cumulative = |rate: f64| {
        let mut log = f64::from(n) * (1.0 - rate).ln();
        let mut sum = 0.0;
        (0..=n).map(move |k| {
            if k > 0 {
                log +=
                    f64::from(n - k + 1).ln() - f64::from(k).ln() + rate.ln() - (1.0 - rate).ln();
            }
            sum += log.exp();
            sum
        })
    };
    let below = |rate: f64, p: f64| {
        let position = cumulative(rate).position(|sum| sum > p);
        position.map_or(n, |k| u32::try_from(k).unwrap())
    };
    (below(low, tail), below(high, 1.0 - tail))
}

#[test]
fn the_band_is_that_of_the_binomial() {
    let (low, high) = band(1000, 0.95, 0.95);
    // 4.9 standard deviations of 6.9 each side; the left tail is the longer one.
    assert!(
        (908..=920).contains(&low) && (976..=986).contains(&high),
        "{low} {high}"
    );
    assert_eq!(band(3, 0.95, 0.95), (0, 3));
}

/// Asks each question some times, with fresh noise each time.
fn ask(home: &Home, questions: &[Question], repetitions: usize) -> (Tally, Tally) {
    let (mut tally, mut empty) = (Tally::default(), Tally::default());
    for question in questions {
        let (k, rho) = (
            question.rows_per_person.to_string(),
            question.rho.to_string(),
        );
        for _ in 0..repetitions {
            let answer = home.json(&[
                "query",
                "--fresh",
                &question.sql,
                "--rho",
                &rho,
                "--rows-per-person",
                &k,
            ]);
            let rows = answer["rows"].as_array().unwrap();
            let intervals = answer["intervals"].as_array().unwrap();
            let mut keys_seen = 0;
            for (row, bars) in rows.iter().zip(intervals) {
                let key = match (question.keyed, &row[0]) {
                    (false, _) => String::new(),
                    (true, Value::String(text)) => text.clone(),
                    (true, other) => other.to_string(),
                };
                let truths = question.truth.get(&key);
                keys_seen += usize::from(truths.is_some());
                let first = usize::from(question.keyed);
                for (column, kind) in question.kinds.iter().enumerate() {
                    let truth = truths.map_or(0.0, |truths| truths[column]);
                    if *kind == Kind::Average && truths.is_none() {
                        continue;
                    }
                    let bar = &bars[first + column];
                    let interval = (bar[0].as_f64().unwrap(), bar[1].as_f64().unwrap());
                    let value = row[first + column].as_f64().unwrap_or_else(|| {
                        panic!("no number for {key:?} in {}: {answer}", question.sql)
                    });
                    if *kind == Kind::Count && truth == 0.0 {
                        empty.add(value, interval, truth);
                    } else {
                        tally.add(value, interval, truth);
                    }
                }
            }
            assert_eq!(
                keys_seen,
                question.truth.len(),
                "a key is missing: {} {answer}",
                question.sql
            );
        }
    }
    (tally, empty)
}

#[test]
fn intervals_hold_the_truth_of_real_exports_at_the_stated_rate() {
    let Some(exports) = exports() else { return };
    let repetitions = soak(6, 40);
    let started = Instant::now();
    let asked: Vec<(usize, Tally, Tally)> = std::thread::scope(|scope| {
        let threads: Vec<_> = EXPORTS
            .iter()
            .map(|name| {
                let dir = exports.join(name);
                scope.spawn(move || {
                    let home = Home::init(&["--epsilon", "100000"]);
                    home.run(&["ingest", "fhir", dir.to_str().unwrap()])
                        .exits(0);
                    let questions = questions(&Export::read(&dir));
                    assert!(questions.len() >= 30, "{}", questions.len());
                    let (tally, empty) = ask(&home, &questions, repetitions);
                    home.run(&["ledger", "verify"]).exits(0);
                    (questions.len(), tally, empty)
                })
            })
            .collect();
        threads.into_iter().map(|t| t.join().unwrap()).collect()
    });
    let mut all = Tally::default();
    let mut nothing = Tally::default();
    for (name, (questions, tally, empty)) in EXPORTS.iter().zip(&asked) {
        println!(
            "{name}: {questions} questions, {repetitions} times each: {} of {} intervals hold, {} at half the width; {} of {} of empty cells",
            tally.held, tally.seen, tally.at_half, empty.held, empty.seen
        );
        all = all.with(*tally);
        nothing = nothing.with(*empty);
    }
    // The lattice of the integers may add one in a hundred to the stated rate.
    let (low, high) = band(all.seen, 0.95, 0.96);
    println!(
        "pooled: {} of {} hold, admitted are {low} to {high}; at half the width {}; in {:.1} s",
        all.held,
        all.seen,
        all.at_half,
        started.elapsed().as_secs_f64()
    );
    assert!((low..=high).contains(&all.held), "{all:?}");
    // Cut at zero, an interval around too small a count still holds the zero.
    let (fewest, _) = band(nothing.seen, 0.95, 0.96);
    assert!(nothing.held >= fewest, "{nothing:?}");
    // Negative control: intervals of half the width must not pass.
    assert!(
        !(low..=high).contains(&all.at_half),
        "this test sees nothing: {all:?}"
    );
}
