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
