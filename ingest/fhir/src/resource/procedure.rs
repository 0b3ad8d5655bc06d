//! `Procedure`: what was done.

use super::Header;
use crate::coding::{Coded, NO_PREFERENCE, PROCEDURE};
use crate::date::Moment;
use crate::json::{Broken, Cursor};

/// The columns of `procedure`.
#[derive(Debug, Default)]
pub(crate) struct Procedure<'a> {
    pub(crate) status: Coded<'a>,
    pub(crate) code: Coded<'a>,
    pub(crate) performed: Option<Moment>,
    pub(crate) performed_end: Option<Moment>,
}

impl<'a> Procedure<'a> {
    pub(super) fn read(c: &mut Cursor<'a>, header: &mut Header<'a>) -> Result<Self, Broken> {
        let mut procedure = Self::default();
        c.object(|c, key| {
            match key {
                "status" => procedure.status.read(c, NO_PREFERENCE)?,
                "code" => procedure.code.read(c, PROCEDURE)?,
                // R5 calls it occurrence.
                "performedDateTime" | "occurrenceDateTime" => {
                    procedure.performed = header.date(c)?;
                }
                "performedPeriod" | "occurrencePeriod" => {
                    (procedure.performed, procedure.performed_end) = header.period(c)?;
                }
                _ => header.member(key, c)?,
            }
            Ok(())
        })?;
        Ok(procedure)
    }
}
