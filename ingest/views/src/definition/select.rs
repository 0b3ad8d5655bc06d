//! `select` and what may stand in it.

use std::ops::Range;

use super::Problem;
use super::column::{Column, column};
use super::reader::{Reader, joined};
use crate::compile::{Constants, Expr, compile, infer};
use crate::json::{At, Document, Kind};

/// A selection structure, ready to run. It fills a range of the view's columns: first its own,
/// then those of nested selects, then those of its union.
#[derive(Debug)]
pub(crate) struct Select {
    pub(crate) source: Source,
    /// For the first columns of the range, in their order.
    pub(crate) own: Vec<Own>,
    pub(crate) selects: Vec<Select>,
    pub(crate) union: Vec<Select>,
    pub(crate) columns: Range<usize>,
}

/// A column's expression.
#[derive(Debug)]
pub(crate) struct Own {
    pub(crate) expr: Expr,
    /// Where it stands in the definition.
    pub(crate) path: String,
}

/// Which elements a selection is made for.
#[derive(Debug)]
pub(crate) enum Source {
    Here,
    ForEach(Expr, String),
    ForEachOrNull(Expr, String),
    Repeat(Vec<(Expr, String)>),
}

const MEMBERS: &[&str] = &[
    "column",
    "select",
    "forEach",
    "forEachOrNull",
    "repeat",
    "unionAll",
];

/// Selects may nest this deep.
const MAX_DEPTH: usize = 64;

/// Reads the selects of a view.
pub(super) struct Selects<'r, 'd> {
    pub(super) reader: &'r mut Reader<'d>,
    pub(super) constants: &'r Constants,
    pub(super) columns: Vec<Column>,
    depth: usize,
}

impl<'r, 'd> Selects<'r, 'd> {
    pub(super) fn new(reader: &'r mut Reader<'d>, constants: &'r Constants) -> Self {
        Self {
            reader,
            constants,
            columns: Vec::new(),
            depth: 0,
        }
    }

    /// The view as one selection around its selects.
    pub(super) fn view(&mut self) -> Select {
        if self
            .reader
            .document
            .member(Document::ROOT, "select")
            .is_none()
        {
            self.reader
                .problem("", "`select` is missing; add one with columns");
        }
        let selects = self.nested(Document::ROOT, "", "select");
        Select {
            source: Source::Here,
            own: Vec::new(),
            selects,
            union: Vec::new(),
            columns: 0..self.columns.len(),
        }
    }

    fn nested(&mut self, at: At, path: &str, name: &str) -> Vec<Select> {
        self.depth += 1;
        let mut selects = Vec::new();
        if self.depth > MAX_DEPTH {
            self.reader
                .problem(path, "selects are nested deeper than 64");
        } else {
            for (at, path) in self.reader.objects(at, path, name) {
                selects.push(self.select(at, &path));
            }
        }
        self.depth -= 1;
        selects
    }

    fn select(&mut self, at: At, path: &str) -> Select {
        self.reader.only(at, path, MEMBERS);
        let source = self.source(at, path);
        let first = self.columns.len();
        let mut own = Vec::new();
        for (at, path) in self.reader.objects(at, path, "column") {
            own.extend(self.column(at, &path));
        }
        let selects = self.nested(at, path, "select");
        let union = self.union(at, path);
        Select {
            source,
            own,
            selects,
            union,
            columns: first..self.columns.len(),
        }
    }

    fn column(&mut self, at: At, path: &str) -> Option<Own> {
        let column = column(self.reader, at, path);
        let expr = match self.reader.required(at, path, "path") {
            Some(text) => self.expr(text, &joined(path, "path")),
            None => None,
        };
        let mut column = column?;
        if self.columns.iter().any(|known| known.name == column.name) {
            let what = format!("there is a column `{}` already; rename one", column.name);
            self.reader.problem(&joined(path, "name"), what);
        }
        if let Some(expr) = &expr
            && column.fhir_type.is_none()
        {
            column.fhir_type = infer(expr).map(str::to_owned);
        }
        self.columns.push(column);
        Some(Own {
            expr: expr.unwrap_or(Expr::Empty),
            path: joined(path, "path"),
        })
    }

    /// Every branch must have the columns of the first one, and fills the same places.
    fn union(&mut self, at: At, path: &str) -> Vec<Select> {
        let document = self.reader.document;
        let count = document
            .member(at, "unionAll")
            .map_or(0, |list| document.children(list).count());
        let first = self.columns.len();
        let mut after_first = None;
        let mut branches = Vec::new();
        self.depth += 1;
        if self.depth > MAX_DEPTH && count > 0 {
            self.reader
                .problem(path, "selects are nested deeper than 64");
            self.depth -= 1;
            return branches;
        }
        for (at, path) in self.reader.objects(at, path, "unionAll") {
            let Some(wanted) = &after_first else {
                branches.push(self.select(at, &path));
                after_first = Some(self.columns[first..].to_vec());
                continue;
            };
            let wanted: Vec<Column> = wanted.clone();
            self.columns.truncate(first);
            branches.push(self.select(at, &path));
            let found = self.columns.split_off(first);
            if let Some(what) = difference(&wanted, &found) {
                self.reader.problem(&path, what);
            }
            // A type that only one branch declares is the type of both.
            let merged = wanted.into_iter().zip(found).map(|(mut wanted, found)| {
                if !wanted.declared {
                    wanted.declared = found.declared;
                    wanted.fhir_type = found.fhir_type.or(wanted.fhir_type);
                }
                wanted
            });
            self.columns.extend(merged);
        }
        self.depth -= 1;
        if let Some(wanted) = after_first {
            // What a broken branch left is not to be missed by what follows.
            if self.columns.len() != first + wanted.len() {
                self.columns.truncate(first);
                self.columns.extend(wanted);
            }
        }
        branches
    }

    fn source(&mut self, at: At, path: &str) -> Source {
        let document = self.reader.document;
        let names = ["forEach", "forEachOrNull", "repeat"];
        let given: Vec<&str> = names
            .into_iter()
            .filter(|name| document.member(at, name).is_some())
            .collect();
        if given.len() > 1 {
            let what = format!("`{}` exclude each other; keep one", given.join("` and `"));
            self.reader.problem(path, what);
        }
        match given.first() {
            Some(&"repeat") => {
                let mut paths = Vec::new();
                for (item, path) in self.reader.list(at, path, "repeat") {
                    if document.kind(item) != Kind::String {
                        self.reader
                            .problem(&path, "a FHIRPath expression is needed");
                        continue;
                    }
                    let expr = self.expr(document.text(item), &path);
                    paths.extend(expr.map(|expr| (expr, path)));
                }
                Source::Repeat(paths)
            }
            Some(name) => {
                let text = self.reader.text(at, path, name);
                let path = joined(path, name);
                match text.and_then(|text| self.expr(text, &path)) {
                    Some(expr) if *name == "forEach" => Source::ForEach(expr, path),
                    Some(expr) => Source::ForEachOrNull(expr, path),
                    None => Source::Here,
                }
            }
            None => Source::Here,
        }
    }

    pub(super) fn expr(&mut self, text: &str, path: &str) -> Option<Expr> {
        match compile(text, self.constants) {
            Ok(expr) => Some(expr),
            Err(error) => {
                let problem = Problem::in_expression(path, error);
                self.reader.problems.push(problem);
                None
            }
        }
    }
}

/// How the columns of a branch differ from those of the first one.
fn difference(wanted: &[Column], found: &[Column]) -> Option<String> {
    let names = |columns: &[Column]| {
        let names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
        names.join(", ")
    };
    if names(wanted) != names(found) {
        return Some(format!(
            "the branches of a union have the same columns in the same order; the first has ({}), \
             this one ({})",
            names(wanted),
            names(found)
        ));
    }
    for (wanted, found) in wanted.iter().zip(found) {
        let name = &wanted.name;
        if wanted.collection != found.collection {
            return Some(format!(
                "`{name}` is a collection in one branch of a union only; write `collection` the \
                 same in all"
            ));
        }
        if wanted.declared
            && found.declared
            && let (Some(a), Some(b)) = (&wanted.fhir_type, &found.fhir_type)
            && a != b
        {
            return Some(format!(
                "`{name}` has the type {a} in the first branch of a union and {b} in this one; \
                 write the same `type`"
            ));
        }
    }
    None
}
