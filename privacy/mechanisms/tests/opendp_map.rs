//! The price in the books, and the epsilon shown for it, agree with the privacy maps of OpenDP's own Gaussian measurement.

use dashu::{
    integer::{IBig, UBig},
    rational::RBig,
};
use opendp::{
    combinators::make_zCDP_to_approxDP,
    core::Measurement,
    domains::{AtomDomain, VectorDomain},
    measurements::{make_gaussian, make_laplace},
    measures::ZeroConcentratedDivergence,
    metrics::{L1Distance, L2Distance},
};
use salus_accounting::{Delta, Rational, epsilon_of, rho_of};

/// The exact value of a non-negative float.
fn exact(x: f64) -> RBig {
    RBig::try_from(x).unwrap()
}

fn rational(x: &RBig) -> Rational {
    let (numerator, denominator) = x.clone().into_parts();
    Rational::new(UBig::try_from(numerator).unwrap(), denominator).unwrap()
}

type Ints = VectorDomain<AtomDomain<i64>>;

/// OpenDP's own measurement; the scale is an exact float.
fn gaussian(
    scale: f64,
) -> Measurement<Ints, L2Distance<f64>, ZeroConcentratedDivergence, Vec<i64>> {
    let domain = VectorDomain::new(AtomDomain::<i64>::default());
    make_gaussian(domain, L2Distance::default(), scale, None).unwrap()
}

#[test]
fn never_below_and_within_one_unit_of_opendp() {
    let unit = RBig::from_parts(IBig::ONE, UBig::ONE << 40);
    let mut compared = 0;
    for distance in [0.5, 1.0, 1.5, 2.0, 3.0, 10.0, 120.0, 4_096.75] {
        for scale in [0.3, 0.5, 1.0, 2.7, 20.0, 123.456, 5_000.5, 1e7] {
            let theirs = exact(gaussian(scale).map(&distance).unwrap());
            let sensitivity2 = rational(&exact(distance)).square();
            let Some(ours) = rho_of(&sensitivity2, &rational(&exact(scale))) else {
                continue;
            };
            let ours = RBig::from_parts(ours.units().into(), UBig::ONE << 40);

            // What both round up: distance² / (2 scale²).
            let truth = (exact(distance) / exact(scale)).pow(2) / RBig::from(2);
            assert!(ours >= truth, "distance {distance}, scale {scale}");
            // OpenDP rounds up to a float (2^-52 relative), the books to a unit.
            let float_step = &theirs / RBig::from(UBig::ONE << 51);
            assert!(
                &ours + &float_step >= theirs,
                "distance {distance}, scale {scale}"
            );
            assert!(ours <= theirs + &unit, "distance {distance}, scale {scale}");
            compared += 1;
        }
    }
    // 4,096.75 at 0.3 and at 0.5 is above 2^24 and has no place in the books.
    assert_eq!(compared, 62);
}

#[test]
fn epsilon_is_that_of_opendps_conversion() {
    for scale in [2.0, 10.0, 37.5, 200.0] {
        for delta in [1e-4, 1e-6, 1e-10] {
            let curve = make_zCDP_to_approxDP(gaussian(scale))
                .unwrap()
                .map(&1.0)
                .unwrap();
            let theirs = exact(curve.epsilon(delta).unwrap());

            let rho = rho_of(&Rational::from(1), &rational(&exact(scale))).unwrap();
            // Deltas are rounded down to units, epsilons up.
            let delta = Delta::parse_floor(&format!("{delta:e}")).unwrap();
            let (numerator, denominator) = epsilon_of(rho, delta).rational().unwrap().num_den();
            let ours = RBig::from_parts(numerator.into(), denominator);

            // Both bound the same infimum from above; theirs is searched for in floats.
            let difference = if ours > theirs {
                &ours - &theirs
            } else {
                &theirs - &ours
            };
            assert!(
                difference * RBig::from(1_000_000) < theirs,
                "scale {scale}, delta {delta}: {ours} and {theirs}"
            );
        }
    }
}

/// Where OpenDP says that Laplace noise costs epsilon, the books say half of its square.
#[test]
fn laplace_is_half_the_square_of_opendps_epsilon() {
    for (distance, scale) in [(1_i64, 1.0), (3, 2.0), (8, 20.0), (100, 37.5)] {
        let domain = VectorDomain::new(AtomDomain::<i64>::default());
        let measurement = make_laplace(domain, L1Distance::<i64>::default(), scale, None).unwrap();
        let epsilon = exact(measurement.map(&distance).unwrap());
        let sensitivity2 = Rational::from(u128::try_from(distance).unwrap()).square();
        let ours = rho_of(&sensitivity2, &rational(&exact(scale))).unwrap();
        let ours = RBig::from_parts(ours.units().into(), UBig::ONE << 40);
        let theirs = epsilon.pow(2) / RBig::from(2);
        let apart = if ours > theirs {
            &ours - &theirs
        } else {
            &theirs - &ours
        };
        assert!(
            apart * RBig::from(1_000_000_000) <= theirs,
            "{distance} {scale}"
        );
    }
}
