//! `salus identity`: two sources, one person.

use std::fs;

use serde_json::Value;

use crate::support::{Home, PERSONS, csv};

fn patient(id: &str, given: &str, birth: &str, national: &str) -> String {
    format!(
        r#"{{"resourceType":"Patient","id":"{id}","name":[{{"family":"Rumpelstiltskin","given":["{given}"]}}],"birthDate":"{birth}","identifier":[{{"system":"urn:national","value":"{national}"}}]}}"#
    )
}

fn ingest(home: &Home, source: &str, lines: &[String]) {
    let dir = home.beside(source);
    fs::create_dir_all(&dir).unwrap();
    fs::write(dir.join("lines.ndjson"), lines.join("\n")).unwrap();
    home.run(&["ingest", "fhir", dir.to_str().unwrap(), "--source", source])
        .exits(0);
}

fn records(home: &Home, source: &str, patient: &str) -> Vec<String> {
    let shown = home.json(&["identity", "show", "--source", source, "--patient", patient]);
    let records = shown["records"].as_array().unwrap().iter();
    let mut names: Vec<_> = records
        .map(|record| {
            format!(
                "{} {}",
                record["source"].as_str().unwrap(),
                record["patient"].as_str().unwrap()
            )
        })
        .collect();
    names.sort();
    names
}

/// One person is of both sources, and one of each alone.
fn sources_are_told(home: &Home) {
    assert_eq!(records(home, "south", "z"), ["north a", "south z"]);
    // Whom several sources name is none of one alone, and can be asked about.
    let persons = |source: &str| {
        let report = home.json(&[
            "quality",
            "--operator",
            "--table",
            "patient",
            "--source",
            source,
        ]);
        let findings = report["findings"].as_array().unwrap().iter();
        findings
            .filter_map(|finding| finding["rows"].as_u64())
            .max()
    };
    assert_eq!((persons("north"), persons("(several)")), (Some(1), Some(1)));
    let unknown = ["quality", "--operator", "--source", "west"];
    assert!(
        home.run(&unknown)
            .stderr
            .contains("north, south, (several)")
    );
}

#[test]
fn records_are_joined_asked_about_and_split() {
    let home = Home::init(&[]);
    assert!(
        home.run(&["identity", "link"])
            .exits(2)
            .stderr
            .contains("empty")
    );
    let north = [
        patient("a", "Ana", "1980-02-11", "1"),
        patient("b", "Bo", "1950-01-01", "2"),
    ];
    let south = [
        patient("z", "Anna", "1980-02-11", "1"),
        patient("y", "Bo", "1999-12-31", "2"),
    ];
    ingest(&home, "north", &north);
    ingest(&home, "south", &south);
    let link = ["identity", "link", "--trust", "urn:national"];
    let early = home.json(&[&link[..], &["--dry-run"]].concat());
    assert_eq!(early["earlier_releases_factor"], 1);
    home.run(&["query", PERSONS, "--epsilon", "1"]).exits(0);
    let dry = home.json(&[&link[..], &["--dry-run"]].concat());
    assert_eq!((&dry["links"], &dry["review"]), (&1.into(), &1.into()));
    assert_eq!(
        records(&home, "north", "a"),
        ["north a"],
        "a dry run changes nothing"
    );

    let done = home.json(&link);
    assert_eq!(
        (&done["links"], &done["earlier_releases_factor"]),
        (&1.into(), &4.into())
    );
    assert_eq!(dry["earlier_releases_factor"], 4);
    assert_eq!(done["events"][0]["why"], "exact");
    sources_are_told(&home);
    let again = home.json(&link);
    assert_eq!(
        (&again["links"], &again["events"]),
        (&0.into(), &Value::Array(Vec::new()))
    );

    // What joins persons is written down before it does.
    let log = home.json(&["ledger", "restricted", "list"]);
    let joined = log["entries"].as_array().unwrap().iter();
    assert_eq!(
        joined
            .filter(|entry| entry["about"] == "records were linked")
            .count(),
        1
    );

    let asked = home.json(&["identity", "review", "list"]);
    let pair = &asked["pairs"][0];
    assert_eq!(
        (&asked["found"], &pair["why"]),
        (&1.into(), &"implausible".into())
    );
    let (left, right) = (pair["left"].to_string(), pair["right"].to_string());
    home.run(&["identity", "review", "accept", &left, "999"])
        .exits(2);
    home.run(&["identity", "review", "reject", &right, &left])
        .exits(0);
    assert_eq!(
        home.json(&link)["review"],
        0,
        "what was decided is not asked again"
    );

    let split = ["identity", "split", "--source", "north", "--patient", "a"];
    home.run(&split).exits(0);
    home.run(&split).exits(2);
    assert_eq!(records(&home, "north", "a"), ["north a"]);
    assert_eq!(home.json(&link)["links"], 0, "what was split stays so");
    let events = home
        .run(&["identity", "events", "--format", "csv"])
        .exits(0);
    let words: Vec<_> = csv(&events.stdout)[1..]
        .iter()
        .map(|event| event[3].clone())
        .collect();
    assert_eq!(words, ["linked", "apart", "apart"]);
    home.run(&["identity", "show", "--patient", "nobody"])
        .exits(2);

    // No name leaves, neither here nor through a question.
    for command in [
        &link[..],
        &["identity", "review", "list"],
        &["identity", "events"],
    ] {
        let done = home.run(command).exits(0);
        assert!(!done.stdout.contains("Rumpel") && !done.stderr.contains("Rumpel"));
    }
    for table in ["identity", "direct", "links"] {
        let question = format!("SELECT COUNT(*) AS n FROM {table}");
        let done = home.run(&["query", &question, "--epsilon", "0.1"]);
        assert!(done.exits(3).stderr.contains(table));
    }
    home.run(&[
        "query",
        "SELECT COUNT(DISTINCT member_id) AS n FROM condition",
        "--epsilon",
        "0.1",
    ])
    .exits(3);
}
