//! Cases by seed, for as long as there is time.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// `SplitMix64` (Steele, Lea, Flood 2014): a case is one number.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Below `end`, which is not zero.
    pub fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).unwrap()
    }

    pub fn pick<'t, T>(&mut self, from: &'t [T]) -> &'t T {
        &from[self.below(from.len())]
    }
}

/// Runs cases for ten seconds, or ten minutes of `make soak`, and says the seed of one that fails: `SALUS_FUZZ_SEED` runs that alone.
/// No case may take long, and the process may not grow.
pub fn cases(name: &str, mut case: impl FnMut(&mut Random)) {
    if let Ok(seed) = std::env::var("SALUS_FUZZ_SEED") {
        return case(&mut Random(seed.parse().unwrap()));
    }
    let span = match std::env::var_os("SALUS_SOAK") {
        Some(_) => Duration::from_mins(10),
        None => Duration::from_secs(10),
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let mut seeds = Random((u64::from(now.subsec_nanos()) << 32) ^ now.as_secs());
    let (started, mut number, mut longest) = (Instant::now(), 0_u64, Duration::ZERO);
    while started.elapsed() < span {
        let seed = Seed(name, seeds.next());
        let before = Instant::now();
        case(&mut Random(seed.1));
        longest = longest.max(before.elapsed());
        assert!(longest < Duration::from_secs(20), "it took {longest:?}");
        number += 1;
    }
    let most = peak() >> 20;
    println!("{name}: {number} cases, {longest:.1?} and {most} MB at most");
    assert!(number > 50, "{number} cases");
    assert!(most < 1 << 10, "{most} MB of memory");
}

/// Named where its case panics.
struct Seed<'a>(&'a str, u64);

impl Drop for Seed<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("{}: SALUS_FUZZ_SEED={}", self.0, self.1);
        }
    }
}

/// Most memory that this process has had, in bytes.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kilobytes.unwrap_or_default() << 10
}
