//! The value model of a ledger entry: six shapes, one encoding each.

use std::collections::BTreeMap;

use crate::CertificateError;

/// Deepest nesting that [`Value::decode`] follows: far more than any entry has, and little enough for any stack.
pub const MAX_DEPTH: usize = 128;

/// One item of the narrowed deterministic CBOR of the ledger's format (rule F1; RFC 8949 §4.2.1).
///
/// No negative numbers, floats, tags, nulls or indefinite lengths exist here, so they cannot be written by accident.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// An unsigned integer below 2^64.
    Uint(u64),
    /// A byte string.
    Bytes(Vec<u8>),
    /// A text string.
    Text(String),
    /// An array.
    Array(Vec<Value>),
    /// A map from text to values.
    Map(Map),
    /// `true` or `false`.
    Bool(bool),
}

/// A map with text keys, held in the order of the keys' encoded form.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Map(BTreeMap<Key, Value>);

/// Sorted by encoded form: the head carries the length, so a shorter key comes first, and equal lengths compare bytewise.
type Key = (usize, String);

impl Map {
    /// An empty map.
    pub fn new() -> Self {
        Self::default()
    }

    /// Puts `value` under `key`; returns the value that stood there before.
    pub fn insert(&mut self, key: impl Into<String>, value: impl Into<Value>) -> Option<Value> {
        self.0.insert(sort_key(key.into()), value.into())
    }

    /// The value under `key`.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.0.get(&sort_key(key.to_owned()))
    }

    /// Takes the value under `key` out of the map.
    pub fn remove(&mut self, key: &str) -> Option<Value> {
        self.0.remove(&sort_key(key.to_owned()))
    }

    /// Keys and values in encoded order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().map(|((_, key), value)| (key.as_str(), value))
    }

    /// Number of keys.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether the map holds nothing.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<K: Into<String>, V: Into<Value>> FromIterator<(K, V)> for Map {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(fields: I) -> Self {
        let mut map = Self::new();
        for (key, value) in fields {
            map.insert(key, value);
        }
        map
    }
}

fn sort_key(key: String) -> Key {
    (key.len(), key)
}

impl Value {
    /// A map from fields in any order.
    pub fn map<K: Into<String>>(fields: impl IntoIterator<Item = (K, Value)>) -> Self {
        Self::Map(fields.into_iter().collect())
    }

    /// A text string.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// A byte string.
    pub fn bytes(bytes: impl Into<Vec<u8>>) -> Self {
        Self::Bytes(bytes.into())
    }

    /// An array.
    pub fn array(items: impl IntoIterator<Item = Value>) -> Self {
        Self::Array(items.into_iter().collect())
    }

    /// The one encoding of this value.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.write(&mut out);
        out
    }

    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Uint(number) => write_head(out, 0, *number),
            Self::Bytes(bytes) => {
                write_head(out, 2, bytes.len() as u64);
                out.extend_from_slice(bytes);
            }
            Self::Text(text) => {
                write_head(out, 3, text.len() as u64);
                out.extend_from_slice(text.as_bytes());
            }
            Self::Array(items) => {
                write_head(out, 4, items.len() as u64);
                for item in items {
                    item.write(out);
                }
            }
            Self::Map(map) => {
                write_head(out, 5, map.len() as u64);
                for (key, value) in map.iter() {
                    write_head(out, 3, key.len() as u64);
                    out.extend_from_slice(key.as_bytes());
                    value.write(out);
                }
            }
            Self::Bool(false) => out.push(0xf4),
            Self::Bool(true) => out.push(0xf5),
        }
    }

    /// Reads exactly one item in its one canonical form.
    ///
    /// # Errors
    ///
    /// [`CertificateError::Encoding`] for anything that [`Value::encode`] would not have written: longer heads, unsorted or
    /// double keys, other types, text that is not UTF-8, nesting beyond [`MAX_DEPTH`], missing or trailing bytes.
    pub fn decode(bytes: &[u8]) -> Result<Self, CertificateError> {
        let mut reader = Reader { bytes, at: 0 };
        let value = reader.value(0)?;
        if reader.at == bytes.len() {
            Ok(value)
        } else {
            Err(reader.fault("bytes after the item"))
        }
    }
}

impl From<u64> for Value {
    fn from(number: u64) -> Self {
        Self::Uint(number)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<bool> for Value {
    fn from(truth: bool) -> Self {
        Self::Bool(truth)
    }
}

/// Writes major type and argument in the shortest form.
#[expect(
    clippy::cast_possible_truncation,
    reason = "each arm has just established that the number fits"
)]
fn write_head(out: &mut Vec<u8>, major: u8, argument: u64) {
    let major = major << 5;
    match argument {
        0..=23 => out.push(major | argument as u8),
        24..=0xff => out.extend_from_slice(&[major | 0x18, argument as u8]),
        0x100..=0xffff => {
            out.push(major | 0x19);
            out.extend_from_slice(&(argument as u16).to_be_bytes());
        }
        0x1_0000..=0xffff_ffff => {
            out.push(major | 0x1a);
            out.extend_from_slice(&(argument as u32).to_be_bytes());
        }
        _ => {
            out.push(major | 0x1b);
            out.extend_from_slice(&argument.to_be_bytes());
        }
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn fault(&self, what: &'static str) -> CertificateError {
        CertificateError::Encoding { at: self.at, what }
    }

    fn take(&mut self, length: u64) -> Result<&'a [u8], CertificateError> {
        let end = usize::try_from(length)
            .ok()
            .and_then(|length| self.at.checked_add(length));
        let taken = end.and_then(|end| self.bytes.get(self.at..end));
        match (taken, end) {
            (Some(taken), Some(end)) => {
                self.at = end;
                Ok(taken)
            }
            _ => Err(self.fault("the item is cut short")),
        }
    }

    /// Initial byte and argument; only the shortest form of the argument passes.
    fn head(&mut self) -> Result<(u8, u64), CertificateError> {
        let initial = self.take(1)?.first().copied().unwrap_or_default();
        let (argument, least) = match initial & 0x1f {
            small @ 0..=23 => (u64::from(small), 0),
            24 => (self.number(1)?, 24),
            25 => (self.number(2)?, 0x100),
            26 => (self.number(4)?, 0x1_0000),
            27 => (self.number(8)?, 0x1_0000_0000),
            _ => return Err(self.fault("indefinite or reserved length")),
        };
        if argument < least {
            return Err(self.fault("a number is not in its shortest form"));
        }
        Ok((initial, argument))
    }

    fn number(&mut self, width: u64) -> Result<u64, CertificateError> {
        let digits = self.take(width)?;
        Ok(digits
            .iter()
            .fold(0, |number, digit| (number << 8) | u64::from(*digit)))
    }

    fn text(&mut self, length: u64) -> Result<String, CertificateError> {
        let bytes = self.take(length)?;
        match std::str::from_utf8(bytes) {
            Ok(text) => Ok(text.to_owned()),
            Err(_) => Err(self.fault("text is not UTF-8")),
        }
    }

    fn value(&mut self, depth: usize) -> Result<Value, CertificateError> {
        if depth > MAX_DEPTH {
            return Err(self.fault("nested too deeply"));
        }
        let below = depth.saturating_add(1);
        let (initial, argument) = self.head()?;
        match initial >> 5 {
            0 => Ok(Value::Uint(argument)),
            2 => Ok(Value::Bytes(self.take(argument)?.to_vec())),
            3 => Ok(Value::Text(self.text(argument)?)),
            4 => {
                // No capacity from the stated length: a forged head must not reserve memory.
                let mut items = Vec::new();
                for _ in 0..argument {
                    items.push(self.value(below)?);
                }
                Ok(Value::Array(items))
            }
            5 => self.map(argument, below).map(Value::Map),
            7 if initial == 0xf4 => Ok(Value::Bool(false)),
            7 if initial == 0xf5 => Ok(Value::Bool(true)),
            _ => Err(self.fault("a type that entries do not use")),
        }
    }

    fn map(&mut self, pairs: u64, below: usize) -> Result<Map, CertificateError> {
        let mut map = Map::new();
        for _ in 0..pairs {
            let (initial, length) = self.head()?;
            if initial >> 5 != 3 {
                return Err(self.fault("a map key is not text"));
            }
            let key = sort_key(self.text(length)?);
            if map.0.last_key_value().is_some_and(|(last, _)| *last >= key) {
                return Err(self.fault("map keys are not sorted and unique"));
            }
            let value = self.value(below)?;
            map.0.insert(key, value);
        }
        Ok(map)
    }
}
