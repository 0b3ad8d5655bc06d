//! Views that fill tables of the lake, over exports of the tests' own making and over real ones.

mod common;

use std::collections::BTreeMap;
use std::fs;

use common::{Home, accounted, export, real, reasons};
use salus_fhir::{Options, Silent, Summary, admit, expunge, ingest_directory, retry_quarantine};
use salus_lake::{Lake, Retention};

/// One row for each coding of a condition that is not refuted.
const CODINGS: &str = r#"{
  "resourceType": "ViewDefinition", "name": "condition_coding", "status": "draft", "resource": "Condition",
  "where": [{"path": "verificationStatus.coding.where(code = 'refuted').exists().not()"}],
  "select": [
    {"column": [
      {"name": "id", "path": "getResourceKey()", "type": "id"},
      {"name": "patient_id", "path": "subject.getReferenceKey(Patient)", "type": "id"},
      {"name": "recorded", "path": "recordedDate", "type": "dateTime"}
    ]},
    {"forEach": "code.coding", "column": [
      {"name": "code_system", "path": "system", "type": "uri"},
      {"name": "code", "path": "code", "type": "code"}
    ]}
  ]
}"#;

/// A type that has no table of its own.
const GOALS: &str = r#"{
  "name": "goal", "resource": "Goal",
  "select": [{"column": [
    {"name": "state", "path": "lifecycleStatus", "type": "code"},
    {"name": "target", "path": "target.first().detail.ofType(Quantity).value", "type": "decimal"}
  ]}]
}"#;

/// Adds a view; the lake that is returned has its table.
fn add(home: &mut Home, definition: &str, declared: &str) {
    let admitted = admit(None, definition, declared).expect("a view");
    home.lake = home
        .lake
        .add_view(&admitted.name, admitted.facts, definition, true)
        .expect("a table");
}

fn patient(id: &str) -> String {
    format!(r#"{{"resourceType":"Patient","id":"{id}","birthDate":"1970"}}"#)
}

fn condition(id: &str, patient: &str, codes: &[&str]) -> String {
    let codings: Vec<_> = codes
        .iter()
        .map(|code| format!(r#"{{"system":"urn:x","code":"{code}"}}"#))
        .collect();
    format!(
        r#"{{"resourceType":"Condition","id":"{id}","subject":{{"reference":"Patient/{patient}"}},"code":{{"coding":[{}]}}}}"#,
        codings.join(",")
    )
}

fn goal(id: &str, patient: &str, state: &str, target: &str) -> String {
    format!(
        r#"{{"resourceType":"Goal","id":"{id}","lifecycleStatus":"{state}","subject":{{"reference":"Patient/{patient}"}},"target":[{{"detailQuantity":{{"value":{target}}}}}]}}"#
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

/// `person:row:code` of every row.
fn codings(home: &Home) -> Vec<String> {
    cells(home, "condition_coding", &["person_id=", "row=", "code="])
}

fn cells(home: &Home, table: &str, names: &[&str]) -> Vec<String> {
    let cell = |row: &str, name: &str| {
        let mut cells = row.split(' ').filter_map(|cell| cell.strip_prefix(name));
        cells.next().unwrap_or("-").to_owned()
    };
    let rows = home.rows(table);
    let mut all: Vec<_> = rows
        .iter()
        .map(|row| {
            names
                .iter()
                .map(|name| cell(row, name))
                .collect::<Vec<_>>()
                .join(":")
        })
        .collect();
    all.sort();
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn all_rows_of_a_resource_are_replaced_together() {
    let mut home = Home::new();
    add(&mut home, CODINGS, "");
    let first = [
        patient("a"),
        patient("b"),
        condition("1", "a", &["11", "12", "13"]),
        condition("2", "a", &["21"]),
        condition("3", "b", &["31", "32"]),
    ];
    let summary = ingest(&home, &first).await;
    assert_eq!(
        (
            summary.views["condition_coding"].rows,
            summary.views["condition_coding"].resources
        ),
        (6, 3)
    );
    assert_eq!(
        codings(&home),
        ["1:0:11", "1:0:21", "1:1:12", "1:2:13", "2:0:31", "2:1:32"]
    );
    let again = ingest(&home, &first).await;
    assert!(!again.changed, "the same export changes nothing");
    assert_eq!(again.views, summary.views);

    // Fewer rows, other rows, none, and under another person.
    let second = [
        condition("1", "a", &["11", "14"]),
        condition("2", "a", &[]),
        condition("3", "a", &["31"]),
    ];
    let changed = ingest(&home, &second).await;
    assert!(changed.changed);
    assert_eq!(codings(&home), ["1:0:11", "1:0:31", "1:1:14"]);
    assert!(!ingest(&home, &second).await.changed);
    assert_eq!(codings(&home).len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_goes_from_the_tables_goes_from_views() {
    let mut home = Home::new();
    add(&mut home, CODINGS, "");
    add(&mut home, GOALS, "");
    let all = [
        patient("a"),
        patient("b"),
        patient("c"),
        condition("1", "a", &["11", "12"]),
        condition("2", "b", &["21"]),
        condition("3", "c", &["31"]),
        goal("g1", "a", "active", "1.5"),
        goal("g2", "b", "active", "2"),
        goal("g3", "c", "active", "3"),
    ];
    let summary = ingest(&home, &all).await;
    assert_eq!((summary.viewed, summary.views["goal"].rows), (3, 3));
    assert_eq!(reasons(&summary), []);

    let deletes = r#"{"resourceType":"Bundle","type":"transaction","entry":[{"request":{"method":"DELETE","url":"Condition/1"}},{"request":{"method":"DELETE","url":"Goal/g1"}}]}"#;
    ingest(&home, &[deletes.to_owned()]).await;
    assert_eq!(codings(&home), ["2:0:21", "3:0:31"]);
    assert_eq!(
        cells(&home, "goal", &["person_id=", "target="]),
        ["2:2.000000", "3:3.000000"]
    );

    let denial = r#"{"resourceType":"Consent","id":"c","status":"active","scope":{"coding":[{"code":"patient-privacy"}]},"patient":{"reference":"Patient/b"},"dateTime":"2024-01-01","provision":{"type":"deny"}}"#;
    ingest(&home, &[denial.to_owned()]).await;
    assert_eq!(codings(&home), ["3:0:31"]);
    assert_eq!(cells(&home, "goal", &["person_id="]), ["3"]);

    expunge(&home.lake, "fhir", "c").await.expect("an expunge");
    assert!(codings(&home).is_empty() && home.rows("goal").is_empty());
    let back = ingest(&home, &all).await;
    assert_eq!(
        codings(&home),
        ["1:0:11", "1:1:12"],
        "b denies, c was expunged"
    );
    assert!(back.expunged > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_that_waited_for_a_table_can_be_used_when_a_view_takes_them() {
    let mut home = Home::new();
    let lines = [
        patient("a"),
        goal("1", "a", "active", "5"),
        goal("2", "a", "active", "5e20"),
        r#"{"resourceType":"Goal","id":"3","lifecycleStatus":"active"}"#.to_owned(),
        goal("4", "nobody", "active", "1"),
    ];
    assert_eq!(
        reasons(&ingest(&home, &lines).await),
        [("no_table:Goal", 4)]
    );
    add(&mut home, GOALS, "");
    let retried = retry_quarantine(&home.lake, |_| true, &Options::default(), &Silent).await;
    let retried = retried.expect("a retry");
    let expected = [
        ("missing_subject", 1),
        ("unknown_subject", 1),
        ("view_failed", 1),
    ];
    assert_eq!((retried.viewed, reasons(&retried)), (1, expected.to_vec()));
    assert_eq!(
        cells(&home, "goal", &["person_id=", "state=", "target="]),
        ["1:active:5.000000"]
    );
    let failure = retried.views["goal"].failure.clone().expect("a failure");
    assert!(
        failure.contains("column target") && !failure.contains("5e20"),
        "{failure}"
    );
    // An older line does not take the place of what came since.
    ingest(&home, &[goal("1", "a", "completed", "6")]).await;
    retry_quarantine(&home.lake, |_| true, &Options::default(), &Silent)
        .await
        .expect("a retry");
    assert_eq!(cells(&home, "goal", &["state="]), ["completed"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_versions_the_later_one_has_rows() {
    let mut home = Home::new();
    add(&mut home, GOALS, "");
    let at = |line: String, at: &str| {
        line.replacen(
            r#""id""#,
            &format!(r#""meta":{{"lastUpdated":"{at}"}},"id""#),
            1,
        )
    };
    let lines = [
        at(goal("1", "a", "late", "2"), "2024-02-01T00:00:00Z"),
        at(goal("1", "a", "early", "1"), "2024-01-01T00:00:00Z"),
        patient("a"),
    ];
    let summary = ingest(&home, &lines).await;
    assert_eq!(
        (summary.viewed, reasons(&summary)),
        (1, vec![("superseded", 1)])
    );
    assert_eq!(cells(&home, "goal", &["state="]), ["late"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_definition_begins_anew_and_a_dropped_view_takes_its_rows_along() {
    let mut home = Home::new();
    let before = home.lake.catalog_yaml().to_owned();
    add(&mut home, GOALS, "");
    assert_ne!(
        home.lake.catalog_yaml(),
        before,
        "the ledger's hash covers the view"
    );
    let lines = [patient("a"), goal("1", "a", "active", "5")];
    ingest(&home, &lines).await;
    assert_eq!(home.rows("goal").len(), 1);
    // Facts alone change: the rows stay.
    add(&mut home, GOALS, "max_rows_per_person: 20000");
    assert!(!ingest(&home, &lines).await.changed || home.rows("goal").len() == 1);

    let other = GOALS.replace(r#""name": "state""#, r#""name": "stage""#);
    let admitted = admit(None, &other, "").expect("a view");
    let refused = home
        .lake
        .add_view("goal", admitted.facts.clone(), &other, false);
    assert!(
        refused
            .expect_err("there is one")
            .to_string()
            .contains("--replace")
    );
    add(&mut home, &other, "");
    ingest(&home, &[patient("b")]).await;
    assert!(
        home.rows("goal").is_empty(),
        "rows of the old definition are no rows of the new one"
    );
    ingest(&home, &lines).await;
    assert_eq!(cells(&home, "goal", &["stage="]), ["active"]);

    home.lake = home.lake.drop_view("goal").expect("a drop");
    assert_eq!(
        home.lake.catalog_yaml(),
        before,
        "a dropped view leaves no trace"
    );
    home.lake.drop_view("goal").expect_err("it is gone");
    home.lake
        .begin()
        .expect("a transaction")
        .commit(&|_| ())
        .await
        .expect("a commit");
    let snapshot = home.lake.snapshot().expect("a lake").expect("a snapshot");
    assert!(!snapshot.tables.contains_key("goal"));
    home.lake
        .vacuum(&Retention::newest(1))
        .await
        .expect("a vacuum");
    let left = fs::read_dir(home.dir.path().join("lake")).expect("a directory");
    let left = left.filter(|entry| {
        entry
            .as_ref()
            .is_ok_and(|entry| entry.file_name().to_string_lossy().starts_with("goal"))
    });
    assert_eq!(left.count(), 0, "its files are gone");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_definition_on_disk_is_noticed() {
    let mut home = Home::new();
    add(&mut home, GOALS, "");
    let file = fs::read_dir(home.dir.path().join("views"))
        .expect("a directory")
        .next();
    let file = file.expect("a definition").expect("an entry").path();
    fs::write(&file, GOALS.replace("lifecycleStatus", "id")).expect("a file");
    let dir = export(&[("all.ndjson", &[&patient("a")])]);
    let refused = ingest_directory(&home.lake, dir.path(), &Options::default(), &Silent).await;
    assert!(
        refused
            .expect_err("another text")
            .to_string()
            .contains("not the one that the catalog names")
    );
    assert!(
        Lake::open(home.dir.path())
            .expect("a lake")
            .snapshot()
            .expect("a lake")
            .is_none()
    );
}

#[test]
fn facts_are_checked_when_a_view_is_added() {
    let declared = "
doc: Goals.
max_rows_per_person: 100
rows_per_person: 4
columns:
  state:
    domain: [active, completed]
    source: http://hl7.org/fhir/ValueSet/goal-status
  target:
    bounds: {low: \"0\", high: \"500\", granularity: \"0.1\"}
    source: a textbook
";
    let admitted = admit(None, GOALS, declared).expect("a view");
    assert_eq!(
        (admitted.facts.rows_per_person, admitted.facts.columns.len()),
        (4, 5)
    );
    let home = Home::new();
    for (from, to, said) in [
        (", granularity: \"0.1\"", "", "granularity"),
        ("target:", "goal:", "no such column"),
        ("doc: Goals.", "unit: patient", "unit"),
        ("    source: a textbook\n", "", "source"),
        (
            "domain: [active, completed]",
            "type: date",
            "the view gives text",
        ),
        (
            "max_rows_per_person: 100",
            "max_rows_per_person: 1",
            "rows_per_person",
        ),
        (
            "bounds: {low: \"0\", high: \"500\", granularity: \"0.1\"}",
            "domain: [a]",
            "not a decimal",
        ),
        ("high: \"500\"", "high: \"500.05\"", "multiples"),
        (
            "domain: [active, completed]",
            "bounds: {low: \"0\", high: \"1\", granularity: \"1\"}",
            "only numbers",
        ),
        ("doc: Goals.", "docs: Goals.", "unknown field"),
    ] {
        let changed = declared.replace(from, to);
        assert_ne!(changed, declared, "{from}");
        let wrong = match admit(None, GOALS, &changed) {
            Err(wrong) => wrong.join("; "),
            Ok(admitted) => match home.lake.add_view("goal", admitted.facts, GOALS, false) {
                Err(error) => error.to_string(),
                Ok(_) => panic!("{to} was taken"),
            },
        };
        assert!(wrong.contains(said), "{to}: {wrong}");
    }
    for (definition, name, said) in [
        (
            GOALS.replace("Goal\"", "Organization\""),
            None,
            "not about one person",
        ),
        (GOALS.to_owned(), Some("condition"), "already"),
        (GOALS.to_owned(), Some("select"), "word of SQL"),
        (GOALS.to_owned(), Some("Goal"), "lower-case"),
        (GOALS.replace("\"name\": \"goal\",", ""), None, "no name"),
        (
            GOALS.replace("lifecycleStatus", "subject.display"),
            None,
            "identifiers",
        ),
        (GOALS.replace("lifecycleStatus", "frob()"), None, "frob"),
    ] {
        let wrong = admit(name, &definition, "").expect_err(said).join("; ");
        assert!(wrong.contains(said), "{wrong}");
    }
}

/// The example of the guide: US Core extensions as columns.
#[tokio::test(flavor = "multi_thread")]
async fn extensions_are_columns() {
    let Some(export) = real("smart-40") else {
        return;
    };
    let mut home = Home::new();
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("views");
    let read = |name: &str| fs::read_to_string(root.join(name)).expect(name);
    add(
        &mut home,
        &read("us_core_patient.json"),
        &read("us_core_patient.yaml"),
    );
    let summary = home.ingest(&export).await;
    let view = &summary.views["us_core_patient"];
    assert_eq!(
        (view.resources, view.rows, view.failed),
        (40, 40, 0),
        "{:?}",
        view.failure
    );
    let births = cells(&home, "us_core_patient", &["birthsex="]);
    assert_eq!(births.len(), 40);
    assert!(
        births.iter().all(|sex| sex == "F" || sex == "M"),
        "{births:?}"
    );
    // The table that ships goes by the codes, of which this export has some wrong ones; where it tells a race, it is the same.
    let shipped = races(&home, "patient");
    let ours = races(&home, "us_core_patient");
    assert!(shipped.len() > 30 && ours.len() == 40);
    for (person, race) in shipped {
        assert_eq!(ours[&person], race, "{person}");
    }
    assert!(!home.ingest(&export).await.changed);
}

/// By person, as far as there is one.
fn races(home: &Home, table: &str) -> BTreeMap<String, String> {
    let race = |row: &String| {
        let (person, rest) = row.split_once(' ')?;
        let (_, race) = rest.split_once("race=")?;
        // The text ends where the next column begins.
        let race = race
            .split_once(" ethnicity=")
            .map_or(race, |(race, _)| race);
        Some((person.to_owned(), race.to_owned()))
    };
    home.rows(table).iter().filter_map(race).collect()
}
