//! Noise, and the ledger's part of a question beside a bare flush of the same bytes.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput};
use salus_accounting::{Noise, Rational};
use salus_benches::flush::Appended;
use salus_benches::purse::Counter;
use salus_mechanisms::add_noise;
use tokio::runtime::Runtime;

fn noise(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("noise");
    group.bench_function("thread", |b| {
        b.iter(|| std::thread::spawn(|| black_box(0)).join());
    });
    for sigma in [1_u128, 20, 1_000, 1_000_000] {
        for values in [1_usize, 1_000] {
            group.throughput(Throughput::Elements(values as u64));
            group.bench_function(BenchmarkId::new(format!("sigma_{sigma}"), values), |b| {
                b.iter(|| {
                    let columns = vec![vec![0_i128; values]];
                    let noise = (Noise::DiscreteGaussian, Rational::from(sigma));
                    add_noise(columns, &[noise]).expect("noise")
                });
            });
        }
    }
    group.finish();
}

fn ledger(criterion: &mut Criterion) -> anyhow::Result<()> {
    let runtime = Runtime::new()?;
    let dir = tempfile::tempdir()?;
    let counter = runtime.block_on(Counter::new(dir.path()))?;
    let records = runtime.block_on(counter.bytes())?;
    let mut bare = Appended::new(&dir.path().join("bare"))?;
    let mut group = criterion.benchmark_group("ledger");
    group.sample_size(20).throughput(Throughput::Elements(1));
    group.bench_function("reserve_release", |b| {
        b.iter(|| black_box(runtime.block_on(counter.charge()).expect("an answer")));
    });
    group.bench_function("fsync_same_bytes", |b| {
        b.iter(|| bare.append(&records).expect("a disk"));
    });
    group.finish();
    Ok(())
}

fn main() -> anyhow::Result<()> {
    if !salus_benches::is_asked_for() {
        return Ok(());
    }
    let mut criterion = Criterion::default().configure_from_args();
    noise(&mut criterion);
    ledger(&mut criterion)?;
    criterion.final_summary();
    Ok(())
}
