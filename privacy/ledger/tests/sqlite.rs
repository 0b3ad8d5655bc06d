//! The embedded engine, held to what every engine is held to.

mod conformance;
mod support;

use std::fs;
use std::path::PathBuf;

use conformance::{Case, Store, conformance, ending, entries, purse, restricted, trust, windows};
use salus_ledger::Place;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _};
use tempfile::TempDir;

struct Directory(TempDir);

impl Directory {
    fn file(&self) -> PathBuf {
        support::database(self.0.path())
    }

    async fn raw(&self) -> SqliteConnection {
        let options = SqliteConnectOptions::new().filename(self.file());
        options.connect().await.unwrap()
    }
}

async fn run(db: &mut SqliteConnection, sql: &str) -> Result<u64, sqlx::Error> {
    let done = sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))
        .execute(db)
        .await?;
    Ok(done.rows_affected())
}

impl Store for Directory {
    fn place(&self) -> Place {
        support::ledger_path(self.0.path()).into()
    }

    async fn run(&self, sql: &str) -> Result<u64, String> {
        let mut db = self.raw().await;
        let done = run(&mut db, sql).await.map_err(|error| error.to_string());
        db.close().await.unwrap();
        done
    }

    async fn tamper(&self, sql: &str) {
        let mut db = self.raw().await;
        let pragmas = "PRAGMA foreign_keys = OFF; PRAGMA ignore_check_constraints = ON; PRAGMA synchronous = OFF;";
        run(&mut db, pragmas).await.unwrap();
        let triggers: Vec<(String, String)> =
            sqlx::query_as("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'")
                .fetch_all(&mut db)
                .await
                .unwrap();
        let mut away = "BEGIN;".to_owned();
        let mut back = String::new();
        for (name, sql) in &triggers {
            away.extend(["DROP TRIGGER ", name, ";"]);
            back.extend([sql, ";"]);
        }
        run(&mut db, &away).await.unwrap();
        assert!(
            run(&mut db, sql).await.unwrap() > 0,
            "nothing changed: {sql}"
        );
        run(&mut db, &format!("{back} COMMIT;")).await.unwrap();
        db.close().await.unwrap();
    }

    async fn save(&self) {
        fs::copy(self.file(), self.file().with_extension("saved")).unwrap();
    }

    async fn restore(&self) {
        for beside in ["db-wal", "db-shm"] {
            let _ = fs::remove_file(self.file().with_extension(beside));
        }
        fs::copy(self.file().with_extension("saved"), self.file()).unwrap();
    }

    fn bytes(&self, hex: &str) -> String {
        format!("x'{hex}'")
    }
}

macro_rules! test {
    ($group:ident::$name:ident) => {
        #[tokio::test]
        async fn $name() {
            let store = Directory(tempfile::tempdir().unwrap());
            $group::$name(&Case::new(store)).await;
        }
    };
}

conformance!(test);
