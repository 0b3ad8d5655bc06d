//! Elements and numbers as quantities.

use rust_decimal::Decimal;

use super::Scope;
use crate::value::{Element, Item, Quantity, parse_decimal};

impl<'a> Scope<'a> {
    /// Both as quantities, if both can be.
    pub(super) fn quantities(
        &self,
        left: &Item<'a>,
        right: &Item<'a>,
    ) -> Option<(Quantity, Quantity)> {
        Some((self.quantity(left)?, self.quantity(right)?))
    }

    /// An item as a quantity.
    pub(super) fn quantity(&self, item: &Item<'a>) -> Option<Quantity> {
        match item {
            Item::Quantity(quantity) => Some((**quantity).clone()),
            Item::Integer(value) => Some(Quantity::plain(Decimal::from(*value))),
            Item::Decimal(value) => Some(Quantity::plain(*value)),
            Item::Node(element) => self.quantity_of(*element),
            _ => None,
        }
    }

    /// A Quantity of FHIR: its UCUM code counts, and its unit as a word where there is none.
    fn quantity_of(&self, element: Element) -> Option<Quantity> {
        let document = self.document;
        let value = document.member(element.at, "value")?;
        let value = parse_decimal(document.text(value))?;
        let unit = ["code", "unit"].iter().find_map(|name| {
            let member = document.member(element.at, name)?;
            document.string(member)
        });
        Some(Quantity {
            value,
            unit: unit.unwrap_or("1").to_owned(),
        })
    }
}
