//! Units, texts and sums.

use proptest::prelude::*;
use salus_accounting::{
    AccountingError, Delta, Epsilon, Loss, Rational, Rho, UBig, split_delta, total_delta,
};

const DELTA_ONE: u128 = 1 << 80;

#[test]
fn texts_of_people_come_back() {
    for text in ["0.01", "0.005", "1", "0.3", "16777215", "0.00001", "2.5"] {
        assert_eq!(Rho::parse_floor(text).unwrap().to_string(), text);
    }
    for text in ["1e-6", "1e-9", "2.5e-7", "0", "1", "1e-1"] {
        assert_eq!(Delta::parse_floor(text).unwrap().to_string(), text);
    }
    for (text, shown) in [
        ("0.5", "0.5000"),
        ("1.00001", "1.0001"),
        ("3", "3.0000"),
        ("0.00001", "0.0001"),
        ("0", "0.0000"),
    ] {
        assert_eq!(Epsilon::parse(text).unwrap().to_string(), shown);
    }
    assert_eq!(Epsilon::UNBOUNDED.to_string(), "unbounded");
}

#[test]
fn display_rounds_up_and_floor_text_down() {
    let unit = Rho::from_units(1); // 2^-40 = 9.094947017729282e-13
    assert_eq!(unit.to_string(), "9.09495e-13");
    assert_eq!(unit.to_floor_string(), "9.09494e-13");
    let just_above_one = Rho::from_units((1 << 40) + 1);
    assert_eq!(just_above_one.to_string(), "1.00001");
    assert_eq!(just_above_one.to_floor_string(), "1");
    // Digits before the point are never dropped, and a carry gives a new one.
    assert_eq!(Rho::from_units((999_999 << 40) + 1).to_string(), "1000000");
    assert_eq!(Rho::MAX.to_string(), "16777216");
    assert_eq!(Rho::MAX.to_floor_string(), "16777215");

    let unit = Delta::from_units(1).unwrap(); // 2^-80 = 8.271806125530277e-25
    assert_eq!(unit.to_string(), "8.27181e-25");
    assert_eq!(unit.to_floor_string(), "8.2718e-25");
    // The mantissa carries into the exponent.
    let almost_one = Delta::from_units(DELTA_ONE - 1).unwrap();
    assert_eq!(almost_one.to_string(), "1");
    assert_eq!(almost_one.to_floor_string(), "9.99999e-1");
}

#[test]
fn what_is_not_a_number() {
    for text in [
        "", ".", "1.", ".5", "-1", "+1", " 1", "1 ", "1e", "e5", "1e+-5", "1e5.5", "0x10", "1_000",
        "inf", "NaN", "1,5", "1e1000", "1.2.3", "１",
    ] {
        assert_eq!(
            Rho::parse_floor(text),
            Err(AccountingError::Syntax),
            "{text:?}"
        );
        assert_eq!(
            Delta::parse_floor(text),
            Err(AccountingError::Syntax),
            "{text:?}"
        );
        assert_eq!(
            Epsilon::parse(text),
            Err(AccountingError::Syntax),
            "{text:?}"
        );
        assert_eq!(
            Rational::parse(text),
            Err(AccountingError::Syntax),
            "{text:?}"
        );
    }
    assert_eq!(
        Epsilon::parse(&"9".repeat(200)),
        Err(AccountingError::Syntax)
    );
}

#[test]
fn what_does_not_fit() {
    assert_eq!(Rho::parse_floor("16777216"), Err(AccountingError::TooLarge));
    assert_eq!(Rho::parse_floor("16777215.9999999999999999"), Ok(Rho::MAX));
    assert_eq!(
        Rho::parse_ceil("16777215.9999999999999999"),
        Err(AccountingError::TooLarge)
    );
    assert_eq!(Delta::parse_floor("1"), Ok(Delta::ONE));
    assert_eq!(
        Delta::parse_floor("1.0000001"),
        Err(AccountingError::TooLarge)
    );
    assert_eq!(
        Delta::parse_ceil("0.99999999999999999999999999999"),
        Ok(Delta::ONE)
    );
    assert_eq!(Delta::from_units(DELTA_ONE + 1), None);
    assert_eq!(
        Delta::from_be_bytes((DELTA_ONE + 1).to_be_bytes()),
        Err(AccountingError::TooLarge)
    );
    assert_eq!(
        Delta::from_be_bytes([0xff; 16]),
        Err(AccountingError::TooLarge)
    );
    assert_eq!(
        Delta::from_be_bytes(DELTA_ONE.to_be_bytes()),
        Ok(Delta::ONE)
    );
}

#[test]
fn sums_never_wrap() {
    let unit = Rho::from_units(1);
    assert_eq!(Rho::MAX.checked_add(unit), None);
    assert_eq!(Rho::ZERO.checked_sub(unit), None);
    let unit = Delta::from_units(1).unwrap();
    assert_eq!(Delta::ONE.checked_add(unit), None);
    assert_eq!(Delta::ZERO.checked_sub(unit), None);
    let full = Loss {
        rho: Rho::ZERO,
        delta: Delta::ONE,
    };
    assert_eq!(
        full.checked_add(Loss {
            rho: Rho::ZERO,
            delta: unit
        }),
        None
    );
    assert_eq!(full.checked_sub(Loss::from_rho(Rho::from_units(1))), None);
    assert_eq!(
        Loss::from_rho(Rho::MAX).checked_add(Loss::from_rho(Rho::from_units(1))),
        None
    );
}

#[test]
fn a_cap_holds_in_both_coordinates() {
    let loss = |rho, delta| Loss {
        rho: Rho::from_units(rho),
        delta: Delta::from_units(delta).unwrap(),
    };
    let cap = loss(10, 10);
    assert!(loss(10, 10).fits_within(&cap) && Loss::ZERO.fits_within(&cap));
    assert!(!loss(11, 0).fits_within(&cap) && !loss(0, 11).fits_within(&cap));
    assert_eq!(
        Loss::from_rho(Rho::parse_floor("0.01").unwrap()).to_string(),
        "rho 0.01"
    );
    let both = Loss {
        rho: Rho::parse_floor("2").unwrap(),
        delta: Delta::parse_floor("1e-9").unwrap(),
    };
    assert_eq!(both.to_string(), "rho 2, delta 1e-9");
}

#[test]
fn total_delta_at_the_ends() {
    let some = Delta::parse_floor("1e-6").unwrap();
    assert_eq!(total_delta(Delta::ZERO, some), some);
    assert_eq!(total_delta(some, Delta::ZERO), some);
    assert_eq!(total_delta(Delta::ONE, Delta::ONE), Delta::ONE);
    assert_eq!(total_delta(Delta::ONE, some), Delta::ONE);
    // 1/2 + 1/2 · 2^-80 is rounded up to the next unit.
    let half = Delta::from_units(DELTA_ONE / 2).unwrap();
    assert_eq!(
        total_delta(half, Delta::from_units(1).unwrap()).units(),
        DELTA_ONE / 2 + 1
    );
}

#[test]
fn rationals_have_one_form() {
    let half = Rational::from_ratio(3, 6).unwrap();
    assert_eq!(half, Rational::parse("0.5").unwrap());
    assert_eq!(half.to_big_endian(), (vec![1], vec![2]));
    assert_eq!(Rational::ZERO.to_big_endian(), (vec![], vec![1]));
    assert_eq!(Rational::from_ratio(0, 7), Some(Rational::ZERO));
    assert_eq!(Rational::from_ratio(7, 0), None);
    assert_eq!(half.square(), Rational::from_ratio(1, 4).unwrap());
    assert_eq!(half.product(&Rational::from(6)), Rational::from(3));
    assert_eq!(
        Rational::from_ratio(2, 3).unwrap().to_decimal_string(4),
        "0.6667"
    );
    assert_eq!(half.to_decimal_string(0), "1");
    assert!(Rational::from_ratio(1, 3).unwrap() < Rational::from_ratio(334, 1000).unwrap());
}

#[test]
fn only_the_canonical_form_is_read() {
    let read = |n: &[u8], d: &[u8]| Rational::from_big_endian(n, d);
    assert_eq!(read(&[], &[1]), Ok(Rational::ZERO));
    assert_eq!(read(&[3], &[2]), Ok(Rational::from_ratio(3, 2).unwrap()));
    let malformed: [(&[u8], &[u8]); 7] = [
        (&[1], &[]),
        (&[1], &[0]),
        (&[0, 1], &[2]),
        (&[1], &[0, 2]),
        (&[2], &[4]),
        (&[], &[2]),
        (&[0], &[1]),
    ];
    for (n, d) in malformed {
        assert_eq!(
            read(n, d),
            Err(AccountingError::NotCanonical),
            "{n:?}/{d:?}"
        );
    }
}

proptest! {
    #[test]
    fn rational_bytes_round_trip(n in proptest::collection::vec(any::<u8>(), 0..40), d in proptest::collection::vec(any::<u8>(), 0..40)) {
        if let Some(value) = Rational::new(UBig::from_be_bytes(&n), UBig::from_be_bytes(&d)) {
            let (n, d) = value.to_big_endian();
            prop_assert_eq!(Rational::from_big_endian(&n, &d), Ok(value));
        }
        // Whatever is read from raw bytes is written as the same bytes.
        if let Ok(value) = Rational::from_big_endian(&n, &d) {
            prop_assert_eq!(value.to_big_endian(), (n, d));
        }
    }

    #[test]
    fn rational_order_is_that_of_cross_products(a in 0u64.., b in 1u64.., c in 0u64.., d in 1u64..) {
        let (x, y) = (Rational::from_ratio(a.into(), b.into()).unwrap(), Rational::from_ratio(c.into(), d.into()).unwrap());
        prop_assert_eq!(x.cmp(&y), (u128::from(a) * u128::from(d)).cmp(&(u128::from(c) * u128::from(b))));
    }

    #[test]
    fn rho_text_bounds_the_value(units: u64, shift in 0u32..64) {
        let rho = Rho::from_units(units >> shift);
        let (up, down) = (Rational::parse(&rho.to_string()).unwrap(), Rational::parse(&rho.to_floor_string()).unwrap());
        let value = rho.to_rational();
        prop_assert!(down <= value && value <= up);
        // Six significant digits: closer than one part in 99,999.
        prop_assert!(up.product(&Rational::from(99_999)) <= down.product(&Rational::from(100_001)) || up == down);
    }

    #[test]
    fn rho_text_is_rounded_as_named(whole in 0u64..16_777_216, digits in "[0-9]{1,30}") {
        let text = format!("{whole}.{digits}");
        let exact = Rational::parse(&text).unwrap();
        let floor = Rho::parse_floor(&text).unwrap();
        prop_assert!(floor.to_rational() <= exact);
        match Rho::parse_ceil(&text) {
            Ok(ceil) => {
                prop_assert!(ceil.to_rational() >= exact);
                prop_assert!(ceil.units() - floor.units() <= 1);
            }
            Err(error) => prop_assert!(error == AccountingError::TooLarge && floor == Rho::MAX),
        }
        if let Some(next) = floor.checked_add(Rho::from_units(1)) {
            prop_assert!(next.to_rational() > exact);
        }
    }

    #[test]
    fn delta_text_bounds_the_value(units in 0u128..=DELTA_ONE, shift in 0u32..81) {
        let delta = Delta::from_units(units >> shift).unwrap();
        let value = delta.to_rational();
        prop_assert!(Rational::parse(&delta.to_string()).unwrap() >= value);
        prop_assert!(Rational::parse(&delta.to_floor_string()).unwrap() <= value);
        prop_assert!(Delta::parse_floor(&delta.to_floor_string()).unwrap() <= delta);
        prop_assert_eq!(Delta::from_be_bytes(delta.to_be_bytes()), Ok(delta));
    }

    #[test]
    fn losses_add_and_subtract_exactly(a: u64, b: u64, c in 0u128..=DELTA_ONE, d in 0u128..=DELTA_ONE) {
        let x = Loss { rho: Rho::from_units(a), delta: Delta::from_units(c).unwrap() };
        let y = Loss { rho: Rho::from_units(b), delta: Delta::from_units(d).unwrap() };
        match x.checked_add(y) {
            Some(sum) => {
                prop_assert_eq!(u128::from(sum.rho.units()), u128::from(a) + u128::from(b));
                prop_assert_eq!(sum.delta.units(), c + d);
                prop_assert!(x.fits_within(&sum) && y.fits_within(&sum));
                prop_assert_eq!(sum.checked_sub(y), Some(x));
            }
            None => prop_assert!(a.checked_add(b).is_none() || c + d > DELTA_ONE),
        }
    }

    #[test]
    fn total_delta_is_the_exact_value_rounded_up(b in 0u128..=DELTA_ONE, c in 0u128..=DELTA_ONE, s in 0u32..80, t in 0u32..80) {
        let (b, c) = (b >> s, c >> t);
        let total = total_delta(Delta::from_units(b).unwrap(), Delta::from_units(c).unwrap()).units();
        // In units of 2^-160: b·2^80 + (2^80 − b)·c.
        let exact = (UBig::from(b) << 80) + UBig::from(DELTA_ONE - b) * UBig::from(c);
        prop_assert!(UBig::from(total) << 80 >= exact);
        prop_assert!(UBig::from(total) << 80 < exact + (UBig::ONE << 80));
    }

    #[test]
    fn split_delta_stays_within_the_total(units in 0u128..=DELTA_ONE, shift in 0u32..80) {
        let total = Delta::from_units(units >> shift).unwrap();
        let (booked, conversion) = split_delta(total);
        prop_assert!(total_delta(booked, conversion) <= total);
        prop_assert!(booked.units() - conversion.units() <= 1);
        prop_assert_eq!(booked.checked_add(conversion), Some(total));
    }
}
