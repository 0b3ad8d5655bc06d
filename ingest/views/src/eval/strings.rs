//! Functions of strings. Positions count characters.

use std::borrow::Cow;

use super::{Frame, Items, Scope};
use crate::compile::{Expr, Function, Pattern, pattern};
use crate::fault::Fault;
use crate::value::Item;

impl<'a> Scope<'a> {
    pub(super) fn text(
        &self,
        function: Function,
        input: &'a Expr,
        arguments: &'a [Expr],
        frame: Frame<'_, 'a>,
        out: &mut Items<'a>,
    ) -> Result<(), Fault> {
        if function == Function::Join {
            return self.join(input, arguments, frame, out);
        }
        let Some(text) = self.string(input, frame)? else {
            return Ok(());
        };
        match (function, arguments) {
            (Function::Upper, _) => out.push(owned(text.to_uppercase())),
            (Function::Lower, _) => out.push(owned(text.to_lowercase())),
            (Function::Length, _) => out.push(number(text.chars().count())),
            (Function::Trim, _) => out.push(owned(text.trim().to_owned())),
            (Function::ToChars, _) => {
                out.extend(text.chars().map(|c| owned(c.to_string())));
            }
            (Function::Substring, [start, length @ ..]) => {
                let Some(start) = self.integer(start, frame, "a position")? else {
                    return Ok(());
                };
                let length = match length {
                    [length, ..] => self.integer(length, frame, "a length")?,
                    [] => None,
                };
                let length = length.map_or(usize::MAX, |length| {
                    usize::try_from(length.max(0)).unwrap_or(usize::MAX)
                });
                let start = usize::try_from(start).ok();
                if let Some(start) = start.filter(|start| *start < text.chars().count()) {
                    out.push(owned(text.chars().skip(start).take(length).collect()));
                }
            }
            (_, [other, rest @ ..]) => {
                let Some(other) = self.string(other, frame)? else {
                    return Ok(());
                };
                match rest {
                    [] => with_other(function, &text, &other, out),
                    [replacement, ..] => {
                        if let Some(replacement) = self.string(replacement, frame)? {
                            out.push(owned(text.replace(&*other, &replacement)));
                        }
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Every value's text; nothing when there is no value.
    fn join(
        &self,
        input: &'a Expr,
        arguments: &'a [Expr],
        frame: Frame<'_, 'a>,
        out: &mut Items<'a>,
    ) -> Result<(), Fault> {
        let items = self.input(input, frame)?;
        let separator = match arguments {
            [separator, ..] => self.string(separator, frame)?.unwrap_or_default(),
            [] => Cow::Borrowed(""),
        };
        let mut joined = None::<String>;
        for item in items.iter().filter(|item| !item.is_valueless()) {
            let Some(text) = self.any_text(item) else {
                return Fault::new("join() needs strings, not elements with parts");
            };
            match &mut joined {
                Some(joined) => {
                    joined.push_str(&separator);
                    joined.push_str(&text);
                }
                None => joined = Some(text.into_owned()),
            }
        }
        out.extend(joined.map(owned));
        Ok(())
    }

    pub(super) fn matching(
        &self,
        function: Function,
        input: &'a Expr,
        regex: &'a Pattern,
        arguments: &'a [Expr],
        frame: Frame<'_, 'a>,
        out: &mut Items<'a>,
    ) -> Result<(), Fault> {
        let Some(text) = self.string(input, frame)? else {
            return Ok(());
        };
        let regex = match regex {
            Pattern::Fixed(regex) => Cow::Borrowed(regex),
            Pattern::Computed(expr) => {
                let Some(written) = self.string(expr, frame)? else {
                    return Ok(());
                };
                let whole = function == Function::MatchesFull;
                Cow::Owned(pattern(&written, whole).or_else(Fault::new)?)
            }
        };
        match arguments {
            [] => out.push(Item::Boolean(regex.is_match(&text))),
            [replacement, ..] => {
                if let Some(replacement) = self.string(replacement, frame)? {
                    let replacement = braced(&replacement);
                    out.push(owned(regex.replace_all(&text, &*replacement).into_owned()));
                }
            }
        }
        Ok(())
    }
}

/// `$1st` is the first group and `st`, as it is elsewhere, not a group of the name `1st`.
fn braced(replacement: &str) -> String {
    let mut braced = String::with_capacity(replacement.len());
    let mut parts = replacement.split('$');
    braced.push_str(parts.next().unwrap_or_default());
    for part in parts {
        let digits = part.bytes().take_while(u8::is_ascii_digit).count();
        let (group, rest) = part.split_at(digits);
        if group.is_empty() {
            braced.push('$');
        } else {
            braced.extend(["${", group, "}"]);
        }
        braced.push_str(rest);
    }
    braced
}

fn owned(text: String) -> Item<'static> {
    Item::Text(text.into())
}

fn number(count: usize) -> Item<'static> {
    Item::Integer(i64::try_from(count).unwrap_or(i64::MAX))
}

/// Functions of a text and another one.
fn with_other(function: Function, text: &str, other: &str, out: &mut Items<'_>) {
    let position = |at: Option<usize>| match at {
        Some(at) => number(text[..at].chars().count()),
        None => Item::Integer(-1),
    };
    match function {
        Function::IndexOf => out.push(position(text.find(other))),
        Function::LastIndexOf => out.push(position(text.rfind(other))),
        Function::StartsWith => out.push(Item::Boolean(text.starts_with(other))),
        Function::EndsWith => out.push(Item::Boolean(text.ends_with(other))),
        Function::Contains => out.push(Item::Boolean(text.contains(other))),
        Function::Split if other.is_empty() => {
            out.extend(text.chars().map(|c| owned(c.to_string())));
        }
        _ => out.extend(text.split(other).map(|part| owned(part.to_owned()))),
    }
}
