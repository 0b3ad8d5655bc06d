//! Failure probability in whole units, and how booked and conversion delta go together.

use crate::{
    AccountingError, Rational,
    decimal::{self, Rounding},
};
use dashu::integer::UBig;
use std::fmt;

/// A probability in units of 2^-80, at most one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Delta(u128);

/// 2^80 units: certainty.
const ONE: u128 = 1 << 80;

impl Delta {
    /// A unit is 2^-`UNIT_BITS`.
    pub const UNIT_BITS: u32 = 80;
    /// Never.
    pub const ZERO: Self = Self(0);
    /// Certainty: no protection at all.
    pub const ONE: Self = Self(ONE);

    /// That many units of 2^-80; `None` above one.
    pub const fn from_units(units: u128) -> Option<Self> {
        if units <= ONE {
            Some(Self(units))
        } else {
            None
        }
    }

    /// The number of units of 2^-80.
    pub const fn units(self) -> u128 {
        self.0
    }

    /// The ledger's form: units as 16 bytes, big-endian.
    pub const fn to_be_bytes(self) -> [u8; 16] {
        self.0.to_be_bytes()
    }

    /// Reads the ledger's form.
    ///
    /// # Errors
    /// [`AccountingError::TooLarge`] above one.
    pub const fn from_be_bytes(bytes: [u8; 16]) -> Result<Self, AccountingError> {
        match Self::from_units(u128::from_be_bytes(bytes)) {
            Some(delta) => Ok(delta),
            None => Err(AccountingError::TooLarge),
        }
    }

    /// The sum; `None` above one. Never wraps.
    #[must_use]
    pub const fn checked_add(self, other: Self) -> Option<Self> {
        match self.0.checked_add(other.0) {
            Some(units) => Self::from_units(units),
            None => None,
        }
    }

    /// The difference; `None` when `other` is larger.
    #[must_use]
    pub const fn checked_sub(self, other: Self) -> Option<Self> {
        match self.0.checked_sub(other.0) {
            Some(units) => Some(Self(units)),
            None => None,
        }
    }

    /// The value as an exact rational.
    pub fn to_rational(self) -> Rational {
        Rational::from(self.0).over(&ONE.into())
    }

    /// Reads decimal text and rounds **down** to whole units: for caps and conversion deltas that a user names.
    ///
    /// # Errors
    /// [`AccountingError::Syntax`], or [`AccountingError::TooLarge`] above one.
    pub fn parse_floor(text: &str) -> Result<Self, AccountingError> {
        Self::from_big(&decimal::parse(text)?.times(&ONE.into()).floor())
    }

    /// Reads decimal text and rounds **up** to whole units: for losses that somebody states.
    ///
    /// # Errors
    /// [`AccountingError::Syntax`], or [`AccountingError::TooLarge`] above one.
    pub fn parse_ceil(text: &str) -> Result<Self, AccountingError> {
        Self::from_big(&decimal::parse(text)?.times(&ONE.into()).ceil())
    }

    fn from_big(units: &UBig) -> Result<Self, AccountingError> {
        u128::try_from(units)
            .ok()
            .and_then(Self::from_units)
            .ok_or(AccountingError::TooLarge)
    }

    /// Scientific text rounded **down** to six significant digits: for what is left, so that nobody is promised more than there is.
    pub fn to_floor_string(self) -> String {
        decimal::scientific(&self.to_rational(), 6, Rounding::Down)
    }
}

/// Scientific, rounded **up** to six significant digits.
impl fmt::Display for Delta {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&decimal::scientific(&self.to_rational(), 6, Rounding::Up))
    }
}

/// The delta that people are shown: `booked + (1 − booked) · conversion`, rounded up.
///
/// # Guarantee
/// If all releases together are booked-approximate rho-zCDP, they are (epsilon, `total_delta`)-DP with epsilon =
/// [`epsilon_of`](crate::epsilon_of)(rho, conversion). Source: Bun and Steinke 2016, definition 8.1 and lemma 8.8, with the tight conversion.
pub fn total_delta(booked: Delta, conversion: Delta) -> Delta {
    let rest = ONE.saturating_sub(booked.0);
    // rest · conversion / 2^80 is at most rest, so the sum is at most one and fits.
    let share = Rational::from(rest)
        .times(&conversion.0.into())
        .over(&ONE.into())
        .ceil();
    let share = u128::try_from(&share).unwrap_or(rest);
    Delta(booked.0.saturating_add(share))
}

/// Splits a total into (bookable, conversion), half each.
///
/// # Guarantee
/// `total_delta(bookable, conversion) <= total`: the exact value is below the whole number `bookable + conversion = total`,
/// so its rounding up is not above it.
pub fn split_delta(total: Delta) -> (Delta, Delta) {
    let conversion = total.0 >> 1;
    (Delta(total.0.saturating_sub(conversion)), Delta(conversion))
}
