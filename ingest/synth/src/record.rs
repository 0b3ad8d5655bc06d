//! A person and what is recorded about them: plain values, codes by reference into
//! [`crate::terms`].

use crate::terms::{Concept, Measure};
use crate::time::{Day, Instant};
use std::fmt;

/// One person with all events of the window, each list in order of time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// Position in the population, from 0.
    pub number: u64,
    /// 48 bits that stand for the seed in resource ids.
    pub tag: u64,
    /// Demographics and fictitious direct identifiers.
    pub patient: Patient,
    /// Visits.
    pub encounters: Vec<Encounter>,
    /// Diagnoses, those from before the window included.
    pub conditions: Vec<Condition>,
    /// Measurements and answers.
    pub observations: Vec<Observation>,
    /// Prescriptions.
    pub medication_requests: Vec<MedicationRequest>,
    /// Procedures.
    pub procedures: Vec<Procedure>,
    /// Vaccinations.
    pub immunizations: Vec<Immunization>,
}

impl Person {
    /// The FHIR id of one of this person's resources; `ordinal` is its place in its list (0 for the
    /// patient).
    pub fn id(&self, kind: Kind, ordinal: usize) -> ResourceId {
        ResourceId {
            tag: self.tag,
            kind,
            person: self.number,
            ordinal: u32::try_from(ordinal).unwrap_or(u32::MAX),
        }
    }

    /// How many FHIR resources the person makes.
    pub fn resources(&self) -> usize {
        1 + self.encounters.len()
            + self.conditions.len()
            + self.observations.len()
            + self.medication_requests.len()
            + self.procedures.len()
            + self.immunizations.len()
    }
}

/// The FHIR resource types that the generator writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Patient.
    Patient,
    /// Encounter.
    Encounter,
    /// Condition.
    Condition,
    /// Observation.
    Observation,
    /// MedicationRequest.
    MedicationRequest,
    /// Procedure.
    Procedure,
    /// Immunization.
    Immunization,
}

impl Kind {
    /// All kinds, in the order of [`Kind::index`].
    pub const ALL: [Self; 7] = [
        Self::Patient,
        Self::Encounter,
        Self::Condition,
        Self::Observation,
        Self::MedicationRequest,
        Self::Procedure,
        Self::Immunization,
    ];

    /// The FHIR name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Patient => "Patient",
            Self::Encounter => "Encounter",
            Self::Condition => "Condition",
            Self::Observation => "Observation",
            Self::MedicationRequest => "MedicationRequest",
            Self::Procedure => "Procedure",
            Self::Immunization => "Immunization",
        }
    }

    /// The letter of the kind in ids; none for patients.
    const fn letter(self) -> Option<u8> {
        match self {
            Self::Patient => None,
            Self::Encounter => Some(b'e'),
            Self::Condition => Some(b'c'),
            Self::Observation => Some(b'o'),
            Self::MedicationRequest => Some(b'm'),
            Self::Procedure => Some(b'p'),
            Self::Immunization => Some(b'i'),
        }
    }

    /// Place in [`Kind::ALL`].
    pub const fn index(self) -> usize {
        self as usize
    }
}

/// A resource id: seed tag, person, and for everything but the patient a letter and an ordinal, so
/// that no two resources can share one. Patient ids are a prefix and a decimal number, which lets a
/// lake assign a whole population at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ResourceId {
    tag: u64,
    kind: Kind,
    person: u64,
    ordinal: u32,
}

impl ResourceId {
    /// What all patient ids of one seed begin with; the person's number follows.
    pub fn patient_prefix(tag: u64) -> String {
        format!("{tag:012x}-")
    }

    /// Appends the id to `text`: at most 45 of the 64 characters that FHIR allows.
    pub fn write(self, text: &mut Vec<u8>) {
        const HEX: &[u8; 16] = b"0123456789abcdef";
        text.extend(
            (0..12)
                .rev()
                .map(|nibble| HEX[usize::try_from(self.tag >> (4 * nibble) & 0xf).unwrap_or(0)]),
        );
        text.push(b'-');
        write_number(text, self.person);
        if let Some(letter) = self.kind.letter() {
            text.extend([b'-', letter]);
            write_number(text, u64::from(self.ordinal));
        }
    }
}

/// Appends a number in decimal.
pub(crate) fn write_number(text: &mut Vec<u8>, mut number: u64) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + u8::try_from(number % 10).unwrap_or(0);
        number /= 10;
        if number == 0 {
            break;
        }
    }
    text.extend_from_slice(&digits[at..]);
}

impl fmt::Display for ResourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = Vec::with_capacity(48);
        self.write(&mut text);
        f.write_str(&String::from_utf8_lossy(&text))
    }
}

/// Administrative sex.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Sex {
    /// Female.
    Female,
    /// Male.
    Male,
}

/// Demographics and fictitious direct identifiers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Patient {
    /// Administrative sex.
    pub sex: Sex,
    /// Date of birth.
    pub birth: Day,
    /// Date of death, when it falls in the window.
    pub death: Option<Day>,
    /// Marital status; unknown for some.
    pub marital: Option<&'static Concept>,
    /// OMB race; unknown for some.
    pub race: Option<&'static Concept>,
    /// OMB ethnicity; unknown for some.
    pub ethnicity: Option<&'static Concept>,
    /// USPS code of the state.
    pub state: &'static str,
    /// ZIP code, 0 to 99999; unknown for some.
    pub postal: Option<u32>,
    /// Area deprivation, 1 (least) to 10 (most deprived); unknown where the ZIP code is.
    pub deprivation: Option<u8>,
    /// BCP 47 language.
    pub language: &'static str,
    /// Invented given name.
    pub given: &'static str,
    /// Invented family name.
    pub family: &'static str,
    /// Invented street and house number.
    pub street: (u16, &'static str),
    /// Invented town.
    pub town: &'static str,
    /// Last two digits of a 555-01xx number, the block reserved for fiction.
    pub phone: u8,
}

/// Encounter class (HL7 v3 ActCode).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// AMB.
    Ambulatory,
    /// EMER.
    Emergency,
    /// IMP.
    Inpatient,
}

impl Class {
    /// Code and display.
    pub const fn code(self) -> (&'static str, &'static str) {
        match self {
            Self::Ambulatory => ("AMB", "ambulatory"),
            Self::Emergency => ("EMER", "emergency"),
            Self::Inpatient => ("IMP", "inpatient encounter"),
        }
    }
}

/// A finished visit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Encounter {
    /// Class.
    pub class: Class,
    /// SNOMED CT type.
    pub kind: &'static Concept,
    /// Why, when recorded.
    pub reason: Option<&'static Concept>,
    /// Start.
    pub start: Instant,
    /// Length.
    pub minutes: u32,
}

/// A diagnosis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Condition {
    /// What.
    pub concept: &'static Concept,
    /// `encounter-diagnosis` for acute illness, `problem-list-item` otherwise.
    pub acute: bool,
    /// Confirmed, or only provisional.
    pub confirmed: bool,
    /// First day of illness.
    pub onset: Day,
    /// End of illness; such a condition is resolved.
    pub abatement: Option<Day>,
    /// Day of record.
    pub recorded: Day,
    /// Index into the person's encounters; absent for what was recorded before the window.
    pub encounter: Option<u32>,
}

/// Observation category.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Category {
    /// Vital signs.
    VitalSigns,
    /// Laboratory.
    Laboratory,
    /// Social history.
    SocialHistory,
    /// Survey.
    Survey,
    /// Imaging.
    Imaging,
}

impl Category {
    /// FHIR code.
    pub const fn code(self) -> &'static str {
        match self {
            Self::VitalSigns => "vital-signs",
            Self::Laboratory => "laboratory",
            Self::SocialHistory => "social-history",
            Self::Survey => "survey",
            Self::Imaging => "imaging",
        }
    }
}

/// What was observed. Numbers are integers in units of the measure's last decimal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value {
    /// A quantity.
    Quantity(&'static Measure, i32),
    /// A coded answer.
    Coded(&'static Concept),
    /// Systolic and diastolic pressure in `mm[Hg]`, as components.
    Pressure(i32, i32),
    /// The measurement failed: `dataAbsentReason`.
    Absent,
    /// No value is part of the report.
    None,
}

/// A measurement or an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Observation {
    /// LOINC concept.
    pub concept: &'static Concept,
    /// Category.
    pub category: Category,
    /// `corrected` instead of `final`.
    pub corrected: bool,
    /// When.
    pub at: Instant,
    /// Index into the person's encounters.
    pub encounter: Option<u32>,
    /// Value.
    pub value: Value,
}

/// Where a prescription stands at the end of the window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RequestStatus {
    /// Running.
    Active,
    /// Run out, or renewed by a later one.
    Completed,
    /// Stopped early.
    Stopped,
}

impl RequestStatus {
    /// FHIR code.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Completed => "completed",
            Self::Stopped => "stopped",
        }
    }
}

/// A prescription.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MedicationRequest {
    /// RxNorm clinical drug.
    pub concept: &'static Concept,
    /// Status.
    pub status: RequestStatus,
    /// When.
    pub authored: Instant,
    /// Index into the person's encounters.
    pub encounter: Option<u32>,
}

/// A procedure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Procedure {
    /// SNOMED CT.
    pub concept: &'static Concept,
    /// Done, or ordered and `not-done`.
    pub done: bool,
    /// Day.
    pub performed: Day,
    /// Index into the person's encounters.
    pub encounter: Option<u32>,
}

/// A vaccination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Immunization {
    /// CVX.
    pub concept: &'static Concept,
    /// Given, or `not-done`.
    pub done: bool,
    /// Day.
    pub occurred: Day,
    /// Index into the person's encounters; absent when given elsewhere.
    pub encounter: Option<u32>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn ids_spell_out_what_they_name() {
        let id = |kind, person, ordinal| {
            ResourceId {
                tag: 0x0234_5678_9abc,
                kind,
                person,
                ordinal,
            }
            .to_string()
        };
        assert_eq!(id(Kind::Patient, 50, 0), "023456789abc-50");
        assert_eq!(id(Kind::Observation, 50, 130), "023456789abc-50-o130");
        assert_eq!(
            ResourceId::patient_prefix(0x0234_5678_9abc),
            "023456789abc-"
        );
        let mut seen = HashSet::new();
        for kind in Kind::ALL {
            for person in [0, 1, 12, u64::MAX] {
                for ordinal in [0, 1, 2, 12, u32::MAX] {
                    let id = id(kind, person, ordinal);
                    assert!(id.len() <= 64);
                    assert!(seen.insert(id) || kind == Kind::Patient);
                }
            }
        }
    }
}
