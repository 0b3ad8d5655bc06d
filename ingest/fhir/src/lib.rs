//! FHIR R4 bulk exports (NDJSON in a directory) into the lake.
//!
//! An export is a directory of `.ndjson` or `.jsonl` files, plain, gzip or zstd, one resource on
//! each line. [`ingest_directory`] reads it and commits one snapshot, or nothing:
//!
//! * every line ends either as one row of a table (an Observation with components also gives rows
//!   of a child table), as rows of views, as a deletion, dropped because its person was expunged, or
//!   whole, byte for byte, in quarantine with a stable reason;
//! * persons get their opaque numbers in the order of the export;
//! * direct identifiers stand in no row: they go, sealed and apart, where linkage reads them
//!   ([`salus_lake::DirectRecord`]);
//! * numbers become decimals from their text, never through a float;
//! * views of the user make more rows of the same lines, in tables of their own ([`admit`]);
//! * the same export twice changes nothing;
//! * what the server has deleted goes, and who denies consent is kept out.
//!
//! The mapping of every field and the reasons of quarantine are in `docs/ingest-fhir.md`.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use salus_fhir::{Options, Silent, ingest_directory};
//! use salus_lake::Lake;
//!
//! let lake = Lake::open("home".as_ref())?;
//! let summary = ingest_directory(&lake, "export".as_ref(), &Options::default(), &Silent).await?;
//! let rows: u64 = summary.tables.values().map(|table| table.rows).sum();
//! let aside: u64 = summary.quarantined.values().sum();
//! assert_eq!(rows + summary.viewed + aside + summary.deletions + summary.expunged, summary.lines);
//! # Ok(())
//! # }
//! ```
//!
//! # How it works
//!
//! Threads take chunks of whole lines. A first pass notes which ids occur more than once
//! (`census`), so that only versions of one resource need to be compared. The second pass
//! parses each line once (`json`, `resource`) and either writes its row into Arrow builders
//! (`tables`), puts it into quarantine, or lets it wait on disk (`waiting`): for a patient that
//! comes later, a medication on another line, another version of itself. What waited is decided
//! at the end. Memory depends on the longest line and on the number of Medication resources, not
//! on the size of the export.

mod census;
mod chunk;
mod code_map;
mod coding;
mod columns;
mod consent;
mod date;
mod decimal;
mod deletion;
mod error;
mod files;
mod ingest;
mod json;
mod key;
mod lines;
mod measure;
mod notary;
mod options;
mod place;
mod reason;
mod reference;
mod references;
mod resource;
mod retry;
mod spool;
mod tables;
mod turn;
mod value;
mod views;
mod waiting;
mod workers;

pub use code_map::{CodeMap, CodeMapError};
pub use error::IngestError;
pub use ingest::{ingest_directories, ingest_directory, parse_only};
pub use notary::{ConsentChanges, Notary, Noted};
pub use options::{Options, Progress, Silent, Summary, TableSummary, ViewSummary};
pub use retry::{about, expunge, retry_quarantine};
pub use views::{Admitted, admit, shipped_view};
