//! What FHIR and SQL on FHIR add: types, extensions, keys of resources and references.

use std::borrow::Cow;

use super::{Frame, Items, Scope};
use crate::compile::{Expr, Function, Type};
use crate::elements;
use crate::fault::Fault;
use crate::json::Kind;
use crate::value::{Element, Item};

impl<'a> Scope<'a> {
    pub(super) fn fhir(
        &self,
        function: Function,
        input: &'a Expr,
        arguments: &'a [Expr],
        frame: Frame<'_, 'a>,
        out: &mut Items<'a>,
    ) -> Result<(), Fault> {
        let items = self.input(input, frame)?;
        match (function, arguments) {
            (Function::Extension, [url]) => {
                if let Some(url) = self.string(url, frame)? {
                    for item in items.iter() {
                        self.extensions(item, &url, out);
                    }
                }
            }
            (Function::HasValue, _) => {
                let has = Self::only(&items)
                    .is_ok_and(|item| item.is_some_and(|item| self.any_text(item).is_some()));
                out.push(Item::Boolean(has));
            }
            (Function::GetValue, _) => {
                let item = Self::only(&items)?;
                out.extend(item.filter(|item| self.any_text(item).is_some()).cloned());
            }
            (Function::ResourceKey, _) => {
                for item in items.iter() {
                    out.extend(self.resource_key(item));
                }
            }
            (Function::Children, _) => {
                for item in items.iter() {
                    self.below(item, false, out);
                }
            }
            _ => {
                for item in items.iter() {
                    self.below(item, true, out);
                }
            }
        }
        Ok(())
    }

    fn extensions(&self, item: &Item<'a>, url: &str, out: &mut Items<'a>) {
        let mut found = Vec::new();
        self.walk(item, &["extension".into()], &mut found);
        out.extend(found.into_iter().filter(|extension| {
            let Item::Node(element) = extension else {
                return false;
            };
            let member = self.document.member(element.at, "url");
            member.and_then(|member| self.document.string(member)) == Some(url)
        }));
    }

    fn below(&self, item: &Item<'a>, all: bool, out: &mut Items<'a>) {
        let Item::Node(element) = item else {
            return;
        };
        let mut found = Vec::new();
        self.children(*element, &mut |child| found.push(Item::Node(child)));
        for child in found {
            out.push(child.clone());
            if all {
                self.below(&child, true, out);
            }
        }
    }

    /// The id of a resource; nothing for other elements.
    fn resource_key(&self, item: &Item<'a>) -> Option<Item<'a>> {
        let Item::Node(element) = item else {
            return None;
        };
        self.resource_type(element.at)?;
        let id = self.document.member(element.at, "id")?;
        self.document
            .string(id)
            .map(|id| Item::Text(Cow::Borrowed(id)))
    }

    /// The id that a Reference points to, if it can point to a resource of that type.
    pub(super) fn reference_key(&self, item: &Item<'a>, wanted: Option<&Type>) -> Option<Item<'a>> {
        let Item::Node(element) = item else {
            return None;
        };
        let text = |name| {
            let member = self.document.member(element.at, name)?;
            self.document.string(member)
        };
        let (mut kind, id) = target(text("reference")?)?;
        kind = kind.or_else(|| text("type"));
        let wanted = wanted.map(Type::name);
        let fits = wanted.is_none_or(|wanted| {
            wanted == "Resource"
                || kind.is_some_and(|kind| {
                    let domain = wanted == "DomainResource" && elements::is_domain_resource(kind);
                    kind == wanted || domain
                })
        });
        fits.then_some(Item::Text(Cow::Borrowed(id)))
    }

    /// Whether an item is of a type, or of one derived from it.
    pub(super) fn is(&self, item: &Item<'a>, wanted: &Type) -> bool {
        let name = wanted.name();
        match item {
            // Elements have types of FHIR, not FHIRPath's own.
            Item::Node(element) => {
                matches!(wanted, Type::Fhir(_)) && self.element_is(*element, name)
            }
            Item::Boolean(_) => name == "boolean",
            Item::Integer(_) => name == "integer",
            Item::Decimal(_) => name == "decimal",
            Item::Text(_) => name == "string",
            Item::Temporal(temporal) => name == temporal.type_name(),
            Item::Quantity(_) => name == "Quantity",
        }
    }

    fn element_is(&self, element: Element, wanted: &str) -> bool {
        if let Some(declared) = element.declared {
            return elements::is_a(declared, wanted) || wanted == "Element";
        }
        match self.document.kind(element.at) {
            Kind::Object if element.valueless => elements::is_primitive(wanted),
            Kind::Object => match self.resource_type(element.at) {
                Some(kind) => {
                    kind == wanted
                        || wanted == "Resource"
                        || (wanted == "DomainResource" && elements::is_domain_resource(kind))
                }
                // The structure of FHIR is not known here: an object may be of any complex type.
                None => !elements::is_primitive(wanted) && wanted != "Resource",
            },
            Kind::Array | Kind::Null => false,
            Kind::String => {
                let known = self.primitive_type(element);
                // Nothing tells a code from a string; both are written as one.
                let text = known == "string"
                    && elements::is_primitive(wanted)
                    && !matches!(
                        wanted,
                        "boolean"
                            | "integer"
                            | "decimal"
                            | "positiveInt"
                            | "unsignedInt"
                            | "date"
                            | "dateTime"
                            | "instant"
                            | "time"
                    );
                text || elements::is_a(known, wanted)
            }
            _ => {
                let known = self.primitive_type(element);
                elements::is_a(known, wanted)
                    || (known == "integer"
                        && matches!(
                            wanted,
                            "decimal" | "positiveInt" | "unsignedInt" | "integer64"
                        ))
            }
        }
    }
}

/// Type (where the reference says it) and id of what a reference points to: relative or absolute,
/// with or without a version, or a URN. Nothing for contained resources and conditions.
fn target(reference: &str) -> Option<(Option<&str>, &str)> {
    for scheme in ["urn:uuid:", "urn:oid:"] {
        if let Some(id) = reference.strip_prefix(scheme) {
            return (!id.is_empty()).then_some((None, id));
        }
    }
    if reference.starts_with('#') || reference.contains('?') {
        return None;
    }
    let path = match reference.split_once("/_history/") {
        Some((path, _version)) => path,
        None => reference,
    };
    let (before, id) = path.rsplit_once('/')?;
    let kind = before.rsplit('/').next()?;
    let type_like = kind.starts_with(|c: char| c.is_ascii_uppercase())
        && kind.bytes().all(|b| b.is_ascii_alphanumeric());
    (type_like && !id.is_empty()).then_some((Some(kind), id))
}
