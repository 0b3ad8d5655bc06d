//! A population as rows of the lake's tables, the same that the ingest of its NDJSON would give.

use std::sync::LazyLock;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use sha2::{Digest, Sha256};

use crate::columns::{Cell, DECIMAL, Table, schema};
use crate::draw::seed_tag;
use crate::error::{Error, Result};
use crate::pipeline;
use crate::record::{Kind, Person, ResourceId, Value};
use crate::terms::{self, Coding, Concept, Measure};
use crate::time::Day;
use crate::{Options, Summary, person};

/// The tables written, in the order in which their batches are handed on.
pub const TABLES: [&str; 8] = [
    "patient",
    "encounter",
    "condition",
    "observation",
    "observation_component",
    "medication_request",
    "procedure",
    "immunization",
];

/// What is generated has standard codes and the catalog's units, so nothing has another original.
const COLUMNS: [&str; 8] = [
    "sex birth_date:date deceased:flag death_date:date marital_status race ethnicity state postal3 deprivation:int language",
    "id:long! status class type_code type_system reason_code start_date:date start_at:at end_date:date end_at:at length_minutes:long",
    "id:long! encounter_id:long clinical_status verification_status category code code_system code_original code_original_system onset_date:date abatement_date:date \
     recorded_date:date",
    "id:long! encounter_id:long status category code code_system code_original code_original_system effective_date:date effective_at:at value:decimal unit value_original:decimal unit_original value_text \
     value_code value_system interpretation",
    "id:long! observation_id:long! code code_system code_original code_original_system effective_date:date value:decimal unit value_original:decimal unit_original value_code value_system",
    "id:long! encounter_id:long status intent code code_system code_original code_original_system authored_date:date",
    "id:long! encounter_id:long status code code_system code_original code_original_system performed_date:date performed_end_date:date",
    "id:long! encounter_id:long status code code_system code_original code_original_system occurrence_date:date",
];

static SCHEMAS: LazyLock<[SchemaRef; 8]> = LazyLock::new(|| COLUMNS.map(schema));

/// The Arrow schema of one of [`TABLES`].
pub fn table_schema(table: &str) -> Option<SchemaRef> {
    let at = TABLES.iter().position(|name| *name == table)?;
    Some(SCHEMAS[at].clone())
}

/// Where batches go. A lake transaction is one; a test can be another.
pub trait TableSink {
    /// Takes rows of a table; `person_id` never decreases from call to call.
    ///
    /// # Errors
    /// Whatever keeps the sink from taking them; the population stops there.
    fn append_sorted(
        &self,
        table: &'static str,
        batch: RecordBatch,
    ) -> std::result::Result<(), Box<dyn std::error::Error + Send + Sync>>;
}

/// Names rows as the ingest of NDJSON does: 63 bits of SHA-256 over source, resource type and id.
#[derive(Debug, Clone)]
pub struct RowIds(Sha256);

impl RowIds {
    /// Row ids of one source.
    pub fn of(source: &str) -> Self {
        Self(
            Sha256::new()
                .chain_update(b"salus-fhir row id 1\0")
                .chain_update(source)
                .chain_update([0]),
        )
    }

    /// The row id of a resource.
    pub fn row(&self, kind: Kind, id: ResourceId) -> i64 {
        leading_63_bits(self.named(kind, id))
    }

    /// The row id of a part of a resource.
    pub fn part(&self, kind: Kind, id: ResourceId, index: u64) -> i64 {
        leading_63_bits(
            self.named(kind, id)
                .chain_update([0])
                .chain_update(index.to_be_bytes()),
        )
    }

    fn named(&self, kind: Kind, id: ResourceId) -> Sha256 {
        let mut text = Vec::with_capacity(48);
        id.write(&mut text);
        self.0
            .clone()
            .chain_update(kind.name())
            .chain_update([0])
            .chain_update(text)
    }
}

fn leading_63_bits(hash: Sha256) -> i64 {
    let bits = hash.finalize()[..8]
        .iter()
        .fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte));
    i64::try_from(bits >> 1).unwrap_or(i64::MAX)
}

/// The prefix of all patient ids of a population: a lake can assign the whole population to it at
/// once.
pub fn patient_id_prefix(options: &Options) -> String {
    ResourceId::patient_prefix(seed_tag(options.seed))
}

/// Persons made at a time.
const CHUNK: u64 = 2048;

/// Writes the population as batches in order of person; person `number` gets `first_person +
/// number`.
///
/// # Errors
/// [`Error::Options`], or [`Error::Lake`] when the sink refuses.
pub fn write_tables(
    options: &Options,
    ids: &RowIds,
    first_person: i64,
    sink: &dyn TableSink,
    progress: &dyn Fn(u64),
) -> Result<Summary> {
    options.check()?;
    let mut summary = Summary::default();
    pipeline::in_order(
        options.persons,
        CHUNK,
        |range| {
            let mut rows = Rows {
                ids,
                tables: SCHEMAS.each_ref().map(|schema| Table::new(schema.clone())),
            };
            for number in range {
                rows.person(
                    first_person.saturating_add_unsigned(number),
                    &person(options, number),
                );
            }
            rows.tables.map(|table| (table.rows(), table.finish()))
        },
        |range, made| {
            for (table, (rows, batch)) in TABLES.into_iter().zip(made) {
                *summary.counts.entry(table).or_default() += rows;
                if rows > 0 {
                    sink.append_sorted(table, batch?)
                        .map_err(|source| Error::Lake { table, source })?;
                }
            }
            summary.persons = range.end;
            progress(range.end);
            Ok::<(), Error>(())
        },
    )?;
    Ok(summary)
}

struct Rows<'a> {
    ids: &'a RowIds,
    tables: [Table; 8],
}

/// A person on the way into the tables, with the row ids of their encounters.
struct Me<'a> {
    number: i64,
    person: &'a Person,
    encounters: Vec<i64>,
}

impl Me<'_> {
    fn encounter(&self, encounter: Option<u32>) -> Cell<'static> {
        encounter.map_or(Cell::Null, |index| {
            Cell::Long(self.encounters[index as usize])
        })
    }
}

const fn date(day: Day) -> Cell<'static> {
    Cell::Date(day.0)
}

fn maybe(day: Option<Day>) -> Cell<'static> {
    day.map_or(Cell::Null, date)
}

fn first(concept: Option<&Concept>) -> Option<Coding> {
    concept.map(Concept::first)
}

fn code(concept: &Concept) -> [Cell<'static>; 2] {
    let coding = concept.first();
    [Cell::Text(coding.code), Cell::Text(coding.system.url())]
}

fn decimal(measure: &Measure, value: i32) -> Cell<'static> {
    let places = DECIMAL.1.unsigned_abs() - measure.scale;
    Cell::Decimal(i128::from(value) * 10_i128.pow(u32::from(places)))
}

impl Rows<'_> {
    fn person(&mut self, number: i64, person: &Person) {
        let id = |at| {
            self.ids
                .row(Kind::Encounter, person.id(Kind::Encounter, at))
        };
        let encounters: Vec<i64> = (0..person.encounters.len()).map(id).collect();
        let me = Me {
            number,
            person,
            encounters,
        };
        self.patient(&me);
        self.encounters(&me);
        self.conditions(&me);
        self.observations(&me);
        self.requests(&me);
        self.procedures(&me);
        self.immunizations(&me);
    }

    fn id(&self, me: &Me<'_>, kind: Kind, at: usize) -> Cell<'static> {
        Cell::Long(self.ids.row(kind, me.person.id(kind, at)))
    }

    fn encounters(&mut self, me: &Me<'_>) {
        for (it, id) in me.person.encounters.iter().zip(&me.encounters) {
            let end = it.start.plus_minutes(it.minutes);
            let [kind, system] = code(it.kind);
            self.tables[1].push(&[
                Cell::Long(me.number),
                Cell::Long(*id),
                Cell::Text("finished"),
                Cell::Text(it.class.code().0),
                kind,
                system,
                first(it.reason).map(|coding| coding.code).into(),
                date(it.start.day),
                Cell::At(it.start.micros()),
                date(end.day),
                Cell::At(end.micros()),
                Cell::Long(i64::from(it.minutes)),
            ]);
        }
    }

    fn conditions(&mut self, me: &Me<'_>) {
        for (at, it) in me.person.conditions.iter().enumerate() {
            let id = self.id(me, Kind::Condition, at);
            let [code, system] = code(it.concept);
            self.tables[2].push(&[
                Cell::Long(me.number),
                id,
                me.encounter(it.encounter),
                Cell::Text(it.clinical_status()),
                Cell::Text(it.verification_status()),
                Cell::Text(it.category()),
                code,
                system,
                Cell::Null,
                Cell::Null,
                date(it.onset),
                maybe(it.abatement),
                date(it.recorded),
            ]);
        }
    }

    fn observations(&mut self, me: &Me<'_>) {
        for (at, it) in me.person.observations.iter().enumerate() {
            let id = self.id(me, Kind::Observation, at);
            let mut value = [Cell::Null; 2];
            let mut answer = [Cell::Null; 2];
            match it.value {
                Value::Quantity(measure, number) => {
                    value = [decimal(measure, number), Cell::Text(measure.unit)];
                }
                Value::Coded(concept) => answer = self::code(concept),
                Value::Pressure(systolic, diastolic) => {
                    let parts = [(&terms::SYSTOLIC, systolic), (&terms::DIASTOLIC, diastolic)];
                    self.components(me, at, id, parts);
                }
                Value::Absent | Value::None => {}
            }
            let [code, system] = code(it.concept);
            self.tables[3].push(&[
                Cell::Long(me.number),
                id,
                me.encounter(it.encounter),
                Cell::Text(it.status()),
                Cell::Text(it.category.code()),
                code,
                system,
                Cell::Null,
                Cell::Null,
                date(it.at.day),
                Cell::At(it.at.micros()),
                value[0],
                value[1],
                Cell::Null,
                Cell::Null,
                Cell::Null,
                answer[0],
                answer[1],
                Cell::Null,
            ]);
        }
    }

    fn components(&mut self, me: &Me<'_>, at: usize, panel: Cell<'_>, parts: [(&Measure, i32); 2]) {
        let id = me.person.id(Kind::Observation, at);
        for (index, (measure, value)) in (0..).zip(parts) {
            let [code, system] = code(measure.concept);
            self.tables[4].push(&[
                Cell::Long(me.number),
                Cell::Long(self.ids.part(Kind::Observation, id, index)),
                panel,
                code,
                system,
                Cell::Null,
                Cell::Null,
                date(me.person.observations[at].at.day),
                decimal(measure, value),
                Cell::Text(measure.unit),
                Cell::Null,
                Cell::Null,
                Cell::Null,
                Cell::Null,
            ]);
        }
    }

    fn requests(&mut self, me: &Me<'_>) {
        for (at, it) in me.person.medication_requests.iter().enumerate() {
            let id = self.id(me, Kind::MedicationRequest, at);
            let [code, system] = code(it.concept);
            self.tables[5].push(&[
                Cell::Long(me.number),
                id,
                me.encounter(it.encounter),
                Cell::Text(it.status.code()),
                Cell::Text("order"),
                code,
                system,
                Cell::Null,
                Cell::Null,
                date(it.authored.day),
            ]);
        }
    }

    fn procedures(&mut self, me: &Me<'_>) {
        for (at, it) in me.person.procedures.iter().enumerate() {
            let id = self.id(me, Kind::Procedure, at);
            let [code, system] = code(it.concept);
            self.tables[6].push(&[
                Cell::Long(me.number),
                id,
                me.encounter(it.encounter),
                Cell::Text(it.status()),
                code,
                system,
                Cell::Null,
                Cell::Null,
                date(it.performed),
                Cell::Null,
            ]);
        }
    }

    fn immunizations(&mut self, me: &Me<'_>) {
        for (at, it) in me.person.immunizations.iter().enumerate() {
            let id = self.id(me, Kind::Immunization, at);
            let [code, system] = code(it.concept);
            self.tables[7].push(&[
                Cell::Long(me.number),
                id,
                me.encounter(it.encounter),
                Cell::Text(it.status()),
                code,
                system,
                Cell::Null,
                Cell::Null,
                date(it.occurred),
            ]);
        }
    }

    fn patient(&mut self, me: &Me<'_>) {
        let it = &me.person.patient;
        let postal3 = it.postal.map(|postal| format!("{:03}", postal / 100));
        // The lake's domain says "Other" where the coding's display says "Other Race".
        let race = first(it.race).map(|coding| {
            if coding == terms::OTHER_RACE.first() {
                "Other"
            } else {
                coding.display
            }
        });
        self.tables[0].push(&[
            Cell::Long(me.number),
            Cell::Text(it.sex_code()),
            date(it.birth),
            Cell::Flag(it.death.is_some()),
            maybe(it.death),
            first(it.marital).map(|coding| coding.code).into(),
            race.into(),
            first(it.ethnicity).map(|coding| coding.display).into(),
            Cell::Text(it.state),
            postal3.as_deref().into(),
            it.deprivation
                .map_or(Cell::Null, |decile| Cell::Int(i32::from(decile))),
            Cell::Text(it.language),
        ]);
    }
}
