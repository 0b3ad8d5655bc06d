//! Texts of questions go, and the log stays whole.

mod support;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use salus_ledger::{Again, EntryIndex, Erase, Ledger, Reservation, Surroundings, receipt};
use support::{answer, create_in, ledger_path, question, refusal};

const SECRET: &str = "SELECT count(*) FROM patient WHERE name = 'Erna Beispiel'";

fn asked(retry: &str) -> Reservation {
    Reservation {
        question: SECRET.to_owned(),
        plan: format!("the tree of {SECRET}").into_bytes(),
        retry: Some(retry.to_owned()),
        ..question()
    }
}

/// How often the text stands in the files of the ledger.
fn traces(dir: &Path) -> usize {
    let files = std::fs::read_dir(ledger_path(dir)).unwrap();
    let needle = b"Erna Beispiel";
    files
        .map(|file| {
            let bytes = std::fs::read(file.unwrap().path()).unwrap();
            bytes
                .windows(needle.len())
                .filter(|part| part == needle)
                .count()
        })
        .sum()
}

async fn holds(ledger: &Ledger) {
    ledger.audit_accounts().await.unwrap();
    let evidence = ledger.evidence().await.unwrap();
    let report = salus_checker::audit(&salus_checker::Evidence {
        entries: evidence.entries,
        leaves: Some(evidence.leaves),
        checkpoints: evidence.checkpoints,
        vkey: evidence.vkey,
    });
    assert!(report.holds(), "{}", report.to_text());
}

#[expect(
    clippy::too_many_lines,
    reason = "one question from its text to its erasure"
)]
#[tokio::test]
async fn texts_go_and_the_log_and_its_receipts_hold() {
    let dir = tempfile::tempdir().unwrap();
    let now = Arc::new(AtomicU64::new(100));
    let clock = Arc::clone(&now);
    let around = Surroundings {
        clock: Arc::new(move || clock.load(Ordering::Relaxed)),
        ..Surroundings::default()
    };
    let ledger = create_in(dir.path(), 9, around).await;
    let published = answer(ledger.reserve(asked("first")).await.unwrap())
        .await
        .unwrap();
    let refused = ledger
        .refuse(salus_ledger::Refusal {
            question: SECRET.to_owned(),
            ..refusal()
        })
        .await
        .unwrap();
    let again = ledger
        .reuse(Reservation {
            retry: None,
            ..asked("")
        })
        .await
        .unwrap()
        .unwrap();
    now.store(200, Ordering::Relaxed);
    let later = answer(ledger.reserve(asked("second")).await.unwrap())
        .await
        .unwrap();
    assert!(traces(dir.path()) >= 6);
    let before = ledger.evidence().await.unwrap();

    now.store(300, Ordering::Relaxed);
    let erased = ledger.erase(&Erase::Before(200)).await.unwrap();
    assert_eq!((erased.questions, erased.scrubbed), (3, true));
    for entry in [published.reserve, refused, again.reused.unwrap()] {
        assert_eq!(ledger.erased(entry).await.unwrap(), Some(300));
        for name in ["question", "plan", "keys"] {
            assert_eq!(ledger.opening(entry, name).await.unwrap(), None);
        }
    }
    assert_eq!(ledger.erased(later.reserve).await.unwrap(), None);
    let question = ledger.opening(later.reserve, "question").await.unwrap();
    assert_eq!(question.unwrap().content, SECRET.as_bytes());
    // Twice is once, and of what never had a text nothing is erased.
    now.store(400, Ordering::Relaxed);
    let twice = ledger
        .erase(&Erase::Entries(0..=published.entry.0))
        .await
        .unwrap();
    assert_eq!(twice.questions, 0);
    assert_eq!(ledger.erased(published.reserve).await.unwrap(), Some(300));
    assert_eq!(ledger.erased(EntryIndex(0)).await.unwrap(), None);

    assert_eq!(ledger.evidence().await.unwrap(), before);
    holds(&ledger).await;
    receipt::verify(&published.receipt, &ledger.vkey()).unwrap();
    // What a snapshot commits to, and answers, stay.
    assert!(
        ledger
            .opening(EntryIndex(5), "commitment")
            .await
            .unwrap()
            .is_some()
    );
    assert!(
        ledger
            .opening(published.entry, "answer")
            .await
            .unwrap()
            .is_some()
    );
    // A request that is sent again is known and cannot be compared any more.
    assert_eq!(ledger.again(asked("first")).await.unwrap(), Again::Another);
    assert!(matches!(
        ledger.again(asked("second")).await.unwrap(),
        Again::Answered(_)
    ));

    let rest = ledger
        .erase(&Erase::Entries(later.reserve.0..=later.reserve.0))
        .await
        .unwrap();
    assert_eq!((rest.questions, rest.scrubbed), (1, true));
    assert_eq!(traces(dir.path()), 0);
    // The question is as new, and has an answer of its own.
    assert!(
        ledger
            .reuse(Reservation {
                retry: None,
                ..asked("")
            })
            .await
            .unwrap()
            .is_none()
    );
    answer(
        ledger
            .reserve(Reservation {
                retry: None,
                ..asked("")
            })
            .await
            .unwrap(),
    )
    .await
    .unwrap();
    holds(&ledger).await;
    ledger.close().await.unwrap();
    holds(&support::open(dir.path()).await.unwrap()).await;
}

#[tokio::test]
async fn texts_go_by_an_erasure_and_do_not_come_back() {
    use sqlx::{Connection as _, Executor as _};
    let dir = tempfile::tempdir().unwrap();
    let ledger = support::create(dir.path(), 3).await;
    let published = answer(ledger.reserve(question()).await.unwrap())
        .await
        .unwrap();
    let url = format!("sqlite://{}", support::database(dir.path()).display());
    let mut db = sqlx::SqliteConnection::connect(&url).await.unwrap();
    let entry = published.reserve.0;
    assert!(db.execute("DELETE FROM openings").await.is_err());
    ledger.erase(&Erase::Entries(entry..=entry)).await.unwrap();
    for sql in [
        "DELETE FROM erasures".to_owned(),
        "UPDATE erasures SET time = 0".to_owned(),
        format!("INSERT OR REPLACE INTO erasures VALUES ({entry}, 0)"),
    ] {
        assert!(
            db.execute(sqlx::AssertSqlSafe(sql.clone())).await.is_err(),
            "{sql}"
        );
    }
    holds(&ledger).await;
}
