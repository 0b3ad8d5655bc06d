//! Rules E1, E2 and E3, and who a key may belong to: each broken by hand in logs that are otherwise right.

mod log;

use log::oversight::{
    CEILING, CISO, DEPUTY, DPO, IRB, MORE, NOW, approved, endorsed, officer, public, set,
};
use log::succession::{NEXT, NEXT_KEY, OLD, OLD_KEYS, carried, opened_with, seal};
use log::{Item, Log, ORIGIN, checkpoint, delta, hash, loss, refuse, root, signing_key, text};
use salus_checker::{Evidence, Report, Trust, audit, audit_with};

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

fn compared(log: &Log, before: Evidence) -> Report {
    let trust = Trust {
        predecessors: vec![before],
        ..Trust::default()
    };
    audit_with(&log.evidence(), &trust)
}

/// The log with one item changed, and signed again by all.
fn changed(log: &Log, index: usize, path: &str, new: Item) -> Log {
    let mut log = log.clone();
    *log.entries[index].at(path) = new;
    log.signed_anew(index, false);
    log
}

#[test]
fn a_log_that_goes_on_holds_and_is_told() {
    for (old, log, read) in [
        (Log::old_sealed(), Log::after_seal(), None),
        (Log::old(), Log::after_loss(), Some(25)),
    ] {
        expect(&log, &[]);
        let report = audit(&old.old_evidence());
        assert!(report.holds(), "{}", report.to_text());
        assert_eq!(report.sealed.is_some(), read.is_none());
        let report = compared(&log, old.old_evidence());
        assert!(report.holds(), "{}", report.to_text());
        let opening = report.opening.clone().unwrap();
        assert_eq!((opening.origin.as_str(), opening.read), (OLD, read));
        assert_eq!(opening.size, Some(old.entries.len() as u64));
        assert_eq!((opening.spent.rho, opening.spent.delta), old.purse());
        assert!(opening.compared);
        assert_eq!(
            opening.approved_by.len(),
            if read.is_some() { 2 } else { 0 }
        );
        let sealed = report.sealed.clone().unwrap();
        assert_eq!((sealed.entry, sealed.successor.as_str()), (10, NEXT));
        assert_eq!((sealed.spent.rho, sealed.spent.delta), log.purse());
        assert_eq!(report.totals[0].spent, sealed.spent);
        assert_eq!(report.officers.len(), 3);
        assert!(report.officers.iter().all(|officer| !officer.self_named));
        // Without that log the report says that it was not there.
        let alone = audit(&log.evidence());
        assert!(alone.to_text().contains("attested, bring that log"));
        assert!(report.to_text().contains("compared with that log"));
        assert!(!alone.opening.unwrap().compared);
    }
}

#[test]
fn e1_nothing_follows_a_seal() {
    let mut log = Log::after_seal();
    log.push(refuse());
    expect(&log, &["E1@11"]);
    let mut log = Log::after_seal();
    let again = log.entries[10].clone();
    log.push(again);
    log.push_review(0, 10, &[]);
    expect(&log, &["E1@11", "E1@12"]);
    // Nor something that cannot be read.
    let mut log = Log::after_seal();
    log.push(refuse());
    *log.entries[11].at("v") = Item::Uint(2);
    expect(&log, &["E1@11", "F1@11"]);
}

#[test]
fn e1_what_the_log_adds_up_to() {
    let log = Log::after_seal();
    let (rho, spent_delta) = log.purse();
    let totals = |path: &str, new: Item| changed(&log, 10, &format!("body.totals.{path}"), new);
    expect(&totals("spent.rho", Item::Uint(rho - 1)), &["E1@10"]);
    expect(&totals("spent.delta", delta(spent_delta + 1)), &["E1@10"]);
    expect(&totals("cap", loss(MORE.0, MORE.1)), &["E1@10"]);
    let hers = log.hers();
    for limits in [
        vec![carried("analyst:a7", (hers.0 - 1, hers.1))],
        vec![carried("analyst:a8", hers)],
        vec![carried("analyst:a7", hers), carried("analyst:a7", hers)],
        vec![carried("analyst:a7", hers), carried("analyst:a8", hers)],
    ] {
        expect(&totals("limits", Item::Array(limits)), &["E1@10"]);
    }
    let mut without = log.clone();
    without.entries[10] = seal((NEXT, NEXT_KEY), CEILING, log.purse(), vec![]);
    expect(&without, &["E1@10"]);
    expect(&totals("limits", Item::Array(vec![])), &["F1@10"]);
    // After what cannot be read, totals that are not below are believed.
    let mut unread = log.clone();
    *unread.entries[9].at("v") = Item::Uint(2);
    expect(&unread, &["F1@9"]);
    let mut more = unread.clone();
    *more.entries[10].at("body.totals.spent.rho") = Item::Uint(rho + 1);
    let limits = vec![
        carried("analyst:a7", (hers.0 + 1, hers.1)),
        carried("analyst:new", hers),
    ];
    *more.entries[10].at("body.totals.limits") = Item::Array(limits);
    expect(&more, &["F1@9"]);
    let mut less = unread;
    *less.entries[10].at("body.totals.spent.rho") = Item::Uint(rho - 1);
    expect(&less, &["F1@9", "E1@10"]);
}

#[test]
fn e1_the_successor_the_officers_and_the_time() {
    let log = Log::after_seal();
    let named = |origin: &str, key| {
        let mut log = log.clone();
        log.entries[10] = seal(
            (origin, key),
            CEILING,
            log.purse(),
            vec![carried("analyst:a7", log.hers())],
        );
        log
    };
    expect(&named(NEXT, NEXT_KEY), &[]);
    expect(&named(ORIGIN, NEXT_KEY), &["E1@10"]);
    // Keys of the log, old and new, of an officer, and of the log before it.
    for taken in [1, 2, CISO, DEPUTY, OLD_KEYS + 2] {
        expect(&named(NEXT, taken), &["E1@10"]);
    }
    expect(&changed(&log, 10, "body.expires", Item::Uint(NOW)), &[]);
    expect(
        &changed(&log, 10, "body.expires", Item::Uint(NOW - 1)),
        &["E1@10"],
    );
    expect(&changed(&log, 10, "body.reason", hash("another")), &[]);
    let mut alone = log.clone();
    alone.entries[10] = approved(log.entries[10].clone(), &[CISO]);
    expect(&alone, &["F1@10"]);
    set(&mut alone.entries[10], "approvals", None);
    expect(&alone, &["F1@10"]);
    let mut stranger = log.clone();
    stranger.entries[10] = approved(log.entries[10].clone(), &[CISO, 15]);
    expect(&stranger, &["A1@10"]);
    let mut gone = log.clone();
    gone.entries[10] = approved(log.entries[10].clone(), &[CISO, DPO]);
    expect(&gone, &["A1@10"]);
}

#[test]
fn e2_what_a_genesis_says_holds_together() {
    let log = Log::after_loss();
    let says = |path: &str, new: Item| changed(&log, 0, &format!("body.predecessor.{path}"), new);
    let old = Log::old();
    let note = |origin: &str, size: usize, key: u8| {
        Item::Bytes(checkpoint(
            origin,
            size,
            root(&old.leaves()),
            &signing_key(key),
        ))
    };
    expect(&says("checkpoint", note(OLD, 28, OLD_KEYS + 2)), &[]);
    expect(&says("checkpoint", note(OLD, 24, OLD_KEYS + 2)), &["E2@0"]);
    expect(&says("checkpoint", note(OLD, 28, OLD_KEYS + 1)), &["E2@0"]);
    expect(
        &says("checkpoint", note(ORIGIN, 28, OLD_KEYS + 2)),
        &["E2@0"],
    );
    expect(&says("checkpoint", Item::Bytes(vec![])), &["E2@0"]);
    expect(&says("origin", text(ORIGIN)), &["E2@0"]);
    for (read, findings) in [
        (2, &[][..]),
        (28, &[]),
        (1, &["E2@0"]),
        (0, &["E2@0"]),
        (29, &["E2@0"]),
    ] {
        expect(&says("read", Item::Uint(read)), findings);
    }
    // Another first key than the one that was named; and one that is taken.
    expect(&says("successor", public(3)), &["E2@1"]);
    expect(&says("successor", public(CISO)), &["E2@0", "E2@1"]);
    let one = |path: &str| {
        log.entries[0]
            .clone()
            .at(&format!("body.predecessor.{path}"))
            .clone()
    };
    let [first, second, third] = [0, 1, 2].map(|n| one(&format!("officers.{n}")));
    let officers = |all: &[&Item]| {
        says(
            "officers",
            Item::Array(all.iter().map(|item| (*item).clone()).collect()),
        )
    };
    expect(&officers(&[&first]), &["F1@0"]);
    assert!(
        named(&audit(&officers(&[&second, &first, &third]).evidence()))
            .contains(&"E2@0".to_owned())
    );
    assert!(
        named(&audit(&officers(&[&first, &second, &second]).evidence()))
            .contains(&"E2@0".to_owned())
    );
    let mut namesake = third.clone();
    *namesake.at("name") = first.clone().at("name").clone();
    expect(&officers(&[&first, &second, &namesake]), &["E2@0"]);
    let hers = one("limits.0");
    expect(
        &says("limits", Item::Array(vec![hers.clone(), hers.clone()])),
        &["E2@0"],
    );
    let mut late = hers.clone();
    *late.at("scope") = text("analyst:a0");
    expect(
        &says("limits", Item::Array(vec![hers, late])),
        &["E2@0", "E1@10"],
    );
}

#[test]
fn e2_a_lost_log_is_succeeded_by_two_of_its_officers_and_a_sealed_one_by_its_seal() {
    let lost = Log::after_loss();
    let by = |by: &[u8]| {
        let mut log = lost.clone();
        log.entries[0] = approved(log.entries[0].clone(), by);
        log
    };
    expect(&by(&[CISO, DEPUTY]), &[]);
    expect(&by(&[CISO, DPO]), &["A1@0"]);
    expect(&by(&[CISO, 15]), &["A1@0"]);
    expect(&by(&[CISO, 1]), &["A1@0"]);
    expect(&by(&[CISO]), &["F1@0"]);
    let expect_first = |log: &Log| assert_eq!(named(&audit(&log.evidence()))[0], "F1@0");
    expect_first(&by(&[]));
    // Approvals of nothing, and a loss that nobody approved.
    let mut sealed = Log::after_seal();
    sealed.entries[0] = approved(sealed.entries[0].clone(), &[CISO, IRB]);
    expect_first(&sealed);
    let mut nobody = lost.clone();
    set(&mut nobody.entries[0], "approvals", None);
    expect_first(&nobody);
}

#[test]
fn officers_who_go_on_are_not_named_by_the_log_alone() {
    let mut log = Log::after_seal();
    log.entries.pop();
    log.push(officer(15, "new", true, &[])); // 10
    expect(&log, &["O1@10"]);
    let mut log = Log::after_seal();
    log.entries.pop();
    log.push(officer(15, "new", true, &[CISO, DEPUTY]));
    log.push(officer(DEPUTY, "deputy", false, &[CISO, IRB]));
    log.push(officer(16, "deputy", true, &[CISO, 15]));
    expect(&log, &[]);
    // Neither their keys nor that of the log before this one come again.
    log.push(officer(OLD_KEYS + 2, "old", true, &[CISO, IRB]));
    log.push(officer(DEPUTY, "again", true, &[CISO, IRB]));
    expect(&log, &["O1@13", "O1@14"]);
}

#[test]
fn k1_no_officers_key_becomes_the_logs() {
    // One who is active, one who has gone, one who goes on from the log before.
    for seed in [CISO, DPO] {
        let mut log = Log::with_oversight();
        let index = usize::try_from(log.push(endorsed(seed, 2))).unwrap();
        log.sizes = vec![index];
        let mut evidence = log.evidence();
        let leaves = log.leaves();
        let key = signing_key(seed);
        evidence
            .checkpoints
            .push(checkpoint(ORIGIN, leaves.len(), root(&leaves), &key));
        evidence.vkey = log::vkey(ORIGIN, &key);
        assert_eq!(named(&audit(&evidence)), [format!("K1@{index}")]);
    }
    let mut log = Log::after_seal();
    log.entries[8] = endorsed(DEPUTY, 1);
    let leaves = log.leaves();
    let mut evidence = log.evidence();
    let key = signing_key(DEPUTY);
    *evidence.checkpoints.last_mut().unwrap() =
        checkpoint(ORIGIN, leaves.len(), root(&leaves), &key);
    evidence.vkey = log::vkey(ORIGIN, &key);
    assert_eq!(named(&audit(&evidence)), ["K1@8"]);
}

/// What E3 says of each of these, and whether it is said at all.
fn carried_over(log: &Log, before: Evidence) -> Vec<String> {
    assert_eq!(named(&audit(&log.evidence())), Vec::<String>::new());
    let report = compared(log, before);
    assert!(
        report
            .findings
            .iter()
            .all(|f| f.rule == "E3" && f.index == Some(0))
    );
    report.findings.into_iter().map(|f| f.what).collect()
}

#[test]
fn e3_a_sealed_log_is_carried_to_the_letter() {
    let (old, log) = (Log::old_sealed(), Log::after_seal());
    let evidence = || old.old_evidence();
    let says = |log: &Log, what: &str| {
        let found = carried_over(log, evidence());
        assert!(
            found.len() == 1 && found[0].contains(what),
            "{what}: {found:?}"
        );
    };
    let (rho, spent_delta) = old.purse();
    for spent in [
        (rho - 1, spent_delta),
        (rho + 1, spent_delta),
        (0, 0),
        (rho, spent_delta - 1),
    ] {
        let mut log = log.clone();
        opened_with(&mut log, spent);
        says(&log, "what had been spent");
    }
    let genesis = |path: &str, new: Item| changed(&log, 0, &format!("body.{path}"), new);
    says(
        &genesis("ceiling.rho", Item::Uint(CEILING.0 + 1)),
        "ceiling",
    );
    says(&genesis("ceiling.delta", delta(CEILING.1 + 1)), "ceiling");
    // Of an officer who approved nothing: whoever else is put there is nobody of the log before.
    let third = (0..3).find(|n| {
        log.entries[0]
            .clone()
            .at(&format!("body.predecessor.officers.{n}.name"))
            == &text("deputy")
    });
    let deputy = format!("predecessor.officers.{}", third.unwrap());
    says(
        &genesis(&format!("{deputy}.name"), text("mallory")),
        "officers",
    );
    let mut space = log.clone();
    for index in [0, 2] {
        *space.entries[index].at("body.space") = text("state");
    }
    for (index, path) in [(6, "body.accounts.0.scope"), (9, "body.scope")] {
        *space.entries[index].at(path) = text("space:state");
    }
    space.signed_anew(usize::MAX, false);
    says(&space, "identity space");
    // A lower ceiling is no harm; a higher cap is.
    let mut cap = log.clone();
    for (index, path) in [(0, "body.cap"), (6, "body.accounts.0.cap"), (9, "body.old")] {
        *cap.entries[index].at(path) = loss(MORE.0 + 1, MORE.1);
    }
    cap.signed_anew(usize::MAX, false);
    says(&cap, "cap");
    // Another log, another end, none at all.
    let other = carried_over(&log, Log::with_oversight().evidence());
    assert!(other[0].contains("the log before it is"), "{other:?}");
    let found = carried_over(&log, Log::old().old_evidence());
    assert!(
        found.iter().any(|what| what.contains("not sealed")),
        "{found:?}"
    );
    let mut broken = evidence();
    broken.entries[3][9] ^= 1;
    assert!(carried_over(&log, broken)[0].contains("fails: "));
    assert!(carried_over(&log, Evidence::default())[0].contains("fails: "));
    assert!(carried_over(&Log::sample(), evidence())[0].contains("from no log"));
}

#[test]
fn e3_the_seal_names_the_one_successor() {
    let log = Log::after_seal();
    let hers = Log::old().hers();
    for named in [(ORIGIN, 3), (NEXT, 1)] {
        let mut old = Log::old();
        old.push(seal(
            named,
            MORE,
            old.purse(),
            vec![carried("analyst:a7", hers)],
        ));
        old.signed_anew(usize::MAX, false);
        // The checkpoint is of that log, so the seal alone is another.
        let mut log = log.clone();
        *log.entries[0].at("body.predecessor") = old.left(None);
        let found = carried_over(&log, old.old_evidence());
        assert_eq!(found, ["the seal names another successor"]);
    }
}

#[test]
fn e3_a_lost_log_is_carried_with_no_less_than_is_left_of_it() {
    let old = Log::old();
    let log = Log::after_loss();
    let mut less = log.clone();
    let (rho, spent_delta) = old.purse();
    opened_with(&mut less, (rho - 1, spent_delta));
    assert_eq!(
        carried_over(&less, old.old_evidence()),
        ["more had been spent"]
    );
    opened_with(&mut less, (rho + 9, spent_delta));
    assert_eq!(
        carried_over(&less, old.old_evidence()),
        Vec::<String>::new()
    );
    // A backup of the entries that were read says less, and that is all that can be held against it.
    let mut backup = old.clone();
    backup.entries.truncate(25);
    backup.sizes = vec![9, 10, 25];
    assert_eq!(
        carried_over(&log, backup.old_evidence()),
        Vec::<String>::new()
    );
    backup.entries.truncate(24);
    backup.sizes = vec![9, 10, 24];
    assert!(carried_over(&log, backup.old_evidence())[0].contains("fewer entries than the 25"));
    // It was not lost, as is seen.
    let found = carried_over(&log, Log::old_sealed().old_evidence());
    assert_eq!(found, ["the log before it was sealed, not lost"]);
    // Another history of the same name and keys.
    let mut other = old.clone();
    *other.entries[5].at("body.commitment") = hash("another");
    other.signed_anew(usize::MAX, false);
    let found = carried_over(&log, other.old_evidence());
    assert_eq!(
        found,
        ["the checkpoint is of another history than the log before it"]
    );
    // A cap that nobody has granted, unless nothing is left in the purse for good.
    let mut cap = log.clone();
    for (index, path) in [(0, "body.cap"), (6, "body.accounts.0.cap"), (9, "body.old")] {
        *cap.entries[index].at(path) = loss(MORE.0 + 1, MORE.1);
    }
    cap.signed_anew(usize::MAX, false);
    assert_eq!(
        carried_over(&cap, old.old_evidence()),
        ["the cap is above the one that was in force"]
    );
}

#[test]
fn e3_goes_back_as_far_as_logs_are_brought() {
    let (old, log) = (Log::old_sealed(), Log::after_seal());
    let trust = |predecessors| Trust {
        predecessors,
        ..Trust::default()
    };
    // The old log itself goes on from none, so a third is one too many.
    let one_too_many = trust(vec![old.old_evidence(), old.old_evidence()]);
    let report = audit_with(&log.evidence(), &one_too_many);
    assert!(
        report.findings[0].what.contains("goes on from no log"),
        "{}",
        report.to_text()
    );
}
