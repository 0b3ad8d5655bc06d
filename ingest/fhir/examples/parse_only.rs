//! The floor of the ingest benchmark: parses every line of an export and drops it.
//!
//! `cargo run --release -p salus-fhir --example parse_only -- DIR`

use std::error::Error;
use std::path::PathBuf;
use std::time::Instant;

use salus_fhir::{Options, parse_only};

fn main() -> Result<(), Box<dyn Error>> {
    let dir: PathBuf = std::env::args_os()
        .nth(1)
        .ok_or("usage: parse_only DIR")?
        .into();
    let start = Instant::now();
    let (lines, bytes) = parse_only(&dir, &Options::default())?;
    let micros = start.elapsed().as_micros().max(1);
    println!(
        "{lines} lines, {bytes} bytes, {} MB/s",
        u128::from(bytes) / micros
    );
    Ok(())
}
