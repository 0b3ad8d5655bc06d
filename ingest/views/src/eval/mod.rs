//! Evaluation of an expression on an element of a resource.
//!
//! Every expression yields a collection, written behind what `out` holds. Nothing here panics,
//! whatever the resource holds; recursion goes no deeper than the expression and the resource do,
//! and both are bounded.

mod arithmetic;
mod boundary;
mod collections;
mod compare;
mod convert;
mod fhir;
mod iterate;
mod math;
mod navigate;
mod output;
mod quantities;
mod single;
mod strings;

use std::borrow::Cow;
use std::cell::Cell;

use crate::compile::{Expr, Function};
use crate::fault::Fault;
use crate::fhirpath::{Binary, Chain};
use crate::json::Document;
use crate::value::{Element, Item};

/// A collection.
pub(crate) type Items<'a> = Vec<Item<'a>>;

/// What an expression sees: the resource, what it is evaluated on, where the iteration stands.
#[derive(Debug)]
pub(crate) struct Scope<'a> {
    document: Document<'a>,
    context: Item<'a>,
    row_index: i64,
    /// Steps that are left.
    work: &'a Cell<u64>,
}

/// What the innermost function that iterates sees.
#[derive(Debug, Clone, Copy)]
struct Frame<'f, 'a> {
    this: &'f Item<'a>,
    position: Option<i64>,
    total: Option<&'f [Item<'a>]>,
}

impl<'f, 'a> Frame<'f, 'a> {
    fn on(this: &'f Item<'a>, position: i64) -> Self {
        Self {
            this,
            position: Some(position),
            total: None,
        }
    }
}

/// The root of a resource.
pub(crate) const RESOURCE: Element = Element {
    at: Document::ROOT,
    declared: None,
    valueless: false,
};

impl<'a> Scope<'a> {
    pub(crate) fn new(
        document: Document<'a>,
        context: Item<'a>,
        row_index: i64,
        work: &'a Cell<u64>,
    ) -> Self {
        Self {
            document,
            context,
            row_index,
            work,
        }
    }

    /// Takes steps from those that are left: one for each evaluation, item and comparison, and one for eight bytes of text
    /// that was made.
    fn spend(&self, steps: usize) -> Result<(), Fault> {
        match self.work.get().checked_sub(steps as u64) {
            Some(left) => {
                self.work.set(left);
                Ok(())
            }
            None => Fault::new("the view takes too many steps for this resource; make it simpler"),
        }
    }

    /// The collection that `expr` yields.
    pub(crate) fn evaluate(&self, expr: &'a Expr) -> Result<Items<'a>, Fault> {
        self.collect(
            expr,
            Frame {
                this: &self.context,
                position: None,
                total: None,
            },
        )
    }

    fn collect(&self, expr: &'a Expr, frame: Frame<'_, 'a>) -> Result<Items<'a>, Fault> {
        let mut items = Vec::new();
        self.eval(expr, frame, &mut items)?;
        let made = |item: &Item<'_>| match item {
            Item::Text(Cow::Owned(text)) => text.len() / 8,
            _ => 0,
        };
        self.spend(items.len() + items.iter().map(made).sum::<usize>())?;
        Ok(items)
    }

    /// Borrows what needs no work.
    fn input<'f>(
        &self,
        expr: &'a Expr,
        frame: Frame<'f, 'a>,
    ) -> Result<Cow<'f, [Item<'a>]>, Fault> {
        if matches!(expr, Expr::This) {
            return Ok(Cow::Borrowed(std::slice::from_ref(frame.this)));
        }
        self.collect(expr, frame).map(Cow::Owned)
    }

    fn eval(&self, expr: &'a Expr, frame: Frame<'_, 'a>, out: &mut Items<'a>) -> Result<(), Fault> {
        self.spend(1)?;
        match expr {
            Expr::Empty => {}
            Expr::Literal(item) => out.push(item.borrowed()),
            Expr::This => out.push(frame.this.clone()),
            Expr::Position => out.extend(frame.position.map(Item::Integer)),
            Expr::Total => out.extend(frame.total.unwrap_or_default().iter().cloned()),
            Expr::RowIndex => out.push(Item::Integer(self.row_index)),
            Expr::Resource => out.push(Item::Node(RESOURCE)),
            Expr::Context => out.push(self.context.clone()),
            Expr::Path(base, names) => {
                for item in self.input(base, frame)?.iter() {
                    self.walk(item, names, out);
                }
            }
            Expr::Root(name) => self.root(frame.this, name, out),
            Expr::Index(base, index) => {
                let items = self.input(base, frame)?;
                if let Some(index) = self.integer(index, frame, "an index")? {
                    let item = usize::try_from(index).ok().and_then(|at| items.get(at));
                    out.extend(item.cloned());
                }
            }
            Expr::OfType(of, kind) => {
                let items = self.input(of, frame)?;
                out.extend(items.iter().filter(|item| self.is(item, kind)).cloned());
            }
            Expr::Is(of, kind) => {
                let items = self.input(of, frame)?;
                let item = Self::only(&items)?;
                out.extend(item.map(|item| Item::Boolean(self.is(item, kind))));
            }
            Expr::As(of, kind) => {
                let items = self.input(of, frame)?;
                let item = Self::only(&items)?;
                out.extend(item.filter(|item| self.is(item, kind)).cloned());
            }
            Expr::ReferenceKey(of, kind) => {
                for item in self.input(of, frame)?.iter() {
                    out.extend(self.reference_key(item, kind.as_ref()));
                }
            }
            Expr::Negative(of) => {
                if let Some(item) = self.single(of, frame)? {
                    out.extend(self.negative(&item)?);
                }
            }
            Expr::Positive(of) => self.eval(of, frame, out)?,
            Expr::Binary(operator, left, right) => {
                self.binary(*operator, left, right, frame, out)?;
            }
            Expr::Chain(operator, operands) => self.chain(*operator, operands, frame, out)?,
            Expr::Pattern(function, input, pattern, arguments) => {
                self.matching(*function, input, pattern, arguments, frame, out)?;
            }
            Expr::Call(function, input, arguments) => {
                self.call(*function, input, arguments, frame, out)?;
            }
        }
        Ok(())
    }

    fn call(
        &self,
        function: Function,
        input: &'a Expr,
        arguments: &'a [Expr],
        frame: Frame<'_, 'a>,
        out: &mut Items<'a>,
    ) -> Result<(), Fault> {
        use Function as F;
        match function {
            F::Exists
            | F::All
            | F::Where
            | F::Select
            | F::Repeat
            | F::Aggregate
            | F::Iif
            | F::Coalesce => self.iterate(function, input, arguments, frame, out),
            F::IndexOf
            | F::LastIndexOf
            | F::Substring
            | F::StartsWith
            | F::EndsWith
            | F::Contains
            | F::Upper
            | F::Lower
            | F::Replace
            | F::Length
            | F::ToChars
            | F::Trim
            | F::Split
            | F::Join => self.text(function, input, arguments, frame, out),
            F::Abs
            | F::Ceiling
            | F::Exp
            | F::Floor
            | F::Ln
            | F::Log
            | F::Power
            | F::Round
            | F::Sqrt
            | F::Truncate => self.math(function, input, arguments, frame, out),
            F::Sum | F::Min | F::Max | F::Avg => self.summary(function, input, frame, out),
            F::LowBoundary | F::HighBoundary | F::Precision => {
                self.boundary(function, input, arguments, frame, out)
            }
            F::ToBoolean
            | F::ToInteger
            | F::ToDecimal
            | F::ToText
            | F::ToDate
            | F::ToDateTime
            | F::ToTime
            | F::ToQuantity
            | F::ConvertsToBoolean
            | F::ConvertsToInteger
            | F::ConvertsToDecimal
            | F::ConvertsToText
            | F::ConvertsToDate
            | F::ConvertsToDateTime
            | F::ConvertsToTime
            | F::ConvertsToQuantity => self.convert(function, input, frame, out),
            F::Extension
            | F::HasValue
            | F::GetValue
            | F::ResourceKey
            | F::Children
            | F::Descendants => self.fhir(function, input, arguments, frame, out),
            _ => self.collection(function, input, arguments, frame, out),
        }
    }

    fn binary(
        &self,
        operator: Binary,
        left: &'a Expr,
        right: &'a Expr,
        frame: Frame<'_, 'a>,
        out: &mut Items<'a>,
    ) -> Result<(), Fault> {
        let result = match operator {
            Binary::Equal | Binary::NotEqual => {
                let equal =
                    self.equal_collections(&self.input(left, frame)?, &self.input(right, frame)?)?;
                equal.map(|equal| equal == (operator == Binary::Equal))
            }
            Binary::Equivalent | Binary::NotEquivalent => {
                let same = self.equivalent_collections(
                    &self.input(left, frame)?,
                    &self.input(right, frame)?,
                )?;
                Some(same == (operator == Binary::Equivalent))
            }
            Binary::Less | Binary::LessOrEqual | Binary::Greater | Binary::GreaterOrEqual => {
                let pair = (self.single(left, frame)?, self.single(right, frame)?);
                let (Some(left), Some(right)) = pair else {
                    return Ok(());
                };
                self.compare(&left, &right)?.map(|order| match operator {
                    Binary::Less => order.is_lt(),
                    Binary::LessOrEqual => order.is_le(),
                    Binary::Greater => order.is_gt(),
                    _ => order.is_ge(),
                })
            }
            Binary::In => self.within(left, right, frame)?,
            Binary::Contains => self.within(right, left, frame)?,
            Binary::Xor => {
                let pair = (self.truth(left, frame)?, self.truth(right, frame)?);
                pair.0.zip(pair.1).map(|(left, right)| left != right)
            }
            Binary::Implies => match self.truth(left, frame)? {
                Some(false) => Some(true),
                Some(true) => self.truth(right, frame)?,
                None => self.truth(right, frame)?.filter(|right| *right),
            },
            _ => return self.arithmetic(operator, left, right, frame, out),
        };
        out.extend(result.map(Item::Boolean));
        Ok(())
    }

    /// Three-valued `and` and `or`: a value that decides does so whatever the others are.
    fn chain(
        &self,
        operator: Chain,
        operands: &'a [Expr],
        frame: Frame<'_, 'a>,
        out: &mut Items<'a>,
    ) -> Result<(), Fault> {
        let decides = match operator {
            Chain::Union => {
                let mut all = Vec::new();
                for operand in operands {
                    self.eval(operand, frame, &mut all)?;
                }
                return self.push_distinct(all, out);
            }
            Chain::And => false,
            Chain::Or => true,
        };
        let mut result = Some(!decides);
        for operand in operands {
            match self.truth(operand, frame)? {
                Some(value) if value == decides => {
                    result = Some(decides);
                    break;
                }
                Some(_) => {}
                None => result = None,
            }
        }
        out.extend(result.map(Item::Boolean));
        Ok(())
    }
}
