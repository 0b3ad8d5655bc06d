//! What a UCUM expression stands for: a factor, and exponents of base units.

use std::collections::BTreeMap;

use octofhir_ucum::{Case, Dimension, SpecialKind, UnitExpr, lookup_unit, parse_expression};

use crate::factor::{Factor, Fraction};

/// Longest unit that is looked at, in bytes: the longest text of a table.
const LONGEST: usize = 256;
/// Largest exponent that is looked at; nothing measured has a larger one.
const LARGEST_EXPONENT: u32 = 64;
/// Base units of ours: UCUM has mole as a mere number, which would make mmol/L and cells in a litre alike.
const MOLE: &str = "mol";
const EQUIVALENT: &str = "eq";
const ENZYME: &str = "U";
const INTERNATIONAL: &str = "[iU]";
const ACIDITY: &str = "[pH]";

/// A unit: `base = factor * (value + offset)`, in a product of powers of base units.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unit {
    factor: Factor,
    /// Other than zero for temperatures on a scale alone.
    offset: Fraction,
    bases: BTreeMap<&'static str, i32>,
    /// Without any symbol: `{score}`, `1{count}`.
    bare: bool,
}

/// What is known about the substance that is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Substance {
    /// Grams of a mole.
    pub(crate) molar_mass: Option<Factor>,
    /// Elementary charges of an ion.
    pub(crate) charge: Option<u8>,
}

impl Unit {
    /// Reads UCUM, case sensitive. `None` for what is not UCUM, has a logarithmic scale, or a factor that is no fraction
    /// (those of angles and of the survey foot).
    pub(crate) fn parse(text: &str) -> Option<Self> {
        if text.len() > LONGEST {
            return None;
        }
        let expression = parse_expression(text).ok()?;
        if let UnitExpr::Symbol(code) = without_annotation(&expression)
            && let Some(scale) = Self::scale(code)
        {
            return Some(scale);
        }
        let mut unit = Self::number(Factor::ONE);
        unit.multiply(&expression, 1)?;
        unit.bases.retain(|_, exponent| *exponent != 0);
        unit.bare = bare(&expression);
        Some(unit)
    }

    fn number(factor: Factor) -> Self {
        Self {
            factor,
            offset: Fraction::ZERO,
            bases: BTreeMap::new(),
            bare: false,
        }
    }

    /// Units on a scale of their own, which have a meaning only alone.
    fn scale(code: &str) -> Option<Self> {
        let temperature = |factor: Factor, hundredths: i128| {
            Some(Self {
                factor,
                offset: Fraction::new(hundredths, 100)?,
                bases: BTreeMap::from([("K", 1)]),
                bare: false,
            })
        };
        // UCUM, sections 21 and 30: the functions cel, degf, degre.
        match code {
            "Cel" => temperature(Factor::ONE, 27_315),
            "[degF]" => temperature(Factor::new(5, 9, 0)?, 45_967),
            "[degRe]" => temperature(Factor::new(5, 4, 0)?, 21_852),
            ACIDITY => Some(Self {
                bases: BTreeMap::from([(ACIDITY, 1)]),
                ..Self::number(Factor::ONE)
            }),
            _ => None,
        }
    }

    /// Multiplies by `expression` to the power of `sign`. As deep as the parser allows: 128 levels.
    fn multiply(&mut self, expression: &UnitExpr, power: i32) -> Option<()> {
        match expression {
            UnitExpr::Annotation(_) => Some(()),
            UnitExpr::Annotated(inner, _) => self.multiply(inner, power),
            UnitExpr::Numeric(number) => self.scale_by(Factor::of(*number)?, power),
            UnitExpr::Symbol(code) => self.multiply_symbol(code, power),
            UnitExpr::Power(inner, exponent) => {
                let power = power.checked_mul(*exponent)?;
                self.multiply(inner, power)
            }
            UnitExpr::Product(terms) => terms.iter().try_for_each(|it| self.multiply(it, power)),
            UnitExpr::Quotient(over, under) => {
                self.multiply(over, power)?;
                self.multiply(under, power.checked_neg()?)
            }
            UnitExpr::Reciprocal(under) => self.multiply(under, power.checked_neg()?),
        }
    }

    fn multiply_symbol(&mut self, code: &str, power: i32) -> Option<()> {
        let (prefix, atom) = lookup_unit(code, Case::Sensitive)?;
        if let Some(prefix) = prefix {
            self.scale_by(Factor::of(prefix.factor)?, power)?;
        }
        match atom.code {
            MOLE | "osm" => return self.add_base(MOLE, power),
            EQUIVALENT => return self.add_base(EQUIVALENT, power),
            "kat" => {
                self.add_base(MOLE, power)?;
                return self.add_base("s", power.checked_neg()?);
            }
            // A micromole a minute.
            ENZYME => {
                self.scale_by(Factor::new(1, 6, -7)?, power)?;
                self.add_base(MOLE, power)?;
                return self.add_base("s", power.checked_neg()?);
            }
            _ => {}
        }
        if !matches!(atom.special, SpecialKind::None | SpecialKind::Arbitrary) {
            return None;
        }
        self.scale_by(Factor::of(atom.factor)?, power)?;
        for (base, exponent) in Dimension::BASE_UNITS.into_iter().zip(atom.dim.0) {
            self.add_base(base, i32::from(exponent).checked_mul(power)?)?;
        }
        let arbitrary = atom.arbitrary.iter();
        arbitrary
            .copied()
            .try_for_each(|(base, exponent)| self.add_base(base, exponent.checked_mul(power)?))
    }

    fn scale_by(&mut self, factor: Factor, power: i32) -> Option<()> {
        if power.unsigned_abs() > LARGEST_EXPONENT {
            return None;
        }
        self.factor = self.factor.times(factor.power(power)?)?;
        Some(())
    }

    fn add_base(&mut self, base: &'static str, exponent: i32) -> Option<()> {
        let sum = self.bases.entry(base).or_default();
        *sum = sum.checked_add(exponent)?;
        (sum.unsigned_abs() <= LARGEST_EXPONENT).then_some(())
    }

    /// Replaces a base unit by `factor` times another one.
    fn replace(&mut self, base: &str, factor: Factor, other: &'static str) -> Option<()> {
        if let Some(exponent) = self.bases.remove(base) {
            self.scale_by(factor, exponent)?;
            self.add_base(other, exponent)?;
            self.bases.retain(|_, exponent| *exponent != 0);
        }
        Some(())
    }

    /// The same unit with moles and equivalents of `substance` as grams, as far as that is known.
    pub(crate) fn of_substance(&self, substance: Substance) -> Option<Self> {
        let mut unit = self.clone();
        if let Some(charge) = substance.charge {
            unit.replace(EQUIVALENT, Factor::new(1, charge.into(), 0)?, MOLE)?;
        }
        if let Some(mass) = substance.molar_mass {
            unit.replace(MOLE, mass, "g")?;
        }
        Some(unit)
    }

    /// The same unit with international units as units of enzyme activity.
    pub(crate) fn of_enzyme(&self) -> Option<Self> {
        let mut unit = self.clone();
        if let Some(exponent) = unit.bases.remove(INTERNATIONAL) {
            unit.multiply_symbol(ENZYME, exponent)?;
        }
        unit.bases.retain(|_, exponent| *exponent != 0);
        Some(unit)
    }

    /// Whether a number without unit has this one: scores, ratios, pH.
    pub(crate) fn goes_without_saying(&self) -> bool {
        let acidity = self.bases.len() == 1 && self.bases.get(ACIDITY) == Some(&1);
        self.factor == Factor::ONE && (self.bases.is_empty() || acidity)
    }

    /// `value in other = value in self * scale + shift`; `None` when they do not measure the same.
    pub(crate) fn into(self, other: &Self) -> Option<(Fraction, Fraction)> {
        if self.bases != other.bases {
            return None;
        }
        let scale = self.factor.times(other.factor.inverse()?)?;
        // A score is no percentage, although both are numbers.
        if (self.bare || other.bare) && scale != Factor::ONE {
            return None;
        }
        let scale = scale.fraction()?;
        let shift = scale.times(self.offset)?.plus(other.offset.minus())?;
        Some((scale, shift))
    }
}

fn without_annotation(expression: &UnitExpr) -> &UnitExpr {
    match expression {
        UnitExpr::Annotated(inner, _) => without_annotation(inner),
        other => other,
    }
}

fn bare(expression: &UnitExpr) -> bool {
    match expression {
        UnitExpr::Annotation(_) => true,
        UnitExpr::Annotated(inner, _) => matches!(**inner, UnitExpr::Numeric(_)),
        _ => false,
    }
}
