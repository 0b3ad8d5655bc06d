//! A database of the cluster with one ledger, as the conformance suite sees it.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU32, Ordering};

use salus_ledger::Place;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

use crate::cluster::Cluster;
use crate::conformance::Store;

pub(crate) const SCHEMA: &str = "riverside";

const MAKE: &str = include_str!("../../src/store/postgres/schema.sql");

/// Tables whose triggers are put away; all of them.
const TABLES: [&str; 18] = [
    "restricted_entries",
    "restricted_nodes",
    "restricted_checkpoints",
    "restricted_erasures",
    "restricted_openings",
    "sequencer",
    "entries",
    "nodes",
    "checkpoints",
    "cosignatures",
    "accounts",
    "quotas",
    "failures",
    "endings",
    "plans",
    "retries",
    "erasures",
    "openings",
];

pub(crate) struct Schema<'c> {
    cluster: &'c Cluster,
    pub(crate) database: String,
}

impl<'c> Schema<'c> {
    /// A new database, in which there is nothing yet.
    pub(crate) async fn new(cluster: &'c Cluster) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let database = format!("log_{}", NUMBER.fetch_add(1, Ordering::SeqCst));
        cluster.make(&database).await;
        Self { cluster, database }
    }

    /// One that was made before.
    pub(crate) fn of(cluster: &'c Cluster, database: &str) -> Self {
        let database = database.to_owned();
        Self { cluster, database }
    }

    pub(crate) fn url(&self) -> String {
        self.cluster.url(&self.database, SCHEMA)
    }

    /// A session that passes for the node that wrote last.
    pub(crate) async fn raw(&self) -> PgConnection {
        let mut db = self.cluster.connect(&self.database).await;
        run(&mut db, &format!("SET search_path = {SCHEMA}, pg_temp"))
            .await
            .unwrap();
        let pass = "SELECT set_config('salus.fence', epoch || '/' || holder, false) FROM sequencer";
        // Where there is no ledger yet there is nothing to pass for.
        let _ = run(&mut db, pass).await;
        db
    }
}

/// The statements that put the triggers back as the schema has them.
async fn triggers(db: &mut PgConnection) -> String {
    let named: Vec<(String,)> = sqlx::query_as(
        "SELECT format('ALTER TABLE %I ENABLE ALWAYS TRIGGER %I;', c.relname, t.tgname) \
         FROM pg_trigger AS t JOIN pg_class AS c ON c.oid = t.tgrelid \
         WHERE c.relnamespace = $1::regnamespace AND NOT t.tgisinternal",
    )
    .bind(SCHEMA)
    .fetch_all(db)
    .await
    .unwrap();
    named.into_iter().map(|(statement,)| statement).collect()
}

pub(crate) async fn run(db: &mut PgConnection, sql: &str) -> Result<u64, sqlx::Error> {
    let done = sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))
        .execute(db)
        .await?;
    Ok(done.rows_affected())
}

impl Store for Schema<'_> {
    fn place(&self) -> Place {
        Place::parse(&self.url()).unwrap()
    }

    async fn run(&self, sql: &str) -> Result<u64, String> {
        let mut db = self.raw().await;
        let done = run(&mut db, sql).await.map_err(|error| error.to_string());
        db.close().await.unwrap();
        done
    }

    async fn tamper(&self, sql: &str) {
        let mut db = self.raw().await;
        let named = triggers(&mut db).await;
        run(&mut db, "BEGIN").await.unwrap();
        for table in TABLES {
            run(&mut db, &format!("ALTER TABLE {table} DISABLE TRIGGER ALL"))
                .await
                .unwrap();
        }
        assert!(
            run(&mut db, sql).await.unwrap() > 0,
            "nothing changed: {sql}"
        );
        for table in TABLES {
            run(&mut db, &format!("ALTER TABLE {table} ENABLE TRIGGER ALL"))
                .await
                .unwrap();
        }
        run(&mut db, &named).await.unwrap();
        run(&mut db, "COMMIT").await.unwrap();
        db.close().await.unwrap();
    }

    async fn save(&self) {
        let mut copy = "DROP SCHEMA IF EXISTS saved CASCADE; CREATE SCHEMA saved;".to_owned();
        for table in TABLES {
            write!(copy, "CREATE TABLE saved.{table} AS TABLE {table};").unwrap();
        }
        self.run(&copy).await.unwrap();
    }

    /// The schema made anew, with the rows as they were: a database that is copied waits for the disk much longer.
    async fn restore(&self) {
        let mut db = self.raw().await;
        let anew = format!("BEGIN; DROP SCHEMA {SCHEMA} CASCADE; CREATE SCHEMA {SCHEMA}");
        run(&mut db, &anew).await.unwrap();
        run(&mut db, MAKE).await.unwrap();
        let named = triggers(&mut db).await;
        let (mut rows, mut back) = (String::new(), String::new());
        for table in TABLES {
            write!(
                rows,
                "ALTER TABLE {table} DISABLE TRIGGER ALL; DELETE FROM {table}; INSERT INTO {table} SELECT * FROM saved.{table};"
            )
            .unwrap();
            write!(back, "ALTER TABLE {table} ENABLE TRIGGER ALL;").unwrap();
        }
        run(&mut db, &rows).await.unwrap();
        run(&mut db, &(back + &named)).await.unwrap();
        run(&mut db, "COMMIT").await.unwrap();
        db.close().await.unwrap();
    }

    fn bytes(&self, hex: &str) -> String {
        format!("'\\x{hex}'::bytea")
    }
}
