//! From elements to the elements in them.

use super::{Items, Scope};
use crate::elements;
use crate::json::{At, Kind};
use crate::value::{Element, Item};

impl<'a> Scope<'a> {
    /// Follows member names; what is not an element of the resource has none.
    pub(super) fn walk(&self, item: &Item<'a>, names: &[Box<str>], out: &mut Items<'a>) {
        let Item::Node(element) = item else {
            return;
        };
        match names {
            [] => out.push(item.clone()),
            [name] => self.step(*element, name, &mut |next| out.push(Item::Node(next))),
            [name, rest @ ..] => self.step(*element, name, &mut |next| {
                self.walk(&Item::Node(next), rest, out);
            }),
        }
    }

    /// A name that begins an expression with a capital letter may be the resource's own type.
    pub(super) fn root(&self, this: &Item<'a>, name: &str, out: &mut Items<'a>) {
        if let Item::Node(element) = this
            && let Some(kind) = self.resource_type(element.at)
        {
            let domain = name == "DomainResource" && elements::is_domain_resource(kind);
            if kind == name || name == "Resource" || domain {
                out.push(this.clone());
                return;
            }
        }
        if let Item::Node(element) = this {
            self.step(*element, name, &mut |next| out.push(Item::Node(next)));
        }
    }

    /// The type of a resource; `None` for what is none.
    pub(super) fn resource_type(&self, at: At) -> Option<&'a str> {
        self.document
            .string(self.document.member(at, "resourceType")?)
    }

    /// Every element directly below one.
    pub(super) fn children(&self, element: Element, visit: &mut impl FnMut(Element)) {
        let document = self.document;
        if document.kind(element.at) != Kind::Object {
            for name in ["id", "extension"] {
                self.step(element, name, visit);
            }
            return;
        }
        for child in document.children(element.at) {
            let key = document.key(child);
            match key.strip_prefix('_') {
                // The value stands beside it and brings its own.
                Some(name) if document.member(element.at, name).is_some() => {}
                Some(_) => self.values(child, None, None, true, visit),
                None if key == "resourceType" => {}
                None => {
                    let shadow = self.shadow(element.at, key);
                    self.values(child, shadow, None, false, visit);
                }
            }
        }
    }

    /// `_name` beside `name`: id and extensions of a primitive element.
    fn shadow(&self, object: At, name: &str) -> Option<At> {
        let mut members = self.document.children(object);
        members.find(|&member| self.document.key(member).strip_prefix('_') == Some(name))
    }

    /// The elements of one name below an element. A choice element is found by its first part:
    /// `value` finds `valueQuantity`, whose type is known then.
    fn step(&self, element: Element, name: &str, visit: &mut impl FnMut(Element)) {
        let document = self.document;
        if document.kind(element.at) != Kind::Object {
            if matches!(name, "extension" | "id")
                && let Some(shadow) = self.shadow_of(element.at)
                && let Some(member) = document.member(shadow, name)
            {
                self.values(member, None, None, false, visit);
            }
            return;
        }
        let (mut exact, mut shadow, mut choice) = (None, None, None);
        for child in document.children(element.at) {
            let key = document.key(child);
            if key.len() < name.len() {
                continue;
            }
            if let Some(rest) = key.strip_prefix(name) {
                if rest.is_empty() {
                    exact = exact.or(Some(child));
                } else if choice.is_none() {
                    let kind = elements::choice(rest)
                        .filter(|kind| elements::may_be_choice(key, kind, document.kind(child)));
                    choice = kind.map(|kind| (child, kind));
                }
            } else if key.strip_prefix('_') == Some(name) {
                shadow = Some(child);
            }
        }
        match (exact, shadow, choice) {
            (Some(exact), shadow, _) => self.values(exact, shadow, None, false, visit),
            (None, Some(shadow), _) => self.values(shadow, None, None, true, visit),
            (None, None, Some((child, kind))) => {
                let shadow = self.shadow(element.at, document.key(child));
                self.values(child, shadow, Some(kind), false, visit);
            }
            (None, None, None) => {}
        }
    }

    /// A member's value, or each of its values. `null` stands where only the shadow says something.
    fn values(
        &self,
        at: At,
        shadow: Option<At>,
        declared: Option<&'static str>,
        valueless: bool,
        visit: &mut impl FnMut(Element),
    ) {
        let document = self.document;
        let mut one = |at: At, shadow: Option<At>| match document.kind(at) {
            Kind::Null => {
                if let Some(at) = shadow.filter(|&at| document.kind(at) == Kind::Object) {
                    visit(Element {
                        at,
                        declared,
                        valueless: true,
                    });
                }
            }
            // FHIR has no arrays in arrays, and an object where only id and extensions are said.
            Kind::Array => {}
            kind if valueless && kind != Kind::Object => {}
            _ => visit(Element {
                at,
                declared,
                valueless,
            }),
        };
        if document.kind(at) != Kind::Array {
            return one(at, shadow);
        }
        let mut shadows = shadow.map(|shadow| document.children(shadow));
        for item in document.children(at) {
            let shadow = shadows.as_mut().and_then(Iterator::next);
            one(item, shadow);
        }
    }

    /// The object with id and extensions of a primitive element.
    fn shadow_of(&self, at: At) -> Option<At> {
        let document = self.document;
        let parent = document.parent(at);
        let found = if document.kind(parent) == Kind::Array {
            let shadow = self.shadow(document.parent(parent), document.key(parent))?;
            let position = document.children(parent).position(|item| item == at)?;
            document.children(shadow).nth(position)?
        } else {
            self.shadow(parent, document.key(at))?
        };
        (document.kind(found) == Kind::Object).then_some(found)
    }
}
