//! The form in which plans are compared: a frame of operators, conditions on it, and constants.
//!
//! Text would not do: another condition reads another column, and so renumbers all of them and brings projections with it. So columns are followed down to
//! the tables, operators that only choose or rename columns fall away, and what is left is compared:
//!
//! * the **frame**: tables, joins, groups, functions, with constants taken out;
//! * **constants** of the frame;
//! * **conditions**: what filters demand, and that rows exist or do not exist elsewhere (semi and anti joins).

use std::collections::BTreeSet;

use super::Columns;
use super::condition::{Condition, merge};
use super::expression::Expr;
use super::hash::Print;
use super::literal::Literal;
use super::plan::{Node, Op};
use super::shape::Shape;

/// A plan to compare.
#[derive(Debug, Clone)]
pub(super) struct Form {
    /// Of everything.
    pub(super) total: Print,
    pub(super) conditions: Vec<Condition>,
    pub(super) existences: Vec<Existence>,
    pub(super) constants: Vec<Constant>,
}

/// A constant of the frame.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Constant {
    /// Where it stands: fingerprint of what is around it.
    pub(super) slot: Print,
    pub(super) value: Literal,
    /// What it is part of.
    pub(super) around: String,
}

/// That there are rows elsewhere, or are none.
#[derive(Debug, Clone)]
pub(super) struct Existence {
    /// Of all that it brings: itself, and the conditions and constants below it.
    pub(super) weight: Print,
    pub(super) words: String,
}

impl Constant {
    pub(super) fn print(&self) -> Print {
        Print::of(&("constant", self.slot, &self.value))
    }

    /// Whatever it is.
    pub(super) fn print_masked(&self) -> Print {
        Print::of(&("any constant", self.slot))
    }
}

/// The forms of one plan: whom it is about, and all that it computes. The first is the same for a count and for a mean over the same people.
pub(super) fn forms(tree: &Node, columns: &Columns) -> [Form; 2] {
    let mut cohort = Builder::new(columns);
    cohort.cohort(tree);
    let mut whole = Builder::new(columns);
    whole.whole(tree);
    [cohort.form("cohort"), whole.form("whole")]
}

struct Builder<'c> {
    names: &'c Columns,
    /// Of operators, from the leaves up.
    frame: Vec<Print>,
    conditions: Vec<Condition>,
    existences: Vec<Existence>,
    /// Of themselves alone.
    existing: Vec<Print>,
    constants: BTreeSet<Constant>,
}

impl<'c> Builder<'c> {
    fn new(names: &'c Columns) -> Self {
        Self {
            names,
            frame: Vec::new(),
            conditions: Vec::new(),
            existences: Vec::new(),
            existing: Vec::new(),
            constants: BTreeSet::new(),
        }
    }

    fn form(mut self, view: &str) -> Form {
        merge(&mut self.conditions);
        let total = [
            Print::of(&view),
            self.frame.iter().copied().sum(),
            self.existing.iter().copied().sum(),
            self.conditions.iter().map(Condition::print).sum(),
            self.constants.iter().map(Constant::print).sum(),
        ];
        Form {
            total: total.into_iter().sum(),
            conditions: self.conditions,
            existences: self.existences,
            constants: self.constants.into_iter().collect(),
        }
    }

    /// Everything, the functions of the topmost aggregate included.
    fn whole(&mut self, tree: &Node) {
        let columns = self.build(tree, Print::default());
        self.fix(Print::default(), "result", &columns);
    }

    /// Whose rows are aggregated, and by which keys; not what of them.
    fn cohort(&mut self, tree: &Node) {
        let (rows, keys) = match (&tree.op, tree.inputs.first()) {
            (Op::Aggregate(_, keys), Some(input)) => match (&input.op, input.inputs.first()) {
                (Op::Fold(width, _), Some(rows)) => (rows, Keys::Folded(*width, keys)),
                _ => (input, Keys::Given(keys)),
            },
            _ => (tree, Keys::Given(&[])),
        };
        let columns = self.build(rows, Print::default());
        let keys: Vec<Shape> = match keys {
            Keys::Given(keys) => Shape::all(keys, &columns),
            Keys::Folded(width, keys) => {
                // The first column is the person, the keys follow.
                let folded = columns.get(1..).unwrap_or_default();
                let folded = folded.get(..width).unwrap_or_default();
                Shape::all(keys, folded)
            }
        };
        self.fix(Print::default(), "keys", &keys);
    }

    /// Adds an operator to the frame, with its expressions in order and their constants.
    fn fix(&mut self, place: Print, operator: &str, shapes: &[Shape]) {
        let texts: Vec<&str> = shapes.iter().map(|shape| shape.text.as_str()).collect();
        self.frame.push(Print::of(&(place, operator, texts)));
        for shape in shapes {
            for (i, value) in shape.constants.iter().enumerate() {
                // The same column used twice has its constants once.
                self.constants.insert(Constant {
                    slot: Print::of(&(&shape.text, i)),
                    value: value.clone(),
                    around: shape.words.clone(),
                });
            }
        }
    }

    /// Adds what rows are made of, and says what their columns are. Where they are not joined, their place is named by their tables: so it is the same
    /// beside others and alone.
    fn build(&mut self, node: &Node, place: Print) -> Vec<Shape> {
        let bottom = bottom(node);
        if bottom.is_inner_join() {
            return self.chain(node, place);
        }
        self.chain(node, Print::of(&("rows of", place, bottom.tables())))
    }

    /// Operators that pass on rows as they are stand in one place with what is below them.
    fn chain(&mut self, node: &Node, place: Print) -> Vec<Shape> {
        let mut inputs = node.inputs.iter();
        let (first, second) = (inputs.next(), inputs.next());
        match (&node.op, first, second) {
            (Op::Scan(table, places, conditions), ..) => {
                self.fix(place, &format!("scan {table}"), &[]);
                let columns: Vec<Shape> = places.iter().map(|at| self.column(table, *at)).collect();
                self.demand(conditions, &columns, place);
                columns
            }
            (Op::Project(exprs), Some(input), _) => {
                let columns = self.chain(input, place);
                Shape::all(exprs, &columns)
            }
            (Op::Filter(conditions), Some(input), _) => {
                let columns = self.chain(input, place);
                self.demand(conditions, &columns, place);
                columns
            }
            (Op::Aggregate(functions, keys), Some(input), _) => {
                let columns = self.build(input, Print::of(&("aggregate", place)));
                let keys: Vec<Shape> = Shape::all(keys, &columns);
                self.fix(place, "aggregate", &keys);
                let functions = functions
                    .iter()
                    .map(|function| Shape::of(function, &columns));
                keys.iter().cloned().chain(functions).collect()
            }
            (Op::Window(functions), Some(input), _) => {
                let mut columns = self.build(input, Print::of(&("window", place)));
                let functions: Vec<Shape> = Shape::all(functions, &columns);
                columns.extend(functions);
                columns
            }
            (Op::Fold(keys, text), Some(input), _) => {
                let columns = self.build(input, Print::of(&("fold", place)));
                self.fix(place, &format!("fold {text}"), &columns);
                let keys_and_sums = columns.into_iter().skip(1).enumerate();
                let brought = keys_and_sums.map(|(i, column)| {
                    if i < *keys {
                        column
                    } else {
                        Shape::made(&format!("brought {i}"), "what each person brings")
                    }
                });
                // Leaves have one column more than they read.
                brought
                    .chain([Shape::made("number of rows", "the number of rows")])
                    .collect()
            }
            (Op::Join(kind, nulls, on, conditions), Some(left), Some(right)) => self.join(
                &Join {
                    kind,
                    nulls,
                    on,
                    conditions,
                    left,
                    right,
                },
                place,
            ),
            (Op::Pass(text), Some(input), _) => {
                let columns = self.build(input, Print::of(&("below", text, place)));
                let distinct: &[Shape] = if text == "distinct" { &columns } else { &[] };
                self.fix(place, text, distinct);
                columns
            }
            (Op::Values(text), ..) => {
                self.fix(place, text, &[]);
                (0..64)
                    .map(|i| Shape::made(&format!("value {i}"), "a value of the question's own"))
                    .collect()
            }
            (Op::Union, ..) => self.union(node, place),
            _ => Vec::new(),
        }
    }

    fn union(&mut self, node: &Node, place: Print) -> Vec<Shape> {
        let mut width = 0;
        for (i, input) in node.inputs.iter().enumerate() {
            let columns = self.build(input, Print::of(&("branch", i, place)));
            self.fix(Print::of(&(i, place)), "union", &columns);
            width = width.max(columns.len());
        }
        (0..width)
            .map(|i| Shape::made(&format!("united {i}"), "a column of several tables"))
            .collect()
    }

    fn join(&mut self, join: &Join<'_>, place: Print) -> Vec<Shape> {
        let Join {
            kind, left, right, ..
        } = join;
        match *kind {
            "LeftSemi" | "LeftAnti" => return self.exists(join, place),
            "Inner" => {
                let mut columns = self.joined(left, place);
                columns.extend(self.joined(right, place));
                self.demand(join.conditions, &columns, place);
                return columns;
            }
            _ => {}
        }
        let mut columns = self.build(left, Print::of(&("left", place)));
        let others = self.build(right, Print::of(&("right", place)));
        let pairs = join.pairs(&columns, &others);
        self.fix(place, &format!("{kind} join {}", join.nulls), &pairs);
        columns.extend(others);
        self.demand(join.conditions, &columns, place);
        columns
    }

    /// One side of an inner join demands that there are such rows, of the same person as the rules have it. By what else they are joined is not compared,
    /// for a side that is not there is joined by nothing.
    fn joined(&mut self, side: &Node, place: Print) -> Vec<Shape> {
        if bottom(side).is_inner_join() {
            return self.build(side, place);
        }
        let mut inner = Builder::new(self.names);
        let columns = inner.build(side, place);
        self.absorb(inner, "there is a row", &side.tables());
        columns
    }

    /// A semi or anti join is a condition on the rows of its left side.
    fn exists(&mut self, join: &Join<'_>, place: Print) -> Vec<Shape> {
        let columns = self.chain(join.left, place);
        let tables = join.right.tables();
        // Where it stands must not depend on how many others stand beside it.
        let below = Print::of(&(place, join.kind, &tables));
        let mut inner = Builder::new(self.names);
        let others = inner.build(join.right, below);
        let pairs = join.pairs(&columns, &others);
        inner.fix(below, &format!("{} {}", join.kind, join.nulls), &pairs);
        let both: Vec<Shape> = columns.iter().cloned().chain(others).collect();
        inner.demand(join.conditions, &both, below);
        let none = join.kind == "LeftAnti";
        self.absorb(
            inner,
            if none {
                "there is no row"
            } else {
                "there is a row"
            },
            &tables,
        );
        columns
    }

    /// Takes over what was built apart, as one existence that can be taken out again.
    fn absorb(&mut self, mut inner: Builder<'_>, there: &str, tables: &[&str]) {
        merge(&mut inner.conditions);
        let own: Print = inner.frame.iter().copied().sum();
        let parts = [
            own,
            inner.existing.iter().copied().sum(),
            inner.conditions.iter().map(Condition::print).sum(),
            inner.constants.iter().map(Constant::print).sum(),
        ];
        let demands: Vec<String> = inner.conditions.iter().map(Condition::words).collect();
        let which = if demands.is_empty() {
            String::new()
        } else {
            format!(" with {}", demands.join(" and "))
        };
        self.existences.push(Existence {
            weight: parts.into_iter().sum(),
            words: format!("{there} of {}{which}", tables.join(" and ")),
        });
        self.existing.push(own);
        self.existing.append(&mut inner.existing);
        self.existences.append(&mut inner.existences);
        self.conditions.append(&mut inner.conditions);
        self.constants.append(&mut inner.constants);
    }

    fn demand(&mut self, conditions: &[Expr], columns: &[Shape], place: Print) {
        let conditions = conditions.iter();
        self.conditions
            .extend(conditions.map(|condition| Condition::read(condition, columns, place)));
    }

    /// A column of a table.
    fn column(&self, table: &str, place: usize) -> Shape {
        let name = self.names.get(table).and_then(|names| names.get(place));
        Shape {
            text: format!("{table}#{place}"),
            constants: Vec::new(),
            words: match name {
                Some(name) => format!("{table}.{name}"),
                None => format!("{table} column {}", place.saturating_add(1)),
            },
        }
    }
}

/// What lies below the operators that pass on rows as they are.
fn bottom(node: &Node) -> &Node {
    let below = match &node.op {
        Op::Project(_) | Op::Filter(_) => true,
        Op::Join(kind, ..) => kind == "LeftSemi" || kind == "LeftAnti",
        _ => false,
    };
    match node.inputs.first() {
        Some(input) if below => bottom(input),
        _ => node,
    }
}

impl Join<'_> {
    fn pairs(&self, left: &[Shape], right: &[Shape]) -> Vec<Shape> {
        let pairs = self.on.iter();
        pairs
            .flat_map(|(l, r)| [Shape::of(l, left), Shape::of(r, right)])
            .collect()
    }
}

enum Keys<'n> {
    Given(&'n [Expr]),
    Folded(usize, &'n [Expr]),
}

struct Join<'n> {
    kind: &'n str,
    nulls: &'n str,
    on: &'n [(Expr, Expr)],
    conditions: &'n [Expr],
    left: &'n Node,
    right: &'n Node,
}
