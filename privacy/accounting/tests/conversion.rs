//! Conversion between rho and epsilon against independently computed values, and as algebra.

use proptest::prelude::*;
use salus_accounting::{Delta, Epsilon, Rational, Rho, UBig, epsilon_of, rho_for_epsilon};

/// (units of rho, units of delta, floor(2^80 · epsilon)), epsilon being the infimum over alpha > 1 of
/// `alpha*rho + log(1/(alpha*delta))/(alpha-1) + log(1-1/alpha)`, or zero where that is negative; computed by mpmath 1.3 at 400 bits,
/// with alpha − 1 found by bisection of `rho*b**2 + log(1+b) = log(1/delta)`.
const KNOWN: &[(u64, u128, u128)] = &[
    // 0.0
    (1, 1_208_925_819_614_629_174, 0),
    // 0.0000118737396390016317478307676725
    (1, 1, 14_354_470_424_970_758_798),
    // 0.621692654536711036319366082436
    (
        10_995_116_277,
        1_208_925_819_614_629_174,
        751_580_301_934_187_898_327_518,
    ),
    // 0.429941468800367978466111943074
    (
        5_497_558_138,
        1_208_925_819_614_629_174,
        519_767_342_555_802_376_009_250,
    ),
    // 7.76621662531172073660197558197
    (
        1_099_511_627_776,
        1_208_925_819_614_629_174,
        9_388_779_799_059_731_436_800_552,
    ),
    // 6.47407002072648616794027017977
    (
        549_755_813_888,
        1_208_925_819_614_629,
        7_826_670_406_049_266_579_398_478,
    ),
    // 10.7248241496804961009731836078
    (
        2_199_023_267_897,
        12_089_258_196_146_291_747,
        12_965_516_825_375_262_153_182_301,
    ),
    // 49.7681213756232844164180585573
    (
        10_995_116_277_760,
        1_208_925,
        60_165_966_924_705_725_116_364_274,
    ),
    // 16838211.1938568422392765228169
    (
        18_446_744_073_709_551_615,
        1,
        20_356_148_268_377_606_622_479_689_761_667,
    ),
    // 16777160.5482255552034657657974
    (
        18_446_744_073_709_551_615,
        1_208_925_819_614_629_174_706_175,
        20_282_342_566_569_800_662_748_450_842_839,
    ),
    // 0.97510868184738940377160314609
    (
        1_099_511_627_776,
        604_462_909_807_314_587_353_088,
        1_178_834_062_415_695_912_339_195,
    ),
    // 0.0
    (137_438_953_472, 604_462_909_807_314_587_353_088, 0),
    // 0.000232481933343485411350823078103
    (1_000, 1_208_925_819_614, 281_053_411_812_866_688_056),
    // 0.181093740797765016486898190781
    (
        1_073_741_824,
        1_152_921_504_606_846_976,
        218_928_899_021_017_282_376_956,
    ),
    // 1358.11048845251419847568211405
    (
        1_125_899_906_842_624,
        1_099_511_627_776,
        1_641_854_835_379_680_098_678_712_923,
    ),
];

#[test]
fn known_values() {
    for (rho, delta, expected) in KNOWN {
        let ours = epsilon_of(Rho::from_units(*rho), Delta::from_units(*delta).unwrap());
        let ours = ours.rational().unwrap().clone();
        let low = Rational::new(UBig::from(*expected), UBig::ONE << 80).unwrap();
        // Less than 2^-60 above, and the table itself is cut off at 2^-80.
        let high = Rational::new(UBig::from(*expected + (1 << 20)), UBig::ONE << 80).unwrap();
        assert!(
            low <= ours && ours <= high,
            "rho {rho}, delta {delta}: {ours:?}"
        );
    }
}

/// rho + 2·sqrt(rho·ln(1/delta)) (Bun and Steinke 2016, proposition 1.3) gives 0.5306 for a rho of 0.005 at 1e-6.
#[test]
fn better_than_the_older_conversion() {
    let shown = epsilon_of(
        Rho::parse_ceil("0.005").unwrap(),
        Delta::parse_floor("1e-6").unwrap(),
    );
    assert_eq!(shown.to_string(), "0.4300");
    assert!(shown < Epsilon::parse("0.5306").unwrap());
}

#[test]
fn ends_of_the_scale() {
    let some = Rho::parse_floor("0.1").unwrap();
    let delta = Delta::parse_floor("1e-6").unwrap();
    assert_eq!(epsilon_of(Rho::ZERO, delta), Epsilon::ZERO);
    assert_eq!(epsilon_of(Rho::ZERO, Delta::ZERO), Epsilon::ZERO);
    assert_eq!(epsilon_of(some, Delta::ONE), Epsilon::ZERO);
    assert_eq!(epsilon_of(some, Delta::ZERO), Epsilon::UNBOUNDED);

    let one = Epsilon::parse("1").unwrap();
    assert_eq!(rho_for_epsilon(&one, Delta::ZERO), Rho::ZERO);
    assert_eq!(rho_for_epsilon(&one, Delta::ONE), Rho::MAX);
    assert_eq!(rho_for_epsilon(&Epsilon::UNBOUNDED, delta), Rho::MAX);
    assert_eq!(
        rho_for_epsilon(&Epsilon::parse("1e9").unwrap(), delta),
        Rho::MAX
    );
    assert_eq!(
        rho_for_epsilon(&epsilon_of(Rho::MAX, delta), delta),
        Rho::MAX
    );
}

#[test]
fn the_last_unit_of_delta_below_one() {
    // The smallest alpha − 1 that can occur, about 2^-80.
    let delta = Delta::from_units(Delta::ONE.units() - 1).unwrap();
    let shown = epsilon_of(Rho::MAX, delta);
    assert!(
        shown > Epsilon::parse("16777160").unwrap() && shown < Epsilon::parse("16777161").unwrap()
    );
}

/// Some rho over all binary orders of magnitude.
fn rho() -> impl Strategy<Value = Rho> {
    (1u64.., 0u32..64).prop_map(|(units, shift)| Rho::from_units((units >> shift).max(1)))
}

/// Some delta over all binary orders of magnitude, strictly between zero and one.
fn delta() -> impl Strategy<Value = Delta> {
    (1u128..1 << 80, 0u32..80)
        .prop_map(|(units, shift)| Delta::from_units((units >> shift).max(1)).unwrap())
}

fn check_largest(epsilon: &Epsilon, delta: Delta) -> Result<(), TestCaseError> {
    let rho = rho_for_epsilon(epsilon, delta);
    prop_assert!(epsilon_of(rho, delta) <= *epsilon);
    if let Some(more) = rho.checked_add(Rho::from_units(1)) {
        prop_assert!(epsilon_of(more, delta) > *epsilon);
    }
    Ok(())
}

proptest! {
    #[test]
    fn increases_with_rho(rho in rho(), delta in delta()) {
        let low = epsilon_of(rho, delta);
        if let Some(more) = rho.checked_add(Rho::from_units(1)) {
            let high = epsilon_of(more, delta);
            prop_assert!(high > low || high == Epsilon::ZERO);
        }
    }

    #[test]
    fn decreases_with_delta(rho in rho(), delta in delta()) {
        if let Some(more) = Delta::from_units(delta.units() * 2) {
            prop_assert!(epsilon_of(rho, more) <= epsilon_of(rho, delta));
        }
    }

    #[test]
    fn largest_rho_of_any_epsilon(units in 0u64.., shift in 0usize..64, delta in delta()) {
        let epsilon = Epsilon::from_rational(Rational::new(units.into(), UBig::ONE << shift).unwrap());
        check_largest(&epsilon, delta)?;
    }

    #[test]
    fn largest_rho_of_an_epsilon_that_occurs(rho in rho(), delta in delta()) {
        let epsilon = epsilon_of(rho, delta);
        check_largest(&epsilon, delta)?;
        if epsilon != Epsilon::ZERO {
            prop_assert_eq!(rho_for_epsilon(&epsilon, delta), rho);
        }
    }
}
