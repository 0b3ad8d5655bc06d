//! What is wrong with a definition is said, all of it, with its place.

mod common;

use salus_views::{Layout, View, check, schema};
use serde_json::{Value, json};

fn problems(definition: &Value) -> Vec<(String, String)> {
    let found = check(&definition.to_string());
    found.into_iter().map(|p| (p.path, p.what)).collect()
}

/// A sound definition with one member changed.
fn changed(change: impl FnOnce(&mut Value)) -> Value {
    let mut definition = json!({
        "resourceType": "ViewDefinition",
        "name": "names",
        "status": "draft",
        "resource": "Patient",
        "constant": [{"name": "use", "valueCode": "official"}],
        "where": [{"path": "active = true"}],
        "select": [
            {"column": [{"name": "id", "path": "getResourceKey()", "type": "id"}]},
            {"forEach": "name.where(use = %use)", "column": [
                {"name": "family", "path": "family", "type": "string"},
                {"name": "given", "path": "given", "type": "string", "collection": true}]}
        ]
    });
    change(&mut definition);
    definition
}

#[test]
fn a_sound_definition_has_no_problem() {
    assert_eq!(problems(&changed(|_| {})), []);
}

/// Puts `value` (nothing: removes what is there) at a pointer into a sound definition and looks for
/// a problem at a path.
#[track_caller]
fn faulty(cases: &[(&str, Option<Value>, &str, &str)]) {
    for (pointer, value, path, what) in cases {
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        let definition = changed(|definition| {
            let parent = definition.pointer_mut(parent).unwrap();
            match (parent, value) {
                (Value::Array(items), Some(value)) => {
                    items[name.parse::<usize>().unwrap()] = value.clone();
                }
                (parent, Some(value)) => parent[name] = value.clone(),
                (parent, None) => drop(parent.as_object_mut().unwrap().remove(name)),
            }
        });
        let found = problems(&definition);
        let seen = found
            .iter()
            .any(|(at, said)| at == path && said.contains(what));
        assert!(seen, "{path}: {what} is not among {found:?}");
    }
}

#[test]
fn faults_of_the_view_have_their_place() {
    faulty(&[
        (
            "/resourceType",
            Some(json!("Patient")),
            "resourceType",
            "must be ViewDefinition",
        ),
        ("/name", Some(json!("1st")), "name", "begins with a letter"),
        ("/status", Some(json!("done")), "status", "draft, active"),
        (
            "/resource",
            Some(json!("patient")),
            "resource",
            "resource type",
        ),
        (
            "/resource",
            Some(json!("Pateint")),
            "resource",
            "did you mean `Patient`?",
        ),
        ("/resource", Some(json!(1)), "resource", "a string"),
        ("/resource", None, "", "`resource` is missing"),
        ("/select", None, "", "`select` is missing"),
        (
            "/Select",
            Some(json!([])),
            "Select",
            "did you mean `select`?",
        ),
        ("/selects", Some(json!([])), "selects", "no such member"),
        ("/select", Some(json!({})), "select", "a list is needed"),
        ("/select", Some(json!([])), "select", "the list is empty"),
        (
            "/select",
            Some(json!([{"forEach": "name"}])),
            "select",
            "no columns",
        ),
        (
            "/select/0",
            Some(json!(1)),
            "select[0]",
            "an object is needed",
        ),
        (
            "/where/0/path",
            Some(json!("name.count()")),
            "where[0].path",
            "true or false",
        ),
        ("/where/0/path", None, "where[0]", "`path` is missing"),
    ]);
}

#[test]
fn faults_of_selects_have_their_place() {
    let path = "/select/0/column/0/path";
    let at = "select[0].column[0].path";
    faulty(&[
        (
            "/select/1/forEachOrNull",
            Some(json!("x")),
            "select[1]",
            "exclude each other",
        ),
        (
            "/select/1/forEach",
            Some(json!(1)),
            "select[1].forEach",
            "a string",
        ),
        (
            "/select/1/forEach",
            Some(json!("@@")),
            "select[1].forEach",
            "not a date",
        ),
        (
            "/select/1/forEach",
            Some(json!("%usage")),
            "select[1].forEach",
            "%usage is not defined",
        ),
        (
            "/select/0/repeat",
            Some(json!("item")),
            "select[0].repeat",
            "a list is needed",
        ),
        (
            "/select/0/repeat",
            Some(json!([1])),
            "select[0].repeat[0]",
            "expression",
        ),
        (
            path,
            Some(json!("id.today()")),
            at,
            "write the date as a constant",
        ),
        (path, Some(json!("id.First()")), at, "did you mean first()?"),
        (path, Some(json!("id.first(1)")), at, "takes no argument"),
        (
            path,
            Some(json!("id.ofType(strin)")),
            at,
            "there is no type strin",
        ),
        (
            path,
            Some(json!("id.matches('(')")),
            at,
            "regular expression",
        ),
        (path, None, "select[0].column[0]", "`path` is missing"),
        (
            "/select/0/column/0/name",
            Some(json!("_id")),
            "select[0].column[0].name",
            "begins with",
        ),
        (
            "/select/0/column/0/name",
            Some(json!("family")),
            "select[1].column[0].name",
            "already",
        ),
        (
            "/select/0/column/0/type",
            Some(json!("datetime")),
            "select[0].column[0].type",
            "did you mean `dateTime`?",
        ),
        (
            "/select/0/column/0/collection",
            Some(json!("yes")),
            "select[0].column[0].collection",
            "true or false",
        ),
        (
            "/select/0/column/0/tag",
            Some(json!([{"name": "ansi/type", "value": "ENUM"}])),
            "select[0].column[0].tag[0].value",
            "SQL type",
        ),
    ]);
}

#[test]
fn faults_of_constants_have_their_place() {
    let constant = |member: &str, value: Value| Some(json!({"name": "use", member: value}));
    let two = json!([{"name": "use", "valueCode": "a"}, {"name": "use", "valueCode": "b"}]);
    faulty(&[
        (
            "/constant/0/valueString",
            Some(json!("x")),
            "constant[0]",
            "two values",
        ),
        (
            "/constant/0/valueCode",
            None,
            "constant[0]",
            "the value is missing",
        ),
        (
            "/constant/0",
            constant("valueInteger", json!(1.5)),
            "constant[0].valueInteger",
            "integer",
        ),
        (
            "/constant/0",
            constant("valueInteger", json!(3_000_000_000_u64)),
            "constant[0].valueInteger",
            "no value of type integer",
        ),
        (
            "/constant/0",
            constant("valuePositiveInt", json!(0)),
            "constant[0].valuePositiveInt",
            "no value of type positiveInt",
        ),
        (
            "/constant/0",
            constant("valueDate", json!("2020-02-30")),
            "constant[0].valueDate",
            "no value of type date",
        ),
        (
            "/constant/0",
            constant("valueQuantity", json!({})),
            "constant[0].valueQuantity",
            "no such member",
        ),
        (
            "/constant/0/name",
            Some(json!("rowIndex")),
            "constant[0].name",
            "means something",
        ),
        ("/constant", Some(two), "constant[1].name", "defined twice"),
    ]);
}

#[test]
fn branches_of_a_union_must_agree() {
    let union = |a: Value, b: Value| {
        problems(&json!({"resource": "Patient", "select": [{"unionAll": [
            {"column": [a]}, {"column": [b]}]}]}))
    };
    let column = json!({"name": "a", "path": "id", "type": "id"});
    let with = |member: &str, value: Value| {
        let mut other = column.clone();
        other[member] = value;
        other
    };
    assert_eq!(union(column.clone(), column.clone()), []);
    // What is only inferred gives way to what is declared.
    let inferred = json!({"name": "a", "path": "'x'"});
    assert_eq!(union(inferred.clone(), column.clone()), []);
    assert_eq!(union(column.clone(), inferred), []);
    for (other, what) in [
        (with("name", json!("b")), "the first has (a), this one (b)"),
        (
            with("type", json!("string")),
            "has the type id in the first",
        ),
        (with("collection", json!(true)), "`collection` the same"),
    ] {
        let found = union(column.clone(), other);
        assert!(found.len() == 1 && found[0].1.contains(what), "{found:?}");
        assert_eq!(found[0].0, "select[0].unionAll[1]");
    }
}

#[test]
fn all_problems_come_at_once_and_in_order() {
    let found = problems(&json!({"resource": "Patient", "select": [
        {"column": [{"name": "a b", "path": "id."}, {"name": "c"}]}]}));
    let paths: Vec<&str> = found.iter().map(|(path, _)| path.as_str()).collect();
    assert_eq!(
        paths,
        [
            "select[0].column[0].name",
            "select[0].column[0].path",
            "select[0].column[1]"
        ]
    );
}

#[test]
fn what_is_no_definition_is_refused() {
    let deep = format!(
        "{}{}",
        r#"{"select":["#.repeat(100_000),
        "]}".repeat(100_000)
    );
    for text in ["", "[]", "{", "1", "null", "{}", deep.as_str()] {
        assert!(!check(text).is_empty());
    }
    let mut nested = json!({"column": [{"name": "a", "path": "id"}]});
    for _ in 0..40 {
        nested = json!({"select": [nested]});
    }
    assert_eq!(
        problems(&json!({"resource": "Patient", "select": [nested]})),
        []
    );
}

#[test]
fn problems_point_into_expressions() {
    let found = check(
        r#"{"resource":"Patient","select":[{"column":[{"name":"a","path":"id.where(use = )"}]}]}"#,
    );
    assert_eq!(found[0].position, Some(15));
    assert!(
        found[0]
            .to_string()
            .starts_with("select[0].column[0].path at byte 15: ")
    );
}

#[test]
fn definitions_with_all_the_trimmings_are_read() {
    let definition = changed(|d| {
        d["id"] = json!("x");
        d["url"] = json!("http://example.org/x");
        d["meta"] = json!({"profile": ["x"]});
        d["_name"] = json!({"extension": []});
        d["text"] = json!({"status": "generated"});
        d["contact"] = json!([{}]);
        d["fhirVersion"] = json!(["4.0.1"]);
        d["select"][0]["column"][0]["tag"] = json!([{"name": "x/y", "value": "z"}]);
        d["select"][0]["column"][0]["description"] = json!("key");
        d["select"][0]["id"] = json!("s");
    });
    let view = common::view(&definition);
    assert_eq!((view.name(), view.resource()), (Some("names"), "Patient"));
    assert_eq!(view.columns()[0].description.as_deref(), Some("key"));
}

#[test]
fn types_become_arrow_types() {
    let column =
        |name: &str, path: &str, kind: &str| json!({"name": name, "path": path, "type": kind});
    let mut hinted = column("hinted", "birthDate", "date");
    hinted["tags"] = json!([{"name": "ansi/type", "value": "DATE"}]);
    let definition = json!({"resource": "Patient", "select": [{"column": [
        column("a", "x", "boolean"),
        column("b", "x", "http://hl7.org/fhir/StructureDefinition/positiveInt"),
        column("c", "x", "http://hl7.org/fhirpath/System.Decimal"),
        column("d", "x", "instant"),
        column("e", "x", "Patient.contact"),
        column("f", "x", "integer64"),
        hinted,
        {"name": "g", "path": "name.exists()"},
        {"name": "h", "path": "x"},
        {"name": "i", "path": "x.count()", "collection": true}]}]});
    let view = common::view(&definition);
    let types = |layout| {
        let schema = schema(&view, layout);
        let types = schema
            .fields()
            .iter()
            .map(|field| field.data_type().to_string());
        types.collect::<Vec<_>>().join(" ")
    };
    assert_eq!(
        types(Layout::Typed),
        "Boolean Int32 Utf8 Timestamp(µs, \"UTC\") Utf8 Int64 Date32 Boolean Utf8 List(Int32)"
    );
    assert_eq!(
        types(Layout::Text),
        "Boolean Int32 Utf8 Utf8 Utf8 Int64 Utf8 Boolean Utf8 List(Int32)"
    );
    let kinds: Vec<_> = view
        .columns()
        .iter()
        .map(|c| c.fhir_type.as_deref())
        .collect();
    assert_eq!(
        kinds[1..4],
        [Some("positiveInt"), Some("decimal"), Some("instant")]
    );
    assert_eq!(kinds[7..], [Some("boolean"), None, Some("integer")]);
    View::parse(&definition.to_string()).unwrap();
}

/// What docs/views.md says of functions and shows of views.
#[test]
fn the_guide_tells_the_truth() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/views.md");
    let guide = std::fs::read_to_string(path).unwrap();
    let said = |word: &str| {
        let found = problems(&json!({"resource": "Patient", "select": [
            {"column": [{"name": "a", "path": format!("{word}()")}]}]}));
        found.into_iter().map(|(_, what)| what).collect::<String>()
    };
    let words = |text: &str| -> Vec<String> {
        text.split('`')
            .skip(1)
            .step_by(2)
            .map(str::to_owned)
            .collect()
    };
    let table = guide
        .split("| | functions |")
        .nth(1)
        .unwrap()
        .split("\n\n")
        .next()
        .unwrap();
    let mut known = 0;
    for word in words(table) {
        if word.chars().all(|c| c.is_ascii_alphabetic()) && word != "toX" && word != "convertsToX" {
            let word = match word.as_str() {
                kind if kind.starts_with(|c: char| c.is_ascii_uppercase()) => format!("to{kind}"),
                _ => word,
            };
            let said = said(&word);
            assert!(said.is_empty() || said.contains("takes"), "{word}: {said}");
            known += 1;
        }
    }
    assert!(known > 80, "{known}");
    let missing = guide.split("Not there, and said so").nth(1).unwrap();
    for word in words(missing.split("\n\n").next().unwrap()) {
        assert!(said(&word).contains("is not supported; "), "{word}");
    }
    let blocks: Vec<&str> = guide.split("```json\n").skip(1).collect();
    let views = blocks
        .iter()
        .map(|block| block.split("```").next().unwrap());
    let mut shown = 0;
    for view in views.filter(|block| block.contains("ViewDefinition")) {
        assert_eq!(check(view), []);
        shown += 1;
    }
    assert_eq!(shown, 1);
}
