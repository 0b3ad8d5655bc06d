//! Views that fill tables of the lake.
//!
//! `admit` reads a `ViewDefinition` when it is added and makes the facts that the catalog declares; `bind` says what each of
//! its columns becomes; `feed` evaluates views on lines during an ingest; `person` names the types that are about somebody;
//! `shipped` says the tables that ship as views.

mod admit;
mod bind;
mod feed;
mod person;
mod shipped;

pub use admit::{Admitted, admit};
pub(crate) use feed::{Feed, Views};
pub(crate) use person::names_person;
pub use shipped::shipped_view;
