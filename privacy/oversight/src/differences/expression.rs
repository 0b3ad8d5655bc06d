//! Expressions of a plan, as far as they matter here: columns, constants, comparisons and lists; all else is text with expressions in it.

use super::layout::{Part, brackets, fields, pieces, within};
use super::literal::Literal;

/// Deeper than any question that was written by hand; what lies below stays text, so that no question can exhaust the stack.
const MOST_DEPTH: usize = 128;

/// An expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Expr {
    /// The column at this place of the input.
    Column(usize),
    Literal(Literal),
    /// An operator by its name in the text, such as `LtEq`.
    Binary(String, Box<Expr>, Box<Expr>),
    /// `expr IN (list)`, or not.
    In(Box<Expr>, Vec<Expr>, bool),
    Not(Box<Expr>),
    /// A function: its name, all that is said about it, and its arguments.
    Call(String, String, Vec<Expr>),
    /// Text with expressions between.
    Other(Vec<Piece>),
}

/// A part of [`Expr::Other`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    Text(String),
    Expr(Expr),
}

impl Expr {
    pub(super) fn read(text: &str) -> Self {
        read(text, 0)
    }

    /// All of a list between separators; none for no text.
    pub(super) fn list(text: &str, separator: &str) -> Vec<Self> {
        if text.trim().is_empty() {
            return Vec::new();
        }
        pieces(text, separator)
            .into_iter()
            .map(Self::read)
            .collect()
    }

    /// The operands of a chain of one operator.
    pub(super) fn chain<'e>(&'e self, operator: &str, operands: &mut Vec<&'e Self>) {
        match self {
            Self::Binary(op, left, right) if op == operator => {
                left.chain(operator, operands);
                right.chain(operator, operands);
            }
            other => operands.push(other),
        }
    }
}

fn read(text: &str, depth: usize) -> Expr {
    // Most of a text says how functions may be called, and holds no expression.
    if depth > MOST_DEPTH || !(text.contains("Column(") || text.contains("Literal(")) {
        return Expr::Other(vec![Piece::Text(text.to_owned())]);
    }
    let below = depth.saturating_add(1);
    known(text, below).unwrap_or_else(|| other(text, below))
}

/// Expressions with a meaning here.
fn known(text: &str, depth: usize) -> Option<Expr> {
    let name = text.split(['(', ' ']).next()?;
    let field = |fields: &[(&str, &str)], name: &str| {
        let found = fields.iter().find(|(key, _)| *key == name);
        found.map(|(_, value)| (*value).to_owned())
    };
    match name {
        "Column" => {
            let place = field(&fields(text, "Column")?, "name")?;
            let place = place.strip_prefix("\"#")?.strip_suffix('"')?;
            place.parse().ok().map(Expr::Column)
        }
        "Literal" => Some(Expr::Literal(Literal::read(within(text, "Literal")?))),
        "Not" => Some(Expr::Not(Box::new(read(within(text, "Not")?, depth)))),
        // The type of a number is not what a question is about, and the planner widens it as it needs.
        "Cast" | "TryCast" => {
            let fields = fields(text, name)?;
            Some(read(&field(&fields, "expr")?, depth))
        }
        "BinaryExpr" => {
            let fields = fields(text, name)?;
            let side = |name| Some(Box::new(read(&field(&fields, name)?, depth)));
            Some(Expr::Binary(
                field(&fields, "op")?,
                side("left")?,
                side("right")?,
            ))
        }
        "InList" => {
            let fields = fields(text, name)?;
            let list = field(&fields, "list")?;
            let list = list.strip_prefix('[')?.strip_suffix(']')?;
            let items = pieces(list, ", ").into_iter().map(|item| read(item, depth));
            let expr = Box::new(read(&field(&fields, "expr")?, depth));
            Some(Expr::In(
                expr,
                items.collect(),
                field(&fields, "negated")? == "true",
            ))
        }
        "ScalarFunction" => {
            let fields = fields(text, name)?;
            let func = field(&fields, "func")?;
            let args = field(&fields, "args")?;
            let args = args.strip_prefix('[')?.strip_suffix(']')?;
            let mut args: Vec<Expr> = match args {
                "" => Vec::new(),
                args => pieces(args, ", ")
                    .into_iter()
                    .map(|arg| read(arg, depth))
                    .collect(),
            };
            let name = function(&func);
            if name.starts_with("cast_") && args.len() == 1 {
                return args.pop();
            }
            Some(Expr::Call(name, func, args))
        }
        "AggregateFunction" => {
            let fields = fields(text, name)?;
            let func = field(&fields, "func")?;
            let params = field(&fields, "params")?;
            let params = params
                .strip_prefix("AggregateFunctionParams { ")?
                .strip_suffix(" }")?;
            let (args, rest): (Vec<&str>, Vec<&str>) = pieces(params, ", ")
                .into_iter()
                .partition(|param| param.starts_with("args: "));
            let args = args.first()?.strip_prefix("args: [")?.strip_suffix(']')?;
            let mut args: Vec<Expr> = pieces(args, ", ")
                .into_iter()
                .map(|arg| read(arg, depth))
                .collect();
            args.push(read(&format!("({})", rest.join(", ")), depth));
            Some(Expr::Call(function(&func), func, args))
        }
        _ => None,
    }
}

/// Name of a function: as it says itself, without what makes it total, else that of its type.
pub(super) fn function(func: &str) -> String {
    let named = func
        .split_once("name: \"")
        .and_then(|(_, rest)| rest.split_once('"'));
    let inner = || {
        let (_, rest) = func.split_once("inner: ")?;
        rest.split([' ', '{', '(', ',']).next()
    };
    let name = named
        .map(|(name, _)| name)
        .or_else(inner)
        .unwrap_or("a function");
    name.strip_prefix("total_").unwrap_or(name).to_lowercase()
}

/// Text around expressions: brackets are opened, and their items read where they hold any.
fn other(text: &str, depth: usize) -> Expr {
    let mut all = Vec::new();
    for part in brackets(text) {
        match part {
            Part::Text(text) => all.push(Piece::Text(text.to_owned())),
            Part::Inside(inside) => {
                for (i, item) in pieces(inside, ", ").into_iter().enumerate() {
                    if i > 0 {
                        all.push(Piece::Text(", ".to_owned()));
                    }
                    // `field: value`; a path has two colons and no space.
                    let (field, value) = item.split_once(": ").unwrap_or(("", item));
                    let named = field
                        .trim()
                        .bytes()
                        .all(|b| b.is_ascii_alphanumeric() || b == b'_');
                    if named && !field.is_empty() {
                        all.push(Piece::Text(format!("{}: ", field.trim())));
                        all.push(Piece::Expr(read(value.trim(), depth)));
                    } else {
                        all.push(Piece::Expr(read(item.trim(), depth)));
                    }
                }
            }
        }
    }
    Expr::Other(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    const AGE: &str = "ScalarFunction(ScalarFunction { func: ScalarUDF { inner: Total { name: \"total_cast_Int64\", partial: Cast(Int64), SIG } }, args: [ScalarFunction(ScalarFunction { func: ScalarUDF { inner: Total { name: \"total_age\", partial: Function(ScalarUDF { inner: Age { SIG } }), SIG } }, args: [Column(Column { relation: None, name: \"#0\" })] })] })";

    #[test]
    fn casts_fall_away_and_functions_keep_their_name() {
        let Expr::Call(name, _, args) = Expr::read(AGE) else {
            panic!("no call")
        };
        assert_eq!((name.as_str(), args), ("age", vec![Expr::Column(0)]));
    }

    #[test]
    fn operators_lists_and_text_are_read() {
        let column = "Column(Column { relation: None, name: \"#3\" })";
        let a = "Literal(Utf8View(\"61\"), None)";
        let listed =
            format!("InList(InList {{ expr: {column}, list: [{a}, {a}], negated: true }})");
        let text_a = Expr::Literal(Literal::Text("a".into()));
        assert_eq!(
            Expr::read(&listed),
            Expr::In(
                Box::new(Expr::Column(3)),
                vec![text_a.clone(), text_a],
                true
            )
        );
        let case = format!(
            "Case(Case {{ expr: None, when_then_expr: [(IsNull({column}), {a})], else_expr: Some({a}) }})"
        );
        assert!(matches!(Expr::read(&case), Expr::Other(_)));
    }

    #[test]
    fn depth_is_bounded() {
        let mut text = "Column(Column { relation: None, name: \"#0\" })".to_owned();
        for _ in 0..5_000 {
            text = format!("Not({text})");
        }
        assert!(matches!(Expr::read(&text), Expr::Not(_)));
    }
}
