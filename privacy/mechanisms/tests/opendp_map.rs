//! The price in the books agrees with the privacy map of OpenDP's own Gaussian measurement.

use dashu::{
    integer::{IBig, UBig},
    rational::RBig,
};
use opendp::{
    domains::{AtomDomain, VectorDomain},
    measurements::make_gaussian,
    measures::ZeroConcentratedDivergence,
    metrics::L2Distance,
};
use salus_accounting::{Rational, rho_of};

/// The exact value of a non-negative float.
fn exact(x: f64) -> RBig {
    RBig::try_from(x).unwrap()
}

fn rational(x: &RBig) -> Rational {
    let (numerator, denominator) = x.clone().into_parts();
    Rational::new(UBig::try_from(numerator).unwrap(), denominator).unwrap()
}

/// OpenDP's rho for an L2 distance and a scale, both exact floats.
fn opendp_rho(distance: f64, scale: f64) -> f64 {
    let domain = VectorDomain::new(AtomDomain::<i64>::default());
    let metric = L2Distance::<f64>::default();
    let measurement =
        make_gaussian::<_, _, ZeroConcentratedDivergence>(domain, metric, scale, None).unwrap();
    measurement.map(&distance).unwrap()
}

#[test]
fn never_below_and_within_one_unit_of_opendp() {
    let unit = RBig::from_parts(IBig::ONE, UBig::ONE << 40);
    let mut compared = 0;
    for distance in [0.5, 1.0, 1.5, 2.0, 3.0, 10.0, 120.0, 4_096.75] {
        for scale in [0.3, 0.5, 1.0, 2.7, 20.0, 123.456, 5_000.5, 1e7] {
            let theirs = exact(opendp_rho(distance, scale));
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
