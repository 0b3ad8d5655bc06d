//! What the records say in FHIR's own code lists, for text and tables alike.

use crate::record::{Condition, Immunization, Observation, Patient, Procedure, Sex};

impl Patient {
    /// FHIR administrative gender.
    pub const fn sex_code(&self) -> &'static str {
        match self.sex {
            Sex::Female => "female",
            Sex::Male => "male",
        }
    }
}

impl Condition {
    /// FHIR clinical status.
    pub const fn clinical_status(&self) -> &'static str {
        if self.abatement.is_some() {
            "resolved"
        } else {
            "active"
        }
    }

    /// FHIR verification status.
    pub const fn verification_status(&self) -> &'static str {
        if self.confirmed {
            "confirmed"
        } else {
            "provisional"
        }
    }

    /// FHIR category.
    pub const fn category(&self) -> &'static str {
        if self.acute {
            "encounter-diagnosis"
        } else {
            "problem-list-item"
        }
    }
}

impl Observation {
    /// FHIR status.
    pub const fn status(&self) -> &'static str {
        if self.corrected { "corrected" } else { "final" }
    }
}

impl Procedure {
    /// FHIR status.
    pub const fn status(&self) -> &'static str {
        if self.done { "completed" } else { "not-done" }
    }
}

impl Immunization {
    /// FHIR status.
    pub const fn status(&self) -> &'static str {
        if self.done { "completed" } else { "not-done" }
    }
}
