//! Constants of a plan: read from the bytes that the canonical text spells, so that they can be put in order and shown.

use std::cmp::Ordering;

use chrono::{DateTime, Days, NaiveDate, SecondsFormat};

use super::layout::pieces;

/// A constant.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Literal {
    /// A whole or decimal number: `0 · 10^-1`, without trailing zeros.
    Number(i128, u32),
    /// Bits of a floating-point number.
    Float(u64),
    /// Days since 1970-01-01.
    Date(i64),
    /// Nanoseconds since 1970-01-01T00:00:00Z.
    Instant(i128),
    /// Yes or no.
    Truth(bool),
    /// Text.
    Text(String),
    /// Anything else, as it stands.
    Other(String),
}

impl Literal {
    /// Reads what stands in `Literal(…)`.
    pub(super) fn read(inside: &str) -> Self {
        let spelled = pieces(inside, ", ").first().copied().unwrap_or(inside);
        let other = || Self::Other(spelled.to_owned());
        for name in ["Utf8View(\"", "LargeUtf8(\"", "Utf8(\""] {
            if let Some(content) = spelled
                .strip_prefix(name)
                .and_then(|rest| rest.strip_suffix("\")"))
            {
                return text(content)
                    .or_else(|| in_memory(content))
                    .unwrap_or_else(other);
            }
        }
        // As values are shown where nothing spells them: `Int64(5)`.
        let shown = spelled
            .split_once('(')
            .and_then(|(_, rest)| rest.strip_suffix(')'));
        let number = shown.and_then(|shown| shown.parse().ok());
        number.map_or_else(other, |number| Self::Number(number, 0))
    }

    /// As a person would write it.
    pub(super) fn show(&self) -> String {
        match self {
            Self::Number(digits, 0) => digits.to_string(),
            Self::Number(digits, scale) => decimal(*digits, *scale),
            Self::Float(bits) => f64::from_bits(*bits).to_string(),
            Self::Date(days) => date(*days).unwrap_or_else(|| format!("day {days}")),
            Self::Instant(nanos) => {
                instant(*nanos).unwrap_or_else(|| format!("nanosecond {nanos}"))
            }
            Self::Truth(truth) => truth.to_string(),
            Self::Text(text) => format!("'{text}'"),
            Self::Other(text) => text.clone(),
        }
    }

    /// For putting in order only.
    #[expect(
        clippy::cast_precision_loss,
        reason = "neighbours that a double cannot tell apart are told apart by their digits"
    )]
    fn size(&self) -> f64 {
        match self {
            Self::Number(digits, scale) => {
                *digits as f64 / 10_f64.powi(i32::try_from(*scale).unwrap_or(0))
            }
            Self::Float(bits) => f64::from_bits(*bits),
            Self::Date(days) => *days as f64,
            Self::Instant(nanos) => *nanos as f64,
            Self::Truth(truth) => f64::from(u8::from(*truth)),
            Self::Text(_) | Self::Other(_) => 0.0,
        }
    }

    fn rank(&self) -> u8 {
        match self {
            Self::Number(..) | Self::Float(_) => 0,
            Self::Date(_) => 1,
            Self::Instant(_) => 2,
            Self::Truth(_) => 3,
            Self::Text(_) => 4,
            Self::Other(_) => 5,
        }
    }
}

impl Ord for Literal {
    fn cmp(&self, other: &Self) -> Ordering {
        let by_size = self.rank().cmp(&other.rank());
        let by_size = by_size.then_with(|| self.size().total_cmp(&other.size()));
        by_size.then_with(|| match (self, other) {
            (Self::Number(a, s), Self::Number(b, t)) => (a, s).cmp(&(b, t)),
            (Self::Float(a), Self::Float(b)) => a.cmp(b),
            (Self::Number(..), Self::Float(_)) => Ordering::Less,
            (Self::Float(_), Self::Number(..)) => Ordering::Greater,
            (Self::Date(a), Self::Date(b)) => a.cmp(b),
            (Self::Instant(a), Self::Instant(b)) => a.cmp(b),
            (Self::Text(a), Self::Text(b)) | (Self::Other(a), Self::Other(b)) => a.cmp(b),
            _ => Ordering::Equal,
        })
    }
}

impl PartialOrd for Literal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Texts are spelled in hexadecimal digits.
fn text(spelled: &str) -> Option<Literal> {
    let digit = |c: u8| {
        char::from(c)
            .to_digit(16)
            .and_then(|d| u8::try_from(d).ok())
    };
    let bytes = spelled.as_bytes().chunks(2).map(|pair| match pair {
        [high, low] => Some((digit(*high)? << 4) | digit(*low)?),
        _ => None,
    });
    let text = String::from_utf8(bytes.collect::<Option<_>>()?).ok()?;
    Some(Literal::Text(text))
}

/// Everything else is spelled as `type length nulls [bytes] (children)`, bytes as they lie in memory, the least first.
fn in_memory(spelled: &str) -> Option<Literal> {
    let (head, buffers) = spelled.split_once(" [[")?;
    let (bytes, _) = buffers.split_once(']')?;
    let kind = head
        .strip_suffix(" 1 None")
        .or_else(|| head.strip_suffix(" 1 Some([true])"))?;
    let bytes: Option<Vec<u8>> = bytes.split(", ").map(|byte| byte.parse().ok()).collect();
    let bytes = bytes?;
    let signed = || signed(&bytes);
    Some(match kind {
        "Boolean" => Literal::Truth(bytes.first()? & 1 == 1),
        "Date32" => Literal::Date(i64::try_from(signed()?).ok()?),
        "Float64" => Literal::Float(u64::from_le_bytes(bytes.try_into().ok()?)),
        "Float32" => {
            let value = f32::from_le_bytes(bytes.try_into().ok()?);
            Literal::Float(f64::from(value).to_bits())
        }
        kind if kind.starts_with("UInt") => Literal::Number(unsigned(&bytes)?, 0),
        kind if kind.starts_with("Int") && !kind.starts_with("Interval") => {
            Literal::Number(signed()?, 0)
        }
        kind if kind.starts_with("Decimal") => {
            let (_, scale) = kind.strip_suffix(')')?.rsplit_once(", ")?;
            decimal_of(signed()?, scale.parse().ok()?)
        }
        kind if kind.starts_with("Timestamp(") => {
            Literal::Instant(signed()?.checked_mul(nanoseconds(kind)?)?)
        }
        _ => return None,
    })
}

fn nanoseconds(kind: &str) -> Option<i128> {
    let unit = kind.strip_prefix("Timestamp(")?;
    let units = [
        (["Nanosecond", "ns"], 1),
        (["Microsecond", "µs"], 1_000),
        (["Millisecond", "ms"], 1_000_000),
        (["Second", "s"], 1_000_000_000),
    ];
    let known = units
        .iter()
        .find(|(names, _)| names.iter().any(|name| unit.starts_with(name)));
    known.map(|(_, nanoseconds)| *nanoseconds)
}

fn unsigned(bytes: &[u8]) -> Option<i128> {
    let mut value = 0_i128;
    for byte in bytes.iter().rev() {
        value = value.checked_mul(256)?.checked_add(i128::from(*byte))?;
    }
    Some(value)
}

fn signed(bytes: &[u8]) -> Option<i128> {
    let negative = bytes.last()? & 0x80 != 0;
    let mut whole = [if negative { 0xff } else { 0 }; 16];
    whole.get_mut(..bytes.len())?.copy_from_slice(bytes);
    Some(i128::from_le_bytes(whole))
}

fn decimal_of(mut digits: i128, mut scale: u32) -> Literal {
    while scale > 0 && digits.checked_rem(10) == Some(0) {
        digits = digits.checked_div(10).unwrap_or_default();
        scale = scale.saturating_sub(1);
    }
    Literal::Number(digits, scale)
}

fn decimal(digits: i128, scale: u32) -> String {
    let sign = if digits < 0 { "-" } else { "" };
    let places = usize::try_from(scale).unwrap_or_default();
    let text = format!(
        "{:0>width$}",
        digits.unsigned_abs(),
        width = places.saturating_add(1)
    );
    let (whole, parts) = text.split_at(text.len().saturating_sub(places));
    format!("{sign}{whole}.{parts}")
}

fn date(days: i64) -> Option<String> {
    let epoch = NaiveDate::from_ymd_opt(1970, 1, 1)?;
    let length = Days::new(days.unsigned_abs());
    let date = if days < 0 {
        epoch.checked_sub_days(length)
    } else {
        epoch.checked_add_days(length)
    };
    date.map(|date| date.to_string())
}

fn instant(nanoseconds: i128) -> Option<String> {
    let seconds = i64::try_from(nanoseconds.div_euclid(1_000_000_000)).ok()?;
    let rest = u32::try_from(nanoseconds.rem_euclid(1_000_000_000)).ok()?;
    let time = DateTime::from_timestamp(seconds, rest)?;
    Some(time.to_rfc3339_opts(SecondsFormat::AutoSi, true))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(inside: &str) -> String {
        Literal::read(inside).show()
    }

    #[test]
    fn constants_are_read_from_their_bytes() {
        assert_eq!(shown("Utf8View(\"66656d616c65\"), None"), "'female'");
        assert_eq!(
            shown("Utf8(\"Int64 1 None [[65, 0, 0, 0, 0, 0, 0, 0]] ()\"), None"),
            "65"
        );
        assert_eq!(
            shown("Utf8(\"Int32 1 None [[254, 255, 255, 255]] ()\"), None"),
            "-2"
        );
        assert_eq!(shown("Utf8(\"UInt8 1 None [[254]] ()\"), None"), "254");
        assert_eq!(
            shown("Utf8(\"Date32 1 None [[86, 71, 0, 0]] ()\"), None"),
            "2020-01-01"
        );
        assert_eq!(shown("Utf8(\"Boolean 1 None [[1]] ()\"), None"), "true");
        assert_eq!(
            shown("Utf8(\"Float64 1 None [[0, 0, 0, 0, 0, 0, 4, 64]] ()\"), None"),
            "2.5"
        );
        let decimal = "Utf8(\"Decimal128(18, 6) 1 None [[224, 218, 138, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]] ()\"), None";
        assert_eq!(shown(decimal), "9.1");
        let second =
            "Utf8(\"Timestamp(Second, None) 1 None [[60, 0, 0, 0, 0, 0, 0, 0]] ()\"), None";
        assert_eq!(shown(second), "1970-01-01T00:01:00Z");
        assert_eq!(shown("Int64(1), None"), "1");
        assert_eq!(shown("Utf8View(NULL), None"), "Utf8View(NULL)");
        assert_eq!(shown("Utf8(\"not digits\"), None"), "Utf8(\"not digits\")");
    }

    #[test]
    fn the_same_number_in_two_types_is_one() {
        let nine = "Utf8(\"Decimal128(26, 6) 1 None [[64, 84, 137, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]] ()\"), None";
        assert_eq!(Literal::read(nine), Literal::read("Int64(9), None"));
    }

    #[test]
    fn numbers_are_in_order_of_their_size() {
        let mut all = [
            Literal::Number(91, 1),
            Literal::Number(9, 0),
            Literal::Number(10, 0),
            Literal::Number(-1, 0),
        ];
        all.sort();
        let shown: Vec<String> = all.iter().map(Literal::show).collect();
        assert_eq!(shown, ["-1", "9", "9.1", "10"]);
    }
}
