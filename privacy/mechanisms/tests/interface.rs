//! Shapes, refusals and what an error says.

use salus_accounting::Rational;
use salus_mechanisms::{MechanismError, add_discrete_gaussian};

#[test]
fn shapes_are_kept() {
    let columns = vec![vec![1, 2, 3], vec![], vec![9]];
    let sigmas = [Rational::from(5), Rational::from(5), Rational::from(5)];
    let noisy = add_discrete_gaussian(columns, &sigmas).unwrap();
    assert_eq!(noisy.iter().map(Vec::len).collect::<Vec<_>>(), [3, 0, 1]);
    assert_eq!(add_discrete_gaussian(vec![], &[]), Ok(vec![]));
}

#[test]
fn noise_is_added_to_the_value_of_its_own_column() {
    // Values are a thousand sigma apart, so a swapped column or sigma shows; 40 sigma is out of reach.
    let columns = vec![vec![1_000_000; 50], vec![-7_000_000_000; 50]];
    let sigmas = [Rational::from(10), Rational::from(1_000_000)];
    let noisy = add_discrete_gaussian(columns, &sigmas).unwrap();
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
    assert_eq!(
        add_discrete_gaussian(vec![vec![42]], &[Rational::ZERO]),
        Err(MechanismError::NoNoise)
    );
    assert_eq!(
        add_discrete_gaussian(
            vec![vec![42], vec![43]],
            &[Rational::from(1), Rational::ZERO]
        ),
        Err(MechanismError::NoNoise)
    );
}

#[test]
fn columns_and_sigmas_must_pair() {
    assert_eq!(
        add_discrete_gaussian(vec![vec![42]], &[]),
        Err(MechanismError::Shape)
    );
    assert_eq!(
        add_discrete_gaussian(vec![], &[Rational::from(1)]),
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
    let noisy = add_discrete_gaussian(
        vec![vec![i128::MAX; 64], vec![i128::MIN; 64]],
        &[Rational::from(1 << 90), Rational::from(1 << 90)],
    );
    let noisy = noisy.unwrap();
    // Half of the noise points outwards; wrapped sums would change sign.
    assert!(noisy[0].iter().all(|x| *x > 0) && noisy[0].contains(&i128::MAX));
    assert!(noisy[1].iter().all(|x| *x < 0) && noisy[1].contains(&i128::MIN));
}
