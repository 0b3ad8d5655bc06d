//! The lake: Delta tables of health records, sorted by person, and the public catalog that describes them.

mod catalog;
mod decimal;
mod error;
mod files;
mod identity;
mod lake;
mod quarantine;
mod schema;
mod snapshot;

pub use catalog::{Bounds, Catalog, Column, ColumnType, Measurement, Table};
pub use decimal::Decimal;
pub use error::{Error, Result};
pub use identity::IdentityIndex;
pub use lake::{Committed, Lake, Progress, Transaction};
pub use quarantine::Quarantined;
pub use schema::{MEASUREMENT_PRECISION, MEASUREMENT_SCALE, TABLES, instant, schema};
pub use snapshot::{FileRef, IdentityVersion, SideFile, Snapshot, TableVersion};
