//! Record and replay: take one person out of a lake, shuffle the rest into other batches, and compare.
//!
//! With next to no noise the released numbers are the exact vectors. For every admitted question the sets of keys must be equal, and each
//! mechanism's vector may move by at most the sensitivity that the RESERVE entry declares. No answer may depend on order or batches.

mod support;
#[path = "neighbours/views.rs"]
mod views;

use std::collections::BTreeMap;

use salus_accounting::Rational;
use salus_ledger::{Body, Ledger};
use salus_query::Price;
use support::{ANY_PRICE, Dice, Home, Rows, asking, population, small_catalog, text};

/// A question whose answer has `keys` keys and then one column per mechanism, in grid units of 10^-`scale`.
struct Case {
    keys: usize,
    scale: i32,
    sql: &'static str,
}

const fn case(keys: usize, sql: &'static str) -> Case {
    Case {
        keys,
        scale: 0,
        sql,
    }
}

const CASES: &[Case] = &[
    case(0, "SELECT COUNT(*) FROM patient"),
    case(
        0,
        "SELECT COUNT(*), COUNT(DISTINCT person_id) FROM encounter",
    ),
    case(1, "SELECT deprivation, COUNT(*) FROM patient GROUP BY 1"),
    case(
        1,
        "SELECT class, COUNT(*), COUNT(DISTINCT person_id) FROM encounter GROUP BY 1",
    ),
    case(
        2,
        "SELECT class, length_minutes > 100, COUNT(*) FROM encounter GROUP BY 1, 2",
    ),
    case(
        0,
        "SELECT SUM(clamp(length_minutes, -100, 50)) FROM encounter",
    ),
    case(
        1,
        "SELECT class, SUM(clamp(length_minutes, 0, 90)) FROM encounter GROUP BY 1",
    ),
    Case {
        keys: 0,
        scale: 1,
        sql: "SELECT SUM(value) FROM observation WHERE code = '4548-4'",
    },
    case(
        0,
        "SELECT COUNT(*), COUNT(DISTINCT p.person_id) FROM patient p JOIN encounter e ON p.person_id = e.person_id",
    ),
    case(
        0,
        "SELECT COUNT(*) FROM encounter a JOIN encounter b ON a.person_id = b.person_id",
    ),
    case(
        0,
        "SELECT COUNT(*), COUNT(b.person_id), COUNT(DISTINCT b.person_id) FROM patient a LEFT JOIN encounter b ON a.person_id = b.person_id",
    ),
    case(
        0,
        "SELECT COUNT(*) FROM encounter b RIGHT JOIN patient a ON a.person_id = b.person_id",
    ),
    case(
        1,
        "SELECT b.id IS NULL, COUNT(*) FROM encounter a LEFT JOIN condition b ON a.person_id = b.person_id AND a.id = b.encounter_id GROUP BY 1",
    ),
    case(
        1,
        "SELECT b.person_id IS NULL, COUNT(*) FROM encounter a LEFT JOIN condition b ON a.person_id = b.person_id AND a.id = b.encounter_id GROUP BY 1",
    ),
    case(
        1,
        "SELECT cid IS NULL, COUNT(*), COUNT(DISTINCT pid) FROM (SELECT a.person_id AS pid, b.person_id AS cid FROM encounter a LEFT JOIN condition b ON a.person_id = b.person_id AND a.id = b.encounter_id) t GROUP BY 1",
    ),
    case(
        0,
        "SELECT COUNT(*) FROM (SELECT DISTINCT pid, cid FROM (SELECT a.person_id AS pid, b.person_id AS cid FROM encounter a LEFT JOIN condition b ON a.person_id = b.person_id AND a.id = b.encounter_id) t) u",
    ),
    case(
        0,
        "SELECT COUNT(*) FROM (SELECT pid, cid IS NULL AS none FROM (SELECT a.person_id AS pid, b.person_id AS cid FROM encounter a LEFT JOIN condition b ON a.person_id = b.person_id AND a.id = b.encounter_id) t GROUP BY pid, cid IS NULL) u",
    ),
    case(
        0,
        "SELECT COUNT(*) FROM (SELECT DISTINCT person_id, class FROM encounter) t",
    ),
    case(
        1,
        "SELECT n, COUNT(*) FROM (SELECT person_id, clamp(COUNT(*), 0, 6) AS n FROM encounter GROUP BY person_id) t GROUP BY 1",
    ),
    case(
        1,
        "SELECT class, COUNT(*) FROM (SELECT person_id, class, MAX(length_minutes) AS m FROM encounter GROUP BY person_id, class) t WHERE m > 20 GROUP BY 1",
    ),
    case(
        0,
        "SELECT SUM(clamp(s, 0, 100)) FROM (SELECT person_id, class, SUM(length_minutes) AS s FROM encounter GROUP BY person_id, class) t",
    ),
    case(
        0,
        "SELECT COUNT(*) FROM encounter e, (VALUES (1), (2), (3)) v(x)",
    ),
    case(
        1,
        "SELECT v.x, COUNT(*) FROM (SELECT CASE WHEN y > 1 THEN 'a' ELSE 'b' END AS x FROM (VALUES (1), (2), (3)) w(y)) v CROSS JOIN patient p GROUP BY 1",
    ),
    case(
        0,
        "SELECT COUNT(*) FROM encounter e LEFT JOIN (VALUES ('AMB'), ('AMB'), ('IMP')) v(x) ON e.class = v.x",
    ),
    case(
        0,
        "SELECT COUNT(*) FROM patient p WHERE p.deprivation = 1 OR EXISTS (SELECT 1 FROM encounter e WHERE e.person_id = p.person_id)",
    ),
    case(
        0,
        "SELECT COUNT(*) FILTER (WHERE class = 'AMB'), COUNT(DISTINCT person_id) FILTER (WHERE class <> 'AMB') FROM encounter",
    ),
    case(
        1,
        "SELECT sex, SUM(CASE WHEN class = 'AMB' THEN 2 WHEN class = 'IMP' THEN -3 ELSE 0 END) FROM encounter e JOIN patient p ON e.person_id = p.person_id GROUP BY 1",
    ),
    case(
        0,
        "SELECT COUNT(*), COUNT(DISTINCT p.person_id) FROM patient p, LATERAL (SELECT e.class FROM encounter e WHERE e.person_id = p.person_id ORDER BY e.start_date LIMIT 2) l",
    ),
    case(
        1,
        "SELECT clamp(l.n, 0, 6), COUNT(*) FROM patient p LEFT JOIN LATERAL (SELECT COUNT(*) AS n FROM encounter e WHERE e.person_id = p.person_id) l ON true GROUP BY 1",
    ),
    case(
        0,
        "SELECT COUNT(*) FROM encounter e LEFT JOIN LATERAL (SELECT c.id FROM condition c WHERE c.person_id = e.person_id ORDER BY c.onset_date LIMIT 1) l ON true",
    ),
    case(
        0,
        "SELECT COUNT(*) FROM (SELECT person_id, row_number() OVER (PARTITION BY person_id ORDER BY start_date) AS n FROM encounter) t WHERE n <= 2",
    ),
    case(
        1,
        "SELECT n > 3, COUNT(*) FROM (SELECT COUNT(*) OVER (PARTITION BY person_id) AS n FROM encounter) t GROUP BY 1",
    ),
    case(
        0,
        "SELECT COUNT(*) FROM (SELECT SUM(length_minutes) OVER (PARTITION BY person_id ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) AS s FROM encounter) t WHERE s > 100",
    ),
    case(
        1,
        "SELECT class, COUNT(*) FROM (SELECT class, row_number() OVER (PARTITION BY person_id) AS n FROM (SELECT person_id, MAX(id) OVER (PARTITION BY person_id) AS m, class FROM encounter) w) t WHERE n = 1 GROUP BY class",
    ),
    case(
        0,
        "SELECT COUNT(*) FROM (SELECT bp, row_number() OVER (PARTITION BY pid ORDER BY class) AS n FROM (SELECT e.person_id AS pid, c.person_id AS bp, e.class FROM encounter e LEFT JOIN condition c ON c.person_id = e.person_id AND c.encounter_id = e.id) x) y WHERE n = 1 AND bp IS NOT NULL",
    ),
    case(
        0,
        "SELECT SUM(clamp(m, -50, 90)) FROM (SELECT lag(length_minutes) OVER (PARTITION BY person_id ORDER BY class) AS m FROM encounter) t",
    ),
    case(
        1,
        "SELECT class, COUNT(*) FROM (SELECT class, SUM(length_minutes) OVER (PARTITION BY person_id ORDER BY start_date ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) AS s FROM encounter) t WHERE s > 10 GROUP BY 1",
    ),
    // Two functions over one order: one that needs ties told apart, behind one that does not.
    case(
        1,
        "SELECT class, COUNT(*) FROM (SELECT class, rank() OVER w AS r, row_number() OVER w AS n FROM encounter WINDOW w AS (PARTITION BY person_id ORDER BY start_date)) t WHERE n = 1 OR r = 3 GROUP BY 1",
    ),
    case(
        1,
        "SELECT first, COUNT(*) FROM (SELECT COUNT(*) OVER w AS n, first_value(class) OVER w AS first FROM encounter WINDOW w AS (PARTITION BY person_id)) t WHERE n > 1 GROUP BY 1",
    ),
    case(
        1,
        "SELECT k, COUNT(*), COUNT(DISTINCT person_id) FROM (SELECT person_id, 'a' AS k FROM encounter UNION ALL SELECT person_id, 'b' FROM condition UNION ALL SELECT person_id, 'b' FROM patient) t GROUP BY 1",
    ),
    case(
        0,
        "SELECT COUNT(*) FROM (SELECT class FROM encounter UNION ALL SELECT code FROM condition) t",
    ),
    case(
        0,
        "SELECT COUNT(*) FROM patient p WHERE deprivation < (SELECT COUNT(*) FROM encounter e WHERE e.person_id = p.person_id)",
    ),
];

/// One vector per mechanism, by cell.
type Vectors = BTreeMap<Vec<Option<String>>, Vec<f64>>;

async fn ask(home: &Home, case: &Case, rows: Option<u64>) -> (Vectors, Vec<f64>) {
    ask_with(home, case, rows, None).await
}

async fn ask_with(
    home: &Home,
    case: &Case,
    rows: Option<u64>,
    groups: Option<u64>,
) -> (Vectors, Vec<f64>) {
    let (engine, ledger) = home.engine_with(ANY_PRICE, Some(7)).await;
    let mut asking = asking(Price::Default);
    asking.rows_per_person = rows;
    asking.groups_per_person = groups;
    let asked = engine
        .ask(case.sql, &asking)
        .await
        .unwrap_or_else(|e| panic!("{}\n{e}", case.sql));
    let cells = asked.answer.rows.iter().map(|row| {
        let row: Vec<_> = row.iter().map(text).collect();
        let (key, values) = row.split_at(case.keys);
        let units = values
            .iter()
            .map(|value| value.as_ref().unwrap().parse::<f64>().unwrap() * 10_f64.powi(case.scale));
        (key.to_vec(), units.collect())
    });
    (
        cells.collect(),
        sensitivities(&ledger, asked.published.reserve.0).await,
    )
}

async fn sensitivities(ledger: &Ledger, reserve: u64) -> Vec<f64> {
    let entries = ledger.entries().await.unwrap();
    let entry = entries
        .into_iter()
        .find(|entry| entry.index.0 == reserve)
        .unwrap();
    let Body::Reserve(reserve) = entry.entry.body else {
        panic!("not a reserve entry");
    };
    let root = |value: &Rational| value.to_decimal_string(12).parse::<f64>().unwrap().sqrt();
    reserve
        .certificate
        .mechanisms
        .iter()
        .map(|m| root(&m.sensitivity2))
        .collect()
}

fn distance(a: &Vectors, b: &Vectors, mechanism: usize) -> f64 {
    let squares = a
        .iter()
        .map(|(key, values)| (values[mechanism] - b[key][mechanism]).powi(2));
    squares.sum::<f64>().sqrt()
}

fn shuffled(rows: &Rows, dice: &mut Dice) -> Rows {
    let mut rows = rows.clone();
    for i in (1..rows.values.len()).rev() {
        let j = usize::try_from(dice.below(i as u64 + 1)).unwrap();
        rows.values.swap(i, j);
    }
    rows
}

/// What noise of a full purse may add: a few thousandths of the sensitivity, and the rounding of numbers for show.
fn noise(sensitivity: f64) -> f64 {
    0.01 * sensitivity + 0.6
}

/// A lake of a few persons and one, number 1, who has as many rows as anybody may have, and extreme ones.
fn lake(seed: u64) -> Vec<Rows> {
    let mut tables: Vec<Rows> = population(12, seed)
        .iter()
        .map(|rows| rows.without("1"))
        .collect();
    let mut dice = Dice::new(seed);
    let deprivation = (1 + dice.below(10)).to_string();
    tables[0].push(&["1", "female", "1950-05-05", "true", "MA", &deprivation]);
    // The first lake has everything in one cell, the others spread it.
    let classes = ["AMB", "AMB", "AMB", "AMB", "AMB", "AMB"];
    let spread = ["AMB", "EMER", "IMP", "VR", "XX", "AMB"];
    for i in 0..6_usize {
        let id = (900_000 + i).to_string();
        let class = if seed.is_multiple_of(2) {
            classes[i]
        } else {
            spread[i]
        };
        let minutes = if seed.is_multiple_of(3) {
            "43200"
        } else {
            ["-500", "0", "110", "43200", "120", "50"][i]
        };
        tables[1].push(&["1", &id, class, "2020-01-01", minutes]);
        let visit = if i % 2 == 0 { "900000" } else { "" };
        tables[2].push(&[
            "1",
            &(910_000 + i).to_string(),
            visit,
            "active",
            "44054006",
            "2020-01-01",
        ]);
        tables[3].push(&[
            "1",
            &(920_000 + i).to_string(),
            "4548-4",
            "2020-01-01",
            "999",
            "%",
            "",
        ]);
    }
    tables
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_person_moves_a_vector_by_no_more_than_declared() {
    let mut furthest: BTreeMap<(usize, usize), f64> = BTreeMap::new();
    for seed in 0..4 {
        let tables = lake(seed);
        let mut dice = Dice::new(seed + 100);
        let without: Vec<Rows> = tables
            .iter()
            .map(|rows| shuffled(&rows.without("1"), &mut dice))
            .collect();
        let (with, without) = (
            Home::new(&small_catalog(), &tables, 1000).await,
            Home::new(&small_catalog(), &without, 3).await,
        );
        // k as the catalog has it, and k = 1, where a person's rows are scaled.
        let rows = if seed % 2 == 0 { None } else { Some(1) };
        for (number, case) in CASES.iter().enumerate() {
            let (a, declared) = ask(&with, case, rows).await;
            let (b, other) = ask(&without, case, rows).await;
            assert_eq!(
                declared, other,
                "{}: the price depends on the data",
                case.sql
            );
            assert!(
                a.keys().eq(b.keys()),
                "{}: the keys depend on the data",
                case.sql
            );
            for (mechanism, sensitivity) in declared.iter().enumerate() {
                let moved = distance(&a, &b, mechanism);
                assert!(
                    moved <= sensitivity + noise(*sensitivity),
                    "seed {seed}, {}\n  moved {moved}, declared {sensitivity}",
                    case.sql
                );
                let share = furthest.entry((number, mechanism)).or_default();
                *share = share.max(moved / sensitivity);
            }
        }
    }
    // The test has power: many sensitivities are reached, so a declaration of half as much would be caught.
    let reached = furthest.values().filter(|share| **share > 0.9).count();
    assert!(reached * 3 >= furthest.len(), "{furthest:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn order_and_batches_do_not_matter() {
    let tables = lake(5);
    let mut dice = Dice::new(9);
    let other: Vec<Rows> = tables
        .iter()
        .rev()
        .map(|rows| shuffled(rows, &mut dice))
        .collect();
    let (one, other) = (
        Home::new(&small_catalog(), &tables, 1000).await,
        Home::new(&small_catalog(), &other, 2).await,
    );
    for case in CASES {
        let (a, declared) = ask(&one, case, Some(2)).await;
        let (b, _) = ask(&other, case, Some(2)).await;
        for (mechanism, sensitivity) in declared.iter().enumerate() {
            let moved = distance(&a, &b, mechanism);
            assert!(
                moved <= noise(*sensitivity),
                "{}: moved by {moved}",
                case.sql
            );
        }
    }
}

/// S8: of a person's groups only L0 count, and which they are is nobody else's matter.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bounding_groups_lowers_what_a_person_moves() {
    let cases = [
        case(
            1,
            "SELECT class, COUNT(*), COUNT(DISTINCT person_id) FROM encounter GROUP BY 1",
        ),
        case(
            2,
            "SELECT class, length_minutes > 100, COUNT(*) FROM encounter GROUP BY 1, 2",
        ),
    ];
    let mut reached = 0;
    for seed in [1, 3] {
        let tables = lake(seed);
        let mut dice = Dice::new(seed);
        let without: Vec<Rows> = tables
            .iter()
            .map(|rows| shuffled(&rows.without("1"), &mut dice))
            .collect();
        let (with, without) = (
            Home::new(&small_catalog(), &tables, 1000).await,
            Home::new(&small_catalog(), &without, 3).await,
        );
        for case in &cases {
            for groups in [1, 2] {
                let (a, declared) = ask_with(&with, case, Some(2), Some(groups)).await;
                let (b, _) = ask_with(&without, case, Some(2), Some(groups)).await;
                assert!(a.keys().eq(b.keys()), "{}", case.sql);
                for (mechanism, sensitivity) in declared.iter().enumerate() {
                    let moved = distance(&a, &b, mechanism);
                    assert!(
                        moved <= sensitivity + noise(*sensitivity),
                        "{}: moved {moved}, declared {sensitivity}",
                        case.sql
                    );
                    reached += u32::from(moved > 0.9 * sensitivity);
                }
                // The bound is the one that was asked for, not the size of the domain.
                let squared = declared[0].powi(2);
                #[allow(clippy::cast_precision_loss)]
                let most = 4.0 * groups as f64;
                assert!((squared - most).abs() < 1e-6, "{}: {squared}", case.sql);
            }
        }
    }
    assert!(reached >= 3, "{reached}");
}
