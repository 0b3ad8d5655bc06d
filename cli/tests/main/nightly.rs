//! Exports from a server, killed at any moment: each night is in the lake whole, or not at all, and in the end all of them are.

use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::crash::content;
use crate::servers::{Shared, serve};
use crate::support::{Chance, Home};

/// Nights, and how often the ingest of one is killed.
const NIGHTS: u32 = 10;
const KILLS: u32 = 5;

/// What the server has to say of a night: new patients, later versions of older records, moves and deletions.
fn files(night: u32) -> Vec<(&'static str, String)> {
    let at = format!("2026-01-{:02}T00:00:00Z", night + 1);
    let patient = |id: u32| {
        json!({"resourceType": "Patient", "id": format!("p{id}"), "meta": {"lastUpdated": at}, "birthDate": "1970-01-01",
            "name": [{"family": format!("F{id}")}], "gender": if night.is_multiple_of(2) { "female" } else { "male" }})
    };
    let condition = |id: u32, patient: u32| {
        json!({"resourceType": "Condition", "id": format!("c{id}"), "meta": {"lastUpdated": at},
            "subject": {"reference": format!("Patient/p{patient}")},
            "code": {"coding": [{"system": "http://snomed.info/sct", "code": format!("{night}{id}")}]}})
    };
    let lines = |all: Vec<serde_json::Value>| {
        let lines: Vec<_> = all.iter().map(ToString::to_string).collect();
        lines.join("\n")
    };
    let patients = (night * 5..night * 5 + 8).map(patient).collect();
    let conditions = (0..night * 6 + 20)
        .filter(|id| night == 0 || id % 3 == night % 3)
        .map(|id| condition(id, (id + night) % (night * 5 + 8)))
        // A patient that nobody has: a line for quarantine, every night another.
        .chain([condition(1_000 + night, 9_999)])
        .collect();
    let deletion = json!({"resourceType": "Bundle", "type": "transaction",
        "entry": [{"request": {"method": "DELETE", "url": format!("Condition/c{}", night * 6 + 3)}}]});
    let mut files = vec![
        ("Patient", lines(patients)),
        ("Condition", lines(conditions)),
    ];
    if night > 0 {
        files.push(("deleted1", lines(vec![deletion])));
    }
    files
}

fn hold(store: &Shared, night: u32) {
    let times = [
        "2026-01-01T00:00:00Z",
        "2026-01-02T00:00:00Z",
        "2026-01-03T00:00:00Z",
        "2026-01-04T00:00:00Z",
        "2026-01-05T00:00:00Z",
        "2026-01-06T00:00:00Z",
        "2026-01-07T00:00:00Z",
        "2026-01-08T00:00:00Z",
        "2026-01-09T00:00:00Z",
        "2026-01-10T00:00:00Z",
    ];
    let mut store = store.lock().unwrap();
    store.files = files(night);
    store.time = times[night as usize];
}

#[test]
fn nights_that_are_killed_leave_what_undisturbed_ones_do() {
    let (calm, wild) = (Shared::default(), Shared::default());
    let (calm_base, wild_base) = (serve(&calm), serve(&wild));
    let (undisturbed, home) = (Home::init(&[]), Home::init(&[]));
    let mut chance = Chance::new("kill -9 of nights");
    let (mut killed, mut whole, mut before) = (0, 0, None);
    for night in 0..NIGHTS {
        hold(&calm, night);
        hold(&wild, night);
        let arguments = |base: &'static str| {
            [
                "ingest", "fhir", base, "--source", "clinic", "--format", "json",
            ]
        };
        let started = Instant::now();
        let calmly = undisturbed
            .run(&arguments(calm_base.clone().leak()))
            .exits(0)
            .json();
        let mut typical = u64::try_from(started.elapsed().as_micros()).unwrap();
        let expected = content(&undisturbed);
        assert_eq!(calmly["changed"], true);
        for kill in 0..KILLS {
            if kill == 2 && night % 4 == 1 {
                // Now and then the server fails in the middle of it as well.
                wild.lock().unwrap().faults = vec![503];
            }
            let mut child = home
                .command(&arguments(wild_base.clone().leak()))
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            let started = Instant::now();
            std::thread::sleep(Duration::from_micros(chance.below(typical * 11 / 10)));
            let _ = child.kill();
            let ended = child.wait().unwrap().code().is_some();
            killed += u32::from(!ended);
            if ended {
                // The night was there already, and looking for another takes less.
                let took = u64::try_from(started.elapsed().as_micros()).unwrap();
                typical = typical.min(took).max(1);
            }
            let newest = home.root().join("lake/_snapshots");
            let any = std::fs::read_dir(newest).unwrap().any(|file| {
                let path = file.unwrap().path();
                path.extension().is_some_and(|end| end == "json")
            });
            let now = any.then(|| content(&home));
            // This night, or the one before, and nothing in between.
            assert!(
                now == before || now.as_ref() == Some(&expected),
                "night {night}"
            );
            whole += u32::from(now.as_ref() == Some(&expected));
        }
        wild.lock().unwrap().faults.clear();
        let done = home
            .run(&arguments(wild_base.clone().leak()))
            .exits(0)
            .json();
        // A run that came after all of it was in the lake asked once more, and heard the same.
        assert_eq!(done["tables"], calmly["tables"], "night {night}");
        assert_eq!(content(&home), expected, "night {night}");
        before = Some(expected);
    }
    let lines = |home: &Home| {
        let listed = home.json(&["quarantine", "list", "--limit", "100"]);
        let lines = listed["lines"].as_array().unwrap().iter();
        let mut lines: Vec<_> = lines
            .map(|line| format!("{} {}", line["reason"], line["bytes"]))
            .collect();
        lines.sort();
        lines
    };
    assert_eq!(lines(&home), lines(&undisturbed));
    assert!(lines(&home).len() >= NIGHTS as usize);
    home.run(&["ledger", "verify"]).exits(0);
    println!(
        "{killed} of {} runs killed, {whole} times the night stood already",
        NIGHTS * KILLS
    );
    assert!(killed >= NIGHTS * KILLS / 2);
}
