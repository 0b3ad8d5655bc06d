//! SQL on FHIR v2 views over FHIR resources: a ViewDefinition, compiled once, makes flat rows.
//!
//! A [ViewDefinition](https://sql-on-fhir.org/ig/StructureDefinition-ViewDefinition.html) names a
//! resource type and, in FHIRPath, the columns of a table. [`View::parse`] reads one and says
//! everything that is wrong with it; [`run`] evaluates any number of views over NDJSON files, each
//! line parsed once, and hands the rows as Arrow batches to sinks: CSV, NDJSON, Parquet or the
//! caller's own.
//!
//! ```
//! use salus_views::{Input, NdjsonSink, Options, Silent, View, run};
//!
//! let view = View::parse(r#"{
//!     "resource": "Patient",
//!     "select": [
//!         {"column": [{"name": "id", "path": "getResourceKey()", "type": "id"}]},
//!         {"forEach": "name", "column": [{"name": "family", "path": "family", "type": "string"}]}
//!     ]
//! }"#).expect("a sound definition");
//! let line = r#"{"resourceType":"Patient","id":"p1","name":[{"family":"Noether"}]}"#;
//!
//! let mut rows = Vec::new();
//! let views = [view];
//! let sink = NdjsonSink::new(&views[0], &mut rows);
//! let input = Input::lines([line.to_owned()]);
//! let summary = run(&views, input, &mut [Box::new(sink)], &Options::default(), &Silent)?;
//! assert_eq!(summary.views[0].rows, 1);
//! assert_eq!(rows, b"{\"id\":\"p1\",\"family\":\"Noether\"}\n");
//! # Ok::<(), salus_views::RunError>(())
//! ```
//!
//! How to write a view, the functions of FHIRPath that are known and the types of columns are in
//! `docs/views.md`.
//!
//! # How it works
//!
//! `definition` reads a ViewDefinition, `fhirpath` the text of its expressions, `compile` makes
//! trees of them with every name resolved. A line becomes a flat tree that borrows from it
//! (`json`); `eval` evaluates an expression on an element, `rows` follows the specification's
//! algorithm from selects to rows, and `columns` makes typed cells and record batches. `run` reads,
//! distributes and orders; `write` holds the sinks. `evaluate` is for callers that have lines and want rows; `identifiers`
//! tells which columns would show who somebody is.
//!
//! Nothing recurses deeper than the line (128 levels) and the expression (100 levels) do, whatever
//! they hold. Errors name a resource by type and id and hold no other value of it.

mod columns;
mod compile;
mod definition;
mod elements;
mod eval;
mod evaluate;
mod fault;
mod fhirpath;
mod identifiers;
mod json;
mod rows;
mod run;
mod value;
mod write;

pub use columns::{Layout, schema};
pub use definition::{Column, Problem, View, check};
pub use evaluate::{Cell, Evaluator, Limits, Resource};
pub use identifiers::{Shown, shown};
pub use run::{Failure, Input, Options, Progress, RunError, Silent, Summary, ViewSummary, run};
pub use write::{CsvSink, Format, NdjsonSink, ParquetSink, Sink, files};
