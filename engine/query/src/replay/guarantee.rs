//! The guarantee, measured: what the engine answers tells two lakes that differ in one person apart no better than the price says.
//!
//! With P and Q the answers on the two lakes, epsilon = ln 3 and E the event that an answer is at least three times as likely under P, P(E) − 3 Q(E)
//! is the hockey-stick divergence, which for the declared noise is known. It is estimated from a million draws of whole questions, and must not be
//! larger; with noise of 0.9 sigma, a million draws must find it to be larger.
//!
//! **What is drawn.** Questions are asked of the engine as analysts ask them: from the SQL text over admission, plan, RESERVE, scan, noise and
//! threshold to the rows of the answer. A question has tens of thousands of cells, and each is a draw of its own: its exact numbers come from the rows
//! of its own persons alone, and its noise is drawn by itself (`draws_beside_each_other_are_independent`). So an answer is that of as many small lakes as
//! there are cells, each asked the same question once; in one of the two lakes each cell has a person more who brings all that is declared. All keys
//! are one value per person, so L0 is 1 and the whole price stands against each cell. A million questions with one cell would take days, nearly all of
//! them in commits of the ledger, and would draw the same noise.

use salus_accounting::{Rational, Rho};
use salus_query::{Engine, Price};

use super::support::{ANY_PRICE, Home, Rows, asking, small_catalog, text};
use super::{setting, soaks};

/// Two numbers to which a person brings 10 and 20, the most that their bounds let her.
const SQL: &str = "SELECT state, race, ethnicity, marital_status, SUM(CASE WHEN deceased THEN 10 ELSE -10 END) AS a, SUM(CASE WHEN deceased THEN 20 ELSE -20 END) AS b FROM patient GROUP BY 1, 2, 3, 4";

const KEYS: usize = 4;

/// What she brings to the two numbers.
const APART: [f64; 2] = [10.0, 20.0];

/// The price that is declared.
const RHO: f64 = 0.5;

/// More cells than the shipped catalog lets one answer have.
fn catalog() -> String {
    small_catalog().replace("max_cells: 10000\n", "max_cells: 1000000\n")
}

/// A person in each of these cells.
fn persons(cells: &[Vec<Option<String>>]) -> Rows {
    let mut rows = Rows::new(
        "patient",
        &[
            "person_id",
            "state",
            "race",
            "ethnicity",
            "marital_status",
            "deceased",
        ],
    );
    for (person, cell) in (1..).zip(cells) {
        let person: u32 = person;
        let id = person.to_string();
        let mut row = vec![id.as_str()];
        row.extend(cell.iter().map(|key| key.as_deref().unwrap_or_default()));
        row.push("true");
        rows.push(&row);
    }
    rows
}

/// The answers to a question about one lake, cell by cell.
struct Asked {
    home: Home,
    engine: Engine,
}

impl Asked {
    async fn new(rows: &[Rows]) -> Self {
        let home = Home::new(&catalog(), rows, 10_000).await;
        let (engine, _) = home.engine(ANY_PRICE).await;
        Self { home, engine }
    }

    /// The keys of the cells and their numbers.
    async fn answer(&self, rho: &str) -> Vec<Vec<Option<String>>> {
        assert!(self.home.dir.path().exists());
        let price = Price::Rho(Rho::parse_floor(rho).unwrap());
        let asked = self.engine.ask(SQL, &asking(price)).await.unwrap();
        let rows = asked.answer.rows.iter();
        rows.map(|row| row.iter().map(text).collect()).collect()
    }

    /// The part of so many draws that are at least three times as likely with her as without, if their noise is `sigma`.
    async fn telling(&self, rho: &str, sigma: [f64; 2], draws: usize) -> f64 {
        let (mut told, mut seen) = (0_u32, 0_u32);
        while (seen as usize) < draws {
            for row in self.answer(rho).await.iter().take(draws - seen as usize) {
                let number = |j: usize| row[KEYS + j].as_ref().unwrap().parse::<f64>().unwrap();
                told += u32::from(tells(number(0), number(1), sigma));
                seen += 1;
            }
        }
        f64::from(told) / f64::from(seen)
    }
}

/// Whether two numbers are at least three times as likely with her as without: the event E.
fn tells(x: f64, y: f64, sigma: [f64; 2]) -> bool {
    let ratio =
        |z: f64, apart: f64, sigma: f64| (z.powi(2) - (z - apart).powi(2)) / (2.0 * sigma * sigma);
    ratio(x, APART[0], sigma[0]) + ratio(y, APART[1], sigma[1]) > 3_f64.ln()
}

/// Standard deviations of the two noises at a price that is split evenly: sigma² = sensitivity² / 2 rho.
fn sigma() -> [f64; 2] {
    APART.map(|apart| apart / RHO.sqrt())
}

/// The probabilities of E with her and without, under the declared noise: discrete Gaussians, summed up.
fn declared() -> (f64, f64) {
    let sigma = sigma();
    let weights = |sigma: f64| -> Vec<(f64, f64)> {
        let weight = |x: i32| (-f64::from(x).powi(2) / (2.0 * sigma * sigma)).exp();
        let all: f64 = (-400..=400).map(weight).sum();
        (-400..=400).map(|x| (x.into(), weight(x) / all)).collect()
    };
    let (first, second) = (weights(sigma[0]), weights(sigma[1]));
    let mut told = (0.0, 0.0);
    for (x, p) in &first {
        for (y, q) in &second {
            if tells(x + APART[0], y + APART[1], sigma) {
                told.0 += p * q;
            }
            if tells(*x, *y, sigma) {
                told.1 += p * q;
            }
        }
    }
    told
}

/// The estimated divergence at a price, the declared one, and how far the estimate may lie off.
async fn measured(rho: &str) -> (f64, f64, f64) {
    let usual = if soaks() { 5_000_000 } else { 500_000 };
    let draws = usize::try_from(setting("SALUS_DRAWS", usual)).unwrap();
    let without = Asked::new(&[]).await;
    let cells = without.answer("0.5").await;
    let cells: Vec<_> = cells.into_iter().map(|row| row[..KEYS].to_vec()).collect();
    let with = Asked::new(&[persons(&cells)]).await;
    let (p, q) = declared();
    let declared = p - 3.0 * q;
    let told = (
        with.telling(rho, sigma(), draws).await,
        without.telling(rho, sigma(), draws).await,
    );
    let measured = told.0 - 3.0 * told.1;
    // Bernstein's inequality: the mean of n independent terms within b = 4 of their mean and of variance v lies off by more than t with probability
    // at most 2 exp(−n t² / (2v + 2bt/3)). With this t it is below 2 e^−18 < 4e-8.
    #[allow(clippy::cast_precision_loss, reason = "millions")]
    let each = 18.0 / draws as f64;
    let (b, v) = (4.0, p * (1.0 - p) + 9.0 * q * (1.0 - q));
    let slack = b * each / 3.0 + ((b * each / 3.0).powi(2) + 2.0 * v * each).sqrt();
    println!(
        "{} cells, 2 x {draws} draws: measured {measured:.5}, declared {declared:.5}, at most {slack:.5} off",
        cells.len()
    );
    (measured, declared, slack)
}

#[tokio::test]
async fn two_lakes_are_told_apart_no_better_than_the_price_says() {
    let (measured, declared, slack) = measured("0.5").await;
    assert!(measured < declared + slack, "{measured} {declared}");
    // Nor is there noise that nobody asked for.
    assert!(measured > declared - slack, "{measured} {declared}");
}

/// The test has power: at a price of rho / 0.81 noise is 0.9 sigma, and no price below would allow that.
#[tokio::test]
async fn nine_tenths_of_the_noise_are_found() {
    let ninth = Rational::from_ratio(50, 81).unwrap();
    let (measured, declared, slack) = measured(&ninth.to_decimal_string(9)).await;
    assert!(measured > declared + slack, "{measured} {declared}");
}
