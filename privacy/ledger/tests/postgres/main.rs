//! PostgreSQL: the suite that every engine is held to, and what only several nodes on one server can meet. The test starts a server of its
//! own, and runs itself as those nodes.

#[path = "../support/mod.rs"]
mod support;

#[path = "../conformance/mod.rs"]
mod conformance;

mod cluster;
mod faults;
mod nodes;
mod schema;
mod server;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::time::Instant;

use cluster::Cluster;
use conformance::{Case, conformance, ending, entries, purse, restricted, trust, windows};
use schema::Schema;
use tokio::runtime::Runtime;

/// Tests that run at once: they mostly wait for the disk.
const TOGETHER: usize = 4;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["node", what, dir] => runtime().block_on(nodes::run(what, dir.as_ref())),
        // Listed as ignored too it would never run.
        flags if flags.contains(&"--list") && flags.contains(&"--ignored") => {}
        flags if flags.contains(&"--list") => println!("postgres: test"),
        words => {
            let wanted = words
                .iter()
                .find(|word| !word.starts_with('-') && **word != "postgres");
            if let Some(cluster) = runtime().block_on(Cluster::start()) {
                all(cluster, wanted.copied().unwrap_or_default());
            }
        }
    }
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}

/// Tests by name.
type Tests = Vec<(&'static str, fn(&Cluster))>;

/// Each on a database of its own.
macro_rules! test {
    ($tests:ident, $group:ident::$name:ident) => {
        $tests.push((stringify!($name), |cluster| {
            runtime().block_on($group::$name(cluster));
        }));
    };
}

fn together() -> Tests {
    let mut tests = Tests::new();
    macro_rules! every_engine {
        ($group:ident::$name:ident) => {
            tests.push((stringify!($name), |cluster| {
                runtime().block_on(async {
                    $group::$name(&Case::new(Schema::new(cluster).await)).await;
                });
            }));
        };
    }
    conformance!(every_engine);
    test!(tests, server::the_schema_is_what_its_facts_say);
    test!(tests, server::whatever_weakens_the_schema_is_refused);
    test!(tests, server::several_logs_live_in_one_database);
    test!(
        tests,
        server::a_role_with_the_documented_grants_can_append_and_no_more
    );
    test!(
        tests,
        server::what_cannot_be_reached_is_said_without_secrets
    );
    test!(tests, server::an_old_dump_is_refused);
    test!(tests, faults::an_old_epoch_writes_nothing);
    test!(
        tests,
        faults::a_node_that_slept_through_the_loss_of_its_lock_writes_nothing
    );
    test!(
        tests,
        faults::a_lost_connection_is_an_error_and_nothing_is_lost
    );
    test!(tests, faults::a_commit_of_unknown_outcome_closes_the_writer);
    tests
}

/// Those that need the machine, or the server's settings, for themselves.
fn alone() -> Tests {
    let mut tests = Tests::new();
    test!(tests, server::a_server_that_can_lose_commits_is_not_used);
    test!(tests, nodes::a_thousand_spends_by_four_nodes_end_at_the_cap);
    test!(tests, nodes::killed_nodes_lose_nothing);
    tests
}

fn all(mut cluster: Cluster, wanted: &str) {
    let failed = Mutex::new(Vec::new());
    // One that fails does not keep the server from being stopped.
    let attempt = |name: &'static str, test: &mut dyn FnMut()| {
        if !name.contains(wanted) {
            return;
        }
        let started = Instant::now();
        let holds = catch_unwind(AssertUnwindSafe(test)).is_ok();
        let outcome = if holds { "ok" } else { "FAILED" };
        let seconds = started.elapsed().as_secs_f64();
        println!("test {name} ... {outcome} ({seconds:.1} s)");
        if !holds {
            failed.lock().unwrap().push(name);
        }
    };
    // First, while the server has few files to look at when it recovers.
    attempt("a_killed_server_loses_nothing", &mut || {
        runtime().block_on(nodes::a_killed_server_loses_nothing(&mut cluster));
    });
    let waiting = Mutex::new(together().into_iter());
    std::thread::scope(|scope| {
        for _ in 0..TOGETHER {
            scope.spawn(|| {
                loop {
                    let next = waiting.lock().unwrap().next();
                    let Some((name, test)) = next else { break };
                    attempt(name, &mut || test(&cluster));
                }
            });
        }
    });
    for (name, test) in alone() {
        attempt(name, &mut || test(&cluster));
    }
    let log = cluster.log();
    drop(cluster);
    let failed = failed.into_inner().unwrap();
    if !failed.is_empty() {
        let lines: Vec<&str> = log.lines().collect();
        let last = &lines[lines.len().saturating_sub(40)..];
        println!("the server's last lines:\n{}", last.join("\n"));
        println!("failed: {}", failed.join(", "));
        std::process::exit(1);
    }
}
