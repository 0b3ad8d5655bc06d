//! Inserts of many rows in one statement.

use salus_certificate::{EntryIndex, Hash};
use sqlx::sqlite::SqliteConnection;
use sqlx::{QueryBuilder, Sqlite};

use super::failed;
use super::rows::signed;
use crate::commitment::Opening;
use crate::entry::Kind;
use crate::error::Result;
use crate::merkle::Node;

/// Rows in one statement: well below what SQLite can bind.
const ROWS: usize = 256;

/// Inserts rows in chunks; `values` pushes one row.
async fn insert<T>(
    db: &mut SqliteConnection,
    into: &'static str,
    rows: &[T],
    mut values: impl FnMut(
        &mut sqlx::query_builder::Separated<'_, Sqlite, &'static str>,
        &T,
    ) -> Result<()>,
) -> Result<()> {
    for chunk in rows.chunks(ROWS) {
        let mut query = QueryBuilder::<Sqlite>::new(into);
        let mut outcome = Ok(());
        query.push_values(chunk, |mut row, item| {
            if outcome.is_ok() {
                outcome = values(&mut row, item);
            }
        });
        outcome?;
        query.build().execute(&mut *db).await.map_err(failed)?;
    }
    Ok(())
}

pub(crate) async fn insert_entries(
    db: &mut SqliteConnection,
    rows: &[(EntryIndex, Kind, Vec<u8>)],
) -> Result<()> {
    let into = "INSERT INTO entries (idx, kind, bytes) ";
    insert(db, into, rows, |row, (index, kind, bytes)| {
        row.push_bind(signed(index.0)?)
            .push_bind(kind.name())
            .push_bind(bytes.clone());
        Ok(())
    })
    .await
}

/// Nodes that are complete now.
pub(crate) async fn insert_nodes(db: &mut SqliteConnection, rows: &[(Node, Hash)]) -> Result<()> {
    let into = "INSERT INTO nodes (level, position, hash) ";
    insert(db, into, rows, |row, (node, hash)| {
        row.push_bind(i64::from(node.level))
            .push_bind(signed(node.position)?)
            .push_bind(hash.to_vec());
        Ok(())
    })
    .await
}

pub(crate) async fn insert_openings(
    db: &mut SqliteConnection,
    rows: &[(EntryIndex, String, Opening)],
) -> Result<()> {
    let into = "INSERT INTO openings (entry, name, salt, content) ";
    insert(db, into, rows, |row, (entry, name, opening)| {
        row.push_bind(signed(entry.0)?)
            .push_bind(name.clone())
            .push_bind(opening.salt.to_vec())
            .push_bind(opening.content.clone());
        Ok(())
    })
    .await
}

/// Remembers which plans reserves were for.
pub(crate) async fn insert_plans(
    db: &mut SqliteConnection,
    rows: &[(Hash, EntryIndex)],
) -> Result<()> {
    let into = "INSERT INTO plans (fingerprint, reserve) ";
    insert(db, into, rows, |row, (fingerprint, reserve)| {
        row.push_bind(fingerprint.to_vec())
            .push_bind(signed(reserve.0)?);
        Ok(())
    })
    .await
}

pub(crate) async fn insert_endings(
    db: &mut SqliteConnection,
    rows: &[(EntryIndex, EntryIndex)],
) -> Result<()> {
    let into = "INSERT INTO endings (reserve, entry) ";
    insert(db, into, rows, |row, (reserve, entry)| {
        row.push_bind(signed(reserve.0)?)
            .push_bind(signed(entry.0)?);
        Ok(())
    })
    .await
}
