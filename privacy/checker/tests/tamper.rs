//! Evidence that was changed after it was signed: which entry is named, and that nothing panics.

mod log;

use std::sync::OnceLock;

use log::Log;
use proptest::prelude::*;
use salus_checker::{Evidence, Report, audit};

fn sample() -> &'static Evidence {
    static SAMPLE: OnceLock<Evidence> = OnceLock::new();
    SAMPLE.get_or_init(|| Log::sample().evidence())
}

fn oversight() -> &'static Evidence {
    static SAMPLE: OnceLock<Evidence> = OnceLock::new();
    SAMPLE.get_or_init(|| Log::with_oversight().evidence())
}

fn names(report: &Report, rule: &str, index: usize) -> bool {
    report
        .findings
        .iter()
        .any(|f| f.rule == rule && f.index == Some(index as u64))
}

#[test]
fn any_changed_byte_of_any_entry_names_the_entry() {
    let both = [(sample(), 0), (oversight(), 9)];
    for (good, from) in both {
        any_changed_byte_names_the_entry(good, from);
    }
}

/// Of the entries from `from` on, reserves apart where there are many.
fn any_changed_byte_names_the_entry(good: &Evidence, from: usize) {
    let mut evidence = good.clone();
    for index in from..evidence.entries.len() {
        if from > 0 && evidence.entries[index].len() > 1_000 {
            continue;
        }
        for byte in 0..evidence.entries[index].len() {
            let bit = 1_u8 << (byte % 8);
            evidence.entries[index][byte] ^= bit;
            let report = audit(&evidence);
            assert!(
                names(&report, "T1", index),
                "entry {index} byte {byte}: {}",
                report.to_text()
            );
            // No other entry's bytes are blamed.
            let blamed = report.findings.iter().filter(|f| f.rule == "T1").count();
            assert_eq!(blamed, 1, "entry {index} byte {byte}: {}", report.to_text());
            evidence.entries[index][byte] ^= bit;
        }
    }
    assert!(audit(&evidence).holds());
}

#[test]
fn without_leaf_hashes_the_checkpoints_bound_the_change() {
    let log = Log::sample().with_all_checkpoints();
    let mut all = log.evidence();
    all.leaves = None;
    let mut few = sample().clone();
    few.leaves = None;
    assert!(audit(&all).holds() && audit(&few).holds());
    for index in 0..all.entries.len() {
        let last = all.entries[index].len() - 1;
        for byte in [0, last / 2, last] {
            // The signer's own entry has a test of its own.
            if index == 1 && byte != last {
                continue;
            }
            for evidence in [&mut all, &mut few] {
                evidence.entries[index][byte] ^= 0x10;
            }
            // A checkpoint for each entry from the second on names the entry itself.
            let report = audit(&all);
            assert!(
                names(&report, "T1", index.max(1)),
                "{index}: {}",
                report.to_text()
            );
            assert_eq!(report.findings.iter().filter(|f| f.rule == "T1").count(), 1);
            // Checkpoints at 12 and 23: the last entry below the first that fails.
            let report = audit(&few);
            let (bound, range) = if index < 12 {
                (11, "0 to 11")
            } else {
                (22, "12 to 22")
            };
            assert!(names(&report, "T1", bound), "{index}: {}", report.to_text());
            assert!(report.to_text().contains(range), "{}", report.to_text());
            for evidence in [&mut all, &mut few] {
                evidence.entries[index][byte] ^= 0x10;
            }
        }
    }
}

#[test]
fn without_the_first_key_its_checkpoints_bound_nothing() {
    let mut evidence = Log::sample().with_all_checkpoints().evidence();
    let public = log::signing_key(1).verifying_key().to_bytes();
    let key = &mut evidence.entries[1];
    let at = key.windows(32).position(|bytes| *bytes == public).unwrap();
    key[at + 5] ^= 1;
    assert!(names(&audit(&evidence), "T1", 1));
    evidence.leaves = None;
    let report = audit(&evidence);
    // The second key signs from size 17 on.
    assert!(
        names(&report, "T2", 1) && names(&report, "T1", 16),
        "{}",
        report.to_text()
    );
    assert!(
        report.to_text().contains("entries 0 to 16"),
        "{}",
        report.to_text()
    );
    // One line for the fifteen checkpoints.
    assert!(
        report.to_text().lines().count() < 60,
        "{}",
        report.to_text()
    );
}

#[test]
fn a_changed_leaf_hash_or_a_damaged_list_is_named() {
    let good = sample();
    for index in 0..good.entries.len() {
        let mut evidence = good.clone();
        evidence.leaves.as_mut().unwrap()[index][31] ^= 1;
        let report = audit(&evidence);
        assert!(names(&report, "T1", index) && report.findings.len() == 1);
    }
    let mut evidence = good.clone();
    evidence.leaves.as_mut().unwrap().pop();
    let report = audit(&evidence);
    assert!(
        names(&report, "T1", 22) && report.findings.len() == 1,
        "{}",
        report.to_text()
    );
}

#[test]
fn a_missing_entry_is_named_and_the_others_keep_their_index() {
    let both = [sample(), oversight()].into_iter();
    for (good, index) in both.flat_map(|good| (0..good.entries.len()).map(move |n| (good, n))) {
        let mut evidence = good.clone();
        evidence.entries.remove(index);
        let report = audit(&evidence);
        assert!(names(&report, "T1", index), "{index}: {}", report.to_text());
        assert_eq!(report.findings.iter().filter(|f| f.rule == "T1").count(), 1);
        // What cites the lost entry, or follows its total, is not blamed.
        let others = report
            .findings
            .iter()
            .filter(|f| f.index != Some(index as u64));
        let signature = |f: &&salus_checker::Finding| f.rule == "T2";
        assert_eq!(
            others.clone().count(),
            others.filter(signature).count(),
            "{}",
            report.to_text()
        );
        // A hole left by a lost file.
        let mut evidence = good.clone();
        evidence.entries[index].clear();
        let report = audit(&evidence);
        assert!(names(&report, "T1", index) && names(&report, "F1", index));
        // Without leaf hashes the number is wrong, which the newest checkpoint shows.
        let mut evidence = good.clone();
        evidence.entries.remove(index);
        evidence.leaves = None;
        let last = good.entries.len() - 1;
        assert!(names(&audit(&evidence), "T1", last));
    }
}

#[test]
fn an_extra_entry_is_named() {
    let extra = log::refuse().encode();
    let both = [sample(), oversight()].into_iter();
    for (good, index) in both.flat_map(|good| (2..=good.entries.len()).map(move |n| (good, n))) {
        let mut evidence = good.clone();
        evidence.entries.insert(index, extra.clone());
        let report = audit(&evidence);
        // Beside another refusal either of the two may be called the extra one.
        let named = names(&report, "T1", index) || (index == 13 && names(&report, "T1", 14));
        assert!(named, "{index}: {}", report.to_text());
        assert_eq!(report.findings.len(), 1, "{index}: {}", report.to_text());
    }
    let mut evidence = sample().clone();
    evidence.entries.push(extra);
    evidence.leaves = None;
    assert!(names(&audit(&evidence), "T1", 23));
}

#[test]
fn two_entries_exchanged_are_both_named() {
    let mut evidence = sample().clone();
    evidence.entries.swap(7, 8);
    let report = audit(&evidence);
    assert!(names(&report, "T1", 7) && names(&report, "T1", 8));
}

#[test]
fn any_changed_byte_of_a_checkpoint_or_the_key_fails() {
    let good = sample();
    for number in 0..good.checkpoints.len() {
        for byte in 0..good.checkpoints[number].len() {
            let mut evidence = good.clone();
            evidence.checkpoints[number][byte] ^= 1;
            assert!(!audit(&evidence).holds(), "checkpoint {number} byte {byte}");
        }
    }
    for byte in 0..good.vkey.len() {
        let mut vkey = good.vkey.clone().into_bytes();
        vkey[byte] ^= 1;
        let Ok(vkey) = String::from_utf8(vkey) else {
            continue;
        };
        let evidence = Evidence {
            vkey,
            ..good.clone()
        };
        assert!(!audit(&evidence).holds(), "key byte {byte}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn random_bytes_do_not_panic_and_do_not_hold(
        entries in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..80), 0..6),
        leaves in prop::option::of(prop::collection::vec(any::<[u8; 32]>(), 0..6)),
        checkpoints in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 0..3),
        vkey in ".*",
    ) {
        let report = audit(&Evidence { entries, leaves, checkpoints, vkey });
        prop_assert!(!report.holds());
        let _ = (report.to_text(), report.to_json());
    }

    /// Valid logs with bytes overwritten, cut, inserted, and entries moved about.
    #[test]
    fn mutated_logs_do_not_panic_and_do_not_hold(
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), any::<u8>(), 0..7_u8), 1..6),
        with_leaves in any::<bool>(),
        with_officers in any::<bool>(),
    ) {
        let good = if with_officers { oversight() } else { sample() };
        let mut evidence = good.clone();
        if !with_leaves {
            evidence.leaves = None;
        }
        for (entry, byte, value, edit) in edits {
            if evidence.entries.is_empty() {
                break;
            }
            let index = entry.index(evidence.entries.len());
            if edit == 5 {
                evidence.entries.remove(index);
                continue;
            }
            let bytes = &mut evidence.entries[index];
            if bytes.is_empty() {
                continue;
            }
            let at = byte.index(bytes.len());
            match edit {
                0 | 1 => bytes[at] = value,
                2 => bytes.truncate(at),
                3 => bytes.insert(at, value),
                4 => { bytes.remove(at); }
                _ => {
                    let copy = bytes.clone();
                    evidence.entries.insert(index, copy);
                }
            }
        }
        let same = evidence.entries == good.entries;
        let report = audit(&evidence);
        prop_assert_eq!(report.holds(), same);
        let _ = (report.to_text(), report.to_json());
    }
}
