//! Values in the catalog's units and codes of the operator's map, from export to table.

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;

use common::{Home, real};
use salus_fhir::{CodeMap, Options};
use tempfile::TempDir;

const PATIENT: &str = r#"{"resourceType":"Patient","id":"p"}"#;

fn glucose(id: &str, coding: &str, quantity: &str) -> String {
    format!(
        r#"{{"resourceType":"Observation","id":"{id}","subject":{{"reference":"Patient/p"}},"code":{{"coding":[{coding}]}},"valueQuantity":{quantity}}}"#
    )
}

fn export(lines: &[String]) -> TempDir {
    let dir = tempfile::tempdir().expect("a directory");
    let text = format!("{PATIENT}\n{}\n", lines.join("\n"));
    fs::write(dir.path().join("all.ndjson"), text).expect("a file");
    dir
}

const LOINC: &str = r#"{"system":"http://loinc.org","code":"2345-7"}"#;
const LOCAL: &str = r#"{"system":"urn:lab","code":"GLU"}"#;

/// The row that holds `part`, without its keys.
fn row(home: &Home, table: &str, part: &str) -> String {
    let rows = home.rows(table);
    let found: Vec<_> = rows.iter().filter(|row| row.contains(part)).collect();
    assert_eq!(found.len(), 1, "{part} in {rows:#?}");
    found[0].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_hold_the_catalogs_unit_and_what_was_given() {
    let pressure = r#"{"resourceType":"Observation","id":"bp","subject":{"reference":"Patient/p"},"code":{"coding":[{"system":"http://loinc.org","code":"85354-9"}]},
        "component":[{"code":{"coding":[{"system":"http://loinc.org","code":"8480-6"}]},"valueQuantity":{"value":16,"code":"kPa"}},
        {"code":{"coding":[{"system":"http://loinc.org","code":"8462-4"}]},"valueQuantity":{"value":80,"unit":"mmHg"}}]}"#;
    let dir = export(&[
        glucose(
            "a",
            LOINC,
            r#"{"value":5.5,"unit":"mmol/L","system":"http://unitsofmeasure.org","code":"mmol/L"}"#,
        ),
        glucose("b", LOINC, r#"{"value":101,"unit":"mg/dL"}"#),
        glucose("c", LOINC, r#"{"value":102,"unit":"sugar cubes"}"#),
        glucose("d", LOINC, r#"{"value":103}"#),
        glucose("e", LOCAL, r#"{"value":6,"unit":"mmol/L"}"#),
        pressure.replace('\n', ""),
    ]);
    let home = Home::new();
    let summary = home.ingest(dir.path()).await;
    let units = [
        ("converted", 3),
        ("missing", 1),
        ("same", 1),
        ("unknown", 1),
    ];
    let units: BTreeMap<String, u64> = units.map(|(what, n)| (what.to_owned(), n)).into();
    assert_eq!(summary.units, units);
    assert!(summary.quarantined.is_empty(), "an odd unit costs no row");

    let given = "value_original=5.500000 unit_original=mmol/L";
    assert!(row(&home, "observation", given).contains("value=99.085800 unit=mg/dL"));
    let kept = row(&home, "observation", "value=101.000000");
    assert!(
        kept.contains("unit=mg/dL") && !kept.contains("original"),
        "{kept}"
    );
    let odd = row(
        &home,
        "observation",
        "value_original=102.000000 unit_original=sugar cubes",
    );
    assert!(!odd.contains(" value=") && !odd.contains(" unit="), "{odd}");
    let bare = row(&home, "observation", "value_original=103.000000");
    assert!(
        !bare.contains(" value=") && !bare.contains("unit"),
        "{bare}"
    );
    let local = row(&home, "observation", "code=GLU");
    assert!(local.contains("value=6.000000 unit=mmol/L"), "{local}");
    let systolic = row(&home, "observation_component", "code=8480-6");
    assert!(
        systolic
            .contains("value=120.010201 unit=mm[Hg] value_original=16.000000 unit_original=kPa")
    );
    assert!(
        row(&home, "observation_component", "code=8462-4").contains("value=80.000000 unit=mm[Hg]")
    );
    assert!(!home.ingest(dir.path()).await.changed);
}

#[tokio::test(flavor = "multi_thread")]
async fn mapped_codes_stand_beside_the_original_and_the_snapshot_names_the_map() {
    let condition = r#"{"resourceType":"Condition","id":"k","subject":{"reference":"Patient/p"},"code":{"coding":[{"system":"urn:dx","code":"DM2"}]}}"#;
    let dir = export(&[
        glucose("a", LOCAL, r#"{"value":5.5,"unit":"mmol/L"}"#),
        glucose(
            "b",
            &format!("{LOCAL},{LOINC}"),
            r#"{"value":101,"unit":"mg/dL"}"#,
        ),
        condition.into(),
    ]);
    let map = dir.path().join("map.csv");
    fs::write(
        &map,
        "source_system,source_code,target_system,target_code,equivalence\n\
         urn:lab,GLU,http://loinc.org,2345-7,equivalent\nurn:dx,DM2,http://snomed.info/sct,44054006,equal\n",
    )
    .expect("a map");
    let options = Options {
        code_map: Arc::new(CodeMap::read(&[&map]).expect("a map")),
        ..Options::default()
    };
    let home = Home::new();
    // Without the map first: with it, the same export changes the rows.
    assert_eq!(home.ingest(dir.path()).await.mapped, 0);
    assert!(home.lake.snapshot().unwrap().unwrap().code_maps.is_empty());
    let summary = home
        .ingest_with(dir.path(), &options)
        .await
        .expect("an ingest");
    assert_eq!((summary.changed, summary.mapped), (true, 2));

    // A mapped code has the catalog's unit too.
    let mapped = row(&home, "observation", "code_original=GLU");
    assert!(
        mapped.contains("code=2345-7 code_system=http://loinc.org"),
        "{mapped}"
    );
    assert!(
        mapped.contains("code_original_system=urn:lab")
            && mapped.contains("value=99.085800 unit=mg/dL")
    );
    // A coding of a standard system was there already.
    assert!(!row(&home, "observation", "value=101.000000").contains("original"));
    assert!(row(&home, "condition", "code_original=DM2").contains("code=44054006"));

    let noted = home.lake.snapshot().unwrap().unwrap().code_maps;
    assert_eq!(
        noted.into_iter().collect::<Vec<_>>(),
        options.code_map.files
    );
    let again = home
        .ingest_with(dir.path(), &options)
        .await
        .expect("an ingest");
    assert!(!again.changed);
    // A later ingest without it does not forget it.
    let other = export(&[glucose("z", LOINC, r#"{"value":1,"unit":"mg/dL"}"#)]);
    home.ingest(other.path()).await;
    assert_eq!(home.lake.snapshot().unwrap().unwrap().code_maps.len(), 1);
}

/// Synthea writes globulin in g/L, filtration in mL/min and scores as "(score)".
#[tokio::test(flavor = "multi_thread")]
async fn real_exports_convert() {
    for (name, converted) in [("synthea-100", 238), ("smart-40", 32)] {
        let Some(export) = real(name) else {
            return;
        };
        let home = Home::new();
        let summary = home.ingest(&export).await;
        assert_eq!(
            summary.units.get("converted"),
            Some(&converted),
            "{name}: {:?}",
            summary.units
        );
        for refused in ["unknown", "missing", "incommensurable"] {
            assert_eq!(
                summary.units.get(refused),
                None,
                "{name}: {:?}",
                summary.units
            );
        }
        let rows = home.rows("observation");
        let globulin = rows.iter().filter(|row| row.contains("code=10834-0 "));
        for row in globulin {
            assert!(
                row.contains(" unit=g/dL ") && row.contains("unit_original=g/L"),
                "{row}"
            );
        }
    }
}
