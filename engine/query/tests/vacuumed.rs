//! A question and a vacuum: nobody pays for files that are gone.

mod support;

use std::time::Duration;

use salus_accounting::Rho;
use salus_lake::{Lake, Retention};
use salus_ledger::Kind;
use salus_query::{AskError, Asking, Books, Engine, Price};
use support::{ANY_PRICE, Home, Rows, asking, population, small_catalog};

const SQL: &str = "SELECT class, COUNT(*) FROM encounter GROUP BY class";

fn cheap() -> Asking {
    asking(Price::Rho(Rho::parse_floor("0.01").unwrap()))
}

/// One more visit, so that there is another snapshot, and every file of encounters is another one.
async fn visit(lake: &Lake, id: u64) {
    let row = Rows::new("encounter", &["person_id", "id", "class"]);
    let row = row.with(&[&[
        &(1000 + id).to_string(),
        &(1_000_000 + id).to_string(),
        "AMB",
    ]]);
    let transaction = lake.begin().unwrap();
    transaction.append("encounter", row.batch()).unwrap();
    assert!(transaction.commit(&|_| ()).await.unwrap().changed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_question_that_comes_after_the_files_went_costs_nothing() {
    let home = Home::new(&small_catalog(), &population(60, 3), 400).await;
    let (engine, ledger) = home.engine(ANY_PRICE).await;
    visit(&home.lake, 0).await;
    home.lake.vacuum(&Retention::newest(1)).await.unwrap();
    let spent = ledger.account().await.unwrap().spent;
    let asked = engine.ask(SQL, &cheap()).await;
    assert!(matches!(asked, Err(AskError::Lake(_))), "{asked:?}");
    assert_eq!(ledger.account().await.unwrap().spent, spent);
    assert!(ledger.newest(Kind::Reserve).await.unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_engine_that_holds_its_snapshot_answers_from_it() {
    let home = Home::new(&small_catalog(), &population(60, 3), 400).await;
    let reading = home.lake.reading().unwrap();
    let (engine, _ledger) = home.engine(ANY_PRICE).await;
    let engine = engine.holding(reading);
    visit(&home.lake, 0).await;
    let soon = Retention {
        patience: Duration::from_millis(50),
        ..Retention::newest(1)
    };
    assert!(home.lake.vacuum(&soon).await.is_err());
    engine.ask(SQL, &cheap()).await.unwrap();
    drop(engine);
    assert_eq!(home.lake.vacuum(&soon).await.unwrap().snapshots, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn questions_are_answered_while_vacuums_run() {
    let home = Home::new(&small_catalog(), &population(60, 3), 400).await;
    let (_, ledger) = home.engine(ANY_PRICE).await;
    let lake = home.lake.clone();
    let nights = tokio::spawn(async move {
        for night in 0..25 {
            visit(&lake, night).await;
            lake.vacuum(&Retention::newest(1)).await.unwrap();
        }
    });
    let mut answers = 0;
    while !nights.is_finished() || answers == 0 {
        let lake = home.lake.clone();
        let reading = tokio::task::spawn_blocking(move || lake.reading());
        let reading = reading.await.unwrap().unwrap();
        let books = Books::current(&home.lake, &ledger, ANY_PRICE)
            .await
            .unwrap();
        let engine = Engine::open(home.lake.clone(), ledger.clone(), books).unwrap();
        engine.holding(reading).ask(SQL, &cheap()).await.unwrap();
        answers += 1;
    }
    nights.await.unwrap();
    assert!(ledger.newest(Kind::Abort).await.unwrap().is_none());
}
