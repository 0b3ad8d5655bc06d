//! Dates, times and date-times as precise as they are written.

use std::cmp::Ordering;
use std::fmt;

use chrono::{Days, Months, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta};

/// Which of FHIRPath's three types.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sort {
    Date,
    DateTime,
    Time,
}

/// How much is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Precision {
    Year,
    Month,
    Day,
    Hour,
    Minute,
    Second,
    /// Digits of the fraction of a second, one to nine.
    Fraction(u8),
}

/// A point or stretch of time. What is not written stands at its lowest value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Temporal {
    pub(crate) sort: Sort,
    pub(crate) at: NaiveDateTime,
    pub(crate) precision: Precision,
    pub(crate) offset: Option<Offset>,
}

/// The distance of a clock from UTC, as it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Offset {
    /// `Z`
    Zulu,
    /// Minutes east of UTC.
    East(i32),
}

impl Offset {
    fn minutes(self) -> i32 {
        match self {
            Self::Zulu => 0,
            Self::East(minutes) => minutes,
        }
    }
}

/// The day on which times of day are put.
pub(crate) const ANY_DAY: NaiveDate = NaiveDate::from_ymd_opt(2000, 1, 1).expect("a day");

/// Offsets reach from -12:00 to +14:00.
const OFFSETS: i64 = 26 * 60;

impl Temporal {
    /// Reads `2020`, `2020-05`, `2020-05-01` or these with a time; `T` at the end makes a
    /// date-time of a date, as in FHIRPath's literals.
    pub(crate) fn date_or_date_time(text: &str) -> Option<Self> {
        let (date, time) = match text.split_once('T') {
            Some((date, time)) => (date, Some(time)),
            None => (text, None),
        };
        let (date, mut precision) = parse_date(date)?;
        let Some(time) = time else {
            return Some(Self {
                sort: Sort::Date,
                at: date.and_time(NaiveTime::MIN),
                precision,
                offset: None,
            });
        };
        let (time, offset) = split_offset(time)?;
        let mut clock = NaiveTime::MIN;
        if !time.is_empty() {
            if precision != Precision::Day {
                return None;
            }
            (clock, precision) = parse_time(time)?;
        } else if offset.is_some() {
            return None;
        }
        Some(Self {
            sort: Sort::DateTime,
            at: date.and_time(clock),
            precision,
            offset,
        })
    }

    /// Reads `12`, `12:30`, `12:30:00` or `12:30:00.000`.
    pub(crate) fn time(text: &str) -> Option<Self> {
        let (clock, precision) = parse_time(text)?;
        Some(Self {
            sort: Sort::Time,
            at: ANY_DAY.and_time(clock),
            precision,
            offset: None,
        })
    }

    /// Reads a value of a FHIR type.
    pub(crate) fn of_type(text: &str, kind: &str) -> Option<Self> {
        match kind {
            "date" => Self::date_or_date_time(text).filter(|read| read.sort == Sort::Date),
            "dateTime" | "instant" => Self::date_or_date_time(text).map(|read| Self {
                sort: Sort::DateTime,
                ..read
            }),
            "time" => Self::time(text),
            _ => None,
        }
    }

    /// The name of the FHIR type.
    pub(crate) fn type_name(&self) -> &'static str {
        match self.sort {
            Sort::Date => "date",
            Sort::DateTime => "dateTime",
            Sort::Time => "time",
        }
    }

    /// The point on the line of UTC; `None` when the offset is not known.
    pub(crate) fn utc(&self) -> Option<NaiveDateTime> {
        let offset = TimeDelta::minutes(i64::from(self.offset?.minutes()));
        self.at.checked_sub_signed(offset)
    }

    /// FHIRPath's comparison: component by component; `None` (empty) when one value is written
    /// less precisely than needed to tell, or when an unknown offset could decide.
    pub(crate) fn compare(&self, other: &Self) -> Option<Ordering> {
        if (self.sort == Sort::Time) != (other.sort == Sort::Time) {
            return None;
        }
        let clocks = self.precision > Precision::Day && other.precision > Precision::Day;
        let (mut a, mut b) = (self.at, other.at);
        match (self.offset, other.offset) {
            (Some(_), Some(_)) if clocks => (a, b) = (self.utc()?, other.utc()?),
            (Some(_), None) | (None, Some(_)) if clocks => {
                let apart = a.signed_duration_since(b).num_minutes().abs();
                if apart <= OFFSETS {
                    return None;
                }
            }
            _ => {}
        }
        let (p, q) = (self.precision, other.precision);
        let coarser = Ord::min(p, q);
        match truncate(a, coarser).cmp(&truncate(b, coarser)) {
            // Seconds and their fraction are one component.
            Ordering::Equal if p == q || coarser >= Precision::Second => Some(a.cmp(&b)),
            Ordering::Equal => None,
            decided => Some(decided),
        }
    }

    /// Adds `count` calendar units; `None` outside the calendar.
    pub(crate) fn plus(&self, count: i64, unit: Unit) -> Option<Self> {
        // A unit finer than what is written counts in units of what is written: whole ones.
        let (count, unit) = match (self.precision, unit) {
            (Precision::Year, Unit::Month) => (count / 12, Unit::Year),
            (Precision::Year, Unit::Week) => (count.checked_mul(7)? / 365, Unit::Year),
            (Precision::Year, Unit::Day) => (count / 365, Unit::Year),
            (Precision::Month, Unit::Week) => (count.checked_mul(7)? / 30, Unit::Month),
            (Precision::Month, Unit::Day) => (count / 30, Unit::Month),
            (_, unit) => (count, unit),
        };
        let at = match unit {
            Unit::Year => months(self.at, count.checked_mul(12)?)?,
            Unit::Month => months(self.at, count)?,
            Unit::Week => days(self.at, count.checked_mul(7)?)?,
            Unit::Day => days(self.at, count)?,
            Unit::Millisecond(each) => {
                if self.sort == Sort::Date {
                    return None;
                }
                let milliseconds = TimeDelta::try_milliseconds(count.checked_mul(each)?)?;
                self.at.checked_add_signed(milliseconds)?
            }
        };
        let at = match self.sort {
            Sort::Time => ANY_DAY.and_time(at.time()),
            _ => truncate(at, self.precision),
        };
        (0..=9999)
            .contains(&chrono::Datelike::year(&at))
            .then_some(Self { at, ..*self })
    }
}

/// A unit of the calendar; everything below a day in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    Year,
    Month,
    Week,
    Day,
    Millisecond(i64),
}

fn months(at: NaiveDateTime, count: i64) -> Option<NaiveDateTime> {
    let months = Months::new(u32::try_from(count.unsigned_abs()).ok()?);
    if count < 0 {
        at.checked_sub_months(months)
    } else {
        at.checked_add_months(months)
    }
}

fn days(at: NaiveDateTime, count: i64) -> Option<NaiveDateTime> {
    let days = Days::new(count.unsigned_abs());
    if count < 0 {
        at.checked_sub_days(days)
    } else {
        at.checked_add_days(days)
    }
}

fn truncate(at: NaiveDateTime, precision: Precision) -> NaiveDateTime {
    use chrono::{Datelike as _, Timelike as _};
    let date = at.date();
    let first = |date: NaiveDate| date.with_day(1).unwrap_or(date);
    let date = match precision {
        Precision::Year => first(date).with_month(1).unwrap_or(date),
        Precision::Month => first(date),
        _ => date,
    };
    let time = at.time();
    let (hour, minute, second) = (time.hour(), time.minute(), time.second());
    let time = match precision {
        Precision::Year | Precision::Month | Precision::Day => NaiveTime::MIN,
        Precision::Hour => clock(hour, 0, 0).unwrap_or(time),
        Precision::Minute => clock(hour, minute, 0).unwrap_or(time),
        Precision::Second => clock(hour, minute, second).unwrap_or(time),
        Precision::Fraction(_) => time,
    };
    date.and_time(time)
}

fn clock(hour: u32, minute: u32, second: u32) -> Option<NaiveTime> {
    NaiveTime::from_hms_opt(hour, minute, second)
}

/// Exactly `digits` digits.
fn digits(text: &str, digits: usize) -> Option<u32> {
    let all = text.len() == digits && text.bytes().all(|b| b.is_ascii_digit());
    all.then(|| text.parse().ok()).flatten()
}

fn parse_date(text: &str) -> Option<(NaiveDate, Precision)> {
    let mut parts = text.split('-');
    let year = i32::try_from(digits(parts.next()?, 4)?).ok()?;
    let (month, day) = (parts.next(), parts.next());
    if parts.next().is_some() {
        return None;
    }
    let precision = match (month, day) {
        (None, _) => Precision::Year,
        (_, None) => Precision::Month,
        _ => Precision::Day,
    };
    let two = |part: Option<&str>| part.map_or(Some(1), |part| digits(part, 2));
    NaiveDate::from_ymd_opt(year, two(month)?, two(day)?).map(|date| (date, precision))
}

fn parse_time(text: &str) -> Option<(NaiveTime, Precision)> {
    let (text, fraction) = match text.split_once('.') {
        Some((text, fraction)) => (text, Some(fraction)),
        None => (text, None),
    };
    let mut parts = text.split(':');
    let hour = digits(parts.next()?, 2)?;
    let (minute, second) = (parts.next(), parts.next());
    if parts.next().is_some() || (fraction.is_some() && second.is_none()) {
        return None;
    }
    let two = |part: Option<&str>| part.map_or(Some(0), |part| digits(part, 2));
    let mut precision = match (minute, second) {
        (None, _) => Precision::Hour,
        (_, None) => Precision::Minute,
        _ => Precision::Second,
    };
    let mut nanoseconds = 0;
    if let Some(fraction) = fraction {
        let written = fraction.len();
        if written == 0 || !fraction.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let kept = &fraction[..written.min(9)];
        nanoseconds = format!("{kept:0<9}").parse().ok()?;
        precision = Precision::Fraction(u8::try_from(kept.len()).ok()?);
    }
    // A leap second is read as the second before it.
    let second = two(second)?;
    let second = if second == 60 { 59 } else { second };
    let time = NaiveTime::from_hms_nano_opt(hour, two(minute)?, second, nanoseconds)?;
    Some((time, precision))
}

/// The text before an offset, and the offset.
fn split_offset(text: &str) -> Option<(&str, Option<Offset>)> {
    if let Some(clock) = text.strip_suffix('Z') {
        return Some((clock, Some(Offset::Zulu)));
    }
    let Some(at) = text.find(['+', '-']) else {
        return Some((text, None));
    };
    let (clock, offset) = text.split_at(at);
    let (hours, minutes) = offset[1..].split_once(':')?;
    let (hours, minutes) = (digits(hours, 2)?, digits(minutes, 2)?);
    if hours > 14 || minutes > 59 {
        return None;
    }
    let minutes = i32::try_from(hours * 60 + minutes).ok()?;
    let east = !offset.starts_with('-');
    Some((
        clock,
        Some(Offset::East(if east { minutes } else { -minutes })),
    ))
}

impl fmt::Display for Temporal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let date = match self.precision {
            Precision::Year => "%Y",
            Precision::Month => "%Y-%m",
            _ => "%Y-%m-%d",
        };
        if self.sort != Sort::Time {
            write!(f, "{}", self.at.format(date))?;
        }
        if self.sort == Sort::DateTime && self.precision > Precision::Day {
            f.write_str("T")?;
        }
        match self.precision {
            Precision::Year | Precision::Month | Precision::Day => {}
            Precision::Hour => write!(f, "{}", self.at.format("%H"))?,
            Precision::Minute => write!(f, "{}", self.at.format("%H:%M"))?,
            Precision::Second => write!(f, "{}", self.at.format("%H:%M:%S"))?,
            Precision::Fraction(digits) => {
                let nanoseconds = self.at.and_utc().timestamp_subsec_nanos();
                let fraction = format!("{nanoseconds:09}");
                let fraction = &fraction[..usize::from(digits)];
                write!(f, "{}.{fraction}", self.at.format("%H:%M:%S"))?;
            }
        }
        match self.offset {
            None => Ok(()),
            Some(Offset::Zulu) => f.write_str("Z"),
            Some(Offset::East(offset)) => {
                let sign = if offset < 0 { '-' } else { '+' };
                let minutes = offset.unsigned_abs();
                write!(f, "{sign}{:02}:{:02}", minutes / 60, minutes % 60)
            }
        }
    }
}
