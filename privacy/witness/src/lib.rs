//! Witnesses: somebody else who signs a checkpoint of the ledger only if it extends the one signed before.
//!
//! A ledger that was put back to an earlier state, anchor and all, is whole; but a witness remembers, and nothing leaves without it.
//! [`Witness`] is the memory, [`serve`] speaks the C2SP witness protocol (<https://c2sp.org/tlog-witness>), [`Quorum`] asks the witnesses
//! of a C2SP tlog-policy file. Either side can be another program's: the formats are of others.

mod client;
mod policy;
mod request;
mod server;
mod witness;

pub use client::Quorum;
pub use policy::{Policy, PolicyError};
pub use request::Request;
pub use server::serve;
pub use witness::{Refused, Witness};
