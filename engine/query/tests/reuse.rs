//! Replays: the same question in other words has the same answer at no cost, a different one is asked afresh.

mod support;

use salus_accounting::{Loss, Rho};
use salus_lake::Withheld;
use salus_query::{Asked, Books, Engine, Price};
use support::{ANY_PRICE, Home, asking, population, small_catalog};

/// Groups of questions; all of a group ask the same.
const SAME: &[&[&str]] = &[
    &[
        "SELECT sex, COUNT(*) AS n FROM patient WHERE deprivation > 3 AND deceased GROUP BY sex",
        "select  p.sex as s,\n count(*) from patient as p where p.deceased and 3 < p.deprivation group by p.sex",
        "SELECT t.sex, COUNT(1) FROM (SELECT * FROM patient) t WHERE deprivation > 3 AND deceased GROUP BY 1",
    ],
    &[
        "SELECT AVG(value) FROM observation WHERE code IN ('4548-4') AND value * 2 + 1 > 9",
        "SELECT AVG(o.value) AS mean FROM observation o WHERE 9 < 1 + 2 * o.value AND o.code = '4548-4'",
    ],
    &[
        "SELECT COUNT(DISTINCT p.person_id) FROM patient p JOIN condition c ON p.person_id = c.person_id WHERE c.code IN ('44054006', '59621000')",
        "SELECT COUNT(DISTINCT a.person_id) FROM patient a JOIN condition b ON b.person_id = a.person_id WHERE b.code IN ('59621000', '44054006')",
    ],
    // Chains of conditions are sets of them.
    &[
        "SELECT COUNT(*) FROM patient WHERE sex = 'male' OR deceased OR deprivation > 8",
        "SELECT COUNT(*) FROM patient WHERE deprivation > 8 OR (sex = 'male' OR deceased) OR deceased",
    ],
    &[
        "SELECT COUNT(*) FILTER (WHERE deceased AND sex = 'male' AND deprivation > 2) FROM patient",
        "SELECT COUNT(*) FILTER (WHERE deprivation > 2 AND (sex = 'male' AND deceased)) FROM patient",
    ],
    &[
        "SELECT sex, COUNT(*) AS n FROM patient GROUP BY sex HAVING COUNT(*) > 7 OR COUNT(*) < -50 OR sex = 'other'",
        "SELECT sex, COUNT(*) AS n FROM patient GROUP BY sex HAVING sex = 'other' OR COUNT(*) > 7 OR COUNT(*) < -50",
    ],
    &[
        "SELECT COUNT(*) FROM encounter WHERE class IN ('AMB', 'EMER', 'IMP')",
        "SELECT COUNT(*) FROM encounter WHERE class IN ('IMP', 'AMB', 'EMER')",
    ],
    &[
        "SELECT code, COUNT(*) FROM condition WHERE code IN ('59621000', '44054006', '38341003') GROUP BY code",
        "SELECT code, COUNT(*) FROM condition WHERE code IN ('44054006', '38341003', '59621000') GROUP BY code",
    ],
    &[
        "SELECT COUNT(*) FROM encounter WHERE EXTRACT(YEAR FROM start_date) = 2020",
        "SELECT COUNT(*) FROM encounter WHERE 2020 = date_part('year', start_date)",
    ],
    &[
        "SELECT SUM(clamp(least(deprivation, 7), 0, 7)) FROM patient",
        "SELECT SUM(clamp(least(7, deprivation), 0, 7)) FROM patient",
    ],
    &[
        "SELECT COUNT(*) FROM (SELECT person_id FROM encounter UNION ALL SELECT person_id FROM condition) t",
        "SELECT COUNT(*) FROM (SELECT person_id FROM condition UNION ALL SELECT person_id FROM encounter) t",
    ],
    &[
        "SELECT COUNT(*) FROM (SELECT row_number() OVER (PARTITION BY person_id, class ORDER BY start_date) AS r FROM encounter) t WHERE r = 1",
        "SELECT COUNT(*) FROM (SELECT row_number() OVER (PARTITION BY class, person_id ORDER BY start_date) AS r FROM encounter) t WHERE r = 1",
    ],
    &[
        "SELECT COUNT(*) FROM condition c JOIN (VALUES ('44054006'), ('59621000')) v(code) ON c.code = v.code",
        "SELECT COUNT(*) FROM condition c JOIN (VALUES ('59621000'), ('44054006')) v(code) ON c.code = v.code",
    ],
    // Either table may come first.
    &[
        "SELECT p.sex, COUNT(*) AS n, AVG(e.length_minutes) FROM patient p JOIN encounter e ON p.person_id = e.person_id WHERE e.class = 'AMB' AND p.deceased GROUP BY p.sex",
        "SELECT p.sex, COUNT(*) AS n, AVG(e.length_minutes) FROM encounter e JOIN patient p ON p.person_id = e.person_id WHERE e.class = 'AMB' AND p.deceased GROUP BY p.sex",
        "SELECT p.sex, COUNT(*) AS n, AVG(e.length_minutes) FROM encounter e, patient p WHERE p.deceased AND p.person_id = e.person_id AND e.class = 'AMB' GROUP BY p.sex",
    ],
    // Which side of an outer join is kept matters.
    &[
        "SELECT COUNT(*) FROM patient p LEFT JOIN condition c ON c.person_id = p.person_id AND c.code = '44054006'",
    ],
    &[
        "SELECT COUNT(*) FROM patient p RIGHT JOIN condition c ON c.person_id = p.person_id AND c.code = '44054006'",
    ],
    // Names that the engine gives to subqueries are not the question's.
    &[
        "SELECT deceased, SUM(deprivation) * 1.0 / (SELECT SUM(deprivation) FROM patient) AS share FROM patient GROUP BY deceased",
        "SELECT p.deceased, SUM(p.deprivation) * 1.0 / (SELECT SUM(q.deprivation) FROM patient q) FROM patient p GROUP BY p.deceased, 1",
    ],
    &["SELECT sex, COUNT(*) FROM patient WHERE deprivation > 3 GROUP BY sex"],
    &["SELECT sex, COUNT(*) FROM patient WHERE deprivation > 4 AND deceased GROUP BY sex"],
    // Which operands stand together matters where ANDs and ORs mix.
    &[
        "SELECT COUNT(*) FROM patient WHERE (deceased OR sex = 'male') AND (deprivation > 2 OR sex = 'female')",
    ],
    &[
        "SELECT COUNT(*) FROM patient WHERE deceased OR (sex = 'male' AND (deprivation > 2 OR sex = 'female'))",
    ],
    &["SELECT COUNT(*) FROM encounter WHERE date_part('month', start_date) = 2020"],
    &["SELECT sex, COUNT(*) FROM patient WHERE deprivation > 3 OR deceased GROUP BY sex"],
    &["SELECT sex, COUNT(*) FROM patient WHERE deprivation < 3 AND deceased GROUP BY sex"],
    &["SELECT COUNT(*), sex FROM patient WHERE deprivation > 3 AND deceased GROUP BY sex"],
    &["SELECT sex, COUNT(*) + 1 FROM patient WHERE deprivation > 3 AND deceased GROUP BY sex"],
    &["SELECT SUM(clamp(length_minutes, 0, 90)) FROM encounter"],
    &["SELECT SUM(clamp(length_minutes, 0, 91)) FROM encounter"],
    &["SELECT SUM(clamp(length_minutes, 1, 90)) FROM encounter"],
    &["SELECT MIN(clamp(length_minutes, 0, 90)) FROM encounter"],
    &["SELECT MAX(clamp(length_minutes, 0, 90)) FROM encounter"],
    &["SELECT approx_percentile_cont(clamp(length_minutes, 0, 90), 0.1) FROM encounter"],
    &["SELECT VAR(clamp(length_minutes, 0, 90)) FROM encounter"],
    &["SELECT VAR_POP(clamp(length_minutes, 0, 90)) FROM encounter"],
    &["SELECT width_bucket(length_minutes, 0, 90, 3), COUNT(*) FROM encounter GROUP BY 1"],
    &["SELECT width_bucket(length_minutes, 0, 99, 3), COUNT(*) FROM encounter GROUP BY 1"],
    &["SELECT age_band(birth_date, DATE '2025-01-01', 30), COUNT(*) FROM patient GROUP BY 1"],
    &["SELECT age_band(birth_date, DATE '2025-01-02', 30), COUNT(*) FROM patient GROUP BY 1"],
    // Whole numbers divide otherwise than others.
    &["SELECT SUM(clamp(deprivation, 0, 10)) / SUM(clamp(deprivation, 0, 3)) AS r FROM patient"],
    &[
        "SELECT SUM(clamp(CAST(deprivation AS DOUBLE), 0, 10)) / SUM(clamp(CAST(deprivation AS DOUBLE), 0, 3)) AS r FROM patient",
    ],
    &["SELECT COUNT(*) FROM encounter WHERE length_minutes - 5 > 20"],
    &["SELECT COUNT(*) FROM encounter WHERE 5 - length_minutes > 20"],
    // Days that no calendar has, whose text is empty.
    &["SELECT COUNT(*) FROM patient WHERE birth_date < CAST(CAST(2000000000 AS INT) AS DATE)"],
    &["SELECT COUNT(*) FROM patient WHERE birth_date < CAST(CAST(-2000000000 AS INT) AS DATE)"],
    &["SELECT COUNT(*) FROM patient WHERE birth_date < DATE '2000-01-01'"],
    &["SELECT COUNT(*) FROM patient WHERE birth_date < DATE '2000-01-02'"],
    // A literal that imitates the text around it.
    &[
        "SELECT COUNT(*) FROM observation WHERE code IN ('8302-2', '29463-7', '39156-5', '8867-4', '8480-6')",
    ],
    &[
        "SELECT COUNT(*) FROM observation WHERE code IN ('8302-2', '29463-7', '39156-5', '8480-6\"), None), Literal(Utf8View(\"8867-4')",
    ],
    &[
        "SELECT s, l, n FROM (SELECT sex, COUNT(*) AS n FROM patient GROUP BY sex) t JOIN (VALUES ('male', 'x'), ('female', 'y')) v(s, l) ON t.sex = v.s",
    ],
    &[
        "SELECT s, l, n FROM (SELECT sex, COUNT(*) AS n FROM patient GROUP BY sex) t JOIN (VALUES ('male', 'x\"), None)], [Literal(Utf8(\"female\"), None), Literal(Utf8(\"y')) v(s, l) ON t.sex = v.s",
    ],
    &["SELECT code, COUNT(*) FROM condition GROUP BY code"],
    &["SELECT code, COUNT(DISTINCT person_id) FROM condition GROUP BY code"],
    &["SELECT sex, n FROM (SELECT sex, COUNT(*) AS n FROM patient GROUP BY sex) t ORDER BY n"],
    &["SELECT sex, n FROM (SELECT sex, COUNT(*) AS n FROM patient GROUP BY sex) t ORDER BY n DESC"],
    &["SELECT sex, n FROM (SELECT sex, COUNT(*) AS n FROM patient GROUP BY sex) t WHERE n > 3"],
    &["SELECT sex, n FROM (SELECT sex, COUNT(*) AS n FROM patient GROUP BY sex) t WHERE n > 4"],
];

async fn ask(engine: &Engine, sql: &str, rho: &str) -> Asked {
    let mut asking = asking(Price::Rho(Rho::parse_floor(rho).unwrap()));
    asking.fresh = false;
    let asked = engine.ask(sql, &asking).await;
    asked.unwrap_or_else(|e| panic!("{sql}\n{e}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_question_in_other_words_is_free_and_no_other_is() {
    let home = Home::new(&small_catalog(), &population(60, 3), 400).await;
    let (engine, ledger) = home.engine(ANY_PRICE).await;
    for group in SAME {
        let first = ask(&engine, group[0], "0.01").await;
        assert_eq!(
            first.published.reused, None,
            "{} was not asked before",
            group[0]
        );
        assert_ne!(first.published.cost, Loss::ZERO);
        let spent = ledger.account().await.unwrap().spent;
        for sql in *group {
            let again = ask(&engine, sql, "0.009").await;
            let plan = async |asked: &Asked| {
                let plan = ledger.opening(asked.published.reserve, "plan").await;
                String::from_utf8(plan.unwrap().unwrap().content).unwrap()
            };
            assert!(
                again.published.reused.is_some(),
                "{sql}\n{}\n\n{}",
                plan(&first).await,
                plan(&again).await
            );
            assert_eq!(again.published.answer, first.published.answer);
            assert_eq!(again.answer.rows, first.answer.rows);
            assert_eq!(again.published.cost, Loss::ZERO);
        }
        assert_eq!(ledger.account().await.unwrap().spent, spent);
    }
    // Names are the asker's own.
    let named = ask(&engine, SAME[0][1], "0.01").await;
    assert_eq!(named.answer.columns[0], "s");
    ledger.audit_accounts().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_accuracy_other_bounds_and_another_snapshot_are_paid() {
    let home = Home::new(&small_catalog(), &population(60, 3), 400).await;
    let (engine, ledger) = home.engine(ANY_PRICE).await;
    let sql = "SELECT COUNT(*) FROM encounter";
    ask(&engine, sql, "0.01").await;
    assert!(ask(&engine, sql, "0.01").await.published.reused.is_some());
    assert!(ask(&engine, sql, "0.02").await.published.reused.is_none());
    let mut bounded = asking(Price::Rho(Rho::parse_floor("0.001").unwrap()));
    bounded.fresh = false;
    bounded.rows_per_person = Some(2);
    let asked = engine.ask(sql, &bounded).await.unwrap();
    assert!(asked.published.reused.is_none());
    let fresh = asking(Price::Rho(Rho::parse_floor("0.01").unwrap()));
    let fresh = engine.ask(sql, &fresh).await.unwrap();
    assert!(fresh.published.reused.is_none());
    // The same rows again are another snapshot.
    drop(engine);
    let transaction = home.lake.begin().unwrap();
    transaction.commit(&|_| {}).await.unwrap();
    let books = Books::current(&home.lake, &ledger, ANY_PRICE)
        .await
        .unwrap();
    let number = books.snapshot_number();
    let engine = Engine::open(home.lake.clone(), ledger, books).unwrap();
    if number == Some(2) {
        assert!(ask(&engine, sql, "0.01").await.published.reused.is_none());
    }
}

/// Differencing over versions: the snapshot after an opt-out is another lake, which differs in one person. What was answered before is not given again
/// for it, and what is answered now is paid as any question is, so the two answers together tell no more of her than their prices say.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_from_before_an_opt_out_is_not_given_again_and_both_are_paid() {
    let tables = population(60, 3);
    let home = Home::new(&small_catalog(), &tables, 400).await;
    let (engine, ledger) = home.engine(ANY_PRICE).await;
    let sql = "SELECT COUNT(*) FROM patient";
    let before = ask(&engine, sql, "1000").await;
    let paid = ledger.account().await.unwrap().spent;
    assert_ne!(paid, Loss::ZERO);
    drop(engine);
    let transaction = home.lake.begin().unwrap();
    transaction.withhold(7, Withheld::Consent { since: None });
    transaction.commit(&|_| {}).await.unwrap();
    let books = Books::current(&home.lake, &ledger, ANY_PRICE)
        .await
        .unwrap();
    assert_eq!(books.snapshot_number(), Some(2));
    let engine = Engine::open(home.lake.clone(), ledger.clone(), books).unwrap();
    let after = ask(&engine, sql, "1000").await;
    assert_eq!(after.published.reused, None);
    assert_eq!(after.published.cost, before.published.cost);
    let both = ledger.account().await.unwrap().spent;
    assert_eq!(both.rho.units(), 2 * paid.rho.units());
    // At this price sigma is 1/44: the answers are the counts, and they differ by her.
    assert_eq!(
        (&before.answer.rows[0][0], &after.answer.rows[0][0]),
        (&60.into(), &59.into())
    );
    // What is free is the answer about the lake of now.
    let again = ask(&engine, sql, "1000").await;
    assert!(again.published.reused.is_some());
    assert_eq!(again.published.answer, after.published.answer);
    assert_eq!(ledger.account().await.unwrap().spent, both);
}
