//! Many processes on one ledger, and processes that are killed. The test runs itself as those processes.

mod support;

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use salus_accounting::Rho;
use salus_certificate::EntryIndex;
use salus_ledger::anchor::{Directory, newest};
use salus_ledger::entry::{Body, Kind};
use salus_ledger::note::Checkpoint;
use salus_ledger::{Error, Ledger, ReserveError, Surroundings, receipt};
use support::{answer, create_in, ledger_path, question, signer};

const PROCESSES: usize = 200;
const BUDGET: usize = 50;
/// As many who ask at once, this often each, and what the purse holds for them together.
const SPENDERS: usize = 8;
const SPENDS: usize = 125;
const PURSE: usize = 700;

/// Rounds of kill -9 on one ledger: fewer than leave as many questions without an ending as a policy bears.
const ROUNDS: usize = 40;

/// Ledgers that are killed: 200 rounds, or 2,000 of `make soak`.
fn ledgers() -> usize {
    if std::env::var_os("SALUS_SOAK").is_some() {
        50
    } else {
        5
    }
}

/// Every process has the anchor that stands beside the ledger.
fn around(dir: &Path) -> Surroundings {
    Surroundings {
        anchor: Some(Arc::new(Directory::at(&dir.join("anchor")).unwrap())),
        ..Surroundings::default()
    }
}

async fn create(dir: &Path, questions: u64) -> Ledger {
    create_in(dir, questions, around(dir)).await
}

async fn open(dir: &Path) -> Result<Ledger, Error> {
    Ledger::open_in(&ledger_path(dir), signer(dir), around(dir)).await
}

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
        ["spend-many", dir] => runtime.block_on(spend_many(Path::new(dir))),
        ["stream", dir] => runtime.block_on(stream(Path::new(dir))),
        ["fill", dir] => runtime.block_on(fill(Path::new(dir))),
        // Listed as ignored too it would never run.
        flags if flags.contains(&"--list") && flags.contains(&"--ignored") => {}
        flags if flags.contains(&"--list") => println!("processes: test"),
        _ => {
            timed("a budget for 50 of 200 processes", || {
                runtime.block_on(concurrent_processes());
            });
            timed("1,000 spends by 8 processes", || {
                runtime.block_on(concurrent_spends());
            });
            timed("a disk that takes no more", || {
                runtime.block_on(full_disk());
            });
            timed(&format!("{} rounds of kill -9", ledgers() * ROUNDS), || {
                for _ in 0..ledgers() {
                    runtime.block_on(killed_processes());
                }
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

/// A process that asks often.
async fn spend_many(dir: &Path) {
    let ledger = open(dir).await.unwrap();
    let (mut answered, mut exhausted) = (0, 0);
    for _ in 0..SPENDS {
        match ledger.reserve(question()).await {
            Ok(charge) => {
                answer(charge).await.unwrap();
                answered += 1;
            }
            Err(ReserveError::BudgetExhausted { .. }) => exhausted += 1,
            Err(error) => panic!("{error}"),
        }
    }
    println!("{answered} {exhausted}");
    ledger.close().await.unwrap();
}

async fn concurrent_spends() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = create(dir.path(), PURSE as u64).await;
    ledger.close().await.unwrap();
    let spenders: Vec<Child> = (0..SPENDERS)
        .map(|_| run("spend-many", dir.path()))
        .collect();
    let (mut answered, mut exhausted) = (0, 0);
    for spender in spenders {
        let output = spender.wait_with_output().unwrap();
        assert!(output.status.success());
        let said = String::from_utf8(output.stdout).unwrap();
        let (yes, no) = said.trim().split_once(' ').unwrap();
        answered += yes.parse::<usize>().unwrap();
        exhausted += no.parse::<usize>().unwrap();
    }
    assert_eq!((answered, exhausted), (PURSE, SPENDERS * SPENDS - PURSE));
    let ledger = open(dir.path()).await.unwrap();
    ledger.audit_accounts().await.unwrap();
    assert_eq!(ledger.account().await.unwrap().remaining().rho, Rho::ZERO);
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

/// What a line of `stream` says to be durable.
fn acknowledgement(line: &str) -> (String, u64) {
    let (kind, index) = line.split_once(' ').unwrap();
    (kind.to_owned(), index.parse().unwrap())
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
        if round % 2 == 1 {
            // Every other round lasts until both have answered, however slow the machine; the rest may end before.
            for lines in &mut lines {
                acknowledged.push(acknowledgement(&lines.next().unwrap().unwrap()));
            }
        }
        for child in &mut children {
            let microseconds = getrandom::u32().unwrap() % 40_000;
            std::thread::sleep(Duration::from_micros(microseconds.into()));
            child.kill().unwrap();
            child.wait().unwrap();
        }
        for line in lines.into_iter().flatten() {
            // A line goes into the pipe in one write, so a killed process leaves whole lines.
            acknowledged.push(acknowledgement(&line.unwrap()));
        }
        // Opening compares balances and endings with the fold of the entries and finds every gap; the audit also the tree and history.
        let ledger = open(dir.path()).await.unwrap();
        ledger.audit_accounts().await.unwrap();
        let entries = ledger.entries().await.unwrap();
        let anchor = Directory::at(&dir.path().join("anchor")).unwrap();
        let (_, record) = newest(&anchor).await.unwrap().unwrap();
        let anchored = Checkpoint::stated_size(&record.checkpoint).unwrap();
        for (kind, index) in &acknowledged {
            let stored = &entries[usize::try_from(*index).unwrap()];
            assert_eq!(stored.index, EntryIndex(*index));
            assert_eq!(stored.entry.body.kind().name(), kind, "round {round}");
            assert!(kind == "reserve" || *index < anchored, "round {round}");
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
        acknowledged.len() >= ROUNDS,
        "{} acknowledgements",
        acknowledged.len()
    );
}
