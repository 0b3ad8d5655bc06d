//! A home whose lake is in a bucket: the commands do not notice.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use crate::support::{BY_SEX, Done, Home, files, run, salus};

const ACCESS_KEY: &str = "AKIACANARYACCESSKEY";
const SECRET_KEY: &str = "canarySecretKeyThatNoMessageMayQuote";

/// An S3-compatible server on loopback, with an empty bucket `lake`.
struct Server {
    moto: Child,
    port: String,
}

impl Server {
    fn start() -> Option<Self> {
        let Some(python) = std::env::var_os("SALUS_S3_PYTHON") else {
            assert!(
                std::env::var_os("CI").is_none_or(|ci| ci != "true"),
                "SALUS_S3_PYTHON names no Python with moto"
            );
            println!("skipped: SALUS_S3_PYTHON names no Python with moto (see scripts/s3.sh)");
            return None;
        };
        let mut moto = Command::new(python)
            .args(["-c", include_str!("../../../scripts/s3-server.py")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut port = String::new();
        BufReader::new(moto.stdout.take().unwrap())
            .read_line(&mut port)
            .unwrap();
        let port = port.trim().to_owned();
        Some(Self { moto, port })
    }

    /// The command with what leads here.
    fn reach(&self, command: &mut Command) -> Done {
        run(command
            .env("AWS_ENDPOINT", format!("http://127.0.0.1:{}", self.port))
            .env("AWS_ALLOW_HTTP", "true")
            .env("AWS_ACCESS_KEY_ID", ACCESS_KEY)
            .env("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
            .env("RUST_LOG", "trace")
            .env("RUST_BACKTRACE", "1"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.moto.kill();
        let _ = self.moto.wait();
    }
}

#[test]
fn a_home_with_its_lake_in_a_bucket_is_used_like_any() {
    let Some(server) = Server::start() else {
        return;
    };
    let home = Home::bare();
    let ask = |arguments: &[&str], code| {
        let done = server.reach(&mut home.command(arguments)).exits(code);
        for secret in [ACCESS_KEY, SECRET_KEY] {
            let quoted = done.stdout.contains(secret) || done.stderr.contains(secret);
            assert!(!quoted, "{done:?}");
        }
        done
    };
    ask(&["init", "--lake", "s3://lake/north"], 0);
    let settings = std::fs::read_to_string(home.root().join("home.yaml")).unwrap();
    assert!(settings.contains("lake: s3://lake/north"), "{settings}");
    let export = home.export(300, 5);
    let export = export.to_str().unwrap();
    let first = ask(&["--format", "json", "ingest", "fhir", export], 0).json();
    let again = ask(&["--format", "json", "ingest", "fhir", export], 0).json();
    assert_eq!(first["snapshot"], again["snapshot"], "{again}");
    let question = ["--format", "json", "query", BY_SEX, "--rho", "0.5"];
    let by_sex = ask(&question, 0).json();
    assert!(by_sex["rows"].as_array().unwrap().len() >= 2, "{by_sex}");
    ask(&["quarantine", "list"], 0);
    let patients = files(export.as_ref()).into_iter().find(|path| {
        let name = path.file_name().unwrap().to_str().unwrap();
        name.starts_with("Patient.")
    });
    let patients = std::fs::read_to_string(patients.unwrap()).unwrap();
    let patient: serde_json::Value =
        serde_json::from_str(patients.lines().next().unwrap()).unwrap();
    let patient = patient["id"].as_str().unwrap();
    ask(&["expunge", "--patient", patient, "--yes"], 0);
    ask(&["query", BY_SEX, "--rho", "0.5"], 0);
    ask(&["ledger", "verify"], 0);

    // The home holds no rows.
    let parquet = |path: &std::path::PathBuf| path.extension().is_some_and(|end| end == "parquet");
    assert!(!files(&home.root()).iter().any(parquet));
    let wrong = [
        "--home",
        "nowhere",
        "init",
        "--lake",
        "s3://key:secret@lake/x",
    ];
    let refused = server.reach(salus().args(wrong)).exits(2);
    assert!(refused.stderr.contains("s3://BUCKET/PREFIX"), "{refused:?}");
}
