//! Rules G1 and R1, and the incidents of B1: what officers decide.

use crate::log::oversight::{
    CAP, CEILING, CISO, GRANTED, IRB, MORE, NOW, approved, grant, incident, review,
};
use crate::log::{Item, Log, delta, hash, loss, text};
use crate::{ending, expect, named};
use salus_checker::audit;

#[test]
fn g1_the_cap_in_force_and_the_ceiling() {
    let both = [CISO, IRB];
    let raise = |old, new| grant(old, new, 2, &both);
    expect(&ending(raise(MORE, CEILING)), &[]);
    expect(&ending(raise(MORE, (MORE.0 + 1, MORE.1))), &[]);
    expect(&ending(raise(MORE, (MORE.0, MORE.1 + 1))), &[]);
    // Above the ceiling by one unit, in either.
    expect(&ending(raise(MORE, (CEILING.0 + 1, CEILING.1))), &["G1@25"]);
    expect(&ending(raise(MORE, (CEILING.0, CEILING.1 + 1))), &["G1@25"]);
    // From another cap than the one in force.
    expect(&ending(raise(GRANTED, CEILING)), &["G1@25"]);
    expect(&ending(raise((MORE.0, MORE.1 + 1), CEILING)), &["G1@25"]);
    // Lower in one of the two, or the same.
    expect(&ending(raise(MORE, (MORE.0 - 1, CEILING.1))), &["G1@25"]);
    expect(&ending(raise(MORE, (CEILING.0, MORE.1 - 1))), &["G1@25"]);
    expect(&ending(raise(MORE, MORE)), &["G1@25"]);
}

#[test]
fn g1_scope_time_and_nonce() {
    let change = |path: &str, new: Item| {
        let mut entry = grant(MORE, CEILING, 2, &[]);
        *entry.at(path) = new;
        ending(approved(entry, &[CISO, IRB]))
    };
    expect(&change("body.scope", text("space:state")), &["G1@25"]);
    expect(&change("body.scope", text("analyst:a7")), &["G1@25"]);
    expect(&change("body.expires", Item::Uint(NOW)), &[]);
    expect(&change("body.expires", Item::Uint(NOW - 1)), &["G1@25"]);
    for used in [0, 1] {
        let nonce = Item::Bytes(vec![used; 16]);
        expect(&change("body.nonce", nonce), &["G1@25"]);
    }
    for length in [0, 15, 17] {
        let nonce = Item::Bytes(vec![9; length]);
        expect(&change("body.nonce", nonce), &["F1@25"]);
    }
    expect(&change("body.reason", hash("another")), &[]);
    // The same grant once more, with its approvals.
    let again = Log::with_oversight().entries[20].clone();
    expect(&ending(again), &["G1@25"]);
    // Two approvals, always.
    expect(&ending(grant(MORE, CEILING, 2, &[])), &["F1@25"]);
    expect(&ending(grant(MORE, CEILING, 2, &[CISO])), &["F1@25"]);
}

#[test]
fn a_broken_grant_is_reported_once() {
    // Nobody approved it, it lies about the cap, and it is above the ceiling: accounts after it state it all the same.
    let above = (CEILING.0 + 1, CEILING.1);
    let mut log = ending(grant(CAP, above, 0, &[15, 16]));
    log.push_reserve(above);
    log.push_reserve(above);
    expect(&log, &["A1@25", "G1@25"]);
    // What does not state it is at fault itself.
    log.push_reserve(MORE);
    expect(&log, &["A1@25", "G1@25", "B1@30"]);
}

#[test]
fn r1_what_was_looked_at() {
    let log = Log::with_oversight();
    let look = |from, to, size| ending(review(from, to, log.root_of(size), &[]));
    expect(&look(0, 24, 25), &[]);
    expect(&look(24, 24, 25), &[]);
    expect(&look(0, 0, 1), &[]);
    // The root of one entry less, and of none.
    expect(&look(0, 24, 24), &["R1@25"]);
    expect(&look(0, 23, 25), &["R1@25"]);
    // Nothing was looked at.
    expect(&look(24, 23, 24), &["R1@25"]);
    // Itself, and what comes later: of these there is no root that it could state.
    for (from, to) in [(0, 25), (25, 24), (0, u64::MAX), (u64::MAX, u64::MAX)] {
        let findings = named(&audit(&look(from, to, 25).evidence()));
        assert_eq!(findings[0], "F3@25", "{findings:?}");
        let order = if from > to {
            &["F3@25", "R1@25"][..]
        } else {
            &["F3@25"]
        };
        assert_eq!(findings, order);
    }
    // Two of the same entries, in any order.
    let mut log = look(0, 24, 25);
    log.push_review(0, 3, &[]);
    log.push_review(1, 3, &[]);
    expect(&log, &[]);
    *log.entries[26].at("body.root") = hash("another");
    expect(&log, &["R1@26"]);
}

#[test]
fn r1_a_changed_entry_is_not_held_against_those_who_looked_at_it() {
    let mut evidence = Log::with_oversight().evidence();
    let last = evidence.entries[3].len() - 1;
    evidence.entries[3][last] ^= 1;
    let report = audit(&evidence);
    assert!(
        report.findings.iter().all(|f| f.rule != "R1"),
        "{}",
        report.to_text()
    );
    assert!(named(&report).contains(&"T1@3".to_owned()));
    // Without leaf hashes they, too, show that something is another.
    evidence.leaves = None;
    let report = named(&audit(&evidence));
    assert!(report.contains(&"R1@16".to_owned()) && report.contains(&"R1@22".to_owned()));
    // Of a file that is lost there is no root at all, and that is named by itself.
    evidence.entries[3].clear();
    assert_eq!(named(&audit(&evidence))[0], "F1@3");
    let others = |f: &salus_checker::Finding| f.rule == "R1";
    assert!(!audit(&evidence).findings.iter().any(others));
}

#[test]
fn b1_incidents() {
    let purse = Log::with_oversight().purse();
    let entry = || incident(6, MORE, purse, (3, 4), &[]);
    let change = |path: &str, new: Item| {
        let mut entry = entry();
        *entry.at(path) = new;
        ending(entry)
    };
    expect(&ending(entry()), &[]);
    expect(&ending(incident(6, MORE, purse, (3, 0), &[])), &[]);
    expect(&ending(incident(6, MORE, purse, (0, 4), &[])), &[]);
    expect(&ending(incident(6, MORE, purse, (0, 0), &[])), &["B1@25"]);
    expect(&change("body.loss.rho", Item::Uint(2)), &["B1@25"]);
    expect(&change("body.loss.delta", delta(5)), &["B1@25"]);
    let account = "body.accounts.0";
    let scope = change(&format!("{account}.scope"), text("space:state"));
    expect(&scope, &["B1@25"]);
    let cap = change(&format!("{account}.cap"), loss(GRANTED.0, GRANTED.1));
    expect(&cap, &["B1@25"]);
    let after = change(&format!("{account}.after.rho"), Item::Uint(purse.0));
    expect(&after, &["B1@25"]);
    let before = incident(6, MORE, (purse.0 - 1, purse.1), (3, 4), &[]);
    expect(&ending(before), &["B1@25"]);
    // A reserve, and an earlier one; one account.
    for index in [8, 24, 25, u64::MAX] {
        expect(&change("body.reserve", Item::Uint(index)), &["F3@25"]);
    }
    let one = entry().at("body.accounts.0").clone();
    for accounts in [vec![], vec![one.clone(), one]] {
        expect(&change("body.accounts", Item::Array(accounts)), &["F1@25"]);
    }
}

#[test]
fn b1_an_incident_may_pass_the_cap_and_a_reserve_may_not() {
    let mut log = Log::with_oversight();
    let cost = match log.entries[6].at("body.loss.rho") {
        Item::Uint(rho) => *rho,
        _ => unreachable!(),
    };
    let (spent, _) = log.purse();
    log.push(incident(6, MORE, log.purse(), (MORE.0 - spent + 5, 0), &[])); // 25
    expect(&log, &[]);
    assert_eq!(log.purse().0, MORE.0 + 5);
    // Nothing is left, and a reserve after a grant that falls short by one unit does not hold either.
    let mut at_once = log.clone();
    at_once.push_reserve(MORE);
    expect(&at_once, &["B1@26"]);
    let raised = |by: u64| {
        let cap = (MORE.0 + by, MORE.1);
        let mut log = log.clone();
        log.push(grant(MORE, cap, 2, &[CISO, IRB])); // 26
        log.push_reserve(cap);
        log
    };
    expect(&raised(5 + cost - 1), &["B1@27"]);
    expect(&raised(5 + cost), &[]);
}
