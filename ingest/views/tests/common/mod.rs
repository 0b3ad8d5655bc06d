//! What tests of this crate share.

#![allow(dead_code, unreachable_pub)]

pub mod expressions;
pub mod patients;

use std::path::{Path, PathBuf};

use salus_views::{Input, NdjsonSink, Options, RunError, Silent, Summary, View, run};
use serde_json::Value;

/// Data that others wrote, beside the checkout; `None`, with a printed line, where it is absent.
pub fn shared(name: &str) -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let path = root.join(name);
    if path.exists() {
        return Some(path);
    }
    assert!(
        std::env::var("CI").as_deref() != Ok("true"),
        "{} is absent",
        path.display()
    );
    println!("skipped: {} is absent", path.display());
    None
}

pub fn view(json: &Value) -> View {
    View::parse(&json.to_string()).unwrap_or_else(|problems| panic!("{json}: {problems:?}"))
}

/// The rows of one view as NDJSON, with the summary.
pub fn ndjson(
    view: View,
    input: Input<'_>,
    options: &Options,
) -> Result<(String, Summary), RunError> {
    let mut out = Vec::new();
    let views = [view];
    let sink = NdjsonSink::new(&views[0], &mut out);
    let summary = run(&views, input, &mut [Box::new(sink)], options, &Silent)?;
    Ok((String::from_utf8(out).expect("NDJSON is UTF-8"), summary))
}

pub fn strict() -> Options {
    Options {
        strict: true,
        threads: Some(1),
        ..Options::default()
    }
}

/// The rows of a view over resources.
pub fn rows(view: View, resources: &[Value]) -> Result<Vec<Value>, RunError> {
    let lines: Vec<String> = resources.iter().map(Value::to_string).collect();
    let (text, _) = ndjson(view, Input::lines(lines), &strict())?;
    let rows = text.lines().map(serde_json::from_str);
    Ok(rows.collect::<Result<_, _>>().expect("every row is JSON"))
}

/// Numbers count by value: the suite writes 5 where a decimal is meant.
pub fn same(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => left.as_f64() == right.as_f64(),
        (Value::Array(left), Value::Array(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(a, b)| same(a, b))
        }
        (Value::Object(left), Value::Object(right)) => {
            left.len() == right.len()
                && left
                    .iter()
                    .all(|(name, value)| right.get(name).is_some_and(|other| same(value, other)))
        }
        _ => left == right,
    }
}

/// The same rows in any order, each as often.
pub fn same_rows(found: &[Value], wanted: &[Value]) -> bool {
    let mut rest: Vec<&Value> = wanted.iter().collect();
    found.len() == wanted.len()
        && found.iter().all(|row| {
            let at = rest.iter().position(|other| same(row, other));
            at.map(|at| rest.swap_remove(at)).is_some()
        })
}
