//! FHIR `date`, `dateTime` and `instant` of every precision.
//!
//! <https://hl7.org/fhir/R4/datatypes.html#dateTime>: `YYYY`, `YYYY-MM`, `YYYY-MM-DD` and
//! `YYYY-MM-DDThh:mm:ss(.f+)(Z|±hh:mm)`.

use chrono::NaiveDate;

const MICROS_PER_SECOND: i64 = 1_000_000;
const SECONDS_PER_DAY: i64 = 86_400;

/// What a FHIR date says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Moment {
    /// First day of the stated period, in the zone it was stated in; days since 1970-01-01.
    pub(crate) day: i32,
    /// Microseconds since 1970-01-01T00:00Z; only when a time with its zone is given.
    pub(crate) at: Option<i64>,
}

/// Not a day of the calendar, or not a form that FHIR allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Impossible;

impl Moment {
    /// Reads a date. Beyond FHIR's own forms: a blank for the `T`, seconds left out, and a time
    /// without zone, which gives the day alone.
    pub(crate) fn parse(text: &str) -> Result<Self, Impossible> {
        let bytes = text.as_bytes();
        let year = number(bytes, 0, 4)?;
        let month = match bytes.get(4) {
            None => 1,
            Some(b'-') => number(bytes, 5, 2)?,
            Some(_) => return Err(Impossible),
        };
        let date = match bytes.get(7) {
            None => 1,
            Some(b'-') => number(bytes, 8, 2)?,
            Some(_) => return Err(Impossible),
        };
        if year == 0 {
            return Err(Impossible);
        }
        let years = i32::try_from(year).map_err(|_| Impossible)?;
        let day = NaiveDate::from_ymd_opt(years, month, date)
            .ok_or(Impossible)?
            .to_epoch_days();
        let at = match bytes.get(10) {
            None => None,
            Some(b'T' | b't' | b' ') => time(bytes.get(11..).unwrap_or_default(), day)?,
            Some(_) => return Err(Impossible),
        };
        Ok(Self { day, at })
    }
}

/// `hh:mm(:ss(.f+))(zone)`.
fn time(bytes: &[u8], day: i32) -> Result<Option<i64>, Impossible> {
    let hour = number(bytes, 0, 2)?;
    separator(bytes, 2)?;
    let minute = number(bytes, 3, 2)?;
    let mut zone_at = 5;
    let (mut second, mut micros) = (0, 0);
    if bytes.get(5) == Some(&b':') {
        second = number(bytes, 6, 2)?;
        zone_at = 8;
        if bytes.get(8) == Some(&b'.') {
            let fraction = bytes[9..].iter().take_while(|b| b.is_ascii_digit());
            let length = fraction.clone().count();
            if length == 0 {
                return Err(Impossible);
            }
            // Digits after the sixth are below the resolution of the lake.
            let padded = fraction
                .map(|b| i64::from(b - b'0'))
                .chain(std::iter::repeat(0));
            micros = padded.take(6).fold(0, |sum, digit| sum * 10 + digit);
            zone_at = 9 + length;
        }
    }
    // FHIR allows the leap second.
    if hour > 23 || minute > 59 || second > 60 {
        return Err(Impossible);
    }
    let Some(offset) = zone(bytes.get(zone_at..).unwrap_or_default())? else {
        return Ok(None);
    };
    let clock = i64::from(hour * 3600 + minute * 60 + second);
    let seconds = i64::from(day) * SECONDS_PER_DAY + clock - offset;
    Ok(Some(seconds * MICROS_PER_SECOND + micros))
}

/// Seconds east of Greenwich; `None` when no zone is given.
fn zone(bytes: &[u8]) -> Result<Option<i64>, Impossible> {
    let sign = match bytes {
        [] => return Ok(None),
        b"Z" | b"z" => return Ok(Some(0)),
        [b'+', ..] => 1,
        [b'-', ..] => -1,
        _ => return Err(Impossible),
    };
    let hours = number(bytes, 1, 2)?;
    let minutes = match bytes.len() {
        3 => 0,
        5 => number(bytes, 3, 2)?,
        6 => {
            separator(bytes, 3)?;
            number(bytes, 4, 2)?
        }
        _ => return Err(Impossible),
    };
    if hours > 14 || minutes > 59 {
        return Err(Impossible);
    }
    Ok(Some(sign * i64::from(hours * 3600 + minutes * 60)))
}

fn separator(bytes: &[u8], at: usize) -> Result<(), Impossible> {
    if bytes.get(at) == Some(&b':') {
        Ok(())
    } else {
        Err(Impossible)
    }
}

/// `length` digits at `at`.
fn number(bytes: &[u8], at: usize, length: usize) -> Result<u32, Impossible> {
    let digits = bytes.get(at..at + length).ok_or(Impossible)?;
    digits.iter().try_fold(0, |sum, digit| {
        digit
            .is_ascii_digit()
            .then(|| sum * 10 + u32::from(digit - b'0'))
            .ok_or(Impossible)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(year: i32, month: u32, date: u32) -> i32 {
        NaiveDate::from_ymd_opt(year, month, date)
            .expect("a day")
            .to_epoch_days()
    }

    #[test]
    fn every_precision_becomes_the_first_day_of_its_period() {
        for (text, expected) in [
            ("1970", 0),
            ("2021", day(2021, 1, 1)),
            ("2021-03", day(2021, 3, 1)),
            ("2020-02-29", day(2020, 2, 29)),
            ("0001-01-01", day(1, 1, 1)),
            ("9999-12-31", day(9999, 12, 31)),
            ("2021-03-04T23:59", day(2021, 3, 4)),
            ("2021-03-04T23:59:59", day(2021, 3, 4)),
        ] {
            let moment = Moment::parse(text);
            assert_eq!(
                moment,
                Ok(Moment {
                    day: expected,
                    at: None
                }),
                "{text}"
            );
        }
    }

    #[test]
    fn the_day_is_the_stated_one_and_the_instant_is_in_utc() {
        for (text, expected, at) in [
            ("1970-01-01T00:00:00Z", 0, 0),
            ("1970-01-01T00:00:00.000001Z", 0, 1),
            ("1970-01-01T00:00:00.1234567899+00:00", 0, 123_456),
            (
                "1970-01-01T23:30:00-04:00",
                0,
                27 * 3_600_000_000 + 1_800_000_000,
            ),
            ("1970-01-01T01:00:00+02:00", 0, -3_600_000_000),
            ("1970-01-01 00:00:60Z", 0, 60_000_000),
            ("1970-01-01T00:01z", 0, 60_000_000),
            ("1970-01-01T00:00:00+0530", 0, -19_800_000_000),
        ] {
            let moment = Moment::parse(text);
            assert_eq!(
                moment,
                Ok(Moment {
                    day: expected,
                    at: Some(at)
                }),
                "{text}"
            );
        }
    }

    #[test]
    fn impossible_dates_are_refused() {
        for text in [
            "",
            "2021-02-30",
            "2021-13",
            "2021-00-01",
            "2021-02-29",
            "0000",
            "21-01-01",
            "2021-1-1",
            "20210101",
            "2021/01/01",
            "01.02.2021",
            "unknown",
            "2021-",
            "2021-01-",
            "2021-01-01T",
            "2021-01-01T24:00:00Z",
            "2021-01-01T10",
            "2021-01-01T10:61:00Z",
            "2021-01-01T10:00:61Z",
            "2021-01-01T10:00:00.Z",
            "2021-01-01T10:00:00+15:00",
            "2021-01-01T10:00:00X",
            "2021-01-01X",
            "2021-01-01T10:00:00+1",
            "２０２１",
            "2021-01-01T10:00:00Zjunk",
            "+2021",
            "-2021",
        ] {
            assert_eq!(Moment::parse(text), Err(Impossible), "{text}");
        }
    }
}
