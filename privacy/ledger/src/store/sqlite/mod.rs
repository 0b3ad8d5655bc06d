//! The embedded engine: one SQLite file, shared by every process that asks questions of this identity space.
//!
//! WAL with `synchronous=FULL`: a commit that returned is on the disk. Writers queue on `BEGIN IMMEDIATE`, so whatever a transaction
//! reads is what it decides on.

use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions as _, Connection as _};

use super::Connection;
use crate::error::{Error, Result, integrity};

/// Earlier versions can corrupt a WAL database when a checkpoint and a writer meet.
const LEAST_SQLITE: (u32, u32, u32) = (3, 51, 3);

/// Long enough for hundreds of processes in line.
const BUSY_TIMEOUT: Duration = Duration::from_mins(3);

/// Rows that the database's thread reads ahead. With few the two threads of an opening wait for each other at every turn.
const ROWS_AHEAD: usize = 1024;

const APPLICATION_ID: i64 = 0x5341_4c55;
const USER_VERSION: i64 = 5;

const SCHEMA: &str = include_str!("schema.sql");

/// The database file in the ledger's directory.
pub(crate) fn database(dir: &Path) -> PathBuf {
    dir.join("ledger.db")
}

fn options(file: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(file)
        .busy_timeout(BUSY_TIMEOUT)
        .foreign_keys(true)
        .synchronous(SqliteSynchronous::Full)
        .row_buffer_size(ROWS_AHEAD)
        // On macOS a flush reaches the disk only when asked for by this name.
        .pragma("fullfsync", "ON")
        .pragma("trusted_schema", "OFF")
        .pragma("cell_size_check", "ON")
}

/// Opens an existing database and checks that it is one of ours, as this program would have made it.
pub(crate) async fn connect(file: &Path) -> Result<SqliteConnection> {
    if !file.is_file() {
        return Err(Error::Unavailable("there is no ledger in this directory"));
    }
    let mut db = options(file).connect().await.map_err(failed)?;
    check_version(&mut db).await?;
    check_schema(&mut db).await?;
    Ok(db)
}

/// Opens a database without a word about its content, for evidence of what is wrong with it.
pub(crate) async fn connect_unchecked(file: &Path) -> Result<SqliteConnection> {
    if !file.is_file() {
        return Err(Error::Unavailable("there is no ledger in this directory"));
    }
    options(file).connect().await.map_err(failed)
}

/// Turns the empty `file` into a store with the schema and nothing in it.
pub(crate) async fn initialise(file: &Path) -> Result<Connection> {
    let mut db = options(file)
        .journal_mode(SqliteJournalMode::Wal)
        .connect()
        .await
        .map_err(failed)?;
    check_version(&mut db).await?;
    sqlx::raw_sql(SCHEMA)
        .execute(&mut db)
        .await
        .map_err(failed)?;
    Ok(Connection::Sqlite(db))
}

async fn check_version(db: &mut SqliteConnection) -> Result<()> {
    let version: String = sqlx::query_scalar("SELECT sqlite_version();")
        .fetch_one(db)
        .await
        .map_err(failed)?;
    let mut parts = version.split('.').map(str::parse::<u32>);
    match (parts.next(), parts.next(), parts.next()) {
        (Some(Ok(major)), Some(Ok(minor)), Some(Ok(patch)))
            if (major, minor, patch) >= LEAST_SQLITE =>
        {
            Ok(())
        }
        _ => Err(Error::Unavailable(
            "SQLite is older than 3.51.3, whose WAL is the first that is safe here",
        )),
    }
}

/// Triggers and constraints are part of the guarantee, so the schema must be the one that this program writes, to the letter.
async fn check_schema(db: &mut SqliteConnection) -> Result<()> {
    let application: i64 = pragma(db, "PRAGMA application_id;").await?;
    let version: i64 = pragma(db, "PRAGMA user_version;").await?;
    let journal: String = pragma(db, "PRAGMA journal_mode;").await?;
    if application == APPLICATION_ID && version != USER_VERSION {
        return Err(integrity(
            "the store was made by another version of Salus, which can open it, or its header was changed",
        ));
    }
    if application != APPLICATION_ID {
        return Err(integrity("the database is not a ledger of this format"));
    }
    if journal != "wal" {
        return Err(integrity("the database is not in WAL mode"));
    }
    let mut model = SqliteConnectOptions::new()
        .in_memory(true)
        .connect()
        .await
        .map_err(failed)?;
    sqlx::raw_sql(SCHEMA)
        .execute(&mut model)
        .await
        .map_err(failed)?;
    let expected = schema_text(&mut model).await?;
    model.close().await.map_err(failed)?;
    if schema_text(db).await? == expected {
        Ok(())
    } else {
        Err(integrity(
            "the tables or triggers of the store were changed",
        ))
    }
}

async fn pragma<T>(db: &mut SqliteConnection, sql: &'static str) -> Result<T>
where
    T: for<'r> sqlx::Decode<'r, sqlx::Sqlite> + sqlx::Type<sqlx::Sqlite> + Send + Unpin,
{
    sqlx::query_scalar(sql).fetch_one(db).await.map_err(failed)
}

async fn schema_text(db: &mut SqliteConnection) -> Result<Vec<(String, String, String, String)>> {
    sqlx::query_as(include_str!("schema_text.sql"))
        .fetch_all(db)
        .await
        .map_err(failed)
}

/// A number that changes with every commit of another connection, and with none of this one.
pub(super) async fn data_version(db: &mut SqliteConnection) -> Result<i64> {
    pragma(db, "PRAGMA data_version;").await
}

/// From here on this connection overwrites what it deletes.
pub(super) async fn wipe_what_is_freed(db: &mut SqliteConnection) -> Result<()> {
    sqlx::query("PRAGMA secure_delete = ON;")
        .execute(db)
        .await
        .map_err(failed)?;
    Ok(())
}

/// Folds the write-ahead log into the database and empties it; `false` if somebody else still reads from it.
pub(super) async fn empty_write_ahead_log(db: &mut SqliteConnection) -> Result<bool> {
    let (busy, _, _): (i64, i64, i64) = sqlx::query_as("PRAGMA wal_checkpoint(TRUNCATE);")
        .fetch_one(db)
        .await
        .map_err(failed)?;
    Ok(busy == 0)
}

/// Whether pages, cells and indexes hold together.
pub(super) async fn check_structure(db: &mut SqliteConnection) -> Result<()> {
    let found: Vec<String> = sqlx::query_scalar("PRAGMA integrity_check;")
        .fetch_all(db)
        .await
        .map_err(failed)?;
    if found == ["ok"] {
        Ok(())
    } else {
        Err(integrity("the database's structure is damaged"))
    }
}

/// What a failure of the store means to the caller.
#[expect(
    clippy::needless_pass_by_value,
    reason = "it is the argument of map_err"
)]
pub(crate) fn failed(error: sqlx::Error) -> Error {
    const SHORT_READ: i32 = 522;
    match &error {
        sqlx::Error::Database(database) => {
            let code: i32 = database
                .code()
                .and_then(|code| code.parse().ok())
                .unwrap_or_default();
            match code & 0xff {
                5 | 6 => Error::Busy,
                // ERROR is SQL that does not fit the tables: another program changed them.
                1 | 11 | 18 | 20 | 26 => integrity("the database is malformed"),
                10 if code == SHORT_READ => integrity("the database is cut short"),
                19 => integrity("the store refused a change that the log does not allow"),
                3 | 8 | 14 | 23 => Error::Unavailable("the database cannot be opened for writing"),
                13 => Error::Unavailable("the disk is full"),
                21 => Error::Bug("the database was used wrongly"),
                _ => Error::Unavailable("the database cannot be read or written"),
            }
        }
        sqlx::Error::RowNotFound
        | sqlx::Error::ColumnDecode { .. }
        | sqlx::Error::Decode(_)
        | sqlx::Error::ColumnNotFound(_)
        | sqlx::Error::ColumnIndexOutOfBounds { .. }
        | sqlx::Error::TypeNotFound { .. } => integrity("the database holds rows of another shape"),
        _ => Error::Unavailable("the database cannot be read or written"),
    }
}
