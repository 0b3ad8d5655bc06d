use super::*;

fn system() -> Request {
    Request::new("https://a.org/fhir/", Level::System).unwrap()
}

#[test]
fn levels_have_their_addresses() {
    for (level, expected) in [
        (Level::System, "https://a.org/fhir/$export"),
        (Level::Patient, "https://a.org/fhir/Patient/$export"),
        (
            Level::Group("g-1.2".into()),
            "https://a.org/fhir/Group/g-1.2/$export",
        ),
    ] {
        let request = Request::new("https://a.org/fhir", level).unwrap();
        request.check().unwrap();
        assert_eq!(request.url().as_str(), expected);
        assert!(request.body().is_none());
    }
}

#[test]
fn every_parameter_is_in_the_address() {
    let mut request = system();
    for (name, value) in [
        ("_since", "2026-01-01T00:00:00.000+01:00"),
        ("_until", "2026-02-01T00:00:00Z"),
        ("_type", "Patient,Observation"),
        ("_typeFilter", "Observation?code=a,b&status=final"),
        ("_typeFilter", "Patient?gender=female"),
        ("_elements", "id,Patient.birthDate"),
        ("includeAssociatedData", "LatestProvenanceResources,_mine"),
        ("_outputFormat", "application/fhir+ndjson"),
        ("organizeOutputBy", "Patient"),
        ("allowPartialManifests", "true"),
    ] {
        request.set(name, value).unwrap();
    }
    request.check().unwrap();
    let pairs: Vec<(String, String)> = request.url().query_pairs().into_owned().collect();
    let find = |name: &str| -> Vec<&str> {
        let found = pairs.iter().filter(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str()).collect()
    };
    assert_eq!(find("_since"), ["2026-01-01T00:00:00.000+01:00"]);
    assert_eq!(find("_until"), ["2026-02-01T00:00:00Z"]);
    assert_eq!(find("_type"), ["Patient,Observation"]);
    let filters = ["Observation?code=a,b&status=final", "Patient?gender=female"];
    assert_eq!(find("_typeFilter"), filters);
    assert_eq!(find("_elements"), ["id,Patient.birthDate"]);
    assert_eq!(
        find("includeAssociatedData"),
        ["LatestProvenanceResources,_mine"]
    );
    assert_eq!(find("organizeOutputBy"), ["Patient"]);
    assert_eq!(find("allowPartialManifests"), ["true"]);
    assert!(
        request.url().as_str().contains("%2B01%3A00"),
        "a plus must not become a space"
    );
    // A whole address means the same request.
    assert_eq!(
        Request::from_url(request.url().as_str()).unwrap().url(),
        request.url()
    );
}

#[test]
fn whole_addresses_are_understood() {
    for (text, base, level) in [
        (
            "https://a.org/fhir/$export",
            "https://a.org/fhir",
            Level::System,
        ),
        (
            "https://a.org/$export?_type=Patient",
            "https://a.org/",
            Level::System,
        ),
        (
            "https://a.org/fhir/Patient/%24export",
            "https://a.org/fhir",
            Level::Patient,
        ),
        (
            "https://a.org/f/Group/7/$export/",
            "https://a.org/f",
            Level::Group("7".into()),
        ),
        (
            "https://a.org/eyJlcnIiOiIifQ/fhir/Patient/$export",
            "https://a.org/eyJlcnIiOiIifQ/fhir",
            Level::Patient,
        ),
    ] {
        let request = Request::from_url(text).unwrap();
        assert_eq!(
            (request.base.as_str(), &request.level),
            (base, &level),
            "{text}"
        );
    }
    let mixed = "https://a.org/fhir/$export?_type=Patient&_type=Device&x=1&x=2";
    let request = Request::from_url(mixed).unwrap();
    assert_eq!(request.types, ["Patient", "Device"]);
    let expected = "https://a.org/fhir/$export?_type=Patient%2CDevice&x=1&x=2";
    assert_eq!(request.url().as_str(), expected);
    for odd in [
        "https://a.org/fhir",
        "https://a.org/fhir/$export/Patient",
        "ftp://a.org/$export",
        "https://u:p@a.org/$export",
        "nonsense",
    ] {
        assert!(Request::from_url(odd).is_err(), "{odd}");
    }
}

#[test]
fn patients_are_named_in_a_body_only() {
    let mut request = Request::new("https://a.org/fhir", Level::Patient).unwrap();
    request.patients = vec!["Patient/1".into(), "2".into()];
    request.set("_type", "Patient,Condition").unwrap();
    request.set("_typeFilter", "Condition?code=x").unwrap();
    request.set("_since", "2026-01-01T00:00:00Z").unwrap();
    request.check().unwrap();
    assert!(request.posts());
    assert_eq!(request.url().as_str(), "https://a.org/fhir/Patient/$export");
    assert_eq!(
        request.body().unwrap(),
        json!({"resourceType": "Parameters", "parameter": [
            {"name": "_since", "valueInstant": "2026-01-01T00:00:00Z"},
            {"name": "_type", "valueString": "Patient,Condition"},
            {"name": "_typeFilter", "valueString": "Condition?code=x"},
            {"name": "patient", "valueReference": {"reference": "Patient/1"}},
            {"name": "patient", "valueReference": {"reference": "Patient/2"}},
        ]})
    );
    assert!(!request.described().to_string().contains("Patient/1"));
}

#[test]
fn nonsense_is_refused() {
    let refused = |change: &dyn Fn(&mut Request)| {
        let mut request = system();
        change(&mut request);
        assert!(request.check().is_err(), "{request:?}");
    };
    for time in ["2026", "2026-01-01", "yesterday", "2026-01-01T00:00:00"] {
        refused(&|r| r.since = Some(time.into()));
        refused(&|r| r.until = Some(time.into()));
    }
    for filter in [
        "Observation",
        "Observation?",
        "?code=x",
        "../Patient?x=y",
        "Observation?_include=Observation:patient",
        "Observation?_include:iterate=Observation:patient",
        "Observation?code=x&_sort=date",
        "Observation?code=x&%5Fsort=date",
        "Observation?_revinclude=Provenance:target",
    ] {
        refused(&|r| r.type_filters = vec![filter.into()]);
    }
    refused(&|r| r.level = Level::Group("../Patient".into()));
    refused(&|r| r.level = Level::Group("..".into()));
    refused(&|r| r.level = Level::Group(String::new()));
    refused(&|r| r.types = vec!["Patient&x".into()]);
    refused(&|r| r.include_associated_data = vec!["Everything".into()]);
    refused(&|r| r.output_format = Some("text/csv".into()));
    refused(&|r| r.patients = vec!["Patient/1".into()]);
    refused(&|r| {
        r.level = Level::Patient;
        r.patients = vec!["Group/1".into()];
    });
    assert!(system().set("allowPartialManifests", "maybe").is_err());
}
