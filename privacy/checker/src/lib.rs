//! An independent verifier of the Salus ledger.
//!
//! The ledger claims: *these are the questions that were answered about these people, this is what
//! each cost, the sum never passed the cap, and nothing was removed or rewritten*. This crate checks
//! the claim from static files. It was written from `docs/ledger-format.md`, RFC 6962 and the C2SP
//! specifications alone.
//!
//! **Architecture invariant**: it depends on no other crate of the repository, so an error in
//! the ledger's own arithmetic cannot hide in the program that checks it. It holds no floating-point
//! number and does not panic, whatever bytes it is given.
//!
//! # How a log is read
//!
//! 1. [`audit`] decodes every entry with a strict reader (rule F1), and re-derives each certificate (P1, P2) and its price
//!    (P3 to P5) in exact rationals: of each entry by itself, on all processors.
//! 2. One pass over the entries, in order, follows references (F2, F3), holds what keys and officers have signed against
//!    who they were at the time (K1, A1, O1, G1), folds the purse and its limits (B1 to B3), and says how the log opens
//!    and ends (E1, E2), and where its restricted log is anchored (N1).
//! 3. The Merkle tree is rebuilt from the bytes and held against every signed checkpoint (T1, T2) and
//!    every review (R1); cosignatures of the newest against the auditor's policy (W1); what the log opens with
//!    against the log before it, where the auditor brings that (E3); the restricted log, where she is given it (N2, N3).
//!
//! Each failure is a [`Finding`]: the rule's name as in the format's page, and the entry's index.
//! What cannot be recomputed is listed in [`Report::attested`] and [`OUTSIDE`]; `docs/proofs/checker-rules.md`
//! has the table of all fields.
//!
//! ```
//! use salus_checker::{Evidence, audit};
//!
//! // A log without entries proves nothing, so it does not hold.
//! let report = audit(&Evidence::default());
//! assert!(!report.holds());
//! assert!(report.findings.iter().any(|f| f.rule == "F2"));
//! ```
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

mod ahead;
mod align;
mod alone;
mod audit;
mod budget;
mod cbor;
mod certificate;
mod checkpoints;
mod cosignature;
mod derivation;
mod document;
mod entry;
mod export;
mod fields;
mod grants;
mod json;
mod keys;
mod limits;
mod note;
mod officers;
mod opening;
mod policy;
mod price;
mod quantity;
mod receipt;
mod records;
mod references;
mod report;
mod restricted;
mod reviews;
mod seal;
mod statements;
mod succession;
mod text;
mod threshold;
mod ticks;
mod tree;
mod vkey;
mod window;
mod witnesses;

pub use audit::{Evidence, Trust, audit, audit_with};
pub use export::{Export, ExportError, RestrictedExport, read_export, read_restricted};
pub use fields::{FIELDS, Field, OUTSIDE, Standing};
pub use keys::log_keys;
pub use note::{Checkpoint, Note, NoteError};
pub use policy::{Policy, PolicyError};
pub use quantity::Loss;
pub use receipt::{Receipt, verify_receipt, verify_receipt_by};
pub use records::{
    GrantRecord, IncidentRecord, OfficerRecord, OpeningRecord, ReviewRecord, SealRecord, Witnessed,
};
pub use report::{Finding, Report, ScopeTotal};
pub use restricted::{Restricted, RestrictedReport};
pub use tree::{Frontier, Hash, leaf_hash, node_hash, verify_consistency, verify_inclusion};
pub use vkey::VerifierKey;
