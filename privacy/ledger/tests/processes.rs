//! Many processes on one ledger, and processes that are killed. The test runs itself as those processes.

mod support;

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use salus_accounting::Rho;
use salus_certificate::EntryIndex;
use salus_ledger::entry::{Body, Kind};
use salus_ledger::{Error, Ledger, ReserveError, receipt};
use support::{answer, create, open, question};

const PROCESSES: usize = 200;
const BUDGET: usize = 50;
const ROUNDS: usize = 50;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    match arguments
        .iter()
        .map(String::as_str)
        .collect::<Vec<_>>()
        .as_slice()
    {
        ["spend", dir] => runtime.block_on(spend(Path::new(dir))),
        ["stream", dir] => runtime.block_on(stream(Path::new(dir))),
        ["fill", dir] => runtime.block_on(fill(Path::new(dir))),
        flags if flags.contains(&"--list") => println!("processes: test"),
        _ => {
            timed("a budget for 50 of 200 processes", || {
                runtime.block_on(concurrent_processes());
            });
            timed("a disk that takes no more", || {
                runtime.block_on(full_disk());
            });
            timed("50 rounds of kill -9", || {
                runtime.block_on(killed_processes());
            });
        }
    }
}

fn timed(name: &str, test: impl FnOnce()) {
    let started = Instant::now();
    test();
    println!(
        "test {name} ... ok ({:.1} s)",
        started.elapsed().as_secs_f64()
    );
}

fn run(what: &str, dir: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .arg(what)
        .arg(dir)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// A process that asks one question.
async fn spend(dir: &Path) {
    let ledger = open(dir).await.unwrap();
    match ledger.reserve(question()).await {
        Ok(charge) => {
            let published = answer(charge).await.unwrap();
            receipt::verify(&published.receipt, &ledger.vkey()).unwrap();
            println!("answered");
        }
        Err(ReserveError::BudgetExhausted { .. }) => println!("exhausted"),
        Err(error) => panic!("{error}"),
    }
    ledger.close().await.unwrap();
}

async fn concurrent_processes() {
    let dir = tempfile::tempdir().unwrap();
    create(dir.path(), BUDGET as u64)
        .await
        .close()
        .await
        .unwrap();
    let children: Vec<Child> = (0..PROCESSES).map(|_| run("spend", dir.path())).collect();
    let (mut answered, mut exhausted) = (0, 0);
    for child in children {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success());
        match output.stdout.as_slice() {
            b"answered\n" => answered += 1,
            b"exhausted\n" => exhausted += 1,
            other => panic!("{}", String::from_utf8_lossy(other)),
        }
    }
    assert_eq!((answered, exhausted), (BUDGET, PROCESSES - BUDGET));
    let ledger = open(dir.path()).await.unwrap();
    ledger.audit_accounts().await.unwrap();
    assert_eq!(ledger.account().await.unwrap().remaining().rho, Rho::ZERO);
    let count = async |kind| count(&ledger, kind).await;
    assert_eq!(count(Kind::Reserve).await, BUDGET);
    assert_eq!(count(Kind::Release).await, BUDGET);
    assert_eq!(count(Kind::Refuse).await, PROCESSES - BUDGET);
    assert_eq!(count(Kind::Abort).await, 0);
}

async fn count(ledger: &Ledger, kind: Kind) -> usize {
    let entries = ledger.entries().await.unwrap();
    entries
        .iter()
        .filter(|stored| stored.entry.body.kind() == kind)
        .count()
}

/// A process that asks until its disk is full, and then finds that the ledger stays shut.
async fn fill(dir: &Path) {
    let ledger = open(dir).await.unwrap();
    let error = loop {
        match ledger.reserve(question()).await {
            Ok(charge) => {
                println!("reserve {}", charge.entry());
                match answer(charge).await {
                    Ok(published) => println!("release {}", published.entry),
                    Err(error) => break error,
                }
            }
            Err(ReserveError::Ledger(error)) => break error,
            Err(error) => panic!("{error}"),
        }
    };
    assert!(matches!(error, Error::Unavailable(_)), "{error:?}");
    // A commit failed, so nobody knows what is on the disk: nothing is served until the ledger has been read again.
    for _ in 0..3 {
        let again = ledger.refuse(support::refusal()).await;
        assert!(matches!(again, Err(Error::Unavailable(_))), "{again:?}");
    }
    println!("full {error}");
}

/// Writes beyond a limit fail in a process that has one: the answer is withheld, and the ledger is whole.
async fn full_disk() {
    let dir = tempfile::tempdir().unwrap();
    create(dir.path(), 1_000_000).await.close().await.unwrap();
    let mut acknowledged = 0;
    for blocks in [200, 300, 401, 503] {
        let limited = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" fill \"$1\"");
        let output = Command::new("sh")
            .arg("-c")
            .arg(limited)
            .arg(std::env::current_exe().unwrap())
            .arg(dir.path())
            .output()
            .unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        let complained = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success() && said.contains("full"),
            "{said}{complained}"
        );
        let ledger = open(dir.path()).await.unwrap();
        ledger.audit_accounts().await.unwrap();
        let entries = ledger.entries().await.unwrap();
        for line in said.lines().filter(|line| !line.starts_with("full")) {
            let (kind, index) = line.split_once(' ').unwrap();
            let stored = &entries[index.parse::<usize>().unwrap()];
            assert_eq!(stored.entry.body.kind().name(), kind);
            acknowledged += 1;
        }
        ledger.close().await.unwrap();
    }
    assert!(acknowledged > 10, "{acknowledged} acknowledgements");
}

/// A process that asks until it is killed, and says what it knows to be durable.
async fn stream(dir: &Path) {
    let ledger = open(dir).await.unwrap();
    let mut out = std::io::stdout().lock();
    writeln!(out, "ready").unwrap();
    loop {
        let charge = ledger.reserve(question()).await.unwrap();
        writeln!(out, "reserve {}", charge.entry()).unwrap();
        let published = answer(charge).await.unwrap();
        writeln!(out, "release {}", published.entry).unwrap();
    }
}

async fn killed_processes() {
    let dir = tempfile::tempdir().unwrap();
    create(dir.path(), 1_000_000).await.close().await.unwrap();
    let mut acknowledged = Vec::new();
    for round in 0..ROUNDS {
        // Two at once: what one leaves behind while dying, the other meets.
        let mut children = [run("stream", dir.path()), run("stream", dir.path())];
        let mut lines = children
            .each_mut()
            .map(|child| BufReader::new(child.stdout.take().unwrap()).lines());
        for lines in &mut lines {
            assert_eq!(lines.next().unwrap().unwrap(), "ready");
        }
        for child in &mut children {
            let microseconds = getrandom::u32().unwrap() % 40_000;
            std::thread::sleep(Duration::from_micros(microseconds.into()));
            child.kill().unwrap();
            child.wait().unwrap();
        }
        for line in lines.into_iter().flatten() {
            // A line goes into the pipe in one write, so a killed process leaves whole lines.
            let line = line.unwrap();
            let (kind, index) = line.split_once(' ').unwrap();
            acknowledged.push((kind.to_owned(), index.parse::<u64>().unwrap()));
        }
        // Opening compares balances and endings with the fold of the entries and finds every gap; the audit also the tree and history.
        let ledger = open(dir.path()).await.unwrap();
        ledger.audit_accounts().await.unwrap();
        let entries = ledger.entries().await.unwrap();
        for (kind, index) in &acknowledged {
            let stored = &entries[usize::try_from(*index).unwrap()];
            assert_eq!(stored.index, EntryIndex(*index));
            assert_eq!(stored.entry.body.kind().name(), kind, "round {round}");
        }
        let spent = ledger.account().await.unwrap().spent.rho.units();
        let reserves = entries
            .iter()
            .filter(|stored| matches!(stored.entry.body, Body::Reserve(_)))
            .count();
        assert_eq!(
            spent,
            support::price().units() * reserves as u64,
            "nothing is refunded"
        );
        ledger.close().await.unwrap();
    }
    assert!(
        acknowledged.len() > 2 * ROUNDS,
        "{} acknowledgements",
        acknowledged.len()
    );
}
