//! The strict reader: core deterministic CBOR (RFC 8949 §4.2.1), narrowed as `docs/ledger-format.md` says.
//!
//! Every check stands where the byte is read, so there is one byte string per value by construction:
//! what this reader accepts, an encoder of the same rules reproduces bit for bit.

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
                // No capacity is reserved from the head: the count is the writer's claim.
                let mut items = Vec::new();
                for _ in 0..self.argument(additional)? {
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
        let mut pairs = Vec::new();
        let mut previous: &[u8] = &[];
        for _ in 0..self.argument(additional)? {
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

#[cfg(test)]
mod tests {
    use super::{Value, read};
    use proptest::prelude::*;

    /// The encoder of the same rules, written for the round trip only.
    fn encode(value: &Value<'_>, out: &mut Vec<u8>) {
        fn head(major: u8, n: u64, out: &mut Vec<u8>) {
            let major = major << 5;
            match n {
                0..=23 => out.push(major | u8::try_from(n).unwrap()),
                24..=0xff => out.extend([major | 0x18, u8::try_from(n).unwrap()]),
                0x100..=0xffff => {
                    out.push(major | 0x19);
                    out.extend(u16::try_from(n).unwrap().to_be_bytes());
                }
                0x1_0000..=0xffff_ffff => {
                    out.push(major | 0x1a);
                    out.extend(u32::try_from(n).unwrap().to_be_bytes());
                }
                _ => {
                    out.push(major | 0x1b);
                    out.extend(n.to_be_bytes());
                }
            }
        }
        match value {
            Value::Uint(n) => head(0, *n, out),
            Value::Bytes(b) => {
                head(2, b.len() as u64, out);
                out.extend(*b);
            }
            Value::Text(t) => {
                head(3, t.len() as u64, out);
                out.extend(t.as_bytes());
            }
            Value::Array(items) => {
                head(4, items.len() as u64, out);
                for item in items {
                    encode(item, out);
                }
            }
            Value::Map(pairs) => {
                head(5, pairs.len() as u64, out);
                for (key, value) in pairs {
                    encode(&Value::Text(key), out);
                    encode(value, out);
                }
            }
            Value::Bool(b) => out.push(if *b { 0xf5 } else { 0xf4 }),
        }
    }

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
                encode(&value, &mut again);
                prop_assert_eq!(again, bytes);
            }
        }

        /// Random bytes are rarely an item: start from heads that often are.
        #[test]
        fn likely_items_encode_to_the_same_bytes(bytes in prop::collection::vec(
            prop::sample::select(vec![0x00_u8, 0x01, 0x17, 0x18, 0x20, 0x40, 0x41, 0x60, 0x61, 0x62, 0x80, 0x81, 0x82, 0xa0, 0xa1, 0xa2, 0xf4, 0xf5]), 1..12)) {
            if let Ok(value) = read(&bytes) {
                let mut again = Vec::new();
                encode(&value, &mut again);
                prop_assert_eq!(again, bytes);
            }
        }
    }
}
