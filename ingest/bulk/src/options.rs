//! What a caller may choose, and what it hears meanwhile.

use std::fmt;
use std::time::Duration;

use url::Url;

use crate::auth::Auth;
use crate::auth::secret::Secret;
use crate::error::BulkError;

/// How to export. `Debug` shows no secret.
#[derive(Debug, Clone)]
pub struct Options {
    /// How to prove who we are.
    pub auth: Auth,
    /// How to reach servers.
    pub connection: Connection,
    /// Ask the server to ignore parameters that it does not know (`Prefer: handling=lenient`). What
    /// it ignored stands in the error files.
    pub lenient: bool,
    /// How long to wait between two looks at the status.
    pub polling: Pauses,
    /// How long to wait after something failed that may pass. A server may ask for more, up to the
    /// longest pause of `polling`.
    pub retries: Pauses,
    /// How often a request is tried before it counts as failed; at least 1. Progress resets it.
    pub attempts: u32,
    /// How often the export may be kicked off in all, when the server loses jobs or lets links
    /// expire; at least 1.
    pub kickoffs: u32,
    /// Files downloaded at once; at least 1.
    pub parallel: usize,
    /// Bytes that a file may have, as sent and unpacked.
    pub largest_file: u64,
    /// Time for the whole run, after which it can still be resumed.
    pub deadline: Option<Duration>,
    /// Whether to DELETE the job on the server when the deadline is over or the export failed. Then
    /// it cannot be resumed, only run anew.
    pub cancel_when_given_up: bool,
    /// Whether to DELETE the job on the server when every file has arrived, so that it can free space.
    pub delete_when_done: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            auth: Auth::None,
            connection: Connection::default(),
            lenient: false,
            polling: Pauses {
                shortest: Duration::from_secs(1),
                longest: Duration::from_mins(5),
            },
            retries: Pauses {
                shortest: Duration::from_secs(1),
                longest: Duration::from_mins(1),
            },
            attempts: 6,
            kickoffs: 3,
            parallel: 4,
            largest_file: 64 << 30,
            deadline: None,
            cancel_when_given_up: false,
            delete_when_done: false,
        }
    }
}

impl Options {
    /// Whether anything can come of them.
    pub(crate) fn check(&self) -> Result<(), BulkError> {
        if self.attempts == 0 || self.kickoffs == 0 || self.parallel == 0 {
            let text = "attempts, kick-offs and parallel downloads are at least 1";
            return Err(BulkError::Options(text.into()));
        }
        if let Auth::Backend(client) = &self.auth
            && (client.keys.is_empty() || client.client_id.is_empty())
        {
            let text = "Backend Services need a client id and at least one key";
            return Err(BulkError::Options(text.into()));
        }
        Ok(())
    }
}

/// Bounds of a pause, whoever suggests it: our own back-off or the server's `Retry-After`.
#[derive(Debug, Clone, Copy)]
pub struct Pauses {
    /// Never ask again sooner.
    pub shortest: Duration,
    /// Never wait longer.
    pub longest: Duration,
}

/// How to reach servers.
#[derive(Clone)]
pub struct Connection {
    /// Which proxy to use.
    pub proxy: Proxy,
    /// PEM certificates of authorities to trust besides those of the system.
    pub roots: Vec<Vec<u8>>,
    /// PEM of a certificate and its PKCS#8 key, to identify us in the TLS handshake (mutual TLS).
    pub identity: Option<Secret>,
    /// Time to connect.
    pub connect_timeout: Duration,
    /// Time for the head of an answer, and for the whole of one that is not a file.
    pub answer_timeout: Duration,
    /// Longest silence within a file.
    pub read_timeout: Duration,
    /// Fewest bytes that a file must bring in each `read_timeout`: a server that drips is treated as
    /// one that is silent.
    pub least_bytes: u64,
    /// Whether `http` is allowed to hosts other than the loopback. It never is once the base is
    /// `https`.
    pub allow_http: bool,
    /// Origins that may see the access token besides that of the base, such as
    /// `https://files.example.org`.
    pub trusted_origins: Vec<Url>,
}

impl Default for Connection {
    fn default() -> Self {
        Self {
            proxy: Proxy::Environment,
            roots: Vec::new(),
            identity: None,
            connect_timeout: Duration::from_secs(20),
            answer_timeout: Duration::from_mins(2),
            read_timeout: Duration::from_mins(1),
            least_bytes: 1024,
            allow_http: false,
            trusted_origins: Vec::new(),
        }
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("proxy", &self.proxy)
            .field("roots", &self.roots.len())
            .field("identity", &self.identity)
            .field("allow_http", &self.allow_http)
            .field("trusted_origins", &self.trusted_origins)
            .finish_non_exhaustive()
    }
}

/// Which proxy to use.
#[derive(Debug, Clone)]
pub enum Proxy {
    /// As `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY` say.
    Environment,
    /// None, whatever they say.
    None,
    /// This one, for everything; the address may hold a password.
    Url(Secret),
}

/// Hears how far an export is. Every method does nothing unless it is written.
pub trait Progress: Send + Sync {
    /// The server has accepted the request, for the `kickoffs`-th time.
    fn accepted(&self, kickoffs: u32) {
        let _ = kickoffs;
    }

    /// The export is not ready; the server says `text`, and is asked again after `pause`.
    fn waiting(&self, text: Option<&str>, pause: Duration) {
        let _ = (text, pause);
    }

    /// The manifest is known: `files` in all, of which `missing` are to be downloaded.
    fn listed(&self, files: usize, missing: usize) {
        let _ = (files, missing);
    }

    /// `bytes` more have arrived. What is thrown away again is not taken back.
    fn received(&self, bytes: u64) {
        let _ = bytes;
    }

    /// A file is complete and on disk.
    fn completed(&self, file: &str, bytes: u64) {
        let _ = (file, bytes);
    }

    /// Something failed that may pass; it is tried again after `pause`.
    fn retrying(&self, text: &str, pause: Duration) {
        let _ = (text, pause);
    }
}

/// Hears nothing.
#[derive(Debug, Clone, Copy)]
pub struct Silent;

impl Progress for Silent {}
