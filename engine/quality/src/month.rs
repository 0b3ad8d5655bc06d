//! Months of days.

/// Months since year 0 of a day since 1970-01-01, in the proleptic Gregorian calendar.
///
/// Source: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", `civil_from_days`.
pub(crate) fn of(day: i32) -> i32 {
    let day = i64::from(day) + 719_468;
    let era = day.div_euclid(146_097);
    let of_era = day.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    // Months from March, 0 to 11.
    let from_march = (5 * of_year + 2) / 153;
    let months = (era * 400 + year_of_era) * 12 + from_march + 2;
    i32::try_from(months).unwrap_or(i32::MAX)
}

/// As `2025-06`.
pub(crate) fn name(month: i32) -> String {
    format!(
        "{:04}-{:02}",
        month.div_euclid(12),
        month.rem_euclid(12) + 1
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_have_months() {
        for (day, month) in [
            (0, "1970-01"),
            (-1, "1969-12"),
            (59, "1970-03"),
            (58, "1970-02"),
            (11_016, "2000-02"),
            (11_017, "2000-03"),
            (20_254, "2025-06"),
            (-25_567, "1900-01"),
        ] {
            assert_eq!(name(of(day)), month, "{day}");
        }
    }
}
