//! Decimal text: read exactly, written with a stated direction of rounding.

use crate::{AccountingError, Rational};
use dashu::{base::DivRem, integer::UBig};

/// Longest decimal text that is read; no quantity of this crate needs more.
const MAX_TEXT: usize = 128;
/// Largest decimal exponent that is read, either sign.
const MAX_EXPONENT: usize = 999;

/// Where digits that do not fit go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rounding {
    Up,
    Down,
    Nearest,
}

/// `10^exponent`.
fn power_of_ten(exponent: usize) -> UBig {
    UBig::from(10u8).pow(exponent)
}

/// Reads `12`, `0.5`, `1e-6`, `2.5E3` without any loss: no sign, no spaces, at least one digit on each side of the point.
pub(crate) fn parse(text: &str) -> Result<Rational, AccountingError> {
    if text.len() > MAX_TEXT {
        return Err(AccountingError::Syntax);
    }
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (text, None),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((whole, fraction)) => (digits(whole)?, digits(fraction)?),
        None => (digits(mantissa)?, ""),
    };
    let (mut up, mut down) = (0usize, fraction.len());
    if let Some(exponent) = exponent {
        let negative = exponent.strip_prefix('-');
        let magnitude = negative.or(exponent.strip_prefix('+')).unwrap_or(exponent);
        let magnitude: usize = digits(magnitude)?
            .parse()
            .map_err(|_| AccountingError::Syntax)?;
        if magnitude > MAX_EXPONENT {
            return Err(AccountingError::Syntax);
        }
        if negative.is_some() {
            down = down.saturating_add(magnitude);
        } else {
            up = magnitude;
        }
    }
    let joined = format!("{whole}{fraction}");
    let number = UBig::from_str_radix(&joined, 10).map_err(|_| AccountingError::Syntax)?;
    Rational::new(number * power_of_ten(up), power_of_ten(down)).ok_or(AccountingError::Syntax)
}

/// `text` itself when it is one or more ASCII digits.
fn digits(text: &str) -> Result<&str, AccountingError> {
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        Ok(text)
    } else {
        Err(AccountingError::Syntax)
    }
}

/// The whole number next to `value` in the given direction.
pub(crate) fn round(value: &Rational, rounding: Rounding) -> UBig {
    let (numerator, denominator) = value.parts();
    let (quotient, remainder) = numerator.div_rem(denominator);
    let add = match rounding {
        Rounding::Up => !remainder.is_zero(),
        Rounding::Down => false,
        Rounding::Nearest => remainder * UBig::from(2u8) >= *denominator,
    };
    if add { quotient + UBig::ONE } else { quotient }
}

/// Exactly `places` digits after the point (none, and no point, when `places` is 0).
pub(crate) fn with_places(value: &Rational, places: usize, rounding: Rounding) -> String {
    let scaled = round(&value.times(&power_of_ten(places)), rounding);
    let text = scaled.to_string();
    if places == 0 {
        return text;
    }
    let width = places.saturating_add(1);
    let padded = format!("{text:0>width$}");
    let (whole, fraction) = padded.split_at(padded.len().saturating_sub(places));
    format!("{whole}.{fraction}")
}

/// `with_places` without trailing zeros.
fn trimmed(value: &Rational, places: usize, rounding: Rounding) -> String {
    let text = with_places(value, places, rounding);
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

/// Plain decimal with at most `significant` significant digits, except that digits before the point are never dropped;
/// below one millionth, scientific.
pub(crate) fn significant(value: &Rational, significant: usize, rounding: Rounding) -> String {
    if value.is_zero() {
        return "0".to_owned();
    }
    match leading_place(value) {
        Place::Before(digits) => trimmed(value, significant.saturating_sub(digits), rounding),
        Place::After(place) if place <= 6 => {
            let places = place.saturating_add(significant).saturating_sub(1);
            trimmed(value, places, rounding)
        }
        Place::After(_) => scientific(value, significant, rounding),
    }
}

/// `d.ddde-n` with at most `significant` digits and no trailing zeros; `0` for zero.
pub(crate) fn scientific(value: &Rational, significant: usize, rounding: Rounding) -> String {
    if value.is_zero() {
        return "0".to_owned();
    }
    let places = significant.saturating_sub(1);
    // The mantissa is in [1, 10); rounding may carry it to 10, which is 1 at the next exponent.
    let (mantissa, exponent) = match leading_place(value) {
        Place::Before(digits) => {
            let exponent = digits.saturating_sub(1);
            (
                value.over(&power_of_ten(exponent)),
                Exponent::Positive(exponent),
            )
        }
        Place::After(place) => (value.times(&power_of_ten(place)), Exponent::Negative(place)),
    };
    let text = trimmed(&mantissa, places, rounding);
    let (text, exponent) = if text == "10" {
        ("1".to_owned(), exponent.next())
    } else {
        (text, exponent)
    };
    match exponent {
        Exponent::Positive(0) => text,
        Exponent::Positive(exponent) => format!("{text}e{exponent}"),
        Exponent::Negative(exponent) => format!("{text}e-{exponent}"),
    }
}

#[derive(Debug, Clone, Copy)]
enum Exponent {
    Positive(usize),
    /// At least 1.
    Negative(usize),
}

impl Exponent {
    fn next(self) -> Self {
        match self {
            Self::Positive(e) => Self::Positive(e.saturating_add(1)),
            Self::Negative(1) => Self::Positive(0),
            Self::Negative(e) => Self::Negative(e.saturating_sub(1)),
        }
    }
}

/// Where the first significant digit stands.
enum Place {
    /// The number has this many digits before the point (at least one).
    Before(usize),
    /// The number is below one and its first digit is this far behind the point (at least one).
    After(usize),
}

fn leading_place(value: &Rational) -> Place {
    let whole = round(value, Rounding::Down);
    if !whole.is_zero() {
        return Place::Before(whole.to_string().len());
    }
    let (numerator, denominator) = value.parts();
    let mut place = 1usize;
    let mut scaled = numerator * UBig::from(10u8);
    while scaled < *denominator && !scaled.is_zero() {
        scaled *= UBig::from(10u8);
        place = place.saturating_add(1);
    }
    Place::After(place)
}
