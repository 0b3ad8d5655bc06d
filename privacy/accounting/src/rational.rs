//! Exact non-negative rationals in lowest terms: sensitivities and noise scales.

use crate::{
    AccountingError,
    decimal::{self, Rounding},
};
use dashu::{base::Gcd, integer::UBig};
use std::{cmp::Ordering, fmt};

/// A non-negative rational number in lowest terms; zero is 0/1.
///
/// Equality is equality of value, because the form is unique.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Rational {
    numerator: UBig,
    denominator: UBig,
}

impl Rational {
    /// Zero.
    pub const ZERO: Self = Self {
        numerator: UBig::ZERO,
        denominator: UBig::ONE,
    };

    /// `numerator / denominator` in lowest terms; `None` when the denominator is zero.
    pub fn new(numerator: UBig, denominator: UBig) -> Option<Self> {
        if denominator.is_zero() {
            return None;
        }
        // The divisor is at least 1, because the denominator is.
        let common = (&numerator).gcd(&denominator);
        Some(Self {
            numerator: numerator / &common,
            denominator: denominator / common,
        })
    }

    /// `numerator / denominator` in lowest terms; `None` when the denominator is zero.
    pub fn from_ratio(numerator: u128, denominator: u128) -> Option<Self> {
        Self::new(numerator.into(), denominator.into())
    }

    /// Reads decimal text such as `12.5` or `1e-3` exactly.
    pub fn parse(text: &str) -> Result<Self, AccountingError> {
        decimal::parse(text)
    }

    /// Reads the ledger's form: big-endian numerator and denominator.
    ///
    /// # Errors
    /// [`AccountingError::NotCanonical`] unless both have no leading zero byte, the denominator is not zero and the fraction is in lowest terms.
    pub fn from_big_endian(numerator: &[u8], denominator: &[u8]) -> Result<Self, AccountingError> {
        if numerator.first() == Some(&0)
            || denominator.first() == Some(&0)
            || denominator.is_empty()
        {
            return Err(AccountingError::NotCanonical);
        }
        let (numerator, denominator) = (
            UBig::from_be_bytes(numerator),
            UBig::from_be_bytes(denominator),
        );
        let lowest = (&numerator).gcd(&denominator).is_one();
        if lowest {
            Ok(Self {
                numerator,
                denominator,
            })
        } else {
            Err(AccountingError::NotCanonical)
        }
    }

    /// The ledger's form: big-endian numerator and denominator without leading zero bytes; zero is `([], [1])`.
    pub fn to_big_endian(&self) -> (Vec<u8>, Vec<u8>) {
        let minimal = |n: &UBig| {
            n.to_be_bytes()
                .iter()
                .copied()
                .skip_while(|b| *b == 0)
                .collect()
        };
        (minimal(&self.numerator), minimal(&self.denominator))
    }

    /// Numerator and denominator, in lowest terms.
    pub fn num_den(&self) -> (UBig, UBig) {
        (self.numerator.clone(), self.denominator.clone())
    }

    pub(crate) fn parts(&self) -> (&UBig, &UBig) {
        (&self.numerator, &self.denominator)
    }

    /// Whether this is zero.
    pub fn is_zero(&self) -> bool {
        self.numerator.is_zero()
    }

    /// The square.
    #[must_use]
    pub fn square(&self) -> Self {
        // Squares of coprime numbers are coprime.
        Self {
            numerator: self.numerator.sqr(),
            denominator: self.denominator.sqr(),
        }
    }

    /// The product with another rational.
    #[must_use]
    pub fn product(&self, other: &Self) -> Self {
        self.times(&other.numerator).over(&other.denominator)
    }

    pub(crate) fn times(&self, factor: &UBig) -> Self {
        let numerator = &self.numerator * factor;
        let common = (&numerator).gcd(&self.denominator);
        Self {
            numerator: numerator / &common,
            denominator: &self.denominator / common,
        }
    }

    /// `self / divisor`; a divisor of zero, which no caller has, is taken for one.
    pub(crate) fn over(&self, divisor: &UBig) -> Self {
        if divisor.is_zero() {
            return self.clone();
        }
        let denominator = &self.denominator * divisor;
        let common = (&self.numerator).gcd(&denominator);
        Self {
            numerator: &self.numerator / &common,
            denominator: denominator / common,
        }
    }

    pub(crate) fn floor(&self) -> UBig {
        decimal::round(self, Rounding::Down)
    }

    pub(crate) fn ceil(&self) -> UBig {
        decimal::round(self, Rounding::Up)
    }

    /// Decimal text with exactly `digits` digits after the point, rounded to nearest (halves up). For people only.
    pub fn to_decimal_string(&self, digits: usize) -> String {
        decimal::with_places(self, digits, Rounding::Nearest)
    }
}

impl From<u128> for Rational {
    fn from(n: u128) -> Self {
        Self {
            numerator: n.into(),
            denominator: UBig::ONE,
        }
    }
}

impl Ord for Rational {
    fn cmp(&self, other: &Self) -> Ordering {
        (&self.numerator * &other.denominator).cmp(&(&other.numerator * &self.denominator))
    }
}

impl PartialOrd for Rational {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Debug for Rational {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.numerator, self.denominator)
    }
}
