//! `MedicationRequest`: prescriptions and orders. The medication is a code, or a reference to a
//! `Medication` that stands in the same line or on a line of its own.

use super::{Header, Line};
use crate::coding::{Coded, MEDICATION, NO_PREFERENCE};
use crate::date::Moment;
use crate::json::{Broken, Cursor};
use crate::reference::{Reference, Target};

/// The columns of `medication_request`.
#[derive(Debug, Default)]
pub(crate) struct MedicationRequest<'a> {
    pub(crate) status: Coded<'a>,
    pub(crate) intent: Coded<'a>,
    pub(crate) code: Coded<'a>,
    pub(crate) authored: Option<Moment>,
    reference: Reference<'a>,
}

/// Where the code of the medication is.
#[derive(Debug)]
pub(crate) enum Medication<'a> {
    /// In the line, if anywhere.
    Here(Option<Coded<'a>>),
    /// In the Medication resource with this id.
    There(std::borrow::Cow<'a, str>),
}

impl<'a> MedicationRequest<'a> {
    pub(super) fn read(c: &mut Cursor<'a>, header: &mut Header<'a>) -> Result<Self, Broken> {
        let mut request = Self::default();
        c.object(|c, key| {
            match key {
                "status" => request.status.read(c, NO_PREFERENCE)?,
                "intent" => request.intent.read(c, NO_PREFERENCE)?,
                "medicationCodeableConcept" => request.code.read(c, MEDICATION)?,
                "medicationReference" => request.reference = Reference::read(c)?,
                // R5: either, in one element.
                "medication" => {
                    let mut again = c.clone();
                    request.code.read(c, MEDICATION)?;
                    again.object(|c, key| {
                        match key {
                            "reference" => request.reference = Reference::read(c)?,
                            _ => c.skip()?,
                        }
                        Ok(())
                    })?;
                }
                "authoredOn" | "dateWritten" => request.authored = header.date(c)?,
                _ => header.member(key, c)?,
            }
            Ok(())
        })?;
        Ok(request)
    }

    /// Where to find the medication; `line` is the line of this request.
    pub(crate) fn medication(&self, line: &Line<'a>) -> Medication<'a> {
        if self.code.code.is_some() {
            return Medication::Here(None);
        }
        match self.reference.clone().target("Medication") {
            Target::Id(id) => Medication::There(id),
            Target::Contained(name) => Medication::Here(line.contained_medication(&name)),
            _ => Medication::Here(None),
        }
    }
}
