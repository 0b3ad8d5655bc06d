//! Private questions beside the same queries in plain DataFusion over the same files. See `salus_benches::questions`.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion};
use salus_benches::plain::Plain;
use salus_benches::population::Population;
use salus_benches::questions::PAIRS;
use tokio::runtime::Runtime;

fn main() -> anyhow::Result<()> {
    if !salus_benches::is_asked_for() {
        return Ok(());
    }
    let runtime = Runtime::new()?;
    let population = runtime.block_on(Population::new())?;
    let files = runtime.block_on(Plain::over_files(&population))?;
    let lake = Plain::over_lake(&population)?;
    let mut criterion = Criterion::default().configure_from_args();
    for pair in &PAIRS {
        let mut group =
            criterion.benchmark_group(format!("query/{}/{}", pair.reads.name(), pair.name));
        group.sample_size(10);
        group.bench_function(BenchmarkId::new("salus", population.persons), |b| {
            b.iter(|| {
                black_box(
                    runtime
                        .block_on(population.ask(pair.private))
                        .expect("an answer"),
                )
            });
        });
        group.bench_function(BenchmarkId::new("planned", population.persons), |b| {
            b.iter(|| {
                runtime
                    .block_on(population.quote(pair.private))
                    .expect("a quote");
            });
        });
        for (floor, plain) in [("plain", &files), ("plain_over_lake", &lake)] {
            group.bench_function(BenchmarkId::new(floor, population.persons), |b| {
                b.iter(|| black_box(runtime.block_on(plain.ask(pair.plain)).expect("a result")));
            });
        }
        group.finish();
    }
    criterion.final_summary();
    Ok(())
}
