//! Days and instants. Everything is UTC, so that a date and an instant of one event never disagree
//! about the day.

use chrono::{Datelike, NaiveDate};

/// A calendar day, counted from 1970-01-01.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(pub i32);

/// A minute of a day, UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant {
    /// The day.
    pub day: Day,
    /// Minutes since midnight, below 1440.
    pub minute: u16,
}

const EPOCH_FROM_CE: i32 = 719_163;

impl Day {
    /// The day of a calendar date.
    pub fn of(date: NaiveDate) -> Self {
        Self(date.num_days_from_ce() - EPOCH_FROM_CE)
    }

    /// Year, month and day of month in the Gregorian calendar (Hinnant, "chrono-compatible
    /// low-level date algorithms").
    pub fn civil(self) -> (i32, u32, u32) {
        let shifted = self.0 + 719_468;
        let era = shifted.div_euclid(146_097);
        let of_era = shifted.rem_euclid(146_097);
        let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted_month = (5 * of_year + 2) / 153;
        let day = of_year - (153 * shifted_month + 2) / 5 + 1;
        let month = if shifted_month < 10 {
            shifted_month + 3
        } else {
            shifted_month - 9
        };
        let year = year_of_era + era * 400 + i32::from(month <= 2);
        (year, month.unsigned_abs(), day.unsigned_abs())
    }

    /// The day `days` later (earlier when negative).
    #[must_use]
    pub fn plus(self, days: i32) -> Self {
        Self(self.0 + days)
    }

    /// The same calendar day `years` earlier; 29 February becomes 28 February where there is none.
    #[must_use]
    pub fn years_before(self, years: u32) -> Self {
        let (year, month, day) = self.civil();
        let target = year - i32::try_from(years).unwrap_or(i32::MAX / 2).min(10_000);
        let date = NaiveDate::from_ymd_opt(target, month, day)
            .or_else(|| NaiveDate::from_ymd_opt(target, month, 28));
        date.map_or(self, Self::of)
    }

    /// The first of a month.
    pub(crate) fn first_of(year: i32, month: u32) -> Self {
        NaiveDate::from_ymd_opt(year, month, 1).map_or(Self(0), Self::of)
    }

    /// `YYYY-MM-DD`, as ten ASCII bytes.
    pub(crate) fn ascii(self) -> [u8; 10] {
        let (year, month, day) = self.civil();
        let year = year.unsigned_abs();
        let mut text = *b"0000-00-00";
        put(&mut text[0..4], year);
        put(&mut text[5..7], month);
        put(&mut text[8..10], day);
        text
    }
}

impl Instant {
    /// The instant `minutes` later.
    #[must_use]
    pub fn plus_minutes(self, minutes: u32) -> Self {
        let total = u32::from(self.minute) + minutes;
        let days = i32::try_from(total / 1440).unwrap_or(i32::MAX);
        Self {
            day: self.day.plus(days),
            minute: u16::try_from(total % 1440).unwrap_or(0),
        }
    }

    /// Microseconds since 1970-01-01T00:00:00Z.
    pub fn micros(self) -> i64 {
        (i64::from(self.day.0) * 1440 + i64::from(self.minute)) * 60_000_000
    }

    /// `YYYY-MM-DDThh:mm:00Z`, as twenty ASCII bytes.
    pub(crate) fn ascii(self) -> [u8; 20] {
        let mut text = *b"0000-00-00T00:00:00Z";
        text[0..10].copy_from_slice(&self.day.ascii());
        put(&mut text[11..13], u32::from(self.minute / 60));
        put(&mut text[14..16], u32::from(self.minute % 60));
        text
    }
}

fn put(slot: &mut [u8], mut number: u32) {
    for digit in slot.iter_mut().rev() {
        *digit = b'0' + u8::try_from(number % 10).unwrap_or(0);
        number /= 10;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn civil_dates_agree_with_chrono_over_two_centuries() {
        for number in -40_000..40_000 {
            let day = Day(number);
            let date = NaiveDate::from_num_days_from_ce_opt(number + EPOCH_FROM_CE).unwrap();
            assert_eq!(day.civil(), (date.year(), date.month(), date.day()));
            assert_eq!(Day::of(date), day);
            assert_eq!(std::str::from_utf8(&day.ascii()).unwrap(), date.to_string());
        }
    }

    #[test]
    fn an_instant_rolls_over_midnight() {
        let late = Instant {
            day: Day(0),
            minute: 1439,
        };
        assert_eq!(&late.plus_minutes(2).ascii(), b"1970-01-02T00:01:00Z");
        assert_eq!(late.plus_minutes(2).micros(), (86_400 + 60) * 1_000_000);
    }

    #[test]
    fn leap_day_steps_back_to_the_end_of_february() {
        let leap = Day::of(NaiveDate::from_ymd_opt(2024, 2, 29).unwrap());
        assert_eq!(leap.years_before(3).civil(), (2021, 2, 28));
        assert_eq!(leap.years_before(4).civil(), (2020, 2, 29));
    }
}
