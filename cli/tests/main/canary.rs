//! A canary: one person whose record is like nobody else's, and no trace of her anywhere that an analyst or an auditor can look.

use std::fs;

use super::support::{Done, Home, files, run, salus};

/// What only she has: names and identifiers, a code, a day, a value.
pub(crate) const TRACES: &[&str] = &[
    "canary-77",
    "Zyxwvutsky",
    "987-65-4320",
    "Kanarienweg",
    "CANARY-9431",
    "1931-07-23",
    "123.4567",
];

pub(crate) const RECORD: &[(&str, &str)] = &[
    (
        "Patient.ndjson",
        r#"{"resourceType":"Patient","id":"canary-77","identifier":[{"system":"http://hl7.org/fhir/sid/us-ssn","value":"987-65-4320"}],"name":[{"family":"Zyxwvutsky","given":["Cana"]}],"address":[{"line":["Kanarienweg 77"]}],"gender":"female","birthDate":"1931-07-23"}"#,
    ),
    (
        "Condition.ndjson",
        r#"{"resourceType":"Condition","id":"canary-77-c","subject":{"reference":"Patient/canary-77"},"code":{"coding":[{"system":"http://snomed.info/sct","code":"CANARY-9431"}]},"onsetDateTime":"1931-07-23"}"#,
    ),
    (
        "Observation.ndjson",
        r#"{"resourceType":"Observation","id":"canary-77-o","status":"final","subject":{"reference":"Patient/canary-77"},"code":{"coding":[{"system":"http://loinc.org","code":"4548-4"}]},"effectiveDateTime":"1931-07-23","valueQuantity":{"value":123.4567,"unit":"%","system":"http://unitsofmeasure.org","code":"%"}}"#,
    ),
];

/// Questions that her rows take part in, answered and refused.
pub(crate) const QUESTIONS: &[&str] = &[
    "SELECT sex, COUNT(*) FROM patient GROUP BY sex",
    "SELECT code, COUNT(DISTINCT person_id) FROM condition GROUP BY code",
    "SELECT onset_date, COUNT(*) FROM condition GROUP BY onset_date",
    "SELECT MIN(clamp(value, 0, 200)), MAX(clamp(value, 0, 200)), AVG(value) FROM observation WHERE code = '4548-4'",
    "SELECT COUNT(*) / COUNT(DISTINCT person_id) FROM observation",
    "SELECT COUNT(*) FROM patient p JOIN condition c ON p.person_id = c.person_id WHERE c.onset_date = p.birth_date",
    "SELECT COUNT(*) FROM condition WHERE CAST(code AS INT) / 0 > 1",
    "SELECT code FROM condition",
    "SELECT MAX(birth_date) FROM patient",
    "SELECT cod FROM condition",
    "SELECT * FROM condition ORDER BY code LIMIT 1",
];

#[test]
fn there_is_no_trace_of_a_person_outside_the_lake() {
    let home = Home::init(&["--epsilon", "1000"]);
    let export = home.export(40, 3);
    for (file, line) in RECORD {
        // The export is compressed or in parts; a further part is as good.
        let part = export.join(file.replace(".ndjson", ".canary.ndjson"));
        fs::write(part, format!("{line}\n")).unwrap();
    }
    let root = home.root();
    let mut said: Vec<Done> = Vec::new();
    let mut command = |arguments: &[&str]| {
        let mut command = salus();
        command.env("RUST_LOG", "trace").env("RUST_BACKTRACE", "1");
        command.arg("--home").arg(&root).args(arguments);
        let done = run(&mut command);
        let code = done.code;
        said.push(done);
        code
    };
    assert_eq!(
        command(&["ingest", "fhir", export.to_str().unwrap()]),
        Some(0)
    );
    for (i, sql) in QUESTIONS.iter().enumerate() {
        let code = command(&["query", sql, "--rho", "0.01"]);
        assert_eq!(code, Some(if i < 7 { 0 } else { 3 }), "{sql}");
        command(&["explain", sql]);
        command(&["--format", "json", "query", sql, "--dry-run"]);
    }
    for arguments in [
        ["tables"].as_slice(),
        &["catalog", "show"],
        &["budget", "show"],
        &["ledger", "list"],
        &["ledger", "verify"],
        &["--format", "json", "ledger", "list"],
    ] {
        assert_eq!(command(arguments), Some(0), "{arguments:?}");
    }
    // The ledger's text of questions is kept apart, but it is the analyst's own.
    let trace = |text: &str| TRACES.iter().find(|trace| text.contains(**trace)).copied();
    for done in &said {
        assert_eq!(trace(&done.stdout), None, "{done:?}");
        assert_eq!(trace(&done.stderr), None, "{done:?}");
    }
    let kept = files(&root);
    let mut looked_at = 0;
    for path in kept
        .iter()
        .filter(|path| !path.starts_with(root.join("lake")))
    {
        let bytes = fs::read(path).unwrap();
        let text = String::from_utf8_lossy(&bytes);
        // The operator's table of which source id is which person holds ids, and nothing else of anybody.
        let ids = path.starts_with(root.join("identity"));
        let found = trace(&if ids {
            text.replace(TRACES[0], "")
        } else {
            text.into_owned()
        });
        assert_eq!(found, None, "{}", path.display());
        looked_at += 1;
    }
    assert!(looked_at > 3, "{kept:?}");
    // She is there: a lake without her would leave no trace either.
    let rows = home.run(&[
        "--format",
        "json",
        "query",
        "SELECT COUNT(*) AS n FROM patient",
        "--rho",
        "50",
    ]);
    assert_eq!(rows.exits(0).json()["rows"][0][0], 41);
}
