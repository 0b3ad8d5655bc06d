//! A Bulk Data server that misbehaves on request: real sockets, real signatures, tokens that end.
//!
//! Faults wait in a queue for each kind of request and are used up one by one; a request that finds
//! none is answered properly.

mod auth;
mod file;
mod raw;

use std::collections::{HashMap, HashSet, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, Response, StatusCode};
use serde_json::{Value, json};

pub(crate) use auth::Client;
pub(crate) use file::gzip;
pub(crate) use raw::{Raw, raw};

/// Which kind of request a fault waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Stage {
    Discovery,
    Token,
    KickOff,
    Status,
    File,
    Delete,
}

/// What happens instead of the proper answer.
#[derive(Debug, Clone)]
pub(crate) enum Fault {
    /// This status with these headers and this body.
    Answer(u16, Vec<(&'static str, String)>, String),
    /// The proper body, cut after so many bytes by a connection that breaks.
    Cut(usize),
    /// The proper body in drops of a byte.
    Drip,
    /// White space without end.
    Endless,
    /// An answer that never begins.
    Silence,
    /// The server forgets the job.
    Forget,
}

impl Fault {
    pub(crate) fn status(status: u16) -> Self {
        Self::Answer(status, Vec::new(), String::new())
    }

    /// An OperationOutcome with a code.
    pub(crate) fn outcome(status: u16, code: &str) -> Self {
        let kind = ("content-type", "application/fhir+json".to_owned());
        Self::Answer(
            status,
            vec![kind],
            outcome(code, "Something went wrong").to_string(),
        )
    }

    pub(crate) fn redirect(status: u16, to: &str) -> Self {
        Self::Answer(status, vec![("location", to.to_owned())], String::new())
    }
}

pub(crate) fn outcome(code: &str, text: &str) -> Value {
    json!({"resourceType": "OperationOutcome",
        "issue": [{"severity": "error", "code": code, "diagnostics": text}]})
}

/// A file that the server exports.
#[derive(Debug, Clone)]
pub(crate) struct TestFile {
    pub(crate) section: &'static str,
    pub(crate) kind: &'static str,
    pub(crate) body: Vec<u8>,
}

impl TestFile {
    pub(crate) fn new(kind: &'static str, body: impl Into<Vec<u8>>) -> Self {
        Self {
            section: "output",
            kind,
            body: body.into(),
        }
    }

    pub(crate) fn lines(&self) -> u64 {
        let lines = self
            .body
            .split(|b| *b == b'\n')
            .filter(|line| !line.is_empty());
        lines.count() as u64
    }
}

/// `count` resources of a type, of some hundred bytes each.
pub(crate) fn resources(kind: &'static str, count: usize) -> TestFile {
    let line = |n: usize| {
        let text = "é".repeat(n % 300);
        json!({"resourceType": kind, "id": format!("{kind}-{n}"), "text": text}).to_string() + "\n"
    };
    TestFile::new(kind, (0..count).map(line).collect::<String>())
}

/// What the server saw of a request.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) stage: Option<Stage>,
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
    pub(crate) at: Instant,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// How the server behaves.
#[derive(Debug)]
pub(crate) struct Behaviour {
    pub(crate) files: Vec<TestFile>,
    /// Who may ask for tokens; nobody needs one if this is `None`.
    pub(crate) client: Option<auth::Client>,
    pub(crate) requires_token: Value,
    /// Times that the status is 202 before it is 200.
    pub(crate) polls: u32,
    pub(crate) progress: Option<&'static str>,
    pub(crate) retry_after: Option<String>,
    pub(crate) gzip: bool,
    /// Whether files have an `ETag` and `Range` is understood.
    pub(crate) ranges: bool,
    /// Files on each page of the manifest; all on one if zero.
    pub(crate) page: usize,
    /// Where file links begin: the server itself if `None`.
    pub(crate) links: Option<String>,
    /// Changes the manifest before it is sent.
    pub(crate) manifest: Option<fn(&mut Value)>,
    pub(crate) content_location: Option<String>,
    pub(crate) transaction_time: String,
    pub(crate) faults: HashMap<Stage, VecDeque<Fault>>,
    /// Links of an earlier epoch have expired.
    pub(crate) epoch: u32,
    /// The epoch goes on by itself after so many files.
    pub(crate) expire_after: Option<u32>,
    pub(crate) served: u32,
    pub(crate) smart: Option<Value>,
    pub(crate) metadata: Option<Value>,
    jobs: HashMap<u32, u32>,
    next_job: u32,
    /// Tokens, and how often each may still be used.
    pub(crate) tokens: HashMap<String, u32>,
    jtis: HashSet<String>,
    pub(crate) seen: Vec<Seen>,
}

impl Behaviour {
    /// Forgets every token, so that the next is the first again.
    pub(crate) fn reset_tokens(&mut self) {
        self.tokens.clear();
        self.jtis.clear();
    }

    /// How often each job will still be 202.
    pub(crate) fn polls_left(&mut self) -> impl Iterator<Item = &mut u32> {
        self.jobs.values_mut()
    }
}

/// A running server; it ends with the runtime of its test.
#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    /// What it calls itself.
    origin: Arc<Mutex<String>>,
    state: Arc<Mutex<Behaviour>>,
}

impl Server {
    pub(crate) async fn start(files: Vec<TestFile>) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = Self {
            address,
            origin: Arc::new(Mutex::new(format!("http://{address}"))),
            state: Arc::new(Mutex::new(Behaviour {
                files,
                client: None,
                requires_token: json!(false),
                polls: 1,
                progress: Some("50% complete, currently processing Patient resources"),
                retry_after: None,
                gzip: false,
                ranges: false,
                page: 0,
                links: None,
                manifest: None,
                content_location: None,
                transaction_time: "2026-01-01T00:00:00.000+00:00".into(),
                faults: HashMap::new(),
                epoch: 0,
                expire_after: None,
                served: 0,
                smart: None,
                metadata: None,
                jobs: HashMap::new(),
                next_job: 0,
                tokens: HashMap::new(),
                jtis: HashSet::new(),
                seen: Vec::new(),
            })),
        };
        let app = Router::new().fallback(handle).with_state(server.clone());
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        server
    }

    pub(crate) fn origin(&self) -> String {
        self.origin.lock().unwrap().clone()
    }

    pub(crate) fn rename(&self, origin: String) {
        *self.origin.lock().unwrap() = origin;
    }

    pub(crate) fn base(&self) -> String {
        format!("{}/eyJzdHUiOjR9/fhir", self.origin())
    }

    /// The behaviour, to be read or changed.
    pub(crate) fn with(&self) -> MutexGuard<'_, Behaviour> {
        self.state.lock().unwrap()
    }

    pub(crate) fn faults(&self, stage: Stage, faults: impl IntoIterator<Item = Fault>) {
        self.with().faults.entry(stage).or_default().extend(faults);
    }

    /// Requests of a kind, in their order.
    pub(crate) fn seen(&self, stage: Stage) -> Vec<Seen> {
        let seen = self.with();
        let seen = seen.seen.iter().filter(|seen| seen.stage == Some(stage));
        seen.cloned().collect()
    }
}

async fn handle(State(server): State<Server>, request: Request) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1 << 20)
        .await
        .unwrap_or_default();
    let path = parts
        .uri
        .path_and_query()
        .map_or("", |path| path.as_str())
        .to_owned();
    let seen = Seen {
        stage: stage(&parts.method, &path),
        method: parts.method,
        path,
        headers: parts.headers,
        body: String::from_utf8_lossy(&body).into_owned(),
        at: Instant::now(),
    };
    let fault = {
        let mut state = server.with();
        state.seen.push(seen.clone());
        let queue = seen.stage.and_then(|stage| state.faults.get_mut(&stage));
        queue.and_then(VecDeque::pop_front)
    };
    match fault {
        Some(Fault::Silence) => {
            tokio::time::sleep(Duration::from_mins(1)).await;
            answer(500, &[], Body::empty())
        }
        Some(Fault::Answer(status, headers, body)) => {
            let headers: Vec<(&str, &str)> =
                headers.iter().map(|(k, v)| (*k, v.as_str())).collect();
            answer(status, &headers, Body::from(body))
        }
        Some(Fault::Forget) => {
            server.with().jobs.clear();
            proper(&server, &seen, None)
        }
        fault => proper(&server, &seen, fault.as_ref()),
    }
}

fn stage(method: &Method, path: &str) -> Option<Stage> {
    let path = path.split('?').next().unwrap_or_default();
    Some(match path {
        _ if path.ends_with("/.well-known/smart-configuration") || path.ends_with("/metadata") => {
            Stage::Discovery
        }
        _ if path.ends_with("/auth/token") => Stage::Token,
        _ if path.ends_with("/$export") => Stage::KickOff,
        _ if path.contains("/bulkstatus/") && method == Method::DELETE => Stage::Delete,
        _ if path.contains("/bulkstatus/") => Stage::Status,
        _ if path.contains("/bulkfiles/") => Stage::File,
        _ => return None,
    })
}

fn proper(server: &Server, seen: &Seen, fault: Option<&Fault>) -> Response<Body> {
    let stage = match seen.stage {
        Some(Stage::Token) => return auth::token(server, seen),
        Some(Stage::Discovery) => return auth::discovery(server, seen),
        Some(stage) => stage,
        None => return refuse(404, "not-found", "no such place"),
    };
    let needs_token = stage != Stage::File || server.with().requires_token == json!(true);
    if needs_token && !auth::authorised(server, seen) {
        return refuse(401, "login", "Token expired");
    }
    match stage {
        Stage::KickOff => kick_off(server, seen),
        Stage::Delete => {
            let gone = server.with().jobs.remove(&number(&seen.path)).is_none();
            answer(if gone { 404 } else { 202 }, &[], Body::empty())
        }
        Stage::Status => status(server, seen),
        _ => file::serve(server, seen, fault),
    }
}

fn kick_off(server: &Server, seen: &Seen) -> Response<Body> {
    if !seen
        .header("prefer")
        .is_some_and(|prefer| prefer.contains("respond-async"))
    {
        return refuse(400, "invalid", "the Prefer header must be respond-async");
    }
    if seen.method == Method::POST {
        let body: Value = serde_json::from_str(&seen.body).unwrap_or_default();
        if body["resourceType"] != "Parameters" {
            return refuse(
                400,
                "invalid",
                "The POST body should be a Parameters resource",
            );
        }
    }
    let mut state = server.with();
    state.next_job += 1;
    let (job, polls) = (state.next_job, state.polls);
    state.jobs.insert(job, polls);
    let url = format!("{}/fhir/bulkstatus/{job}", server.origin());
    let location = state.content_location.clone().unwrap_or(url);
    let body = outcome("informational", "The export has been accepted").to_string();
    let location: Vec<(&str, &str)> = match location.as_str() {
        "" => vec![],
        location => vec![("content-location", location)],
    };
    answer(202, &location, Body::from(body))
}

fn number(path: &str) -> u32 {
    let path = path.split('?').next().unwrap_or_default();
    path.rsplit('/')
        .next()
        .and_then(|text| text.parse().ok())
        .unwrap_or_default()
}

fn status(server: &Server, seen: &Seen) -> Response<Body> {
    let mut state = server.with();
    let Some(polls) = state.jobs.get_mut(&number(&seen.path)) else {
        drop(state);
        return refuse(404, "not-found", "no such job");
    };
    if *polls > 0 {
        *polls -= 1;
        let mut headers = Vec::new();
        headers.extend(state.progress.map(|text| ("x-progress", text)));
        headers.extend(
            state
                .retry_after
                .as_deref()
                .map(|text| ("retry-after", text)),
        );
        return answer(202, &headers, Body::empty());
    }
    let page: usize = seen
        .path
        .split_once("page=")
        .and_then(|(_, page)| page.parse().ok())
        .unwrap_or(1);
    let manifest = manifest(server, &state, &seen.path, page);
    let date = "Thu, 01 Jan 2099 00:00:00 GMT";
    let headers = [("content-type", "application/json"), ("expires", date)];
    answer(200, &headers, Body::from(manifest.to_string()))
}

fn manifest(server: &Server, state: &Behaviour, path: &str, page: usize) -> Value {
    let links = state.links.clone();
    let origin = links.unwrap_or_else(|| format!("{}/fhir/bulkfiles", server.origin()));
    let mut manifest = json!({
        "transactionTime": state.transaction_time,
        "request": format!("{}/$export", server.base()),
        "requiresAccessToken": state.requires_token,
        "output": [], "deleted": [], "error": [],
    });
    let size = if state.page == 0 {
        usize::MAX
    } else {
        state.page
    };
    let first = (page - 1) * size;
    for (at, file) in state.files.iter().enumerate().skip(first).take(size) {
        let url = format!("{origin}/{at}.{}.ndjson?epoch={}", file.kind, state.epoch);
        let entry = json!({"type": file.kind, "url": url, "count": file.lines()});
        manifest[file.section].as_array_mut().unwrap().push(entry);
    }
    if state.files.len() > first.saturating_add(size) {
        let path = path.split('?').next().unwrap_or_default();
        let url = format!("{}{path}?page={}", server.origin(), page + 1);
        manifest["link"] = json!([{"relation": "next", "url": url}]);
    }
    if let Some(change) = state.manifest {
        change(&mut manifest);
    }
    manifest
}

pub(crate) fn answer(status: u16, headers: &[(&str, &str)], body: Body) -> Response<Body> {
    let mut response = Response::builder().status(StatusCode::from_u16(status).unwrap());
    for (name, value) in headers {
        response = response.header(*name, *value);
    }
    response.body(body).unwrap()
}

fn refuse(status: u16, code: &str, text: &str) -> Response<Body> {
    let headers = [("content-type", "application/fhir+json")];
    answer(
        status,
        &headers,
        Body::from(Bytes::from(outcome(code, text).to_string())),
    )
}
