//! The table of requirements in `docs/bulk-client.md` is complete, and names tests that exist.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Everything that is written in the crate.
fn sources(folder: &Path, all: &mut String) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, all);
        } else if path.extension().is_some_and(|end| end == "rs") {
            *all += &fs::read_to_string(path).unwrap();
        }
    }
}

/// Rows of the table: the ids, and the last column.
fn rows() -> Vec<(Vec<String>, String)> {
    let page = fs::read_to_string(root().join("docs/bulk-client.md")).unwrap();
    let table = page.split("\n## Requirements").nth(1).unwrap();
    let rows = table
        .lines()
        .filter(|line| line.starts_with("| b") || line.starts_with("| s"));
    rows.map(|row| {
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").collect();
        let ids = cells[0]
            .split(", ")
            .map(|id| id.trim().to_owned())
            .collect();
        (ids, cells[cells.len() - 1].to_owned())
    })
    .collect()
}

#[test]
fn every_requirement_names_a_test_that_exists_or_says_why_not() {
    let mut code = String::new();
    for folder in ["src", "tests"] {
        sources(
            &Path::new(env!("CARGO_MANIFEST_DIR")).join(folder),
            &mut code,
        );
    }
    let mut seen = BTreeSet::new();
    for (ids, tests) in rows() {
        for id in &ids {
            assert!(seen.insert(id.clone()), "{id} is listed twice");
        }
        let names: Vec<&str> = tests.split('`').skip(1).step_by(2).collect();
        assert!(
            !names.is_empty() || tests.contains("no test"),
            "{ids:?} names no test"
        );
        for name in names {
            let declared = code.contains(&format!("fn {name}("));
            assert!(declared, "{name} does not exist: {ids:?}");
        }
    }
    assert_eq!(seen.len(), 108);
}

#[test]
fn every_requirement_of_the_checklist_is_listed() {
    let path = root().join("../shared/data/fhir/bulk-client-requirements.csv");
    let Ok(text) = fs::read_to_string(&path) else {
        assert!(
            std::env::var("CI").as_deref() != Ok("true"),
            "{} is missing",
            path.display()
        );
        println!("skipped: {} is not there", path.display());
        return;
    };
    let mut expected = BTreeSet::new();
    for line in text.lines() {
        for (set, letter) in [
            ("hl7.fhir.uv.bulkdata_2.0.0,", 'b'),
            ("hl7.fhir.uv.smart-app-launch_2.2.0,", 's'),
        ] {
            if let Some(rest) = line.trim_start_matches('\u{feff}').strip_prefix(set) {
                expected.insert(format!("{letter}{}", rest.split(',').next().unwrap()));
            }
        }
    }
    assert_eq!(expected.len(), 108);
    let listed: BTreeSet<String> = rows().into_iter().flat_map(|(ids, _)| ids).collect();
    assert_eq!(listed, expected);
}
