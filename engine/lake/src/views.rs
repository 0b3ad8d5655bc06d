//! Tables that views fill: what the catalog says about them, and how they enter its text.
//!
//! A view is a `ViewDefinition` of SQL on FHIR; this crate does not read it. It knows the hash of its text, the type of its
//! resources, and the columns that it fills, which the catalog declares as it declares those of every other table. All
//! of it stands under `views` at the end of `catalog.yaml`, so that the ledger's hash of that text covers the definitions too.

use std::collections::BTreeMap;

use arrow::datatypes::SchemaRef;
use datafusion::sql::sqlparser::ast::{Expr, SelectItem, SetExpr, Statement};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::parser::Parser;
use serde::{Deserialize, Serialize};

use crate::catalog::Table;
use crate::members::MEMBER;
use crate::schema::{TABLES, VIEW_KEYS, view_schema};
use crate::versions::VERSION;

/// Tables that views may add.
const MOST_VIEWS: usize = 64;
/// Columns that a view may fill.
const MOST_COLUMNS: usize = 256;
/// Bytes of the name of a table or column.
const LONGEST_NAME: usize = 60;
/// Names that are tables already, or would be taken for something else.
const TAKEN: [&str; 3] = ["measurement", "identity", "quarantine"];
/// Words that begin an expression, which the parser takes for columns where no expression follows.
const WORDS: [&str; 5] = ["case", "cast", "exists", "interval", "not"];
/// The line that begins the section of views.
const SECTION: &str = "views:";

/// Where the rows of a table come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ViewSource {
    /// SHA-256 of the definition's text, in hexadecimal.
    pub sha256: String,
    /// The resource type.
    pub resource: String,
    /// The columns that the view fills, in their order.
    pub columns: Vec<String>,
}

impl ViewSource {
    /// The columns of the table, with the types that `facts` declare.
    pub(crate) fn schema(&self, facts: &Table) -> SchemaRef {
        let declared = self.columns.iter().filter_map(|name| {
            let facts = facts.columns.get(name)?;
            Some((name.as_str(), facts.kind.data_type()))
        });
        view_schema(declared)
    }

    pub(crate) fn validate(&self, name: &str) -> Result<(), String> {
        table_name(name)?;
        let hexadecimal = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if self.sha256.len() != 64 || !self.sha256.bytes().all(hexadecimal) {
            return Err("view.sha256: must be 64 hexadecimal digits".into());
        }
        if self.columns.is_empty() || self.columns.len() > MOST_COLUMNS {
            return Err(format!("view.columns: must be 1 to {MOST_COLUMNS}"));
        }
        for (at, column) in self.columns.iter().enumerate() {
            column_name(column).map_err(|what| format!("view.columns: {what}"))?;
            if self.columns[..at].contains(column) {
                return Err(format!("view.columns: {column} is given twice"));
            }
        }
        Ok(())
    }
}

/// Whether a view may fill a table of this name.
///
/// # Errors
/// Why it may not, and what to do.
pub fn table_name(name: &str) -> Result<(), String> {
    if TABLES.contains(&name) || TAKEN.contains(&name) {
        return Err(format!(
            "there is a table {name} already; take another name"
        ));
    }
    plain(name)
}

/// Whether a view may fill a column of this name.
///
/// # Errors
/// Why it may not, and what to do.
pub fn column_name(name: &str) -> Result<(), String> {
    if VIEW_KEYS.contains(&name) || [MEMBER, VERSION].contains(&name) {
        return Err(format!(
            "{name} is a column of every table that a view fills; take another name"
        ));
    }
    plain(name)
}

/// A name that SQL takes as it stands, without quotes.
fn plain(name: &str) -> Result<(), String> {
    let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
    let sound = name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.bytes().all(fits)
        && name.len() <= LONGEST_NAME;
    if !sound {
        return Err(format!(
            "\"{}\" is no name here: lower-case letters, digits and underscores, a letter first, at most {LONGEST_NAME}",
            name.chars().take(LONGEST_NAME).collect::<String>()
        ));
    }
    if WORDS.contains(&name) || !is_identifier(name) {
        return Err(format!("{name} is a word of SQL; take another name"));
    }
    Ok(())
}

/// Whether the parser takes the word for a column, for a table and for both at once.
fn is_identifier(name: &str) -> bool {
    let sql = format!("SELECT {name}, {name}.{name} FROM {name} WHERE {name} = 1");
    let statements = Parser::parse_sql(&GenericDialect {}, &sql).unwrap_or_default();
    let [Statement::Query(query)] = statements.as_slice() else {
        return false;
    };
    let SetExpr::Select(select) = query.body.as_ref() else {
        return false;
    };
    let column = |item: &SelectItem| {
        matches!(
            item,
            SelectItem::UnnamedExpr(Expr::Identifier(_) | Expr::CompoundIdentifier(_))
        )
    };
    select.projection.len() == 2 && select.projection.iter().all(column)
}

/// Checks the section as a whole and hands out its tables.
pub(crate) fn admit(views: BTreeMap<String, Table>) -> Result<BTreeMap<String, Table>, String> {
    if views.len() > MOST_VIEWS {
        return Err(format!("views: at most {MOST_VIEWS} are allowed"));
    }
    for (name, table) in &views {
        let view = table
            .view
            .as_ref()
            .ok_or_else(|| format!("views.{name}.view: is missing"))?;
        view.validate(name)
            .map_err(|what| format!("views.{name}: {what}"))?;
    }
    Ok(views)
}

/// The text of a catalog with other views.
///
/// # Errors
/// When something stands behind the section of views.
pub(crate) fn with_views(yaml: &str, views: &BTreeMap<String, Table>) -> Result<String, String> {
    let mut head = String::new();
    let mut behind = yaml.lines().skip_while(|line| {
        let before = line.trim_end() != SECTION;
        if before {
            head.push_str(line);
            head.push('\n');
        }
        before
    });
    behind.next();
    let other = |line: &str| !line.starts_with([' ', '#']) && !line.trim().is_empty();
    if let Some(line) = behind.find(|line| other(line)) {
        return Err(format!(
            "`views` must stand last, and behind it stands {line}"
        ));
    }
    let mut text = head.trim_end().to_owned();
    text.push('\n');
    if views.is_empty() {
        return Ok(text);
    }
    let section = serde_yaml_ng::to_string(views).map_err(|error| error.to_string())?;
    text.push('\n');
    text.push_str(SECTION);
    text.push_str("\n  # Tables that views fill. Written by `salus view`; stands last.\n");
    for line in section.lines() {
        text.push_str("  ");
        text.push_str(line);
        text.push('\n');
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_words_that_sql_takes_without_quotes() {
        for good in [
            "falls",
            "us_core_race",
            "a1",
            "status",
            "value",
            "code",
            "date",
        ] {
            assert_eq!(plain(good), Ok(()), "{good}");
        }
        for bad in [
            "select",
            "from",
            "where",
            "group",
            "order",
            "union",
            "null",
            "true",
            "case",
            "current_date",
            "Falls",
            "1a",
            "_a",
            "a-b",
            "a b",
            "a\"b",
            "",
            "straße",
            "interval",
            "cast",
        ] {
            assert!(plain(bad).is_err(), "{bad}");
        }
        assert!(plain(&"a".repeat(LONGEST_NAME)).is_ok());
        assert!(plain(&"a".repeat(LONGEST_NAME + 1)).is_err());
        for taken in ["patient", "observation_component", "measurement"] {
            assert!(table_name(taken).is_err(), "{taken}");
        }
        for taken in VIEW_KEYS {
            assert!(column_name(taken).is_err(), "{taken}");
        }
    }

    #[test]
    fn a_section_comes_and_goes_without_a_trace() {
        let yaml = crate::Catalog::default_yaml();
        assert_eq!(with_views(yaml, &BTreeMap::new()).as_deref(), Ok(yaml));
        let behind = "version: 1\nviews:\n  a: {}\nmeasurements: []\n";
        assert!(with_views(behind, &BTreeMap::new()).is_err());
    }
}
