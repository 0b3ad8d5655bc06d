//! Elements and numbers as quantities.

use rust_decimal::Decimal;

use super::Scope;
use crate::value::{Element, Item, Quantity, parse_decimal};

impl<'a> Scope<'a> {
    /// Both as quantities, if one of them is one already.
    pub(super) fn quantities(
        &self,
        left: &Item<'a>,
        right: &Item<'a>,
    ) -> Option<(Quantity, Quantity)> {
        let literal = |item: &Item<'_>| matches!(item, Item::Quantity(_));
        if !literal(left) && !literal(right) {
            // Two elements: whatever both say, they are quantities only by their parts.
            let elements = (left, right);
            let (Item::Node(left), Item::Node(right)) = elements else {
                let (Item::Node(_), number) | (number, Item::Node(_)) = elements else {
                    return None;
                };
                matches!(number, Item::Integer(_) | Item::Decimal(_)).then_some(())?;
                return Some((self.quantity(left)?, self.quantity(right)?));
            };
            return Some((self.quantity_of(*left)?, self.quantity_of(*right)?));
        }
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
