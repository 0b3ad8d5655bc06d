//! Rule W1: who cosigned the newest checkpoint, and the policies that ask for it.

mod log;

use log::witnesses::{WITNESSES, cosignature, cosigned, policy, policy_text};
use log::{Log, ORIGIN, checkpoint, signing_key, vkey};
use proptest::prelude::*;
use salus_checker::{Evidence, Policy, Report, Trust, audit, audit_with};

const TIME: u64 = 1_790_000_123;

fn judge(evidence: &Evidence, policy: Policy) -> Report {
    let trust = Trust {
        policy: Some(policy),
        ..Trust::default()
    };
    audit_with(evidence, &trust)
}

fn named(report: &Report) -> Vec<String> {
    let name = |f: &salus_checker::Finding| {
        let index = f.index.map_or("-".to_owned(), |n| n.to_string());
        format!("{}@{index}", f.rule)
    };
    report.findings.iter().map(name).collect()
}

/// The sample, whose newest checkpoint these witnesses have cosigned.
fn sample(witnesses: &[usize]) -> Evidence {
    let mut evidence = Log::sample().evidence();
    let newest = evidence.checkpoints.last_mut().unwrap();
    for witness in witnesses {
        *newest = cosigned(newest, *witness, TIME);
    }
    evidence
}

/// The sample with a line more under its newest checkpoint.
fn with_line(witnesses: &[usize], line: impl Fn(&[u8]) -> String) -> Evidence {
    let mut evidence = sample(witnesses);
    let newest = evidence.checkpoints.last_mut().unwrap();
    newest.extend(line(newest).into_bytes());
    evidence
}

/// A line under a note.
type Line<'a> = &'a dyn Fn(&[u8]) -> String;

const TWO: &str = "group all-of-us 2 one two three\nquorum all-of-us\n";

#[test]
fn a_quorum_that_is_met() {
    let report = judge(&sample(&[0, 2]), policy(TWO));
    assert!(report.holds(), "{}", report.to_text());
    let witnessed = report.witnessed.clone().unwrap();
    let told: Vec<_> = witnessed
        .iter()
        .map(|w| (w.witness.as_str(), w.key.as_str(), w.time))
        .collect();
    assert_eq!(
        told,
        [("one", "w1.example", TIME), ("three", "w3.example", TIME)]
    );
    let text = report.to_text();
    assert!(
        text.contains("\"one\" (w1.example): 2026-09-21T14:15:23Z"),
        "{text}"
    );
    for (lines, cosigned) in [
        ("quorum two\n", &[1][..]),
        ("quorum none\n", &[]),
        ("group g any one two three\nquorum g\n", &[2]),
        ("group g all one two\nquorum g\n", &[0, 1]),
        ("group a all one two\ngroup b any a three\nquorum b\n", &[2]),
        (
            "group a all one two\ngroup b all a three\nquorum b\n",
            &[0, 1, 2],
        ),
    ] {
        let report = judge(&sample(cosigned), policy(lines));
        assert!(report.holds(), "{lines}{}", report.to_text());
        assert_eq!(report.witnessed.unwrap().len(), cosigned.len());
    }
    // Nobody was asked for.
    let report = audit(&sample(&[0]));
    assert!(report.holds() && report.witnessed.is_none());
}

#[test]
fn a_quorum_that_is_not_met() {
    for (lines, cosigned) in [
        (TWO, &[1][..]),
        (TWO, &[]),
        ("quorum two\n", &[0, 2]),
        ("group g all one two\nquorum g\n", &[0, 2]),
        ("group g any one two\nquorum g\n", &[2]),
        ("group a all one two\ngroup b any a three\nquorum b\n", &[1]),
        (
            "group a any one two\ngroup b all a three\nquorum b\n",
            &[0, 1],
        ),
    ] {
        let report = judge(&sample(cosigned), policy(lines));
        assert_eq!(named(&report), ["W1@22"], "{lines}{}", report.to_text());
    }
    // Who and how many are missing.
    let report = judge(&sample(&[1]), policy(TWO));
    let what = &report.findings[0].what;
    assert!(
        what.contains("\"all-of-us\"") && what.contains("2 of its 3"),
        "{what}"
    );
    assert!(
        what.contains("\"one\", \"three\"") && !what.contains("\"two\""),
        "{what}"
    );
    // Those who are not asked for are not missing.
    let report = judge(&sample(&[]), policy("quorum two\n"));
    let what = &report.findings[0].what;
    assert!(
        what.contains("1 of its 1") && !what.contains("three"),
        "{what}"
    );
}

#[test]
fn a_cosignature_that_is_forged() {
    let (name, seed) = WITNESSES[0];
    let lines: [Line; 4] = [
        // Another text: that of an older state.
        &|_| {
            let other = Log::sample().evidence().checkpoints[0].clone();
            cosignature(&other, name, seed, TIME, TIME)
        },
        // Another time than was signed, by a second.
        &|note| cosignature(note, name, seed, TIME, TIME + 1),
        // A time beyond 2^63.
        &|note| cosignature(note, name, seed, 1 << 63, 1 << 63),
        // A time, and no signature behind it.
        &|note| {
            let line = cosignature(note, name, seed, TIME, TIME);
            let (head, base64) = line.trim_end().rsplit_once(' ').unwrap();
            format!("{head} {}\n", &base64[..8 + 8])
        },
    ];
    for line in lines {
        let evidence = with_line(&[1, 2], line);
        // Even where the others are enough, and although no policy would see it.
        assert!(audit(&evidence).holds());
        for asked in [TWO, "quorum none\n"] {
            let report = judge(&evidence, policy(asked));
            assert_eq!(named(&report), ["W1@22"], "{}", report.to_text());
            assert_eq!(report.witnessed.unwrap().len(), 2);
        }
        let report = judge(&with_line(&[1], line), policy(TWO));
        assert_eq!(named(&report), ["W1@22", "W1@22"], "{}", report.to_text());
        // Beside a good line of the same witness it is a fault still.
        let report = judge(&with_line(&[0, 1], line), policy(TWO));
        assert_eq!(named(&report), ["W1@22"], "{}", report.to_text());
        assert_eq!(report.witnessed.unwrap().len(), 2);
    }
}

#[test]
fn a_line_of_a_stranger_counts_for_nothing() {
    let (name, seed) = WITNESSES[0];
    let lines: [Line; 3] = [
        // Its own name, a witness's name over its own key, a witness's key under another name.
        &|note| cosignature(note, "stranger.example", 40, TIME, TIME),
        &|note| cosignature(note, name, 40, TIME, TIME),
        &|note| cosignature(note, "stranger.example", seed, TIME, TIME),
    ];
    for line in lines {
        let report = judge(&with_line(&[1], line), policy(TWO));
        assert_eq!(named(&report), ["W1@22"], "{}", report.to_text());
        assert!(judge(&with_line(&[1, 2], line), policy(TWO)).holds());
    }
}

#[test]
fn the_newest_checkpoint_is_what_must_be_cosigned() {
    // An older one says nothing of what came after.
    let mut evidence = Log::sample().evidence();
    for witness in 0..3 {
        evidence.checkpoints[0] = cosigned(&evidence.checkpoints[0], witness, TIME);
    }
    assert_eq!(named(&judge(&evidence, policy(TWO))), ["W1@22"]);
    // Lines under two copies of it count together; of one witness the latest time is told.
    let mut evidence = sample(&[0]);
    let bare = Log::sample().evidence().checkpoints[1].clone();
    let kept = cosigned(&cosigned(&bare, 0, TIME + 9), 1, TIME);
    let kept = cosigned(&kept, 0, TIME + 1);
    evidence.checkpoints.extend([kept, bare]);
    let report = judge(&evidence, policy(TWO));
    assert!(report.holds(), "{}", report.to_text());
    assert_eq!(report.witnessed.unwrap()[0].time, TIME + 9);
    // A copy that the log did not sign is none.
    let mut evidence = sample(&[0]);
    let size = 23;
    let leaves = Log::sample().leaves();
    let unsigned = checkpoint(ORIGIN, size, log::root(&leaves), &signing_key(9));
    evidence.checkpoints.push(cosigned(&unsigned, 1, TIME));
    let report = judge(&evidence, policy(TWO));
    assert_eq!(named(&report), ["T2@22", "W1@22"], "{}", report.to_text());
    // Without any there is nothing that could have been cosigned.
    evidence.checkpoints.clear();
    for asked in [TWO, "quorum none\n"] {
        assert_eq!(named(&judge(&evidence, policy(asked))), ["T1@-", "W1@-"]);
    }
}

#[test]
fn the_policy_is_of_this_log() {
    let with_log = |log: &str| {
        let rest = policy_text(TWO);
        let rest = rest.lines().filter(|line| !line.starts_with("log "));
        let text = format!("{log}\n{}\n", rest.collect::<Vec<_>>().join("\n"));
        named(&judge(
            &sample(&[0, 1]),
            Policy::parse(text.as_bytes()).unwrap(),
        ))
    };
    let log = |origin, seed| format!("log {}", vkey(origin, &signing_key(seed)));
    assert_eq!(with_log(&log(ORIGIN, 2)), [""; 0]);
    // The key from before the change leads to the one in force; a second log does no harm.
    assert_eq!(with_log(&log(ORIGIN, 1)), [""; 0]);
    let two = format!("{}\n{}", log("other.example", 9), log(ORIGIN, 2));
    assert_eq!(with_log(&two), [""; 0]);
    // A stranger's key, the log's key under another name, no key.
    for other in [log(ORIGIN, 3), log("other.example", 2), String::new()] {
        assert_eq!(with_log(&other), ["W1@-"], "{other}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever bytes stand where a cosignature stands, the lines that are good are what counts.
    #[test]
    fn no_signature_line_panics(bytes in prop::collection::vec(any::<u8>(), 1..90)) {
        use base64::Engine as _;
        let line = |_: &[u8]| {
            let blob = base64::engine::general_purpose::STANDARD.encode([&[1, 2, 3, 4], bytes.as_slice()].concat());
            format!("— {} {blob}\n", WITNESSES[0].0)
        };
        prop_assert!(judge(&with_line(&[1, 2], line), policy(TWO)).holds());
    }
}
