//! From an expression as written to one that runs: names of functions, types and constants are
//! resolved, numbers of arguments checked, patterns of regular expressions built.

mod functions;
mod infer;
mod types;

use std::collections::BTreeMap;

use regex::Regex;

pub(crate) use functions::Function;
pub(crate) use infer::infer;
pub(crate) use types::Type;

use crate::fhirpath::{Binary, Chain, Literal, Node, Syntax, SyntaxError, TypeOperator, parse};
use crate::value::{Item, Quantity};

/// An expression that can be evaluated.
#[derive(Debug)]
pub(crate) enum Expr {
    Empty,
    Literal(Item<'static>),
    This,
    Position,
    Total,
    RowIndex,
    Resource,
    /// What the whole expression is evaluated on.
    Context,
    /// Members of members.
    Path(Box<Expr>, Vec<Box<str>>),
    /// `Patient`: what is iterated over, if it is a resource of that type; otherwise its member.
    Root(Box<str>),
    Index(Box<Expr>, Box<Expr>),
    Call(Function, Box<Expr>, Vec<Expr>),
    Pattern(Function, Box<Expr>, Pattern, Vec<Expr>),
    OfType(Box<Expr>, Type),
    Is(Box<Expr>, Type),
    As(Box<Expr>, Type),
    ReferenceKey(Box<Expr>, Option<Type>),
    Negative(Box<Expr>),
    Positive(Box<Expr>),
    Binary(Binary, Box<Expr>, Box<Expr>),
    Chain(Chain, Vec<Expr>),
}

/// A regular expression.
#[derive(Debug)]
pub(crate) enum Pattern {
    Fixed(Regex),
    /// Known only when the expression is evaluated.
    Computed(Box<Expr>),
}

/// The constants of a view by name.
pub(crate) type Constants = BTreeMap<String, Item<'static>>;

/// Names that `%` finds without a definition.
pub(crate) const BUILT_IN: [&str; 7] = [
    "rowIndex",
    "resource",
    "rootResource",
    "context",
    "ucum",
    "sct",
    "loinc",
];

/// Reads and resolves an expression.
pub(crate) fn compile(text: &str, constants: &Constants) -> Result<Expr, SyntaxError> {
    let syntax = parse(text)?;
    Compiler { constants }.expr(&syntax)
}

/// A regular expression as FHIRPath means it: a point is any character, line ends too.
pub(crate) fn pattern(text: &str, whole: bool) -> Result<Regex, String> {
    let text = if whole {
        format!(r"\A(?:{text})\z")
    } else {
        text.to_owned()
    };
    regex::RegexBuilder::new(&text)
        .dot_matches_new_line(true)
        .size_limit(1 << 20)
        .build()
        .map_err(|_| {
            "a regular expression that cannot be used: look-around and back references do not exist here"
                .to_owned()
        })
}

struct Compiler<'c> {
    constants: &'c Constants,
}

impl Compiler<'_> {
    fn boxed(&self, syntax: &Syntax) -> Result<Box<Expr>, SyntaxError> {
        self.expr(syntax).map(Box::new)
    }

    fn all(&self, parts: &[Syntax]) -> Result<Vec<Expr>, SyntaxError> {
        parts.iter().map(|part| self.expr(part)).collect()
    }

    fn base(&self, base: Option<&Syntax>) -> Result<Box<Expr>, SyntaxError> {
        base.map_or(Ok(Box::new(Expr::This)), |base| self.boxed(base))
    }

    fn expr(&self, syntax: &Syntax) -> Result<Expr, SyntaxError> {
        Ok(match &syntax.node {
            Node::Empty => Expr::Empty,
            Node::Literal(value) => Expr::Literal(literal(value)),
            Node::Constant(name) => self.constant(syntax.at, name)?,
            Node::This => Expr::This,
            Node::Position => Expr::Position,
            Node::Total => Expr::Total,
            Node::Name(None, name) if name.starts_with(|c: char| c.is_ascii_uppercase()) => {
                Expr::Root(name.as_str().into())
            }
            Node::Name(base, name) => {
                let base = self.base(base.as_deref())?;
                match *base {
                    Expr::Path(base, mut names) => {
                        names.push(name.as_str().into());
                        Expr::Path(base, names)
                    }
                    other => Expr::Path(Box::new(other), vec![name.as_str().into()]),
                }
            }
            Node::Call(base, name, arguments) => {
                self.call(syntax, base.as_deref(), name, arguments)?
            }
            Node::Index(base, index) => Expr::Index(self.boxed(base)?, self.boxed(index)?),
            Node::Sign(true, of) => Expr::Negative(self.boxed(of)?),
            Node::Sign(false, of) => Expr::Positive(self.boxed(of)?),
            Node::Binary(operator, left, right) => {
                Expr::Binary(*operator, self.boxed(left)?, self.boxed(right)?)
            }
            Node::Chain(operator, operands) => Expr::Chain(*operator, self.all(operands)?),
            Node::Type(operator, of, name) => {
                let kind = Type::find(name, syntax.at)?;
                match operator {
                    TypeOperator::Is => Expr::Is(self.boxed(of)?, kind),
                    TypeOperator::As => Expr::As(self.boxed(of)?, kind),
                }
            }
        })
    }

    fn constant(&self, at: usize, name: &str) -> Result<Expr, SyntaxError> {
        let text = |text: &'static str| Expr::Literal(Item::Text(text.into()));
        Ok(match name {
            "rowIndex" => Expr::RowIndex,
            "resource" | "rootResource" => Expr::Resource,
            "context" => Expr::Context,
            "ucum" => text("http://unitsofmeasure.org"),
            "sct" => text("http://snomed.info/sct"),
            "loinc" => text("http://loinc.org"),
            _ => {
                let value = self.constants.get(name).ok_or_else(|| {
                    let what = format!("the constant %{name} is not defined; add it to `constant`");
                    SyntaxError { at, what }
                })?;
                Expr::Literal(value.clone())
            }
        })
    }

    fn call(
        &self,
        syntax: &Syntax,
        base: Option<&Syntax>,
        name: &str,
        arguments: &[Syntax],
    ) -> Result<Expr, SyntaxError> {
        let at = syntax.at;
        let given = arguments.len();
        let count = |least: usize, most: usize| {
            if (least..=most).contains(&given) {
                return Ok(());
            }
            let wanted = match (least, most) {
                (0, 0) => "no argument".to_owned(),
                (1, 1) => "one argument".to_owned(),
                (least, most) if least == most => format!("{least} arguments"),
                (least, most) => format!("{least} to {most} arguments"),
            };
            let what = format!("{name}() takes {wanted}, not {given}");
            Err(SyntaxError { at, what })
        };
        let input = self.base(base)?;
        match name {
            "ofType" | "is" | "as" => {
                count(1, 1)?;
                let kind = Type::of_argument(&arguments[0])?;
                return Ok(match name {
                    "ofType" => Expr::OfType(input, kind),
                    "is" => Expr::Is(input, kind),
                    _ => Expr::As(input, kind),
                });
            }
            "getReferenceKey" => {
                count(0, 1)?;
                let kind = arguments.first().map(Type::of_argument).transpose()?;
                return Ok(Expr::ReferenceKey(input, kind));
            }
            _ => {}
        }
        let Some((function, least, most)) = functions::find(name) else {
            let what = functions::unknown(name);
            return Err(SyntaxError { at, what });
        };
        count(least, most)?;
        let mut arguments = self.all(arguments)?;
        match function {
            Function::Matches | Function::MatchesFull | Function::ReplaceMatches => {
                let replacement = arguments.split_off(1);
                let pattern = arguments.remove(0);
                let pattern = prepared(function, pattern, at)?;
                Ok(Expr::Pattern(function, input, pattern, replacement))
            }
            _ => Ok(Expr::Call(function, input, arguments)),
        }
    }
}

fn literal(literal: &Literal) -> Item<'static> {
    match literal {
        Literal::Boolean(value) => Item::Boolean(*value),
        Literal::Integer(value) => Item::Integer(*value),
        Literal::Decimal(value) => Item::Decimal(*value),
        Literal::Text(text) => Item::Text(text.clone().into()),
        Literal::Temporal(value) => Item::Temporal(*value),
        Literal::Quantity(value, unit) => Item::Quantity(Box::new(Quantity::new(*value, unit))),
    }
}

/// A pattern that is written in the expression is built once.
fn prepared(function: Function, of: Expr, at: usize) -> Result<Pattern, SyntaxError> {
    match of {
        Expr::Literal(Item::Text(text)) => pattern(&text, function == Function::MatchesFull)
            .map(Pattern::Fixed)
            .map_err(|what| SyntaxError { at, what }),
        other => Ok(Pattern::Computed(Box::new(other))),
    }
}
