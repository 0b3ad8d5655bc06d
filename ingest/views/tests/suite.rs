//! The official suite of SQL on FHIR: every case of every file.

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use common::{rows, same_rows, shared};
use salus_views::View;
use serde_json::{Value, json};

/// Runs one case; the reason if it fails.
fn case(case: &Value, resources: &[Value]) -> Result<(), String> {
    let fails = case["expectError"] == true;
    let view = match View::parse(&case["view"].to_string()) {
        Ok(view) => view,
        Err(_) if fails => return Ok(()),
        Err(problems) => return Err(format!("the view is refused: {problems:?}")),
    };
    let columns: Vec<String> = view.columns().iter().map(|c| c.name.clone()).collect();
    let found = match rows(view, resources) {
        Ok(_) if fails => return Err("no error".to_owned()),
        Err(_) if fails => return Ok(()),
        Ok(found) => found,
        Err(error) => return Err(format!("an error: {error}")),
    };
    if let Some(wanted) = case.get("expectColumns")
        && *wanted != json!(columns)
    {
        return Err(format!("the columns are {columns:?}, not {wanted}"));
    }
    if let Some(count) = case.get("expectCount").and_then(Value::as_u64)
        && count != found.len() as u64
    {
        return Err(format!("{} rows, not {count}", found.len()));
    }
    match case.get("expect").and_then(Value::as_array) {
        Some(wanted) if !same_rows(&found, wanted) => {
            Err(format!("{} instead of {}", json!(found), json!(wanted)))
        }
        _ => Ok(()),
    }
}

/// Titles of cases, each with the reason if it fails.
type Outcome = Vec<(String, Result<(), String>)>;

/// Every case, by file.
fn report(dir: &Path) -> BTreeMap<String, Outcome> {
    let mut report = BTreeMap::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if path.extension().is_none_or(|ending| ending != "json") || name == "tests.schema.json" {
            continue;
        }
        let suite: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        let resources = suite["resources"].as_array().unwrap();
        let cases = suite["tests"].as_array().unwrap().iter().map(|test| {
            let title = test["title"].as_str().unwrap().to_owned();
            (title, case(test, resources))
        });
        report.insert(name, cases.collect());
    }
    report
}

/// What `test-report.schema.json` asks for, spelled out.
fn validate(report: &Value) {
    let files = report.as_object().expect("a report is an object");
    for (file, suite) in files {
        let suite = suite
            .as_object()
            .unwrap_or_else(|| panic!("{file} is no object"));
        assert_eq!(suite.keys().collect::<Vec<_>>(), ["tests"], "{file}");
        let tests = suite["tests"].as_array().expect("tests are a list");
        assert!(!tests.is_empty(), "{file} has no tests");
        for test in tests {
            assert!(test["name"].is_string(), "{test}");
            let result = test["result"].as_object().expect("a result is an object");
            assert!(result["passed"].is_boolean(), "{test}");
            assert!(result.get("error").is_none_or(Value::is_string), "{test}");
            assert!(result.get("details").is_none_or(Value::is_object), "{test}");
        }
    }
}

#[test]
fn every_case_of_the_official_suite_passes() {
    let Some(dir) = shared("sql-on-fhir/tests") else {
        return;
    };
    let outcome = report(&dir);
    let mut failures = Vec::new();
    let mut cases = 0;
    let mut document = serde_json::Map::new();
    for (file, results) in &outcome {
        let tests = results.iter().map(|(title, result)| {
            cases += 1;
            match result {
                Ok(()) => json!({"name": title, "result": {"passed": true}}),
                Err(error) => {
                    failures.push(format!("{file}: {title}: {error}"));
                    json!({"name": title, "result": {"passed": false, "error": error}})
                }
            }
        });
        let tests: Vec<Value> = tests.collect();
        document.insert(file.clone(), json!({"tests": tests}));
    }
    let document = Value::Object(document);
    validate(&document);
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("sql-on-fhir-report.json");
    fs::write(&path, format!("{document:#}\n")).unwrap();
    println!(
        "{cases} cases of {} files, {} failed; report in {}",
        outcome.len(),
        failures.len(),
        path.display()
    );
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert_eq!((outcome.len(), cases), (22, 144));
}

#[test]
fn a_case_that_should_fail_is_seen_to() {
    let view = json!({"resource": "Patient", "select": [
        {"column": [{"name": "id", "path": "id", "type": "id"}]}]});
    let patient = json!({"resourceType": "Patient", "id": "p1"});
    let right =
        json!({"view": view, "expect": [{"id": "p1"}], "expectColumns": ["id"], "expectCount": 1});
    case(&right, std::slice::from_ref(&patient)).unwrap();
    for (member, wrong) in [
        ("expect", json!([])),
        ("expect", json!([{"id": "p2"}])),
        ("expect", json!([{"id": "p1"}, {"id": "p1"}])),
        ("expectColumns", json!(["id", "x"])),
        ("expectCount", json!(2)),
        ("expectError", json!(true)),
    ] {
        let mut changed = right.clone();
        changed[member] = wrong;
        case(&changed, std::slice::from_ref(&patient)).expect_err(member);
    }
}
