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
use std::time::Instant;

use cluster::Cluster;
use conformance::{Case, conformance, entries, purse, trust};
use schema::Schema;
use tokio::runtime::Runtime;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    match arguments
        .iter()
        .map(String::as_str)
        .collect::<Vec<_>>()
        .as_slice()
    {
        ["node", what, dir] => runtime.block_on(nodes::run(what, dir.as_ref())),
        flags if flags.contains(&"--list") => println!("postgres: test"),
        words => {
            let wanted = words
                .iter()
                .find(|word| !word.starts_with('-') && **word != "postgres");
            if let Some(cluster) = runtime.block_on(Cluster::start()) {
                all(Tests {
                    runtime,
                    cluster,
                    wanted: wanted.copied().unwrap_or_default(),
                    failed: Vec::new(),
                });
            }
        }
    }
}

struct Tests<'a> {
    runtime: Runtime,
    cluster: Cluster,
    /// Part of the names of those that are to run.
    wanted: &'a str,
    failed: Vec<&'static str>,
}

impl Tests<'_> {
    /// Runs one test, and goes on if it fails: the server is stopped in any case.
    fn run(&mut self, name: &'static str, test: impl AsyncFnOnce(&mut Cluster)) {
        if !name.contains(self.wanted) {
            return;
        }
        let started = Instant::now();
        let done = catch_unwind(AssertUnwindSafe(|| {
            self.runtime.block_on(test(&mut self.cluster))
        }));
        let outcome = if done.is_ok() { "ok" } else { "FAILED" };
        println!(
            "test {name} ... {outcome} ({:.1} s)",
            started.elapsed().as_secs_f64()
        );
        if done.is_err() {
            self.failed.push(name);
        }
    }
}

fn all(mut tests: Tests<'_>) {
    macro_rules! every_engine {
        ($group:ident::$name:ident) => {
            tests.run(stringify!($name), async |cluster| {
                $group::$name(&Case::new(Schema::new(cluster).await)).await;
            });
        };
    }
    macro_rules! only_here {
        ($group:ident::$name:ident) => {
            tests.run(stringify!($name), async |cluster| {
                $group::$name(cluster).await
            });
        };
    }
    // First, while the server has few files to look at when it recovers.
    only_here!(nodes::a_killed_server_loses_nothing);
    conformance!(every_engine);
    only_here!(server::the_schema_is_what_its_facts_say);
    only_here!(server::whatever_weakens_the_schema_is_refused);
    only_here!(server::several_logs_live_in_one_database);
    only_here!(server::a_role_with_the_documented_grants_can_append_and_no_more);
    only_here!(server::a_server_that_can_lose_commits_is_not_used);
    only_here!(server::what_cannot_be_reached_is_said_without_secrets);
    only_here!(server::an_old_dump_is_refused);
    only_here!(faults::an_old_epoch_writes_nothing);
    only_here!(faults::a_node_that_slept_through_the_loss_of_its_lock_writes_nothing);
    only_here!(faults::a_lost_connection_is_an_error_and_nothing_is_lost);
    only_here!(faults::a_commit_of_unknown_outcome_closes_the_writer);
    only_here!(nodes::a_thousand_spends_by_four_nodes_end_at_the_cap);
    only_here!(nodes::killed_nodes_lose_nothing);
    let (failed, log) = (tests.failed, tests.cluster.log());
    drop(tests.cluster);
    if !failed.is_empty() {
        let last: Vec<&str> = log.lines().rev().take(40).collect();
        println!(
            "the server's last lines:\n{}",
            last.into_iter().rev().collect::<Vec<_>>().join("\n")
        );
        println!("failed: {}", failed.join(", "));
        std::process::exit(1);
    }
}
