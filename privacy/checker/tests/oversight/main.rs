//! Rules K1, A1, O1, G1, R1 and the incidents of B1: each broken by hand in a log that is otherwise right, hashed and
//! signed by the right key.

mod decisions;
#[path = "../log/mod.rs"]
mod log;

use log::oversight::{
    CAP, CEILING, CISO, DEPUTY, DPO, GRANTED, IRB, MORE, approval, approvals, endorsed, grant,
    incident, officer, public, review, set, statement,
};
use log::{Item, Log, ORIGIN, checkpoint, root, signing_key, text, vkey};
use salus_checker::{Evidence, Report, audit};

fn named(report: &Report) -> Vec<String> {
    let name = |f: &salus_checker::Finding| {
        let index = f.index.map_or("-".to_owned(), |n| n.to_string());
        format!("{}@{index}", f.rule)
    };
    let mut named: Vec<String> = report.findings.iter().map(name).collect();
    named.dedup();
    named
}

fn expect(log: &Log, findings: &[&str]) {
    let report = audit(&log.evidence());
    assert_eq!(named(&report), findings, "{}", report.to_text());
}

/// The log of officers with one entry replaced, and everything else signed over it.
fn replaced(index: usize, entry: Item) -> Log {
    let mut log = Log::with_oversight();
    log.entries[index] = entry;
    log.signed_anew(index, true);
    log
}

/// The log of officers and one entry more.
fn ending(entry: Item) -> Log {
    let mut log = Log::with_oversight();
    assert_eq!(log.push(entry), 25);
    log
}

/// An entry whose approvals are these.
fn with_approvals(mut entry: Item, approvals: Vec<Item>) -> Item {
    set(&mut entry, "approvals", Some(Item::Array(approvals)));
    entry
}

/// Signed by another key than the log's last.
fn evidence_signed_by(log: &Log, seed: u8) -> Evidence {
    let (mut evidence, leaves) = (log.evidence(), log.leaves());
    let key = signing_key(seed);
    *evidence.checkpoints.last_mut().unwrap() =
        checkpoint(ORIGIN, leaves.len(), root(&leaves), &key);
    evidence.vkey = vkey(ORIGIN, &key);
    evidence
}

#[test]
fn the_log_of_officers_holds_and_is_told() {
    let log = Log::with_oversight();
    let report = audit(&log.evidence());
    assert!(report.holds(), "{}", report.to_text());
    let told = |officer: &salus_checker::OfficerRecord| {
        let name = officer.name.clone();
        (name, officer.since, officer.self_named, officer.until)
    };
    let officers: Vec<_> = report.officers.iter().map(told).collect();
    let by_log = |name: &str, since, until| (name.to_owned(), since, true, until);
    let by_others = |name: &str, since| (name.to_owned(), since, false, None);
    assert_eq!(
        officers,
        [
            by_log("dpo", 10, Some(19)),
            by_log("ciso", 11, None),
            by_others("irb", 12),
            by_others("deputy", 18),
        ]
    );
    // In the order of the keys, which is that of the approvals.
    let sorted = |mut names: Vec<String>| {
        names.sort();
        names.join(" ")
    };
    let grants = report.grants.into_iter();
    let grants: Vec<_> = grants
        .map(|g| (g.entry, g.old.rho, g.new.rho, sorted(g.approved_by)))
        .collect();
    assert_eq!(
        grants,
        [
            (13, CAP.0, GRANTED.0, "dpo irb".to_owned()),
            (20, GRANTED.0, MORE.0, "ciso irb".to_owned())
        ]
    );
    let reviews = report.reviews.into_iter();
    let reviews: Vec<_> = reviews
        .map(|r| (r.entry, r.from, r.to, r.principal, r.approved_by.join(" ")))
        .collect();
    assert_eq!(
        reviews,
        [
            (16, 0, 15, "r1".to_owned(), "irb".to_owned()),
            (22, 16, 21, "r1".to_owned(), String::new())
        ]
    );
    let incidents = report.incidents.into_iter();
    let incidents: Vec<_> = incidents
        .map(|i| (i.entry, i.reserve, i.loss.rho, i.loss.delta))
        .collect();
    assert_eq!(incidents, [(17, 6, 5, 9), (21, 14, 1, 0)]);
    // The purse counts reserves and incidents, and its cap is the one in force.
    let total = &report.totals[0];
    assert_eq!((total.spent.rho, total.spent.delta), log.purse());
    assert_eq!((total.cap.rho, total.cap.delta), MORE);
    assert_eq!(total.reserves, 4);
    assert_eq!(report.cap, Some(total.cap));
}

#[test]
fn k1_a_key_without_an_endorsement_or_with_one_too_many() {
    let mut unsigned = Log::with_oversight();
    set(&mut unsigned.entries[9], "signature", None);
    unsigned.signed_anew(9, true);
    expect(&unsigned, &["K1@9"]);
    let mut first = Log::with_oversight();
    set(
        &mut first.entries[1],
        "signature",
        Some(Item::Bytes(vec![0; 64])),
    );
    first.signed_anew(1, true);
    expect(&first, &["K1@1"]);
}

#[test]
fn k1_an_endorsement_by_another_than_the_key_before() {
    // A stranger's, its own, and that of a key which is an officer's.
    for seed in [3, 2, CISO] {
        expect(&replaced(9, endorsed(2, seed)), &["K1@9"]);
    }
    // By the key before it, over another log's statement, and over the bytes without a name.
    let other = statement("other.example", &endorsed(2, 1));
    let plain = statement(ORIGIN, &endorsed(2, 1))[19..].to_vec();
    for wrong in [other, plain] {
        let mut approval = approval(1, &wrong);
        let mut key = endorsed(2, 1);
        set(
            &mut key,
            "signature",
            Some(approval.at("signature").clone()),
        );
        expect(&replaced(9, key), &["K1@9"]);
    }
}

#[test]
fn k1_a_key_that_is_used_twice() {
    let log = ending(endorsed(1, 2));
    let report = audit(&evidence_signed_by(&log, 1));
    assert_eq!(named(&report), ["K1@25"], "{}", report.to_text());
    // A third key that the second endorses is as good as the second.
    let log = ending(endorsed(3, 2));
    assert!(audit(&evidence_signed_by(&log, 3)).holds());
    // Endorsed by the first, which is no longer in force.
    let log = ending(endorsed(3, 1));
    assert_eq!(named(&audit(&evidence_signed_by(&log, 3))), ["K1@25"]);
    // A broken endorsement is named once, not at each key after it.
    let mut log = replaced(9, endorsed(2, 7));
    log.push(endorsed(3, 2));
    assert_eq!(named(&audit(&evidence_signed_by(&log, 3))), ["K1@9"]);
}

#[test]
fn a1_who_may_approve() {
    let more = |by: &[u8]| grant(GRANTED, MORE, 1, by);
    expect(&replaced(20, more(&[CISO, IRB])), &[]);
    expect(&replaced(20, more(&[CISO, IRB, DEPUTY])), &[]);
    // One twice, one who has gone, one who never came, the log's own key.
    expect(&replaced(20, more(&[CISO, CISO])), &["A1@20"]);
    expect(&replaced(20, more(&[DPO, IRB])), &["A1@20"]);
    expect(&replaced(20, more(&[IRB, 15])), &["A1@20"]);
    expect(&replaced(20, more(&[IRB, 2])), &["A1@20"]);
    // Two who are good do not make up for a third who is not.
    expect(&replaced(20, more(&[CISO, IRB, DPO])), &["A1@20"]);
    // One who comes later.
    let early = grant(CAP, GRANTED, 0, &[DPO, DEPUTY]);
    expect(&replaced(13, early), &["A1@13"]);
    // Nobody approves herself in: an officer is active from the entry after hers on.
    let herself = officer(DEPUTY, "deputy", true, &[CISO, DEPUTY]);
    expect(&replaced(18, herself), &["A1@18"]);
}

#[test]
fn a1_approvals_are_in_the_order_of_their_officers() {
    let good = grant(GRANTED, MORE, 1, &[CISO, IRB]);
    let Item::Array(mut two) = good.clone().at("body.approvals").clone() else {
        unreachable!()
    };
    two.reverse();
    expect(&replaced(20, with_approvals(good, two)), &["A1@20"]);
}

#[test]
fn a1_an_approval_is_of_this_statement() {
    let good = grant(GRANTED, MORE, 1, &[CISO, IRB]);
    let elsewhere = statement("other.example", &good);
    let other_body = statement(ORIGIN, &grant(GRANTED, CEILING, 1, &[]));
    let mut as_officer = good.clone();
    *as_officer.at("kind") = text("officer");
    let other_kind = statement(ORIGIN, &as_officer);
    let without_name = statement(ORIGIN, &good)[19..].to_vec();
    for wrong in [elsewhere, other_body, other_kind, without_name] {
        let mut grant = good.clone();
        set(
            &mut grant,
            "approvals",
            Some(approvals(&[CISO, IRB], &wrong)),
        );
        expect(&replaced(20, grant), &["A1@20"]);
    }
    // One officer's signature under another's key.
    let signed = statement(ORIGIN, &good);
    let mut lent = approval(CISO, &signed);
    *lent.at("officer") = public(IRB);
    let mut both = vec![approval(DEPUTY, &signed), lent];
    both.sort_by_key(|approval| approval.clone().at("officer").encode());
    expect(&replaced(20, with_approvals(good, both)), &["A1@20"]);
}

#[test]
fn a1_of_reviews_and_incidents() {
    let log = Log::with_oversight();
    let look = |by: &[u8]| review(0, 21, log.root_of(22), by);
    expect(&ending(look(&[])), &[]);
    expect(&ending(look(&[DEPUTY])), &[]);
    expect(&ending(look(&[DPO])), &["A1@25"]);
    let incident = |by: &[u8]| incident(6, MORE, log.purse(), (1, 1), by);
    expect(&ending(incident(&[DEPUTY])), &[]);
    expect(&ending(incident(&[DPO])), &["A1@25"]);
    // An empty list is no way to say that nobody approved.
    expect(&ending(with_approvals(look(&[]), vec![])), &["F1@25"]);
    expect(&ending(with_approvals(incident(&[]), vec![])), &["F1@25"]);
}

#[test]
fn o1_the_third_officer_needs_two() {
    expect(&replaced(12, officer(IRB, "irb", true, &[])), &["O1@12"]);
    expect(
        &replaced(12, officer(IRB, "irb", true, &[CISO])),
        &["F1@12"],
    );
    // The first two may not have them from others: there are none.
    let early = replaced(11, officer(CISO, "ciso", true, &[DPO, CISO]));
    expect(&early, &["A1@11"]);
    // Two entries stand before the third, whatever they say.
    let mut log = Log::with_oversight();
    log.entries.truncate(11);
    log.push(officer(DPO, "dpo", false, &[])); // 11
    log.push(officer(CISO, "ciso", true, &[])); // 12
    expect(&log, &["O1@11", "O1@12"]);
}

#[test]
fn o1_two_stay() {
    let two = |gone: u8, name: &str| {
        let mut log = Log::with_oversight();
        log.entries.truncate(12);
        log.push(officer(gone, name, false, &[DPO, CISO]));
        log
    };
    expect(&two(CISO, "ciso"), &["O1@12"]);
    expect(&two(DPO, "dpo"), &["O1@12"]);
    // Of three in force one may go, then none; she may have a say in it, and needs a second.
    let mut log = Log::with_oversight();
    log.push(officer(IRB, "irb", false, &[IRB, DEPUTY]));
    expect(&log, &[]);
    log.push(officer(CISO, "ciso", false, &[CISO, DEPUTY]));
    expect(&log, &["O1@26"]);
    let alone = officer(IRB, "irb", false, &[]);
    expect(&ending(alone), &["O1@25"]);
}

#[test]
fn o1_names() {
    let deputy = |name: &str| officer(DEPUTY, name, true, &[CISO, IRB]);
    expect(&replaced(18, deputy("irb")), &["O1@18"]);
    expect(&replaced(18, deputy("")), &["O1@18"]);
    // Another name is as good.
    expect(&replaced(18, deputy("IRB")), &[]);
    // The name of one who has gone is free.
    expect(&ending(officer(15, "dpo", true, &[CISO, IRB])), &[]);
    // Whoever goes goes by her name.
    let gone = |seed, name| officer(seed, name, false, &[CISO, DEPUTY]);
    expect(&ending(gone(IRB, "irb")), &[]);
    expect(&ending(gone(IRB, "ciso")), &["O1@25"]);
    expect(&ending(gone(IRB, "")), &["O1@25"]);
}

#[test]
fn o1_keys() {
    let comes = |seed| officer(seed, "new", true, &[CISO, IRB]);
    expect(&ending(comes(15)), &[]);
    // The log's keys, old and new; an officer who has gone; one who is there.
    for seed in [1, 2, DPO, CISO] {
        expect(&ending(comes(seed)), &["O1@25"]);
    }
    // Nobody goes twice, or without having come.
    for (seed, name) in [(DPO, "dpo"), (15, "new")] {
        expect(
            &ending(officer(seed, name, false, &[CISO, IRB])),
            &["O1@25"],
        );
    }
    // The first officer cannot be one who goes.
    let mut log = Log::with_oversight();
    log.entries.truncate(10);
    log.push(officer(DPO, "dpo", false, &[]));
    expect(&log, &["O1@10"]);
}

#[test]
fn what_cannot_be_read_is_not_held_against_what_relies_on_it() {
    let log = Log::with_oversight();
    for index in 9..log.entries.len() {
        let mut log = log.clone();
        *log.entries[index].at("v") = Item::Uint(2);
        log.signed_anew(index, true);
        let findings = named(&audit(&log.evidence()));
        let f1 = format!("F1@{index}");
        // Of the key that signs, T2 says that no entry puts it in force.
        let rest: Vec<_> = findings.iter().filter(|name| **name != f1).collect();
        let expected: &[&str] = if index == 9 { &["T2@1"] } else { &[] };
        assert_eq!(rest, expected, "{index}: {findings:?}");
        assert!(findings.contains(&f1));
    }
    // Nor that there are too few officers, where some may not have been read.
    let mut few = log.clone();
    for index in [12, 18] {
        *few.entries[index].at("v") = Item::Uint(2);
        few.signed_anew(index, true);
    }
    expect(&few, &["F1@12", "F1@18"]);
    // It may have named an officer whom nobody knows; one who has gone it has not, nor the log's own key.
    let approved_by = |by: &[u8]| {
        let mut log = log.clone();
        log.push(grant(MORE, CEILING, 2, by)); // 25
        *log.entries[18].at("v") = Item::Uint(2);
        log.signed_anew(18, true);
        log
    };
    expect(&approved_by(&[IRB, DEPUTY]), &["F1@18"]);
    expect(&approved_by(&[IRB, 15]), &["F1@18"]);
    expect(&approved_by(&[IRB, DPO]), &["F1@18", "A1@25"]);
    expect(&approved_by(&[IRB, 1]), &["F1@18", "A1@25"]);
    // After an unreadable entry a cap is believed, once, and not above the ceiling.
    let mut log = log;
    log.push(grant(MORE, CEILING, 2, &[CISO, IRB])); // 25
    *log.entries[25].at("v") = Item::Uint(2);
    let mut believed = log.clone();
    believed.push_reserve(CEILING);
    believed.push_reserve(CEILING);
    expect(&believed, &["F1@25"]);
    believed.push_reserve(MORE);
    expect(&believed, &["F1@25", "B1@30"]);
    let mut confirmed = log.clone();
    confirmed.push_reserve(MORE);
    confirmed.push_reserve(CEILING);
    expect(&confirmed, &["F1@25", "B1@28"]);
    log.push_reserve((CEILING.0 + 1, CEILING.1));
    expect(&log, &["F1@25", "B1@26"]);
}
