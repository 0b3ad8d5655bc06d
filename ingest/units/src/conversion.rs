//! A conversion, applied to numbers as they are written.

use crate::factor::Fraction;

/// Millionths of one.
const ONE: i128 = 1_000_000;
/// Above this a number does not fit the eighteen digits of a measurement.
const LIMIT: i128 = 1_000_000_000_000_000_000;
/// Digits of a number that are read exactly; with more it is taken as rounded before.
const MOST_DIGITS: usize = 30;

/// `value * scale + shift`, exact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Conversion {
    pub(crate) scale: Fraction,
    pub(crate) shift: Fraction,
}

impl Conversion {
    /// What leaves every number as it is.
    pub const IDENTITY: Self = Self {
        scale: Fraction::ONE,
        shift: Fraction::ZERO,
    };

    /// This one, and then `next` without rounding between; `None` when the fractions become too large.
    pub fn then(self, next: Self) -> Option<Self> {
        Some(Self {
            scale: self.scale.times(next.scale)?,
            shift: self.shift.times(next.scale)?.plus(next.shift)?,
        })
    }

    /// The conversion back: `there.then(back)` is the identity, exactly.
    pub fn inverse(self) -> Option<Self> {
        let (n, d) = (self.scale.numerator, self.scale.denominator);
        let scale = if n < 0 {
            Fraction::new(-d, -n)?
        } else {
            Fraction::new(d, n)?
        };
        Some(Self {
            scale,
            shift: self.shift.times(scale)?.minus(),
        })
    }

    /// Converts `value` millionths into millionths, rounded once, half to even. `None` when the result has more than twelve
    /// digits before the point.
    pub fn millionths(&self, value: i128) -> Option<i128> {
        self.apply(Fraction::new(value, ONE)?)
    }

    /// Converts a number as JSON writes it into millionths: from all of its digits, rounded once, half to even. `None` when it
    /// is no such number, or the result has more than twelve digits before the point.
    pub fn number(&self, text: &str) -> Option<i128> {
        self.apply(number(text)?)
    }

    fn apply(&self, value: Fraction) -> Option<i128> {
        let converted = value.times(self.scale)?.plus(self.shift)?;
        let millionths = converted.times(Fraction::new(ONE, 1)?)?.rounded();
        (-LIMIT < millionths && millionths < LIMIT).then_some(millionths)
    }
}

/// The fraction that a JSON number says, if it is of a reasonable size.
fn number(text: &str) -> Option<Fraction> {
    let (negative, text) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let plain = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || whole.len() + fraction.len() > MOST_DIGITS {
        return None;
    }
    if !plain(whole) || !plain(fraction) {
        return None;
    }
    let digits: i128 = format!("{whole}{fraction}").parse().ok()?;
    let places = i32::try_from(fraction.len()).ok()?.checked_sub(exponent)?;
    let tens = 10_i128.checked_pow(places.unsigned_abs())?;
    let digits = if negative { -digits } else { digits };
    if places > 0 {
        Fraction::new(digits, tens)
    } else {
        Fraction::new(digits.checked_mul(tens)?, 1)
    }
}
