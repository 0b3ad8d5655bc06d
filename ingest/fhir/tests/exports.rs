//! Small exports of every awkward kind, through the whole way into a lake.

mod common;

use std::fs;

use common::{Home, accounted, export, reasons};
use salus_fhir::{IngestError, Options, Silent, ingest_directory};

fn patient(id: &str) -> String {
    format!(
        r#"{{"resourceType":"Patient","id":"{id}","birthDate":"1970","identifier":[{{"system":"urn:mrn","value":"mrn-{id}"}}]}}"#
    )
}

fn condition(id: &str, subject: &str) -> String {
    format!(
        r#"{{"resourceType":"Condition","id":"{id}","subject":{subject},"code":{{"coding":[{{"system":"http://snomed.info/sct","code":"{id}"}}]}}}}"#
    )
}

fn to(reference: &str) -> String {
    format!(r#"{{"reference":"{reference}"}}"#)
}

fn codes(home: &Home, table: &str) -> Vec<String> {
    let rows = home.rows(table);
    let code = |row: &String| {
        let field = |name: &str| {
            row.split(' ')
                .find_map(|cell| cell.strip_prefix(name))
                .unwrap_or("-")
                .to_owned()
        };
        format!("{}:{}", field("person_id="), field("code="))
    };
    let mut codes: Vec<_> = rows.iter().map(code).collect();
    codes.sort();
    codes
}

#[tokio::test]
async fn every_form_of_reference_finds_its_person() {
    let (a, b) = (patient("a"), patient("b"));
    let contained = r##"{"resourceType":"Condition","id":"7","contained":[{"resourceType":"Patient","id":"p","identifier":[{"system":"urn:mrn","value":"mrn-b"}]}],"subject":{"reference":"#p"},"code":{"coding":[{"code":"7"}]}}"##;
    let lines = [
        condition("1", &to("Patient/b")),
        condition("2", &to("https://ehr.example.org/R4/Patient/b/_history/2")),
        condition("3", &to("urn:uuid:a")),
        condition(
            "4",
            r#"{"identifier":{"system":"urn:mrn","value":"mrn-b"}}"#,
        ),
        condition(
            "5",
            r#"{"identifier":{"system":"urn:mrn","value":"nobody"}}"#,
        ),
        condition("6", &to("Patient/nobody")),
        condition("8", &to("Group/g")),
        condition("9", "null"),
        condition("10", &to("Patient?identifier=urn:mrn|mrn-a")),
    ];
    let mut all: Vec<&str> = lines.iter().map(String::as_str).collect();
    all.push(contained);
    // The name of the first file says nothing, so patients come last in reading order too.
    let dir = export(&[("1.ndjson", &all), ("2.ndjson", &[&a, &b])]);
    let home = Home::new();
    let summary = home.ingest(dir.path()).await;
    assert_eq!(
        codes(&home, "condition"),
        ["1:10", "1:3", "2:1", "2:2", "2:4", "2:7"]
    );
    assert_eq!(
        reasons(&summary),
        [
            ("missing_subject", 1),
            ("subject_not_patient", 1),
            ("unknown_subject", 2)
        ]
    );
    assert_eq!((accounted(&summary), summary.lines), (12, 12));
    // The patients are known now: an export without Patient lines finds them by id.
    let later = export(&[("c.ndjson", &[&condition("11", &to("Patient/a"))])]);
    let summary = home.ingest(later.path()).await;
    assert_eq!(
        (summary.tables["condition"].rows, summary.changed),
        (1, true)
    );
}

#[tokio::test]
async fn an_identifier_that_several_bear_names_nobody() {
    let one = r#"{"resourceType":"Patient","id":"x","identifier":[{"system":"s","value":"1"}]}"#;
    let two = r#"{"resourceType":"Patient","id":"y","identifier":[{"system":"s","value":"1"}]}"#;
    let line = condition("1", r#"{"identifier":{"system":"s","value":"1"}}"#);
    let dir = export(&[("Patient.ndjson", &[one, two]), ("z.ndjson", &[&line])]);
    let summary = Home::new().ingest(dir.path()).await;
    assert_eq!(reasons(&summary), [("ambiguous_subject", 1)]);
}

#[tokio::test]
async fn medications_are_looked_up_wherever_they_stand() {
    let request = |id: &str, medication: &str| {
        format!(
            r#"{{"resourceType":"MedicationRequest","id":"{id}","subject":{{"reference":"Patient/a"}},"medicationReference":{{"reference":"Medication/{medication}"}}}}"#
        )
    };
    let medication = |id: &str, code: &str, updated: &str| {
        format!(
            r#"{{"resourceType":"Medication","id":"{id}","meta":{{"lastUpdated":"{updated}"}},"code":{{"coding":[{{"system":"http://www.nlm.nih.gov/research/umls/rxnorm","code":"{code}"}}]}}}}"#
        )
    };
    let (newer, older) = (
        medication("m", "new", "2021-01-01T00:00:00Z"),
        medication("m", "old", "2020-01-01T00:00:00Z"),
    );
    let dir = export(&[
        (
            "MedicationRequest.ndjson",
            &[&request("1", "m"), &request("2", "gone")],
        ),
        ("Patient.ndjson", &[&patient("a")]),
        ("zz-Medication.ndjson", &[&newer, &older]),
    ]);
    let home = Home::new();
    let summary = home.ingest(dir.path()).await;
    assert_eq!(codes(&home, "medication_request"), ["1:-", "1:new"]);
    assert_eq!(reasons(&summary), [("no_table:Medication", 2)]);
}

#[tokio::test]
async fn of_several_versions_the_latest_wins_and_the_others_are_told() {
    let version = |code: &str, updated: &str, subject: &str| {
        format!(
            r#"{{"resourceType":"Condition","id":"c","meta":{{"lastUpdated":"{updated}"}},"subject":{{"reference":"Patient/{subject}"}},"code":{{"coding":[{{"code":"{code}"}}]}}}}"#
        )
    };
    let latest = version("latest", "2022-01-01T00:00:00Z", "b");
    let lines = [
        version("first", "2020-01-01T00:00:00Z", "a"),
        latest,
        version("late", "2021-06-01T00:00:00Z", "a"),
    ];
    let same = condition("d", &to("Patient/a"));
    let dir = export(&[
        (
            "Patient.1.ndjson",
            &[&patient("a"), &patient("b"), &patient("a")],
        ),
        ("x.ndjson", &[&lines[0], &lines[1], &lines[2], &same]),
        ("y.ndjson", &[&same]),
    ]);
    let home = Home::new();
    let summary = home.ingest(dir.path()).await;
    assert_eq!(codes(&home, "condition"), ["1:d", "2:latest"]);
    assert_eq!(home.persons("patient"), [1, 2]);
    assert_eq!(reasons(&summary), [("superseded", 4)]);
    assert_eq!((accounted(&summary), summary.lines), (8, 8));
    let again = home.ingest(dir.path()).await;
    assert!(!again.changed);
    assert_eq!(again.quarantined, summary.quarantined);
}

#[tokio::test]
async fn malformed_lines_go_aside_byte_for_byte() {
    let bad: [(&[u8], &str); 14] = [
        (b"{\"resourceType\":\"Patient\",\"id\":\"\xff\xfe\"}", "invalid_utf8"),
        (b"{\"resourceType\":\"Patient\",\"id\":", "broken_json"),
        (b"not json", "broken_json"),
        (b"\x00\x01\x02", "broken_json"),
        (b"[]", "not_an_object"),
        (b"{\"id\":\"1\"}", "missing_resource_type"),
        (b"{\"resourceType\":\"Condition\",\"subject\":{\"reference\":\"Patient/a\"}}", "missing_id"),
        (b"{\"resourceType\":\"Condition\",\"id\":\"\",\"subject\":{\"reference\":\"Patient/a\"}}", "missing_id"),
        (b"{\"resourceType\":\"Condition\",\"id\":\"1\"}", "missing_subject"),
        (b"{\"resourceType\":\"Observation\",\"id\":\"2\",\"subject\":{\"reference\":\"Patient/a\"},\"effectiveDateTime\":\"2021-02-30\"}", "impossible_date"),
        (b"{\"resourceType\":\"Observation\",\"id\":\"3\",\"subject\":{\"reference\":\"Patient/a\"},\"valueInteger\":1e99}", "number_out_of_range"),
        (b"{\"resourceType\":\"Patient\",\"id\":\"odd\",\"birthDate\":\"1999-99-99\"}\r", "impossible_date"),
        (b"{\"resourceType\":\"Questionnaire\"}", "no_table:Questionnaire"),
        (b"{\"resourceType\":\"Claim\",\"id\":}", "broken_json"),
    ];
    let mut text = patient("a").into_bytes();
    for (line, _) in &bad {
        text.push(b'\n');
        text.extend_from_slice(line);
    }
    // Whoever has an unusable row is still a person whom lines may be about.
    text.push(b'\n');
    text.extend(condition("9", &to("Patient/odd")).into_bytes());
    let dir = export(&[]);
    fs::write(dir.path().join("all.ndjson"), text).expect("a file");
    let home = Home::new();
    let summary = home.ingest(dir.path()).await;
    assert_eq!(codes(&home, "condition"), ["2:9"]);
    assert_eq!(home.persons("patient"), [1]);
    assert_eq!((accounted(&summary), summary.lines), (16, 16));
    let mut aside: Vec<_> = home
        .quarantined()
        .into_iter()
        .map(|one| (one.line, one.reason_code, one.bytes))
        .collect();
    aside.sort();
    let expected: Vec<_> = (2..)
        .zip(bad)
        .map(|(line, (bytes, reason))| {
            // The lake keeps the reason without the type.
            let stored = reason.split(':').next().unwrap_or(reason);
            (line, stored.to_owned(), bytes.to_vec())
        })
        .collect();
    assert_eq!(aside, expected);
}

#[tokio::test]
async fn long_lines_with_base64_notes_stay_whole() {
    let note = "QUJD".repeat(6 << 20);
    let report = format!(
        r#"{{"resourceType":"DiagnosticReport","id":"r","presentedForm":[{{"contentType":"text/plain","data":"{note}"}}],"subject":{{"reference":"Patient/a"}},"effectiveDateTime":"2020-05"}}"#
    );
    let document = format!(
        r#"{{"resourceType":"DocumentReference","id":"d","content":[{{"attachment":{{"data":"{note}"}}}}]}}"#
    );
    let dir = export(&[
        ("Patient.ndjson", &[&patient("a")]),
        ("r.ndjson", &[&report, &document]),
    ]);
    let home = Home::new();
    let summary = home.ingest(dir.path()).await;
    assert_eq!(summary.tables["diagnostic_report"].rows, 1);
    assert_eq!(reasons(&summary), [("no_table:DocumentReference", 1)]);
    assert!(
        home.quarantined()[0].bytes == document.as_bytes(),
        "the line must survive byte for byte"
    );
    let short = Options {
        longest_line: 1 << 20,
        ..Options::default()
    };
    let refused = Home::new().ingest_with(dir.path(), &short).await;
    assert!(
        matches!(refused, Err(IngestError::LineTooLong { line: 1, .. })),
        "{refused:?}"
    );
}

#[tokio::test]
async fn a_damaged_file_leaves_the_lake_as_it_was() {
    let good = export(&[("Patient.ndjson", &[&patient("a")])]);
    let home = Home::new();
    let first = home.ingest(good.path()).await;
    let bad = export(&[("Patient.ndjson", &[&patient("b")])]);
    let mut packed = zstd::encode_all(condition("1", &to("Patient/b")).repeat(9_000).as_bytes(), 1)
        .expect("zstd");
    packed.truncate(packed.len() / 2);
    fs::write(bad.path().join("x.ndjson.zst"), packed).expect("a file");
    let failed = home.ingest_with(bad.path(), &Options::default()).await;
    assert!(
        matches!(failed, Err(IngestError::Source { .. })),
        "{failed:?}"
    );
    assert_eq!(
        home.lake
            .snapshot()
            .expect("a lake")
            .expect("a snapshot")
            .number,
        first.snapshot
    );
    assert_eq!(home.persons("patient"), [1]);
    // And the next ingest works: nothing is left locked.
    assert!(!home.ingest(good.path()).await.changed);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ingest_that_is_let_go_leaves_the_lake_as_it_was() {
    let lines: Vec<_> = (0..20_000)
        .map(|n| condition(&n.to_string(), &to("Patient/a")))
        .collect();
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let dir = export(&[("Patient.ndjson", &[&patient("a")]), ("c.ndjson", &lines)]);
    let home = Home::new();
    let (options, progress) = (Options::default(), Silent);
    {
        let ingest = ingest_directory(&home.lake, dir.path(), &options, &progress);
        // Polled once, so that it has begun, and dropped.
        let gone = tokio::time::timeout(std::time::Duration::ZERO, ingest).await;
        assert!(gone.is_err());
    }
    assert!(home.lake.snapshot().expect("a lake").is_none());
    // The reader notices within a chunk and lets the lake go.
    for _ in 0..600 {
        match home.ingest_with(dir.path(), &options).await {
            Ok(summary) => {
                assert_eq!(
                    (summary.snapshot, summary.tables["condition"].rows),
                    (1, 20_000)
                );
                return;
            }
            Err(IngestError::Lake(salus_lake::Error::Busy)) => {
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
            Err(other) => panic!("{other}"),
        }
    }
    panic!("the lake stays locked");
}

#[tokio::test]
async fn two_sources_never_meet_and_threads_do_not_matter() {
    let many: Vec<_> = (0..3_000).map(|n| patient(&format!("p{n}"))).collect();
    let events: Vec<_> = (0..6_000)
        .map(|n| {
            condition(
                &n.to_string(),
                &to(&format!("Patient/p{}", (n * 7) % 3_000)),
            )
        })
        .collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let events: Vec<&str> = events.iter().map(String::as_str).collect();
    let dir = export(&[("b/events.jsonl", &events), ("a/1.patients.ndjson", &many)]);
    let (one, four) = (Home::new(), Home::new());
    let threads = |threads| Options {
        threads: Some(threads),
        ..Options::default()
    };
    one.ingest_with(dir.path(), &threads(1))
        .await
        .expect("an ingest");
    four.ingest_with(dir.path(), &threads(4))
        .await
        .expect("an ingest");
    for table in ["patient", "condition"] {
        assert_eq!(one.rows(table), four.rows(table));
    }
    let other = Options {
        source: "another".into(),
        ..Options::default()
    };
    one.ingest_with(dir.path(), &other)
        .await
        .expect("an ingest");
    assert_eq!(one.persons("patient").len(), 6_000);
    assert_eq!(one.persons("condition").len(), 12_000);
}
