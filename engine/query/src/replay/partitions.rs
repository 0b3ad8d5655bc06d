//! The number of partitions, which is the number of a machine's cores, decides about no answer.

use super::lakes::{Layout, Replay};
use super::support::population;
use crate::release::BoundingOptions;

/// Questions that DataFusion could not plan, or not start, with some numbers of partitions.
const QUESTIONS: &[&str] = &[
    // Partitioned by what a group by person has one value of.
    "SELECT COUNT(*) FROM (SELECT person_id, row_number() OVER (PARTITION BY person_id, k ORDER BY n) AS w FROM \
     (SELECT person_id, MIN(code) AS k, COUNT(*) AS n FROM condition GROUP BY person_id) r) s WHERE w = 1",
    "SELECT COUNT(*) FROM (SELECT person_id, ntile(2) OVER (PARTITION BY person_id, k ORDER BY n) AS w FROM \
     (SELECT person_id, MIN(code) AS k, COUNT(*) AS n FROM condition GROUP BY person_id) r) s WHERE w = 1",
    "SELECT COUNT(*) FROM (SELECT person_id, first_value(n) OVER (PARTITION BY person_id, k ORDER BY n) AS w FROM \
     (SELECT person_id, MIN(code) AS k, COUNT(*) AS n FROM condition GROUP BY person_id) r) s WHERE w > 1",
];

#[tokio::test]
async fn no_number_of_partitions_decides_whether_there_is_an_answer() {
    let layout = |partitions| Layout {
        partitions,
        batch: 8192,
    };
    let mut lake = Replay::new(&[population(40, 7)], layout(2)).await;
    for sql in QUESTIONS {
        lake.lay_out(layout(2));
        let options = BoundingOptions {
            rows_per_person: None,
            groups_per_person: None,
            weigh: false,
            minimum: 1,
            seed: 7,
        };
        let question = lake.admit(sql, options).await.unwrap();
        let mut seen = None;
        for partitions in [1, 2, 3, 4, 5, 8, 16] {
            lake.lay_out(layout(partitions));
            let exact = lake.exact(&question).await;
            let exact = exact.unwrap_or_else(|e| panic!("{partitions}: {e}\n{sql}"));
            let seen = seen.get_or_insert_with(|| exact.vectors.clone());
            assert_eq!(*seen, exact.vectors, "{partitions}: {sql}");
        }
    }
}
