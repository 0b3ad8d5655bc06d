//! Exact decimals of the catalog: bounds and granularities are text such as `"0.1"` and never pass through a float.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Decimal places that a catalog number may have; the scale of a measurement in the lake.
const PLACES: u32 = 6;
const ONE: i128 = 10_i128.pow(PLACES);
/// Digits before the point: what Decimal128(18, 6) holds.
const WHOLE_DIGITS: usize = 12;

/// A decimal number with at most twelve digits before and six after the point.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Decimal(i128);

impl Decimal {
    /// Zero.
    pub const ZERO: Self = Self(0);

    /// The number in units of 10^-6: the integer that Decimal128(18, 6) stores.
    pub fn millionths(self) -> i128 {
        self.0
    }

    /// The number in units of `granularity`, when it is a whole multiple of it.
    ///
    /// # Guarantee
    /// Exact: `Some(n)` means `n * granularity == self`.
    pub fn in_units_of(self, granularity: Self) -> Option<i128> {
        (granularity.0 > 0 && self.0 % granularity.0 == 0).then(|| self.0 / granularity.0)
    }
}

impl FromStr for Decimal {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let refuse = || format!("\"{text}\" is not a decimal number such as \"-12.5\"");
        let (negative, digits) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (whole, fraction) = match digits.split_once('.') {
            Some((whole, fraction)) if !fraction.is_empty() => (whole, fraction),
            Some(_) => return Err(refuse()),
            None => (digits, ""),
        };
        let plain = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
        if whole.is_empty() || !plain(whole) || !plain(fraction) {
            return Err(refuse());
        }
        if whole.len() > WHOLE_DIGITS || fraction.len() > PLACES as usize {
            return Err(format!(
                "\"{text}\" has more than 12 digits before or 6 after the point"
            ));
        }
        // At most 18 digits in all: neither conversion nor product can overflow an i128.
        let whole: i128 = whole.parse().map_err(|_| refuse())?;
        let fraction: i128 = format!("{fraction:0<6}").parse().map_err(|_| refuse())?;
        let magnitude = whole * ONE + fraction;
        Ok(Self(if negative { -magnitude } else { magnitude }))
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0.cmp(&0) == Ordering::Less {
            "-"
        } else {
            ""
        };
        let magnitude = self.0.unsigned_abs();
        let (whole, fraction) = (
            magnitude / ONE.unsigned_abs(),
            magnitude % ONE.unsigned_abs(),
        );
        if fraction == 0 {
            write!(f, "{sign}{whole}")
        } else {
            let digits = format!("{fraction:06}");
            write!(f, "{sign}{whole}.{}", digits.trim_end_matches('0'))
        }
    }
}

impl Serialize for Decimal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Decimal {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // As text, quoted or not: the digits as written, never a float.
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::Decimal;

    #[test]
    fn text_round_trips_exactly() {
        for text in ["0", "-0.1", "12.5", "0.000001", "999999999999.999999", "-3"] {
            assert_eq!(text.parse::<Decimal>().expect(text).to_string(), text);
        }
        assert_eq!("1.50".parse::<Decimal>(), "1.5".parse());
    }

    #[test]
    fn other_text_is_refused() {
        for text in [
            "",
            "-",
            ".5",
            "5.",
            "1e3",
            "+1",
            " 1",
            "1_0",
            "0.0000001",
            "1000000000000",
            "NaN",
            "--1",
        ] {
            assert!(text.parse::<Decimal>().is_err(), "{text:?} was accepted");
        }
    }

    #[test]
    fn multiples_are_exact() {
        let d = |text: &str| text.parse::<Decimal>().expect(text);
        assert_eq!(d("20").in_units_of(d("0.1")), Some(200));
        assert_eq!(d("-0.3").in_units_of(d("0.1")), Some(-3));
        assert_eq!(d("0.25").in_units_of(d("0.1")), None);
        assert_eq!(d("1").in_units_of(d("0")), None);
    }
}
