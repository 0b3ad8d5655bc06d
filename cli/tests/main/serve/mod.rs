//! `salus serve` as its callers meet it: the real process, a real client.

mod answers;
mod callers;
mod ends;
mod silence;

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use prost::Message as _;
use salus_server::proto::private_client::PrivateClient;
use salus_server::proto::{Answer, BudgetReply, Options, Question};
use serde_json::Value;
use tokio::runtime::Runtime;
use tonic::metadata::AsciiMetadataValue;
use tonic::transport::{Channel, ClientTlsConfig, Endpoint};
use tonic::{Request, Status};

use crate::support::{Done, Home};

/// A server process that goes away with the value.
struct Server {
    process: Child,
    url: String,
    stderr: PathBuf,
}

impl Server {
    /// `salus serve` on a free port of the loopback.
    fn of(home: &Home, options: &[&str]) -> Self {
        let arguments = ["--format", "json", "serve", "--listen", "127.0.0.1:0"];
        let stderr = home.beside("serve.stderr");
        let mut process = home
            .command(&[&arguments[..], options].concat())
            .env("RUST_LOG", "trace")
            .env("RUST_BACKTRACE", "1")
            .stdout(Stdio::piped())
            .stderr(File::create(&stderr).unwrap())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let stdout = process.stdout.take().unwrap();
        BufReader::new(stdout).read_line(&mut line).unwrap();
        let said: Value = serde_json::from_str(&line)
            .unwrap_or_else(|_| panic!("{line}{}", fs::read_to_string(&stderr).unwrap()));
        Self {
            process,
            url: said["url"].as_str().unwrap().to_owned(),
            stderr,
        }
    }

    /// SIGTERM.
    fn terminate(&self) {
        let id = self.process.id().to_string();
        let sent = Command::new("kill").args(["-TERM", &id]).status().unwrap();
        assert!(sent.success());
    }

    /// Waits until it ends by itself.
    fn ended(&mut self) -> ExitStatus {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.process.try_wait().unwrap() {
                return status;
            }
            assert!(begun.elapsed() < Duration::from_mins(1), "it does not end");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// What the operator read.
    fn said(&self) -> String {
        fs::read_to_string(&self.stderr).unwrap()
    }

    fn client(&self, token: &str) -> Client {
        Client::at(&self.url, token)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// One runtime for all clients of this process.
fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap()
    })
}

/// A client that bears a token.
#[derive(Clone)]
struct Client {
    stub: PrivateClient<Channel>,
    authorization: AsciiMetadataValue,
}

impl Client {
    fn over(channel: Channel, token: &str) -> Self {
        Self {
            stub: PrivateClient::new(channel),
            authorization: format!("Bearer {token}").parse().unwrap(),
        }
    }

    /// In the clear.
    fn at(url: &str, token: &str) -> Self {
        let endpoint = Endpoint::from_shared(url.to_owned()).unwrap();
        let _within = runtime().enter();
        Self::over(endpoint.connect_lazy(), token)
    }

    fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        let authorization = self.authorization.clone();
        request
            .metadata_mut()
            .insert("authorization", authorization);
        request
    }

    async fn asked(mut self, question: Question) -> Result<Answer, Status> {
        let request = self.request(question);
        Ok(self.stub.ask(request).await?.into_inner())
    }

    fn ask(&self, sql: &str, options: Options) -> Result<Answer, Status> {
        runtime().block_on(self.clone().asked(question(sql, options)))
    }

    fn price(&self, sql: &str, options: Options) -> Result<salus_server::proto::Quote, Status> {
        let (request, mut stub) = (self.request(question(sql, options)), self.stub.clone());
        runtime().block_on(async { Ok(stub.price(request).await?.into_inner()) })
    }

    fn explain(
        &self,
        sql: &str,
        options: Options,
    ) -> Result<salus_server::proto::Explanation, Status> {
        let (request, mut stub) = (self.request(question(sql, options)), self.stub.clone());
        runtime().block_on(async { Ok(stub.explain(request).await?.into_inner()) })
    }

    fn budget(&self) -> Result<BudgetReply, Status> {
        let request = self.request(salus_server::proto::BudgetRequest {});
        let mut stub = self.stub.clone();
        runtime().block_on(async { Ok(stub.budget(request).await?.into_inner()) })
    }
}

fn question(sql: &str, options: Options) -> Question {
    Question {
        sql: sql.to_owned(),
        purpose: String::new(),
        options: Some(options),
    }
}

/// Options with the price as epsilon.
fn epsilon(epsilon: &str) -> Options {
    Options {
        price: Some(salus_server::proto::options::Price::Epsilon(
            epsilon.to_owned(),
        )),
        ..Options::default()
    }
}

/// A token for a user: its id, and itself.
fn token(home: &Home, user: &str) -> (String, String) {
    let made = home.json(&["serve", "token", "add", user]);
    let text = |field: &str| made[field].as_str().unwrap().to_owned();
    (text("id"), text("token"))
}

/// The one detail of a status, of this name.
fn detail<T: prost::Message + Default>(status: &Status, name: &str) -> T {
    let rich = tonic_types::Status::decode(status.details()).unwrap();
    assert_eq!(rich.code, i32::from(status.code()));
    let [detail] = rich.details.as_slice() else {
        panic!("{status:?}")
    };
    assert_eq!(
        detail.type_url,
        format!("type.googleapis.com/salus.v1.{name}")
    );
    T::decode(detail.value.as_slice()).unwrap()
}

/// Applies the policy in force with another version, and these lines instead of its own.
fn apply(home: &Home, version: u64, lines: &str) -> Done {
    let text = home.run(&["policy", "show"]).exits(0).stdout;
    let field = |line: &str| line.split_once(':').map(|(field, _)| field.to_owned());
    let new: Vec<_> = lines.lines().filter_map(field).collect();
    let kept = text.lines().filter(|line| {
        let old = field(line);
        old.is_none_or(|old| old != "version" && old != "limits" && !new.contains(&old))
    });
    let kept: Vec<&str> = kept.collect();
    let file = home.beside("next.yaml");
    let text = format!("version: {version}\n{lines}\n{}\n", kept.join("\n"));
    fs::write(&file, text).unwrap();
    home.run(&["policy", "apply", file.to_str().unwrap()])
        .exits(0)
}

/// Connects under TLS, or says why not.
fn over_tls(url: &str, config: ClientTlsConfig) -> Result<Channel, String> {
    let endpoint = Endpoint::from_shared(url.to_owned()).unwrap();
    let connected = runtime().block_on(endpoint.tls_config(config).unwrap().connect());
    connected.map_err(|error| format!("{error:?}"))
}
