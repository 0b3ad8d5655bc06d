//! An expression as text again: what is printed parses to the same expression.

use std::fmt::{self, Display, Formatter, Write as _};

use super::syntax::{Literal, Node, Syntax, TypeOperator, binding};
use crate::value::{Quantity, Sort};

impl Display for Syntax {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match &self.node {
            Node::Empty => f.write_str("{}"),
            Node::Literal(literal) => literal.fmt(f),
            Node::Constant(name) => {
                f.write_char('%')?;
                identifier(f, name)
            }
            Node::This => f.write_str("$this"),
            Node::Position => f.write_str("$index"),
            Node::Total => f.write_str("$total"),
            Node::Name(base, name) => {
                dotted(f, base.as_deref())?;
                identifier(f, name)
            }
            Node::Call(base, name, arguments) => {
                dotted(f, base.as_deref())?;
                identifier(f, name)?;
                f.write_char('(')?;
                listed(f, arguments, ", ", 0)?;
                f.write_char(')')
            }
            Node::Index(base, index) => {
                within(f, base, binding::TERM)?;
                write!(f, "[{index}]")
            }
            Node::Sign(minus, of) => {
                f.write_str(if *minus { "-" } else { "+" })?;
                within(f, of, binding::SIGN)
            }
            Node::Binary(operator, left, right) => {
                within(f, left, operator.binding())?;
                write!(f, " {} ", operator.word())?;
                within(f, right, operator.binding() + 1)
            }
            Node::Chain(operator, operands) => {
                let word = format!(" {} ", operator.word());
                // A chain in a chain of the same kind, or beside `xor`, is not the same chain.
                listed(f, operands, &word, operator.binding() + 1)
            }
            Node::Type(operator, of, name) => {
                within(f, of, binding::TYPE)?;
                let word = match operator {
                    TypeOperator::Is => "is",
                    TypeOperator::As => "as",
                };
                write!(f, " {word} ")?;
                match name.split_once('.') {
                    Some((model, name)) => {
                        write!(f, "{model}.")?;
                        identifier(f, name)
                    }
                    None => identifier(f, name),
                }
            }
        }
    }
}

/// In parentheses when it binds less tight than `least`.
fn within(f: &mut Formatter<'_>, part: &Syntax, least: u8) -> fmt::Result {
    if part.node.binding() < least {
        write!(f, "({part})")
    } else {
        part.fmt(f)
    }
}

fn listed(f: &mut Formatter<'_>, parts: &[Syntax], between: &str, least: u8) -> fmt::Result {
    for (at, part) in parts.iter().enumerate() {
        if at > 0 {
            f.write_str(between)?;
        }
        within(f, part, least)?;
    }
    Ok(())
}

fn dotted(f: &mut Formatter<'_>, base: Option<&Syntax>) -> fmt::Result {
    let Some(base) = base else {
        return Ok(());
    };
    within(f, base, binding::TERM)?;
    f.write_char('.')
}

/// Words that mean something else where a name may stand.
const RESERVED: &[&str] = &[
    "true",
    "false",
    "and",
    "or",
    "xor",
    "implies",
    "div",
    "mod",
    "is",
    "as",
    "in",
    "contains",
    "year",
    "month",
    "week",
    "day",
    "hour",
    "minute",
    "second",
    "millisecond",
    "years",
    "months",
    "weeks",
    "days",
    "hours",
    "minutes",
    "seconds",
    "milliseconds",
    "System",
    "FHIR",
];

fn identifier(f: &mut Formatter<'_>, name: &str) -> fmt::Result {
    let mut characters = name.chars();
    let first = characters.next();
    let plain = first.is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && characters.all(|c| c.is_ascii_alphanumeric() || c == '_');
    if plain && !RESERVED.contains(&name) {
        f.write_str(name)
    } else {
        quoted(f, name, '`')
    }
}

fn quoted(f: &mut Formatter<'_>, text: &str, quote: char) -> fmt::Result {
    f.write_char(quote)?;
    for character in text.chars() {
        match character {
            '\\' => f.write_str("\\\\")?,
            '\n' => f.write_str("\\n")?,
            '\r' => f.write_str("\\r")?,
            '\t' => f.write_str("\\t")?,
            '\u{c}' => f.write_str("\\f")?,
            other if other == quote => write!(f, "\\{quote}")?,
            other => f.write_char(other)?,
        }
    }
    f.write_char(quote)
}

impl Display for Literal {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Boolean(value) => value.fmt(f),
            Self::Integer(value) => value.fmt(f),
            Self::Decimal(value) => value.fmt(f),
            Self::Text(text) => quoted(f, text, '\''),
            Self::Temporal(value) => match value.sort {
                Sort::Time => write!(f, "@T{value}"),
                Sort::DateTime if value.precision <= crate::value::Precision::Day => {
                    write!(f, "@{value}T")
                }
                Sort::Date | Sort::DateTime => write!(f, "@{value}"),
            },
            Self::Quantity(value, unit) => {
                let quantity = Quantity::new(*value, unit);
                write!(f, "{} ", quantity.value)?;
                match crate::value::calendar_word(unit) {
                    Some(word) => f.write_str(word),
                    None => quoted(f, unit, '\''),
                }
            }
        }
    }
}
