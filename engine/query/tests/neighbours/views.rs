//! Tables that views fill obey the same bounds.

use salus_query::Price;

use crate::support::{ANY_PRICE, Home, Rows, asking, small_catalog};
use crate::{ask, case, distance, lake, noise};

/// A table that a view fills, beside those that ship.
const READING: &str = r#"
views:
  reading:
    view:
      sha256: "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
      resource: Observation
      columns: [kind, score, weight]
    doc: Readings.
    unit: person_id
    one_row_per_person: false
    max_rows_per_person: 6
    rows_per_person: 6
    columns:
      person_id: { type: bigint, doc: The person. }
      resource_id: { type: bigint, doc: The resource. }
      row: { type: bigint, doc: The place. }
      kind: { type: text, doc: A kind., domain: [a, b], source: the test }
      score:
        type: decimal(18,6)
        doc: A score.
        bounds: { low: "0", high: "100", granularity: "1" }
        source: the test
      weight: { type: "decimal(18,6)", doc: A weight. }
"#;

/// A lake with readings: of one resource where `seed` is 0, of several where it is 1.
fn lake_with_readings(seed: u64) -> Vec<Rows> {
    let mut tables = lake(seed);
    let columns = ["person_id", "resource_id", "row", "kind", "score", "weight"];
    let mut readings = Rows::new("reading", &columns);
    for person in 2..10 {
        let id = (800_000 + person).to_string();
        readings.push(&[&person.to_string(), &id, "0", "b", "50", "3"]);
    }
    // As many rows as the cap lets in and more.
    for n in 0..9_u64 {
        let (id, row) = (910_000 + n * seed, n * (1 - seed));
        readings.push(&["1", &id.to_string(), &row.to_string(), "a", "1000", "9"]);
    }
    tables.push(readings);
    tables
}

/// Tables of views are bounded as all others are, and their numbers by what the catalog declares of them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_of_a_view_are_bounded_too() {
    let cases = [
        case(0, "SELECT COUNT(*), COUNT(DISTINCT person_id) FROM reading"),
        case(1, "SELECT kind, COUNT(*) FROM reading GROUP BY 1"),
        case(
            1,
            "SELECT kind, SUM(score) FROM reading WHERE row < 2 GROUP BY 1",
        ),
        case(
            0,
            "SELECT COUNT(*) FROM reading r JOIN condition c ON r.person_id = c.person_id AND r.resource_id = c.id",
        ),
    ];
    let catalog = small_catalog() + READING;
    let mut reached = 0;
    for seed in [0, 1] {
        let tables = lake_with_readings(seed);
        let without: Vec<Rows> = tables.iter().map(|rows| rows.without("1")).collect();
        let (with, without) = (
            Home::new(&catalog, &tables, 1000).await,
            Home::new(&catalog, &without, 3).await,
        );
        for case in &cases {
            for rows in [None, Some(1)] {
                let (a, declared) = ask(&with, case, rows).await;
                let (b, other) = ask(&without, case, rows).await;
                assert_eq!(declared, other, "{}", case.sql);
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
            }
        }
        let (engine, _) = with.engine(ANY_PRICE).await;
        let unbounded = "SELECT kind, SUM(weight) FROM reading GROUP BY 1";
        let refused = engine.ask(unbounded, &asking(Price::Default)).await;
        let said = refused.map(drop).unwrap_err().to_string();
        assert!(said.contains("clamp"), "{said}");
    }
    assert!(reached >= 6, "only {reached} sensitivities are reached");
}

/// A view that came after the snapshot has no rows yet; questions about it are answered all the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_without_a_snapshot_is_empty() {
    let home = Home::new(&small_catalog(), &lake(1), 1000).await;
    let place = home.dir.path().join("home");
    std::fs::write(place.join("catalog.yaml"), small_catalog() + READING).unwrap();
    let lake = salus_lake::Lake::open(&place).unwrap();
    let home = Home { lake, ..home };
    let (cells, _) = ask(&home, &case(0, "SELECT COUNT(*) FROM reading"), None).await;
    assert!(
        cells.values().all(|values| values[0].abs() < 1.0),
        "{cells:?}"
    );
}
