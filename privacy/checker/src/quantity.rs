//! Quantities of the format: losses in integer units, naturals, rationals, hashes. No float is involved.

use num_bigint::BigUint;

use crate::cbor::Value;
use crate::report::Malformed;
use crate::tree::Hash;

/// Bits below one of a `rho`.
pub(crate) const RHO_BITS: u32 = 40;
/// 1 as a `delta`: the largest that is allowed.
pub(crate) const DELTA_ONE: u128 = 1 << 80;
/// Longest natural that is computed with, in bytes. The largest sensitivity squared that version 1 can
/// express has 40; without a bound one entry could keep the auditor's machine busy for days.
const NATURAL_BYTES: usize = 1024;

/// A privacy loss as the ledger books it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Loss {
    /// zCDP loss in units of 2^-40.
    pub rho: u64,
    /// Delta in units of 2^-80.
    pub delta: u128,
}

impl Loss {
    /// The sum, or `None` where a component leaves its type.
    pub(crate) fn plus(self, other: Loss) -> Option<Loss> {
        Some(Loss {
            rho: self.rho.checked_add(other.rho)?,
            delta: self.delta.checked_add(other.delta)?,
        })
    }

    /// True if neither component is above the other's.
    pub(crate) fn within(self, cap: Loss) -> bool {
        self.rho <= cap.rho && self.delta <= cap.delta
    }
}

impl std::fmt::Display for Loss {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "rho {} delta {}",
            self.rho_decimal(),
            self.delta_decimal()
        )
    }
}

impl Loss {
    /// `rho` as a decimal with twelve places, rounded up.
    pub fn rho_decimal(&self) -> String {
        decimal(u128::from(self.rho), RHO_BITS, 12)
    }

    /// `delta` as a decimal with eighteen places, rounded up.
    pub fn delta_decimal(&self) -> String {
        decimal(self.delta, 80, 18)
    }
}

/// `units · 2^-bits` with `places` digits after the point, rounded up.
#[expect(
    clippy::arithmetic_side_effects,
    reason = "naturals of any size do not overflow, and the divisors are powers of two and ten"
)]
fn decimal(units: u128, bits: u32, places: u32) -> String {
    let ten = BigUint::from(10_u32).pow(places);
    let one = BigUint::from(1_u32) << bits;
    let scaled = (BigUint::from(units) * &ten + (&one - 1_u32)) / one;
    let whole = &scaled / &ten;
    let rest = format!(
        "{:0>width$}",
        (scaled % ten).to_string(),
        width = places as usize
    );
    let rest = rest.trim_end_matches('0');
    if rest.is_empty() {
        whole.to_string()
    } else {
        format!("{whole}.{rest}")
    }
}

/// A non-negative rational in lowest terms; the denominator is not zero.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rational {
    pub(crate) num: BigUint,
    pub(crate) den: BigUint,
}

fn natural(value: &Value<'_>, what: &str) -> Result<BigUint, Malformed> {
    let bytes = value.bytes(what)?;
    if bytes.first() == Some(&0) {
        return Err(Malformed(format!("{what}: leading zero byte")));
    }
    if bytes.len() > NATURAL_BYTES {
        return Err(Malformed(format!(
            "{what}: longer than the {NATURAL_BYTES} bytes this checker computes with"
        )));
    }
    Ok(BigUint::from_bytes_be(bytes))
}

/// Euclid's algorithm.
#[expect(
    clippy::arithmetic_side_effects,
    reason = "the divisor is not zero: the loop ends when it would be"
)]
fn common_divisor(mut a: BigUint, mut b: BigUint) -> BigUint {
    while b != BigUint::ZERO {
        let rest = &a % &b;
        a = b;
        b = rest;
    }
    a
}

impl<'a> Value<'a> {
    pub(crate) fn uint(&self, what: &str) -> Result<u64, Malformed> {
        match self {
            Value::Uint(n) => Ok(*n),
            _ => Err(Malformed(format!("{what}: not an unsigned integer"))),
        }
    }

    pub(crate) fn bytes(&self, what: &str) -> Result<&'a [u8], Malformed> {
        match self {
            Value::Bytes(bytes) => Ok(bytes),
            _ => Err(Malformed(format!("{what}: not a byte string"))),
        }
    }

    pub(crate) fn text(&self, what: &str) -> Result<&'a str, Malformed> {
        match self {
            Value::Text(text) => Ok(text),
            _ => Err(Malformed(format!("{what}: not text"))),
        }
    }

    pub(crate) fn array(self, what: &str) -> Result<Vec<Value<'a>>, Malformed> {
        match self {
            Value::Array(items) => Ok(items),
            _ => Err(Malformed(format!("{what}: not an array"))),
        }
    }

    pub(crate) fn bool(&self, what: &str) -> Result<bool, Malformed> {
        match self {
            Value::Bool(value) => Ok(*value),
            _ => Err(Malformed(format!("{what}: neither true nor false"))),
        }
    }

    /// A byte string of `N` bytes: a nonce, a signature.
    pub(crate) fn fixed<const N: usize>(&self, what: &str) -> Result<[u8; N], Malformed> {
        <[u8; N]>::try_from(self.bytes(what)?)
            .map_err(|_| Malformed(format!("{what}: not {N} bytes")))
    }

    /// 32 bytes: a SHA-256, a salt or an Ed25519 public key.
    pub(crate) fn hash(&self, what: &str) -> Result<Hash, Malformed> {
        self.fixed(what)
    }

    pub(crate) fn delta(&self, what: &str) -> Result<u128, Malformed> {
        let delta = u128::from_be_bytes(self.fixed(what)?);
        if delta > DELTA_ONE {
            return Err(Malformed(format!("{what}: above 2^80")));
        }
        Ok(delta)
    }

    pub(crate) fn rational(self, what: &str) -> Result<Rational, Malformed> {
        let items = self.array(what)?;
        let [num, den] = items.as_slice() else {
            return Err(Malformed(format!("{what}: not a pair")));
        };
        let (num, den) = (natural(num, what)?, natural(den, what)?);
        if den == BigUint::ZERO {
            return Err(Malformed(format!("{what}: denominator is zero")));
        }
        if common_divisor(num.clone(), den.clone()) != BigUint::from(1_u32) {
            return Err(Malformed(format!("{what}: not in lowest terms")));
        }
        Ok(Rational { num, den })
    }

    pub(crate) fn loss(self, what: &'static str) -> Result<Loss, Malformed> {
        let mut fields = Fields::of(self, what)?;
        let rho = fields.take("rho")?.uint("rho")?;
        let delta = fields.take("delta")?.delta("delta")?;
        fields.end()?;
        Ok(Loss { rho, delta })
    }
}

/// The fields of one map, each taken once; what is left over is refused.
pub(crate) struct Fields<'a> {
    of: &'static str,
    rest: Vec<(&'a str, Value<'a>)>,
}

impl<'a> Fields<'a> {
    pub(crate) fn of(value: Value<'a>, of: &'static str) -> Result<Self, Malformed> {
        match value {
            Value::Map(rest) => Ok(Fields { of, rest }),
            _ => Err(Malformed(format!("{of}: not a map"))),
        }
    }

    pub(crate) fn optional(&mut self, name: &str) -> Option<Value<'a>> {
        let at = self.rest.iter().position(|(key, _)| *key == name)?;
        Some(self.rest.swap_remove(at).1)
    }

    pub(crate) fn take(&mut self, name: &str) -> Result<Value<'a>, Malformed> {
        self.optional(name)
            .ok_or_else(|| Malformed(format!("{}: field {name:?} is missing", self.of)))
    }

    pub(crate) fn end(self) -> Result<(), Malformed> {
        match self.rest.first() {
            None => Ok(()),
            Some((name, _)) => Err(Malformed(format!("{}: unknown field {name:?}", self.of))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{DELTA_ONE, Loss, Value};

    #[test]
    fn decimals_are_exact_or_rounded_up() {
        let loss = |rho, delta| Loss { rho, delta };
        assert_eq!(loss(1 << 40, DELTA_ONE).to_string(), "rho 1 delta 1");
        assert_eq!(loss(0, 0).to_string(), "rho 0 delta 0");
        assert_eq!(
            loss(1 << 39, 1).to_string(),
            "rho 0.5 delta 0.000000000000000001"
        );
        assert_eq!(loss(1, 0).rho_decimal(), "0.000000000001");
        assert_eq!(loss((1 << 40) + 1, 0).rho_decimal(), "1.000000000001");
    }

    #[test]
    fn rationals_are_unique() {
        let pair = |num: &'static [u8], den: &'static [u8]| {
            Value::Array(vec![Value::Bytes(num), Value::Bytes(den)]).rational("q")
        };
        assert!(pair(&[3], &[2]).is_ok());
        assert!(pair(&[], &[1]).is_ok());
        for (num, den) in [
            (&[6][..], &[4][..]),
            (&[], &[2]),
            (&[], &[]),
            (&[1], &[]),
            (&[0, 3], &[2]),
            (&[0], &[1]),
        ] {
            assert!(pair(num, den).is_err(), "{num:?}/{den:?}");
        }
    }
}
