//! The client against a server that misbehaves: a whole export arrives intact, or the error says why not.

mod auth;
mod conformance;
mod crash;
mod export;
mod faults;
mod hostile;
mod jobs;
mod many;
mod server;
mod support;
mod tls;
mod trust;
