//! The tables that ship say the same as their views, row by row, over two real exports.

mod common;

use std::collections::BTreeMap;

use common::{Home, real};
use salus_fhir::{admit, shipped_view};
use salus_lake::TABLES;

/// Columns that a view cannot say as the table has them; `docs/views.md` says why.
const EXCEPT: [(&str, &str); 6] = [
    ("patient", "race"),
    ("patient", "ethnicity"),
    ("patient", "state"),
    ("patient", "postal3"),
    ("encounter", "length_minutes"),
    ("observation_component", "id"),
];

type Records = Vec<BTreeMap<String, String>>;

/// What ingest adds to what a line says: codes and values as they came, where others stand for them.
const ADDED: [&str; 4] = [
    "code_original",
    "code_original_system",
    "value_original",
    "unit_original",
];

/// Values as they came, before they were converted into the catalog's units.
fn as_given(mut records: Records) -> Records {
    for record in &mut records {
        for (column, given) in [("value", "value_original"), ("unit", "unit_original")] {
            if let Some(given) = record.get(given).filter(|text| !text.is_empty()).cloned() {
                record.insert(column.to_owned(), given);
            }
        }
    }
    records
}

/// What is compared, in an order that depends on it alone.
fn compared(mut records: Records, drop: &[&str]) -> Records {
    for record in &mut records {
        for column in drop {
            record.remove(*column);
        }
    }
    records.sort();
    records
}

fn renamed(mut records: Records, from: &str, to: &str) -> Records {
    for record in &mut records {
        if let Some(value) = record.remove(from) {
            record.insert(to.to_owned(), value);
        }
    }
    records
}

async fn same(name: &str) {
    let Some(export) = real(name) else {
        return;
    };
    let mut home = Home::new();
    for table in TABLES {
        let definition = shipped_view(table).expect(table);
        let view = format!("like_{table}");
        let admitted =
            admit(Some(&view), definition, "").unwrap_or_else(|wrong| panic!("{table}: {wrong:?}"));
        home.lake = home
            .lake
            .add_view(&view, admitted.facts, definition, false)
            .expect(table);
    }
    let summary = home.ingest(&export).await;
    let mut cells = 0;
    for table in TABLES {
        let except: Vec<_> = EXCEPT
            .iter()
            .filter(|(of, _)| of == table)
            .map(|(_, column)| *column)
            .collect();
        let shipped = as_given(home.records(table));
        let shipped = compared(shipped, &[&except[..], &ADDED].concat());
        let shipped = match *table {
            "observation_component" => renamed(shipped, "observation_id", "resource_id"),
            _ => renamed(shipped, "id", "resource_id"),
        };
        let shipped = compared(shipped, &[]);
        let keys: &[&str] = if *table == "patient" {
            &["row", "resource_id"]
        } else {
            &["row"]
        };
        let view = format!("like_{table}");
        let of_view = compared(home.records(&view), &[&except[..], keys].concat());
        let told = &summary.views[&view];
        assert_eq!(told.failed, 0, "{table}: {:?}", told.failure);
        assert_eq!(shipped.len(), of_view.len(), "{table}");
        for (shipped, of_view) in shipped.iter().zip(&of_view) {
            assert_eq!(shipped, of_view, "{table}");
        }
        cells += shipped.iter().map(BTreeMap::len).sum::<usize>();
    }
    assert!(cells > 50_000, "only {cells} cells were compared");
    assert!(!home.ingest(&export).await.changed);
}

#[tokio::test(flavor = "multi_thread")]
async fn synthea() {
    same("synthea-100").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn smart() {
    same("smart-40").await;
}

#[test]
fn every_table_that_ships_has_a_view_with_its_columns() {
    for table in TABLES {
        let definition = shipped_view(table).expect(table);
        let facts = admit(Some("like"), definition, "").expect(table).facts;
        for field in salus_lake::schema(table).expect(table).fields() {
            let keys = ["person_id", "id", "observation_id"];
            let name = field.name().as_str();
            if keys.contains(&name) || ADDED.contains(&name) || EXCEPT.contains(&(table, name)) {
                continue;
            }
            let column = facts
                .columns
                .get(name)
                .unwrap_or_else(|| panic!("{table}.{name}"));
            assert_eq!(
                Some(column.kind),
                salus_lake::ColumnType::of(field.data_type()),
                "{table}.{name}"
            );
        }
    }
    assert!(shipped_view("identity").is_none());
}
