//! What is taken from the purse, by whom, how often.

use futures::future::join_all;
use salus_accounting::{Delta, Loss, Rho};
use salus_ledger::entry::{Kind, Limit, Share};
use salus_ledger::{Again, EntryIndex, Fact, Ledger, Reservation, ReserveError, key};

use super::support::{answer, exact, price, question, refusal};
use super::{Case, Store, verified};

/// A limit of so many questions for each analyst.
pub fn limit(questions: u64) -> Limit {
    Limit {
        of: Share::Analyst,
        name: None,
        seconds: None,
        cap: Loss::from_rho(Rho::from_units(price().units() * questions)),
    }
}

pub async fn admission_ends_exactly_at_the_cap(case: &Case<impl Store>) {
    let ledger = case.create(20).await;
    let asked = join_all((0..50).map(|_| ledger.reserve(question()))).await;
    let (granted, declined): (Vec<_>, Vec<_>) = asked.into_iter().partition(Result::is_ok);
    assert_eq!((granted.len(), declined.len()), (20, 30));
    for declined in declined {
        assert!(
            matches!(declined, Err(ReserveError::BudgetExhausted { remaining }) if remaining.rho == Rho::ZERO)
        );
    }
    assert_eq!(ledger.account().await.unwrap().remaining().rho, Rho::ZERO);
    for charge in granted {
        answer(charge.unwrap()).await.unwrap();
    }
    verified(&ledger).await;
    // The database holds the cap by itself.
    let beyond = case
        .store
        .run("UPDATE accounts SET spent_rho = cap_rho + 1")
        .await;
    assert!(beyond.is_err(), "{beyond:?}");
    ledger.close().await.unwrap();
    verified(&case.open().await.unwrap()).await;
}

/// Each writer remembers where it left the log, and each finds that the other has written since.
pub async fn two_writers_share_one_purse(case: &Case<impl Store>) {
    let first = case.create(60).await;
    let second = case.open().await.unwrap();
    let ask = async |ledger: &Ledger| {
        let mut answered = 0;
        for _ in 0..50 {
            match ledger.reserve(question()).await {
                Ok(charge) => {
                    answer(charge).await.unwrap();
                    answered += 1;
                }
                Err(ReserveError::BudgetExhausted { .. }) => {}
                Err(other) => panic!("{other:?}"),
            }
        }
        answered
    };
    let (one, two) = futures::join!(ask(&first), ask(&second));
    assert_eq!(one + two, 60);
    assert!(one > 0 && two > 0, "{one} {two}");
    verified(&first).await;
    verified(&second).await;
    assert_eq!(
        first.account().await.unwrap(),
        second.account().await.unwrap()
    );
}

pub async fn a_request_that_is_sent_again_is_paid_once(case: &Case<impl Store>) {
    let ledger = case.create(10).await;
    let keyed = || Reservation {
        retry: Some("request 7".to_owned()),
        ..question()
    };
    assert_eq!(ledger.again(keyed()).await.unwrap(), Again::New);
    let charge = ledger.reserve(keyed()).await.unwrap();
    assert_eq!(ledger.again(keyed()).await.unwrap(), Again::Open);
    assert!(matches!(
        ledger.reserve(keyed()).await,
        Err(ReserveError::SentBefore)
    ));
    let first = answer(charge).await.unwrap();
    let Again::Answered(again) = ledger.again(keyed()).await.unwrap() else {
        panic!("not answered")
    };
    assert_eq!((again.answer, again.entry), (first.answer, first.entry));
    let mut another = keyed();
    another.question.push(' ');
    assert_eq!(ledger.again(another).await.unwrap(), Again::Another);
    // Of two at once one is paid.
    let twice = || Reservation {
        retry: Some("request 8".to_owned()),
        ..question()
    };
    let at_once = join_all((0..4).map(|_| ledger.reserve(twice()))).await;
    assert_eq!(at_once.iter().filter(|asked| asked.is_ok()).count(), 1);
    drop(at_once);
    ledger.close().await.unwrap();
    let ledger = case.open().await.unwrap();
    assert!(matches!(
        ledger.again(keyed()).await.unwrap(),
        Again::Answered(_)
    ));
    assert_eq!(
        ledger.account().await.unwrap().spent.rho.units(),
        2 * price().units()
    );
    verified(&ledger).await;
}

pub async fn an_answer_is_given_once_more(case: &Case<impl Store>) {
    let ledger = case.create(10).await;
    assert_eq!(ledger.reuse(question()).await.unwrap(), None);
    let first = answer(ledger.reserve(question()).await.unwrap())
        .await
        .unwrap();
    let spent = ledger.account().await.unwrap().spent;
    let second = ledger.reuse(question()).await.unwrap().unwrap();
    assert_eq!(
        (&second.answer, second.entry, second.cost),
        (&first.answer, first.entry, Loss::ZERO)
    );
    assert_eq!(ledger.account().await.unwrap().spent, spent);
    ledger.close().await.unwrap();
    let ledger = case.open().await.unwrap();
    let third = ledger.reuse(question()).await.unwrap().unwrap();
    assert_eq!(third.answer, first.answer);
    let mut other = question();
    other.plan.push(b' ');
    assert_eq!(ledger.reuse(other).await.unwrap(), None);
    verified(&ledger).await;
}

pub async fn a_refusal_costs_nothing(case: &Case<impl Store>) {
    let ledger = case.create(1).await;
    ledger.refuse(refusal()).await.unwrap();
    answer(ledger.reserve(question()).await.unwrap())
        .await
        .unwrap();
    let spent = ledger.account().await.unwrap().spent;
    assert!(ledger.reserve(question()).await.is_err());
    assert_eq!(ledger.account().await.unwrap().spent, spent);
    // What came of it is only looked at.
    let size = ledger.size().await.unwrap();
    let preview = ledger.preview(question(), true).await.unwrap();
    assert!(matches!(
        preview,
        salus_ledger::Preview::Declined(ReserveError::BudgetExhausted { .. })
    ));
    assert_eq!(ledger.size().await.unwrap(), size);
    assert_eq!(ledger.all_of(Kind::Refuse).await.unwrap().len(), 2);
    verified(&ledger).await;
}

pub async fn a_grant_raises_the_cap_and_an_incident_passes_it(case: &Case<impl Store>) {
    let ledger = case.create(1).await;
    let first = answer(ledger.reserve(question()).await.unwrap())
        .await
        .unwrap();
    assert!(ledger.reserve(question()).await.is_err());
    // Not by anybody who can write to the table.
    assert!(
        case.store
            .run("UPDATE accounts SET cap_rho = cap_rho + 1")
            .await
            .is_err()
    );
    let officers = ["ada", "ben"]
        .map(|name| key::generate(&case.dir().join(format!("{name}.key")), name).unwrap());
    for who in &officers {
        let proposal = ledger.propose_officer(who.origin(), who.verifier().public(), true);
        ledger.enter(proposal, vec![]).await.unwrap();
    }
    let cap = Loss {
        rho: Rho::from_units(price().units() * 2),
        delta: Delta::parse_floor("1e-6").unwrap(),
    };
    let grant = ledger.propose_grant(cap, u64::MAX, "").await.unwrap();
    let approvals = officers.iter().map(|who| grant.approve(who)).collect();
    ledger.enter(grant, approvals).await.unwrap();
    answer(ledger.reserve(question()).await.unwrap())
        .await
        .unwrap();
    assert!(ledger.reserve(question()).await.is_err());
    let loss = Loss::from_rho(Rho::from_units(price().units() * 3));
    ledger.incident(first.reserve, loss, "").await.unwrap();
    ledger.close().await.unwrap();
    let ledger = case.open().await.unwrap();
    let account = ledger.account().await.unwrap();
    assert_eq!(
        (account.cap, account.spent.rho.units()),
        (cap, price().units() * 5)
    );
    verified(&ledger).await;
}

pub async fn limits_are_kept_beside_the_purse(case: &Case<impl Store>) {
    let ledger = case.create(10).await;
    let policy = Fact::Policy {
        version: 2,
        sha256: [9; 32],
        query_rho: price(),
        limits: vec![limit(2)],
    };
    let policy: EntryIndex = ledger.record(policy).await.unwrap();
    let asked = |who: &str| {
        let mut asked = question();
        who.clone_into(&mut asked.principal);
        asked.certificate.policy = policy;
        asked
    };
    for who in ["zoe", "\u{e6}nne", "Ben"] {
        let all = join_all((0..4).map(|_| ledger.reserve(asked(who)))).await;
        let granted = all.iter().filter(|one| one.is_ok()).count();
        assert_eq!(granted, 2, "{who}");
        let reached = |one: &Result<_, _>| matches!(one, Err(ReserveError::LimitReached { .. }));
        assert_eq!(all.iter().filter(|one| reached(one)).count(), 2, "{who}");
        all.into_iter().for_each(std::mem::forget);
    }
    assert!(
        case.store
            .run("UPDATE quotas SET spent_rho = 0")
            .await
            .is_err()
    );
    assert!(case.store.run("DELETE FROM quotas").await.is_err());
    verified(&ledger).await;
    drop(ledger);
    // Scopes are in the order of their bytes, whatever the database's language.
    let ledger = case.open().await.unwrap();
    assert_eq!(ledger.limits().await.unwrap().len(), 3);
    verified(&ledger).await;
}

/// The process dies between RESERVE and RELEASE.
pub async fn a_question_that_nobody_ended_stays_paid(case: &Case<impl Store>) {
    let ledger = case.create(3).await;
    let charge = ledger.reserve(question()).await.unwrap();
    let reserve = charge.entry();
    std::mem::forget(charge);
    drop(ledger);
    let ledger = case.open().await.unwrap();
    assert_eq!(ledger.account().await.unwrap().spent.rho, price());
    let newest = ledger.newest(Kind::Reserve).await.unwrap().unwrap();
    assert_eq!(newest.index, reserve);
    assert!(ledger.newest(Kind::Abort).await.unwrap().is_none());
    // One that is dropped is aborted, and not given back either.
    drop(ledger.reserve(question()).await.unwrap());
    ledger.close().await.unwrap();
    let ledger = case.open().await.unwrap();
    assert_eq!(ledger.all_of(Kind::Abort).await.unwrap().len(), 1);
    assert_eq!(
        ledger.account().await.unwrap().spent.rho.units(),
        2 * price().units()
    );
    verified(&ledger).await;
}

pub async fn a_reserve_ends_once(case: &Case<impl Store>) {
    let ledger = case.create(10).await;
    let released = answer(ledger.reserve(question()).await.unwrap())
        .await
        .unwrap();
    let failed = ledger.reserve(question()).await.unwrap();
    let aborted = failed.entry();
    assert!(
        failed
            .release(exact(), async |_| Err(salus_ledger::AnswerFailed))
            .await
            .is_err()
    );
    let open = ledger.reserve(question()).await.unwrap();
    for ended in [released.reserve, aborted] {
        let twice = format!(
            "INSERT INTO endings (reserve, entry) VALUES ({ended}, {})",
            open.entry()
        );
        assert!(case.store.run(&twice).await.is_err());
    }
    // Of two who would end the same one at once, one does.
    let reserve = open.entry();
    std::mem::forget(open);
    ledger.close().await.unwrap();
    let end = async |entry: u64| {
        let sql = format!("INSERT INTO endings (reserve, entry) VALUES ({reserve}, {entry})");
        case.store.run(&sql).await.is_ok()
    };
    let ended = futures::join!(end(2), end(3), end(4));
    let ended = [ended.0, ended.1, ended.2];
    assert_eq!(ended.iter().filter(|ended| **ended).count(), 1);
    // And it is seen that no entry says so.
    assert!(case.integrity().await.contains("endings"));
}
