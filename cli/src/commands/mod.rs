//! One file per command.

pub(crate) mod budget;
pub(crate) mod catalog;
pub(crate) mod explain;
pub(crate) mod ingest;
pub(crate) mod init;
pub(crate) mod ledger;
pub(crate) mod policy;
pub(crate) mod query;
pub(crate) mod receipt;
pub(crate) mod suggest;
pub(crate) mod synth;
