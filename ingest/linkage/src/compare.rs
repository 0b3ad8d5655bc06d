//! How alike two records are, field by field.

use strsim::jaro_winkler;

use crate::record::{Date, Record};

/// Fields that are compared, in the order in which reports list them.
pub const FIELDS: [&str; 8] = [
    "family",
    "given",
    "birth",
    "sex",
    "postal",
    "line",
    "telecom",
    "identifier",
];
pub(crate) const FAMILY: usize = 0;
pub(crate) const GIVEN: usize = 1;
pub(crate) const BIRTH: usize = 2;
pub(crate) const SEX: usize = 3;
pub(crate) const POSTAL: usize = 4;
pub(crate) const LINE: usize = 5;
pub(crate) const TELECOM: usize = 6;
pub(crate) const IDENTIFIER: usize = 7;

/// Levels of agreement of each field; 0 is disagreement, the highest equality.
pub(crate) const LEVELS: [usize; FIELDS.len()] = [4, 4, 4, 2, 3, 3, 2, 2];
/// Most levels that any field has.
pub(crate) const MOST_LEVELS: usize = 4;

/// Jaro-Winkler similarities from which names are nearly equal, and alike (Winkler 1990).
const NEARLY: f64 = 0.92;
const ALIKE: f64 = 0.85;

/// The levels of all fields; none where either record says nothing, which is evidence for nothing.
pub(crate) type Pattern = [Option<u8>; FIELDS.len()];

/// Compares two records.
pub(crate) fn compare(a: &Record, b: &Record) -> Pattern {
    [
        best(&a.family, &b.family, names),
        best(&a.given, &b.given, names),
        a.birth.zip(b.birth).map(|(a, b)| dates(a, b)),
        a.sex.zip(b.sex).map(|(a, b)| u8::from(a == b)),
        best(&a.postal, &b.postal, postal),
        best(&a.line, &b.line, lines),
        best(&a.telecom, &b.telecom, |a, b| u8::from(a == b)),
        identifiers(a, b),
    ]
}

/// The best level over all pairs of values: people have former names and several telephones.
fn best(a: &[String], b: &[String], level: impl Fn(&str, &str) -> u8) -> Option<u8> {
    let pairs = a.iter().flat_map(|a| b.iter().map(move |b| (a, b)));
    pairs.map(|(a, b)| level(a, b)).max()
}

fn names(a: &str, b: &str) -> u8 {
    if a == b {
        return 3;
    }
    match jaro_winkler(a, b) {
        s if s >= NEARLY => 2,
        s if s >= ALIKE => 1,
        _ => 0,
    }
}

fn lines(a: &str, b: &str) -> u8 {
    if a == b {
        2
    } else {
        u8::from(jaro_winkler(a, b) >= NEARLY)
    }
}

fn postal(a: &str, b: &str) -> u8 {
    let area = |code: &str| code.chars().take(3).collect::<String>();
    if a == b {
        2
    } else {
        u8::from(area(a) == area(b))
    }
}

/// 3 for equality, 2 for day and month changed places, 1 for one digit off.
fn dates(a: Date, b: Date) -> u8 {
    if a == b {
        return 3;
    }
    if a.year == b.year && a.month == b.day && a.day == b.month {
        return 2;
    }
    let digits = |date: Date| {
        let (year, month, day) = (date.year, u16::from(date.month), u16::from(date.day));
        [
            year / 1000,
            year / 100 % 10,
            year / 10 % 10,
            year % 10,
            month / 10,
            month % 10,
            day / 10,
            day % 10,
        ]
    };
    let (a, b) = (digits(a), digits(b));
    u8::from(a.iter().zip(&b).filter(|(a, b)| a != b).count() == 1)
}

/// Whether a value agrees in any system that both have.
fn identifiers(a: &Record, b: &Record) -> Option<u8> {
    let mut level = None;
    for (system, value) in &a.identifiers {
        for (other, theirs) in &b.identifiers {
            if system == other {
                level = level.max(Some(u8::from(value == theirs)));
            }
        }
    }
    level
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_in_dates_are_told_apart() {
        let date = |text| Date::parse(text).expect("a date");
        let against = |text| dates(date("1980-02-11"), date(text));
        assert_eq!(against("1980-02-11"), 3);
        assert_eq!(against("1980-11-02"), 2);
        assert_eq!(against("1981-02-11"), 1);
        assert_eq!(against("1981-02-12"), 0);
    }

    #[test]
    fn names_have_levels_and_what_is_missing_has_none() {
        assert_eq!(names("martha", "martha"), 3);
        assert_eq!(names("martha", "marhta"), 2);
        assert_eq!(names("dwayne", "duane"), 0);
        assert_eq!(names("michele", "michal"), 1);
        assert_eq!(best(&[], &["a".into()], names), None);
        assert_eq!(
            best(&["b".into(), "a".into()], &["a".into()], names),
            Some(3)
        );
    }
}
