//! Measured values in the unit that the catalog has for their code.

use std::collections::{BTreeMap, HashMap};

use salus_lake::Catalog;
use salus_units::{Conversion, Unfit, conversion};

use crate::coding::LOINC;
use crate::tables::Codes;
use crate::value::Value;

/// Units of one code that are remembered; an export with more of them pays for each again.
const REMEMBERED: usize = 32;

/// The unit of each LOINC code that the catalog measures.
#[derive(Debug)]
pub(crate) struct CatalogUnits {
    units: HashMap<Box<str>, Box<str>>,
}

impl CatalogUnits {
    pub(crate) fn of(catalog: &Catalog) -> Self {
        let measured = catalog.measurements.iter();
        let loinc = measured.filter(|measurement| measurement.system == LOINC);
        Self {
            units: loinc
                .map(|it| (it.code.as_str().into(), it.unit.as_str().into()))
                .collect(),
        }
    }
}

/// The cells of a measured value. The original pair is there where the other one is not what was given.
#[derive(Debug, PartialEq, Eq, Default)]
pub(crate) struct Measured<'v> {
    pub(crate) value: Option<i128>,
    pub(crate) unit: Option<&'v str>,
    pub(crate) value_original: Option<i128>,
    pub(crate) unit_original: Option<&'v str>,
}

/// Converts values. Conversions are worked out once for each code and unit.
#[derive(Debug)]
pub(crate) struct Measures<'j> {
    units: &'j CatalogUnits,
    known: HashMap<&'j str, Vec<Known>>,
    same: u64,
    converted: u64,
    unfit: BTreeMap<Unfit, u64>,
}

#[derive(Debug)]
struct Known {
    unit: Option<Box<str>>,
    conversion: Result<Conversion, Unfit>,
}

impl<'j> Measures<'j> {
    pub(crate) fn new(units: &'j CatalogUnits) -> Self {
        Self {
            units,
            known: HashMap::new(),
            same: 0,
            converted: 0,
            unfit: BTreeMap::new(),
        }
    }

    /// The value of `code` in the catalog's unit. Where the catalog has none, or there is no number, it stays as it is; where the
    /// unit does not fit, only the original is kept.
    pub(crate) fn measured<'v>(&mut self, codes: &Codes<'_>, value: &'v Value<'_>) -> Measured<'v>
    where
        'j: 'v,
    {
        let given = value.unit.as_deref();
        let as_given = Measured {
            value: value.number,
            unit: given,
            ..Measured::default()
        };
        let loinc = codes.system == Some(LOINC);
        let (Some(code), Some(number), true) = (codes.code, value.number, loinc) else {
            return as_given;
        };
        let units = self.units;
        let Some((code, unit)) = units.units.get_key_value(code) else {
            return as_given;
        };
        if given == Some(unit) {
            self.same += 1;
            return as_given;
        }
        let original = Measured {
            value_original: Some(number),
            unit_original: given,
            ..Measured::default()
        };
        let conversion = match self.conversion(code, given, unit) {
            Ok(conversion) => conversion,
            Err(why) => {
                *self.unfit.entry(why).or_default() += 1;
                return original;
            }
        };
        let digits = value.digits.as_deref();
        let converted = digits
            .and_then(|digits| conversion.number(digits))
            .or_else(|| conversion.millionths(number));
        let Some(converted) = converted else {
            *self.unfit.entry(Unfit::Incommensurable).or_default() += 1;
            return original;
        };
        self.converted += 1;
        Measured {
            value: Some(converted),
            unit: Some(unit),
            ..original
        }
    }

    fn conversion(
        &mut self,
        code: &'j str,
        given: Option<&str>,
        unit: &str,
    ) -> Result<Conversion, Unfit> {
        let known = self.known.entry(code).or_default();
        if let Some(known) = known.iter().find(|known| known.unit.as_deref() == given) {
            return known.conversion;
        }
        let conversion = conversion(code, given, unit);
        if known.len() < REMEMBERED {
            known.push(Known {
                unit: given.map(Into::into),
                conversion,
            });
        }
        conversion
    }

    /// Values by what became of their unit.
    pub(crate) fn counts(&self) -> BTreeMap<&'static str, u64> {
        let unfit = self
            .unfit
            .iter()
            .map(|(unfit, values)| (unfit.name(), *values));
        let all = [("same", self.same), ("converted", self.converted)];
        all.into_iter()
            .chain(unfit)
            .filter(|(_, values)| *values > 0)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::*;

    fn catalog() -> CatalogUnits {
        CatalogUnits::of(&Catalog::parse(Catalog::default_yaml()).unwrap())
    }

    fn value<'a>(digits: &'a str, unit: Option<&'a str>) -> Value<'a> {
        Value {
            number: crate::decimal::millionths(digits).ok(),
            digits: Some(Cow::Borrowed(digits)),
            unit: unit.map(Cow::Borrowed),
            ..Value::default()
        }
    }

    fn loinc(code: &str) -> Codes<'_> {
        Codes {
            code: Some(code),
            system: Some(LOINC),
            ..Codes::default()
        }
    }

    #[test]
    fn the_original_is_kept_where_it_is_another() {
        let units = catalog();
        let mut measures = Measures::new(&units);
        let glucose = loinc("2345-7");
        let millimoles = value("5.5", Some("mmol/L"));
        let converted = Measured {
            value: Some(99_085_800),
            unit: Some("mg/dL"),
            value_original: Some(5_500_000),
            unit_original: Some("mmol/L"),
        };
        assert_eq!(measures.measured(&glucose, &millimoles), converted);
        let same = value("99", Some("mg/dL"));
        let kept = |value: i128, unit| Measured {
            value: Some(value),
            unit,
            ..Measured::default()
        };
        assert_eq!(
            measures.measured(&glucose, &same),
            kept(99_000_000, Some("mg/dL"))
        );
        // Not of the catalog, or not of LOINC.
        assert_eq!(
            measures.measured(&loinc("0-0"), &millimoles),
            kept(5_500_000, Some("mmol/L"))
        );
        let local = Codes {
            system: None,
            ..glucose
        };
        assert_eq!(
            measures.measured(&local, &millimoles),
            kept(5_500_000, Some("mmol/L"))
        );
        for unit in [Some("sugar cubes"), Some("mm[Hg]"), None] {
            let odd = value("5.5", unit);
            let expected = Measured {
                value_original: Some(5_500_000),
                unit_original: unit,
                ..Measured::default()
            };
            assert_eq!(measures.measured(&glucose, &odd), expected);
        }
        let counts = [
            ("same", 1),
            ("converted", 1),
            ("unknown", 1),
            ("incommensurable", 1),
            ("missing", 1),
        ];
        assert_eq!(measures.counts(), BTreeMap::from(counts));
    }

    #[test]
    fn digits_beyond_the_sixth_are_converted_before_they_are_rounded() {
        let units = catalog();
        let mut measures = Measures::new(&units);
        let kilograms = value("0.0000001234", Some("kg/L"));
        let creatinine = loinc("2160-0");
        let cells = measures.measured(&creatinine, &kilograms);
        assert_eq!((cells.value, cells.value_original), (Some(12_340), Some(0)));
    }

    #[test]
    fn what_a_code_remembers_is_bounded() {
        let units = catalog();
        let mut measures = Measures::new(&units);
        for unit in 0..10_000 {
            let unit = format!("unit{unit}");
            measures.measured(&loinc("2345-7"), &value("1", Some(&unit)));
        }
        assert_eq!(measures.known["2345-7"].len(), REMEMBERED);
    }
}
