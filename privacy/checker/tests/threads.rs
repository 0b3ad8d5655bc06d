//! A log that is long enough for all processors: what is found, and in which order, does not depend on them.

use std::path::Path;

use salus_checker::{Evidence, Finding, audit, leaf_hash, read_export};

/// Entries that cannot be read, far from each other and at the edges of what is handed over at once.
const BROKEN: [u64; 6] = [255, 256, 1_000, 2_047, 2_048, 4_999];

/// The kept log with refused questions behind it, some of which cannot be read.
fn long() -> Evidence {
    let sound = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/sound");
    let mut log = read_export(&sound).unwrap().evidence;
    let refused = log.entries[8].clone();
    log.entries.resize(5_000, refused);
    for broken in BROKEN {
        log.entries[usize::try_from(broken).unwrap()].pop();
    }
    log.leaves = Some(log.entries.iter().map(|entry| leaf_hash(entry)).collect());
    log
}

#[test]
fn the_lowest_index_comes_first_whoever_was_faster() {
    let log = long();
    let unread = |findings: &[Finding]| -> Vec<u64> {
        let unread = findings.iter().filter(|finding| finding.rule == "F1");
        unread.map(|finding| finding.index.unwrap()).collect()
    };
    let first = audit(&log);
    assert_eq!(unread(&first.findings), BROKEN);
    assert_eq!(first.kinds["refuse"], 4_977 - 6 + 1);
    for _ in 0..20 {
        let again = audit(&log);
        assert_eq!(again.findings, first.findings);
        assert_eq!(again.to_json(), first.to_json());
    }
}

#[test]
fn a_long_log_is_read_as_its_parts_are() {
    let log = long();
    let whole = audit(&log);
    // One entry more each time it is read again: the same findings, until the next that is broken.
    for end in [200, 255, 256, 257, 300] {
        let mut part = log.clone();
        part.entries.truncate(end);
        part.leaves = None;
        part.checkpoints.truncate(0);
        let report = audit(&part);
        let below = |finding: &&Finding| {
            finding.rule == "F1" && finding.index.is_some_and(|index| index < end as u64)
        };
        assert!(
            report
                .findings
                .iter()
                .filter(below)
                .eq(whole.findings.iter().filter(below)),
            "{end}"
        );
    }
}
