//! The grammar, by precedence climbing.

use super::SyntaxError;
use super::lex::{Token, lex};
use super::syntax::{Binary, Chain, Literal, Node, Syntax, TypeOperator, binding};
use crate::value::parse_decimal;

/// Parts may nest this deep, so that no expression exhausts the stack.
const MAX_DEPTH: usize = 100;

/// Longest expression, in bytes.
const MAX_LENGTH: usize = 1 << 20;

/// Reads a whole expression.
pub(crate) fn parse(text: &str) -> Result<Syntax, SyntaxError> {
    if text.len() > MAX_LENGTH {
        return Err(SyntaxError::new(0, "an expression may have 1 MiB at most"));
    }
    let tokens = lex(text)?;
    let mut parser = Parser {
        tokens,
        next: 0,
        depth: 0,
    };
    let whole = parser.expression(0)?;
    match parser.peek() {
        Token::End => Ok(whole),
        _ => Err(parser.unexpected("an operator or the end")),
    }
}

struct Parser {
    tokens: Vec<(usize, Token)>,
    next: usize,
    depth: usize,
}

/// An operator between two operands.
#[derive(Clone, Copy)]
enum Infix {
    Binary(Binary),
    Chain(Chain),
    Type(TypeOperator),
}

impl Infix {
    fn of(token: &Token) -> Option<Self> {
        let word = match token {
            Token::Symbol(symbol) => *symbol,
            Token::Word(word) => word.as_str(),
            _ => return None,
        };
        Some(match word {
            "*" => Self::Binary(Binary::Multiply),
            "/" => Self::Binary(Binary::Divide),
            "div" => Self::Binary(Binary::Div),
            "mod" => Self::Binary(Binary::Mod),
            "+" => Self::Binary(Binary::Add),
            "-" => Self::Binary(Binary::Subtract),
            "&" => Self::Binary(Binary::Concatenate),
            "<=" => Self::Binary(Binary::LessOrEqual),
            "<" => Self::Binary(Binary::Less),
            ">" => Self::Binary(Binary::Greater),
            ">=" => Self::Binary(Binary::GreaterOrEqual),
            "=" => Self::Binary(Binary::Equal),
            "~" => Self::Binary(Binary::Equivalent),
            "!=" => Self::Binary(Binary::NotEqual),
            "!~" => Self::Binary(Binary::NotEquivalent),
            "in" => Self::Binary(Binary::In),
            "contains" => Self::Binary(Binary::Contains),
            "xor" => Self::Binary(Binary::Xor),
            "implies" => Self::Binary(Binary::Implies),
            "|" => Self::Chain(Chain::Union),
            "and" => Self::Chain(Chain::And),
            "or" => Self::Chain(Chain::Or),
            "is" => Self::Type(TypeOperator::Is),
            "as" => Self::Type(TypeOperator::As),
            _ => return None,
        })
    }

    fn binding(self) -> u8 {
        match self {
            Self::Binary(operator) => operator.binding(),
            Self::Chain(operator) => operator.binding(),
            Self::Type(_) => binding::TYPE,
        }
    }
}

impl Parser {
    fn peek(&self) -> &Token {
        &self.tokens[self.next].1
    }

    fn at(&self) -> usize {
        self.tokens[self.next].0
    }

    fn advance(&mut self) -> Token {
        let token = self.tokens[self.next].1.clone();
        // The last token is the end, which stays.
        self.next = (self.next + 1).min(self.tokens.len() - 1);
        token
    }

    fn symbol(&mut self, symbol: &str) -> bool {
        let here = matches!(self.peek(), Token::Symbol(found) if *found == symbol);
        if here {
            self.advance();
        }
        here
    }

    fn expect(&mut self, symbol: &str) -> Result<(), SyntaxError> {
        if self.symbol(symbol) {
            return Ok(());
        }
        Err(self.unexpected(&format!("'{symbol}'")))
    }

    fn unexpected(&self, wanted: &str) -> SyntaxError {
        let found = match self.peek() {
            Token::Word(word) => format!("'{word}'"),
            Token::Name(name) => format!("`{name}`"),
            Token::Text(_) => "a string".to_owned(),
            Token::Number(number) => number.clone(),
            Token::Temporal(_) => "a date or time".to_owned(),
            Token::Special(word) => format!("${word}"),
            Token::Symbol(symbol) => format!("'{symbol}'"),
            Token::End => "the end".to_owned(),
        };
        SyntaxError::new(self.at(), format!("{wanted} is expected here, not {found}"))
    }

    fn part(at: usize, node: Node) -> Result<Syntax, SyntaxError> {
        let depth = node.parts().iter().map(|part| part.depth).max();
        let depth = depth.unwrap_or(0) + 1;
        if depth > MAX_DEPTH {
            return Err(SyntaxError::new(at, "the expression is nested too deep"));
        }
        Ok(Syntax { at, depth, node })
    }

    /// Everything that binds tighter than `floor`.
    fn expression(&mut self, floor: u8) -> Result<Syntax, SyntaxError> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(SyntaxError::new(
                self.at(),
                "the expression is nested too deep",
            ));
        }
        let mut left = self.operand()?;
        while let Some(infix) = Infix::of(self.peek()) {
            let binding = infix.binding();
            if binding <= floor {
                break;
            }
            let at = left.at;
            self.advance();
            let node = match infix {
                Infix::Binary(operator) => {
                    let right = self.expression(binding)?;
                    Node::Binary(operator, Box::new(left), Box::new(right))
                }
                Infix::Chain(operator) => {
                    let mut operands = vec![left, self.expression(binding)?];
                    while self.again(operator) {
                        self.advance();
                        operands.push(self.expression(binding)?);
                    }
                    Node::Chain(operator, operands)
                }
                Infix::Type(operator) => Node::Type(operator, Box::new(left), self.type_name()?),
            };
            left = Self::part(at, node)?;
        }
        self.depth -= 1;
        Ok(left)
    }

    fn again(&self, operator: Chain) -> bool {
        matches!(Infix::of(self.peek()), Some(Infix::Chain(next)) if next == operator)
    }

    fn operand(&mut self) -> Result<Syntax, SyntaxError> {
        let at = self.at();
        for (sign, minus) in [("-", true), ("+", false)] {
            if self.symbol(sign) {
                let of = self.expression(binding::SIGN - 1)?;
                return Self::part(at, Node::Sign(minus, Box::new(of)));
            }
        }
        let mut term = self.term()?;
        loop {
            let at = term.at;
            let node = if self.symbol(".") {
                match self.peek() {
                    Token::Special(_) => self.special(),
                    _ => self.named(Some(Box::new(term)))?,
                }
            } else if self.symbol("[") {
                let index = self.expression(0)?;
                self.expect("]")?;
                Node::Index(Box::new(term), Box::new(index))
            } else {
                return Ok(term);
            };
            term = Self::part(at, node)?;
        }
    }

    fn term(&mut self) -> Result<Syntax, SyntaxError> {
        let at = self.at();
        let node = match self.peek().clone() {
            Token::Symbol("(") => {
                self.advance();
                let inner = self.expression(0)?;
                self.expect(")")?;
                return Ok(inner);
            }
            Token::Symbol("{") => {
                self.advance();
                self.expect("}")?;
                Node::Empty
            }
            Token::Symbol("%") => {
                self.advance();
                match self.advance() {
                    Token::Word(name) | Token::Name(name) | Token::Text(name) => {
                        Node::Constant(name)
                    }
                    _ => return Err(SyntaxError::new(at, "a name is expected after %")),
                }
            }
            Token::Special(_) => self.special(),
            Token::Text(text) => {
                self.advance();
                Node::Literal(Literal::Text(text))
            }
            Token::Temporal(temporal) => {
                self.advance();
                Node::Literal(Literal::Temporal(temporal))
            }
            Token::Number(number) => {
                self.advance();
                Node::Literal(self.number(at, &number)?)
            }
            Token::Word(word) if matches!(word.as_str(), "true" | "false") => {
                self.advance();
                Node::Literal(Literal::Boolean(word == "true"))
            }
            _ => self.named(None)?,
        };
        Self::part(at, node)
    }

    /// `$this` and its like: the base before it, if any, says nothing.
    fn special(&mut self) -> Node {
        match self.advance() {
            Token::Special(word) if word == "index" => Node::Position,
            Token::Special(word) if word == "total" => Node::Total,
            _ => Node::This,
        }
    }

    fn number(&mut self, at: usize, number: &str) -> Result<Literal, SyntaxError> {
        let unit = match self.peek() {
            Token::Text(unit) => Some(unit.clone()),
            Token::Word(word) => crate::value::calendar_word(word).map(str::to_owned),
            _ => None,
        };
        let too_long = || SyntaxError::new(at, "a number may have 28 digits at most");
        let decimal = parse_decimal(number);
        if let Some(unit) = unit {
            self.advance();
            return Ok(Literal::Quantity(decimal.ok_or_else(too_long)?, unit));
        }
        if number.contains('.') {
            return Ok(Literal::Decimal(decimal.ok_or_else(too_long)?));
        }
        let integer = number.parse();
        integer
            .map(Literal::Integer)
            .map_err(|_| SyntaxError::new(at, "an integer may have 18 digits at most"))
    }

    fn name(&mut self) -> Result<String, SyntaxError> {
        match self.peek().clone() {
            Token::Word(name) | Token::Name(name) => {
                self.advance();
                Ok(name)
            }
            _ => Err(self.unexpected("a name or a value")),
        }
    }

    fn named(&mut self, base: Option<Box<Syntax>>) -> Result<Node, SyntaxError> {
        let name = self.name()?;
        if !self.symbol("(") {
            return Ok(Node::Name(base, name));
        }
        let mut arguments = Vec::new();
        if !self.symbol(")") {
            loop {
                arguments.push(self.expression(0)?);
                if self.symbol(")") {
                    break;
                }
                self.expect(",")?;
            }
        }
        Ok(Node::Call(base, name, arguments))
    }

    fn type_name(&mut self) -> Result<String, SyntaxError> {
        let mut name = self.name()?;
        // `System.String`, `FHIR.Patient`; anything longer is no type.
        if matches!(name.as_str(), "System" | "FHIR") && self.symbol(".") {
            name = format!("{name}.{}", self.name()?);
        }
        Ok(name)
    }
}
