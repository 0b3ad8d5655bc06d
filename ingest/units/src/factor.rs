//! Positive fractions with a power of ten beside them: the factors of units, exactly.

use octofhir_ucum::Number;

/// Significant digits up to which a factor of the tables is the definition itself; what has more was rounded there.
const EXACT_DIGITS: u128 = 10_u128.pow(24);

/// `numerator / denominator * 10^exponent`, in lowest terms and without a ten in either part. Every operation is exact or
/// answers `None`, because a part would pass 2^127.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Factor {
    numerator: u128,
    denominator: u128,
    exponent: i32,
}

impl Factor {
    pub(crate) const ONE: Self = Self {
        numerator: 1,
        denominator: 1,
        exponent: 0,
    };

    /// `numerator / denominator * 10^exponent` in lowest terms; `None` when a part is zero or too large.
    pub(crate) fn new(numerator: u128, denominator: u128, exponent: i32) -> Option<Self> {
        if numerator == 0 || denominator == 0 {
            return None;
        }
        let common = gcd(numerator, denominator);
        let (numerator, up) = without_tens(numerator / common);
        let (denominator, down) = without_tens(denominator / common);
        let exponent = exponent.checked_add(up)?.checked_sub(down)?;
        let small = |part: u128| i128::try_from(part).is_ok();
        (small(numerator) && small(denominator)).then_some(Self {
            numerator,
            denominator,
            exponent,
        })
    }

    /// A positive number of UCUM's tables, unless it was rounded there.
    pub(crate) fn of(number: Number) -> Option<Self> {
        let (digits, exponent) = number.to_integer_and_exponent();
        let digits = u128::try_from(digits).ok()?;
        (digits < EXACT_DIGITS).then(|| Self::new(digits, 1, exponent))?
    }

    pub(crate) fn times(self, other: Self) -> Option<Self> {
        // Across first, so that parts stay small.
        let left = gcd(self.numerator, other.denominator);
        let right = gcd(other.numerator, self.denominator);
        Self::new(
            (self.numerator / left).checked_mul(other.numerator / right)?,
            (self.denominator / right).checked_mul(other.denominator / left)?,
            self.exponent.checked_add(other.exponent)?,
        )
    }

    pub(crate) fn inverse(self) -> Option<Self> {
        Self::new(
            self.denominator,
            self.numerator,
            self.exponent.checked_neg()?,
        )
    }

    /// The power; at most 7 bits of exponent are multiplied out, and parts that grow end it.
    pub(crate) fn power(self, exponent: i32) -> Option<Self> {
        let mut power = Self::ONE;
        if self.numerator == 1 && self.denominator == 1 {
            power.exponent = self.exponent.checked_mul(exponent)?;
            return Some(power);
        }
        for _ in 0..exponent.unsigned_abs() {
            power = power.times(self)?;
        }
        if exponent < 0 {
            power.inverse()
        } else {
            Some(power)
        }
    }

    /// As a fraction without a power of ten.
    pub(crate) fn fraction(self) -> Option<Fraction> {
        let tens = 10_i128.checked_pow(self.exponent.unsigned_abs())?;
        let part = |part: u128| i128::try_from(part).ok();
        let (numerator, denominator) = (part(self.numerator)?, part(self.denominator)?);
        if self.exponent < 0 {
            Fraction::new(numerator, denominator.checked_mul(tens)?)
        } else {
            Fraction::new(numerator.checked_mul(tens)?, denominator)
        }
    }
}

/// A fraction in lowest terms with a positive denominator. Every operation is exact or answers `None`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fraction {
    pub(crate) numerator: i128,
    pub(crate) denominator: i128,
}

impl Fraction {
    pub(crate) const ZERO: Self = Self {
        numerator: 0,
        denominator: 1,
    };
    pub(crate) const ONE: Self = Self {
        numerator: 1,
        denominator: 1,
    };

    /// `None` for a denominator that is not positive.
    pub(crate) fn new(numerator: i128, denominator: i128) -> Option<Self> {
        if denominator <= 0 {
            return None;
        }
        let common = gcd(numerator.unsigned_abs(), denominator.unsigned_abs());
        let common = i128::try_from(common).ok()?;
        Some(Self {
            numerator: numerator / common,
            denominator: denominator / common,
        })
    }

    pub(crate) fn times(self, other: Self) -> Option<Self> {
        let left = Self::new(self.numerator, other.denominator)?;
        let right = Self::new(other.numerator, self.denominator)?;
        Self::new(
            left.numerator.checked_mul(right.numerator)?,
            left.denominator.checked_mul(right.denominator)?,
        )
    }

    pub(crate) fn plus(self, other: Self) -> Option<Self> {
        if other.numerator == 0 {
            return Some(self);
        }
        let left = self.numerator.checked_mul(other.denominator)?;
        let right = other.numerator.checked_mul(self.denominator)?;
        Self::new(
            left.checked_add(right)?,
            self.denominator.checked_mul(other.denominator)?,
        )
    }

    pub(crate) fn minus(self) -> Self {
        Self {
            numerator: -self.numerator,
            denominator: self.denominator,
        }
    }

    /// The nearest whole number; of two as near, the even one.
    pub(crate) fn rounded(self) -> i128 {
        let below = self.numerator.div_euclid(self.denominator);
        let rest = self.numerator.rem_euclid(self.denominator);
        match rest.cmp(&(self.denominator - rest)) {
            std::cmp::Ordering::Less => below,
            std::cmp::Ordering::Equal => below + below.rem_euclid(2),
            std::cmp::Ordering::Greater => below + 1,
        }
    }
}

fn gcd(mut a: u128, mut b: u128) -> u128 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a.max(1)
}

fn without_tens(mut number: u128) -> (u128, i32) {
    let mut tens = 0;
    while number.is_multiple_of(10) && number > 0 {
        number /= 10;
        tens += 1;
    }
    (number, tens)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_go_to_the_even_neighbour() {
        for (numerator, denominator, whole) in [
            (1, 2, 0),
            (3, 2, 2),
            (5, 2, 2),
            (-1, 2, 0),
            (-3, 2, -2),
            (-5, 2, -2),
            (7, 3, 2),
            (-7, 3, -2),
            (8, 3, 3),
            (4, 1, 4),
        ] {
            let fraction = Fraction::new(numerator, denominator).unwrap();
            assert_eq!(fraction.rounded(), whole, "{numerator}/{denominator}");
        }
    }

    #[test]
    fn what_grows_too_large_is_none_and_never_wraps() {
        let seven = Factor::new(7, 1, 0).unwrap();
        assert!(seven.power(44).is_some() && seven.power(i32::MAX).is_none());
        assert!(seven.power(i32::MIN).is_none());
        let tens = Factor::new(1, 1, i32::MAX).unwrap();
        assert!(tens.times(tens).is_none() && tens.power(2).is_none());
        assert!(tens.fraction().is_none());
        assert_eq!(Factor::new(0, 1, 0), None);
        assert_eq!(Fraction::new(1, 0), None);
    }
}
