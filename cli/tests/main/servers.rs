//! Exports that a server is asked for, night after night.

use std::fs;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use serde_json::{Value, json};

use crate::support::{Done, Home, PERSONS};

/// What the server has, and what it was asked.
#[derive(Default)]
pub(crate) struct Store {
    /// Lines of the next export by file; names that begin with `deleted` or `error` stand in those lists of the manifest.
    pub(crate) files: Vec<(&'static str, String)>,
    pub(crate) time: &'static str,
    queries: Vec<String>,
    /// Statuses instead of files, one for each request.
    pub(crate) faults: Vec<u16>,
}

pub(crate) type Shared = Arc<Mutex<Store>>;

/// A server on the loopback that goes away with the test's process.
pub(crate) fn serve(store: &Shared) -> String {
    let (tell, told) = std::sync::mpsc::channel();
    let store = Arc::clone(store);
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async move {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            tell.send(listener.local_addr().unwrap()).unwrap();
            let app = Router::new()
                .route("/fhir/Patient/$export", get(kick_off))
                .route("/fhir/metadata", get(|| async { "{}" }))
                .route("/status", get(status))
                .route("/files/{name}", get(file))
                .with_state(store);
            axum::serve(listener, app).await.unwrap();
        });
    });
    let address: SocketAddr = told.recv().unwrap();
    format!("http://{address}/fhir")
}

async fn kick_off(
    State(store): State<Shared>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    assert_eq!(
        headers["prefer"].to_str().unwrap().split(',').next(),
        Some("respond-async")
    );
    let host = headers["host"].to_str().unwrap();
    let status = format!("http://{host}/status");
    store
        .lock()
        .unwrap()
        .queries
        .push(query.unwrap_or_default());
    (StatusCode::ACCEPTED, [(header::CONTENT_LOCATION, status)]).into_response()
}

async fn status(State(store): State<Shared>, headers: HeaderMap) -> Response {
    let host = headers["host"].to_str().unwrap();
    let store = store.lock().unwrap();
    let list = |wanted: &str| -> Vec<Value> {
        let names = store.files.iter().map(|(name, _)| *name);
        let section = |name: &str| {
            ["deleted", "error"]
                .into_iter()
                .find(|section| name.starts_with(section))
                .unwrap_or("output")
        };
        names
            .filter(|name| section(name) == wanted)
            .map(|name| {
                let kind = match wanted {
                    "deleted" => "Bundle",
                    "error" => "OperationOutcome",
                    _ => name,
                };
                json!({"type": kind, "url": format!("http://{host}/files/{name}")})
            })
            .collect()
    };
    let manifest = json!({
        "transactionTime": store.time, "request": "", "requiresAccessToken": false,
        "output": list("output"), "deleted": list("deleted"), "error": list("error"),
    });
    (
        [(header::CONTENT_TYPE, "application/json")],
        manifest.to_string(),
    )
        .into_response()
}

async fn file(State(store): State<Shared>, Path(name): Path<String>) -> Response {
    let mut store = store.lock().unwrap();
    // The first file always arrives.
    if let Some(fault) = (name != "Patient").then(|| store.faults.pop()).flatten() {
        return StatusCode::from_u16(fault).unwrap().into_response();
    }
    let text = store
        .files
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, text)| text.clone());
    match text {
        Some(text) => ([(header::CONTENT_TYPE, "application/fhir+ndjson")], text).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

fn patient(id: &str) -> String {
    format!(r#"{{"resourceType":"Patient","id":"{id}","birthDate":"1970-01-01"}}"#)
}

fn ingest(home: &Home, base: &str, more: &[&str]) -> Done {
    let arguments = [
        "ingest", "fhir", base, "--source", "clinic", "--format", "json",
    ];
    home.run(&[&arguments, more].concat())
}

#[test]
fn a_server_is_asked_for_everything_and_then_for_what_changed() {
    let store = Shared::default();
    let base = serve(&store);
    let outcome = r#"{"resourceType":"OperationOutcome","issue":[{"severity":"warning","code":"incomplete","diagnostics":"Claim is not exported"}]}"#;
    {
        let mut store = store.lock().unwrap();
        store.files = vec![
            (
                "Patient",
                [patient("a"), patient("b"), patient("c")].join("\n"),
            ),
            ("error1", outcome.into()),
        ];
        store.time = "2026-01-01T00:00:00Z";
        store.faults = vec![503]; // For the error file.
    }
    let home = Home::init(&[]);
    let first = ingest(&home, &base, &["--type", "Patient"]).exits(0);
    assert!(first.stderr.contains("incomplete"), "{}", first.stderr);
    let first = first.json();
    assert_eq!(first["tables"]["patient"]["rows"], 3);
    assert_eq!(first["export"]["issues"][0]["code"], "incomplete");
    assert_eq!(first["quarantined"]["no_table:OperationOutcome"], 1);
    // What was downloaded lies nowhere any more.
    assert!(!home.root().join("exports/clinic/job").exists());

    let bundle = r#"{"resourceType":"Bundle","type":"transaction","entry":[{"request":{"method":"DELETE","url":"Patient/b"}}]}"#;
    {
        let mut store = store.lock().unwrap();
        store.files = vec![("Patient", patient("d")), ("deleted1", bundle.into())];
        store.time = "2026-01-02T00:00:00Z";
    }
    let second = ingest(&home, &base, &["--type", "Patient"]).exits(0).json();
    assert_eq!(
        (&second["deletions"], &second["changed"]),
        (&json!(1), &json!(true))
    );
    let persons = home
        .run(&["quarantine", "list", "--format", "json"])
        .exits(0);
    assert!(persons.stdout.contains("OperationOutcome") || persons.stdout.contains("no_table"));

    // Nothing has changed: an empty export changes nothing.
    {
        let mut store = store.lock().unwrap();
        store.files = Vec::new();
        store.time = "2026-01-03T00:00:00Z";
    }
    let third = ingest(&home, &base, &["--type", "Patient"]).exits(0).json();
    assert_eq!(third["changed"], false);
    // Something else is asked for: then everything.
    ingest(&home, &base, &["--type", "Patient,Condition"]).exits(0);
    ingest(&home, &base, &["--type", "Patient,Condition", "--full"]).exits(0);
    let queries = store.lock().unwrap().queries.clone();
    let since: Vec<bool> = queries
        .iter()
        .map(|query| query.contains("_since"))
        .collect();
    assert_eq!(since, [false, true, true, false, false], "{queries:?}");
    assert!(
        queries[1].contains("2026-01-01") && queries[2].contains("2026-01-02"),
        "{queries:?}"
    );
    home.run(&["query", PERSONS, "--epsilon", "1"]).exits(0);
    home.run(&["ledger", "verify"]).exits(0);
}

#[test]
fn an_export_that_fails_is_taken_up_by_the_same_command() {
    let store = Shared::default();
    let base = serve(&store);
    {
        let mut store = store.lock().unwrap();
        let condition =
            r#"{"resourceType":"Condition","id":"1","subject":{"reference":"Patient/a"}}"#;
        store.files = vec![("Patient", patient("a")), ("Condition", condition.into())];
        store.time = "2026-01-01T00:00:00Z";
        // Not to be had, whatever is tried.
        store.faults = vec![403; 40];
    }
    let home = Home::init(&[]);
    let failed = ingest(&home, &base, &["--deadline", "1"]);
    assert_eq!(failed.code, Some(1), "{failed:#?}");
    assert!(failed.stderr.contains("goes on"), "{}", failed.stderr);
    let other = ingest(&home, &base, &["--type", "Condition"]).exits(2);
    assert!(other.stderr.contains("--restart"), "{}", other.stderr);
    store.lock().unwrap().faults.clear();
    let done = ingest(&home, &base, &[]).exits(0).json();
    assert_eq!(done["tables"]["patient"]["rows"], 1);
}

#[test]
fn odd_requests_are_refused_before_anybody_is_asked() {
    let home = Home::init(&[]);
    for (arguments, word) in [
        (vec!["http://ehr.example/fhir"], "http"),
        (
            vec!["https://ehr.example/fhir", "--type", "Pat ient"],
            "resource type",
        ),
        (
            vec![
                "https://ehr.example/fhir",
                "--type-filter",
                "Observation?_include=x",
            ],
            "_include",
        ),
        (
            vec!["https://ehr.example/fhir/Patient/$export", "--group", "7"],
            "--group",
        ),
        (
            vec!["https://ehr.example/fhir", "--source", "../up"],
            "--source",
        ),
        (vec!["nowhere/at/all"], "not a directory"),
    ] {
        let done = home
            .run(&[&["ingest", "fhir"], arguments.as_slice()].concat())
            .exits(2);
        assert!(done.stderr.contains(word), "{arguments:?}: {}", done.stderr);
    }
    assert!(!home.root().join("exports/default/job").exists());
}

#[test]
fn client_keys_are_made_and_only_their_public_halves_are_published() {
    let home = Home::init(&[]);
    let file = home.beside("client.pem");
    let path = file.to_str().unwrap();
    let made = home
        .run(&["key", "client", path, "--format", "json"])
        .exits(0)
        .json();
    assert_eq!(made["algorithm"], "ES384");
    home.run(&["key", "client", path]).exits(1);
    let set = home.run(&["key", "jwks", path]).exits(0);
    let set: Value = serde_json::from_str(&set.stdout).unwrap();
    let key = &set["keys"][0];
    assert_eq!((&key["kid"], &key["kty"]), (&made["kid"], &json!("EC")));
    assert!(key.get("d").is_none() && fs::read_to_string(&file).unwrap().contains("PRIVATE"));
}
