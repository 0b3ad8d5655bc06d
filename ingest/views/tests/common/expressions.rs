//! Expressions evaluated on one patient.

use salus_views::View;
use serde_json::{Value, json};

use super::rows;

pub fn patient() -> Value {
    json!({
        "resourceType": "Patient",
        "id": "p1",
        "meta": {"lastUpdated": "2024-01-02T03:04:05Z"},
        "active": true,
        "name": [
            {"use": "official", "family": "Curie", "given": ["Marie", "Salomea"]},
            {"use": "maiden", "family": "Sklodowska", "given": ["Maria"]}
        ],
        "birthDate": "1867-11-07",
        "_birthDate": {"extension": [{"url": "time", "valueDateTime": "1867-11-07T05:00:00+01:00"}]},
        "deceasedDateTime": "1934-07",
        "multipleBirthInteger": 5,
        "_maritalStatus": "nonsense",
        "_gender": {"extension": [{"url": "absent", "valueCode": "unknown"}]},
        "address": [{"line": ["1 rue X", null], "_line": [null, {"id": "second"}],
            "period": {"start": "1900", "end": "1910-05"}}],
        "maritalCode": {"coding": [{"code": "M"}]},
        "contained": [{"resourceType": "Organization", "id": "o1", "name": "Sorbonne"}],
        "managingOrganization": {"reference": "http://example.org/fhir/Organization/o2/_history/3"},
        "link": [{"other": {"reference": "#o1"}}, {"other": {"reference": "urn:uuid:u1", "type": "Patient"}}],
        "extension": [
            {"url": "weight", "valueQuantity": {"value": 61.50, "unit": "kg", "code": "kg"}},
            {"url": "dose", "valueQuantity": {"value": 2, "unit": "mg"}},
            {"url": "huge", "valueDecimal": 0}
        ]
    })
}

pub fn evaluate(expression: &str) -> Result<Value, String> {
    let definition = json!({"resource": "Patient", "select": [
        {"column": [{"name": "v", "path": expression, "collection": true}]}]});
    let view = View::parse(&definition.to_string()).map_err(|problems| format!("{problems:?}"))?;
    let mut rows = rows(view, &[patient()]).map_err(|error| error.to_string())?;
    Ok(rows.remove(0)["v"].take())
}

#[track_caller]
pub fn yields(expectations: &[(&str, Value)]) {
    for (expression, wanted) in expectations {
        let found = evaluate(expression).unwrap_or_else(|error| panic!("{expression}: {error}"));
        assert!(
            super::same(&found, wanted),
            "{expression} yields {found}, not {wanted}"
        );
    }
}

#[track_caller]
pub fn fails(expressions: &[&str]) {
    for expression in expressions {
        let found = evaluate(expression);
        assert!(found.is_err(), "{expression} yields {found:?}");
    }
}
