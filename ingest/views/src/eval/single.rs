//! Collections where one item, or none, is meant; elements as the values they hold.

use std::borrow::Cow;

use rust_decimal::Decimal;

use super::{Frame, Items, Scope};
use crate::compile::Expr;
use crate::elements;
use crate::fault::Fault;
use crate::json::Kind;
use crate::value::{Element, Item, Temporal, parse_decimal};

impl<'a> Scope<'a> {
    /// The one value, or none: an element that has nothing but extensions has no value.
    ///
    /// # Errors
    /// When there are several.
    pub(super) fn single(
        &self,
        expr: &'a Expr,
        frame: Frame<'_, 'a>,
    ) -> Result<Option<Item<'a>>, Fault> {
        if let Expr::Literal(item) = expr {
            return Ok(Some(item.borrowed()));
        }
        let items = self.input(expr, frame)?;
        let item = Self::only(&items)?;
        Ok(item.filter(|item| !item.is_valueless()).cloned())
    }

    pub(super) fn only<'i>(items: &'i [Item<'a>]) -> Result<Option<&'i Item<'a>>, Fault> {
        match items {
            [] => Ok(None),
            [item] => Ok(Some(item)),
            _ => Fault::new("several values stand where one is needed; add first() or where(…)"),
        }
    }

    /// A condition: a boolean as it is, any other single item true, nothing unknown.
    pub(super) fn truth(
        &self,
        expr: &'a Expr,
        frame: Frame<'_, 'a>,
    ) -> Result<Option<bool>, Fault> {
        self.truth_of(&self.input(expr, frame)?)
    }

    pub(super) fn truth_of(&self, items: &[Item<'a>]) -> Result<Option<bool>, Fault> {
        let item = Self::only(items)?;
        Ok(item.map(|item| self.boolean(item).unwrap_or(true)))
    }

    /// The value of a boolean.
    pub(crate) fn boolean(&self, item: &Item<'a>) -> Option<bool> {
        match item {
            Item::Boolean(value) => Some(*value),
            Item::Node(element) => match self.document.kind(element.at) {
                Kind::True => Some(true),
                Kind::False => Some(false),
                _ => None,
            },
            _ => None,
        }
    }

    /// An argument that must be an integer.
    pub(super) fn integer(
        &self,
        expr: &'a Expr,
        frame: Frame<'_, 'a>,
        what: &'static str,
    ) -> Result<Option<i64>, Fault> {
        let Some(item) = self.single(expr, frame)? else {
            return Ok(None);
        };
        match self.value(&item)? {
            Item::Integer(value) => Ok(Some(value)),
            other => Fault::new(format!(
                "{what} must be an integer, not {}",
                other.describe()
            )),
        }
    }

    /// An argument that must be a string.
    pub(super) fn string(
        &self,
        expr: &'a Expr,
        frame: Frame<'_, 'a>,
    ) -> Result<Option<Cow<'a, str>>, Fault> {
        let item = self.single(expr, frame)?;
        item.map(|item| self.text_of(&item)).transpose()
    }

    /// The text of a string, a date or a time.
    pub(super) fn text_of(&self, item: &Item<'a>) -> Result<Cow<'a, str>, Fault> {
        match item {
            Item::Text(text) => Ok(text.clone()),
            Item::Temporal(temporal) => Ok(temporal.to_string().into()),
            Item::Node(element) if self.document.kind(element.at) == Kind::String => {
                Ok(Cow::Borrowed(self.document.text(element.at)))
            }
            other => {
                let value = self.value(other)?;
                let what = value.describe();
                Fault::new(format!("a string is needed, not {what}; use toString()"))
            }
        }
    }

    /// The text of any value; `None` for elements with parts.
    pub(crate) fn any_text(&self, item: &Item<'a>) -> Option<Cow<'a, str>> {
        Some(match item {
            Item::Text(text) => text.clone(),
            Item::Boolean(value) => value.to_string().into(),
            Item::Integer(value) => value.to_string().into(),
            Item::Decimal(value) => value.to_string().into(),
            Item::Temporal(value) => value.to_string().into(),
            Item::Quantity(value) => value.to_string().into(),
            Item::Node(element) => match self.document.kind(element.at) {
                Kind::Object | Kind::Array | Kind::Null => return None,
                _ => Cow::Borrowed(self.document.text(element.at)),
            },
        })
    }

    /// An element that holds a primitive value as that value; anything else as it is.
    ///
    /// # Errors
    /// When a number has more digits than can be computed with.
    pub(super) fn value(&self, item: &Item<'a>) -> Result<Item<'a>, Fault> {
        let Item::Node(element) = item else {
            return Ok(item.clone());
        };
        let text = || self.document.text(element.at);
        Ok(match self.document.kind(element.at) {
            Kind::True => Item::Boolean(true),
            Kind::False => Item::Boolean(false),
            Kind::Number => number(text())?,
            Kind::String => match self.temporal(*element) {
                Some(temporal) => Item::Temporal(temporal),
                None => Item::Text(Cow::Borrowed(text())),
            },
            Kind::Object | Kind::Array | Kind::Null => item.clone(),
        })
    }

    /// A string as date or time, if that is its type.
    fn temporal(&self, element: Element) -> Option<Temporal> {
        let text = self.document.text(element.at);
        if !text.starts_with(|c: char| c.is_ascii_digit()) {
            return None;
        }
        Temporal::of_type(text, self.primitive_type(element))
    }

    /// The FHIR type of an element that holds a primitive value.
    pub(super) fn primitive_type(&self, element: Element) -> &'static str {
        let kind = self.document.kind(element.at);
        if let Some(declared) = element.declared {
            return declared;
        }
        let json = elements::of_json(kind, self.document.text(element.at));
        match elements::named(self.document.name(element.at)) {
            // A name tells the types of strings apart, and nothing else.
            Some(named) if json == "string" && named != "boolean" => named,
            Some("decimal") if json == "integer" => "decimal",
            _ => json,
        }
    }

    /// All values as decimals; `None` when one is no number.
    pub(super) fn decimals(&self, items: &Items<'a>) -> Result<Option<Vec<Decimal>>, Fault> {
        let mut decimals = Vec::with_capacity(items.len());
        for item in items {
            match self.value(item)? {
                Item::Integer(value) => decimals.push(Decimal::from(value)),
                Item::Decimal(value) => decimals.push(value),
                _ => return Ok(None),
            }
        }
        Ok(Some(decimals))
    }
}

/// An integer, or a decimal when it has a point, an exponent or too many digits.
fn number(text: &str) -> Result<Item<'static>, Fault> {
    if let Ok(integer) = text.parse() {
        return Ok(Item::Integer(integer));
    }
    match parse_decimal(text) {
        Some(decimal) => Ok(Item::Decimal(decimal)),
        None => Fault::new("a number has more than 28 digits: it can be shown, not computed with"),
    }
}
