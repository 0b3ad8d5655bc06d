//! Receipts: one that holds, and each way in which one does not.

mod log;

use log::{
    ANSWER, Item, Log, ORIGIN, SALT, checkpoint, map, path, receipt_text, root, signing_key, vkey,
};
use proptest::prelude::*;
use salus_checker::verify_receipt;

fn key() -> String {
    vkey(ORIGIN, &signing_key(2))
}

fn rule(text: &str) -> (&'static str, Option<u64>) {
    let finding = verify_receipt(text, &key()).expect_err(text);
    (finding.rule, finding.index)
}

/// Entry, answer and salt of `index` under the newest checkpoint of a log.
fn receipt_of(log: &Log, index: usize, answer: &[u8], salt: &[u8]) -> String {
    let leaves = log.leaves();
    let extra = map([
        ("answer", Item::Bytes(answer.to_vec())),
        ("entry", Item::Bytes(log.entries[index].encode())),
        ("salt", Item::Bytes(salt.to_vec())),
    ]);
    let note = checkpoint(ORIGIN, leaves.len(), root(&leaves), &signing_key(2));
    receipt_text(&extra, index, &path(index, &leaves), &note)
}

#[test]
fn a_receipt_opens_to_the_answer() {
    let log = Log::sample();
    for (index, reserve) in [(11, 10), (22, 21)] {
        let receipt = verify_receipt(&log.receipt(index), &key()).unwrap();
        assert_eq!(receipt.index, index as u64);
        assert_eq!(receipt.reserve, reserve);
        assert_eq!(receipt.entry, log.entries[index].encode());
        assert_eq!(receipt.answer, ANSWER);
        assert_eq!(receipt.checkpoint, log.evidence().checkpoints[1]);
    }
    // A key file ends in a newline.
    assert!(verify_receipt(&log.receipt(22), &format!("{}\n", key())).is_ok());
}

#[test]
fn what_a_receipt_must_show() {
    let log = Log::sample();
    let good = log.receipt(22);
    // Another answer, another salt, a salt of another length.
    assert_eq!(
        rule(&receipt_of(&log, 22, b"42", &SALT)),
        ("receipt", Some(22))
    );
    assert_eq!(
        rule(&receipt_of(&log, 22, ANSWER, &[8; 32])),
        ("receipt", Some(22))
    );
    assert_eq!(
        rule(&receipt_of(&log, 22, ANSWER, &[9; 31])),
        ("receipt", Some(22))
    );
    // An entry that is logged and is no release.
    assert_eq!(
        rule(&receipt_of(&log, 21, ANSWER, &SALT)),
        ("receipt", Some(21))
    );
    // A release that was never logged.
    let mut other = log.clone();
    other.entries[22] = log::release(20);
    let forged = receipt_of(&other, 22, ANSWER, &SALT);
    let tail = good.split_once("\n\n").unwrap().1;
    let forged = format!("{}\n\n{tail}", forged.split_once("\n\n").unwrap().0);
    assert_eq!(rule(&forged), ("T1", Some(22)));
    // A release that is logged elsewhere.
    assert_eq!(
        rule(&good.replacen("index 22", "index 11", 1)),
        ("T1", Some(11))
    );
    assert_eq!(
        rule(&good.replacen("index 22", "index 23", 1)),
        ("T1", Some(23))
    );
    // A logged release of a later reserve, and logged bytes that are not canonical.
    let mut later = log.clone();
    later.entries[22] = log::release(22);
    assert_eq!(
        rule(&receipt_of(&later, 22, ANSWER, &SALT)),
        ("F3", Some(22))
    );
    let mut unknown = log.clone();
    *unknown.entries[22].at("v") = Item::Uint(2);
    assert_eq!(
        rule(&receipt_of(&unknown, 22, ANSWER, &SALT)),
        ("F1", Some(22))
    );
    // A stranger's key, an unsigned checkpoint.
    let finding = verify_receipt(&good, &vkey(ORIGIN, &signing_key(1))).unwrap_err();
    assert_eq!(finding.rule, "T2");
    assert_eq!(verify_receipt(&good, "").unwrap_err().rule, "T2");
    assert_eq!(
        rule(&good.replacen("\n23\n", "\n24\n", 1)),
        ("T2", Some(22))
    );
}

#[test]
fn the_form_is_strict() {
    let good = Log::sample().receipt(22);
    let (proof, _) = good.split_once("\n\n").unwrap();
    let lines: Vec<&str> = proof.split('\n').collect();
    for text in [
        String::new(),
        good.replacen("tlog-proof@v1", "tlog-proof@v2", 1),
        good.replacen("extra ", "extra", 1),
        good.replacen("index 22", "index 022", 1),
        good.replacen("index 22", "index +22", 1),
        good.replacen(&format!("{}\n", lines[1]), "", 1),
        good.replacen(lines[3], "AAAA", 1),
        good.replacen(lines[3], &format!("{}\n", lines[3]).repeat(80), 1),
        good.replacen("extra ", "extra AAAA", 1),
    ] {
        assert!(verify_receipt(&text, &key()).is_err(), "{text}");
    }
    for line in &lines[3..] {
        assert_eq!(rule(&good.replacen(&format!("{line}\n"), "", 1)).0, "T1");
        assert_eq!(
            rule(&good.replacen(line, &format!("{line}\n{line}"), 1)).0,
            "T1"
        );
    }
}

proptest! {
    #[test]
    fn random_text_is_refused_without_panic(text in ".*", vkey in ".*") {
        prop_assert!(verify_receipt(&text, &vkey).is_err());
    }

    #[test]
    fn a_changed_character_is_refused(at in any::<prop::sample::Index>(), new in any::<char>()) {
        static GOOD: std::sync::OnceLock<String> = std::sync::OnceLock::new();
        let good = GOOD.get_or_init(|| Log::sample().receipt(22));
        let mut text: Vec<char> = good.chars().collect();
        let at = at.index(text.len());
        let same = text[at] == new;
        text[at] = new;
        let text: String = text.into_iter().collect();
        prop_assert_eq!(verify_receipt(&text, &key()).is_ok(), same);
    }
}
