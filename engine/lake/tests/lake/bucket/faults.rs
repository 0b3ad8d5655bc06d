//! Servers and networks that misbehave, and what is said about it.

use std::error::Error as _;
use std::fmt::Write as _;
use std::time::Duration;

use salus_lake::{Bucket, Catalog, Error, Lake, Retention};

use super::server::{ACCESS_KEY, Fate, SECRET_KEY, Server};
use super::{fresh_in, names};
use crate::rows::{commit, ingest, keys, rows, session, stored};

/// Everything that an error says, to users, operators and developers.
fn all_words(error: &Error) -> String {
    let mut words = format!("{error} {error:?}");
    let mut source = error.source();
    while let Some(inner) = source {
        let _ = write!(words, " {inner} {inner:?}");
        source = inner.source();
    }
    words
}

fn discreet(words: &str) {
    for secret in [ACCESS_KEY, SECRET_KEY, "Signature", "Credential="] {
        assert!(!words.contains(secret), "{secret} in: {words}");
    }
}

/// How long it is tried whether a failure passes.
const A_WHILE: Duration = Duration::from_secs(3);

fn create(bucket: &Bucket) -> Result<Lake, Error> {
    let home = tempfile::tempdir().expect("a directory");
    Lake::create_at(home.path(), Catalog::default_yaml(), None, Some(bucket))
}

#[tokio::test]
async fn a_server_that_ignores_conditions_is_refused() {
    let Some(server) = Server::start() else {
        return;
    };
    server.rule(|_| Fate::Unconditional);
    let refused = create(&server.bucket("lake"));
    assert!(
        matches!(&refused, Err(Error::Place(why)) if why.contains("If-None-Match")),
        "{refused:?}"
    );
    assert_eq!(
        names(&server).await,
        Vec::<String>::new(),
        "nothing was left there"
    );
    server.rule(|_| Fate::Pass);
    create(&server.bucket("lake")).expect("a lake");
    let occupied = create(&server.bucket("lake"));
    assert!(
        matches!(&occupied, Err(Error::Place(why)) if why.contains("already")),
        "{occupied:?}"
    );
}

#[tokio::test]
async fn failures_that_pass_are_not_noticed() {
    let Some(server) = Server::start() else {
        return;
    };
    let (_home, lake) = fresh_in(&server.bucket("passing"));
    // Every third request fails.
    let mut count = 0;
    server.rule(move |_| {
        count += 1;
        [Fate::Pass, Fate::Pass, Fate::Status(503)][count % 3]
    });
    for version in 0..3 {
        let new = rows("condition", &keys(50, 2), version);
        ingest(&lake, "condition", new.clone()).await;
        assert_eq!(stored(&lake, "condition").await, new);
    }
    lake.vacuum(&Retention::newest(1)).await.expect("a vacuum");
}

#[tokio::test]
async fn a_lost_answer_is_not_a_lost_commit() {
    let Some(server) = Server::start() else {
        return;
    };
    let (_home, lake) = fresh_in(&server.impatient("lost", A_WHILE));
    for (version, fate) in [Fate::LoseAnswer, Fate::Status(500), Fate::Hang]
        .into_iter()
        .enumerate()
    {
        let new = rows("condition", &keys(50, 2), version as i64);
        let transaction = lake.begin().unwrap();
        transaction.append("condition", new.clone()).unwrap();
        let come = server.at_the_next_snapshot(fate);
        let committed = commit(transaction).await;
        come.try_recv().expect("it came to its snapshot");
        assert_eq!(committed.snapshot, version as u64 + 1);
        assert_eq!(stored(&lake, "condition").await, new);
    }
}

#[tokio::test]
async fn a_commit_of_unknown_fate_keeps_its_files() {
    let Some(server) = Server::start() else {
        return;
    };
    let (_home, lake) = fresh_in(&server.impatient("unknown", A_WHILE));
    ingest(&lake, "condition", rows("condition", &keys(10, 1), 0)).await;
    let new = rows("condition", &keys(20, 1), 1);
    let transaction = lake.begin().unwrap();
    transaction.append("condition", new.clone()).unwrap();
    // The snapshot arrives, and from then on the server is gone.
    let mut gone = false;
    server.rule(move |asked| {
        if gone {
            return Fate::Status(503);
        }
        gone = asked.conditional && asked.path.contains("_snapshots/");
        if gone { Fate::LoseAnswer } else { Fate::Pass }
    });
    let failed = transaction.commit(&|_| ()).await.expect_err("no answer");
    assert!(matches!(failed, Error::Remote(_)), "{failed:?}");
    discreet(&all_words(&failed));
    server.rule(|_| Fate::Pass);
    assert_eq!(lake.snapshot().unwrap().unwrap().number, 2);
    assert_eq!(stored(&lake, "condition").await, new);
}

#[tokio::test]
async fn a_log_that_could_not_follow_follows_later() {
    let Some(server) = Server::start() else {
        return;
    };
    let (_home, lake) = fresh_in(&server.bucket("behind"));
    server.rule(|asked| {
        if asked.method == "PUT" && asked.path.contains("_delta_log/") {
            Fate::Status(403)
        } else {
            Fate::Pass
        }
    });
    let committed = ingest(&lake, "condition", rows("condition", &keys(10, 1), 0)).await;
    assert!(committed.log_behind);
    assert_eq!(
        stored(&lake, "condition").await,
        rows("condition", &keys(10, 1), 0)
    );
    server.rule(|_| Fate::Pass);
    lake.vacuum(&Retention::newest(1)).await.unwrap();
    let logged = names(&server).await;
    assert!(
        logged.contains(&"behind/condition/_delta_log/00000000000000000001.json".to_owned()),
        "{logged:?}"
    );
}

#[tokio::test]
async fn failures_that_stay_are_told_and_quote_nothing() {
    let Some(server) = Server::start() else {
        return;
    };
    let bucket = server.impatient("staying", Duration::from_millis(200));
    let (_home, lake) = fresh_in(&bucket);
    discreet(&format!("{bucket:?} {lake:?}"));
    ingest(&lake, "condition", rows("condition", &keys(10, 1), 0)).await;
    for (status, words) in [
        (403, "AWS_ACCESS_KEY_ID"),
        (500, "status 500"),
        (503, "status 503"),
        (301, ""),
    ] {
        let transaction = lake.begin().unwrap();
        transaction
            .append("condition", rows("condition", &keys(10, 2), 1))
            .unwrap();
        let session = session(&lake, 1);
        server.rule(move |_| Fate::Status(status));
        let errors = [
            lake.snapshot().expect_err("no snapshot"),
            lake.known_rows("condition", &[1].into())
                .expect_err("no rows"),
            lake.vacuum(&Retention::newest(1))
                .await
                .map(|_| ())
                .err()
                .unwrap_or(Error::Busy),
            transaction.commit(&|_| ()).await.expect_err("no commit"),
            create(&server.impatient("other", Duration::ZERO)).expect_err("no lake"),
        ];
        for error in &errors {
            discreet(&all_words(error));
        }
        assert!(errors[0].to_string().contains(words), "{}", errors[0]);
        let frame = session.sql("SELECT * FROM condition").await.unwrap();
        let failed = frame.collect().await.expect_err("no answer");
        discreet(&format!("{failed} {failed:?}"));
        server.rule(|_| Fate::Pass);
        assert_eq!(
            stored(&lake, "condition").await,
            rows("condition", &keys(10, 1), 0)
        );
    }
    // A server that is not there at all, and one that is asked for another bucket.
    let nobody = [("AWS_ENDPOINT".to_owned(), "http://127.0.0.1:9".to_owned())];
    let variables = server.variables().into_iter().chain(nobody);
    let bucket = Bucket::s3_retrying("s3://lake/x", variables, Duration::ZERO).unwrap();
    let error = create(&bucket).expect_err("nobody");
    assert!(error.to_string().contains("cannot be reached"), "{error}");
    discreet(&all_words(&error));
    let other = Bucket::s3("s3://other/x", server.variables()).unwrap();
    let error = create(&other).expect_err("no such bucket");
    assert!(error.to_string().contains("bucket"), "{error}");
    // Variables that make no sense are refused without being quoted.
    let wrong = [("AWS_ALLOW_HTTP".to_owned(), SECRET_KEY.to_owned())];
    let refused = Bucket::s3("s3://lake/x", wrong).expect_err("no such variable");
    discreet(&all_words(&refused));
}
