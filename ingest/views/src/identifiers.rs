//! Which columns would show who somebody is.
//!
//! A column is judged by the elements that its values come from: the names on the way to them, through iterations, choices and
//! functions. Conditions (`where(…)`, `exists()`, comparisons) show no value, so they may look at anything.
//!
//! This is a fence against mistakes and not a wall: it goes by the names of elements, and whoever writes views may read the
//! resources anyway. It errs on the side of refusing.

use std::collections::BTreeSet;

use crate::compile::{Expr, Function, infer};
use crate::definition::{Select, Source, View};
use crate::fhirpath::Chain;
use crate::value::Item;

/// What the values of a column are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shown {
    /// Something about the resource.
    Value,
    /// `getResourceKey()`: which resource it is.
    ResourceKey,
    /// `getReferenceKey()`: which resource is meant, of this type if the call names one.
    ReferenceKey(Option<String>),
    /// Who or which one somebody is. Holds what and why, and what to do instead.
    Identifier(String),
}

/// For each column of a view, what it shows.
pub fn shown(view: &View) -> Vec<Shown> {
    let mut shown = vec![None; view.columns().len()];
    let root = Trails::from([Vec::new()]);
    columns(&view.select, view, &root, &mut shown);
    shown
        .into_iter()
        .map(|shown| shown.unwrap_or(Shown::Value))
        .collect()
}

/// A step on the way from the resource to a value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    Name(String),
    /// Only elements of this type.
    As(String),
    /// The extension with this URL.
    Extension(String),
    /// The leading characters, so many at most.
    Leading(i64),
    /// Anything below.
    Anything,
    /// A key, used for something else than a key.
    Key,
}

/// Ways to values.
type Trails = BTreeSet<Vec<Step>>;

/// Ways after which a column counts as too complicated to judge.
const MOST_TRAILS: usize = 500;
/// Steps of a way after which it counts as leading anywhere; resources nest 128 levels at most.
const MOST_STEPS: usize = 200;

fn columns(select: &Select, view: &View, context: &Trails, shown: &mut [Option<Shown>]) {
    let resource = view.resource();
    let here = |expr: &Expr| Walk { resource, context }.of(expr, context);
    let inner = match &select.source {
        Source::Here => context.clone(),
        Source::ForEach(expr, _) | Source::ForEachOrNull(expr, _) => here(expr),
        Source::Repeat(paths) => paths.iter().flat_map(|(expr, _)| here(expr)).collect(),
    };
    let walk = Walk {
        resource,
        context: &inner,
    };
    for (column, own) in (select.columns.start..).zip(&select.own) {
        let kind = view.columns().get(column);
        let kind = kind.and_then(|column| column.fhir_type.as_deref());
        let found = walk.column(&own.expr, kind);
        if let Some(place) = shown.get_mut(column) {
            *place = Some(match place.take() {
                None | Some(Shown::Value) => found,
                Some(known) if known == found || found == Shown::Value => known,
                Some(Shown::Identifier(what)) => Shown::Identifier(what),
                Some(_) => Shown::Identifier(
                    "branches of a union give keys of different types; use a column for each"
                        .into(),
                ),
            });
        }
    }
    for nested in select.selects.iter().chain(&select.union) {
        columns(nested, view, &inner, shown);
    }
}

struct Walk<'w> {
    resource: &'w str,
    /// What `%context` is.
    context: &'w Trails,
}

impl Walk<'_> {
    /// What a column of `kind` shows.
    fn column(&self, expr: &Expr, kind: Option<&str>) -> Shown {
        if let Some(key) = key(expr) {
            return key;
        }
        let trails = self.of(expr, self.context);
        if trails.len() > MOST_TRAILS {
            let what = "the expression is too complicated to tell what it shows";
            return Shown::Identifier(what.into());
        }
        let refused = trails.iter().find_map(|trail| {
            let of_kind = kind.and_then(|kind| judge_kind(kind, trail));
            judge(trail).or(of_kind)
        });
        refused.map_or(Shown::Value, Shown::Identifier)
    }

    /// Where the values of `expr` come from, evaluated on `this`.
    fn of(&self, expr: &Expr, this: &Trails) -> Trails {
        if infer(expr) == Some("boolean") && !matches!(expr, Expr::Path(..)) {
            return Trails::new();
        }
        match expr {
            Expr::Empty | Expr::Literal(_) | Expr::Position | Expr::RowIndex | Expr::Is(..) => {
                Trails::new()
            }
            Expr::This | Expr::Total => this.clone(),
            Expr::Context => self.context.clone(),
            Expr::Resource => Trails::from([Vec::new()]),
            Expr::Path(base, names) => {
                let steps = names.iter().map(|name| Step::Name(name.to_string()));
                extended(self.of(base, this), steps)
            }
            Expr::Root(name) if **name == *self.resource => this.clone(),
            Expr::Root(name) => extended(this.clone(), [Step::Name(name.to_string())]),
            Expr::Index(base, _) | Expr::Negative(base) | Expr::Positive(base) => {
                self.of(base, this)
            }
            Expr::OfType(base, kind) | Expr::As(base, kind) => {
                extended(self.of(base, this), [Step::As(kind.name().to_owned())])
            }
            Expr::ReferenceKey(..) => Trails::from([vec![Step::Key]]),
            Expr::Binary(_, left, right) => self.all([&**left, &**right], this),
            Expr::Chain(Chain::And | Chain::Or, _) => Trails::new(),
            Expr::Chain(_, operands) => self.all(operands, this),
            Expr::Pattern(_, base, _, arguments) => {
                self.all(arguments.iter().chain([&**base]), this)
            }
            Expr::Call(function, base, arguments) => self.call(*function, base, arguments, this),
        }
    }

    fn call(&self, function: Function, base: &Expr, arguments: &[Expr], this: &Trails) -> Trails {
        use Function as F;
        let of_base = || self.of(base, this);
        match function {
            F::Count | F::Precision => Trails::new(),
            // How long it is, and where what stands in it, tells of the value.
            F::Length => of_base(),
            F::Where | F::Tail | F::Skip | F::Take | F::Trace | F::First | F::Last | F::Single => {
                of_base()
            }
            F::Select | F::Repeat => self.all(arguments, &of_base()),
            F::Aggregate => {
                let base = of_base();
                let mut found = self.all(arguments, &base);
                found.extend(base);
                found
            }
            F::Children | F::Descendants => extended(of_base(), [Step::Anything]),
            F::Extension => {
                let url = match arguments {
                    [Expr::Literal(Item::Text(url))] => url.to_string(),
                    _ => String::new(),
                };
                extended(of_base(), [Step::Extension(url)])
            }
            F::Substring => match arguments {
                [
                    Expr::Literal(Item::Integer(0)),
                    Expr::Literal(Item::Integer(most)),
                ] => extended(of_base(), [Step::Leading(*most)]),
                _ => of_base(),
            },
            F::Iif => {
                // The first argument is a condition.
                let results = arguments.get(1..).unwrap_or_default();
                self.all(results, &of_base())
            }
            F::ResourceKey => Trails::from([vec![Step::Key]]),
            _ => {
                let mut found = of_base();
                found.extend(self.all(arguments, this));
                found
            }
        }
    }

    fn all<'e>(&self, exprs: impl IntoIterator<Item = &'e Expr>, this: &Trails) -> Trails {
        let mut found = Trails::new();
        for expr in exprs {
            found.extend(self.of(expr, this));
            if found.len() > MOST_TRAILS {
                break;
            }
        }
        found
    }
}

/// The key that an expression gives, if that is all it does.
fn key(expr: &Expr) -> Option<Shown> {
    match expr {
        Expr::ReferenceKey(_, kind) => {
            let kind = kind.as_ref().map(|kind| kind.name().to_owned());
            Some(Shown::ReferenceKey(kind))
        }
        Expr::Call(Function::ResourceKey, ..) => Some(Shown::ResourceKey),
        Expr::Call(Function::First | Function::Single | Function::Last, of, _) => key(of),
        _ => None,
    }
}

fn extended(trails: Trails, steps: impl IntoIterator<Item = Step>) -> Trails {
    let steps: Vec<Step> = steps.into_iter().collect();
    let longer = |trail: Vec<Step>| {
        if trail.len() + steps.len() > MOST_STEPS {
            return vec![Step::Anything];
        }
        trail.into_iter().chain(steps.iter().cloned()).collect()
    };
    trails.into_iter().map(longer).collect()
}

/// Elements that hold one person's name, address, number or portrait, or free text, or a raw id.
const REFUSED: [(&str, &str); 24] = [
    ("family", "a name"),
    ("given", "a name"),
    ("line", "an address"),
    ("city", "a place of residence"),
    ("district", "a place of residence"),
    ("photo", "a portrait"),
    ("div", "free text"),
    ("note", "free text"),
    ("comment", "free text"),
    ("comments", "free text"),
    ("patientInstruction", "free text"),
    ("subscriberId", "an insurance number"),
    ("serialNumber", "the number of a device"),
    ("carrierHRF", "the number of a device"),
    ("carrierAIDC", "the number of a device"),
    ("conclusion", "free text"),
    ("authorString", "a name"),
    ("data", "an attachment"),
    ("attachment", "an attachment"),
    ("valueAttachment", "an attachment"),
    (
        "id",
        "a raw id; write getResourceKey(), which becomes opaque",
    ),
    (
        "reference",
        "a raw reference; write getReferenceKey(Type), which becomes opaque",
    ),
    ("fullUrl", "a raw reference"),
    ("uri", "a raw reference"),
];

/// Elements of which only these parts say nothing about who it is.
const PARTS: [(&str, &[&str]); 4] = [
    ("name", &["use", "period"]),
    ("telecom", &["system", "use", "rank", "period"]),
    ("identifier", &["system", "type", "use", "period"]),
    ("address", &["state", "country", "use", "type", "period"]),
];

/// Types of raw ids.
const IDS: [&str; 3] = ["id", "oid", "uuid"];

/// Types of addresses, which may be those of records.
const ADDRESSES: [&str; 3] = ["uri", "url", "canonical"];

/// Elements whose address is that of a vocabulary, a profile or a definition.
const PUBLIC: [&str; 5] = [
    "system",
    "profile",
    "instantiates",
    "instantiatesCanonical",
    "instantiatesUri",
];

/// Types of free text.
const TEXTS: [&str; 2] = ["string", "markdown"];

/// Extensions of which `text` repeats what stands in their codes.
const REPEATED: [&str; 2] = ["/us-core-race", "/us-core-ethnicity"];

/// Types of values that are such elements.
const TYPES: [(&str, &str); 6] = [
    ("HumanName", "name"),
    ("ContactPoint", "telecom"),
    ("Identifier", "identifier"),
    ("Address", "address"),
    ("Attachment", "attachment"),
    ("Annotation", "note"),
];

/// Elements whose `display` is that of a code, and not somebody's name.
const CODES: [&str; 5] = ["coding", "valueCoding", "class", "security", "tag"];

/// Why a way leads to an identifier, if it does.
fn judge(trail: &[Step]) -> Option<String> {
    for (at, step) in trail.iter().enumerate() {
        let next = trail.get(at + 1);
        let name = match step {
            Step::Anything => {
                let what = "children() and descendants() reach everything; name the elements";
                return Some(what.into());
            }
            Step::Key => {
                let what = "a key is computed with; let it be a column of its own";
                return Some(what.into());
            }
            Step::Extension(url) if url.contains("mothersMaidenName") => {
                return Some("it shows a name".into());
            }
            Step::Extension(_) | Step::Leading(_) => continue,
            Step::As(kind) => match element(kind) {
                Some(name) => name,
                None => match judge_type(kind, &trail[..at]) {
                    None => continue,
                    refused => return refused,
                },
            },
            // A choice element may be named with its type: valueAddress.
            Step::Name(name) => {
                let kind = name.strip_prefix("value").filter(|kind| !kind.is_empty());
                if let Some(refused) = kind.and_then(|kind| judge_type(kind, &trail[..at])) {
                    return Some(refused);
                }
                kind.and_then(element).unwrap_or(name)
            }
        };
        let name = if name.ends_with("Identifier") {
            "identifier"
        } else {
            name
        };
        if let Some((_, parts)) = PARTS.iter().find(|(known, _)| *known == name) {
            let part = matches!(next, Some(Step::Name(part)) if parts.contains(&part.as_str()));
            let region = name == "address" && is_region(&trail[at + 1..]);
            if !part && !region {
                return Some(refusal(name, parts));
            }
        }
        if let Some((_, what)) = REFUSED.iter().find(|(known, _)| *known == name) {
            return Some(format!("it shows {what}"));
        }
        let before = at.checked_sub(1).and_then(|at| trail.get(at));
        let of_code = match before {
            Some(Step::Name(name)) => CODES.contains(&name.as_str()),
            Some(Step::As(kind)) => kind == "Coding",
            _ => false,
        };
        if name == "display" && !of_code {
            return Some("the display of a reference may be a name; take that of a coding".into());
        }
        if name == "url" && before == Some(&Step::Name("content".into())) {
            return Some("it shows an attachment".into());
        }
        // The text of a question is that of its form, and that of a value is what was observed.
        let of_form = before == Some(&Step::Name("item".into()));
        if name == "text" && !of_form && !is_value(&trail[..at]) {
            return Some("it shows free text; take `code` or `display` of a coding".into());
        }
        if name == "source" && before == Some(&Step::Name("meta".into())) {
            return Some("it shows a raw reference".into());
        }
        let of_extension = matches!(before, Some(Step::Extension(_)));
        if name == "value" && of_extension && next.is_none() {
            let what = "what the value of an extension is, is not known; name its type, as in value.ofType(code)";
            return Some(what.into());
        }
        let in_address = before.is_some_and(|before| *before == Step::Name("address".into()));
        if name == "postalCode" && !in_address && !is_region(&trail[at..]) {
            return Some(refusal("address", PARTS[3].1));
        }
    }
    None
}

/// Why values of this type, at the end of this way, are identifiers or free text. Types may be written as in `valueUuid`.
fn judge_type(kind: &str, way: &[Step]) -> Option<String> {
    let named = |known: &&str| known.eq_ignore_ascii_case(kind);
    if IDS.iter().chain(&ADDRESSES).any(named) {
        return Some("it shows a raw id".into());
    }
    let extension = way.iter().rev().find_map(|step| match step {
        Step::Extension(url) => Some(url.as_str()),
        _ => None,
    })?;
    let repeated = way.iter().any(|step| {
        matches!(step, Step::Extension(url) if REPEATED.iter().any(|known| url.ends_with(known)))
    });
    let text = TEXTS.iter().any(named);
    (text && !(repeated && extension == "text"))
        .then(|| "it shows free text of an extension; take a code".into())
}

/// Whether this way ends at a value that is a concept, and no extension is on it.
fn is_value(way: &[Step]) -> bool {
    let value = match way {
        [.., Step::Name(name), Step::As(kind)] => name == "value" && kind == "CodeableConcept",
        [.., Step::Name(name)] => name == "valueCodeableConcept",
        _ => false,
    };
    value && !way.iter().any(|step| matches!(step, Step::Extension(_)))
}

/// Why a column of this type shows an identifier.
fn judge_kind(kind: &str, trail: &[Step]) -> Option<String> {
    if IDS.contains(&kind) {
        return Some("it shows a raw id; write getResourceKey(), which becomes opaque".into());
    }
    let public = matches!(trail.last(), Some(Step::Name(name)) if PUBLIC.contains(&name.as_str()));
    (ADDRESSES.contains(&kind) && !public)
        .then(|| "it shows an address, which may be that of a record; of these only system, profile and what is instantiated enter".into())
}

/// The element that a type stands for.
fn element(kind: &str) -> Option<&'static str> {
    let found = TYPES.iter().find(|(known, _)| *known == kind);
    found.map(|(_, name)| *name)
}

/// Three digits of a postal code name a region, not a place.
fn is_region(trail: &[Step]) -> bool {
    matches!(trail, [Step::Name(name), Step::Leading(0..=3)] if name == "postalCode")
}

fn refusal(name: &str, parts: &[&str]) -> String {
    let region = if name == "address" {
        ", postalCode.substring(0, 3)"
    } else {
        ""
    };
    format!(
        "it shows {name}, of which only these parts are no identifier: {}{region}",
        parts.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(select: &str) -> Vec<Shown> {
        let view = format!(r#"{{"resource":"Patient","select":[{select}]}}"#);
        shown(&View::parse(&view).expect("a view"))
    }

    fn path(path: &str) -> Shown {
        let found = of(&format!(r#"{{"column":[{{"name":"c","path":"{path}"}}]}}"#));
        found.into_iter().next().expect("a column")
    }

    #[test]
    fn identifiers_are_found_wherever_they_hide() {
        for hidden in [
            "name.family",
            "name.given.first()",
            "Patient.name.where(use = 'official').text",
            "name.select(given & family)",
            "%resource.name.family.lower()",
            "telecom.value",
            "contact.telecom.where(system = 'phone').value",
            "identifier.value",
            "identifier.where(system = 'x').value.toInteger()",
            "address.city",
            "address.line.join(' ')",
            "address.postalCode",
            "address.postalCode.substring(0, 5)",
            "address.postalCode.substring(1, 3)",
            "id",
            "text.div",
            "iif(active, name.family, 'x')",
            "(address.state | address.city).first()",
            "generalPractitioner.display",
            "generalPractitioner.reference",
            "descendants().ofType(string).first()",
            "contained.name.family",
            "extension('http://hl7.org/fhir/StructureDefinition/patient-mothersMaidenName').value.ofType(string)",
            "extension('x').value.ofType(Address).city",
            "extension('x').value.ofType(HumanName).text",
            "extension('x').valueAddress.text",
            "extension('x').value.ofType(Identifier).value",
            "getResourceKey() & 'x'",
            "photo.url",
            "name",
            "name.aggregate($this.family & $total, '')",
            "name.family.replace('a', 'b')",
            "subscriberIdentifier.value",
            "name.repeat(given)",
            "communication.first().select(%context.name.family)",
            "subscriberId",
            "content.url",
            "content.attachment.url",
            "extension('http://example.org/nickname').value.ofType(string)",
            "extension('http://example.org/nickname').valueString",
            "extension('http://example.org/remarks').value.ofType(markdown).substring(0, 9)",
            "extension('http://example.org/anything').value",
            "extension('http://example.org/nested').extension('text').value.ofType(string)",
            "extension('http://hl7.org/fhir/us/core/StructureDefinition/us-core-race').extension('other').value.ofType(string)",
            "extension('http://example.org/record').value.ofType(uuid)",
            "extension('http://example.org/record').value.ofType(oid)",
            "extension('http://example.org/record').value.ofType(id)",
            "extension('http://example.org/record').value.ofType(uri)",
            "extension('http://example.org/record').valueUuid",
            "extension('http://example.org/record').valueUrl",
            "maritalStatus.text",
            "extension('http://example.org/kind').value.ofType(CodeableConcept).text",
            "communication.language.text",
            "meta.source",
            "identifier.value.length()",
            "name.family.length()",
            "identifier.value.indexOf('7')",
            "name.family.lastIndexOf('a')",
        ] {
            assert!(matches!(path(hidden), Shown::Identifier(_)), "{hidden}");
        }
        let iterated = of(
            r#"{"forEach":"name","column":[{"name":"c","path":"family"},{"name":"d","path":"use"}]}"#,
        );
        assert!(
            matches!(iterated[..], [Shown::Identifier(_), Shown::Value]),
            "{iterated:?}"
        );
        let union = of(
            r#"{"unionAll":[{"column":[{"name":"c","path":"gender"}]},{"column":[{"name":"c","path":"name.family"}]}]}"#,
        );
        assert!(matches!(union[..], [Shown::Identifier(_)]), "{union:?}");
    }

    #[test]
    fn what_says_nothing_about_who_it_is_passes() {
        for plain in [
            "gender",
            "birthDate",
            "name.exists()",
            "name.family = 'x'",
            "identifier.where(system = 'x').exists()",
            "name.count()",
            "address.state",
            "address.where(use = 'home').state.first()",
            "address.postalCode.substring(0, 3)",
            "identifier.system.first()",
            "maritalStatus.coding.first().code",
            "item.text",
            "value.ofType(CodeableConcept).text",
            "item.answer.value.ofType(string)",
            "meta.profile.first()",
            "extension('http://example.org/status').value.ofType(code)",
            "extension('http://example.org/score').value.ofType(Quantity).value",
            "communication.language.coding.code.first().length()",
            "maritalStatus.coding.display.first()",
            "extension('http://hl7.org/fhir/us/core/StructureDefinition/us-core-birthsex').value.ofType(code)",
            "extension('http://hl7.org/fhir/us/core/StructureDefinition/us-core-race').extension('ombCategory').value.ofType(Coding).display.first()",
            "extension('http://hl7.org/fhir/us/core/StructureDefinition/us-core-race').extension('text').value.ofType(string)",
            "iif(name.exists(), 'named', 'unnamed')",
        ] {
            assert_eq!(path(plain), Shown::Value, "{plain}");
        }
    }

    #[test]
    fn addresses_are_those_of_vocabularies() {
        let typed = |path: &str, kind: &str| {
            let column =
                format!(r#"{{"column":[{{"name":"c","path":"{path}","type":"{kind}"}}]}}"#);
            of(&column).into_iter().next().expect("a column")
        };
        for (path, kind) in [
            ("maritalStatus.coding.system.first()", "uri"),
            ("identifier.system.first()", "uri"),
            ("meta.profile.first()", "canonical"),
        ] {
            assert_eq!(typed(path, kind), Shown::Value, "{path}");
        }
        for (path, kind) in [
            ("anything", "uuid"),
            ("anything", "oid"),
            ("anything", "id"),
            ("anything.at.all", "uri"),
            ("anything", "url"),
            ("implicitRules", "uri"),
        ] {
            let found = typed(path, kind);
            assert!(matches!(found, Shown::Identifier(_)), "{path}: {found:?}");
        }
    }

    #[test]
    fn judging_takes_no_longer_than_the_definition_deserves() {
        let doubled = "gender".to_owned() + &".select($this.a | $this.b)".repeat(90);
        assert!(matches!(path(&doubled), Shown::Identifier(_)));
        // An expression is 100 steps at most; iterations within each other go on.
        let long = "a".to_owned() + &".a".repeat(80);
        let mut select = r#"{"column":[{"name":"c","path":"a"}]}"#.to_owned();
        for _ in 0..3 {
            select = format!(r#"{{"forEach":"{long}","select":[{select}]}}"#);
        }
        assert!(matches!(of(&select)[..], [Shown::Identifier(_)]));
    }

    #[test]
    fn keys_are_told() {
        assert_eq!(path("getResourceKey()"), Shown::ResourceKey);
        assert_eq!(
            path("managingOrganization.getReferenceKey()"),
            Shown::ReferenceKey(None)
        );
        let typed = path("generalPractitioner.getReferenceKey(Practitioner).first()");
        assert_eq!(typed, Shown::ReferenceKey(Some("Practitioner".into())));
    }
}
