//! The checks: what a row is asked, and whether it fails.

use std::collections::{BTreeMap, HashMap, HashSet};

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Date32Type, Decimal128Type, Int32Type, Int64Type};
use salus_lake::{Catalog, schema};

use crate::sex;
use crate::stream::Person;

/// Days after a death in which records may still be written: what OHDSI's plausibleBeforeDeath allows.
const DAYS_AFTER_DEATH: i32 = 60;

/// The three categories of Kahn et al., eGEMs 2016;4(1):18.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Category {
    /// Values are there.
    Completeness,
    /// Values have the form, the codes and the relations that they should have.
    Conformance,
    /// Values can be believed.
    Plausibility,
}

impl Category {
    /// In small letters.
    pub fn name(self) -> &'static str {
        match self {
            Self::Completeness => "completeness",
            Self::Conformance => "conformance",
            Self::Plausibility => "plausibility",
        }
    }
}

/// What is asked of a column.
#[derive(Debug)]
enum Question {
    /// Is it NULL?
    Null,
    /// Is it not one of the catalog's keys?
    Domain(HashSet<String>),
    /// Is the code system none that HL7 Terminology names?
    System,
    /// Is the value not in the catalog's unit of its code, or could it not be converted into it?
    Unit,
    /// Does it point to no row of the same person?
    Reference,
    /// Is it beyond the column's bounds, in whole numbers?
    Bounds(i64, i64),
    /// Is it beyond the limits of its code?
    Limits,
    Future,
    BeforeBirth,
    AfterDeath,
    /// Does it lie before the column named?
    Order(usize),
    /// Is the code one that persons of the other sex have?
    Sex,
}

/// One check of one column.
#[derive(Debug)]
pub(crate) struct Check {
    pub(crate) category: Category,
    pub(crate) name: &'static str,
    pub(crate) column: String,
    /// Per cent of failing rows above which the check fails, unless the operator says otherwise.
    pub(crate) most_percent: Option<u32>,
    at: usize,
    places: Places,
    question: Question,
}

/// Places of the columns that checks of other columns look at, in tables that have them.
#[derive(Debug, Clone, Copy)]
struct Places {
    code: Option<usize>,
    system: Option<usize>,
    unit: Option<usize>,
    original: Option<usize>,
}

/// What the catalog says about values of a code.
pub(crate) struct Limits {
    system: String,
    unit: String,
    /// In millionths.
    low: i128,
    high: i128,
}

/// What is known beside the row.
pub(crate) struct Surroundings<'s> {
    pub(crate) person: &'s Person,
    pub(crate) parents: &'s HashSet<i64>,
    /// Day of the report, days since 1970-01-01.
    pub(crate) today: i32,
    /// Limits of measurements by code.
    pub(crate) limits: &'s HashMap<String, Limits>,
}

/// Names of the checks, with the names of OHDSI's DataQualityDashboard for the same, and what each asks.
pub const CHECKS: [(&str, &str, &str); 12] = [
    ("null", "measureValueCompleteness", "the column is NULL"),
    (
        "domain",
        "isStandardValidConcept",
        "the value is not one of the catalog's keys",
    ),
    (
        "system",
        "isStandardValidConcept",
        "the code is of no system that HL7 Terminology names",
    ),
    (
        "unit",
        "plausibleUnitConceptIds",
        "the value is not in the catalog's unit of its code",
    ),
    (
        "reference",
        "isForeignKey",
        "it points to no row of the same person",
    ),
    (
        "bounds",
        "plausibleValueLow/High",
        "the value is beyond the catalog's bounds of the column",
    ),
    (
        "limits",
        "plausibleValueLow/High",
        "the value is beyond the catalog's clinical limits of its code",
    ),
    (
        "future",
        "plausibleTemporalAfter",
        "the day is after that of the report",
    ),
    (
        "before_birth",
        "plausibleAfterBirth",
        "the day is before the person's birth",
    ),
    (
        "after_death",
        "plausibleBeforeDeath",
        "the day is more than 60 days after the person's death",
    ),
    (
        "order",
        "plausibleStartBeforeEnd",
        "the end is before the start",
    ),
    (
        "sex",
        "plausibleGender",
        "the code is one that only persons of another sex have",
    ),
];

/// Tables, a start in them, and the end that is not to lie before it.
const ORDERS: [(&str, &str, &str); 4] = [
    ("encounter", "start_date", "end_date"),
    ("condition", "onset_date", "abatement_date"),
    ("procedure", "performed_date", "performed_end_date"),
    ("patient", "birth_date", "death_date"),
];

/// What else may be NULL in good records, so that its share says nothing.
const NO_COMPLETENESS: [&str; 5] = [
    "person_id",
    "value_original",
    "unit_original",
    "code_original",
    "code_original_system",
];

/// The checks of `table`, in the order of its columns.
pub(crate) fn checks(table: &str, catalog: &Catalog) -> Vec<Check> {
    let Some(schema) = schema(table) else {
        return Vec::new();
    };
    let place = |column: &str| schema.index_of(column).ok();
    let places = Places {
        code: place("code"),
        system: place("code_system"),
        unit: place("unit"),
        original: place("value_original"),
    };
    let mut checks = Vec::new();
    for (at, field) in schema.fields().iter().enumerate() {
        let column = field.name().as_str();
        let mut add = |category, name, most_percent, question| {
            checks.push(Check {
                category,
                name,
                column: column.to_owned(),
                most_percent,
                at,
                places,
                question,
            });
        };
        let (conformance, plausibility) = (Category::Conformance, Category::Plausibility);
        if field.is_nullable() && !NO_COMPLETENESS.contains(&column) {
            add(Category::Completeness, "null", None, Question::Null);
        }
        let facts = catalog.column(table, column);
        if let Some(domain) = facts.and_then(|facts| facts.domain.as_ref()) {
            add(
                conformance,
                "domain",
                Some(5),
                Question::Domain(domain.iter().cloned().collect()),
            );
        }
        if let Some(bounds) = facts.and_then(|facts| facts.bounds) {
            let whole = |bound: i128| i64::try_from(bound / 1_000_000).unwrap_or_default();
            let (low, high) = (bounds.low.millionths(), bounds.high.millionths());
            add(
                plausibility,
                "bounds",
                Some(5),
                Question::Bounds(whole(low), whole(high)),
            );
        }
        match column {
            "code_system" => add(conformance, "system", Some(5), Question::System),
            "encounter_id" | "observation_id" => {
                add(conformance, "reference", Some(0), Question::Reference);
            }
            "value" => {
                add(conformance, "unit", Some(5), Question::Unit);
                add(plausibility, "limits", Some(5), Question::Limits);
            }
            "code" => add(plausibility, "sex", Some(0), Question::Sex),
            _ => {}
        }
        if *field.data_type() == DataType::Date32 {
            add(plausibility, "future", Some(1), Question::Future);
            if table != "patient" {
                add(plausibility, "before_birth", Some(1), Question::BeforeBirth);
                add(plausibility, "after_death", Some(1), Question::AfterDeath);
            }
        }
        let order = ORDERS
            .iter()
            .find(|(of, _, end)| *of == table && *end == column);
        if let Some(start) = order.and_then(|(_, start, _)| schema.index_of(start).ok()) {
            add(plausibility, "order", Some(1), Question::Order(start));
        }
    }
    checks
}

/// Limits of measurements by code.
pub(crate) fn limits(catalog: &Catalog) -> HashMap<String, Limits> {
    let measured = catalog.measurements.iter();
    let limits = measured.map(|it| {
        let limits = Limits {
            system: it.system.clone(),
            unit: it.unit.clone(),
            low: it.low.millionths(),
            high: it.high.millionths(),
        };
        (it.code.clone(), limits)
    });
    limits.collect()
}

/// Whether a code system is one that HL7 Terminology names: a registered system, or HL7's own.
pub(crate) fn is_standard(system: &str) -> bool {
    const OWN: [&str; 3] = [
        "http://terminology.hl7.org/",
        "http://hl7.org/fhir/",
        "http://www.ama-assn.org/go/cpt",
    ];
    const REGISTERED: [&str; 9] = [
        "http://loinc.org",
        "http://snomed.info/sct",
        "http://www.nlm.nih.gov/research/umls/rxnorm",
        "http://www.cms.gov/Medicare/Coding/ICD10",
        "urn:oid:2.16.840.1.113883.6.285",
        "http://www.whocc.no/atc",
        "http://fdasis.nlm.nih.gov",
        "http://unitsofmeasure.org",
        "urn:ietf:bcp:47",
    ];
    REGISTERED.contains(&system) || OWN.iter().any(|own| system.starts_with(own))
}

impl Check {
    /// Whether the row fails; `None` when the check does not apply to it.
    pub(crate) fn fails(
        &self,
        rows: &RecordBatch,
        row: usize,
        around: &Surroundings<'_>,
    ) -> Option<bool> {
        let column = rows.column(self.at);
        match self.question {
            Question::Null => return Some(column.is_null(row)),
            Question::System => {
                let system = text(rows, Some(self.at), row);
                return text(rows, self.places.code, row).map(|_| !system.is_some_and(is_standard));
            }
            Question::Unit if column.is_null(row) => {
                let lost = rows.column(self.places.original?).is_valid(row);
                return lost.then_some(true);
            }
            _ if column.is_null(row) => return None,
            _ => {}
        }
        let limits = || {
            let limits = around.limits.get(text(rows, self.places.code, row)?)?;
            (text(rows, self.places.system, row)? == limits.system).then_some(limits)
        };
        Some(match &self.question {
            Question::Domain(keys) => match column.data_type() {
                DataType::Utf8 => !keys.contains(column.as_string::<i32>().value(row)),
                _ => !keys.contains(&whole(column, row)?.to_string()),
            },
            Question::Unit => limits().is_some_and(|limits| {
                text(rows, self.places.unit, row) != Some(limits.unit.as_str())
            }),
            Question::Reference => !around.parents.contains(&whole(column, row)?),
            Question::Bounds(low, high) => !(*low..=*high).contains(&whole(column, row)?),
            Question::Limits => {
                let limits = limits()?;
                let value = column.as_primitive_opt::<Decimal128Type>()?.value(row);
                !(limits.low..=limits.high).contains(&value)
            }
            Question::Future => day(rows, self.at, row)? > around.today,
            Question::BeforeBirth => day(rows, self.at, row)? < around.person.birth?,
            Question::AfterDeath => {
                day(rows, self.at, row)? > around.person.death?.saturating_add(DAYS_AFTER_DEATH)
            }
            Question::Order(start) => day(rows, self.at, row)? < day(rows, *start, row)?,
            Question::Sex => {
                let of = sex::of(
                    text(rows, self.places.system, row)?,
                    text(rows, self.places.code, row)?,
                )?;
                let known = around.person.sex.as_deref()?;
                matches!(known, "male" | "female") && known != of
            }
            Question::Null | Question::System => return None,
        })
    }
}

fn text(rows: &RecordBatch, column: Option<usize>, row: usize) -> Option<&str> {
    let column = rows.column(column?).as_string_opt::<i32>()?;
    column.is_valid(row).then(|| column.value(row))
}

fn day(rows: &RecordBatch, column: usize, row: usize) -> Option<i32> {
    let days = rows.column(column).as_primitive_opt::<Date32Type>()?;
    days.is_valid(row).then(|| days.value(row))
}

fn whole(column: &ArrayRef, row: usize) -> Option<i64> {
    match column.data_type() {
        DataType::Int32 => Some(column.as_primitive_opt::<Int32Type>()?.value(row).into()),
        _ => Some(column.as_primitive_opt::<Int64Type>()?.value(row)),
    }
}

/// Per cent above which checks fail, by name, as the operator sets them.
pub type Thresholds = BTreeMap<String, u32>;
