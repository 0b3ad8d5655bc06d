//! Expressions and what they yield, as the specification of FHIRPath has it.

mod common;

use common::expressions::{evaluate, fails, yields};
use serde_json::json;

#[test]
fn three_values_of_truth() {
    let values = [("true", Some(true)), ("false", Some(false)), ("{}", None)];
    for (a, left) in values {
        for (b, right) in values {
            let and = match (left, right) {
                (Some(false), _) | (_, Some(false)) => Some(false),
                (Some(true), Some(true)) => Some(true),
                _ => None,
            };
            let or = match (left, right) {
                (Some(true), _) | (_, Some(true)) => Some(true),
                (Some(false), Some(false)) => Some(false),
                _ => None,
            };
            let xor = left.zip(right).map(|(left, right)| left != right);
            let implies = match (left, right) {
                (Some(false), _) | (_, Some(true)) => Some(true),
                (Some(true), other) => other,
                (None, _) => None,
            };
            for (word, wanted) in [("and", and), ("or", or), ("xor", xor), ("implies", implies)] {
                let wanted = wanted.map_or(json!([]), |value| json!([value]));
                yields(&[(&format!("{a} {word} {b}"), wanted)]);
            }
        }
    }
    yields(&[
        ("{}.not()", json!([])),
        ("true.not()", json!([false])),
        // A single value that is no boolean is true where a condition is asked for.
        ("name.first().family and true", json!([true])),
        ("name.where(family).count()", json!([2])),
    ]);
    fails(&["name.family and true", "name.given.not()"]);
}

#[test]
fn equality_and_order() {
    yields(&[
        ("1 = 1.0", json!([true])),
        ("name.family = name.family", json!([true])),
        ("name.family = name.family.first()", json!([false])),
        ("(1 | 2) = (2 | 1)", json!([false])),
        ("(1 | 2) ~ (2 | 1)", json!([true])),
        ("{} = {}", json!([])),
        ("{} ~ {}", json!([true])),
        ("{} != 1", json!([])),
        ("'Abc ' ~ ' aBC'", json!([true])),
        ("1.23 ~ 1.2", json!([true])),
        ("1 != 2", json!([true])),
        ("'a' < 'b'", json!([true])),
        ("@2020 = @2020-01", json!([])),
        ("@2020 < @2021-01", json!([true])),
        (
            "@2020-01-01T10:00:00+01:00 = @2020-01-01T09:00:00Z",
            json!([true]),
        ),
        (
            "@2020-01-01T10:00:00.0Z = @2020-01-01T10:00:00Z",
            json!([true]),
        ),
        ("@2020-01-01T10:00:00 = @2020-01-01T10:00:00Z", json!([])),
        (
            "@2020-01-01T10:00:00 < @2020-01-05T10:00:00Z",
            json!([true]),
        ),
        ("@T10:30 > @T10:00:00", json!([true])),
        ("@T10 = @T10:00", json!([])),
        ("birthDate < @1900-01-01", json!([true])),
        ("birthDate = '1867-11-07'", json!([true])),
        ("birthDate > deceased.ofType(dateTime)", json!([false])),
        ("deceased.ofType(dateTime) = @1934-07-04", json!([])),
        ("extension('weight').value > 60 'kg'", json!([true])),
        ("extension('weight').value = 61.5 'kg'", json!([true])),
        ("extension('weight').value > 60 'g'", json!([])),
        ("3 days = 3 'd'", json!([true])),
        ("1 in (1 | 2)", json!([true])),
        ("(1 | 2) contains 3", json!([false])),
        ("{} in (1 | 2)", json!([])),
        ("name[0] = name[0]", json!([true])),
        ("name[0] = name[1]", json!([false])),
    ]);
    fails(&[
        "1 < 'a'",
        "true < false",
        "name.given < 'a'",
        "name[0] < name[1]",
    ]);
}

#[test]
fn arithmetic_is_exact() {
    yields(&[
        ("1 + 2 * 3", json!([7])),
        ("(1 + 2) * 3", json!([9])),
        ("-7.abs()", json!([-7])),
        ("(-7).abs()", json!([7])),
        ("7 div 2", json!([3])),
        ("-7 div 2", json!([-3])),
        ("7 mod 2", json!([1])),
        ("1 / 2", json!([0.5])),
        ("1 / 0", json!([])),
        ("1 div 0", json!([])),
        ("1 mod 0", json!([])),
        ("1 + {}", json!([])),
        ("9223372036854775807 + 1", json!([])),
        ("'a' + 'b'", json!(["ab"])),
        ("'a' + {}", json!([])),
        ("'a' & {}", json!(["a"])),
        ("@2020-01-31 + 1 month", json!(["2020-02-29"])),
        ("@2020-02-29 + 1 year", json!(["2021-02-28"])),
        ("@2020-01-01 - 1 day", json!(["2019-12-31"])),
        (
            "@2020-01-01T23:30:00Z + 45 minutes",
            json!(["2020-01-02T00:15:00Z"]),
        ),
        ("@T23:00 + 2 hours", json!(["01:00"])),
        ("birthDate + 66 years", json!(["1933-11-07"])),
        ("@2020 + 24 months", json!(["2022"])),
        ("@2020 - (-9223372036854775808 'd')", json!([])),
        ("@2020 + 9223372036854775807 weeks", json!([])),
        ("9.power(9223372036854775807)", json!([])),
        ("1.5.power(0.5) > 1.22", json!([true])),
        ("1000.exp()", json!([])),
        ("0.ln()", json!([])),
        ("8.log(1)", json!([])),
        ("(1 | 2 | 3).sum()", json!([6])),
        ("(3 | 1 | 2).min()", json!([1])),
        ("(3 | 1 | 2).max()", json!([3])),
        ("(1 | 2).avg()", json!([1.5])),
        ("2.power(10)", json!([1024])),
        ("2.power(-1)", json!([0.5])),
        ("9.sqrt()", json!([3])),
        ("(-1).sqrt()", json!([])),
        ("1.5.round()", json!([2])),
        ("(-1.5).round()", json!([-2])),
        ("2.34567.round(3)", json!([2.346])),
        ("1.1.ceiling()", json!([2])),
        ("(-1.1).floor()", json!([-2])),
        ("(-1.9).truncate()", json!([-1])),
        ("16.log(2)", json!([4])),
        ("0.exp()", json!([1])),
        ("1.ln()", json!([0])),
    ]);
    fails(&[
        "'a' * 2",
        "1 + 'a'",
        "(1 | 2) + 1",
        "'a'.abs()",
        "@2020 + 1 'mg'",
    ]);
    // Digits stay as they are computed, and as they are written.
    assert_eq!(evaluate("1.50 + 1.250").unwrap().to_string(), "[2.75]");
    let text = evaluate("(0.1 + 0.2).toString()").unwrap();
    assert_eq!(text, json!(["0.3"]));
}

#[test]
fn strings() {
    yields(&[
        ("'abcdefg'.substring(3)", json!(["defg"])),
        ("'abcdefg'.substring(1, 2)", json!(["bc"])),
        ("'abcdefg'.substring(9)", json!([])),
        ("'abc'.substring(-1)", json!([])),
        ("'åbc'.indexOf('b')", json!([1])),
        ("'abc'.indexOf('z')", json!([-1])),
        ("'abc'.indexOf('')", json!([0])),
        ("'abcb'.lastIndexOf('b')", json!([3])),
        ("'abc'.startsWith('')", json!([true])),
        ("'abc'.endsWith('bc')", json!([true])),
        ("'abc'.contains('d')", json!([false])),
        ("'abc'.replace('b', 'x')", json!(["axc"])),
        ("'abc'.replace('', 'x')", json!(["xaxbxcx"])),
        ("'abc'.upper()", json!(["ABC"])),
        ("'åbc'.length()", json!([3])),
        ("'ab'.toChars()", json!(["a", "b"])),
        ("' a '.trim()", json!(["a"])),
        ("'a,b'.split(',')", json!(["a", "b"])),
        ("name.given.join(' ')", json!(["Marie Salomea Maria"])),
        ("{}.join(',')", json!([])),
        ("'N8000123123'.matches('N[0-9]{8}')", json!([true])),
        ("'N8000123123'.matchesFull('N[0-9]{8}')", json!([false])),
        ("'a\\nb'.matches('a.b')", json!([true])),
        (
            "'11/30/1972'.replaceMatches('([0-9]+)/([0-9]+)/([0-9]+)', '$3-$1-$2')",
            json!(["1972-11-30"]),
        ),
        ("'ab'.replaceMatches('(a)(b)', '$2x$1$0')", json!(["bxaab"])),
        ("birthDate.substring(0, 4).toInteger() + 1", json!([1868])),
        ("{}.length()", json!([])),
        ("'abc'.startsWith({})", json!([])),
    ]);
    fails(&[
        "name.family.upper()",
        "1.length()",
        "'a'.matches('(')",
        "'a'.matches('(?=a)')",
        "name.join(',')",
    ]);
}

#[test]
fn collections() {
    yields(&[
        ("name.given.first()", json!(["Marie"])),
        ("name.given.last()", json!(["Maria"])),
        ("name.given.tail()", json!(["Salomea", "Maria"])),
        ("name.given.skip(1).take(1)", json!(["Salomea"])),
        ("name.given.take(-1)", json!([])),
        ("name.given[1]", json!(["Salomea"])),
        ("name.given[7]", json!([])),
        ("name.given[-1]", json!([])),
        ("(1 | 1 | 2)", json!([1, 2])),
        ("(1).combine(1 | 2)", json!([1, 1, 2])),
        ("(1 | 2 | 3).intersect(2 | 4)", json!([2])),
        ("(1 | 2 | 3).exclude(2)", json!([1, 3])),
        ("(1 | 2).subsetOf(1 | 2 | 3)", json!([true])),
        ("(1 | 2).supersetOf(1 | 2 | 3)", json!([false])),
        ("(1).combine(1).distinct()", json!([1])),
        ("(1).combine(1).isDistinct()", json!([false])),
        ("name.count()", json!([2])),
        ("name.all(given.exists())", json!([true])),
        ("{}.all(false)", json!([true])),
        ("name.exists(use = 'maiden')", json!([true])),
        ("name.where(use = 'old').exists()", json!([false])),
        ("name.select(given.first())", json!(["Marie", "Maria"])),
        ("name.given.where($index = 1)", json!(["Salomea"])),
        (
            "name.given.select($this + '!')",
            json!(["Marie!", "Salomea!", "Maria!"]),
        ),
        ("(1 | 2 | 3).aggregate($this + $total, 0)", json!([6])),
        (
            "(1 | 2 | 3).aggregate(iif($total.empty(), $this, iif($this < $total, $this, $total)))",
            json!([1]),
        ),
        ("(true | false).allTrue()", json!([false])),
        ("(true | false).anyTrue()", json!([true])),
        ("{}.allTrue()", json!([true])),
        ("iif(active, 'yes', 'no')", json!(["yes"])),
        ("iif({}, 1)", json!([])),
        ("coalesce({}, 2, 3)", json!([2])),
        (
            "1.repeat(iif($this < 5, $this + 1, {}))",
            json!([2, 3, 4, 5]),
        ),
        ("name.given.trace('given').count()", json!([3])),
        ("contained.descendants().count()", json!([2])),
        ("name[0].children().count()", json!([4])),
    ]);
    fails(&[
        "name.single()",
        "name['a']",
        "(1 | 'a').allTrue()",
        "1.repeat($this + 1)",
        "name.iif(true, 1)",
    ]);
}

#[test]
fn conversions() {
    yields(&[
        ("'1'.toInteger()", json!([1])),
        ("'1.5'.toInteger()", json!([])),
        ("'1.50'.toDecimal()", json!([1.5])),
        ("true.toInteger()", json!([1])),
        ("'yes'.toBoolean()", json!([true])),
        ("2.toBoolean()", json!([])),
        ("1.convertsToBoolean()", json!([true])),
        ("'x'.convertsToDecimal()", json!([false])),
        ("{}.convertsToDate()", json!([])),
        ("'2020-05'.toDate()", json!(["2020-05"])),
        ("'2020-05-01T10:00:00Z'.toDate()", json!(["2020-05-01"])),
        ("'2020-13'.toDate()", json!([])),
        ("'10:30'.toTime()", json!(["10:30"])),
        ("'4 days'.toQuantity() = 4 days", json!([true])),
        ("'4 \\'mg\\''.convertsToQuantity()", json!([true])),
        ("multipleBirth.toString()", json!(["5"])),
        ("active.toString()", json!(["true"])),
        ("name.first().toString()", json!([])),
    ]);
    fails(&["name.given.toInteger()"]);
}

#[test]
fn deep_expressions_are_evaluated_within_the_stack() {
    let nested = (0..90).fold("1".to_owned(), |inner, _| format!("iif(true, {inner})"));
    yields(&[(&nested, json!([1]))]);
    let chained = (0..45).fold("name".to_owned(), |inner, _| {
        format!("{inner}.where(true).select($this)")
    });
    yields(&[(&format!("{chained}.count()"), json!([2]))]);
}
