//! What a fold becomes: rows that a table hands out by person are folded as they come.

use datafusion::physical_plan::displayable;

use crate::question::Question;
use crate::release::BoundingOptions;
use crate::replay::support::{Home, population};
use crate::{execute::Executor, session};

/// The physical plans of a question, from the top.
async fn plans(sql: &str) -> Vec<String> {
    let home = Home::new(salus_lake::Catalog::default_yaml(), &population(40, 3), 100).await;
    let planning = session::planning(&home.lake).unwrap();
    let options = BoundingOptions::default();
    let question = Question::validate(sql, &planning, home.lake.catalog(), options).await;
    let snapshot = home.lake.snapshot().unwrap().unwrap();
    let executor = Executor::new(home.lake.clone()).unwrap();
    let mut shown = Vec::new();
    for release in &question.unwrap().releases {
        for bounded in &release.plans {
            let plan = executor.physical(&bounded.plan, &snapshot).await.unwrap();
            shown.push(displayable(plan.as_ref()).indent(false).to_string());
        }
    }
    shown
}

#[tokio::test]
async fn rows_of_events_are_folded_as_they_come() {
    for sql in [
        "SELECT code, COUNT(DISTINCT person_id) FROM condition GROUP BY code",
        "SELECT AVG(value) FROM observation WHERE code = '4548-4'",
        "SELECT MEDIAN(value) FROM observation WHERE code = '4548-4'",
        "SELECT p.sex, AVG(o.value) FROM observation o JOIN patient p ON p.person_id = o.person_id WHERE o.code = '4548-4' GROUP BY p.sex",
        "SELECT p.sex, COUNT(DISTINCT p.person_id) FROM patient p JOIN condition c ON p.person_id = c.person_id GROUP BY p.sex",
    ] {
        for plan in plans(sql).await {
            let (_, below) = plan.split_once("FoldExec").unwrap_or(("", ""));
            assert!(!below.is_empty(), "no fold:\n{plan}");
            assert!(
                !below.contains("SortExec") && !below.contains("RepartitionExec"),
                "{sql}\n{plan}"
            );
        }
    }
}

#[tokio::test]
async fn rows_that_a_window_needs_in_finer_order_are_sorted_above_the_scan() {
    let sql = "SELECT COUNT(*) FROM (SELECT row_number() OVER (PARTITION BY person_id ORDER BY start_date, id) AS n FROM encounter) t WHERE n = 1";
    for plan in plans(sql).await {
        let (above, below) = plan.split_once("ByPersonExec").unwrap();
        assert!(
            above.contains("SortExec") && !below.contains("SortExec"),
            "{plan}"
        );
    }
}
