//! Rows that may go: what opens the commitments to questions.

use salus_certificate::EntryIndex;
use sqlx::sqlite::SqliteConnection;

use super::failed;
use super::rows::signed;
use crate::error::{Result, integrity};

/// From here on this connection overwrites what it deletes.
pub(crate) async fn wipe_what_is_freed(db: &mut SqliteConnection) -> Result<()> {
    sqlx::query("PRAGMA secure_delete = ON;")
        .execute(db)
        .await
        .map_err(failed)?;
    Ok(())
}

/// Erases the texts of the question at `entry`; `false` if there are none.
pub(crate) async fn erase(db: &mut SqliteConnection, entry: EntryIndex, time: u64) -> Result<bool> {
    let index = signed(entry.0)?;
    let noted = sqlx::query(include_str!("insert_erasure.sql"))
        .bind(index)
        .bind(signed(time)?)
        .execute(&mut *db)
        .await
        .map_err(failed)?;
    for sql in [
        include_str!("erase_openings.sql"),
        include_str!("erase_plan.sql"),
    ] {
        sqlx::query(sql)
            .bind(index)
            .execute(&mut *db)
            .await
            .map_err(failed)?;
    }
    Ok(noted.rows_affected() > 0)
}

/// When the texts of the question at `entry` were erased.
pub(crate) async fn erased(db: &mut SqliteConnection, entry: EntryIndex) -> Result<Option<u64>> {
    let time: Option<i64> = sqlx::query_scalar(include_str!("erasure.sql"))
        .bind(signed(entry.0)?)
        .fetch_optional(db)
        .await
        .map_err(failed)?;
    time.map(|time| u64::try_from(time).map_err(|_| integrity("a number in the store is negative")))
        .transpose()
}

/// Folds the write-ahead log into the database and empties it; `false` if somebody else still reads from it.
pub(crate) async fn empty_write_ahead_log(db: &mut SqliteConnection) -> Result<bool> {
    let (busy, _, _): (i64, i64, i64) = sqlx::query_as("PRAGMA wal_checkpoint(TRUNCATE);")
        .fetch_one(db)
        .await
        .map_err(failed)?;
    Ok(busy == 0)
}
