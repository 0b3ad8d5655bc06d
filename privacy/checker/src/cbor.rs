//! The strict reader: core deterministic CBOR (RFC 8949 §4.2.1), narrowed as `docs/ledger-format.md` says.
//!
//! Every check stands where the byte is read, so there is one byte string per value by construction:
//! what this reader accepts, the writer below reproduces bit for bit. It is needed for statements, which
//! are an entry's fields without some of them.

use crate::report::Malformed;

/// Deepest nesting that is read. An entry of version 1 nests seven deep; the bound keeps hostile bytes
/// from exhausting the stack.
const DEPTH: usize = 16;

/// One CBOR item that borrows from the entry's bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value<'a> {
    Uint(u64),
    Bytes(&'a [u8]),
    Text(&'a str),
    Array(Vec<Value<'a>>),
    /// In the order of the bytes, which is the canonical order.
    Map(Vec<(&'a str, Value<'a>)>),
    Bool(bool),
}

/// Reads exactly one canonical item and nothing after it.
pub(crate) fn read(bytes: &[u8]) -> Result<Value<'_>, Malformed> {
    let mut reader = Reader { all: bytes, at: 0 };
    let value = reader.item(DEPTH)?;
    if reader.at == bytes.len() {
        Ok(value)
    } else {
        Err(reader.fail("bytes after the item"))
    }
}

/// Room for as many items as a head claims, up to what maps of version 1 have: the count is the writer's claim.
fn believed(count: u64) -> usize {
    usize::try_from(count.min(16)).unwrap_or_default()
}

struct Reader<'a> {
    all: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn fail(&self, what: &str) -> Malformed {
        Malformed(format!("byte {}: {what}", self.at))
    }

    fn take(&mut self, length: u64) -> Result<&'a [u8], Malformed> {
        let taken = usize::try_from(length)
            .ok()
            .and_then(|length| self.at.checked_add(length))
            .and_then(|end| Some((self.all.get(self.at..end)?, end)));
        match taken {
            Some((bytes, end)) => {
                self.at = end;
                Ok(bytes)
            }
            None => Err(self.fail("the bytes end too early")),
        }
    }

    /// The argument that follows an initial byte, refused unless no shorter head could carry it.
    fn argument(&mut self, additional: u8) -> Result<u64, Malformed> {
        let (width, least) = match additional {
            0..=23 => return Ok(u64::from(additional)),
            24 => (1, 24),
            25 => (2, 0x100),
            26 => (4, 0x1_0000),
            27 => (8, 0x1_0000_0000),
            31 => return Err(self.fail("indefinite length")),
            _ => return Err(self.fail("reserved head")),
        };
        let argument = self
            .take(width)?
            .iter()
            .fold(0_u64, |sum, byte| (sum << 8) | u64::from(*byte));
        if argument < least {
            return Err(self.fail("head is not in its shortest form"));
        }
        Ok(argument)
    }

    fn initial(&mut self) -> Result<(u8, u8), Malformed> {
        let byte = self.take(1)?.first().copied().unwrap_or_default();
        Ok((byte >> 5, byte & 0x1f))
    }

    fn text(&mut self, additional: u8) -> Result<&'a str, Malformed> {
        let length = self.argument(additional)?;
        let bytes = self.take(length)?;
        std::str::from_utf8(bytes).map_err(|_| self.fail("text is not UTF-8"))
    }

    fn item(&mut self, depth: usize) -> Result<Value<'a>, Malformed> {
        let Some(below) = depth.checked_sub(1) else {
            return Err(self.fail("nested too deep"));
        };
        let (major, additional) = self.initial()?;
        match major {
            0 => Ok(Value::Uint(self.argument(additional)?)),
            2 => {
                let length = self.argument(additional)?;
                Ok(Value::Bytes(self.take(length)?))
            }
            3 => Ok(Value::Text(self.text(additional)?)),
            4 => {
                let count = self.argument(additional)?;
                let mut items = Vec::with_capacity(believed(count));
                for _ in 0..count {
                    items.push(self.item(below)?);
                }
                Ok(Value::Array(items))
            }
            5 => self.map(additional, below),
            7 => match additional {
                20 => Ok(Value::Bool(false)),
                21 => Ok(Value::Bool(true)),
                _ => Err(self.fail("floats, null and other simple values are not used")),
            },
            1 => Err(self.fail("negative numbers are not used")),
            _ => Err(self.fail("tags are not used")),
        }
    }

    fn map(&mut self, additional: u8, below: usize) -> Result<Value<'a>, Malformed> {
        let count = self.argument(additional)?;
        let mut pairs = Vec::with_capacity(believed(count));
        let mut previous: &[u8] = &[];
        for _ in 0..count {
            let start = self.at;
            let (major, additional) = self.initial()?;
            if major != 3 {
                return Err(self.fail("a map key is not text"));
            }
            let key = self.text(additional)?;
            let encoded = self.all.get(start..self.at).unwrap_or_default();
            // The encoded form of a key is never empty, so the first key always passes.
            if encoded <= previous {
                return Err(self.fail("map keys are not sorted, or one stands twice"));
            }
            previous = encoded;
            pairs.push((key, self.item(below)?));
        }
        Ok(Value::Map(pairs))
    }
}

/// Major type of a map.
pub(crate) const MAP: u8 = 5;

/// Appends the head of an item: its major type and argument, in the shortest form.
pub(crate) fn head(major: u8, argument: u64, out: &mut Vec<u8>) {
    let bytes = argument.to_be_bytes();
    let [.., last] = bytes;
    let (additional, leading) = match argument {
        0..=23 => (last, 8),
        24..=0xff => (24, 7),
        0x100..=0xffff => (25, 6),
        0x1_0000..=0xffff_ffff => (26, 4),
        _ => (27, 0),
    };
    out.push(major << 5 | additional);
    out.extend(bytes.iter().skip(leading));
}

/// Appends the canonical encoding of a value whose maps are in canonical order, as those that were read are.
pub(crate) fn write(value: &Value<'_>, out: &mut Vec<u8>) {
    let count = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
    match value {
        Value::Uint(n) => head(0, *n, out),
        Value::Bytes(bytes) => {
            head(2, count(bytes.len()), out);
            out.extend(*bytes);
        }
        Value::Text(text) => {
            head(3, count(text.len()), out);
            out.extend(text.as_bytes());
        }
        Value::Array(items) => {
            head(4, count(items.len()), out);
            for item in items {
                write(item, out);
            }
        }
        Value::Map(pairs) => {
            head(MAP, count(pairs.len()), out);
            for (key, item) in pairs {
                write(&Value::Text(key), out);
                write(item, out);
            }
        }
        Value::Bool(value) => out.push(if *value { 0xf5 } else { 0xf4 }),
    }
}

#[cfg(test)]
mod tests {
    use super::{Value, read, write};
    use proptest::prelude::*;

    #[test]
    fn accepts_the_shortest_heads_of_rfc_8949_appendix_a() {
        for (bytes, value) in [
            (&[0x00][..], 0),
            (&[0x17], 23),
            (&[0x18, 0x18], 24),
            (&[0x19, 0x03, 0xe8], 1000),
            (&[0x1a, 0x00, 0x0f, 0x42, 0x40], 1_000_000),
            (
                &[0x1b, 0, 0, 0, 0xe8, 0xd4, 0xa5, 0x10, 0x00],
                1_000_000_000_000,
            ),
            (&[0x1b, 255, 255, 255, 255, 255, 255, 255, 255], u64::MAX),
        ] {
            assert_eq!(read(bytes), Ok(Value::Uint(value)));
        }
        assert_eq!(
            read(&[0xa2, 0x61, b'a', 0x01, 0x61, b'b', 0x82, 0x02, 0xf5]),
            Ok(Value::Map(vec![
                ("a", Value::Uint(1)),
                ("b", Value::Array(vec![Value::Uint(2), Value::Bool(true)])),
            ]))
        );
    }

    #[test]
    fn refuses_everything_that_is_not_canonical() {
        for (bytes, why) in [
            (&[][..], "end too early"),
            (&[0x18, 0x17], "shortest"),
            (&[0x19, 0x00, 0xff], "shortest"),
            (&[0x1a, 0x00, 0x00, 0xff, 0xff], "shortest"),
            (&[0x1b, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff], "shortest"),
            (&[0x58, 0x01, 0x00], "shortest"),
            (&[0x1c], "reserved"),
            (&[0x20], "negative"),
            (&[0xc0, 0x60], "tags"),
            (&[0xf6], "simple"),
            (&[0xf7], "simple"),
            (&[0xf8, 0xff], "simple"),
            (&[0xf9, 0x00, 0x00], "simple"),
            (&[0xfb, 0, 0, 0, 0, 0, 0, 0, 0], "simple"),
            (&[0xff], "simple"),
            (&[0x5f, 0x41, 0x00, 0xff], "indefinite"),
            (&[0x7f, 0xff], "indefinite"),
            (&[0x9f, 0xff], "indefinite"),
            (&[0xbf, 0xff], "indefinite"),
            (&[0x61, 0xff], "UTF-8"),
            (&[0x00, 0x00], "after the item"),
            (&[0xa1, 0x00, 0x00], "key is not text"),
            (&[0xa2, 0x61, b'b', 0, 0x61, b'a', 0], "sorted"),
            (&[0xa2, 0x61, b'a', 0, 0x61, b'a', 0], "sorted"),
            // Sorted by encoded form: the shorter key first, whatever its letters.
            (&[0xa2, 0x62, b'a', b'a', 0, 0x61, b'b', 0], "sorted"),
            (
                &[0x5b, 255, 255, 255, 255, 255, 255, 255, 255],
                "end too early",
            ),
            (
                &[0x9b, 255, 255, 255, 255, 255, 255, 255, 255],
                "end too early",
            ),
            (&[0x81; 40], "too deep"),
        ] {
            let error = read(bytes).expect_err("not canonical").0;
            assert!(error.contains(why), "{bytes:02x?}: {error}");
        }
    }

    proptest! {
        #[test]
        fn what_is_read_encodes_to_the_same_bytes(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            if let Ok(value) = read(&bytes) {
                let mut again = Vec::new();
                write(&value, &mut again);
                prop_assert_eq!(again, bytes);
            }
        }

        /// Random bytes are rarely an item: start from heads that often are.
        #[test]
        fn likely_items_encode_to_the_same_bytes(bytes in prop::collection::vec(
            prop::sample::select(vec![0x00_u8, 0x01, 0x17, 0x18, 0x20, 0x40, 0x41, 0x60, 0x61, 0x62, 0x80, 0x81, 0x82, 0xa0, 0xa1, 0xa2, 0xf4, 0xf5]), 1..12)) {
            if let Ok(value) = read(&bytes) {
                let mut again = Vec::new();
                write(&value, &mut again);
                prop_assert_eq!(again, bytes);
            }
        }
    }
}
