//! `salus quality --private`: what analysts may know of the quality of the data. A fixed set of questions in SQL, each asked,
//! priced, ledgered and answered as `salus query` would: nothing here reads the lake.

use salus_accounting::Loss;
use salus_lake::Catalog;
use salus_query::Asked;
use serde_json::{Value, json};

use super::query::{answer_rows, answered, asking, cost_json, cost_text, remaining_text};
use crate::arguments::{Format, NoiseKind, PrivateQuality, Query};
use crate::failure::Failure;
use crate::home::Home;
use crate::output::{Rows, print};

/// Measurements whose limits are asked about: common ones, one unit each.
const MEASURED: [&str; 6] = ["4548-4", "2345-7", "2160-0", "29463-7", "8302-2", "2093-3"];

/// One question of the set.
pub(super) struct Question {
    pub(super) name: &'static str,
    pub(super) sql: String,
}

/// The set. It depends on the catalog and the year, which are public, and on nothing else.
pub(super) fn questions(catalog: &Catalog, year: u16) -> Vec<Question> {
    let question = |name, sql: &str| Question {
        name,
        sql: sql.to_owned(),
    };
    let measured: Vec<_> = MEASURED
        .iter()
        .filter_map(|code| catalog.measurements.iter().find(|it| it.code == *code))
        .collect();
    let codes: Vec<_> = measured.iter().map(|it| format!("'{}'", it.code)).collect();
    let beyond: Vec<_> = measured
        .iter()
        .map(|it| {
            format!(
                "code = '{}' AND (value < {} OR value > {})",
                it.code, it.low, it.high
            )
        })
        .collect();
    let limits = format!(
        "SELECT code, COUNT(DISTINCT person_id) AS persons, \
         COUNT(DISTINCT person_id) FILTER (WHERE {}) AS beyond_limits, \
         COUNT(DISTINCT person_id) FILTER (WHERE value IS NULL AND value_original IS NOT NULL) AS not_converted \
         FROM observation WHERE code IN ({}) GROUP BY code",
        beyond.join(" OR "),
        codes.join(", ")
    );
    let months = format!(
        "SELECT date_part('month', effective_date) AS month, COUNT(DISTINCT person_id) AS persons, \
         COUNT(DISTINCT person_id) FILTER (WHERE value IS NULL AND value_code IS NULL AND value_text IS NULL) AS without_value, \
         COUNT(DISTINCT person_id) FILTER (WHERE encounter_id IS NULL) AS without_encounter \
         FROM observation WHERE EXTRACT(year FROM effective_date) = {year} GROUP BY 1"
    );
    vec![
        question(
            "completeness: persons without a fact about themselves",
            "SELECT COUNT(*) AS persons, COUNT(*) FILTER (WHERE birth_date IS NULL) AS without_birth_date, \
             COUNT(*) FILTER (WHERE sex IS NULL) AS without_sex, COUNT(*) FILTER (WHERE race IS NULL) AS without_race, \
             COUNT(*) FILTER (WHERE state IS NULL) AS without_state FROM patient",
        ),
        question(
            "completeness: persons with observations without value, by month",
            &months,
        ),
        question(
            "conformance: persons with conditions of no standard system",
            "SELECT COUNT(DISTINCT person_id) AS persons, COUNT(DISTINCT person_id) FILTER (WHERE code IS NULL) AS without_code, \
             COUNT(DISTINCT person_id) FILTER (WHERE code IS NOT NULL AND (code_system IS NULL OR code_system NOT IN \
             ('http://snomed.info/sct', 'http://hl7.org/fhir/sid/icd-10-cm', 'http://hl7.org/fhir/sid/icd-10', 'http://hl7.org/fhir/sid/icd-9-cm'))) \
             AS of_no_standard_system FROM condition",
        ),
        question(
            "plausibility: persons with values beyond limits, by code",
            &limits,
        ),
        question(
            "plausibility: persons with encounters before birth",
            "SELECT COUNT(DISTINCT e.person_id) AS before_birth FROM encounter e JOIN patient p ON p.person_id = e.person_id \
             WHERE e.start_date < p.birth_date",
        ),
        question(
            "plausibility: persons with encounters that end before they start",
            "SELECT COUNT(DISTINCT person_id) AS end_before_start FROM encounter WHERE end_date < start_date",
        ),
        question(
            "plausibility: men with a pregnancy",
            "SELECT COUNT(DISTINCT c.person_id) AS implausible FROM condition c JOIN patient p ON p.person_id = c.person_id \
             WHERE p.sex = 'male' AND c.code = '72892002'",
        ),
    ]
}

pub(super) async fn run(
    home: &Home,
    asked: &PrivateQuality,
    format: Format,
) -> Result<(), Failure> {
    let last_year = || {
        use chrono::Datelike;
        u16::try_from(chrono::Utc::now().year() - 1).unwrap_or(2000)
    };
    let catalog = home.lake()?.catalog().clone();
    let questions = questions(&catalog, asked.year.unwrap_or_else(last_year));
    if asked.dry_run {
        return quote(home, asked, &questions, format).await;
    }
    let mut answers = Vec::new();
    let outcome = ask(home, asked, &questions, format, &mut answers).await;
    // Those that were paid for are shown whatever became of the others.
    if format == Format::Json && (outcome.is_ok() || !answers.is_empty()) {
        let (all, left) = (outcome.is_ok(), questions.len() - answers.len());
        println!(
            "{}",
            json!({"private": true, "complete": all, "unanswered": left, "questions": answers})
        );
    }
    outcome
}

/// Asks one question after the other, until one gets no answer.
async fn ask(
    home: &Home,
    asked: &PrivateQuality,
    questions: &[Question],
    format: Format,
    answers: &mut Vec<Value>,
) -> Result<(), Failure> {
    for question in questions {
        let asking = asking(home, &query(asked, &question.sql))?;
        // The ledger is closed after each answer, as after each command.
        let (engine, ledger) = home.engine().await?;
        let conversion = engine.conversion_delta();
        let (asked, receipt): (Asked, _) =
            answered(home, &engine, ledger, &question.sql, &asking).await?;
        let cost = cost_json(asked.published.cost, &asked.terms, conversion);
        let answer = json!({
            "name": question.name, "sql": question.sql, "columns": asked.answer.columns, "rows": asked.answer.rows,
            "intervals": asked.answer.intervals, "cost": cost, "entry": asked.published.entry.0,
            "reuse": asked.published.reused.map(|entry| entry.0), "receipt": receipt,
        });
        if format != Format::Json {
            println!("{}", question.name);
            print(format, &answer_rows(&asked.answer, format), &answer);
        }
        if format == Format::Table {
            println!(
                "cost {}, remaining {}, ledger entry {}\n",
                cost_text(asked.published.cost, &asked.terms, conversion),
                remaining_text(asked.published.remaining, conversion),
                asked.published.entry.0
            );
        }
        answers.push(answer);
    }
    Ok(())
}

/// The price of each and of all; nothing is spent, and no table is read.
async fn quote(
    home: &Home,
    asked: &PrivateQuality,
    questions: &[Question],
    format: Format,
) -> Result<(), Failure> {
    let engine = home.prices().await?;
    let conversion = engine.conversion_delta();
    let (mut rows, mut prices) = (Rows::new(&["question", "would cost"]), Vec::new());
    let mut total = Some(Loss::ZERO);
    for question in questions {
        let asking = asking(home, &query(asked, &question.sql))?;
        let quote = engine.quote(&question.sql, &asking).await?;
        total = total.and_then(|total| total.checked_add(quote.cost));
        let cost = cost_json(quote.cost, &quote.terms, conversion);
        rows.push([
            question.name.to_owned(),
            cost_text(quote.cost, &quote.terms, conversion),
        ]);
        prices.push(json!({"name": question.name, "sql": question.sql, "cost": cost}));
    }
    let total = total.ok_or_else(|| Failure::usage("the price is more than any budget holds"))?;
    let text = remaining_text(total, conversion);
    rows.push(["all together".to_owned(), text.clone()]);
    let json = json!({
        "private": true, "dry_run": true, "questions": prices,
        "total": crate::commands::budget::loss_json(total, conversion),
    });
    print(format, &rows, &json);
    Ok(())
}

fn query(asked: &PrivateQuality, sql: &str) -> Query {
    Query {
        sql: sql.to_owned(),
        epsilon: asked.epsilon.clone(),
        rho: asked.rho.clone(),
        within: None,
        confidence: "0.95".to_owned(),
        expect_rows: None,
        dry_run: asked.dry_run,
        purpose: asked.purpose.clone(),
        rows_per_person: None,
        groups_per_person: None,
        weigh: false,
        noise: NoiseKind::Gaussian,
        fresh: false,
        retry_key: None,
        delta: None,
        user: asked.user.clone(),
    }
}
