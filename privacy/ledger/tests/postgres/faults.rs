//! Nodes that lose what they hold: the epoch, the lock, the connection, the reply to a commit.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::time::Duration;

use salus_ledger::{
    Again, Clock, Error, Ledger, Place, Reservation, ReserveError, Surroundings, system_clock,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};

use crate::cluster::{Cluster, signal};
use crate::conformance::{Case, verified};
use crate::nodes;
use crate::schema::{Schema, run};
use crate::support::{answer, price, question, refusal, signer};

/// SQLSTATE of a refusal by the fence.
const FENCED: &str = "SL002";

fn code(error: &sqlx::Error) -> String {
    let database = error.as_database_error().expect("an error of the database");
    database.code().unwrap_or_default().into_owned()
}

pub(crate) async fn an_old_epoch_writes_nothing(cluster: &Cluster) {
    let case = Case::new(Schema::new(cluster).await);
    let (first, second) = (case.create(10).await, case.open().await.unwrap());
    // This session has what the first node wrote with.
    let mut old = case.store.raw().await;
    second.refuse(refusal()).await.unwrap();
    let append = "INSERT INTO entries SELECT (SELECT count(*) FROM entries), kind, bytes FROM entries WHERE idx = 5";
    for forbidden in [
        append,
        "UPDATE accounts SET spent_rho = spent_rho + 1",
        "INSERT INTO quotas VALUES ('analyst:a', 1, decode(repeat('00', 16), 'hex'))",
        "INSERT INTO checkpoints SELECT 100, note FROM checkpoints WHERE size = 2",
    ] {
        let refused = run(&mut old, forbidden).await.unwrap_err();
        assert_eq!(code(&refused), FENCED, "{forbidden}");
        // Nor one that has no epoch at all.
        run(&mut old, "RESET salus.fence").await.unwrap();
        assert_eq!(
            code(&run(&mut old, forbidden).await.unwrap_err()),
            FENCED,
            "{forbidden}"
        );
    }
    // The epoch only rises, and stays one.
    for forbidden in [
        "UPDATE sequencer SET epoch = epoch - 1",
        "UPDATE sequencer SET holder = 'me'",
        "DELETE FROM sequencer",
        "TRUNCATE sequencer",
        "INSERT INTO sequencer VALUES (false, 3, 9, '')",
    ] {
        assert!(run(&mut old, forbidden).await.is_err(), "{forbidden}");
    }
    // The first node notices that another has written, and goes on from there.
    answer(first.reserve(question()).await.unwrap())
        .await
        .unwrap();
    verified(&first).await;

    // While somebody writes under the epoch in force nobody takes the next one, advisory lock or not.
    let mut holding = case.store.raw().await;
    run(&mut holding, "BEGIN").await.unwrap();
    run(&mut holding, append).await.unwrap();
    let waiting = second.refuse(refusal());
    let mut waiting = std::pin::pin!(waiting);
    let early = tokio::time::timeout(Duration::from_millis(300), &mut waiting).await;
    assert!(early.is_err(), "{early:?}");
    run(&mut holding, "ROLLBACK").await.unwrap();
    waiting.await.unwrap();
    verified(&second).await;
}

/// A node that is stopped while it has the lock: its clock is asked in the middle of a transaction.
pub(crate) async fn sleep(place: Place, dir: &Path) {
    let tired = Arc::new(AtomicBool::new(false));
    let (falls_asleep, now) = (Arc::clone(&tired), system_clock());
    let clock: Clock = Arc::new(move || {
        if falls_asleep.swap(false, Ordering::SeqCst) {
            println!("asleep");
            signal("STOP", std::process::id());
            // The signal may be another thread's to take, and until it does this one would go on.
            std::thread::sleep(Duration::from_millis(200));
        }
        now()
    });
    let around = Surroundings {
        clock,
        ..nodes::around(dir)
    };
    let ledger = Ledger::open_in(place, signer(dir), around).await.unwrap();
    answer(ledger.reserve(question()).await.unwrap())
        .await
        .unwrap();
    tired.store(true, Ordering::SeqCst);
    let refused = ledger.reserve(question()).await;
    assert!(
        matches!(refused, Err(ReserveError::Ledger(Error::Unavailable(_)))),
        "{refused:?}"
    );
    assert!(matches!(
        ledger.refuse(refusal()).await,
        Err(Error::Unavailable(_))
    ));
    println!("awake, and nothing written");
}

pub(crate) async fn a_node_that_slept_through_the_loss_of_its_lock_writes_nothing(
    cluster: &Cluster,
) {
    let case = Case::new(Schema::new(cluster).await);
    let ledger = case.create_in(10, case.anchored()).await;
    let mut node = nodes::start("sleep", case.dir(), &case.store.url());
    let mut out = BufReader::new(node.stdout.take().unwrap());
    let mut line = String::new();
    out.read_line(&mut line).unwrap();
    assert_eq!(line, "asleep\n");
    let process = node.id();
    while !is_stopped(process) {
        std::thread::sleep(Duration::from_millis(5));
    }
    // It has the lock, and everybody waits.
    let asked = ledger.reserve(question());
    let mut asked = std::pin::pin!(asked);
    let early = tokio::time::timeout(Duration::from_millis(300), &mut asked).await;
    assert!(early.is_err(), "{early:?}");
    // Somebody ends its session; in a soak nobody does, and the server ends it after 30 seconds.
    if std::env::var_os("SALUS_SOAK").is_none() {
        let mut db = cluster.connect(&case.store.database).await;
        let ended = "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted \
             AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
        let ended: Vec<(bool,)> = sqlx::query_as(ended).fetch_all(&mut db).await.unwrap();
        assert_eq!(ended, [(true,)]);
    }
    answer(asked.await.unwrap()).await.unwrap();
    let size = ledger.size().await.unwrap();
    signal("CONT", process);
    line.clear();
    out.read_line(&mut line).unwrap();
    assert_eq!(line, "awake, and nothing written\n");
    assert!(node.wait().unwrap().success());
    assert_eq!(ledger.size().await.unwrap(), size);
    assert_eq!(
        ledger.account().await.unwrap().spent.rho.units(),
        2 * price().units()
    );
    verified(&ledger).await;
}

fn is_stopped(process: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    status
        .rsplit_once(") ")
        .is_some_and(|(_, rest)| rest.starts_with('T'))
}

pub(crate) async fn a_lost_connection_is_an_error_and_nothing_is_lost(cluster: &Cluster) {
    let case = Case::new(Schema::new(cluster).await);
    let ledger = case.create_in(10, case.anchored()).await;
    answer(ledger.reserve(question()).await.unwrap())
        .await
        .unwrap();
    let charge = ledger.reserve(question()).await.unwrap();
    let reserve = charge.entry();
    let mut db = cluster.connect(&case.store.database).await;
    let all = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
         WHERE datname = current_database() AND pid <> pg_backend_pid()";
    run(&mut db, all).await.unwrap();
    let failed = answer(charge).await.unwrap_err();
    let what_to_do = |error: &Error| matches!(error, Error::Unavailable(what) if what.contains("open the ledger again"));
    assert!(what_to_do(&failed), "{failed}");
    for _ in 0..2 {
        let failed = ledger.reserve(question()).await.unwrap_err();
        assert!(
            matches!(&failed, ReserveError::Ledger(error) if what_to_do(error)),
            "{failed}"
        );
        let failed = ledger.account().await.unwrap_err();
        assert!(what_to_do(&failed), "{failed}");
    }
    drop(ledger);
    let ledger = case.open_in(case.anchored()).await.unwrap();
    assert_eq!(
        ledger.account().await.unwrap().spent.rho.units(),
        2 * price().units()
    );
    let newest = ledger.entries().await.unwrap().pop().unwrap();
    assert_eq!(newest.index, reserve);
    answer(ledger.reserve(question()).await.unwrap())
        .await
        .unwrap();
    verified(&ledger).await;
}

/// What the proxy does with the next COMMIT.
const PASS: u8 = 0;
/// It does not arrive.
const CUT_BEFORE: u8 = 1;
/// It arrives, and its reply does not.
const CUT_AFTER: u8 = 2;

/// Stands between a node and the server, and cuts the line at a COMMIT.
fn proxy(server: PathBuf, place: &Path, mode: Arc<AtomicU8>) {
    let listener = UnixListener::bind(place.join(".s.PGSQL.5432")).unwrap();
    tokio::spawn(async move {
        while let Ok((node, _)) = listener.accept().await {
            let server = UnixStream::connect(&server).await.unwrap();
            tokio::spawn(carry(node, server, Arc::clone(&mode)));
        }
    });
}

async fn carry(node: UnixStream, server: UnixStream, mode: Arc<AtomicU8>) -> std::io::Result<()> {
    let (mut from_node, mut to_node) = node.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let (mut asked, mut said) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    loop {
        tokio::select! {
            read = from_node.read(&mut asked) => {
                let asked = &asked[..read?];
                if asked.is_empty() {
                    return Ok(());
                }
                let commits = asked.windows(7).any(|word| word == b"COMMIT\0");
                let mode = if commits { mode.swap(PASS, Ordering::SeqCst) } else { PASS };
                if mode == CUT_BEFORE {
                    return Ok(());
                }
                to_server.write_all(asked).await?;
                if mode == CUT_AFTER {
                    let reply = from_server.read(&mut said).await?;
                    assert!(reply > 0);
                    return Ok(());
                }
            }
            read = from_server.read(&mut said) => {
                let said = &said[..read?];
                if said.is_empty() {
                    return Ok(());
                }
                to_node.write_all(said).await?;
            }
        }
    }
}

pub(crate) async fn a_commit_of_unknown_outcome_closes_the_writer(cluster: &Cluster) {
    let place = tempfile::tempdir().unwrap();
    let mode = Arc::new(AtomicU8::new(PASS));
    proxy(
        cluster.dir().join(".s.PGSQL.5432"),
        place.path(),
        Arc::clone(&mode),
    );
    let case = Case::new(Schema::new(cluster).await);
    case.create_in(10, case.anchored())
        .await
        .close()
        .await
        .unwrap();
    let (own, other) = (
        cluster.dir().display().to_string(),
        place.path().display().to_string(),
    );
    let detour = Place::parse(&case.store.url().replace(&own, &other)).unwrap();
    let mut spent = 0;
    for (number, cut) in [CUT_AFTER, CUT_BEFORE, CUT_AFTER].into_iter().enumerate() {
        let keyed = || Reservation {
            retry: Some(format!("request {number}")),
            ..question()
        };
        let ledger = Ledger::open_in(detour.clone(), case.signer(), case.anchored())
            .await
            .unwrap();
        mode.store(cut, Ordering::SeqCst);
        let unknown = ledger.reserve(keyed()).await.unwrap_err();
        assert!(
            matches!(unknown, ReserveError::Ledger(Error::Unavailable(_))),
            "{unknown}"
        );
        // Nothing is served before the log has been read again.
        for _ in 0..2 {
            match ledger.refuse(refusal()).await {
                Err(Error::Unavailable(what)) => {
                    assert!(what.contains("open the ledger again"), "{what}");
                }
                other => panic!("{other:?}"),
            }
        }
        drop(ledger);
        let ledger = case.open_in(case.anchored()).await.unwrap();
        verified(&ledger).await;
        let committed = cut == CUT_AFTER;
        spent += u64::from(committed) * price().units();
        assert_eq!(ledger.account().await.unwrap().spent.rho.units(), spent);
        // Who sends the request again pays for it once.
        if committed {
            assert_eq!(ledger.again(keyed()).await.unwrap(), Again::Open);
            assert!(matches!(
                ledger.reserve(keyed()).await,
                Err(ReserveError::SentBefore)
            ));
        } else {
            assert_eq!(ledger.again(keyed()).await.unwrap(), Again::New);
        }
        ledger.close().await.unwrap();
    }
}
