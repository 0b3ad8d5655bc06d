//! Everything that can be done with a lake, in a bucket.

use salus_lake::{Lake, Quarantined, Retention, Withheld};

use super::server::{ACCESS_KEY, SECRET_KEY, Server};
use super::{fresh_in, names, open, second_home};
use crate::rows::{commit, ingest, keys, rows, session, sql, stored, tree};

/// Names of a person that no object may hold in the clear.
const CANARY: &str = "canary-patient-4711";

fn line(text: &str) -> Quarantined {
    Quarantined {
        source: "clinic".into(),
        file: "Patient.ndjson".into(),
        line: 1,
        reason_code: "broken_json".into(),
        detail: text.into(),
        bytes: text.into(),
    }
}

#[tokio::test]
async fn a_lake_in_a_bucket_does_what_one_on_a_disk_does() {
    let Some(server) = Server::start() else {
        return;
    };
    let bucket = server.bucket("north/lake");
    let (home, lake) = fresh_in(&bucket);
    assert_eq!(lake.snapshot().unwrap(), None);

    let transaction = lake.begin().unwrap();
    for (number, name) in [(1, CANARY), (2, "two"), (3, "three")] {
        let given = transaction.identity().resolve_or_assign("urn:clinic", name);
        assert_eq!(given.unwrap(), number);
    }
    let (sorted, unsorted) = (rows("condition", &keys(500, 4), 0), keys(300, 2));
    transaction.append_sorted("condition", sorted).unwrap();
    let reversed: Vec<_> = unsorted.iter().rev().copied().collect();
    let backwards = rows("procedure", &reversed, 0);
    transaction.append("procedure", backwards).unwrap();
    transaction.quarantine(line(CANARY)).unwrap();
    transaction.quarantine(line("other")).unwrap();
    let committed = commit(transaction).await;
    assert!(committed.changed && !committed.log_behind);
    assert_eq!(committed.tables["condition"], 2000);

    // From the same home, from another one, and by a query in several ranges.
    let (_other, elsewhere) = second_home(&home, &bucket);
    for lake in [&lake, &open(home.path(), &bucket), &elsewhere] {
        assert_eq!(
            stored(lake, "condition").await,
            rows("condition", &keys(500, 4), 0)
        );
        assert_eq!(
            stored(lake, "procedure").await,
            rows("procedure", &unsorted, 0)
        );
        let two = session(lake, 2);
        let counted = sql(&two, "SELECT COUNT(*) AS n FROM condition JOIN procedure ON condition.person_id = procedure.person_id").await;
        let counted = counted
            .column(0)
            .as_any()
            .downcast_ref::<arrow::array::Int64Array>();
        assert_eq!(counted.unwrap().value(0), 300 * 4 * 2);
        assert_eq!(lake.quarantined().unwrap().count(), 2);
        assert_eq!(
            lake.known_rows("condition", &[1000, 5].into()).unwrap(),
            [1000].into()
        );
    }

    // The same again changes no object.
    let before = server.objects().await;
    let transaction = lake.begin().unwrap();
    assert_eq!(transaction.identity().lookup("urn:clinic", CANARY), Some(1));
    transaction
        .append("condition", rows("condition", &keys(500, 4), 0))
        .unwrap();
    transaction.quarantine(line("other")).unwrap();
    assert!(!commit(transaction).await.changed);
    assert_eq!(server.objects().await, before);

    // A person is expunged: rows, line and name go, in every snapshot that stays.
    let transaction = elsewhere.begin().unwrap();
    transaction.withhold(1, Withheld::Expunged);
    transaction.identity().forget("urn:clinic", CANARY).unwrap();
    let dropped = transaction.drop_quarantined(&mut |line| line.bytes == CANARY.as_bytes());
    assert_eq!(dropped.unwrap(), 1);
    assert_eq!(commit(transaction).await.tables["condition"], 1996);
    let vacuumed = elsewhere.vacuum(&Retention::newest(1)).await.unwrap();
    assert_eq!((vacuumed.files > 0, vacuumed.waiting), (true, 0));
    assert!(lake.snapshot_at(1).is_err());
    assert_eq!(lake.snapshot().unwrap().unwrap().number, 2);
    let left: Vec<_> = keys(500, 4).split_off(4);
    assert_eq!(
        stored(&lake, "condition").await,
        rows("condition", &left, 0)
    );
    assert_eq!(lake.quarantined().unwrap().count(), 1);
    let after = names(&server).await;
    let gone = before
        .iter()
        .filter(|(name, _)| !after.contains(name))
        .count();
    assert_eq!(gone as u64, vacuumed.files);

    // In the home are catalog, key and locks. The key is nowhere else.
    let files = tree(home.path()).into_iter();
    let files: Vec<_> = files
        .map(|(path, _)| path.file_name().unwrap().to_owned())
        .collect();
    assert_eq!(
        files,
        [
            "catalog.yaml",
            "lake.key",
            ".lock",
            ".readers",
            ".turnstile"
        ]
    );
}

#[tokio::test]
async fn nothing_of_anybody_is_readable_in_the_bucket() {
    let Some(server) = Server::start() else {
        return;
    };
    let (home, lake) = fresh_in(&server.bucket("sealed"));
    let transaction = lake.begin().unwrap();
    transaction
        .identity()
        .resolve_or_assign("urn:clinic", CANARY)
        .unwrap();
    transaction.quarantine(line(CANARY)).unwrap();
    // The text columns of these rows say "value N".
    transaction
        .append("condition", rows("condition", &keys(50, 4), 0))
        .unwrap();
    commit(transaction).await;
    let key = std::fs::read_to_string(home.path().join("keys/lake.key")).unwrap();
    let secret = key.lines().last().unwrap().split(' ').next_back().unwrap();
    assert!(secret.len() > 40);
    let objects = server.objects().await;
    for kind in [
        "condition/",
        "identity/",
        "quarantine/",
        "_snapshots/",
        "_delta_log/",
        "lake.json",
    ] {
        assert!(
            objects.iter().any(|(name, _)| name.contains(kind)),
            "{kind}"
        );
    }
    for (name, bytes) in &objects {
        assert!(name.starts_with("sealed/"), "{name}");
        let parquet = name.ends_with(".parquet");
        assert!(
            !parquet || bytes.starts_with(b"PARE"),
            "{name} is not encrypted"
        );
        for word in [
            CANARY,
            "urn:clinic",
            "value ",
            secret,
            SECRET_KEY,
            ACCESS_KEY,
        ] {
            let found = bytes
                .windows(word.len())
                .any(|window| window == word.as_bytes());
            assert!(!found && !name.contains(word), "{word} stands in {name}");
        }
    }
    // Whoever has the bucket and another key has nothing.
    let stranger = tempfile::tempdir().unwrap();
    Lake::create(stranger.path()).unwrap();
    let bucket = server.bucket("sealed");
    let opened = Lake::open_at(stranger.path(), None, Some(&bucket));
    assert!(
        matches!(opened, Err(salus_lake::Error::Key(_))),
        "{opened:?}"
    );
}

#[tokio::test]
async fn a_query_reads_the_bytes_of_its_columns_and_no_more() {
    let Some(server) = Server::start() else {
        return;
    };
    let (_home, lake) = fresh_in(&server.bucket("ranges"));
    ingest(&lake, "condition", rows("condition", &keys(60_000, 4), 0)).await;
    let snapshot = lake.snapshot().unwrap().unwrap();
    let size: u64 = snapshot.tables["condition"]
        .files
        .iter()
        .map(|file| file.size)
        .sum();
    assert!(size > 2 << 20, "{size} bytes are too few to tell");
    server.asked();
    let counted = sql(
        &session(&lake, 2),
        "SELECT COUNT(DISTINCT person_id) AS n FROM condition",
    )
    .await;
    assert_eq!(counted.num_rows(), 1);
    let read: Vec<_> = server.asked();
    let read: Vec<_> = read
        .iter()
        .filter(|asked| asked.path.contains("/condition/"))
        .collect();
    assert!(!read.is_empty() && read.iter().all(|asked| asked.range.is_some()));
    let bytes: usize = read.iter().map(|asked| asked.answered).sum();
    assert!(
        (bytes as u64) < size / 2,
        "{bytes} of {size} bytes were read"
    );
}

#[tokio::test]
async fn a_file_of_many_parts_arrives_whole() {
    let Some(server) = Server::start() else {
        return;
    };
    let (_home, lake) = fresh_in(&server.bucket("parts"));
    // Ids without a pattern do not compress: more than the 8 MB of a part.
    let mut keys: Vec<(i64, i64)> = Vec::new();
    for person in 1..=400_000_i64 {
        for row in 0..3_i64 {
            let id = (person * 3 + row).wrapping_mul(0x5851_F42D_4C95_7F2D) >> 6;
            keys.push((person, id));
        }
    }
    keys.sort_unstable();
    let expected = rows("condition", &keys, 0);
    ingest(&lake, "condition", expected.clone()).await;
    let parts = server.asked();
    let parts = parts
        .iter()
        .filter(|asked| asked.path.contains("partNumber="))
        .count();
    assert!(parts >= 2, "{parts} parts");
    assert_eq!(stored(&lake, "condition").await, expected);
}
