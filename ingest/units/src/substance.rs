//! What is known about the substances that common codes measure: what a mole of them weighs, and their charge.
//!
//! Molar masses follow from the formulas with the IUPAC standard atomic weights of 2021 (abridged, Pure Appl. Chem. 94, 573),
//! but for what the note beside a group says. Codes are LOINC's.

use crate::factor::Factor;
use crate::unit::Substance;

/// Milligrams of a mole, charge (0: not an ion, or one whose charge depends on acidity), codes.
type Entry = (u64, u8, &'static [&'static str]);

const SUBSTANCES: &[Entry] = &[
    // Glucose, C6H12O6.
    (
        180_156,
        0,
        &[
            "2345-7", "2339-0", "1558-6", "2340-8", "41653-7", "27353-2", "14749-6", "15074-8",
            "14771-0", "5792-7",
        ],
    ),
    // Cholesterol, C27H46O, in every lipoprotein.
    (
        386_664,
        0,
        &[
            "2093-3", "14647-2", "43396-1", "18262-6", "13457-7", "2089-1", "39469-2", "22748-8",
            "13458-5", "2091-7", "2085-9", "14646-4",
        ],
    ),
    // Triglycerides as triolein, C57H104O6: what laboratories calibrate with.
    (885_453, 0, &["2571-8", "14927-8"]),
    // Creatinine, C4H7N3O; ratios are to creatinine.
    (
        113_120,
        0,
        &[
            "2160-0", "38483-4", "14682-9", "2161-8", "14959-1", "9318-7", "2890-2",
        ],
    ),
    // Urea as its two atoms of nitrogen: LOINC's "Urea nitrogen" is their mass, or the moles of urea.
    (28_014, 0, &["3094-0", "6299-2", "14937-7"]),
    // Urate as uric acid, C5H4N4O3.
    (168_112, 0, &["3084-1"]),
    // Bilirubin, C33H36N4O6.
    (
        584_673,
        0,
        &["1975-2", "14631-6", "1968-7", "1971-1", "20505-4"],
    ),
    // Calcium.
    (
        40_078,
        2,
        &["17861-6", "49765-1", "2000-8", "1995-0", "1994-3"],
    ),
    // Magnesium.
    (24_305, 2, &["19123-9", "2601-3"]),
    // Phosphate as phosphorus: what mg/dL means.
    (30_974, 0, &["2777-1"]),
    // Sodium, potassium, chloride.
    (22_990, 1, &["2951-2", "2947-0"]),
    (39_098, 1, &["2823-3", "6298-4"]),
    (35_450, 1, &["2075-0", "2069-3"]),
    // Iron, and the capacity to bind it.
    (55_845, 0, &["2498-4", "2500-7"]),
    // Haemoglobin by its chain, of one iron: ICSH, J Clin Pathol 1978;31:139.
    (16_114_500, 0, &["718-7"]),
    // Ammonia, NH3.
    (17_031, 0, &["16362-6"]),
    // Lactate as lactic acid, C3H6O3.
    (90_078, 1, &["2524-7", "32693-4"]),
    // Cobalamin as cyanocobalamin, C63H88CoN14O14P.
    (1_355_388, 0, &["2132-9"]),
    // Folic acid, C19H19N7O6.
    (441_404, 0, &["2284-8"]),
    // 25-hydroxyvitamin D3, C27H44O2; D2 is taken for it, as laboratories do.
    (400_647, 0, &["62292-8", "1989-3"]),
    // Thyroxine C15H11I4NO4 and triiodothyronine C15H12I3NO4.
    (776_872, 0, &["3024-7", "14920-3", "3026-2"]),
    (650_976, 0, &["3051-0", "3053-6"]),
    // Steroids: cortisol C21H30O5, testosterone C19H28O2, estradiol C18H24O2, progesterone C21H30O2.
    (362_466, 0, &["2143-6"]),
    (288_431, 0, &["2986-8"]),
    (272_388, 0, &["2243-4"]),
    (314_469, 0, &["2839-9"]),
];

/// Ions of one charge without a mass of their own: bicarbonate, carbon dioxide, gaps and excesses.
const UNIVALENT: &[&str] = &[
    "2028-9", "20565-8", "1963-8", "1960-4", "14627-4", "1959-6", "33037-3", "10466-1", "1863-0",
    "1925-7", "11555-0",
];

/// Glycated haemoglobin as NGSP reports it, in percent.
pub(crate) const NGSP: &[&str] = &["4548-4", "17856-6", "17855-8", "4549-2", "97506-0"];
/// The same as IFCC reports it, in mmol/mol.
pub(crate) const IFCC: &str = "59261-8";

/// What is known about the substance of a LOINC code.
pub(crate) fn substance(code: &str) -> Substance {
    if UNIVALENT.contains(&code) {
        return Substance {
            charge: Some(1),
            ..Substance::default()
        };
    }
    let entry = SUBSTANCES
        .iter()
        .find(|(_, _, codes)| codes.contains(&code));
    entry.map_or_else(Substance::default, |(milligrams, charge, _)| Substance {
        molar_mass: Factor::new((*milligrams).into(), 1, -3),
        charge: (*charge > 0).then_some(*charge),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Abridged standard atomic weights, in thousandths, rounded: IUPAC 2021.
    const WEIGHTS: &[(&str, u64)] = &[
        ("H", 1_008),
        ("C", 12_011),
        ("N", 14_007),
        ("O", 15_999),
        ("P", 30_974),
        ("Co", 58_933),
        ("I", 126_904),
    ];

    fn mass(formula: &[(&str, u64)]) -> u64 {
        let weight = |element: &str| WEIGHTS.iter().find(|(name, _)| *name == element).unwrap().1;
        formula
            .iter()
            .map(|(element, count)| weight(element) * count)
            .sum()
    }

    #[test]
    fn molar_masses_follow_from_formulas() {
        for (code, formula) in [
            ("2345-7", &[("C", 6), ("H", 12), ("O", 6)][..]),
            ("2093-3", &[("C", 27), ("H", 46), ("O", 1)]),
            ("2571-8", &[("C", 57), ("H", 104), ("O", 6)]),
            ("2160-0", &[("C", 4), ("H", 7), ("N", 3), ("O", 1)]),
            ("3094-0", &[("N", 2)]),
            ("3084-1", &[("C", 5), ("H", 4), ("N", 4), ("O", 3)]),
            ("1975-2", &[("C", 33), ("H", 36), ("N", 4), ("O", 6)]),
            ("16362-6", &[("N", 1), ("H", 3)]),
            ("2524-7", &[("C", 3), ("H", 6), ("O", 3)]),
            ("2284-8", &[("C", 19), ("H", 19), ("N", 7), ("O", 6)]),
            ("1989-3", &[("C", 27), ("H", 44), ("O", 2)]),
            (
                "2132-9",
                &[
                    ("C", 63),
                    ("H", 88),
                    ("Co", 1),
                    ("N", 14),
                    ("O", 14),
                    ("P", 1),
                ],
            ),
            (
                "3024-7",
                &[("C", 15), ("H", 11), ("I", 4), ("N", 1), ("O", 4)],
            ),
            (
                "3053-6",
                &[("C", 15), ("H", 12), ("I", 3), ("N", 1), ("O", 4)],
            ),
            ("2143-6", &[("C", 21), ("H", 30), ("O", 5)]),
            ("2986-8", &[("C", 19), ("H", 28), ("O", 2)]),
            ("2243-4", &[("C", 18), ("H", 24), ("O", 2)]),
            ("2839-9", &[("C", 21), ("H", 30), ("O", 2)]),
        ] {
            let (listed, _, _) = SUBSTANCES
                .iter()
                .find(|(_, _, codes)| codes.contains(&code))
                .unwrap();
            assert_eq!(*listed, mass(formula), "{code}");
        }
    }

    #[test]
    fn a_code_is_listed_once() {
        let mut codes: Vec<&str> = SUBSTANCES
            .iter()
            .flat_map(|(_, _, codes)| codes.iter().copied())
            .collect();
        codes.extend(UNIVALENT);
        codes.extend(NGSP);
        codes.push(IFCC);
        let all = codes.len();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), all);
    }
}
