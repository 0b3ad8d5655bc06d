//! Loss of noise on integers, and the noise scale for a given loss.

use crate::{Rational, Rho};
use dashu::{
    base::{BitTest, SquareRoot},
    integer::UBig,
};

/// Loss of noise with parameter `sigma` on integers of sensitivity √`sensitivity2`: `sensitivity2 / (2 sigma²)`, rounded up to whole units.
///
/// For discrete Gaussian noise the sensitivity is in the L2 norm, for discrete Laplace noise in the L1 norm; see [`Noise`](crate::Noise).
///
/// `None` when `sigma` is zero or the loss does not fit.
///
/// # Guarantee
/// The release is rho-zCDP (Canonne, Kamath, Steinke 2020, proposition 5 and theorem 14: independent noise of one sigma on every coordinate;
/// for Laplace noise Bun, Steinke 2016, proposition 1.4).
pub fn rho_of(sensitivity2: &Rational, sigma: &Rational) -> Option<Rho> {
    let (s_num, s_den) = sensitivity2.parts();
    let sigma2 = sigma.square();
    let (v_num, v_den) = sigma2.parts();
    // 2^40 · s2 / (2 sigma²), in units.
    let units = Rational::new((s_num * v_den) << 39, s_den * v_num)?.ceil();
    u64::try_from(&units).ok().map(Rho::from_units)
}

/// The smallest `m / 2^s` with m of 64 significant bits (s may be negative) whose [`rho_of`] is at most `rho`.
///
/// `None` for a `rho` or `sensitivity2` of zero: the first has no sigma, the second no smallest one.
pub fn sigma_for(sensitivity2: &Rational, rho: Rho) -> Option<Rational> {
    if sensitivity2.is_zero() || rho == Rho::ZERO {
        return None;
    }
    // Rounding up to units cannot carry a loss above a whole number of units, so the condition is sigma² >= q exactly.
    let (s_num, s_den) = sensitivity2.parts();
    let q = Rational::new(s_num << 39, s_den * UBig::from(rho.units()))?;

    // Choose s with q·4^s in [2^126, 2^128), so that its root rounded up has 64 bits (or is 2^64).
    let (q_num, q_den) = q.parts();
    let (num_bits, den_bits) = (
        i64::try_from(q_num.bit_len()).ok()?,
        i64::try_from(q_den.bit_len()).ok()?,
    );
    // With d = num_bits − den_bits: 2^(d−1) < q < 2^(d+1), and d + 2s is 126 or 127.
    let s = 127i64.checked_sub(num_bits)?.checked_add(den_bits)? >> 1;
    let scaled = times_power_of_four(&q, s)?;
    let (s, scaled) = if scaled.bit_len() < 127 {
        (
            s.checked_add(1)?,
            times_power_of_four(&q, s.checked_add(1)?)?,
        )
    } else {
        (s, scaled)
    };

    // m is whole, so m² >= q·4^s is the same as m² >= its ceiling.
    let root = scaled.sqrt();
    let m = if root.sqr() < scaled {
        root + UBig::ONE
    } else {
        root
    };
    let bits = usize::try_from(s.unsigned_abs()).ok()?;
    if s < 0 {
        Rational::new(m << bits, UBig::ONE)
    } else {
        Rational::new(m, UBig::ONE << bits)
    }
}

/// `q · 4^s`, rounded up to a whole number.
fn times_power_of_four(q: &Rational, s: i64) -> Option<UBig> {
    let power = UBig::ONE << usize::try_from(s.unsigned_abs()).ok()?.checked_mul(2)?;
    Some(
        if s < 0 {
            q.over(&power)
        } else {
            q.times(&power)
        }
        .ceil(),
    )
}
