//! Rules N1, N2 and N3: each broken by hand in logs that are otherwise right.

mod log;

use log::restricted::{EVERY, NOW, Pair, SECOND, access, anchor, at, change, followup, opening};
use log::{Item, Log, ORIGIN, checkpoint, key, refuse, root, signing_key, text};
use salus_checker::{Finding, Report, Restricted, Trust, audit, audit_with};

fn names(findings: &[Finding]) -> Vec<String> {
    let name = |found: &Finding| {
        let index = found.index.map_or("-".to_owned(), |n| n.to_string());
        format!("{}@{index}", found.rule)
    };
    findings.iter().map(name).collect()
}

fn expect(log: &Log, findings: &[&str]) {
    let report = audit(&log.evidence());
    assert_eq!(names(&report.findings), findings, "{}", report.to_text());
}

fn judged(pair: &Pair, change: impl FnOnce(&mut Restricted)) -> Report {
    let (first, mut restricted) = pair.evidence();
    change(&mut restricted);
    let trust = Trust {
        restricted: Some(restricted),
        ..Trust::default()
    };
    audit_with(&first, &trust)
}

/// What is named in the first log, and in the restricted one.
fn both(report: &Report) -> (Vec<String>, Vec<String>) {
    let beside = report.restricted.as_ref().unwrap();
    (names(&report.findings), names(&beside.findings))
}

#[test]
fn the_sample_holds() {
    let pair = Pair::sample();
    let report = judged(&pair, |_| {});
    assert!(report.holds(), "{}", report.to_text());
    let beside = report.restricted.as_ref().unwrap();
    assert_eq!((beside.entries, beside.anchors), (13, 3));
    assert_eq!(beside.open, [12]);
    assert_eq!(beside.head.unwrap().0, 13);
    assert!(report.to_text().contains("open break-glass accesses: 12"));
    assert!(report.to_json().contains(r#""open":[12]"#));
    // By itself the first log says that its anchors are attested.
    let alone = audit(&pair.first.evidence());
    assert!(alone.holds() && alone.to_text().contains("--restricted"));
    assert!(
        alone
            .attested
            .iter()
            .any(|field| (field.kind, field.path) == ("anchor", "checkpoint"))
    );
}

#[test]
fn anchors_stand_where_a_tick_has_passed_and_nowhere_else() {
    let whole = Pair::sample().first;
    let without = |index: usize| {
        let mut log = whole.clone();
        log.entries.remove(index);
        *log.sizes.last_mut().unwrap() = log.entries.len();
        log
    };
    // Skipped at the beginning, and later: named once, at the entry that it should stand before.
    expect(&without(2), &["N1@2"]);
    expect(&without(4), &["N1@4"]);
    expect(&without(6), &["N1@6"]);
    // One too many, as if something had happened.
    let mut more = whole.clone();
    more.push(anchor(NOW + 9 * EVERY + 60, b"opening"));
    expect(&more, &[]);
    more.push(at(refuse(), NOW + 9 * EVERY + 61));
    expect(&more, &["N1@9"]);
    // Another tick than its time's.
    let mut early = whole.clone();
    *early.entries[4].at("body.tick") = Item::Uint(NOW / EVERY + 2);
    expect(&early, &["N1@4"]);
    // A clock that goes back anchors nothing.
    let mut back = whole.clone();
    back.push(refuse());
    expect(&back, &[]);
    // What cannot be read may have been it.
    let mut unreadable = whole.clone();
    *unreadable.entries[4].at("kind") = text("other");
    expect(&unreadable, &["F1@4"]);
    // A log without a restricted log has no anchors.
    let mut none = whole.clone();
    if let Item::Map(pairs) = none.entries[0].at("body") {
        pairs.retain(|(name, _)| name != "restricted");
    }
    expect(&none, &["N1@2", "N1@4", "N1@6"]);
    let mut zero = whole;
    *zero.entries[0].at("body.restricted") = Item::Uint(0);
    assert_eq!(names(&audit(&zero.evidence()).findings)[0], "F1@0");
}

#[test]
fn an_anchor_stands_before_a_seal() {
    let mut sealed = Log::old_sealed();
    if let Item::Map(pairs) = sealed.entries[0].at("body") {
        pairs.push(("restricted".to_owned(), Item::Uint(EVERY)));
    }
    let seal = sealed.entries.pop().unwrap();
    sealed.entries.push(anchor(NOW, b"opening"));
    sealed.entries.push(seal);
    *sealed.sizes.last_mut().unwrap() = sealed.entries.len();
    let rules = |log: &Log| {
        let findings = audit(&log.old_evidence()).findings;
        findings.iter().filter(|found| found.rule == "N1").count()
    };
    // The first log had none from its beginning: entry 2 is named, the seal is not.
    assert_eq!(rules(&sealed), 1);
    let at = sealed.entries.len() - 2;
    sealed.entries.remove(at);
    *sealed.sizes.last_mut().unwrap() = sealed.entries.len();
    assert_eq!(rules(&sealed), 2);
}

#[test]
fn what_was_anchored_must_be_there() {
    let pair = Pair::sample();
    let none: Vec<String> = vec![];
    // Truncated, and signed anew with the right key: every anchor beyond is named, and nothing else.
    let short = |size: usize| {
        judged(&pair, |restricted| {
            let mut log = pair.second.clone();
            log.entries.truncate(size);
            log.sizes = vec![2, size];
            restricted.log = log.evidence_by(SECOND, 0);
        })
    };
    assert_eq!(both(&short(12)), (vec!["N2@6".to_owned()], none.clone()));
    let two = vec!["N2@4".to_owned(), "N2@6".to_owned()];
    assert_eq!(both(&short(5)), (two.clone(), none.clone()));
    // Rewritten from entry 5 on with the right key.
    let rewritten = judged(&pair, |restricted| {
        let mut log = pair.second.clone();
        log.entries[5] = change("alert", None);
        restricted.log = log.evidence_by(SECOND, 0);
    });
    assert_eq!(both(&rewritten), (two, none.clone()));
    // Longer than what is anchored is as it should be between two ticks.
    let mut longer = pair.clone();
    longer.second.push(change("expunge", None));
    assert!(judged(&longer, |_| {}).holds());
    // Openings that are missing, too short, changed, of another log, by another key, of fewer entries than before, of no anchor.
    let opened = |at: u64, content: Option<Vec<u8>>| {
        let report = judged(&pair, |restricted| {
            restricted.anchors.remove(&at);
            restricted.anchors.extend(content.map(|bytes| (at, bytes)));
        });
        both(&report).0
    };
    assert_eq!(opened(4, None), ["N2@4"]);
    assert_eq!(opened(4, Some(vec![1; 31])), ["N2@4"]);
    assert_eq!(opened(4, Some(pair.opened(7))), ["N2@4"]);
    assert_eq!(opened(3, Some(pair.opened(7))), ["N2@3"]);
    let committed = |content: Vec<u8>| {
        let mut other = pair.clone();
        other.first.entries[4] = anchor(NOW + EVERY, &content);
        let report = judged(&other, |restricted| {
            restricted.anchors.insert(4, content);
        });
        both(&report).0
    };
    let signed = |origin: &str, size: usize, seed: u8| {
        let root = root(&pair.second.leaves()[..size]);
        let text = checkpoint(origin, size, root, &signing_key(seed));
        [&[7; 32][..], &text].concat()
    };
    assert_eq!(committed(signed(SECOND, 6, 1)), none);
    assert_eq!(committed(signed(ORIGIN, 6, 1)), ["N2@4"]);
    assert_eq!(committed(signed(SECOND, 6, 2)), ["N2@4"]);
    assert_eq!(committed(signed(SECOND, 1, 1)), ["N2@4"]);
    assert_eq!(
        committed(b"no checkpoint, and longer than thirty-two bytes".to_vec()),
        ["N2@4"]
    );
    let mut fell = pair.clone();
    fell.first.entries[6] = anchor(NOW + 9 * EVERY, &pair.opened(5));
    let report = judged(&fell, |restricted| {
        restricted.anchors.insert(6, pair.opened(5));
    });
    assert_eq!(both(&report).0, ["N2@6"]);
}

#[test]
fn the_restricted_log_is_this_ones_and_whole() {
    let pair = Pair::sample();
    let with = |change: &dyn Fn(&mut Log)| {
        let mut other = pair.clone();
        change(&mut other.second);
        // Anchored as it is: what is named is the restricted log's alone.
        for (at, time) in [(2, NOW), (4, NOW + EVERY), (6, NOW + 9 * EVERY)] {
            let size = other.anchored.iter().find(|(index, _)| *index == at);
            other.first.entries[at] = anchor(time, &other.opened(size.unwrap().1));
        }
        let report = judged(&other, |_| {});
        assert!(!report.holds());
        both(&report).1
    };
    assert_eq!(
        with(&|log| log.entries[0] = opening(SECOND, "salus.example/other")),
        ["N3@0"]
    );
    assert_eq!(
        with(&|log| log.entries[0] = change("alert", None)),
        ["N3@0"]
    );
    assert_eq!(
        with(&|log| log.entries[5] = opening(SECOND, ORIGIN)),
        ["N3@5"]
    );
    assert_eq!(with(&|log| log.entries[4] = followup(2, "open")), ["N3@4"]);
    assert_eq!(with(&|log| log.entries[4] = followup(12, "open")), ["N3@4"]);
    // A key that the first log does not have, and none where it has one.
    let foreign = with(&|log| log.entries[5] = key(&signing_key(9)));
    assert!(
        foreign.contains(&"N3@5".to_owned()) && foreign.contains(&"K1@5".to_owned()),
        "{foreign:?}"
    );
    let headless = with(&|log| log.entries[1] = access("access"));
    assert!(
        headless.contains(&"N3@1".to_owned()) && headless.contains(&"N3@-".to_owned()),
        "{headless:?}"
    );
    // Text has no place, and fields are those of the kind.
    for (index, path, new) in [
        (2, "body.principal", text("Marta Vogel")),
        (2, "body.role", text("")),
        (2, "body.purpose", text(&"X".repeat(65))),
        (2, "body.persons", Item::Bytes(vec![0; 31])),
        (3, "body.justification", text("he was unconscious")),
        (4, "body.outcome", text("fine")),
        (6, "body.act", text("merge")),
        (5, "kind", text("reserve")),
        (5, "kind", text("access")),
        (11, "v", Item::Uint(2)),
    ] {
        let named = with(&|log| *log.entries[index].at(path) = new.clone());
        assert!(named.contains(&format!("F1@{index}")), "{path}: {named:?}");
    }
    // A restricted log of a log that has none.
    let mut alone = pair.clone();
    alone.first = Log::sample();
    let report = judged(&alone, |restricted| restricted.anchors.clear());
    assert!(both(&report).1.contains(&"N3@-".to_owned()));
    // Signed by another than the key in force.
    let report = judged(&pair, |restricted| {
        restricted.log = pair.second.evidence_by(SECOND, 4);
    });
    assert!(both(&report).1.iter().any(|name| name.starts_with("T2")));
}

#[test]
fn any_changed_byte_of_the_restricted_log_names_its_entry() {
    let pair = Pair::sample();
    for index in 0..pair.second.entries.len() {
        for at in 0..pair.second.entries[index].encode().len() {
            let report = judged(&pair, |restricted| restricted.log.entries[index][at] ^= 1);
            let named = both(&report).1;
            let here = format!("T1@{index}");
            assert!(named.contains(&here), "entry {index}, byte {at}: {named:?}");
        }
    }
}
