//! Operator trees, read from their canonical text.

use super::expression::Expr;
use super::layout::{halves, head_and_last, pieces, pieces_before};

/// Deeper than any plan that is planned.
const MOST_DEPTH: usize = 128;

/// An operator over its inputs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) op: Op,
    pub(super) inputs: Vec<Node>,
}

/// An operator. Columns are named by their place in the input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Op {
    /// Rows of a table: its columns that are read, by their place in it, and conditions on them.
    Scan(String, Vec<usize>, Vec<Expr>),
    Project(Vec<Expr>),
    /// Conditions, all of which must hold.
    Filter(Vec<Expr>),
    /// Functions, by keys.
    Aggregate(Vec<Expr>, Vec<Expr>),
    Window(Vec<Expr>),
    /// Kind, how NULLs compare, equalities of left and right, further conditions on both.
    Join(String, String, Vec<(Expr, Expr)>, Vec<Expr>),
    /// Each person's rows brought together, by so many keys after the person.
    Fold(usize, String),
    /// Passes columns on as they are: sort, limit, distinct.
    Pass(String),
    Union,
    /// Rows that the question itself holds.
    Values(String),
}

const HEADS: [&str; 12] = [
    "project ",
    "filter ",
    "aggregate ",
    "window ",
    "sort ",
    "limit ",
    "distinct",
    "union",
    "scan ",
    "values ",
    "fold ",
    "empty ",
];

fn begins(text: &str) -> bool {
    HEADS.iter().any(|head| text.starts_with(head)) || join_kind(text).is_some()
}

/// `Inner`, `LeftSemi`, …: the word before ` join `.
fn join_kind(text: &str) -> Option<&str> {
    let (kind, _) = text.split_once(" join ")?;
    let word = !kind.is_empty() && kind.bytes().all(|byte| byte.is_ascii_alphabetic());
    word.then_some(kind)
}

impl Node {
    /// The tree, if the text is one that is known here.
    pub(super) fn read(text: &str) -> Option<Self> {
        read(text, 0)
    }

    /// Names of the tables below, in the order of the text.
    pub(super) fn tables(&self) -> Vec<&str> {
        let mut names = Vec::new();
        self.add_tables(&mut names);
        names
    }

    fn add_tables<'n>(&'n self, names: &mut Vec<&'n str>) {
        if let Op::Scan(table, ..) = &self.op {
            names.push(table);
        }
        for input in &self.inputs {
            input.add_tables(names);
        }
    }

    pub(super) fn is_inner_join(&self) -> bool {
        matches!(&self.op, Op::Join(kind, ..) if kind == "Inner")
    }
}

fn read(text: &str, depth: usize) -> Option<Node> {
    if depth > MOST_DEPTH {
        return None;
    }
    let (head, below) = head_and_last(text)?;
    let inputs = match below {
        "" => Vec::new(),
        below => pieces_before(below, ", ", begins)
            .into_iter()
            .map(|input| read(input, depth.saturating_add(1)))
            .collect::<Option<_>>()?,
    };
    let node = Node {
        op: operator(head)?,
        inputs,
    };
    let wanted = match node.op {
        Op::Scan(..) | Op::Values(_) => Some(0),
        Op::Join(..) => Some(2),
        Op::Union => None,
        _ => Some(1),
    };
    wanted
        .is_none_or(|wanted| wanted == node.inputs.len())
        .then_some(node)
}

fn operator(head: &str) -> Option<Op> {
    if let Some(kind) = join_kind(head) {
        return join(kind, head);
    }
    let (name, rest) = head.split_once(' ').unwrap_or((head, ""));
    Some(match name {
        "project" => Op::Project(Expr::list(rest, ", ")),
        "filter" => Op::Filter(Expr::list(rest, " and ")),
        "aggregate" => {
            // Without functions the text begins with " by ".
            let (functions, keys) =
                halves(rest, " by ").or_else(|| Some(("", rest.strip_prefix("by ")?)))?;
            Op::Aggregate(Expr::list(functions, ", "), Expr::list(keys, ", "))
        }
        "window" => Op::Window(Expr::list(rest, ", ")),
        "sort" | "limit" | "distinct" => Op::Pass(head.to_owned()),
        "union" => Op::Union,
        "values" | "empty" => Op::Values(head.to_owned()),
        "fold" => {
            let (_, keys) = rest.split_once("keys: ")?;
            let keys = keys.split([',', ' ']).next()?.parse().ok()?;
            Op::Fold(keys, rest.to_owned())
        }
        "scan" => scan(rest)?,
        _ => return None,
    })
}

/// `table Some([0, 1]) [types] None where …`.
fn scan(rest: &str) -> Option<Op> {
    let (facts, conditions) = halves(rest, " where ")?;
    let mut facts = pieces(facts, " ").into_iter();
    let table = facts.next()?.to_owned();
    let projection = facts.next()?;
    let types = facts
        .next()
        .and_then(|types| types.strip_prefix('[')?.strip_suffix(']'));
    let columns = match projection
        .strip_prefix("Some([")
        .and_then(|rest| rest.strip_suffix("])"))
    {
        Some("") => Vec::new(),
        Some(places) => places
            .split(", ")
            .map(|place| place.parse().ok())
            .collect::<Option<_>>()?,
        // All of them.
        None => {
            let types = types.filter(|types| !types.is_empty());
            (0..types.map_or(0, |types| pieces(types, ", ").len())).collect()
        }
    };
    Some(Op::Scan(table, columns, Expr::list(conditions, " and ")))
}

/// `Inner join NullEqualsNothing false on l = r and … where …`.
fn join(kind: &str, head: &str) -> Option<Op> {
    let (nulls, rest) = halves(head, " on ")?;
    let (pairs, conditions) =
        halves(rest, " where ").or_else(|| Some((rest.strip_suffix(" where")?, "")))?;
    let pairs = match pairs.trim() {
        "" => Vec::new(),
        pairs => pieces(pairs, " and ")
            .into_iter()
            .map(|pair| {
                let (left, right) = halves(pair, " = ")?;
                Some((Expr::read(left), Expr::read(right)))
            })
            .collect::<Option<_>>()?,
    };
    Some(Op::Join(
        kind.to_owned(),
        nulls.to_owned(),
        pairs,
        Expr::list(conditions, " and "),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(place: usize) -> String {
        format!("Column(Column {{ relation: None, name: \"#{place}\" }})")
    }

    #[test]
    fn a_tree_is_read() {
        let (zero, one) = (column(0), column(1));
        let text = format!(
            "aggregate  by {zero}, {one} (project {zero}, {one} (Inner join NullEqualsNothing false on {zero} = {zero} where  (scan patient Some([0, 1]) [Int64, Decimal128(18, 6)] None where  (), project {zero} (filter Not({one}) (scan condition None [Int64, Boolean] None where  ())))))"
        );
        let tree = Node::read(&text).unwrap();
        assert_eq!(tree.tables(), ["patient", "condition"]);
        assert_eq!(
            tree.op,
            Op::Aggregate(vec![], vec![Expr::Column(0), Expr::Column(1)])
        );
    }

    #[test]
    fn what_is_not_known_is_not_guessed() {
        for text in [
            "",
            "frobnicate x (scan t Some([0]) [A] None where  ())",
            "filter x",
            "scan t",
            "Inner join (a)",
        ] {
            assert_eq!(Node::read(text), None, "{text}");
        }
    }

    #[test]
    fn depth_is_bounded() {
        let mut text = "scan t Some([]) [] None where  ()".to_owned();
        for _ in 0..1_000 {
            text = format!("distinct ({text})");
        }
        assert_eq!(Node::read(&text), None);
    }
}
