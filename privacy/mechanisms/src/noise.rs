//! Noise on columns of integers.

use dashu::{integer::IBig, rational::RBig};
use opendp::traits::samplers::{sample_discrete_gaussian, sample_discrete_laplace};
use salus_accounting::{Noise, Rational};
use std::thread;

/// Why no noise was added. Carries no data, so that it may be logged and shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MechanismError {
    /// The caller's bug: columns and noises differ in number.
    #[error("one noise is needed for each column")]
    Shape,
    /// The caller's bug: a scale of zero would publish exact values.
    #[error("a noise scale is zero")]
    NoNoise,
    /// The operating system gave no randomness or no thread. What was to be released must not be.
    #[error("noise could not be drawn")]
    Unavailable,
}

/// Adds independent noise to every value: to each value of column j that of `noises[j]`, a distribution and its scale.
///
/// Values and scales are in the same unit (grid units of the aggregate). A sum beyond `i128` becomes the nearest `i128`.
///
/// # Errors
/// See [`MechanismError`]. Whether an error occurs never depends on the values.
///
/// # Guarantee
/// If one person changes column j by at most √`s2` in the norm of its noise (L2 for Gaussian, L1 for Laplace), releasing it is rho-zCDP with rho =
/// [`rho_of`](salus_accounting::rho_of)(`s2`, scale); saturation is post-processing. Source: see [`Noise`]. The seeds are fresh, as the crate's
/// documentation says.
pub fn add_noise(
    columns: Vec<Vec<i128>>,
    noises: &[(Noise, Rational)],
) -> Result<Vec<Vec<i128>>, MechanismError> {
    if columns.len() != noises.len() {
        return Err(MechanismError::Shape);
    }
    if noises.iter().any(|(_, scale)| scale.is_zero()) {
        return Err(MechanismError::NoNoise);
    }
    let wanted: Vec<Draws> = columns
        .iter()
        .zip(noises)
        .map(|(column, (noise, scale))| Draws {
            noise: *noise,
            scale: scale.clone(),
            count: column.len(),
        })
        .collect();
    let noise: Result<Vec<_>, _> = in_fresh_thread(move || wanted.iter().map(draw).collect())?;
    Ok(columns
        .into_iter()
        .zip(noise?)
        .map(|(column, noise)| add(column, noise))
        .collect())
}

/// How many values of one column's noise are wanted.
struct Draws {
    noise: Noise,
    scale: Rational,
    count: usize,
}

/// Runs `work` in a thread of its own, whose generator the operating system seeds at its first draw. A panic there is an error here.
fn in_fresh_thread<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, MechanismError> {
    let thread = thread::Builder::new().name("salus-noise".to_owned());
    let running = thread
        .spawn(work)
        .map_err(|_| MechanismError::Unavailable)?;
    running.join().map_err(|_| MechanismError::Unavailable)
}

fn draw(wanted: &Draws) -> Result<Vec<IBig>, MechanismError> {
    let (numerator, denominator) = wanted.scale.num_den();
    let scale = RBig::from_parts(numerator.into(), denominator);
    let sample = match wanted.noise {
        Noise::DiscreteGaussian => sample_discrete_gaussian,
        Noise::DiscreteLaplace => sample_discrete_laplace,
    };
    (0..wanted.count)
        .map(|_| sample(scale.clone()).map_err(|_| MechanismError::Unavailable))
        .collect()
}

fn add(column: Vec<i128>, noise: Vec<IBig>) -> Vec<i128> {
    column
        .into_iter()
        .zip(noise)
        .map(|(value, noise)| saturating_sum(value, noise))
        .collect()
}

/// The `i128` next to the exact sum.
fn saturating_sum(value: i128, noise: IBig) -> i128 {
    let negative = noise < IBig::ZERO;
    i128::try_from(IBig::from(value) + noise).unwrap_or(if negative {
        i128::MIN
    } else {
        i128::MAX
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_call_has_a_thread_of_its_own() {
        let ids: HashSet<_> = (0..20)
            .map(|_| in_fresh_thread(|| thread::current().id()).unwrap())
            .collect();
        assert_eq!(ids.len(), 20);
        assert!(!ids.contains(&thread::current().id()));
    }

    #[test]
    fn a_panic_in_the_thread_is_an_error() {
        let outcome: Result<(), _> = in_fresh_thread(|| panic!("thrown by a test"));
        assert_eq!(outcome, Err(MechanismError::Unavailable));
    }

    #[test]
    fn sums_beyond_i128_become_the_nearest_i128() {
        let huge = IBig::from(3) << 130;
        assert_eq!(saturating_sum(7, huge.clone()), i128::MAX);
        assert_eq!(saturating_sum(7, -huge), i128::MIN);
        assert_eq!(saturating_sum(i128::MAX, IBig::ONE), i128::MAX);
        assert_eq!(saturating_sum(i128::MIN, -IBig::ONE), i128::MIN);
        // Noise that does not fit alone may fit in the sum.
        assert_eq!(
            saturating_sum(-5, IBig::from(i128::MAX) + IBig::from(2)),
            i128::MAX - 3
        );
        assert_eq!(saturating_sum(i128::MAX, IBig::from(i128::MIN)), -1);
    }
}
