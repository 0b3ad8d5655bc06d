//! Functions of whole collections.

use super::{Frame, Items, Scope};
use crate::compile::{Expr, Function};
use crate::fault::Fault;
use crate::value::Item;

impl<'a> Scope<'a> {
    pub(super) fn collection(
        &self,
        function: Function,
        input: &'a Expr,
        arguments: &'a [Expr],
        frame: Frame<'_, 'a>,
        out: &mut Items<'a>,
    ) -> Result<(), Fault> {
        let items = self.input(input, frame)?;
        match (function, arguments) {
            (Function::Empty, _) => out.push(Item::Boolean(items.is_empty())),
            (Function::Not, _) => {
                out.extend(self.truth_of(&items)?.map(|truth| Item::Boolean(!truth)));
            }
            (Function::AllTrue, _) => out.push(self.every(&items, true)?),
            (Function::AllFalse, _) => out.push(self.every(&items, false)?),
            (Function::AnyTrue, _) => out.push(self.some(&items, true)?),
            (Function::AnyFalse, _) => out.push(self.some(&items, false)?),
            (Function::Count, _) => {
                out.push(Item::Integer(
                    i64::try_from(items.len()).unwrap_or(i64::MAX),
                ));
            }
            (Function::Distinct, _) => self.push_distinct(items.into_owned(), out)?,
            (Function::IsDistinct, _) => {
                let mut distinct = Vec::new();
                self.push_distinct(items.to_vec(), &mut distinct)?;
                out.push(Item::Boolean(distinct.len() == items.len()));
            }
            (Function::Single, _) => out.extend(Self::only(&items)?.cloned()),
            (Function::First, _) => out.extend(items.first().cloned()),
            (Function::Last, _) => out.extend(items.last().cloned()),
            (Function::Tail, _) => out.extend(items.iter().skip(1).cloned()),
            (Function::Skip, [count]) => {
                let count = self.count(count, frame)?;
                out.extend(items.iter().skip(count).cloned());
            }
            (Function::Take, [count]) => {
                let count = self.count(count, frame)?;
                out.extend(items.iter().take(count).cloned());
            }
            (Function::Union, [other]) => {
                let mut all = items.into_owned();
                self.eval(other, frame, &mut all)?;
                self.push_distinct(all, out)?;
            }
            (Function::Combine, [other, ..]) => {
                out.extend(items.iter().cloned());
                self.eval(other, frame, out)?;
            }
            (
                Function::SubsetOf | Function::SupersetOf | Function::Intersect | Function::Exclude,
                [other],
            ) => self.sets(function, &items, &self.input(other, frame)?, out)?,
            // The name and the projection of trace() are for a log, which there is not.
            _ => out.extend(items.iter().cloned()),
        }
        Ok(())
    }

    fn sets(
        &self,
        function: Function,
        items: &[Item<'a>],
        other: &[Item<'a>],
        out: &mut Items<'a>,
    ) -> Result<(), Fault> {
        match function {
            Function::SubsetOf => out.push(Item::Boolean(self.holds_all(other, items)?)),
            Function::SupersetOf => out.push(Item::Boolean(self.holds_all(items, other)?)),
            _ => {
                let wanted = function == Function::Intersect;
                let mut kept = Vec::new();
                for item in items {
                    if self.holds(other, item)? == wanted {
                        kept.push(item.clone());
                    }
                }
                if wanted {
                    self.push_distinct(kept, out)?;
                } else {
                    out.append(&mut kept);
                }
            }
        }
        Ok(())
    }

    fn holds_all(&self, items: &[Item<'a>], wanted: &[Item<'a>]) -> Result<bool, Fault> {
        for item in wanted {
            if !self.holds(items, item)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn booleans(&self, items: &[Item<'a>]) -> Result<Vec<bool>, Fault> {
        let booleans = items.iter().map(|item| self.boolean(item));
        match booleans.collect() {
            Some(booleans) => Ok(booleans),
            None => Fault::new("a boolean is needed"),
        }
    }

    fn every(&self, items: &[Item<'a>], wanted: bool) -> Result<Item<'a>, Fault> {
        let booleans = self.booleans(items)?;
        Ok(Item::Boolean(booleans.iter().all(|value| *value == wanted)))
    }

    fn some(&self, items: &[Item<'a>], wanted: bool) -> Result<Item<'a>, Fault> {
        let booleans = self.booleans(items)?;
        Ok(Item::Boolean(booleans.contains(&wanted)))
    }

    /// A number of items; nothing and less than nothing are zero.
    fn count(&self, expr: &'a Expr, frame: Frame<'_, 'a>) -> Result<usize, Fault> {
        let count = self.integer(expr, frame, "a number of items")?;
        Ok(count.map_or(0, |count| {
            usize::try_from(count.max(0)).unwrap_or(usize::MAX)
        }))
    }
}
