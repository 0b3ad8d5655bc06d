//! Two real exports of different generators: every line is accounted for, and again.

mod common;

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io::Write as _;
use std::path::Path;

use common::{Home, accounted, counts, real};
use salus_fhir::Summary;

const TABLES: [(&str, &str); 9] = [
    ("Patient", "patient"),
    ("Encounter", "encounter"),
    ("Condition", "condition"),
    ("Observation", "observation"),
    ("MedicationRequest", "medication_request"),
    ("Procedure", "procedure"),
    ("Immunization", "immunization"),
    ("AllergyIntolerance", "allergy_intolerance"),
    ("DiagnosticReport", "diagnostic_report"),
];

fn agree(summary: &Summary, counts: &BTreeMap<String, u64>) {
    for (kind, table) in TABLES {
        assert_eq!(summary.tables[table].rows, counts[kind], "{kind}");
    }
    for (kind, count) in counts {
        if TABLES.iter().all(|(with_table, _)| with_table != kind) {
            assert_eq!(
                summary.quarantined.get(&format!("no_table:{kind}")),
                Some(count),
                "{kind}"
            );
        }
    }
    assert_eq!(accounted(summary), counts.values().sum::<u64>());
    assert_eq!(summary.lines, accounted(summary));
    assert_eq!(summary.ignored, ["COUNTS.json"]);
}

async fn whole_way(name: &str, components: u64) {
    let Some(export) = real(name) else {
        return;
    };
    let counts = counts(&export);
    let home = Home::new();
    let first = home.ingest(&export).await;
    assert!(first.changed);
    agree(&first, &counts);
    assert_eq!(first.tables["observation"].components, Some(components));

    for (kind, table) in TABLES {
        let persons = home.persons(table);
        assert_eq!(persons.len() as u64, counts[kind], "{table}");
        assert!(persons.is_sorted(), "{table} must be sorted by person");
    }
    let persons: Vec<i64> = (1..=i64::try_from(counts["Patient"]).expect("few")).collect();
    assert_eq!(
        home.persons("patient"),
        persons,
        "persons are numbered without gaps"
    );
    assert_eq!(
        home.persons("observation_component").len() as u64,
        components
    );
    quarantine_is_faithful(&home, &export);

    let before: Vec<_> = TABLES.iter().map(|(_, table)| home.rows(table)).collect();
    let kept = home.quarantined().len();
    let second = home.ingest(&export).await;
    assert!(!second.changed, "the same export changes nothing");
    assert_eq!(second.snapshot, first.snapshot);
    agree(&second, &counts);
    assert_eq!(
        TABLES
            .iter()
            .map(|(_, table)| home.rows(table))
            .collect::<Vec<_>>(),
        before
    );
    assert_eq!(home.quarantined().len(), kept);
}

fn quarantine_is_faithful(home: &Home, export: &Path) {
    let mut files: HashMap<String, Vec<Vec<u8>>> = HashMap::new();
    let all = home.quarantined();
    assert!(!all.is_empty());
    for one in &all {
        let lines = files.entry(one.file.clone()).or_insert_with(|| {
            let bytes = fs::read(export.join(&one.file)).expect("a file of the export");
            bytes.split(|b| *b == b'\n').map(<[u8]>::to_vec).collect()
        });
        let line = usize::try_from(one.line).expect("a line number") - 1;
        assert_eq!(one.bytes, lines[line], "{} line {}", one.file, one.line);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn synthea() {
    whole_way("synthea-100", 1970).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn smart() {
    whole_way("smart-40", 626).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn compressed_copies_give_the_same_tables() {
    let Some(export) = real("smart-40") else {
        return;
    };
    let copy = tempfile::tempdir().expect("a directory");
    for entry in fs::read_dir(&export).expect("an export") {
        let path = entry.expect("an entry").path();
        let name = path
            .file_name()
            .expect("a name")
            .to_string_lossy()
            .into_owned();
        if !name.ends_with(".ndjson") {
            continue;
        }
        let bytes = fs::read(&path).expect("a file");
        // Gzip in two members, as some servers append; zstd for the rest.
        if name.as_bytes()[0].is_multiple_of(2) {
            let half = bytes.len() / 2;
            let mut packed = Vec::new();
            for part in [&bytes[..half], &bytes[half..]] {
                let mut encoder =
                    flate2::write::GzEncoder::new(&mut packed, flate2::Compression::fast());
                encoder
                    .write_all(part)
                    .and_then(|()| encoder.finish().map(drop))
                    .expect("gzip");
            }
            fs::write(copy.path().join(format!("{name}.gz")), packed).expect("a file");
        } else {
            let packed = zstd::encode_all(bytes.as_slice(), 1).expect("zstd");
            fs::write(copy.path().join(format!("{name}.zst")), packed).expect("a file");
        }
    }
    let (plain, packed) = (Home::new(), Home::new());
    let from_plain = plain.ingest(&export).await;
    let from_packed = packed.ingest(copy.path()).await;
    assert_eq!(from_packed.tables, from_plain.tables);
    assert_eq!(from_packed.quarantined, from_plain.quarantined);
    for (_, table) in TABLES {
        assert_eq!(packed.rows(table), plain.rows(table), "{table}");
    }
    assert_eq!(
        packed.rows("observation_component"),
        plain.rows("observation_component")
    );
}
