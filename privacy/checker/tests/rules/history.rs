//! Rules T1 and T2.

use crate::log::{Log, ORIGIN, abort, checkpoint, root, signing_key, vkey};
use crate::named;
use salus_checker::{Evidence, audit};

#[test]
fn t2_signatures_keys_and_origins() {
    let log = Log::sample();
    let good = log.evidence();
    let leaves = log.leaves();
    let size = leaves.len();
    let newest = |evidence: &Evidence, note: Vec<u8>| {
        let mut evidence = evidence.clone();
        *evidence.checkpoints.last_mut().unwrap() = note;
        named(&audit(&evidence))
    };
    let (first, second) = (signing_key(1), signing_key(2));
    let right = root(&leaves);
    // Without its newest checkpoint the log has entries that nobody signed for, and the old key does not match.
    let alone = ["T2@11", "T1@12"];
    let both = |index: &'static str| [&[alone[0], alone[1]], &[index][..]].concat();
    // The key that was in force before, and a stranger's.
    assert_eq!(
        newest(&good, checkpoint(ORIGIN, size, right, &first)),
        both("T2@22")
    );
    assert_eq!(
        newest(&good, checkpoint(ORIGIN, size, right, &signing_key(3))),
        both("T2@22")
    );
    // Another log's name.
    assert_eq!(
        newest(&good, checkpoint("other.example", size, right, &second)),
        both("T2@22")
    );
    // A signature that is not of this text.
    let text = String::from_utf8(checkpoint(ORIGIN, size, right, &second)).unwrap();
    let other = text.replacen(&format!("\n{size}\n"), "\n22\n", 1);
    assert_eq!(newest(&good, other.into_bytes()), both("T2@21"));
    assert_eq!(newest(&good, b"no note".to_vec()), both("T2@-"));

    // A stranger may sign beside the key in force; that makes the stranger's key nobody's verifier key.
    let signature = checkpoint(ORIGIN, size, right, &signing_key(3));
    let signature = String::from_utf8(signature).unwrap();
    let beside = format!("{text}{}", signature.split_once("\n\n").unwrap().1);
    assert!(newest(&good, beside.clone().into_bytes()).is_empty());
    let mut cosigned = good.clone();
    *cosigned.checkpoints.last_mut().unwrap() = beside.into_bytes();
    cosigned.vkey = vkey(ORIGIN, &signing_key(3));
    assert_eq!(named(&audit(&cosigned)), ["T2@16"]);

    // Another verifier key than the log's: nothing is vouched for.
    let mut stranger = good.clone();
    stranger.vkey = vkey(ORIGIN, &signing_key(3));
    assert_eq!(named(&audit(&stranger)), ["T2@22"]);
    let mut renamed = good.clone();
    renamed.vkey = vkey("other.example", &second);
    assert_eq!(named(&audit(&renamed)), ["T2@0", "T2@22"]);
    let mut none = good.clone();
    none.vkey = String::new();
    assert_eq!(named(&audit(&none)), ["T2@-"]);
    let mut reversed = good.clone();
    reversed.checkpoints.reverse();
    assert!(audit(&reversed).holds());
    let mut no_checkpoint = good.clone();
    no_checkpoint.checkpoints.clear();
    assert_eq!(named(&audit(&no_checkpoint)), ["T1@-"]);
}

#[test]
fn t2_a_checkpoint_over_another_history() {
    // Entry 11 was another one when the log signed its twelfth: both histories bear its signature.
    let log = Log::sample();
    let mut forked = log.clone();
    forked.entries[11] = abort(10, "failed");
    let old = root(&forked.leaves()[..12]);
    let mut evidence = log.evidence();
    evidence
        .checkpoints
        .push(checkpoint(ORIGIN, 12, old, &signing_key(1)));
    assert_eq!(named(&audit(&evidence)), ["T2@11"]);
}

#[test]
fn t1_a_log_that_was_rolled_back() {
    let whole = Log::sample();
    let mut younger = whole.clone();
    younger.entries.truncate(20);
    younger.sizes = vec![12, 20];
    let mut evidence = younger.evidence();
    // By itself the older state looks like any log; against a checkpoint that was kept it does not.
    assert!(audit(&evidence).holds());
    evidence
        .checkpoints
        .push(whole.evidence().checkpoints[1].clone());
    let report = audit(&evidence);
    assert_eq!(named(&report), ["T1@20"]);
    assert!(
        report.findings[0].what.contains("entries 20 to 22"),
        "{}",
        report.to_text()
    );
}
