//! From text to the flat tree.

use super::{At, Document, Kind, Node, Span, Tape};

/// Objects and arrays may nest this deep. FHIR's own definitions stay below thirty.
const MAX_DEPTH: u32 = 128;

/// The text is not JSON: what was wrong and at which byte of the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Broken {
    pub(crate) what: &'static str,
    pub(crate) at: usize,
}

pub(super) struct Parser<'a> {
    pub(super) text: &'a str,
    pub(super) at: usize,
    pub(super) tape: &'a mut Tape,
    depth: u32,
}

impl Tape {
    /// Parses one value with nothing but blanks around it.
    pub(crate) fn parse<'a>(&'a mut self, text: &'a str) -> Result<Document<'a>, Broken> {
        self.nodes.clear();
        self.unescaped.clear();
        // Positions are 32 bits wide, and unescaped strings are counted after the text.
        if u32::try_from(text.len()).is_ok_and(|length| length <= u32::MAX / 2) {
            let mut parser = Parser {
                text,
                at: 0,
                tape: self,
                depth: 0,
            };
            parser.value(Span::default(), 0)?;
            parser.blanks();
            if parser.at < text.len() {
                return Err(parser.broken("something follows the value"));
            }
        } else {
            return Err(Broken {
                what: "a line may have 2 GiB at most",
                at: 0,
            });
        }
        Ok(Document {
            source: text,
            tape: self,
        })
    }
}

#[allow(clippy::cast_possible_truncation)] // `Tape::parse` admits texts of 2^31 bytes at most.
fn span(start: usize, end: usize) -> Span {
    Span {
        start: start as u32,
        length: (end - start) as u32,
    }
}

impl Parser<'_> {
    pub(super) fn broken(&self, what: &'static str) -> Broken {
        Broken { what, at: self.at }
    }

    pub(super) fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn blanks(&mut self) {
        while let Some(b' ' | b'\t' | b'\r' | b'\n') = self.byte() {
            self.at += 1;
        }
    }

    fn peek(&mut self) -> Result<u8, Broken> {
        self.blanks();
        self.byte()
            .ok_or_else(|| self.broken("the text ends too early"))
    }

    fn push(&mut self, key: Span, text: Span, kind: Kind, parent: At) -> At {
        // A value takes at least one byte, so that positions fit as those of the text do.
        let at = span(0, self.tape.nodes.len()).length;
        self.tape.nodes.push(Node {
            key,
            text,
            end: at + 1,
            parent,
            kind,
        });
        at
    }

    fn value(&mut self, key: Span, parent: At) -> Result<(), Broken> {
        match self.peek()? {
            b'"' => {
                let text = self.string()?;
                self.push(key, text, Kind::String, parent);
                Ok(())
            }
            b'{' => self.container(key, parent, Kind::Object, b'}'),
            b'[' => self.container(key, parent, Kind::Array, b']'),
            b'-' | b'0'..=b'9' => self.number(key, parent),
            _ => self.literal(key, parent),
        }
    }

    fn container(&mut self, key: Span, parent: At, kind: Kind, close: u8) -> Result<(), Broken> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(self.broken("objects and arrays are nested deeper than 128"));
        }
        let start = self.at;
        let here = self.push(key, Span::default(), kind, parent);
        self.at += 1;
        if self.peek()? != close {
            loop {
                let name = if kind == Kind::Object {
                    self.member_name()?
                } else {
                    Span::default()
                };
                self.value(name, here)?;
                match self.peek()? {
                    b',' => self.at += 1,
                    other if other == close => break,
                    _ => {
                        return Err(self.broken("a comma or the end of a list is missing"));
                    }
                }
            }
        }
        self.at += 1;
        self.depth -= 1;
        let end = span(0, self.tape.nodes.len()).length;
        let node = &mut self.tape.nodes[here as usize];
        node.text = span(start, self.at);
        node.end = end;
        Ok(())
    }

    fn member_name(&mut self) -> Result<Span, Broken> {
        if self.peek()? != b'"' {
            return Err(self.broken("a member name must be a string"));
        }
        let name = self.string()?;
        if self.peek()? != b':' {
            return Err(self.broken("a colon is missing after a member name"));
        }
        self.at += 1;
        Ok(name)
    }

    fn literal(&mut self, key: Span, parent: At) -> Result<(), Broken> {
        let rest = &self.text.as_bytes()[self.at..];
        let (length, kind) = if rest.starts_with(b"true") {
            (4, Kind::True)
        } else if rest.starts_with(b"false") {
            (5, Kind::False)
        } else if rest.starts_with(b"null") {
            (4, Kind::Null)
        } else {
            return Err(self.broken("a value is missing"));
        };
        let text = span(self.at, self.at + length);
        self.at += length;
        self.push(key, text, kind, parent);
        Ok(())
    }

    fn number(&mut self, key: Span, parent: At) -> Result<(), Broken> {
        let length = number_length(&self.text.as_bytes()[self.at..]);
        if length == 0 {
            return Err(self.broken("not a number"));
        }
        let text = span(self.at, self.at + length);
        self.at += length;
        self.push(key, text, Kind::Number, parent);
        Ok(())
    }

    /// The string at the parser, which stands on its opening quote.
    fn string(&mut self) -> Result<Span, Broken> {
        let start = self.at + 1;
        self.at = start;
        self.plain();
        if self.byte() == Some(b'"') {
            self.at += 1;
            return Ok(span(start, self.at - 1));
        }
        let base = self.text.len() + self.tape.unescaped.len();
        self.unescape(start)?;
        Ok(span(base, self.text.len() + self.tape.unescaped.len()))
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
