//! Conversions against what others published, round trips, and units that nobody should send.

use proptest::prelude::*;
use salus_units::{Conversion, Unfit, conversion};

/// Millionths of `number` of `from` in `to`.
fn convert(code: &str, number: &str, from: &str, to: &str) -> Option<i128> {
    conversion(code, Some(from), to).ok()?.number(number)
}

fn millionths(text: &str) -> i128 {
    Conversion::IDENTITY.number(text).expect(text)
}

/// Definitions: UCUM 2.2, tables of units; NIST SP 811, appendix B.8; ISO 80000.
#[test]
fn exact_definitions() {
    for (code, number, from, expected, to) in [
        ("29463-7", "1", "[lb_av]", "0.45359237", "kg"),
        ("29463-7", "1", "[oz_av]", "0.028349523125", "kg"),
        ("29463-7", "11", "[stone_av]", "69.85322498", "kg"),
        ("29463-7", "3450", "g", "3.45", "kg"),
        ("8302-2", "70", "[in_i]", "177.8", "cm"),
        ("8302-2", "6", "[ft_i]", "182.88", "cm"),
        ("8302-2", "1.81", "m", "181", "cm"),
        ("3140-1", "18000", "cm2", "1.8", "m2"),
        ("39156-5", "25", "g/cm2", "250", "kg/m2"),
        ("8480-6", "16", "kPa", "120.0102008671", "mm[Hg]"),
        ("8867-4", "1.25", "Hz", "75", "/min"),
        ("8867-4", "4200", "/h", "70", "/min"),
        ("9279-1", "0.25", "/s", "15", "/min"),
        ("8310-5", "98.6", "[degF]", "37", "Cel"),
        ("8310-5", "100.4", "[degF]", "38", "Cel"),
        ("8310-5", "-40", "[degF]", "-40", "Cel"),
        ("8310-5", "310.15", "K", "37", "Cel"),
        ("8310-5", "29.6", "[degRe]", "37", "Cel"),
        ("59408-5", "0.97", "1", "97", "%"),
        ("20150-9", "3120", "mL", "3.12", "L"),
        ("20150-9", "3.12", "dm3", "3.12", "L"),
        ("3151-8", "120", "L/h", "2", "L/min"),
        ("718-7", "145", "g/L", "14.5", "g/dL"),
        ("718-7", "14.5", "g%", "14.5", "g/dL"),
        ("6690-2", "7.2", "10*9/L", "7.2", "10*3/uL"),
        ("6690-2", "7200", "/uL", "7.2", "10*3/uL"),
        ("789-8", "4.7", "10*12/L", "4.7", "10*6/uL"),
        ("4544-3", "0.42", "L/L", "42", "%"),
        ("32623-1", "10.1", "um3", "10.1", "fL"),
        ("785-6", "0.03", "ng", "30", "pg"),
        ("14957-5", "2", "mg/dL", "20", "mg/L"),
        ("14959-1", "30", "ug/mg", "30", "mg/g"),
        ("2276-4", "100", "ug/L", "100", "ng/mL"),
        ("2823-3", "4.1", "meq/L", "4.1", "mmol/L"),
        ("2000-8", "5", "meq/L", "2.5", "mmol/L"),
        ("2951-2", "140000", "umol/L", "140", "mmol/L"),
        ("2692-2", "0.29", "mol/kg", "290", "mosm/kg"),
        ("1742-6", "1", "ukat/L", "60", "U/L"),
        ("1742-6", "500", "nkat/L", "30", "U/L"),
        ("1742-6", "30", "[IU]/L", "30", "U/L"),
        ("3016-3", "2.5", "u[IU]/mL", "2.5", "m[IU]/L"),
        ("3016-3", "2.5", "mU/L", "2.5", "m[IU]/L"),
        ("20447-9", "40", "/mL", "40", "{copies}/mL"),
        ("33914-3", "62", "mL/min", "62", "mL/min/{1.73_m2}"),
        ("30341-2", "0.2", "mm/min", "12", "mm/h"),
        ("48065-7", "0.5", "ug/mL{FEU}", "500", "ng/mL{FEU}"),
        ("5902-2", "0.2", "min", "12", "s"),
    ] {
        let converted = convert(code, number, from, to);
        assert_eq!(
            converted,
            Some(millionths(expected)),
            "{number} {from} in {to}"
        );
    }
}

/// AMA Manual of Style, 11th edition, section 17.5.11, SI conversion table: conventional unit, factor, SI unit. The factors
/// there have three to five digits; half a percent is beyond their rounding.
#[test]
fn factors_agree_with_the_ama_table() {
    for (code, conventional, factor, si) in [
        ("2345-7", "mg/dL", 0.0555, "mmol/L"),
        ("2093-3", "mg/dL", 0.0259, "mmol/L"),
        ("2085-9", "mg/dL", 0.0259, "mmol/L"),
        ("2571-8", "mg/dL", 0.0113, "mmol/L"),
        ("2160-0", "mg/dL", 88.4, "umol/L"),
        ("3094-0", "mg/dL", 0.357, "mmol/L"),
        ("3084-1", "mg/dL", 59.48, "umol/L"),
        ("1975-2", "mg/dL", 17.104, "umol/L"),
        ("17861-6", "mg/dL", 0.25, "mmol/L"),
        ("19123-9", "mg/dL", 0.411, "mmol/L"),
        ("2777-1", "mg/dL", 0.323, "mmol/L"),
        ("2498-4", "ug/dL", 0.179, "umol/L"),
        ("2500-7", "ug/dL", 0.179, "umol/L"),
        ("718-7", "g/dL", 0.6206, "mmol/L"),
        ("16362-6", "ug/dL", 0.587, "umol/L"),
        ("2524-7", "mg/dL", 0.111, "mmol/L"),
        ("2132-9", "pg/mL", 0.7378, "pmol/L"),
        ("2284-8", "ng/mL", 2.266, "nmol/L"),
        ("62292-8", "ng/mL", 2.496, "nmol/L"),
        ("3024-7", "ng/dL", 12.871, "pmol/L"),
        ("3026-2", "ug/dL", 12.871, "nmol/L"),
        ("3053-6", "ng/dL", 0.0154, "nmol/L"),
        ("3051-0", "pg/mL", 1.536, "pmol/L"),
        ("2143-6", "ug/dL", 27.588, "nmol/L"),
        ("2986-8", "ng/dL", 0.0347, "nmol/L"),
        ("2243-4", "pg/mL", 3.671, "pmol/L"),
        ("2839-9", "ng/mL", 3.18, "nmol/L"),
    ] {
        let thousand = convert(code, "1000", conventional, si).expect(code);
        #[expect(clippy::cast_precision_loss, reason = "compared within half a percent")]
        let ours = thousand as f64 / 1e9;
        assert!(
            (ours / factor - 1.0).abs() < 0.005,
            "{code}: {ours} beside {factor}"
        );
    }
    // KDIGO 2012, table 7: 3 mg/mmol of albumin to creatinine is 26.5 (rounded: 30) mg/g.
    let ratio = convert("14959-1", "3", "mg/mmol", "mg/g").unwrap();
    assert!((26_400_000..26_600_000).contains(&ratio), "{ratio}");
}

/// The table of <https://ngsp.org/ifcc.asp>: NGSP in percent, IFCC in mmol/mol, whole numbers.
#[test]
fn glycated_haemoglobin_agrees_with_ngsp() {
    for (percent, per_mole) in [
        (5, 31),
        (6, 42),
        (7, 53),
        (8, 64),
        (9, 75),
        (10, 86),
        (11, 97),
        (12, 108),
    ] {
        let ngsp = convert("4548-4", &per_mole.to_string(), "mmol/mol", "%").unwrap();
        assert!(
            (ngsp - percent * 1_000_000).abs() <= 60_000,
            "{per_mole}: {ngsp}"
        );
        let ifcc = convert("59261-8", &percent.to_string(), "%", "mmol/mol").unwrap();
        assert!(
            (ifcc - per_mole * 1_000_000).abs() <= 500_000,
            "{percent}: {ifcc}"
        );
    }
    assert_eq!(convert("4548-4", "48", "mmol/mol", "%"), Some(6_543_040));
    assert_eq!(
        convert("4548-4", "48", "mmol/mol{Hb}", "%"),
        Some(6_543_040)
    );
    assert!(conversion("4548-4", Some("1"), "%").is_err());
}

#[test]
fn spellings_that_laboratories_use() {
    for (code, number, from, expected, to) in [
        ("8480-6", "120", "mmHg", "120", "mm[Hg]"),
        ("8480-6", "120", "MM HG", "120", "mm[Hg]"),
        ("8867-4", "70", "bpm", "70", "/min"),
        ("8867-4", "70", "{beats}/min", "70", "/min"),
        ("8867-4", "70", "beats/min", "70", "/min"),
        ("8310-5", "37", "degC", "37", "Cel"),
        ("8310-5", "98.6", "°F", "37", "Cel"),
        ("8310-5", "98.6", "F", "37", "Cel"),
        ("8310-5", "37", "C", "37", "Cel"),
        ("29463-7", "100", "lbs", "45.359237", "kg"),
        ("8302-2", "6", "ft", "182.88", "cm"),
        ("8302-2", "70", "in", "177.8", "cm"),
        ("2345-7", "99", "MG/DL", "99", "mg/dL"),
        ("2345-7", "99", "mg/dl", "99", "mg/dL"),
        ("2345-7", "5", "mmol/l", "90.078", "mg/dL"),
        ("2160-0", "113.12", "µmol/L", "1.2796134", "mg/dL"),
        ("2160-0", "113.12", "μmol / L", "1.2796134", "mg/dL"),
        ("6690-2", "7", "K/uL", "7", "10*3/uL"),
        ("6690-2", "7", "x10E3/µL", "7", "10*3/uL"),
        ("789-8", "4.7", "M/uL", "4.7", "10*6/uL"),
        ("5803-2", "6", "pH", "6", "[pH]"),
        ("72106-8", "27", "(score)", "27", "{score}"),
        ("5811-5", "1.02", "{nominal}", "1.02", "1"),
        ("33914-3", "60", "mL/min/1.73m2", "60", "mL/min/{1.73_m2}"),
    ] {
        let converted = convert(code, number, from, to);
        assert_eq!(
            converted,
            Some(millionths(expected)),
            "{number} {from} in {to}"
        );
    }
}

#[test]
fn what_measures_something_else_is_refused() {
    use Unfit::{Incommensurable, Missing, Unknown};
    for (code, from, to, why) in [
        ("2345-7", Some("mm[Hg]"), "mg/dL", Incommensurable),
        // No molar mass of albumin is assumed.
        ("1751-7", Some("umol/L"), "g/dL", Incommensurable),
        // Cells are no moles, which UCUM would allow.
        ("24467-3", Some("mmol/L"), "/uL", Incommensurable),
        // An equivalent of what has no fixed charge.
        ("2777-1", Some("meq/L"), "mg/dL", Incommensurable),
        ("48065-7", Some("ng/mL{DDU}"), "ng/mL{FEU}", Incommensurable),
        ("44261-6", Some("%"), "{score}", Incommensurable),
        ("4544-3", Some("{score}"), "%", Incommensurable),
        ("59408-5", None, "%", Missing),
        ("2345-7", None, "mg/dL", Missing),
        ("2345-7", Some("sugar cubes"), "mg/dL", Unknown),
        ("2345-7", Some(""), "mg/dL", Unknown),
        ("2345-7", Some("B[SPL]"), "mg/dL", Unknown),
    ] {
        assert_eq!(conversion(code, from, to), Err(why), "{from:?} in {to}");
    }
    for (code, to) in [("44261-6", "{score}"), ("2965-2", "1"), ("5803-2", "[pH]")] {
        assert_eq!(conversion(code, None, to), Ok(Conversion::IDENTITY));
    }
}

#[test]
fn hostile_units_are_refused_quickly() {
    let long = "m.".repeat(100_000) + "m";
    let deep = "(".repeat(5_000) + "m" + &")".repeat(5_000);
    let quotients = "m/".repeat(120) + "m";
    for unit in [
        long.as_str(),
        deep.as_str(),
        quotients.as_str(),
        "m2147483647",
        "m-2147483648",
        "m99999999999999999999",
        "10*99999999",
        "10*-2147483648",
        "Ym64.Ym64.Ym64",
        "7777777777777777777777777777777777777777777777777777777777777",
        "0",
        "-1",
        "(m",
        "{",
        "{}",
        "[",
        "\u{0}",
        "🦀",
        "ﬃ",
        "İ",
        " ",
        "//",
        "1e400",
    ] {
        for to in ["mg/dL", "cm", "{score}", "[pH]", "Cel"] {
            assert!(conversion("2345-7", Some(unit), to).is_err(), "{unit:.40}");
        }
    }
    // Too large for eighteen digits, or for a fraction: no value, and no wrapped one.
    let kilograms = conversion("29463-7", Some("Yg"), "kg").unwrap();
    assert_eq!(kilograms.number("999999999999"), None);
    for number in [
        "1e30",
        "-1e30",
        "1e-40",
        "",
        "-",
        "x",
        "1e",
        "1e99999999999",
        "Infinity",
    ] {
        assert_eq!(kilograms.number(number), None, "{number}");
    }
}

/// Pairs of units of the same kind, and a code that makes them so.
const PAIRS: &[(&str, &str, &str)] = &[
    ("29463-7", "[lb_av]", "kg"),
    ("8310-5", "[degF]", "Cel"),
    ("2345-7", "mmol/L", "mg/dL"),
    ("2160-0", "umol/L", "mg/dL"),
    ("4548-4", "mmol/mol", "%"),
    ("8480-6", "kPa", "mm[Hg]"),
    ("1742-6", "ukat/L", "U/L"),
    ("14959-1", "mg/mmol", "mg/g"),
    ("8867-4", "/h", "/min"),
];

proptest! {
    /// There and back is nothing at all: the fractions are exact.
    #[test]
    fn there_and_back_is_the_identity(pair in 0..PAIRS.len(), value in -1_000_000_000_i64..1_000_000_000) {
        let (code, from, to) = PAIRS[pair];
        let there = conversion(code, Some(from), to).unwrap();
        let back = there.inverse().unwrap();
        prop_assert_eq!(there.then(back), Some(Conversion::IDENTITY));
        prop_assert_eq!(back.then(there), Some(Conversion::IDENTITY));
        // Through millionths the way is as exact as their rounding, on either side of a half.
        let value = i128::from(value);
        if let Some(converted) = there.millionths(value) {
            let again = back.millionths(converted).unwrap();
            let step = back.millionths(1).unwrap() - back.millionths(0).unwrap();
            prop_assert!((again - value).abs() <= step.abs() / 2 + 1, "{} {} {}", value, converted, again);
        }
    }

    /// A number in text and the same in millionths convert alike.
    #[test]
    fn text_and_millionths_agree(pair in 0..PAIRS.len(), value in -1_000_000_000_000_i64..1_000_000_000_000) {
        let (code, from, to) = PAIRS[pair];
        let there = conversion(code, Some(from), to).unwrap();
        prop_assert_eq!(there.number(&format!("{value}e-6")), there.millionths(i128::from(value)));
    }

    /// Any text is answered, and a conversion never makes a number that does not fit.
    #[test]
    fn any_text_is_answered(unit in "[ -~µ²°]{0,40}", number in "-?[0-9]{1,18}(\\.[0-9]{1,9})?(e-?[0-9]{1,3})?") {
        for to in ["mg/dL", "kg", "Cel", "{score}", "10*3/uL"] {
            if let Ok(conversion) = conversion("2345-7", Some(&unit), to)
                && let Some(millionths) = conversion.number(&number)
            {
                prop_assert!(millionths.abs() < 1_000_000_000_000_000_000);
            }
        }
    }

    /// Text that looks like UCUM.
    #[test]
    fn grammar_is_answered(unit in "((m|k|u|10\\*|%|\\[IU\\]|mol|g|L|/|\\.|\\(|\\)|-?[0-9]{1,10}|\\{a\\}|Cel|\\[degF\\]|U|eq)){0,30}") {
        let _ = conversion("2345-7", Some(&unit), "mg/dL");
    }
}
