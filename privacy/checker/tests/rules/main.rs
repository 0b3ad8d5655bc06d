//! Each rule, broken by hand in a log that is otherwise right, hashed and signed by the right key.

mod history;
#[path = "../log/mod.rs"]
mod log;
mod prices;

use log::{Item, Log, delta, loss, rational, signing_key, text};
use salus_checker::{Report, audit};

/// The findings as `rule@index`, without doubles.
fn named(report: &Report) -> Vec<String> {
    let mut named: Vec<String> = report
        .findings
        .iter()
        .map(|f| {
            format!(
                "{}@{}",
                f.rule,
                f.index.map_or("-".to_owned(), |n| n.to_string())
            )
        })
        .collect();
    named.dedup();
    named
}

fn expect(log: &Log, findings: &[&str]) {
    let report = audit(&log.evidence());
    assert_eq!(named(&report), findings, "{}", report.to_text());
}

/// The sample with one item changed.
fn with(index: usize, path: &str, new: Item) -> Log {
    let mut log = Log::sample();
    *log.entries[index].at(path) = new;
    log
}

const CERTIFICATE: &str = "body.certificate";

#[test]
fn f1_unknown_versions_kinds_and_forms() {
    expect(&with(13, "v", Item::Uint(2)), &["F1@13"]);
    expect(&with(13, "kind", text("bond")), &["F1@13"]);
    // A known kind, with another's fields.
    expect(&with(13, "kind", text("review")), &["F1@13"]);
    expect(
        &with(10, &format!("{CERTIFICATE}.steps"), Item::Array(vec![])),
        &["F1@10"],
    );
    expect(
        &with(
            10,
            &format!("{CERTIFICATE}.mechanisms"),
            Item::Array(vec![]),
        ),
        &["F1@10"],
    );
    expect(&with(10, "body.accounts", Item::Array(vec![])), &["F1@10"]);
    for bound in ["rows_per_person", "groups_per_person"] {
        let path = format!("{CERTIFICATE}.releases.0.{bound}");
        expect(&with(10, &path, Item::Uint(0)), &["F1@10"]);
    }
    let sigma = format!("{CERTIFICATE}.mechanisms.0.sigma");
    expect(&with(10, &sigma, rational(50, 4)), &["F1@10"]);
    expect(&with(10, &sigma, rational(25, 0)), &["F1@10"]);
    let too_long = Item::Array(vec![Item::Bytes(vec![1; 1025]), log::big(1)]);
    expect(&with(10, &sigma, too_long), &["F1@10"]);
    expect(
        &with(10, "body.loss.delta", delta((1 << 80) + 1)),
        &["F1@10"],
    );
    expect(&with(19, "body.reason", text("refunded")), &["F1@19"]);
}

#[test]
fn f1_the_longest_entry() {
    let refusal = |letters: usize| with(13, "body.rule", text(&"x".repeat(letters)));
    let others = refusal(1_000).entries[13].encode().len() - 1_000;
    for (length, findings) in [(65_535, &[][..]), (65_536, &["F1@13"])] {
        let log = refusal(length - others);
        assert_eq!(log.entries[13].encode().len(), length);
        expect(&log, findings);
    }
}

#[test]
fn f2_the_beginning() {
    let mut log = Log::sample();
    let again = log.push(log::genesis());
    expect(&log, &[&format!("F2@{again}")]);

    expect(&with(0, "body.adjacency", text("one-row")), &["F2@0"]);
    expect(&with(0, "body.ceiling.rho", Item::Uint(10 << 40)), &[]);
    expect(
        &with(0, "body.ceiling.rho", Item::Uint((10 << 40) - 1)),
        &["F2@0"],
    );
    expect(
        &with(0, "body.ceiling.delta", delta((1 << 60) - 1)),
        &["F2@0"],
    );
    expect(&with(0, "body.ceiling.delta", delta((1 << 80) - 1)), &[]);
    expect(&with(0, "body.ceiling.delta", delta(1 << 80)), &["F2@0"]);

    let short = |entries: Vec<Item>| Log {
        sizes: vec![entries.len()],
        entries,
        rotated: 99,
    };
    let key = log::key(&signing_key(1));
    expect(&short(vec![log::genesis(), key.clone()]), &[]);
    // Signed by the verifier key, but the log does not say so.
    expect(&short(vec![log::genesis()]), &["F2@1", "T2@-"]);
    let late = short(vec![log::genesis(), log::policy(1, 1), key.clone()]);
    // And no key is before the first that could have endorsed it.
    expect(&late, &["F2@1", "K1@2"]);
    let none = audit(&short(vec![key, log::genesis()]).evidence());
    assert_eq!(named(&none)[..2], ["F2@0", "F2@1"]);
}

#[test]
fn f3_references() {
    expect(&with(2, "body.space", text("state")), &["F3@2"]);
    for (field, wrong) in [
        ("dataset", [10, 99, 4]),
        ("snapshot", [10, 6, 9]),
        ("catalog", [10, 2, 5]),
        ("policy", [10, 14, 0]),
    ] {
        for index in wrong {
            expect(
                &with(10, &format!("{CERTIFICATE}.{field}"), Item::Uint(index)),
                &["F3@10"],
            );
        }
    }
    // The newest catalog is that of the dataset: claims has none after entry 5, ehr has entry 15.
    expect(
        &with(17, &format!("{CERTIFICATE}.catalog"), Item::Uint(4)),
        &["F3@17"],
    );
    expect(
        &with(17, &format!("{CERTIFICATE}.policy"), Item::Uint(6)),
        &["F3@17"],
    );
    // A snapshot need not be the newest.
    expect(
        &with(17, &format!("{CERTIFICATE}.snapshot"), Item::Uint(7)),
        &[],
    );
    for index in [11, 13, 22, 23, u64::MAX] {
        expect(&with(22, "body.reserve", Item::Uint(index)), &["F3@22"]);
    }
}

#[test]
fn b1_the_purse() {
    let account = |field: &str, new: Item| with(21, &format!("body.accounts.0.{field}"), new);
    expect(&account("scope", text("space:state")), &["B1@21"]);
    expect(&account("cap", loss(11 << 40, 1 << 60)), &["B1@21"]);
    expect(&account("before.rho", Item::Uint(0)), &["B1@21"]);
    expect(&account("after.rho", Item::Uint(0)), &["B1@21"]);
    let mut two = Log::sample();
    let Item::Array(accounts) = two.entries[21].at("body.accounts") else {
        unreachable!()
    };
    accounts.push(accounts[0].clone());
    expect(&two, &["B3@21"]);

    // The cap, to the unit: all accounts state it, so all are changed alike.
    let capped = |cap: u64| {
        let mut log = Log::sample();
        *log.entries[0].at("body.cap.rho") = Item::Uint(cap);
        for index in [10, 12, 17, 18, 20, 21] {
            *log.entries[index].at("body.accounts.0.cap.rho") = Item::Uint(cap);
        }
        log
    };
    let spent = Log::sample().spent();
    expect(&capped(spent), &[]);
    expect(&capped(spent - 1), &["B1@21"]);
}

#[test]
fn a_broken_total_is_reported_once() {
    let mut log = Log::sample();
    let mut spent = log.spent();
    for _ in 0..30 {
        log.push(log::reserve([2, 8, 15, 14], &mut spent));
    }
    expect(&log, &[]);
    // The total states one unit too little from entry 25 on: one entry is at fault, and the next begins with what it says.
    let mut short = log.clone();
    *short.entries[25].at("body.accounts.0.after.rho") = Item::Uint(1);
    expect(&short, &["B1@25", "B1@26"]);
    // An unreadable reserve hides what it took: the next is believed, but not below the total.
    let mut unreadable = log.clone();
    *unreadable.entries[25].at("body.loss") = Item::True;
    expect(&unreadable, &["F1@25"]);
    let spending = |log: &Log, index: usize, before: u64| {
        let mut log = log.clone();
        let Item::Uint(cost) = *log.entries[index].at("body.loss.rho") else {
            unreachable!()
        };
        *log.entries[index].at("body.accounts.0.before.rho") = Item::Uint(before);
        *log.entries[index].at("body.accounts.0.after.rho") = Item::Uint(before + cost);
        log
    };
    expect(&spending(&unreadable, 26, 5), &["F1@25", "B1@26", "B1@27"]);
    // And only the next: a total that jumps later is at fault.
    expect(
        &spending(&unreadable, 27, 1 << 40),
        &["F1@25", "B1@27", "B1@28"],
    );
    // Leaving a reserve out does not give its loss back.
    let mut skipped = log;
    skipped.entries[25] = log::refuse();
    expect(&skipped, &["B1@26"]);
}

#[test]
fn b2_endings() {
    let ended = |endings: &[Item]| {
        let mut log = Log::sample();
        for ending in endings {
            log.push(ending.clone());
        }
        log
    };
    expect(&ended(&[log::release(20), log::release(17)]), &[]);
    expect(&ended(&[log::release(20), log::release(20)]), &["B2@24"]);
    expect(&ended(&[log::release(10)]), &["B2@23"]);
    // A late release after an abort, and an abort that would take a release back.
    expect(&ended(&[log::release(18)]), &["B2@23"]);
    expect(&ended(&[log::abort(22 - 1, "failed")]), &["B2@23"]);
    let report = audit(&ended(&[log::abort(20, "dropped")]).evidence());
    assert_eq!(report.open, [12, 17]);
    assert_eq!(report.totals[0].spent.rho, Log::sample().spent());
}
