//! What the ledger is told of the lake, and what it is not; what tables of views may be called and hold.

mod support;

use salus_accounting::Rho;
use salus_lake::Lake;
use salus_ledger::{Body, Ledger};
use salus_query::{Admission, AskError, Books, Engine, Price};
use support::{ANY_PRICE, Home, Rows, asking, population, small_catalog};

const COUNT: &str = "SELECT COUNT(*) FROM patient";

/// A view with an id of its own making, which is no row's id.
const SECTION: &str = r#"
views:
  reading:
    view:
      sha256: "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
      resource: Observation
      columns: [id, value, weight]
    doc: Readings.
    unit: person_id
    one_row_per_person: false
    max_rows_per_person: 6
    rows_per_person: 6
    columns:
      person_id: { type: bigint, doc: The person. }
      resource_id: { type: bigint, doc: The resource. }
      row: { type: bigint, doc: The place. }
      id: { type: bigint, doc: Anything. }
      value: { type: bigint, doc: A value. }
      weight: { type: bigint, doc: A weight., bounds: { low: 0, high: 10, granularity: 1 }, source: Of this test. }
"#;

fn readings() -> Vec<Rows> {
    let columns = &["person_id", "resource_id", "row", "id", "value", "weight"];
    let mut patients = Rows::new("patient", &["person_id"]);
    let mut readings = Rows::new("reading", columns);
    for person in 1..=20 {
        let person = person.to_string();
        patients.push(&[&person]);
        readings.push(&[&person, "1", "0", "7", "5", "9"]);
        readings.push(&[&person, "2", "0", "7", "5", "1"]);
    }
    vec![patients, readings]
}

/// The catalog in force at `home`, with `from` written as `to`.
fn changed(home: &Home, from: &str, to: &str) -> Lake {
    let file = home.dir.path().join("home/catalog.yaml");
    let yaml = std::fs::read_to_string(&file).unwrap();
    assert!(yaml.contains(from), "{from}");
    std::fs::write(&file, yaml.replace(from, to)).unwrap();
    Lake::open(&home.dir.path().join("home")).unwrap()
}

async fn size(ledger: &Ledger) -> u64 {
    ledger.size().await.unwrap()
}

async fn commit(lake: &Lake, rows: &Rows) {
    let transaction = lake.begin().unwrap();
    transaction.append(rows.table, rows.batch()).unwrap();
    transaction.commit(&|_| {}).await.unwrap();
}

#[tokio::test]
async fn a_price_leaves_no_trace_and_its_engine_answers_nothing() {
    let home = Home::new(&small_catalog(), &population(30, 3), 400).await;
    let (engine, ledger) = home.engine(ANY_PRICE).await;
    let mut cheap = asking(Price::Rho(Rho::parse_floor("0.01").unwrap()));
    cheap.fresh = false;
    engine.ask(COUNT, &cheap).await.unwrap();
    let known = engine.quote(COUNT, &cheap).await.unwrap();
    assert!(matches!(known.admission, Admission::Known(_)));

    commit(
        &home.lake,
        &Rows::new("patient", &["person_id"]).with(&[&["9001"]]),
    )
    .await;
    let before = size(&ledger).await;
    let books = Books::for_prices(&home.lake, &ledger, ANY_PRICE)
        .await
        .unwrap();
    let prices = Engine::open(home.lake.clone(), ledger.clone(), books).unwrap();
    let quote = prices.quote(COUNT, &cheap).await.unwrap();
    // The answer that there is stands for rows that are not those of today.
    assert!(matches!(quote.admission, Admission::Paid));
    assert_eq!(size(&ledger).await, before);
    let refused = prices.ask(COUNT, &cheap).await;
    assert!(matches!(refused, Err(AskError::PricesAlone)), "{refused:?}");
    assert_eq!(size(&ledger).await, before);

    // Where nothing stands between the price and the answer, one engine is as good as the other.
    Books::current(&home.lake, &ledger, ANY_PRICE)
        .await
        .unwrap();
    assert_eq!(size(&ledger).await, before + 1);
    let books = Books::for_prices(&home.lake, &ledger, ANY_PRICE)
        .await
        .unwrap();
    let engine = Engine::open(home.lake.clone(), ledger, books).unwrap();
    engine.ask(COUNT, &cheap).await.unwrap();
}

/// What the first log says of the lake: kinds, with the numbers of snapshots.
async fn told(ledger: &Ledger) -> Vec<String> {
    let mut told = Vec::new();
    for stored in ledger.entries().await.unwrap() {
        let number = match &stored.entry.body {
            Body::Snapshot(snapshot) => snapshot.snapshot.to_string(),
            _ => String::new(),
        };
        told.push(format!("{:?} {number}", stored.entry.body.kind()));
    }
    told
}

/// Somebody is taken out in one of two homes, between two ingests that both record.
#[tokio::test]
async fn the_numbers_of_snapshots_do_not_count_what_is_not_told() {
    let mut all = Vec::new();
    for takes_out in [false, true] {
        let home = Home::new(&small_catalog(), &population(30, 3), 400).await;
        let (engine, ledger) = home.engine(ANY_PRICE).await;
        drop(engine);
        if takes_out {
            let transaction = home.lake.begin().unwrap();
            transaction.remove_person(2);
            transaction.commit(&|_| {}).await.unwrap();
        }
        commit(
            &home.lake,
            &Rows::new("patient", &["person_id"]).with(&[&["9001"]]),
        )
        .await;
        Books::current(&home.lake, &ledger, ANY_PRICE)
            .await
            .unwrap();
        all.push(told(&ledger).await);
    }
    assert_eq!(all[0], all[1]);
    assert_eq!(all[0].last().map(String::as_str), Some("Snapshot 2"));
}

/// Questions that come together after an ingest died between its snapshot and the ledger, under a catalog that is new as well.
#[tokio::test]
async fn what_many_find_unrecorded_is_recorded_once() {
    let home = Home::new(&small_catalog(), &population(10, 3), 400).await;
    let (engine, ledger) = home.engine(ANY_PRICE).await;
    drop(engine);
    let lake = changed(&home, "max_cells: ", "max_cells: 1");
    commit(
        &lake,
        &Rows::new("patient", &["person_id"]).with(&[&["9001"]]),
    )
    .await;
    let before = told(&ledger).await;
    let mut asking = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let (lake, ledger) = (lake.clone(), ledger.clone());
        asking.spawn(async move { Books::current(&lake, &ledger, ANY_PRICE).await });
    }
    let all = asking.join_all().await;
    let mut seen: Vec<String> = all
        .into_iter()
        .map(|books| format!("{:?}", books.unwrap()))
        .collect();
    seen.dedup();
    assert_eq!(seen.len(), 1, "{seen:?}");
    let after = told(&ledger).await;
    assert_eq!(after[before.len()..], ["Catalog ", "Snapshot 2"]);
}

#[tokio::test]
async fn a_lake_of_before_does_not_take_the_ledger_back() {
    let home = Home::new(&small_catalog(), &population(10, 3), 400).await;
    let (engine, ledger) = home.engine(ANY_PRICE).await;
    drop(engine);
    let later = changed(&home, "max_cells: ", "max_cells: 1");
    Books::current(&later, &ledger, ANY_PRICE).await.unwrap();
    let before = size(&ledger).await;
    let refused = Books::current(&home.lake, &ledger, ANY_PRICE).await;
    assert!(
        matches!(&refused, Err(AskError::Lake(why)) if why.contains("changed since")),
        "{refused:?}"
    );
    assert_eq!(size(&ledger).await, before);
    Books::current(&later, &ledger, ANY_PRICE).await.unwrap();
}

#[tokio::test]
async fn what_a_view_calls_id_breaks_no_tie() {
    let home = Home::new(&(small_catalog() + SECTION), &readings(), 400).await;
    let (engine, _ledger) = home.engine(ANY_PRICE).await;
    let first = "SELECT SUM(weight) AS s FROM (SELECT person_id, weight, row_number() OVER (PARTITION BY person_id ORDER BY value) AS place \
                 FROM (SELECT person_id, id, value, weight FROM reading) r) t WHERE place = 1";
    let asked = engine.ask(first, &asking(Price::Default)).await.unwrap();
    // Of two rows that differ in their weight alone the lighter comes first, wherever they lie.
    let sum = asked.answer.rows[0][0].as_f64().unwrap();
    assert!((sum - 20.0).abs() < 1.0, "{sum}");
}

#[tokio::test]
async fn a_catalog_that_reads_a_views_rows_otherwise_opens_no_engine() {
    for (from, to, what) in [
        (
            "max_rows_per_person: 6\n    rows_per_person: 6\n    columns:\n      person_id: { type: bigint, doc: The person. }\n      resource_id",
            "max_rows_per_person: 5\n    rows_per_person: 5\n    columns:\n      person_id: { type: bigint, doc: The person. }\n      resource_id",
            "max_rows_per_person",
        ),
        ("value: { type: bigint", "value: { type: text", "bigint"),
    ] {
        let home = Home::new(&(small_catalog() + SECTION), &readings(), 400).await;
        let (engine, ledger) = home.engine(ANY_PRICE).await;
        drop(engine);
        let lake = changed(&home, from, to);
        let books = Books::current(&lake, &ledger, ANY_PRICE).await.unwrap();
        let refused = Engine::open(lake.clone(), ledger, books);
        assert!(
            matches!(&refused, Err(AskError::Lake(why)) if why.contains(what)),
            "{refused:?}"
        );
        if what == "bigint" {
            // What is written on top would be of two types.
            assert!(lake.begin().is_err());
        }
    }
}
