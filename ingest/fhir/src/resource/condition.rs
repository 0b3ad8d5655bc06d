//! `Condition`: problems and diagnoses.

use super::Header;
use super::header::side_date;
use crate::coding::{CONDITION, CONDITION_CATEGORY, Coded, NO_PREFERENCE};
use crate::date::Moment;
use crate::json::{Broken, Cursor};

/// The columns of `condition`.
#[derive(Debug, Default)]
pub(crate) struct Condition<'a> {
    pub(crate) clinical_status: Coded<'a>,
    pub(crate) verification_status: Coded<'a>,
    pub(crate) category: Coded<'a>,
    pub(crate) code: Coded<'a>,
    pub(crate) onset: Option<Moment>,
    pub(crate) abatement: Option<Moment>,
    pub(crate) recorded: Option<Moment>,
}

impl<'a> Condition<'a> {
    pub(super) fn read(c: &mut Cursor<'a>, header: &mut Header<'a>) -> Result<Self, Broken> {
        let mut condition = Self::default();
        c.object(|c, key| {
            match key {
                "clinicalStatus" => condition.clinical_status.read(c, NO_PREFERENCE)?,
                "verificationStatus" => condition.verification_status.read(c, NO_PREFERENCE)?,
                "category" => condition.category.read(c, CONDITION_CATEGORY)?,
                "code" => condition.code.read(c, CONDITION)?,
                "onsetDateTime" => condition.onset = header.date(c)?,
                "onsetPeriod" => condition.onset = header.period(c)?.0,
                // Without its end a condition would look as if it went on.
                "abatementDateTime" => condition.abatement = header.date(c)?,
                "abatementPeriod" => {
                    let (start, end) = header.period(c)?;
                    condition.abatement = start.or(end);
                }
                "recordedDate" | "assertedDate" | "dateRecorded" => {
                    condition.recorded = side_date(c)?;
                }
                _ => header.member(key, c)?,
            }
            Ok(())
        })?;
        Ok(condition)
    }
}
