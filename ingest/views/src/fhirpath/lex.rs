//! Words of an expression.

use super::SyntaxError;
use crate::value::Temporal;

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token {
    /// A bare word.
    Word(String),
    /// A name in backticks.
    Name(String),
    Text(String),
    Number(String),
    Temporal(Temporal),
    /// `$this`, `$index`, `$total`, without the sign.
    Special(String),
    Symbol(&'static str),
    End,
}

/// Longer ones first.
const SYMBOLS: [&str; 22] = [
    "<=", ">=", "!=", "!~", ".", ",", "(", ")", "[", "]", "{", "}", "+", "-", "*", "/", "&", "|",
    "<", ">", "=", "~",
];

/// All words with the byte where each begins; the last one is [`Token::End`].
pub(super) fn lex(text: &str) -> Result<Vec<(usize, Token)>, SyntaxError> {
    let mut lexer = Lexer { text, at: 0 };
    let mut tokens = Vec::new();
    loop {
        lexer.blanks()?;
        let at = lexer.at;
        let token = lexer.token()?;
        let end = token == Token::End;
        tokens.push((at, token));
        if end {
            return Ok(tokens);
        }
    }
}

struct Lexer<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Lexer<'t> {
    fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    /// Takes the longest start whose characters all fit.
    fn take(&mut self, fits: impl Fn(char) -> bool) -> &'t str {
        let rest = self.rest();
        let length = rest.find(|c| !fits(c)).unwrap_or(rest.len());
        self.at += length;
        &rest[..length]
    }

    fn blanks(&mut self) -> Result<(), SyntaxError> {
        loop {
            self.take(char::is_whitespace);
            if self.rest().starts_with("//") {
                self.take(|c| c != '\n');
            } else if self.rest().starts_with("/*") {
                let Some(end) = self.rest()[2..].find("*/") else {
                    return Err(SyntaxError::new(self.at, "a comment is not closed"));
                };
                self.at += end + 4;
            } else {
                return Ok(());
            }
        }
    }

    fn token(&mut self) -> Result<Token, SyntaxError> {
        let start = self.at;
        let Some(first) = self.rest().chars().next() else {
            return Ok(Token::End);
        };
        Ok(match first {
            'A'..='Z' | 'a'..='z' | '_' => Token::Word(self.word()),
            '0'..='9' => Token::Number(self.number()),
            '\'' => Token::Text(self.quoted('\'')?),
            '`' => Token::Name(self.quoted('`')?),
            '@' => Token::Temporal(self.temporal()?),
            '$' => {
                self.at += 1;
                let word = self.word();
                if !matches!(word.as_str(), "this" | "index" | "total") {
                    let what = format!("there is no ${word}; use $this, $index or $total");
                    return Err(SyntaxError::new(start, what));
                }
                Token::Special(word)
            }
            '%' => {
                self.at += 1;
                Token::Symbol("%")
            }
            _ => {
                let symbol = SYMBOLS.iter().find(|s| self.rest().starts_with(**s));
                let Some(symbol) = symbol else {
                    let what = format!("the character {first:?} has no meaning here");
                    return Err(SyntaxError::new(start, what));
                };
                self.at += symbol.len();
                Token::Symbol(symbol)
            }
        })
    }

    fn word(&mut self) -> String {
        let word = self.take(|c| c.is_ascii_alphanumeric() || c == '_');
        word.to_owned()
    }

    /// A point belongs to the number only when a digit follows.
    fn number(&mut self) -> String {
        let start = self.at;
        self.take(|c| c.is_ascii_digit());
        let mut next = self.rest().chars();
        if next.next() == Some('.') && next.next().is_some_and(|c| c.is_ascii_digit()) {
            self.at += 1;
            self.take(|c| c.is_ascii_digit());
        }
        self.text[start..self.at].to_owned()
    }

    /// `@2020-05-01T10:00:00.000+02:00` and shorter, `@T10:00`.
    fn temporal(&mut self) -> Result<Temporal, SyntaxError> {
        let start = self.at;
        self.at += 1;
        let from = self.at;
        self.take(|c| c.is_ascii_digit() || c == '-');
        if self.rest().starts_with('T') {
            self.at += 1;
            self.take(|c| c.is_ascii_digit() || c == ':');
            let mut next = self.rest().chars();
            if next.next() == Some('.') && next.next().is_some_and(|c| c.is_ascii_digit()) {
                self.at += 1;
                self.take(|c| c.is_ascii_digit());
            }
            if self.rest().starts_with('Z') {
                self.at += 1;
            } else if self.offset() {
                self.at += 6;
            }
        }
        let text = &self.text[from..self.at];
        let read = match text.strip_prefix('T') {
            Some(time) => Temporal::time(time),
            None => Temporal::date_or_date_time(text),
        };
        read.ok_or_else(|| {
            let what = "not a date or time; write @2020-05-01, @2020-05-01T10:00:00Z or @T10:00";
            SyntaxError::new(start, what)
        })
    }

    /// Whether `+02:00` or `-02:00` follows.
    fn offset(&self) -> bool {
        let rest = self.rest().as_bytes();
        rest.len() >= 6
            && matches!(rest[0], b'+' | b'-')
            && rest[3] == b':'
            && [1, 2, 4, 5].iter().all(|&at| rest[at].is_ascii_digit())
    }

    fn quoted(&mut self, quote: char) -> Result<String, SyntaxError> {
        let start = self.at;
        self.at += 1;
        let mut text = String::new();
        loop {
            text.push_str(self.take(|c| c != quote && c != '\\'));
            let Some(next) = self.rest().chars().next() else {
                return Err(SyntaxError::new(start, "a quote is not closed"));
            };
            self.at += 1;
            if next == quote {
                return Ok(text);
            }
            text.push(self.escape()?);
        }
    }

    fn escape(&mut self) -> Result<char, SyntaxError> {
        let unknown = SyntaxError::new(self.at - 1, "an escape that FHIRPath does not know");
        let Some(letter) = self.rest().chars().next() else {
            return Err(unknown);
        };
        self.at += letter.len_utf8();
        Ok(match letter {
            '\'' | '"' | '`' | '\\' | '/' => letter,
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => {
                let digits = self.rest().get(..4).ok_or_else(|| unknown.clone())?;
                let digits = digits
                    .bytes()
                    .all(|b| b.is_ascii_hexdigit())
                    .then_some(digits);
                let code = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok());
                self.at += 4;
                code.and_then(char::from_u32).ok_or(unknown)?
            }
            _ => return Err(unknown),
        })
    }
}
