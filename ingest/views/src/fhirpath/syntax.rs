//! An expression as written.

use rust_decimal::Decimal;

use crate::value::Temporal;

/// A part of an expression, with the byte where it begins.
#[derive(Debug, Clone)]
pub(crate) struct Syntax {
    pub(crate) at: usize,
    /// Levels of parts within parts, this one included.
    pub(crate) depth: usize,
    pub(crate) node: Node,
}

/// Positions do not count.
impl PartialEq for Syntax {
    fn eq(&self, other: &Self) -> bool {
        self.node == other.node
    }
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Node {
    /// `{}`
    Empty,
    Literal(Literal),
    /// `%name`
    Constant(String),
    /// `$this`
    This,
    /// `$index`
    Position,
    /// `$total`
    Total,
    /// `name` or `base.name`
    Name(Option<Box<Syntax>>, String),
    /// `name(…)` or `base.name(…)`
    Call(Option<Box<Syntax>>, String, Vec<Syntax>),
    /// `base[index]`
    Index(Box<Syntax>, Box<Syntax>),
    /// `+x` or `-x`
    Sign(bool, Box<Syntax>),
    Binary(Binary, Box<Syntax>, Box<Syntax>),
    /// `a or b or c`: two operands or more.
    Chain(Chain, Vec<Syntax>),
    /// `x is Type` or `x as Type`
    Type(TypeOperator, Box<Syntax>, String),
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Literal {
    Boolean(bool),
    Integer(i64),
    Decimal(Decimal),
    Text(String),
    Temporal(Temporal),
    Quantity(Decimal, String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Binary {
    Multiply,
    Divide,
    Div,
    Mod,
    Add,
    Subtract,
    Concatenate,
    LessOrEqual,
    Less,
    Greater,
    GreaterOrEqual,
    Equal,
    Equivalent,
    NotEqual,
    NotEquivalent,
    In,
    Contains,
    Xor,
    Implies,
}

/// Operators that may stand many times in a row: kept flat, so that a long list nests nowhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Chain {
    Union,
    And,
    Or,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TypeOperator {
    Is,
    As,
}

/// How tight operators bind, from `implies` to what stands alone.
pub(crate) mod binding {
    pub(crate) const IMPLIES: u8 = 1;
    pub(crate) const OR: u8 = 2;
    pub(crate) const AND: u8 = 3;
    pub(crate) const MEMBERSHIP: u8 = 4;
    pub(crate) const EQUALITY: u8 = 5;
    pub(crate) const INEQUALITY: u8 = 6;
    pub(crate) const UNION: u8 = 7;
    pub(crate) const TYPE: u8 = 8;
    pub(crate) const ADDITIVE: u8 = 9;
    pub(crate) const MULTIPLICATIVE: u8 = 10;
    pub(crate) const SIGN: u8 = 11;
    pub(crate) const TERM: u8 = 12;
}

impl Binary {
    pub(crate) fn binding(self) -> u8 {
        match self {
            Self::Multiply | Self::Divide | Self::Div | Self::Mod => binding::MULTIPLICATIVE,
            Self::Add | Self::Subtract | Self::Concatenate => binding::ADDITIVE,
            Self::LessOrEqual | Self::Less | Self::Greater | Self::GreaterOrEqual => {
                binding::INEQUALITY
            }
            Self::Equal | Self::Equivalent | Self::NotEqual | Self::NotEquivalent => {
                binding::EQUALITY
            }
            Self::In | Self::Contains => binding::MEMBERSHIP,
            Self::Xor => binding::OR,
            Self::Implies => binding::IMPLIES,
        }
    }

    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::Div => "div",
            Self::Mod => "mod",
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Concatenate => "&",
            Self::LessOrEqual => "<=",
            Self::Less => "<",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
            Self::Equal => "=",
            Self::Equivalent => "~",
            Self::NotEqual => "!=",
            Self::NotEquivalent => "!~",
            Self::In => "in",
            Self::Contains => "contains",
            Self::Xor => "xor",
            Self::Implies => "implies",
        }
    }
}

impl Chain {
    pub(crate) fn binding(self) -> u8 {
        match self {
            Self::Union => binding::UNION,
            Self::And => binding::AND,
            Self::Or => binding::OR,
        }
    }

    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Union => "|",
            Self::And => "and",
            Self::Or => "or",
        }
    }
}

impl Node {
    pub(crate) fn binding(&self) -> u8 {
        match self {
            Self::Sign(..) => binding::SIGN,
            Self::Binary(operator, ..) => operator.binding(),
            Self::Chain(operator, _) => operator.binding(),
            Self::Type(..) => binding::TYPE,
            _ => binding::TERM,
        }
    }

    /// The parts directly within this one.
    pub(crate) fn parts(&self) -> Vec<&Syntax> {
        match self {
            Self::Empty
            | Self::Literal(_)
            | Self::Constant(_)
            | Self::This
            | Self::Position
            | Self::Total => Vec::new(),
            Self::Name(base, _) => base.iter().map(AsRef::as_ref).collect(),
            Self::Call(base, _, arguments) => {
                base.iter().map(AsRef::as_ref).chain(arguments).collect()
            }
            Self::Index(a, b) | Self::Binary(_, a, b) => vec![a, b],
            Self::Sign(_, of) | Self::Type(_, of, _) => vec![of],
            Self::Chain(_, operands) => operands.iter().collect(),
        }
    }
}
