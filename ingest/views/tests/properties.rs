//! What holds for any resource and many views.

mod common;

use common::{ndjson, rows};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use salus_views::{Input, Options, View};
use serde_json::{Map, Value, json};

const NAMES: [&str; 3] = ["a", "b", "c"];

fn leaf() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<bool>().prop_map(Value::from),
        (-3..4_i64).prop_map(Value::from),
        prop_oneof![Just("x"), Just("y"), Just("2020-01-01"), Just("\u{e9}\"\\")]
            .prop_map(Value::from),
    ]
}

/// JSON below a resource: few names, each mostly there and often with several values, so that
/// paths meet something.
fn element() -> impl Strategy<Value = Value> {
    leaf().prop_recursive(4, 64, 6, |inner| {
        let one = prop_oneof![3 => object(inner), 1 => leaf()].boxed();
        prop_oneof![
            1 => one.clone(),
            2 => prop::collection::vec(one, 2..4).prop_map(Value::from),
        ]
    })
}

fn object(inner: impl Strategy<Value = Value>) -> impl Strategy<Value = Value> {
    let extra = prop::sample::select(&["url", "valueString", "_a", "valueQuantity"][..]);
    let member = prop::option::weighted(0.8, inner);
    let members = prop::array::uniform3(member);
    (members, prop::option::weighted(0.2, (extra, leaf()))).prop_map(|(members, extra)| {
        let named = NAMES.into_iter().zip(members);
        let members = named.filter_map(|(name, value)| Some((name.to_owned(), value?)));
        let extra = extra.map(|(name, value)| (name.to_owned(), value));
        Value::Object(members.chain(extra).collect::<Map<_, _>>())
    })
}

fn resource() -> impl Strategy<Value = Value> {
    object(element()).prop_map(|mut object| {
        object["resourceType"] = json!("Basic");
        object
    })
}

/// A step of a path: a member, with a condition on it or without.
#[derive(Debug, Clone)]
enum Step {
    Member(&'static str),
    Where(&'static str, &'static str),
    First,
    Index(usize),
}

impl Step {
    fn text(&self) -> String {
        match self {
            Step::Member(name) => (*name).to_owned(),
            Step::Where(name, value) => format!("where({name} = '{value}')"),
            Step::First => "first()".to_owned(),
            Step::Index(at) => format!("skip({at}).first()"),
        }
    }
}

fn path() -> impl Strategy<Value = Vec<Step>> {
    let names = || prop::sample::select(&NAMES[..]);
    let first = names().prop_map(Step::Member);
    let step = prop_oneof![
        4 => names().prop_map(Step::Member),
        1 => (names(), prop::sample::select(&["x", "y"][..])).prop_map(|(n, v)| Step::Where(n, v)),
        1 => Just(Step::First),
        1 => (0..3_usize).prop_map(Step::Index),
    ];
    (first, prop::collection::vec(step, 0..4)).prop_map(|(first, mut rest)| {
        rest.insert(0, first);
        rest
    })
}

fn text(path: &[Step]) -> String {
    let steps: Vec<String> = path.iter().map(Step::text).collect();
    steps.join(".")
}

/// The values of a member, as FHIR means them: a list is its items.
fn member(value: &Value, name: &str) -> Vec<Value> {
    match value.get(name) {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(items)) => items
            .iter()
            .filter(|item| !item.is_null() && !item.is_array())
            .cloned()
            .collect(),
        Some(other) => vec![other.clone()],
    }
}

/// The naive evaluation; `Err` where several values stand beside `=`... which compares as unequal.
fn walk(path: &[Step], from: &Value) -> Vec<Value> {
    let mut items = vec![from.clone()];
    for step in path {
        items = match step {
            Step::Member(name) => items.iter().flat_map(|item| member(item, name)).collect(),
            Step::Where(name, value) => {
                items.retain(|item| member(item, name) == [json!(value)]);
                items
            }
            Step::First => items.into_iter().take(1).collect(),
            Step::Index(at) => items.into_iter().skip(*at).take(1).collect(),
        };
    }
    items
}

fn view(definition: &Value) -> View {
    common::view(definition)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, ..ProptestConfig::default() })]

    #[test]
    fn paths_yield_what_a_walk_finds(resource in resource(), path in path()) {
        let column = json!({"name": "v", "path": text(&path), "type": "Element", "collection": true});
        let view = view(&json!({"resource": "Basic", "select": [{"column": [column]}]}));
        let found = rows(view, std::slice::from_ref(&resource)).unwrap();
        prop_assert_eq!(&found[0]["v"], &Value::Array(walk(&path, &resource)));
    }

    #[test]
    fn iterations_multiply(resource in resource(), outer in path(), inner in path(), beside in path(), or_null: bool) {
        let key = if or_null { "forEachOrNull" } else { "forEach" };
        let column = |name: &str, path: &str| {
            json!({"name": name, "path": path, "type": "Element", "collection": true})
        };
        let view = view(&json!({"resource": "Basic", "select": [
            {key: text(&outer), "column": [column("o", "$this"), column("i", "%rowIndex")],
                "select": [{key: text(&inner), "column": [column("n", "$this")]}]},
            {key: text(&beside), "column": [column("b", "$this")]}]}));
        let found = rows(view, std::slice::from_ref(&resource)).unwrap();

        let each = |path: &[Step], from: &Value| -> Vec<Option<Value>> {
            let items: Vec<_> = walk(path, from).into_iter().map(Some).collect();
            if items.is_empty() && or_null { vec![None] } else { items }
        };
        let cell = |value: &Option<Value>| value.as_ref().map_or(Value::Null, |value| json!([value]));
        let mut wanted = Vec::new();
        for (at, o) in each(&outer, &resource).iter().enumerate() {
            let inner = match o {
                Some(o) => each(&inner, o),
                None => vec![None],
            };
            for n in &inner {
                for b in &each(&beside, &resource) {
                    wanted.push(json!({"o": cell(o), "i": [at], "n": cell(n), "b": cell(b)}));
                }
            }
        }
        prop_assert_eq!(found, wanted);
    }

    #[test]
    fn threads_and_chunks_leave_no_trace(
        resources in prop::collection::vec(resource(), 0..40),
        path in path(),
        threads in 1..5_usize,
        chunk_bytes in 1..400_usize,
    ) {
        let definition = json!({"resource": "Basic", "select": [
            {"forEach": text(&path), "column": [{"name": "v", "path": "$this"}]}]});
        let lines: Vec<String> = resources.iter().map(Value::to_string).collect();
        let lenient = Options { threads: Some(1), ..Options::default() };
        let spread = Options { threads: Some(threads), chunk_bytes, ..Options::default() };
        let one = ndjson(view(&definition), Input::lines(lines.clone()), &lenient).unwrap();
        let many = ndjson(view(&definition), Input::lines(lines), &spread).unwrap();
        prop_assert_eq!(one, many);
    }

    #[test]
    fn nothing_panics(line in "\\PC{0,80}|[\\[\\]{}\",:0-9eE.+\\-tfn\\\\ ]{0,60}", expression in "[a-z.()'|=<>+*/&\\-@T0-9:$%{}\\[\\] ,]{0,40}") {
        let definition = json!({"resource": "Basic", "select": [
            {"column": [{"name": "v", "path": expression, "collection": true}]}]});
        let lines = vec![line.clone(), format!(r#"{{"resourceType":"Basic","a":{line}}}"#)];
        let view = View::parse(&definition.to_string())
            .unwrap_or_else(|_| view(&json!({"resource": "Basic", "select": [
                {"column": [{"name": "v", "path": "descendants()", "collection": true}]}]})));
        let (_, summary) = ndjson(view, Input::lines(lines), &Options::default()).unwrap();
        // Whatever was in the lines, each is accounted for.
        let done = summary.failed_lines + summary.other_lines + summary.views[0].resources;
        prop_assert!(done >= summary.lines - summary.views[0].failed);
        prop_assert!(summary.lines <= 2);
    }

    #[test]
    fn every_function_takes_any_input(resource in resource(), path in path(), call in prop::sample::select(CALLS)) {
        let expression = format!("{}.{call}", text(&path));
        let definition = json!({"resource": "Basic", "select": [
            {"column": [{"name": "v", "path": expression, "collection": true}]}]});
        // It yields something or fails with a reason.
        if let Err(error) = rows(view(&definition), &[resource]) {
            prop_assert!(error.to_string().contains("select[0].column[0].path: "), "{}", error);
        }
    }
}

/// The generators meet what they are to test: most paths find something, many find several values.
#[test]
fn paths_meet_something() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let (mut some, mut several, mut cut) = (0, 0, 0);
    for _ in 0..500 {
        let pair = (resource(), path())
            .new_tree(&mut runner)
            .unwrap()
            .current();
        let (resource, path) = pair;
        let found = walk(&path, &resource).len();
        some += u32::from(found > 0);
        several += u32::from(found > 1);
        let first = path.iter().position(|step| matches!(step, Step::First));
        let before = first.map_or(0, |at| walk(&path[..at], &resource).len());
        cut += u32::from(before > 1);
    }
    assert!(
        some > 150 && several > 50 && cut > 20,
        "{some} {several} {cut}"
    );
}

const CALLS: &[&str] = &[
    "empty()",
    "exists()",
    "exists($this = 'x')",
    "not()",
    "all($this = 1)",
    "allTrue()",
    "count()",
    "distinct()",
    "isDistinct()",
    "where(a > 0)",
    "where($this)",
    "select(a | b)",
    "repeat(a)",
    "aggregate($total + 1, 0)",
    "single()",
    "last()",
    "tail()",
    "skip(1)",
    "take(2)",
    "intersect(%resource.a)",
    "exclude(%resource.b)",
    "combine(a)",
    "subsetOf(%resource.a)",
    "iif($this = 'x', 1, 2)",
    "toBoolean()",
    "toInteger()",
    "toDecimal()",
    "toString()",
    "toDate()",
    "toDateTime()",
    "toTime()",
    "toQuantity()",
    "convertsToInteger()",
    "indexOf('x')",
    "substring(1, 2)",
    "startsWith('x')",
    "upper()",
    "replace('x', 'y')",
    "matches('[a-z]+')",
    "replaceMatches('.', a)",
    "length()",
    "toChars()",
    "split('-')",
    "join(',')",
    "abs()",
    "ceiling()",
    "exp()",
    "ln()",
    "log(2)",
    "power(2)",
    "round(1)",
    "sqrt()",
    "sum()",
    "min()",
    "max()",
    "avg()",
    "lowBoundary()",
    "highBoundary(3)",
    "precision()",
    "children()",
    "descendants()",
    "extension('x')",
    "hasValue()",
    "getValue()",
    "getResourceKey()",
    "getReferenceKey()",
    "ofType(string)",
    "is(Quantity)",
    "as(dateTime)",
    "select($this + 1)",
    "select($this & 'x')",
    "select(-$this)",
    "select($this * 2.5)",
    "select($this div 0)",
    "select($this < @2020)",
    "select($this ~ 'X')",
    "select($this in (1 | 'x'))",
    "where($index > 0)",
    "trace('x')",
    "coalesce(a, b)",
    "select($this + 3 days)",
    "value",
    "a.value.ofType(string)",
];

#[test]
fn depth_is_bounded() {
    let deep = format!(
        r#"{{"resourceType":"Basic","a":{}1{}}}"#,
        r#"{"a":"#.repeat(100_000),
        "}".repeat(100_000)
    );
    let within = format!(
        r#"{{"resourceType":"Basic","a":{}1{}}}"#,
        r#"{"a":"#.repeat(126),
        "}".repeat(126)
    );
    let definition = json!({"resource": "Basic", "select": [
        {"column": [{"name": "v", "path": "descendants().count()", "type": "integer"}]},
        {"repeat": ["a"], "column": [{"name": "w", "path": "a = %resource.a", "type": "boolean"}]}]});
    let (text, summary) = ndjson(
        view(&definition),
        Input::lines([deep, within]),
        &Options::default(),
    )
    .unwrap();
    assert_eq!((summary.failed_lines, text.lines().count()), (1, 127));
    assert!(
        summary.failures[0]
            .reason
            .contains("nested deeper than 128")
    );
    let error = rows(view(&definition), &[json!(1)]).unwrap_err();
    assert!(error.to_string().contains("no resourceType"), "{error}");
}
