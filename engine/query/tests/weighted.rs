//! Persons in more than L0 groups who count in all of them, but less in each (S8w).

mod support;

use std::collections::BTreeMap;

use salus_accounting::{Delta, Noise, Rho};
use salus_query::{AskError, Asking, Price};
use support::{ANY_PRICE, Home, Rows, asking, population, small_catalog, text};

const BY_CODE: &str = "SELECT code, COUNT(DISTINCT person_id) AS n FROM condition GROUP BY code";

fn policy() -> String {
    format!("{ANY_PRICE}query_max_delta: \"0.5\"\nminimum_persons: 3\n")
}

/// Person p has the codes C0 to Cn, n being p modulo 6: who is in how many groups is known.
fn lake(persons: u64) -> Vec<Rows> {
    let mut tables: Vec<Rows> = population(persons, 3)
        .into_iter()
        .filter(|rows| rows.table != "condition")
        .collect();
    let mut conditions = Rows::new("condition", &["person_id", "id", "code"]);
    let mut id = 0;
    for person in 1..=persons {
        for code in 0..groups_of(person) {
            id += 1;
            conditions.push(&[&person.to_string(), &id.to_string(), &format!("C{code}")]);
        }
    }
    tables.push(conditions);
    tables
}

fn groups_of(person: u64) -> u64 {
    1 + person % 6
}

/// What a noiseless answer would be with L0 = `groups`.
#[allow(clippy::cast_precision_loss)]
fn weighed(persons: u64, groups: u64) -> BTreeMap<String, f64> {
    let mut sums = BTreeMap::new();
    for person in 1..=persons {
        let n = groups_of(person);
        let weight = (groups as f64 / n as f64).sqrt().min(1.0);
        for code in 0..n {
            *sums.entry(format!("C{code}")).or_default() += weight;
        }
    }
    sums
}

fn weighing(rho: &str, groups: u64) -> Asking {
    Asking {
        weigh: true,
        groups_per_person: Some(groups),
        delta: Some(Delta::parse_floor("1e-6").unwrap()),
        ..asking(Price::Rho(Rho::parse_floor(rho).unwrap()))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_noise_everybody_counts_in_all_groups_by_weight() {
    let home = Home::new(&small_catalog(), &lake(200), 50).await;
    let (engine, ledger) = home.engine(&policy()).await;
    for groups in [2, 3] {
        let asking = weighing("1000000", groups);
        let quote = engine.quote(BY_CODE, &asking).await.unwrap();
        let asked = engine.ask(BY_CODE, &asking).await.unwrap();
        assert_eq!(asked.published.cost, quote.cost);
        let expected = weighed(200, groups);
        let (_, tau) = quote.terms.thresholds[0];
        #[allow(clippy::cast_precision_loss)]
        let shown = expected.iter().filter(|(_, n)| **n > tau as f64 + 1.0);
        assert!(shown.clone().count() >= 5, "tau {tau}");
        let answered: BTreeMap<String, f64> = asked
            .answer
            .rows
            .iter()
            .map(|row| (text(&row[0]).unwrap(), row[1].as_f64().unwrap()))
            .collect();
        for (code, n) in shown {
            // Weights are rounded down to parts of 2^16, numbers to the nearest whole one.
            assert!(
                (answered[code] - n).abs() < 0.51,
                "{code}: {answered:?} {expected:?}"
            );
        }
    }
    ledger.audit_accounts().await.unwrap();
}

/// The threshold's true number counts heads: four persons who weigh a third each are four.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_minimum_counts_persons_and_not_their_weight() {
    let mut conditions = Rows::new("condition", &["person_id", "id", "code"]);
    for person in 1..=4 {
        for code in 0..9 {
            let id = (100 * person + code).to_string();
            conditions.push(&[&person.to_string(), &id, &format!("C{code}")]);
        }
    }
    // Two have a code of their own, which no noise may show.
    for person in ["1", "2"] {
        conditions.push(&[person, &format!("99{person}"), "rare"]);
    }
    let home = Home::new(&small_catalog(), &[conditions], 50).await;
    let mut asking = weighing("0.0001", 1);
    asking.delta = Some(Delta::parse_floor("0.4").unwrap());
    let mut seen = 0;
    for _ in 0..80 {
        let (engine, _) = home.engine(&policy()).await;
        let asked = engine.ask(BY_CODE, &asking).await.unwrap();
        for row in &asked.answer.rows {
            assert_ne!(text(&row[0]).unwrap(), "rare");
            seen += 1;
        }
    }
    assert!(seen > 0, "the noise lifted no group that may be shown");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_weighted_is_refused() {
    let home = Home::new(&small_catalog(), &lake(20), 50).await;
    let (engine, _) = home.engine(&policy()).await;
    let laplace = Asking {
        noise: Noise::DiscreteLaplace,
        ..weighing("0.1", 2)
    };
    let median = "SELECT code, MEDIAN(clamp(id, 0, 100)) FROM condition GROUP BY code";
    let distinct = "SELECT code, COUNT(DISTINCT clinical_status) FROM condition GROUP BY code";
    for (sql, asking) in [
        (BY_CODE, laplace),
        (median, weighing("0.1", 2)),
        (distinct, weighing("0.1", 2)),
    ] {
        match engine.ask(sql, &asking).await {
            Err(AskError::Refused(refusal)) => assert_eq!(refusal.rule, "S8w", "{sql}"),
            other => panic!("{sql}: {other:?}"),
        }
    }
    // Who is in one group has nothing to weigh, and the price is the same.
    let sql = "SELECT sex, COUNT(*) FROM patient GROUP BY sex";
    let mut asking = weighing("0.1", 2);
    asking.groups_per_person = None;
    let weighed = engine.quote(sql, &asking).await.unwrap();
    asking.weigh = false;
    let plain = engine.quote(sql, &asking).await.unwrap();
    assert_eq!(weighed.cost, plain.cost);
}

/// A single question of pure loss: the noise is that of its epsilon, and the purse is charged half its square.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn laplace_noise_is_named_by_its_own_epsilon() {
    let home = Home::new(&small_catalog(), &lake(20), 50).await;
    let (engine, _) = home.engine(ANY_PRICE).await;
    let asking = Asking {
        noise: Noise::DiscreteLaplace,
        ..asking(Price::Epsilon(
            salus_accounting::Epsilon::parse("1").unwrap(),
        ))
    };
    let sql = "SELECT sex, COUNT(*) AS n, SUM(deprivation) AS s FROM patient GROUP BY sex";
    let quote = engine.quote(sql, &asking).await.unwrap();
    // Two mechanisms of epsilon 1/2: scale 2 for the count.
    assert!((quote.noise[0].sigma - 2.0).abs() < 1e-9, "{quote:?}");
    assert_eq!(quote.cost.rho, Rho::parse_floor("0.25").unwrap());
    assert_eq!(quote.cost.delta, Delta::ZERO);
    let asked = engine.ask(sql, &asking).await.unwrap();
    assert_eq!(asked.published.cost, quote.cost);
}
