//! The catalog of public facts: what analysts, planners and the ledger may know about the lake.
//!
//! # Guarantee
//! A catalog is text that somebody wrote. Nothing in this module reads data, so no fact in a catalog can depend on any
//! person; each domain, bound and limit must name its source outside the lake.

use std::collections::{BTreeMap, BTreeSet};

use arrow::datatypes::{DataType, TimeUnit};
use serde::{Deserialize, Serialize};

use crate::decimal::Decimal;
use crate::error::{Error, Result};
use crate::schema::{
    MEASUREMENT_PRECISION, MEASUREMENT_SCALE, TABLES, instant, resource_type, schema,
};
use crate::views::{self, ViewSource};

/// The catalog format that this crate reads, and with it the columns that tables have.
const VERSION: u32 = 2;
/// Above this a sum of one-unit contributions could pass 2^63 when people bring 2^20 rows each.
const LARGEST_POPULATION: u64 = 1 << 40;
/// Largest cap of one person's rows that the commit still holds in memory.
const LARGEST_CAP: u64 = 1 << 20;

/// A validated catalog.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Catalog {
    /// Format version, 2.
    pub version: u32,
    /// Largest population that arithmetic must hold. Never compared with the data.
    pub population_ceiling: u64,
    /// Largest number of cells of one answer.
    pub max_cells: u64,
    /// Facts about each table, by name.
    pub tables: BTreeMap<String, Table>,
    /// Parts of the lake that a policy can limit by themselves: tables, by the part's name. `main` is all of it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub datasets: BTreeMap<String, Vec<String>>,
    /// Limits of measured values, by code and unit.
    pub measurements: Vec<Measurement>,
    /// Where the text declares the tables of views; once read they stand among `tables`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    views: BTreeMap<String, Table>,
}

/// Public facts about a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Table {
    /// The view that fills the table; none for those that ship.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub view: Option<ViewSource>,
    /// What a row is.
    pub doc: String,
    /// The column that names the person.
    pub unit: String,
    /// Whether a person has at most one row; enforced when a snapshot is committed.
    pub one_row_per_person: bool,
    /// Most rows that a person has; enforced when a snapshot is committed.
    pub max_rows_per_person: u64,
    /// k: how many rows of a person one answer counts unless the question says otherwise.
    pub rows_per_person: u64,
    /// Facts about each column, by name.
    pub columns: BTreeMap<String, Column>,
}

/// Public facts about a column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Column {
    /// The SQL type.
    #[serde(rename = "type")]
    pub kind: ColumnType,
    /// What the values mean.
    pub doc: String,
    /// Values that may be published as keys, as text of the column's type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub domain: Option<Vec<String>>,
    /// Limits and grid of the values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bounds: Option<Bounds>,
    /// Where domain and bounds come from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
}

/// Limits of a value: it is rounded to a multiple of `granularity`, then clamped to `[low, high]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bounds {
    /// Smallest value.
    pub low: Decimal,
    /// Largest value.
    pub high: Decimal,
    /// The grid; `low` and `high` are multiples of it.
    pub granularity: Decimal,
}

/// Clinical limits of one code in one unit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Measurement {
    /// The code, such as `4548-4`.
    pub code: String,
    /// URI of the code system.
    pub system: String,
    /// Name of the code.
    pub name: String,
    /// UCUM unit.
    pub unit: String,
    /// Smallest value.
    pub low: Decimal,
    /// Largest value.
    pub high: Decimal,
    /// The grid.
    pub granularity: Decimal,
    /// Where code and limits come from.
    pub source: String,
}

impl Measurement {
    /// The limits as bounds.
    pub fn bounds(&self) -> Bounds {
        Bounds {
            low: self.low,
            high: self.high,
            granularity: self.granularity,
        }
    }
}

/// SQL types of the lake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ColumnType {
    /// 64-bit integer.
    #[serde(rename = "bigint")]
    BigInt,
    /// 32-bit integer.
    #[serde(rename = "integer")]
    Integer,
    /// UTF-8 text.
    #[serde(rename = "text")]
    Text,
    /// A day.
    #[serde(rename = "date")]
    Date,
    /// An instant in UTC, microseconds.
    #[serde(rename = "timestamp")]
    Timestamp,
    /// A measurement.
    #[serde(rename = "decimal(18,6)")]
    Decimal,
    /// True or false.
    #[serde(rename = "boolean")]
    Boolean,
}

impl ColumnType {
    /// The catalog's name of an Arrow type, or `None` if the lake does not store it.
    pub fn of(data_type: &DataType) -> Option<Self> {
        match data_type {
            DataType::Int64 => Some(Self::BigInt),
            DataType::Int32 => Some(Self::Integer),
            DataType::Utf8 => Some(Self::Text),
            DataType::Date32 => Some(Self::Date),
            DataType::Timestamp(TimeUnit::Microsecond, Some(zone)) if zone.as_ref() == "UTC" => {
                Some(Self::Timestamp)
            }
            DataType::Decimal128(MEASUREMENT_PRECISION, MEASUREMENT_SCALE) => Some(Self::Decimal),
            DataType::Boolean => Some(Self::Boolean),
            _ => None,
        }
    }

    /// How the lake stores it.
    pub fn data_type(self) -> DataType {
        match self {
            Self::BigInt => DataType::Int64,
            Self::Integer => DataType::Int32,
            Self::Text => DataType::Utf8,
            Self::Date => DataType::Date32,
            Self::Timestamp => instant(),
            Self::Decimal => DataType::Decimal128(MEASUREMENT_PRECISION, MEASUREMENT_SCALE),
            Self::Boolean => DataType::Boolean,
        }
    }

    /// The name as written in the catalog and shown to analysts.
    pub fn name(self) -> &'static str {
        match self {
            Self::BigInt => "bigint",
            Self::Integer => "integer",
            Self::Text => "text",
            Self::Date => "date",
            Self::Timestamp => "timestamp",
            Self::Decimal => "decimal(18,6)",
            Self::Boolean => "boolean",
        }
    }
}

impl Catalog {
    /// The catalog that ships with Salus, as text.
    pub fn default_yaml() -> &'static str {
        include_str!("../catalog/default.yaml")
    }

    /// Reads and validates a catalog.
    ///
    /// # Errors
    /// [`Error::Catalog`] with the place in the catalog and what is wrong there.
    pub fn parse(yaml: &str) -> Result<Self> {
        let mut catalog: Self =
            serde_yaml_ng::from_str(yaml).map_err(|error| Error::Catalog(error.to_string()))?;
        if let Some(name) = catalog
            .tables
            .iter()
            .find_map(|(name, table)| table.view.is_some().then_some(name))
        {
            let what = format!("tables.{name}.view: tables of views stand under `views`");
            return Err(Error::Catalog(what));
        }
        let views = views::admit(std::mem::take(&mut catalog.views)).map_err(Error::Catalog)?;
        catalog.tables.extend(views);
        catalog.validate().map_err(Error::Catalog)?;
        Ok(catalog)
    }

    /// Facts about `table`.
    pub fn table(&self, table: &str) -> Option<&Table> {
        self.tables.get(table)
    }

    /// The tables that views fill, by name.
    pub fn views(&self) -> impl Iterator<Item = (&String, &Table, &ViewSource)> {
        self.tables
            .iter()
            .filter_map(|(name, table)| Some((name, table, table.view.as_ref()?)))
    }

    /// Facts about a column.
    pub fn column(&self, table: &str, column: &str) -> Option<&Column> {
        self.tables.get(table)?.columns.get(column)
    }

    /// Clinical limits of a code in a unit.
    pub fn measurement(&self, system: &str, code: &str, unit: &str) -> Option<&Measurement> {
        self.measurements
            .iter()
            .find(|m| m.system == system && m.code == code && m.unit == unit)
    }

    /// Whether a part can have this name and these tables.
    fn validate_part(&self, part: &str, tables: &[String]) -> std::result::Result<(), String> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
        if part == "main" || !(1..=64).contains(&part.len()) || !part.bytes().all(plain) {
            return Err("a name is 1 to 64 letters, digits, hyphens or underscores, and not main, which is the whole lake".into());
        }
        if tables.is_empty() {
            return Err("has no table".into());
        }
        let mut seen = BTreeSet::new();
        for table in tables {
            if !self.tables.contains_key(table) {
                return Err(format!("{table} is not a table"));
            }
            if !seen.insert(table) {
                return Err(format!("{table} is there twice"));
            }
        }
        Ok(())
    }

    /// The parts with all their tables: those that `datasets` names, and views over the resources of these. A second table of the same
    /// rows would be a way around the limits of the first.
    pub fn parts(&self) -> BTreeMap<String, Vec<String>> {
        let parts = self.datasets.iter().map(|(part, named)| {
            let types: BTreeSet<_> = named.iter().filter_map(|t| self.resource(t)).collect();
            let views = self.views().filter(|(table, _, view)| {
                types.contains(view.resource.as_str()) && !named.contains(table)
            });
            let views = views.map(|(table, ..)| table.clone());
            (part.clone(), named.iter().cloned().chain(views).collect())
        });
        parts.collect()
    }

    /// The type of the resources that a table is made from.
    fn resource(&self, table: &str) -> Option<&str> {
        let view = self.table(table).and_then(|facts| facts.view.as_ref());
        view.map(|view| view.resource.as_str())
            .or_else(|| resource_type(table))
    }

    fn validate(&self) -> std::result::Result<(), String> {
        if self.version != VERSION {
            return Err(format!(
                "version: {} is not known, only {VERSION} is; a lake of another version is made anew: `salus init` another home and ingest again",
                self.version
            ));
        }
        if !(1..=LARGEST_POPULATION).contains(&self.population_ceiling) {
            return Err(format!(
                "population_ceiling: not within 1 to {LARGEST_POPULATION}"
            ));
        }
        if self.max_cells == 0 {
            return Err("max_cells: must be at least 1".into());
        }
        for (name, table) in &self.tables {
            let section = if table.view.is_some() {
                "views"
            } else {
                "tables"
            };
            if table.view.is_none() && !TABLES.contains(&name.as_str()) {
                return Err(format!("tables.{name}: there is no such table"));
            }
            table
                .validate(name)
                .map_err(|what| format!("{section}.{name}.{what}"))?;
        }
        if let Some(name) = TABLES.iter().find(|name| !self.tables.contains_key(**name)) {
            return Err(format!("tables.{name}: is missing"));
        }
        for (part, tables) in &self.datasets {
            self.validate_part(part, tables)
                .map_err(|what| format!("datasets.{part}: {what}"))?;
        }
        let mut seen = BTreeSet::new();
        for m in &self.measurements {
            let place = format!("measurements, code {} in {}", m.code, m.unit);
            m.bounds()
                .validate()
                .map_err(|what| format!("{place}: {what}"))?;
            if [&m.code, &m.system, &m.name, &m.unit, &m.source]
                .iter()
                .any(|text| text.trim().is_empty())
            {
                return Err(format!(
                    "{place}: code, system, name, unit and source must be given"
                ));
            }
            // A code has one unit: the one that values are converted into. Questions name it without its system.
            if !seen.insert(&m.code) {
                return Err(format!("{place}: the code is given twice"));
            }
        }
        Ok(())
    }
}

impl Table {
    fn validate(&self, name: &str) -> std::result::Result<(), String> {
        if self.doc.trim().is_empty() {
            return Err("doc: must be given".into());
        }
        if self.unit != "person_id" {
            return Err("unit: must be person_id".into());
        }
        if self.one_row_per_person != (name == "patient") {
            return Err("one_row_per_person: true for patient, false for every other table".into());
        }
        if !(1..=LARGEST_CAP).contains(&self.max_rows_per_person) {
            return Err(format!(
                "max_rows_per_person: not within 1 to {LARGEST_CAP}"
            ));
        }
        if self.one_row_per_person && self.max_rows_per_person != 1 {
            return Err("max_rows_per_person: must be 1 where a person has one row".into());
        }
        if !(1..=self.max_rows_per_person).contains(&self.rows_per_person) {
            return Err("rows_per_person: not within 1 to max_rows_per_person".into());
        }
        let lacking = self.view.iter().flat_map(|view| &view.columns);
        if let Some(column) = lacking
            .into_iter()
            .find(|column| !self.columns.contains_key(*column))
        {
            return Err(format!("columns.{column}: is missing"));
        }
        let schema = match &self.view {
            Some(view) => view.schema(self),
            None => schema(name).ok_or("schema: unknown")?,
        };
        if let Some(column) = self
            .columns
            .keys()
            .find(|column| schema.index_of(column).is_err())
        {
            return Err(format!("columns.{column}: there is no such column"));
        }
        for field in schema.fields() {
            let place = format!("columns.{}", field.name());
            let column = self
                .columns
                .get(field.name())
                .ok_or_else(|| format!("{place}: is missing"))?;
            let stored =
                ColumnType::of(field.data_type()).ok_or_else(|| format!("{place}: not stored"))?;
            if column.kind != stored {
                return Err(format!(
                    "{place}.type: is {}, the lake stores {}",
                    column.kind.name(),
                    stored.name()
                ));
            }
            if *field.name() == self.unit && (column.domain.is_some() || column.bounds.is_some()) {
                return Err(format!("{place}: the person has neither domain nor bounds"));
            }
            column
                .validate()
                .map_err(|what| format!("{place}.{what}"))?;
        }
        Ok(())
    }
}

impl Column {
    fn validate(&self) -> std::result::Result<(), String> {
        if self.doc.trim().is_empty() {
            return Err("doc: must be given".into());
        }
        let sourced = self
            .source
            .as_ref()
            .is_some_and(|source| !source.trim().is_empty());
        if (self.domain.is_some() || self.bounds.is_some()) && !sourced {
            return Err(
                "source: must name where domain and bounds come from, outside the data".into(),
            );
        }
        if let Some(domain) = &self.domain {
            self.validate_domain(domain)?;
        }
        if let Some(bounds) = &self.bounds {
            bounds
                .validate()
                .map_err(|what| format!("bounds: {what}"))?;
            let whole = match self.kind {
                ColumnType::BigInt | ColumnType::Integer => true,
                ColumnType::Decimal => false,
                _ => return Err("bounds: only numbers have bounds".into()),
            };
            let one = "1".parse()?;
            if whole && bounds.granularity.in_units_of(one).is_none() {
                return Err("bounds: granularity of a whole number must be whole".into());
            }
        }
        Ok(())
    }

    fn validate_domain(&self, domain: &[String]) -> std::result::Result<(), String> {
        if domain.is_empty() {
            return Err("domain: must not be empty".into());
        }
        let mut seen = BTreeSet::new();
        if let Some(twice) = domain.iter().find(|value| !seen.insert(value.as_str())) {
            return Err(format!("domain: \"{twice}\" is given twice"));
        }
        let fits = |value: &String| match self.kind {
            ColumnType::Text => !value.is_empty(),
            ColumnType::Integer => value.parse::<i32>().is_ok_and(|n| n.to_string() == *value),
            ColumnType::BigInt => value.parse::<i64>().is_ok_and(|n| n.to_string() == *value),
            _ => false,
        };
        match domain.iter().find(|value| !fits(value)) {
            Some(value) => Err(format!(
                "domain: \"{value}\" is not a {} key",
                self.kind.name()
            )),
            None => Ok(()),
        }
    }
}

impl Bounds {
    fn validate(&self) -> std::result::Result<(), String> {
        if self.granularity <= Decimal::ZERO {
            return Err("granularity must be positive".into());
        }
        if self.low >= self.high {
            return Err("low must be below high".into());
        }
        let multiple = |value: Decimal| value.in_units_of(self.granularity).is_some();
        if !multiple(self.low) || !multiple(self.high) {
            return Err("low and high must be multiples of granularity".into());
        }
        Ok(())
    }
}
