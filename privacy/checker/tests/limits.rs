//! Rule B3: the policy's limits, broken by hand in a log that is otherwise right.

mod log;

use log::limits::{CAP, DAY, account, limit, policy};
use log::{Item, Log, delta, text};
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

fn changed(index: usize, path: &str, new: Item) -> Vec<String> {
    let mut log = Log::with_limits();
    *log.entries[index].at(path) = new;
    findings(&log)
}

#[test]
fn a_part_that_is_read_is_charged_as_well() {
    assert!(findings(&Log::with_parts()).is_empty());
    let changed = |index: usize, path: &str, new: Item| {
        let mut log = Log::with_parts();
        *log.entries[index].at(path) = new;
        findings(&log)
    };
    // A table that is not read, and one that is: the account of the part is missing, or one too many.
    let tables = "body.tables.0";
    assert_eq!(changed(32, tables, text("death")), ["B3@35"]);
    assert_eq!(changed(33, tables, text("patient")), ["B3@35"]);
    assert_eq!(changed(33, tables, text("death")), [""; 0]);
    assert_eq!(changed(32, tables, text("person")), ["F1@32"]);
    // A part is charged beside its whole, never in its place.
    assert_eq!(
        changed(35, "body.certificate.dataset", Item::Uint(32)),
        ["B3@35", "F3@35"]
    );
    let whole = text("ehr");
    assert_eq!(changed(32, "body.dataset", whole), ["B3@35"]);
}

#[test]
fn accounts_are_those_of_the_policy_and_add_up() {
    let log = Log::with_limits();
    let report = audit(&log.evidence());
    assert!(report.holds(), "{}", report.to_text());
    let totals: Vec<_> = report
        .totals
        .iter()
        .map(|t| (t.scope.as_str(), t.reserves))
        .collect();
    let (space, purpose) = (
        format!("space/86400/{DAY}:county"),
        format!("purpose/86400/{DAY}:PUBHLTH"),
    );
    assert_eq!(
        totals,
        [
            ("space:county", 8),
            ("analyst:a7", 3),
            ("dataset:claims", 1),
            ("dataset:ehr", 1),
            (&purpose, 2),
            (&space, 2),
        ]
    );

    let text = |t: &str| text(t);
    assert_eq!(
        changed(25, "body.accounts.1.scope", text("space/86400/0:county")),
        ["B3@25", "B3@27"]
    );
    assert_eq!(
        changed(25, "body.accounts.2.scope", text("dataset:claims")),
        ["B3@25", "B3@27"]
    );
    assert_eq!(changed(25, "body.principal", text("a8")), ["B3@25"]);
    assert_eq!(changed(25, "body.purpose", text("HRESCH")), ["B3@25"]);
    assert_eq!(changed(29, "body.principal", text("a8")), ["B3@29"]);
    // A repeated answer counts for the analyst alone.
    assert_eq!(changed(29, "body.purpose", text("HRESCH")), [""; 0]);
    // The next day has an account of its own.
    assert_eq!(
        changed(25, "time", Item::Uint((DAY + 1) * 86_400)),
        ["B3@25"]
    );
    assert_eq!(
        changed(25, "time", Item::Uint((DAY + 1) * 86_400 - 1)),
        [""; 0]
    );
    for part in ["before", "after"] {
        let path = format!("body.accounts.3.{part}.delta");
        assert_eq!(changed(27, &path, delta(1))[0], "B3@27", "{part}");
    }
}

#[test]
fn a_limit_that_is_left_out_doubled_or_out_of_order_is_found() {
    let edit = |index: usize, edit: fn(&mut Vec<Item>)| {
        let mut log = Log::with_limits();
        let Item::Array(accounts) = log.entries[index].at("body.accounts") else {
            panic!("no list")
        };
        edit(accounts);
        findings(&log)
    };
    assert_eq!(edit(27, |accounts| drop(accounts.pop())), ["B3@27"]);
    assert_eq!(edit(27, |accounts| accounts.swap(1, 2)), ["B3@27"]);
    assert_eq!(
        edit(27, |accounts| accounts.push(accounts[1].clone())),
        ["B3@27"]
    );
    // Without the purse the first account is another's.
    assert!(edit(27, |accounts| drop(accounts.remove(0))).contains(&"B1@27".to_owned()));
    // An answer that is repeated past the analyst's account.
    let mut log = Log::with_limits();
    let Item::Map(fields) = log.entries[29].at("body") else {
        panic!("no map")
    };
    fields.retain(|(name, _)| name != "accounts");
    assert_eq!(findings(&log), ["B3@29"]);
}

#[test]
fn the_limit_holds_to_the_unit() {
    let capped = |cap: u64| {
        let mut log = Log::with_limits();
        *log.entries[24].at("body.limits.3.cap.rho") = Item::Uint(cap);
        for (index, account) in [(25, 3), (27, 3), (29, 0)] {
            *log.entries[index].at(&format!("body.accounts.{account}.cap.rho")) = Item::Uint(cap);
        }
        findings(&log)
    };
    let spent = 3 * Log::sample().cost();
    assert_eq!(capped(spent), [""; 0]);
    assert_eq!(capped(spent - 1), ["B3@29"]);
}

#[test]
fn a_later_policy_goes_on_from_the_same_account() {
    let mut log = Log::with_limits();
    let cost = log.cost();
    log.push(policy(5, vec![limit("analyst", None, None, CAP)])); // 32
    let mut again = log.entries[29].clone();
    *again.at("body.accounts") = Item::Array(vec![account("analyst:a7", CAP, cost, 3)]);
    let mut fresh = again.clone();
    log.push(again);
    assert_eq!(findings(&log), [""; 0]);
    *fresh.at("body.accounts") = Item::Array(vec![account("analyst:a7", CAP, cost, 0)]);
    log.push(fresh);
    assert_eq!(findings(&log), ["B3@34"]);
}

#[test]
fn limits_of_no_meaning_are_malformed() {
    for limits in [
        vec![],
        vec![limit("everything", None, None, CAP)],
        vec![limit("space", None, None, CAP)],
        vec![limit("space", Some("county"), Some(60), CAP)],
        vec![limit("analyst", None, Some(0), CAP)],
        vec![
            limit("analyst", None, None, CAP),
            limit("analyst", None, None, (1, 0)),
        ],
    ] {
        let mut log = Log::sample();
        let index = log.push(policy(3, limits));
        assert_eq!(findings(&log), [format!("F1@{index}")]);
    }
}

#[test]
fn what_cannot_be_read_is_not_blamed_on_what_follows() {
    let mut log = Log::with_limits();
    *log.entries[25].at("body.loss") = Item::True;
    // The release of a reserve that cannot be read is cited by the repeated answer, whose price is then unknown.
    assert_eq!(findings(&log), ["F1@25"]);
}
