//! The store: what the ledger needs of a database, in two engines that are held to the same tests.
//!
//! * [`sqlite`]: one file, shared by the processes of one machine. WAL with `synchronous=FULL`; writers queue on `BEGIN IMMEDIATE`.
//! * `postgres`: a schema of a server, shared by nodes on several machines. Writers queue on an advisory lock, and an epoch fences off
//!   whoever lost it.
//!
//! In both a commit that returned is durable, whatever a transaction reads is what it decides on, and constraints and triggers refuse
//! what the log does not allow. The statements are the same for both (`*.sql` in this folder); schema, lock and errors are each
//! engine's own. A [`Session`] is a connection, or a transaction on one.

mod bulk;
mod engine;
mod erasing;
mod place;
#[cfg(feature = "postgres")]
pub(crate) mod postgres;
pub(crate) mod restricted;
mod rows;
pub(crate) mod sqlite;

pub(crate) use bulk::*;
pub(crate) use engine::{Connection, Lock, Session, check_structure};
pub(crate) use erasing::*;
pub use place::Place;
#[cfg(feature = "postgres")]
pub use postgres::Server;
pub use rows::StoredEntry;
pub(crate) use rows::*;
