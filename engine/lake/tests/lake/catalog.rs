//! The catalog: the default is whole, bad ones are refused with a message that names the place.

use salus_lake::{Catalog, ColumnType, Error, TABLES, schema};

#[test]
fn the_default_describes_every_column() {
    let catalog = Catalog::parse(Catalog::default_yaml()).unwrap();
    assert_eq!(catalog.population_ceiling, 1 << 34);
    for table in TABLES {
        let schema = schema(table).unwrap();
        let facts = catalog.table(table).unwrap();
        assert_eq!(facts.columns.len(), schema.fields().len(), "{table}");
        for field in schema.fields() {
            let column = catalog.column(table, field.name()).unwrap();
            assert_eq!(Some(column.kind), ColumnType::of(field.data_type()));
            assert!(column.doc.ends_with('.'), "{table}.{}", field.name());
        }
    }
    let sex = catalog.column("patient", "sex").unwrap();
    assert_eq!(
        sex.domain.as_deref().unwrap(),
        ["male", "female", "other", "unknown"]
    );
    assert_eq!(
        catalog
            .column("patient", "state")
            .unwrap()
            .domain
            .as_ref()
            .unwrap()
            .len(),
        56
    );
}

#[test]
fn the_default_knows_the_common_measurements() {
    let catalog = Catalog::parse(Catalog::default_yaml()).unwrap();
    for (code, unit) in [
        ("4548-4", "%"),
        ("2345-7", "mg/dL"),
        ("2339-0", "mg/dL"),
        ("39156-5", "kg/m2"),
        ("8480-6", "mm[Hg]"),
        ("8462-4", "mm[Hg]"),
        ("33914-3", "mL/min/{1.73_m2}"),
        ("98979-8", "mL/min/{1.73_m2}"),
        ("14959-1", "mg/g"),
        ("44261-6", "{score}"),
    ] {
        let found = catalog
            .measurement("http://loinc.org", code, unit)
            .unwrap_or_else(|| panic!("{code}"));
        assert!(found.source.starts_with("https://loinc.org/"), "{code}");
        // Bounds are whole numbers of grid units, as exact sums need.
        assert!(found.low.in_units_of(found.granularity).is_some());
        assert!(found.high.in_units_of(found.granularity).is_some());
    }
    assert!(
        catalog
            .measurement("http://loinc.org", "4548-4", "mmol/mol")
            .is_none()
    );
    assert!(catalog.measurements.len() >= 40);
}

/// What the parser says after one replacement in the default catalog.
fn refused(find: &str, replace: &str) -> String {
    let text = Catalog::default_yaml();
    assert!(text.contains(find), "the default catalog has no {find:?}");
    match Catalog::parse(&text.replacen(find, replace, 1)) {
        Err(Error::Catalog(message)) => message,
        Err(other) => panic!("{find:?} -> {replace:?}: {other:?}"),
        Ok(_) => panic!("{find:?} -> {replace:?} was accepted"),
    }
}

/// What to replace in the default catalog, by what, and what the refusal says.
const BAD: &[(&str, &str, &str)] = &[
    ("version: 2", "version: 1", "version: 1 is not known"),
    (
        "population_ceiling: 17179869184",
        "population_ceiling: 0",
        "population_ceiling",
    ),
    ("max_cells: 10000", "max_cells: 0", "max_cells"),
    ("max_cells: 10000", "max_cells: many", "max_cells"),
    (
        "  patient:\n",
        "  patients:\n",
        "tables.patients: there is no such table",
    ),
    ("    unit: person_id", "    unit: id", "tables.patient.unit"),
    (
        "one_row_per_person: true",
        "one_row_per_person: false",
        "tables.patient.one_row_per_person",
    ),
    (
        "one_row_per_person: false",
        "one_row_per_person: true",
        "one_row_per_person",
    ),
    (
        "rows_per_person: 1\n",
        "rows_per_person: 0\n",
        "rows_per_person",
    ),
    (
        "rows_per_person: 256",
        "rows_per_person: 100001",
        "tables.encounter.rows_per_person",
    ),
    (
        "max_rows_per_person: 200000",
        "max_rows_per_person: 9999999",
        "max_rows_per_person",
    ),
    (
        "      sex:\n",
        "      gender:\n",
        "tables.patient.columns.gender: there is no such column",
    ),
    (
        "type: date",
        "type: text",
        "tables.patient.columns.birth_date.type: is text, the lake stores date",
    ),
    ("type: date", "type: float", "float"),
    (
        "doc: \"Administrative sex.\"",
        "doc: \"\"",
        "tables.patient.columns.sex.doc",
    ),
    (
        "\"male\", \"female\"",
        "\"male\", \"male\"",
        "\"male\" is given twice",
    ),
    (
        "        source: \"http://hl7.org/fhir/ValueSet/administrative-gender\"\n",
        "",
        "tables.patient.columns.sex.source",
    ),
    (
        "domain: [\"1\", \"2\"",
        "domain: [\"one\", \"2\"",
        "\"one\" is not a integer key",
    ),
    (
        "low: \"1\", high: \"10\"",
        "low: \"10\", high: \"1\"",
        "low must be below high",
    ),
    (
        "high: \"10\", granularity: \"1\"",
        "high: \"10\", granularity: \"0.5\"",
        "whole",
    ),
    (
        "high: \"10\", granularity: \"1\"",
        "high: \"10\", granularity: \"3\"",
        "multiples of granularity",
    ),
    (
        "high: \"10\", granularity: \"1\"",
        "high: \"10\", granularity: \"0\"",
        "granularity must be positive",
    ),
    (
        "low: \"3\", high: \"20\"",
        "low: 3e0, high: \"20\"",
        "\"3e0\" is not a decimal number",
    ),
    (
        "low: \"3\", high: \"20\"",
        "low: \"3.05\", high: \"20\"",
        "code 4548-4 in %",
    ),
    ("code: \"2345-7\"", "code: \"4548-4\", extra: 1", "extra"),
    ("code: \"98979-8\"", "code: \"62238-1\"", "given twice"),
    ("tables:", "columns:", "columns"),
];

#[test]
fn bad_catalogs_are_refused_with_the_place() {
    for (find, replace, message) in BAD {
        let said = refused(find, replace);
        assert!(
            said.contains(message),
            "{find:?} -> {replace:?} said {said:?}"
        );
    }
    assert!(matches!(Catalog::parse(""), Err(Error::Catalog(_))));
    assert!(matches!(Catalog::parse("- a\n- b"), Err(Error::Catalog(_))));
}

/// Else a view over the same resources would be a way around the limit of a part.
#[test]
fn a_part_holds_the_views_over_its_resources() {
    let parts = "\ndatasets: { vital: [observation_component], people: [patient] }\n";
    let yaml = Catalog::default_yaml().to_owned() + parts + crate::views::SECTION;
    let parts = Catalog::parse(&yaml).unwrap().parts();
    assert_eq!(parts["vital"], ["observation_component", "reading"]);
    assert_eq!(parts["people"], ["patient"]);
    let named = yaml.replace("[observation_component]", "[reading]");
    let parts = Catalog::parse(&named).unwrap().parts();
    assert_eq!(parts["vital"], ["reading"]);
}
