//! The tables hold what the NDJSON says.

mod common;

use std::collections::HashMap;
use std::sync::Mutex;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::compute::concat_batches;
use arrow::datatypes::{
    Date32Type, Decimal128Type, Int32Type, Int64Type, TimestampMicrosecondType,
};
use common::{options, resources};
use salus_synth::{
    Error, RowIds, TABLES, TableSink, patient_id_prefix, table_schema, write_tables,
};
use serde_json::Value;

/// Keeps batches, or refuses all of one table.
#[derive(Default)]
struct Kept {
    batches: Mutex<Vec<(&'static str, RecordBatch)>>,
    refuses: Option<&'static str>,
}

impl TableSink for Kept {
    fn append_sorted(
        &self,
        table: &'static str,
        batch: RecordBatch,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        if self.refuses == Some(table) {
            return Err("full".into());
        }
        self.batches.lock().unwrap().push((table, batch));
        Ok(())
    }
}

const FIRST: i64 = 101;

fn tables(persons: u64) -> HashMap<&'static str, RecordBatch> {
    let kept = Kept::default();
    let summary = write_tables(
        &options(persons, 6),
        &RowIds::of("test"),
        FIRST,
        &kept,
        &|_| (),
    )
    .unwrap();
    let batches = kept.batches.into_inner().unwrap();
    let whole = |table: &'static str| {
        let parts = batches
            .iter()
            .filter(|(name, _)| *name == table)
            .map(|(_, batch)| batch);
        let batch = concat_batches(&table_schema(table).unwrap(), parts).unwrap();
        assert_eq!(summary.counts[table], batch.num_rows() as u64);
        (table, batch)
    };
    TABLES.into_iter().map(whole).collect()
}

fn text(batch: &RecordBatch, column: &str, row: usize) -> Option<String> {
    let column = batch.column_by_name(column).unwrap().as_string::<i32>();
    column.is_valid(row).then(|| column.value(row).to_owned())
}

fn long(batch: &RecordBatch, column: &str, row: usize) -> Option<i64> {
    let column = batch
        .column_by_name(column)
        .unwrap()
        .as_primitive::<Int64Type>();
    column.is_valid(row).then(|| column.value(row))
}

fn date(batch: &RecordBatch, column: &str, row: usize) -> Option<String> {
    let column = batch
        .column_by_name(column)
        .unwrap()
        .as_primitive::<Date32Type>();
    column
        .is_valid(row)
        .then(|| column.value_as_date(row).unwrap().to_string())
}

fn at(resource: &Value, pointer: &str) -> Option<String> {
    resource
        .pointer(pointer)
        .and_then(Value::as_str)
        .map(str::to_owned)
}

fn day(resource: &Value, pointer: &str) -> Option<String> {
    at(resource, pointer).map(|text| text[..10].to_owned())
}

/// The resources of a type, which stand in the order of the rows.
fn of<'a>(all: &'a [Value], kind: &str) -> Vec<&'a Value> {
    all.iter().filter(|it| it["resourceType"] == kind).collect()
}

/// The person of a reference to a patient, or of a patient's id.
fn person(reference: &str) -> i64 {
    let id = reference.strip_prefix("Patient/").unwrap_or(reference);
    let prefix = patient_id_prefix(&options(1, 6));
    FIRST + id.strip_prefix(&prefix).unwrap().parse::<i64>().unwrap()
}

#[test]
fn people_equal_resources() {
    let options = options(400, 6);
    let all = resources(&options);
    let tables = tables(400);

    let patients = of(&all, "Patient");
    let table = &tables["patient"];
    assert_eq!(table.num_rows(), 400);
    for (row, it) in patients.iter().enumerate() {
        assert_eq!(
            long(table, "person_id", row),
            Some(person(it["id"].as_str().unwrap()))
        );
        assert_eq!(text(table, "sex", row), at(it, "/gender"));
        assert_eq!(date(table, "birth_date", row), at(it, "/birthDate"));
        assert_eq!(date(table, "death_date", row), at(it, "/deceasedDateTime"));
        assert_eq!(text(table, "state", row), at(it, "/address/0/state"));
        assert_eq!(
            text(table, "postal3", row),
            at(it, "/address/0/postalCode").map(|it| it[..3].to_owned())
        );
        let extension = |url: &str| {
            let all = it["extension"].as_array();
            all.and_then(|all| {
                all.iter()
                    .find(|one| one["url"].as_str().unwrap().ends_with(url))
                    .cloned()
            })
        };
        let deprivation = table["deprivation"].as_primitive::<Int32Type>();
        let decile =
            extension("/area-deprivation-decile").map(|it| it["valueInteger"].as_i64().unwrap());
        assert_eq!(
            deprivation
                .is_valid(row)
                .then(|| i64::from(deprivation.value(row))),
            decile
        );
        let race = extension("/us-core-race").and_then(|it| at(&it, "/extension/1/valueString"));
        assert_eq!(
            text(table, "race", row),
            race.map(|race| race.replace("Other Race", "Other"))
        );
    }
}

#[test]
fn events_equal_resources() {
    let options = options(400, 6);
    let all = resources(&options);
    let tables = tables(400);
    for (kind, name, date_column, pointer) in [
        ("Encounter", "encounter", "start_date", "/period/start"),
        ("Condition", "condition", "onset_date", "/onsetDateTime"),
        (
            "Observation",
            "observation",
            "effective_date",
            "/effectiveDateTime",
        ),
        (
            "MedicationRequest",
            "medication_request",
            "authored_date",
            "/authoredOn",
        ),
        (
            "Procedure",
            "procedure",
            "performed_date",
            "/performedDateTime",
        ),
        (
            "Immunization",
            "immunization",
            "occurrence_date",
            "/occurrenceDateTime",
        ),
    ] {
        let (rows, table) = (of(&all, kind), &tables[name]);
        assert_eq!(rows.len(), table.num_rows(), "{name}");
        let code = match kind {
            "Encounter" => "/type/0/coding/0/code",
            "MedicationRequest" => "/medicationCodeableConcept/coding/0/code",
            "Immunization" => "/vaccineCode/coding/0/code",
            _ => "/code/coding/0/code",
        };
        let column = if kind == "Encounter" {
            "type_code"
        } else {
            "code"
        };
        for (row, it) in rows.iter().enumerate() {
            let subject = at(it, "/subject/reference")
                .or(at(it, "/patient/reference"))
                .unwrap();
            assert_eq!(long(table, "person_id", row), Some(person(&subject)));
            assert_eq!(text(table, column, row), at(it, code));
            assert_eq!(
                date(table, date_column, row),
                day(it, pointer),
                "{name} {row}"
            );
            if kind != "Condition" {
                assert_eq!(text(table, "status", row), at(it, "/status"));
            }
        }
    }
}

#[test]
fn measurements_are_exact_and_components_hang_on_their_panel() {
    let all = resources(&options(300, 6));
    let tables = tables(300);
    let millionths = |value: &Value| {
        let printed = value.to_string();
        let (whole, fraction) = printed.split_once('.').unwrap_or((&printed, ""));
        format!("{whole}{fraction:0<6}").parse::<i128>().unwrap()
    };
    let (observations, parts) = (&tables["observation"], &tables["observation_component"]);
    let values = observations["value"].as_primitive::<Decimal128Type>();
    let part_values = parts["value"].as_primitive::<Decimal128Type>();
    let instants = observations["effective_at"].as_primitive::<TimestampMicrosecondType>();
    let mut next = 0;
    let mut quantities = 0;
    for (row, it) in of(&all, "Observation").iter().enumerate() {
        let quantity = &it["valueQuantity"]["value"];
        assert_eq!(
            values.is_valid(row).then(|| values.value(row)),
            quantity.is_number().then(|| millionths(quantity))
        );
        assert_eq!(
            text(observations, "unit", row),
            at(it, "/valueQuantity/code")
        );
        assert_eq!(
            text(observations, "value_code", row),
            at(it, "/valueCodeableConcept/coding/0/code")
        );
        let instant = instants
            .value_as_datetime(row)
            .unwrap()
            .format("%Y-%m-%dT%H:%M:%SZ")
            .to_string();
        assert_eq!(Some(instant), at(it, "/effectiveDateTime"));
        quantities += usize::from(quantity.is_number());
        for part in it["component"].as_array().into_iter().flatten() {
            assert_eq!(
                long(parts, "observation_id", next),
                long(observations, "id", row)
            );
            assert_eq!(text(parts, "code", next), at(part, "/code/coding/0/code"));
            assert_eq!(
                part_values.value(next),
                millionths(&part["valueQuantity"]["value"])
            );
            next += 1;
        }
    }
    assert_eq!(next, parts.num_rows());
    assert!(quantities > 1_000 && next > 500);
}

#[test]
fn encounter_links_and_row_ids_are_consistent() {
    let all = resources(&options(300, 6));
    let tables = tables(300);
    let encounters: HashMap<String, i64> = of(&all, "Encounter")
        .iter()
        .enumerate()
        .map(|(row, it)| {
            (
                it["id"].as_str().unwrap().to_owned(),
                long(&tables["encounter"], "id", row).unwrap(),
            )
        })
        .collect();
    for (row, it) in of(&all, "Observation").iter().enumerate() {
        let linked = at(it, "/encounter/reference")
            .map(|it| encounters[it.strip_prefix("Encounter/").unwrap()]);
        assert_eq!(long(&tables["observation"], "encounter_id", row), linked);
    }
    let mut ids = std::collections::HashSet::new();
    for (name, table) in tables.iter().filter(|(name, _)| **name != "patient") {
        for row in 0..table.num_rows() {
            let id = long(table, "id", row).unwrap();
            assert!(id >= 0 && ids.insert(id), "{name} {row}");
        }
    }
}

#[test]
fn batches_come_in_order_of_person_over_many_chunks() {
    let tables = tables(4_500);
    for (name, table) in &tables {
        let persons = table["person_id"].as_primitive::<Int64Type>();
        assert!(persons.values().is_sorted(), "{name}");
        assert!(
            persons
                .values()
                .iter()
                .all(|person| (FIRST..FIRST + 4_500).contains(person))
        );
    }
    assert_eq!(tables["patient"].num_rows(), 4_500);
}

#[test]
fn a_refusal_of_the_lake_stops_the_population() {
    let kept = Kept {
        refuses: Some("observation"),
        ..Kept::default()
    };
    let result = write_tables(&options(10_000, 6), &RowIds::of("test"), 1, &kept, &|_| ());
    assert!(
        matches!(
            result,
            Err(Error::Lake {
                table: "observation",
                ..
            })
        ),
        "{result:?}"
    );
    assert!(kept.batches.into_inner().unwrap().len() <= 3);
}
