//! `AllergyIntolerance`.

use super::Header;
use crate::coding::{Coded, NO_PREFERENCE, SUBSTANCE};
use crate::date::Moment;
use crate::json::{Broken, Cursor};

/// The columns of `allergy_intolerance`.
#[derive(Debug, Default)]
pub(crate) struct AllergyIntolerance<'a> {
    pub(crate) clinical_status: Coded<'a>,
    pub(crate) verification_status: Coded<'a>,
    pub(crate) kind: Coded<'a>,
    pub(crate) category: Coded<'a>,
    pub(crate) criticality: Coded<'a>,
    pub(crate) code: Coded<'a>,
    pub(crate) recorded: Option<Moment>,
}

impl<'a> AllergyIntolerance<'a> {
    pub(super) fn read(c: &mut Cursor<'a>, header: &mut Header<'a>) -> Result<Self, Broken> {
        let mut allergy = Self::default();
        c.object(|c, key| {
            match key {
                "clinicalStatus" => allergy.clinical_status.read(c, NO_PREFERENCE)?,
                "verificationStatus" => allergy.verification_status.read(c, NO_PREFERENCE)?,
                "type" => allergy.kind.read(c, NO_PREFERENCE)?,
                "category" => allergy.category.read(c, NO_PREFERENCE)?,
                "criticality" => allergy.criticality.read(c, NO_PREFERENCE)?,
                "code" => allergy.code.read(c, SUBSTANCE)?,
                "recordedDate" | "assertedDate" => allergy.recorded = header.date(c)?,
                _ => header.member(key, c)?,
            }
            Ok(())
        })?;
        Ok(allergy)
    }
}
