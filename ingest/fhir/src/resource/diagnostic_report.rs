//! `DiagnosticReport`. Notes in `presentedForm` are passed over.

use super::Header;
use crate::coding::{Coded, NO_PREFERENCE, OBSERVATION, REPORT_CATEGORY};
use crate::date::Moment;
use crate::json::{Broken, Cursor};

/// The columns of `diagnostic_report`.
#[derive(Debug, Default)]
pub(crate) struct DiagnosticReport<'a> {
    pub(crate) status: Coded<'a>,
    pub(crate) category: Coded<'a>,
    pub(crate) code: Coded<'a>,
    pub(crate) effective: Option<Moment>,
}

impl<'a> DiagnosticReport<'a> {
    pub(super) fn read(c: &mut Cursor<'a>, header: &mut Header<'a>) -> Result<Self, Broken> {
        let mut report = Self::default();
        c.object(|c, key| {
            match key {
                "status" => report.status.read(c, NO_PREFERENCE)?,
                "category" => report.category.read(c, REPORT_CATEGORY)?,
                "code" => report.code.read(c, OBSERVATION)?,
                "effectiveDateTime" => report.effective = header.date(c)?,
                "effectivePeriod" => {
                    let (start, end) = header.period(c)?;
                    report.effective = start.or(end);
                }
                _ => header.member(key, c)?,
            }
            Ok(())
        })?;
        Ok(report)
    }
}
