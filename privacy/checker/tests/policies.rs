//! How a policy is read: the file format of C2SP tlog-policy.

mod log;

use log::witnesses::witness_key;
use log::{signing_key, vkey};
use proptest::prelude::*;
use salus_checker::Policy;

#[test]
fn policies_are_read_as_their_specification_says() {
    let one = witness_key("w1.example", 31);
    let two = witness_key("w2.example", 32);
    let log = vkey("log.example", &signing_key(1));
    let witnesses = format!("witness a {one}\nwitness b {two}\n");
    for good in [
        "quorum none".to_owned(),
        " \t\n#comment\n   # comment \u{e9}\nquorum\tnone  \n\n".to_owned(),
        format!("{witnesses}quorum a\n"),
        format!(
            "log {log}\nlog {} url\nquorum none\n",
            vkey("log.example", &signing_key(2))
        ),
        format!("witness a {one} https://w.example/\nquorum a\nwitness b {two}\n"),
        // Any octets but control characters are a name, also those that stand for a number elsewhere.
        format!("witness any {one}\nwitness 2 {two}\ngroup \u{e9} any any 2\nquorum \u{e9}\n"),
        format!("{witnesses}group g 2 a b\ngroup h any g\nquorum h\n"),
    ] {
        assert!(
            Policy::parse(good.as_bytes()).is_ok(),
            "{good}: {:?}",
            Policy::parse(good.as_bytes())
        );
    }
}

#[test]
fn what_is_wrong_in_a_policy_is_named_with_its_line() {
    let one = witness_key("w1.example", 31);
    let two = witness_key("w2.example", 32);
    let log = vkey("log.example", &signing_key(1));
    let witnesses = format!("witness a {one}\nwitness b {two}\n");
    for (bad, line, why) in [
        ("", 0, "no `quorum`"),
        ("# quorum none\n", 0, "no `quorum`"),
        ("quorum none\nquorum none\n", 2, "second"),
        ("quorum a\n", 1, "not defined"),
        ("quorum\n", 1, "quorum <name|none>"),
        ("quorum none # of them\n", 1, "quorum <name|none>"),
        ("Quorum none\n", 1, "\"Quorum\" is not known"),
        ("quorum none\r\n", 1, "control"),
        ("policy 2\nquorum none\n", 1, "\"policy\" is not known"),
        ("witness a\nquorum none\n", 1, "witness <name> <vkey>"),
        ("log\nquorum none\n", 1, "log <vkey>"),
        (&format!("log {one}\nquorum none\n"), 1, "not Ed25519"),
        (&format!("witness a {log}\nquorum a\n"), 1, "cosignature/v1"),
        (&format!("witness none {one}\nquorum none\n"), 1, "taken"),
        (
            &format!("witness a {one} url more\nquorum a\n"),
            1,
            "witness <name>",
        ),
        (
            &format!("witness a {one}\nwitness a {two}\nquorum a\n"),
            2,
            "taken",
        ),
        (
            &format!("witness a {one}\nwitness b {one}\nquorum a\n"),
            2,
            "twice",
        ),
        (&format!("log {log}\nlog {log}\nquorum none\n"), 2, "twice"),
        (&format!("{witnesses}group g any\nquorum g\n"), 3, "1 of 0"),
        (&format!("{witnesses}group g all\nquorum g\n"), 3, "0 of 0"),
        (
            &format!("{witnesses}group g 0 a b\nquorum g\n"),
            3,
            "0 of 2",
        ),
        (
            &format!("{witnesses}group g 3 a b\nquorum g\n"),
            3,
            "3 of 2",
        ),
        (
            &format!("{witnesses}group g 02 a b\nquorum g\n"),
            3,
            "`any` or `all`",
        ),
        (
            &format!("{witnesses}group g most a b\nquorum g\n"),
            3,
            "`any` or `all`",
        ),
        (
            &format!("{witnesses}group g 1 a a\nquorum g\n"),
            3,
            "member twice",
        ),
        (
            &format!("{witnesses}group g 1 a\ngroup h 1 a b\nquorum h\n"),
            4,
            "member twice",
        ),
        (
            &format!("{witnesses}group g 1 g\nquorum g\n"),
            3,
            "not defined",
        ),
        (
            &format!("{witnesses}group g 1 none\nquorum g\n"),
            3,
            "not defined",
        ),
        (&format!("{witnesses}group a 1 b\nquorum a\n"), 3, "taken"),
        (
            &format!("{witnesses}group g 1 h\ngroup h 1 a\nquorum h\n"),
            3,
            "not defined",
        ),
        (
            &format!("{witnesses}quorum g\ngroup g 1 a\n"),
            3,
            "not defined",
        ),
    ] {
        let error = Policy::parse(bad.as_bytes()).expect_err(bad);
        assert_eq!(error.line.unwrap_or(0), line, "{bad}{error}");
        assert!(error.to_string().contains(why), "{bad}{error}");
    }
    // Octets that are no directive, and the control character above the others.
    assert!(Policy::parse(&[0xff, b'\n']).is_err());
    assert!(Policy::parse(b"quorum none\x7f").is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_policy_panics(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Policy::parse(&bytes);
    }

    /// Words in any order are rarely a policy, and no panic.
    #[test]
    fn no_order_of_words_panics(words in prop::collection::vec(prop::sample::select(vec![
        "log", "witness", "group", "quorum", "none", "any", "all", "1", "2", "a", "b", "\n", " ", "#",
        "w1.example+x+y", "18446744073709551616",
    ]), 0..40)) {
        let _ = Policy::parse(words.join(" ").as_bytes());
    }
}
