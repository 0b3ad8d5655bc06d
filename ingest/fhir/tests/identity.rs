//! What identifies patients: kept apart, up to date, and gone with them.

mod common;

use common::{Home, export};
use salus_fhir::{Options, Silent, Summary, expunge, ingest_directory};
use salus_lake::{DirectRecord, Link, LinkState};

fn patient(id: &str, family: &str, updated: &str) -> String {
    format!(
        r#"{{"resourceType":"Patient","id":"{id}","meta":{{"lastUpdated":"{updated}T10:00:00Z"}},"name":[{{"family":"{family}","given":["Ana"]}}],"gender":"female","birthDate":"1980-02-11","telecom":[{{"system":"phone","value":"617-555-0142"}}],"identifier":[{{"system":"urn:mrn","value":"{id}"}}],"address":[{{"line":["1 Main St"],"postalCode":"02138"}}],"photo":[{{"data":"aGVsbG8="}}],"link":[{{"other":{{"reference":"Patient/x"}},"type":"seealso"}}]}}"#
    )
}

fn condition(id: &str, patient: &str) -> String {
    format!(
        r#"{{"resourceType":"Condition","id":"{id}","subject":{{"reference":"Patient/{patient}"}},"code":{{"coding":[{{"code":"{id}"}}]}}}}"#
    )
}

async fn ingest(home: &Home, source: &str, lines: &[String]) -> Summary {
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let dir = export(&[("all.ndjson", &lines)]);
    let options = Options {
        source: source.into(),
        ..Options::default()
    };
    ingest_directory(&home.lake, dir.path(), &options, &Silent)
        .await
        .expect("an ingest")
}

fn records(home: &Home) -> Vec<DirectRecord> {
    let mut all: Vec<_> = home
        .lake
        .direct_records()
        .expect("a lake")
        .map(|record| record.expect("a record"))
        .collect();
    all.sort_by_key(|record| record.number);
    all
}

async fn linked(home: &Home, left: i64, right: i64) {
    let transaction = home.lake.begin_linking().expect("a transaction");
    let link = Link {
        number: 0,
        left,
        right,
        state: LinkState::Linked,
        why: "exact".into(),
        millionths: None,
        at: 0,
        by: String::new(),
        ids: 0,
    };
    transaction.say(link).expect("a link");
    transaction.commit(&|_| ()).await.expect("a commit");
}

#[tokio::test]
async fn what_identifies_is_kept_as_it_came_and_the_latest_counts() {
    let home = Home::new();
    let first = [
        patient("a", "García", "2024-01-02"),
        patient("b", "Soto", "2024-01-02"),
    ];
    ingest(&home, "north", &first).await;
    let all = records(&home);
    assert_eq!(all.len(), 2);
    let a = &all[0];
    assert_eq!(
        (a.source.as_str(), a.source_id.as_str(), a.number),
        ("north", "a", 1)
    );
    assert_eq!(
        a.name.as_deref(),
        Some(r#"[{"family":"García","given":["Ana"]}]"#)
    );
    assert_eq!(
        (a.birth_date.as_deref(), a.sex.as_deref()),
        (Some("1980-02-11"), Some("female"))
    );
    assert!(
        a.address
            .as_deref()
            .is_some_and(|address| address.contains("1 Main St"))
    );
    assert!(a.identifier.is_some() && a.telecom.is_some() && a.link.is_some());
    assert!(
        home.rows("patient")
            .iter()
            .all(|row| !row.contains("Garc") && !row.contains("Main"))
    );

    assert!(
        !ingest(&home, "north", &first).await.changed,
        "the same export twice changes nothing"
    );
    ingest(&home, "north", &[patient("a", "Older", "2023-01-01")]).await;
    assert_eq!(records(&home)[0], *a, "an older record changes nothing");
    ingest(&home, "north", &[patient("a", "Newer", "2025-01-01")]).await;
    assert!(
        records(&home)[0]
            .name
            .as_deref()
            .is_some_and(|name| name.contains("Newer"))
    );

    let deletes = r#"{"resourceType":"Bundle","type":"transaction","entry":[{"request":{"method":"DELETE","url":"Patient/a"}}]}"#;
    ingest(&home, "north", &[deletes.into()]).await;
    assert_eq!(
        records(&home)
            .iter()
            .map(|record| record.number)
            .collect::<Vec<_>>(),
        [2]
    );
    expunge(&home.lake, "north", "b").await.expect("expunged");
    assert!(records(&home).is_empty());
}

#[tokio::test]
async fn hostile_elements_are_left_out_and_the_row_stays() {
    let home = Home::new();
    let long = format!(
        r#"{{"resourceType":"Patient","id":"a","name":[{{"family":"{}"}}],"birthDate":"1980"}}"#,
        "x".repeat(10 << 20)
    );
    let odd = r#"{"resourceType":"Patient","id":"b","name":null,"address":7,"telecom":"","identifier":[[]],"birthDate":"1980-02-31"}"#;
    let right =
        "{\"resourceType\":\"Patient\",\"id\":\"c\",\"name\":[{\"family\":\"\u{202e}محمد\"}]}";
    ingest(&home, "s", &[long, odd.into(), right.into()]).await;
    let all = records(&home);
    assert_eq!(all.len(), 3);
    assert!(all[0].name.is_none() && all[1].name.is_none());
    assert!(
        all[2]
            .name
            .as_deref()
            .is_some_and(|name| name.contains("محمد"))
    );
    // Her birth date is impossible, so her row is not in the table; linkage knows her.
    assert_eq!(home.persons("patient"), [1, 3]);
}

#[tokio::test]
async fn later_exports_and_deletions_reach_the_linked_person() {
    let home = Home::new();
    ingest(
        &home,
        "north",
        &[patient("a", "García", "2024-01-02"), condition("1", "a")],
    )
    .await;
    ingest(
        &home,
        "south",
        &[patient("z", "Garcia", "2024-05-05"), condition("1", "z")],
    )
    .await;
    assert_eq!(home.persons("condition"), [1, 2]);
    linked(&home, 1, 2).await;
    assert_eq!(home.persons("condition"), [1, 1]);
    ingest(&home, "south", &[condition("2", "z")]).await;
    assert_eq!(home.persons("condition"), [1, 1, 1]);
    assert_eq!(home.persons("patient"), [1]);

    let deletes = r#"{"resourceType":"Bundle","type":"transaction","entry":[{"request":{"method":"DELETE","url":"Patient/a"}}]}"#;
    ingest(&home, "north", &[deletes.into()]).await;
    assert_eq!(
        home.persons("condition"),
        [1, 1],
        "what the other source said stays"
    );

    // A consent under one name keeps both out, and so does expunging.
    let denial = r#"{"resourceType":"Consent","id":"c","status":"active","scope":{"coding":[{"code":"patient-privacy"}]},"patient":{"reference":"Patient/a"},"dateTime":"2024-06-01","provision":{"type":"deny"}}"#;
    ingest(
        &home,
        "north",
        &[patient("a", "García", "2024-07-01"), denial.into()],
    )
    .await;
    assert!(home.rows("condition").is_empty() && home.rows("patient").is_empty());
    let held = ingest(&home, "south", &[condition("3", "z")]).await;
    assert_eq!(held.quarantined.get("consent_denied"), Some(&1));
    expunge(&home.lake, "south", "z").await.expect("expunged");
    assert!(records(&home).is_empty(), "under all names");
    let later = ingest(
        &home,
        "north",
        &[patient("a", "García", "2025-01-01"), condition("9", "a")],
    )
    .await;
    assert_eq!(later.expunged, 2);
    assert!(
        home.quarantined()
            .iter()
            .all(|line| line.reason_code != "consent_denied")
    );
}

/// A row above the cap of its person lies in quarantine as a row, and goes with the number that it came under.
#[tokio::test]
async fn an_expunged_persons_rows_above_the_cap_leave_quarantine() {
    let cap = "max_rows_per_person: 100000\n    rows_per_person: 128";
    let yaml = salus_lake::Catalog::default_yaml();
    let place = yaml.find("\n  condition:").expect("the table");
    let (before, behind) = yaml.split_at(place);
    let yaml = before.to_owned()
        + &behind.replacen(cap, "max_rows_per_person: 1\n    rows_per_person: 1", 1);
    let dir = tempfile::tempdir().expect("a directory");
    let lake = salus_lake::Lake::create_with(dir.path(), &yaml).expect("a lake");
    let home = Home { dir, lake };
    let north = [
        patient("a", "García", "2024-01-02"),
        condition("c1", "a"),
        condition("c2", "a"),
    ];
    ingest(&home, "north", &north).await;
    let south = [
        patient("b", "García", "2024-01-02"),
        condition("c3", "b"),
        condition("c4", "b"),
    ];
    ingest(&home, "south", &south).await;
    let above = || home.quarantined().len();
    assert_eq!(above(), 2);
    // Joined, the row of one of them is above the cap as well.
    linked(&home, 1, 2).await;
    assert_eq!(above(), 3);
    expunge(&home.lake, "south", "b").await.expect("expunged");
    assert_eq!(above(), 0, "under both numbers");
}
