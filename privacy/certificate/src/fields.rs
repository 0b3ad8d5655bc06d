//! Reading the fields of a map: exactly those of its kind, each of its type.

use salus_accounting::{Delta, Loss, Rational, Rho};

use crate::{CertificateError, EntryIndex, Map, Value};

/// A SHA-256 digest.
pub type Hash = [u8; 32];

/// The fields of one map, taken out one by one; [`Fields::finish`] refuses what is left over.
#[derive(Debug)]
pub struct Fields {
    of: &'static str,
    map: Map,
}

impl Fields {
    /// The fields of `value`, which must be a map; `of` names it in errors.
    pub fn of(of: &'static str, value: Value) -> Result<Self, CertificateError> {
        match value {
            Value::Map(map) => Ok(Self { of, map }),
            _ => Err(shape(of, "is not a map")),
        }
    }

    /// The field `name`, which must be there.
    pub fn take(&mut self, name: &'static str) -> Result<Value, CertificateError> {
        self.map.remove(name).ok_or(shape(name, "is missing"))
    }

    /// The text field `name`, if it is there.
    pub fn optional_text(
        &mut self,
        name: &'static str,
    ) -> Result<Option<String>, CertificateError> {
        self.map
            .remove(name)
            .map(|value| text(name, value))
            .transpose()
    }

    /// The unsigned integer `name`, if it is there.
    pub fn optional_uint(&mut self, name: &'static str) -> Result<Option<u64>, CertificateError> {
        self.map
            .remove(name)
            .map(|value| uint(name, &value))
            .transpose()
    }

    /// The field `name`, if it is there.
    pub fn optional(&mut self, name: &'static str) -> Option<Value> {
        self.map.remove(name)
    }

    /// The unsigned integer `name`.
    pub fn uint(&mut self, name: &'static str) -> Result<u64, CertificateError> {
        uint(name, &self.take(name)?)
    }

    /// The entry index `name`.
    pub fn index(&mut self, name: &'static str) -> Result<EntryIndex, CertificateError> {
        self.uint(name).map(EntryIndex)
    }

    /// The text `name`.
    pub fn text(&mut self, name: &'static str) -> Result<String, CertificateError> {
        text(name, self.take(name)?)
    }

    /// The byte string `name`.
    pub fn bytes(&mut self, name: &'static str) -> Result<Vec<u8>, CertificateError> {
        bytes(name, self.take(name)?)
    }

    /// The 32 bytes `name`.
    pub fn hash(&mut self, name: &'static str) -> Result<Hash, CertificateError> {
        let bytes = self.bytes(name)?;
        Hash::try_from(bytes).map_err(|_| shape(name, "is not 32 bytes"))
    }

    /// The array `name`, each item read by `item`.
    pub fn array<T>(
        &mut self,
        name: &'static str,
        item: impl FnMut(Value) -> Result<T, CertificateError>,
    ) -> Result<Vec<T>, CertificateError> {
        array(name, self.take(name)?)?
            .into_iter()
            .map(item)
            .collect()
    }

    /// The zCDP loss `name`.
    pub fn rho(&mut self, name: &'static str) -> Result<Rho, CertificateError> {
        self.uint(name).map(Rho::from_units)
    }

    /// The delta `name`: 16 bytes, at most one.
    pub fn delta(&mut self, name: &'static str) -> Result<Delta, CertificateError> {
        let bytes =
            <[u8; 16]>::try_from(self.bytes(name)?).map_err(|_| shape(name, "is not 16 bytes"))?;
        Delta::from_be_bytes(bytes).map_err(|_| shape(name, "is above one"))
    }

    /// The loss `name`.
    pub fn loss(&mut self, name: &'static str) -> Result<Loss, CertificateError> {
        let mut fields = Self::of(name, self.take(name)?)?;
        let loss = Loss {
            rho: fields.rho("rho")?,
            delta: fields.delta("delta")?,
        };
        fields.finish()?;
        Ok(loss)
    }

    /// The rational `name`: two naturals without leading zeros, in lowest terms.
    pub fn rational(&mut self, name: &'static str) -> Result<Rational, CertificateError> {
        let mut parts = self.array(name, |part| bytes(name, part))?.into_iter();
        let (Some(numerator), Some(denominator), None) = (parts.next(), parts.next(), parts.next())
        else {
            return Err(shape(name, "is not a numerator and a denominator"));
        };
        Rational::from_big_endian(&numerator, &denominator)
            .map_err(|_| shape(name, "is not a rational number in lowest terms"))
    }

    /// Fails if a field is left that this kind of map does not have.
    pub fn finish(self) -> Result<(), CertificateError> {
        if self.map.is_empty() {
            Ok(())
        } else {
            Err(shape(self.of, "has a field that its kind does not have"))
        }
    }
}

/// `loss` as a map.
pub fn loss_value(loss: &Loss) -> Value {
    Value::map([
        ("rho", Value::Uint(loss.rho.units())),
        ("delta", delta_value(loss.delta)),
    ])
}

/// `delta` as 16 bytes, big-endian.
pub fn delta_value(delta: Delta) -> Value {
    Value::bytes(delta.to_be_bytes())
}

/// `rational` as numerator and denominator.
pub(crate) fn rational_value(rational: &Rational) -> Value {
    let (numerator, denominator) = rational.to_big_endian();
    Value::array([Value::Bytes(numerator), Value::Bytes(denominator)])
}

pub(crate) fn shape(field: &'static str, what: &'static str) -> CertificateError {
    CertificateError::Shape { field, what }
}

pub(crate) fn uint(name: &'static str, value: &Value) -> Result<u64, CertificateError> {
    match value {
        Value::Uint(number) => Ok(*number),
        _ => Err(shape(name, "is not an unsigned integer")),
    }
}

/// The text that `value` is; `name` names it in errors.
pub fn text(name: &'static str, value: Value) -> Result<String, CertificateError> {
    match value {
        Value::Text(text) => Ok(text),
        _ => Err(shape(name, "is not text")),
    }
}

fn bytes(name: &'static str, value: Value) -> Result<Vec<u8>, CertificateError> {
    match value {
        Value::Bytes(bytes) => Ok(bytes),
        _ => Err(shape(name, "is not a byte string")),
    }
}

fn array(name: &'static str, value: Value) -> Result<Vec<Value>, CertificateError> {
    match value {
        Value::Array(items) => Ok(items),
        _ => Err(shape(name, "is not an array")),
    }
}
