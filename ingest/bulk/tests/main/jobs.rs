//! The life of a job and its directory.

use std::sync::Arc;
use std::time::Duration;

use salus_bulk::{BulkError, Job, Options, Silent};

use crate::server::{Fault, Stage, resources};
use crate::support::{Trial, population, quick, tree};

/// Runs a job until the server has been asked for its status, by when its kick-off is written down.
async fn runs_until_it_waits(trial: &Trial, job: &mut Job) {
    let asked = async {
        while trial.server.seen(Stage::Status).is_empty() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::select! {
        ended = job.run(Arc::new(Silent)) => panic!("{ended:?}"),
        () = asked => {}
    }
}

#[tokio::test]
async fn a_job_can_be_cancelled() {
    let trial = Trial::new(vec![resources("Patient", 3)]).await;
    trial.server.with().polls = 1_000_000;
    let mut job = trial.job(quick());
    runs_until_it_waits(&trial, &mut job).await;
    assert!(job.status_url().is_some());
    trial.server.faults(Stage::Delete, [Fault::status(503)]);
    job.cancel().await.unwrap();
    assert_eq!(trial.server.seen(Stage::Delete).len(), 2);
    let error = job.run(Arc::new(Silent)).await.unwrap_err();
    assert!(matches!(error, BulkError::Cancelled(_)));
    drop(job);
    assert!(matches!(
        trial.resume(quick()).await,
        Err(BulkError::Cancelled(_))
    ));
}

#[tokio::test]
async fn a_job_given_up_is_cancelled_if_wanted() {
    for wanted in [false, true] {
        let trial = Trial::new(vec![resources("Patient", 3)]).await;
        trial.server.with().polls = 1_000_000;
        let options = Options {
            // Long enough for the kick-off to be answered.
            deadline: Some(Duration::from_secs(3)),
            cancel_when_given_up: wanted,
            ..quick()
        };
        let error = trial.run(options).await.unwrap_err();
        assert!(matches!(error, BulkError::Deadline(_)));
        assert_eq!(trial.server.seen(Stage::Delete).len(), usize::from(wanted));
        if !wanted {
            for polls in trial.server.with().polls_left() {
                *polls = 0;
            }
            trial.compare(&trial.resume(quick()).await.unwrap());
            assert_eq!(trial.server.seen(Stage::KickOff).len(), 1);
        }
    }
}

#[tokio::test]
async fn a_finished_job_asks_nobody() {
    let trial = Trial::new(population()).await;
    let options = Options {
        delete_when_done: true,
        ..quick()
    };
    let export = trial.arrives(options).await;
    assert_eq!(trial.server.seen(Stage::Delete).len(), 1);
    let (before, seen) = (tree(&trial.dir()), trial.server.with().seen.len());
    let again = trial.resume(quick()).await.unwrap();
    assert_eq!(again, export);
    assert_eq!(tree(&trial.dir()), before);
    assert_eq!(trial.server.with().seen.len(), seen);
}

#[tokio::test]
async fn a_directory_holds_one_job_of_one_process() {
    let trial = Trial::new(population()).await;
    let job = trial.job(quick());
    assert!(matches!(
        Job::resume(&trial.dir(), quick()),
        Err(BulkError::Busy(_))
    ));
    drop(job);
    let again = Job::start(&trial.dir(), trial.request(), quick());
    assert!(matches!(again, Err(BulkError::Directory { .. })));
    // What a crash leaves of a job that was never begun is in nobody's way; anything else is.
    let torn = trial.home.path().join("torn");
    std::fs::create_dir_all(torn.join("output")).unwrap();
    std::fs::write(torn.join("job.new"), "{").unwrap();
    assert!(Job::start(&torn, trial.request(), quick()).is_ok());
    let used = trial.home.path().join("used");
    std::fs::create_dir_all(&used).unwrap();
    std::fs::write(used.join("thesis.txt"), "x").unwrap();
    assert!(Job::start(&used, trial.request(), quick()).is_err());
    let nothing = Job::resume(&trial.home.path().join("none"), quick());
    assert!(matches!(nothing, Err(BulkError::Directory { .. })));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = |path: &str| {
            let metadata = std::fs::metadata(trial.dir().join(path)).unwrap();
            metadata.permissions().mode() & 0o777
        };
        assert_eq!(
            (mode(""), mode("output"), mode("job.json")),
            (0o700, 0o700, 0o600)
        );
    }
}

#[tokio::test]
async fn a_job_that_is_gone_when_it_is_resumed_is_kicked_off_anew() {
    let trial = Trial::new(population()).await;
    trial.server.with().polls = 1_000_000;
    let mut job = trial.job(quick());
    runs_until_it_waits(&trial, &mut job).await;
    drop(job);
    trial.server.with().polls = 0;
    trial.server.faults(Stage::Status, [Fault::Forget]);
    trial.compare(&trial.resume(quick()).await.unwrap());
    assert_eq!(trial.server.seen(Stage::KickOff).len(), 2);
}

#[tokio::test]
async fn a_run_can_be_a_task_of_its_own() {
    let trial = Trial::new(population()).await;
    let mut job = trial.job(quick());
    let run = tokio::spawn(async move { job.run(Arc::new(Silent)).await });
    trial.compare(&run.await.unwrap().unwrap());
}
