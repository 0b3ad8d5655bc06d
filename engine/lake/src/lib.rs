//! The lake: health records in Delta tables, sorted by person, and the public catalog that describes them.
//!
//! # A short tour
//! [`Lake::begin`] opens the one [`Transaction`] that may write. It takes rows in any order ([`Transaction::append`]) or by
//! ascending person ([`Transaction::append_sorted`]), person ids from the [`IdentityIndex`], and source lines that could not
//! be used ([`Transaction::quarantine`]). [`Transaction::commit`] sorts, upserts, verifies and makes all of it visible as one
//! [`Snapshot`], or changes nothing. A query is bound to a snapshot: [`Lake::provider`] gives DataFusion the files that it
//! pins, [`Lake::schema_provider`] gives it the schema alone, for planning before any data may be touched.
//!
//! Its files lie in directories of a home, or in a [`Bucket`] of an object store ([`Lake::create_at`]). There two homes may
//! write: of two transactions that began from the same snapshot one commits, and the other gets [`Error::Overtaken`].
//!
//! The [`Catalog`] holds what may be known without asking anybody's data: types, key domains, clinical limits, how many rows
//! a person has at most. Each fact names its source outside the lake.
//!
//! ```
//! use std::sync::Arc;
//! use arrow::array::{Int64Array, RecordBatch, new_null_array};
//! use salus_lake::{Lake, schema};
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! let home = tempfile::tempdir()?;
//! let lake = Lake::create(home.path())?;
//! let transaction = lake.begin()?;
//! let person = transaction.identity().resolve_or_assign("https://clinic.example", "patient-7")?;
//! let patient = schema("patient").expect("a table");
//! let mut columns: Vec<_> = patient.fields().iter().map(|field| new_null_array(field.data_type(), 1)).collect();
//! columns[0] = Arc::new(Int64Array::from(vec![person]));
//! transaction.append("patient", RecordBatch::try_new(patient, columns)?)?;
//! let committed = transaction.commit(&|_| ()).await?;
//! assert!(committed.changed);
//! assert_eq!(committed.tables["patient"], 1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # }).unwrap();
//! ```
//!
//! # What is deliberately absent
//! Columns for direct identifiers. Floats. Statistics: neither Parquet files nor the Delta log nor the planner has any
//! minimum, maximum or count of private rows. A way to see rows that no snapshot names.

mod booking;
mod by_person;
mod catalog;
mod commit;
mod decimal;
mod delta;
mod direct;
mod edit;
mod error;
mod files;
mod identity;
mod keys;
mod lake;
mod lanes;
mod linkage;
mod links;
mod mark;
mod members;
mod merge;
mod names;
mod place;
mod places;
mod provider;
mod quarantine;
mod reading;
mod relink;
mod removed;
mod replaced;
mod rewrite;
mod schema;
mod side;
mod snapshot;
mod sorted;
mod sources;
mod stage;
mod transaction;
mod upsert;
mod vacuum;
mod vault;
mod versions;
mod views;
mod withheld;
mod write;

pub use booking::{Booking, LedgerName};
pub use catalog::{Bounds, Catalog, Column, ColumnType, Measurement, Table};
pub use commit::ROW_CAP;
pub use decimal::Decimal;
pub use direct::DirectRecord;
pub use edit::{LONGEST_DEFINITION, definition_hash};
pub use error::{Error, Result};
pub use identity::IdentityIndex;
pub use lake::Lake;
pub use lanes::Lanes;
pub use linkage::{Link, LinkState, Linkage};
pub use place::Bucket;
pub use quarantine::{QuarantineFile, Quarantined};
pub use reading::Reading;
pub use schema::{
    MEASUREMENT_PRECISION, MEASUREMENT_SCALE, TABLES, VIEW_KEYS, instant, resource_type, schema,
};
pub use snapshot::{FileRef, IdentityVersion, SideFile, Snapshot, TableVersion};
pub use sources::Sources;
pub use transaction::{Committed, Progress, Transaction};
pub use upsert::NO_ROWS;
pub use vacuum::{Retention, Vacuumed};
pub use vault::{KEY_BYTES, KeyFile, KeyProvider, Scratch, ScratchReader, ScratchWriter};
pub use versions::versioned;
pub use views::{ViewSource, column_name, table_name};
pub use withheld::Withheld;
