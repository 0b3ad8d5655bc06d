//! A job against the test server, and what must have come of it.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use salus_bulk::{
    Auth, BackendServices, BulkError, Connection, Export, ExportedFile, Job, Level, Options,
    Pauses, Progress, Proxy, Request, SigningKey, Silent,
};
use tempfile::TempDir;

use crate::server::{Client, Server, TestFile, resources};

/// Options that lose no time.
pub(crate) fn quick() -> Options {
    let pauses = Pauses {
        shortest: Duration::from_millis(2),
        longest: Duration::from_millis(30),
    };
    Options {
        polling: pauses,
        retries: pauses,
        connection: Connection {
            proxy: Proxy::None,
            read_timeout: Duration::from_secs(5),
            answer_timeout: Duration::from_secs(5),
            ..Connection::default()
        },
        deadline: Some(Duration::from_mins(2)),
        ..Options::default()
    }
}

/// Options of a registered client.
pub(crate) fn backend(client: &str, keys: Vec<SigningKey>) -> Options {
    Options {
        auth: Auth::Backend(BackendServices::new(client, keys).into()),
        ..quick()
    }
}

/// As many uses as a job may want.
pub(crate) const MANY: u32 = u32::MAX;

/// Makes the server want tokens for `keys`, each of them good for so many `uses`.
pub(crate) fn register(server: &Server, keys: &[SigningKey], uses: u32) {
    let mut state = server.with();
    state.client = Some(Client {
        id: "salus-test".into(),
        jwks: salus_bulk::jwks(keys),
        uses,
        scope: "system/*.rs",
    });
    state.requires_token = serde_json::json!(true);
}

/// Some files of several types and sizes.
pub(crate) fn population() -> Vec<TestFile> {
    vec![
        resources("Patient", 40),
        resources("Observation", 3000),
        resources("Observation", 2000),
        resources("Condition", 1),
        TestFile::new("Encounter", ""),
        TestFile::new(
            "Device",
            "{\"resourceType\":\"Device\",\"id\":\"no-line-feed\"}",
        ),
    ]
}

pub(crate) struct Trial {
    pub(crate) server: Server,
    pub(crate) home: TempDir,
}

impl Trial {
    pub(crate) async fn new(files: Vec<TestFile>) -> Self {
        Self {
            server: Server::start(files).await,
            home: tempfile::tempdir().unwrap(),
        }
    }

    pub(crate) fn dir(&self) -> PathBuf {
        self.home.path().join("job")
    }

    pub(crate) fn request(&self) -> Request {
        Request::new(&self.server.base(), Level::Patient).unwrap()
    }

    pub(crate) fn job(&self, options: Options) -> Job {
        Job::start(&self.dir(), self.request(), options).unwrap()
    }

    pub(crate) async fn run(&self, options: Options) -> Result<Export, BulkError> {
        self.job(options).run(Arc::new(Silent)).await
    }

    pub(crate) async fn resume(&self, options: Options) -> Result<Export, BulkError> {
        self.again(options).await?.run(Arc::new(Silent)).await
    }

    /// The job as it lies there. A run that was dropped may still be writing: the directory is free when it has ended.
    pub(crate) async fn again(&self, options: Options) -> Result<Job, BulkError> {
        loop {
            match Job::resume(&self.dir(), options.clone()) {
                Err(BulkError::Busy(_)) => tokio::time::sleep(Duration::from_millis(1)).await,
                other => return other,
            }
        }
    }

    /// Runs, and compares every byte.
    pub(crate) async fn arrives(&self, options: Options) -> Export {
        let export = self.run(options).await.unwrap();
        self.compare(&export);
        export
    }

    /// Every byte of every file is there, once, and nothing else.
    pub(crate) fn compare(&self, export: &Export) {
        let state = self.server.with();
        for (section, found) in [
            ("output", &export.output),
            ("deleted", &export.deleted),
            ("error", &export.errors),
        ] {
            let expected = state.files.iter().filter(|file| file.section == section);
            let mut expected: Vec<(String, Vec<u8>)> = expected
                .map(|file| (file.kind.to_owned(), file.body.clone()))
                .collect();
            let mut found: Vec<(String, Vec<u8>)> = found
                .iter()
                .map(|file| (file.kind.clone().unwrap_or_default(), content(file)))
                .collect();
            expected.sort();
            found.sort();
            let sizes = |files: &[(String, Vec<u8>)]| -> Vec<(String, usize)> {
                files
                    .iter()
                    .map(|(kind, body)| (kind.clone(), body.len()))
                    .collect()
            };
            assert_eq!(sizes(&found), sizes(&expected), "{section}");
            assert!(found == expected, "bytes differ in {section}");
        }
        let output = fs::read_dir(export.dir.join("output")).unwrap().count();
        assert_eq!(output, export.output.len(), "nothing else lies there");
    }

    /// The run log and the journal.
    pub(crate) fn records(&self) -> String {
        let mut all = String::new();
        for name in ["log.ndjson", "job.json", "files.ndjson", "listing-1.json"] {
            all += &fs::read_to_string(self.dir().join(name)).unwrap_or_default();
        }
        all
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.dir().join("log.ndjson")).unwrap()
    }
}

/// The content of a file, unpacked, after checking what is said about it.
pub(crate) fn content(file: &ExportedFile) -> Vec<u8> {
    let stored = fs::read(&file.path).unwrap();
    assert_eq!(stored.len() as u64, file.bytes);
    assert_eq!(sha256(&stored), file.sha256);
    let mut body = Vec::new();
    salus_bulk::open(&file.path)
        .unwrap()
        .read_to_end(&mut body)
        .unwrap();
    let lines = body.split(|b| *b == b'\n').filter(|line| !line.is_empty());
    assert_eq!(lines.count() as u64, file.resources);
    body
}

fn sha256(bytes: &[u8]) -> String {
    use sha2::Digest as _;
    use std::fmt::Write as _;
    let mut text = String::new();
    for byte in sha2::Sha256::digest(bytes) {
        write!(text, "{byte:02x}").unwrap();
    }
    text
}

/// Writes down what it hears.
#[derive(Default)]
pub(crate) struct Heard(pub(crate) Mutex<Vec<String>>);

impl Progress for Heard {
    fn waiting(&self, text: Option<&str>, _: Duration) {
        self.0
            .lock()
            .unwrap()
            .push(format!("waiting {}", text.unwrap_or("-")));
    }

    fn listed(&self, files: usize, missing: usize) {
        self.0
            .lock()
            .unwrap()
            .push(format!("listed {files} {missing}"));
    }

    fn completed(&self, _: &str, bytes: u64) {
        self.0.lock().unwrap().push(format!("completed {bytes}"));
    }
}

/// Files below `dir`, with their content, apart from logs.
pub(crate) fn tree(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    for folder in ["output", "deleted", "error"] {
        for entry in fs::read_dir(dir.join(folder)).unwrap() {
            let path = entry.unwrap().path();
            found.push((
                path.strip_prefix(dir).unwrap().display().to_string(),
                fs::read(&path).unwrap(),
            ));
        }
    }
    found.sort();
    found
}
