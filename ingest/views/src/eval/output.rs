//! Items as columns need them.

use std::borrow::Cow;

use super::Scope;
use crate::json::Kind;
use crate::value::Item;

impl<'a> Scope<'a> {
    /// The text of a number.
    pub(crate) fn number_text(&self, item: &Item<'a>) -> Option<Cow<'a, str>> {
        match item {
            Item::Integer(_) | Item::Decimal(_) => self.any_text(item),
            Item::Node(element) if self.document.kind(element.at) == Kind::Number => {
                Some(Cow::Borrowed(self.document.text(element.at)))
            }
            _ => None,
        }
    }

    /// JSON of a value, and whether it has parts; `None` where JSON has none.
    pub(crate) fn json(&self, item: &Item<'a>) -> Option<(Cow<'a, str>, bool)> {
        let text = match item {
            Item::Boolean(_) | Item::Integer(_) | Item::Decimal(_) => self.any_text(item)?,
            Item::Node(element) => match self.document.kind(element.at) {
                Kind::String => quoted(self.document.text(element.at)),
                Kind::Object => return Some((Cow::Borrowed(self.document.text(element.at)), true)),
                _ => Cow::Borrowed(self.document.text(element.at)),
            },
            Item::Quantity(quantity) => {
                let text = format!(
                    r#"{{"value":{},"unit":{}}}"#,
                    quantity.value,
                    quoted(&quantity.unit)
                );
                return Some((text.into(), true));
            }
            Item::Text(_) | Item::Temporal(_) => quoted(&self.any_text(item)?),
        };
        Some((text, false))
    }
}

fn quoted(text: &str) -> Cow<'static, str> {
    serde_json::Value::from(text).to_string().into()
}
