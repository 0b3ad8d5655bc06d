//! Measured values in the unit that the catalog has for their code, converted exactly.
//!
//! UCUM gives units a grammar and a table, which [`octofhir_ucum`] reads. What a conversion multiplies by is computed here, as a
//! fraction of integers: no float, and no decimal that was cut off. A number is converted from all of its digits and rounded
//! once, to the sixth digit after the point, half to even.
//!
//! ```
//! let to = |code, from, unit| salus_units::conversion(code, Some(from), unit);
//! // The same dimension.
//! assert_eq!(to("29463-7", "[lb_av]", "kg")?.number("180.5"), Some(81_873_423)); // 81.873422785, rounded
//! // A mole of the substance that the code measures has a known mass.
//! assert_eq!(to("2345-7", "mmol/L", "mg/dL")?.number("5.5"), Some(99_085_800));
//! // Scales that do not begin at the same zero.
//! assert_eq!(to("8310-5", "[degF]", "Cel")?.number("98.6"), Some(37_000_000));
//! // Spellings that are not UCUM.
//! assert_eq!(to("8480-6", "mmHg", "mm[Hg]")?.number("120"), Some(120_000_000));
//! // What measures something else is refused.
//! assert!(to("2345-7", "mm[Hg]", "mg/dL").is_err());
//! # Ok::<(), salus_units::Unfit>(())
//! ```
//!
//! # Where this is stricter than UCUM
//!
//! * A mole is a unit of its own and not the number 6.02e23, so that millimoles in a litre are not cells in a litre.
//! * An equivalent is a mole only for ions of one charge; for others the charge is divided by, where it is known.
//! * A number with nothing but an annotation (`{score}`) is no percentage.
//! * Glycated haemoglobin in percent (NGSP) and in mmol/mol (IFCC) are converted by the master equation, not by ten.
//! * D-dimer units (DDU) are not fibrinogen equivalent units (FEU).
//! * Units of logarithms (`[pH]` but as itself, `B`), of angles and survey feet are not converted: their factors are no fractions.
//!
//! It is laxer in one thing: `U` and `[IU]` stand for each other, because laboratories write either for enzymes and hormones.

mod conversion;
mod factor;
mod spelling;
mod substance;
mod unit;

pub use conversion::Conversion;

use factor::Fraction;
use substance::{IFCC, NGSP, substance};
use unit::Unit;

/// Why a value has no conversion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Unfit {
    /// No unit was given, and the number does not go without one.
    Missing,
    /// The unit is neither UCUM nor a known spelling, or UCUM that is not converted.
    Unknown,
    /// The unit measures something else.
    Incommensurable,
}

impl Unfit {
    /// A short stable name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Unknown => "unknown",
            Self::Incommensurable => "incommensurable",
        }
    }
}

impl std::fmt::Display for Unfit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Missing => "a value without unit",
            Self::Unknown => "a unit that is not known",
            Self::Incommensurable => "a unit that measures something else",
        })
    }
}

impl std::error::Error for Unfit {}

/// How values of the LOINC `code` given in `from` become values in `to`, a UCUM unit.
///
/// Depends on its arguments alone, so it may be computed once for each pair of code and unit. Any text may be given; the time
/// is bounded by its length, of which 256 bytes are looked at.
///
/// # Errors
/// [`Unfit`]: the value cannot be said in `to`.
pub fn conversion(code: &str, from: Option<&str>, to: &str) -> Result<Conversion, Unfit> {
    if from == Some(to) {
        return Ok(Conversion::IDENTITY);
    }
    let target = Unit::parse(to).ok_or(Unfit::Incommensurable)?;
    let Some(from) = from else {
        let plain = target.goes_without_saying();
        return if plain {
            Ok(Conversion::IDENTITY)
        } else {
            Err(Unfit::Missing)
        };
    };
    if from.contains("DDU") != to.contains("DDU") {
        return Err(Unfit::Incommensurable);
    }
    let written = spelling::compact(from);
    let mut known = false;
    // As written first: many spellings are UCUM for something else (a `ft` is a femtotonne), which then does not fit.
    for text in [Some(written.as_ref()), spelling::ucum(from)]
        .into_iter()
        .flatten()
    {
        if let Some(unit) = Unit::parse(text) {
            known = true;
            if let Some(conversion) = fitted(code, (text, &unit), (to, &target)) {
                return Ok(conversion);
            }
        }
    }
    Err(if known {
        Unfit::Incommensurable
    } else {
        Unfit::Unknown
    })
}

fn fitted(
    code: &str,
    (text, unit): (&str, &Unit),
    (to, target): (&str, &Unit),
) -> Option<Conversion> {
    if NGSP.contains(&code) || code == IFCC {
        return haemoglobin(text, to);
    }
    let of = substance(code);
    let (from, to) = (unit.of_substance(of)?, target.of_substance(of)?);
    let direct = from.clone().into(&to);
    let (scale, shift) = direct.or_else(|| from.of_enzyme()?.into(&to.of_enzyme()?))?;
    Some(Conversion { scale, shift })
}

/// Glycated haemoglobin: NGSP % = 0.09148 * IFCC mmol/mol + 2.152, <https://ngsp.org/ifcc.asp> (Hoelzel et al., Clin Chem
/// 2004;50:166). The way back is its inverse, so that going there and back changes nothing.
fn haemoglobin(from: &str, to: &str) -> Option<Conversion> {
    let plain = |unit: &str| unit.split('{').next().map(str::to_owned);
    let master = Conversion {
        scale: Fraction::new(9_148, 100_000)?,
        shift: Fraction::new(2_152, 1_000)?,
    };
    match (plain(from)?.as_str(), plain(to)?.as_str()) {
        ("mmol/mol", "%") => Some(master),
        ("%", "mmol/mol") => master.inverse(),
        (from, to) => (from == to).then_some(Conversion::IDENTITY),
    }
}
