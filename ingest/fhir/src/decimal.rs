//! Exact decimals: `Decimal(18,6)` from the text of a JSON number, never through a float.

/// Digits after the point in the lake's decimals.
const SCALE: i64 = 6;
/// Digits in all.
const PRECISION: i64 = 18;

/// The number needs more than twelve digits before the point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OutOfRange;

/// Millionths of the number that `text` (a JSON number) says, rounded half to even.
///
/// # Errors
/// [`OutOfRange`] when the rounded number does not fit 18 digits.
pub(crate) fn millionths(text: &str) -> Result<i128, OutOfRange> {
    let (negative, text) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, saturating_exponent(exponent)),
        None => (text, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = || whole.bytes().chain(fraction.bytes()).map(|b| b - b'0');

    // The digits of the result are those before position `cut`; what follows decides the rounding.
    let length = |text: &str| i64::try_from(text.len()).unwrap_or(i64::MAX / 4);
    let cut = length(whole).saturating_add(exponent).saturating_add(SCALE);
    let leading_zeros = digits().take_while(|&d| d == 0).count();
    if leading_zeros == whole.len() + fraction.len() {
        return Ok(0);
    }
    let significant = cut.saturating_sub(i64::try_from(leading_zeros).unwrap_or(i64::MAX));
    if significant > PRECISION {
        return Err(OutOfRange);
    }
    if significant < 0 {
        return Ok(0);
    }
    let mut kept: i128 = 0;
    let mut rest = digits().skip(leading_zeros);
    for _ in 0..significant {
        kept = kept * 10 + i128::from(rest.next().unwrap_or(0));
    }
    let up = match rest.next().unwrap_or(0) {
        0..=4 => false,
        5 => kept % 2 == 1 || rest.any(|d| d != 0),
        _ => true,
    };
    kept += i128::from(up);
    if kept >= 1_000_000_000_000_000_000 {
        return Err(OutOfRange);
    }
    Ok(if negative { -kept } else { kept })
}

/// An exponent may have any number of digits; beyond a million only its sign matters.
fn saturating_exponent(text: &str) -> i64 {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let magnitude = digits.bytes().fold(0_i64, |sum, digit| {
        (sum * 10 + i64::from(digit - b'0')).min(1 << 40)
    });
    if negative { -magnitude } else { magnitude }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_every_digit_that_fits() {
        for (text, expected) in [
            ("0", 0),
            ("-0.0", 0),
            ("181.2", 181_200_000),
            ("-7", -7_000_000),
            ("0.000001", 1),
            ("1e3", 1_000_000_000),
            ("1.5E-6", 2),
            ("2.5E-6", 2),
            ("0.0000005", 0),
            ("0.00000050000001", 1),
            ("0.0000015", 2),
            ("0.0000004999999999999999", 0),
            ("171.45287018412876", 171_452_870),
            ("999999999999.999999", 999_999_999_999_999_999),
            ("-999999999999.999999", -999_999_999_999_999_999),
            ("100000e-5", 1_000_000),
            ("0.00001e5", 1_000_000),
            ("0e999999999999999999999", 0),
            ("1e-999999999999999999999", 0),
            ("0.1", 100_000),
            ("0.3", 300_000),
        ] {
            assert_eq!(millionths(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn refuses_what_does_not_fit() {
        for text in [
            "1e12",
            "1000000000000",
            "999999999999.9999995",
            "1e400",
            "9e99999999999999999999",
        ] {
            assert_eq!(millionths(text), Err(OutOfRange), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn agrees_with_integer_arithmetic(units in -999_999_999_999_999_999_i64..=999_999_999_999_999_999, shift in 0_usize..12) {
            // The same number written with its point moved by an exponent.
            let magnitude = format!("{:0>20}", units.unsigned_abs());
            let (whole, fraction) = magnitude.split_at(magnitude.len() - 6);
            let sign = if units < 0 { "-" } else { "" };
            let trimmed = whole.trim_start_matches('0');
            let plain = format!("{sign}{}.{fraction}", if trimmed.is_empty() { "0" } else { trimmed });
            proptest::prop_assert_eq!(millionths(&plain), Ok(i128::from(units)));
            let scaled = format!("{sign}{}{}e-{}", units.unsigned_abs(), "0".repeat(shift), 6 + shift);
            proptest::prop_assert_eq!(millionths(&scaled), Ok(i128::from(units)));
        }
    }
}
