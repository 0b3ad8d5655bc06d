//! A PostgreSQL server of its own for the tests of one program: started in a temporary directory, reached over a socket, stopped at the end.

#![allow(
    dead_code,
    unreachable_pub,
    missing_docs,
    reason = "tests and benches use their own part"
)]

use std::fs::{self, Permissions};
use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _, PgConnection};
use tempfile::TempDir;

/// Starts the server, and ends it when the program that holds the other end of the pipe ends, however that ends.
const KEEPER: &str = r#"
"$0/postgres" -D "$1" >>"$1/log" 2>&1 &
server=$!
read -r word
kill -QUIT $server 2>/dev/null
wait $server
[ "$word" = again ] || rm -rf "$1"
"#;

const OWNER: &str = "owner";

pub struct Cluster {
    dir: TempDir,
    programs: PathBuf,
    /// User and group that the server runs as, where it would not run as this one.
    account: Option<(u32, u32)>,
    password: String,
    keeper: Option<Child>,
}

impl Cluster {
    /// A running server, or `None` where there is no PostgreSQL. Where `CI` is `true` that is a failure.
    pub async fn start() -> Option<Self> {
        let Some(programs) = programs() else {
            assert!(
                std::env::var("CI").as_deref() != Ok("true"),
                "there is no PostgreSQL, and CI must run its tests: scripts/postgres.sh installs it"
            );
            println!("skipped: there is no PostgreSQL (scripts/postgres.sh installs it)");
            return None;
        };
        let dir = tempfile::Builder::new()
            .prefix("salus-pg-")
            .tempdir()
            .unwrap();
        let account = is_root().then(account);
        if let Some((user, group)) = account {
            chown(dir.path(), Some(user), Some(group)).unwrap();
        }
        fs::set_permissions(dir.path(), Permissions::from_mode(0o700)).unwrap();
        let password = format!("{:016x}", getrandom::u64().unwrap());
        let mut cluster = Self {
            dir,
            programs,
            account,
            password,
            keeper: None,
        };
        cluster.initialise();
        cluster.begin().await;
        Some(cluster)
    }

    fn initialise(&self) {
        let secret = self.dir.path().join("password");
        fs::write(&secret, &self.password).unwrap();
        if let Some((user, group)) = self.account {
            chown(&secret, Some(user), Some(group)).unwrap();
        }
        let made = self
            .command("initdb")
            .args([
                "--auth=scram-sha-256",
                "--encoding=UTF8",
                "--no-locale",
                "--no-instructions",
            ])
            .arg(format!("--username={OWNER}"))
            .arg(format!("--pwfile={}", secret.display()))
            .arg("-D")
            .arg(self.data())
            .output()
            .unwrap();
        succeeded(&made);
        fs::remove_file(&secret).unwrap();
        let settings = format!(
            "listen_addresses = ''\nunix_socket_directories = '{}'\nmax_connections = 60\nshared_buffers = 32MB\n",
            self.dir.path().display()
        );
        let file = self.data().join("postgresql.conf");
        fs::OpenOptions::new()
            .append(true)
            .open(file)
            .unwrap()
            .write_all(settings.as_bytes())
            .unwrap();
    }

    /// Starts the server and waits until it lets somebody in.
    pub async fn begin(&mut self) {
        let mut keeper = Command::new("sh");
        if let Some((user, group)) = self.account {
            keeper.uid(user).gid(group);
        }
        let keeper = keeper
            .args(["-c", KEEPER])
            .arg(&self.programs)
            .arg(self.data())
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        self.keeper = Some(keeper);
        let since = Instant::now();
        while self.try_connect("postgres").await.is_err() {
            assert!(since.elapsed() < Duration::from_mins(1), "{}", self.log());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// `kill -9` for the server's first process; the others notice.
    pub fn kill(&mut self) {
        let pid = fs::read_to_string(self.data().join("postmaster.pid")).unwrap();
        signal("KILL", pid.lines().next().unwrap().parse().unwrap());
        self.let_go();
    }

    /// Stops the server as if its machine had lost power, but for the disk.
    pub fn stop_immediately(&mut self) {
        let stopped = self
            .command("pg_ctl")
            .args(["stop", "-m", "immediate", "-w", "-D"])
            .arg(self.data())
            .output()
            .unwrap();
        succeeded(&stopped);
        self.let_go();
    }

    /// Ends the keeper, so that another can begin.
    fn let_go(&mut self) {
        let mut keeper = self.keeper.take().unwrap();
        keeper.stdin.take().unwrap().write_all(b"again\n").unwrap();
        keeper.wait().unwrap();
    }

    /// A new database.
    pub async fn make(&self, database: &str) {
        self.run("postgres", &format!("CREATE DATABASE {database}"))
            .await;
    }

    /// Runs statements as the owner of everything.
    pub async fn run(&self, database: &str, sql: &str) {
        let mut db = self.connect(database).await;
        sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))
            .execute(&mut db)
            .await
            .unwrap();
    }

    pub async fn connect(&self, database: &str) -> PgConnection {
        self.try_connect(database).await.unwrap()
    }

    async fn try_connect(&self, database: &str) -> sqlx::Result<PgConnection> {
        PgConnectOptions::new_without_pgpass()
            .socket(self.dir.path())
            .username(OWNER)
            .password(&self.password)
            .database(database)
            .connect()
            .await
    }

    /// The address of a schema of a database.
    pub fn url(&self, database: &str, schema: &str) -> String {
        self.url_of(OWNER, &self.password, database, schema)
    }

    pub fn url_of(&self, user: &str, password: &str, database: &str, schema: &str) -> String {
        let socket = self.dir.path().display();
        format!("postgres://{user}:{password}@localhost/{database}?host={socket}&schema={schema}")
    }

    /// One of PostgreSQL's programs, as somebody whom it runs for.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.programs.join(program));
        if let Some((user, group)) = self.account {
            command.uid(user).gid(group);
        }
        command
            .env("PGHOST", self.dir.path())
            .env("PGUSER", OWNER)
            .env("PGPASSWORD", &self.password)
            .current_dir("/");
        command
    }

    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.data().join("log")).unwrap_or_default()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if let Some(mut keeper) = self.keeper.take() {
            drop(keeper.stdin.take());
            let _ = keeper.wait();
        }
    }
}

pub fn succeeded(output: &Output) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
}

pub fn signal(name: &str, process: u32) {
    let sent = Command::new("kill")
        .arg(format!("-{name}"))
        .arg(process.to_string())
        .status();
    assert!(sent.unwrap().success());
}

/// Where the server's programs are: on the path, or where Debian keeps them.
fn programs() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut places: Vec<PathBuf> = std::env::split_paths(&path).collect();
    if let Ok(versions) = fs::read_dir("/usr/lib/postgresql") {
        places.extend(versions.flatten().map(|version| version.path().join("bin")));
    }
    let found = places
        .into_iter()
        .find(|place| place.join("initdb").exists())?;
    // Links lead to where the other programs are.
    fs::canonicalize(found.join("initdb"))
        .ok()?
        .parent()
        .map(Path::to_owned)
}

fn is_root() -> bool {
    number(&["-u"]) == 0
}

/// PostgreSQL does not run as root.
fn account() -> (u32, u32) {
    (number(&["-u", "postgres"]), number(&["-g", "postgres"]))
}

fn number(arguments: &[&str]) -> u32 {
    let output = Command::new("id").args(arguments).output().unwrap();
    succeeded(&output);
    String::from_utf8(output.stdout)
        .unwrap()
        .trim()
        .parse()
        .unwrap()
}
