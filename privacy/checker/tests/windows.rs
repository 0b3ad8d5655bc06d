//! Rules G1 and B3 of windows: grants of accounts of limits, broken by hand in a log that is otherwise right.

mod log;

use log::limits::{DAY, limit, policy};
use log::oversight::{CAP, CEILING, CISO, DEPUTY, IRB, MORE, NOW, approved, grant};
use log::windows::{CLOSED, HERS, MOST, OPENED, POLICY, RAISED, UNUSED, WIDENED, today, window};
use log::{Item, Log, delta, loss, text};
use salus_checker::audit;

fn findings(log: &Log) -> Vec<String> {
    let report = audit(&log.evidence());
    let mut named: Vec<String> = report
        .findings
        .iter()
        .map(|f| format!("{}@{}", f.rule, f.index.unwrap_or(u64::MAX)))
        .collect();
    named.dedup();
    named
}

/// The log with one entry changed and approved anew.
fn changed(index: usize, path: &str, new: Item) -> Vec<String> {
    let mut log = Log::with_windows();
    *log.entries[index].at(path) = new;
    log.signed_anew(index, false);
    findings(&log)
}

/// The log with one more entry, which is entry 34.
fn ending(entry: Item) -> Vec<String> {
    let mut log = Log::with_windows();
    assert_eq!(log.push(entry), 34);
    findings(&log)
}

fn everybody() -> String {
    today("space", "county")
}

#[test]
fn windows_and_the_purse_have_caps_of_their_own() {
    let log = Log::with_windows();
    let report = audit(&log.evidence());
    assert!(report.holds(), "{}", report.to_text());
    assert_eq!(report.cap.map(|cap| (cap.rho, cap.delta)), Some(MOST));
    let totals: Vec<_> = report
        .totals
        .iter()
        .map(|t| (t.scope.clone(), (t.cap.rho, t.cap.delta), t.reserves))
        .collect();
    let hers = (HERS.0 + 5, HERS.1 + 5);
    assert_eq!(
        totals,
        [
            ("space:county".to_owned(), MOST, 6),
            (today("analyst", "a7"), HERS, 2),
            // Raised, and nothing was charged to it.
            (today("analyst", "a9"), hers, 0),
            (everybody(), log.prices(2), 2),
        ]
    );
    let granted: Vec<_> = report
        .grants
        .iter()
        .map(|g| (g.entry, g.scope.as_str()))
        .collect();
    let everybody = everybody();
    let a9 = today("analyst", "a9");
    assert_eq!(
        granted,
        [
            (13, "space:county"),
            (20, "space:county"),
            (26, everybody.as_str()),
            (29, "space:county"),
            (30, everybody.as_str()),
            (33, a9.as_str()),
        ]
    );
    assert!(report.to_text().contains(&format!("{everybody} from")));
}

#[test]
fn an_account_states_what_was_granted_and_not_what_the_policy_says() {
    let cap = "body.accounts.1.cap";
    assert_eq!(changed(27, cap, loss(CLOSED.0, CLOSED.1)), ["B3@27"]);
    let two = Log::with_windows().prices(2);
    assert_eq!(changed(27, cap, loss(two.0, two.1)), ["B3@27"]);
    assert_eq!(changed(31, cap, loss(MOST.0, MOST.1)), ["B3@31"]);
    // Without the grant the window is closed; with another amount the account states something else.
    let mut log = Log::with_windows();
    let review = log::oversight::review(0, 1, log.root_of(2), &[]);
    log.entries[OPENED] = review;
    log.signed_anew(OPENED, false);
    assert_eq!(findings(&log), ["B3@27", "G1@30"]);
    let one = Log::with_windows().prices(1);
    assert_eq!(
        changed(OPENED, "body.new.rho", Item::Uint(one.0 + 1)),
        ["B3@27", "G1@30"]
    );
    assert_eq!(
        changed(WIDENED, "body.new.delta", delta(two.1 + 1)),
        ["B3@31"]
    );
    // More than was granted.
    let mut log = Log::with_windows();
    log.push_in_window(MOST, two, 2); // 34
    assert_eq!(findings(&log), ["B3@34"]);
}

#[test]
fn the_scope_is_an_account_of_a_limit_in_force() {
    let of = |scope: &str| changed(UNUSED, "body.scope", text(scope));
    // Another analyst has the same limit; everybody's and a purpose's are others.
    assert_eq!(of(&today("analyst", "a10")), [""; 0]);
    assert_eq!(of(&today("analyst", "")), [""; 0]);
    for scope in [
        &everybody(),
        &today("space", "state"),
        &today("space", ""),
        &today("purpose", "PUBHLTH"),
        &today("Analyst", "a9"),
        "analyst:a9",
        "analyst",
        "",
        "space:county",
        &format!("analyst/86400/{DAY}"),
        &format!("analyst/86400/0{DAY}:a9"),
        &format!("analyst/086400/{DAY}:a9"),
        &format!("analyst/86400/{DAY}/0:a9"),
        &format!("analyst/3600/{DAY}:a9"),
        &format!("analyst/86400/+{DAY}:a9"),
    ] {
        assert_eq!(of(scope), ["G1@33"], "{scope}");
    }
    // The one that was charged names the purse, or a later day: what follows is held against what it says.
    assert!(changed(OPENED, "body.scope", text("space:county")).contains(&"G1@26".to_owned()));
    let tomorrow = format!("space/86400/{}:county", DAY + 1);
    assert_eq!(
        changed(OPENED, "body.scope", text(&tomorrow)),
        ["B3@27", "G1@30"]
    );
}

#[test]
fn the_period_is_this_one_or_a_later_one() {
    let of = |period: u64| {
        let scope = format!("analyst/86400/{period}:a9");
        changed(UNUSED, "body.scope", text(&scope))
    };
    for period in [DAY, DAY + 1, u64::MAX / 86_400 - 1] {
        assert_eq!(of(period), [""; 0], "{period}");
    }
    for period in [0, DAY - 1, u64::MAX / 86_400, u64::MAX - 1, u64::MAX] {
        assert_eq!(of(period), ["G1@33"], "{period}");
    }
    // The last second of the day, and the first after it.
    let mut log = Log::with_windows();
    *log.entries[UNUSED].at("body.expires") = Item::Uint(u64::MAX);
    let mut at = |time: u64| {
        *log.entries[UNUSED].at("time") = Item::Uint(time);
        log.signed_anew(UNUSED, false);
        findings(&log)
    };
    assert_eq!(at((DAY + 1) * 86_400 - 1), [""; 0]);
    assert_eq!(at((DAY + 1) * 86_400), ["G1@33"]);
}

#[test]
fn a_window_is_raised_from_the_cap_in_force_up_to_that_of_the_purse() {
    let (one, two) = (Log::with_windows().prices(1), Log::with_windows().prices(2));
    let raise = |old, new| ending(window(&everybody(), old, new, 9));
    assert_eq!(raise(two, MOST), [""; 0]);
    assert_eq!(raise(two, (two.0 + 1, two.1)), [""; 0]);
    assert_eq!(raise(two, (two.0, two.1 + 1)), [""; 0]);
    for (old, new) in [
        (one, MOST),
        (CLOSED, MOST),
        (two, two),
        (two, (two.0 - 1, MOST.1)),
        (two, (MOST.0, two.1 - 1)),
        (two, (MOST.0 + 1, MOST.1)),
        (two, (MOST.0, MOST.1 + 1)),
        (two, CEILING),
    ] {
        assert_eq!(raise(old, new), ["G1@34"], "{old:?} {new:?}");
    }
    // The cap of the purse is the one in force there, not an earlier or later one.
    assert_eq!(changed(UNUSED, "body.new", loss(MOST.0, MOST.1)), [""; 0]);
    let mut log = Log::with_windows();
    log.push(grant(MOST, CEILING, 9, &[CISO, IRB]));
    *log.entries[UNUSED].at("body.new") = loss(MOST.0 + 1, MOST.1);
    log.signed_anew(UNUSED, false);
    assert_eq!(findings(&log), ["G1@33"]);
    // A policy may have a limit above the purse: what is not raised stays as it is.
    let wide = (1, CEILING.1 * 2);
    let mut log = Log::with_windows();
    log.push(policy(3, vec![limit("space", None, Some(86_400), wide)])); // 34
    log.push(window(&everybody(), wide, (MOST.0, wide.1), 9)); // 35
    assert_eq!(findings(&log), [""; 0]);
    *log.entries[35].at("body.new.delta") = delta(wide.1 + 1);
    log.signed_anew(35, false);
    assert_eq!(findings(&log), ["G1@35"]);
}

#[test]
fn time_nonce_and_officers() {
    let two = Log::with_windows().prices(2);
    let more = || window(&everybody(), two, MOST, 9);
    let change = |path: &str, new: Item| {
        let mut entry = more();
        *entry.at(path) = new;
        ending(approved(entry, &[CISO, IRB]))
    };
    assert_eq!(change("body.expires", Item::Uint(NOW)), [""; 0]);
    assert_eq!(change("body.expires", Item::Uint(NOW - 1)), ["G1@34"]);
    // Of the purse, of this window, of another.
    for used in [0, 2, 3, 4, 5] {
        let nonce = Item::Bytes(vec![used; 16]);
        assert_eq!(change("body.nonce", nonce), ["G1@34"]);
    }
    assert_eq!(ending(approved(more(), &[DEPUTY, IRB])), [""; 0]);
    assert_eq!(ending(approved(more(), &[CISO, CISO])), ["A1@34"]);
    assert_eq!(ending(approved(more(), &[CISO])), ["F1@34"]);
    assert_eq!(ending(approved(more(), &[])), ["F1@34"]);
    // Approved for another account.
    let mut moved = more();
    *moved.at("body.scope") = text(&today("analyst", "a7"));
    *moved.at("body.old") = loss(HERS.0, HERS.1);
    assert_eq!(ending(moved), ["A1@34"]);
}

#[test]
fn a_new_policy_begins_anew() {
    let mut log = Log::with_windows();
    let two = log.prices(2);
    let windows = || vec![limit("space", None, Some(86_400), CLOSED)];
    log.push(policy(3, windows())); // 34
    log.push(window(&everybody(), two, MOST, 9)); // 35
    assert_eq!(findings(&log), ["G1@35"]);
    *log.entries[35].at("body.old") = loss(CLOSED.0, CLOSED.1);
    log.signed_anew(35, false);
    assert_eq!(findings(&log), [""; 0]);
    // The analyst's limit is none any more.
    log.push(window(&today("analyst", "a7"), HERS, MOST, 10)); // 36
    assert_eq!(findings(&log), ["G1@36"]);
    // Under a policy without limits there is no window at all, nor before the first policy that has one.
    let mut log = Log::with_windows();
    log.push(log::policy(3, 1 << 40));
    log.push(window(&everybody(), CLOSED, MOST, 9));
    assert_eq!(findings(&log), ["G1@35"]);
    let mut log = Log::with_oversight();
    log.push(window(&everybody(), CLOSED, MORE, 9));
    assert_eq!(findings(&log), ["G1@25"]);
}

#[test]
fn a_broken_grant_of_a_window_is_reported_once() {
    // It lies about the cap and is above the purse; what follows states what it says, and the purse is as it was.
    let mut log = Log::with_windows();
    let above = (MOST.0 + 1, MOST.1);
    log.push(window(&everybody(), CLOSED, above, 9)); // 34
    log.push_in_window(MOST, above, 2); // 35
    log.push(grant(MOST, CEILING, 10, &[CISO, IRB])); // 37
    log.push_in_window(CEILING, above, 3); // 38
    assert_eq!(findings(&log), ["G1@34"]);
    // A broken grant of the purse leaves the window as it was.
    let mut log = Log::with_windows();
    let two = log.prices(2);
    log.push(grant(CAP, CEILING, 9, &[CISO, IRB])); // 34
    log.push(window(&everybody(), two, CEILING, 10)); // 35
    assert_eq!(findings(&log), ["G1@34"]);
}

#[test]
fn what_cannot_be_read_may_have_been_a_policy_or_a_grant() {
    let hidden = |index: usize| {
        let mut log = Log::with_windows();
        *log.entries[index].at("v") = Item::Uint(2);
        log
    };
    for index in [OPENED, RAISED, WIDENED, UNUSED] {
        assert_eq!(findings(&hidden(index)), [format!("F1@{index}")]);
    }
    // The policy is cited by what follows; that it is none that can be read is said once.
    assert_eq!(findings(&hidden(POLICY))[0], "F1@25");
    // The purse may have been raised, to the ceiling at most.
    let mut log = hidden(RAISED);
    log.entries.truncate(RAISED + 1);
    log.push(window(&today("analyst", "a8"), HERS, CEILING, 9)); // 30
    assert_eq!(findings(&log), ["F1@29"]);
    *log.entries[30].at("body.new.rho") = Item::Uint(CEILING.0 + 1);
    log.signed_anew(30, false);
    assert_eq!(findings(&log), ["F1@29", "G1@30"]);
}
