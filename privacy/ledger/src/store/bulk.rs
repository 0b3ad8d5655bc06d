//! Inserts of many rows in one statement, and of a few rows of several tables in one round trip.

use salus_certificate::{EntryIndex, Hash};
#[cfg(feature = "postgres")]
use sqlx::{AssertSqlSafe, PgConnection};
use sqlx::{QueryBuilder, Sqlite, SqliteConnection};

use super::engine::{Engine, Session};
#[cfg(feature = "postgres")]
use super::postgres::{SHORT, within};
use super::rows::signed;
use super::sqlite;
use crate::commitment::Opening;
use crate::entry::Kind;
use crate::error::Result;
use crate::merkle::Node;

/// Rows in one statement: well below what SQLite can bind.
const ROWS: usize = 256;
/// Rows that go in one round trip: more than one question's.
const FEW: usize = 32;

/// A column of the rows.
enum Column<'v> {
    Numbers(Vec<i64>),
    Texts(Vec<&'v str>),
    Bytes(Vec<&'v [u8]>),
}

/// Rows of several tables that are written at one go.
#[derive(Default)]
pub(crate) struct Rows<'v>(Vec<Table<'v>>);

/// Rows of one table; all columns are as long.
struct Table<'v> {
    into: &'static str,
    rows: usize,
    columns: Vec<Column<'v>>,
}

impl Rows<'_> {
    /// Inserts all of them, table by table.
    pub(crate) async fn insert(&self, db: &mut dyn Session) -> Result<()> {
        match db.engine() {
            Engine::Sqlite(db) => {
                let all: usize = self.0.iter().map(|table| table.rows).sum();
                // Few rows are one round trip to the database's thread, under few texts. Of many each batch would have a text of its own.
                let at_once = if all <= FEW { self.0.len() } else { 1 };
                for tables in self.0.chunks(at_once.max(1)) {
                    insert_values(db, tables).await?;
                }
                Ok(())
            }
            #[cfg(feature = "postgres")]
            Engine::Postgres(db) => {
                for table in &self.0 {
                    insert_arrays(db, table.into, &table.columns).await?;
                }
                Ok(())
            }
        }
    }
}

/// SQLite: `INSERT … VALUES (…), (…)` for each table, in chunks.
async fn insert_values(db: &mut SqliteConnection, tables: &[Table<'_>]) -> Result<()> {
    let mut query = QueryBuilder::<Sqlite>::new("");
    for table in tables {
        let rows: Vec<usize> = (0..table.rows).collect();
        for chunk in rows.chunks(ROWS) {
            query.push(table.into);
            query.push_values(chunk, |mut values, row| {
                for column in &table.columns {
                    match column {
                        Column::Numbers(numbers) => values.push_bind(numbers.get(*row).copied()),
                        Column::Texts(texts) => values.push_bind(texts.get(*row).copied()),
                        Column::Bytes(bytes) => values.push_bind(bytes.get(*row).copied()),
                    };
                }
            });
            query.push(";");
        }
    }
    let done = query.build().execute(db).await;
    done.map(drop).map_err(sqlite::failed)
}

/// PostgreSQL: one array for each column, so that the statement is the same for any number of rows.
#[cfg(feature = "postgres")]
async fn insert_arrays(
    db: &mut PgConnection,
    into: &'static str,
    columns: &[Column<'_>],
) -> Result<()> {
    let arrays: Vec<String> = (1..)
        .zip(columns)
        .map(|(place, column): (u32, _)| match column {
            Column::Numbers(_) => format!("${place}::bigint[]"),
            Column::Texts(_) => format!("${place}::text[]"),
            Column::Bytes(_) => format!("${place}::bytea[]"),
        })
        .collect();
    let sql = format!("{into}SELECT * FROM unnest({})", arrays.join(", "));
    let mut query = sqlx::query(AssertSqlSafe(sql));
    for column in columns {
        query = match column {
            Column::Numbers(numbers) => query.bind(numbers.as_slice()),
            Column::Texts(texts) => query.bind(texts.as_slice()),
            Column::Bytes(bytes) => query.bind(bytes.as_slice()),
        };
    }
    within(SHORT, query.execute(db)).await.map(drop)
}

fn numbers(numbers: impl Iterator<Item = u64>) -> Result<Column<'static>> {
    numbers
        .map(signed)
        .collect::<Result<_>>()
        .map(Column::Numbers)
}

impl<'v> Rows<'v> {
    fn add(&mut self, into: &'static str, rows: usize, columns: Vec<Column<'v>>) {
        if rows > 0 {
            self.0.push(Table {
                into,
                rows,
                columns,
            });
        }
    }

    pub(crate) fn entries(&mut self, rows: &'v [(EntryIndex, Kind, Vec<u8>)]) -> Result<()> {
        let columns = vec![
            numbers(rows.iter().map(|(index, ..)| index.0))?,
            Column::Texts(rows.iter().map(|(_, kind, _)| kind.name()).collect()),
            Column::Bytes(rows.iter().map(|(.., bytes)| bytes.as_slice()).collect()),
        ];
        let into = "INSERT INTO entries (idx, kind, bytes) ";
        self.add(into, rows.len(), columns);
        Ok(())
    }

    /// Nodes that are complete now.
    pub(crate) fn nodes(&mut self, rows: &'v [(Node, Hash)]) -> Result<()> {
        let columns = vec![
            numbers(rows.iter().map(|(node, _)| node.level.into()))?,
            numbers(rows.iter().map(|(node, _)| node.position))?,
            Column::Bytes(rows.iter().map(|(_, hash)| hash.as_slice()).collect()),
        ];
        let into = "INSERT INTO nodes (level, position, hash) ";
        self.add(into, rows.len(), columns);
        Ok(())
    }

    pub(crate) fn openings(&mut self, rows: &'v [(EntryIndex, String, Opening)]) -> Result<()> {
        let opening = |take: fn(&Opening) -> &[u8]| {
            Column::Bytes(rows.iter().map(|(.., opening)| take(opening)).collect())
        };
        let columns = vec![
            numbers(rows.iter().map(|(entry, ..)| entry.0))?,
            Column::Texts(rows.iter().map(|(_, name, _)| name.as_str()).collect()),
            opening(|opening| opening.salt.as_slice()),
            opening(|opening| opening.content.as_slice()),
        ];
        let into = "INSERT INTO openings (entry, name, salt, content) ";
        self.add(into, rows.len(), columns);
        Ok(())
    }

    /// Which plans reserves were for.
    pub(crate) fn plans(&mut self, rows: &'v [(Hash, EntryIndex)]) -> Result<()> {
        let columns = vec![
            Column::Bytes(rows.iter().map(|(plan, _)| plan.as_slice()).collect()),
            numbers(rows.iter().map(|(_, reserve)| reserve.0))?,
        ];
        let into = "INSERT INTO plans (fingerprint, reserve) ";
        self.add(into, rows.len(), columns);
        Ok(())
    }

    pub(crate) fn endings(&mut self, rows: &'v [(EntryIndex, EntryIndex)]) -> Result<()> {
        let columns = vec![
            numbers(rows.iter().map(|(reserve, _)| reserve.0))?,
            numbers(rows.iter().map(|(_, entry)| entry.0))?,
        ];
        let into = "INSERT INTO endings (reserve, entry) ";
        self.add(into, rows.len(), columns);
        Ok(())
    }

    /// The checkpoint of so many entries.
    pub(crate) fn checkpoint(&mut self, size: u64, note: &'v [u8]) -> Result<()> {
        let columns = vec![numbers(std::iter::once(size))?, Column::Bytes(vec![note])];
        self.add("INSERT INTO checkpoints (size, note) ", 1, columns);
        Ok(())
    }
}
