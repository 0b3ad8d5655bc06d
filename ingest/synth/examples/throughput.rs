//! Prints how fast a population is made: as arrays, and as NDJSON against copying the same bytes.
//!
//! `cargo run --release -p salus-synth --no-default-features --example throughput -- 100000`

use std::error::Error;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::time::Instant;

use arrow::array::RecordBatch;
use salus_synth::{Compression, Options, RowIds, TableSink, persons, write_ndjson, write_tables};

/// Takes batches and drops them.
struct Nowhere;

impl TableSink for Nowhere {
    fn append_sorted(
        &self,
        _: &'static str,
        _: RecordBatch,
    ) -> Result<(), Box<dyn Error + Send + Sync>> {
        Ok(())
    }
}

#[expect(clippy::cast_precision_loss, reason = "printed with a few digits")]
fn main() -> Result<(), Box<dyn Error>> {
    let count = std::env::args()
        .nth(1)
        .map_or(Ok(50_000), |text| text.parse())?;
    let options = Options {
        persons: count,
        ..Options::default()
    };
    let count = count as f64;

    let begun = Instant::now();
    let resources: usize = persons(&options).map(|person| person.resources()).sum();
    let plain = begun.elapsed().as_secs_f64();
    println!(
        "persons, one thread: {:.0}/s ({resources} resources)",
        count / plain
    );

    let begun = Instant::now();
    let summary = write_tables(&options, &RowIds::of("bench"), 1, &Nowhere, &|_| ())?;
    let arrays = begun.elapsed().as_secs_f64();
    let rows: u64 = summary.counts.values().sum();
    println!("arrays, two threads: {:.0}/s ({rows} rows)", count / arrays);

    let directory = std::env::temp_dir().join(format!("salus-synth-{}", std::process::id()));
    for compression in [Compression::None, Compression::Zstd, Compression::Gzip] {
        let begun = Instant::now();
        let summary = write_ndjson(&options, &directory, compression, &|_| ())?;
        let text = begun.elapsed().as_secs_f64();
        std::fs::remove_dir_all(&directory)?;
        let megabytes = summary.bytes as f64 / 1e6;
        println!(
            "NDJSON, {compression:?}: {:.0}/s, {:.0} MB/s ({megabytes:.0} MB)",
            count / text,
            megabytes / text
        );
        if compression == Compression::None {
            let block = vec![b'x'; 1 << 16];
            let path = std::env::temp_dir().join(format!("salus-floor-{}", std::process::id()));
            let begun = Instant::now();
            let mut file = BufWriter::new(File::create(&path)?);
            for _ in 0..summary.bytes >> 16 {
                file.write_all(&block)?;
            }
            file.flush()?;
            let floor = begun.elapsed().as_secs_f64();
            std::fs::remove_file(&path)?;
            println!(
                "  writing as many bytes without making them: {:.2} of that time",
                floor / text
            );
        }
    }
    Ok(())
}
