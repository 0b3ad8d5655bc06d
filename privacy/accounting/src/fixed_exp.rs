//! e^−a in fixed point, rounded against us.

use crate::Rational;
use dashu::integer::UBig;

/// Fractional bits.
pub(crate) const BITS: usize = 256;

/// Exponents are cut here: e^-120 is below 2^-173, so that even 2^64 groups stay below one unit of delta.
const MOST: u32 = 120;

pub(crate) fn one() -> UBig {
    UBig::ONE << BITS
}

/// e^−a with [`BITS`] fractional bits, rounded up: one over a sum that is at most e^a.
pub(crate) fn of_minus_above(a: &Rational) -> UBig {
    let a = a.times(&one()).floor();
    let a = a.min(UBig::from(MOST) << BITS);
    // A lower bound on e^a: every term of its series is rounded down.
    let mut sum = UBig::ZERO;
    let mut term = one();
    let mut n = 0_u32;
    while !term.is_zero() {
        sum += &term;
        n = n.saturating_add(1);
        term = ((term * &a) >> BITS) / n;
    }
    ((UBig::ONE << BITS.saturating_mul(2)) + (&sum - UBig::ONE)) / sum
}
