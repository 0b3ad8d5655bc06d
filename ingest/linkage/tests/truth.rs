//! Linkage against a population whose truth is known: two sources, errors as people make them.

mod twins;

use proptest::prelude::*;
use salus_linkage::{Decided, Options, Record, Why, link};
use twins::{Population, population};

struct Score {
    precision: f64,
    recall: f64,
}

fn score(population: &Population, options: &Options) -> Score {
    let found = link(&population.records, &Decided::default(), options).expect("records");
    let right = found
        .links
        .iter()
        .filter(|pair| population.truth.contains(&(pair.left, pair.right)))
        .count();
    #[expect(clippy::cast_precision_loss, reason = "small counts")]
    let share = |a: usize, b: usize| a as f64 / b.max(1) as f64;
    Score {
        precision: share(right, found.links.len()),
        recall: share(right, population.truth.len()),
    }
}

#[test]
fn people_with_errors_are_found_and_few_others() {
    for seed in 1..=3 {
        let found = score(&population(3000, seed), &Options::default());
        assert!(
            found.precision >= 0.99,
            "seed {seed}: precision {}",
            found.precision
        );
        assert!(found.recall >= 0.9, "seed {seed}: recall {}", found.recall);
    }
}

#[test]
fn with_exchanged_weights_nobody_is_found() {
    let population = population(2000, 4);
    let learnt = link(
        &population.records,
        &Decided::default(),
        &Options::default(),
    )
    .expect("records")
    .weights;
    let with = |weights| {
        score(
            &population,
            &Options {
                weights: Some(weights),
                ..Options::default()
            },
        )
    };
    let (right, wrong) = (with(learnt.clone()), with(learnt.exchanged()));
    assert!(right.recall >= 0.85, "{}", right.recall);
    assert!(
        wrong.recall < 0.05,
        "the measure must tell good weights from bad ones: {}",
        wrong.recall
    );
}

#[test]
fn siblings_at_one_address_are_not_joined() {
    let population = population(3000, 5);
    let found = link(
        &population.records,
        &Decided::default(),
        &Options::default(),
    )
    .expect("records");
    let wrong = found
        .links
        .iter()
        .filter(|pair| population.siblings.contains(&(pair.left, pair.right)));
    assert!(population.siblings.len() > 100, "the trial needs siblings");
    assert_eq!(wrong.count(), 0);
}

#[test]
fn a_second_run_finds_nothing_new() {
    let population = population(1000, 6);
    let first = link(
        &population.records,
        &Decided::default(),
        &Options::default(),
    )
    .expect("records");
    assert!(first.links.len() > 300);
    let decided = Decided {
        linked: first
            .links
            .iter()
            .map(|pair| (pair.left, pair.right))
            .collect(),
        apart: Vec::new(),
    };
    let second = link(&population.records, &decided, &Options::default()).expect("records");
    assert!(second.links.is_empty(), "{} new links", second.links.len());
}

#[test]
fn a_full_block_is_told() {
    let json = |n: usize| {
        format!(
            r#"[{{"system":"phone","value":"617 555 0000"}},{{"system":"email","value":"{n}@x.example"}}]"#
        )
    };
    let records: Vec<Record> = (0..300)
        .map(|n| {
            let telecom = json(n);
            let elements = salus_linkage::Elements {
                telecom: Some(&telecom),
                ..Default::default()
            };
            Record::new(
                i64::try_from(n).unwrap(),
                if n % 2 == 0 { "a" } else { "b" },
                &n.to_string(),
                elements,
            )
        })
        .collect();
    let found = link(&records, &Decided::default(), &Options::default()).expect("records");
    let telecom = found
        .passes
        .iter()
        .find(|pass| pass.rests_on == "telecom")
        .expect("a pass");
    assert_eq!((telecom.passed_over, telecom.records_passed_over), (1, 300));
    assert_eq!(found.compared, 0);
}

fn by_id(number: i64, source: &str, extra: &str, birth: &str) -> Record {
    let identifier = format!(r#"[{{"system":"urn:national","value":"{extra}"}}]"#);
    let name = r#"{"family":"Smith","given":["Ann"]}"#;
    let elements = salus_linkage::Elements {
        identifier: Some(&identifier),
        birth_date: Some(birth),
        name: Some(name),
        ..Default::default()
    };
    Record::new(number, source, &format!("p{number}"), elements)
}

fn trusting() -> Options {
    Options {
        trusted: vec!["urn:national".into()],
        ..Options::default()
    }
}

#[test]
fn a_trusted_identifier_links_unless_something_speaks_against_it() {
    let records = [
        by_id(1, "a", "77", "1980-02-11"),
        by_id(2, "b", "77", "1980-11-02"),
        by_id(3, "a", "88", "1950-01-01"),
        by_id(4, "b", "88", "1999-12-31"),
        // Two ids of one source bear one number: which is it?
        by_id(5, "a", "99", "1970-05-05"),
        by_id(6, "b", "99", "1970-05-05"),
        by_id(7, "b", "99", "1970-05-05"),
    ];
    let found = link(&records, &Decided::default(), &trusting()).expect("records");
    let links: Vec<_> = found
        .links
        .iter()
        .map(|pair| (pair.left, pair.right, pair.why))
        .collect();
    assert_eq!(links, [(1, 2, Why::Exact)]);
    let why = |a, b| {
        found
            .review
            .iter()
            .find(|pair| (pair.left, pair.right) == (a, b))
            .map(|pair| pair.why)
    };
    assert_eq!(why(3, 4), Some(Why::Implausible));
    assert_eq!(why(5, 6), Some(Why::Contested));
    assert_eq!(why(5, 7), Some(Why::Contested));
    assert_eq!(why(6, 7), Some(Why::Conflict));
    // What people decided stands, and what it implies.
    let decided = Decided {
        linked: vec![(5, 6)],
        apart: vec![(1, 2)],
    };
    let found = link(&records, &decided, &trusting()).expect("records");
    assert!(found.links.is_empty(), "{:?}", found.links);
    assert!(
        found
            .review
            .iter()
            .all(|pair| (pair.left, pair.right) != (1, 2))
    );
}

#[test]
fn a_source_may_say_that_two_of_its_ids_are_one_person() {
    let replaced = salus_linkage::Elements {
        link: Some(r#"[{"other":{"reference":"Patient/p1"},"type":"replaced-by"}]"#),
        ..Default::default()
    };
    let records = [
        by_id(1, "a", "77", "1980-02-11"),
        Record::new(2, "a", "old", replaced),
        Record::new(3, "b", "old", replaced),
        by_id(4, "b", "77", "1980-02-11"),
    ];
    let found = link(&records, &Decided::default(), &trusting()).expect("records");
    let links: Vec<_> = found
        .links
        .iter()
        .map(|pair| (pair.left, pair.right, pair.why))
        .collect();
    // Source b has no p1: a reference means something within its source only.
    assert_eq!(links, [(1, 2, Why::Source), (1, 4, Why::Exact)]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 6, ..ProptestConfig::default() })]

    #[test]
    fn the_order_of_records_does_not_matter(seed in 0_u64..1000, turn in 1_usize..400) {
        let mut population = population(300, seed);
        let before = link(&population.records, &Decided::default(), &Options::default()).expect("records");
        let count = population.records.len();
        population.records.rotate_left(turn % count);
        population.records.swap(0, count / 2);
        population.records.reverse();
        let after = link(&population.records, &Decided::default(), &Options::default()).expect("records");
        prop_assert_eq!(before.links, after.links);
        prop_assert_eq!(before.review, after.review);
    }

    #[test]
    fn hostile_elements_link_nobody_and_break_nothing(texts in prop::collection::vec("\\PC{0,40}", 8)) {
        let records: Vec<Record> = texts.iter().zip(0_i64..).map(|(text, n)| {
            let name = format!(r#"{{"text":{text:?},"family":{text:?}}}"#);
            let elements = salus_linkage::Elements { name: Some(&name), telecom: Some(text), ..Default::default() };
            Record::new(n, if n % 2 == 0 { "a" } else { "b" }, text, elements)
        }).collect();
        let found = link(&records, &Decided::default(), &Options::default()).expect("records");
        prop_assert!(found.links.is_empty());
    }
}
