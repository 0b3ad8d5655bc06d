//! What is true of the schema and the server: constraints, privileges, settings, addresses, backups.

use std::borrow::Cow;
use std::time::{Duration, Instant};

use salus_ledger::{Erase, Error, Ledger, Place, key};
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _};

use crate::cluster::{Cluster, succeeded};
use crate::conformance::{Case, Store as _, verified};
use crate::schema::{SCHEMA, Schema, run};
use crate::support::{self, answer, genesis, question, refusal};

const FACTS: &str = include_str!("../../src/store/postgres/facts.txt");

/// `SALUS_WRITE_FACTS=1` writes the file anew, after a change of the schema.
pub(crate) async fn the_schema_is_what_its_facts_say(cluster: &Cluster) {
    let case = Case::new(Schema::new(cluster).await);
    let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/src/store/postgres");
    if std::env::var_os("SALUS_WRITE_FACTS").is_some() {
        // The facts that are compared are those of the build; so the schema is made, and opening it fails.
        let _ = Ledger::create(case.store.place(), case.signer(), genesis(1)).await;
    } else {
        case.create(1).await.close().await.unwrap();
    }
    let mut db = case.store.raw().await;
    let sql = std::fs::read_to_string(format!("{dir}/facts.sql")).unwrap();
    let mut facts: Vec<String> = sqlx::query_scalar(AssertSqlSafe(sql))
        .fetch_all(&mut db)
        .await
        .unwrap();
    facts.sort_unstable();
    let facts = facts.join("\n") + "\n";
    if std::env::var_os("SALUS_WRITE_FACTS").is_some() {
        std::fs::write(format!("{dir}/facts.txt"), &facts).unwrap();
        println!("facts.txt is written; build again");
        return;
    }
    assert_eq!(facts, FACTS);
}

pub(crate) async fn whatever_weakens_the_schema_is_refused(cluster: &Cluster) {
    let case = Case::new(Schema::new(cluster).await);
    case.create(10).await.close().await.unwrap();
    case.store.save().await;
    for change in [
        "ALTER TABLE entries DISABLE TRIGGER remain",
        "ALTER TABLE entries ENABLE TRIGGER remain",
        "ALTER TABLE entries ENABLE REPLICA TRIGGER fenced",
        "ALTER TABLE endings DISABLE TRIGGER ALL",
        "ALTER TABLE restricted_entries DISABLE TRIGGER fenced",
        "DROP TRIGGER by_erasure ON restricted_openings",
        "DROP TRIGGER remain ON nodes",
        "CREATE TRIGGER more BEFORE INSERT ON nodes EXECUTE FUNCTION fence()",
        "CREATE OR REPLACE FUNCTION forbid() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT \
             AS 'BEGIN RETURN NULL; END'",
        "ALTER FUNCTION fence() RESET ALL",
        "ALTER FUNCTION fence() SECURITY DEFINER",
        "ALTER TABLE accounts DROP CONSTRAINT within_cap",
        "ALTER TABLE accounts DROP CONSTRAINT within_cap; \
             ALTER TABLE accounts ADD CONSTRAINT within_cap CHECK (incident = 1 OR spent_rho <= cap_rho)",
        "ALTER TABLE endings DROP CONSTRAINT endings_entry_key",
        "ALTER TABLE entries ALTER COLUMN bytes DROP NOT NULL",
        "ALTER TABLE entries ALTER COLUMN kind TYPE varchar(40)",
        "ALTER TABLE plans SET UNLOGGED",
        "ALTER TABLE openings ENABLE ROW LEVEL SECURITY",
        "CREATE RULE quiet AS ON INSERT TO failures DO INSTEAD NOTHING",
        "CREATE TABLE more () INHERITS (entries)",
        "CREATE VIEW more AS SELECT * FROM entries",
        "DROP INDEX entries_by_kind",
    ] {
        case.store.run(change).await.unwrap();
        let what = case.integrity().await;
        assert!(what.contains("tables or triggers"), "{change}: {what}");
        case.store.restore().await;
    }
    case.store.tamper("UPDATE sequencer SET format = 6").await;
    assert!(case.integrity().await.contains("another version"));
    case.store.restore().await;
    verified(&case.open().await.unwrap()).await;
}

pub(crate) async fn several_logs_live_in_one_database(cluster: &Cluster) {
    let database = Schema::new(cluster).await.database;
    let place = |schema: &str| Place::parse(&cluster.url(&database, schema)).unwrap();
    let keys = tempfile::tempdir().unwrap();
    let mut ledgers = Vec::new();
    for (number, schema) in ["salus", "clinic_2026", "user"].into_iter().enumerate() {
        let origin = format!("{schema}.example/ledger");
        let signer = key::generate(&keys.path().join(schema), &origin).unwrap();
        let genesis = salus_ledger::Genesis {
            origin,
            ..genesis(2 + number as u64)
        };
        // Two who create at once: one does.
        let (one, other) = futures::join!(
            Ledger::create(place(schema), signer.clone(), genesis.clone()),
            Ledger::create(place(schema), signer, genesis)
        );
        let (ledger, refused) = if one.is_ok() {
            (one, other)
        } else {
            (other, one)
        };
        assert!(matches!(refused, Err(Error::Refused(_))), "{refused:?}");
        ledgers.push(ledger.unwrap());
    }
    for ledger in &ledgers {
        support::record_facts(ledger).await;
        answer(ledger.reserve(question()).await.unwrap())
            .await
            .unwrap();
        verified(ledger).await;
    }
    // The origin is pinned: one log is not opened under the key of another.
    let stranger = key::load(&keys.path().join("salus")).unwrap();
    let refused = Ledger::open(place("clinic_2026"), stranger).await;
    assert!(matches!(refused, Err(Error::Integrity(_))), "{refused:?}");
}

/// The statements of the documentation, as an administrator would run them.
fn documented_grants() -> [String; 2] {
    let text = include_str!("../../../../docs/postgres.md");
    let mut blocks = text.split("```sql\n").skip(1);
    [(); 2].map(|()| {
        let block = blocks.next().unwrap();
        block.split_once("```").unwrap().0.to_owned()
    })
}

pub(crate) async fn a_role_with_the_documented_grants_can_append_and_no_more(cluster: &Cluster) {
    let case = Case::new(Schema::new(cluster).await);
    let owner = case.create(10).await;
    let database = &case.store.database;
    cluster
        .run(database, "CREATE ROLE salus_node LOGIN PASSWORD 'a node'")
        .await;
    let [of_nodes, of_who_erases] = documented_grants();
    cluster.run(database, &of_nodes).await;
    let url = cluster.url_of("salus_node", "a%20node", database, SCHEMA);
    let node = Ledger::open(Place::parse(&url).unwrap(), case.signer())
        .await
        .unwrap();
    answer(node.reserve(question()).await.unwrap())
        .await
        .unwrap();
    owner.refuse(refusal()).await.unwrap();
    node.reuse(question()).await.unwrap().unwrap();
    node.reserve(question()).await.unwrap().abort().await;
    verified(&node).await;

    let mut db = PgConnectOptions::new_without_pgpass()
        .socket(cluster.dir())
        .username("salus_node")
        .password("a node")
        .database(database)
        .connect()
        .await
        .unwrap();
    run(&mut db, &format!("SET search_path = {SCHEMA}"))
        .await
        .unwrap();
    for forbidden in [
        "UPDATE entries SET kind = kind",
        "DELETE FROM entries",
        "TRUNCATE entries CASCADE",
        "DELETE FROM openings",
        "INSERT INTO erasures VALUES (6, 0)",
        "DELETE FROM plans",
        "INSERT INTO accounts SELECT 'more', cap_rho, cap_delta, 0, spent_delta FROM accounts",
        "UPDATE accounts SET scope = 'space:elsewhere'",
        "UPDATE sequencer SET format = 5",
        "ALTER TABLE entries DISABLE TRIGGER remain",
        "DROP TABLE openings",
        "DROP FUNCTION forbid() CASCADE",
        "CREATE TABLE more (idx bigint)",
        "SET session_replication_role = replica",
        "ALTER SYSTEM SET fsync = off",
    ] {
        let refused = run(&mut db, forbidden).await.unwrap_err();
        let code = refused
            .as_database_error()
            .and_then(|error| error.code().map(Cow::into_owned));
        assert_eq!(code.as_deref(), Some("42501"), "{forbidden}: {refused}");
    }
    // A table of its own that stands before the real one in the path of the functions changes nothing.
    run(&mut db, "CREATE TEMP TABLE sequencer AS SELECT true AS one, 4 AS format, 9 AS epoch, 'me' AS holder").await.unwrap();
    run(&mut db, "SELECT set_config('salus.fence', '9/me', false)")
        .await
        .unwrap();
    run(&mut db, "SET search_path = pg_temp, riverside")
        .await
        .unwrap();
    let forged = "INSERT INTO entries SELECT (SELECT count(*) FROM entries), kind, bytes FROM entries WHERE idx = 5";
    assert!(run(&mut db, forged).await.is_err());
    // It makes no ledger either, and is told what it lacks.
    let elsewhere = cluster.url_of("salus_node", "a%20node", database, "elsewhere");
    let refused =
        Ledger::create(Place::parse(&elsewhere).unwrap(), case.signer(), genesis(1)).await;
    assert!(
        matches!(&refused, Err(Error::Unavailable(what)) if what.contains("docs/postgres.md")),
        "{refused:?}"
    );
    // Who erases has more, and no more than that.
    let texts = Erase::Entries(6..=6);
    let refused = node.erase(&texts).await;
    assert!(matches!(refused, Err(Error::Unavailable(_))), "{refused:?}");
    cluster.run(database, &of_who_erases).await;
    let erased = node.erase(&texts).await.unwrap();
    assert_eq!((erased.questions, erased.scrubbed), (1, false));
    verified(&node).await;
}

/// Makes the server read its settings, and waits until a new session has this value: a signal tells the server, some time.
async fn reload(cluster: &Cluster, setting: &str, value: &str) {
    cluster.run("postgres", "SELECT pg_reload_conf()").await;
    let asked = Instant::now();
    loop {
        let mut db = cluster.connect("postgres").await;
        let show = AssertSqlSafe(format!("SHOW {setting}"));
        let found: String = sqlx::query_scalar(show).fetch_one(&mut db).await.unwrap();
        db.close().await.unwrap();
        if found == value {
            return;
        }
        assert!(asked.elapsed() < Duration::from_mins(1), "{found}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

pub(crate) async fn a_server_that_can_lose_commits_is_not_used(cluster: &Cluster) {
    let case = Case::new(Schema::new(cluster).await);
    case.create(10).await.close().await.unwrap();
    for setting in ["fsync", "full_page_writes"] {
        cluster
            .run("postgres", &format!("ALTER SYSTEM SET {setting} = off"))
            .await;
        reload(cluster, setting, "off").await;
        let refused = case.open().await;
        cluster
            .run("postgres", &format!("ALTER SYSTEM RESET {setting}"))
            .await;
        reload(cluster, setting, "on").await;
        assert!(
            matches!(refused, Err(Error::Unavailable(what)) if what.contains(setting)),
            "{refused:?}"
        );
    }
    // What a role or a database is set to does not count: the session is.
    let lazy = format!(
        "ALTER DATABASE {} SET synchronous_commit = off",
        case.store.database
    );
    cluster.run("postgres", &lazy).await;
    case.open().await.unwrap().refuse(refusal()).await.unwrap();
}

pub(crate) async fn what_cannot_be_reached_is_said_without_secrets(cluster: &Cluster) {
    let case = Case::new(Schema::new(cluster).await);
    let database = case.store.database.clone();
    let socket = cluster.dir().display().to_string();
    let elsewhere = tempfile::tempdir().unwrap();
    for (url, what) in [
        (cluster.url(&database, SCHEMA), "no ledger in this schema"),
        (cluster.url("nowhere", SCHEMA), "no such database"),
        (
            cluster.url_of("owner", "open-sesame", &database, SCHEMA),
            "user or the password",
        ),
        (
            cluster.url_of("nobody", "open-sesame", &database, SCHEMA),
            "user or the password",
        ),
        (
            cluster
                .url_of("owner", "open-sesame", &database, SCHEMA)
                .replace(&socket, &elsewhere.path().display().to_string()),
            "cannot be made",
        ),
    ] {
        let refused = Ledger::open(Place::parse(&url).unwrap(), case.signer())
            .await
            .unwrap_err();
        let said = format!("{refused} {refused:?}");
        assert!(matches!(refused, Error::Unavailable(_)), "{said}");
        assert!(
            said.contains(what) && !said.contains("sesame") && !said.contains("owner"),
            "{said}"
        );
    }
}

/// A dump is a backup like any other: whole in every respect, and old.
pub(crate) async fn an_old_dump_is_refused(cluster: &Cluster) {
    let case = Case::new(Schema::new(cluster).await);
    let ledger = case.create_in(10, case.anchored()).await;
    answer(ledger.reserve(question()).await.unwrap())
        .await
        .unwrap();
    let (database, file) = (&case.store.database, cluster.dir().join("yesterday.dump"));
    let dumped = cluster
        .command("pg_dump")
        .args(["-Fc", "-f"])
        .arg(&file)
        .arg(database)
        .output()
        .unwrap();
    succeeded(&dumped);
    answer(ledger.reserve(question()).await.unwrap())
        .await
        .unwrap();
    ledger.close().await.unwrap();

    let away = format!("DROP SCHEMA {SCHEMA} CASCADE");
    cluster.run(database, &away).await;
    let restored = cluster
        .command("pg_restore")
        .args(["-d", database])
        .arg(&file)
        .output()
        .unwrap();
    succeeded(&restored);
    let refused = case.open_in(case.anchored()).await;
    let Err(Error::Integrity(why)) = refused else {
        panic!("{refused:?}")
    };
    assert!(
        why.contains("put back to an earlier state") && why.contains("Put the newest state back"),
        "{why}"
    );
    // Nothing but the anchor tells: the dump is whole, its triggers and constraints too.
    let ledger = case.open().await.unwrap();
    verified(&ledger).await;
    assert!(case.store.run("DELETE FROM entries").await.is_err());
}
