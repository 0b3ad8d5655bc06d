//! Intervals: over questions and repetitions with fresh noise, the stated interval holds the non-private truth at the stated rate, no more
//! rarely and not much more often.
//!
//! The truth comes from plain DataFusion over the same rows in memory. Values lie within their bounds and no person has more rows than count,
//! so the truth is the number a noiseless answer would have had.

mod support;

use std::collections::HashMap;

use salus_accounting::{Noise, Rational, Rho};
use salus_query::{AskError, Asking, Expected, Price};
use support::{Home, Rows, asking, plain, plain_rows, population, small_catalog, text};

/// Number of keys, price and question. Prices are such that noise spans many steps of the lattice and averages stand clear of it.
const POOL: &[(usize, &str, &str)] = &[
    (0, "0.002", "SELECT COUNT(*) FROM patient"),
    (
        0,
        "0.002",
        "SELECT COUNT(DISTINCT person_id) FROM encounter",
    ),
    (0, "0.05", "SELECT COUNT(*) FROM encounter"),
    (
        0,
        "0.05",
        "SELECT COUNT(*) FROM encounter WHERE class = 'EMER'",
    ),
    (
        0,
        "0.002",
        "SELECT COUNT(DISTINCT person_id) FROM condition WHERE code = '44054006'",
    ),
    (
        0,
        "0.002",
        "SELECT COUNT(DISTINCT person_id) FROM condition WHERE clinical_status = 'active'",
    ),
    (0, "0.05", "SELECT SUM(length_minutes) FROM encounter"),
    (
        0,
        "0.05",
        "SELECT SUM(length_minutes) FROM encounter WHERE class = 'IMP'",
    ),
    (0, "0.002", "SELECT SUM(deprivation) FROM patient"),
    (0, "0.01", "SELECT AVG(deprivation) FROM patient"),
    (0, "0.05", "SELECT AVG(length_minutes) FROM encounter"),
    (
        0,
        "0.05",
        "SELECT AVG(value) FROM observation WHERE code = '4548-4'",
    ),
    (
        0,
        "0.05",
        "SELECT AVG(value) FROM observation WHERE code = '8480-6'",
    ),
    (
        0,
        "0.05",
        "SELECT AVG(value) FROM observation WHERE code = '2345-7'",
    ),
    (
        0,
        "0.05",
        "SELECT SUM(value) FROM observation WHERE code = '8480-6'",
    ),
    (
        0,
        "0.05",
        "SELECT AVG(o.value) FROM observation o JOIN patient p ON o.person_id = p.person_id WHERE o.code = '4548-4' AND p.deprivation > 5",
    ),
    (
        0,
        "0.05",
        "SELECT COUNT(*) FROM patient p JOIN encounter e ON p.person_id = e.person_id WHERE p.deprivation > 5",
    ),
    (
        0,
        "0.002",
        "SELECT COUNT(*) FROM patient WHERE person_id IN (SELECT person_id FROM condition WHERE code = '38341003')",
    ),
    (
        0,
        "0.002",
        "SELECT COUNT(*) FROM patient p WHERE NOT EXISTS (SELECT 1 FROM encounter e WHERE e.person_id = p.person_id)",
    ),
    (
        0,
        "0.002",
        "SELECT COUNT(*) FROM (SELECT person_id, COUNT(*) AS n FROM encounter GROUP BY person_id) t WHERE n >= 3",
    ),
    (
        0,
        "0.02",
        "SELECT AVG(m) FROM (SELECT person_id, MAX(value) AS m FROM observation WHERE code = '4548-4' GROUP BY person_id) t",
    ),
    (
        0,
        "0.002",
        "SELECT COUNT(DISTINCT c.person_id) FROM condition c JOIN (VALUES ('44054006'), ('59621000')) v(code) ON c.code = v.code",
    ),
    (
        0,
        "0.002",
        "SELECT COUNT(*) FILTER (WHERE deceased), COUNT(*) FILTER (WHERE sex = 'female') FROM patient",
    ),
    (
        1,
        "0.002",
        "SELECT deceased, COUNT(*) FROM patient GROUP BY 1",
    ),
    (
        1,
        "0.002",
        "SELECT deprivation, COUNT(DISTINCT person_id) FROM patient WHERE deprivation IS NOT NULL GROUP BY 1",
    ),
    (
        1,
        "0.002",
        "SELECT CASE WHEN deprivation <= 3 THEN 'low' WHEN deprivation <= 7 THEN 'middle' ELSE 'high' END, COUNT(*) FROM patient GROUP BY 1",
    ),
    (
        1,
        "0.05",
        "SELECT CASE WHEN class = 'AMB' THEN 'a' WHEN class = 'EMER' THEN 'e' ELSE 'o' END, COUNT(*) FROM encounter GROUP BY 1",
    ),
    (
        1,
        "0.05",
        "SELECT CASE WHEN class = 'AMB' THEN 'a' WHEN class = 'EMER' THEN 'e' ELSE 'o' END, AVG(length_minutes) FROM encounter GROUP BY 1",
    ),
    (
        1,
        "0.05",
        "SELECT CASE WHEN class = 'AMB' THEN 'a' WHEN class = 'EMER' THEN 'e' ELSE 'o' END, SUM(length_minutes) FROM encounter GROUP BY 1",
    ),
    (
        1,
        "0.002",
        "SELECT length_minutes > 100, COUNT(DISTINCT person_id) FROM encounter GROUP BY 1",
    ),
    (
        1,
        "0.05",
        "SELECT CASE WHEN p.deprivation < 6 THEN 0 ELSE 1 END, AVG(o.value) FROM observation o JOIN patient p ON o.person_id = p.person_id WHERE o.code = '2345-7' GROUP BY 1",
    ),
    (
        1,
        "0.05",
        "SELECT CASE WHEN p.sex = 'male' THEN 'm' ELSE 'f' END, COUNT(*) FROM patient p JOIN condition c ON c.person_id = p.person_id GROUP BY 1",
    ),
];

const REPETITIONS: usize = 24;

/// The same for numbers that are computed from released ones: ratios, shares, differences, sums over groups, rounded numbers.
const COMPUTED: &[(usize, &str, &str)] = &[
    (
        0,
        "0.05",
        "SELECT (SELECT COUNT(*) FROM patient WHERE sex = 'male') + (SELECT COUNT(*) FROM patient)",
    ),
    (
        0,
        "0.05",
        "SELECT 100.0 * COUNT(*) FILTER (WHERE deceased) / COUNT(*), COUNT(*) FILTER (WHERE sex = 'male') - COUNT(*) FILTER (WHERE sex = 'female'), -3.5 * COUNT(*) FILTER (WHERE deprivation > 5) FROM patient",
    ),
    (
        0,
        "0.5",
        "SELECT SUM(length_minutes) / COUNT(*), 2 * SUM(length_minutes) FILTER (WHERE class = 'IMP'), COUNT(*) FILTER (WHERE class = 'EMER') + 7 FROM encounter",
    ),
    (
        0,
        "0.5",
        "SELECT AVG(value) - 100, 0.1 * SUM(value) FROM observation WHERE code = '8480-6'",
    ),
    (
        1,
        "0.05",
        "SELECT CASE WHEN deprivation <= 3 THEN 'low' WHEN deprivation <= 7 THEN 'middle' ELSE 'high' END, 100.0 * COUNT(*) / SUM(COUNT(*)) OVER () FROM patient GROUP BY 1",
    ),
    (
        0,
        "0.05",
        "SELECT SUM(n), MAX(n) - MIN(n) FROM (SELECT CASE WHEN deprivation <= 5 THEN 'low' ELSE 'high' END AS d, COUNT(*) AS n FROM patient GROUP BY 1) t",
    ),
    (
        0,
        "0.1",
        "WITH ill AS (SELECT COUNT(DISTINCT person_id) AS n FROM condition), seen AS (SELECT COUNT(DISTINCT person_id) AS n FROM encounter), everybody AS (SELECT COUNT(*) AS n FROM patient) SELECT round(100.0 * ill.n / everybody.n, 3), 100.0 * seen.n / everybody.n, seen.n - ill.n FROM ill, seen, everybody",
    ),
    (
        0,
        "2000",
        "SELECT STDDEV(value), VAR(value) FROM observation WHERE code = '8480-6'",
    ),
    (
        1,
        "0.05",
        "SELECT CAST(COALESCE(a.d, b.d) AS BIGINT), 2 * COALESCE(a.n, b.n) FROM (SELECT deprivation AS d, COUNT(*) AS n FROM patient GROUP BY deprivation HAVING deprivation < 3) a FULL JOIN (SELECT deprivation AS d, COUNT(*) AS n FROM patient GROUP BY deprivation HAVING deprivation > 8) b ON a.d = b.d",
    ),
    (
        1,
        "0.05",
        "SELECT 'half of all patients' AS what, COUNT(*) / 2.0 AS n FROM patient UNION ALL SELECT 'twice the visits', 2.0 * COUNT(*) FROM encounter",
    ),
];

/// Quantiles, with the same place among the sorted rows in plain SQL: the least value that so many rows lie at or below.
const QUANTILES: &[(&str, &str, &str)] = &[
    (
        "0.1",
        "SELECT MEDIAN(clamp(length_minutes, 0, 900)), approx_percentile_cont(clamp(length_minutes, 0, 900), 0.9) FROM encounter",
        "SELECT MIN(CASE WHEN 2 * n >= m THEN d END), MIN(CASE WHEN 10 * n >= 9 * m THEN d END) FROM (SELECT d, COUNT(d) OVER (ORDER BY d) AS n, COUNT(d) OVER () AS m FROM (SELECT CASE WHEN length_minutes < 0 THEN 0 ELSE length_minutes END AS d FROM encounter) t WHERE d IS NOT NULL) u",
    ),
    (
        "0.2",
        "SELECT approx_percentile_cont(0.25) WITHIN GROUP (ORDER BY value), MEDIAN(value) FROM observation WHERE code = '8480-6'",
        "SELECT MIN(CASE WHEN 4 * n >= m THEN d END), MIN(CASE WHEN 2 * n >= m THEN d END) FROM (SELECT value AS d, COUNT(*) OVER (ORDER BY value) AS n, COUNT(*) OVER () AS m FROM observation WHERE code = '8480-6' AND value IS NOT NULL) u",
    ),
];

/// How many intervals were seen, and how many held the truth as stated, at a quarter, half and double their width.
#[derive(Debug, Default)]
struct Tally {
    seen: u32,
    held: u32,
    at_quarter: u32,
    at_half: u32,
    at_double: u32,
    /// Squared errors in units of the stated standard error, and their number.
    squares: f64,
    squared: u32,
}

impl Tally {
    fn add(&mut self, value: f64, [low, high]: [f64; 2], truth: f64, error: Option<f64>) {
        let slack = 1e-9 * (1.0 + truth.abs());
        // Averages sit off the centre: scale each side about the released value. What is cut at zero has lost a side, and is scaled by its error.
        let cut = low.abs() < slack || high.abs() < slack;
        let (below, above) = match error {
            Some(error) if cut => (1.96 * error, 1.96 * error),
            _ => (value - low, high - value),
        };
        let holds = |scale: f64| {
            value - scale * below - slack <= truth && truth <= value + scale * above + slack
        };
        self.seen += 1;
        self.held += u32::from(low - slack <= truth && truth <= high + slack);
        self.at_quarter += u32::from(holds(0.25));
        self.at_half += u32::from(holds(0.5));
        self.at_double += u32::from(holds(2.0));
    }

    fn add_error(&mut self, value: f64, truth: f64, standard: f64) {
        self.squares += ((value - truth) / standard).powi(2);
        self.squared += 1;
    }

    /// The rate that 95 % intervals have, within 4.9 standard deviations each side (false alarm below 10^-6); the lattice of the integers and
    /// the zero of counts may add one in a hundred.
    fn is_nominal(&self, held: u32) -> bool {
        let n = f64::from(self.seen);
        let band = 4.9 * (0.95 * 0.05 / n).sqrt();
        let rate = f64::from(held) / n;
        (0.95 - band..=0.96 + band).contains(&rate)
    }
}

fn number(value: Option<&str>) -> f64 {
    value.map_or(0.0, |text| text.parse().unwrap())
}

/// Asks every question of a pool again and again.
async fn measure(pool: &[(usize, &str, &str)], repetitions: usize) -> Tally {
    let pool: Vec<_> = pool
        .iter()
        .map(|(keys, rho, sql)| (*keys, *rho, *sql, *sql))
        .collect();
    measure_as_plain(&pool, repetitions, Noise::DiscreteGaussian).await
}

/// The same, each question with what a plain engine is asked.
async fn measure_as_plain(
    pool: &[(usize, &str, &str, &str)],
    repetitions: usize,
    noise: Noise,
) -> Tally {
    let tables = population(300, 23);
    let home = Home::new(&small_catalog(), &tables, 400).await;
    let context = plain(&small_catalog(), &tables);
    let (engine, _ledger) = home.engine(support::ANY_PRICE).await;
    let mut tally = Tally::default();
    for (keys, rho, sql, as_plain) in pool {
        let price = Price::Rho(Rho::parse_floor(rho).unwrap());
        let rows = plain_rows(&context, as_plain).await;
        let truth: HashMap<_, _> = rows.iter().map(|row| row.split_at(*keys)).collect();
        for _ in 0..repetitions {
            let asking = Asking {
                noise,
                ..asking(price.clone())
            };
            let asked = engine.ask(sql, &asking).await.unwrap();
            let answer = &asked.answer;
            let bars = answer.intervals.iter().zip(&answer.standard_errors);
            for (row, (intervals, errors)) in answer.rows.iter().zip(bars) {
                let row: Vec<_> = row.iter().map(text).collect();
                let (key, values) = row.split_at(*keys);
                let Some(truth) = truth.get(key) else {
                    continue;
                };
                let bars = intervals.iter().zip(errors).skip(*keys);
                for ((value, (interval, error)), truth) in values.iter().zip(bars).zip(truth.iter())
                {
                    if let Some(error) = error {
                        let (value, truth) = (number(value.as_deref()), number(truth.as_deref()));
                        tally.add_error(value, truth, *error);
                    }
                    tally.add(
                        number(value.as_deref()),
                        interval.unwrap(),
                        number(truth.as_deref()),
                        *error,
                    );
                }
            }
        }
    }
    println!("{tally:?}");
    tally
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn intervals_hold_the_truth_at_the_stated_rate() {
    let tally = measure(POOL, REPETITIONS).await;
    assert!(POOL.len() >= 30 && tally.seen > 1000);
    is_calibrated(&tally);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn intervals_of_computed_numbers_do_so_too() {
    let tally = measure(COMPUTED, 48).await;
    assert!(tally.seen > 750);
    is_calibrated(&tally);
}

/// Values of a grid come in steps, so their intervals may hold more than they promise, never less.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn intervals_of_quantiles_hold_at_least_what_they_promise() {
    let pool: Vec<_> = QUANTILES
        .iter()
        .map(|(rho, sql, plain)| (0, *rho, *sql, *plain))
        .collect();
    let tally = measure_as_plain(&pool, 60, Noise::DiscreteGaussian).await;
    assert_eq!(tally.seen, 240);
    assert!(tally.held * 100 >= tally.seen * 92, "{tally:?}");
    // Half of a width may hold nearly as much, where a step is wide.
    assert!(tally.at_quarter * 100 < tally.seen * 92, "{tally:?}");
}

/// Counts, sums, averages and what is computed from them, with the other noise.
const LAPLACE: &[(usize, &str, &str)] = &[
    (0, "0.002", "SELECT COUNT(*) FROM patient"),
    (1, "0.01", "SELECT sex, COUNT(*) FROM patient GROUP BY sex"),
    (
        0,
        "0.002",
        "SELECT COUNT(DISTINCT person_id) FROM condition WHERE code = '44054006'",
    ),
    (0, "0.002", "SELECT SUM(deprivation) FROM patient"),
    (
        0,
        "0.05",
        "SELECT SUM(length_minutes) FROM encounter WHERE class = 'IMP'",
    ),
    (0, "0.05", "SELECT AVG(deprivation) FROM patient"),
    (
        0,
        "0.01",
        "SELECT 3 * n + 1 FROM (SELECT COUNT(*) AS n FROM patient) t",
    ),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn intervals_of_laplace_noise_hold_the_truth_at_the_stated_rate() {
    let pool = LAPLACE.iter().map(|(k, rho, sql)| (*k, *rho, *sql, *sql));
    let pool: Vec<_> = pool.collect();
    let tally = measure_as_plain(&pool, 150, Noise::DiscreteLaplace).await;
    assert!(tally.seen > 1000);
    assert!(tally.is_nominal(tally.held), "{tally:?}");
    let mean_square = tally.squares / f64::from(tally.squared);
    assert!((0.75..1.3).contains(&mean_square), "{mean_square}");
    assert!(!tally.is_nominal(tally.at_half), "{tally:?}");
    assert!(!tally.is_nominal(tally.at_double), "{tally:?}");
}

fn is_calibrated(tally: &Tally) {
    assert!(tally.is_nominal(tally.held), "{tally:?}");
    // Standard errors are what they say: the mean square is 1, and its own deviation a few hundredths.
    let mean_square = tally.squares / f64::from(tally.squared);
    assert!((0.8..1.25).contains(&mean_square), "{mean_square}");
    assert!(tally.squared * 10 > tally.seen * 9, "{tally:?}");
    // The test has power both ways.
    assert!(!tally.is_nominal(tally.at_half), "{tally:?}");
    assert!(!tally.is_nominal(tally.at_double), "{tally:?}");
}

/// The half-width a quote promises is the one the answer comes with.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_quote_tells_the_error_beforehand() {
    let home = Home::new(&small_catalog(), &population(300, 23), 400).await;
    let (engine, ledger) = home.engine(support::ANY_PRICE).await;
    let asking = asking(Price::Rho(Rho::parse_floor("0.01").unwrap()));
    let sql = "SELECT COUNT(*) AS n, SUM(length_minutes) AS s FROM encounter";
    let before = ledger.entries().await.unwrap().len();
    let quote = engine.quote(sql, &asking).await.unwrap();
    assert_eq!(
        ledger.entries().await.unwrap().len(),
        before,
        "a quote leaves no trace"
    );
    let asked = engine.ask(sql, &asking).await.unwrap();
    assert_eq!(asked.published.cost, quote.cost);
    for (column, (name, error)) in quote.errors.iter().enumerate() {
        // An interval may be cut at zero; its noise is not.
        let half = 1.96 * asked.answer.standard_errors[0][column].unwrap();
        let Expected::HalfWidth(error) = *error else {
            panic!("{name}: {error:?}");
        };
        assert!(
            (error - half).abs() <= 1.0 + half * 1e-3,
            "{name}: {error} {half}"
        );
    }
}

/// Of a quantile the error is foretold in rows: here the values are the places of their rows.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_quote_tells_how_many_places_a_median_is_off() {
    let mut rows = Rows::new("encounter", &["person_id", "id", "length_minutes"]);
    for place in 0..1_000 {
        let (person, place) = ((place + 1).to_string(), place.to_string());
        rows.push(&[&person, &person, &place]);
    }
    let home = Home::new(&small_catalog(), &[rows], 400).await;
    let (engine, _ledger) = home.engine(support::ANY_PRICE).await;
    let asking = asking(Price::Rho(Rho::parse_floor("0.05").unwrap()));
    let sql = "SELECT MEDIAN(clamp(length_minutes, 0, 999)) AS m FROM encounter";
    let quote = engine.quote(sql, &asking).await.unwrap();
    let Expected::Rows(places) = quote.errors[0].1 else {
        panic!("{:?}", quote.errors);
    };
    let (mut within, mut far) = (0, 0);
    for _ in 0..40 {
        let asked = engine.ask(sql, &asking).await.unwrap();
        let off = (asked.answer.rows[0][0].as_f64().unwrap() - 499.5).abs();
        within += u32::from(off <= places + 1.0);
        far += u32::from(off >= places / 10.0);
    }
    // 40 draws at 95 % or better, and no promise that is ten times too wide.
    assert!(within >= 34 && far >= 8, "{within} {far} {places}");
}

/// What is computed is foretold for rows that lie evenly between their bounds, which these do.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_quote_tells_the_error_of_what_is_computed() {
    let mut rows = Rows::new("encounter", &["person_id", "id", "length_minutes"]);
    for place in 0..1_000 {
        let (person, place) = ((place + 1).to_string(), place.to_string());
        rows.push(&[&person, &person, &place]);
    }
    let home = Home::new(&small_catalog(), &[rows], 400).await;
    let (engine, _ledger) = home.engine(support::ANY_PRICE).await;
    let priced = |price, rows| Asking {
        expected_rows: rows,
        ..asking(price)
    };
    // Enough for a quantile to be where it was foretold, give or take.
    let rho = || Price::Rho(Rho::parse_floor("2").unwrap());
    let computed = [
        ("SELECT COUNT(*) * 2 + 5 AS x FROM encounter", None),
        (
            "SELECT 1.0 * COUNT(*) FILTER (WHERE length_minutes >= 0) / COUNT(*) AS x FROM encounter",
            Some(1_000),
        ),
        (
            "SELECT STDDEV(clamp(length_minutes, 0, 999)) AS x FROM encounter",
            Some(1_000),
        ),
        (
            "SELECT MEDIAN(clamp(length_minutes, 0, 999)) AS x FROM encounter",
            Some(1_000),
        ),
        (
            "SELECT AVG(clamp(length_minutes, 0, 999)) - (SELECT AVG(clamp(length_minutes, 0, 999)) AS all_of_them FROM encounter) AS x FROM encounter",
            Some(1_000),
        ),
    ];
    for (sql, rows) in computed {
        let quote = engine.quote(sql, &priced(rho(), rows)).await.unwrap();
        let Expected::HalfWidth(foretold) = quote.errors[0].1 else {
            panic!("{sql}: {:?}", quote.errors);
        };
        let asked = engine.ask(sql, &priced(rho(), rows)).await.unwrap();
        let half = 1.96 * asked.answer.standard_errors[0][0].unwrap();
        // Drawn a few hundred times on either side.
        assert!(
            (0.75..1.33).contains(&(foretold / half)),
            "{sql}: {foretold} {half}"
        );
        // The price of half of that error brings it.
        let error = Rational::parse(&format!("{:.6}", foretold / 2.0)).unwrap();
        let within = priced(Price::Within(error), rows);
        let price = engine.quote(sql, &within).await.unwrap().cost.rho;
        #[expect(clippy::cast_precision_loss, reason = "for comparing")]
        let dearer = price.units() as f64 / quote.cost.rho.units() as f64;
        assert!((3.0..4.6).contains(&dearer), "{sql}: {dearer}");
        // Without a number of rows there is an error only where it does not depend on it.
        let open = engine.quote(sql, &priced(rho(), None)).await.unwrap();
        let known = matches!(open.errors[0].1, Expected::HalfWidth(_));
        assert_eq!(known, rows.is_none(), "{sql}: {:?}", open.errors);
        if rows.is_some() {
            let error = Rational::parse("1").unwrap();
            let refused = engine.quote(sql, &priced(Price::Within(error), None)).await;
            assert!(
                matches!(&refused, Err(AskError::Refused(refusal)) if refusal.hint.contains("--expect-rows")),
                "{sql}: {refused:?}"
            );
        }
    }
}
