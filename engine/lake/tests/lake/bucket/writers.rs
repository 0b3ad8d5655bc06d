//! Two writers on two machines, and what is left of one that died.

use std::sync::Arc;

use salus_lake::{Catalog, Error, Lake, Retention};
use tokio::sync::Barrier;

use super::server::{Fate, Server};
use super::{fresh_in, names, open, second_home};
use crate::rows::{commit, ingest, keys, rows, stored};
use crate::views::SECTION;

/// The active files of a table by its Delta log, read without any library.
async fn active(server: &Server, table: &str) -> Vec<String> {
    let mut active = std::collections::BTreeSet::new();
    for (name, bytes) in server.objects().await {
        if !name.contains(&format!("/{table}/_delta_log/"))
            || !name.to_lowercase().ends_with(".json")
        {
            continue;
        }
        for line in String::from_utf8(bytes).unwrap().lines() {
            let action: serde_json::Value = serde_json::from_str(line).unwrap();
            if let Some(path) = action["add"]["path"].as_str() {
                active.insert(path.to_owned());
            }
            if let Some(path) = action["remove"]["path"].as_str() {
                active.remove(path);
            }
        }
    }
    active.into_iter().collect()
}

fn pinned(lake: &Lake, table: &str) -> Vec<String> {
    let snapshot = lake.snapshot().unwrap().unwrap();
    let files = snapshot.tables[table].files.iter();
    files.map(|file| file.path.clone()).collect()
}

#[tokio::test]
async fn of_two_writers_who_began_together_one_commits() {
    let Some(server) = Server::start() else {
        return;
    };
    let bucket = server.bucket("race");
    let (home, first) = fresh_in(&bucket);
    let (_other, second) = second_home(&home, &server.bucket("race"));
    ingest(&first, "condition", rows("condition", &keys(10, 1), 0)).await;
    let before = names(&server).await;

    let (mine, yours) = (first.begin().unwrap(), second.begin().unwrap());
    // In one home there is one writer, as on a disk.
    assert!(matches!(first.begin(), Err(Error::Busy)));
    for (transaction, name, version) in [(&mine, "mine", 1), (&yours, "yours", 2)] {
        let person = transaction.identity().resolve_or_assign("urn:test", name);
        assert_eq!(person.unwrap(), 1, "the same number, for two people");
        let new = rows("condition", &keys(20, 2), version);
        transaction.append("condition", new).unwrap();
    }
    commit(yours).await;
    let lost = mine.commit(&|_| ()).await;
    assert!(matches!(lost, Err(Error::Overtaken)), "{lost:?}");

    for lake in [&first, &second] {
        assert_eq!(lake.snapshot().unwrap().unwrap().number, 2);
        assert_eq!(
            stored(lake, "condition").await,
            rows("condition", &keys(20, 2), 2)
        );
        let transaction = lake.begin().unwrap();
        assert_eq!(transaction.identity().lookup("urn:test", "yours"), Some(1));
        assert_eq!(transaction.identity().lookup("urn:test", "mine"), None);
    }
    // The loser looked first, and uploaded nothing.
    let named = pinned(&first, "condition");
    let objects = names(&server).await;
    let data = |name: &&String| name.starts_with("race/condition/0") && !before.contains(name);
    let new: Vec<_> = objects.iter().filter(data).collect();
    assert_eq!(new.len(), named.len(), "{new:?}");
    assert_eq!(active(&server, "condition").await, named);
    // And does it again.
    let again = ingest(&first, "condition", rows("condition", &keys(30, 2), 3)).await;
    assert_eq!((again.snapshot, again.tables["condition"]), (3, 60));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn writers_that_race_lose_nothing_and_mix_nothing() {
    const WRITERS: i64 = 3;
    const ROUNDS: i64 = 4;
    let Some(server) = Server::start() else {
        return;
    };
    let (home, lake) = fresh_in(&server.bucket("many"));
    let start = Arc::new(Barrier::new(WRITERS as usize));
    let mut writers = Vec::new();
    let mut homes = Vec::new();
    for writer in 0..WRITERS {
        let (own, lake) = second_home(&home, &server.bucket("many"));
        homes.push(own);
        let start = Arc::clone(&start);
        writers.push(tokio::spawn(async move {
            let mut won = Vec::new();
            for round in 0..ROUNDS {
                // All of them at the same moment, each time.
                start.wait().await;
                let mark = writer * ROUNDS + round + 1;
                let transaction = lake.begin().unwrap();
                let new = rows("condition", &[(mark, mark)], mark);
                transaction.append("condition", new).unwrap();
                let name = mark.to_string();
                let person = transaction.identity().resolve_or_assign("urn:test", &name);
                let person = person.unwrap();
                match transaction.commit(&|_| ()).await {
                    Ok(committed) => won.push((committed.snapshot, mark, person)),
                    Err(Error::Overtaken) => {}
                    Err(other) => panic!("{other}"),
                }
            }
            won
        }));
    }
    let mut won = Vec::new();
    for writer in writers {
        won.extend(writer.await.unwrap());
    }
    won.sort_unstable();
    // One winner for each number, without a gap.
    let numbers: Vec<u64> = won.iter().map(|(number, _, _)| *number).collect();
    assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>());
    assert!(numbers.len() >= ROUNDS as usize);
    // Everything that was said to be committed is there, and nothing else.
    let mut marks: Vec<i64> = won.iter().map(|(_, mark, _)| *mark).collect();
    marks.sort_unstable();
    let everything = (1..=WRITERS * ROUNDS).collect();
    let found = lake.known_rows("condition", &everything).unwrap();
    let mut all: Vec<i64> = found.into_iter().collect();
    all.sort_unstable();
    assert_eq!(all, marks);
    let transaction = lake.begin().unwrap();
    for (number, mark, person) in &won {
        let found = transaction.identity().lookup("urn:test", &mark.to_string());
        assert_eq!((found, *person), (Some(*number as i64), *number as i64));
    }
    drop(transaction);
    assert_eq!(
        active(&server, "condition").await,
        pinned(&lake, "condition")
    );
    // What losers left behind, if anything, goes.
    lake.vacuum(&Retention::newest(1)).await.unwrap();
    let files: Vec<_> = names(&server).await;
    let data = files
        .iter()
        .filter(|name| name.contains("/condition/") && !name.contains("_delta_log"));
    assert_eq!(data.count(), pinned(&lake, "condition").len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_vacuum_leaves_the_files_of_a_writer_elsewhere_alone() {
    let Some(server) = Server::start() else {
        return;
    };
    let (home, first) = fresh_in(&server.bucket("vacuum"));
    let (_other, second) = second_home(&home, &server.bucket("vacuum"));
    ingest(&first, "condition", rows("condition", &keys(10, 1), 0)).await;
    ingest(&first, "condition", rows("condition", &keys(10, 1), 1)).await;
    let transaction = second.begin().unwrap();
    let new = rows("condition", &keys(20, 1), 2);
    transaction.append("condition", new.clone()).unwrap();
    // Its files are in the bucket, and its snapshot is on the way.
    let come = server.at_the_next_snapshot(Fate::Hold);
    let committing = tokio::spawn(async move { transaction.commit(&|_| ()).await });
    tokio::task::spawn_blocking(move || come.recv())
        .await
        .unwrap()
        .unwrap();
    let vacuumed = first.vacuum(&Retention::newest(1)).await.unwrap();
    assert_eq!((vacuumed.files, vacuumed.waiting), (1, 1));
    server.release();
    assert_eq!(committing.await.unwrap().unwrap().snapshot, 3);
    assert_eq!(stored(&first, "condition").await, new);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_number_that_was_vacuumed_is_not_given_twice() {
    let Some(server) = Server::start() else {
        return;
    };
    let (home, first) = fresh_in(&server.bucket("twice"));
    let (_other, second) = second_home(&home, &server.bucket("twice"));
    ingest(&first, "condition", rows("condition", &keys(10, 1), 0)).await;
    let slow = second.begin().unwrap();
    slow.append("condition", rows("condition", &keys(99, 1), 9))
        .unwrap();
    let come = server.at_the_next_snapshot(Fate::Hold);
    let committing = tokio::spawn(async move { slow.commit(&|_| ()).await });
    tokio::task::spawn_blocking(move || come.recv())
        .await
        .unwrap()
        .unwrap();
    // While its snapshot 2 is on the way, number 2 comes from elsewhere, and is vacuumed for number 3.
    ingest(&first, "condition", rows("condition", &keys(20, 1), 1)).await;
    ingest(&first, "condition", rows("condition", &keys(30, 1), 2)).await;
    first.vacuum(&Retention::newest(1)).await.unwrap();
    server.release();
    let lost = committing.await.unwrap();
    assert!(matches!(lost, Err(Error::Overtaken)), "{lost:?}");
    assert_eq!(second.snapshot().unwrap().unwrap().number, 3);
    assert_eq!(
        stored(&second, "condition").await,
        rows("condition", &keys(30, 1), 2)
    );
    let left = names(&server)
        .await
        .into_iter()
        .filter(|name| name.contains("/condition/0"));
    assert_eq!(
        left.count(),
        1,
        "its file is gone, it knew that it was in vain"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_cannot_know_whether_she_won_takes_nothing_away() {
    let Some(server) = Server::start() else {
        return;
    };
    let (home, first) = fresh_in(&server.bucket("unsure"));
    let (_other, second) = second_home(&home, &server.bucket("unsure"));
    ingest(&first, "condition", rows("condition", &keys(10, 1), 0)).await;
    let unsure = second.begin().unwrap();
    unsure
        .append("condition", rows("condition", &keys(20, 1), 1))
        .unwrap();
    // Her snapshot 2 arrives, the answer is lost, and her look at what is there comes late.
    let (tell, come) = std::sync::mpsc::channel();
    let (mut lost, mut held) = (false, false);
    server.rule(move |asked| {
        if !asked.path.contains("_snapshots/0000000002") {
            return Fate::Pass;
        }
        if !lost && asked.conditional {
            lost = true;
            return Fate::LoseAnswer;
        }
        if lost && !held && asked.method == "GET" {
            held = true;
            let _ = tell.send(());
            return Fate::Hold;
        }
        Fate::Pass
    });
    let committing = tokio::spawn(async move { unsure.commit(&|_| ()).await });
    tokio::task::spawn_blocking(move || come.recv())
        .await
        .unwrap()
        .unwrap();
    // Meanwhile somebody commits on top of it, without touching its files, and removes it.
    ingest(&first, "procedure", rows("procedure", &keys(5, 1), 0)).await;
    first.vacuum(&Retention::newest(1)).await.unwrap();
    server.release();
    let unsure = committing.await.unwrap();
    assert!(
        matches!(&unsure, Err(Error::Remote(why)) if why.contains("not known")),
        "{unsure:?}"
    );
    assert_eq!(second.snapshot().unwrap().unwrap().number, 3);
    assert_eq!(
        stored(&second, "condition").await,
        rows("condition", &keys(20, 1), 1)
    );
}

#[tokio::test]
async fn a_process_that_dies_between_upload_and_commit_leaves_the_old_snapshot() {
    const DIE_WITH: &str = "SALUS_TEST_DIE_WITH";
    if let Ok(told) = std::env::var(DIE_WITH) {
        // The child: dies when everything is uploaded, at the first sign of its snapshot.
        let (home, port) = told.rsplit_once(' ').unwrap();
        let variables = [
            ("AWS_ENDPOINT", format!("http://127.0.0.1:{port}")),
            ("AWS_ALLOW_HTTP", "true".into()),
            ("AWS_ACCESS_KEY_ID", "a".into()),
            ("AWS_SECRET_ACCESS_KEY", "b".into()),
        ];
        let variables = variables.map(|(name, value)| (name.to_owned(), value));
        let bucket = salus_lake::Bucket::s3("s3://lake/crash", variables).unwrap();
        let lake = open(std::path::Path::new(home), &bucket);
        let transaction = lake.begin().unwrap();
        transaction
            .identity()
            .resolve_or_assign("urn:test", "two")
            .unwrap();
        transaction
            .append("condition", rows("condition", &keys(50, 5), 1))
            .unwrap();
        let _ = transaction.commit(&|_| ()).await;
        unreachable!("the parent must have killed it");
    }
    let Some(server) = Server::start() else {
        return;
    };
    let bucket = server.bucket("crash");
    let (home, lake) = fresh_in(&bucket);
    ingest(&lake, "condition", rows("condition", &keys(10, 1), 0)).await;
    let before = lake.snapshot().unwrap();
    let asked = server.at_the_next_snapshot(Fate::Hang);
    let port = server.port().to_string();
    let told = format!("{} {port}", home.path().display());
    let mut child = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["bucket::writers::a_process_that_dies_between_upload_and_commit_leaves_the_old_snapshot", "--exact"])
        .env(DIE_WITH, told)
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    asked
        .recv_timeout(std::time::Duration::from_mins(5))
        .expect("it came to its snapshot");
    child.kill().unwrap();
    child.wait().unwrap();

    assert_eq!(lake.snapshot().unwrap(), before);
    assert_eq!(
        stored(&lake, "condition").await,
        rows("condition", &keys(10, 1), 0)
    );
    let orphans = lake.vacuum(&Retention::newest(1)).await.unwrap();
    assert_eq!(
        (orphans.files, orphans.waiting),
        (0, 2),
        "a data file and an identity file"
    );
    let transaction = lake.begin().unwrap();
    assert_eq!(transaction.identity().lookup("urn:test", "two"), None);
    transaction
        .append("condition", rows("condition", &keys(20, 1), 2))
        .unwrap();
    assert_eq!(commit(transaction).await.snapshot, 2);
    let orphans = lake.vacuum(&Retention::newest(1)).await.unwrap();
    assert_eq!(
        (orphans.files, orphans.waiting),
        (3, 0),
        "the orphans and the file of snapshot 1"
    );
    assert_eq!(
        stored(&lake, "condition").await,
        rows("condition", &keys(20, 1), 2)
    );
    assert_eq!(
        active(&server, "condition").await,
        pinned(&lake, "condition")
    );
}

/// What a home does not know it would take away: tables that another home's views fill.
#[tokio::test]
async fn a_home_that_does_not_know_a_view_of_another_commits_nothing() {
    let Some(server) = Server::start() else {
        return;
    };
    let bucket = server.bucket("views");
    let home = tempfile::tempdir().unwrap();
    let catalog = Catalog::default_yaml().to_owned() + SECTION;
    let first = Lake::create_at(home.path(), &catalog, None, Some(&bucket)).unwrap();
    let (other, _) = second_home(&home, &server.bucket("views"));
    ingest(&first, "condition", rows("condition", &keys(3, 1), 0)).await;
    let (path, old) = (other.path().join("catalog.yaml"), Catalog::default_yaml());
    std::fs::write(&path, old).unwrap();
    let second = open(other.path(), &server.bucket("views"));
    let refused = second.begin().map(drop);
    assert!(
        matches!(&refused, Err(Error::Catalog(what)) if what.contains("reading")),
        "{refused:?}"
    );
    // One that knew the view and dropped it may.
    let views = other.path().join("views");
    std::fs::create_dir_all(&views).unwrap();
    std::fs::write(
        views.join(format!("{}.json", "0123456789abcdef".repeat(4))),
        "{}",
    )
    .unwrap();
    second.begin().map(drop).unwrap();
}
