//! Ingest in megabytes of NDJSON per second beside parsing the same lines and dropping them.
//!
//! Not criterion: a run takes seconds and each needs a fresh lake.

use salus_benches::export::Export;
use salus_benches::from_environment;
use salus_benches::ratio::{Spread, alternate};
use tokio::runtime::Runtime;

fn main() -> anyhow::Result<()> {
    if !salus_benches::is_asked_for() {
        return Ok(());
    }
    let runtime = Runtime::new()?;
    let export = Export::new()?;
    let rounds = usize::try_from(from_environment("SALUS_BENCH_ROUNDS", 3)?)?;
    let times = alternate(
        rounds,
        || runtime.block_on(export.ingest()),
        || export.parse(),
    )?;
    println!(
        "ingest: {} lines, {:.0} MB, {rounds} rounds",
        export.lines,
        export.rate(std::time::Duration::from_secs(1))
    );
    let ingest = Spread::of(times.iter().map(|(ingest, _)| export.rate(*ingest)));
    let parse = Spread::of(times.iter().map(|(_, parse)| export.rate(*parse)));
    for (name, rate) in [("ingest_directory", ingest), ("parse_only", parse)] {
        println!(
            "{name:<18} {:>7.1} MB/s  [{:.1} … {:.1}]",
            rate.median, rate.min, rate.max
        );
    }
    Ok(())
}
