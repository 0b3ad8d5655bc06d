//! Benchmarks: each figure beside the floor that it is measured against, in the same process and the same run.
//!
//! | what | floor | module |
//! |---|---|---|
//! | a private question | the same SQL in a plain DataFusion session over the same Parquet files | [`questions`], [`plain`] |
//! | ingest of an export | reading and parsing the same lines and dropping them | [`export`] |
//! | reserve and release in the ledger | writing and flushing the same bytes | [`purse`], [`flush`] |
//! | discrete Gaussian noise | a thread, which every call must start; the system's random bytes | `src/bin/ratios.rs` |
//!
//! `make bench` runs the program `ratios`, which alternates figure and floor and writes the medians of their ratios with the
//! machine they were taken on ([`machine`], [`ratio`]), and then the criterion benches. What is measured stands in
//! `docs/benchmarks.md`.

pub mod dp5;
pub mod export;
pub mod flush;
pub mod machine;
pub mod plain;
pub mod population;
pub mod purse;
pub mod questions;
pub mod ratio;

/// Whether `cargo bench` started this process. Otherwise a test runner did, which wants to know that it starts and no more.
pub fn is_asked_for() -> bool {
    std::env::args().any(|argument| argument == "--bench")
}

/// A whole number from the environment.
///
/// # Errors
/// When the variable is set to something else.
pub fn from_environment(name: &str, default: u64) -> anyhow::Result<u64> {
    match std::env::var(name) {
        Ok(text) => text
            .parse()
            .map_err(|_| anyhow::anyhow!("{name}={text}: a whole number is wanted")),
        Err(_) => Ok(default),
    }
}
