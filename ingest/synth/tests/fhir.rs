//! Every line is a FHIR R4 resource that refers only to what exists and says only what is declared.

mod common;

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use common::{options, resources};
use salus_synth::terms::{concepts, measures};
use salus_synth::{DEPRIVATION_DECILE, Options};
use serde_json::Value;

const PERSONS: u64 = 1_500;

/// Made once for all tests.
static POPULATION: LazyLock<Vec<Value>> = LazyLock::new(|| resources(&options(PERSONS, 11)));

fn text<'a>(resource: &'a Value, pointer: &str) -> &'a str {
    let found = resource.pointer(pointer).and_then(Value::as_str);
    found.unwrap_or_else(|| panic!("{pointer} is missing in {resource}"))
}

/// The elements that R4 requires (1..1), and the value set of each code that has a required binding.
fn required(kind: &str) -> &'static [(&'static str, &'static [&'static str])] {
    match kind {
        "Patient" => &[("/gender", &["male", "female"])],
        "Encounter" => &[
            ("/status", &["finished"]),
            ("/class/code", &["AMB", "EMER", "IMP"]),
            ("/subject/reference", &[]),
        ],
        "Condition" => &[
            ("/subject/reference", &[]),
            ("/clinicalStatus/coding/0/code", &["active", "resolved"]),
            (
                "/verificationStatus/coding/0/code",
                &["confirmed", "provisional"],
            ),
        ],
        "Observation" => &[
            ("/status", &["final", "corrected"]),
            ("/code/coding/0/code", &[]),
            ("/subject/reference", &[]),
        ],
        "MedicationRequest" => &[
            ("/status", &["active", "completed", "stopped"]),
            ("/intent", &["order"]),
            ("/medicationCodeableConcept/coding/0/code", &[]),
            ("/subject/reference", &[]),
        ],
        "Procedure" => &[
            ("/status", &["completed", "not-done"]),
            ("/subject/reference", &[]),
        ],
        "Immunization" => &[
            ("/status", &["completed", "not-done"]),
            ("/vaccineCode/coding/0/code", &[]),
            ("/patient/reference", &[]),
            ("/occurrenceDateTime", &[]),
        ],
        other => panic!("unexpected resource type {other}"),
    }
}

#[test]
fn required_elements_are_there_and_within_their_bindings() {
    let mut kinds = HashMap::new();
    for resource in &*POPULATION {
        let kind = text(resource, "/resourceType").to_owned();
        for (pointer, allowed) in required(&kind) {
            let found = text(resource, pointer);
            assert!(
                allowed.is_empty() || allowed.contains(&found),
                "{pointer} of {resource}"
            );
        }
        *kinds.entry(kind).or_insert(0) += 1;
    }
    assert_eq!(kinds.len(), 7, "{kinds:?}");
    assert_eq!(kinds["Patient"], PERSONS);
}

#[test]
fn ids_are_unique_and_of_the_allowed_characters() {
    let mut seen = HashSet::new();
    for resource in &*POPULATION {
        let id = text(resource, "/id").to_owned();
        assert!((1..=64).contains(&id.len()));
        assert!(
            id.bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.')
        );
        assert!(seen.insert(id), "duplicate id in {resource}");
    }
}

#[test]
fn every_reference_resolves_within_the_same_person() {
    let population = &*POPULATION;
    let mut owner: HashMap<String, String> = HashMap::new();
    for resource in population {
        let name = format!(
            "{}/{}",
            text(resource, "/resourceType"),
            text(resource, "/id")
        );
        let subject = resource
            .pointer("/subject/reference")
            .or(resource.pointer("/patient/reference"));
        let person = subject.map_or(name.clone(), |it| it.as_str().unwrap().to_owned());
        owner.insert(name, person);
    }
    let mut links = 0;
    for resource in population {
        let name = format!(
            "{}/{}",
            text(resource, "/resourceType"),
            text(resource, "/id")
        );
        let person = &owner[&name];
        assert!(owner.contains_key(person), "{person} does not exist");
        if let Some(encounter) = resource.pointer("/encounter/reference") {
            let encounter = encounter.as_str().unwrap();
            assert_eq!(owner.get(encounter), Some(person), "{encounter}");
            links += 1;
        }
    }
    assert!(links > 10_000, "only {links} links to encounters");
}

/// All codings of a resource, wherever they stand.
fn codings<'a>(value: &'a Value, found: &mut Vec<(&'a str, &'a str, Option<&'a str>)>) {
    match value {
        Value::Object(members) => {
            let of = |name| members.get(name).and_then(Value::as_str);
            if let (Some(system), Some(code)) = (of("system"), of("code")) {
                found.push((system, code, of("display")));
            }
            members.values().for_each(|member| codings(member, found));
        }
        Value::Array(items) => items.iter().for_each(|item| codings(item, found)),
        _ => {}
    }
}

#[test]
fn codes_come_from_the_declared_tables_alone() {
    let declared: HashSet<(&str, &str, Option<&str>)> = concepts()
        .flat_map(|concept| concept.codings)
        .map(|coding| (coding.system.url(), coding.code, Some(coding.display)))
        .collect();
    let units: HashSet<&str> = measures().map(|measure| measure.unit).collect();
    let mut used = HashSet::new();
    for resource in &*POPULATION {
        let mut found = Vec::new();
        codings(resource, &mut found);
        for coding in found {
            let (system, code, _) = coding;
            let known = match system {
                "http://unitsofmeasure.org" => units.contains(code),
                "urn:ietf:bcp:47" => ["en", "es"].contains(&code),
                // Structural codes of HL7 itself: their bindings are checked above.
                hl7 if hl7.starts_with("http://terminology.hl7.org/CodeSystem/")
                    && !hl7.ends_with("MaritalStatus") =>
                {
                    true
                }
                _ => declared.contains(&coding),
            };
            assert!(known, "{coding:?} in {resource}");
            used.insert((system.to_owned(), code.to_owned()));
        }
    }
    let unused: Vec<_> = declared
        .iter()
        .filter(|(system, code, _)| !used.contains(&((*system).to_owned(), (*code).to_owned())))
        .collect();
    assert!(
        unused.is_empty(),
        "declared and hardly ever used: {unused:?}"
    );
}

#[test]
fn quantities_have_the_unit_and_the_decimals_of_their_measure() {
    let declared: HashMap<&str, (&str, u8)> = measures()
        .map(|it| (it.concept.first().code, (it.unit, it.scale)))
        .collect();
    let mut checked = HashMap::new();
    for resource in &*POPULATION {
        let parts = resource["component"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        for part in parts
            .iter()
            .chain([resource])
            .filter(|part| part["valueQuantity"].is_object())
        {
            let code = text(part, "/code/coding/0/code");
            let (unit, scale) = declared[code];
            assert_eq!(text(part, "/valueQuantity/code"), unit);
            let printed = part["valueQuantity"]["value"].to_string();
            let value: f64 = printed.parse().unwrap();
            let scaled = value * 10_f64.powi(i32::from(scale));
            assert!((scaled - scaled.round()).abs() < 1e-6, "{code} {printed}");
            assert!((0.0..2_000.0).contains(&value), "{code} {printed}");
            *checked.entry(code.to_owned()).or_insert(0) += 1;
        }
    }
    assert_eq!(checked.len(), declared.len(), "{checked:?}");
    let panels = POPULATION
        .iter()
        .filter(|it| it["component"].is_array())
        .count();
    assert_eq!(checked["8480-6"], panels);
    assert_eq!(checked["8462-4"], panels);
}

#[test]
fn events_lie_between_birth_and_death_and_in_order() {
    let end = Options::default().as_of.to_string();
    let population = &*POPULATION;
    let mut lives = HashMap::new();
    for resource in population
        .iter()
        .filter(|it| it["resourceType"] == "Patient")
    {
        let death = resource["deceasedDateTime"]
            .as_str()
            .unwrap_or(&end)
            .to_owned();
        let name = format!("Patient/{}", text(resource, "/id"));
        lives.insert(name, (text(resource, "/birthDate").to_owned(), death));
    }
    let day = |text: &str| {
        let parsed = chrono::NaiveDate::parse_from_str(&text[..10], "%Y-%m-%d");
        assert!(
            parsed.is_ok() && (text.len() == 10 || text.ends_with(":00Z")),
            "{text}"
        );
        text[..10].to_owned()
    };
    let mut deaths = 0;
    for resource in population {
        let subject = resource
            .pointer("/subject/reference")
            .or(resource.pointer("/patient/reference"));
        let Some((birth, death)) = subject.map(|it| &lives[it.as_str().unwrap()]) else {
            continue;
        };
        let dates = [
            "/onsetDateTime",
            "/abatementDateTime",
            "/recordedDate",
            "/effectiveDateTime",
            "/authoredOn",
            "/performedDateTime",
            "/occurrenceDateTime",
            "/period/start",
            "/period/end",
        ];
        for date in dates.iter().filter_map(|pointer| resource.pointer(pointer)) {
            let date = day(date.as_str().unwrap());
            assert!(
                birth <= &date && &date <= death,
                "{date} of {resource}: {birth} to {death}"
            );
        }
        if let Some(onset) = resource["onsetDateTime"].as_str() {
            assert!(onset <= text(resource, "/recordedDate"), "{resource}");
            assert!(
                resource["abatementDateTime"]
                    .as_str()
                    .is_none_or(|over| onset <= over),
                "{resource}"
            );
        }
        if resource["resourceType"] == "Encounter" {
            assert!(text(resource, "/period/start") <= text(resource, "/period/end"));
        }
        deaths += usize::from(death != &end);
    }
    assert!(deaths > 0);
}

#[test]
fn demographics_carry_the_promised_extensions() {
    let mut deciles = [0; 11];
    let mut without = 0;
    let mut area = HashMap::new();
    for patient in POPULATION
        .iter()
        .filter(|it| it["resourceType"] == "Patient")
    {
        let extensions = patient["extension"].as_array().cloned().unwrap_or_default();
        for extension in &extensions {
            let url = text(extension, "/url");
            if url == DEPRIVATION_DECILE {
                let decile = extension["valueInteger"].as_u64().unwrap();
                deciles[usize::try_from(decile).unwrap()] += 1;
                // One ZIP code is one area.
                let postal = text(patient, "/address/0/postalCode").to_owned();
                assert_eq!(postal.len(), 5);
                assert_eq!(*area.entry(postal).or_insert(decile), decile);
            } else {
                assert!(
                    url.starts_with("http://hl7.org/fhir/us/core/StructureDefinition/us-core-")
                );
                assert_eq!(text(extension, "/extension/0/url"), "ombCategory");
                assert!(!text(extension, "/extension/1/valueString").is_empty());
            }
        }
        without += usize::from(!extensions.iter().any(|it| it["url"] == DEPRIVATION_DECILE));
        assert!(text(patient, "/telecom/0/value").starts_with("555-01"));
        assert_eq!(text(patient, "/address/0/state").len(), 2);
    }
    assert_eq!(deciles[0], 0);
    assert!(deciles[1..].iter().all(|count| *count > 80), "{deciles:?}");
    assert!((10..80).contains(&without), "{without} without a decile");
}
