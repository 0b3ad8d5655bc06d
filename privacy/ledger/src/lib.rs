//! The proof-carrying ledger: every question, its price and its fate, in a log that nobody can rewrite unseen.

#![cfg_attr(
    not(test),
    warn(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects
    )
)]

mod audit;
mod commitment;
mod create;
pub mod entry;
mod error;
mod evidence;
mod gate;
pub mod key;
mod ledger;
pub mod merkle;
pub mod note;
pub mod receipt;
mod store;
mod transaction;
mod writer;

pub use commitment::{Opening, commit};
pub use entry::{Body, Entry, Genesis, Kind};
pub use error::{Error, ReserveError, Result};
pub use evidence::Evidence;
pub use gate::{AnswerFailed, Charge, Exact, Published, Released};
pub use key::Signer;
pub use ledger::{Account, Clock, Fact, Facts, Ledger, Refusal, Reservation, system_clock};
pub use salus_certificate::EntryIndex;
pub use store::StoredEntry;
