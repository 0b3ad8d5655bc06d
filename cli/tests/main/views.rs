//! SQL on FHIR from the command line.

use std::fs;

use crate::support::{Home, run, salus};

const VIEW: &str = r#"{
  "resourceType": "ViewDefinition", "name": "patients", "status": "draft", "resource": "Patient",
  "select": [{"column": [
    {"name": "id", "path": "getResourceKey()", "type": "id"},
    {"name": "birth", "path": "birthDate", "type": "date"}
  ]}]
}"#;

#[test]
fn views_are_checked_and_run() {
    let home = Home::init(&[]);
    let export = home.export(50, 3);
    let view = home.beside("patients.json");
    fs::write(&view, VIEW).unwrap();
    let (view, export) = (view.to_str().unwrap(), export.to_str().unwrap());

    let checked = run(salus().args(["view", "check", view, "--format", "json"]))
        .exits(0)
        .json();
    assert_eq!(checked["views"][0]["columns"][1]["name"], "birth");
    let rows = run(salus().args(["view", "run", view, "--from", export]))
        .exits(0)
        .stdout;
    assert_eq!(rows.lines().count(), 51);
    assert!(rows.starts_with("id,birth"), "{rows}");

    let out = home.beside("tables");
    let told = run(salus()
        .args([
            "view", "run", view, "--from", export, "--as", "parquet", "--format", "json", "--out",
        ])
        .arg(&out))
    .exits(0)
    .json();
    assert_eq!(
        (&told["views"][0]["rows"], &told["failed_lines"]),
        (&50.into(), &0.into())
    );
    assert!(out.join("patients.parquet").is_file());
    run(salus().args(["view", "run", view, "--from", export, "--as", "parquet"])).exits(2);
}

#[test]
fn everything_that_is_wrong_with_a_view_is_said() {
    let home = Home::init(&[]);
    let view = home.beside("wrong.json");
    fs::write(
        &view,
        VIEW.replace("birthDate", "birthDate.frobnicate()")
            .replace("\"id\", \"path\"", "\"1d\", \"path\""),
    )
    .unwrap();
    let done = run(salus().args(["view", "check"]).arg(&view)).exits(2);
    assert!(
        done.stderr.contains("frobnicate") && done.stderr.contains("begins with a letter"),
        "{}",
        done.stderr
    );
    run(salus()
        .args(["view", "run"])
        .arg(&view)
        .args(["--from", "nowhere"]))
    .exits(2);
}

const RACE: &str = r#"{
  "resourceType": "ViewDefinition", "name": "origin", "status": "draft", "resource": "Patient",
  "select": [{"column": [
    {"name": "id", "path": "getResourceKey()", "type": "id"},
    {"name": "gender", "path": "gender", "type": "code"},
    {"name": "born", "path": "birthDate", "type": "date"},
    {"name": "name_count", "path": "name.count()", "type": "integer"}
  ]}]
}"#;

const DECLARED: &str = "
rows_per_person: 1
columns:
  gender: { domain: [female, male], source: \"http://hl7.org/fhir/ValueSet/administrative-gender\" }
  name_count: { bounds: { low: \"0\", high: \"4\", granularity: \"1\" }, source: the form }
";

/// Number of catalogs that the ledger records.
fn catalogs(home: &Home) -> usize {
    let entries = home.entries();
    entries
        .iter()
        .filter(|entry| entry["kind"] == "catalog")
        .count()
}

#[test]
fn a_view_becomes_a_table_that_analysts_ask() {
    let home = Home::init(&["--epsilon", "100"]);
    let export = home.export(60, 3);
    let export = export.to_str().unwrap();
    home.run(&["ingest", "fhir", export]).exits(0);
    let (view, declared) = (home.beside("origin.json"), home.beside("origin.yaml"));
    fs::write(&view, RACE).unwrap();
    fs::write(&declared, DECLARED).unwrap();
    let (view, declared) = (view.to_str().unwrap(), declared.to_str().unwrap());

    let tried = home.json(&["view", "add", view, "--catalog", declared, "--dry-run"]);
    assert_eq!(tried["added"], false);
    assert_eq!(
        tried["same"][0],
        serde_json::json!({"column": "id", "is": "resource_id"})
    );
    assert_eq!(home.json(&["view", "list"])["views"], serde_json::json!([]));

    let before = catalogs(&home);
    home.run(&["view", "add", view, "--catalog", declared])
        .exits(0);
    assert_eq!(catalogs(&home), before + 1, "the ledger knows of the view");
    home.run(&["view", "add", view]).exits(2);
    let listed = home.json(&["view", "list"]);
    assert_eq!(listed["views"][0]["table"], "origin");
    assert_eq!(home.run(&["view", "show", "origin"]).exits(0).stdout, RACE);
    assert!(
        home.run(&["view", "show", "condition"])
            .exits(0)
            .stdout
            .contains("clinicalStatus")
    );
    home.run(&["view", "show", "nothing"]).exits(2);
    let tables = home.json(&["tables"]);
    assert_eq!(
        tables["tables"]["origin"]["columns"][0]["name"],
        "person_id"
    );

    // Another definition, and nothing declared: what was declared holds for the columns that are left.
    let narrower = home.beside("narrower.json");
    let less = RACE.replacen("\"name_count\"", "\"names\"", 1);
    assert_ne!(less, RACE);
    fs::write(&narrower, less).unwrap();
    let narrower = ["view", "add", narrower.to_str().unwrap(), "--replace"];
    let facts = home.json(&[&narrower[..], &["--dry-run"]].concat())["facts"].clone();
    let known = &listed["views"][0];
    assert_eq!(
        facts["columns"]["gender"]["domain"],
        tried["facts"]["columns"]["gender"]["domain"]
    );
    assert!(facts["columns"]["gender"]["domain"].is_array(), "{facts}");
    assert_eq!(facts["doc"], tried["facts"]["doc"]);
    assert!(
        facts["columns"]["name_count"].is_null() && facts["columns"]["names"]["bounds"].is_null()
    );
    assert_eq!(
        home.json(&["view", "list"])["views"][0],
        *known,
        "a dry run changes nothing"
    );

    // Empty until the export comes again, which changes nothing else.
    let summary = home.json(&["ingest", "fhir", export]);
    assert_eq!(
        summary["views"]["origin"],
        serde_json::json!({"rows": 60, "resources": 60, "failed": 0, "failure": null})
    );
    let again = home.json(&["ingest", "fhir", export]);
    assert_eq!(again["changed"], false);

    let answer = home.json(&[
        "query",
        "SELECT gender, COUNT(*), SUM(name_count) FROM origin GROUP BY 1",
        "--epsilon",
        "40",
    ]);
    let rows = answer["rows"].as_array().expect("rows");
    assert!(rows.len() >= 2, "{answer}");
    home.run(&["query", "SELECT SUM(resource_id) FROM origin"])
        .exits(3);

    home.run(&["view", "drop", "origin"]).exits(0);
    assert_eq!(catalogs(&home), before + 2);
    home.run(&["view", "drop", "origin"]).exits(2);
    home.run(&["query", "SELECT COUNT(*) FROM origin"]).exits(3);
    home.run(&["query", "SELECT COUNT(*) FROM patient"])
        .exits(0);
}

#[test]
fn views_that_identify_are_refused() {
    let home = Home::init(&[]);
    let view = home.beside("names.json");
    for hidden in [
        "name.family.first()",
        "identifier.value.first()",
        "id",
        "address.line.first()",
    ] {
        fs::write(
            &view,
            RACE.replace("gender\", \"type", &format!("{hidden}\", \"type")),
        )
        .unwrap();
        let done = home.run(&["view", "add", view.to_str().unwrap()]).exits(2);
        assert!(
            done.stderr.contains("direct identifiers"),
            "{}",
            done.stderr
        );
    }
    assert_eq!(home.json(&["view", "list"])["views"], serde_json::json!([]));
}
