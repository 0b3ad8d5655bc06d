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

mod round_trip {
    use proptest::prelude::*;

    use super::super::syntax::{Binary, Chain, Literal, Node, Syntax, TypeOperator};
    use super::parse;
    use crate::value::{Temporal, parse_decimal};

    fn part(node: Node) -> Syntax {
        Syntax {
            at: 0,
            depth: 0,
            node,
        }
    }

    fn boxed(part: Syntax) -> Box<Syntax> {
        Box::new(part)
    }

    fn name() -> impl Strategy<Value = String> {
        prop_oneof![
            prop::sample::select(&["name", "div", "is", "day", "true", "a b", "`\\'", "é", ""][..])
                .prop_map(str::to_owned),
            "[a-z]{1,3}",
        ]
    }

    fn literal() -> impl Strategy<Value = Literal> {
        let decimal = |text: String| parse_decimal(&text).expect("few digits");
        let temporal = prop::sample::select(
            &[
                "2020",
                "2020-05",
                "2020-05-01T",
                "2020-05-01T10:30Z",
                "2020-05-01T10:00:00.25-03:30",
            ][..],
        );
        prop_oneof![
            any::<bool>().prop_map(Literal::Boolean),
            (0..i64::MAX).prop_map(Literal::Integer),
            "[0-9]{1,9}\\.[0-9]{1,9}".prop_map(move |text| Literal::Decimal(decimal(text))),
            "\\PC{0,6}".prop_map(Literal::Text),
            temporal.prop_map(|text| {
                Literal::Temporal(Temporal::date_or_date_time(text).expect("a date"))
            }),
            (
                "[0-9]{1,3}",
                prop::sample::select(&["day", "mg", "'", "1"][..])
            )
                .prop_map(move |(text, unit)| Literal::Quantity(decimal(text), unit.to_owned())),
        ]
    }

    fn binary() -> impl Strategy<Value = Binary> {
        prop::sample::select(
            &[
                Binary::Multiply,
                Binary::Div,
                Binary::Add,
                Binary::Subtract,
                Binary::Concatenate,
                Binary::Less,
                Binary::Equal,
                Binary::NotEquivalent,
                Binary::In,
                Binary::Contains,
                Binary::Xor,
                Binary::Implies,
            ][..],
        )
    }

    /// A chain never begins with the same chain: that would be one longer chain.
    fn chain(operator: Chain, mut operands: Vec<Syntax>) -> Syntax {
        if let Node::Chain(first, _) = &operands[0].node
            && *first == operator
        {
            operands[0] = part(Node::This);
        }
        part(Node::Chain(operator, operands))
    }

    fn expression() -> impl Strategy<Value = Syntax> {
        let leaf = prop_oneof![
            literal().prop_map(Node::Literal),
            name().prop_map(|name| Node::Name(None, name)),
            name().prop_map(Node::Constant),
            Just(Node::Empty),
            Just(Node::This),
            Just(Node::Total),
        ];
        leaf.prop_map(part).prop_recursive(5, 40, 3, |inner| {
            let pair = || (inner.clone(), inner.clone());
            let list = prop::collection::vec(inner.clone(), 0..3);
            let long = prop::collection::vec(inner.clone(), 2..4);
            let chains = prop::sample::select(&[Chain::Or, Chain::And, Chain::Union][..]);
            let types = prop::sample::select(&["string", "System.String", "FHIR.Patient"][..]);
            prop_oneof![
                (inner.clone(), name())
                    .prop_map(|(base, name)| { part(Node::Name(Some(boxed(base)), name)) }),
                (prop::option::of(inner.clone()), name(), list).prop_map(|(base, name, list)| {
                    part(Node::Call(base.map(boxed), name, list))
                }),
                pair().prop_map(|(base, index)| part(Node::Index(boxed(base), boxed(index)))),
                (any::<bool>(), inner.clone())
                    .prop_map(|(minus, of)| { part(Node::Sign(minus, boxed(of))) }),
                (binary(), pair()).prop_map(|(operator, (left, right))| {
                    part(Node::Binary(operator, boxed(left), boxed(right)))
                }),
                (chains, long).prop_map(|(operator, operands)| chain(operator, operands)),
                (inner, types).prop_map(|(of, name)| {
                    part(Node::Type(TypeOperator::Is, boxed(of), name.to_owned()))
                }),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_printed_parses_to_the_same(expression in expression()) {
            let printed = expression.to_string();
            let read = parse(&printed);
            prop_assert_eq!(read.as_ref(), Ok(&expression), "{}", printed);
        }

        #[test]
        fn no_text_panics(text in "\\PC{0,40}") {
            if let Ok(read) = parse(&text) {
                prop_assert_eq!(parse(&read.to_string()), Ok(read));
            }
        }
    }
}
