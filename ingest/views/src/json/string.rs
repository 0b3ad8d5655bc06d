//! Strings: eight bytes at a time while nothing is escaped.

use super::parse::{Broken, Parser};

const LOW: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x8080_8080_8080_8080;

/// Marks (high bit) the bytes of `word` that equal `byte`. A mark above the first one may be
/// false, the first one never is: enough to find where to stop.
fn equal(word: u64, byte: u8) -> u64 {
    let difference = word ^ (LOW * u64::from(byte));
    difference.wrapping_sub(LOW) & !difference & HIGH
}

/// Marks the bytes of `word` below 0x20.
fn control(word: u64) -> u64 {
    word.wrapping_sub(LOW * 0x20) & !word & HIGH
}

/// Offset of the first byte that ends a run of plain text: a quote, a backslash or a control.
fn plain_length(bytes: &[u8]) -> usize {
    let mut at = 0;
    while let Some(chunk) = bytes[at..].first_chunk::<8>() {
        let word = u64::from_le_bytes(*chunk);
        let stops = equal(word, b'"') | equal(word, b'\\') | control(word);
        if stops != 0 {
            return at + (stops.trailing_zeros() / 8) as usize;
        }
        at += 8;
    }
    let rest = &bytes[at..];
    let stop = rest
        .iter()
        .position(|b| matches!(b, b'"' | b'\\' | 0..0x20));
    at + stop.unwrap_or(rest.len())
}

impl Parser<'_> {
    /// Passes over plain text.
    pub(super) fn plain(&mut self) {
        self.at += plain_length(&self.text.as_bytes()[self.at..]);
    }

    /// Writes the rest of a string into the buffer; what began at `start` is plain so far.
    pub(super) fn unescape(&mut self, start: usize) -> Result<(), Broken> {
        self.tape.unescaped.push_str(&self.text[start..self.at]);
        while let Some(character) = self.escape()? {
            self.tape.unescaped.push(character);
            let from = self.at;
            self.plain();
            self.tape.unescaped.push_str(&self.text[from..self.at]);
        }
        Ok(())
    }

    /// Consumes what ended a run of plain text: an escape, or the closing quote.
    fn escape(&mut self) -> Result<Option<char>, Broken> {
        match self.byte() {
            Some(b'"') => {
                self.at += 1;
                return Ok(None);
            }
            Some(b'\\') => self.at += 1,
            Some(_) => return Err(self.broken("a control character stands in a string")),
            None => return Err(self.broken("a string is not closed")),
        }
        let letter = self.byte();
        self.at += 1;
        Ok(Some(match letter {
            Some(plain @ (b'"' | b'\\' | b'/')) => char::from(plain),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => self.unicode()?,
            _ => {
                self.at -= 1;
                return Err(self.broken("an escape that JSON does not know"));
            }
        }))
    }

    /// Four hexadecimal digits, or two such escapes that form a surrogate pair. Half a pair says
    /// nothing: U+FFFD.
    fn unicode(&mut self) -> Result<char, Broken> {
        let first = self.hex4()?;
        if (0xD800..0xDC00).contains(&first) && self.text.as_bytes()[self.at..].starts_with(b"\\u")
        {
            let before = self.at;
            self.at += 2;
            let second = self.hex4()?;
            if (0xDC00..0xE000).contains(&second) {
                let scalar = 0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00);
                return Ok(char::from_u32(scalar).unwrap_or(char::REPLACEMENT_CHARACTER));
            }
            self.at = before;
        }
        Ok(char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER))
    }

    fn hex4(&mut self) -> Result<u32, Broken> {
        let digits = self.text.as_bytes().get(self.at..self.at + 4);
        let value = digits.and_then(|digits| {
            digits.iter().try_fold(0, |sum, &digit| {
                Some(sum * 16 + char::from(digit).to_digit(16)?)
            })
        });
        let value = value.ok_or_else(|| self.broken("\\u needs four hexadecimal digits"))?;
        self.at += 4;
        Ok(value)
    }
}
