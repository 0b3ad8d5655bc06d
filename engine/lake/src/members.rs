//! The rows of linked persons: under whose number they stand, and from which number they came.
//!
//! A lake with links has one more column in its files, `member_id`: the number of the identity index that a row came under,
//! where that is not its person. No query sees it. `patient` has one row for each person, so the rows of all her numbers are
//! kept aside, and the one that its source changed last stands in the table.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::{
    Array as _, ArrayRef, AsArray, Int64Array, RecordBatch, UInt32Array, new_null_array,
};
use arrow::compute::{interleave_record_batch, take_record_batch};
use arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef};

use crate::error::{Doing as _, Error, Result};
use crate::keys::{Key, Keys, integers};
use crate::linkage::Linkage;
use crate::place::Folder;
use crate::schema::{key_columns, schema};
use crate::side::{self, SideWriter};
use crate::snapshot::SideFile;
use crate::vault::Vault;

/// The hidden column.
pub(crate) const MEMBER: &str = "member_id";
const STEP: &str = "move rows of linked persons";

/// The schema of the files of `table` in a lake with links.
pub(crate) fn with_member(table: &str, schema: &SchemaRef) -> SchemaRef {
    if key_columns(table) == 1 {
        return Arc::clone(schema);
    }
    let mut fields: Vec<_> = schema.fields().iter().cloned().collect();
    fields.push(Arc::new(Field::new(MEMBER, DataType::Int64, true)));
    Arc::new(Schema::new(fields))
}

/// The batch with the columns of `target`: files of before lack hidden ones.
pub(crate) fn fit(batch: RecordBatch, target: &SchemaRef) -> Result<RecordBatch> {
    if batch.schema().fields() == target.fields() {
        return Ok(batch);
    }
    let rows = batch.num_rows();
    let column = |field: &Arc<Field>| match batch.column_by_name(field.name()) {
        Some(column) => Arc::clone(column),
        None => new_null_array(field.data_type(), rows),
    };
    let columns = target.fields().iter().map(column).collect();
    RecordBatch::try_new(Arc::clone(target), columns).doing(STEP)
}

/// Rows that came under numbers, under the persons of `links`.
pub(crate) fn under_persons(
    batch: &RecordBatch,
    target: &SchemaRef,
    links: &Linkage,
) -> Result<RecordBatch> {
    let numbers = integers(batch, 0)?;
    let persons = numbers.iter().map(|number| links.person(*number));
    let persons: Int64Array = persons.collect::<Vec<_>>().into();
    let members: Int64Array = numbers
        .iter()
        .zip(persons.values())
        .map(|(number, person)| (number != person).then_some(*number))
        .collect();
    rebuilt(batch, target, persons, members)
}

fn rebuilt(
    batch: &RecordBatch,
    target: &SchemaRef,
    persons: Int64Array,
    members: Int64Array,
) -> Result<RecordBatch> {
    let mut columns: Vec<ArrayRef> = batch.columns().to_vec();
    columns.truncate(target.fields().len() - 1);
    let Some(first) = columns.first_mut() else {
        return Err(Error::Corrupt("a table has no columns".into()));
    };
    *first = Arc::new(persons);
    columns.push(Arc::new(members));
    RecordBatch::try_new(Arc::clone(target), columns).doing(STEP)
}

/// The number that each row came under.
fn numbers(batch: &RecordBatch) -> Result<Vec<i64>> {
    let persons = integers(batch, 0)?;
    let members = batch
        .column_by_name(MEMBER)
        .map(AsArray::as_primitive::<Int64Type>);
    let number = |(row, person): (usize, &i64)| match members {
        Some(members) if members.is_valid(row) => members.value(row),
        _ => *person,
    };
    Ok(persons.iter().enumerate().map(number).collect())
}

/// Those rows of `batch` whose number is among `moves`, under the person that it has now.
pub(crate) fn moved_rows(
    batch: &RecordBatch,
    target: &SchemaRef,
    moves: &BTreeMap<i64, i64>,
) -> Result<Option<RecordBatch>> {
    let numbers = numbers(batch)?;
    let rows: UInt32Array = (0_u32..)
        .zip(&numbers)
        .filter(|(_, number)| moves.contains_key(number))
        .map(|(row, _)| row)
        .collect();
    if rows.is_empty() {
        return Ok(None);
    }
    let taken = take_record_batch(batch, &rows).doing(STEP)?;
    let numbers = numbers
        .into_iter()
        .filter_map(|number| Some((number, *moves.get(&number)?)));
    let (persons, members): (Vec<i64>, Vec<Option<i64>>) = numbers
        .map(|(number, person)| (person, (number != person).then_some(number)))
        .unzip();
    rebuilt(&taken, target, persons.into(), members.into()).map(Some)
}

/// The keys of rows that came under one of `gone`.
pub(crate) fn keys_of(table: &str, batch: &RecordBatch, gone: &BTreeSet<i64>) -> Result<Vec<Key>> {
    let keys = Keys::of(table, batch)?;
    let numbers = numbers(batch)?;
    let rows = numbers
        .iter()
        .enumerate()
        .filter(|(_, number)| gone.contains(number));
    Ok(rows.map(|(row, _)| keys.at(row)).collect())
}

/// Rows of `patient` by number.
#[derive(Debug, Default)]
pub(crate) struct Patients {
    batches: Vec<RecordBatch>,
    rows: BTreeMap<i64, (usize, usize)>,
}

impl Patients {
    /// The rows of a file.
    pub(crate) fn read(folder: &Folder, file: Option<&SideFile>, vault: &Vault) -> Result<Self> {
        let mut patients = Self::default();
        if let (Some(file), Some(schema)) = (file, schema("patient")) {
            for batch in side::read(folder, &file.path, &schema, 8192, vault)? {
                patients.put(batch?, |_| true)?;
            }
        }
        Ok(patients)
    }

    /// Adds rows, each in place of an earlier one of its number.
    pub(crate) fn put(&mut self, batch: RecordBatch, wanted: impl Fn(i64) -> bool) -> Result<()> {
        let at = self.batches.len();
        let numbers = integers(&batch, 0)?;
        for (row, number) in numbers
            .iter()
            .enumerate()
            .filter(|(_, number)| wanted(**number))
        {
            self.rows.insert(*number, (at, row));
        }
        self.batches.push(batch);
        Ok(())
    }

    pub(crate) fn contains(&self, number: i64) -> bool {
        self.rows.contains_key(&number)
    }

    pub(crate) fn remove(&mut self, number: i64) {
        self.rows.remove(&number);
    }

    /// The rows of `numbers` in this order, each under the given person.
    pub(crate) fn rows(&self, numbers: &[(i64, i64)]) -> Result<Option<RecordBatch>> {
        let found: Vec<_> = numbers
            .iter()
            .filter_map(|(number, person)| Some((*self.rows.get(number)?, *person)))
            .collect();
        if found.is_empty() {
            return Ok(None);
        }
        let (places, persons): (Vec<_>, Vec<i64>) = found.into_iter().unzip();
        let batches: Vec<&RecordBatch> = self.batches.iter().collect();
        let rows = interleave_record_batch(&batches, &places).doing(STEP)?;
        let mut columns = rows.columns().to_vec();
        if let Some(first) = columns.first_mut() {
            *first = Arc::new(Int64Array::from(persons));
        }
        RecordBatch::try_new(rows.schema(), columns)
            .doing(STEP)
            .map(Some)
    }

    /// All rows, by number.
    pub(crate) fn all(&self) -> Result<Option<RecordBatch>> {
        let numbers: Vec<_> = self.rows.keys().map(|number| (*number, *number)).collect();
        self.rows(&numbers)
    }

    /// Writes all rows to the file `name` in `folder`.
    pub(crate) fn write(
        &self,
        folder: &Folder,
        name: &str,
        vault: &Vault,
    ) -> Result<Option<SideFile>> {
        let Some(rows) = self.all()? else {
            return Ok(None);
        };
        let mut writer = SideWriter::create(folder, name, &rows.schema(), vault)?;
        writer.write(&rows)?;
        let size = writer.finish()?;
        folder.sync()?;
        Ok(Some(SideFile {
            path: name.into(),
            size,
            records: rows.num_rows() as u64,
        }))
    }
}
