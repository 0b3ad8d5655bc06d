//! What this crate writes is judged by the program that shares nothing with it.

mod support;

use std::path::Path;

use proptest::prelude::*;
use salus_accounting::{Loss, Noise, Rational, Rho};
use salus_certificate::{Aggregate, Certificate};
use salus_checker::{Report, audit, read_export, verify_receipt};
use salus_ledger::entry::{
    Body, Catalog, Dataset, Entry, Key, Movement, Policy, Reserve, Snapshot,
};
use salus_ledger::{Evidence, Fact};
use salus_ledger::{ReserveError, receipt};
use support::{answer, certificate, create, genesis, open, price, question, refusal};

fn judge(evidence: &Evidence) -> Report {
    audit(&salus_checker::Evidence {
        entries: evidence.entries.clone(),
        leaves: Some(evidence.leaves.clone()),
        checkpoints: evidence.checkpoints.clone(),
        vkey: evidence.vkey.clone(),
    })
}

/// A ledger with every kind of entry in it, some of them sharing a checkpoint.
async fn history(dir: &Path) -> Evidence {
    let ledger = create(dir, 8).await;
    let first = answer(ledger.reserve(question()).await.unwrap())
        .await
        .unwrap();
    ledger.reserve(question()).await.unwrap().abort().await;
    ledger.refuse(refusal()).await.unwrap();
    let clinic = || "clinic".to_owned();
    for fact in [
        Fact::Catalog {
            dataset: clinic(),
            version: 2,
            sha256: [9; 32],
            parts: std::collections::BTreeMap::new(),
        },
        Fact::Snapshot {
            dataset: clinic(),
            snapshot: 2,
            content: vec![],
        },
        Fact::Policy {
            version: 2,
            sha256: [9; 32],
            query_rho: Rho::from_units(price().units() * 3),
            limits: vec![],
        },
    ] {
        ledger.record(fact).await.unwrap();
    }
    let facts = ledger.facts("clinic").await.unwrap();
    let mut renewed = question();
    renewed.certificate.catalog = facts.catalog.unwrap().0;
    renewed.certificate.policy = facts.policy.unwrap().0;
    renewed.certificate.snapshot = facts.snapshot.unwrap().0;
    let asked = (0..9).map(|_| async {
        match ledger.reserve(renewed.clone()).await {
            Ok(charge) => answer(charge).await.map(Some).unwrap(),
            Err(ReserveError::BudgetExhausted { .. }) => None,
            Err(error) => panic!("{error}"),
        }
    });
    let answers = futures::future::join_all(asked).await;
    assert_eq!(answers.iter().flatten().count(), 6);
    for published in answers.iter().flatten().chain([&first]) {
        let theirs = verify_receipt(&published.receipt, &ledger.vkey()).unwrap();
        let ours = receipt::verify(&published.receipt, &ledger.vkey()).unwrap();
        assert_eq!(
            (theirs.index, theirs.reserve),
            (ours.entry.0, ours.reserve.0)
        );
        assert_eq!(theirs.answer, ours.answer);
    }
    let evidence = ledger.evidence().await.unwrap();
    ledger.close().await.unwrap();
    evidence
}

#[tokio::test]
async fn a_whole_ledger_holds() {
    let dir = tempfile::tempdir().unwrap();
    let evidence = history(dir.path()).await;
    let report = judge(&evidence);
    assert!(report.holds(), "{}", report.to_text());
    assert_eq!(report.entries, evidence.entries.len() as u64);
    assert_eq!(report.totals[0].reserves, 8);
    assert!(report.open.is_empty());

    let ledger = open(dir.path()).await.unwrap();
    let out = dir.path().join("export");
    ledger.export(&out).await.unwrap();
    let export = read_export(&out).unwrap();
    assert!(export.misnamed.is_empty());
    assert!(audit(&export.evidence).holds());
}

#[tokio::test]
async fn an_open_reserve_is_listed_and_spent() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = create(dir.path(), 8).await;
    let charge = ledger.reserve(question()).await.unwrap();
    let report = judge(&ledger.evidence().await.unwrap());
    assert!(report.holds(), "{}", report.to_text());
    assert_eq!(report.open, [charge.entry().0]);
    charge.abort().await;
}

#[tokio::test]
async fn a_changed_byte_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let evidence = history(dir.path()).await;
    for index in 0..evidence.entries.len() {
        for at in (index % 5..evidence.entries[index].len()).step_by(61) {
            let mut changed = evidence.clone();
            changed.entries[index][at] ^= 0x01;
            let report = judge(&changed);
            let named = report
                .findings
                .iter()
                .any(|finding| finding.index == Some(index as u64));
            assert!(!report.holds() && named, "entry {index} byte {at}");
        }
    }
}

/// Entries 0 to 5 as [`create`] writes them and a reserve, whatever its certificate says.
fn reserved(certificate: Certificate, loss: Loss) -> Vec<Vec<u8>> {
    let genesis = genesis(10);
    let movement = Movement {
        scope: genesis.scope(),
        cap: genesis.cap,
        before: Loss::ZERO,
        after: loss,
    };
    let dataset = || "clinic".to_owned();
    let bodies = [
        Body::Genesis(genesis.clone()),
        Body::Key(Key {
            public: [3; 32],
            signature: None,
        }),
        Body::Dataset(Dataset {
            dataset: dataset(),
            unit: "person_id".to_owned(),
            space: genesis.space,
            tables: None,
        }),
        Body::Catalog(Catalog {
            dataset: dataset(),
            version: 1,
            sha256: [4; 32],
        }),
        Body::Policy(Policy {
            version: 1,
            sha256: [5; 32],
            query_rho: Rho::MAX,
            limits: vec![],
        }),
        Body::Snapshot(Snapshot {
            dataset: dataset(),
            snapshot: 1,
            commitment: [6; 32],
        }),
        Body::Reserve(Box::new(Reserve {
            principal: "analyst-1".to_owned(),
            roles: vec![],
            purpose: "HRESCH".to_owned(),
            question: [1; 32],
            plan: [2; 32],
            certificate,
            loss,
            accounts: vec![movement],
        })),
    ];
    bodies
        .into_iter()
        .map(|body| Entry { time: 0, body }.encode())
        .collect()
}

prop_compose! {
    /// The fixture with up to three changes, most of them small enough to keep some rule.
    fn changed_certificates()(changes in proptest::collection::vec((0..22_usize, 0..3_usize, 0..4_u64), 0..3)) -> Certificate {
        let mut certificate = certificate();
        for (what, which, value) in changes {
            let mechanism = which % 2;
            let step = &mut certificate.steps[which];
            let bounds = &mut certificate.releases[0];
            let priced = &mut certificate.mechanisms[mechanism];
            match what {
                0 => ["S0", "S1", "S8", "RELEASE"][usize::try_from(value).unwrap()].clone_into(&mut step.rule),
                1 => ["S0p", "S2", "S5", "S6"][usize::try_from(value).unwrap()].clone_into(&mut step.rule),
                2 => step.inputs = vec![value],
                3 => step.inputs = (0..value).collect(),
                4 => step.rows = value,
                5 => step.table = (value > 1).then(|| "patient".to_owned()),
                6 => bounds.rows_per_person = value.max(1),
                7 => bounds.groups_per_person = value.max(1),
                8 => priced.bound = value,
                9 => priced.aggregate = [Aggregate::Tree, Aggregate::Rows, Aggregate::Sum, Aggregate::Values][usize::try_from(value).unwrap()],
                10 => priced.sigma = Rational::from_ratio(u128::from(value), 1 + which as u128).unwrap(),
                11 => priced.sensitivity2 = Rational::from(u128::from(value)),
                12 => priced.rho = Rho::from_units(priced.rho.units() + value - 1),
                13 => priced.delta = salus_accounting::Delta::from_units(u128::from(value)).unwrap(),
                14 => bounds.step = value,
                15 => priced.values = value.max(1),
                16 => priced.release = value / 2,
                17 => bounds.cells = value,
                // A consistent change: other bounds, and the mechanisms and the release follow.
                _ => {
                    bounds.rows_per_person = value + 1;
                    certificate.steps.iter_mut().for_each(|step| step.rows = value + 1);
                    for mechanism in &mut certificate.mechanisms {
                        let renewed = salus_certificate::Mechanism::new(Noise::DiscreteGaussian,
                            mechanism.aggregate, mechanism.bound, bounds, mechanism.sigma.clone(),
                        );
                        if let Ok(renewed) = renewed {
                            *mechanism = renewed;
                        }
                    }
                }
            }
        }
        certificate
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    /// Two programs, one page of rules: a certificate has a price here exactly when the checker finds nothing wrong with it there.
    #[test]
    fn prices_agree_with_the_checker(certificate in changed_certificates()) {
        let priced = certificate.price();
        let stated = certificate.mechanisms.iter().try_fold(Loss::ZERO, |sum, mechanism| {
            sum.checked_add(Loss { rho: mechanism.rho, delta: mechanism.delta })
        });
        let loss = priced.clone().ok().or(stated).unwrap_or(Loss::ZERO);
        let report = audit(&salus_checker::Evidence {
            entries: reserved(certificate, loss),
            ..salus_checker::Evidence::default()
        });
        let wrong: Vec<_> = report.findings.iter().filter(|finding| finding.index == Some(6) && finding.rule.starts_with('P')).collect();
        prop_assert_eq!(priced.is_ok(), wrong.is_empty(), "{:?} {:?}", priced, wrong);
    }
}

#[test]
fn the_changes_break_some_certificates_and_keep_others() {
    use proptest::strategy::ValueTree as _;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let holds = (0..500).filter(|_| {
        changed_certificates()
            .new_tree(&mut runner)
            .unwrap()
            .current()
            .price()
            .is_ok()
    });
    let holds = holds.count();
    assert!((100..450).contains(&holds), "{holds} of 500");
}
