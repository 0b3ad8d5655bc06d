//! The analytics tables and their Arrow schemas.
//!
//! Direct identifiers (names, addresses, telephone numbers, record numbers) have no column here, so they cannot enter.
//! `person_id` is the first column of every table and the unit of privacy. `id` is an opaque 63-bit hash of the source
//! resource's id: it names a row for upserts and parent links and means nothing outside the lake.

use std::sync::{Arc, LazyLock};

use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};

/// Every analytics table that ships, in the order in which they are listed and committed; views add others.
pub const TABLES: &[&str] = &[
    "patient",
    "encounter",
    "condition",
    "observation",
    "observation_component",
    "medication_request",
    "procedure",
    "immunization",
    "allergy_intolerance",
    "diagnostic_report",
];

/// The FHIR type of the resources that a table that ships is made from.
pub fn resource_type(table: &str) -> Option<&'static str> {
    match table {
        "patient" => Some("Patient"),
        "encounter" => Some("Encounter"),
        "condition" => Some("Condition"),
        "observation" | "observation_component" => Some("Observation"),
        "medication_request" => Some("MedicationRequest"),
        "procedure" => Some("Procedure"),
        "immunization" => Some("Immunization"),
        "allergy_intolerance" => Some("AllergyIntolerance"),
        "diagnostic_report" => Some("DiagnosticReport"),
        _ => None,
    }
}

/// Digits of a measurement: Decimal128(18, 6) holds every magnitude below 10^12 to a millionth.
pub const MEASUREMENT_PRECISION: u8 = 18;
/// Decimal places of a measurement.
pub const MEASUREMENT_SCALE: i8 = 6;

const TEXT: DataType = DataType::Utf8;
const DATE: DataType = DataType::Date32;
const KEY: DataType = DataType::Int64;
const VALUE: DataType = DataType::Decimal128(MEASUREMENT_PRECISION, MEASUREMENT_SCALE);

/// UTC with microseconds, the only instant type of the lake.
pub fn instant() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

/// The Arrow schema of a table that ships with the lake. Those of views are in [`crate::Lake::schema`].
pub fn schema(table: &str) -> Option<SchemaRef> {
    let at = TABLES.iter().position(|name| *name == table)?;
    SCHEMAS.get(at).cloned()
}

/// The columns that name a row, from the left: the person alone in `patient`; person and id in the other tables that ship;
/// person, resource and place in tables of views, where a resource has any number of rows.
pub(crate) fn key_columns(table: &str) -> usize {
    match table {
        "patient" => 1,
        table if TABLES.contains(&table) => 2,
        _ => VIEW_KEYS.len(),
    }
}

/// The key of a table that a view fills, in the order of its columns. `row` counts the rows of a resource from 0.
pub const VIEW_KEYS: [&str; 3] = ["person_id", "resource_id", "row"];

/// The schema of a table that a view fills: its keys, then `columns`, which may all be null.
pub(crate) fn view_schema<'c>(columns: impl Iterator<Item = (&'c str, DataType)>) -> SchemaRef {
    let keys = VIEW_KEYS.map(|name| Field::new(name, KEY, false));
    let columns = columns.map(|(name, kind)| Field::new(name, kind, true));
    Arc::new(Schema::new(
        keys.into_iter().chain(columns).collect::<Vec<_>>(),
    ))
}

/// The parent whose upsert replaces all of this table's rows, and the column that points to it.
pub(crate) fn parent(table: &str) -> Option<(&'static str, &'static str)> {
    (table == "observation_component").then_some(("observation", "observation_id"))
}

/// The table whose rows belong to rows of `table` and are replaced with them.
pub(crate) fn child(table: &str) -> Option<&'static str> {
    (table == "observation").then_some("observation_component")
}

static SCHEMAS: LazyLock<Vec<SchemaRef>> =
    LazyLock::new(|| TABLES.iter().map(|table| build(table)).collect());

fn build(table: &str) -> SchemaRef {
    let mut fields = vec![Field::new("person_id", KEY, false)];
    if key_columns(table) > 1 {
        fields.push(Field::new("id", KEY, false));
    }
    let link = parent(table).map(|(_, column)| column);
    fields.extend(
        columns(table)
            .into_iter()
            .map(|(name, kind)| Field::new(name, kind, Some(name) != link)),
    );
    Arc::new(Schema::new(fields))
}

#[expect(
    clippy::too_many_lines,
    reason = "one line per column reads best in one place"
)]
/// The columns after the keys: nullable, but for the link to a parent row.
fn columns(table: &str) -> Vec<(&'static str, DataType)> {
    match table {
        "patient" => vec![
            ("sex", TEXT),
            ("birth_date", DATE),
            ("deceased", DataType::Boolean),
            ("death_date", DATE),
            ("marital_status", TEXT),
            ("race", TEXT),
            ("ethnicity", TEXT),
            ("state", TEXT),
            ("postal3", TEXT),
            ("deprivation", DataType::Int32),
            ("language", TEXT),
        ],
        "encounter" => vec![
            ("status", TEXT),
            ("class", TEXT),
            ("type_code", TEXT),
            ("type_system", TEXT),
            ("reason_code", TEXT),
            ("start_date", DATE),
            ("start_at", instant()),
            ("end_date", DATE),
            ("end_at", instant()),
            ("length_minutes", KEY),
        ],
        "condition" => vec![
            ("encounter_id", KEY),
            ("clinical_status", TEXT),
            ("verification_status", TEXT),
            ("category", TEXT),
            ("code", TEXT),
            ("code_system", TEXT),
            ("code_original", TEXT),
            ("code_original_system", TEXT),
            ("onset_date", DATE),
            ("abatement_date", DATE),
            ("recorded_date", DATE),
        ],
        "observation" => vec![
            ("encounter_id", KEY),
            ("status", TEXT),
            ("category", TEXT),
            ("code", TEXT),
            ("code_system", TEXT),
            ("code_original", TEXT),
            ("code_original_system", TEXT),
            ("effective_date", DATE),
            ("effective_at", instant()),
            ("value", VALUE),
            ("unit", TEXT),
            ("value_original", VALUE),
            ("unit_original", TEXT),
            ("value_text", TEXT),
            ("value_code", TEXT),
            ("value_system", TEXT),
            ("interpretation", TEXT),
        ],
        "observation_component" => vec![
            ("observation_id", KEY),
            ("code", TEXT),
            ("code_system", TEXT),
            ("code_original", TEXT),
            ("code_original_system", TEXT),
            ("effective_date", DATE),
            ("value", VALUE),
            ("unit", TEXT),
            ("value_original", VALUE),
            ("unit_original", TEXT),
            ("value_code", TEXT),
            ("value_system", TEXT),
        ],
        "medication_request" => vec![
            ("encounter_id", KEY),
            ("status", TEXT),
            ("intent", TEXT),
            ("code", TEXT),
            ("code_system", TEXT),
            ("code_original", TEXT),
            ("code_original_system", TEXT),
            ("authored_date", DATE),
        ],
        "procedure" => vec![
            ("encounter_id", KEY),
            ("status", TEXT),
            ("code", TEXT),
            ("code_system", TEXT),
            ("code_original", TEXT),
            ("code_original_system", TEXT),
            ("performed_date", DATE),
            ("performed_end_date", DATE),
        ],
        "immunization" => vec![
            ("encounter_id", KEY),
            ("status", TEXT),
            ("code", TEXT),
            ("code_system", TEXT),
            ("code_original", TEXT),
            ("code_original_system", TEXT),
            ("occurrence_date", DATE),
        ],
        "allergy_intolerance" => vec![
            ("clinical_status", TEXT),
            ("verification_status", TEXT),
            ("type", TEXT),
            ("category", TEXT),
            ("criticality", TEXT),
            ("code", TEXT),
            ("code_system", TEXT),
            ("code_original", TEXT),
            ("code_original_system", TEXT),
            ("recorded_date", DATE),
        ],
        _ => vec![
            ("encounter_id", KEY),
            ("status", TEXT),
            ("category", TEXT),
            ("code", TEXT),
            ("code_system", TEXT),
            ("code_original", TEXT),
            ("code_original_system", TEXT),
            ("effective_date", DATE),
        ],
    }
}

#[cfg(test)]
mod tests {
    use super::{TABLES, schema};
    use arrow::datatypes::DataType;

    #[test]
    fn every_table_starts_with_the_person() {
        for table in TABLES {
            let schema = schema(table).expect(table);
            assert_eq!(schema.field(0).name(), "person_id");
            assert!(!schema.field(0).is_nullable());
            assert_eq!(schema.index_of("id").is_err(), *table == "patient");
        }
        assert!(schema("identity").is_none());
    }

    #[test]
    fn no_measurement_is_a_float() {
        for table in TABLES {
            for field in schema(table).expect(table).fields() {
                assert!(
                    !matches!(
                        field.data_type(),
                        DataType::Float16 | DataType::Float32 | DataType::Float64
                    ),
                    "{table}.{}",
                    field.name()
                );
            }
        }
    }
}
