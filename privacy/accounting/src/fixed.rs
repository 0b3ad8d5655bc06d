//! Natural logarithm in fixed point with a proven error bound. A *unit* here is 2^-[`BITS`].

use dashu::{
    base::BitTest,
    integer::{IBig, UBig},
};

/// Fractional bits of every fixed-point number of this crate. Enough that the smallest useful alpha − 1 (about 2^-80, at the
/// largest rho and a delta one unit below certainty) still has more than 100 significant bits.
pub(crate) const BITS: usize = 192;

/// [`ln`] is wrong by less than this many units. Counted in its body: 1 + 2·(1 + 60·2) + 512 < 1024.
pub(crate) const LN_SLACK: u32 = 1024;

/// floor(2^192 · ln 2), big-endian. Tested against the series 2·artanh(1/3).
const LN_2: [u8; 24] = [
    0xb1, 0x72, 0x17, 0xf7, 0xd1, 0xcf, 0x79, 0xab, 0xc9, 0xe3, 0xb3, 0x98, 0x03, 0xf2, 0xf6, 0xaf,
    0x40, 0xf3, 0x43, 0x26, 0x72, 0x98, 0xb6, 0x2d,
];

/// `ln(n / 2^scale)` in units, wrong by less than [`LN_SLACK`] units, for n >= 1 when the binary exponent of `n / 2^scale` is
/// between −500 and 500.
pub(crate) fn ln(n: &UBig, scale: usize) -> IBig {
    // n / 2^scale = m · 2^exponent with m in [1, 2), m held with BITS fractional bits. Dropping bits of n lowers ln m by less than 1 unit.
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
