//! Which records of several sources are one person.
//!
//! A person with two ids would be two units of privacy, so linkage is part of the guarantee. It runs in three steps, the surer
//! first: what a source says of its own records (`Patient.link`), a shared identifier of a system that is trusted, and the
//! scores of Fellegi and Sunter (*A theory for record linkage*, JASA 64, 1969). Above one threshold a pair is linked, above
//! another it is put on a list for people to decide; whatever is odd (two ids of one source, two matches that are equally good,
//! twins) goes there too. The result is a function of the set of records: their order does not matter.
//!
//! ```
//! use salus_linkage::{Decided, Elements, Options, Record, Why, link};
//!
//! let elements = |given| Elements { name: Some(given), birth_date: Some("1980-02-11"), ..Elements::default() };
//! let id = Some(r#"[{"system":"urn:oid:2.16.840.1.113883.4.1","value":"123-45-6789"}]"#);
//! let a = Elements { identifier: id, ..elements(r#"{"family":"García","given":["Ana"]}"#) };
//! let b = Elements { identifier: id, ..elements(r#"{"family":"GARCIA","given":["Anna"]}"#) };
//! let records = [Record::new(1, "north", "p7", a), Record::new(2, "south", "x-12", b)];
//! let options = Options { trusted: vec!["urn:oid:2.16.840.1.113883.4.1".into()], ..Options::default() };
//! let found = link(&records, &Decided::default(), &options)?;
//! assert_eq!((found.links[0].left, found.links[0].right), (1, 2));
//! assert_eq!(found.links[0].why, Why::Exact);
//! # Ok::<(), salus_linkage::Error>(())
//! ```
//!
//! # Costs
//! For n records time is that of sorting n keys in each of seven blocking passes and of comparing at most
//! 7 n (cap - 1) / 2 pairs; memory is linear in n and in the pairs that are worth showing.
//!
//! # What is deliberately absent
//! The lake, and anything that could log a name: records print as numbers.

mod block;
mod cluster;
mod compare;
mod link;
mod normal;
mod record;
mod terms;
mod weights;

pub use block::Pass;
pub use compare::FIELDS;
pub use link::link;
pub use record::{Date, Elements, Record};
pub use terms::{Decided, Error, Found, Options, Pair, Why};
pub use weights::Weights;
