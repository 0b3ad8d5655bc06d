//! A home whose lake is in a bucket: the commands do not notice.

use std::collections::HashMap;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::Ipv4Addr;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{Method, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};

use crate::support::{BY_SEX, Done, Home, PERSONS, copy_tree, files, run, salus};

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

/// An anchor in a bucket, of which another ledger cannot make its own.
#[test]
fn a_ledger_whose_anchor_is_in_a_bucket_is_not_put_back() {
    let Some(server) = Server::start() else {
        return;
    };
    let home = Home::bare();
    let ask = |arguments: &[&str], code| server.reach(&mut home.command(arguments)).exits(code);
    ask(&["init", "--anchor", "s3://lake/anchor"], 0);
    let export = home.export(30, 5);
    ask(&["ingest", "fhir", export.to_str().unwrap()], 0);
    let question = ["query", "--fresh", PERSONS, "--epsilon", "0.05"];
    ask(&question, 0);
    let shown = ask(&["--format", "json", "anchor", "show"], 0).json();
    assert_eq!(shown["anchor"], "s3://lake/anchor");
    let anchored = shown["entries"].as_u64().unwrap();
    let before = home.beside("before");
    copy_tree(&home.root().join("ledger"), &before);
    ask(&question, 0);
    let shown = ask(&["--format", "json", "anchor", "show"], 0).json();
    assert!(shown["entries"].as_u64().unwrap() > anchored);
    // Somebody puts the ledger back, and her memory of it away.
    let newest = home.beside("newest");
    fs::rename(home.root().join("ledger"), &newest).unwrap();
    copy_tree(&before, &home.root().join("ledger"));
    fs::remove_dir_all(home.beside("state")).unwrap();
    ask(&question, 5);
    fs::remove_dir_all(home.root().join("ledger")).unwrap();
    fs::rename(&newest, home.root().join("ledger")).unwrap();
    ask(&question, 0);
    // It moves to another place, in the bucket or out of it, and the one before has ended.
    ask(&["anchor", "set", "s3://lake/second"], 0);
    ask(&question, 0);
    let other = Home::bare();
    let taken = ["init", "--anchor", "s3://lake/anchor"];
    let refused = server.reach(&mut other.command(&taken));
    assert!(
        refused.code != Some(0) && !other.root().exists(),
        "{refused:?}"
    );
    let directory = home.beside("anchor").display().to_string();
    ask(&["anchor", "set", &directory], 0);
    run(&mut home.command(&question)).exits(0);
    let wrong = ["anchor", "set", "s3://key:secret@lake/x"];
    assert!(ask(&wrong, 2).stderr.contains("s3://BUCKET/PREFIX"));
}

/// What it holds, and whether the answer to the first request that puts something is lost.
#[derive(Clone, Default)]
struct Careless {
    objects: Arc<Mutex<HashMap<String, Bytes>>>,
    loses: bool,
}

/// A store that takes every object, whatever is there.
async fn careless(
    State(store): State<Careless>,
    method: Method,
    uri: Uri,
    body: Bytes,
) -> Response {
    let mut objects = store.objects.lock().unwrap();
    let name = uri.path().to_owned();
    match method {
        Method::PUT => {
            let is_first = objects.is_empty();
            objects.insert(name, body);
            if is_first && store.loses {
                return StatusCode::BAD_GATEWAY.into_response();
            }
            (StatusCode::OK, [("etag", "\"1\"")]).into_response()
        }
        _ if uri.query().is_some_and(|query| query.contains("list-type")) => {
            r#"<?xml version="1.0"?><ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>"#.into_response()
        }
        _ => match objects.get(&name) {
            Some(found) => (
                [("etag", "\"1\""), ("last-modified", "Mon, 01 Jan 2024 00:00:00 GMT")],
                found.clone(),
            )
                .into_response(),
            None => StatusCode::NOT_FOUND.into_response(),
        },
    }
}

#[test]
fn a_store_that_lets_records_be_replaced_is_no_place_for_an_anchor() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    for loses in [false, true] {
        let listener = runtime
            .block_on(tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))
            .unwrap();
        let port = listener.local_addr().unwrap().port();
        let store = Careless {
            loses,
            ..Careless::default()
        };
        let app = Router::new().fallback(careless).with_state(store.clone());
        runtime.spawn(async { axum::serve(listener, app).await });
        let home = Home::bare();
        let done = run(home
            .command(&["init", "--anchor", "s3://lake/anchor"])
            .env("AWS_ENDPOINT", format!("http://127.0.0.1:{port}"))
            .env("AWS_ALLOW_HTTP", "true")
            .env("AWS_ACCESS_KEY_ID", ACCESS_KEY)
            .env("AWS_SECRET_ACCESS_KEY", SECRET_KEY));
        assert!(!store.objects.lock().unwrap().is_empty(), "{done:?}");
        assert_ne!(done.code, Some(0));
        assert!(done.stderr.contains("conditional writes"), "{done:?}");
        assert!(!home.root().exists());
    }
}
