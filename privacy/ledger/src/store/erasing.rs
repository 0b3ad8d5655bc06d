//! Rows that may go: what opens the commitments to questions.

use salus_certificate::EntryIndex;

use super::engine::Given::Number;
use super::engine::{self, Engine, Session};
use super::rows::{signed, unsigned};
use super::sqlite;
use crate::error::Result;

/// From here on this connection overwrites what it deletes, where the engine can.
pub(crate) async fn wipe_what_is_freed(db: &mut dyn Session) -> Result<()> {
    match db.engine() {
        Engine::Sqlite(db) => sqlite::wipe_what_is_freed(db).await,
        #[cfg(feature = "postgres")]
        Engine::Postgres(_) => Ok(()),
    }
}

/// Erases the texts of the question at `entry`; `false` if there are none.
pub(crate) async fn erase(db: &mut dyn Session, entry: EntryIndex, time: u64) -> Result<bool> {
    let index = Number(signed(entry.0)?);
    let note = [index, Number(signed(time)?)];
    let noted = engine::run(db, include_str!("insert_erasure.sql"), &note).await?;
    for sql in [
        include_str!("erase_openings.sql"),
        include_str!("erase_plan.sql"),
    ] {
        engine::run(db, sql, &[index]).await?;
    }
    Ok(noted > 0)
}

/// When the texts of the question at `entry` were erased.
pub(crate) async fn erased(db: &mut dyn Session, entry: EntryIndex) -> Result<Option<u64>> {
    let given = [Number(signed(entry.0)?)];
    let row: Option<(i64,)> = engine::optional(db, include_str!("erasure.sql"), &given).await?;
    row.map(|(time,)| unsigned(time)).transpose()
}

/// Whether no file of the database holds what was erased: of SQLite once the write-ahead log is folded into it and empty, which it is not while
/// somebody else reads from it. What a server keeps of deleted rows is its own to say, and it does not say it.
pub(crate) async fn is_scrubbed(db: &mut dyn Session) -> Result<bool> {
    match db.engine() {
        Engine::Sqlite(db) => sqlite::empty_write_ahead_log(db).await,
        #[cfg(feature = "postgres")]
        Engine::Postgres(_) => Ok(false),
    }
}
