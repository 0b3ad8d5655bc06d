//! Another reader, given the key, sees the same lake; without it, nothing.

mod common;

use std::path::Path;
use std::process::{Command, Output};

use common::{Home, export, real};
use salus_fhir::{Options, Silent, ingest_directory};
use serde_json::Value;

/// A Python with pyarrow, or `None` with a printed line; `make test` makes one.
fn python() -> Option<String> {
    let python = std::env::var("SALUS_PYTHON").ok();
    if python.is_none() {
        assert!(
            std::env::var("CI").as_deref() != Ok("true"),
            "SALUS_PYTHON names no Python with pyarrow"
        );
        println!("skipped: SALUS_PYTHON names no Python with pyarrow");
    }
    python
}

fn read(python: &str, home: &Path) -> Output {
    let notebooks = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../notebooks");
    Command::new(python)
        .args(["-m", "salus_lake"])
        .arg(home)
        .current_dir(notebooks)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .expect("Python runs")
}

/// The sum of a column of decimals with six digits, from the text of all rows.
fn sum(rows: &[String]) -> i128 {
    let values = rows
        .iter()
        .flat_map(|row| row.split(' '))
        .filter_map(|cell| cell.strip_prefix("value="));
    values.map(millionths).sum()
}

fn millionths(text: &str) -> i128 {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let digits = format!("{whole}{part:0<6}");
    digits.parse().expect("a decimal")
}

fn agree(home: &Home, said: &Value) {
    for table in salus_lake::TABLES {
        let rows = home.rows(table);
        assert_eq!(said[table]["rows"], rows.len(), "{table}");
        if let Some(total) = said[table]["value"].as_str() {
            assert_eq!(millionths(total), sum(&rows), "{table}");
        }
    }
}

#[tokio::test]
async fn pyarrow_agrees_on_a_real_export() {
    let (Some(python), Some(dir)) = (python(), real("smart-40")) else {
        return;
    };
    let home = Home::new();
    ingest_directory(&home.lake, &dir, &Options::default(), &Silent)
        .await
        .expect("an ingest");
    let output = read(&python, home.dir.path());
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let said: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    agree(&home, &said);
    assert_eq!(said["patient"]["persons"], 40);
    assert!(said["observation"]["rows"].as_u64() > Some(1_000));
}

#[tokio::test]
async fn pyarrow_opens_nothing_without_the_key() {
    let Some(python) = python() else {
        return;
    };
    let home = Home::new();
    let dir = export(&[(
        "p.ndjson",
        &[r#"{"resourceType":"Patient","id":"a","birthDate":"1970"}"#],
    )]);
    ingest_directory(&home.lake, dir.path(), &Options::default(), &Silent)
        .await
        .expect("an ingest");
    assert!(read(&python, home.dir.path()).status.success());
    let other = Home::new();
    std::fs::copy(
        other.dir.path().join("keys/lake.key"),
        home.dir.path().join("keys/lake.key"),
    )
    .expect("a key");
    let output = read(&python, home.dir.path());
    assert!(!output.status.success() && output.stdout.is_empty());
}
