//! FHIR Bulk Data Access (SMART/HL7, "Flat FHIR"): an export from a server into a directory.
//!
//! A [`Job`] asks for an export, waits until it is ready, and downloads its files. It arrives whole or
//! says why not; whatever interrupts it, a crash included, it goes on where it was:
//!
//! ```no_run
//! # async fn example() -> Result<(), salus_bulk::BulkError> {
//! use std::sync::Arc;
//! use salus_bulk::{Auth, BackendServices, Job, Level, Options, Request, Silent, SigningKey};
//!
//! let mut request = Request::new("https://example.org/fhir", Level::Group("diabetes".into()))?;
//! request.set("_type", "Patient,Condition,Observation")?;
//! let keys = SigningKey::read("client.pem".as_ref())?;
//! let options = Options {
//!     auth: Auth::Backend(BackendServices::new("salus", keys).into()),
//!     ..Options::default()
//! };
//! let mut job = Job::start("export".as_ref(), request, options)?;
//! let export = job.run(Arc::new(Silent)).await?;
//! for (kind, files) in export.by_type() {
//!     let resources: u64 = files.iter().map(|file| file.resources).sum();
//!     println!("{kind}: {resources} in {} files", files.len());
//! }
//! let next = job.request().following(&export)?;   // only what changed since
//! # Ok(())
//! # }
//! ```
//!
//! # What can be relied on
//!
//! * **Whole.** A file counts when its length, its gzip trailer and its last line are right, and it is
//!   on disk under its name. Nothing is complete before that, and nothing complete is fetched again.
//! * **One instant.** Files of one resource type never come from two exports. When an export expires
//!   half-way, types that are whole are kept and [`Export::transaction_time`] is the earlier instant.
//! * **Tokens stay home.** The access token goes to the origin of the FHIR base and to those listed in
//!   [`Connection::trusted_origins`], only if the manifest asks for it, and never over a redirect that
//!   changes scheme, host or port. No error, log line or `Debug` output holds one.
//! * **Bounded.** Every answer, pause, number of attempts and file has a limit; memory does not depend
//!   on the size of files.
//! * **Ours to name.** No part of a file name comes from the server, but a resource type of plain
//!   letters.
//!
//! # How it works
//!
//! `request` says what is asked and `kickoff` asks it; `status` polls and `manifest` reads what comes;
//! `listing` gives every file a name that outlives its link; `download` fetches one file into a
//! `partial`, watched by `check`; `journal` makes each step durable, and `job` puts them in order.
//! Below them `transport` adds the token that `auth` obtains, `http` follows redirects within the rules
//! of `trust`, and `patience` says when to try again. The table of the specification's requirements is
//! in `docs/bulk-client.md`.
//!
//! # Why not reqwest's redirects and decompression?
//!
//! Its redirects cannot say that a body with patients' ids stays where it was sent; a decompressed
//! stream cannot be resumed with `Range`, and would lose the trailer that proves it whole.

mod auth;
mod check;
mod context;
mod deleted;
mod download;
mod error;
mod export;
mod http;
mod job;
mod journal;
mod kickoff;
mod listing;
mod log;
mod manifest;
mod ndjson;
mod options;
mod outcome;
mod partial;
mod patience;
mod request;
mod status;
mod text;
mod transport;
mod trust;

pub use auth::keys::{KeyAlgorithm, SigningKey, generate_key, jwks};
pub use auth::secret::Secret;
pub use auth::{Auth, BackendServices};
pub use deleted::{Deletion, deletions};
pub use error::BulkError;
pub use export::{Export, ExportedFile};
pub use job::Job;
pub use manifest::Section;
pub use ndjson::open;
pub use options::{Connection, Options, Pauses, Progress, Proxy, Silent};
pub use outcome::{IssueCount, summarise};
pub use request::{Level, Request};
