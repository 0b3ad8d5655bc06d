//! What changes from export to export: deletions, consents, moves, lines that can be used later, persons who are expunged.

mod common;

use common::{Home, accounted, export, reasons};
use salus_fhir::{Options, Silent, Summary, expunge, ingest_directory, retry_quarantine};
use salus_lake::{Retention, Withheld};

fn patient(id: &str) -> String {
    format!(r#"{{"resourceType":"Patient","id":"{id}","birthDate":"1970"}}"#)
}

fn condition(id: &str, patient: &str, code: &str) -> String {
    format!(
        r#"{{"resourceType":"Condition","id":"{id}","subject":{{"reference":"Patient/{patient}"}},"code":{{"coding":[{{"system":"http://snomed.info/sct","code":"{code}"}}]}}}}"#
    )
}

fn pressure(id: &str, patient: &str) -> String {
    format!(
        r#"{{"resourceType":"Observation","id":"{id}","status":"final","subject":{{"reference":"Patient/{patient}"}},"code":{{"coding":[{{"system":"http://loinc.org","code":"85354-9"}}]}},"component":[{{"code":{{"coding":[{{"system":"http://loinc.org","code":"8480-6"}}]}},"valueQuantity":{{"value":120,"code":"mm[Hg]"}}}}]}}"#
    )
}

fn deletes(names: &[&str]) -> String {
    let entries: Vec<_> = names
        .iter()
        .map(|name| format!(r#"{{"request":{{"method":"DELETE","url":"{name}"}}}}"#))
        .collect();
    format!(
        r#"{{"resourceType":"Bundle","type":"transaction","entry":[{}]}}"#,
        entries.join(",")
    )
}

fn consent(patient: &str, decision: &str, day: &str) -> String {
    format!(
        r#"{{"resourceType":"Consent","id":"c-{patient}-{day}","status":"active","scope":{{"coding":[{{"code":"patient-privacy"}}]}},"patient":{{"reference":"Patient/{patient}"}},"dateTime":"{day}","provision":{{"type":"{decision}"}}}}"#
    )
}

async fn ingest(home: &Home, lines: &[String]) -> Summary {
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let dir = export(&[("all.ndjson", &lines)]);
    let summary = ingest_directory(&home.lake, dir.path(), &Options::default(), &Silent).await;
    let summary = summary.expect("an ingest");
    assert_eq!(accounted(&summary), summary.lines);
    summary
}

/// `person:code` of all conditions.
fn conditions(home: &Home) -> Vec<String> {
    let cell = |row: &str, name: &str| {
        let mut cells = row.split(' ').filter_map(|cell| cell.strip_prefix(name));
        cells.next().unwrap_or("-").to_owned()
    };
    let mut all: Vec<_> = home
        .rows("condition")
        .iter()
        .map(|row| format!("{}:{}", cell(row, "person_id="), cell(row, "code=")))
        .collect();
    all.sort();
    all
}

#[tokio::test]
async fn what_the_server_deleted_is_gone() {
    let home = Home::new();
    let first = [
        patient("a"),
        patient("b"),
        condition("1", "a", "11"),
        condition("2", "b", "22"),
        condition("3", "b", "33"),
        pressure("4", "a"),
    ];
    ingest(&home, &first).await;
    assert_eq!(home.rows("observation_component").len(), 1);

    let second = [
        deletes(&[
            "Condition/2",
            "https://ehr.example/fhir/Observation/4",
            "Claim/9",
            "Condition/unknown",
        ]),
        condition("5", "a", "55"),
    ];
    let summary = ingest(&home, &second).await;
    assert_eq!(summary.deletions, 1);
    assert_eq!(
        summary.deleted,
        [
            ("Claim".into(), 1),
            ("Condition".into(), 2),
            ("Observation".into(), 1)
        ]
        .into()
    );
    assert_eq!(conditions(&home), ["1:11", "1:55", "2:33"]);
    assert!(home.rows("observation").is_empty() && home.rows("observation_component").is_empty());
    assert!(
        !ingest(&home, &second).await.changed,
        "the same export twice changes nothing"
    );
}

#[tokio::test]
async fn a_deleted_patient_takes_the_record_along() {
    let home = Home::new();
    ingest(
        &home,
        &[
            patient("a"),
            patient("b"),
            condition("1", "a", "11"),
            condition("2", "b", "22"),
        ],
    )
    .await;
    // The bundle comes last, and the server is not consistent with itself.
    let lines = [
        patient("b"),
        condition("2", "b", "22"),
        condition("3", "b", "33"),
        condition("4", "a", "44"),
        deletes(&["Patient/b"]),
    ];
    let summary = ingest(&home, &lines).await;
    assert_eq!(reasons(&summary), [("deleted", 1), ("deleted_subject", 2)]);
    assert_eq!(conditions(&home), ["1:11", "1:44"]);
    assert_eq!(home.rows("patient").len(), 1);

    // The patient comes again, as the same person.
    ingest(&home, &[patient("b"), condition("2", "b", "22")]).await;
    assert_eq!(conditions(&home), ["1:11", "1:44", "2:22"]);
}

#[tokio::test]
async fn a_record_that_moves_to_another_patient_is_counted_once() {
    let home = Home::new();
    ingest(
        &home,
        &[
            patient("a"),
            patient("b"),
            condition("1", "a", "11"),
            pressure("4", "a"),
        ],
    )
    .await;
    ingest(&home, &[condition("1", "b", "11"), pressure("4", "b")]).await;
    assert_eq!(conditions(&home), ["2:11"]);
    assert_eq!(home.rows("observation").len(), 1);
    assert_eq!(home.rows("observation_component").len(), 1);
    assert!(home.rows("observation_component")[0].contains("person_id=2 "));
}

#[tokio::test]
async fn who_denies_consent_is_kept_out_until_she_permits() {
    let home = Home::new();
    ingest(
        &home,
        &[
            patient("a"),
            patient("b"),
            condition("1", "a", "11"),
            condition("2", "b", "22"),
        ],
    )
    .await;
    let lines = [
        consent("b", "deny", "2024-02-01"),
        patient("b"),
        condition("3", "b", "33"),
    ];
    let summary = ingest(&home, &lines).await;
    assert_eq!(summary.denied, 1);
    assert_eq!(
        reasons(&summary),
        [("consent_denied", 2), ("no_table:Consent", 1)]
    );
    assert_eq!(conditions(&home), ["1:11"]);
    assert_eq!(home.rows("patient").len(), 1);

    // It holds for later exports, whatever they say about anybody else.
    ingest(
        &home,
        &[
            consent("a", "permit", "2024-03-01"),
            condition("4", "b", "44"),
            condition("5", "a", "55"),
        ],
    )
    .await;
    assert_eq!(conditions(&home), ["1:11", "1:55"]);

    let summary = ingest(&home, &[consent("b", "permit", "2024-04-01"), patient("b")]).await;
    assert_eq!(summary.quarantined.get("consent_denied"), None);
    let summary = retry_quarantine(
        &home.lake,
        |line| line.reason_code == "consent_denied",
        &Options::default(),
        &Silent,
    )
    .await;
    let summary = summary.expect("a retry");
    assert!(summary.changed);
    assert_eq!(conditions(&home), ["1:11", "1:55", "2:33", "2:44"]);
}

#[tokio::test]
async fn an_earlier_permission_lifts_no_denial_whenever_it_is_read() {
    let home = Home::new();
    let before = consent("b", "permit", "2024-01-01");
    ingest(
        &home,
        &[patient("b"), condition("1", "b", "11"), before.clone()],
    )
    .await;
    assert_eq!(conditions(&home), ["1:11"]);
    ingest(&home, &[consent("b", "deny", "2024-02-01")]).await;
    assert!(conditions(&home).is_empty());
    // The older export again, and the older line out of quarantine.
    ingest(&home, &[patient("b"), condition("1", "b", "11"), before]).await;
    assert!(conditions(&home).is_empty());
    let old =
        |line: &salus_lake::Quarantined| line.bytes.windows(10).any(|part| part == b"2024-01-01");
    retry_quarantine(&home.lake, old, &Options::default(), &Silent)
        .await
        .expect("a retry");
    ingest(&home, &[condition("2", "b", "22")]).await;
    assert!(conditions(&home).is_empty());
}

#[tokio::test]
async fn what_was_decided_is_not_decided_again_by_a_retry() {
    let home = Home::new();
    let undated = |decision: &str| consent("b", decision, "").replace(r#","dateTime":"""#, "");
    ingest(
        &home,
        &[patient("b"), condition("1", "b", "11"), undated("permit")],
    )
    .await;
    ingest(&home, &[undated("deny")]).await;
    let permit =
        |line: &salus_lake::Quarantined| line.bytes.windows(6).any(|part| part == b"permit");
    retry_quarantine(&home.lake, permit, &Options::default(), &Silent)
        .await
        .expect("a retry");
    let transaction = home.lake.begin().expect("a transaction");
    assert!(transaction.withheld(1).is_some());
}

#[tokio::test]
async fn a_denial_that_names_nobody_is_told() {
    let home = Home::new();
    let lines = [
        patient("b"),
        consent("b", "deny", "2024-02-01").replace("Patient/b", "#b"),
    ];
    let summary = ingest(&home, &lines).await;
    assert_eq!(
        (summary.denied, reasons(&summary)),
        (0, vec![("consent_unresolved", 1)])
    );
}

#[tokio::test]
async fn a_denial_before_the_patient_is_known_counts() {
    let home = Home::new();
    ingest(&home, &[consent("z", "deny", "2024-02-01")]).await;
    ingest(&home, &[patient("z"), condition("1", "z", "11")]).await;
    assert!(home.rows("patient").is_empty() && home.rows("condition").is_empty());
}

#[tokio::test]
async fn lines_whose_patient_comes_later_are_used_then() {
    let home = Home::new();
    let summary = ingest(
        &home,
        &[
            condition("1", "late", "11"),
            condition("2", "late", "22"),
            "{".into(),
        ],
    )
    .await;
    assert_eq!(
        reasons(&summary),
        [("broken_json", 1), ("unknown_subject", 2)]
    );
    let everything = |_: &salus_lake::Quarantined| true;
    let retry = retry_quarantine(&home.lake, everything, &Options::default(), &Silent)
        .await
        .expect("a retry");
    assert!(!retry.changed, "nothing can be used yet");
    assert_eq!(home.quarantined().len(), 3);

    // One of the two comes anew: what waits in quarantine is older.
    ingest(&home, &[patient("late"), condition("2", "late", "23")]).await;
    let retry = retry_quarantine(&home.lake, everything, &Options::default(), &Silent)
        .await
        .expect("a retry");
    assert!(retry.changed);
    assert_eq!(accounted(&retry), retry.lines);
    assert_eq!(conditions(&home), ["1:11", "1:23"]);
    let left: Vec<_> = home
        .quarantined()
        .into_iter()
        .map(|line| (line.reason_code, line.file, line.line))
        .collect();
    assert_eq!(
        left,
        [
            ("broken_json".into(), "all.ndjson".into(), 3),
            ("superseded".into(), "all.ndjson".into(), 2)
        ]
    );
    let again = retry_quarantine(&home.lake, everything, &Options::default(), &Silent)
        .await
        .expect("a retry");
    assert!(!again.changed);
}

#[tokio::test]
async fn retried_lines_keep_their_source() {
    let home = Home::new();
    let dir = export(&[("c.ndjson", &[condition("1", "p", "11").as_str()])]);
    for source in ["north", "south"] {
        let options = Options {
            source: source.into(),
            ..Options::default()
        };
        ingest_directory(&home.lake, dir.path(), &options, &Silent)
            .await
            .expect("an ingest");
    }
    let dir = export(&[("p.ndjson", &[patient("p").as_str()])]);
    let options = Options {
        source: "south".into(),
        ..Options::default()
    };
    ingest_directory(&home.lake, dir.path(), &options, &Silent)
        .await
        .expect("an ingest");
    retry_quarantine(&home.lake, |_| true, &Options::default(), &Silent)
        .await
        .expect("a retry");
    assert_eq!(conditions(&home), ["1:11"]);
    let left: Vec<_> = home
        .quarantined()
        .into_iter()
        .map(|line| line.source)
        .collect();
    assert_eq!(left, ["north"]);
}

#[tokio::test]
async fn an_expunged_person_leaves_no_trace_and_does_not_come_back() {
    let home = Home::new();
    let canary = "canary-7f3a";
    let lines = [
        patient("a"),
        patient(canary),
        condition("1", canary, "11"),
        condition("2", "a", "22"),
        condition("3", canary, "33").replace("33", "3\\q"),
        patient(canary).replace(
            "Patient\"",
            "Claim\",\"patient\":{\"reference\":\"Patient/canary-7f3a\"}",
        ),
    ];
    let summary = ingest(&home, &lines).await;
    assert_eq!(summary.quarantined.values().sum::<u64>(), 2);
    let (known, lines_gone) = expunge(&home.lake, "fhir", canary).await.expect("expunged");
    assert!(known);
    assert_eq!(lines_gone, 2);
    home.lake
        .vacuum(&Retention::newest(1))
        .await
        .expect("a vacuum");
    assert_eq!(conditions(&home), ["1:22"]);
    assert!(home.quarantined().is_empty());

    // Whatever comes about her is dropped; others are not hurt.
    let summary = ingest(&home, &lines[..5]).await;
    assert_eq!(summary.expunged, 2);
    assert!(
        home.quarantined()
            .iter()
            .all(|line| line.reason_code == "broken_json")
    );
    assert_eq!(conditions(&home), ["1:22"]);
    let transaction = home.lake.begin().expect("a transaction");
    let person = transaction
        .identity()
        .lookup("fhir", canary)
        .expect("known by a hash");
    assert_eq!(transaction.withheld(person), Some(Withheld::Expunged));
}
