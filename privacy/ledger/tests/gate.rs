//! The way of a question: reserve, release, abort, refuse; and that the purse only ever shrinks.

mod support;

use salus_accounting::{Loss, Noise, Rational, Rho};
use salus_certificate::{Aggregate, EntryIndex, Mechanism};
use salus_ledger::entry::{Body, Kind, Reason};
use salus_ledger::{
    AnswerFailed, Error, Exact, Fact, Released, Reservation, ReserveError, commit, receipt,
};
use support::{answer, certificate, create, exact, open, price, question, refusal};

#[tokio::test]
async fn an_answer_is_paid_logged_and_has_a_receipt() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = create(dir.path(), 10).await;
    let charge = ledger.reserve(question()).await.unwrap();
    assert_eq!(charge.entry(), EntryIndex(6));
    assert_eq!(charge.mechanisms(), certificate().mechanisms);
    assert_eq!(charge.cost(), Loss::from_rho(price()));
    // The reserve is there before anything is read.
    let stored = ledger.entry(EntryIndex(6)).await.unwrap().unwrap();
    let Body::Reserve(reserve) = stored.entry.body else {
        panic!("not a reserve")
    };
    assert_eq!(reserve.loss, Loss::from_rho(price()));
    assert_eq!(reserve.accounts[0].before, Loss::ZERO);
    assert_eq!(reserve.accounts[0].after, Loss::from_rho(price()));

    let published = answer(charge).await.unwrap();
    assert_eq!(published.entry, EntryIndex(7));
    assert_eq!(published.reserve, EntryIndex(6));
    assert_eq!(published.cost, Loss::from_rho(price()));
    assert_eq!(published.remaining.rho.units(), price().units() * 9);

    let opened = receipt::verify(&published.receipt, &ledger.vkey()).unwrap();
    assert_eq!(opened.entry, EntryIndex(7));
    assert_eq!(opened.reserve, EntryIndex(6));
    assert_eq!(opened.answer, published.answer);
    assert_eq!(opened.checkpoint.size, 8);

    let account = ledger.account().await.unwrap();
    assert_eq!(account.scope, "space:riverside");
    assert_eq!(account.spent, Loss::from_rho(price()));
    assert_eq!(account.remaining(), published.remaining);
    ledger.audit_accounts().await.unwrap();
}

#[tokio::test]
async fn commitments_open_to_the_texts_and_the_log_holds_none_of_them() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = create(dir.path(), 10).await;
    let published = answer(ledger.reserve(question()).await.unwrap())
        .await
        .unwrap();
    let refused = ledger.refuse(refusal()).await.unwrap();
    let stored = ledger.entry(published.reserve).await.unwrap().unwrap();
    let Body::Reserve(reserve) = &stored.entry.body else {
        panic!("not a reserve")
    };
    let keys = reserve.certificate.keys;
    for (entry, name, commitment, content) in [
        (
            published.reserve,
            "question",
            Some(reserve.question),
            question().question.into_bytes(),
        ),
        (
            published.reserve,
            "plan",
            Some(reserve.plan),
            question().plan,
        ),
        (published.reserve, "keys", Some(keys), question().keys),
        (published.entry, "answer", None, published.answer),
        (refused, "question", None, refusal().question.into_bytes()),
        (EntryIndex(5), "commitment", None, b"tables".to_vec()),
    ] {
        let opening = ledger.opening(entry, name).await.unwrap().unwrap();
        assert_eq!(opening.content, content);
        let stored = ledger.entry(entry).await.unwrap().unwrap();
        let in_entry = match &stored.entry.body {
            Body::Release(release) => release.answer,
            Body::Refuse(refuse) => refuse.question,
            Body::Snapshot(snapshot) => snapshot.commitment,
            _ => commitment.unwrap(),
        };
        assert_eq!(commit(&opening.salt, &content), in_entry);
        assert!(
            !stored
                .bytes
                .windows(content.len())
                .any(|window| window == content)
        );
    }
    // The same question twice: its commitments tell nothing.
    let again = ledger.reserve(question()).await.unwrap();
    let stored = ledger.entry(again.entry()).await.unwrap().unwrap();
    let Body::Reserve(second) = &stored.entry.body else {
        panic!("not a reserve")
    };
    assert_ne!(second.question, reserve.question);
    assert_ne!(second.certificate.keys, keys);
}

#[tokio::test]
async fn noise_has_the_scale_that_was_priced() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = create(dir.path(), 10).await;
    let mut reservation = question();
    let cells = 4000;
    reservation.certificate.releases[0].cells = cells;
    let charge = ledger.reserve(reservation).await.unwrap();
    let zeros = vec![0; usize::try_from(cells).unwrap()];
    let mut seen = Vec::new();
    let take = async |released: &Released| -> Result<Vec<u8>, AnswerFailed> {
        seen.clone_from(&released.columns);
        Ok(Vec::new())
    };
    charge
        .release(Exact::seal(vec![zeros.clone(), zeros]), take)
        .await
        .unwrap();
    for column in seen {
        let squares: i128 = column.iter().map(|value| value * value).sum();
        // Sum of 4000 squares over sigma² is chi-square with standard deviation sqrt(8000) = 89; sigma 45 or 55 lies 8 away.
        let ratio = squares / 2500;
        assert!((3550..4450).contains(&ratio), "{ratio}");
        let at_nine_tenths = squares * 81 / 100 / 2500;
        assert!(
            !(3550..4450).contains(&at_nine_tenths),
            "the test has no power"
        );
    }
}

#[tokio::test]
async fn a_dropped_charge_becomes_an_abort_without_refund() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = create(dir.path(), 10).await;
    let charge = ledger.reserve(question()).await.unwrap();
    let reserve = charge.entry();
    drop(charge);
    ledger.close().await.unwrap();
    let ledger = open(dir.path()).await.unwrap();
    let last = ledger.entries().await.unwrap().pop().unwrap();
    let Body::Abort(abort) = last.entry.body else {
        panic!("not an abort")
    };
    assert_eq!((abort.reserve, abort.reason), (reserve, Reason::Dropped));
    assert_eq!(
        ledger.account().await.unwrap().spent,
        Loss::from_rho(price())
    );
}

#[tokio::test]
async fn dropping_the_last_handle_writes_what_was_queued() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = create(dir.path(), 10).await;
    let charge = ledger.reserve(question()).await.unwrap();
    drop(ledger);
    drop(charge);
    let ledger = open(dir.path()).await.unwrap();
    assert_eq!(
        ledger.newest(Kind::Abort).await.unwrap().unwrap().index,
        EntryIndex(7)
    );
}

#[tokio::test]
async fn who_stops_waiting_for_a_reserve_leaves_an_abort() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = create(dir.path(), 10).await;
    for _ in 0..5 {
        let waiting = ledger.reserve(question());
        // One poll sends the request; then nobody waits.
        let mut waiting = Box::pin(waiting);
        assert!(futures::poll!(&mut waiting).is_pending());
        drop(waiting);
    }
    ledger.clone().close().await.unwrap();
    // Aborts are queued behind the flush that saw their reserves.
    ledger.clone().close().await.unwrap();
    let kinds: Vec<Kind> = ledger
        .entries()
        .await
        .unwrap()
        .iter()
        .map(|stored| stored.entry.body.kind())
        .collect();
    assert_eq!(
        kinds.iter().filter(|kind| **kind == Kind::Reserve).count(),
        5
    );
    assert_eq!(kinds.iter().filter(|kind| **kind == Kind::Abort).count(), 5);
}

#[tokio::test]
async fn failures_are_one_constant_error_and_an_abort() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = create(dir.path(), 10).await;
    let failing = async |_: &Released| -> Result<Vec<u8>, AnswerFailed> { Err(AnswerFailed) };
    let never = async |_: &Released| -> Result<Vec<u8>, AnswerFailed> {
        panic!("the shape was not checked")
    };
    let reserve = async || ledger.reserve(question()).await.unwrap();

    let first = reserve().await.release(exact(), failing).await.unwrap_err();
    let column_missing = Exact::seal(vec![vec![1, 2, 3]]);
    let second = reserve()
        .await
        .release(column_missing, never)
        .await
        .unwrap_err();
    let cell_missing = Exact::seal(vec![vec![1, 2, 3], vec![1, 2]]);
    let third = reserve()
        .await
        .release(cell_missing, never)
        .await
        .unwrap_err();
    assert_eq!([&first, &second, &third], [&Error::Failed; 3]);
    reserve().await.abort().await;

    let entries = ledger.entries().await.unwrap();
    let failed = entries.iter().filter(
        |stored| matches!(&stored.entry.body, Body::Abort(abort) if abort.reason == Reason::Failed),
    );
    assert_eq!(failed.count(), 4);
    assert!(ledger.newest(Kind::Release).await.unwrap().is_none());
    assert_eq!(
        ledger.account().await.unwrap().spent.rho.units(),
        price().units() * 4
    );
}

#[tokio::test]
async fn a_panicking_answer_aborts() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = create(dir.path(), 10).await;
    let charge = ledger.reserve(question()).await.unwrap();
    let task = tokio::spawn(async move {
        let panics =
            async |_: &Released| -> Result<Vec<u8>, AnswerFailed> { panic!("in the answer") };
        charge.release(exact(), panics).await
    });
    assert!(task.await.unwrap_err().is_panic());
    ledger.clone().close().await.unwrap();
    assert!(ledger.newest(Kind::Abort).await.unwrap().is_some());
}

#[tokio::test]
async fn an_exhausted_purse_refuses_and_says_so_in_the_log() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = create(dir.path(), 2).await;
    for _ in 0..2 {
        answer(ledger.reserve(question()).await.unwrap())
            .await
            .unwrap();
    }
    let error = ledger.reserve(question()).await.unwrap_err();
    let account = ledger.account().await.unwrap();
    assert_eq!(
        error,
        ReserveError::BudgetExhausted {
            remaining: account.remaining()
        }
    );
    assert_eq!(account.remaining().rho, Rho::ZERO);
    let refused = ledger.newest(Kind::Refuse).await.unwrap().unwrap();
    let Body::Refuse(refuse) = refused.entry.body else {
        panic!("not a refusal")
    };
    assert_eq!(refuse.rule, "budget");
    assert!(
        ledger
            .opening(refused.index, "question")
            .await
            .unwrap()
            .is_some()
    );
    ledger.audit_accounts().await.unwrap();
}

#[tokio::test]
async fn one_query_costs_no_more_than_the_policy_allows() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = create(dir.path(), 100).await;
    let before = ledger.entries().await.unwrap().len();
    let mut dear = question();
    let bounds = dear.certificate.releases[0].clone();
    let sharp = Mechanism::new(
        Noise::DiscreteGaussian,
        Aggregate::Persons,
        1,
        &bounds,
        Rational::from(10),
    );
    dear.certificate.mechanisms.push(sharp.unwrap());
    let most = Rho::from_units(price().units() * 10);
    assert_eq!(
        ledger.reserve(dear).await.unwrap_err(),
        ReserveError::QueryTooDear { most }
    );
    assert_eq!(ledger.entries().await.unwrap().len(), before);
    assert_eq!(ledger.account().await.unwrap().spent, Loss::ZERO);
}

#[tokio::test]
async fn the_callers_arithmetic_is_not_believed() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = create(dir.path(), 10).await;
    let mut cheap = question();
    cheap.certificate.mechanisms[0].rho = Rho::from_units(1);
    let mut insensitive = question();
    insensitive.certificate.releases[0].rows_per_person = 2;
    insensitive
        .certificate
        .steps
        .iter_mut()
        .for_each(|step| step.rows = 2);
    let mut unbounded = question();
    unbounded.certificate.steps[1].rows = 9;
    for (reservation, rule) in [(cheap, "P4"), (insensitive, "P3"), (unbounded, "P2")] {
        let error = ledger.reserve(reservation).await.unwrap_err();
        let ReserveError::Ledger(Error::Refused(why)) = error else {
            panic!("{error:?}")
        };
        assert!(why.starts_with(rule), "{why}");
    }
    assert_eq!(ledger.account().await.unwrap().spent, Loss::ZERO);
}

#[tokio::test]
async fn a_certificate_rests_on_the_newest_catalog_and_policy() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = create(dir.path(), 10).await;
    let edited = |edit: fn(&mut Reservation)| {
        let mut reservation = question();
        edit(&mut reservation);
        reservation
    };
    for reservation in [
        edited(|r| r.certificate.dataset = EntryIndex(3)),
        edited(|r| r.certificate.snapshot = EntryIndex(4)),
        edited(|r| r.certificate.snapshot = EntryIndex(99)),
        edited(|r| r.certificate.snapshot = EntryIndex(u64::MAX)),
        edited(|r| r.certificate.catalog = EntryIndex(2)),
        edited(|r| "mother_id".clone_into(&mut r.certificate.unit)),
    ] {
        let error = ledger.reserve(reservation).await.unwrap_err();
        assert!(
            matches!(error, ReserveError::Ledger(Error::Refused(_))),
            "{error:?}"
        );
    }
    let next = Fact::Catalog {
        dataset: "clinic".to_owned(),
        version: 2,
        sha256: [9; 32],
        parts: std::collections::BTreeMap::new(),
    };
    let catalog = ledger.record(next).await.unwrap();
    let stale = ledger.reserve(question()).await.unwrap_err();
    assert_eq!(stale, ReserveError::Ledger(Error::Stale));
    let mut renewed = question();
    renewed.certificate.catalog = catalog;
    let charge = ledger.reserve(renewed).await.unwrap();
    charge.abort().await;

    let facts = ledger.facts("clinic").await.unwrap();
    assert_eq!(facts.catalog.unwrap().0, catalog);
    assert_eq!(facts.snapshot.unwrap().0, EntryIndex(5));
    assert_eq!(facts.dataset.unwrap().1.unit, "person_id");
    assert_eq!(facts.policy.unwrap().0, EntryIndex(4));
    assert!(ledger.facts("other").await.unwrap().catalog.is_none());
}

#[tokio::test]
async fn concurrent_spends_end_exactly_at_the_cap() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = create(dir.path(), 20).await;
    let asked = (0..60).map(|_| {
        let ledger = ledger.clone();
        tokio::spawn(async move {
            match ledger.reserve(question()).await {
                Ok(charge) => answer(charge).await.map(|_| true).unwrap(),
                Err(ReserveError::BudgetExhausted { .. }) => false,
                Err(error) => panic!("{error:?}"),
            }
        })
    });
    let mut answered = 0;
    for task in asked.collect::<Vec<_>>() {
        answered += u64::from(task.await.unwrap());
    }
    assert_eq!(answered, 20);
    assert_eq!(ledger.account().await.unwrap().remaining().rho, Rho::ZERO);
    ledger.audit_accounts().await.unwrap();
}

#[tokio::test]
async fn questions_that_fail_are_rationed_until_a_policy_comes_into_force() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = create(dir.path(), 200).await;
    for _ in 0..10 {
        ledger.reserve(question()).await.unwrap().abort().await;
    }
    let too_many = |result: Result<_, ReserveError>| match result {
        Err(ReserveError::TooManyFailures {
            failures,
            unanswered,
        }) => (failures, unanswered),
        other => panic!("{:?}", other.map(drop)),
    };
    let before = ledger.account().await.unwrap();
    assert_eq!(too_many(ledger.reserve(question()).await), (10, 0));
    assert_eq!(ledger.account().await.unwrap(), before);
    let refused = ledger.newest(Kind::Refuse).await.unwrap().unwrap();
    let Body::Refuse(refused) = refused.entry.body else {
        panic!("not a refusal")
    };
    assert_eq!(refused.rule, "failures");
    ledger.close().await.unwrap();
    let ledger = open(dir.path()).await.unwrap();
    assert_eq!(too_many(ledger.reserve(question()).await), (10, 0));

    let under = async |ledger: &salus_ledger::Ledger, version| {
        let policy = ledger
            .record(Fact::Policy {
                version,
                sha256: [1; 32],
                query_rho: price(),
                limits: vec![],
            })
            .await
            .unwrap();
        let mut question = question();
        question.certificate.policy = policy;
        question
    };
    let question = under(&ledger, 2).await;
    answer(ledger.reserve(question.clone()).await.unwrap())
        .await
        .unwrap();
    // Those whose processes died are counted when the ledger is opened.
    for _ in 0..100 {
        std::mem::forget(ledger.reserve(question.clone()).await.unwrap());
    }
    answer(ledger.reserve(question.clone()).await.unwrap())
        .await
        .unwrap();
    let again = open(dir.path()).await.unwrap();
    assert_eq!(too_many(again.reserve(question).await), (0, 100));
    let question = under(&again, 3).await;
    answer(again.reserve(question).await.unwrap())
        .await
        .unwrap();
    again.audit_accounts().await.unwrap();
}
