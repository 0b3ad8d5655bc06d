//! The query engine: SQL over health records in, noisy numbers with error bars out, and nothing else.
//!
//! A question goes one way:
//!
//! ```text
//! parse → validate → price → RESERVE → execute → noise → RELEASE → answer
//! ```
//!
//! | step | where | what it rests on |
//! |---|---|---|
//! | parse, resolve | `session` | one SELECT, functions of an allow-list, tables that cannot give up a row |
//! | validate | `post`, [`derive`](self), `release` | rules S0 to S6: each person's rows are a function of that person's rows and of public data |
//! | price | `price` | sensitivity over all cells in the norm of the noise, one noise per mechanism |
//! | RESERVE | `salus_ledger` | a `Charge` exists because the entry is durable |
//! | execute | `execute` | takes the charge, yields an `Exact` that nothing can print |
//! | noise, RELEASE | `salus_ledger` | the charge opens the `Exact`; the answer leaves after the entry is durable |
//! | answer | `answer`, `post` | post-processing of released numbers, each with its interval |
//!
//! The gate itself is [`Engine::ask`].
//!
//! **Architecture invariant:** only the crates in `engine/` name DataFusion, and no type of it appears in this crate's interface.

#[cfg(test)]
extern crate self as salus_query;

mod answer;
mod books;
mod canonical;
mod constants;
mod derive;
mod execute;
mod faults;
mod first_values;
mod fold;
mod foretell;
mod functions;
mod gate;
mod grouping_sets;
mod interval;
mod keys;
mod lateral;
mod least_partitions;
mod optimise;
mod options;
mod policy;
mod post;
mod price;
mod public;
mod purpose;
mod question;
mod quote;
mod refusal;
mod release;
#[cfg(test)]
mod replay;
mod session;
mod settings;
mod subqueries;
mod suggest;
mod terms;
mod unknown;
mod unresolved;
mod values;
mod words;

pub use answer::Answer;
pub use books::Books;
pub use functions::names as functions;
pub use functions::reference::{Entry as Written, REFERENCE};
pub use gate::{AskError, Asked, Asking, Engine, Price, Subject};
pub use options::{Malformed, Options};
pub use policy::{Policy, limited};
pub use post::ColumnType;
pub use public::{MEASUREMENT, MEASUREMENT_COLUMNS};
pub use purpose::PURPOSES;
pub use quote::{Admission, Expected, Noise, Quote, Values};
pub use refusal::Refusal;
pub use suggest::PARTS as BOUND_PARTS;
pub use terms::Terms;
pub use words::{Line, Said, figure};
