//! Codes: which of several codings becomes the row's.

use std::borrow::Cow;

use crate::json::{Broken, Cursor};

pub(crate) const LOINC: &str = "http://loinc.org";
pub(crate) const SNOMED: &str = "http://snomed.info/sct";
pub(crate) const ICD_10_CM: &str = "http://hl7.org/fhir/sid/icd-10-cm";
pub(crate) const ICD_10: &str = "http://hl7.org/fhir/sid/icd-10";
pub(crate) const ICD_9_CM: &str = "http://hl7.org/fhir/sid/icd-9-cm";
pub(crate) const ICD_10_PCS: &str = "http://www.cms.gov/Medicare/Coding/ICD10";
pub(crate) const CPT: &str = "http://www.ama-assn.org/go/cpt";
pub(crate) const HCPCS: &str = "urn:oid:2.16.840.1.113883.6.285";
pub(crate) const RXNORM: &str = "http://www.nlm.nih.gov/research/umls/rxnorm";
pub(crate) const NDC: &str = "http://hl7.org/fhir/sid/ndc";
pub(crate) const ATC: &str = "http://www.whocc.no/atc";
pub(crate) const CVX: &str = "http://hl7.org/fhir/sid/cvx";
pub(crate) const UNII: &str = "http://fdasis.nlm.nih.gov";
pub(crate) const NDF_RT: &str = "http://hl7.org/fhir/ndfrt";

/// Longer than any code of any system; what is longer is not a code.
const LONGEST_CODE: usize = 256;

/// The order in which a field prefers code systems. A coding of none of them comes after all of
/// them, one without a system last; among equals the first one given wins.
pub(crate) type Preference = &'static [&'static str];

pub(crate) const NO_PREFERENCE: Preference = &[];
pub(crate) const CONDITION: Preference = &[SNOMED, ICD_10_CM, ICD_10, ICD_9_CM];
pub(crate) const OBSERVATION: Preference = &[LOINC, SNOMED];
pub(crate) const ANSWER: Preference = &[SNOMED, LOINC];
pub(crate) const PROCEDURE: Preference = &[SNOMED, CPT, HCPCS, ICD_10_PCS, ICD_9_CM, LOINC];
pub(crate) const MEDICATION: Preference = &[RXNORM, NDC, SNOMED, ATC];
pub(crate) const VACCINE: Preference = &[CVX, NDC, RXNORM, SNOMED];
pub(crate) const SUBSTANCE: Preference = &[SNOMED, RXNORM, UNII, NDF_RT];
pub(crate) const ENCOUNTER_TYPE: Preference = &[SNOMED, CPT];
pub(crate) const ENCOUNTER_CLASS: Preference = &[
    "http://terminology.hl7.org/CodeSystem/v3-ActCode",
    "http://hl7.org/fhir/v3/ActCode",
];
pub(crate) const CONDITION_CATEGORY: Preference = &[
    "http://terminology.hl7.org/CodeSystem/condition-category",
    "http://hl7.org/fhir/us/core/CodeSystem/condition-category",
    "http://hl7.org/fhir/condition-category",
];
pub(crate) const OBSERVATION_CATEGORY: Preference = &[
    "http://terminology.hl7.org/CodeSystem/observation-category",
    "http://hl7.org/fhir/observation-category",
];
pub(crate) const REPORT_CATEGORY: Preference = &[
    "http://terminology.hl7.org/CodeSystem/v2-0074",
    "http://hl7.org/fhir/v2/0074",
    LOINC,
];
pub(crate) const INTERPRETATION: Preference = &[
    "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation",
    "http://hl7.org/fhir/v2/0078",
];
pub(crate) const MARITAL_STATUS: Preference = &[
    "http://terminology.hl7.org/CodeSystem/v3-MaritalStatus",
    "http://terminology.hl7.org/CodeSystem/v3-NullFlavor",
    "http://hl7.org/fhir/v3/MaritalStatus",
];
pub(crate) const LANGUAGE: Preference = &["urn:ietf:bcp:47"];

/// The best coding of a field so far.
#[derive(Debug, Default)]
pub(crate) struct Coded<'a> {
    pub(crate) code: Option<Cow<'a, str>>,
    pub(crate) system: Option<Cow<'a, str>>,
    /// `CodeableConcept.text`: what was said where nothing was coded.
    pub(crate) text: Option<Cow<'a, str>>,
    rank: usize,
}

impl<'a> Coded<'a> {
    /// A code that is known from elsewhere.
    pub(crate) fn known(code: String, system: Option<String>) -> Self {
        Self {
            code: Some(Cow::Owned(code)),
            system: system.map(Cow::Owned),
            ..Self::default()
        }
    }

    /// Reads a `CodeableConcept`, a `Coding`, a bare code, a `CodeableReference` (R5), or a list
    /// of any of them, and keeps the best.
    pub(crate) fn read(&mut self, c: &mut Cursor<'a>, order: Preference) -> Result<(), Broken> {
        c.each(|c| self.read_one(c, order))
    }

    fn read_one(&mut self, c: &mut Cursor<'a>, order: Preference) -> Result<(), Broken> {
        if c.peek()? == b'"' {
            let code = c.text()?;
            self.offer(code, None, order);
            return Ok(());
        }
        let (mut code, mut system) = (None, None);
        c.object(|c, key| {
            match key {
                "coding" | "concept" => self.read(c, order)?,
                "code" => code = c.text()?,
                "system" => system = c.text()?,
                "text" => {
                    let text = c.text()?;
                    self.text = self.text.take().or(text);
                }
                _ => c.skip()?,
            }
            Ok(())
        })?;
        self.offer(code, system, order);
        Ok(())
    }

    fn offer(
        &mut self,
        code: Option<Cow<'a, str>>,
        system: Option<Cow<'a, str>>,
        order: Preference,
    ) {
        let Some(code) = code.filter(|code| code.len() <= LONGEST_CODE) else {
            return;
        };
        let system = system
            .map(canonical)
            .filter(|system| system.len() <= LONGEST_CODE);
        let rank = match &system {
            None => order.len() + 1,
            Some(system) => order
                .iter()
                .position(|preferred| preferred == system)
                .unwrap_or(order.len()),
        };
        if self.code.is_none() || rank < self.rank {
            (self.code, self.system, self.rank) = (Some(code), system, rank);
        }
    }
}

/// The URI that HL7 Terminology gives a code system, for the other names that exports use.
/// <https://terminology.hl7.org/external_terminologies.html>
pub(crate) fn canonical(system: Cow<'_, str>) -> Cow<'_, str> {
    // By far the commonest names are canonical already.
    if matches!(system.as_ref(), LOINC | SNOMED | RXNORM | CVX | ICD_10_CM) {
        return system;
    }
    let name = system.trim_end_matches('/');
    let name = name.strip_prefix("urn:oid:").unwrap_or(name);
    let canonical = match name {
        "2.16.840.1.113883.6.1" | "http://loinc.org" | "https://loinc.org" => LOINC,
        "2.16.840.1.113883.6.96" | "http://snomed.info/sct" | "https://snomed.info/sct" => SNOMED,
        "2.16.840.1.113883.6.90" | "https://hl7.org/fhir/sid/icd-10-cm" => ICD_10_CM,
        "2.16.840.1.113883.6.3" => ICD_10,
        "2.16.840.1.113883.6.103"
        | "2.16.840.1.113883.6.104"
        | "http://hl7.org/fhir/sid/icd-9-cm/diagnosis" => ICD_9_CM,
        "2.16.840.1.113883.6.4" | "http://hl7.org/fhir/sid/icd-10-pcs" => ICD_10_PCS,
        "2.16.840.1.113883.6.12" => CPT,
        "2.16.840.1.113883.6.285" | "https://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets" => {
            HCPCS
        }
        "2.16.840.1.113883.6.88" | "https://www.nlm.nih.gov/research/umls/rxnorm" => RXNORM,
        "2.16.840.1.113883.6.69" => NDC,
        "2.16.840.1.113883.6.73" => ATC,
        "2.16.840.1.113883.12.292" | "2.16.840.1.113883.6.59" => CVX,
        "2.16.840.1.113883.4.9" => UNII,
        _ => return system,
    };
    Cow::Borrowed(canonical)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn best(json: &str, order: Preference) -> (Option<String>, Option<String>) {
        let mut coded = Coded::default();
        let mut cursor = Cursor::new(json);
        coded.read(&mut cursor, order).expect("well formed");
        cursor.end().expect("one value");
        let owned = |text: Option<Cow<'_, str>>| text.map(Cow::into_owned);
        (owned(coded.code), owned(coded.system))
    }

    fn some(code: &str, system: &str) -> (Option<String>, Option<String>) {
        (Some(code.into()), Some(system.into()))
    }

    #[test]
    fn the_preferred_system_wins_wherever_it_stands() {
        let json = r#"{"coding":[{"code":"LOCAL"},{"system":"urn:local","code":"L2"},
            {"system":"http://hl7.org/fhir/sid/icd-10-cm","code":"E11.9"},
            {"system":"http://snomed.info/sct","code":"44054006"},{"system":"http://snomed.info/sct","code":"2"}]}"#;
        assert_eq!(best(json, CONDITION), some("44054006", SNOMED));
        assert_eq!(best(json, &[ICD_10_CM]), some("E11.9", ICD_10_CM));
        assert_eq!(best(json, OBSERVATION), some("44054006", SNOMED));
        assert_eq!(best(json, NO_PREFERENCE), some("L2", "urn:local"));
    }

    #[test]
    fn every_shape_of_a_code_is_read() {
        assert_eq!(
            best(r#""final""#, NO_PREFERENCE),
            (Some("final".into()), None)
        );
        assert_eq!(
            best(r#"{"system":"s","code":"AMB"}"#, NO_PREFERENCE),
            some("AMB", "s")
        );
        assert_eq!(
            best(
                r#"[{"coding":[{"system":"s","code":"AMB"}]}]"#,
                NO_PREFERENCE
            ),
            some("AMB", "s")
        );
        assert_eq!(
            best(
                r#"{"concept":{"coding":{"system":"s","code":"x"}}}"#,
                NO_PREFERENCE
            ),
            some("x", "s")
        );
        for nothing in [
            "{}",
            "null",
            "[]",
            "7",
            r#"{"coding":[]}"#,
            r#"{"coding":[{"system":"s","code":""}]}"#,
            r#"{"text":"sugar"}"#,
        ] {
            assert_eq!(best(nothing, NO_PREFERENCE), (None, None), "{nothing}");
        }
    }

    #[test]
    fn other_names_of_a_system_become_its_uri() {
        for (name, uri) in [
            ("urn:oid:2.16.840.1.113883.6.1", LOINC),
            ("2.16.840.1.113883.6.90", ICD_10_CM),
            ("http://loinc.org/", LOINC),
            ("urn:oid:2.16.840.1.113883.12.292", CVX),
        ] {
            let json = format!(r#"{{"system":"{name}","code":"1"}}"#);
            assert_eq!(best(&json, NO_PREFERENCE), some("1", uri));
        }
    }
}
