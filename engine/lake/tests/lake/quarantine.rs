//! Nothing is lost: what cannot be used is kept byte for byte; identities last.

use salus_lake::{Catalog, Error, Lake, Quarantined};

use crate::rows::{commit, fresh, rows};

fn line(number: u64, reason: &str, bytes: &[u8]) -> Quarantined {
    Quarantined {
        source: "urn:test".into(),
        file: "Patient.000.ndjson".into(),
        line: number,
        reason_code: reason.into(),
        detail: "detail with\nnewline".into(),
        bytes: bytes.to_vec(),
    }
}

#[tokio::test]
async fn any_bytes_survive() {
    let (_home, lake) = fresh();
    let every_byte: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    let kept = vec![
        line(1, "broken_json", b"{"),
        line(2, "broken_json", b""),
        line(3, "not_utf8", &every_byte),
        line(4, "not_utf8", b"\n\r\n\0"),
    ];
    let transaction = lake.begin().unwrap();
    for record in &kept {
        transaction.quarantine(record.clone()).unwrap();
    }
    let committed = commit(transaction).await;
    assert_eq!(committed.quarantined["broken_json"], 2);
    assert_eq!(committed.quarantined["not_utf8"], 2);
    assert_eq!(lake.quarantine_counts().unwrap(), committed.quarantined);
    let read: Vec<_> = lake
        .quarantined()
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    assert_eq!(read, kept);
}

#[tokio::test]
async fn a_line_is_kept_once_however_often_it_comes() {
    let (_home, lake) = fresh();
    for round in 0..3_u64 {
        let transaction = lake.begin().unwrap();
        transaction
            .quarantine(line(1, "broken_json", b"{"))
            .unwrap();
        transaction
            .quarantine(line(9, "broken_json", b"{"))
            .unwrap();
        transaction
            .quarantine(line(1, "missing_subject", b"{"))
            .unwrap();
        let committed = commit(transaction).await;
        assert_eq!(committed.changed, round == 0);
        assert_eq!(committed.quarantined.values().sum::<u64>(), 2);
    }
    assert_eq!(lake.quarantined().unwrap().count(), 2);
}

#[tokio::test]
async fn an_abandoned_ingest_quarantines_nothing() {
    let (_home, lake) = fresh();
    let transaction = lake.begin().unwrap();
    transaction
        .quarantine(line(1, "broken_json", b"{"))
        .unwrap();
    drop(transaction);
    assert_eq!(lake.quarantined().unwrap().count(), 0);
    // And the line is not taken for a known one later.
    let transaction = lake.begin().unwrap();
    transaction
        .quarantine(line(1, "broken_json", b"{"))
        .unwrap();
    assert_eq!(commit(transaction).await.quarantined["broken_json"], 1);
}

#[tokio::test]
async fn reason_codes_are_codes() {
    let (_home, lake) = fresh();
    let transaction = lake.begin().unwrap();
    for reason in ["", "Broken", "two words", "line\nbreak", &"x".repeat(65)] {
        assert!(
            matches!(
                transaction.quarantine(line(1, reason, b"")),
                Err(Error::Usage(_))
            ),
            "{reason:?}"
        );
    }
}

#[tokio::test]
async fn rows_above_the_cap_go_to_quarantine() {
    let home = tempfile::tempdir().unwrap();
    // allergy_intolerance: k 64, cap 100000 by default.
    let yaml = Catalog::default_yaml().replace(
        "max_rows_per_person: 100000\n    rows_per_person: 64",
        "max_rows_per_person: 5\n    rows_per_person: 3",
    );
    let lake = Lake::create_with(home.path(), &yaml).unwrap();
    assert_eq!(
        lake.catalog()
            .table("allergy_intolerance")
            .unwrap()
            .max_rows_per_person,
        5
    );
    let crowd: Vec<(i64, i64)> = (1..=4)
        .flat_map(|person| (0..person * 3).map(move |row| (person, row)))
        .collect();
    for (round, sorted) in [(0, true), (1, false), (2, false)] {
        let transaction = lake.begin().unwrap();
        for part in crowd.chunks(4) {
            let batch = rows("allergy_intolerance", part, 0);
            if sorted {
                transaction
                    .append_sorted("allergy_intolerance", batch)
                    .unwrap();
            } else {
                transaction.append("allergy_intolerance", batch).unwrap();
            }
        }
        let committed = commit(transaction).await;
        // Persons have 3, 6, 9 and 12 rows.
        assert_eq!(committed.tables["allergy_intolerance"], 3 + 5 + 5 + 5);
        assert_eq!(committed.quarantined["person_row_cap"], 1 + 4 + 7);
        assert_eq!(committed.changed, round == 0);
    }
    for record in lake.quarantined().unwrap() {
        let row: serde_json::Value = serde_json::from_slice(&record.unwrap().bytes).unwrap();
        assert!(
            row["id"].as_i64().unwrap() >= 5,
            "the rows with the lowest ids stay: {row}"
        );
    }
}

#[tokio::test]
async fn people_keep_their_number() {
    let (_home, lake) = fresh();
    let first = lake.begin().unwrap();
    let index = first.identity();
    assert_eq!(index.lookup("urn:a", "x"), None);
    assert_eq!(index.resolve_or_assign("urn:a", "x").unwrap(), 1);
    assert_eq!(index.resolve_or_assign("urn:b", "x").unwrap(), 2);
    assert_eq!(index.resolve_or_assign("urn:a", "x").unwrap(), 1);
    // Where one part ends and the other begins is part of the name.
    assert_eq!(index.resolve_or_assign("urn:", "bx").unwrap(), 3);
    assert_eq!(index.assign_range("urn:synth", "person-", 1000).unwrap(), 4);
    assert_eq!(index.resolve_or_assign("urn:a", "y").unwrap(), 1004);
    assert!(commit(first).await.changed);

    let second = lake.begin().unwrap();
    let index = second.identity();
    assert_eq!(index.lookup("urn:b", "x"), Some(2));
    assert_eq!(index.lookup("urn:synth", "person-999"), Some(1003));
    for other in ["person-1000", "person-01", "person-", "person-+1", "999"] {
        assert_eq!(index.lookup("urn:synth", other), None, "{other}");
    }
    assert_eq!(index.assign_range("urn:synth", "person-", 1000).unwrap(), 4);
    assert!(index.assign_range("urn:synth", "person-", 2000).is_err());
    assert!(index.assign_range("urn:synth", "person-1", 5).is_err());
    assert!(index.assign_range("urn:a", "z", 5).is_err());
    assert!(!commit(second).await.changed, "nobody new");
}

#[tokio::test]
async fn many_ingests_share_one_identity_file_in_the_end() {
    let (_home, lake) = fresh();
    for round in 0..40_i64 {
        let transaction = lake.begin().unwrap();
        assert_eq!(
            transaction
                .identity()
                .resolve_or_assign("urn:a", &round.to_string())
                .unwrap(),
            round + 1
        );
        commit(transaction).await;
    }
    let snapshot = lake.snapshot().unwrap().unwrap();
    assert!(snapshot.identity.files.len() < 20);
    assert_eq!(
        snapshot
            .identity
            .files
            .iter()
            .map(|file| file.records)
            .sum::<u64>(),
        40
    );
    let transaction = lake.begin().unwrap();
    for round in 0..40_i64 {
        assert_eq!(
            transaction.identity().lookup("urn:a", &round.to_string()),
            Some(round + 1)
        );
    }
}
