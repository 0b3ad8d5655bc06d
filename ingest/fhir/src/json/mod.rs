//! A pull parser over one line of JSON.
//!
//! Why our own: a line comes from outside and may hold anything, so nesting must be bounded (the
//! process must not end on `[[[[…`), numbers must keep their text (decimals are exact), strings
//! should be borrowed from the line, a value of an unexpected kind must be passed over without
//! giving up the line, and the whole must hold without `unsafe`. The grammar is RFC 8259, strict.
//!
//! Every reading function consumes exactly one value. Where the value is of another kind than the
//! one asked for, it is passed over (and checked) and the answer is `None`: a field that holds
//! something unexpected is a missing field, not a broken line.

mod string;

use std::borrow::Cow;

/// Objects and arrays may nest this deep. FHIR's own definitions stay below thirty.
const MAX_DEPTH: u32 = 128;

/// The text is not JSON: what was wrong and at which byte of the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Broken {
    pub(crate) what: &'static str,
    pub(crate) at: usize,
}

/// A position in the text of one line.
#[derive(Debug, Clone)]
pub(crate) struct Cursor<'a> {
    text: &'a str,
    at: usize,
    depth: u32,
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Self {
            text,
            at: 0,
            depth: 0,
        }
    }

    /// Passes over one value, checking that it is well formed.
    pub(crate) fn skip(&mut self) -> Result<(), Broken> {
        match self.peek()? {
            b'"' => self.skip_string(),
            b'{' => self.object(|c, _| c.skip()).map(drop),
            b'[' => self.elements(Self::skip),
            b'-' | b'0'..=b'9' => self.number_text().map(drop),
            _ => self.literal().map(drop),
        }
    }

    /// The text of the next value as it stands.
    pub(crate) fn raw(&mut self) -> Result<&'a str, Broken> {
        self.peek()?;
        let start = self.at;
        self.skip()?;
        Ok(&self.text[start..self.at])
    }

    /// A string that says something: surrounding blanks go, and an empty string is no string.
    pub(crate) fn text(&mut self) -> Result<Option<Cow<'a, str>>, Broken> {
        if self.peek()? != b'"' {
            self.skip()?;
            return Ok(None);
        }
        Ok(string::trimmed(self.string()?))
    }

    /// The text of a number, or of a string that holds nothing but a number.
    pub(crate) fn number(&mut self) -> Result<Option<Cow<'a, str>>, Broken> {
        match self.peek()? {
            b'-' | b'0'..=b'9' => Ok(Some(Cow::Borrowed(self.number_text()?))),
            b'"' => Ok(string::trimmed(self.string()?).filter(|text| is_number(text))),
            _ => self.skip().map(|()| None),
        }
    }

    /// `true`, `false`, or a string that says one of them.
    pub(crate) fn boolean(&mut self) -> Result<Option<bool>, Broken> {
        match self.peek()? {
            b't' | b'f' | b'n' => self.literal(),
            b'"' => Ok(match self.string()?.as_ref() {
                "true" => Some(true),
                "false" => Some(false),
                _ => None,
            }),
            _ => self.skip().map(|()| None),
        }
    }

    /// Calls `member` with the cursor at the value of each member; `member` consumes that value.
    /// Answers whether the value was an object.
    pub(crate) fn object(
        &mut self,
        mut member: impl FnMut(&mut Self, &str) -> Result<(), Broken>,
    ) -> Result<bool, Broken> {
        if self.peek()? != b'{' {
            self.skip()?;
            return Ok(false);
        }
        self.enter()?;
        if self.peek()? == b'}' {
            self.leave();
            return Ok(true);
        }
        loop {
            if self.peek()? != b'"' {
                return Err(self.broken("a member name must be a string"));
            }
            let name = self.string()?;
            if self.peek()? != b':' {
                return Err(self.broken("a colon is missing after a member name"));
            }
            self.at += 1;
            member(self, &name)?;
            match self.peek()? {
                b',' => self.at += 1,
                b'}' => {
                    self.leave();
                    return Ok(true);
                }
                _ => return Err(self.broken("a comma or the end of an object is missing")),
            }
        }
    }

    /// Calls `item` for each element of an array, or once for a value that is no array: exporters
    /// of several FHIR versions disagree on which fields repeat. `null` is passed over.
    pub(crate) fn each(
        &mut self,
        mut item: impl FnMut(&mut Self) -> Result<(), Broken>,
    ) -> Result<(), Broken> {
        match self.peek()? {
            b'[' => self.elements(|c| match c.peek()? {
                b'n' => c.skip(),
                _ => item(c),
            }),
            b'n' => self.skip(),
            _ => item(self),
        }
    }

    /// Whether the next value is an object, a string or something else decides a reading.
    pub(crate) fn peek(&mut self) -> Result<u8, Broken> {
        let rest = &self.text.as_bytes()[self.at..];
        // Most exports are compact: the first byte is the one.
        match rest.first() {
            Some(&b) if b > b' ' => Ok(b),
            _ => {
                let blanks = rest
                    .iter()
                    .position(|b| !matches!(b, b' ' | b'\t' | b'\r' | b'\n'));
                self.at += blanks.unwrap_or(rest.len());
                let next = blanks.and_then(|skipped| rest.get(skipped));
                next.copied()
                    .ok_or_else(|| self.broken("the line ends too early"))
            }
        }
    }

    /// Nothing but blanks may follow.
    pub(crate) fn end(&mut self) -> Result<(), Broken> {
        match self.peek() {
            Err(_) => Ok(()),
            Ok(_) => Err(self.broken("something follows the value")),
        }
    }

    fn elements(
        &mut self,
        mut item: impl FnMut(&mut Self) -> Result<(), Broken>,
    ) -> Result<(), Broken> {
        self.enter()?;
        if self.peek()? == b']' {
            self.leave();
            return Ok(());
        }
        loop {
            item(self)?;
            match self.peek()? {
                b',' => {
                    self.at += 1;
                    self.peek()?;
                }
                b']' => {
                    self.leave();
                    return Ok(());
                }
                _ => return Err(self.broken("a comma or the end of an array is missing")),
            }
        }
    }

    fn enter(&mut self) -> Result<(), Broken> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(self.broken("objects and arrays are nested too deep"));
        }
        self.at += 1;
        Ok(())
    }

    fn leave(&mut self) {
        self.depth -= 1;
        self.at += 1;
    }

    fn literal(&mut self) -> Result<Option<bool>, Broken> {
        let rest = &self.text.as_bytes()[self.at..];
        let (length, value) = if rest.starts_with(b"true") {
            (4, Some(true))
        } else if rest.starts_with(b"false") {
            (5, Some(false))
        } else if rest.starts_with(b"null") {
            (4, None)
        } else {
            return Err(self.broken("a value is missing"));
        };
        self.at += length;
        Ok(value)
    }

    fn number_text(&mut self) -> Result<&'a str, Broken> {
        let rest = &self.text[self.at..];
        let length = number_length(rest.as_bytes());
        if length == 0 {
            return Err(self.broken("not a number"));
        }
        self.at += length;
        Ok(&rest[..length])
    }

    /// Ends a reading that has found what it looked for.
    pub(crate) fn enough(&self) -> Broken {
        self.broken("nothing more was asked for")
    }

    fn broken(&self, what: &'static str) -> Broken {
        Broken { what, at: self.at }
    }
}

/// Length of the JSON number at the start of `bytes`; 0 when there is none.
fn number_length(bytes: &[u8]) -> usize {
    let digits = |from: usize| {
        let rest = bytes.get(from..).unwrap_or_default();
        rest.iter().take_while(|b| b.is_ascii_digit()).count()
    };
    let mut at = usize::from(bytes.first() == Some(&b'-'));
    let whole = digits(at);
    if whole == 0 || (whole > 1 && bytes[at] == b'0') {
        return 0;
    }
    at += whole;
    if bytes.get(at) == Some(&b'.') {
        let fraction = digits(at + 1);
        if fraction == 0 {
            return 0;
        }
        at += 1 + fraction;
    }
    if matches!(bytes.get(at), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(at + 1), Some(b'+' | b'-')));
        let exponent = digits(at + 1 + sign);
        if exponent == 0 {
            return 0;
        }
        at += 1 + sign + exponent;
    }
    at
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && number_length(text.as_bytes()) == text.len()
}

#[cfg(test)]
mod tests;
