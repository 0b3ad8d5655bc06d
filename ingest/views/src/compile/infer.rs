//! The type of what an expression yields, as far as the expression alone tells it.

use super::{Expr, Function, Type};
use crate::elements;
use crate::fhirpath::{Binary, Chain};
use crate::value::Item;

/// The FHIR type of every item that `expr` can yield; `None` when only the data knows.
pub(crate) fn infer(expr: &Expr) -> Option<&'static str> {
    match expr {
        Expr::Literal(item) => literal(item),
        Expr::Position | Expr::RowIndex => Some("integer"),
        // Other names would only tell one sort of text from another.
        Expr::Path(_, names) => elements::named(names.last()?).filter(|kind| *kind == "boolean"),
        Expr::Index(base, _) | Expr::Negative(base) | Expr::Positive(base) => infer(base),
        Expr::OfType(_, kind) | Expr::As(_, kind) => match kind {
            Type::System(name) => Some(name),
            Type::Fhir(name) => {
                let primitive = elements::PRIMITIVES.iter().find(|known| ***known == **name);
                primitive.copied()
            }
        },
        Expr::ReferenceKey(..) | Expr::Pattern(Function::ReplaceMatches, ..) => Some("string"),
        Expr::Is(..) | Expr::Pattern(..) | Expr::Chain(Chain::And | Chain::Or, _) => {
            Some("boolean")
        }
        Expr::Call(function, base, arguments) => call(*function, base, arguments),
        Expr::Binary(operator, left, right) => binary(*operator, left, right),
        Expr::Chain(Chain::Union, operands) => same(operands),
        Expr::Empty | Expr::This | Expr::Total | Expr::Resource | Expr::Context | Expr::Root(_) => {
            None
        }
    }
}

/// The type of all of them, if it is one. Each is looked at once: they nest.
fn same(operands: &[Expr]) -> Option<&'static str> {
    let (first, rest) = operands.split_first()?;
    let first = infer(first)?;
    let all = rest.iter().all(|operand| infer(operand) == Some(first));
    all.then_some(first)
}

fn literal(item: &Item<'_>) -> Option<&'static str> {
    Some(match item {
        Item::Boolean(_) => "boolean",
        Item::Integer(_) => "integer",
        Item::Decimal(_) => "decimal",
        Item::Text(_) => "string",
        Item::Temporal(temporal) => temporal.type_name(),
        Item::Quantity(_) => "Quantity",
        Item::Node(_) => return None,
    })
}

fn binary(operator: Binary, left: &Expr, right: &Expr) -> Option<&'static str> {
    match operator {
        Binary::Multiply | Binary::Add | Binary::Subtract | Binary::Mod => {
            match (infer(left)?, infer(right)?) {
                ("integer", "integer") => Some("integer"),
                ("integer" | "decimal", "integer" | "decimal") => Some("decimal"),
                ("string", "string") => Some("string"),
                (temporal @ ("date" | "dateTime" | "time"), _) => Some(temporal),
                _ => None,
            }
        }
        Binary::Divide => Some("decimal"),
        Binary::Div => Some("integer"),
        Binary::Concatenate => Some("string"),
        _ => Some("boolean"),
    }
}

fn call(function: Function, base: &Expr, arguments: &[Expr]) -> Option<&'static str> {
    match function {
        Function::Empty
        | Function::Exists
        | Function::Not
        | Function::All
        | Function::AllTrue
        | Function::AnyTrue
        | Function::AllFalse
        | Function::AnyFalse
        | Function::SubsetOf
        | Function::SupersetOf
        | Function::IsDistinct
        | Function::ToBoolean
        | Function::ConvertsToBoolean
        | Function::ConvertsToInteger
        | Function::ConvertsToDecimal
        | Function::ConvertsToText
        | Function::ConvertsToDate
        | Function::ConvertsToDateTime
        | Function::ConvertsToTime
        | Function::ConvertsToQuantity
        | Function::StartsWith
        | Function::EndsWith
        | Function::Contains
        | Function::HasValue => Some("boolean"),
        Function::Count
        | Function::ToInteger
        | Function::IndexOf
        | Function::LastIndexOf
        | Function::Length
        | Function::Ceiling
        | Function::Floor
        | Function::Truncate
        | Function::Precision => Some("integer"),
        Function::ToDecimal
        | Function::Exp
        | Function::Ln
        | Function::Log
        | Function::Sqrt
        | Function::Round
        | Function::Avg => Some("decimal"),
        Function::ToText
        | Function::Substring
        | Function::Upper
        | Function::Lower
        | Function::Replace
        | Function::ToChars
        | Function::Trim
        | Function::Split
        | Function::Join
        | Function::ResourceKey => Some("string"),
        Function::ToDate => Some("date"),
        Function::ToDateTime => Some("dateTime"),
        Function::ToTime => Some("time"),
        Function::Distinct
        | Function::Where
        | Function::Single
        | Function::First
        | Function::Last
        | Function::Tail
        | Function::Skip
        | Function::Take
        | Function::Intersect
        | Function::Exclude
        | Function::Abs
        | Function::LowBoundary
        | Function::HighBoundary
        | Function::GetValue
        | Function::Min
        | Function::Max
        | Function::Trace => infer(base),
        Function::Select => infer(arguments.first()?),
        Function::Iif | Function::Coalesce => {
            let results = arguments.get(usize::from(function == Function::Iif)..)?;
            same(results)
        }
        _ => None,
    }
}
