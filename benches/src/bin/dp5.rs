//! `dp5 [FILE]`: five questions over 2 million persons, each against plain DataFusion and, where `SALUS_DUCKDB` names a Python that has it,
//! against DuckDB, in turns. `SALUS_BENCH_PERSONS` says over how many. Each is asked once in a process of its own before that, whose most memory is
//! told: the one that writes the lake asks nothing.
//!
//! `dp5 --error`: how far the answers to them are from the raw truth, over 100,000 persons and forty runs at epsilon 1, beside OpenDP's Polars
//! interface, SmartNoise SQL and Tumult Analytics where `SALUS_OPENDP`, `SALUS_SMARTNOISE` and `SALUS_TUMULT` name a Python that has them.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use salus_accounting::Noise;
use salus_benches::dp5::{QUESTIONS, Question, WHOLE_QUANTILES, write};
use salus_benches::from_environment;
use salus_benches::machine::{Machine, peak_memory};
use salus_benches::plain::{self, Plain};
use salus_benches::population::Population;
use salus_benches::ratio::{Aim, Ratio, Spread, alternate, milliseconds};
use tokio::runtime::Runtime;

const ROUNDS: usize = 11;

/// Runs whose errors are averaged.
const RUNS: usize = 40;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["--error"] => errors(),
        ["--first", home, name] => first(Path::new(home), name),
        ["--over", home, file @ ..] => over(Path::new(home), file.first().map(Path::new)),
        file => whole(file.first().copied()),
    }
}

fn persons() -> Result<u64> {
    from_environment("SALUS_BENCH_PERSONS", 2_000_000)
}

/// Makes the population and has others ask it.
fn whole(file: Option<&str>) -> Result<()> {
    let persons = persons()?;
    let runtime = Runtime::new()?;
    let machine = Machine::here();
    println!(
        "{} x {}, {} GiB, Linux {}, {}, load {:.2}; {persons} persons",
        machine.cores, machine.cpu, machine.memory_gib, machine.kernel, machine.date, machine.load
    );
    let population = runtime.block_on(Population::of(persons, |into| write(persons, into)))?;
    for question in &QUESTIONS {
        asked(&population, "--first", Some(question.name))?;
    }
    asked(&population, "--over", file)
}

/// Runs this program over a population.
fn asked(population: &Population, how: &str, more: Option<&str>) -> Result<()> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg(how).arg(population.home()).args(more);
    let status = command.status()?;
    anyhow::ensure!(status.success(), "{how} {more:?}: {status}");
    Ok(())
}

/// Asks one question over the population of another process.
fn private(runtime: &Runtime, population: &Population, question: &Question) -> Result<Duration> {
    let start = Instant::now();
    let asked = population.ask_with(question.private, question.rows_per_person);
    let answer = runtime.block_on(asked).with_context(|| question.name)?;
    std::hint::black_box(answer);
    Ok(start.elapsed())
}

/// One question in a process that has done nothing else.
fn first(home: &Path, name: &str) -> Result<()> {
    let question = QUESTIONS.iter().find(|question| question.name == name);
    let question = question.context("no such question")?;
    let runtime = Runtime::new()?;
    let population = runtime.block_on(Population::at(home.to_owned(), persons()?))?;
    let before = peak_memory(true)?;
    let time = private(&runtime, &population, question)?;
    println!(
        "{name:<18} first {:>8.1} ms, peak memory {} MB (at rest {before} MB)",
        milliseconds(time),
        peak_memory(false)?
    );
    Ok(())
}

/// All of them beside their floors, in turns.
fn over(home: &Path, file: Option<&Path>) -> Result<()> {
    let runtime = Runtime::new()?;
    let population = runtime.block_on(Population::at(home.to_owned(), persons()?))?;
    let private = |question: &Question| private(&runtime, &population, question);
    let plain = runtime.block_on(Plain::over_files(&population))?;
    let mut duck = Duck::start(&population)?;
    let mut ratios = Vec::new();
    for question in &QUESTIONS {
        let ask = || {
            let start = Instant::now();
            std::hint::black_box(runtime.block_on(plain.ask(question.plain))?);
            Ok(start.elapsed())
        };
        let shown: (&str, &dyn Fn(Duration) -> f64) = ("ms", &milliseconds);
        let rounds = alternate(ROUNDS, || private(question), ask)?;
        let ratio = Ratio::of(question.name, "plain DataFusion", shown, &rounds);
        ratios.push(ratio.aiming(Aim::RatioAtMost(question.aim)));
        if let Some(duck) = &mut duck {
            let rounds = alternate(ROUNDS, || private(question), || duck.ask(question.plain))?;
            ratios.push(Ratio::of(question.name, "DuckDB", shown, &rounds));
        }
    }
    for ratio in &ratios {
        let aim = match (ratio.aim, ratio.is_reached()) {
            (Some(Aim::RatioAtMost(most)), true) => format!("at most {most}: reached"),
            (Some(Aim::RatioAtMost(most)), false) => format!("at most {most}: MISSED"),
            _ => String::new(),
        };
        println!(
            "{:<18} {:<18} {:>8.1} ms {:>8.1} ms {:>6.2} [{:.2} … {:.2}]  {aim}",
            ratio.name,
            ratio.floor,
            ratio.figure.median,
            ratio.base.median,
            ratio.ratio.median,
            ratio.ratio.min,
            ratio.ratio.max
        );
    }
    if let Some(file) = file {
        std::fs::write(file, serde_json::to_vec_pretty(&ratios)?)?;
    }
    Ok(())
}

/// Root mean square error of each question's numbers against the raw truth; what is not shown counts as nought.
fn errors() -> Result<()> {
    let persons = from_environment("SALUS_BENCH_PERSONS", 100_000)?;
    let runtime = Runtime::new()?;
    let population = runtime.block_on(Population::of(persons, |into| write(persons, into)))?;
    let plain = runtime.block_on(Plain::over_files(&population))?;
    let questions = QUESTIONS.iter().chain([&WHOLE_QUANTILES]);
    let ways = [
        ("Gaussian", Noise::DiscreteGaussian, false),
        ("Laplace", Noise::DiscreteLaplace, false),
        ("Gaussian, weighted", Noise::DiscreteGaussian, true),
    ];
    let asked = questions.flat_map(|question| ways.map(|way| (question, way)));
    // Weights are for persons in more groups than count.
    for (question, (way, kind, weigh)) in asked.filter(|(q, way)| !way.2 || q.name == "codes") {
        // Quantiles of the truth are exact.
        let exact = question
            .plain
            .replace("approx_percentile_cont(", "percentile_cont(");
        let truth = runtime.block_on(plain.ask(&exact))?;
        // Without keys there is one row, of whose columns each is a number.
        let by_key = question.plain.contains("GROUP BY");
        let truth = if by_key {
            plain::cells(&truth)?
        } else {
            plain::row(&truth)?
        };
        let (mut squares, mut shown, mut noise) = (0.0, 0.0, Vec::new());
        for _ in 0..RUNS {
            let k = question.rows_per_person;
            let asked = population.ask_as(question.private, k, kind, weigh);
            let answer = runtime.block_on(asked)?;
            let ours = if by_key {
                plain::numbers(&answer)
            } else {
                plain::numbers_of_row(&answer)
            };
            let apart = |(key, truth): (&String, &f64)| {
                (ours.get(key).copied().unwrap_or_default() - truth).powi(2)
            };
            squares += truth.iter().map(apart).sum::<f64>() / count(truth.len());
            shown += count(truth.keys().filter(|key| ours.contains_key(*key)).count());
            let last = |row: &Vec<Option<f64>>| row.last().copied().flatten();
            noise.extend(answer.standard_errors.iter().filter_map(last));
        }
        println!(
            "{}",
            serde_json::json!({
                "question": question.name,
                "noise": way,
                "rmse": (squares / count(RUNS)).sqrt(),
                "cells": shown / count(RUNS),
                "standard_error": Spread::of(noise).median,
            })
        );
    }
    for (peer, variable, script) in [
        ("OpenDP", "SALUS_OPENDP", "peers.py"),
        ("SmartNoise SQL", "SALUS_SMARTNOISE", "smartnoise.py"),
        ("Tumult Analytics", "SALUS_TUMULT", "tumult.py"),
    ] {
        let Ok(python) = std::env::var(variable) else {
            println!("without {peer}: {variable} names no Python that has it");
            continue;
        };
        println!("{peer}:");
        let mut command = Command::new(python);
        command.arg(
            Path::new(env!("CARGO_MANIFEST_DIR"))
                .join("dp5")
                .join(script),
        );
        files(&population, &mut command)?;
        command.status().context(variable)?;
    }
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "cells and runs are few")]
fn count(number: usize) -> f64 {
    number as f64
}

/// The files of the tables, as arguments.
fn files(population: &Population, command: &mut Command) -> Result<()> {
    for table in ["patient", "condition", "observation"] {
        for file in population.files(table)? {
            command.arg(format!("{table}={}", file.display()));
        }
    }
    Ok(())
}

/// A Python process that asks DuckDB.
struct Duck {
    process: Child,
    answers: BufReader<ChildStdout>,
}

impl Duck {
    /// `None`, with a line that says so, where no Python with DuckDB is named.
    fn start(population: &Population) -> Result<Option<Self>> {
        let Ok(python) = std::env::var("SALUS_DUCKDB") else {
            println!("without DuckDB: SALUS_DUCKDB names no Python that has it");
            return Ok(None);
        };
        let mut command = Command::new(python);
        command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/dp5/duck.py"));
        files(population, &mut command)?;
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().context("SALUS_DUCKDB")?;
        let answers = process.stdout.take().context("no output")?;
        let mut duck = Self {
            process,
            answers: BufReader::new(answers),
        };
        println!("DuckDB: {}", duck.line()?.trim());
        Ok(Some(duck))
    }

    fn ask(&mut self, sql: &str) -> Result<Duration> {
        let input = self.process.stdin.as_mut().context("no input")?;
        writeln!(input, "{sql}")?;
        let seconds: f64 = self.line()?.trim().parse().context("DuckDB")?;
        Ok(Duration::from_secs_f64(seconds))
    }

    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        Ok(line)
    }
}

impl Drop for Duck {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}
