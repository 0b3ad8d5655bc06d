//! MB/s of a view over an NDJSON file, against floors in the same run: reading the lines, and
//! parsing them into `serde_json::Value`.
//!
//! `cargo run --release -p salus-views --example view_throughput -- VIEW.json FILE.ndjson [THREADS]`

use std::fs;
use std::hint::black_box;
use std::io::sink;
use std::path::PathBuf;
use std::time::Instant;

use salus_views::{Input, NdjsonSink, Options, ParquetSink, Silent, Sink, View, run};

/// Best of five, in MB/s.
fn measure(bytes: usize, mut work: impl FnMut()) -> f64 {
    let mut best = f64::MAX;
    for _ in 0..5 {
        let start = Instant::now();
        work();
        best = best.min(start.elapsed().as_secs_f64());
    }
    #[allow(clippy::cast_precision_loss)]
    let megabytes = bytes as f64 / 1e6;
    megabytes / best
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(definition), Some(file)) = (arguments.next(), arguments.next()) else {
        return Err("name a view and an NDJSON file".into());
    };
    let threads = arguments.next().map_or(Ok(1), |threads| threads.parse())?;
    let view = match View::parse(&fs::read_to_string(definition)?) {
        Ok(view) => view,
        Err(problems) => {
            let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
            return Err(problems.join("\n").into());
        }
    };
    let file = PathBuf::from(file);
    let bytes = fs::read(&file)?;
    let lines = measure(bytes.len(), || {
        let read = fs::read(&file).unwrap_or_default();
        black_box(read.split(|b| *b == b'\n').map(<[u8]>::len).sum::<usize>());
    });
    let parse = measure(bytes.len(), || {
        for line in bytes.split(|b| *b == b'\n').filter(|line| !line.is_empty()) {
            black_box(serde_json::from_slice::<serde_json::Value>(line).is_ok());
        }
    });
    let options = Options {
        threads: Some(threads),
        ..Options::default()
    };
    let views = [view];
    let runner = |parquet: bool| {
        measure(bytes.len(), || {
            let sink: Box<dyn Sink> = if parquet {
                Box::new(ParquetSink::new(&views[0], sink()).expect("a Parquet writer"))
            } else {
                Box::new(NdjsonSink::new(&views[0], sink()))
            };
            let input = Input::paths(&[&file]).expect("the file is there");
            let summary = run(&views, input, &mut [sink], &options, &Silent);
            black_box(summary.expect("the view runs"));
        })
    };
    let (ndjson, parquet) = (runner(false), runner(true));
    println!("read lines              {lines:8.0} MB/s");
    println!("parse (serde_json)      {parse:8.0} MB/s  1.00");
    println!(
        "view to NDJSON          {ndjson:8.0} MB/s  {:.2}",
        ndjson / parse
    );
    println!(
        "view to Parquet         {parquet:8.0} MB/s  {:.2}",
        parquet / parse
    );
    Ok(())
}
