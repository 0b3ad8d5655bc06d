//! The commands, one file each.

pub(crate) mod anchor;
pub(crate) mod budget;
pub(crate) mod catalog;
pub(crate) mod explain;
mod export;
pub(crate) mod ingest;
pub(crate) mod init;
pub(crate) mod key;
pub(crate) mod lake_view;
pub(crate) mod ledger;
pub(crate) mod officer;
mod officer_views;
pub(crate) mod policy;
pub(crate) mod proposal;
pub(crate) mod quarantine;
pub(crate) mod query;
pub(crate) mod receipt;
mod retention;
pub(crate) mod review;
pub(crate) mod suggest;
pub(crate) mod synth;
pub(crate) mod view;
pub(crate) mod witness;
