//! Natural logarithm in fixed point with a proven error bound. A *unit* here is 2^-[`BITS`].

use dashu::{
    base::BitTest,
    integer::{IBig, UBig},
};

/// Fractional bits of every fixed-point number of this crate. Enough that the smallest useful alpha − 1 (about 2^-80, at the
/// largest rho and a delta one unit below certainty) still has more than 100 significant bits.
pub(crate) const BITS: usize = 192;

/// [`ln`] is wrong by less than this many units. Counted in its body: 4/3 + 2·(1 + 60·2) + 501 < 1024.
pub(crate) const LN_SLACK: u32 = 1024;

/// floor(2^192 · ln 2), big-endian. Tested against the series 2·artanh(1/3).
const LN_2: [u8; 24] = [
    0xb1, 0x72, 0x17, 0xf7, 0xd1, 0xcf, 0x79, 0xab, 0xc9, 0xe3, 0xb3, 0x98, 0x03, 0xf2, 0xf6, 0xaf,
    0x40, 0xf3, 0x43, 0x26, 0x72, 0x98, 0xb6, 0x2d,
];

/// `ln(n / 2^scale)` in units, wrong by less than [`LN_SLACK`] units, for n >= 1 when the binary exponent of `n / 2^scale` is
/// between −500 and 500.
pub(crate) fn ln(n: &UBig, scale: usize) -> IBig {
    // n / 2^scale = m · 2^exponent with m in [1, 2), m held with BITS fractional bits. Dropping bits of n lowers ln m by less than 4/3 units.
    let top = n.bit_len().saturating_sub(1);
    let mut exponent = IBig::from(top) - IBig::from(scale);
    let m = if top > BITS {
        n >> top.saturating_sub(BITS)
    } else {
        n << BITS.saturating_sub(top)
    };

    // Halve m above 3/2, so that z = (m − 1)/(m + 1) has |z| <= 1/5.
    let one = UBig::ONE << BITS;
    let half_more = m > &one + (&one >> 1);
    let centre = if half_more { &one << 1 } else { one };
    if half_more {
        exponent += IBig::ONE;
    }

    // ln m = 2 artanh z = 2 Σ z^(2k+1) / (2k+1). All magnitudes are rounded towards zero. With z wrong by less than 1 unit and
    // z² <= 1/25 by less than 1.4, each power is wrong by less than 1.4/5 + 1 + (1/25)·(the last power's error) < 2 units, hence each
    // term by less than 2 (the first by 1). Powers vanish after at most 60 terms (2·60·log2 5 > BITS) and what is cut off then is below 1 unit.
    let (sign, distance) = (IBig::from(m.clone()) - IBig::from(centre.clone())).into_parts();
    let z = (distance << BITS) / (m + centre);
    let z2 = z.sqr() >> BITS;
    let mut power = z;
    let mut odd = 1u32;
    let mut sum = UBig::ZERO;
    while !power.is_zero() {
        sum += &power / odd;
        power = (power * &z2) >> BITS;
        odd = odd.saturating_add(2);
    }
    let ln_m = IBig::from_parts(sign, sum << 1);

    // The constant is wrong by less than 1 unit, its multiple by less than |exponent| <= 501.
    ln_m + exponent * ln_2()
}

fn ln_2() -> IBig {
    UBig::from_be_bytes(&LN_2).into()
}

/// The whole number at or below `a / b`, for b > 0.
pub(crate) fn div_floor(a: IBig, b: &UBig) -> IBig {
    use dashu::base::DivEuclid;
    // A divisor of zero, which no caller has, is taken for one.
    if b.is_zero() {
        a
    } else {
        a.div_euclid(IBig::from(b.clone()))
    }
}

/// The whole number at or above `a / b`, for b > 0.
pub(crate) fn div_ceil(a: IBig, b: &UBig) -> IBig {
    -div_floor(-a, b)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn slack(times: u32) -> IBig {
        IBig::from(LN_SLACK) * IBig::from(times)
    }

    fn near(a: &IBig, b: &IBig, bound: &IBig) -> bool {
        let (_, distance) = (a - b).into_parts();
        IBig::from(distance) < *bound
    }

    #[test]
    fn ln_2_agrees_with_another_series() {
        // ln 2 = 2·artanh(1/3) = 2 Σ 1/((2k+1)·3^(2k+1)), here with 64 bits more.
        let mut power = (UBig::ONE << (BITS + 64)) / UBig::from(3u8);
        let mut sum = UBig::ZERO;
        for odd in (1u32..).step_by(2).take_while(|odd| *odd < 400) {
            sum += &power / odd;
            power /= UBig::from(9u8);
        }
        assert_eq!(IBig::from((sum << 1) >> 64), ln_2());
    }

    /// floor(2^192 · ln x) by mpmath 1.3 at 400 bits: `int(floor(log(x) * mpf(2)**192))`.
    const KNOWN: &[(u64, usize, &str)] = &[
        (
            3,
            0,
            "6896101103715724421968977887748053838155831338983669927408",
        ),
        (
            3,
            1,
            "2545145733744506767491414797523259672791486442307534182338",
        ),
        (
            18_446_744_073_709_551_615,
            64,
            "-340282366920938463472597979468622987265",
        ),
        (
            18_446_744_073_709_551_615,
            63,
            "4350955369971217654137280723303855701891746917207512757805",
        ),
        (
            1,
            80,
            "-348076429597697412358205047217983533229147591734090859605564",
        ),
        (
            10,
            0,
            "14453560883108425870374435737727394665043423914827363902522",
        ),
        (
            1_000_003,
            20,
            "-297723269496838608577807426725455070521010525810870009548",
        ),
        (
            1,
            191,
            "-831032475664502572005214550232935685584589875265141927308282",
        ),
        (
            12_345_678_901_234_567_890,
            10,
            "232430820374207953166796696725405380047255346361657976704898",
        ),
    ];

    #[test]
    fn known_logarithms() {
        for (n, scale, expected) in KNOWN {
            let expected: IBig = expected.parse().unwrap();
            let ours = ln(&UBig::from(*n), *scale);
            assert!(
                near(&ours, &expected, &slack(1)),
                "ln({n}/2^{scale}) = {ours}"
            );
        }
    }

    #[test]
    fn one_has_no_logarithm_to_speak_of() {
        for scale in [0, 1, 40, 192, 400] {
            assert_eq!(ln(&(UBig::ONE << scale), scale), IBig::ZERO);
        }
    }

    #[test]
    fn division_rounds_as_named() {
        let cases = [
            (7, 2, 3, 4),
            (-7, 2, -4, -3),
            (6, 2, 3, 3),
            (-6, 2, -3, -3),
            (0, 5, 0, 0),
        ];
        for (a, b, floor, ceil) in cases {
            let b = UBig::from(u8::try_from(b).unwrap());
            assert_eq!(div_floor(IBig::from(a), &b), IBig::from(floor));
            assert_eq!(div_ceil(IBig::from(a), &b), IBig::from(ceil));
        }
    }

    proptest! {
        #[test]
        fn logarithm_of_a_product_is_the_sum(a in 1u128.., b in 1u128.., s in 0usize..100, t in 0usize..100) {
            let (a, b) = (UBig::from(a), UBig::from(b));
            let sum = ln(&a, s) + ln(&b, t);
            prop_assert!(near(&ln(&(a * b), s + t), &sum, &slack(3)));
        }

        #[test]
        fn logarithm_increases(a in 1u128..1 << 100) {
            // One part in 2^100 is far more than the slack.
            prop_assert!(ln(&UBig::from(a), 50) + slack(2) < ln(&UBig::from(a + 1), 50));
        }
    }
}
