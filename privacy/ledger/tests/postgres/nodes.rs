//! Several nodes on one server, and what is killed while they work.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use salus_accounting::Rho;
use salus_ledger::anchor::{Directory, newest};
use salus_ledger::entry::Body;
use salus_ledger::note::Checkpoint;
use salus_ledger::{Error, Ledger, Place, ReserveError, Surroundings};

use crate::cluster::Cluster;
use crate::conformance::{Case, verified};
use crate::schema::Schema;
use crate::support::{self, answer, question, signer};

/// Where a node finds its ledger; it holds a password, so it is no argument.
const ADDRESS: &str = "SALUS_TEST_LEDGER";

const NODES: usize = 4;
const SPENDS: usize = 250;
const PURSE: usize = 700;

/// A node process of this program. `dir` has its key and anchor.
pub(crate) fn start(what: &str, dir: &Path, url: &str) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["node", what])
        .arg(dir)
        .env(ADDRESS, url)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// What a node does.
pub(crate) async fn run(what: &str, dir: &Path) {
    let place = Place::parse(&std::env::var(ADDRESS).unwrap()).unwrap();
    match what {
        "spend" => spend(place, dir).await,
        "stream" => stream(place, dir).await,
        "sleep" => crate::faults::sleep(place, dir).await,
        _ => panic!("{what}"),
    }
}

pub(crate) fn around(dir: &Path) -> Surroundings {
    let anchor = Directory::at(&dir.join("anchor")).unwrap();
    Surroundings {
        anchor: Some(Arc::new(anchor)),
        ..Surroundings::default()
    }
}

async fn spend(place: Place, dir: &Path) {
    let ledger = Ledger::open_in(place, signer(dir), around(dir))
        .await
        .unwrap();
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

pub(crate) async fn a_thousand_spends_by_four_nodes_end_at_the_cap(cluster: &Cluster) {
    let case = Case::new(Schema::new(cluster).await);
    let ledger = case.create_in(PURSE as u64, case.anchored()).await;
    ledger.close().await.unwrap();
    let url = case.store.url();
    let nodes: Vec<Child> = (0..NODES)
        .map(|_| start("spend", case.dir(), &url))
        .collect();
    let (mut answered, mut exhausted) = (0, 0);
    for node in nodes {
        let output = node.wait_with_output().unwrap();
        assert!(output.status.success());
        let said = String::from_utf8(output.stdout).unwrap();
        let (yes, no) = said.trim().split_once(' ').unwrap();
        answered += yes.parse::<usize>().unwrap();
        exhausted += no.parse::<usize>().unwrap();
    }
    assert_eq!((answered, exhausted), (PURSE, NODES * SPENDS - PURSE));
    let ledger = case.open_in(case.anchored()).await.unwrap();
    assert_eq!(ledger.account().await.unwrap().remaining().rho, Rho::ZERO);
    verified(&ledger).await;
}

/// Asks until it is killed or the server is gone, and says what it knows to be durable.
async fn stream(place: Place, dir: &Path) {
    let ledger = Ledger::open_in(place, signer(dir), around(dir))
        .await
        .unwrap();
    let mut out = std::io::stdout().lock();
    writeln!(out, "ready").unwrap();
    let error = loop {
        match ledger.reserve(question()).await {
            Ok(charge) => {
                writeln!(out, "reserve {}", charge.entry()).unwrap();
                match answer(charge).await {
                    Ok(published) => writeln!(out, "release {}", published.entry).unwrap(),
                    Err(error) => break error,
                }
            }
            Err(ReserveError::Ledger(error)) => break error,
            Err(error) => panic!("{error}"),
        }
    };
    // Whatever became of the server, it is no contradiction of the log; and nothing more is served.
    assert!(matches!(error, Error::Unavailable(_)), "{error:?}");
    for _ in 0..3 {
        let again = ledger.refuse(support::refusal()).await;
        assert!(matches!(again, Err(Error::Unavailable(_))), "{again:?}");
    }
    writeln!(out, "stopped").unwrap();
}

/// Two nodes that stream, once both are ready; and with the first line of what they know to be durable, if that is waited for.
fn streams(
    dir: &Path,
    url: &str,
    waits: bool,
) -> [(Child, Vec<String>, BufReader<std::process::ChildStdout>); 2] {
    let mut nodes = [0, 1].map(|_| start("stream", dir, url)).map(|mut node| {
        let mut out = BufReader::new(node.stdout.take().unwrap());
        let mut ready = String::new();
        out.read_line(&mut ready).unwrap();
        assert_eq!(ready, "ready\n");
        (node, Vec::new(), out)
    });
    for (_, lines, out) in nodes.iter_mut().filter(|_| waits) {
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        lines.push(line);
    }
    nodes
}

/// What was acknowledged stands in the log, the balance is that of the entries, and releases are anchored.
async fn nothing_is_lost(case: &Case<Schema<'_>>, acknowledged: &[(String, u64)]) {
    let ledger = case.open_in(case.anchored()).await.unwrap();
    verified(&ledger).await;
    let entries = ledger.entries().await.unwrap();
    let anchor = Directory::at(&case.dir().join("anchor")).unwrap();
    let (_, record) = newest(&anchor).await.unwrap().unwrap();
    let anchored = Checkpoint::stated_size(&record.checkpoint).unwrap();
    for (kind, index) in acknowledged {
        let stored = &entries[usize::try_from(*index).unwrap()];
        assert_eq!(
            (stored.index.0, stored.entry.body.kind().name()),
            (*index, kind.as_str())
        );
        assert!(kind == "reserve" || *index < anchored);
    }
    let spent = ledger.account().await.unwrap().spent.rho.units();
    let reserves = entries
        .iter()
        .filter(|stored| matches!(stored.entry.body, Body::Reserve(_)));
    assert_eq!(spent, support::price().units() * reserves.count() as u64);
    ledger.close().await.unwrap();
}

fn said(line: &str) -> Option<(String, u64)> {
    let (kind, index) = line.trim_end().split_once(' ')?;
    Some((kind.to_owned(), index.parse().ok()?))
}

fn wait_a_moment(most: u32) {
    let microseconds = getrandom::u32().unwrap() % most;
    std::thread::sleep(Duration::from_micros(microseconds.into()));
}

/// `kill -9` of nodes at any moment: what one leaves behind while dying, the other meets.
pub(crate) async fn killed_nodes_lose_nothing(cluster: &Cluster) {
    let rounds = if std::env::var_os("SALUS_SOAK").is_some() {
        40
    } else {
        12
    };
    let case = Case::new(Schema::new(cluster).await);
    case.create_in(1_000_000, case.anchored())
        .await
        .close()
        .await
        .unwrap();
    let mut acknowledged = Vec::new();
    for round in 0..rounds {
        // Every other round lasts until both have answered, however slow the machine; the rest may end before.
        for (mut node, first, out) in streams(case.dir(), &case.store.url(), round % 2 == 1) {
            wait_a_moment(60_000);
            node.kill().unwrap();
            node.wait().unwrap();
            let lines = out.lines().map(Result::unwrap);
            acknowledged.extend(
                first
                    .into_iter()
                    .chain(lines)
                    .filter_map(|line| said(&line)),
            );
        }
        nothing_is_lost(&case, &acknowledged).await;
    }
    assert!(
        acknowledged.len() >= rounds,
        "{} acknowledgements",
        acknowledged.len()
    );
}

/// The server dies under two nodes, in turns with `kill -9` and as if the power went, and comes back.
pub(crate) async fn a_killed_server_loses_nothing(cluster: &mut Cluster) {
    let rounds = if std::env::var_os("SALUS_SOAK").is_some() {
        40
    } else {
        6
    };
    let case = Case::new(Schema::new(cluster).await);
    case.create_in(1_000_000, case.anchored())
        .await
        .close()
        .await
        .unwrap();
    let (database, mut keys) = (case.store.database, case.keys);
    let mut acknowledged = Vec::new();
    for round in 0..rounds {
        let url = cluster.url(&database, crate::schema::SCHEMA);
        // Both deaths are met after an answer, and perhaps before the first.
        let nodes = streams(keys.path(), &url, round % 4 < 2);
        wait_a_moment(200_000);
        if round % 2 == 0 {
            cluster.kill();
        } else {
            cluster.stop_immediately();
        }
        for (mut node, mut lines, out) in nodes {
            lines.extend(out.lines().map(Result::unwrap));
            assert!(node.wait().unwrap().success());
            assert_eq!(lines.last().map(String::as_str), Some("stopped"));
            acknowledged.extend(lines.iter().filter_map(|line| said(line)));
        }
        cluster.begin().await;
        let case = Case {
            store: Schema::of(cluster, &database),
            keys,
        };
        nothing_is_lost(&case, &acknowledged).await;
        keys = case.keys;
    }
    assert!(
        acknowledged.len() >= rounds,
        "{} acknowledgements",
        acknowledged.len()
    );
}
