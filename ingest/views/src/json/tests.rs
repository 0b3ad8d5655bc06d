use super::{Document, Kind, Tape};

fn broken(text: &str) -> &'static str {
    Tape::default().parse(text).expect_err(text).what
}

#[test]
fn values_stand_in_the_order_of_the_text() {
    let mut tape = Tape::default();
    let text = r#" {"a": [1.50, "x\nü", {"b": null}], "c": true, "a": 2} "#;
    let document = tape.parse(text).unwrap();
    let a = document.member(Document::ROOT, "a").unwrap();
    let items: Vec<_> = document.children(a).collect();
    assert_eq!(document.text(items[0]), "1.50");
    assert_eq!(document.name(items[0]), "a");
    assert_eq!(document.text(items[1]), "x\nü");
    assert_eq!(document.text(items[2]), r#"{"b": null}"#);
    let b = document.member(items[2], "b").unwrap();
    assert_eq!(document.kind(b), Kind::Null);
    assert_eq!(document.parent(b), items[2]);
    assert_eq!(document.children(Document::ROOT).count(), 3);
}

#[test]
fn the_tape_forgets_the_last_line() {
    let mut tape = Tape::default();
    tape.parse(r#"["\u00e9", 1]"#).unwrap();
    tape.parse("[").unwrap_err();
    let document = tape.parse(r#""\ud83d\ude00\ud83d""#).unwrap();
    assert_eq!(document.text(Document::ROOT), "😀\u{fffd}");
}

#[test]
fn what_is_not_json_is_refused() {
    for text in [
        "",
        " ",
        "{",
        "[1,]",
        "{\"a\"}",
        "{\"a\":1,}",
        "01",
        "1.",
        "+1",
        ".5",
        "1e",
        "nul",
        "'a'",
        "\"\t\"",
        "\"\\x\"",
        "\"\\u12\"",
        "\"a",
        "[1] 2",
        "{a:1}",
        "\u{feff}{}",
    ] {
        broken(text);
    }
}

#[test]
fn hostile_nesting_ends_with_a_reason() {
    let deep = "[".repeat(100_000);
    assert_eq!(
        broken(&deep),
        "objects and arrays are nested deeper than 128"
    );
    let deep = format!("{}1{}", "[".repeat(128), "]".repeat(128));
    Tape::default().parse(&deep).unwrap();
}
