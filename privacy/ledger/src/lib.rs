//! The proof-carrying ledger: every question, its price and its fate, in a log that nobody can rewrite unseen.
//!
//! # The way of a question
//!
//! A question is priced by its [certificate](salus_certificate::Certificate). [`Ledger::reserve`] recomputes the price, takes it from
//! the purse of the identity space and appends a RESERVE entry; only when that entry is on the disk does a [`Charge`] exist. The engine
//! runs the plan and seals what it finds in [`Exact`], which nothing can look into but [`Charge::release`]: it adds the noise that was
//! paid for, lets the caller turn the noisy numbers into an answer, appends a RELEASE entry, and returns the answer with its receipt
//! only when that entry is on the disk as well. Whatever goes wrong in between becomes an ABORT. Nothing is ever refunded.
//!
//! ```
//! use std::collections::BTreeMap;
//!
//! use salus_accounting::{Delta, Loss, Noise, Rational, Rho};
//! use salus_certificate::{Aggregate, Bounds, Certificate, Mechanism, Step};
//! use salus_ledger::{Exact, Fact, Genesis, Ledger, Released, Reservation, key, receipt};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let home = tempfile::tempdir()?;
//! let signer = key::generate(&home.path().join("signing.key"), "riverside.example/ledger")?;
//! let cap = Loss { rho: Rho::parse_floor("0.01")?, delta: Delta::parse_floor("5e-7")? };
//! let genesis = Genesis {
//!     origin: "riverside.example/ledger".into(),
//!     space: "riverside".into(),
//!     ceiling: cap,
//!     cap,
//!     conversion_delta: Delta::parse_floor("5e-7")?,
//!     build: "0.1.0".into(),
//!     rules: 1,
//!     predecessor: None,
//!     restricted: None,
//! };
//! let ledger = Ledger::create(&home.path().join("ledger"), signer, genesis).await?;
//!
//! // What questions rest on.
//! let clinic = || "clinic".to_owned();
//! let dataset = ledger.record(Fact::Dataset { dataset: clinic(), unit: "person_id".into() }).await?;
//! let catalog = ledger.record(Fact::Catalog { dataset: clinic(), version: 1, sha256: [0; 32], parts: BTreeMap::new() }).await?;
//! let policy = Fact::Policy { version: 1, sha256: [0; 32], query_rho: Rho::parse_floor("0.005")?, limits: vec![] };
//! let policy = ledger.record(policy).await?;
//! let snapshot = Fact::Snapshot { dataset: clinic(), snapshot: 1, content: b"patient: version 0".to_vec() };
//! let snapshot = ledger.record(snapshot).await?;
//!
//! // How many persons of each sex? Everybody counts once; sigma is 20 persons.
//! let bounds = Bounds { step: 1, rows_per_person: 1, groups_per_person: 1, cells: 2, weighted: None };
//! let count = Mechanism::new(Noise::DiscreteGaussian, Aggregate::Persons, 1, &bounds, Rational::from(20))?;
//! let step = |rule: &str, inputs: Vec<u64>, table: Option<String>| Step {
//!     rule: rule.into(),
//!     op: rule.into(),
//!     inputs,
//!     table,
//!     rows: 1,
//! };
//! let certificate = Certificate {
//!     dataset,
//!     snapshot,
//!     catalog,
//!     policy,
//!     unit: "person_id".into(),
//!     steps: vec![step("S0", vec![], Some("patient".into())), step("RELEASE", vec![0], None)],
//!     releases: vec![bounds],
//!     keys: [0; 32],
//!     mechanisms: vec![count],
//! };
//! let charge = ledger
//!     .reserve(Reservation {
//!         principal: "analyst-1".into(),
//!         roles: vec!["analyst".into()],
//!         purpose: "HRESCH".into(),
//!         question: "SELECT sex, count(DISTINCT person_id) FROM patient GROUP BY sex".into(),
//!         plan: b"the operator tree".to_vec(),
//!         keys: b"female, male".to_vec(),
//!         certificate,
//!         retry: None,
//!     })
//!     .await?;
//!
//! // The budget is spent and that is on the disk: now the rows may be read.
//! let exact = Exact::seal(vec![vec![1200, 1100]]);
//! let to_text = async |noisy: &Released| Ok(format!("{:?}", noisy.columns[0]).into_bytes());
//! let published = charge.release(exact, to_text).await?;
//! assert_eq!(published.remaining.rho, cap.rho.checked_sub(published.cost.rho).unwrap());
//!
//! // Anybody with the verifier key can check the answer, now or in ten years.
//! let opened = receipt::verify(&published.receipt, &ledger.vkey())?;
//! assert_eq!(opened.answer, published.answer);
//! assert_eq!(opened.reserve, published.reserve);
//! ledger.close().await?;
//! # Ok(())
//! # }
//! ```
//!
//! # What is where
//!
//! * [`entry`]: what can stand in the log, in canonical bytes (`docs/ledger-format.md`).
//! * [`merkle`], [`note`], [`receipt`]: the RFC 6962 tree, C2SP signed checkpoints, C2SP tlog-proofs; the formats of others, so that the
//!   verifiers of others work on them.
//! * `store`: two engines behind one session: one SQLite file in WAL mode with `synchronous=FULL`, or a schema of a PostgreSQL server that
//!   several nodes share ([`Place`] says which). Triggers forbid every change of what was written; SQL texts and salts lie beside the log
//!   and can be erased.
//! * `writer`: one thread of this process, fed through a channel; up to 128 waiting requests share a transaction. Other processes and
//!   nodes may write as well: `transaction` reads everything a decision rests on under the database's write lock.
//! * `audit`: the tables compared with the log, at each opening and in [`Ledger::audit_accounts`]. Opening reads the whole log, some 20
//!   microseconds an entry.
//! * [`restricted`]: the second log, of what names or implies patients, anchored in the first.
//! * [`succession`]: how a log that was sealed or lost goes on in another, with what it had spent.
//! * `gate`: [`Exact`], [`Charge`], [`Released`]; `threshold`: which groups are answered where the keys are not public.
//!
//! # What it cannot see
//!
//! A database that was replaced by an earlier state of itself, key and all, is whole in every respect. Only what stands elsewhere
//! tells: receipts and exports that people keep, for now. Nor can a log say whether the bounds of a certificate were executed, or that
//! no second log is kept.
//!
//! **Architecture invariant:** balances change in `transaction::Transaction::reserve` and nowhere else (a repeated answer moves the analyst's
//! own limits, in `reuse`). No float, no DataFusion and no
//! data-dependent text enters this crate.

#![cfg_attr(
    not(test),
    warn(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects
    )
)]

pub mod anchor;
mod audit;
mod authority;
mod caps;
mod commitment;
pub mod cosign;
mod create;
mod ended;
pub mod entry;
mod error;
mod evidence;
mod gate;
pub mod key;
mod ledger;
mod limits;
pub mod merkle;
pub mod note;
mod proposal;
mod ration;
pub mod receipt;
pub mod restricted;
mod store;
pub mod succession;
mod threshold;
mod tiles;
mod transaction;
mod writer;

/// Ledgers in PostgreSQL: `docs/postgres.md`. They need a Tokio runtime with I/O and time enabled.
#[cfg(feature = "postgres")]
pub mod postgres {
    pub use crate::store::Server;
}

pub use commitment::{Opening, commit};
pub use ended::Ended;
pub use entry::{Body, Entry, Genesis, Kind};
pub use error::{Error, ReserveError, Result};
pub use evidence::{Evidence, key_in_force};
pub use gate::{AnswerFailed, Charge, Column, Exact, Groups, Published, Released};
pub use key::Signer;
pub use ledger::{
    Account, Again, Clock, Erase, Erased, Fact, Facts, Keyring, Ledger, Refusal, Reservation,
    Surroundings, system_clock,
};
pub use proposal::{Finding, Proposal};
pub use salus_certificate::EntryIndex;
pub use store::{Place, StoredEntry};
pub use writer::Preview;
