//! Times of entries: seconds since 1970-01-01T00:00:00Z, and the days and months they fall in, in UTC.

use chrono::{DateTime, NaiveDate, NaiveTime, Utc};

use crate::error::{Error, Result};

const DAY: u64 = 24 * 60 * 60;

/// `2026-01-31T12:00:00Z`. Seconds that no calendar has are written as a number.
pub fn instant(seconds: u64) -> String {
    show(seconds, "%Y-%m-%dT%H:%M:%SZ")
}

/// `2026-01-31`.
pub fn day(seconds: u64) -> String {
    show(seconds, "%Y-%m-%d")
}

/// `2026-01`.
pub fn month(seconds: u64) -> String {
    show(seconds, "%Y-%m")
}

fn show(seconds: u64, format: &str) -> String {
    let known = i64::try_from(seconds)
        .ok()
        .and_then(|seconds| DateTime::<Utc>::from_timestamp(seconds, 0));
    known.map_or_else(
        || format!("second {seconds}"),
        |time| time.format(format).to_string(),
    )
}

/// The first second of a period: that of the day `2026-01-31`, or the instant `2026-01-31T12:00:00+01:00`.
///
/// # Errors
///
/// [`Error::Time`] for anything else, and for times before 1970.
pub fn since(text: &str) -> Result<u64> {
    match date(text) {
        Some(date) => Some(date),
        None => rfc3339(text),
    }
    .ok_or_else(|| Error::Time(text.to_owned()))
}

/// The first second after a period: that after the end of the day `2026-01-31`, or the instant `2026-01-31T12:00:00+01:00` itself.
///
/// # Errors
///
/// As [`since`].
pub fn until(text: &str) -> Result<u64> {
    match date(text) {
        Some(date) => date.checked_add(DAY),
        None => rfc3339(text),
    }
    .ok_or_else(|| Error::Time(text.to_owned()))
}

/// First second of the year `2026`, the quarter `2026-Q3` or the month `2026-10`, and the first one after it.
///
/// # Errors
///
/// [`Error::Period`] for anything else, and for times before 1970.
pub fn period(text: &str) -> Result<(u64, u64)> {
    months(text)
        .and_then(|(year, first, after)| {
            let (next_year, after) = match after {
                13 => (year.checked_add(1)?, 1),
                after => (year, after),
            };
            Some((month_begins(year, first)?, month_begins(next_year, after)?))
        })
        .ok_or_else(|| Error::Period(text.to_owned()))
}

/// Year, first month and the month after the last.
fn months(text: &str) -> Option<(i32, u32, u32)> {
    let (year, part) = match text.split_once('-') {
        Some((year, part)) => (year, Some(part)),
        None => (text, None),
    };
    let digits = |text: &str, many: usize| {
        let plain = text.len() == many && text.bytes().all(|byte| byte.is_ascii_digit());
        plain.then(|| text.parse::<u32>().ok()).flatten()
    };
    let year = i32::try_from(digits(year, 4)?).ok()?;
    Some(match part {
        None => (year, 1, 13),
        Some("Q1") => (year, 1, 4),
        Some("Q2") => (year, 4, 7),
        Some("Q3") => (year, 7, 10),
        Some("Q4") => (year, 10, 13),
        Some(month) => {
            let month = digits(month, 2)?;
            (year, month, month.checked_add(1)?)
        }
    })
}

fn month_begins(year: i32, month: u32) -> Option<u64> {
    let first = NaiveDate::from_ymd_opt(year, month, 1)?;
    u64::try_from(first.and_time(NaiveTime::MIN).and_utc().timestamp()).ok()
}

fn date(text: &str) -> Option<u64> {
    let date = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?;
    u64::try_from(date.and_time(NaiveTime::MIN).and_utc().timestamp()).ok()
}

fn rfc3339(text: &str) -> Option<u64> {
    let time = DateTime::parse_from_rfc3339(text).ok()?;
    u64::try_from(time.timestamp()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_begins_at_midnight_and_ends_before_the_next() {
        assert_eq!(
            instant(since("2026-01-31").unwrap()),
            "2026-01-31T00:00:00Z"
        );
        assert_eq!(
            instant(until("2026-01-31").unwrap()),
            "2026-02-01T00:00:00Z"
        );
        assert_eq!(
            instant(until("2024-02-28").unwrap()),
            "2024-02-29T00:00:00Z"
        );
    }

    #[test]
    fn an_instant_is_taken_as_it_is_in_its_zone() {
        let noon = since("2026-01-31T12:00:00+01:00").unwrap();
        assert_eq!(instant(noon), "2026-01-31T11:00:00Z");
        assert_eq!(until("2026-01-31T11:00:00Z").unwrap(), noon);
    }

    #[test]
    fn nothing_else_is_a_time() {
        for text in [
            "",
            "yesterday",
            "2026-13-01",
            "2026-02-30",
            "31.01.2026",
            "1969-12-31",
        ] {
            assert_eq!(since(text), Err(Error::Time(text.to_owned())));
            assert!(until(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_period_is_a_year_a_quarter_or_a_month() {
        for (text, first, after) in [
            ("2026", "2026-01-01", "2027-01-01"),
            ("2026-Q1", "2026-01-01", "2026-04-01"),
            ("2026-Q3", "2026-07-01", "2026-10-01"),
            ("2026-Q4", "2026-10-01", "2027-01-01"),
            ("2024-02", "2024-02-01", "2024-03-01"),
            ("2026-12", "2026-12-01", "2027-01-01"),
        ] {
            let (since, until) = period(text).unwrap();
            assert_eq!((day(since), day(until)), (first.into(), after.into()));
        }
        for text in [
            "",
            "26",
            "2026-",
            "2026-Q0",
            "2026-Q5",
            "2026-q3",
            "2026-00",
            "2026-13",
            "2026-1",
            "2026-+1",
            "1969",
            "1969-12",
            "2026-10-01",
            "2026-Q3-",
        ] {
            assert_eq!(period(text), Err(Error::Period(text.to_owned())), "{text}");
        }
    }

    #[test]
    fn months_and_seconds_without_a_calendar() {
        assert_eq!(month(0), "1970-01");
        assert_eq!(day(DAY), "1970-01-02");
        assert_eq!(instant(u64::MAX), "second 18446744073709551615");
    }
}
