//! Error bars: intervals from the noise distribution, never from the noise that was drawn.

use salus_accounting::Noise;
use salus_certificate::{Bounds, Mechanism};

use crate::answer::approximate;

/// 97.5 % quantile of the standard normal distribution: two-sided intervals of 95 %.
pub(crate) const Z: f64 = 1.959_963_984_540_054;

/// Level of every interval.
pub(crate) const CONFIDENCE: f64 = 0.95;

/// A closed interval.
pub(crate) type Interval = (f64, f64);

/// The noise in the numbers of one mechanism, in grid units.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spread {
    noise: Noise,
    scale: f64,
    /// Most that rounding to whole grid units adds, where persons are weighted.
    rounding: f64,
}

impl Spread {
    pub(crate) fn of(mechanism: &Mechanism, bounds: &Bounds) -> Self {
        let scale = approximate(&mechanism.sigma);
        match bounds.weighted {
            None => Self::new(mechanism.kind, scale),
            #[allow(clippy::cast_precision_loss)] // At most 2^20.
            Some(weighted) => Self {
                rounding: 0.5,
                ..Self::new(mechanism.kind, scale / weighted.unit as f64)
            },
        }
    }

    pub(crate) fn new(noise: Noise, scale: f64) -> Self {
        Self {
            noise,
            scale,
            rounding: 0.0,
        }
    }

    pub(crate) fn noise(self) -> Noise {
        self.noise
    }

    /// The parameter of the distribution.
    pub(crate) fn scale(self) -> f64 {
        self.scale
    }

    /// Standard deviation: that of the discrete Gaussian is no larger than its parameter; that of discrete Laplace noise is √(2q) / (1 − q) with
    /// q = e^(−1/b).
    pub(crate) fn deviation(self) -> f64 {
        match self.noise {
            Noise::DiscreteGaussian => self.scale,
            Noise::DiscreteLaplace => {
                let q = (-1.0 / self.scale).exp();
                (2.0 * q).sqrt() / (1.0 - q)
            }
        }
    }

    /// Half the width of the interval around a number: the least integer h with P(|Z| ≤ h) ≥ 0.95.
    pub(crate) fn half_width(self) -> f64 {
        self.half_width_at(CONFIDENCE)
    }

    /// The same at another level.
    pub(crate) fn half_width_at(self, level: f64) -> f64 {
        let scale = self.scale;
        match self.noise {
            Noise::DiscreteLaplace => {
                // P(|Z| > h) = 2 q^(h+1) / (1 + q).
                let q = (-1.0 / scale).exp();
                let beyond = (1.0 - level) / 2.0 * (1.0 + q);
                (scale * -beyond.ln() - 1.0).ceil().max(0.0)
            }
            Noise::DiscreteGaussian if self.rounding > 0.0 => {
                (deviations(level) * scale + self.rounding).ceil()
            }
            // The lattice no longer shows; half a step on top covers it.
            Noise::DiscreteGaussian if scale > 30.0 => (deviations(level) * scale + 0.5).floor(),
            Noise::DiscreteGaussian => summed_half_width(scale, level),
        }
    }

    /// The sigma of a continuous Gaussian whose interval is no narrower.
    pub(crate) fn continuous(self) -> f64 {
        self.deviation().max(self.half_width() / Z)
    }
}

/// The half width of a small discrete Gaussian, summed up.
fn summed_half_width(sigma: f64, level: f64) -> f64 {
    let weight = |x: f64| (-x * x / (2.0 * sigma * sigma)).exp();
    let reach = (12.0 * sigma).ceil().max(1.0);
    let total = 1.0 + 2.0 * steps(reach).map(weight).sum::<f64>();
    let mut inside = 1.0;
    let mut h = 0.0;
    while inside / total < level && h < reach {
        h += 1.0;
        inside += 2.0 * weight(h);
    }
    h
}

/// How many standard deviations about its mean hold a normal number with this probability.
pub(crate) fn deviations(level: f64) -> f64 {
    if (level - CONFIDENCE).abs() < 1e-12 {
        return Z;
    }
    let (mut low, mut high) = (0.0, 40.0);
    for _ in 0..80 {
        let middle = f64::midpoint(low, high);
        let outside = libm::erfc(middle / std::f64::consts::SQRT_2);
        if outside > 1.0 - level {
            low = middle;
        } else {
            high = middle;
        }
    }
    high
}

fn steps(reach: f64) -> impl Iterator<Item = f64> {
    std::iter::successors(Some(1.0), move |x| (*x < reach).then_some(x + 1.0))
}

/// A count cannot be negative.
pub(crate) fn count(noisy: f64, spread: Spread) -> Interval {
    let h = spread.half_width();
    ((noisy - h).max(0.0), (noisy + h).max(0.0))
}

/// A sum, in grid units.
pub(crate) fn sum(noisy: f64, spread: Spread) -> Interval {
    let h = spread.half_width();
    (noisy - h, noisy + h)
}

/// The ratio sum/n of two noisy numbers whose true ratio lies in [−width, width]: Fieller's set {c : |sum − c·n| ≤ z·sqrt(σs² + c²σn²)}, cut to that range.
///
/// It has its level exactly, also where n is no larger than its noise: then it is the whole range.
/// Source: Fieller, E. C. (1954), Some problems in interval estimation, J. R. Stat. Soc. B 16.
pub(crate) fn ratio(sum: f64, of_sum: Spread, n: f64, of_n: Spread, width: f64) -> Interval {
    let (sigma_s, sigma_n) = (of_sum.continuous(), of_n.continuous());
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

    fn gaussian(sigma: f64) -> Spread {
        Spread::new(Noise::DiscreteGaussian, sigma)
    }

    fn laplace(scale: f64) -> Spread {
        Spread::new(Noise::DiscreteLaplace, scale)
    }

    #[test]
    fn small_noise_has_integer_intervals_that_hold_enough() {
        let half_width = |sigma| gaussian(sigma).half_width();
        assert!((half_width(0.1) - 0.0).abs() < 1e-9);
        assert!((half_width(1.0) - 2.0).abs() < 1e-9);
        assert!((half_width(29.9) - 58.0).abs() <= 1.0);
        assert!((half_width(1000.0) - 1960.0).abs() <= 1.0);
    }

    /// Against the probabilities summed up: the half width holds 95 %, and one less does not.
    #[test]
    fn laplace_intervals_hold_just_enough() {
        for scale in [0.05, 0.3, 1.0, 3.7, 20.0, 1000.0] {
            let spread = laplace(scale);
            let weight = |x: f64| (-x / scale).exp();
            let reach = 80.0 * scale + 2.0;
            let total = 1.0 + 2.0 * steps(reach).map(weight).sum::<f64>();
            let inside = |h: f64| {
                let beside = steps(h).map(weight).sum::<f64>();
                (1.0 + 2.0 * if h < 1.0 { 0.0 } else { beside }) / total
            };
            let h = spread.half_width();
            assert!(inside(h) >= CONFIDENCE - 1e-12, "{scale}: {h}");
            assert!(h < 1.0 || inside(h - 1.0) < CONFIDENCE, "{scale}: {h}");
            let squares = steps(reach).map(|x| 2.0 * x * x * weight(x)).sum::<f64>();
            let deviation = (squares / total).sqrt();
            assert!((spread.deviation() - deviation).abs() < 1e-6 * (1.0 + deviation));
        }
    }

    #[test]
    fn other_levels_have_other_widths() {
        assert!((deviations(0.99) - 2.575_829_303_5).abs() < 1e-9);
        assert!((deviations(0.5) - 0.674_489_750_2).abs() < 1e-9);
        for spread in [gaussian(3.0), gaussian(100.0), laplace(3.0), laplace(100.0)] {
            let widths = [0.5, 0.95, 0.99].map(|level| spread.half_width_at(level));
            assert!(widths[0] < widths[1] && widths[1] < widths[2], "{widths:?}");
        }
        assert!((gaussian(1000.0).half_width_at(0.99) - 2576.0).abs() <= 1.0);
    }

    #[test]
    fn a_ratio_over_noise_alone_says_nothing() {
        let ratio =
            |s, sigma_s, n, sigma_n| super::ratio(s, gaussian(sigma_s), n, gaussian(sigma_n), 7.0);
        assert_eq!(ratio(3.0, 5.0, 1.0, 10.0), (-7.0, 7.0));
        let (low, high) = ratio(500.0, 10.0, 1000.0, 1.0);
        assert!(low < 0.5 && high > 0.5 && high - low < 0.05);
    }
}
