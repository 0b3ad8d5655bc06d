//! What FHIR and SQL on FHIR add to FHIRPath: types, extensions, keys, boundaries, digits.

mod common;

use common::expressions::{evaluate, fails, yields};
use serde_json::json;

#[test]
fn boundaries() {
    yields(&[
        ("1.lowBoundary(0)", json!([0])),
        ("1.highBoundary(-1)", json!([])),
        ("1.highBoundary(99)", json!([])),
    ]);
    for (expression, digits) in [
        ("1.587.lowBoundary()", "1.58650000"),
        ("1.587.highBoundary()", "1.58750000"),
        ("1.587.lowBoundary(6)", "1.586500"),
        ("1.587.highBoundary(2)", "1.59"),
        ("(-1.587).lowBoundary(2)", "-1.59"),
        ("1.highBoundary(5)", "1.50000"),
        ("12.500.lowBoundary(4)", "12.4995"),
    ] {
        let text = evaluate(&format!("({expression}).toString()")).unwrap();
        assert_eq!(text, json!([digits]), "{expression}");
    }
    yields(&[
        ("@2014.lowBoundary()", json!(["2014-01-01"])),
        ("@2014.highBoundary(6)", json!(["2014-12"])),
        ("@2016-02.highBoundary()", json!(["2016-02-29"])),
        (
            "@2014-01-01T08.lowBoundary(17)",
            json!(["2014-01-01T08:00:00.000+14:00"]),
        ),
        (
            "@2014-01-01T08:05+08:00.highBoundary()",
            json!(["2014-01-01T08:05:59.999+08:00"]),
        ),
        (
            "@2014-01-01T08:05:01Z.lowBoundary()",
            json!(["2014-01-01T08:05:01.000Z"]),
        ),
        ("@2014-01-01T08.lowBoundary(8)", json!(["2014-01-01"])),
        ("@T10:30.highBoundary()", json!(["10:30:59.999"])),
        ("@T10:30.lowBoundary(4)", json!(["10:30"])),
        ("birthDate.highBoundary()", json!(["1867-11-07"])),
        (
            "deceased.ofType(dateTime).highBoundary()",
            json!(["1934-07-31T23:59:59.999-12:00"]),
        ),
        (
            "address.period.lowBoundary()",
            json!(["1900-01-01T00:00:00.000+14:00"]),
        ),
        (
            "address.period.end.highBoundary()",
            json!(["1910-05-31T23:59:59.999-12:00"]),
        ),
        ("@2014-01.precision()", json!([6])),
        ("1.58700.precision()", json!([5])),
        ("{}.lowBoundary()", json!([])),
    ]);
    fails(&[
        "true.lowBoundary()",
        "name.first().lowBoundary()",
        "(1 | 2).lowBoundary()",
    ]);
}

#[test]
fn fhir_elements() {
    yields(&[
        ("Patient.name.family", json!(["Curie", "Sklodowska"])),
        ("Observation.name.family", json!([])),
        ("Resource.id", json!(["p1"])),
        ("multipleBirth", json!([5])),
        ("multipleBirth.ofType(integer)", json!([5])),
        // Names that only look like choices.
        ("birth", json!([])),
        ("marital", json!([])),
        ("multipleBirth.ofType(boolean)", json!([])),
        ("deceased is dateTime", json!([true])),
        ("(deceased as boolean).exists()", json!([false])),
        ("'a' is System.String", json!([true])),
        ("1.is(Integer)", json!([true])),
        ("active.is(FHIR.boolean)", json!([true])),
        ("name.ofType(HumanName).count()", json!([2])),
        ("contained.ofType(Organization).name", json!(["Sorbonne"])),
        ("contained.ofType(Patient)", json!([])),
        (
            "birthDate.extension('time').value.ofType(dateTime)",
            json!(["1867-11-07T05:00:00+01:00"]),
        ),
        ("gender.exists()", json!([true])),
        ("gender.hasValue()", json!([false])),
        ("gender = 'male'", json!([])),
        ("gender & 'x'", json!(["x"])),
        ("gender is code", json!([true])),
        ("address.line.join('|')", json!(["1 rue X"])),
        ("gender", json!([])),
        ("maritalStatus.exists()", json!([false])),
        (
            "gender.extension('absent').value.ofType(code)",
            json!(["unknown"]),
        ),
        ("address.line", json!(["1 rue X"])),
        ("address.line.count()", json!([2])),
        ("address.line[1].id", json!(["second"])),
        ("birthDate.hasValue()", json!([true])),
        (
            "extension('weight').value.ofType(Quantity).value",
            json!([61.5]),
        ),
        ("getResourceKey()", json!(["p1"])),
        ("name.getResourceKey()", json!([])),
        ("contained.getResourceKey()", json!(["o1"])),
        ("managingOrganization.getReferenceKey()", json!(["o2"])),
        (
            "managingOrganization.getReferenceKey(Organization)",
            json!(["o2"]),
        ),
        ("managingOrganization.getReferenceKey(Patient)", json!([])),
        ("link.other.getReferenceKey()", json!(["u1"])),
        ("link.other.getReferenceKey(Patient)", json!(["u1"])),
        ("name.select(%resource.id)", json!(["p1", "p1"])),
        (
            "name.where(use = 'maiden').select(%context.birthDate)",
            json!(["1867-11-07"]),
        ),
        ("%loinc", json!(["http://loinc.org"])),
        ("%rowIndex", json!([0])),
    ]);
    fails(&[
        "deceased is Nonsense2.x",
        "name.ofType(nonsense)",
        "name.is(HumanName)",
    ]);
}

#[test]
fn digits_of_decimals_stay_as_they_are_written() {
    let definition = json!({"resource": "Observation", "select": [{"column": [
        {"name": "v", "path": "value.ofType(Quantity).value", "type": "decimal"},
        {"name": "w", "path": "value.ofType(Quantity).value"}]}]});
    for digits in [
        "1.0",
        "1.50",
        "0.1234567890123456789012345678901234567890",
        "1e-7",
        "-0.0",
        "3",
    ] {
        let line =
            format!(r#"{{"resourceType":"Observation","valueQuantity":{{"value":{digits}}}}}"#);
        let input = salus_views::Input::lines([line]);
        let (text, _) =
            common::ndjson(common::view(&definition), input, &common::strict()).unwrap();
        assert_eq!(text, format!("{{\"v\":{digits},\"w\":{digits}}}\n"));
    }
}
