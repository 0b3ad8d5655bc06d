//! An S3-compatible server, moto, on loopback, and in front of it a proxy that keeps a record and can do harm.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::header::{CONTENT_LENGTH, HOST, IF_NONE_MATCH, TRANSFER_ENCODING};
use axum::response::Response;
use salus_lake::Bucket;

/// What the tests sign with. Neither may be read anywhere else.
pub(crate) const ACCESS_KEY: &str = "AKIACANARYACCESSKEY";
pub(crate) const SECRET_KEY: &str = "canarySecretKeyThatNoMessageMayQuote";

/// What the proxy does with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Pass,
    /// Answers this status itself, and quotes what a server might quote.
    Status(u16),
    /// Passes it, and then breaks the answer.
    LoseAnswer,
    /// Passes it without its condition, as a server does that knows none.
    Unconditional,
    /// Passes it when [`Server::release`] is called.
    Hold,
    /// Passes nothing and answers nothing.
    Hang,
}

/// One request as the server saw it.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) range: Option<String>,
    pub(crate) conditional: bool,
    pub(crate) answered: usize,
}

type Rule = Box<dyn FnMut(&Asked) -> Fate + Send>;

struct Proxy {
    behind: String,
    client: reqwest::Client,
    rule: Mutex<Rule>,
    asked: Mutex<Vec<Asked>>,
    gate: tokio::sync::Semaphore,
    /// moto looks whether an object is there and then writes it; a real server does both at once.
    one_at_a_time: tokio::sync::Mutex<()>,
}

/// The server; it ends with this.
pub(crate) struct Server {
    moto: Child,
    proxy: Arc<Proxy>,
    port: u16,
}

impl Server {
    /// A server with an empty bucket `lake`; `None`, and a line about it, where it cannot be started and need not be.
    pub(crate) fn start() -> Option<Self> {
        let Some(python) = std::env::var_os("SALUS_S3_PYTHON") else {
            assert!(
                std::env::var_os("CI").is_none_or(|ci| ci != "true"),
                "SALUS_S3_PYTHON names no Python with moto"
            );
            println!("skipped: SALUS_S3_PYTHON names no Python with moto (see scripts/s3.sh)");
            return None;
        };
        let mut moto = Command::new(python)
            .args(["-c", include_str!("../../../../../scripts/s3-server.py")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("a Python");
        let mut line = String::new();
        let stdout = moto.stdout.take().expect("its output");
        BufReader::new(stdout).read_line(&mut line).expect("a port");
        let proxy = Arc::new(Proxy {
            behind: format!("http://127.0.0.1:{}", line.trim()),
            client: reqwest::Client::new(),
            rule: Mutex::new(Box::new(|_| Fate::Pass)),
            asked: Mutex::default(),
            gate: tokio::sync::Semaphore::new(0),
            one_at_a_time: tokio::sync::Mutex::default(),
        });
        let port = serve(Arc::clone(&proxy));
        Some(Self { moto, proxy, port })
    }

    /// The bucket with a prefix, for a test whose failures pass: it waits longer for an answer than a busy machine needs.
    pub(crate) fn bucket(&self, prefix: &str) -> Bucket {
        self.tried(prefix, Duration::from_mins(1), "60 seconds")
    }

    /// The bucket with a prefix, tried again for `patience`, for a test whose failures stay.
    pub(crate) fn impatient(&self, prefix: &str, patience: Duration) -> Bucket {
        self.tried(prefix, patience, "5 seconds")
    }

    fn tried(&self, prefix: &str, patience: Duration, timeout: &str) -> Bucket {
        let address = format!("s3://lake/{prefix}");
        let timeout = ("AWS_TIMEOUT".to_owned(), timeout.to_owned());
        let variables = self.variables().into_iter().chain([timeout]);
        Bucket::s3_retrying(&address, variables, patience).expect("a bucket")
    }

    /// The environment that leads here.
    pub(crate) fn variables(&self) -> Vec<(String, String)> {
        [
            ("AWS_ENDPOINT", format!("http://127.0.0.1:{}", self.port)),
            ("AWS_ALLOW_HTTP", "true".into()),
            ("AWS_REGION", "us-east-1".into()),
            ("AWS_ACCESS_KEY_ID", ACCESS_KEY.into()),
            ("AWS_SECRET_ACCESS_KEY", SECRET_KEY.into()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into()
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Lets one request go that was held.
    pub(crate) fn release(&self) {
        self.proxy.gate.add_permits(1);
    }

    /// From now on the first attempt to publish a snapshot meets this fate; tells when it has come.
    pub(crate) fn at_the_next_snapshot(&self, fate: Fate) -> std::sync::mpsc::Receiver<()> {
        let (tell, told) = std::sync::mpsc::channel();
        let mut come = false;
        self.rule(move |asked| {
            let publishes = asked.conditional && asked.path.contains("_snapshots/");
            if come || !publishes {
                return Fate::Pass;
            }
            come = true;
            let _ = tell.send(());
            fate
        });
        told
    }

    /// What happens to requests from now on.
    pub(crate) fn rule(&self, rule: impl FnMut(&Asked) -> Fate + Send + 'static) {
        *self.proxy.rule.lock().expect("a rule") = Box::new(rule);
    }

    /// The requests since the last call.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        std::mem::take(&mut *self.proxy.asked.lock().expect("a record"))
    }

    /// Every object of the bucket by its name, read past proxy and library.
    pub(crate) async fn objects(&self) -> Vec<(String, Vec<u8>)> {
        let ask = async |path: &str| {
            let request = self
                .proxy
                .client
                .get(format!("{}/{path}", self.proxy.behind));
            // moto asks that there be a signature, and not that it be right.
            let signed = request.header("authorization", "AWS4-HMAC-SHA256 Credential=a/b/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=c");
            signed
                .send()
                .await
                .expect("moto")
                .bytes()
                .await
                .expect("a body")
        };
        let list = ask("lake?list-type=2&max-keys=1000").await;
        let list = String::from_utf8(list.to_vec()).expect("XML");
        assert!(list.contains("<IsTruncated>false"), "{list}");
        let mut objects = Vec::new();
        for part in list.split("<Key>").skip(1) {
            let (name, _) = part.split_once("</Key>").expect("XML");
            objects.push((name.to_owned(), ask(&format!("lake/{name}")).await.to_vec()));
        }
        objects
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.moto.kill();
        let _ = self.moto.wait();
    }
}

/// Serves on threads of its own, so that a test may block.
fn serve(proxy: Arc<Proxy>) -> u16 {
    let (tell, port) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        runtime.block_on(async move {
            let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0))
                .await
                .expect("a port");
            tell.send(listener.local_addr().expect("a port").port())
                .expect("a test");
            let app = Router::new().fallback(pass).with_state(proxy);
            axum::serve(listener, app).await.expect("a server");
        });
    });
    port.recv().expect("a port")
}

async fn pass(State(proxy): State<Arc<Proxy>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let body = to_bytes(body, usize::MAX).await.expect("a body");
    let header = |name| Some(head.headers.get(name)?.to_str().ok()?.to_owned());
    let conditional = head.headers.contains_key(IF_NONE_MATCH);
    let mut asked = Asked {
        method: head.method.to_string(),
        path: head
            .uri
            .path_and_query()
            .map_or_else(String::new, ToString::to_string),
        range: header("range"),
        conditional,
        answered: 0,
    };
    let fate = (proxy.rule.lock().expect("a rule"))(&asked);
    if let Fate::Status(status) = fate {
        proxy.asked.lock().expect("a record").push(asked);
        return answer(status, &header("authorization").unwrap_or_default());
    }
    match fate {
        Fate::Hang => std::future::pending().await,
        Fate::Hold => proxy.gate.acquire().await.expect("a gate").forget(),
        _ => {}
    }
    let turn = if conditional {
        Some(proxy.one_at_a_time.lock().await)
    } else {
        None
    };
    let mut headers = head.headers;
    for name in [HOST, CONTENT_LENGTH, TRANSFER_ENCODING] {
        headers.remove(name);
    }
    if fate == Fate::Unconditional {
        headers.remove(IF_NONE_MATCH);
    }
    let url = format!("{}{}", proxy.behind, asked.path);
    let passed = proxy
        .client
        .request(head.method, url)
        .headers(headers)
        .body(body);
    let got = passed.send().await.expect("moto");
    drop(turn);
    let (status, headers) = (got.status(), got.headers().clone());
    let bytes = got.bytes().await.expect("an answer");
    asked.answered = bytes.len();
    proxy.asked.lock().expect("a record").push(asked);
    if fate == Fate::LoseAnswer {
        return answer(500, "lost");
    }
    let mut response = Response::new(Body::from(bytes));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response.headers_mut().remove(TRANSFER_ENCODING);
    response
}

/// An answer as servers give it: some quote the access key, or the request that was signed.
fn answer(status: u16, quoted: &str) -> Response {
    let text = format!("<Error><AWSAccessKeyId>{ACCESS_KEY}</AWSAccessKeyId>{quoted}</Error>");
    let response = Response::builder().status(status);
    response.body(Body::from(text)).expect("an answer")
}
