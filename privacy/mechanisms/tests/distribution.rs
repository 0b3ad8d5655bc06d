//! The noise that comes out has the distribution that was priced: chi-square goodness of fit against the exact probabilities,
//! and the same test must reject noise of 0.9 sigma.
#![allow(
    clippy::cast_precision_loss,
    reason = "statistics are floats; counts are far below 2^53"
)]
#![allow(
    clippy::cast_possible_truncation,
    reason = "bin edges are small whole numbers"
)]

use salus_accounting::{Noise, Rational};
use salus_mechanisms::add_noise;
use std::f64::consts::PI;

const DRAWS: usize = 40_000;

/// Draws with sigma = numerator / denominator.
fn draw(numerator: u128, denominator: u128, count: usize) -> Vec<i128> {
    let sigma = Rational::from_ratio(numerator, denominator).unwrap();
    sample(Noise::DiscreteGaussian, sigma, count)
}

fn sample(noise: Noise, scale: Rational, count: usize) -> Vec<i128> {
    add_noise(vec![vec![0; count]], &[(noise, scale)])
        .unwrap()
        .remove(0)
}

/// Bins of the integers, each `(last value, probability)` under the discrete Gaussian; the last bin is open to the right, the
/// first to the left. Each bin has probability of at least 1/50, so an expected count of at least 800 in [`DRAWS`] draws; bins end where values end,
/// so for a small sigma a bin is one value.
fn bins(sigma: f64) -> Vec<(i128, f64)> {
    let reach = (sigma * 12.0).ceil() as i128 + 2;
    bins_of(reach, |x| {
        (-(x as f64).powi(2) / (2.0 * sigma * sigma)).exp()
    })
}

/// The same for any distribution in proportion to `weight` that is as good as zero beyond `reach`.
fn bins_of(reach: i128, weight: impl Fn(i128) -> f64) -> Vec<(i128, f64)> {
    let total: f64 = (-reach..=reach).map(&weight).sum();
    let mut bins = Vec::new();
    let mut gathered = 0.0;
    for x in -reach..=reach {
        gathered += weight(x) / total;
        if gathered >= 0.02 {
            bins.push((x, gathered));
            gathered = 0.0;
        }
    }
    let last = bins.last_mut().unwrap();
    *last = (i128::MAX, last.1 + gathered);
    bins
}

/// Pearson's statistic of the sample, and the number of degrees of freedom.
fn chi_square(sample: &[i128], bins: &[(i128, f64)]) -> (f64, f64) {
    let mut counts = vec![0u32; bins.len()];
    for value in sample {
        counts[bins.partition_point(|(last, _)| last < value)] += 1;
    }
    let n = sample.len() as f64;
    let statistic = bins
        .iter()
        .zip(&counts)
        .map(|((_, p), count)| (f64::from(*count) - n * p).powi(2) / (n * p))
        .sum();
    (statistic, bins.len() as f64 - 1.0)
}

/// A chi-square variable of k degrees exceeds this with probability below e^-20 < 2.1e-9 (Laurent and Massart 2000, lemma 1). Of the fewer than twenty
/// statistics here one does so once in twenty million runs; the statistic is chi-square only in the limit, which expected counts of 800 and more are near.
fn critical(k: f64) -> f64 {
    let t = 20.0;
    k + 2.0 * (k * t).sqrt() + 2.0 * t
}

fn check(numerator: u128, denominator: u128) {
    let sigma = numerator as f64 / denominator as f64;
    let bins = bins(sigma);
    assert!(bins.len() >= 2, "sigma {sigma} leaves nothing to test");

    let (statistic, k) = chi_square(&draw(numerator, denominator, DRAWS), &bins);
    assert!(
        statistic < critical(k),
        "sigma {sigma}: {statistic} on {k} degrees"
    );

    // Negative control: the test sees noise that is a tenth too small.
    let (statistic, k) = chi_square(&draw(numerator * 9, denominator * 10, DRAWS), &bins);
    assert!(
        statistic > critical(k),
        "sigma {sigma}: no power, {statistic} on {k} degrees"
    );
}

#[test]
fn fits_below_one() {
    // At 0.45 the values next to zero have probability 0.145 together.
    check(9, 20);
    check(2, 3);
}

#[test]
fn fits_at_one() {
    check(1, 1);
}

#[test]
fn fits_between_whole_numbers() {
    check(10, 7);
    check(314_159, 100_000);
}

#[test]
fn fits_at_twenty() {
    check(20, 1);
}

#[test]
fn fits_when_large() {
    check(4_321, 1);
    check(987_654_321, 10_000);
}

#[test]
fn fits_at_a_sigma_of_64_significant_bits() {
    let sigma = salus_accounting::sigma_for(
        &Rational::from(9),
        salus_accounting::Rho::parse_floor("0.3").unwrap(),
    )
    .unwrap();
    let exact = (4.5f64 / 0.3).sqrt();
    let sample = sample(Noise::DiscreteGaussian, sigma, DRAWS);
    let (statistic, k) = chi_square(&sample, &bins(exact));
    assert!(statistic < critical(k), "{statistic} on {k} degrees");
}

#[test]
fn laplace_fits_and_a_tenth_less_does_not() {
    for (numerator, denominator) in [(1, 2), (1, 1), (10, 7), (20, 1), (987_654, 1_000)] {
        let scale = numerator as f64 / denominator as f64;
        let reach = (scale * 60.0).ceil() as i128 + 2;
        let bins = bins_of(reach, |x| (-(x.abs() as f64) / scale).exp());
        assert!(bins.len() >= 2, "scale {scale} leaves nothing to test");
        let draw = |by: (u128, u128)| {
            let scale = Rational::from_ratio(numerator * by.0, denominator * by.1).unwrap();
            chi_square(&sample(Noise::DiscreteLaplace, scale, DRAWS), &bins)
        };
        let (statistic, k) = draw((1, 1));
        assert!(
            statistic < critical(k),
            "scale {scale}: {statistic} on {k} degrees"
        );
        let (statistic, k) = draw((9, 10));
        assert!(
            statistic > critical(k),
            "scale {scale}: no power, {statistic} on {k} degrees"
        );
    }
}

/// Σ x² / sigma² over n draws is chi-square of n degrees but for terms of e^(−2π²sigma²): a relative deviation of 6.5·sqrt(2/n)
/// has probability below 2 e^-20 < 5e-9 at [`DRAWS`] (Laurent and Massart, t = 20.2).
fn variance_holds(sample: &[i128], sigma: f64) -> bool {
    let n = sample.len() as f64;
    let mean_square = sample.iter().map(|x| (*x as f64).powi(2)).sum::<f64>() / n;
    (mean_square / (sigma * sigma) - 1.0).abs() < 6.5 * (2.0 / n).sqrt()
}

#[test]
fn variance_is_sigma_squared() {
    // From sigma 1 on, the variance of the discrete Gaussian is sigma² up to 4π²sigma²·e^(−2π²sigma²)·sigma² (Poisson summation).
    assert!(4.0 * PI * PI * (-2.0 * PI * PI).exp() < 1.1e-7);
    for (numerator, denominator) in [(1, 1), (37, 2), (1_000_000_007, 3)] {
        let sigma = numerator as f64 / denominator as f64;
        assert!(
            variance_holds(&draw(numerator, denominator, DRAWS), sigma),
            "sigma {sigma}"
        );
        assert!(
            !variance_holds(&draw(numerator * 9, denominator * 10, DRAWS), sigma),
            "no power at {sigma}"
        );
    }
}

/// Chi-square test that neighbours in a column are independent: both at sigma 1, each cut into three ranges.
fn neighbours_independent(pairs: impl Iterator<Item = (i128, i128)>) -> bool {
    let range = |x: i128| usize::try_from(x.signum() + 1).unwrap();
    let beside =
        (-0.5f64).exp() + (-2.0f64).exp() + (-4.5f64).exp() + (-8.0f64).exp() + (-12.5f64).exp();
    let p = [beside, 1.0, beside].map(|w| w / (1.0 + 2.0 * beside));
    let mut counts = [[0u32; 3]; 3];
    for (a, b) in pairs {
        counts[range(a)][range(b)] += 1;
    }
    let n = f64::from(counts.iter().flatten().sum::<u32>());
    let mut statistic = 0.0;
    for (row, p_row) in counts.iter().zip(p) {
        for (count, p_column) in row.iter().zip(p) {
            let expected = n * p_row * p_column;
            statistic += (f64::from(*count) - expected).powi(2) / expected;
        }
    }
    statistic < critical(8.0)
}

#[test]
fn draws_beside_each_other_are_independent() {
    let sample = draw(1, 1, DRAWS);
    assert!(neighbours_independent(
        sample.chunks_exact(2).map(|pair| (pair[0], pair[1]))
    ));

    let one = (Noise::DiscreteGaussian, Rational::from(1));
    let columns = add_noise(vec![vec![0; DRAWS / 2]; 2], &[one.clone(), one]).unwrap();
    assert!(neighbours_independent(
        columns[0].iter().copied().zip(columns[1].iter().copied())
    ));

    // Negative control: one draw in ten is the one before again.
    let repeated = sample.chunks_exact(2).enumerate().map(|(i, pair)| {
        if i % 10 == 0 {
            (pair[0], pair[0])
        } else {
            (pair[0], pair[1])
        }
    });
    assert!(!neighbours_independent(repeated));
}

#[test]
fn calls_never_repeat_noise() {
    // At sigma 2^100, 4,000 draws contain a pair of equal ones with probability below 1e-22.
    let wide = (Noise::DiscreteGaussian, Rational::from(1 << 100));
    let mut seen = std::collections::HashSet::new();
    for _ in 0..200 {
        let columns = vec![vec![0; 10], vec![0; 10]];
        for value in add_noise(columns, &[wide.clone(), wide.clone()])
            .unwrap()
            .concat()
        {
            assert!(seen.insert(value), "noise occurred twice");
        }
    }
    // Calls at the same time, from many threads.
    let workers: Vec<_> = (0..16)
        .map(|_| {
            let wide = wide.clone();
            std::thread::spawn(move || add_noise(vec![vec![0; 10]], &[wide]).unwrap().remove(0))
        })
        .collect();
    for worker in workers {
        for value in worker.join().unwrap() {
            assert!(seen.insert(value), "noise occurred twice");
        }
    }
}
