//! Who waits, how long, and how often she sends her question decides nothing.

mod support;

use std::time::{Duration, Instant, UNIX_EPOCH};

use salus_accounting::{Loss, Noise, Rho};
use salus_ledger::Kind;
use salus_query::{Admission, AskError, Asking, Price};
use support::{ANY_PRICE, Home, asking, population, small_catalog};

const SQL: &str = "SELECT class, COUNT(*) FROM encounter GROUP BY class";

fn cheap() -> Asking {
    asking(Price::Rho(Rho::parse_floor("0.01").unwrap()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_stops_waiting_stops_nothing() {
    let home = Home::new(&small_catalog(), &population(60, 3), 400).await;
    let (engine, ledger) = home.engine(ANY_PRICE).await;
    let gone = tokio::time::timeout(Duration::from_micros(1), engine.ask(SQL, &cheap())).await;
    assert!(gone.is_err(), "it was answered before anybody could leave");
    let until = Instant::now() + Duration::from_mins(1);
    while ledger.newest(Kind::Release).await.unwrap().is_none() {
        assert!(Instant::now() < until, "it is not answered");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(ledger.newest(Kind::Abort).await.unwrap().is_none());
    // What was answered for nobody is found by whoever asks again.
    let again = Asking {
        fresh: false,
        ..cheap()
    };
    let again = engine.ask(SQL, &again).await.unwrap();
    assert!(again.published.reused.is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_is_sent_again_is_the_same_request() {
    let home = Home::new(&small_catalog(), &population(60, 3), 400).await;
    let (engine, ledger) = home.engine(ANY_PRICE).await;
    let named = |principal: &str, key: &str| Asking {
        principal: principal.to_owned(),
        retry: Some(key.to_owned()),
        ..cheap()
    };
    let first = engine.ask(SQL, &named("p-1", "a")).await.unwrap();
    let entries = ledger.entries().await.unwrap().len();
    let spent = ledger.account().await.unwrap().spent;
    let again = engine.ask(SQL, &named("p-1", "a")).await.unwrap();
    assert_eq!(again.published.answer, first.published.answer);
    assert_eq!(again.published.entry, first.published.entry);
    assert_eq!(again.published.cost, first.published.cost);
    assert_ne!(again.published.cost, Loss::ZERO);
    assert_eq!(ledger.entries().await.unwrap().len(), entries);
    assert_eq!(ledger.account().await.unwrap().spent, spent);
    // Another question under her key, another key, and somebody else's of the same name.
    let other = "SELECT COUNT(*) FROM patient";
    let taken = engine.ask(other, &named("p-1", "a")).await;
    assert!(matches!(taken, Err(AskError::KeyTaken)), "{taken:?}");
    assert_eq!(ledger.entries().await.unwrap().len(), entries);
    for (who, key) in [("p-1", "b"), ("p-2", "a")] {
        let asked = engine.ask(SQL, &named(who, key)).await.unwrap();
        assert_ne!(asked.published.entry, first.published.entry);
    }
    // What was answered before is repeated under a key of hers, once.
    let known = |key: &str, sql: &'static str| {
        let asking = Asking {
            fresh: false,
            ..named("p-4", key)
        };
        let engine = engine.clone();
        async move { engine.ask(sql, &asking).await }
    };
    let repeated = known("r", SQL).await.unwrap();
    assert!(repeated.published.reused.is_some());
    let entries = ledger.entries().await.unwrap().len();
    let again = known("r", SQL).await.unwrap();
    assert_eq!(again.published.reused, repeated.published.reused);
    assert_eq!(again.published.answer, repeated.published.answer);
    assert_eq!(ledger.entries().await.unwrap().len(), entries);
    let taken = known("r", "SELECT COUNT(*) FROM patient").await;
    assert!(matches!(taken, Err(AskError::KeyTaken)), "{taken:?}");
    // Asked for its price, a request that was answered is known, also where new noise is asked for.
    let quote = engine.quote(SQL, &named("p-1", "a")).await.unwrap();
    assert!(matches!(quote.admission, Admission::Known(entry) if entry == first.published.entry.0));
    // The same words on other terms are another request, and what is shown are the terms that were paid for.
    let mut dearer = named("p-1", "a");
    dearer.price = Price::Rho(Rho::parse_floor("0.02").unwrap());
    let taken = engine.ask(SQL, &dearer).await;
    assert!(matches!(taken, Err(AskError::KeyTaken)), "{taken:?}");
    let mut pure = cheap();
    pure.noise = Noise::DiscreteLaplace;
    let pure = engine.ask(SQL, &pure).await.unwrap();
    assert!(pure.terms.pure_epsilon.is_some() && again.terms.pure_epsilon.is_none());
    // Sent at once from many sides it is paid once, and whoever is too early is told so.
    let before = ledger.account().await.unwrap().spent;
    let ask = async |_| engine.ask(SQL, &named("p-3", "c")).await;
    let asked = futures_of(8, ask).await;
    let answered: Vec<_> = asked
        .iter()
        .filter_map(|asked| asked.as_ref().ok())
        .collect();
    assert!(!answered.is_empty());
    assert!(
        answered
            .iter()
            .all(|a| a.published.answer == answered[0].published.answer)
    );
    let early = asked.iter().filter_map(|asked| asked.as_ref().err());
    assert!(early.into_iter().all(|e| matches!(e, AskError::Unanswered)));
    let after = ledger.account().await.unwrap().spent;
    let once = before.checked_add(first.published.cost).unwrap();
    assert_eq!(after, once);
    ledger.audit_accounts().await.unwrap();
}

async fn futures_of<T>(count: usize, make: impl AsyncFn(usize) -> T) -> Vec<T> {
    let mut all: Vec<_> = (0..count).map(|i| Box::pin(make(i))).collect();
    let mut done: Vec<Option<T>> = all.iter().map(|_| None).collect();
    std::future::poll_fn(|context| {
        for (future, done) in all.iter_mut().zip(&mut done) {
            if done.is_none()
                && let std::task::Poll::Ready(output) = future.as_mut().poll(context)
            {
                *done = Some(output);
            }
        }
        if done.iter().all(Option::is_some) {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
    done.into_iter().flatten().collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_leave_at_points_of_the_grid() {
    let home = Home::new(&small_catalog(), &population(60, 3), 400).await;
    let policy = format!("{ANY_PRICE}answer_grid_milliseconds: 1500\n");
    let (engine, ledger) = home.engine(&policy).await;
    let (start, begun) = (Instant::now(), UNIX_EPOCH.elapsed().unwrap().as_secs());
    engine.ask(SQL, &cheap()).await.unwrap();
    assert!(start.elapsed() >= Duration::from_millis(1_500));
    // The time in the ledger is that of the grid too: a whole second after the question at least.
    let released = ledger.newest(Kind::Release).await.unwrap().unwrap();
    assert!(released.entry.time > begun);
    // What is known is given at once: it reads no row.
    let again = Asking {
        fresh: false,
        ..cheap()
    };
    assert!(
        engine
            .ask(SQL, &again)
            .await
            .unwrap()
            .published
            .reused
            .is_some()
    );
}
