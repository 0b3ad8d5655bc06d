use super::parse;

/// The expression with every operator's operands in parentheses shows how it was read.
fn read(text: &str) -> String {
    let syntax = parse(text).unwrap_or_else(|error| panic!("{text}: {error:?}"));
    let printed = syntax.to_string();
    assert_eq!(parse(&printed).unwrap(), syntax, "{printed}");
    printed
}

fn refused(text: &str) -> (usize, String) {
    let error = parse(text).expect_err(text);
    (error.at, error.what)
}

#[test]
fn operators_bind_as_the_grammar_says() {
    assert_eq!(read("1+2*3"), "1 + 2 * 3");
    assert_eq!(read("(1+2)*3"), "(1 + 2) * 3");
    assert_eq!(read("-a.b"), "-a.b");
    assert_eq!(read("(-a).b"), "(-a).b");
    assert_eq!(read("a and b or c"), "a and b or c");
    assert_eq!(read("a and (b or c)"), "a and (b or c)");
    assert_eq!(read("a | b = c in d"), "a | b = c in d");
    assert_eq!(read("1 - (2 - 3)"), "1 - (2 - 3)");
    assert_eq!(read("a is FHIR.Patient"), "a is FHIR.Patient");
    assert_eq!(read("a or b xor c"), "a or b xor c");
    assert_eq!(read("(a xor b) or c"), "(a xor b) or c");
}

#[test]
fn words_of_every_kind() {
    assert_eq!(read("%`a b` | %'c' | %d"), "%`a b` | %c | %d");
    assert_eq!(read(r"'it\'s \u00e9\n'"), r"'it\'s é\n'");
    assert_eq!(
        read("@2020-05 | @2020T | @T10:00"),
        "@2020-05 | @2020T | @T10:00"
    );
    assert_eq!(
        read("@2020-05-01T10:00:00.500+02:00"),
        "@2020-05-01T10:00:00.500+02:00"
    );
    assert_eq!(read("4 days + 1.50 'mg'"), "4 day + 1.50 'mg'");
    assert_eq!(read("a /* b */ . c // d"), "a.c");
    assert_eq!(read("`div`.as.contains(1)"), "`div`.`as`.`contains`(1)");
    assert_eq!(read("1.toString()"), "1.toString()");
    assert_eq!(read("{} | $this | $index"), "{} | $this | $index");
}

#[test]
fn errors_say_where() {
    assert_eq!(refused("@@").0, 0);
    assert_eq!(refused("name.").0, 5);
    assert_eq!(refused("name.where(use = 'x'").0, 20);
    assert_eq!(refused("a b").0, 2);
    assert_eq!(refused("'open").0, 0);
    assert_eq!(refused("a ; b").0, 2);
    assert_eq!(refused("@2020-13-01").0, 0);
    assert_eq!(refused("").0, 0);
    assert_eq!(refused("$that").0, 0);
    assert_eq!(refused("é").0, 0);
}

#[test]
fn hostile_nesting_ends_with_a_reason() {
    for hostile in [
        "(".repeat(100_000),
        "-".repeat(100_000),
        format!("a{}", ".a".repeat(100_000)),
        format!("a{}", "[a".repeat(100_000)),
        format!("1{}", " + 1".repeat(100_000)),
        "a(".repeat(100_000),
    ] {
        assert!(refused(&hostile).1.contains("nested too deep"));
    }
    // Long lists are flat.
    let list = format!("a{}", " or a".repeat(10_000));
    assert_eq!(parse(&list).unwrap().depth, 2);
}
