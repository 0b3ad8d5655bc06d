//! The quality of the data: exact for operators, with noise for analysts, and never the one in place of the other.

use std::fs;

use serde_json::Value;

use crate::support::Home;
use crate::truth::exports;

fn questions(home: &Home, more: &[&str]) -> Value {
    home.json(
        &[
            &["quality", "--private", "--epsilon", "0.5", "--year", "2024"],
            more,
        ]
        .concat(),
    )
}

#[test]
fn nobody_gets_exact_figures_without_saying_so() {
    let home = Home::populated(&["--epsilon", "20"], 60);
    for bare in [
        &["quality"][..],
        &["quality", "--table", "patient"],
        &["quality", "--operator", "--private"],
        &["quality", "--private", "--table", "patient"],
        &["quality", "--private", "--html", "x.html"],
        &["quality", "--operator", "--epsilon", "1"],
        &["codes", "unmapped"],
    ] {
        let refused = home.run(bare).exits(2);
        assert!(refused.stdout.is_empty(), "{refused:?}");
    }
    let said = home.run(&["quality", "--operator"]).exits(0);
    assert!(said.stderr.contains("not for analysts"), "{said:?}");
    let json = home.json(&["quality", "--operator", "--table", "patient"]);
    assert_eq!(json["private"], false);
    assert!(json["notice"].as_str().unwrap().contains("without privacy"));
    let birth = json["findings"].as_array().unwrap().iter();
    let mut birth = birth.filter(|it| it["column"] == "birth_date" && it["check"] == "null");
    assert_eq!(birth.next().unwrap()["rows"], 60);

    // Nothing was asked through the gate, and the ledger says nothing of it.
    let entries = home.json(&["ledger", "list"]).to_string();
    assert!(!entries.contains("RELEASE"), "{entries}");
}

#[test]
fn figures_for_analysts_go_through_the_gate() {
    let home = Home::populated(&["--epsilon", "20"], 60);
    let before = home.json(&["budget", "show"]);
    let quote = questions(&home, &["--dry-run"]);
    assert_eq!(
        home.json(&["budget", "show"]),
        before,
        "a dry run spends nothing"
    );
    let total = quote["total"]["rho"].to_string();

    let answers = questions(&home, &[]);
    let each = answers["questions"].as_array().unwrap();
    assert_eq!(each.len(), quote["questions"].as_array().unwrap().len());
    for answer in each {
        assert!(answer["entry"].as_u64().is_some(), "{answer}");
        assert!(
            fs::exists(answer["receipt"].as_str().unwrap()).unwrap(),
            "{answer}"
        );
        // Every number has an interval: none is there without noise.
        let (rows, intervals) = (
            answer["rows"].as_array().unwrap(),
            answer["intervals"].as_array().unwrap(),
        );
        assert!(!rows.is_empty(), "{answer}");
        let keys = usize::from(answer["columns"][0] == "month" || answer["columns"][0] == "code");
        for (row, intervals) in rows.iter().zip(intervals) {
            for (column, interval) in intervals.as_array().unwrap().iter().enumerate().skip(keys) {
                assert!(
                    interval.is_array(),
                    "column {column} of {row} has no interval: {answer}"
                );
            }
        }
        // The same question by hand is the same answer, for nothing: there is one path.
        let sql = answer["sql"].as_str().unwrap();
        let again = home.json(&["query", sql, "--epsilon", "0.5"]);
        assert_eq!(again["entry"], answer["entry"], "{sql}");
        assert!(!again["reuse"].is_null(), "{again}");
        assert_eq!(again["rows"], answer["rows"]);
    }
    let spent = home.json(&["budget", "show"]);
    assert_ne!(spent, before);
    let spent = spent.to_string();
    assert!(spent.contains(&total), "{total} is what was spent: {spent}");
    // And again it costs nothing.
    let again = questions(&home, &[]);
    for (first, second) in each.iter().zip(again["questions"].as_array().unwrap()) {
        assert_eq!(first["rows"], second["rows"]);
        assert_eq!(second["entry"], first["entry"]);
        assert!(!second["reuse"].is_null(), "{second}");
    }
    home.run(&["ledger", "verify"]).exits(0);
}

#[test]
fn what_analysts_see_does_not_depend_on_the_data_but_through_noise() {
    // Prices, questions and refusals of an empty lake and of a full one.
    let small = Home::populated(&["--epsilon", "20"], 1);
    let large = Home::populated(&["--epsilon", "20"], 90);
    let (one, other) = (
        questions(&small, &["--dry-run"]),
        questions(&large, &["--dry-run"]),
    );
    assert_eq!(one["questions"], other["questions"]);
    assert_eq!(one["total"], other["total"]);
}

#[test]
fn local_codes_and_the_page_are_written() {
    let home = Home::init(&[]);
    let export = home.beside("export");
    fs::create_dir(&export).unwrap();
    let lines = r#"{"resourceType":"Patient","id":"p","gender":"female","birthDate":"1980-01-01"}
{"resourceType":"Condition","id":"c","subject":{"reference":"Patient/p"},"code":{"coding":[{"system":"urn:dx","code":"<b>&"}]},"onsetDateTime":"1970-05-05"}
{"resourceType":"Condition","id":"d","subject":{"reference":"Patient/p"},"code":{"coding":[{"system":"urn:dx","code":"DM2"}]},"onsetDateTime":"2020-05-05"}
"#;
    fs::write(export.join("all.ndjson"), lines).unwrap();
    let ingest = ["ingest", "fhir", export.to_str().unwrap()];
    home.run(&ingest).exits(0);
    let codes = home.json(&["codes", "unmapped", "--operator"]);
    assert_eq!(codes["found"], 2, "{codes}");

    let page = home.beside("quality.html");
    let by = [
        "quality",
        "--operator",
        "--by",
        "code,month,source",
        "--html",
        page.to_str().unwrap(),
    ];
    home.run(&by).exits(0);
    let html = fs::read_to_string(&page).unwrap();
    assert!(
        html.contains("&lt;b&gt;&amp;") && !html.contains("<b>"),
        "codes are escaped"
    );
    assert!(
        html.contains("1970-05")
            && html.contains("before_birth")
            && html.contains("not for publication")
    );

    let map = home.beside("map.csv");
    let header = "source_system,source_code,target_system,target_code,equivalence\n";
    fs::write(
        &map,
        format!("{header}urn:dx,DM2,http://snomed.info/sct,44054006,equal\n"),
    )
    .unwrap();
    let mapped = [&ingest[..], &["--code-map", map.to_str().unwrap()]].concat();
    assert_eq!(home.json(&mapped)["mapped"], 1);
    assert_eq!(home.json(&["codes", "unmapped", "--operator"])["found"], 1);
    fs::write(
        &map,
        format!("{header}urn:dx,DM2,a,1,equal\nurn:dx,DM2,a,2,equal\n"),
    )
    .unwrap();
    let refused = home.run(&mapped).exits(1);
    assert!(refused.stderr.contains("keep one of them"), "{refused:?}");
}

/// Synthea's protein in serum is in g/L under the name g/dL: every value is ten times beyond belief, and no unit tells.
#[test]
fn the_report_finds_what_is_wrong_with_a_real_export() {
    let Some(exports) = exports() else { return };
    let dir = exports.join("synthea-100");
    let lines = fs::read_to_string(dir.join("Observation.000.ndjson")).unwrap();
    let protein = lines
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|it| it["code"]["coding"][0]["code"] == "2885-2");
    let values: Vec<f64> = protein
        .filter_map(|it| it["valueQuantity"]["value"].as_f64())
        .collect();
    assert!(!values.is_empty());

    let home = Home::init(&[]);
    home.run(&["ingest", "fhir", dir.to_str().unwrap()])
        .exits(0);
    let report = home.json(&[
        "quality",
        "--operator",
        "--table",
        "observation",
        "--by",
        "code",
    ]);
    let findings = report["findings"].as_array().unwrap();
    let find = |check: &str, code: &str| {
        let mut found = findings
            .iter()
            .filter(|it| it["check"] == check && it["code"] == code);
        found
            .next()
            .unwrap_or_else(|| panic!("no {check} of {code}"))
    };
    let limits = find("limits", "2885-2");
    assert_eq!(limits["rows"], values.len());
    assert_eq!(
        limits["failing"],
        values.iter().filter(|value| **value > 15.0).count()
    );
    assert_eq!(limits["over"], true, "{limits}");
    // Globulin comes in g/L and is converted; nothing of it is lost.
    assert_eq!(find("unit", "10834-0")["failing"], 0);
    assert_eq!(find("limits", "2339-0")["over"], false);
}
