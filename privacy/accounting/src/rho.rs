//! Zero-concentrated privacy loss in whole units.

use crate::{
    AccountingError, Rational,
    decimal::{self, Rounding},
};
use dashu::integer::UBig;
use std::fmt;

/// Loss under zero-concentrated differential privacy, in units of 2^-40; at most 2^24 − 2^-40.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Rho(u64);

impl Rho {
    /// A unit is 2^-`UNIT_BITS`.
    pub const UNIT_BITS: u32 = 40;
    /// No loss.
    pub const ZERO: Self = Self(0);
    /// The largest loss that can be written down.
    pub const MAX: Self = Self(u64::MAX);

    /// That many units of 2^-40.
    pub const fn from_units(units: u64) -> Self {
        Self(units)
    }

    /// The number of units of 2^-40.
    pub const fn units(self) -> u64 {
        self.0
    }

    /// The sum; `None` when it cannot be written down. Never wraps.
    #[must_use]
    pub const fn checked_add(self, other: Self) -> Option<Self> {
        match self.0.checked_add(other.0) {
            Some(units) => Some(Self(units)),
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
        Rational::from(u128::from(self.0)).over(&one())
    }

    /// Reads decimal text and rounds **down** to whole units: for caps, grants and prices that a user names.
    ///
    /// # Errors
    /// [`AccountingError::Syntax`], or [`AccountingError::TooLarge`] from 2^24 on.
    pub fn parse_floor(text: &str) -> Result<Self, AccountingError> {
        Self::from_big(&decimal::parse(text)?.times(&one()).floor())
    }

    /// Reads decimal text and rounds **up** to whole units: for losses that somebody states.
    ///
    /// # Errors
    /// [`AccountingError::Syntax`], or [`AccountingError::TooLarge`] above 2^24 − 2^-40.
    pub fn parse_ceil(text: &str) -> Result<Self, AccountingError> {
        Self::from_big(&decimal::parse(text)?.times(&one()).ceil())
    }

    fn from_big(units: &UBig) -> Result<Self, AccountingError> {
        u64::try_from(units)
            .map(Self)
            .map_err(|_| AccountingError::TooLarge)
    }

    /// Decimal text rounded **down** to six significant digits: for what is left, so that nobody is promised more than there is.
    pub fn to_floor_string(self) -> String {
        decimal::significant(&self.to_rational(), 6, Rounding::Down)
    }
}

/// 2^40, the number of units in a rho of one.
fn one() -> UBig {
    UBig::ONE << 40
}

/// Decimal, rounded **up** to six significant digits.
impl fmt::Display for Rho {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&decimal::significant(&self.to_rational(), 6, Rounding::Up))
    }
}
