//! A number with a unit.

use std::cmp::Ordering;

use rust_decimal::Decimal;

use super::Unit;

/// A number with a unit: a calendar word (`year`), or a UCUM code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Quantity {
    pub(crate) value: Decimal,
    pub(crate) unit: String,
}

/// A calendar word in the singular.
pub(crate) fn calendar_word(unit: &str) -> Option<&'static str> {
    const WORDS: [&str; 8] = [
        "year",
        "month",
        "week",
        "day",
        "hour",
        "minute",
        "second",
        "millisecond",
    ];
    WORDS
        .into_iter()
        .find(|word| unit == *word || unit.strip_suffix('s') == Some(word))
}

impl Quantity {
    /// A number without a unit.
    pub(crate) fn plain(value: Decimal) -> Self {
        Self {
            value,
            unit: "1".into(),
        }
    }

    /// A quantity of a literal: calendar words in the singular.
    pub(crate) fn new(value: Decimal, unit: &str) -> Self {
        Self {
            value,
            unit: calendar_word(unit).unwrap_or(unit).to_owned(),
        }
    }

    /// `None` when the units differ: units are not converted, except between calendar words and
    /// the UCUM codes that mean the same.
    pub(crate) fn compare(&self, other: &Self) -> Option<Ordering> {
        (definite(&self.unit) == definite(&other.unit)).then(|| self.value.cmp(&other.value))
    }

    /// The step of the calendar, with how often it is taken; fractions are cut off.
    pub(crate) fn calendar(&self) -> Option<(i64, Unit)> {
        let (unit, whole) = match self.unit.as_str() {
            "year" | "a" => (Unit::Year, true),
            "month" | "mo" => (Unit::Month, true),
            "week" | "wk" => (Unit::Week, true),
            "day" | "d" => (Unit::Day, true),
            "hour" | "h" => (Unit::Millisecond(3_600_000), true),
            "minute" | "min" => (Unit::Millisecond(60_000), true),
            "second" | "s" => (Unit::Millisecond(1_000), false),
            "millisecond" | "ms" => (Unit::Millisecond(1), true),
            _ => return None,
        };
        if whole {
            return Some((i64::try_from(self.value.trunc()).ok()?, unit));
        }
        let milliseconds = self.value.checked_mul(Decimal::from(1_000))?.trunc();
        Some((i64::try_from(milliseconds).ok()?, Unit::Millisecond(1)))
    }
}

/// Calendar words from weeks down last as long as their UCUM codes; years and months do not.
fn definite(unit: &str) -> &str {
    match unit {
        "week" => "wk",
        "day" => "d",
        "hour" => "h",
        "minute" => "min",
        "second" => "s",
        "millisecond" => "ms",
        other => other,
    }
}

impl std::fmt::Display for Quantity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match calendar_word(&self.unit) {
            Some(word) => write!(f, "{} {word}", self.value),
            None => write!(f, "{} '{}'", self.value, self.unit),
        }
    }
}
