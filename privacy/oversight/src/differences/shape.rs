//! Expressions without their constants: what is compared, and what people are told of them.

use std::fmt::Write as _;

use super::expression::{Expr, Piece};
use super::hash::Print;
use super::literal::Literal;

/// Longer texts are named by their fingerprint, so that columns that are made of columns do not grow without bound.
const MOST_TEXT: usize = 2_000;
const MOST_WORDS: usize = 160;
/// More constants than this are compared as a whole.
const MOST_CONSTANTS: usize = 48;

/// What an expression is, with constants taken out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Shape {
    /// With `?` for each constant, and columns by where they come from.
    pub(super) text: String,
    pub(super) constants: Vec<Literal>,
    pub(super) words: String,
}

impl Shape {
    /// An expression over these columns.
    pub(super) fn of(expr: &Expr, columns: &[Self]) -> Self {
        let mut shape = Self::default();
        shape.write(expr, columns);
        if shape.text.len() > MOST_TEXT {
            shape.text = format!("{:?}", Print::of(&shape.text));
        }
        if shape.constants.len() > MOST_CONSTANTS {
            let whole = Print::of(&shape.constants);
            shape.constants = vec![Literal::Other(format!("{whole:?}"))];
        }
        if shape.words.chars().count() > MOST_WORDS {
            let start = shape.words.chars().take(MOST_WORDS);
            shape.words = start.chain(['…']).collect();
        }
        shape
    }

    pub(super) fn all(exprs: &[Expr], columns: &[Self]) -> Vec<Self> {
        exprs.iter().map(|expr| Self::of(expr, columns)).collect()
    }

    /// A column that comes from nothing below.
    pub(super) fn made(text: &str, words: &str) -> Self {
        Self {
            text: text.to_owned(),
            constants: Vec::new(),
            words: words.to_owned(),
        }
    }

    fn write(&mut self, expr: &Expr, columns: &[Self]) {
        // Writing to a String cannot fail.
        match expr {
            Expr::Column(place) => {
                let unknown = || Self::made(&format!("#{place}"), "a column");
                let column = columns.get(*place).cloned().unwrap_or_else(unknown);
                self.append(column);
            }
            Expr::Literal(value) => {
                self.text.push('?');
                self.words.push_str(&value.show());
                self.constants.push(value.clone());
            }
            Expr::Binary(op, left, right) => {
                let _ = write!(self.text, "{op}(");
                self.write(left, columns);
                self.text.push(',');
                let _ = write!(self.words, " {} ", symbol(op));
                self.write(right, columns);
                self.text.push(')');
            }
            Expr::In(subject, list, negated) => {
                self.text.push_str(if *negated { "NotIn(" } else { "In(" });
                self.write(subject, columns);
                self.words
                    .push_str(if *negated { " NOT IN (" } else { " IN (" });
                self.list(list, columns);
                self.text.push(')');
                self.words.push(')');
            }
            Expr::Not(inner) => {
                self.text.push_str("Not(");
                self.words.push_str("not ");
                self.write(inner, columns);
                self.text.push(')');
            }
            Expr::Call(name, about, arguments) => {
                let _ = write!(self.text, "{about}(");
                let _ = write!(self.words, "{name}(");
                self.list(arguments, columns);
                self.text.push(')');
                self.words.push(')');
            }
            Expr::Other(pieces) => self.other(pieces, columns),
        }
    }

    fn append(&mut self, mut other: Self) {
        self.text.push_str(&other.text);
        self.constants.append(&mut other.constants);
        self.words.push_str(&other.words);
    }

    fn list(&mut self, exprs: &[Expr], columns: &[Self]) {
        let mut words = Vec::new();
        for expr in exprs {
            words.push(self.write_apart(expr, columns));
            self.text.push(',');
        }
        words.retain(|word| !word.is_empty());
        self.words.push_str(&words.join(", "));
    }

    /// Adds an expression, and gives back its words.
    fn write_apart(&mut self, expr: &Expr, columns: &[Self]) -> String {
        let mut inner = Self::default();
        inner.write(expr, columns);
        let words = std::mem::take(&mut inner.words);
        self.append(inner);
        words
    }

    /// Text is compared as it stands; of its words only the first is of use to a person, and the expressions in it.
    fn other(&mut self, pieces: &[Piece], columns: &[Self]) {
        let mut words = Vec::new();
        self.pieces(pieces, columns, &mut words);
        let name = match pieces.first() {
            Some(Piece::Text(first)) => first.split(|c: char| !c.is_ascii_alphanumeric()).next(),
            _ => None,
        };
        let name = name.unwrap_or_default().to_lowercase();
        match (name.as_str(), words.as_slice()) {
            (_, []) => {}
            ("", [only]) => self.words.push_str(only),
            _ => {
                let _ = write!(self.words, "{name}({})", words.join(", "));
            }
        }
    }

    /// Text in text is one text: `Case(Case { … })`.
    fn pieces(&mut self, pieces: &[Piece], columns: &[Self], words: &mut Vec<String>) {
        for piece in pieces {
            match piece {
                Piece::Text(text) => self.text.push_str(text),
                Piece::Expr(Expr::Other(inner)) => self.pieces(inner, columns, words),
                Piece::Expr(expr) => words.push(self.write_apart(expr, columns)),
            }
        }
    }
}

fn symbol(op: &str) -> &str {
    match op {
        "Eq" => "=",
        "NotEq" => "<>",
        "Lt" => "<",
        "LtEq" => "<=",
        "And" => "AND",
        "Or" => "OR",
        "Plus" => "+",
        "Minus" => "-",
        "Multiply" => "*",
        "Divide" => "/",
        "Modulo" => "%",
        other => other,
    }
}
