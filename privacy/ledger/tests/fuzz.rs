//! Two readers of the same bytes, written apart, and a schema: what one of them takes, the others take too. On hostile bytes more than on good
//! ones, since that is where two readers part.

#[path = "../../checker/tests/mutate/mod.rs"]
mod mutate;
#[path = "support/schema.rs"]
mod schema;

use std::path::{Path, PathBuf};

use mutate::{cases, files};
use salus_checker::{Evidence, VerifierKey, audit, log_keys, verify_receipt};
use salus_ledger::entry::Entry;
use salus_ledger::note::{Checkpoint, Verifier};
use salus_ledger::receipt;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../checker/fixtures")
        .join(name)
}

/// What the checker refuses beyond the format, as its page says: it bounds what it computes with, and signatures of a note.
const BOUNDS: [&str; 2] = ["this checker computes with", "too many signatures"];

/// Whether the checker reads the bytes as an entry, and why not: rule F1, and of the adjacency F2, which the ledger reads as a word.
fn theirs(bytes: &[u8]) -> Result<(), String> {
    let report = audit(&Evidence {
        entries: vec![bytes.to_vec()],
        ..Evidence::default()
    });
    let unread = report.findings.into_iter().find(|finding| {
        finding.rule == "F1" || (finding.rule == "F2" && finding.what.starts_with("adjacency"))
    });
    unread.map_or(Ok(()), |finding| Err(finding.what))
}

fn beyond_its_bounds(why: &str) -> bool {
    BOUNDS.iter().any(|bound| why.contains(bound))
}

#[test]
fn two_readers_take_the_same_entries() {
    let logs = ["sound", "governed"].map(|log| files(&fixture(log).join("entries")));
    let parts = logs.concat();
    let mut taken = 0;
    cases("readers", |random| {
        let of = random.pick(&parts).clone();
        let bytes = match random.below(20) {
            0 => mutate::noise(random, 3_000),
            _ => mutate::entry(random, &of, &parts),
        };
        let (ours, theirs) = (Entry::decode(&bytes), theirs(&bytes));
        let bounded = theirs.as_ref().is_err_and(|why| beyond_its_bounds(why));
        assert!(
            bounded || ours.is_ok() == theirs.is_ok(),
            "{ours:?}, the checker: {theirs:?}"
        );
        if let Ok(entry) = ours {
            assert_eq!(entry.encode(), bytes);
            schema::fits(&bytes).unwrap_or_else(|why| panic!("{entry:?}: {why}"));
            taken += u32::from(bytes != of);
        }
    });
    println!("{taken} other entries were taken by both");
}

#[test]
fn two_readers_take_the_same_receipts_and_checkpoints() {
    let log = fixture("governed");
    let vkey = std::fs::read_to_string(log.join("ledger.vkey")).unwrap();
    let vkey = vkey.trim_end();
    let receipts = files(&log.join("receipts"));
    let checkpoints = files(&log.join("checkpoints"));
    let parts = [receipts.clone(), checkpoints.clone()].concat();
    let [ours, theirs] = [
        receipts
            .iter()
            .filter(|text| receipt::verify(std::str::from_utf8(text).unwrap(), vkey).is_ok())
            .count(),
        receipts
            .iter()
            .filter(|text| verify_receipt(std::str::from_utf8(text).unwrap(), vkey).is_ok())
            .count(),
    ];
    assert!(ours == theirs && ours > 0, "{ours} {theirs}");
    let newest = log_keys(&files(&log.join("entries"))).swap_remove(0);
    assert_eq!(VerifierKey::parse(vkey).unwrap(), newest);
    let verifier = Verifier::parse(vkey).unwrap();
    cases("texts", |random| {
        let of = random.pick(&receipts).clone();
        let changed = mutate::text(random, &of, &parts);
        if let Ok(text) = String::from_utf8(changed) {
            let (ours, theirs) = (receipt::verify(&text, vkey), verify_receipt(&text, vkey));
            let bounded = theirs
                .as_ref()
                .is_err_and(|why| beyond_its_bounds(&why.what));
            assert!(
                bounded || ours.is_ok() == theirs.is_ok(),
                "{ours:?}, the checker: {theirs:?}: {text}"
            );
        }
        // A checkpoint with the lines of others is for the ledger no checkpoint of its own making.
        let of = random.pick(&checkpoints).clone();
        let changed = mutate::text(random, &of, &parts);
        if Checkpoint::open(&changed, &verifier).is_ok() {
            match salus_checker::Note::parse(&changed) {
                Ok(note) => {
                    note.verify(&newest).unwrap();
                    salus_checker::Checkpoint::parse(note.text()).unwrap();
                }
                Err(why) => assert!(beyond_its_bounds(&why.to_string()), "{why}"),
            }
        }
    });
}
