//! Figures over floors, in turns, as a table and as JSON: `ratios [FILE] [query|ingest|ledger|noise …]`.

use std::fs::File;
use std::io::Read;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use salus_accounting::{Noise, Rational};
use salus_benches::export::Export;
use salus_benches::flush::Appended;
use salus_benches::from_environment;
use salus_benches::machine::{Machine, load};
use salus_benches::plain::{self, Plain};
use salus_benches::population::Population;
use salus_benches::purse::Counter;
use salus_benches::questions::{PAIRS, Pair, Reads};
use salus_benches::ratio::{Aim, ROUNDS, Ratio, alternate, milliseconds};
use salus_mechanisms::add_noise;
use serde::Serialize;
use tokio::runtime::Runtime;

/// Questions and ledger take milliseconds: more rounds than [`ROUNDS`] cost nothing.
const SHORT_ROUNDS: usize = 31;

/// A private question over person-level tables takes at most so many times the plain query.
const QUERY_AIM: f64 = 1.3;

/// An ingest reads at least so many megabytes a second on two cores.
const INGEST_AIM: f64 = 150.0;

/// Values of a large draw.
const VALUES: usize = 100_000;

/// Questions of one batch in the ledger figures.
const BATCH: u32 = 20;

#[derive(Debug, Serialize)]
struct Report {
    machine: Machine,
    load_at_end: f64,
    persons: Option<u64>,
    export_bytes: Option<u64>,
    ratios: Vec<Ratio>,
}

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let file = PathBuf::from(arguments.next().unwrap_or_else(|| "ratios.json".to_owned()));
    let wanted: Vec<String> = arguments.collect();
    let wants = |part: &str| wanted.is_empty() || wanted.iter().any(|w| w == part);
    let least = usize::try_from(from_environment("SALUS_BENCH_ROUNDS", ROUNDS as u64)?)?;

    let runtime = Runtime::new()?;
    let mut report = Report {
        machine: Machine::here(),
        load_at_end: 0.0,
        persons: None,
        export_bytes: None,
        ratios: Vec::new(),
    };
    header(&report.machine);
    let mut add = |ratio: Ratio| {
        row(&ratio);
        report.ratios.push(ratio);
    };
    if wants("noise") {
        noise(&mut add)?;
    }
    if wants("ledger") {
        ledger(&runtime, &mut add)?;
    }
    if wants("query") {
        report.persons = Some(queries(&runtime, &mut add)?);
    }
    if wants("ingest") {
        report.export_bytes = Some(ingest(&runtime, least, &mut add)?);
    }
    report.load_at_end = load();
    let missed: Vec<&str> = report
        .ratios
        .iter()
        .filter(|ratio| !ratio.is_reached())
        .map(|ratio| ratio.name.as_str())
        .collect();
    if missed.is_empty() {
        println!("\nevery aim is reached");
    } else {
        println!("\naims that are missed: {}", missed.join(", "));
    }
    std::fs::write(&file, serde_json::to_vec_pretty(&report)?)
        .with_context(|| format!("cannot write {}", file.display()))?;
    println!("written: {}", file.display());
    Ok(())
}

fn noise(add: &mut impl FnMut(Ratio)) -> Result<()> {
    let draw = |values: usize| {
        timed(|| {
            Ok(add_noise(
                vec![vec![0; values]],
                &[(Noise::DiscreteGaussian, Rational::from(20))],
            )?)
        })
    };
    let thread = || {
        timed(|| {
            std::thread::spawn(|| ())
                .join()
                .map_err(|_| anyhow::anyhow!("a thread panicked"))
        })
    };
    let microseconds = |time| milliseconds(time) * 1e3;
    let rounds = alternate(SHORT_ROUNDS, || draw(1), thread)?;
    let shown: (&str, &dyn Fn(Duration) -> f64) = ("µs", &microseconds);
    add(Ratio::of("noise/1", "a bare thread", shown, &rounds));

    let mut source = File::open("/dev/urandom")?;
    let mut random = vec![0; VALUES * 32];
    let entropy = || timed(|| Ok(source.read_exact(&mut random)?));
    let rounds = alternate(SHORT_ROUNDS, || draw(VALUES), entropy)?;
    let rate = |time| per_second(VALUES, time);
    let shown: (&str, &dyn Fn(Duration) -> f64) = ("values/s", &rate);
    let floor = "32 random bytes a value from the system";
    add(Ratio::of(format!("noise/{VALUES}"), floor, shown, &rounds));
    Ok(())
}

fn ledger(runtime: &Runtime, add: &mut impl FnMut(Ratio)) -> Result<()> {
    let dir = tempfile::tempdir()?;
    let counter = runtime.block_on(Counter::new(dir.path()))?;
    let records = runtime.block_on(counter.bytes())?;
    let mut bare = Appended::new(&dir.path().join("bare"))?;
    let batch = BATCH as usize;
    let alone = || {
        timed(|| {
            runtime.block_on(async {
                for _ in 0..BATCH {
                    counter.charge().await?;
                }
                Ok(())
            })
        })
    };
    let mut flushed = || {
        timed(|| {
            for _ in 0..BATCH {
                bare.append(&records)?;
            }
            Ok(())
        })
    };
    let show = |time| per_second(batch, time);
    let rounds = alternate(SHORT_ROUNDS, alone, &mut flushed)?;
    let floor = "write and fsync of the same bytes";
    add(Ratio::of(
        "ledger/one_client",
        floor,
        ("questions/s", &show),
        &rounds,
    ));
    let together = || {
        timed(|| {
            runtime.block_on(async {
                let questions: Vec<_> = (0..BATCH)
                    .map(|_| {
                        let counter = counter.clone();
                        tokio::spawn(async move { counter.charge().await })
                    })
                    .collect();
                for question in questions {
                    question.await??;
                }
                Ok(())
            })
        })
    };
    let rounds = alternate(SHORT_ROUNDS, together, flushed)?;
    add(Ratio::of(
        format!("ledger/{BATCH}_clients"),
        floor,
        ("questions/s", &show),
        &rounds,
    ));
    Ok(())
}

fn queries(runtime: &Runtime, add: &mut impl FnMut(Ratio)) -> Result<u64> {
    let population = runtime.block_on(Population::new())?;
    let files = runtime.block_on(Plain::over_files(&population))?;
    let lake = Plain::over_lake(&population)?;
    for pair in &PAIRS {
        check(runtime, &population, &files, pair).with_context(|| pair.name)?;
        let private = || timed(|| runtime.block_on(population.ask(pair.private)));
        let plain = |plain: &Plain| timed(|| runtime.block_on(plain.ask(pair.plain)));
        let name = |what: &str| format!("{what}/{}/{}", pair.reads.name(), pair.name);
        let shown: (&str, &dyn Fn(Duration) -> f64) = ("ms", &milliseconds);
        let rounds = alternate(SHORT_ROUNDS, private, || plain(&files))?;
        let ratio = Ratio::of(
            name("query"),
            "plain DataFusion, Parquet files",
            shown,
            &rounds,
        );
        add(match pair.reads {
            Reads::Persons => ratio.aiming(Aim::RatioAtMost(QUERY_AIM)),
            Reads::Events => ratio,
        });
        let rounds = alternate(ROUNDS, private, || plain(&lake))?;
        add(Ratio::of(
            name("query"),
            "plain DataFusion, the lake's scan",
            shown,
            &rounds,
        ));
        let planned = || timed(|| runtime.block_on(population.quote(pair.private)));
        let rounds = alternate(ROUNDS, planned, || plain(&files))?;
        add(Ratio::of(
            name("planning"),
            "plain DataFusion, Parquet files",
            shown,
            &rounds,
        ));
    }
    Ok(population.persons)
}

/// Both compute the same numbers, or their times mean nothing.
fn check(runtime: &Runtime, population: &Population, files: &Plain, pair: &Pair) -> Result<()> {
    let truth = plain::cells(&runtime.block_on(files.ask(pair.plain))?)?;
    let answer = runtime.block_on(population.ask_dearly(pair.private))?;
    plain::agree(&answer, &truth)
}

fn ingest(runtime: &Runtime, rounds: usize, add: &mut impl FnMut(Ratio)) -> Result<u64> {
    let export = Export::new()?;
    let rounds = alternate(
        rounds,
        || runtime.block_on(export.ingest()),
        || export.parse(),
    )?;
    let show = |time| export.rate(time);
    let ratio = Ratio::of(
        "ingest",
        "parse the same lines and drop them",
        ("MB/s", &show),
        &rounds,
    );
    add(ratio.aiming(Aim::FigureAtLeast(INGEST_AIM)));
    Ok(export.bytes)
}

fn timed<T>(work: impl FnOnce() -> Result<T>) -> Result<Duration> {
    let start = Instant::now();
    std::hint::black_box(work()?);
    Ok(start.elapsed())
}

#[expect(clippy::cast_precision_loss, reason = "a batch is small")]
fn per_second(count: usize, time: Duration) -> f64 {
    count as f64 / time.as_secs_f64()
}

fn header(machine: &Machine) {
    println!(
        "{} x {}, {} GiB, Linux {}, {}, load {:.2}\n",
        machine.cores, machine.cpu, machine.memory_gib, machine.kernel, machine.date, machine.load
    );
    println!(
        "{:<26} {:<40} {:>11} {:>11} {:>12}  {:>21}  aim",
        "figure", "floor", "figure", "floor", "", "time over floor"
    );
}

fn row(ratio: &Ratio) {
    let aim = match (ratio.aim, ratio.is_reached()) {
        (None, _) => "",
        (Some(_), true) => "reached",
        (Some(_), false) => "MISSED",
    };
    println!(
        "{:<26} {:<40} {:>11.2} {:>11.2} {:<12} {:>6.2} [{:.2} … {:.2}]  {aim}",
        ratio.name,
        ratio.floor,
        ratio.figure.median,
        ratio.base.median,
        ratio.unit,
        ratio.ratio.median,
        ratio.ratio.min,
        ratio.ratio.max
    );
}
