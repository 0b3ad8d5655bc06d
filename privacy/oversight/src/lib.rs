//! What an officer sees of the ledger: who asked how much for what, what became of it, what it cost, and what to look at twice.
//!
//! Everything here is a reading of entries that stand in the log, by pure functions: they do no input or output, have no clock, and give the same for the
//! same entries. Whether the log holds is not asked here; `salus-audit` and [`Ledger::audit_accounts`](salus_ledger::Ledger::audit_accounts) answer that,
//! and should be asked first.
//!
//! ```
//! use salus_accounting::{Delta, Loss, Rho};
//! use salus_ledger::{Genesis, Ledger, Refusal, key};
//! use salus_oversight::{Cover, Filter, Period, Share};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let home = tempfile::tempdir()?;
//! let signer = key::generate(&home.path().join("signing.key"), "riverside.example/ledger")?;
//! let cap = Loss { rho: Rho::parse_floor("0.01")?, delta: Delta::parse_floor("5e-7")? };
//! let genesis = Genesis {
//!     origin: "riverside.example/ledger".into(),
//!     space: "riverside".into(),
//!     ceiling: cap,
//!     cap,
//!     conversion_delta: Delta::parse_floor("5e-7")?,
//!     build: "0.1.0".into(),
//!     rules: 1,
//!     predecessor: None,
//!     restricted: None,
//! };
//! let ledger = Ledger::create(&home.path().join("ledger"), signer, genesis).await?;
//! let question = "SELECT * FROM patient".into();
//! ledger.refuse(Refusal { principal: "p-ada".into(), purpose: "HRESCH".into(), rule: "S1".into(), question }).await?;
//!
//! let log = ledger.entries().await?;
//! let questions = salus_oversight::questions(&log);
//! let refused = Filter { principal: Some("p-ada".into()), ..Filter::default() }.outcome("refused")?;
//! assert_eq!(refused.select(&questions).len(), 1);
//! assert_eq!(salus_oversight::refusals(&log).by_rule["S1"], 1);
//! println!("{}", salus_oversight::burn_down_of(&log, &Share::Purse).plot_text(80, 16));
//!
//! // For a spreadsheet, an audit record repository, a regulator.
//! let table = salus_oversight::csv(refused.select(&questions));
//! let events = salus_oversight::fhir(&log, &questions);
//! let page = salus_oversight::report(&log, Period::parse(Some("2026-01-01"), None)?, &Cover::default());
//! assert!(page.starts_with("<!DOCTYPE html>"));
//! # ledger.close().await?;
//! # Ok(())
//! # }
//! ```
//!
//! # What is where
//!
//! * [`questions`]: each RESERVE with its ending, each REUSE, each REFUSE; [`Filter`] takes some of them, or of the log's entries.
//! * [`words`]: a derivation in plain sentences.
//! * [`burn_down`]: how the purse is used up, by dataset and analyst, drawn for a terminal or a page.
//! * [`refusals`]: counted by rule, analyst, purpose and month.
//! * [`csv`], [`json`], [`fhir`], [`registry`]: for other programs.
//! * [`report`]: one document about one period, for a regulator.
//! * [`differences`]: pairs of questions of one analyst that differ by one condition.
//!
//! # Names are anybody's choice
//!
//! Principals, purposes, roles, tables and origins come from outside. In HTML and SVG all text passes through one function that escapes it; sentences and
//! plots for a terminal lose what could move its cursor; CSV cells that a spreadsheet would run begin with an apostrophe; FHIR strings lose control
//! characters; YAML is written by a library. The fields of [`Question`] are as they stand in the log.
//!
//! **Architecture invariant:** no float enters a sum; floats occur where pixels and characters are placed. No text of a question is needed, except by
//! [`differences`], which reads plans that the caller opens for it.

#![cfg_attr(
    not(test),
    warn(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects
    )
)]

mod books;
mod burn_down;
mod differences;
mod error;
mod export;
mod filter;
mod question;
mod refusals;
mod report;
mod text;
pub mod time;
mod words;

pub use books::{shown_delta, shown_epsilon};
pub use burn_down::{BurnDown, Point, Share, burn_down, burn_down_of};
pub use differences::{Asked, Change, Columns, Difference, Differences, differences};
pub use error::{Error, Result};
pub use export::{Deployment, QUERY_PROFILE, csv, fhir, json, registry};
pub use filter::Filter;
pub use question::{Outcome, OutcomeKind, Purse, Question, questions};
pub use refusals::{Refusals, refusals};
pub use report::{Cover, Period, report};
pub use words::{derivation, words};
