//! The certificate of a question: what it reads, how it is bounded, what it costs, in bytes that have one form.
//!
//! An answer is worth the proof that comes with it. Before a protected byte is read, the planner writes down which operators the
//! question has and which rule admits each ([`Step`]), how much one person can contribute ([`Bounds`]) and which noise pays for it
//! ([`Mechanism`]). [`Certificate::price`] recomputes the price from these alone; the ledger books that price and no other.
//!
//! Bytes come from a value model so small that a second program can be written from one page ([`Value`]; `docs/ledger-format.md`,
//! rule F1): unsigned integers, bytes, text, arrays, maps and booleans in the one deterministic CBOR form. Floats do not exist.
//!
//! ```
//! use salus_accounting::{Noise, Rational};
//! use salus_certificate::{Aggregate, Bounds, Certificate, EntryIndex, Mechanism, Step, Value};
//!
//! // Everybody counts once, in one of twelve groups; sigma is 50 persons.
//! let bounds = Bounds { step: 1, rows_per_person: 1, groups_per_person: 1, cells: 12, weighted: None };
//! let noise = Noise::DiscreteGaussian;
//! let count = Mechanism::new(noise, Aggregate::Persons, 1, &bounds, Rational::from(50))?;
//! let step = |rule: &str, inputs: &[u64], table: Option<&str>| Step {
//!     rule: rule.to_owned(),
//!     op: rule.to_owned(),
//!     inputs: inputs.to_vec(),
//!     table: table.map(str::to_owned),
//!     rows: 1,
//! };
//! let certificate = Certificate {
//!     dataset: EntryIndex(2),
//!     snapshot: EntryIndex(5),
//!     catalog: EntryIndex(3),
//!     policy: EntryIndex(4),
//!     unit: "person_id".to_owned(),
//!     steps: vec![step("S0", &[], Some("patient")), step("RELEASE", &[0], None)],
//!     releases: vec![bounds],
//!     keys: [0; 32],
//!     mechanisms: vec![count],
//! };
//! let loss = certificate.price()?;
//! assert_eq!(loss.rho.units(), (1u64 << 40).div_ceil(2 * 50 * 50)); // 1 / (2 · 50²), rounded up
//!
//! let bytes = certificate.to_value().encode();
//! assert_eq!(Certificate::from_value(Value::decode(&bytes)?)?, certificate);
//! # Ok::<(), salus_certificate::CertificateError>(())
//! ```
//!
//! **Architecture invariant:** this crate knows no plan, no data and no store; it depends on the accounting alone.

#![cfg_attr(
    not(test),
    warn(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects,
        clippy::float_arithmetic
    )
)]

mod certificate;
mod error;
mod fields;
mod price;
mod value;

pub use certificate::{
    Aggregate, Bounds, Certificate, EntryIndex, Mechanism, Step, Threshold, Weighted,
};
pub use error::CertificateError;
pub use fields::{Fields, Hash, delta_value, loss_value, text};
pub use price::sensitivity2;
pub use value::{MAX_DEPTH, Map, Value};
