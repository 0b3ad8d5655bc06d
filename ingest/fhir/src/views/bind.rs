//! What each column of a view becomes in the lake.

use salus_lake::{ColumnType, column_name};
use salus_views::{Column, Shown, View, shown};

/// A column of a view that is a column of its table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Bound {
    pub(crate) name: String,
    /// Its place among the columns of the view.
    pub(crate) place: usize,
    pub(crate) kind: ColumnType,
    /// The type of the resources whose keys it holds; they become the numbers that name rows of the lake.
    pub(crate) key_of: Option<String>,
}

/// The columns that stay, and those that the table has already under another name.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Binding {
    pub(crate) columns: Vec<Bound>,
    /// The column, and which one says the same.
    pub(crate) same: Vec<(String, &'static str)>,
}

/// Binds the columns of a view.
///
/// # Errors
/// Everything that keeps columns out of the lake, with what to do.
pub(crate) fn bind(view: &View) -> Result<Binding, Vec<String>> {
    let (mut binding, mut wrong) = (Binding::default(), Vec::new());
    for (place, (column, shown)) in view.columns().iter().zip(shown(view)).enumerate() {
        let name = &column.name;
        let key_of = match shown {
            Shown::ResourceKey => {
                binding.same.push((name.clone(), "resource_id"));
                continue;
            }
            Shown::ReferenceKey(Some(kind)) if kind == "Patient" => {
                binding.same.push((name.clone(), "person_id"));
                continue;
            }
            Shown::ReferenceKey(None) => {
                let what = "name the type of the resource, as in getReferenceKey(Encounter): the key becomes the number of its row";
                wrong.push(format!("column {name}: {what}"));
                continue;
            }
            Shown::Identifier(what) => {
                wrong.push(format!(
                    "column {name}: {what}; direct identifiers do not enter tables that analysts ask"
                ));
                continue;
            }
            Shown::ReferenceKey(kind) => kind,
            Shown::Value => None,
        };
        let kind = match &key_of {
            Some(_) => Ok(ColumnType::BigInt),
            None => lake_type(column),
        };
        match kind.and_then(|kind| column_name(name).map(|()| kind)) {
            Ok(kind) => binding.columns.push(Bound {
                name: name.clone(),
                place,
                kind,
                key_of,
            }),
            Err(what) => wrong.push(format!("column {name}: {what}")),
        }
    }
    if binding.columns.is_empty() && wrong.is_empty() {
        wrong.push("the view has no column but keys; add one".into());
    }
    if wrong.is_empty() {
        Ok(binding)
    } else {
        Err(wrong)
    }
}

/// The type of the lake for a column: the one that its tag asks for, else that of its FHIR type.
fn lake_type(column: &Column) -> Result<ColumnType, String> {
    if column.collection {
        return Err(
            "a list has no place in a table of the lake; iterate with forEach, or use join(', ')"
                .into(),
        );
    }
    if let Some(ansi) = &column.ansi_type {
        return by_tag(ansi);
    }
    let Some(kind) = column.fhir_type.as_deref() else {
        return Err("its type is not known; write `type`, for instance `code` or `decimal`".into());
    };
    Ok(match kind {
        "boolean" => ColumnType::Boolean,
        "integer" | "positiveInt" | "unsignedInt" => ColumnType::Integer,
        "integer64" => ColumnType::BigInt,
        "decimal" => ColumnType::Decimal,
        "date" | "dateTime" => ColumnType::Date,
        "instant" => ColumnType::Timestamp,
        "string" | "code" | "uri" | "url" | "canonical" | "oid" | "id" | "uuid" => ColumnType::Text,
        "markdown" | "xhtml" => {
            return Err("free text does not enter tables that analysts ask".into());
        }
        "time" => return Err("the lake has no times of day; write a dateTime".into()),
        "base64Binary" => return Err("the lake holds no binary values".into()),
        other => {
            return Err(format!(
                "{other} has parts; name the one that is meant, such as value.ofType(Quantity).value"
            ));
        }
    })
}

fn by_tag(ansi: &str) -> Result<ColumnType, String> {
    let name: String = ansi
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .to_uppercase();
    let bare = name.split('(').next().unwrap_or_default().trim_end();
    let zoned = name.ends_with("WITH TIME ZONE");
    Ok(match bare {
        "BOOLEAN" => ColumnType::Boolean,
        "INTEGER" | "INT" | "SMALLINT" => ColumnType::Integer,
        "BIGINT" => ColumnType::BigInt,
        "DECIMAL" | "NUMERIC" | "DEC" => ColumnType::Decimal,
        "DATE" => ColumnType::Date,
        _ if bare.starts_with("TIMESTAMP") && zoned => ColumnType::Timestamp,
        _ if bare.starts_with("CHARACTER")
            || bare.starts_with("VARCHAR")
            || bare == "TEXT"
            || bare == "CHAR" =>
        {
            ColumnType::Text
        }
        _ => {
            return Err(format!(
                "the lake has no {name}; ask for BOOLEAN, INTEGER, BIGINT, DECIMAL, DATE, TIMESTAMP WITH TIME ZONE or CHARACTER VARYING"
            ));
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bound(columns: &str) -> Result<Binding, Vec<String>> {
        let view = format!(r#"{{"resource":"Observation","select":[{{"column":[{columns}]}}]}}"#);
        bind(&View::parse(&view).expect("a view"))
    }

    #[test]
    fn keys_become_numbers_or_are_there_already() {
        let found = bound(
            r#"{"name":"id","path":"getResourceKey()","type":"id"},
               {"name":"patient_id","path":"subject.getReferenceKey(Patient)","type":"id"},
               {"name":"encounter_id","path":"encounter.getReferenceKey(Encounter)","type":"id"},
               {"name":"status","path":"status","type":"code"}"#,
        );
        let found = found.expect("columns");
        let names: Vec<_> = found
            .columns
            .iter()
            .map(|bound| (bound.name.as_str(), bound.place, bound.kind))
            .collect();
        assert_eq!(
            names,
            [
                ("encounter_id", 2, ColumnType::BigInt),
                ("status", 3, ColumnType::Text)
            ]
        );
        assert_eq!(found.columns[0].key_of.as_deref(), Some("Encounter"));
        assert_eq!(
            found.same,
            [
                ("id".into(), "resource_id"),
                ("patient_id".into(), "person_id")
            ]
        );
    }

    #[test]
    fn types_are_those_of_the_lake_or_refused_with_a_hint() {
        for (column, kind) in [
            (r#""type":"boolean""#, ColumnType::Boolean),
            (r#""type":"positiveInt""#, ColumnType::Integer),
            (r#""type":"integer64""#, ColumnType::BigInt),
            (r#""type":"decimal""#, ColumnType::Decimal),
            (r#""type":"dateTime""#, ColumnType::Date),
            (r#""type":"instant""#, ColumnType::Timestamp),
            (
                r#""type":"dateTime","tag":[{"name":"ansi/type","value":"TIMESTAMP WITH TIME ZONE"}]"#,
                ColumnType::Timestamp,
            ),
            (
                r#""type":"string","tag":[{"name":"ansi/type","value":"DECIMAL(10,2)"}]"#,
                ColumnType::Decimal,
            ),
        ] {
            let found = bound(&format!(r#"{{"name":"x","path":"value",{column}}}"#)).expect(column);
            assert_eq!(found.columns[0].kind, kind, "{column}");
        }
        for (column, hint) in [
            (r#""name":"x","path":"value""#, "write `type`"),
            (
                r#""name":"x","path":"value","type":"Quantity""#,
                "has parts",
            ),
            (r#""name":"x","path":"value","type":"time""#, "no times"),
            (
                r#""name":"x","path":"value","type":"markdown""#,
                "free text",
            ),
            (
                r#""name":"x","path":"value","type":"code","collection":true"#,
                "forEach",
            ),
            (
                r#""name":"row","path":"value","type":"code""#,
                "every table",
            ),
            (
                r#""name":"select","path":"value","type":"code""#,
                "word of SQL",
            ),
            (
                r#""name":"Status","path":"value","type":"code""#,
                "lower-case",
            ),
            (
                r#""name":"x","path":"performer.getReferenceKey()","type":"id""#,
                "name the type",
            ),
            (
                r#""name":"x","path":"note.text","type":"string""#,
                "identifiers do not enter",
            ),
            (
                r#""name":"x","path":"value","type":"decimal","tag":[{"name":"ansi/type","value":"DOUBLE PRECISION"}]"#,
                "DECIMAL",
            ),
        ] {
            let wrong = bound(&format!("{{{column}}}"))
                .expect_err(column)
                .join("; ");
            assert!(wrong.contains(hint), "{column}: {wrong}");
        }
    }
}
