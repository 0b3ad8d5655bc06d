//! The rows of a table in the order of persons, one batch after the other, and what is looked up beside them.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{Date32Type, Field, Int64Type, Schema, SchemaRef};
use datafusion::execution::SendableRecordBatchStream;
use datafusion::prelude::{SessionConfig, SessionContext};
use futures::StreamExt;
use salus_lake::{Lake, Snapshot, schema};

use crate::Error;

/// Some columns of a table; one partition, so that persons come in order.
pub(crate) struct Rows {
    table: String,
    stream: Option<SendableRecordBatchStream>,
    /// The lake's own types: scans give texts as views.
    schema: SchemaRef,
}

impl Rows {
    pub(crate) async fn of(
        lake: &Lake,
        snapshot: &Snapshot,
        table: &str,
        columns: &[&str],
    ) -> Result<Self, Error> {
        let unreadable = || Error::Unreadable(table.to_owned());
        let all = schema(table).ok_or_else(unreadable)?;
        let own = columns
            .iter()
            .map(|column| all.field_with_name(column).cloned());
        let own: Vec<Field> = own.collect::<Result<_, _>>().map_err(|_| unreadable())?;
        let config = SessionConfig::new().with_target_partitions(1);
        let frame = SessionContext::new_with_config(config)
            .read_table(lake.provider(snapshot, table)?)
            .and_then(|frame| frame.select_columns(columns))
            .map_err(|_| unreadable())?;
        Ok(Self {
            table: table.to_owned(),
            stream: Some(frame.execute_stream().await.map_err(|_| unreadable())?),
            schema: Arc::new(Schema::new(own)),
        })
    }

    pub(crate) async fn next(&mut self) -> Result<Option<RecordBatch>, Error> {
        let Some(stream) = &mut self.stream else {
            return Ok(None);
        };
        let Some(batch) = stream.next().await else {
            self.stream = None;
            return Ok(None);
        };
        // What the library says may quote values.
        let unreadable = || Error::Unreadable(self.table.clone());
        let batch = batch.map_err(|_| unreadable())?;
        let fields = self.schema.fields().iter().zip(batch.columns());
        let columns = fields.map(|(field, column)| cast(column, field.data_type()));
        let columns = columns
            .collect::<Result<_, _>>()
            .map_err(|_| unreadable())?;
        let batch = RecordBatch::try_new(Arc::clone(&self.schema), columns);
        batch.map(Some).map_err(|_| unreadable())
    }
}

/// What the patient table says about a person.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Person {
    pub(crate) birth: Option<i32>,
    pub(crate) death: Option<i32>,
    pub(crate) sex: Option<Arc<str>>,
}

/// A table that is read along with another one, person by person.
pub(crate) struct Beside {
    rows: Rows,
    batch: Option<RecordBatch>,
    at: usize,
}

impl Beside {
    pub(crate) async fn of(
        lake: &Lake,
        snapshot: &Snapshot,
        table: &str,
        columns: &[&str],
    ) -> Result<Self, Error> {
        Ok(Self {
            rows: Rows::of(lake, snapshot, table, columns).await?,
            batch: None,
            at: 0,
        })
    }

    /// Goes through the rows up to and including those of `person`, and shows her own. Persons must be asked for in order.
    async fn rows_of(
        &mut self,
        person: i64,
        mut each: impl FnMut(&RecordBatch, usize),
    ) -> Result<(), Error> {
        loop {
            let ended = self
                .batch
                .as_ref()
                .is_none_or(|batch| self.at >= batch.num_rows());
            if ended {
                self.batch = self.rows.next().await?;
                self.at = 0;
            }
            let Some(batch) = &self.batch else {
                return Ok(());
            };
            let persons = batch.column(0).as_primitive::<Int64Type>();
            while self.at < batch.num_rows() {
                let here = persons.value(self.at);
                if here > person {
                    return Ok(());
                }
                if here == person {
                    each(batch, self.at);
                }
                self.at += 1;
            }
        }
    }

    /// The person's row of `patient` (person_id, birth_date, death_date, sex).
    pub(crate) async fn person(&mut self, person: i64) -> Result<Person, Error> {
        let mut found = Person::default();
        self.rows_of(person, |batch, row| {
            let day = |column: usize| {
                let days = batch.column(column).as_primitive::<Date32Type>();
                days.is_valid(row).then(|| days.value(row))
            };
            let sex = batch.column(3).as_string::<i32>();
            found = Person {
                birth: day(1),
                death: day(2),
                sex: sex.is_valid(row).then(|| sex.value(row).into()),
            };
        })
        .await?;
        Ok(found)
    }

    /// The ids of the person's rows (person_id, id).
    pub(crate) async fn ids(&mut self, person: i64, ids: &mut HashSet<i64>) -> Result<(), Error> {
        ids.clear();
        self.rows_of(person, |batch, row| {
            ids.insert(batch.column(1).as_primitive::<Int64Type>().value(row));
        })
        .await
    }
}
