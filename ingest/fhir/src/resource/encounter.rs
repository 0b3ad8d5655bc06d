//! `Encounter`: visits and stays, R4 and R5.

use super::Header;
use crate::coding::{CONDITION, Coded, ENCOUNTER_CLASS, ENCOUNTER_TYPE, NO_PREFERENCE};
use crate::date::Moment;
use crate::json::{Broken, Cursor};

const MICROS_PER_MINUTE: i64 = 60_000_000;

/// The columns of `encounter`.
#[derive(Debug, Default)]
pub(crate) struct Encounter<'a> {
    pub(crate) status: Coded<'a>,
    pub(crate) class: Coded<'a>,
    pub(crate) kind: Coded<'a>,
    pub(crate) reason: Coded<'a>,
    pub(crate) start: Option<Moment>,
    pub(crate) end: Option<Moment>,
}

impl<'a> Encounter<'a> {
    pub(super) fn read(c: &mut Cursor<'a>, header: &mut Header<'a>) -> Result<Self, Broken> {
        let mut encounter = Self::default();
        c.object(|c, key| {
            match key {
                "status" => encounter.status.read(c, NO_PREFERENCE)?,
                "class" => encounter.class.read(c, ENCOUNTER_CLASS)?,
                "type" => encounter.kind.read(c, ENCOUNTER_TYPE)?,
                "reasonCode" => encounter.reason.read(c, CONDITION)?,
                // R5 nests the codes one level deeper, DSTU2 and STU3 gave them here.
                "reason" => c.each(|c| encounter.reason(c))?,
                "period" | "actualPeriod" => {
                    (encounter.start, encounter.end) = header.period(c)?;
                }
                _ => header.member(key, c)?,
            }
            Ok(())
        })?;
        Ok(encounter)
    }

    fn reason(&mut self, c: &mut Cursor<'a>) -> Result<(), Broken> {
        let mut whole = c.clone();
        let mut nested = false;
        c.object(|c, key| match key {
            "value" => {
                nested = true;
                self.reason.read(c, CONDITION)
            }
            _ => c.skip(),
        })?;
        if !nested {
            self.reason.read(&mut whole, CONDITION)?;
        }
        Ok(())
    }

    /// The v3 ActCode; DSTU2 wrote words.
    pub(crate) fn class(&self) -> Option<&str> {
        let class = self.class.code.as_deref()?;
        Some(match class {
            "ambulatory" | "outpatient" | "office" => "AMB",
            "inpatient" => "IMP",
            "emergency" => "EMER",
            "home" => "HH",
            "field" => "FLD",
            "virtual" => "VR",
            other => other,
        })
    }

    /// Whole minutes between the instants of start and end.
    pub(crate) fn length_minutes(&self) -> Option<i64> {
        let (start, end) = (self.start?.at?, self.end?.at?);
        let micros = end.checked_sub(start).filter(|micros| *micros >= 0)?;
        Some(micros / MICROS_PER_MINUTE)
    }
}
