//! Equality, equivalence and order.

use std::cmp::Ordering;

use rust_decimal::Decimal;

use super::{Frame, Items, Scope};
use crate::compile::Expr;
use crate::fault::Fault;
use crate::json::{At, Kind};
use crate::value::{Item, Temporal, parse_decimal};

impl<'a> Scope<'a> {
    /// `=` of collections: empty if one of them is; otherwise pair by pair, in order.
    pub(super) fn equal_collections(
        &self,
        left: &[Item<'a>],
        right: &[Item<'a>],
    ) -> Result<Option<bool>, Fault> {
        if left.is_empty() || right.is_empty() {
            return Ok(None);
        }
        if left.len() != right.len() {
            return Ok(Some(false));
        }
        let mut equal = Some(true);
        for (left, right) in left.iter().zip(right) {
            match self.equal(left, right)? {
                Some(true) => {}
                Some(false) => return Ok(Some(false)),
                None => equal = None,
            }
        }
        Ok(equal)
    }

    /// Whether two items are equal; `None` when that cannot be told.
    pub(super) fn equal(&self, left: &Item<'a>, right: &Item<'a>) -> Result<Option<bool>, Fault> {
        self.spend(1)?;
        if let (Item::Node(left), Item::Node(right)) = (left, right)
            && left.at == right.at
        {
            return Ok(Some(true));
        }
        if left.is_valueless() || right.is_valueless() {
            return Ok(None);
        }
        let (left, right) = (self.value(left)?, self.value(right)?);
        Ok(match (&left, &right) {
            (Item::Boolean(left), Item::Boolean(right)) => Some(left == right),
            (Item::Text(left), Item::Text(right)) => Some(left == right),
            (Item::Temporal(left), Item::Temporal(right)) => {
                left.compare(right).map(Ordering::is_eq)
            }
            (Item::Temporal(temporal), Item::Text(text))
            | (Item::Text(text), Item::Temporal(temporal)) => match read_as(text, temporal) {
                Some(other) => temporal.compare(&other).map(Ordering::is_eq),
                None => Some(false),
            },
            (Item::Node(left), Item::Node(right)) => Some(self.same(left.at, right.at)),
            _ => match numbers(&left, &right) {
                Some(order) => Some(order.is_eq()),
                None => match self.quantities(&left, &right) {
                    Some((left, right)) => left.compare(&right).map(Ordering::is_eq),
                    None => Some(false),
                },
            },
        })
    }

    /// Order of two items; `None` when it cannot be told.
    ///
    /// # Errors
    /// When they are of types that have no common order.
    pub(super) fn compare(
        &self,
        left: &Item<'a>,
        right: &Item<'a>,
    ) -> Result<Option<Ordering>, Fault> {
        let (left, right) = (self.value(left)?, self.value(right)?);
        match (&left, &right) {
            (Item::Text(left), Item::Text(right)) => return Ok(Some(left.cmp(right))),
            (Item::Temporal(left), Item::Temporal(right)) => return Ok(left.compare(right)),
            (Item::Temporal(temporal), Item::Text(text)) => {
                if let Some(other) = read_as(text, temporal) {
                    return Ok(temporal.compare(&other));
                }
            }
            (Item::Text(text), Item::Temporal(temporal)) => {
                if let Some(other) = read_as(text, temporal) {
                    return Ok(other.compare(temporal));
                }
            }
            _ => {
                if let Some(order) = numbers(&left, &right) {
                    return Ok(Some(order));
                }
                if let Some((left, right)) = self.quantities(&left, &right) {
                    return Ok(left.compare(&right));
                }
            }
        }
        let (left, right) = (left.describe(), right.describe());
        Fault::new(format!("{left} and {right} cannot be compared"))
    }

    /// `in`: whether a collection holds an item.
    pub(super) fn within(
        &self,
        item: &'a Expr,
        collection: &'a Expr,
        frame: Frame<'_, 'a>,
    ) -> Result<Option<bool>, Fault> {
        let Some(item) = self.single(item, frame)? else {
            return Ok(None);
        };
        self.holds(&self.input(collection, frame)?, &item).map(Some)
    }

    pub(super) fn holds(&self, items: &[Item<'a>], wanted: &Item<'a>) -> Result<bool, Fault> {
        for item in items {
            if self.equal(item, wanted)? == Some(true) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Writes every item that is not yet in `out`.
    pub(super) fn push_distinct(&self, items: Items<'a>, out: &mut Items<'a>) -> Result<(), Fault> {
        let start = out.len();
        for item in items {
            if !self.holds(&out[start..], &item)? {
                out.push(item);
            }
        }
        Ok(())
    }

    /// `~`: the same values in any order; case and blanks of strings, and the scale of decimals
    /// do not count. Two empty collections are equivalent.
    pub(super) fn equivalent_collections(
        &self,
        left: &[Item<'a>],
        right: &[Item<'a>],
    ) -> Result<bool, Fault> {
        if left.len() != right.len() {
            return Ok(false);
        }
        let mut rest: Vec<&Item<'a>> = right.iter().collect();
        for item in left {
            let mut found = None;
            for (at, other) in rest.iter().enumerate() {
                if self.equivalent(item, other)? {
                    found = Some(at);
                    break;
                }
            }
            match found {
                Some(at) => drop(rest.swap_remove(at)),
                None => return Ok(false),
            }
        }
        Ok(true)
    }

    fn equivalent(&self, left: &Item<'a>, right: &Item<'a>) -> Result<bool, Fault> {
        self.spend(1)?;
        let (left, right) = (self.value(left)?, self.value(right)?);
        Ok(match (&left, &right) {
            (Item::Text(left), Item::Text(right)) => plain(left) == plain(right),
            (Item::Temporal(left), Item::Temporal(right)) => {
                left.compare(right) == Some(Ordering::Equal)
            }
            (Item::Integer(_) | Item::Decimal(_), Item::Integer(_) | Item::Decimal(_)) => {
                let (left, right) = (decimal(&left), decimal(&right));
                let scale = [left, right].iter().flatten().map(Decimal::scale).min();
                let round = |value: Option<Decimal>| {
                    value.map(|value| value.round_dp(scale.unwrap_or_default()))
                };
                round(left) == round(right)
            }
            _ => self.equal(&left, &right)? == Some(true),
        })
    }

    /// The same JSON: members in any order, numbers by value.
    fn same(&self, left: At, right: At) -> bool {
        let document = self.document;
        let kind = document.kind(left);
        if kind != document.kind(right) {
            return false;
        }
        match kind {
            Kind::String => document.text(left) == document.text(right),
            Kind::Number => {
                let (left, right) = (document.text(left), document.text(right));
                left == right
                    || parse_decimal(left).is_some_and(|left| Some(left) == parse_decimal(right))
            }
            Kind::Array => {
                let (mut left, mut right) = (document.children(left), document.children(right));
                loop {
                    match (left.next(), right.next()) {
                        (None, None) => return true,
                        (Some(left), Some(right)) if self.same(left, right) => {}
                        _ => return false,
                    }
                }
            }
            Kind::Object => {
                document.children(left).count() == document.children(right).count()
                    && document.children(left).all(|member| {
                        let other = document.member(right, document.key(member));
                        other.is_some_and(|other| self.same(member, other))
                    })
            }
            Kind::Null | Kind::True | Kind::False => true,
        }
    }
}

fn decimal(item: &Item<'_>) -> Option<Decimal> {
    match item {
        Item::Integer(value) => Some(Decimal::from(*value)),
        Item::Decimal(value) => Some(*value),
        _ => None,
    }
}

/// The order of two numbers; `None` when one is none.
fn numbers(left: &Item<'_>, right: &Item<'_>) -> Option<Ordering> {
    if let (Item::Integer(left), Item::Integer(right)) = (left, right) {
        return Some(left.cmp(right));
    }
    Some(decimal(left)?.cmp(&decimal(right)?))
}

/// A string beside a date is read as one: JSON does not tell them apart.
fn read_as(text: &str, like: &Temporal) -> Option<Temporal> {
    match like.type_name() {
        "time" => Temporal::time(text),
        _ => Temporal::date_or_date_time(text),
    }
}

fn plain(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ").to_lowercase()
}
