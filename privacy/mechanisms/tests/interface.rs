//! Shapes, refusals and what an error says.

use salus_accounting::{Noise, Rational};
use salus_mechanisms::{MechanismError, add_noise};

fn gaussian(sigma: u128) -> (Noise, Rational) {
    (Noise::DiscreteGaussian, Rational::from(sigma))
}

fn laplace(scale: u128) -> (Noise, Rational) {
    (Noise::DiscreteLaplace, Rational::from(scale))
}

#[test]
fn shapes_are_kept() {
    let columns = vec![vec![1, 2, 3], vec![], vec![9]];
    let noises = [gaussian(5), laplace(5), gaussian(5)];
    let noisy = add_noise(columns, &noises).unwrap();
    assert_eq!(noisy.iter().map(Vec::len).collect::<Vec<_>>(), [3, 0, 1]);
    assert_eq!(add_noise(vec![], &[]), Ok(vec![]));
}

#[test]
fn noise_is_added_to_the_value_of_its_own_column() {
    // Values are a thousand sigma apart, so a swapped column or sigma shows; 40 sigma is out of reach.
    let columns = vec![vec![1_000_000; 50], vec![-7_000_000_000; 50]];
    let noises = [laplace(10), gaussian(1_000_000)];
    let noisy = add_noise(columns, &noises).unwrap();
    assert!(noisy[0].iter().all(|x| (x - 1_000_000).abs() < 400));
    assert!(
        noisy[1]
            .iter()
            .all(|x| (x + 7_000_000_000).abs() < 40_000_000)
    );
    assert!(noisy[1].iter().any(|x| (x + 7_000_000_000).abs() > 10_000));
}

#[test]
fn without_noise_nothing_is_released() {
    for noises in [[gaussian(1), gaussian(0)], [laplace(0), gaussian(1)]] {
        assert_eq!(
            add_noise(vec![vec![42], vec![43]], &noises),
            Err(MechanismError::NoNoise)
        );
    }
}

#[test]
fn columns_and_noises_must_pair() {
    assert_eq!(add_noise(vec![vec![42]], &[]), Err(MechanismError::Shape));
    assert_eq!(
        add_noise(vec![], &[gaussian(1)]),
        Err(MechanismError::Shape)
    );
}

#[test]
fn errors_carry_no_data() {
    for error in [
        MechanismError::Shape,
        MechanismError::NoNoise,
        MechanismError::Unavailable,
    ] {
        let text = format!("{error} {error:?}");
        assert!(!text.contains(|c: char| c.is_ascii_digit()), "{text}");
    }
    assert_eq!(size_of::<MechanismError>(), 1);
}

#[test]
fn values_at_the_edge_saturate() {
    let noisy = add_noise(
        vec![vec![i128::MAX; 64], vec![i128::MIN; 64]],
        &[gaussian(1 << 90), laplace(1 << 90)],
    );
    let noisy = noisy.unwrap();
    // Half of the noise points outwards; wrapped sums would change sign.
    assert!(noisy[0].iter().all(|x| *x > 0) && noisy[0].contains(&i128::MAX));
    assert!(noisy[1].iter().all(|x| *x < 0) && noisy[1].contains(&i128::MIN));
}
