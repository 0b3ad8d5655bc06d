//! One hand-written resource after another, as rows.

use std::fmt::Write as _;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Int32Type, Int64Type, TimestampMicrosecondType,
};

use salus_lake::Catalog;

use super::*;
use crate::code_map::CodeMap;
use crate::consent::consent;
use crate::deletion::deletions;
use crate::key::Keys;
use crate::measure::{CatalogUnits, Measures};
use crate::tables::{Place, Tables};

/// The rows that `json` becomes, `column=value` for everything that is not NULL.
fn rows(json: &str) -> Vec<String> {
    let line = Line::parse(json.as_bytes()).unwrap_or_else(|why| panic!("{why:?}: {json}"));
    assert_eq!(line.header.flaw, None, "{json}");
    let id = line.header.id.clone().expect("an id");
    let table = line.table().expect("a table");
    let medication = match &line.resource {
        Resource::MedicationRequest(request) => match request.medication(&line) {
            Medication::Here(code) => code,
            Medication::There(id) => Some(Coded::known(format!("there:{id}"), None)),
        },
        _ => None,
    };
    let catalog = Catalog::parse(Catalog::default_yaml()).expect("the catalog");
    let units = CatalogUnits::of(&catalog);
    let map = CodeMap::default();
    let mut tables =
        Tables::new(Keys::new("test"), Measures::new(&units), &map).expect("the lake's schemas");
    let place = Place {
        version: None,
        person: 7,
        kind: &line.kind,
        id: &id,
    };
    tables
        .add(
            table,
            place,
            &line.header,
            &line.resource,
            medication.as_ref(),
        )
        .expect("a row");
    let batches = tables.take_rest().expect("batches");
    batches
        .iter()
        .flat_map(|(table, batch)| (0..batch.num_rows()).map(|row| said(table, batch, row)))
        .collect()
}

fn said(table: &str, batch: &RecordBatch, row: usize) -> String {
    let mut text = table.to_owned();
    for (field, column) in batch.schema().fields().iter().zip(batch.columns()) {
        if column.is_null(row) || field.name() == "id" || field.name() == "observation_id" {
            continue;
        }
        let _ = write!(text, " {}=", field.name());
        let _ = match field.data_type() {
            _ if field.name() == "encounter_id" => {
                let expected = Keys::new("test").row("Encounter", "e");
                write!(
                    text,
                    "{}",
                    if column.as_primitive::<Int64Type>().value(row) == expected {
                        "e"
                    } else {
                        "?"
                    }
                )
            }
            DataType::Int64 => write!(text, "{}", column.as_primitive::<Int64Type>().value(row)),
            DataType::Int32 => write!(text, "{}", column.as_primitive::<Int32Type>().value(row)),
            DataType::Utf8 => write!(text, "{}", column.as_string::<i32>().value(row)),
            DataType::Date32 => {
                let day = column.as_primitive::<Date32Type>().value_as_date(row);
                write!(text, "{}", day.expect("a day"))
            }
            DataType::Timestamp(..) => {
                let at = column
                    .as_primitive::<TimestampMicrosecondType>()
                    .value_as_datetime(row);
                write!(text, "{}", at.expect("an instant").format("%FT%T%.fZ"))
            }
            DataType::Decimal128(..) => {
                let value = column.as_primitive::<Decimal128Type>().value_as_string(row);
                write!(text, "{value}")
            }
            DataType::Boolean => write!(text, "{}", column.as_boolean().value(row)),
            other => panic!("{other}"),
        };
    }
    text
}

#[track_caller]
fn check(json: &str, expected: &[&str]) {
    assert_eq!(rows(json), expected);
}

#[test]
fn patient() {
    check(
        r#"{"resourceType":"Patient","id":"p","name":[{"family":"Doe"}],"telecom":[{"value":"555"}],"gender":"female",
        "birthDate":"1965-01","_birthDate":{"extension":[{"url":"x"}]},"deceasedDateTime":"2021-02-21T19:27:45+00:00",
        "maritalStatus":{"coding":[{"system":"urn:local","code":"9"},{"system":"http://terminology.hl7.org/CodeSystem/v3-MaritalStatus","code":"M"}]},
        "address":[{"use":"old","state":"NY","postalCode":"10001"},{"use":"home","line":["1 Main St"],"city":"Boston","state":"Massachusetts","postalCode":"02138-1234","country":"US"}],
        "communication":[{"language":{"coding":[{"system":"urn:ietf:bcp:47","code":"en"}]}},{"language":{"coding":[{"code":"es"}]},"preferred":true}],
        "extension":[{"url":"http://hl7.org/fhir/us/core/StructureDefinition/us-core-race","extension":[
            {"url":"ombCategory","valueCoding":{"system":"urn:oid:2.16.840.1.113883.6.238","code":"2106-3"}},
            {"url":"detailed","valueCoding":{"code":"2108-9"}},{"url":"text","valueString":"White"}]},
          {"url":"http://hl7.org/fhir/us/core/StructureDefinition/us-core-ethnicity","extension":[{"url":"ombCategory","valueCoding":{"code":"2135-2"}}]}]}"#,
        &[
            "patient person_id=7 sex=female birth_date=1965-01-01 deceased=true death_date=2021-02-21 marital_status=M \
           race=White ethnicity=Hispanic or Latino state=MA postal3=021 language=es",
        ],
    );
    check(
        r#"{"id":"p","birthDate":null,"gender":"","deceasedBoolean":false,"resourceType":"Patient"}"#,
        &["patient person_id=7 deceased=false"],
    );
    check(
        r#"{"resourceType":"Patient","id":"p","gender":"M","deceasedBoolean":true,"address":{"state":"WA","country":"AU"}}"#,
        &["patient person_id=7 sex=male deceased=true"],
    );
    check(
        r#"{"resourceType":"Patient","id":"p","deceasedDateTime":"unknown"}"#,
        &["patient person_id=7 deceased=true"],
    );
    check(
        r#"{"resourceType":"Patient","id":"p","deceasedDateTime":" "}"#,
        &["patient person_id=7 deceased=false"],
    );
}

#[test]
fn deprivation_is_a_decile_or_nothing() {
    for (decile, expected) in [("7", " deprivation=7"), ("11", ""), ("0", ""), ("7.5", "")] {
        let json = format!(
            r#"{{"resourceType":"Patient","id":"p","extension":[{{"url":"https://x.example/area-deprivation-decile","valueInteger":{decile}}}]}}"#
        );
        check(
            &json,
            &[&format!("patient person_id=7 deceased=false{expected}")],
        );
    }
}

#[test]
fn several_races_are_two_or_more_and_unknown_adds_nothing() {
    let patient = |codes: &[&str]| {
        let nested: Vec<_> = codes
            .iter()
            .map(|code| format!(r#"{{"url":"ombCategory","valueCoding":{{"code":"{code}"}}}}"#))
            .collect();
        format!(
            r#"{{"resourceType":"Patient","id":"p","extension":[{{"url":"http://hl7.org/fhir/us/core/StructureDefinition/us-core-race","extension":[{}]}}]}}"#,
            nested.join(",")
        )
    };
    for (codes, race) in [
        (&["2106-3", "2054-5"][..], "Two or more"),
        (&["2106-3", "2106-3"], "White"),
        (&["UNK", "2028-9"], "Asian"),
        (&["2028-9", "ASKU"], "Asian"),
        (&["UNK"], "Unknown"),
    ] {
        check(
            &patient(codes),
            &[&format!("patient person_id=7 deceased=false race={race}")],
        );
    }
    // An older profile wrote the concept directly.
    check(
        r#"{"resourceType":"Patient","id":"p","extension":[{"url":"http://hl7.org/fhir/StructureDefinition/us-core-race","valueCodeableConcept":{"coding":[{"code":"2054-5"}]}}]}"#,
        &["patient person_id=7 deceased=false race=Black or African American"],
    );
}

#[test]
fn no_direct_identifier_reaches_a_row() {
    let row = rows(
        r#"{"resourceType":"Patient","id":"SECRET","identifier":[{"system":"s","value":"SECRET"}],"name":[{"text":"SECRET"}],
        "telecom":[{"value":"SECRET"}],"photo":[{"data":"SECRET"}],"contact":[{"name":{"text":"SECRET"}}],
        "address":[{"line":["SECRET"],"city":"SECRET","district":"SECRET","state":"SECRET","postalCode":"SECRET","country":"SECRET"}],
        "extension":[{"url":"SECRET","valueString":"SECRET"}],"text":{"div":"SECRET"},"gender":"SECRET"}"#,
    );
    assert_eq!(row, ["patient person_id=7 deceased=false"]);
}

#[test]
fn encounter() {
    check(
        r#"{"resourceType":"Encounter","id":"x","status":"finished","class":{"system":"http://terminology.hl7.org/CodeSystem/v3-ActCode","code":"IMP"},
        "type":[{"coding":[{"system":"http://www.ama-assn.org/go/cpt","code":"99213"}]},{"coding":[{"system":"http://snomed.info/sct","code":"185345009"}]}],
        "reasonCode":[{"coding":[{"system":"http://snomed.info/sct","code":"75498004"}]}],"subject":{"reference":"Patient/p"},
        "period":{"start":"1985-06-18T17:30:49-04:00","end":"1985-06-18T17:46:48-04:00"}}"#,
        &[
            "encounter person_id=7 status=finished class=IMP type_code=185345009 type_system=http://snomed.info/sct reason_code=75498004 \
           start_date=1985-06-18 start_at=1985-06-18T21:30:49Z end_date=1985-06-18 end_at=1985-06-18T21:46:48Z length_minutes=15",
        ],
    );
    // R5, and an end without a usable date.
    check(
        r#"{"resourceType":"Encounter","id":"x","status":"completed","class":[{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ActCode","code":"AMB"}]}],
        "reason":[{"value":[{"concept":{"coding":[{"system":"http://snomed.info/sct","code":"1"}]}}]}],"actualPeriod":{"start":"2024","end":"later"}}"#,
        &["encounter person_id=7 status=completed class=AMB reason_code=1 start_date=2024-01-01"],
    );
    check(
        r#"{"resourceType":"Encounter","id":"x","class":"outpatient","reason":[{"coding":[{"code":"2"}]}],"period":{"start":"2020-01-02T00:00:00Z","end":"2020-01-01T00:00:00Z"}}"#,
        &[
            "encounter person_id=7 class=AMB reason_code=2 start_date=2020-01-02 start_at=2020-01-02T00:00:00Z end_date=2020-01-01 end_at=2020-01-01T00:00:00Z",
        ],
    );
}

#[test]
fn condition() {
    check(
        r#"{"resourceType":"Condition","id":"x","clinicalStatus":{"coding":[{"code":"active"}]},"verificationStatus":{"coding":[{"code":"confirmed"}]},
        "category":[{"coding":[{"system":"http://snomed.info/sct","code":"439401001"},{"system":"http://terminology.hl7.org/CodeSystem/condition-category","code":"encounter-diagnosis"}]}],
        "code":{"coding":[{"system":"urn:oid:2.16.840.1.113883.6.90","code":"E11.9"}],"text":"T2DM"},"encounter":{"reference":"https://x/Encounter/e"},
        "onsetPeriod":{"start":"2019","end":"2020"},"abatementDateTime":"2021-03","recordedDate":"2021-02-30"}"#,
        &[
            "condition person_id=7 encounter_id=e clinical_status=active verification_status=confirmed category=encounter-diagnosis \
           code=E11.9 code_system=http://hl7.org/fhir/sid/icd-10-cm onset_date=2019-01-01 abatement_date=2021-03-01",
        ],
    );
    check(
        r#"{"resourceType":"Condition","id":"x","clinicalStatus":"active","onsetAge":{"value":40},"code":{"text":"only words"}}"#,
        &["condition person_id=7 clinical_status=active"],
    );
}

#[test]
fn observation_with_components() {
    check(
        r#"{"resourceType":"Observation","id":"x","status":"final","category":[{"coding":[{"code":"other"}]},{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/observation-category","code":"vital-signs"}]}],
        "code":{"coding":[{"system":"http://loinc.org","code":"55284-4"}]},"context":{"reference":"urn:uuid:e"},"effectivePeriod":{"end":"2011-02-02T16:30:49.825-05:00"},
        "interpretation":[{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation","code":"H"}]}],
        "component":[{"code":{"coding":[{"system":"http://loinc.org","code":"8480-6"}]},"valueQuantity":{"value":117.60467061501181,"code":"mm[Hg]"}},
                     {"code":{"coding":[{"system":"http://loinc.org","code":"x"}]},"valueCodeableConcept":{"coding":[{"system":"http://snomed.info/sct","code":"1"}]}}]}"#,
        &[
            "observation person_id=7 encounter_id=e status=final category=vital-signs code=55284-4 code_system=http://loinc.org \
           effective_date=2011-02-02 effective_at=2011-02-02T21:30:49.825Z interpretation=H",
            "observation_component person_id=7 code=8480-6 code_system=http://loinc.org effective_date=2011-02-02 value=117.604671 unit=mm[Hg]",
            "observation_component person_id=7 code=x code_system=http://loinc.org effective_date=2011-02-02 value_code=1 value_system=http://snomed.info/sct",
        ],
    );
    check(
        r#"{"resourceType":"Observation","id":"x","code":{"coding":[{"system":"http://loinc.org","code":"1"}]},"valueCodeableConcept":{"coding":[{"system":"http://snomed.info/sct","code":"266919005"}],"text":"Never"},
        "note":[{"text":"a note"}],"valueAttachment":{"data":"aGVsbG8="}}"#,
        &[
            "observation person_id=7 code=1 code_system=http://loinc.org value_code=266919005 value_system=http://snomed.info/sct",
        ],
    );
}

#[test]
fn medication_request_finds_its_medication() {
    check(
        r#"{"resourceType":"MedicationRequest","id":"x","status":"active","intent":"order","medicationCodeableConcept":{"coding":[{"system":"http://hl7.org/fhir/sid/ndc","code":"n"},{"system":"http://www.nlm.nih.gov/research/umls/rxnorm","code":"313782"}]},"authoredOn":"2017-11-25"}"#,
        &[
            "medication_request person_id=7 status=active intent=order code=313782 code_system=http://www.nlm.nih.gov/research/umls/rxnorm authored_date=2017-11-25",
        ],
    );
    check(
        r##"{"resourceType":"MedicationRequest","id":"x","medicationReference":{"reference":"#m"},"contained":[{"resourceType":"Organization","id":"o"},{"resourceType":"Medication","id":"m","code":{"coding":[{"system":"http://www.nlm.nih.gov/research/umls/rxnorm","code":"1"}]}}]}"##,
        &[
            "medication_request person_id=7 code=1 code_system=http://www.nlm.nih.gov/research/umls/rxnorm",
        ],
    );
    check(
        r#"{"resourceType":"MedicationRequest","id":"x","medicationReference":{"reference":"Medication/m1"}}"#,
        &["medication_request person_id=7 code=there:m1"],
    );
    check(
        r#"{"resourceType":"MedicationRequest","id":"x","medication":{"reference":{"reference":"Medication/m1"}}}"#,
        &["medication_request person_id=7 code=there:m1"],
    );
    check(
        r#"{"resourceType":"MedicationRequest","id":"x","medication":{"concept":{"coding":[{"code":"2"}]}}}"#,
        &["medication_request person_id=7 code=2"],
    );
    check(
        r##"{"resourceType":"MedicationRequest","id":"x","medicationReference":{"reference":"#gone"}}"##,
        &["medication_request person_id=7"],
    );
}

#[test]
fn the_other_tables() {
    check(
        r#"{"resourceType":"Procedure","id":"x","status":"completed","code":{"coding":[{"system":"http://snomed.info/sct","code":"1"}]},"encounter":{"reference":"Encounter/e/_history/1"},"performedPeriod":{"start":"2013-02-06T16:30:49-05:00","end":"2013-02-07"}}"#,
        &[
            "procedure person_id=7 encounter_id=e status=completed code=1 code_system=http://snomed.info/sct performed_date=2013-02-06 performed_end_date=2013-02-07",
        ],
    );
    check(
        r#"{"resourceType":"Procedure","id":"x","performedString":"last week"}"#,
        &["procedure person_id=7"],
    );
    check(
        r#"{"resourceType":"Immunization","id":"x","status":"completed","vaccineCode":{"coding":[{"system":"http://hl7.org/fhir/sid/ndc","code":"n"},{"system":"http://hl7.org/fhir/sid/cvx","code":"140"}]},"occurrenceDateTime":"2011"}"#,
        &[
            "immunization person_id=7 status=completed code=140 code_system=http://hl7.org/fhir/sid/cvx occurrence_date=2011-01-01",
        ],
    );
    check(
        r#"{"resourceType":"AllergyIntolerance","id":"x","clinicalStatus":{"coding":[{"code":"active"}]},"verificationStatus":{"coding":[{"code":"confirmed"}]},"type":"allergy","category":["food","medication"],"criticality":"low","code":{"coding":[{"system":"http://snomed.info/sct","code":"419474003"}]},"recordedDate":"1972-08-10T17:48:38-04:00"}"#,
        &[
            "allergy_intolerance person_id=7 clinical_status=active verification_status=confirmed type=allergy category=food criticality=low code=419474003 code_system=http://snomed.info/sct recorded_date=1972-08-10",
        ],
    );
    check(
        r#"{"resourceType":"DiagnosticReport","id":"x","status":"final","category":[{"coding":[{"system":"http://loinc.org","code":"LP29684-5"}]},{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v2-0074","code":"LAB"}]}],"code":{"coding":[{"system":"http://loinc.org","code":"57698-3"}]},"effectivePeriod":{"start":"2011-02-02"},"presentedForm":[{"contentType":"text/plain","data":"bm90ZQ=="}]}"#,
        &[
            "diagnostic_report person_id=7 status=final category=LAB code=57698-3 code_system=http://loinc.org effective_date=2011-02-02",
        ],
    );
}

#[test]
fn flaws_that_make_a_row_unusable() {
    for (json, flaw) in [
        (
            r#"{"resourceType":"Patient","id":"p","birthDate":"2021-02-30"}"#,
            Reason::ImpossibleDate,
        ),
        (
            r#"{"resourceType":"Encounter","id":"p","period":{"start":"2021-13-01"}}"#,
            Reason::ImpossibleDate,
        ),
        (
            r#"{"resourceType":"Condition","id":"p","abatementDateTime":"2021-02-30"}"#,
            Reason::ImpossibleDate,
        ),
        (
            r#"{"resourceType":"Observation","id":"p","effectiveDateTime":"2021-02-30T00:00:00Z"}"#,
            Reason::ImpossibleDate,
        ),
        (
            r#"{"resourceType":"Observation","id":"p","valueQuantity":{"value":1e30}}"#,
            Reason::NumberOutOfRange,
        ),
        (
            r#"{"resourceType":"Observation","id":"p","component":[{"valueInteger":1000000000000}]}"#,
            Reason::NumberOutOfRange,
        ),
    ] {
        let line = Line::parse(json.as_bytes()).expect("well formed");
        assert_eq!(line.header.flaw, Some(flaw), "{json}");
    }
}

#[test]
fn lines_that_are_no_resource() {
    for (bytes, reason) in [
        (
            &b"{\"resourceType\":\"Patient\",\"id\":\"\xff\"}"[..],
            Reason::InvalidUtf8,
        ),
        (
            b"{\"resourceType\":\"Patient\",\"id\":\"p\"",
            Reason::BrokenJson,
        ),
        (b"{\"resourceType\":\"Patient\"} {}", Reason::BrokenJson),
        (b"{\"resourceType\":\"Claim\",\"x\":}", Reason::BrokenJson),
        (b"[1,2]", Reason::NotAnObject),
        (b"\"Patient\"", Reason::NotAnObject),
        (b"{}", Reason::MissingResourceType),
        (b"{\"resourceType\":\"\"}", Reason::MissingResourceType),
        (b"{\"resourceType\":7}", Reason::MissingResourceType),
        (
            b"{\"resourceType\":\"rm -rf /\"}",
            Reason::MissingResourceType,
        ),
    ] {
        let rejection = Line::parse(bytes).expect_err("unusable");
        assert_eq!(
            rejection.reason,
            reason,
            "{}",
            String::from_utf8_lossy(bytes)
        );
    }
    let other = Line::parse(b"{\"id\":\"1\",\"resourceType\":\"Claim\"}").expect("well formed");
    assert_eq!((other.kind.as_ref(), other.table()), ("Claim", None));
    let marked = b"\xef\xbb\xbf{\"resourceType\":\"Patient\",\"id\":\"p\"}\r";
    assert!(Line::parse(marked).is_ok());
}

#[test]
fn a_contained_patient_counts_by_its_identifier() {
    let json = r##"{"resourceType":"Condition","id":"c","contained":[{"resourceType":"Patient","id":"p","identifier":[{"value":"no system"},{"system":"urn:mrn","value":"5"}]}],"subject":{"reference":"#p"}}"##;
    let line = Line::parse(json.as_bytes()).expect("well formed");
    let expected = crate::reference::Identifier {
        system: "urn:mrn".into(),
        value: "5".into(),
    };
    assert_eq!(line.subject(), Target::Identifier(expected));
    let other = json.replace("\"#p\"", "\"#q\"");
    assert_eq!(
        Line::parse(other.as_bytes())
            .expect("well formed")
            .subject(),
        Target::Missing
    );
}

proptest::proptest! {
    #[test]
    fn any_bytes_are_a_line_or_a_rejection(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
        let _ = Line::parse(&bytes);
        let _ = kind_and_id(&bytes);
        let _ = (deletions(&bytes), consent(&bytes), crate::about(&bytes));
    }

    /// Mutations of a real shape reach deeper than random bytes do.
    #[test]
    fn no_mutation_panics(at in 0_usize..700, byte in proptest::num::u8::ANY, cut in 0_usize..700) {
        let mut bytes = br##"{"resourceType":"Observation","id":"x","contained":[{"id":"p","identifier":[{"system":"s","value":"v"}]}],"subject":{"reference":"#p"},"meta":{"lastUpdated":"2020-01-01T00:00:00Z"},"code":{"coding":[{"system":"http://loinc.org/","code":"1\u00e9"}]},"effectiveDateTime":"2011-02-02T16:30:49.825-05:00","valueQuantity":{"value":-1.5e-3,"comparator":"<","code":"mg"},"component":[{"code":{"coding":[]},"valueRatio":{"numerator":{"value":1},"denominator":{"value":2}}}]}"##.to_vec();
        let length = bytes.len();
        bytes[at % length] = byte;
        let _ = Line::parse(&bytes).map(|line| line.subject());
        bytes.truncate(cut);
        let _ = Line::parse(&bytes).map(|line| line.subject());
    }
}
