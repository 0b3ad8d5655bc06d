//! An answer is given once more to the same question, at no cost; anything else is another question.

mod support;

use salus_accounting::{Loss, Noise, Rational};
use salus_certificate::{Aggregate, Mechanism, Threshold};
use salus_ledger::entry::{Body, Kind};
use salus_ledger::{Column, Exact, Fact, Groups, Reservation, receipt};
use support::{answer, create, question};

/// The question with noise of another width.
fn with_sigma(sigma: Rational) -> Reservation {
    let mut wanted = question();
    let bounds = wanted.certificate.releases[0].clone();
    let first = &wanted.certificate.mechanisms[0];
    let mechanism = Mechanism::new(
        Noise::DiscreteGaussian,
        first.aggregate,
        first.bound,
        &bounds,
        sigma,
    );
    wanted.certificate.mechanisms[0] = mechanism.unwrap();
    wanted
}

#[tokio::test]
async fn the_same_question_has_the_same_answer_at_no_cost() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = create(dir.path(), 10).await;
    assert_eq!(ledger.reuse(question()).await.unwrap(), None);
    let first = answer(ledger.reserve(question()).await.unwrap())
        .await
        .unwrap();
    let spent = ledger.account().await.unwrap().spent;
    let again = Reservation {
        principal: "somebody-else".to_owned(),
        question: "in other words".to_owned(),
        ..question()
    };
    let second = ledger.reuse(again).await.unwrap().unwrap();
    assert_eq!(second.answer, first.answer);
    assert_eq!((second.entry, second.reserve), (first.entry, first.reserve));
    assert_eq!(second.cost, Loss::ZERO);
    assert_eq!(ledger.account().await.unwrap().spent, spent);
    // Written down, with who asked and how.
    let stored = ledger.newest(Kind::Reuse).await.unwrap().unwrap();
    assert_eq!(Some(stored.index), second.reused);
    let Body::Reuse(reuse) = stored.entry.body else {
        panic!("not a reuse")
    };
    assert_eq!(reuse.principal, "somebody-else");
    assert_eq!(reuse.release, first.entry);
    let opening = ledger.opening(stored.index, "question").await.unwrap();
    assert_eq!(opening.unwrap().content, b"in other words");
    // The receipt proves the first answer against a checkpoint that covers the reuse.
    let opened = receipt::verify(&second.receipt, &ledger.vkey()).unwrap();
    assert_eq!(opened.answer, first.answer);
    assert_eq!(opened.checkpoint.size, stored.index.0 + 1);
    ledger.audit_accounts().await.unwrap();
}

#[tokio::test]
async fn an_answer_serves_only_who_asks_for_no_more_accuracy() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = create(dir.path(), 50).await;
    let sigma = question().certificate.mechanisms[0].sigma.clone();
    let scaled = |n, d| sigma.product(&Rational::from_ratio(n, d).unwrap());
    answer(ledger.reserve(question()).await.unwrap())
        .await
        .unwrap();
    assert!(
        ledger
            .reuse(with_sigma(scaled(11, 10)))
            .await
            .unwrap()
            .is_some()
    );
    let sharper = with_sigma(scaled(9, 10));
    assert_eq!(ledger.reuse(sharper.clone()).await.unwrap(), None);
    // Once somebody paid for it, it serves both.
    let paid = answer(ledger.reserve(sharper.clone()).await.unwrap())
        .await
        .unwrap();
    for wanted in [sharper, question()] {
        let again = ledger.reuse(wanted).await.unwrap().unwrap();
        assert_eq!(again.answer, paid.answer);
    }
}

#[tokio::test]
async fn another_question_has_no_answer_yet() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = create(dir.path(), 10).await;
    answer(ledger.reserve(question()).await.unwrap())
        .await
        .unwrap();
    let changes: [fn(&mut Reservation); 5] = [
        |r| r.plan.push(b' '),
        |r| r.keys.push(b' '),
        // Bytes that move from one to the other are another question too.
        |r| {
            let last = r.plan.pop().unwrap();
            r.keys.insert(0, last);
        },
        |r| r.certificate.releases[0].cells += 1,
        |r| {
            let bounds = r.certificate.releases[0].clone();
            let more = Mechanism::new(
                Noise::DiscreteGaussian,
                Aggregate::Rows,
                1,
                &bounds,
                9.into(),
            );
            r.certificate.mechanisms.push(more.unwrap());
        },
    ];
    for (i, change) in changes.into_iter().enumerate() {
        let mut other = question();
        change(&mut other);
        assert_eq!(ledger.reuse(other).await.unwrap(), None, "{i}");
    }
    // A charge that failed is no answer.
    let mut failed = question();
    failed.plan = b"failed".to_vec();
    ledger.reserve(failed.clone()).await.unwrap().abort().await;
    assert_eq!(ledger.reuse(failed).await.unwrap(), None);
    // A new snapshot is asked afresh, and what rests on the old policy is stale.
    ledger
        .record(Fact::Policy {
            version: 2,
            sha256: [1; 32],
            query_rho: support::price(),
            limits: vec![],
        })
        .await
        .unwrap();
    assert!(ledger.reuse(question()).await.is_err());
}

/// The question with noise of another kind, at the same scale and so no wider: it is another answer all the same.
#[tokio::test]
async fn noise_of_another_kind_is_another_question() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = create(dir.path(), 10).await;
    answer(ledger.reserve(question()).await.unwrap())
        .await
        .unwrap();
    let mut other = question();
    let bounds = other.certificate.releases[0].clone();
    for mechanism in &mut other.certificate.mechanisms {
        *mechanism = Mechanism::new(
            Noise::DiscreteLaplace,
            mechanism.aggregate,
            mechanism.bound,
            &bounds,
            mechanism.sigma.clone(),
        )
        .unwrap();
    }
    assert_eq!(ledger.reuse(other).await.unwrap(), None);
}

/// A question about keys that are not public, with its threshold.
fn with_threshold(minimum: u64, tau: u64) -> Reservation {
    let mut wanted = question();
    let certificate = &mut wanted.certificate;
    let bounds = &mut certificate.releases[0];
    bounds.cells = 0;
    let gaussian = Noise::DiscreteGaussian;
    let mut count =
        Mechanism::new(gaussian, Aggregate::Persons, 1, bounds, Rational::from(50)).unwrap();
    let threshold = Threshold { minimum, tau };
    count.delta = threshold.delta(gaussian, &count.sigma, bounds).unwrap();
    count.threshold = Some(threshold);
    certificate.mechanisms = vec![count];
    wanted
}

#[tokio::test]
async fn an_answer_that_shows_fewer_groups_is_not_given_for_one_that_shows_more() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = create(dir.path(), 10).await;
    let charge = ledger.reserve(with_threshold(5, 500)).await.unwrap();
    let groups = Groups {
        keys: vec![b"a".to_vec()],
        persons: vec![1_000],
    };
    let exact = Exact::seal_groups(vec![Column::Dense(vec![1_000])], vec![Some(groups)]);
    let given = charge.release(exact, async |_| Ok(b"shown".to_vec()));
    let given = given.await.unwrap();
    let known = async |minimum, tau| {
        let known = ledger.reuse(with_threshold(minimum, tau)).await.unwrap();
        known.map(|known| known.entry)
    };
    assert_eq!(known(5, 500).await, Some(given.entry));
    // Who asks for a higher threshold is shown no less; for a lower one, or another minimum, it is another answer.
    assert_eq!(known(5, 501).await, Some(given.entry));
    assert_eq!(known(5, 499).await, None);
    assert_eq!(known(4, 500).await, None);
    assert_eq!(known(6, 500).await, None);
}
