//! Where the fictitious persons live and what they are called.

/// A state: USPS code, resident population in thousands (Census 2020), and a range of three-digit
/// ZIP prefixes it uses.
pub(crate) struct State {
    pub(crate) code: &'static str,
    pub(crate) thousands: u32,
    pub(crate) zip3: (u16, u16),
}

macro_rules! states {
    ($($code:literal $thousands:literal $low:literal $high:literal;)+) => {
        pub(crate) static STATES: &[State] = &[$(State { code: $code, thousands: $thousands, zip3: ($low, $high) }),+];
    };
}

states! {
    "AL" 5024 354 369; "AK" 733 995 999; "AZ" 7152 850 853; "AR" 3012 716 729; "CA" 39538 910 928;
    "CO" 5774 800 816; "CT" 3606 60 69; "DE" 990 197 199; "DC" 690 200 200; "FL" 21538 320 339;
    "GA" 10712 300 319; "HI" 1455 967 968; "ID" 1839 832 838; "IL" 12813 600 620; "IN" 6786 460 479;
    "IA" 3190 500 516; "KS" 2938 664 679; "KY" 4506 400 409; "LA" 4658 703 708; "ME" 1362 39 49;
    "MD" 6177 206 212; "MA" 7030 10 27; "MI" 10077 480 499; "MN" 5706 553 567; "MS" 2961 386 397;
    "MO" 6155 644 658; "MT" 1084 590 599; "NE" 1962 683 693; "NV" 3105 889 891; "NH" 1378 30 38;
    "NJ" 9289 70 89; "NM" 2118 877 884; "NY" 20201 100 149; "NC" 10439 270 289; "ND" 779 580 588;
    "OH" 11799 430 459; "OK" 3959 734 741; "OR" 4237 970 979; "PA" 13003 150 196; "RI" 1097 28 29;
    "SC" 5118 290 299; "SD" 887 570 577; "TN" 6911 370 385; "TX" 29146 772 799; "UT" 3272 840 847;
    "VT" 643 56 59; "VA" 8631 220 246; "WA" 7705 980 986; "WV" 1794 247 268; "WI" 5894 537 549;
    "WY" 577 820 831;
}

/// Invented towns.
pub(crate) static TOWNS: &[&str] = &[
    "Alderwick",
    "Brackenford",
    "Coppermere",
    "Dunhollow",
    "Elmsby",
    "Fernleigh",
    "Gorsefield",
    "Hawthorne Bay",
    "Ivybridge Falls",
    "Juniper Cross",
    "Kestrel Point",
    "Larkmoor",
    "Marshgate",
    "Nettleham",
    "Otterbrook",
    "Pinewick",
];

/// Invented streets.
pub(crate) static STREETS: &[&str] = &[
    "Acorn Lane",
    "Birch Row",
    "Clover Street",
    "Dogwood Avenue",
    "Elder Way",
    "Foxglove Court",
    "Gentian Road",
    "Heather Close",
    "Iris Terrace",
    "Jasmine Drive",
    "Kingfisher Street",
    "Lupin Lane",
];

/// Family names that hardly anyone bears.
pub(crate) static FAMILIES: &[&str] = &[
    "Amberhollow",
    "Birchwren",
    "Cindervale",
    "Dewsparrow",
    "Emberlock",
    "Fallowmere",
    "Glimmerstone",
    "Harrowfinch",
    "Inkwell-Moss",
    "Jasperlight",
    "Kettlebrook",
    "Lanternby",
    "Mistlethorn",
    "Nightjarson",
    "Oakenshaw-Reed",
    "Pebblewick",
    "Quillfeather",
    "Rookhaven",
    "Silverbeck",
    "Thistledown",
    "Umberfield",
    "Velvetpine",
    "Willowmark",
    "Yarrowgate",
];

/// Given names, first of women, then of men.
pub(crate) static GIVEN: [&[&str]; 2] = [
    &[
        "Adelie", "Brisa", "Calla", "Delphine", "Elowen", "Fiora", "Ginevra", "Honora", "Isaura",
        "Junia", "Kerensa", "Linnea",
    ],
    &[
        "Alaric", "Bastian", "Corvin", "Dorian", "Emeric", "Florian", "Gideon", "Hadrian", "Ivo",
        "Jory", "Kelvin", "Leander",
    ],
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn fifty_states_and_the_district_with_prefixes_that_do_not_overlap() {
        assert_eq!(
            STATES
                .iter()
                .map(|state| state.code)
                .collect::<HashSet<_>>()
                .len(),
            51
        );
        let mut prefixes = HashSet::new();
        for state in STATES {
            assert!(
                (state.zip3.0..=state.zip3.1).all(|prefix| prefixes.insert(prefix)),
                "{}",
                state.code
            );
        }
    }
}
