//! Units as laboratories and devices write them, where that is not UCUM.
//!
//! Sources: the synonyms of LOINC's list of example UCUM units (<https://loinc.org/usage/units/>), HL7 v2 table 0338 (ISO+
//! units), and the display texts of the units that Synthea and Epic's and Cerner's test servers send.

use std::borrow::Cow;

/// Spellings that differ from another one in capitals alone.
const AS_WRITTEN: &[(&str, &str)] = &[("M/uL", "10*6/uL"), ("K/uL", "10*3/uL")];

/// Spelling in small letters and without blanks, and what it is in UCUM.
const SPELLINGS: &[(&str, &str)] = &[
    // Temperature.
    ("c", "Cel"),
    ("°c", "Cel"),
    ("degc", "Cel"),
    ("celsius", "Cel"),
    ("degreescelsius", "Cel"),
    ("degreec", "Cel"),
    ("f", "[degF]"),
    ("°f", "[degF]"),
    ("degf", "[degF]"),
    ("fahrenheit", "[degF]"),
    ("degreesfahrenheit", "[degF]"),
    ("degreef", "[degF]"),
    // Length, mass, time, volume.
    ("in", "[in_i]"),
    ("in_i", "[in_i]"),
    ("inch", "[in_i]"),
    ("inches", "[in_i]"),
    ("ft", "[ft_i]"),
    ("feet", "[ft_i]"),
    ("centimeter", "cm"),
    ("centimeters", "cm"),
    ("meter", "m"),
    ("meters", "m"),
    ("lb", "[lb_av]"),
    ("lbs", "[lb_av]"),
    ("lb_av", "[lb_av]"),
    ("pound", "[lb_av]"),
    ("pounds", "[lb_av]"),
    ("oz", "[oz_av]"),
    ("ounces", "[oz_av]"),
    ("st", "[stone_av]"),
    ("kgs", "kg"),
    ("kilogram", "kg"),
    ("kilograms", "kg"),
    ("grams", "g"),
    ("sec", "s"),
    ("secs", "s"),
    ("seconds", "s"),
    ("liters", "L"),
    ("liter", "L"),
    ("kg/m^2", "kg/m2"),
    ("kg/m²", "kg/m2"),
    ("kg/sqm", "kg/m2"),
    ("m²", "m2"),
    ("m^2", "m2"),
    // Rates and pressures.
    ("bpm", "/min"),
    ("beats/min", "/min"),
    ("beats/minute", "/min"),
    ("beat/min", "/min"),
    ("breaths/min", "/min"),
    ("breaths/minute", "/min"),
    ("resp/min", "/min"),
    ("1/min", "/min"),
    ("permin", "/min"),
    ("perminute", "/min"),
    ("mmhg", "mm[Hg]"),
    ("mm(hg)", "mm[Hg]"),
    ("mm_hg", "mm[Hg]"),
    ("torr", "mm[Hg]"),
    ("mm/hr", "mm/h"),
    ("mm/1hr", "mm/h"),
    ("l/m", "L/min"),
    ("lpm", "L/min"),
    // Concentrations.
    ("mg/dl", "mg/dL"),
    ("mg/100ml", "mg/dL"),
    ("mg%", "mg/dL"),
    ("g/dl", "g/dL"),
    ("gm/dl", "g/dL"),
    ("gms/dl", "g/dL"),
    ("gm%", "g/dL"),
    ("mcg/dl", "ug/dL"),
    ("ug/dl", "ug/dL"),
    ("mcg/l", "ug/L"),
    ("mcg/ml", "ug/mL"),
    ("ng/dl", "ng/dL"),
    ("ng/ml", "ng/mL"),
    ("pg/ml", "pg/mL"),
    ("mmol/l", "mmol/L"),
    ("mmols/l", "mmol/L"),
    ("umol/l", "umol/L"),
    ("mcmol/l", "umol/L"),
    ("nmol/l", "nmol/L"),
    ("pmol/l", "pmol/L"),
    ("meq/l", "meq/L"),
    ("mval/l", "meq/L"),
    ("mosm/kg", "mosm/kg"),
    ("mosmol/kg", "mosm/kg"),
    ("mosm/kgh2o", "mosm/kg"),
    ("mcg/mg", "ug/mg"),
    ("mg/gcreat", "mg/g"),
    ("mg/gcr", "mg/g"),
    ("mcg/mgcreat", "ug/mg"),
    ("mcg/mgcr", "ug/mg"),
    ("mg/mmolcreat", "mg/mmol"),
    ("ng/mlfeu", "ng/mL{FEU}"),
    ("ug/mlfeu", "ug/mL{FEU}"),
    ("mcg/mlfeu", "ug/mL{FEU}"),
    ("mg/lfeu", "mg/L{FEU}"),
    // Activities.
    ("iu/l", "[IU]/L"),
    ("iu/ml", "[IU]/mL"),
    ("miu/l", "m[IU]/L"),
    ("miu/ml", "m[IU]/mL"),
    ("uiu/ml", "u[IU]/mL"),
    ("mciu/ml", "u[IU]/mL"),
    ("units/l", "U/L"),
    ("unit/l", "U/L"),
    ("u/l", "U/L"),
    // Cells.
    ("k/ul", "10*3/uL"),
    ("k/mm3", "10*3/uL"),
    ("k/cumm", "10*3/uL"),
    ("thous/ul", "10*3/uL"),
    ("thousand/ul", "10*3/uL"),
    ("thou/ul", "10*3/uL"),
    ("10^3/ul", "10*3/uL"),
    ("x10^3/ul", "10*3/uL"),
    ("10e3/ul", "10*3/uL"),
    ("x10e3/ul", "10*3/uL"),
    ("x10*3/ul", "10*3/uL"),
    ("10(3)/ul", "10*3/uL"),
    ("10^9/l", "10*9/L"),
    ("x10^9/l", "10*9/L"),
    ("10e9/l", "10*9/L"),
    ("x10e9/l", "10*9/L"),
    ("x10*9/l", "10*9/L"),
    ("g/l", "g/L"),
    ("mill/ul", "10*6/uL"),
    ("mil/ul", "10*6/uL"),
    ("million/ul", "10*6/uL"),
    ("10^6/ul", "10*6/uL"),
    ("x10^6/ul", "10*6/uL"),
    ("10e6/ul", "10*6/uL"),
    ("x10e6/ul", "10*6/uL"),
    ("10^12/l", "10*12/L"),
    ("x10^12/l", "10*12/L"),
    ("10e12/l", "10*12/L"),
    ("x10e12/l", "10*12/L"),
    ("cells/ul", "/uL"),
    ("cells/mm3", "/uL"),
    ("cells/cumm", "/uL"),
    ("copies/ml", "{copies}/mL"),
    // Filtration.
    ("ml/min/1.73m2", "mL/min/{1.73_m2}"),
    ("ml/min/1.73m^2", "mL/min/{1.73_m2}"),
    ("ml/min/1.73m²", "mL/min/{1.73_m2}"),
    ("ml/min/1.73sqm", "mL/min/{1.73_m2}"),
    ("ml/min/1.73", "mL/min/{1.73_m2}"),
    ("ml/min/1.73_m2", "mL/min/{1.73_m2}"),
    ("ml/min/{1.73m2}", "mL/min/{1.73_m2}"),
    ("ml/min", "mL/min"),
    // Numbers.
    ("percent", "%"),
    ("pct", "%"),
    ("{percent}", "%"),
    ("%hb", "%"),
    ("%ofhb", "%"),
    ("%oftotalhgb", "%"),
    ("%oftotalhb", "%"),
    ("%sat", "%"),
    ("ph", "[pH]"),
    ("phunits", "[pH]"),
    ("ratio", "{ratio}"),
    ("score", "{score}"),
    ("(score)", "{score}"),
    ("points", "{score}"),
    ("inr", "{INR}"),
    ("packyears", "{PackYears}"),
    ("pack-years", "{PackYears}"),
    ("packyrs", "{PackYears}"),
];

/// What `text` is in UCUM, if it is a known spelling.
pub(crate) fn ucum(text: &str) -> Option<&'static str> {
    let text = compact(text);
    let look_up = |table: &'static [(&str, &'static str)], text: &str| {
        let found = table.iter().find(|(spelling, _)| *spelling == text);
        found.map(|(_, ucum)| *ucum)
    };
    look_up(AS_WRITTEN, &text).or_else(|| look_up(SPELLINGS, &text.to_lowercase()))
}

/// Without blanks, and with the letter u for a micro sign or a mu, as UCUM has it.
pub(crate) fn compact(text: &str) -> Cow<'_, str> {
    let odd = |letter: char| letter.is_whitespace() || matches!(letter, 'µ' | 'μ');
    if !text.contains(odd) {
        return Cow::Borrowed(text);
    }
    let plain = text.chars().filter(|letter| !letter.is_whitespace());
    let letter = |letter| if odd(letter) { 'u' } else { letter };
    Cow::Owned(plain.map(letter).collect())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::unit::Unit;

    #[test]
    fn every_spelling_is_small_and_once_and_leads_to_ucum() {
        let mut seen = BTreeSet::new();
        for (spelling, ucum) in SPELLINGS {
            assert_eq!(compact(spelling).to_lowercase(), *spelling);
            assert!(seen.insert(spelling), "{spelling} stands twice");
            assert!(Unit::parse(ucum).is_some(), "{ucum}");
        }
        for (_, ucum) in AS_WRITTEN {
            assert!(Unit::parse(ucum).is_some(), "{ucum}");
        }
    }
}
