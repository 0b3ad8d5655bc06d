//! What the auditor kept from before a change of keys: verifier keys, and receipts signed under them.

mod log;

use log::{ANSWER, Item, SALT, map};
use log::{Log, ORIGIN, checkpoint, path, receipt_text, root, signing_key, vkey};
use salus_checker::{Evidence, Trust, VerifierKey, audit_with, log_keys, verify_receipt_by};

fn judge(evidence: &Evidence, kept: &str) -> Vec<String> {
    let trust = Trust {
        vkey: Some(kept.to_owned()),
        ..Trust::default()
    };
    let name = |f: &salus_checker::Finding| {
        let index = f.index.map_or("-".to_owned(), |n| n.to_string());
        format!("{}@{index}", f.rule)
    };
    audit_with(evidence, &trust)
        .findings
        .iter()
        .map(name)
        .collect()
}

fn key(seed: u8) -> String {
    vkey(ORIGIN, &signing_key(seed))
}

#[test]
fn a_key_from_before_a_change_leads_to_the_one_in_force() {
    let evidence = Log::sample().evidence();
    for kept in [key(1), key(2), format!("{}\n", key(1))] {
        assert_eq!(judge(&evidence, &kept), [""; 0], "{kept}");
    }
    // A stranger's, the log's under another name, none.
    let renamed = vkey("other.example", &signing_key(1));
    for other in [key(3), renamed, "no key".to_owned()] {
        assert_eq!(judge(&evidence, &other), ["T2@-"], "{other}");
    }
    // The exported one, which no entry has, is named once.
    let mut stranger = evidence;
    stranger.vkey = key(3);
    assert_eq!(judge(&stranger, &key(3)), ["T2@22"]);
    assert_eq!(judge(&stranger, &key(1)), ["T2@22"]);
}

#[test]
fn an_old_key_does_not_vouch_for_what_it_did_not_endorse() {
    // The key entry is there, and nobody before it has signed it.
    let mut log = Log::sample();
    log::oversight::set(&mut log.entries[16], "signature", None);
    assert_eq!(judge(&log.evidence(), &key(1)), ["K1@16"]);
    // The old key in a log of somebody else's, who cannot go on from it.
    let mut log = Log::sample();
    log.entries[1] = log::key(&signing_key(7));
    log.entries[16] = log::oversight::endorsed(2, 7);
    log.push(log::oversight::endorsed(1, 2));
    let mut evidence = log.evidence();
    let first = signing_key(7);
    evidence.checkpoints[0] = checkpoint(ORIGIN, 12, root(&log.leaves()[..12]), &first);
    // The second key signs for the whole, where the first would have to.
    assert_eq!(judge(&evidence, &key(1)), ["T2@23"]);
    evidence.vkey = key(1);
    assert_eq!(judge(&evidence, &key(1)), ["T2@11", "T1@12", "T2@23"]);
}

#[test]
fn the_exported_key_is_that_of_the_last_entry_still() {
    let mut evidence = Log::sample().evidence();
    evidence.vkey = key(1);
    assert_eq!(judge(&evidence, &key(1)), ["T2@22"]);
    assert_eq!(judge(&evidence, &key(2)), ["T2@22"]);
}

/// The receipt of entry 11 under the checkpoint of this size, signed by this key.
fn receipt(size: usize, seed: u8) -> String {
    let log = Log::sample();
    let leaves = log.leaves();
    let leaves = &leaves[..size];
    let extra = map([
        ("answer", Item::Bytes(ANSWER.to_vec())),
        ("entry", Item::Bytes(log.entries[11].encode())),
        ("salt", Item::Bytes(SALT.to_vec())),
    ]);
    let note = checkpoint(ORIGIN, size, root(leaves), &signing_key(seed));
    receipt_text(&extra, 11, &path(11, leaves), &note)
}

#[test]
fn a_receipt_is_verified_by_any_key_of_the_log() {
    let keys = log_keys(&Log::sample().evidence().entries);
    let expected: Vec<_> = [2, 1]
        .map(|seed| VerifierKey::parse(&key(seed)).unwrap())
        .into();
    assert_eq!(keys, expected);
    for seed in [1, 2] {
        let receipt = verify_receipt_by(&receipt(12, seed), &keys).unwrap();
        assert_eq!((receipt.index, receipt.reserve), (11, 10));
    }
    let failed = |text: &str, keys: &[VerifierKey]| {
        let finding = verify_receipt_by(text, keys).unwrap_err();
        (finding.rule, finding.what)
    };
    let (rule, what) = failed(&receipt(12, 3), &keys);
    assert!(rule == "T2" && what.contains("no signature"), "{what}");
    assert_eq!(failed(&receipt(12, 1), &keys[..1]).0, "T2");
    assert_eq!(failed(&receipt(12, 1), &[]).0, "T2");
    // A forged line is named, whichever key comes last.
    let forged = receipt(12, 1).replacen("\n12\n", "\n13\n", 1);
    let mut keys = keys;
    for _ in 0..2 {
        let (rule, what) = failed(&forged, &keys);
        assert!(rule == "T2" && what.contains("is wrong"), "{what}");
        keys.reverse();
    }
    // Of a log without entries nothing verifies.
    assert!(log_keys(&[]).is_empty());
}
