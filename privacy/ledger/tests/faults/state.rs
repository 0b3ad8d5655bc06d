//! A ledger with an anchor, and what must hold of it whatever happened.

use std::path::Path;
use std::sync::Arc;

use salus_accounting::{Loss, Rho};
use salus_ledger::anchor::Directory;
use salus_ledger::entry::{Body, Kind};
use salus_ledger::{Error, Ledger, Surroundings};

use crate::support::{answer, create_in, ledger_path, price, question, signer};

/// Questions that the purse holds.
pub(crate) const QUESTIONS: u64 = 1_000;

pub(crate) fn around(dir: &Path) -> Surroundings {
    Surroundings {
        anchor: Some(Arc::new(Directory::at(&dir.join("anchor")).unwrap())),
        ..Surroundings::default()
    }
}

pub(crate) async fn make(dir: &Path) {
    let ledger = create_in(dir, QUESTIONS, around(dir)).await;
    ledger.close().await.unwrap();
}

pub(crate) async fn open(dir: &Path) -> Result<Ledger, Error> {
    Ledger::open_in(&ledger_path(dir), signer(dir), around(dir)).await
}

/// Opens the ledger and holds it against itself, against what was acknowledged (`<kind> <index>`), and against the checker.
pub(crate) async fn whole(dir: &Path, acknowledged: &[String]) -> Ledger {
    let ledger = open(dir).await.unwrap();
    ledger.audit_accounts().await.unwrap();
    let entries = ledger.entries().await.unwrap();
    assert!((0..).zip(&entries).all(|(at, stored)| stored.index.0 == at));
    for line in acknowledged {
        let (kind, index) = line.split_once(' ').unwrap();
        let stored = entries.get(index.parse::<usize>().unwrap());
        let found = stored.map(|stored| stored.entry.body.kind().name());
        assert_eq!(
            found,
            Some(kind),
            "{line} was acknowledged and is not there"
        );
    }
    // Every reserve stays spent, however its question ended.
    let reserves = entries
        .iter()
        .filter_map(|stored| match &stored.entry.body {
            Body::Reserve(reserve) => Some(reserve.loss.rho.units()),
            _ => None,
        });
    let spent = Loss::from_rho(Rho::from_units(reserves.sum()));
    assert_eq!(ledger.account().await.unwrap().spent, spent);
    verified(&ledger, dir).await;
    ledger
}

/// What the independent checker says of the export.
async fn verified(ledger: &Ledger, dir: &Path) {
    let out = dir.join(format!("export-{}", ledger.size().await.unwrap()));
    let _ = std::fs::remove_dir_all(&out);
    ledger.export(&out).await.unwrap();
    let export = salus_checker::read_export(&out).unwrap();
    assert!(export.misnamed.is_empty());
    let report = salus_checker::audit(&export.evidence);
    assert!(report.holds(), "{}", report.to_text());
}

/// One question more is answered and paid for.
pub(crate) async fn goes_on(ledger: &Ledger) {
    let spent = ledger.account().await.unwrap().spent.rho.units();
    answer(ledger.reserve(question()).await.unwrap())
        .await
        .unwrap();
    let after = ledger.account().await.unwrap().spent.rho.units();
    assert_eq!(after, spent + price().units());
}

pub(crate) async fn count(ledger: &Ledger, kind: Kind) -> usize {
    ledger.all_of(kind).await.unwrap().len()
}
