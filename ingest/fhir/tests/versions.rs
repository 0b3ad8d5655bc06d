//! Of several versions of a resource the latest stays, in whatever order and in whichever exports they come.

mod common;

use std::collections::BTreeMap;

use common::{Home, accounted, export};
use salus_fhir::{Options, Silent, Summary, admit, ingest_directory};

const CODINGS: &str = r#"{
  "resourceType": "ViewDefinition", "name": "condition_coding", "status": "draft", "resource": "Condition",
  "select": [
    {"column": [
      {"name": "id", "path": "getResourceKey()", "type": "id"},
      {"name": "patient_id", "path": "subject.getReferenceKey(Patient)", "type": "id"}
    ]},
    {"forEach": "code.coding", "column": [{"name": "code", "path": "code", "type": "code"}]}
  ]
}"#;

/// A home whose lake also has a table with several rows for each condition.
fn home() -> Home {
    let mut home = Home::new();
    let admitted = admit(None, CODINGS, "").expect("a view");
    let added = home
        .lake
        .add_view(&admitted.name, admitted.facts, CODINGS, true);
    home.lake = added.expect("a table");
    home
}

/// `meta` of a version; version 0 has none.
fn meta(version: u32) -> String {
    match version {
        0 => String::new(),
        version => format!(r#""meta":{{"lastUpdated":"2025-01-{version:02}T10:00:00Z"}},"#),
    }
}

fn patient(id: &str, version: u32) -> String {
    let (meta, year) = (meta(version), 1960 + version);
    format!(r#"{{"resourceType":"Patient","id":"{id}",{meta}"birthDate":"{year}"}}"#)
}

/// A condition with as many codings as its version is large.
fn condition(id: &str, patient: &str, version: u32) -> String {
    let codings: Vec<_> = (0..version.max(1))
        .map(|coding| format!(r#"{{"system":"urn:x","code":"{version}{coding}"}}"#))
        .collect();
    let (meta, codings) = (meta(version), codings.join(","));
    format!(
        r#"{{"resourceType":"Condition","id":"{id}",{meta}"subject":{{"reference":"Patient/{patient}"}},"code":{{"coding":[{codings}]}}}}"#
    )
}

/// An observation with so many components.
fn pressure(id: &str, patient: &str, version: u32, components: u32) -> String {
    let component = |at: u32| {
        format!(
            r#"{{"code":{{"coding":[{{"system":"http://loinc.org","code":"8480-{at}"}}]}},"valueQuantity":{{"value":{version}{at},"code":"mm[Hg]"}}}}"#
        )
    };
    let components: Vec<_> = (0..components).map(component).collect();
    let (meta, components) = (meta(version), components.join(","));
    format!(
        r#"{{"resourceType":"Observation","id":"{id}",{meta}"status":"final","subject":{{"reference":"Patient/{patient}"}},"code":{{"coding":[{{"system":"http://loinc.org","code":"85354-9"}}]}},"component":[{components}]}}"#
    )
}

/// Everything in one version: the second moves the condition, and components come and go.
fn record(version: u32) -> Vec<String> {
    let (whose, components) = match version {
        1 => ("a", 3),
        2 => ("b", 1),
        3 => ("a", 2),
        _ => ("a", version % 4),
    };
    vec![
        patient("a", version),
        condition("c", whose, version),
        pressure("o", "a", version, components),
    ]
}

async fn ingest(home: &Home, files: &[&[String]]) -> Summary {
    let names: Vec<_> = (0..files.len()).map(|at| format!("{at}.ndjson")).collect();
    let lines: Vec<Vec<&str>> = files
        .iter()
        .map(|lines| lines.iter().map(String::as_str).collect())
        .collect();
    let files: Vec<(&str, &[&str])> = names
        .iter()
        .zip(&lines)
        .map(|(name, lines)| (name.as_str(), lines.as_slice()))
        .collect();
    let dir = export(&files);
    let summary = ingest_directory(&home.lake, dir.path(), &Options::default(), &Silent).await;
    let summary = summary.expect("an ingest");
    assert_eq!(accounted(&summary), summary.lines, "{summary:?}");
    summary
}

const READ: [&str; 5] = [
    "patient",
    "condition",
    "observation",
    "observation_component",
    "condition_coding",
];

fn rows(home: &Home) -> BTreeMap<&'static str, Vec<String>> {
    READ.iter()
        .map(|table| (*table, home.rows(table)))
        .collect()
}

/// What a lake holds that saw nothing but `versions`, each in an ingest of its own, after both patients.
async fn after(versions: &[u32]) -> BTreeMap<&'static str, Vec<String>> {
    let home = home();
    ingest(&home, &[&[patient("a", 0), patient("b", 0)]]).await;
    for version in versions {
        ingest(&home, &[&record(*version)]).await;
    }
    rows(&home)
}

const ORDERS: [[u32; 3]; 6] = [
    [1, 2, 3],
    [1, 3, 2],
    [2, 1, 3],
    [2, 3, 1],
    [3, 1, 2],
    [3, 2, 1],
];

/// A clock that is years ahead would decide for ever.
#[tokio::test]
async fn a_date_that_is_still_to_come_counts_as_none() {
    let home = home();
    ingest(&home, &[&[patient("a", 0)]]).await;
    let dated = |code: &str, date: &str| {
        format!(
            r#"{{"resourceType":"Condition","id":"c","meta":{{"lastUpdated":"{date}"}},"subject":{{"reference":"Patient/a"}},"code":{{"coding":[{{"system":"urn:x","code":"{code}"}}]}}}}"#
        )
    };
    ingest(&home, &[&[dated("wrong", "9999-12-31T00:00:00Z")]]).await;
    ingest(&home, &[&[dated("right", "2025-01-01T00:00:00Z")]]).await;
    let condition = home.rows("condition");
    assert!(
        condition.len() == 1 && condition[0].contains("right"),
        "{condition:?}"
    );
}

#[tokio::test]
async fn every_order_of_exports_ends_with_the_latest_versions() {
    let latest = after(&[3]).await;
    assert_eq!(latest["observation_component"].len(), 2);
    assert_eq!(latest["condition_coding"].len(), 3);
    for order in ORDERS {
        assert_eq!(after(&order).await, latest, "{order:?}");
    }
}

#[tokio::test]
async fn every_order_within_an_export_does_too() {
    let latest = after(&[3]).await;
    for order in ORDERS {
        let home = home();
        ingest(&home, &[&[patient("a", 0), patient("b", 0)]]).await;
        let [one, two, three] = order.map(record);
        ingest(&home, &[&one, &two, &three]).await;
        assert_eq!(rows(&home), latest, "{order:?}");
    }
    // Two in one export, one in another.
    for order in ORDERS {
        let home = home();
        ingest(&home, &[&[patient("a", 0), patient("b", 0)]]).await;
        let [one, two, three] = order.map(record);
        ingest(&home, &[&one, &two]).await;
        ingest(&home, &[&three]).await;
        assert_eq!(rows(&home), latest, "{order:?}");
    }
}

#[tokio::test]
async fn an_older_export_changes_nothing_and_says_so() {
    let home = home();
    ingest(&home, &[&[patient("b", 1)], &record(3)]).await;
    let late = ingest(&home, &[&record(2)]).await;
    let outdated: Vec<_> = late
        .outdated
        .iter()
        .map(|(t, n)| (t.as_str(), *n))
        .collect();
    assert_eq!(
        outdated,
        [
            ("condition", 1),
            ("condition_coding", 1),
            ("observation", 1)
        ]
    );
    assert_eq!(late.quarantined["superseded"], 1, "the patient's line");
    assert_eq!(late.tables["condition"].rows, 0);
    // The patient's line was put aside; otherwise the lake is the same.
    assert!(!ingest(&home, &[&record(2)]).await.changed);
    assert!(!ingest(&home, &[&record(3)]).await.changed);
}

/// In any order, and in one export or in two, the latest of those that can be used is the row.
#[tokio::test]
async fn a_version_that_cannot_be_used_decides_nothing() {
    let flawed = |version: u32| {
        let born = format!("{}", 1960 + version);
        patient("a", version).replace(&born, "1999-99-99")
    };
    let sound = home();
    ingest(&sound, &[&[patient("a", 1)]]).await;
    for first in [flawed(2), patient("a", 1)] {
        let home = home();
        let second = [flawed(2), patient("a", 1)]
            .into_iter()
            .find(|line| *line != first);
        ingest(&home, &[&[first]]).await;
        let late = ingest(&home, &[&[second.unwrap()]]).await;
        assert!(!late.quarantined.contains_key("superseded"), "{late:?}");
        assert_eq!(home.rows("patient"), sound.rows("patient"));
        // What comes next goes by the date of the version that is there.
        let older = ingest(&home, &[&[patient("a", 3)], &[patient("b", 1)]]).await;
        assert!(!older.quarantined.contains_key("superseded"), "{older:?}");
        let late = ingest(&home, &[&[patient("a", 2)]]).await;
        assert_eq!(late.quarantined["superseded"], 1);
    }
}

#[tokio::test]
async fn without_dates_the_later_file_wins() {
    let undated = |version: u32| {
        let record = record(version).into_iter();
        record
            .map(|line| line.replace(&meta(version), ""))
            .collect::<Vec<_>>()
    };
    for order in ORDERS {
        let home = home();
        ingest(&home, &[&[patient("a", 0), patient("b", 0)]]).await;
        for version in order {
            ingest(&home, &[&undated(version)]).await;
        }
        let last = self::home();
        ingest(&last, &[&[patient("a", 0), patient("b", 0)]]).await;
        ingest(&last, &[&undated(order[2])]).await;
        assert_eq!(rows(&home), rows(&last), "{order:?}");
    }
    // A dated version after an undated one, and the other way round: the order decides.
    let home = home();
    ingest(&home, &[&record(2), &[patient("b", 0)]]).await;
    ingest(&home, &[&undated(3)]).await;
    assert_eq!(home.rows("condition_coding").len(), 3);
    ingest(&home, &[&record(1)]).await;
    assert_eq!(home.rows("condition_coding").len(), 1);
}

#[tokio::test]
async fn a_version_that_says_the_same_still_counts() {
    // Versions 1 and 3 say the same; what comes late in between does not come through.
    let (first, between) = (condition("c", "a", 1), condition("c", "a", 2));
    let third = first.replace("2025-01-01", "2025-01-03");
    let home = home();
    ingest(&home, &[&[patient("a", 1), first.clone()]]).await;
    let before = home.rows("condition");
    ingest(&home, &[&[third]]).await;
    ingest(&home, &[&[between]]).await;
    assert_eq!(home.rows("condition"), before);
    let (born, between) = (patient("a", 1), patient("a", 2));
    ingest(&home, &[&[born.replace("2025-01-01", "2025-01-03")]]).await;
    ingest(&home, &[&[between]]).await;
    assert!(home.rows("patient")[0].contains("1961-01-01"));
}

/// Random exports of random versions of many records: the lake ends where one ends that saw the latest of each alone.
#[tokio::test]
async fn random_histories_end_with_the_latest_versions() {
    let mut state = 20_261_123_u64;
    let mut draw = move |below: u64| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 33) % below
    };
    for _ in 0..2 {
        let home = home();
        let people: Vec<_> = (0..12)
            .map(|person| patient(&format!("p{person}"), 0))
            .collect();
        ingest(&home, &[&people]).await;
        let mut latest: BTreeMap<(&str, u64), (u32, String)> = BTreeMap::new();
        for _ in 0..8 {
            let mut lines = Vec::new();
            for _ in 0..6 {
                let (which, version) = (draw(5), 1 + u32::try_from(draw(9)).unwrap());
                // Where a version stands, and how many components it has, follows from which it is.
                let whose = format!("p{}", (which * 31 + u64::from(version) * 7) % 12);
                let id = format!("r{which}");
                let components = (version * 5 + 3) % 4;
                let of = [
                    ("c", condition(&id, &whose, version)),
                    ("o", pressure(&id, &whose, version, components)),
                ];
                for (kind, line) in of {
                    lines.push(line.clone());
                    let known = latest.entry((kind, which)).or_default();
                    *known = (version, line).max(known.clone());
                }
            }
            ingest(&home, &[&lines]).await;
        }
        let alone = self::home();
        ingest(&alone, &[&people]).await;
        let lines: Vec<_> = latest.into_values().map(|(_, line)| line).collect();
        ingest(&alone, &[&lines]).await;
        assert_eq!(rows(&home), rows(&alone));
    }
}
