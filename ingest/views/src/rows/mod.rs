//! The rows of a view for one resource: the processing algorithm of the specification
//! (<https://sql-on-fhir.org/ig/StructureDefinition-ViewDefinition.html#processing-algorithm>).

use std::cell::Cell;

use crate::columns::{Converter, Value};
use crate::compile::Expr;
use crate::definition::{Select, Source, View};
use crate::eval::{Items, RESOURCE, Scope};
use crate::fault::Fault;
use crate::json::Document;
use crate::value::Item;

/// Elements below one another that `repeat` follows; JSON nests no deeper.
const MAX_REPEAT: usize = 128;

/// Bytes that all rows of one resource may take.
const MOST_BYTES: usize = 1 << 30;

/// Rows of equal width, one after the other.
#[derive(Debug)]
pub(crate) struct Rows<'a> {
    width: usize,
    count: usize,
    cells: Vec<Value<'a>>,
}

/// A fault, and the expression at which it occurred.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failed {
    pub(crate) path: String,
    pub(crate) fault: Fault,
}

/// Evaluates one view on one resource.
#[derive(Debug)]
pub(crate) struct Evaluation<'a> {
    view: &'a View,
    converter: &'a Converter,
    document: Document<'a>,
    /// Rows that one resource may give.
    limit: usize,
    /// Steps that are left.
    work: &'a Cell<u64>,
}

impl<'a> Rows<'a> {
    fn empty(width: usize) -> Self {
        Self {
            width,
            count: 0,
            cells: Vec::new(),
        }
    }

    fn one(cells: Vec<Value<'a>>) -> Self {
        Self {
            width: cells.len(),
            count: 1,
            cells,
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &[Value<'a>]> {
        (0..self.count).map(|row| &self.cells[row * self.width..(row + 1) * self.width])
    }

    fn append(&mut self, mut other: Self) {
        self.count += other.count;
        self.cells.append(&mut other.cells);
    }

    /// Every row beside every row of `other`, which changes fastest.
    fn times(self, other: Self) -> Self {
        let width = self.width + other.width;
        if self.width == 0 && self.count == 1 {
            return other;
        }
        let mut cells = Vec::with_capacity(width * self.count * other.count);
        for left in self.iter() {
            for right in other.iter() {
                cells.extend_from_slice(left);
                cells.extend_from_slice(right);
            }
        }
        Self {
            width,
            count: self.count * other.count,
            cells,
        }
    }
}

impl<'a> Evaluation<'a> {
    pub(crate) fn new(
        view: &'a View,
        converter: &'a Converter,
        document: Document<'a>,
        limit: usize,
        work: &'a Cell<u64>,
    ) -> Self {
        Self {
            view,
            converter,
            document,
            limit,
            work,
        }
    }

    /// The rows; none when a condition does not hold.
    pub(crate) fn rows(&self) -> Result<Rows<'a>, Failed> {
        let resource = Item::Node(RESOURCE);
        for (condition, path) in &self.view.wheres {
            let scope = Scope::new(self.document, resource.clone(), 0, self.work);
            let holds = match scope.evaluate(condition) {
                Ok(items) => Self::condition(&scope, &items),
                Err(fault) => Err(fault),
            };
            if !holds.map_err(|fault| failed(path, fault))? {
                return Ok(Rows::empty(self.view.select.columns.len()));
            }
        }
        let rows = self.process(&self.view.select, &resource, 0)?;
        // Arrow counts bytes with 31 bits, and somebody has to hold them.
        let mut bytes = 0_usize;
        for cell in &rows.cells {
            bytes = bytes.saturating_add(cell.size());
        }
        if bytes > MOST_BYTES {
            let what = "the resource gives more than 1 GiB of values";
            return Err(failed("select", Fault(what.into())));
        }
        Ok(rows)
    }

    /// Nothing is not true; what is no boolean is an error.
    fn condition(scope: &Scope<'a>, items: &[Item<'a>]) -> Result<bool, Fault> {
        match items {
            [] => Ok(false),
            [item] => match scope.boolean(item) {
                Some(value) => Ok(value),
                None => Fault::new(
                    "a condition must be true or false; compare the value, or add exists()",
                ),
            },
            _ => Fault::new("a condition has several values; add exists() or first()"),
        }
    }

    fn process(
        &self,
        select: &'a Select,
        focus: &Item<'a>,
        row_index: i64,
    ) -> Result<Rows<'a>, Failed> {
        let foci = match &select.source {
            Source::Here => return self.selection(select, focus, row_index),
            Source::ForEach(expr, path) | Source::ForEachOrNull(expr, path) => {
                let scope = Scope::new(self.document, focus.clone(), row_index, self.work);
                scope.evaluate(expr).map_err(|fault| failed(path, fault))?
            }
            Source::Repeat(paths) => {
                let mut found = Vec::new();
                self.repeat(paths, focus, row_index, 0, &mut found)?;
                found
            }
        };
        let mut rows = Rows::empty(select.columns.len());
        if foci.is_empty() && matches!(select.source, Source::ForEachOrNull(..)) {
            return self.null(select, focus).map(Rows::one);
        }
        for (index, focus) in (0..).zip(&foci) {
            rows.append(self.selection(select, focus, index)?);
            self.bounded(rows.count, select)?;
        }
        Ok(rows)
    }

    /// Columns, nested selects and union for one element, each beside each.
    fn selection(
        &self,
        select: &'a Select,
        focus: &Item<'a>,
        row_index: i64,
    ) -> Result<Rows<'a>, Failed> {
        let mut own = Vec::with_capacity(select.own.len());
        if !select.own.is_empty() {
            let scope = Scope::new(self.document, focus.clone(), row_index, self.work);
            for (column, own_column) in (select.columns.start..).zip(&select.own) {
                let items = scope.evaluate(&own_column.expr);
                let cell = items.and_then(|items| self.converter.cell(column, items, &scope));
                own.push(cell.map_err(|fault| failed(&own_column.path, fault))?);
            }
        }
        let mut rows = Rows::one(own);
        for nested in &select.selects {
            rows = self.product(rows, self.process(nested, focus, row_index)?, select)?;
        }
        if let Some(first) = select.union.first() {
            let mut union = Rows::empty(first.columns.len());
            for branch in &select.union {
                union.append(self.process(branch, focus, row_index)?);
                self.bounded(union.count, select)?;
            }
            rows = self.product(rows, union, select)?;
        }
        Ok(rows)
    }

    fn product(
        &self,
        rows: Rows<'a>,
        other: Rows<'a>,
        select: &Select,
    ) -> Result<Rows<'a>, Failed> {
        self.bounded(rows.count.saturating_mul(other.count), select)?;
        Ok(rows.times(other))
    }

    fn bounded(&self, rows: usize, select: &Select) -> Result<(), Failed> {
        if rows <= self.limit {
            return Ok(());
        }
        let path = match &select.source {
            Source::Here => select.own.first().map_or("select", |own| &own.path),
            Source::ForEach(_, path) | Source::ForEachOrNull(_, path) => path,
            Source::Repeat(paths) => paths.first().map_or("repeat", |(_, path)| path),
        };
        let limit = self.limit;
        let what = format!("the resource gives more than {limit} rows; raise the limit");
        Err(failed(path, Fault(what.into())))
    }

    /// Nulls, but for the row index, which is 0.
    fn null(&self, select: &'a Select, focus: &Item<'a>) -> Result<Vec<Value<'a>>, Failed> {
        let mut cells = vec![Value::Null; select.columns.len()];
        let scope = Scope::new(self.document, focus.clone(), 0, self.work);
        self.null_indices(select, select.columns.start, &scope, &mut cells)?;
        Ok(cells)
    }

    fn null_indices(
        &self,
        select: &'a Select,
        start: usize,
        scope: &Scope<'a>,
        cells: &mut [Value<'a>],
    ) -> Result<(), Failed> {
        for (column, own) in (select.columns.start..).zip(&select.own) {
            if matches!(own.expr, Expr::RowIndex) {
                let cell = self.converter.cell(column, vec![Item::Integer(0)], scope);
                cells[column - start] = cell.map_err(|fault| failed(&own.path, fault))?;
            }
        }
        for nested in select.selects.iter().chain(select.union.first()) {
            self.null_indices(nested, start, scope, cells)?;
        }
        Ok(())
    }

    /// Everything that the paths reach, each element before what is below it.
    fn repeat(
        &self,
        paths: &'a [(Expr, String)],
        focus: &Item<'a>,
        row_index: i64,
        depth: usize,
        found: &mut Items<'a>,
    ) -> Result<(), Failed> {
        let scope = Scope::new(self.document, focus.clone(), row_index, self.work);
        for (expr, path) in paths {
            let items = scope.evaluate(expr).map_err(|fault| failed(path, fault))?;
            if depth > MAX_REPEAT && !items.is_empty() {
                let what = "repeat does not come to an end; follow elements that lie below";
                return Err(failed(path, Fault(what.into())));
            }
            for item in items {
                found.push(item.clone());
                if found.len() > self.limit {
                    let limit = self.limit;
                    let what = format!("repeat finds more than {limit} elements");
                    return Err(failed(path, Fault(what.into())));
                }
                self.repeat(paths, &item, row_index, depth + 1, found)?;
            }
        }
        Ok(())
    }
}

fn failed(path: &str, fault: Fault) -> Failed {
    Failed {
        path: path.to_owned(),
        fault,
    }
}
