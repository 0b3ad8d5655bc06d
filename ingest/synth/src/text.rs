//! FHIR R4 JSON, one line for each resource.
//!
//! Lines are assembled from fixed text, digits and the strings of [`crate::terms`] and
//! [`crate::places`], none of which needs escaping.

use crate::record::{
    Condition, Encounter, Immunization, Kind, MedicationRequest, Observation, Patient, Person,
    Procedure, ResourceId, Value, write_number,
};
use crate::terms::{self, Concept, Measure};
use crate::time::{Day, Instant};

/// The extension that carries the area deprivation decile of a patient's residence as
/// `valueInteger`, 1 (least deprived) to 10.
pub const DEPRIVATION_DECILE: &str =
    "https://salus.example/fhir/StructureDefinition/area-deprivation-decile";
/// System of the fictitious medical record numbers.
pub const RECORD_NUMBER: &str = "https://salus.example/fhir/sid/synthetic-mrn";

/// Lines of one kind for each kind, with their number.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    pub(crate) text: [Vec<u8>; Kind::ALL.len()],
    pub(crate) count: [u64; Kind::ALL.len()],
}

impl Lines {
    /// Appends all resources of a person.
    pub(crate) fn person(&mut self, person: &Person) {
        self.line(Kind::Patient, |line| line.patient(person));
        for (at, encounter) in person.encounters.iter().enumerate() {
            self.line(Kind::Encounter, |line| {
                line.encounter(person, at, encounter);
            });
        }
        for (at, condition) in person.conditions.iter().enumerate() {
            self.line(Kind::Condition, |line| {
                line.condition(person, at, condition);
            });
        }
        for (at, observation) in person.observations.iter().enumerate() {
            self.line(Kind::Observation, |line| {
                line.observation(person, at, observation);
            });
        }
        for (at, request) in person.medication_requests.iter().enumerate() {
            self.line(Kind::MedicationRequest, |line| {
                line.request(person, at, request);
            });
        }
        for (at, procedure) in person.procedures.iter().enumerate() {
            self.line(Kind::Procedure, |line| {
                line.procedure(person, at, procedure);
            });
        }
        for (at, immunization) in person.immunizations.iter().enumerate() {
            self.line(Kind::Immunization, |line| {
                line.immunization(person, at, immunization);
            });
        }
    }

    fn line(&mut self, kind: Kind, write: impl FnOnce(&mut Line<'_>)) {
        let text = &mut self.text[kind.index()];
        write(&mut Line(text));
        text.push(b'\n');
        self.count[kind.index()] += 1;
    }
}

struct Line<'a>(&'a mut Vec<u8>);

impl Line<'_> {
    fn put(&mut self, text: &str) -> &mut Self {
        self.0.extend_from_slice(text.as_bytes());
        self
    }

    fn number(&mut self, number: u64) -> &mut Self {
        write_number(self.0, number);
        self
    }

    fn day(&mut self, day: Day) -> &mut Self {
        self.0.extend_from_slice(&day.ascii());
        self
    }

    fn instant(&mut self, instant: Instant) -> &mut Self {
        self.0.extend_from_slice(&instant.ascii());
        self
    }

    fn id(&mut self, id: ResourceId) -> &mut Self {
        id.write(self.0);
        self
    }

    fn head(&mut self, kind: Kind, id: ResourceId) -> &mut Self {
        self.put("{\"resourceType\":\"")
            .put(kind.name())
            .put("\",\"id\":\"")
            .id(id)
            .put("\"")
    }

    /// `"coding":[...]` of a concept.
    fn coding(&mut self, concept: &Concept) -> &mut Self {
        self.put("\"coding\":[");
        for (at, coding) in concept.codings.iter().enumerate() {
            self.put(if at == 0 {
                "{\"system\":\""
            } else {
                ",{\"system\":\""
            });
            self.put(coding.system.url())
                .put("\",\"code\":\"")
                .put(coding.code)
                .put("\",\"display\":\"")
                .put(coding.display)
                .put("\"}");
        }
        self.put("]")
    }

    /// `,"name":{"coding":[...]}`.
    fn concept(&mut self, name: &str, concept: &Concept) -> &mut Self {
        self.put(",\"")
            .put(name)
            .put("\":{")
            .coding(concept)
            .put("}")
    }

    /// `,"name":{"coding":[{...}]}` with a single code of an HL7 system.
    fn hl7(&mut self, name: &str, system: &str, code: &str) -> &mut Self {
        self.put(",\"")
            .put(name)
            .put("\":{\"coding\":[{\"system\":\"http://terminology.hl7.org/CodeSystem/")
            .put(system);
        self.put("\",\"code\":\"").put(code).put("\"}]}")
    }

    fn subject(&mut self, name: &str, person: &Person) -> &mut Self {
        self.put(",\"")
            .put(name)
            .put("\":{\"reference\":\"Patient/")
            .id(person.id(Kind::Patient, 0))
            .put("\"}")
    }

    fn at_encounter(&mut self, person: &Person, encounter: Option<u32>) -> &mut Self {
        if let Some(encounter) = encounter {
            self.put(",\"encounter\":{\"reference\":\"Encounter/")
                .id(person.id(Kind::Encounter, encounter as usize))
                .put("\"}");
        }
        self
    }

    fn patient(&mut self, person: &Person) {
        let it = &person.patient;
        self.head(Kind::Patient, person.id(Kind::Patient, 0));
        self.put(",\"meta\":{\"tag\":[{\"system\":\"http://terminology.hl7.org/CodeSystem/v3-ActReason\",\"code\":\"HTEST\"}]}");
        self.extensions(it);
        self.put(",\"identifier\":[{\"type\":{\"coding\":[{\"system\":\"http://terminology.hl7.org/CodeSystem/v2-0203\",\"code\":\"MR\"}]}");
        self.put(",\"system\":\"")
            .put(RECORD_NUMBER)
            .put("\",\"value\":\"")
            .id(person.id(Kind::Patient, 0))
            .put("\"}]");
        self.put(",\"name\":[{\"use\":\"official\",\"family\":\"")
            .put(it.family)
            .put("\",\"given\":[\"")
            .put(it.given)
            .put("\"]}]");
        self.put(",\"telecom\":[{\"system\":\"phone\",\"value\":\"555-01")
            .number(u64::from(it.phone / 10))
            .number(u64::from(it.phone % 10));
        self.put("\",\"use\":\"home\"}],\"gender\":\"")
            .put(it.sex_code())
            .put("\",\"birthDate\":\"")
            .day(it.birth);
        match it.death {
            Some(day) => self.put("\",\"deceasedDateTime\":\"").day(day).put("\""),
            None => self.put("\",\"deceasedBoolean\":false"),
        };
        self.put(",\"address\":[{\"use\":\"home\",\"line\":[\"")
            .number(u64::from(it.street.0))
            .put(" ")
            .put(it.street.1);
        self.put("\"],\"city\":\"")
            .put(it.town)
            .put("\",\"state\":\"")
            .put(it.state);
        if let Some(postal) = it.postal {
            self.put("\",\"postalCode\":\"");
            for place in [10_000, 1_000, 100, 10, 1] {
                self.number(u64::from(postal / place % 10));
            }
        }
        self.put("\",\"country\":\"US\"}]");
        if let Some(marital) = it.marital {
            self.concept("maritalStatus", marital);
        }
        self.put(",\"communication\":[{\"language\":{\"coding\":[{\"system\":\"urn:ietf:bcp:47\",\"code\":\"").put(it.language);
        self.put("\"}]},\"preferred\":true}]}");
    }

    fn extensions(&mut self, it: &Patient) {
        let mut separator = ",\"extension\":[";
        for (url, concept) in [
            ("us-core-race", it.race),
            ("us-core-ethnicity", it.ethnicity),
        ] {
            let Some(coding) = concept.map(Concept::first) else {
                continue;
            };
            self.put(separator)
                .put("{\"url\":\"http://hl7.org/fhir/us/core/StructureDefinition/")
                .put(url)
                .put("\",\"extension\":[");
            self.put("{\"url\":\"ombCategory\",\"valueCoding\":{\"system\":\"")
                .put(coding.system.url())
                .put("\",\"code\":\"");
            self.put(coding.code)
                .put("\",\"display\":\"")
                .put(coding.display)
                .put("\"}},{\"url\":\"text\",\"valueString\":\"");
            self.put(coding.display).put("\"}]}");
            separator = ",";
        }
        if let Some(decile) = it.deprivation {
            self.put(separator)
                .put("{\"url\":\"")
                .put(DEPRIVATION_DECILE)
                .put("\",\"valueInteger\":")
                .number(u64::from(decile))
                .put("}");
            separator = ",";
        }
        if separator == "," {
            self.put("]");
        }
    }

    fn encounter(&mut self, person: &Person, at: usize, it: &Encounter) {
        let (class, display) = it.class.code();
        self.head(Kind::Encounter, person.id(Kind::Encounter, at))
            .put(",\"status\":\"finished\",\"class\":");
        self.put("{\"system\":\"http://terminology.hl7.org/CodeSystem/v3-ActCode\",\"code\":\"")
            .put(class)
            .put("\",\"display\":\"");
        self.put(display)
            .put("\"},\"type\":[{")
            .coding(it.kind)
            .put("}]");
        self.subject("subject", person)
            .put(",\"period\":{\"start\":\"")
            .instant(it.start)
            .put("\",\"end\":\"");
        self.instant(it.start.plus_minutes(it.minutes)).put("\"}");
        if let Some(reason) = it.reason {
            self.put(",\"reasonCode\":[{").coding(reason).put("}]");
        }
        self.put("}");
    }

    fn condition(&mut self, person: &Person, at: usize, it: &Condition) {
        self.head(Kind::Condition, person.id(Kind::Condition, at));
        self.hl7("clinicalStatus", "condition-clinical", it.clinical_status());
        self.hl7(
            "verificationStatus",
            "condition-ver-status",
            it.verification_status(),
        );
        self.put(",\"category\":[{\"coding\":[{\"system\":\"http://terminology.hl7.org/CodeSystem/condition-category\",\"code\":\"");
        self.put(it.category()).put("\"}]}]");
        self.concept("code", it.concept)
            .subject("subject", person)
            .at_encounter(person, it.encounter);
        self.put(",\"onsetDateTime\":\"").day(it.onset);
        if let Some(abatement) = it.abatement {
            self.put("\",\"abatementDateTime\":\"").day(abatement);
        }
        self.put("\",\"recordedDate\":\"")
            .day(it.recorded)
            .put("\"}");
    }

    fn observation(&mut self, person: &Person, at: usize, it: &Observation) {
        self.head(Kind::Observation, person.id(Kind::Observation, at))
            .put(",\"status\":\"")
            .put(it.status());
        self.put("\",\"category\":[{\"coding\":[{\"system\":\"http://terminology.hl7.org/CodeSystem/observation-category\",\"code\":\"");
        self.put(it.category.code()).put("\"}]}]");
        self.concept("code", it.concept)
            .subject("subject", person)
            .at_encounter(person, it.encounter);
        self.put(",\"effectiveDateTime\":\"")
            .instant(it.at)
            .put("\"");
        match it.value {
            Value::Quantity(measure, value) => {
                self.quantity(measure, value);
            }
            Value::Coded(answer) => {
                self.concept("valueCodeableConcept", answer);
            }
            Value::Pressure(systolic, diastolic) => {
                self.put(",\"component\":[");
                for (separator, measure, value) in [
                    ("{", &terms::SYSTOLIC, systolic),
                    (",{", &terms::DIASTOLIC, diastolic),
                ] {
                    self.put(separator)
                        .put("\"code\":{")
                        .coding(measure.concept)
                        .put("}")
                        .quantity(measure, value)
                        .put("}");
                }
                self.put("]");
            }
            Value::Absent => {
                self.hl7("dataAbsentReason", "data-absent-reason", "error");
            }
            Value::None => {}
        }
        self.put("}");
    }

    /// `,"valueQuantity":{...}`: the decimal is printed from its integer, never through a float.
    fn quantity(&mut self, measure: &Measure, value: i32) -> &mut Self {
        self.put(",\"valueQuantity\":{\"value\":");
        if value < 0 {
            self.put("-");
        }
        let one = 10_u32.pow(u32::from(measure.scale));
        let magnitude = value.unsigned_abs();
        self.number(u64::from(magnitude / one));
        if measure.scale > 0 {
            self.put(".");
            let mut place = one / 10;
            while place > 0 {
                self.number(u64::from(magnitude / place % 10));
                place /= 10;
            }
        }
        self.put(",\"unit\":\"")
            .put(measure.unit)
            .put("\",\"system\":\"http://unitsofmeasure.org\",\"code\":\"")
            .put(measure.unit)
            .put("\"}")
    }

    fn request(&mut self, person: &Person, at: usize, it: &MedicationRequest) {
        self.head(
            Kind::MedicationRequest,
            person.id(Kind::MedicationRequest, at),
        )
        .put(",\"status\":\"")
        .put(it.status.code());
        self.put("\",\"intent\":\"order\"")
            .concept("medicationCodeableConcept", it.concept);
        self.subject("subject", person)
            .at_encounter(person, it.encounter);
        self.put(",\"authoredOn\":\"")
            .instant(it.authored)
            .put("\"}");
    }

    fn procedure(&mut self, person: &Person, at: usize, it: &Procedure) {
        self.head(Kind::Procedure, person.id(Kind::Procedure, at))
            .put(",\"status\":\"")
            .put(it.status())
            .put("\"");
        self.concept("code", it.concept)
            .subject("subject", person)
            .at_encounter(person, it.encounter);
        self.put(",\"performedDateTime\":\"")
            .day(it.performed)
            .put("\"}");
    }

    fn immunization(&mut self, person: &Person, at: usize, it: &Immunization) {
        self.head(Kind::Immunization, person.id(Kind::Immunization, at))
            .put(",\"status\":\"")
            .put(it.status())
            .put("\"");
        self.concept("vaccineCode", it.concept)
            .subject("patient", person)
            .at_encounter(person, it.encounter);
        self.put(",\"occurrenceDateTime\":\"")
            .day(it.occurred)
            .put("\",\"primarySource\":true}");
    }
}
