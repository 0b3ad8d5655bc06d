//! Codes that only persons of one sex can have.

const ICD_10_CM: &str = "http://hl7.org/fhir/sid/icd-10-cm";
const ICD_10: &str = "http://hl7.org/fhir/sid/icd-10";
const SNOMED: &str = "http://snomed.info/sct";
const LOINC: &str = "http://loinc.org";

/// ICD-10 and ICD-10-CM by their first three characters, from first to last. Source: the titles of the blocks (WHO, ICD-10
/// 2019; chapter XV: "only on the maternal record").
const ICD: &[(&str, &str, &str)] = &[
    ("C51", "C58", "female"),
    ("C60", "C63", "male"),
    ("D25", "D28", "female"),
    ("N40", "N51", "male"),
    ("N70", "N77", "female"),
    ("N80", "N98", "female"),
    ("O00", "O99", "female"),
    ("Z32", "Z36", "female"),
];

/// Single codes. Source: the concepts themselves (an organ that one sex has, or a pregnancy).
const SINGLE: &[(&str, &str, &str)] = &[
    (SNOMED, "72892002", "female"),
    (SNOMED, "77386006", "female"),
    (SNOMED, "19169002", "female"),
    (SNOMED, "35999006", "female"),
    (SNOMED, "47200007", "female"),
    (SNOMED, "398254007", "female"),
    (SNOMED, "363354003", "female"),
    (SNOMED, "126906006", "male"),
    (SNOMED, "92691004", "male"),
    (SNOMED, "399068003", "male"),
    (SNOMED, "266569009", "male"),
    (LOINC, "2857-1", "male"),
];

/// The sex whose code this is, if it is one sex's alone.
pub(crate) fn of(system: &str, code: &str) -> Option<&'static str> {
    if matches!(system, ICD_10 | ICD_10_CM) {
        let block = code.get(..3)?;
        let found = ICD
            .iter()
            .find(|(first, last, _)| *first <= block && block <= *last);
        return found.map(|(_, _, sex)| *sex);
    }
    let found = SINGLE
        .iter()
        .find(|(of, own, _)| *of == system && *own == code);
    found.map(|(_, _, sex)| *sex)
}
