//! Durable admissions, receipts and the verification of a long log, over named floors of the same run.
//!
//! `cargo bench -p salus-ledger --bench admissions [-- ENTRIES]`: entries of the log that is verified, a million if not said. With
//! `--features postgres` also admissions on a PostgreSQL server, if it is installed.

#[path = "../tests/support/mod.rs"]
mod support;

#[cfg(feature = "postgres")]
#[path = "../tests/postgres/cluster.rs"]
mod cluster;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future::join_all;
#[cfg(feature = "postgres")]
use salus_ledger::Place;
use salus_ledger::anchor::Directory;
use salus_ledger::{Charge, Ledger, Surroundings, key, receipt};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions as _, Connection as _};
use support::{answer, create, create_in, question, refusal};

/// How long each figure is measured.
const SPAN: Duration = Duration::from_secs(3);

/// Rounds, in turns; the median counts.
const ROUNDS: usize = 5;

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    let entries = std::env::args()
        .skip(1)
        .find_map(|word| word.parse().ok())
        .unwrap_or(1_000_000);
    runtime.block_on(async {
        for clients in [1, 64] {
            admissions(clients).await;
        }
        #[cfg(feature = "postgres")]
        postgres().await;
        answers().await;
        receipts().await;
        verification(entries).await;
    });
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

/// Admissions a second, and how long each waits, with so many who ask at once.
async fn admissions(clients: usize) {
    let dir = tempfile::tempdir_in(".").unwrap();
    let ledger = create(dir.path(), 1 << 20).await;
    let entry = entry_bytes(&ledger).await;
    let (mut ours, mut floor, mut waits) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        floor.push(bare_inserts(dir.path(), clients, &entry).await);
        let (rate, mut waited) = admit(&ledger, clients).await;
        ours.push(rate);
        waits.append(&mut waited);
    }
    waits.sort_unstable();
    let at = |share: usize| waits[waits.len() * share / 100];
    let (ours, floor) = (median(ours), median(floor));
    println!(
        "admissions, {clients} clients: {ours:.0} a second, p50 {:.2?}, p99 {:.2?}; bare inserts in group commit {floor:.0}: {:.2} of it",
        at(50),
        at(99),
        ours / floor
    );
    ledger.close().await.unwrap();
}

/// Admissions by one node, and by two that take turns, on a server of this machine.
#[cfg(feature = "postgres")]
async fn postgres() {
    let Some(cluster) = cluster::Cluster::start().await else {
        return;
    };
    for clients in [1, 64] {
        for nodes in [1, 2] {
            let database = format!("log_{clients}_{nodes}");
            cluster.make(&database).await;
            let place = Place::parse(&cluster.url(&database, "salus")).unwrap();
            let dir = tempfile::tempdir().unwrap();
            let signer = key::generate(&support::key_path(dir.path()), support::ORIGIN).unwrap();
            let ledger = Ledger::create(&place, signer.clone(), support::genesis(1 << 20))
                .await
                .unwrap();
            support::record_facts(&ledger).await;
            let mut all = vec![ledger];
            while all.len() < nodes {
                all.push(Ledger::open(&place, signer.clone()).await.unwrap());
            }
            let (mut rates, mut waits) = (Vec::new(), Vec::new());
            for _ in 0..ROUNDS {
                let done = join_all(all.iter().map(|ledger| admit(ledger, clients))).await;
                rates.push(done.iter().map(|(rate, _)| rate).sum());
                waits.extend(done.into_iter().flat_map(|(_, waits)| waits));
            }
            waits.sort_unstable();
            let at = |share: usize| waits[waits.len() * share / 100];
            println!(
                "admissions on PostgreSQL, {nodes} nodes of {clients} clients: {:.0} a second, p50 {:.2?}, p99 {:.2?}",
                median(rates),
                at(50),
                at(99)
            );
        }
    }
}

/// The bytes of a RESERVE.
async fn entry_bytes(ledger: &Ledger) -> Vec<u8> {
    let charge = ledger.reserve(question()).await.unwrap();
    let stored = ledger.entry(charge.entry()).await.unwrap().unwrap();
    charge.abort().await;
    stored.bytes
}

async fn admit(ledger: &Ledger, clients: usize) -> (f64, Vec<Duration>) {
    let start = Instant::now();
    let client = async || {
        let mut waits = Vec::new();
        let mut charges: Vec<Charge> = Vec::new();
        while start.elapsed() < SPAN {
            let asked = Instant::now();
            charges.push(ledger.reserve(question()).await.unwrap());
            waits.push(asked.elapsed());
        }
        (waits, charges)
    };
    let done = join_all((0..clients).map(|_| client())).await;
    let span = start.elapsed().as_secs_f64();
    let (mut waits, mut number) = (Vec::new(), 0.0);
    for (waited, charges) in done {
        number += u32::try_from(charges.len()).map_or(0.0, f64::from);
        waits.extend(waited);
        // Dropped they would ask for as many aborts, which are rationed.
        std::mem::forget(charges);
    }
    (number / span, waits)
}

/// The same bytes in the same SQLite, one row each, as many in a transaction as would wait.
async fn bare_inserts(dir: &Path, clients: usize, entry: &[u8]) -> f64 {
    let file = dir.join("bare.db");
    let _ = std::fs::remove_file(&file);
    let mut db = SqliteConnectOptions::new()
        .filename(&file)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .connect()
        .await
        .unwrap();
    sqlx::raw_sql("CREATE TABLE bare (idx INTEGER PRIMARY KEY, bytes BLOB NOT NULL) STRICT;")
        .execute(&mut db)
        .await
        .unwrap();
    let (start, mut rows) = (Instant::now(), 0);
    while start.elapsed() < SPAN {
        let mut lock = db.begin_with("BEGIN IMMEDIATE").await.unwrap();
        for _ in 0..clients.min(128) {
            sqlx::query("INSERT INTO bare (bytes) VALUES (?1);")
                .bind(entry)
                .execute(&mut *lock)
                .await
                .unwrap();
            rows += 1;
        }
        lock.commit().await.unwrap();
    }
    let rate = f64::from(rows) / start.elapsed().as_secs_f64();
    db.close().await.unwrap();
    rate
}

/// Whole answers with an anchor and without.
async fn answers() {
    for anchored in [false, true] {
        let dir = tempfile::tempdir_in(".").unwrap();
        let mut around = Surroundings::default();
        if anchored {
            around.anchor = Some(Arc::new(Directory::at(&dir.path().join("anchor")).unwrap()));
        }
        let ledger = create_in(dir.path(), 1 << 20, around).await;
        for clients in [1, 64] {
            let start = Instant::now();
            let client = async || {
                let mut number = 0_u32;
                while start.elapsed() < SPAN {
                    answer(ledger.reserve(question()).await.unwrap())
                        .await
                        .unwrap();
                    number += 1;
                }
                number
            };
            let done: u32 = join_all((0..clients).map(|_| client())).await.iter().sum();
            let rate = f64::from(done) / start.elapsed().as_secs_f64();
            let with = if anchored {
                "with an anchor"
            } else {
                "without an anchor"
            };
            println!("answers, {clients} clients, {with}: {rate:.0} a second");
        }
        ledger.close().await.unwrap();
    }
}

async fn receipts() {
    let dir = tempfile::tempdir_in(".").unwrap();
    let ledger = create(dir.path(), 1 << 20).await;
    let published = answer(ledger.reserve(question()).await.unwrap())
        .await
        .unwrap();
    let vkey = ledger.vkey();
    let time = |verify: &dyn Fn()| {
        let start = Instant::now();
        let mut number = 0;
        while start.elapsed() < SPAN / 3 {
            verify();
            number += 1;
        }
        start.elapsed() / number
    };
    let ours = time(&|| drop(receipt::verify(&published.receipt, &vkey).unwrap()));
    let theirs = time(&|| drop(salus_checker::verify_receipt(&published.receipt, &vkey).unwrap()));
    println!("receipts: {ours:.1?} by the ledger, {theirs:.1?} by the checker");
}

/// Reads and checks a log of so many entries.
async fn verification(entries: u64) {
    let dir = tempfile::tempdir_in(".").unwrap();
    let ledger = create(dir.path(), 1 << 20).await;
    let start = Instant::now();
    let client = async || {
        while ledger.size().await.unwrap() < entries {
            for _ in 0..8 {
                std::mem::forget(ledger.reserve(question()).await.unwrap());
                ledger.refuse(refusal()).await.unwrap();
            }
        }
    };
    join_all((0..128).map(|_| client())).await;
    let evidence = ledger.evidence().await.unwrap();
    let size = evidence.entries.len();
    println!(
        "a log of {size} entries was written in {:.1?}",
        start.elapsed()
    );
    ledger.close().await.unwrap();
    let start = Instant::now();
    let report = salus_checker::audit(&salus_checker::Evidence {
        entries: evidence.entries,
        leaves: Some(evidence.leaves),
        checkpoints: evidence.checkpoints,
        vkey: evidence.vkey,
    });
    assert!(report.holds(), "{}", report.to_text());
    println!("verification by the checker: {:.1?}", start.elapsed());
    let start = Instant::now();
    let signer = key::load(&support::key_path(dir.path())).unwrap();
    let ledger = Ledger::open(&support::ledger_path(dir.path()), signer)
        .await
        .unwrap();
    println!("opening: {:.1?}", start.elapsed());
    ledger.close().await.unwrap();
}
