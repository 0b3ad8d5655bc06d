//! Conditions: what is tested, and what it must be.

use std::collections::{BTreeSet, HashMap};

use super::expression::Expr;
use super::hash::Print;
use super::literal::Literal;
use super::shape::Shape;

/// Something that a filter demands.
#[derive(Debug, Clone)]
pub(super) struct Condition {
    /// Where in the tree.
    place: Print,
    /// What is tested.
    pub(super) subject: Shape,
    pub(super) test: Test,
}

/// What a subject must be.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Test {
    /// At least, or above where strict.
    Above(Literal, bool),
    /// At most, or below where strict.
    Below(Literal, bool),
    /// One of these; or none of them, where negated.
    In(bool, BTreeSet<Literal>),
    /// True, or not.
    Holds(bool),
}

impl Condition {
    pub(super) fn read(expr: &Expr, columns: &[Shape], place: Print) -> Self {
        let (subject, test) = Test::read(expr, columns);
        Self {
            place,
            subject,
            test,
        }
    }

    pub(super) fn print(&self) -> Print {
        self.print_with(&self.subject.constants, Some(&self.test))
    }

    fn print_with(&self, constants: &[Literal], test: Option<&Test>) -> Print {
        Print::of(&("condition", self.place, &self.subject.text, constants, test))
    }

    /// Without what its subject must be.
    pub(super) fn print_untested(&self) -> Print {
        self.print_with(&self.subject.constants, None)
    }

    /// Without one of its subject's constants.
    pub(super) fn print_without(&self, place: usize) -> Print {
        let mut others = self.subject.constants.clone();
        if place < others.len() {
            others.remove(place);
        }
        Print::of(&(place, self.print_with(&others, Some(&self.test))))
    }

    /// As a person would say it.
    pub(super) fn words(&self) -> String {
        self.test.words(&self.subject.words)
    }

    fn is_about(&self) -> (Print, String) {
        (self.place, self.subject.text.clone())
    }
}

impl Test {
    fn read(expr: &Expr, columns: &[Shape]) -> (Shape, Self) {
        let shape = |expr: &Expr| Shape::of(expr, columns);
        match expr {
            Expr::Binary(op, left, right) if op == "Lt" || op == "LtEq" => {
                let strict = op == "Lt";
                match (left.as_ref(), right.as_ref()) {
                    (Expr::Literal(bound), subject) => {
                        (shape(subject), Self::Above(bound.clone(), strict))
                    }
                    (subject, Expr::Literal(bound)) => {
                        (shape(subject), Self::Below(bound.clone(), strict))
                    }
                    _ => (shape(expr), Self::Holds(true)),
                }
            }
            Expr::Not(inner) => {
                let (subject, test) = Self::read(inner, columns);
                (subject, test.turned())
            }
            expr => match membership(expr, columns) {
                Some((subject, negated, values)) => (subject, Self::In(negated, values)),
                None => (shape(expr), Self::Holds(true)),
            },
        }
    }

    fn turned(self) -> Self {
        match self {
            Self::Above(bound, strict) => Self::Below(bound, !strict),
            Self::Below(bound, strict) => Self::Above(bound, !strict),
            Self::In(negated, values) => Self::In(!negated, values),
            Self::Holds(holds) => Self::Holds(!holds),
        }
    }

    /// As a person would say it of a subject.
    pub(super) fn words(&self, subject: &str) -> String {
        let sign = |strict: &bool, sign: char| {
            if *strict {
                sign.to_string()
            } else {
                format!("{sign}=")
            }
        };
        match self {
            Self::Above(bound, strict) => {
                format!("{subject} {} {}", sign(strict, '>'), bound.show())
            }
            Self::Below(bound, strict) => {
                format!("{subject} {} {}", sign(strict, '<'), bound.show())
            }
            Self::In(negated, values) => {
                let shown: Vec<String> = values.iter().map(Literal::show).collect();
                match (shown.as_slice(), negated) {
                    ([only], false) => format!("{subject} = {only}"),
                    ([only], true) => format!("{subject} <> {only}"),
                    (shown, false) => format!("{subject} IN ({})", shown.join(", ")),
                    (shown, true) => format!("{subject} NOT IN ({})", shown.join(", ")),
                }
            }
            Self::Holds(true) => subject.to_owned(),
            Self::Holds(false) => format!("not {subject}"),
        }
    }

    /// Whether of two lists one holds all of the other.
    pub(super) fn nests(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::In(a, one), Self::In(b, two)) => {
                a == b && (one.is_subset(two) || two.is_subset(one))
            }
            _ => false,
        }
    }
}

/// `x = a`, `x <> a`, `x IN (a, b)`, and `x = a OR x = b`, which is how short lists are planned.
fn membership(expr: &Expr, columns: &[Shape]) -> Option<(Shape, bool, BTreeSet<Literal>)> {
    match expr {
        Expr::Binary(op, left, right) if op == "Eq" || op == "NotEq" => {
            let ((Expr::Literal(value), subject) | (subject, Expr::Literal(value))) =
                (left.as_ref(), right.as_ref())
            else {
                return None;
            };
            let values = BTreeSet::from([value.clone()]);
            Some((Shape::of(subject, columns), op == "NotEq", values))
        }
        Expr::In(subject, list, negated) => {
            let values = list.iter().map(|item| match item {
                Expr::Literal(value) => Some(value.clone()),
                _ => None,
            });
            let values = values.collect::<Option<_>>()?;
            Some((Shape::of(subject, columns), *negated, values))
        }
        Expr::Binary(op, ..) if op == "Or" => {
            let mut operands = Vec::new();
            expr.chain("Or", &mut operands);
            let mut operands = operands
                .into_iter()
                .map(|operand| membership(operand, columns));
            let (subject, negated, mut values) = operands.next()??;
            for operand in operands {
                let (other, other_negated, others) = operand?;
                if negated || other_negated || other != subject {
                    return None;
                }
                values.extend(others);
            }
            Some((subject, false, values))
        }
        _ => None,
    }
}

/// `x <> a and x <> b` is what `x NOT IN (a, b)` is planned as where the list is short. A test for NULL says nothing beside another test of the same.
pub(super) fn merge(conditions: &mut Vec<Condition>) {
    let mut merged: Vec<Condition> = Vec::new();
    let mut lists: HashMap<(Print, String, Vec<Literal>), usize> = HashMap::new();
    for condition in conditions.drain(..) {
        if let Test::In(true, values) = &condition.test {
            let (place, text) = condition.is_about();
            let end = merged.len();
            let known = lists.entry((place, text, condition.subject.constants.clone()));
            let known = merged.get_mut(*known.or_insert(end));
            if let Some(Test::In(_, known)) = known.map(|known| &mut known.test) {
                known.extend(values.iter().cloned());
                continue;
            }
        }
        merged.push(condition);
    }
    let tested: BTreeSet<(Print, String)> = merged
        .iter()
        .map(|known| (known.place, format!("IsNotNull({})", known.subject.text)))
        .collect();
    merged.retain(|known| !tested.contains(&known.is_about()));
    *conditions = merged;
}
