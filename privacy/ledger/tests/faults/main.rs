//! What a ledger is after its process died, or its system calls failed, at any place of an answer. The test runs itself as that process.

#[path = "../support/mod.rs"]
mod support;

mod state;
mod steps;
mod syscalls;

use std::path::Path;
use std::time::Instant;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    match words.as_slice() {
        ["answer", dir] => runtime.block_on(syscalls::answer_one(Path::new(dir))),
        ["die", step, dir] => runtime.block_on(steps::answer_until(step, Path::new(dir))),
        // Listed as ignored too it would never run.
        flags if flags.contains(&"--list") && flags.contains(&"--ignored") => {}
        flags if flags.contains(&"--list") => println!("faults: test"),
        _ => {
            timed("a process that dies between two steps", || {
                runtime.block_on(steps::each_step());
            });
            timed("system calls that fail, or are the last", || {
                runtime.block_on(syscalls::each_call());
            });
        }
    }
}

fn timed(name: &str, test: impl FnOnce()) {
    let started = Instant::now();
    test();
    let seconds = started.elapsed().as_secs_f64();
    println!("test {name} ... ok ({seconds:.1} s)");
}
