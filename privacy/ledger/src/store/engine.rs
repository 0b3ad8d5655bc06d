//! The two engines behind one face: connections, transactions, rows.

use futures::stream::{BoxStream, StreamExt as _};
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use sqlx::{Connection as _, FromRow, Sqlite};
#[cfg(feature = "postgres")]
use sqlx::{PgConnection, Postgres, postgres::PgRow};

#[cfg(feature = "postgres")]
use super::postgres::{self, LONG, SHORT, within};
use super::{Place, sqlite};
use crate::error::Result;

/// A connection of its own to the database of a ledger.
pub(crate) enum Connection {
    Sqlite(SqliteConnection),
    #[cfg(feature = "postgres")]
    Postgres(postgres::Node),
}

/// Something that statements can be run on.
pub(crate) trait Session: Send {
    fn engine(&mut self) -> Engine<'_>;
}

/// Which database it is.
pub(crate) enum Engine<'s> {
    Sqlite(&'s mut SqliteConnection),
    #[cfg(feature = "postgres")]
    Postgres(&'s mut PgConnection),
}

/// A transaction; dropped, it is rolled back.
enum Open<'c> {
    Sqlite(sqlx::Transaction<'c, Sqlite>),
    #[cfg(feature = "postgres")]
    Postgres(sqlx::Transaction<'c, Postgres>),
}

/// The only transaction that writes: what it reads stays so until it ends.
pub(crate) struct Lock<'c> {
    open: Open<'c>,
    version: i64,
}

/// A transaction that reads one moment of the database.
pub(crate) struct Moment<'c>(Open<'c>);

impl Connection {
    /// Opens an existing database and checks that it is one of ours, as this program would have made it.
    pub(crate) async fn open(place: &Place) -> Result<Self> {
        match place {
            Place::Directory(dir) => {
                let db = sqlite::connect(&sqlite::database(dir)).await?;
                Ok(Self::Sqlite(db))
            }
            #[cfg(feature = "postgres")]
            Place::Postgres(server) => postgres::open(server).await.map(Self::Postgres),
        }
    }

    /// Opens a database without a word about its content, for evidence of what is wrong with it.
    pub(crate) async fn open_unchecked(place: &Place) -> Result<Self> {
        match place {
            Place::Directory(dir) => {
                let db = sqlite::connect_unchecked(&sqlite::database(dir)).await?;
                Ok(Self::Sqlite(db))
            }
            #[cfg(feature = "postgres")]
            Place::Postgres(server) => postgres::connect(server).await.map(Self::Postgres),
        }
    }

    /// Whether there is a database to open, of whatever content.
    #[cfg_attr(
        not(feature = "postgres"),
        expect(clippy::unused_async, reason = "a server is asked, a directory is not")
    )]
    pub(crate) async fn is_there(place: &Place) -> Result<bool> {
        match place {
            Place::Directory(dir) => Ok(sqlite::database(dir).is_file()),
            #[cfg(feature = "postgres")]
            Place::Postgres(server) => postgres::is_there(server).await,
        }
    }

    /// Waits for whoever else writes, and keeps others out.
    pub(crate) async fn lock(&mut self) -> Result<Lock<'_>> {
        let (open, version) = match self {
            Self::Sqlite(db) => {
                let begun = db.begin_with("BEGIN IMMEDIATE").await;
                let mut open = begun.map_err(sqlite::failed)?;
                let version = sqlite::data_version(&mut open).await?;
                (Open::Sqlite(open), version)
            }
            #[cfg(feature = "postgres")]
            Self::Postgres(node) => {
                let (open, version) = node.lock().await?;
                (Open::Postgres(open), version)
            }
        };
        Ok(Lock { open, version })
    }

    /// Reads without keeping anybody out.
    pub(crate) async fn moment(&mut self) -> Result<Moment<'_>> {
        Ok(Moment(match self {
            Self::Sqlite(db) => Open::Sqlite(db.begin().await.map_err(sqlite::failed)?),
            #[cfg(feature = "postgres")]
            Self::Postgres(node) => Open::Postgres(node.moment().await?),
        }))
    }

    /// Ends what a dropped transaction left behind, so that nobody waits for its lock.
    pub(crate) async fn settle(&mut self) {
        match self {
            // Its ROLLBACK was sent already; this waits for it.
            Self::Sqlite(db) => drop(db.ping().await),
            #[cfg(feature = "postgres")]
            Self::Postgres(node) => node.settle().await,
        }
    }

    pub(crate) async fn close(self) -> Result<()> {
        match self {
            Self::Sqlite(db) => db.close().await.map_err(sqlite::failed),
            #[cfg(feature = "postgres")]
            Self::Postgres(node) => node.close().await,
        }
    }
}

#[cfg(feature = "postgres")]
impl<'c> Lock<'c> {
    pub(super) fn postgres(open: sqlx::Transaction<'c, Postgres>, version: i64) -> Self {
        Self {
            open: Open::Postgres(open),
            version,
        }
    }
}

impl Lock<'_> {
    /// A number that is the same in the next transaction of this connection as long as nobody else has written in between.
    pub(crate) fn version(&self) -> i64 {
        self.version
    }

    /// Makes it durable. After an error nobody knows whether it is.
    pub(crate) async fn commit(self) -> Result<()> {
        match self.open {
            Open::Sqlite(open) => open.commit().await.map_err(sqlite::failed),
            #[cfg(feature = "postgres")]
            Open::Postgres(open) => postgres::commit(open).await,
        }
    }

    pub(crate) async fn rollback(self) -> Result<()> {
        self.open.rollback().await
    }
}

impl Moment<'_> {
    pub(crate) async fn end(self) -> Result<()> {
        self.0.rollback().await
    }
}

impl Open<'_> {
    async fn rollback(self) -> Result<()> {
        match self {
            Self::Sqlite(open) => open.rollback().await.map_err(sqlite::failed),
            #[cfg(feature = "postgres")]
            Self::Postgres(open) => within(SHORT, open.rollback()).await,
        }
    }
}

impl Session for Connection {
    fn engine(&mut self) -> Engine<'_> {
        match self {
            Self::Sqlite(db) => Engine::Sqlite(db),
            #[cfg(feature = "postgres")]
            Self::Postgres(node) => Engine::Postgres(node.session()),
        }
    }
}

impl Session for Open<'_> {
    fn engine(&mut self) -> Engine<'_> {
        match self {
            Self::Sqlite(open) => Engine::Sqlite(open),
            #[cfg(feature = "postgres")]
            Self::Postgres(open) => Engine::Postgres(open),
        }
    }
}

impl Session for Lock<'_> {
    fn engine(&mut self) -> Engine<'_> {
        self.open.engine()
    }
}

impl Session for Moment<'_> {
    fn engine(&mut self) -> Engine<'_> {
        self.0.engine()
    }
}

/// What a statement is given: `$1`, `$2` and so on.
#[derive(Clone, Copy)]
pub(super) enum Given<'v> {
    Number(i64),
    Text(&'v str),
    Bytes(&'v [u8]),
}

/// A row that can be read from either.
#[cfg(feature = "postgres")]
pub(super) trait Row:
    for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin
{
}
#[cfg(feature = "postgres")]
impl<R> Row for R where R: for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin
{}
/// A row that can be read.
#[cfg(not(feature = "postgres"))]
pub(super) trait Row: for<'r> FromRow<'r, SqliteRow> + Send + Unpin {}
#[cfg(not(feature = "postgres"))]
impl<R> Row for R where R: for<'r> FromRow<'r, SqliteRow> + Send + Unpin {}

/// The query with what it is given.
macro_rules! bound {
    ($query:expr, $given:expr) => {{
        let mut query = $query;
        for given in $given {
            query = match given {
                Given::Number(number) => query.bind(*number),
                Given::Text(text) => query.bind(*text),
                Given::Bytes(bytes) => query.bind(*bytes),
            };
        }
        query
    }};
}

/// All rows.
pub(super) async fn all<R: Row>(
    db: &mut dyn Session,
    sql: &'static str,
    given: &[Given<'_>],
) -> Result<Vec<R>> {
    match db.engine() {
        Engine::Sqlite(db) => bound!(sqlx::query_as(sql), given)
            .fetch_all(db)
            .await
            .map_err(sqlite::failed),
        #[cfg(feature = "postgres")]
        Engine::Postgres(db) => {
            within(LONG, bound!(sqlx::query_as(sql), given).fetch_all(db)).await
        }
    }
}

/// The first row, if there is one.
pub(super) async fn optional<R: Row>(
    db: &mut dyn Session,
    sql: &'static str,
    given: &[Given<'_>],
) -> Result<Option<R>> {
    match db.engine() {
        Engine::Sqlite(db) => bound!(sqlx::query_as(sql), given)
            .fetch_optional(db)
            .await
            .map_err(sqlite::failed),
        #[cfg(feature = "postgres")]
        Engine::Postgres(db) => {
            within(SHORT, bound!(sqlx::query_as(sql), given).fetch_optional(db)).await
        }
    }
}

/// Rows one by one.
pub(super) fn stream<'s, R: Row + 's>(
    db: &'s mut dyn Session,
    sql: &'static str,
    given: &'s [Given<'s>],
) -> BoxStream<'s, Result<R>> {
    match db.engine() {
        Engine::Sqlite(db) => bound!(sqlx::query_as(sql), given)
            .fetch(db)
            .map(|row| row.map_err(sqlite::failed))
            .boxed(),
        #[cfg(feature = "postgres")]
        Engine::Postgres(db) => {
            postgres::each_within(SHORT, bound!(sqlx::query_as(sql), given).fetch(db)).boxed()
        }
    }
}

/// Number of rows that were changed.
pub(super) async fn run(
    db: &mut dyn Session,
    sql: &'static str,
    given: &[Given<'_>],
) -> Result<u64> {
    match db.engine() {
        Engine::Sqlite(db) => bound!(sqlx::query(sql), given)
            .execute(db)
            .await
            .map(|done| done.rows_affected())
            .map_err(sqlite::failed),
        #[cfg(feature = "postgres")]
        Engine::Postgres(db) => within(SHORT, bound!(sqlx::query(sql), given).execute(db))
            .await
            .map(|done| done.rows_affected()),
    }
}

/// Whether the database's own structure holds, as far as it can say.
pub(crate) async fn check_structure(db: &mut dyn Session) -> Result<()> {
    match db.engine() {
        Engine::Sqlite(db) => sqlite::check_structure(db).await,
        #[cfg(feature = "postgres")]
        Engine::Postgres(db) => postgres::check_schema(db).await,
    }
}
