//! The noise that comes out has the distribution that was priced, by its whole distribution function: the test of Kolmogorov and Smirnov, with the
//! inequality of Dvoretzky, Kiefer and Wolfowitz in the place of their limit, which is for continuous distributions only.
//!
//! For n independent draws of any distribution on the line, discrete ones too, the empirical distribution function lies somewhere further than t from the
//! true one with probability at most 2 exp(−2 n t²) (Massart 1990, "The tight constant in the Dvoretzky-Kiefer-Wolfowitz inequality"). The t here makes
//! that 2 e^−22 < 6e-10 for each sample; there are fewer than twenty, so a false alarm comes once in eighty million runs.
#![allow(
    clippy::cast_precision_loss,
    reason = "statistics are floats; counts are far below 2^53"
)]
#![allow(
    clippy::cast_possible_truncation,
    reason = "the ends of tables are small whole numbers"
)]

use salus_accounting::{Noise, Rational};
use salus_mechanisms::add_noise;

/// `SALUS_DRAWS`, or what an hour of `make soak` has time for.
fn draws() -> usize {
    let usual = if std::env::var_os("SALUS_SOAK").is_some() {
        2_000_000
    } else {
        100_000
    };
    std::env::var("SALUS_DRAWS").map_or(usual, |text| text.parse().expect("a number"))
}

fn sample(noise: Noise, scale: Rational, count: usize) -> Vec<i128> {
    let mut columns = add_noise(vec![vec![0; count]], &[(noise, scale)]).unwrap();
    columns.remove(0)
}

/// P[Z ≤ x] for x from the first value on, up to where it is 1 to twelve digits: the definition, summed up.
fn distribution(noise: Noise, scale: f64) -> (i128, Vec<f64>) {
    let weight = |x: i64| match noise {
        Noise::DiscreteGaussian => (-(x as f64).powi(2) / (2.0 * scale * scale)).exp(),
        Noise::DiscreteLaplace => (-(x.abs() as f64) / scale).exp(),
    };
    let reach = (scale * 40.0).ceil() as i64 + 2;
    let all: f64 = (-reach..=reach).map(weight).sum();
    let mut below = 0.0;
    let table = (-reach..=reach).map(|x| {
        below += weight(x) / all;
        below
    });
    ((-reach).into(), table.collect())
}

/// The largest distance between the empirical distribution function and the true one: both are steps at whole numbers, so it is taken at one.
fn distance(sample: &[i128], noise: Noise, scale: f64) -> f64 {
    let (first, table) = distribution(noise, scale);
    let mut counts = vec![0_u32; table.len()];
    let last = i128::try_from(table.len() - 1).unwrap();
    for value in sample {
        let at = (value - first).clamp(0, last);
        counts[usize::try_from(at).unwrap()] += 1;
    }
    let n = sample.len() as f64;
    let mut seen = 0_u32;
    let apart = counts.iter().zip(&table).map(|(count, below)| {
        seen += count;
        (f64::from(seen) / n - below).abs()
    });
    apart.fold(0.0, f64::max)
}

/// 2 exp(−2 n t²) = 2 e^−22.
fn critical(n: usize) -> f64 {
    (11.0 / n as f64).sqrt()
}

fn fits(noise: Noise, numerator: u128, denominator: u128) {
    let n = draws();
    let scale = Rational::from_ratio(numerator, denominator).unwrap();
    let apart = distance(
        &sample(noise, scale, n),
        noise,
        numerator as f64 / denominator as f64,
    );
    assert!(
        apart < critical(n),
        "{noise:?} of {numerator}/{denominator}: {apart}, {} at most",
        critical(n)
    );
}

/// Scales below one, whole ones, odd ones and large ones.
const SCALES: [(u128, u128); 5] = [(2, 3), (1, 1), (10, 7), (20, 1), (987_654, 1_000)];

#[test]
fn gaussian_has_the_distribution_of_its_definition() {
    for (numerator, denominator) in SCALES {
        fits(Noise::DiscreteGaussian, numerator, denominator);
    }
}

#[test]
fn laplace_has_the_distribution_of_its_definition() {
    for (numerator, denominator) in SCALES {
        fits(Noise::DiscreteLaplace, numerator, denominator);
    }
}

/// The power of the test: noise that is 8 % too narrow is found for sure. Its distribution function lies `off` from the declared one, computed from the
/// definitions, and that of the sample within t of it (with probability 1 − 6e-10); off > 2 t leaves more than t.
fn finds(noise: Noise, percent: u128) {
    let n = draws().max(200_000);
    for (numerator, denominator) in [(20, 1), (987_654, 1_000)] {
        let declared = numerator as f64 / denominator as f64;
        let narrow = declared * percent as f64 / 100.0;
        let (first, of_declared) = distribution(noise, declared);
        let (first_of_narrow, of_narrow) = distribution(noise, narrow);
        let ahead = usize::try_from(first_of_narrow - first).unwrap();
        let both = of_declared.iter().skip(ahead).zip(&of_narrow);
        let off = both.map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        assert!(off > 2.0 * critical(n), "no power: {off}");
        let scale = Rational::from_ratio(numerator * percent, denominator * 100).unwrap();
        let apart = distance(&sample(noise, scale, n), noise, declared);
        assert!(apart > critical(n), "{noise:?} of {declared}: {apart}");
    }
}

#[test]
fn noise_that_is_a_little_narrow_is_found() {
    finds(Noise::DiscreteGaussian, 92);
    finds(Noise::DiscreteLaplace, 92);
}
