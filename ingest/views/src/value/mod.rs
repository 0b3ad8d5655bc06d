//! The values that expressions work on.

mod decimal;
mod quantity;
mod temporal;

use std::borrow::Cow;

use rust_decimal::Decimal;

pub(crate) use decimal::parse as parse_decimal;
pub(crate) use quantity::{Quantity, calendar_word};
pub(crate) use temporal::{ANY_DAY, Offset, Precision, Sort, Temporal, Unit};

use crate::json::At;

/// One item of a collection.
#[derive(Debug, Clone)]
pub(crate) enum Item<'a> {
    /// An element of the resource.
    Node(Element),
    Boolean(bool),
    Integer(i64),
    Decimal(Decimal),
    Text(Cow<'a, str>),
    Temporal(Temporal),
    Quantity(Box<Quantity>),
}

/// An element of the resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Element {
    pub(crate) at: At,
    /// The type that a choice element's name tells.
    pub(crate) declared: Option<&'static str>,
    /// The element has no value: `at` is the object with its id and extensions.
    pub(crate) valueless: bool,
}

impl Item<'_> {
    /// The same item without a copy of its text.
    pub(crate) fn borrowed(&self) -> Item<'_> {
        match self {
            Item::Text(text) => Item::Text(Cow::Borrowed(text)),
            other => other.clone(),
        }
    }

    /// Whether a primitive element has an id or extensions, and no value.
    pub(crate) fn is_valueless(&self) -> bool {
        matches!(self, Item::Node(element) if element.valueless)
    }

    /// What the item is, for messages.
    pub(crate) fn describe(&self) -> &'static str {
        match self {
            Item::Node(_) => "an element with parts",
            Item::Boolean(_) => "a boolean",
            Item::Integer(_) => "an integer",
            Item::Decimal(_) => "a decimal",
            Item::Text(_) => "a string",
            Item::Temporal(temporal) => match temporal.sort {
                Sort::Date => "a date",
                Sort::DateTime => "a date-time",
                Sort::Time => "a time",
            },
            Item::Quantity(_) => "a quantity",
        }
    }
}
