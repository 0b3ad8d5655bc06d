//! Price of noise and noise for a price.

use proptest::prelude::*;
use salus_accounting::{Rational, Rho, UBig, rho_of, sigma_for};

fn ratio(n: u128, d: u128) -> Rational {
    Rational::from_ratio(n, d).unwrap()
}

#[test]
fn known_prices() {
    // 1 / (2 · 10²) = 0.005, and 2^40 · 0.005 = 5497558138.88 is rounded up.
    assert_eq!(
        rho_of(&Rational::from(1), &Rational::from(10)),
        Some(Rho::from_units(5_497_558_139))
    );
    // Exactly one half: nothing to round.
    assert_eq!(
        rho_of(&Rational::from(1), &Rational::from(1)),
        Some(Rho::from_units(1 << 39))
    );
    assert_eq!(
        rho_of(&Rational::from(9), &ratio(3, 2)),
        Some(Rho::from_units(2 << 40))
    );
    // However little, it costs a unit.
    assert_eq!(
        rho_of(&Rational::from(1), &Rational::from(1 << 100)),
        Some(Rho::from_units(1))
    );
    assert_eq!(rho_of(&Rational::ZERO, &Rational::from(1)), Some(Rho::ZERO));
}

#[test]
fn what_has_no_price() {
    assert_eq!(rho_of(&Rational::from(1), &Rational::ZERO), None);
    assert_eq!(rho_of(&Rational::ZERO, &Rational::ZERO), None);
    // 2^25 / 2 = 2^24 is one unit more than fits.
    assert_eq!(rho_of(&Rational::from(1 << 25), &Rational::from(1)), None);
    let just_fits = Rational::new((UBig::ONE << 64) - UBig::ONE, UBig::ONE << 39).unwrap();
    assert_eq!(rho_of(&just_fits, &Rational::from(1)), Some(Rho::MAX));
    assert_eq!(
        rho_of(&Rational::from(u128::MAX), &ratio(1, u128::MAX)),
        None
    );
}

#[test]
fn what_has_no_sigma() {
    assert_eq!(sigma_for(&Rational::from(1), Rho::ZERO), None);
    assert_eq!(sigma_for(&Rational::ZERO, Rho::from_units(1)), None);
}

#[test]
fn whole_answers_are_found_exactly() {
    assert_eq!(
        sigma_for(&Rational::from(1), Rho::from_units(1 << 39)),
        Some(Rational::from(1))
    );
    assert_eq!(
        sigma_for(&Rational::from(400), Rho::from_units(1 << 39)),
        Some(Rational::from(20))
    );
    // sqrt(2^39 · 2^87) = 2^63, sqrt(2^39 · 2^125) = 2^82.
    assert_eq!(
        sigma_for(&Rational::from(1 << 87), Rho::from_units(1)),
        Some(Rational::from(1 << 63))
    );
    assert_eq!(
        sigma_for(&Rational::from(1 << 125), Rho::from_units(1)),
        Some(Rational::from(1 << 82))
    );
}

/// Squared sensitivities as they occur, and far beyond.
fn sensitivity2() -> impl Strategy<Value = Rational> {
    (1u128.., 0u32..128, 1u128.., 0u32..128)
        .prop_map(|(n, s, d, t)| ratio((n >> s).max(1), (d >> t).max(1)))
}

fn rho() -> impl Strategy<Value = Rho> {
    (1u64.., 0u32..64).prop_map(|(units, shift)| Rho::from_units((units >> shift).max(1)))
}

proptest! {
    #[test]
    fn noise_for_a_price_costs_no_more_and_hardly_less(s2 in sensitivity2(), rho in rho()) {
        let sigma = sigma_for(&s2, rho).unwrap();
        let cost = rho_of(&s2, &sigma).unwrap();
        prop_assert!(cost <= rho);
        // Less than one unit is lost below 2^62 units (2^22 in rho), at most three above.
        prop_assert!(rho.units() - cost.units() <= rho.units() >> 62);
    }

    #[test]
    fn a_sigma_one_step_smaller_costs_more(s2 in sensitivity2(), rho in rho()) {
        let sigma = sigma_for(&s2, rho).unwrap();
        let (n, d) = sigma.num_den();
        // sigma = m/2^s with 2^63 <= m <= 2^64; whatever was cancelled, m is found by doubling.
        let (mut m, mut one) = (n, d);
        while m < UBig::ONE << 63 {
            m <<= 1;
            one <<= 1;
        }
        let mut step = UBig::ONE;
        while m > UBig::ONE << 64 {
            prop_assert!((&m & &UBig::ONE).is_zero(), "more than 64 significant bits");
            m >>= 1;
            step <<= 1;
        }
        prop_assert!(one.trailing_zeros().is_some_and(|zeros| UBig::ONE << zeros == one), "denominator is no power of two");
        let smaller = Rational::new((m - UBig::ONE) * step, one).unwrap();
        prop_assert!(rho_of(&s2, &smaller).is_none_or(|cost| cost > rho));
    }

    #[test]
    fn price_is_the_exact_value_rounded_up(n in 1u64.., d in 1u64.., a in 1u64.., b in 1u64..) {
        if let Some(rho) = rho_of(&ratio(n.into(), d.into()), &ratio(a.into(), b.into())) {
            // units · 2·a²·d >= 2^40 · n·b² > (units − 1) · 2·a²·d
            let big = |x: u64| UBig::from(x);
            let right = (big(n) * big(b) * big(b)) << 40;
            let unit = (big(a) * big(a) * big(d)) << 1;
            prop_assert!(&unit * big(rho.units()) >= right);
            prop_assert!(&unit * big(rho.units() - 1) < right);
        }
    }

    #[test]
    fn more_noise_never_costs_more(s2 in sensitivity2(), a in 1u128..1 << 100, b in 1u128..1 << 100, d in 1u128..1 << 60) {
        let (small, large) = (ratio(a.min(b), d), ratio(a.max(b), d));
        match (rho_of(&s2, &small), rho_of(&s2, &large)) {
            (Some(dear), Some(cheap)) => prop_assert!(cheap <= dear),
            (Some(_), None) => prop_assert!(false, "more noise does not fit"),
            (None, _) => {}
        }
    }
}
