//! The lake: Delta tables of health records, sorted by person, and the public catalog that describes them.

mod catalog;
mod decimal;
mod delta;
mod error;
mod files;
mod identity;
mod keys;
mod lake;
mod lanes;
mod merge;
mod provider;
mod quarantine;
mod replaced;
mod rewrite;
mod schema;
mod snapshot;
mod sorted;
mod stage;
mod transaction;
mod upsert;
mod write;

pub use catalog::{Bounds, Catalog, Column, ColumnType, Measurement, Table};
pub use decimal::Decimal;
pub use error::{Error, Result};
pub use identity::IdentityIndex;
pub use lake::{Lake, Vacuumed};
pub use lanes::Lanes;
pub use quarantine::{QuarantineFile, Quarantined};
pub use schema::{MEASUREMENT_PRECISION, MEASUREMENT_SCALE, TABLES, instant, schema};
pub use snapshot::{FileRef, IdentityVersion, SideFile, Snapshot, TableVersion};
pub use transaction::{Committed, Progress, Transaction};
