//! The guarantee, measured: the noise that leaves the ledger tells two lakes that differ in one person apart no better than the price says.
//!
//! With P and Q the answers on the two lakes, epsilon = ln 3 and E the event that an answer is at least three times as likely under P, P(E) − 3 Q(E)
//! is the hockey-stick divergence, which for the declared noise is known. It is estimated from draws of the whole release, and must not be
//! larger; with noise of 0.9 sigma it must be found to be larger.

use salus_accounting::{Delta, Noise, Rational, Rho};
use salus_certificate::{Certificate, EntryIndex, Mechanism};
use salus_ledger::{Exact, Ledger, Reservation};

use super::lakes::{Layout, Replay};
use super::support::{ANY_PRICE, Home, Rows, small_catalog};
use super::setting;
use crate::answer::approximate;
use crate::books::{Books, UNIT};
use crate::question::Question;
use crate::release::BoundingOptions;
use crate::{price, session};

/// A sum and a count to which person 1 brings all that she may.
const SQL: &str = "SELECT SUM(clamp(length_minutes, 0, 90)), COUNT(*) FROM encounter";

fn lake(with_her: bool) -> Vec<Rows> {
    let mut rows = Rows::new("encounter", &["person_id", "id", "class", "length_minutes"]);
    for i in 0..6 {
        rows.push(&["2", &i.to_string(), "AMB", "30"]);
        if with_her {
            rows.push(&["1", &(i + 10).to_string(), "AMB", "43200"]);
        }
    }
    vec![rows]
}

/// A question over both lakes.
struct Neighbours {
    question: Question,
    mechanisms: Vec<Mechanism>,
    with: Vec<i128>,
    without: Vec<i128>,
    ledger: Ledger,
    books: Books,
    _home: Home,
}

impl Neighbours {
    async fn new() -> Self {
        let (with, without) = (
            Replay::new(&lake(true), 100).await,
            Replay::new(&lake(false), 100).await,
        );
        let planning = session::planning(with.lake()).unwrap();
        let catalog = with.lake().catalog();
        let options = BoundingOptions::default();
        let question = Question::validate(SQL, &planning, catalog, options).await;
        let question = question.unwrap();
        let rho = Rho::parse_floor("0.5").unwrap();
        let mechanisms = price::mechanisms(
            &question.releases,
            Noise::DiscreteGaussian,
            rho,
            Delta::ZERO,
        )
        .unwrap();
        let numbers = async |lake: &Replay| -> Vec<i128> {
            let vectors = lake.vectors(&question).await.unwrap();
            let single = |v: &std::collections::BTreeMap<_, i128>| v.values().sum();
            vectors.iter().map(single).collect()
        };
        let (a, b) = (numbers(&with).await, numbers(&without).await);
        let home = Home::new(&small_catalog(), &lake(true), 100).await;
        let (_, ledger) = home.engine(ANY_PRICE).await;
        let books = Books::current(&home.lake, &ledger, ANY_PRICE)
            .await
            .unwrap();
        Self {
            question,
            mechanisms,
            with: a,
            without: b,
            ledger,
            books,
            _home: home,
        }
    }

    /// Draws of the release of `numbers`, through a charge, with noise `scale` times as wide as declared: one column for each mechanism.
    async fn draws(&self, numbers: &[i128], scale: &Rational, draws: usize) -> Vec<Vec<i128>> {
        let mut bounds = self.question.releases[0].release.bounds();
        bounds.cells = draws as u64;
        let scaled = self.mechanisms.iter().map(|m| {
            let sigma = m.sigma.product(scale);
            Mechanism::new(
                Noise::DiscreteGaussian,
                m.aggregate,
                m.bound,
                &bounds,
                sigma,
            )
            .unwrap()
        });
        let certificate = Certificate {
            dataset: self.books.dataset,
            snapshot: self.books.snapshot_entry,
            catalog: self.books.catalog,
            policy: self.books.policy,
            unit: UNIT.to_owned(),
            steps: self.question.steps.clone(),
            releases: vec![bounds.clone()],
            keys: [0; 32],
            mechanisms: scaled.collect(),
        };
        let reservation = Reservation {
            principal: "p-1".to_owned(),
            roles: vec![],
            purpose: "HRESCH".to_owned(),
            question: SQL.to_owned(),
            plan: vec![],
            keys: vec![],
            certificate,
            retry: None,
        };
        let charge = self.ledger.reserve(reservation).await.unwrap();
        assert_ne!(charge.entry(), EntryIndex(0));
        let exact = Exact::seal(numbers.iter().map(|n| vec![*n; draws]).collect());
        let mut columns = Vec::new();
        let released = charge.release(exact, async |released| {
            columns.clone_from(&released.columns);
            Ok(Vec::new())
        });
        released.await.unwrap();
        columns
    }

    /// Part of the draws that are at least three times as likely with her as without, under the declared noise.
    #[allow(clippy::cast_precision_loss)] // Numbers of a few thousand.
    fn telling(&self, columns: &[Vec<i128>]) -> f64 {
        let draws = columns[0].len();
        let told = (0..draws).filter(|draw| {
            let ratios = columns.iter().enumerate().map(|(j, column)| {
                let sigma = approximate(&self.mechanisms[j].sigma);
                let x = column[*draw] as f64;
                let (a, b) = (self.with[j] as f64, self.without[j] as f64);
                ((x - b).powi(2) - (x - a).powi(2)) / (2.0 * sigma * sigma)
            });
            ratios.sum::<f64>() > 3_f64.ln()
        });
        told.count() as f64 / draws as f64
    }

    async fn divergence(&self, scale: &Rational, draws: usize) -> f64 {
        let with = self.draws(&self.with, scale, draws).await;
        let without = self.draws(&self.without, scale, draws).await;
        self.telling(&with) - 3.0 * self.telling(&without)
    }
}

/// Of two normal distributions of variance 1 whose means are `apart`, the hockey-stick divergence at epsilon. Source: Balle, Wang (2018), theorem 5.
fn declared(apart: f64, epsilon: f64) -> f64 {
    let below = |x: f64| normal(x);
    below(apart / 2.0 - epsilon / apart) - epsilon.exp() * below(-apart / 2.0 - epsilon / apart)
}

/// The normal distribution function, by Simpson's rule: good to 1e-9 here.
fn normal(x: f64) -> f64 {
    let density = |t: f64| (-t * t / 2.0).exp() / std::f64::consts::TAU.sqrt();
    let steps = 2_000;
    let (low, width) = (-10.0, (x + 10.0) / f64::from(steps));
    let terms = (0..=steps).map(|i| {
        let weight = match i {
            0 => 1.0,
            i if i == steps => 1.0,
            i if i % 2 == 1 => 4.0,
            _ => 2.0,
        };
        weight * density(low + f64::from(i) * width)
    });
    terms.sum::<f64>() * width / 3.0
}

#[tokio::test]
async fn two_lakes_are_told_apart_no_better_than_the_price_says() {
    let draws = usize::try_from(setting("SALUS_DRAWS", 500_000)).unwrap();
    let neighbours = Neighbours::new().await;
    // She brings all that is declared: the means are as far apart as rho says, rho = apart² / 2.
    let rho: f64 = neighbours
        .mechanisms
        .iter()
        .map(|m| m.rho.to_string().parse::<f64>().unwrap())
        .sum();
    let apart = (2.0 * rho).sqrt();
    assert!((apart - 1.0).abs() < 1e-3, "{apart}");
    let declared = declared(apart, 3_f64.ln());
    #[allow(clippy::cast_precision_loss)]
    let deviation = ((0.3 + 9.0 * 0.06) / draws as f64).sqrt();
    let one = Rational::from(1);
    let measured = neighbours.divergence(&one, draws).await;
    println!("declared {declared:.5}, measured {measured:.5}, deviation {deviation:.5}");
    // 5 deviations: a false alarm in three million runs. The lattice of a count with sigma 8 moves the event a little.
    let slack = 5.0 * deviation + 0.002;
    assert!((measured - declared).abs() < slack);
    // The test has power.
    let narrow = Rational::from_ratio(9, 10).unwrap();
    let measured = neighbours.divergence(&narrow, draws / 5).await;
    println!("at 0.9 sigma {measured:.5}");
    assert!(measured > declared + 2.0 * slack, "{measured}");
}
