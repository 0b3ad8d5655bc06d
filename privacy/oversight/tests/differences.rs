//! Plans as the engine wrote them (what it says about signatures cut from most, for it is long), and which pairs of them are found.

#![allow(missing_docs, reason = "tests")]

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use salus_ledger::EntryIndex;
use salus_oversight::{Asked, Change, Columns, differences};
use serde::Deserialize;

#[derive(Deserialize)]
struct Written {
    entry: u64,
    question: String,
    plan: String,
}

fn written() -> Vec<Written> {
    serde_json::from_str(include_str!("fixtures/plans.json")).unwrap()
}

fn asked<'a>(all: impl IntoIterator<Item = (u64, &'a str, &'a str)>) -> Vec<Asked<'a>> {
    let asked = all.into_iter().map(|(entry, principal, plan)| Asked {
        entry: EntryIndex(entry),
        principal,
        plan: plan.as_bytes(),
    });
    asked.collect()
}

fn pairs(asked: &[Asked<'_>]) -> Vec<(u64, u64, Change)> {
    let found = differences(asked, &Columns::new());
    assert_eq!(found.unread, []);
    let pairs = found.pairs.iter();
    pairs
        .map(|pair| (pair.first.0, pair.second.0, pair.change))
        .collect()
}

#[test]
fn plain_pairs_are_found_in_plans_of_the_engine() {
    use Change::{Bound, Condition, Element, Value};
    let all = written();
    let asked = asked(all.iter().map(|one| (one.entry, "p", one.plan.as_str())));
    let question = |entry: u64| {
        let one = all.iter().find(|one| one.entry == entry).unwrap();
        one.question.as_str()
    };
    let found = pairs(&asked);
    let expected = [
        // age >= 65, 66; with sex = 'female'; everybody.
        (6, 8, Bound),
        (6, 10, Condition),
        (6, 12, Condition),
        (8, 12, Condition),
        (14, 16, Condition),
        // code IN (two), (three), (four), and with an onset: ORs become a list at four.
        (18, 20, Element),
        (20, 22, Element),
        (22, 24, Condition),
        // In a subquery; with another that excludes; with a condition within.
        (12, 26, Condition),
        (26, 28, Condition),
        (12, 30, Condition),
        (26, 30, Condition),
        (12, 32, Condition),
        (26, 32, Condition),
        (30, 32, Bound),
        (12, 34, Condition),
        (12, 36, Condition),
        (34, 36, Bound),
        (36, 38, Condition),
        // COUNT(*) FILTER (WHERE …).
        (40, 42, Value),
        // Beside a mean; of what is grouped by person first, 9 and 9.1 being of two types.
        (44, 46, Condition),
        (48, 50, Bound),
        // NOT IN: two conditions, one list.
        (12, 52, Condition),
        (12, 54, Condition),
        (52, 54, Element),
        (56, 58, Element),
        (60, 62, Bound),
        // Under a median, and where keys are not public.
        (64, 66, Condition),
        (68, 70, Condition),
        // With another table joined, in whichever order.
        (72, 74, Condition),
        (12, 76, Condition),
        (72, 76, Condition),
        (74, 78, Value),
        (72, 78, Condition),
    ];
    for pair in expected {
        assert!(
            found.contains(&pair),
            "{pair:?}:\n{}\n{}",
            question(pair.0),
            question(pair.1)
        );
    }
    for pair in &found {
        assert!(
            expected.contains(pair),
            "{pair:?}:\n{}\n{}",
            question(pair.0),
            question(pair.1)
        );
    }
}

#[test]
fn words_say_which_predicate() {
    let all = written();
    let asked = asked(all.iter().map(|one| (one.entry, "p", one.plan.as_str())));
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let columns = Columns::from([
        (
            "patient".to_owned(),
            names(&["person_id", "sex", "birth_date", "deceased"]),
        ),
        (
            "condition".to_owned(),
            names(&[
                "person_id",
                "id",
                "encounter_id",
                "status",
                "verification",
                "category",
                "code",
            ]),
        ),
    ]);
    let found = differences(&asked, &columns);
    let words = |first: u64, second: u64| {
        let pair = found
            .pairs
            .iter()
            .find(|pair| (pair.first.0, pair.second.0) == (first, second));
        pair.map_or("", |pair| pair.words.as_str())
    };
    assert_eq!(
        words(6, 8),
        "age(patient.birth_date, 2025-01-01) >= 65 in entry 6, age(patient.birth_date, 2025-01-01) >= 66 in entry 8"
    );
    assert_eq!(
        words(6, 10),
        "only entry 10 demands that patient.sex = 'female'"
    );
    assert_eq!(
        words(14, 16),
        "only entry 16 demands that not patient.deceased"
    );
    assert_eq!(
        words(18, 20),
        "only entry 20 lists '195967001' for condition.code"
    );
    assert_eq!(
        words(26, 28),
        "only entry 28 demands that there is no row of observation with observation column 6 = '4548-4'"
    );
    assert_eq!(
        words(72, 74),
        "only entry 74 demands that there is a row of encounter with encounter column 4 = 'EMER'"
    );
    assert_eq!(
        words(52, 54),
        "patient.sex NOT IN ('male', 'other') in entry 52, patient.sex NOT IN ('male', 'other', 'unknown', 'x') in entry 54"
    );
}

#[test]
fn two_analysts_are_no_pair_and_neither_is_a_question_asked_twice() {
    let all = written();
    let plan = |entry: u64| {
        all.iter()
            .find(|one| one.entry == entry)
            .unwrap()
            .plan
            .as_str()
    };
    assert_eq!(pairs(&asked([(6, "p", plan(6)), (8, "q", plan(8))])), []);
    assert_eq!(pairs(&asked([(6, "p", plan(6)), (7, "p", plan(6))])), []);
    // Of a plan that was asked twice the first counts.
    let thrice = asked([(6, "p", plan(6)), (7, "p", plan(6)), (8, "p", plan(8))]);
    assert_eq!(pairs(&thrice), [(6, 8, Change::Bound)]);
}

#[test]
fn a_plan_that_cannot_be_read_is_said_to_be_unread() {
    let found = differences(
        &asked([
            (3, "p", ""),
            (4, "p", "a\nfrobnicate (x)"),
            (5, "p", "scan t Some([0]) [A] None where  ()"),
        ]),
        &Columns::new(),
    );
    assert_eq!(found.unread, [EntryIndex(3), EntryIndex(4)]);
    let bytes = Asked {
        entry: EntryIndex(9),
        principal: "p",
        plan: &[0xff, 0xfe],
    };
    assert_eq!(
        differences(&[bytes], &Columns::new()).unread,
        [EntryIndex(9)]
    );
}

fn column(place: u64) -> String {
    format!("Column(Column {{ relation: None, name: \"#{place}\" }})")
}

fn number(value: u64) -> String {
    let bytes: Vec<String> = value.to_le_bytes().iter().map(u8::to_string).collect();
    format!(
        "Literal(Utf8(\"Int64 1 None [[{}]] ()\"), None)",
        bytes.join(", ")
    )
}

fn above(place: u64, value: u64) -> String {
    format!(
        "BinaryExpr(BinaryExpr {{ left: {}, op: LtEq, right: {} }})",
        number(value),
        column(place)
    )
}

fn count_where(conditions: &[String]) -> String {
    let mut conditions = conditions.to_vec();
    conditions.sort();
    let rows = "scan t Some([0, 1, 2, 3]) [Int64, Int64, Int64, Int64] None where  ()";
    let rows = if conditions.is_empty() {
        rows.to_owned()
    } else {
        format!("filter {} ({rows})", conditions.join(" and "))
    };
    format!(
        "post\n([Count], None, 1) [Int64]\naggregate AggregateFunction(AggregateFunction {{ func: Count {{ }}, params: AggregateFunctionParams {{ args: [{}], distinct: false, filter: None }} }}) by  ({rows})",
        number(1)
    )
}

#[test]
fn the_same_subject_twice_is_not_confused() {
    let band = |low: u64, high: u64| {
        let below = format!(
            "BinaryExpr(BinaryExpr {{ left: {}, op: LtEq, right: {} }})",
            column(0),
            number(high)
        );
        count_where(&[above(0, low), below])
    };
    let (a, b, c) = (band(20, 30), band(20, 31), band(21, 31));
    let found = pairs(&asked([
        (1, "p", a.as_str()),
        (2, "p", b.as_str()),
        (3, "p", c.as_str()),
    ]));
    // The first and the last differ in both bounds.
    assert_eq!(found, [(1, 2, Change::Bound), (2, 3, Change::Bound)]);
}

#[test]
fn bounds_are_paired_with_their_neighbours_alone() {
    let plans: Vec<String> = [70, 65, 66, 80]
        .map(|age| count_where(&[above(1, age)]))
        .to_vec();
    let all = plans
        .iter()
        .enumerate()
        .map(|(i, plan)| (i as u64, "p", plan.as_str()));
    let found = pairs(&asked(all));
    // 65, 66, 70, 80.
    let expected = [
        (0, 2, Change::Bound),
        (1, 2, Change::Bound),
        (0, 3, Change::Bound),
    ];
    assert_eq!(found, expected);
}

/// Ten thousand questions of one analyst, a tenth of them in pairs. They may take four times as long as twenty times five hundred, with room for a
/// busy machine; comparing each with each would take twenty times as long.
#[test]
fn time_grows_with_the_number_of_questions() {
    let time = |questions: u64| {
        let plans: Vec<String> = (0..questions)
            .map(|i| {
                let mut conditions =
                    vec![above(0, i / 10 * 7), above(1, i % 10 * 1_000), above(2, i)];
                if i % 10 == 9 {
                    // The question before, with one condition more.
                    conditions = vec![
                        above(0, i / 10 * 7),
                        above(1, 8_000),
                        above(2, i - 1),
                        above(3, 5),
                    ];
                }
                count_where(&conditions)
            })
            .collect();
        let all = plans
            .iter()
            .enumerate()
            .map(|(i, plan)| (i as u64, "p", plan.as_str()));
        let asked = asked(all);
        let start = Instant::now();
        let found = pairs(&asked);
        let took = start.elapsed();
        for nine in (9..questions).step_by(10) {
            assert!(
                found.contains(&(nine - 1, nine, Change::Condition)),
                "{nine}"
            );
        }
        assert_eq!(found.len() as u64, questions / 10);
        took
    };
    let ten = || (0..10).map(|_| time(500)).sum::<Duration>();
    // Half of them before and half after: what else the machine does slows both.
    let (before, whole, after) = (ten(), time(10_000), ten());
    assert!(
        whole < (before + after) * 4 + Duration::from_secs(1),
        "{before:?}, {whole:?}, {after:?}"
    );
}

/// All questions differ in one bound: as many pairs as neighbours.
#[test]
fn many_questions_of_one_kind_are_a_chain() {
    let plans: Vec<String> = (0..2_000)
        .map(|i| count_where(&[above(0, i), above(1, 7)]))
        .collect();
    let all = plans
        .iter()
        .enumerate()
        .map(|(i, plan)| (i as u64, "p", plan.as_str()));
    assert_eq!(pairs(&asked(all)).len(), 1_999);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    /// Nothing that can stand in an opening makes it fail.
    #[test]
    fn any_text_is_taken(text in "\\PC{0,200}", cut in 0_usize..3_000, bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let plan = &written()[6].plan;
        let mut end = cut.min(plan.len());
        while !plan.is_char_boundary(end) {
            end -= 1;
        }
        let mut broken = plan[..end].to_owned();
        let _ = write!(broken, "{text}");
        let all = [
            Asked { entry: EntryIndex(1), principal: "p", plan: text.as_bytes() },
            Asked { entry: EntryIndex(2), principal: "p", plan: &bytes },
            Asked { entry: EntryIndex(3), principal: "p", plan: broken.as_bytes() },
        ];
        let _ = differences(&all, &Columns::new());
    }

    /// Adding any condition to any others is found, whatever the order in which they are asked.
    #[test]
    fn one_more_condition_is_found(values in proptest::collection::btree_map(0_u64..4, 0_u64..1_000, 1..4), first in any::<bool>()) {
        let conditions: Vec<String> = values.iter().map(|(place, value)| above(*place, *value)).collect();
        let (fewer, more) = (count_where(&conditions[1..]), count_where(&conditions));
        let both = if first { [&fewer, &more] } else { [&more, &fewer] };
        let found = pairs(&asked([(1, "p", both[0].as_str()), (2, "p", both[1].as_str())]));
        prop_assert_eq!(found, vec![(1, 2, Change::Condition)]);
    }
}
