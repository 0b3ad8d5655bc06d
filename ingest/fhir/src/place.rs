//! States and postal codes: what an address says without naming a house.

/// An address without a country is taken for an American one.
fn is_american(country: Option<&str>) -> bool {
    country.is_none_or(|country| {
        matches!(
            country.to_ascii_uppercase().as_str(),
            "US" | "USA" | "840" | "UNITED STATES" | "UNITED STATES OF AMERICA"
        )
    })
}

/// The USPS code of a US state or territory given by name or code.
/// <https://pe.usps.com/text/pub28/28apb.htm>
pub(crate) fn usps(state: Option<&str>, country: Option<&str>) -> Option<&'static str> {
    // WA is Washington here and Western Australia there.
    let state = state.filter(|_| is_american(country))?;
    let state = state.trim().to_ascii_uppercase();
    // ISO 3166-2 writes US-MA.
    let state = state.strip_prefix("US-").unwrap_or(&state);
    let found = STATES
        .iter()
        .find(|(code, name)| *code == state || *name == state);
    found.map(|(code, _)| *code)
}

/// The first three digits of a US zip code (five digits, nine, or three already).
pub(crate) fn postal3(code: Option<&str>, country: Option<&str>) -> Option<String> {
    let code = code.filter(|_| is_american(country))?;
    let digits = match code.as_bytes() {
        [zip @ .., b'-', _, _, _, _] if zip.len() == 5 => &code[..5],
        _ if matches!(code.len(), 3 | 5 | 9) => code,
        _ => return None,
    };
    digits
        .bytes()
        .all(|b| b.is_ascii_digit())
        .then(|| digits[..3].to_owned())
}

const STATES: [(&str, &str); 56] = [
    ("AL", "ALABAMA"),
    ("AK", "ALASKA"),
    ("AZ", "ARIZONA"),
    ("AR", "ARKANSAS"),
    ("CA", "CALIFORNIA"),
    ("CO", "COLORADO"),
    ("CT", "CONNECTICUT"),
    ("DE", "DELAWARE"),
    ("DC", "DISTRICT OF COLUMBIA"),
    ("FL", "FLORIDA"),
    ("GA", "GEORGIA"),
    ("HI", "HAWAII"),
    ("ID", "IDAHO"),
    ("IL", "ILLINOIS"),
    ("IN", "INDIANA"),
    ("IA", "IOWA"),
    ("KS", "KANSAS"),
    ("KY", "KENTUCKY"),
    ("LA", "LOUISIANA"),
    ("ME", "MAINE"),
    ("MD", "MARYLAND"),
    ("MA", "MASSACHUSETTS"),
    ("MI", "MICHIGAN"),
    ("MN", "MINNESOTA"),
    ("MS", "MISSISSIPPI"),
    ("MO", "MISSOURI"),
    ("MT", "MONTANA"),
    ("NE", "NEBRASKA"),
    ("NV", "NEVADA"),
    ("NH", "NEW HAMPSHIRE"),
    ("NJ", "NEW JERSEY"),
    ("NM", "NEW MEXICO"),
    ("NY", "NEW YORK"),
    ("NC", "NORTH CAROLINA"),
    ("ND", "NORTH DAKOTA"),
    ("OH", "OHIO"),
    ("OK", "OKLAHOMA"),
    ("OR", "OREGON"),
    ("PA", "PENNSYLVANIA"),
    ("RI", "RHODE ISLAND"),
    ("SC", "SOUTH CAROLINA"),
    ("SD", "SOUTH DAKOTA"),
    ("TN", "TENNESSEE"),
    ("TX", "TEXAS"),
    ("UT", "UTAH"),
    ("VT", "VERMONT"),
    ("VA", "VIRGINIA"),
    ("WA", "WASHINGTON"),
    ("WV", "WEST VIRGINIA"),
    ("WI", "WISCONSIN"),
    ("WY", "WYOMING"),
    ("AS", "AMERICAN SAMOA"),
    ("GU", "GUAM"),
    ("MP", "NORTHERN MARIANA ISLANDS"),
    ("PR", "PUERTO RICO"),
    ("VI", "VIRGIN ISLANDS"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_by_name_and_code() {
        assert_eq!(usps(Some("Massachusetts"), Some("US")), Some("MA"));
        assert_eq!(usps(Some("ma"), None), Some("MA"));
        assert_eq!(usps(Some("US-NY"), Some("usa")), Some("NY"));
        assert_eq!(usps(Some("Bayern"), None), None);
        assert_eq!(usps(Some("WA"), Some("AU")), None);
    }

    #[test]
    fn only_three_digits_of_an_american_zip() {
        for (code, country, expected) in [
            (Some("02138"), Some("US"), Some("021")),
            (Some("02138-1234"), None, Some("021")),
            (Some("021381234"), Some("usa"), Some("021")),
            (Some("021"), None, Some("021")),
            (Some("1234"), None, None),
            (Some("SW1A 1AA"), None, None),
            (Some("80331"), Some("DE"), None),
            (Some("0213é"), None, None),
            (Some("021é8"), None, None),
            (None, Some("US"), None),
        ] {
            assert_eq!(postal3(code, country).as_deref(), expected, "{code:?}");
        }
    }
}
