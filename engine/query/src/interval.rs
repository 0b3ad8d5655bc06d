//! Error bars: intervals from the noise distribution, never from the noise that was drawn.

/// 97.5 % quantile of the standard normal distribution: two-sided intervals of 95 %.
pub(crate) const Z: f64 = 1.959_963_984_540_054;

/// Level of every interval.
pub(crate) const CONFIDENCE: f64 = 0.95;

/// A closed interval.
pub(crate) type Interval = (f64, f64);

/// Half the width of the interval around an integer with discrete Gaussian noise: the least integer h with P(|Z| ≤ h) ≥ 0.95.
pub(crate) fn half_width(sigma: f64) -> f64 {
    if sigma > 30.0 {
        // The lattice no longer shows; half a step on top covers it.
        return (Z * sigma + 0.5).floor();
    }
    let weight = |x: f64| (-x * x / (2.0 * sigma * sigma)).exp();
    let reach = (12.0 * sigma).ceil().max(1.0);
    let total = 1.0 + 2.0 * steps(reach).map(weight).sum::<f64>();
    let mut inside = 1.0;
    let mut h = 0.0;
    while inside / total < CONFIDENCE {
        h += 1.0;
        inside += 2.0 * weight(h);
    }
    h
}

fn steps(reach: f64) -> impl Iterator<Item = f64> {
    std::iter::successors(Some(1.0), move |x| (*x < reach).then_some(x + 1.0))
}

/// The sigma of a continuous Gaussian whose interval is no narrower than that of the discrete one.
fn continuous(sigma: f64) -> f64 {
    sigma.max(half_width(sigma) / Z)
}

/// A count cannot be negative.
pub(crate) fn count(noisy: f64, sigma: f64) -> Interval {
    let h = half_width(sigma);
    ((noisy - h).max(0.0), (noisy + h).max(0.0))
}

/// A sum, in grid units.
pub(crate) fn sum(noisy: f64, sigma: f64) -> Interval {
    let h = half_width(sigma);
    (noisy - h, noisy + h)
}

/// The ratio sum/n of two noisy numbers whose true ratio lies in [−width, width]: Fieller's set {c : |sum − c·n| ≤ z·sqrt(σs² + c²σn²)}, cut to that range.
///
/// It has its level exactly, also where n is no larger than its noise: then it is the whole range.
/// Source: Fieller, E. C. (1954), Some problems in interval estimation, J. R. Stat. Soc. B 16.
pub(crate) fn ratio(sum: f64, sigma_s: f64, n: f64, sigma_n: f64, width: f64) -> Interval {
    let (sigma_s, sigma_n) = (continuous(sigma_s), continuous(sigma_n));
    let a = n * n - Z * Z * sigma_n * sigma_n;
    let b = sum * n;
    let c = sum * sum - Z * Z * sigma_s * sigma_s;
    let discriminant = b * b - a * c;
    if a <= 0.0 || n <= 0.0 || discriminant < 0.0 {
        return (-width, width);
    }
    let root = discriminant.sqrt();
    let (low, high) = ((b - root) / a, (b + root) / a);
    (low.clamp(-width, width), high.clamp(-width, width))
}

/// The middle 95 % of what a computed number was in repetitions of the noise; `None` where too many of them gave no number, so that none bounds it.
///
/// Efron's percentile interval, with the noise drawn from its known distribution: exact for what is monotone in one released number and for linear
/// combinations of several. Source: Efron, B. (1979), Bootstrap methods: another look at the jackknife, Ann. Statist. 7.
pub(crate) fn of_samples(samples: &[f64], repetitions: usize) -> Option<Interval> {
    // One in forty on either side.
    let outside = repetitions / 40;
    if repetitions.saturating_sub(samples.len()) > outside {
        return None;
    }
    let mut sorted = samples.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let last = sorted.len().checked_sub(1)?;
    let low = *sorted.get(outside.saturating_sub(1))?;
    Some((low, *sorted.get(last - outside.saturating_sub(1))?))
}

/// Standard deviation of what a computed number was in repetitions of the noise.
#[allow(clippy::cast_precision_loss)] // A thousand repetitions at most.
pub(crate) fn deviation(samples: &[f64]) -> Option<f64> {
    let n = samples.len() as f64;
    let mean = samples.iter().sum::<f64>() / n;
    let squares = samples.iter().map(|x| (x - mean).powi(2)).sum::<f64>();
    (samples.len() > 1).then(|| (squares / (n - 1.0)).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_noise_has_integer_intervals_that_hold_enough() {
        assert!((half_width(0.1) - 0.0).abs() < 1e-9);
        assert!((half_width(1.0) - 2.0).abs() < 1e-9);
        assert!((half_width(29.9) - 58.0).abs() <= 1.0);
        assert!((half_width(1000.0) - 1960.0).abs() <= 1.0);
    }

    #[test]
    fn a_ratio_over_noise_alone_says_nothing() {
        assert_eq!(ratio(3.0, 5.0, 1.0, 10.0, 7.0), (-7.0, 7.0));
        let (low, high) = ratio(500.0, 10.0, 1000.0, 1.0, 7.0);
        assert!(low < 0.5 && high > 0.5 && high - low < 0.05);
    }
}
