//! The engine for several nodes: a schema of a PostgreSQL server.
//!
//! Writers queue on an advisory lock that ends with their transaction. Under it a node reads the *epoch*: if another node has written
//! since, it takes the next one, which tells it that what it remembers of the log is old. The transaction keeps the epoch, and triggers
//! refuse entries, checkpoints and balances under an old one. So a node whose session was ended while it slept writes nothing.
//!
//! A commit is durable when it returns: `synchronous_commit` is on in every session, and a server that runs without `fsync` is not used.
//! What can hang has an end: the server ends waits, statements and sleeping transactions, and this side gives up on a server that
//! does not answer.

mod server;

use std::time::Duration;

use futures::stream::{BoxStream, Stream, StreamExt as _};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, PgConnection, Postgres};

pub use server::Server;

use super::Lock;
use crate::error::{Error, Result, integrity};

/// `client_connection_check_interval`, and triggers as they are used here.
const LEAST_VERSION: u32 = 140_000;

const SCHEMA: &str = include_str!("schema.sql");

/// What [`SCHEMA`] makes.
const FACTS: &str = include_str!("facts.txt");

/// How long one statement may take, with the wait for its answer; reading a long log takes longer.
pub(super) const SHORT: Duration = Duration::from_mins(2);
pub(super) const LONG: Duration = Duration::from_mins(30);

/// What the session holds the server to, in milliseconds where it is a time. A node that sleeps while it has the lock loses it, and
/// whoever waits for it does not wait for ever; one that has nothing to do keeps its connection.
const SESSION: [(&str, &str); 11] = [
    ("synchronous_commit", "on"),
    ("default_transaction_isolation", "read committed"),
    ("lock_timeout", "60000"),
    ("statement_timeout", "1800000"),
    ("idle_in_transaction_session_timeout", "30000"),
    ("idle_session_timeout", "0"),
    ("tcp_keepalives_idle", "60"),
    ("tcp_keepalives_interval", "10"),
    ("tcp_keepalives_count", "6"),
    ("client_connection_check_interval", "10000"),
    ("row_security", "off"),
];

/// One connection of a node.
pub(crate) struct Node {
    db: PgConnection,
    schema: String,
    /// Who it is among all who ever write: random, for this connection alone.
    holder: String,
}

/// Waits for the database so long and no longer.
pub(super) async fn within<T>(
    span: Duration,
    work: impl Future<Output = sqlx::Result<T>>,
) -> Result<T> {
    match tokio::time::timeout(span, work).await {
        Ok(done) => done.map_err(failed),
        Err(_) => Err(SILENT),
    }
}

const SILENT: Error = Error::Unavailable("the database does not answer");

/// Each row within this time.
pub(super) fn each_within<'s, T: Send + 's>(
    span: Duration,
    rows: BoxStream<'s, sqlx::Result<T>>,
) -> impl Stream<Item = Result<T>> + Send + 's {
    futures::stream::unfold(Some(rows), move |rows| async move {
        let mut rows = rows?;
        match tokio::time::timeout(span, rows.next()).await {
            Ok(row) => row.map(|row| (row.map_err(failed), Some(rows))),
            Err(_) => Some((Err(SILENT), None)),
        }
    })
}

/// Connects, without a word about what is in the schema.
pub(crate) async fn connect(server: &Server) -> Result<Node> {
    let path = format!("{},pg_temp", server.schema());
    let options = server
        .options()
        .options(SESSION)
        .options([("search_path", path)]);
    let mut db = within(SHORT, options.connect()).await?;
    check_session(&mut db).await?;
    let mut nonce = [0; 16];
    getrandom::fill(&mut nonce)
        .map_err(|_| Error::Unavailable("the operating system gives no randomness"))?;
    Ok(Node {
        db,
        schema: server.schema().to_owned(),
        holder: format!("{:032x}", u128::from_be_bytes(nonce)),
    })
}

/// Connects and checks that the schema is one of ours, as this program would have made it.
pub(super) async fn open(server: &Server) -> Result<Node> {
    let mut node = connect(server).await?;
    if !has_ledger(&mut node).await? {
        return Err(Error::Unavailable(
            "there is no ledger in this schema of the database, or its role may not use it",
        ));
    }
    check_schema(&mut node.db).await?;
    Ok(node)
}

/// Whether there is a ledger to open, of whatever content.
pub(super) async fn is_there(server: &Server) -> Result<bool> {
    let mut node = connect(server).await?;
    let there = has_ledger(&mut node).await?;
    node.close().await?;
    Ok(there)
}

/// Whatever a commit's promise rests on.
async fn check_session(db: &mut PgConnection) -> Result<()> {
    type Settings = (String, String, String, String, bool);
    if db
        .server_version_num()
        .is_none_or(|version| version < LEAST_VERSION)
    {
        return Err(Error::Unavailable("PostgreSQL 14 or later is needed"));
    }
    let asked = "SELECT current_setting('synchronous_commit'), current_setting('fsync'), \
         current_setting('full_page_writes'), current_setting('server_encoding'), pg_is_in_recovery()";
    let settings: Settings = within(SHORT, sqlx::query_as(asked).fetch_one(db)).await?;
    let (commit, fsync, pages, encoding, standby) = settings;
    if commit != "on" || fsync != "on" || pages != "on" {
        return Err(Error::Unavailable(
            "the database does not make commits durable: synchronous_commit, fsync and full_page_writes must be on",
        ));
    }
    if encoding != "UTF8" {
        return Err(Error::Unavailable(
            "the database must have the encoding UTF8",
        ));
    }
    if standby {
        return Err(Error::Unavailable(
            "the server is a standby, which cannot be written; name the primary",
        ));
    }
    Ok(())
}

async fn has_ledger(node: &mut Node) -> Result<bool> {
    let asked = "SELECT EXISTS (SELECT FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace \
         WHERE n.nspname = $1 AND n.nspname = current_schema() AND c.relname = 'entries')";
    let asked = sqlx::query_scalar(asked).bind(node.schema.as_str());
    within(SHORT, asked.fetch_one(&mut node.db)).await
}

/// Triggers and constraints are part of the guarantee, so the schema must be the one that this program makes.
pub(super) async fn check_schema(db: &mut PgConnection) -> Result<()> {
    let facts = within(
        SHORT,
        sqlx::query_scalar(include_str!("facts.sql")).fetch_all(db),
    )
    .await;
    let mut facts: Vec<String> = facts.map_err(|error| match error {
        Error::Integrity(_) => {
            integrity("the schema holds something else than a ledger of this format")
        }
        other => other,
    })?;
    facts.sort_unstable();
    if facts.iter().map(String::as_str).eq(FACTS.lines()) {
        return Ok(());
    }
    let format = |fact: &&str| fact.starts_with("format ");
    if facts.iter().map(String::as_str).find(format) != FACTS.lines().find(format) {
        return Err(integrity(
            "the store was made by another version of Salus, which can open it",
        ));
    }
    Err(integrity(
        "the tables or triggers of the store were changed",
    ))
}

impl Node {
    pub(super) fn session(&mut self) -> &mut PgConnection {
        &mut self.db
    }

    /// Waits for the node that writes, and takes the epoch unless it is this one's still. The number is the epoch.
    pub(super) async fn lock(&mut self) -> Result<(sqlx::Transaction<'_, Postgres>, i64)> {
        let Self { db, schema, holder } = self;
        let mut open = sequence(db, schema).await?;
        // Statements of their own, so that each sees what was committed before the lock was given.
        let asked = "SELECT epoch, set_config('salus.fence', epoch || '/' || holder, true) \
             FROM sequencer WHERE holder = $1";
        let asked = sqlx::query_as(asked).bind(holder.as_str());
        let known: Option<(i64, String)> = within(SHORT, asked.fetch_optional(&mut *open)).await?;
        let epoch = match known {
            Some((epoch, _)) => epoch,
            None => take_epoch(&mut open, holder).await?,
        };
        Ok((open, epoch))
    }

    /// One moment of the database.
    pub(super) async fn moment(&mut self) -> Result<sqlx::Transaction<'_, Postgres>> {
        // Whoever reads keeps nobody out, and may take breaks.
        let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL idle_in_transaction_session_timeout = 0";
        within(SHORT, self.db.begin_with(begin)).await
    }

    /// The lock on a schema that was just made, with nothing in it. Until it is committed nobody sees it.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] if there is a ledger.
    pub(crate) async fn initialise(&mut self) -> Result<Lock<'_>> {
        let Self { db, schema, holder } = self;
        let mut open = sequence(db, schema).await?;
        let there = "SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = $1), \
             EXISTS (SELECT FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE n.nspname = $1)";
        let there = sqlx::query_as(there).bind(schema.as_str());
        let (exists, used): (bool, bool) = within(SHORT, there.fetch_one(&mut *open)).await?;
        if used {
            return Err(Error::Refused(
                "there is a ledger, or something else, in this schema of the database already; name another".to_owned(),
            ));
        }
        if !exists {
            let make = AssertSqlSafe(format!("CREATE SCHEMA \"{schema}\""));
            within(SHORT, sqlx::raw_sql(make).execute(&mut *open)).await?;
        }
        within(SHORT, sqlx::raw_sql(SCHEMA).execute(&mut *open)).await?;
        let epoch = take_epoch(&mut open, holder).await?;
        Ok(Lock::postgres(open, epoch))
    }

    /// Sends the ROLLBACK of a dropped transaction, which waits for the next statement otherwise, and the others with it.
    pub(super) async fn settle(&mut self) {
        // Where nothing arrives any more the server ends the transaction by itself.
        let _ = within(SHORT, self.db.ping()).await;
    }

    pub(crate) async fn close(self) -> Result<()> {
        within(SHORT, self.db.close()).await
    }
}

/// A transaction under the advisory lock of the schema.
async fn sequence<'c>(
    db: &'c mut PgConnection,
    schema: &str,
) -> Result<sqlx::Transaction<'c, Postgres>> {
    let begin =
        "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; SET LOCAL statement_timeout = 90000";
    let mut open = within(SHORT, db.begin_with(begin)).await?;
    let lock = "SELECT pg_advisory_xact_lock(hashtextextended('salus/' || $1, 0))";
    let lock = sqlx::query(lock).bind(schema);
    within(SHORT, lock.execute(&mut *open)).await?;
    Ok(open)
}

/// From here on this connection writes, until another takes the next epoch. If the transaction is rolled back, nothing was taken.
async fn take_epoch(open: &mut PgConnection, holder: &str) -> Result<i64> {
    let take = "WITH taken AS (UPDATE sequencer SET epoch = epoch + 1, holder = $1 RETURNING epoch, holder) \
         SELECT epoch, set_config('salus.fence', epoch || '/' || holder, true) FROM taken";
    let take = sqlx::query_as(take).bind(holder);
    let taken: Option<(i64, String)> = within(SHORT, take.fetch_optional(open)).await?;
    let (epoch, _) = taken.ok_or_else(|| integrity("the row of the sequencer is missing"))?;
    Ok(epoch)
}

/// Makes the transaction durable.
pub(super) async fn commit(mut open: sqlx::Transaction<'_, Postgres>) -> Result<()> {
    // A COMMIT that is interrupted while it waits for a standby is reported as done, though the standby may not have it. So it is not. And
    // this fails in a transaction that has failed, whose COMMIT would be a ROLLBACK and is reported as done as well.
    let patient = sqlx::raw_sql("SET LOCAL statement_timeout = 0");
    within(SHORT, patient.execute(&mut *open)).await?;
    within(SHORT, open.commit()).await
}

/// What a failure of the database means to the caller. Nothing of its text is repeated: it can hold what was written.
fn failed(error: sqlx::Error) -> Error {
    match error {
        sqlx::Error::Database(database) => refused(database.code().as_deref().unwrap_or_default()),
        sqlx::Error::RowNotFound
        | sqlx::Error::ColumnDecode { .. }
        | sqlx::Error::Decode(_)
        | sqlx::Error::ColumnNotFound(_)
        | sqlx::Error::ColumnIndexOutOfBounds { .. }
        | sqlx::Error::TypeNotFound { .. } => integrity("the database holds rows of another shape"),
        sqlx::Error::Tls(_) => Error::Unavailable(
            "the database's certificate cannot be verified; name its authority with sslrootcert",
        ),
        _ => LOST,
    }
}

const LOST: Error = Error::Unavailable(
    "the connection to the database was lost or cannot be made; open the ledger again once it is there",
);

/// By SQLSTATE.
fn refused(code: &str) -> Error {
    match code {
        "SL001" => integrity("the store refused a change that the log does not allow"),
        "SL002" => Error::Unavailable("another node has taken over; open the ledger again"),
        "55P03" | "40001" | "40P01" => Error::Busy,
        "57014" => Error::Unavailable("the database took too long"),
        "25006" => Error::Unavailable(
            "the database has become a standby, which cannot be written; open the ledger again at the primary",
        ),
        "3D000" => Error::Unavailable("there is no such database"),
        "42501" => Error::Unavailable(
            "the role of the database lacks a privilege; docs/postgres.md lists what it needs",
        ),
        "53100" => Error::Unavailable("the disk of the database is full"),
        _ => match code.get(..2).unwrap_or_default() {
            // 42: SQL that does not fit the tables: another program changed them.
            "23" | "42" | "3F" | "22" => integrity(
                "the tables of the store do not take what the ledger writes: they were changed",
            ),
            "XX" => integrity("the database is damaged"),
            "28" => Error::Unavailable("the database does not accept the user or the password"),
            "53" => {
                Error::Unavailable("the database has no room for this: connections, memory or disk")
            }
            "08" | "57" | "25" => LOST,
            _ => Error::Unavailable("the database cannot be read or written"),
        },
    }
}
