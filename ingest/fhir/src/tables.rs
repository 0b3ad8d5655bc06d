//! From resources to rows: the mapping of every table, column by column.

use std::collections::BTreeMap;

use arrow::array::RecordBatch;
use arrow::error::ArrowError;

use crate::code_map::CodeMap;
use crate::coding::Coded;
use crate::columns::{Columns, Row};
use crate::key::Keys;
use crate::measure::{Measured, Measures};
use crate::resource::{
    AllergyIntolerance, Condition, DiagnosticReport, Encounter, Header, Immunization,
    MedicationRequest, Observation, Patient, Procedure, Resource,
};

/// Rows that make a batch.
pub(crate) const BATCH_ROWS: usize = 65_536;
/// Text that makes a batch before its rows do.
pub(crate) const BATCH_TEXT: usize = 16 << 20;
const COMPONENT: &str = "observation_component";

/// The rows that one worker has built and not yet handed on.
#[derive(Debug)]
pub(crate) struct Tables<'j> {
    keys: Keys,
    pub(crate) measures: Measures<'j>,
    map: &'j CodeMap,
    /// Codings that the map gave another code.
    pub(crate) mapped: u64,
    columns: BTreeMap<&'static str, Columns>,
    full: Vec<(&'static str, RecordBatch)>,
    /// Rows of child tables so far.
    pub(crate) components: u64,
}

/// What a row needs besides its resource.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) person: i64,
    /// `resourceType`.
    pub(crate) kind: &'a str,
    /// `id`.
    pub(crate) id: &'a str,
    /// When the source changed it last, in microseconds since 1970-01-01T00:00Z.
    pub(crate) version: Option<i64>,
}

impl<'j> Tables<'j> {
    /// # Errors
    /// When the lake's schemas hold a column type that this crate does not know.
    pub(crate) fn new(
        keys: Keys,
        measures: Measures<'j>,
        map: &'j CodeMap,
    ) -> Result<Self, ArrowError> {
        let mut columns = BTreeMap::new();
        for table in salus_lake::TABLES {
            if let Some(schema) = salus_lake::schema(table) {
                columns.insert(*table, Columns::new(table, schema)?);
            }
        }
        Ok(Self {
            keys,
            measures,
            map,
            mapped: 0,
            columns,
            full: Vec::new(),
            components: 0,
        })
    }

    /// Adds the row of `resource`, which belongs into `table`. `medication` is the code that a
    /// request refers to.
    ///
    /// # Errors
    /// When a full batch does not fit its schema, which would be a bug of this module.
    pub(crate) fn add(
        &mut self,
        table: &'static str,
        place: Place<'_>,
        header: &Header<'_>,
        resource: &Resource<'_>,
        medication: Option<&Coded<'_>>,
    ) -> Result<(), ArrowError> {
        let id = self.keys.row(place.kind, place.id);
        let encounter = header.encounter().map(|id| self.keys.row("Encounter", &id));
        let none = Coded::default();
        let codes = self.codes(medication.or_else(|| coded(resource)).unwrap_or(&none));
        let Some(columns) = self.columns.get_mut(table) else {
            return Ok(());
        };
        let row = columns.row(place.person, place.version);
        match resource {
            Resource::Patient(patient) => patient_row(row, patient),
            Resource::Encounter(it) => encounter_row(row.int("id", Some(id)), it),
            Resource::Condition(it) => condition_row(linked(row, id, encounter), it, &codes),
            Resource::Observation(it) => {
                let measured = self.measures.measured(&codes, &it.value);
                observation_row(linked(row, id, encounter), it, &codes, &measured);
            }
            Resource::MedicationRequest(it) => {
                request_row(linked(row, id, encounter), it, &codes);
            }
            Resource::Procedure(it) => procedure_row(linked(row, id, encounter), it, &codes),
            Resource::Immunization(it) => {
                immunization_row(linked(row, id, encounter), it, &codes);
            }
            Resource::AllergyIntolerance(it) => allergy_row(row.int("id", Some(id)), it, &codes),
            Resource::DiagnosticReport(it) => {
                report_row(linked(row, id, encounter), it, &codes);
            }
            Resource::Medication(_) | Resource::Other => drop(row),
        }
        self.close_if_full(table)?;
        if let Resource::Observation(observation) = resource {
            self.add_components(place, id, observation)?;
        }
        Ok(())
    }

    /// Batches that have filled up.
    pub(crate) fn take_full(&mut self) -> Vec<(&'static str, RecordBatch)> {
        std::mem::take(&mut self.full)
    }

    /// Everything that is left.
    pub(crate) fn take_rest(&mut self) -> Result<Vec<(&'static str, RecordBatch)>, ArrowError> {
        for (table, columns) in &mut self.columns {
            if columns.rows() > 0 {
                self.full.push((table, columns.finish()?));
            }
        }
        Ok(self.take_full())
    }

    fn codes<'c>(&mut self, given: &'c Coded<'_>) -> Codes<'c>
    where
        'j: 'c,
    {
        let codes = Codes::of(given, self.map);
        self.mapped += u64::from(codes.is_mapped());
        codes
    }

    fn add_components(
        &mut self,
        place: Place<'_>,
        observation_id: i64,
        observation: &Observation<'_>,
    ) -> Result<(), ArrowError> {
        let Some(columns) = self.columns.get_mut(COMPONENT) else {
            return Ok(());
        };
        for (index, component) in (0_u64..).zip(&observation.components) {
            let id = self.keys.part(place.kind, place.id, index);
            let codes = Codes::of(&component.code, self.map);
            self.mapped += u64::from(codes.is_mapped());
            let measured = self.measures.measured(&codes, &component.value);
            let row = columns.row(place.person, place.version);
            let row = row
                .int("id", Some(id))
                .int("observation_id", Some(observation_id));
            let row = code_cells(row, &codes).date("effective_date", observation.effective);
            measured_cells(row, &measured)
                .text("value_code", component.value.code.code.as_deref())
                .text("value_system", component.value.code.system.as_deref());
            self.components += 1;
        }
        self.close_if_full(COMPONENT)
    }

    fn close_if_full(&mut self, table: &'static str) -> Result<(), ArrowError> {
        if let Some(columns) = self.columns.get_mut(table)
            && (columns.rows() >= BATCH_ROWS || columns.text_bytes() >= BATCH_TEXT)
        {
            self.full.push((table, columns.finish()?));
        }
        Ok(())
    }
}

/// A coding in the terms of the code map, and as it was given where that is another.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Codes<'c> {
    pub(crate) code: Option<&'c str>,
    pub(crate) system: Option<&'c str>,
    pub(crate) original: Option<&'c str>,
    pub(crate) original_system: Option<&'c str>,
}

impl<'c> Codes<'c> {
    pub(crate) fn of(given: &'c Coded<'_>, map: &'c CodeMap) -> Self {
        let (code, system) = (given.code.as_deref(), given.system.as_deref());
        match map.target(given) {
            Some((target, target_system)) => Self {
                code: Some(target),
                system: Some(target_system),
                original: code,
                original_system: system,
            },
            None => Self {
                code,
                system,
                ..Self::default()
            },
        }
    }

    fn is_mapped(&self) -> bool {
        self.original.is_some()
    }
}

/// The coding of a resource that its table calls `code`.
fn coded<'r, 'a>(resource: &'r Resource<'a>) -> Option<&'r Coded<'a>> {
    Some(match resource {
        Resource::Condition(it) => &it.code,
        Resource::Observation(it) => &it.code,
        Resource::MedicationRequest(it) => &it.code,
        Resource::Procedure(it) => &it.code,
        Resource::Immunization(it) => &it.code,
        Resource::AllergyIntolerance(it) => &it.code,
        Resource::DiagnosticReport(it) => &it.code,
        _ => return None,
    })
}

fn code_cells<'c>(row: Row<'c>, codes: &Codes<'_>) -> Row<'c> {
    row.text("code", codes.code)
        .text("code_system", codes.system)
        .text("code_original", codes.original)
        .text("code_original_system", codes.original_system)
}

fn linked(row: Row<'_>, id: i64, encounter: Option<i64>) -> Row<'_> {
    row.int("id", Some(id)).int("encounter_id", encounter)
}

fn patient_row(row: Row<'_>, it: &Patient<'_>) {
    row.text("sex", it.sex)
        .date("birth_date", it.birth)
        .boolean("deceased", Some(it.deceased))
        .date("death_date", it.death)
        .text("marital_status", it.marital_status.code.as_deref())
        .text("race", it.race)
        .text("ethnicity", it.ethnicity)
        .text("state", it.state)
        .text("postal3", it.postal3.as_deref())
        .small_int("deprivation", it.deprivation)
        .text("language", it.language.as_deref());
}

fn encounter_row(row: Row<'_>, it: &Encounter<'_>) {
    row.text("status", it.status.code.as_deref())
        .text("class", it.class())
        .text("type_code", it.kind.code.as_deref())
        .text("type_system", it.kind.system.as_deref())
        .text("reason_code", it.reason.code.as_deref())
        .date("start_date", it.start)
        .instant("start_at", it.start)
        .date("end_date", it.end)
        .instant("end_at", it.end)
        .int("length_minutes", it.length_minutes());
}

fn condition_row(row: Row<'_>, it: &Condition<'_>, codes: &Codes<'_>) {
    let row = row
        .text("clinical_status", it.clinical_status.code.as_deref())
        .text(
            "verification_status",
            it.verification_status.code.as_deref(),
        )
        .text("category", it.category.code.as_deref());
    code_cells(row, codes)
        .date("onset_date", it.onset)
        .date("abatement_date", it.abatement)
        .date("recorded_date", it.recorded);
}

fn measured_cells<'c>(row: Row<'c>, it: &Measured<'_>) -> Row<'c> {
    row.decimal("value", it.value)
        .text("unit", it.unit)
        .decimal("value_original", it.value_original)
        .text("unit_original", it.unit_original)
}

fn observation_row(row: Row<'_>, it: &Observation<'_>, codes: &Codes<'_>, measured: &Measured<'_>) {
    let row = row
        .text("status", it.status.code.as_deref())
        .text("category", it.category.code.as_deref());
    let row = code_cells(row, codes)
        .date("effective_date", it.effective)
        .instant("effective_at", it.effective);
    measured_cells(row, measured)
        .text("value_text", it.value.text.as_deref())
        .text("value_code", it.value.code.code.as_deref())
        .text("value_system", it.value.code.system.as_deref())
        .text("interpretation", it.interpretation.code.as_deref());
}

fn request_row(row: Row<'_>, it: &MedicationRequest<'_>, codes: &Codes<'_>) {
    let row = row
        .text("status", it.status.code.as_deref())
        .text("intent", it.intent.code.as_deref());
    code_cells(row, codes).date("authored_date", it.authored);
}

fn procedure_row(row: Row<'_>, it: &Procedure<'_>, codes: &Codes<'_>) {
    let row = row.text("status", it.status.code.as_deref());
    code_cells(row, codes)
        .date("performed_date", it.performed)
        .date("performed_end_date", it.performed_end);
}

fn immunization_row(row: Row<'_>, it: &Immunization<'_>, codes: &Codes<'_>) {
    let row = row.text("status", it.status.code.as_deref());
    code_cells(row, codes).date("occurrence_date", it.occurrence);
}

fn allergy_row(row: Row<'_>, it: &AllergyIntolerance<'_>, codes: &Codes<'_>) {
    let row = row
        .text("clinical_status", it.clinical_status.code.as_deref())
        .text(
            "verification_status",
            it.verification_status.code.as_deref(),
        )
        .text("type", it.kind.code.as_deref())
        .text("category", it.category.code.as_deref())
        .text("criticality", it.criticality.code.as_deref());
    code_cells(row, codes).date("recorded_date", it.recorded);
}

fn report_row(row: Row<'_>, it: &DiagnosticReport<'_>, codes: &Codes<'_>) {
    let row = row
        .text("status", it.status.code.as_deref())
        .text("category", it.category.code.as_deref());
    code_cells(row, codes).date("effective_date", it.effective);
}
