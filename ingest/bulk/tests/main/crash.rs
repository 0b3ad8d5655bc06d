//! `kill -9` at any moment, and on again: the result is what one undisturbed run gives.

use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use salus_bulk::{Job, Options, Request, Silent};

use crate::server::{Fault, Server, Stage, resources};
use crate::support::{Trial, quick, tree};

const BASE: &str = "SALUS_BULK_TEST_BASE";
const DIR: &str = "SALUS_BULK_TEST_DIR";

/// What the process that is killed does. Without the variables there is nothing to do.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "started by the tests below"]
async fn child() {
    let (Ok(base), Ok(dir)) = (std::env::var(BASE), std::env::var(DIR)) else {
        return;
    };
    let dir = std::path::Path::new(&dir);
    let mut job = Job::resume(dir, quick()).unwrap_or_else(|_| {
        // Killed before there was a job.
        let request = Request::new(&base, salus_bulk::Level::Patient).unwrap();
        Job::start(dir, request, quick()).unwrap()
    });
    job.run(Arc::new(Silent)).await.unwrap();
}

fn start(server: &Server, dir: &std::path::Path) -> tokio::process::Child {
    tokio::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "crash::child", "--ignored", "--quiet"])
        .env(BASE, server.base())
        .env(DIR, dir)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

fn chance(bound: u64) -> u64 {
    getrandom::u64().unwrap() % bound
}

/// A population whose downloads take a while: many files, one that is large, and breaks.
async fn trial() -> Trial {
    let mut files = vec![resources("Observation", 60_000)];
    files.extend((1..120).map(|n| resources("Patient", n)));
    let trial = Trial::new(files).await;
    trial.server.with().ranges = true;
    trial
        .server
        .faults(Stage::File, vec![Fault::Cut(3_000_000); 4]);
    trial
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_twenty_times() {
    let mut kills = 0;
    let mut rounds = 0;
    let (mut shortest, mut longest) = (Duration::MAX, Duration::ZERO);
    // How long an undisturbed run takes is how long a disturbed one may live.
    let whole = trial().await;
    let begun = std::time::Instant::now();
    assert!(
        start(&whole.server, &whole.dir())
            .wait()
            .await
            .unwrap()
            .success()
    );
    let mut span = u64::try_from(begun.elapsed().as_millis()).unwrap();
    let expected = tree(&whole.dir());
    assert_eq!(expected.len(), 120);
    while kills < 20 {
        rounds += 1;
        assert!(rounds < 200, "runs end before they can be killed");
        let trial = trial().await;
        let mut lives = 0;
        loop {
            let begun = std::time::Instant::now();
            let mut child = start(&trial.server, &trial.dir());
            let life = Duration::from_millis(5 + chance(span));
            let killed = lives < 3 && tokio::time::timeout(life, child.wait()).await.is_err();
            if !killed {
                assert!(child.wait().await.unwrap().success());
                if lives == 0 {
                    // The whole of it was over before: the next is killed earlier.
                    let took = u64::try_from(begun.elapsed().as_millis()).unwrap();
                    span = span.min(took).max(1);
                }
                break;
            }
            child.start_kill().unwrap();
            child.wait().await.unwrap();
            (shortest, longest) = (shortest.min(life), longest.max(life));
            lives += 1;
            kills += 1;
        }
        trial.compare(&trial.resume(quick()).await.unwrap());
        assert_eq!(tree(&trial.dir()), expected);
        // A file can be fetched again only if it arrived in the moment before a kill.
        let fetched = trial.server.with().served;
        let breaks = 4;
        assert!(
            fetched <= 120 + breaks + lives * 8,
            "{fetched} files for {lives} kills"
        );
        // A kick-off whose answer was not yet written down is repeated; no other is.
        let kick_offs = trial.server.seen(Stage::KickOff).len();
        assert!(
            kick_offs <= 1 + usize::try_from(lives).unwrap(),
            "{kick_offs}"
        );
    }
    println!("{kills} kills in {rounds} rounds, after {shortest:?} to {longest:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_run_goes_on() {
    let trial = trial().await;
    for life in [1, 20, 60, 120] {
        let options = Options {
            deadline: None,
            ..quick()
        };
        let mut job = match trial.again(options.clone()).await {
            Ok(job) => job,
            Err(_) => trial.job(options),
        };
        let run = job.run(Arc::new(Silent));
        let _ = tokio::time::timeout(Duration::from_millis(life), run).await;
    }
    let mut job = trial.again(quick()).await.unwrap();
    // The same again, within one job.
    for life in [10, 30] {
        let run = job.run(Arc::new(Silent));
        let _ = tokio::time::timeout(Duration::from_millis(life), run).await;
    }
    trial.compare(&job.run(Arc::new(Silent)).await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_file_goes_on_where_the_last_process_was() {
    let trial = Trial::new(vec![resources("Observation", 60_000)]).await;
    let size = trial.server.with().files[0].body.len();
    assert!(size > 12 << 20, "{size}");
    trial.server.with().ranges = true;
    trial
        .server
        .faults(Stage::File, [Fault::Cut(10 << 20), Fault::status(400)]);
    assert!(trial.run(quick()).await.is_err());
    let note = trial.dir().join("output/.Observation.1.00001.ndjson.note");
    assert!(note.exists());
    // After a power failure the last bytes may be anything; the note does not vouch for them.
    let part = trial.dir().join("output/.Observation.1.00001.ndjson.part");
    let mut bytes = std::fs::read(&part).unwrap();
    let torn = bytes.len() - 1000;
    bytes[torn..].fill(0);
    std::fs::write(&part, bytes).unwrap();
    trial.compare(&trial.resume(quick()).await.unwrap());
    let seen = trial.server.seen(Stage::File);
    let from: usize = seen.last().unwrap().header("range").unwrap()["bytes=".len()..]
        .trim_end_matches('-')
        .parse()
        .unwrap();
    assert!((8 << 20..10 << 20).contains(&from), "{from}");
}
