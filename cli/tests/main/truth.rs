//! The truth about an export by another path: its NDJSON read with serde_json and counted in plain Rust.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use chrono::DateTime;
use serde_json::Value;

/// Where the real exports are, beside the repository.
pub(crate) fn exports() -> Option<PathBuf> {
    let shared =
        Path::new(&std::env::var("CARGO_MANIFEST_DIR").unwrap()).join("../../shared/data/fhir");
    if shared.is_dir() {
        return Some(shared);
    }
    assert!(
        std::env::var("CI").as_deref() != Ok("true"),
        "../shared/data is missing, and CI must run the tests on real data"
    );
    println!("skipped: ../shared/data is not there");
    None
}

/// A person as these tests need her.
#[derive(Debug, Clone)]
pub(crate) struct Person {
    pub id: String,
    pub sex: String,
    pub birth: String,
    pub marital: String,
    pub deceased: bool,
}

impl Person {
    /// Completed years on a day, both as `YYYY-MM-DD`.
    pub(crate) fn age(&self, on: &str) -> u32 {
        let part = |text: &str, at: std::ops::Range<usize>| text[at].parse::<u32>().unwrap();
        let years = part(on, 0..4) - part(&self.birth, 0..4);
        if on[5..] < self.birth[5..] {
            years - 1
        } else {
            years
        }
    }
}

/// One resource, or one component of an observation.
#[derive(Debug, Clone, Default)]
pub(crate) struct Row {
    pub person: String,
    pub code: String,
    /// Code of the observation that a component belongs to.
    pub panel: String,
    pub class: String,
    pub status: String,
    pub value: Option<f64>,
    pub date: String,
    pub minutes: Option<f64>,
}

/// All of an export that the questions ask about.
#[derive(Debug)]
pub(crate) struct Export {
    pub persons: Vec<Person>,
    pub tables: BTreeMap<&'static str, Vec<Row>>,
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn lines(dir: &Path, kind: &str) -> Vec<Value> {
    let file = fs::read_to_string(dir.join(format!("{kind}.000.ndjson"))).unwrap();
    let lines = file.lines().map(|line| serde_json::from_str(line).unwrap());
    lines.collect()
}

fn first_code(concept: &Value) -> String {
    text(&concept["coding"][0]["code"])
}

/// As the lake holds it: six digits after the point.
fn decimal(value: &Value) -> Option<f64> {
    value.as_f64().map(|x| (x * 1e6).round() / 1e6)
}

fn minutes(period: &Value) -> Option<f64> {
    let instant = |end: &str| DateTime::parse_from_rfc3339(period[end].as_str()?).ok();
    let length = instant("end")? - instant("start")?;
    #[allow(clippy::cast_precision_loss)]
    let minutes = length.num_minutes() as f64;
    Some(minutes)
}

impl Export {
    pub(crate) fn read(dir: &Path) -> Self {
        let mut persons = Vec::new();
        for line in lines(dir, "Patient") {
            persons.push(Person {
                id: text(&line["id"]),
                sex: text(&line["gender"]),
                birth: text(&line["birthDate"]),
                marital: first_code(&line["maritalStatus"]),
                deceased: line.get("deceasedDateTime").is_some(),
            });
        }
        let known: BTreeSet<String> = persons
            .iter()
            .map(|p| format!("Patient/{}", p.id))
            .collect();
        let mut tables = BTreeMap::new();
        let mut components = Vec::new();
        for (table, kind, concept, dates) in [
            ("encounter", "Encounter", "type", ""),
            ("condition", "Condition", "code", "onsetDateTime"),
            ("observation", "Observation", "code", "effectiveDateTime"),
            (
                "medication_request",
                "MedicationRequest",
                "medicationCodeableConcept",
                "authoredOn",
            ),
            ("procedure", "Procedure", "code", ""),
            (
                "immunization",
                "Immunization",
                "vaccineCode",
                "occurrenceDateTime",
            ),
            ("allergy_intolerance", "AllergyIntolerance", "code", ""),
            ("diagnostic_report", "DiagnosticReport", "code", ""),
        ] {
            let mut rows = Vec::new();
            for line in lines(dir, kind) {
                let subject = ["subject", "patient"].map(|name| text(&line[name]["reference"]));
                let reference = subject.concat();
                assert!(known.contains(&reference), "{reference}");
                let date = text(&line[dates]);
                let status = match &line["clinicalStatus"] {
                    Value::Null => text(&line["status"]),
                    concept => first_code(concept),
                };
                let row = Row {
                    person: reference["Patient/".len()..].to_owned(),
                    code: first_code(&line[concept]),
                    class: text(&line["class"]["code"]),
                    status,
                    value: decimal(&line["valueQuantity"]["value"]),
                    date: date.get(..10).unwrap_or_default().to_owned(),
                    minutes: minutes(&line["period"]),
                    panel: String::new(),
                };
                for component in line["component"].as_array().into_iter().flatten() {
                    components.push(Row {
                        panel: row.code.clone(),
                        code: first_code(&component["code"]),
                        value: decimal(&component["valueQuantity"]["value"]),
                        ..row.clone()
                    });
                }
                rows.push(row);
            }
            tables.insert(table, rows);
        }
        tables.insert("observation_component", components);
        Self { persons, tables }
    }

    /// Rows of a table that meet a condition.
    pub(crate) fn rows(&self, table: &str, meets: impl Fn(&Row) -> bool) -> Vec<&Row> {
        let rows = self.tables[table].iter();
        rows.filter(|row| meets(row)).collect()
    }

    /// Persons who have such a row.
    pub(crate) fn with(&self, table: &str, meets: impl Fn(&Row) -> bool) -> BTreeSet<&str> {
        let rows = self.rows(table, meets);
        rows.into_iter().map(|row| row.person.as_str()).collect()
    }

    pub(crate) fn person(&self, id: &str) -> &Person {
        self.persons.iter().find(|person| person.id == id).unwrap()
    }
}

/// One number for each person: a fold over her values in the order of the export.
pub(crate) fn each(rows: &[&Row], fold: impl Fn(f64, f64) -> f64) -> BTreeMap<String, f64> {
    let mut folded: BTreeMap<String, f64> = BTreeMap::new();
    for row in rows {
        let Some(value) = row.value else { continue };
        let known = folded.get(&row.person).copied();
        let next = known.map_or(value, |known| fold(known, value));
        folded.insert(row.person.clone(), next);
    }
    folded
}

/// Most rows of one person among these: with this k nothing is left out.
pub(crate) fn most(rows: &[&Row]) -> u64 {
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    for row in rows {
        *counts.entry(&row.person).or_default() += 1;
    }
    counts.into_values().max().unwrap_or(1)
}
