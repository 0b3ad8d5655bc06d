//! Functions that evaluate an argument once for each item, or not at all.

use super::{Frame, Items, Scope};
use crate::compile::{Expr, Function};
use crate::fault::Fault;
use crate::value::Item;

/// `repeat()` compares every new item with all before it, so that more would take too long.
const MOST_REPEATED: usize = 5_000;

impl<'a> Scope<'a> {
    pub(super) fn iterate(
        &self,
        function: Function,
        input: &'a Expr,
        arguments: &'a [Expr],
        frame: Frame<'_, 'a>,
        out: &mut Items<'a>,
    ) -> Result<(), Fault> {
        let items = self.input(input, frame)?;
        match (function, arguments) {
            (Function::Exists, []) => out.push(Item::Boolean(!items.is_empty())),
            (Function::Exists, [criteria, ..]) => {
                let mut found = false;
                for (_, frame) in frames(&items) {
                    if self.truth(criteria, frame)? == Some(true) {
                        found = true;
                        break;
                    }
                }
                out.push(Item::Boolean(found));
            }
            (Function::All, [criteria, ..]) => {
                let mut all = true;
                for (_, frame) in frames(&items) {
                    if self.truth(criteria, frame)? != Some(true) {
                        all = false;
                        break;
                    }
                }
                out.push(Item::Boolean(all));
            }
            (Function::Where, [criteria, ..]) => {
                for (item, frame) in frames(&items) {
                    if self.truth(criteria, frame)? == Some(true) {
                        out.push(item.clone());
                    }
                }
            }
            (Function::Select, [projection, ..]) => {
                for (_, frame) in frames(&items) {
                    self.eval(projection, frame, out)?;
                }
            }
            (Function::Repeat, [projection, ..]) => self.repeat(&items, projection, out)?,
            (Function::Aggregate, [step, initial @ ..]) => {
                let mut total = match initial {
                    [initial, ..] => self.collect(initial, frame)?,
                    [] => Vec::new(),
                };
                for (_, inner) in frames(&items) {
                    let inner = Frame {
                        total: Some(&total),
                        ..inner
                    };
                    total = self.collect(step, inner)?;
                }
                out.append(&mut total);
            }
            (Function::Iif, [criterion, yes, otherwise @ ..]) => {
                // On one item it is about that item; on nothing it still has a result.
                let inner = match Self::only(&items)? {
                    Some(item) => Frame {
                        this: item,
                        ..frame
                    },
                    None => frame,
                };
                if self.truth(criterion, inner)? == Some(true) {
                    self.eval(yes, inner, out)?;
                } else if let [otherwise, ..] = otherwise {
                    self.eval(otherwise, inner, out)?;
                }
            }
            _ => {
                for argument in arguments {
                    let before = out.len();
                    self.eval(argument, frame, out)?;
                    if out.len() > before {
                        break;
                    }
                }
            }
        }
        Ok(())
    }

    fn repeat(
        &self,
        items: &[Item<'a>],
        projection: &'a Expr,
        out: &mut Items<'a>,
    ) -> Result<(), Fault> {
        let start = out.len();
        let mut waiting: Items<'a> = items.to_vec();
        while !waiting.is_empty() {
            let mut found = Vec::new();
            for (_, frame) in frames(&waiting) {
                self.eval(projection, frame, &mut found)?;
            }
            waiting.clear();
            for item in found {
                if !self.holds(&out[start..], &item)? {
                    waiting.push(item.clone());
                    out.push(item);
                }
            }
            if out.len() - start > MOST_REPEATED {
                return Fault::new("repeat() goes on beyond 5000 items");
            }
        }
        Ok(())
    }
}

fn frames<'f, 'a>(items: &'f [Item<'a>]) -> impl Iterator<Item = (&'f Item<'a>, Frame<'f, 'a>)> {
    (0..)
        .zip(items)
        .map(|(at, item)| (item, Frame::on(item, at)))
}
