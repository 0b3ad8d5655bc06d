//! What people are shown.

use crate::{
    AccountingError, Rational,
    decimal::{self, Rounding},
};
use std::fmt;

/// Epsilon of (epsilon, delta)-differential privacy: exact, or unbounded (which is what a positive rho gives at delta zero).
///
/// Epsilons are shown and asked for, never added up: the books are kept in [`Rho`](crate::Rho).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epsilon(Bound);

// The order of the variants is the order of the values.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Bound {
    Finite(Rational),
    Unbounded,
}

impl Epsilon {
    /// Perfect privacy.
    pub const ZERO: Self = Self(Bound::Finite(Rational::ZERO));
    /// No finite epsilon holds.
    pub const UNBOUNDED: Self = Self(Bound::Unbounded);

    /// An exact finite epsilon.
    pub const fn from_rational(value: Rational) -> Self {
        Self(Bound::Finite(value))
    }

    /// Reads decimal text such as `0.5` exactly.
    ///
    /// # Errors
    /// [`AccountingError::Syntax`].
    pub fn parse(text: &str) -> Result<Self, AccountingError> {
        decimal::parse(text).map(Self::from_rational)
    }

    /// The exact value; `None` when unbounded.
    pub const fn rational(&self) -> Option<&Rational> {
        match &self.0 {
            Bound::Finite(value) => Some(value),
            Bound::Unbounded => None,
        }
    }

    /// Decimal text with exactly `digits` digits after the point, rounded **up**; `unbounded` when there is no finite value.
    pub fn to_decimal_string(&self, digits: usize) -> String {
        match &self.0 {
            Bound::Finite(value) => decimal::with_places(value, digits, Rounding::Up),
            Bound::Unbounded => "unbounded".to_owned(),
        }
    }
}

/// Four digits after the point, rounded **up**.
impl fmt::Display for Epsilon {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.to_decimal_string(4))
    }
}
