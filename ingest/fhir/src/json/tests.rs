use super::*;

fn check(text: &str) -> Result<(), Broken> {
    let mut cursor = Cursor::new(text);
    cursor.skip()?;
    cursor.end()
}

#[test]
fn accepts_what_json_allows_and_nothing_else() {
    for good in [
        "{}",
        " [ ] ",
        r#"{"a":[1,-2.5e+10,0.1E-3,true,false,null,"x\u00e9\n\"",{}]}"#,
        "\"\"",
        "0",
        "-0",
        "{\"a\" : {\"b\" : [ [ ] , { } ] } }\r",
    ] {
        assert_eq!(check(good), Ok(()), "{good}");
        assert!(
            serde_json::from_str::<serde_json::Value>(good).is_ok(),
            "{good}"
        );
    }
    for bad in [
        "",
        " ",
        "{",
        "[",
        "{\"a\"",
        "{\"a\":",
        "{\"a\":1",
        "{\"a\":1,}",
        "[1,]",
        "[1 2]",
        "01",
        "1.",
        ".5",
        "+1",
        "1e",
        "--1",
        "nul",
        "tru",
        "\"\\x\"",
        "\"\\u12g4\"",
        "\"\\u12",
        "\"a\tb\"",
        "{a:1}",
        "{} {}",
        "\"open",
        "[1}",
        "{\"a\":1]",
        "'a'",
        "NaN",
        "{\"a\" 1}",
        "\u{feff}{}",
        "[,1]",
    ] {
        assert!(check(bad).is_err(), "{bad}");
        assert!(
            serde_json::from_str::<serde_json::Value>(bad).is_err(),
            "{bad}"
        );
    }
}

#[test]
fn nesting_is_bounded() {
    let deep = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    assert!(check(&deep(128)).is_ok());
    assert!(check(&deep(129)).is_err());
    assert!(check(&"[".repeat(1_000_000)).is_err());
    assert!(check(&"{\"a\":".repeat(1_000_000)).is_err());
}

#[test]
fn strings_are_borrowed_unless_escaped() {
    let read = |text| Cursor::new(text).text().expect("well formed");
    assert!(matches!(
        read(r#""plain text, longer than eight bytes""#),
        Some(Cow::Borrowed(_))
    ));
    assert_eq!(
        read(r#""a\/b\\c\u0041\ud83d\ude00\b\f\n\r\t.""#).as_deref(),
        Some("a/b\\cA😀\u{8}\u{c}\n\r\t.")
    );
    assert_eq!(read(r#""\ud83d alone""#).as_deref(), Some("\u{fffd} alone"));
    assert_eq!(read(r#""\ud83d\u0041""#).as_deref(), Some("\u{fffd}A"));
    assert_eq!(read(r#""  ""#), None);
    assert_eq!(read("17"), None);
    assert_eq!(read(r#""Zoë — ≥ 8""#).as_deref(), Some("Zoë — ≥ 8"));
}

#[test]
fn a_value_of_another_kind_is_a_missing_value() {
    let text = r#"{"text":{"a":[1]},"number":"4.50","flag":"true","list":"one"}"#;
    let mut cursor = Cursor::new(text);
    let (mut string, mut number, mut flag, mut items) = (None, None, None, 0);
    let whole = cursor.object(|c, key| {
        match key {
            "text" => string = c.text()?,
            "number" => number = c.number()?,
            "flag" => flag = c.boolean()?,
            _ => c.each(|c| {
                items += 1;
                c.skip()
            })?,
        }
        Ok(())
    });
    assert_eq!(whole, Ok(true));
    assert_eq!(
        (string, number.as_deref(), flag, items),
        (None, Some("4.50"), Some(true), 1)
    );
}

proptest::proptest! {
    /// The reference is serde_json: whatever it takes we take (numbers beyond f64 aside, which it
    /// refuses), whatever it refuses we refuse.
    #[test]
    fn agrees_with_serde_json(text in r#"[\[\]{}:,"\\ua0-9eE+.\- tfnrlsu\n]{0,24}"#) {
        let theirs = serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok();
        proptest::prop_assert_eq!(check(&text).is_ok(), theirs, "{}", text);
    }

    #[test]
    fn reads_every_string_that_serde_json_writes(text in ".*") {
        let json = serde_json::to_string(&text).expect("strings serialise");
        let mut cursor = Cursor::new(&json);
        let read = cursor.string().expect("well formed");
        proptest::prop_assert_eq!(read.as_ref(), text.as_str());
    }
}
