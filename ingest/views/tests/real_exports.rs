//! Views such as the specification gives as examples, over two real exports of different
//! generators: the rows are as many as a walk through the JSON counts, and their values add up.

mod common;

use std::fs;
use std::path::Path;

use common::{ndjson, rows, shared};
use salus_views::{Input, Options, View};
use serde_json::{Value, json};

fn read(name: &str) -> View {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/views")
        .join(name);
    let text = fs::read_to_string(path.with_extension("json")).unwrap();
    View::parse(&text).unwrap_or_else(|problems| panic!("{name}: {problems:?}"))
}

fn resources(export: &Path, kind: &str) -> Vec<Value> {
    let text = fs::read_to_string(export.join(format!("{kind}.000.ndjson"))).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// The rows of a view over the whole export, and the resources that it is about.
fn both(export: &Path, name: &str) -> (Vec<Value>, Vec<Value>) {
    let view = read(name);
    let resources = resources(export, view.resource());
    let input = Input::paths(&[export]).unwrap();
    let options = Options {
        strict: true,
        ..Options::default()
    };
    let (text, summary) = ndjson(view, input, &options).unwrap();
    assert_eq!(summary.views[0].resources, resources.len() as u64);
    let rows: Vec<Value> = text
        .lines()
        .map(|row| serde_json::from_str(row).unwrap())
        .collect();
    assert_eq!(summary.views[0].rows, rows.len() as u64);
    println!(
        "{name}: {} rows of {} resources",
        rows.len(),
        resources.len()
    );
    (rows, resources)
}

fn list<'v>(value: &'v Value, name: &str) -> &'v [Value] {
    value[name].as_array().map_or(&[], Vec::as_slice)
}

fn has_code(concept: &Value, code: &str) -> bool {
    list(concept, "coding")
        .iter()
        .any(|coding| coding["code"] == code)
}

/// The id at the end of a reference.
fn key(reference: &Value) -> Value {
    let text = reference["reference"].as_str();
    text.map_or(Value::Null, |text| json!(text.rsplit('/').next()))
}

fn patients(export: &Path) {
    let (rows, patients) = both(export, "patient_demographics");
    assert_eq!(rows.len(), patients.len());
    for (row, patient) in rows.iter().zip(&patients) {
        assert_eq!(row["id"], patient["id"]);
        assert_eq!(row["birth_date"], patient["birthDate"]);
        let dead = patient.get("deceasedDateTime").is_some() || patient["deceasedBoolean"] == true;
        assert_eq!(row["deceased"], dead);
        let official = list(patient, "name")
            .iter()
            .find(|name| name["use"] == "official");
        assert_eq!(
            row["family"],
            official.map_or(Value::Null, |name| name["family"].clone())
        );
        let systems: Vec<&Value> = list(patient, "identifier")
            .iter()
            .map(|i| &i["system"])
            .collect();
        assert_eq!(row["identifiers"], json!(systems));
    }
    let (rows, _) = both(export, "patient_addresses");
    let zips: Vec<Value> = patients
        .iter()
        .flat_map(|patient| list(patient, "address"))
        .map(|address| address["postalCode"].clone())
        .collect();
    assert_eq!(
        rows.iter()
            .map(|row| row["zip"].clone())
            .collect::<Vec<_>>(),
        zips
    );
}

fn blood_pressures(export: &Path) {
    let (rows, observations) = both(export, "us_core_blood_pressures");
    let panels = observations.iter().filter(|observation| {
        has_code(&observation["code"], "85354-9") || has_code(&observation["code"], "55284-4")
    });
    let value = |panel: &Value, code: &str| {
        let component = list(panel, "component")
            .iter()
            .find(|c| has_code(&c["code"], code));
        component.map(|component| component["valueQuantity"]["value"].clone())
    };
    let wanted: Vec<Value> = panels
        .filter_map(|panel| {
            let (systolic, diastolic) = (value(panel, "8480-6")?, value(panel, "8462-4")?);
            Some(json!({
                "id": panel["id"], "patient_id": key(&panel["subject"]),
                "effective": panel["effectiveDateTime"],
                "systolic": systolic, "unit": "mm[Hg]", "diastolic": diastolic
            }))
        })
        .collect();
    assert!(wanted.len() > 100);
    assert_eq!(rows, wanted);
}

fn encounters(export: &Path) {
    let (rows, encounters) = both(export, "encounter_participants");
    let mut wanted = Vec::new();
    for encounter in &encounters {
        let participants = list(encounter, "participant");
        let roles = participants.iter().map(|participant| {
            let types = list(participant, "type").iter();
            types
                .map(|kind| list(kind, "coding").len())
                .sum::<usize>()
                .max(1)
        });
        let rows = if participants.is_empty() {
            1
        } else {
            roles.sum()
        };
        wanted.push((encounter["id"].clone(), rows));
    }
    let total: usize = wanted.iter().map(|(_, rows)| rows).sum();
    assert_eq!(rows.len(), total);
    let mut next = rows.iter();
    for (id, count) in wanted {
        assert!(
            next.by_ref()
                .take(count)
                .all(|row| row["encounter_id"] == id)
        );
    }
    assert!(rows.iter().all(|row| row["ended_later"] != false));
}

fn conditions(export: &Path) {
    let (rows, conditions) = both(export, "condition_flat");
    let codings = conditions
        .iter()
        .map(|condition| list(&condition["code"], "coding").len());
    assert_eq!(rows.len(), codings.sum::<usize>());
    let resolved = |row: &&Value| row["resolved"] == true;
    let abated = |condition: &&Value| {
        condition.get("abatementDateTime").is_some() || condition.get("abatement").is_some()
    };
    let (found, wanted) = (
        rows.iter().filter(resolved),
        conditions.iter().filter(abated),
    );
    assert_eq!(found.count(), wanted.count());
    let found = rows.iter().filter(|row| row["active"] == true);
    let wanted = conditions
        .iter()
        .filter(|condition| has_code(&condition["clinicalStatus"], "active"));
    assert_eq!(found.count(), wanted.count());
}

fn whole(export: &str) {
    let Some(export) = shared(&format!("fhir/{export}")) else {
        return;
    };
    patients(&export);
    blood_pressures(&export);
    encounters(&export);
    conditions(&export);
}

#[test]
fn synthea_100() {
    whole("synthea-100");
}

#[test]
fn smart_40() {
    whole("smart-40");
}

#[test]
fn answers_of_questionnaires_at_any_depth() {
    let response = json!({
        "resourceType": "QuestionnaireResponse", "id": "r1", "subject": {"reference": "Patient/p1"},
        "item": [
            {"linkId": "1", "item": [
                {"linkId": "1.1", "answer": [
                    {"valueString": "yes", "item": [{"linkId": "1.1.1", "answer": [{"valueDecimal": 1.50}]}]},
                    {"valueCoding": {"code": "c"}}]}]},
            {"linkId": "2", "answer": [{"valueInteger": 7}]}]
    });
    let row = |position: u32, link: &str, text: Value, number: Value, code: Value| {
        json!({"id": "r1", "subject_id": "p1", "position": position, "link_id": link,
            "text": text, "number": number, "code": code})
    };
    let nothing = Value::Null;
    let found = rows(read("questionnaire_response_items"), &[response]).unwrap();
    assert_eq!(
        found,
        [
            row(0, "1", nothing.clone(), nothing.clone(), nothing.clone()),
            row(1, "1.1", json!("yes"), nothing.clone(), nothing.clone()),
            row(1, "1.1", nothing.clone(), nothing.clone(), json!("c")),
            row(2, "1.1.1", nothing.clone(), json!(1.5), nothing.clone()),
            row(3, "2", nothing.clone(), json!(7), nothing),
        ]
    );
}
