//! Every log that was kept is read, and holds, with its receipts and its witnesses.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use salus_checker::{
    FIELDS, Policy, Report, Trust, audit_with, log_keys, read_export, read_restricted,
    verify_receipt_by,
};

/// The logs by name.
fn logs() -> Vec<(String, PathBuf)> {
    let all = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")).unwrap();
    let mut logs: Vec<_> = all
        .map(|log| log.unwrap().path())
        .filter(|log| log.is_dir())
        .map(|log| (log.file_name().unwrap().to_str().unwrap().to_owned(), log))
        .collect();
    logs.sort();
    logs
}

fn report(log: &Path) -> Report {
    let export = read_export(log).unwrap();
    assert!(export.misnamed.is_empty());
    let beside = log.join("restricted");
    let kept = |name: &str| fs::read_to_string(log.join(name)).ok();
    let trust = Trust {
        vkey: kept("first.vkey"),
        policy: kept("policy").map(|policy| Policy::parse(policy.as_bytes()).unwrap()),
        restricted: beside.is_dir().then(|| {
            let export = read_restricted(&beside).unwrap();
            assert!(export.misnamed.is_empty());
            export.restricted
        }),
        ..Trust::default()
    };
    audit_with(&export.evidence, &trust)
}

#[test]
fn every_kept_log_holds() {
    let mut kinds = BTreeSet::new();
    for (name, log) in logs() {
        let report = report(&log);
        assert!(report.holds(), "{name}: {}", report.to_text());
        kinds.extend(report.kinds.into_keys());
    }
    let known: BTreeSet<_> = FIELDS.iter().map(|field| field.kind).collect();
    let known: BTreeSet<_> = known.into_iter().filter(|kind| *kind != "entry").collect();
    assert_eq!(kinds, known, "a kind of which no old entry is kept");
}

#[test]
fn every_kept_receipt_verifies_by_a_key_of_its_log() {
    let mut verified = 0;
    for (name, log) in logs() {
        let keys = log_keys(&read_export(&log).unwrap().evidence.entries);
        for receipt in fs::read_dir(log.join("receipts")).unwrap() {
            let path = receipt.unwrap().path();
            let text = fs::read_to_string(&path).unwrap();
            let receipt = verify_receipt_by(&text, &keys);
            assert!(receipt.is_ok(), "{name}, {}: {receipt:?}", path.display());
            verified += 1;
        }
    }
    assert!(verified >= 10, "{verified}");
}

#[test]
fn the_governed_log_says_what_was_done() {
    let (_, log) = logs()
        .into_iter()
        .find(|(name, _)| name == "governed")
        .unwrap();
    let report = report(&log);
    assert_eq!(report.entries, 27);
    assert_eq!(report.open, [24]);
    let officers: Vec<_> = report
        .officers
        .iter()
        .map(|officer| (officer.name.as_str(), officer.self_named, officer.until))
        .collect();
    assert_eq!(
        officers,
        [
            ("ada", true, None),
            ("ben", true, None),
            ("cyd", false, Some(22))
        ]
    );
    assert_eq!(report.grants[0].approved_by, ["ada", "cyd"]);
    assert_eq!(report.grants[0].new, report.cap.unwrap());
    let reviews: Vec<_> = report
        .reviews
        .iter()
        .map(|review| (review.entry, review.approved_by.len()))
        .collect();
    assert_eq!(reviews, [(18, 0), (19, 1)]);
    assert_eq!(report.incidents[0].reserve, 10);
    assert_eq!(report.witnessed.unwrap().len(), 2);
    assert_eq!(report.kinds["key"], 2);
    // The purse, and seven accounts of limits.
    assert_eq!(report.totals.len(), 8);
}

/// Each cap is that of the last grant of its own, under the policy in force.
#[test]
fn the_opened_log_has_windows_and_a_purse() {
    let (_, log) = logs()
        .into_iter()
        .find(|(name, _)| name == "opened")
        .unwrap();
    let report = report(&log);
    let of_purse: Vec<_> = report
        .grants
        .iter()
        .filter(|grant| grant.scope == "space:riverside")
        .collect();
    assert_eq!((of_purse.len(), report.grants.len()), (1, 7));
    assert_eq!(of_purse[0].new, report.cap.unwrap());
    let totals: Vec<_> = report
        .totals
        .iter()
        .map(|total| {
            (
                total.scope.as_str(),
                total.reserves,
                total.spent == total.cap,
            )
        })
        .collect();
    assert_eq!(
        totals,
        [
            ("space:riverside", 3, false),
            ("analyst/86400/20717:analyst-1", 3, true),
            ("space/86400/20717:riverside", 3, true),
        ]
    );
    assert_eq!(report.kinds["refuse"], 2);
}

#[test]
fn the_ended_log_holds_with_what_stands_beside_it() {
    let (_, log) = logs()
        .into_iter()
        .find(|(name, _)| name == "ended")
        .unwrap();
    let report = report(&log);
    assert_eq!(report.kinds["seal"], 1);
    assert!(report.kinds["anchor"] > 1);
    let beside = report.restricted.unwrap();
    assert_eq!(beside.anchors, report.kinds["anchor"]);
    assert_eq!(beside.entries, 11);
    assert!(beside.open.is_empty());
    // Without the restricted log the rest holds as well.
    let alone = audit_with(&read_export(&log).unwrap().evidence, &Trust::default());
    assert!(alone.holds(), "{}", alone.to_text());
}
