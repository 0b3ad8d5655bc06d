//! Whatever a line holds, it ends in a table or in quarantine.

mod common;

use std::fs;

use common::{Home, accounted};
use proptest::prelude::*;
use salus_fhir::{Options, Silent, ingest_directory};

/// Random bytes, fragments of JSON, and damaged resources.
fn line() -> impl Strategy<Value = Vec<u8>> {
    let resource = br#"{"resourceType":"Observation","id":"x","subject":{"reference":"Patient/p"},"code":{"coding":[{"system":"http://loinc.org","code":"1"}]},"effectiveDateTime":"2011-02-02T16:30:49-05:00","valueQuantity":{"value":1.5,"code":"mg"}}"#;
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..80),
        r#"[\[\]{}:,"\\a-z0-9 ]{0,60}"#.prop_map(String::into_bytes),
        (0..resource.len(), any::<u8>()).prop_map(|(at, byte)| {
            let mut bytes = resource.to_vec();
            bytes[at] = byte;
            bytes
        }),
        (0..=resource.len()).prop_map(|length| resource[..length].to_vec()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn every_line_is_accounted_for(lines in prop::collection::vec(line(), 0..60)) {
        let dir = tempfile::tempdir().expect("a directory");
        let mut text = br#"{"resourceType":"Patient","id":"p"}"#.to_vec();
        for line in lines {
            text.push(b'\n');
            text.extend(line);
        }
        let expected = text.split(|b| *b == b'\n').filter(|line| !line.trim_ascii().is_empty()).count() as u64;
        fs::write(dir.path().join("all.ndjson"), &text).expect("a file");

        let home = Home::new();
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        let options = Options::default();
        let summary = runtime.block_on(ingest_directory(&home.lake, dir.path(), &options, &Silent)).expect("an ingest");
        prop_assert_eq!(summary.lines, expected);
        prop_assert_eq!(accounted(&summary), expected);
        let again = runtime.block_on(ingest_directory(&home.lake, dir.path(), &options, &Silent)).expect("an ingest");
        prop_assert!(!again.changed);
    }
}
