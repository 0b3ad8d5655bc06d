//! What a query sees of a snapshot.

use arrow::array::{AsArray as _, RecordBatch};
use arrow::datatypes::Int64Type;
use datafusion::common::stats::Precision;
use datafusion::physical_plan::statistics::{StatisticsArgs, StatisticsContext};
use datafusion::physical_plan::{ExecutionPlan, displayable, execute_stream_partitioned};
use futures::TryStreamExt as _;
use salus_lake::Lake;

use crate::rows::{commit, fresh, keys, rows, session, sql};

/// Persons with 0 to 4 conditions and a patient row each.
async fn population() -> (tempfile::TempDir, Lake, Vec<(i64, i64)>) {
    let (home, lake) = fresh();
    let conditions: Vec<(i64, i64)> = (1..=5000)
        .flat_map(|person| (0..person % 5).map(move |row| (person, person * 10 + row)))
        .collect();
    let transaction = lake.begin().unwrap();
    transaction
        .append("condition", rows("condition", &conditions, 0))
        .unwrap();
    transaction
        .append("patient", rows("patient", &keys(5000, 1), 0))
        .unwrap();
    commit(transaction).await;
    (home, lake, conditions)
}

fn persons(batch: &RecordBatch) -> Vec<i64> {
    batch
        .column(0)
        .as_primitive::<Int64Type>()
        .values()
        .to_vec()
}

async fn plan(
    lake: &Lake,
    partitions: usize,
    text: &str,
) -> (std::sync::Arc<dyn ExecutionPlan>, String) {
    let frame = session(lake, partitions).sql(text).await.unwrap();
    let plan = frame.create_physical_plan().await.unwrap();
    let shown = displayable(plan.as_ref()).indent(true).to_string();
    (plan, shown)
}

#[tokio::test]
async fn partitions_hold_whole_persons_in_order() {
    let (_home, lake, conditions) = population().await;
    for partitions in [1, 2, 3, 7, 16, 300] {
        let session = session(&lake, partitions);
        let frame = session
            .sql("SELECT person_id, id FROM condition")
            .await
            .unwrap();
        let plan = frame.create_physical_plan().await.unwrap();
        let mut seen = Vec::new();
        let streams = execute_stream_partitioned(plan, session.task_ctx()).unwrap();
        assert_eq!(streams.len(), partitions);
        let mut largest = 0;
        for stream in streams {
            let batches: Vec<RecordBatch> = stream.try_collect().await.unwrap();
            let part: Vec<i64> = batches.iter().flat_map(persons).collect();
            // Ranges ascend over the partitions, so no person of this one was in an earlier one.
            assert!(part.is_sorted());
            assert!(
                part.first()
                    .is_none_or(|first| seen.last().is_none_or(|last| last < first))
            );
            largest = largest.max(part.len());
            seen.extend(part);
        }
        assert_eq!(
            seen,
            conditions.iter().map(|key| key.0).collect::<Vec<_>>(),
            "{partitions} partitions"
        );
        if partitions <= 16 {
            assert!(
                largest <= conditions.len() * 5 / 4 / partitions + 100,
                "uneven: {largest} of {partitions}"
            );
        }
    }
}

#[tokio::test]
async fn aggregation_per_person_streams_in_one_stage() {
    let (_home, lake, conditions) = population().await;
    let query = "SELECT person_id, COUNT(*) AS n FROM condition GROUP BY person_id";
    for partitions in [1, 4] {
        let (_, shown) = plan(&lake, partitions, query).await;
        assert!(shown.contains("ordering_mode=Sorted"), "{shown}");
        assert!(
            !shown.contains("RepartitionExec") && !shown.contains("SortExec"),
            "{shown}"
        );
    }
    let counted = sql(
        &session(&lake, 4),
        &format!("SELECT COUNT(*), SUM(n) FROM ({query})"),
    )
    .await;
    let number = |column: usize| counted.column(column).as_primitive::<Int64Type>().value(0);
    assert_eq!((number(0), number(1)), (4000, conditions.len() as i64));
}

#[tokio::test]
async fn a_join_on_the_person_moves_no_rows() {
    let (_home, lake, _) = population().await;
    let query = "SELECT c.code FROM patient p JOIN condition c ON p.person_id = c.person_id";
    let (_, shown) = plan(&lake, 4, query).await;
    assert!(shown.contains("mode=Partitioned"), "{shown}");
    assert!(!shown.contains("RepartitionExec"), "{shown}");
    // On anything else than the person the rows do move.
    let (_, shown) = plan(&lake, 4, &query.replace("p.person_id =", "p.deprivation =")).await;
    assert!(shown.contains("RepartitionExec"), "{shown}");
}

#[tokio::test]
async fn answers_do_not_depend_on_partitions() {
    let (_home, lake, _) = population().await;
    let query = "SELECT p.sex, COUNT(*) AS n, COUNT(DISTINCT p.person_id) AS people, SUM(c.id) AS s
                 FROM patient p JOIN condition c ON p.person_id = c.person_id
                 WHERE c.code IS NOT NULL AND p.deprivation > 100 GROUP BY p.sex ORDER BY p.sex";
    let one = sql(&session(&lake, 1), query).await;
    assert!(one.num_rows() > 10);
    for partitions in [2, 5, 12] {
        assert_eq!(
            sql(&session(&lake, partitions), query).await,
            one,
            "{partitions} partitions"
        );
    }
}

#[tokio::test]
async fn the_planner_learns_nothing_about_the_data() {
    let (_home, lake, _) = population().await;
    let (plan, shown) = plan(&lake, 2, "SELECT * FROM condition").await;
    let statistics = StatisticsContext::new()
        .compute(plan.as_ref(), &StatisticsArgs::new())
        .unwrap();
    assert_eq!(statistics.num_rows, Precision::Absent, "{shown}");
    assert_eq!(statistics.total_byte_size, Precision::Absent, "{shown}");
    for column in &statistics.column_statistics {
        assert_eq!(column.min_value, Precision::Absent);
        assert_eq!(column.max_value, Precision::Absent);
        assert_eq!(column.null_count, Precision::Absent);
        assert_eq!(column.distinct_count, Precision::Absent);
    }
}

#[tokio::test]
async fn projections_and_filters_reach_the_scan() {
    let (_home, lake, _) = population().await;
    let (_, shown) = plan(&lake, 2, "SELECT code FROM condition WHERE person_id = 77").await;
    assert!(
        shown.contains("projection=[person_id, code]") || shown.contains("projection=[code]"),
        "{shown}"
    );
    assert!(shown.contains("predicate=person_id"), "{shown}");
    let found = sql(
        &session(&lake, 3),
        "SELECT person_id, code FROM condition WHERE person_id = 77",
    )
    .await;
    assert_eq!(persons(&found), [77, 77]);
}

#[tokio::test]
async fn a_sealed_table_plans_but_never_reads() {
    let (_home, lake, _) = population().await;
    let session = session(&lake, 2);
    session.deregister_table("condition").unwrap();
    session
        .register_table("condition", lake.schema_provider("condition").unwrap())
        .unwrap();
    let frame = session
        .sql("SELECT COUNT(*) FROM condition WHERE code = 'x'")
        .await
        .unwrap();
    assert!(frame.clone().into_optimized_plan().is_ok());
    let refused = frame.collect().await.unwrap_err().to_string();
    assert!(refused.contains("sealed"), "{refused}");
    assert!(lake.schema_provider("identity").is_err());
}

#[tokio::test]
async fn a_snapshot_stays_while_the_lake_moves_on() {
    let (_home, lake, conditions) = population().await;
    let before = session(&lake, 2);
    crate::rows::ingest(
        &lake,
        "condition",
        rows("condition", &[(1, 10), (9999, 1)], 3),
    )
    .await;
    let count = |batch: RecordBatch| batch.column(0).as_primitive::<Int64Type>().value(0);
    assert_eq!(
        count(sql(&before, "SELECT COUNT(*) FROM condition").await),
        conditions.len() as i64
    );
    assert_eq!(
        count(sql(&session(&lake, 2), "SELECT COUNT(*) FROM condition").await),
        conditions.len() as i64 + 1
    );
}

#[tokio::test]
async fn an_empty_table_can_be_asked() {
    let (_home, lake, _) = population().await;
    let none = sql(
        &session(&lake, 3),
        "SELECT person_id, COUNT(*) FROM immunization GROUP BY person_id",
    )
    .await;
    assert_eq!(none.num_rows(), 0);
}

/// A lake with three conditions of each of these persons.
async fn conditions_of(persons: std::ops::RangeInclusive<i64>) -> (tempfile::TempDir, Lake) {
    let (home, lake) = fresh();
    let all: Vec<(i64, i64)> = persons
        .flat_map(|person| (0..3).map(move |row| (person, person * 10 + row)))
        .collect();
    let transaction = lake.begin().unwrap();
    transaction
        .append("condition", rows("condition", &all, 0))
        .unwrap();
    commit(transaction).await;
    (home, lake)
}

#[tokio::test]
async fn several_files_of_a_partition_stay_in_order() {
    // Files are split where they grow large; here the second is another lake's.
    let (home, lake) = conditions_of(1..=900).await;
    let (elsewhere, other) = conditions_of(901..=1_500).await;
    let mut snapshot = lake.snapshot().unwrap().unwrap();
    let second = other.snapshot().unwrap().unwrap();
    let second = second.tables["condition"].files[0].clone();
    let at = |home: &tempfile::TempDir| home.path().join("home/lake/condition").join(&second.path);
    std::fs::copy(at(&elsewhere), at(&home)).unwrap();
    // Its key is an older one here.
    let key = |home: &tempfile::TempDir| home.path().join("home/keys/lake.key");
    let keys = [&elsewhere, &home].map(|home| std::fs::read_to_string(key(home)).unwrap());
    std::fs::write(key(&home), keys.concat()).unwrap();
    let lake = Lake::open(&home.path().join("home")).unwrap();
    snapshot
        .tables
        .get_mut("condition")
        .unwrap()
        .files
        .push(second.clone());

    let session = session(&lake, 1);
    session.deregister_table("condition").unwrap();
    let provider = lake.provider(&snapshot, "condition").unwrap();
    session.register_table("condition", provider).unwrap();
    let plan = async |text: &str| {
        let frame = session.sql(text).await.unwrap();
        frame.create_physical_plan().await.unwrap()
    };
    for query in [
        "SELECT person_id, COUNT(*) AS n FROM condition GROUP BY person_id",
        "SELECT person_id AS p, COUNT(DISTINCT upper(code)) AS n FROM condition GROUP BY person_id",
    ] {
        let shown = plan(query).await;
        let shown = displayable(shown.as_ref()).indent(true).to_string();
        assert_eq!(shown.matches(".parquet").count(), 2, "{shown}");
        assert!(!shown.contains("SortExec"), "{shown}");
        assert!(shown.contains("ordering_mode"), "{shown}");
    }
    let all = plan("SELECT person_id, id FROM condition").await;
    let mut streams = execute_stream_partitioned(all, session.task_ctx()).unwrap();
    let batches: Vec<RecordBatch> = streams.remove(0).try_collect().await.unwrap();
    let seen: Vec<i64> = batches.iter().flat_map(persons).collect();
    assert!(seen.is_sorted());
    assert_eq!(seen.len(), 4_500);
}
