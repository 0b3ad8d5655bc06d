//! `Immunization`: vaccinations.

use super::Header;
use crate::coding::{Coded, NO_PREFERENCE, VACCINE};
use crate::date::Moment;
use crate::json::{Broken, Cursor};

/// The columns of `immunization`.
#[derive(Debug, Default)]
pub(crate) struct Immunization<'a> {
    pub(crate) status: Coded<'a>,
    pub(crate) code: Coded<'a>,
    pub(crate) occurrence: Option<Moment>,
}

impl<'a> Immunization<'a> {
    pub(super) fn read(c: &mut Cursor<'a>, header: &mut Header<'a>) -> Result<Self, Broken> {
        let mut immunization = Self::default();
        c.object(|c, key| {
            match key {
                "status" => immunization.status.read(c, NO_PREFERENCE)?,
                "vaccineCode" => immunization.code.read(c, VACCINE)?,
                // STU3 called it date.
                "occurrenceDateTime" | "date" => immunization.occurrence = header.date(c)?,
                _ => header.member(key, c)?,
            }
            Ok(())
        })?;
        Ok(immunization)
    }
}
