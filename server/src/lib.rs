//! The gRPC front door: questions over the network, through the same gate.
//!
//! A server knows a [`House`]: where an engine, the ledger and the bearers of tokens come from. It knows nothing of how they are kept. What it
//! adds to [`salus_query::Engine::ask`] is who asks (a [token], never the caller's word), how many may ask at once ([`Limits`]), and the
//! wire form ([`proto`], from `proto/salus/v1/private.proto`).
//!
//! | step | where |
//! |---|---|
//! | TLS, or the loopback alone | [`Door`] |
//! | `authorization: Bearer …` → pseudonym | `caller` |
//! | a place, then a turn; the question goes on when its asker is gone | `desk` |
//! | options as decimal text → [`salus_query::Asking`] | `request` |
//! | [`salus_query::Engine::ask`], the receipt verified and kept | `service`, [`House`] |
//! | cells with error bars, loss, receipt | `reply` |
//! | what went wrong, in the words of the command line | `status` |
//!
//! # Guarantee
//! A status, its message and its details are functions of the request, the books, the catalog and the policy. Nothing that depends on a record
//! leaves by another way than through an answer that was paid for.

mod caller;
mod desk;
mod door;
mod house;
mod incoming;
mod reply;
mod request;
mod service;
mod status;
pub mod token;

/// Messages and services of `salus.v1`; their documentation is that of the .proto file.
#[allow(missing_docs, unreachable_pub, clippy::pedantic)]
pub mod proto {
    tonic::include_proto!("salus.v1");

    /// The .proto file itself, for clients in other languages.
    pub const FILE: &str = include_str!("../proto/salus/v1/private.proto");
}

pub use desk::Limits;
pub use door::{Door, DoorError, Tls};
pub use house::{Fault, House};
