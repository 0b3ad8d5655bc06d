//! Inserts of many rows in one statement.

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

/// A column of the rows.
enum Column<'v> {
    Numbers(Vec<i64>),
    Texts(Vec<&'v str>),
    Bytes(Vec<&'v [u8]>),
}

/// Inserts rows; all columns are as long.
async fn insert(
    db: &mut dyn Session,
    into: &'static str,
    rows: usize,
    columns: &[Column<'_>],
) -> Result<()> {
    if rows == 0 {
        return Ok(());
    }
    match db.engine() {
        Engine::Sqlite(db) => insert_values(db, into, rows, columns).await,
        #[cfg(feature = "postgres")]
        Engine::Postgres(db) => insert_arrays(db, into, columns).await,
    }
}

/// SQLite: `VALUES (…), (…)`, in chunks.
async fn insert_values(
    db: &mut SqliteConnection,
    into: &'static str,
    rows: usize,
    columns: &[Column<'_>],
) -> Result<()> {
    let rows: Vec<usize> = (0..rows).collect();
    for chunk in rows.chunks(ROWS) {
        let mut query = QueryBuilder::<Sqlite>::new(into);
        query.push_values(chunk, |mut values, row| {
            for column in columns {
                match column {
                    Column::Numbers(numbers) => values.push_bind(numbers.get(*row).copied()),
                    Column::Texts(texts) => values.push_bind(texts.get(*row).copied()),
                    Column::Bytes(bytes) => values.push_bind(bytes.get(*row).copied()),
                };
            }
        });
        let done = query.build().execute(&mut *db).await;
        done.map_err(sqlite::failed)?;
    }
    Ok(())
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

pub(crate) async fn insert_entries(
    db: &mut dyn Session,
    rows: &[(EntryIndex, Kind, Vec<u8>)],
) -> Result<()> {
    let columns = [
        numbers(rows.iter().map(|(index, ..)| index.0))?,
        Column::Texts(rows.iter().map(|(_, kind, _)| kind.name()).collect()),
        Column::Bytes(rows.iter().map(|(.., bytes)| bytes.as_slice()).collect()),
    ];
    let into = "INSERT INTO entries (idx, kind, bytes) ";
    insert(db, into, rows.len(), &columns).await
}

/// Nodes that are complete now.
pub(crate) async fn insert_nodes(db: &mut dyn Session, rows: &[(Node, Hash)]) -> Result<()> {
    let columns = [
        numbers(rows.iter().map(|(node, _)| node.level.into()))?,
        numbers(rows.iter().map(|(node, _)| node.position))?,
        Column::Bytes(rows.iter().map(|(_, hash)| hash.as_slice()).collect()),
    ];
    let into = "INSERT INTO nodes (level, position, hash) ";
    insert(db, into, rows.len(), &columns).await
}

pub(crate) async fn insert_openings(
    db: &mut dyn Session,
    rows: &[(EntryIndex, String, Opening)],
) -> Result<()> {
    let opening = |take: fn(&Opening) -> &[u8]| {
        Column::Bytes(rows.iter().map(|(.., opening)| take(opening)).collect())
    };
    let columns = [
        numbers(rows.iter().map(|(entry, ..)| entry.0))?,
        Column::Texts(rows.iter().map(|(_, name, _)| name.as_str()).collect()),
        opening(|opening| opening.salt.as_slice()),
        opening(|opening| opening.content.as_slice()),
    ];
    let into = "INSERT INTO openings (entry, name, salt, content) ";
    insert(db, into, rows.len(), &columns).await
}

/// Remembers which plans reserves were for.
pub(crate) async fn insert_plans(db: &mut dyn Session, rows: &[(Hash, EntryIndex)]) -> Result<()> {
    let columns = [
        Column::Bytes(rows.iter().map(|(plan, _)| plan.as_slice()).collect()),
        numbers(rows.iter().map(|(_, reserve)| reserve.0))?,
    ];
    let into = "INSERT INTO plans (fingerprint, reserve) ";
    insert(db, into, rows.len(), &columns).await
}

pub(crate) async fn insert_endings(
    db: &mut dyn Session,
    rows: &[(EntryIndex, EntryIndex)],
) -> Result<()> {
    let columns = [
        numbers(rows.iter().map(|(reserve, _)| reserve.0))?,
        numbers(rows.iter().map(|(_, entry)| entry.0))?,
    ];
    let into = "INSERT INTO endings (reserve, entry) ";
    insert(db, into, rows.len(), &columns).await
}
