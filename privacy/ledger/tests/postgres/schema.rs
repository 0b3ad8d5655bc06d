//! A database of the cluster with one ledger, as the conformance suite sees it.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use salus_ledger::Place;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

use crate::cluster::Cluster;
use crate::conformance::Store;

pub(crate) const SCHEMA: &str = "riverside";

/// Tables whose triggers are put away; all of them.
const TABLES: [&str; 12] = [
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

    /// Needs that nobody is connected, which takes a moment after the last one has left.
    async fn copy(&self, from: &str, to: &str) {
        let mut db = self.cluster.connect("postgres").await;
        run(
            &mut db,
            &format!("DROP DATABASE IF EXISTS {to} WITH (FORCE)"),
        )
        .await
        .unwrap();
        let since = Instant::now();
        while let Err(error) = run(&mut db, &format!("CREATE DATABASE {to} TEMPLATE {from}")).await
        {
            assert!(since.elapsed() < Duration::from_secs(20), "{error}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
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
        let named: Vec<(String, String)> = sqlx::query_as(
            "SELECT c.relname, t.tgname FROM pg_trigger AS t JOIN pg_class AS c ON c.oid = t.tgrelid \
             WHERE c.relnamespace = $1::regnamespace AND NOT t.tgisinternal",
        )
        .bind(SCHEMA)
        .fetch_all(&mut db)
        .await
        .unwrap();
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
        for (table, trigger) in named {
            let always = format!("ALTER TABLE {table} ENABLE ALWAYS TRIGGER {trigger}");
            run(&mut db, &always).await.unwrap();
        }
        run(&mut db, "COMMIT").await.unwrap();
        db.close().await.unwrap();
    }

    async fn save(&self) {
        self.copy(&self.database, &format!("{}_saved", self.database))
            .await;
    }

    async fn restore(&self) {
        self.copy(&format!("{}_saved", self.database), &self.database)
            .await;
    }

    fn bytes(&self, hex: &str) -> String {
        format!("'\\x{hex}'::bytea")
    }
}
