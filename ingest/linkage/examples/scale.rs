//! Time of linkage for a population of a given size: `cargo run --release --example scale -- 100000`.

#[path = "../tests/twins/mod.rs"]
mod twins;

use std::time::Instant;

use salus_linkage::{Decided, Options, link};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let persons: usize = std::env::args().nth(1).map_or(Ok(100_000), |n| n.parse())?;
    let population = twins::population(persons, 1);
    let start = Instant::now();
    let found = link(
        &population.records,
        &Decided::default(),
        &Options::default(),
    )?;
    let right = found
        .links
        .iter()
        .filter(|pair| population.truth.contains(&(pair.left, pair.right)))
        .count();
    println!(
        "{} records, {} pairs compared, {} of {} links right, {} true pairs, {} of siblings, {} for review: {:.1} s",
        population.records.len(),
        found.compared,
        right,
        found.links.len(),
        population.truth.len(),
        population.siblings.len(),
        found.review.len(),
        start.elapsed().as_secs_f64()
    );
    for pass in found.passes.iter().filter(|pass| pass.passed_over > 0) {
        println!(
            "{}: {} blocks with {} records passed over",
            pass.rests_on, pass.passed_over, pass.records_passed_over
        );
    }
    Ok(())
}
